//! Who stands on whom, at any distance.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::Direction;
use petgraph::graph::NodeIndex;

use crate::graph::Graph;

/// The ways from an image to one that it stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Each from the image to the base; no node stands twice in one, but that a way around a circle
    /// ends where it began.
    pub paths: Vec<Vec<NodeIndex>>,
    /// Whether there are more than the limit allowed.
    pub more: bool,
}

/// A search for paths gives up after so many steps: inside large circles, ways that come back to
/// themselves can outnumber those that arrive beyond all measure.
const STEPS: usize = 1_000_000;

impl Graph {
    /// Everything that an image stands on, with the number of steps to it.
    #[must_use]
    pub fn ancestors(&self, node: NodeIndex) -> BTreeMap<NodeIndex, usize> {
        self.reach(node, Direction::Outgoing)
    }

    /// Everything that stands on an image, with the number of steps to it.
    #[must_use]
    pub fn descendants(&self, node: NodeIndex) -> BTreeMap<NodeIndex, usize> {
        self.reach(node, Direction::Incoming)
    }

    /// Some nodes and everything that stands on one of them.
    pub(crate) fn with_descendants(&self, start: BTreeSet<NodeIndex>) -> BTreeSet<NodeIndex> {
        let mut open: Vec<NodeIndex> = start.iter().copied().collect();
        let mut found = start;
        while let Some(node) = open.pop() {
            let above = self.graph.neighbors_directed(node, Direction::Incoming);
            open.extend(above.filter(|next| found.insert(*next)));
        }
        found
    }

    fn reach(&self, start: NodeIndex, direction: Direction) -> BTreeMap<NodeIndex, usize> {
        let mut found = BTreeMap::from([(start, 0)]);
        let mut queue = VecDeque::from([(start, 0)]);
        while let Some((node, steps)) = queue.pop_front() {
            for next in self.graph.neighbors_directed(node, direction) {
                if let Entry::Vacant(entry) = found.entry(next) {
                    entry.insert(steps + 1);
                    queue.push_back((next, steps + 1));
                }
            }
        }
        found.remove(&start);
        found
    }

    /// The ways from an image to one that it stands on, at most `limit` of them.
    #[must_use]
    pub fn paths(&self, image: NodeIndex, base: NodeIndex, limit: usize) -> Paths {
        let mut search = Search {
            graph: self,
            // Only nodes from which the base can be reached: in a graph without circles every
            // step then belongs to a path.
            useful: self.descendants(base).into_keys().chain([base]).collect(),
            base,
            limit,
            steps: 0,
            found: Paths::default(),
        };
        if search.useful.contains(&image) {
            search.run(image);
        }
        search.found
    }
}

struct Search<'g> {
    graph: &'g Graph,
    useful: BTreeSet<NodeIndex>,
    base: NodeIndex,
    limit: usize,
    steps: usize,
    found: Paths,
}

impl Search<'_> {
    /// Depth first with a stack of its own: a path may be as long as the fleet is large.
    fn run(&mut self, image: NodeIndex) {
        let next = |node: NodeIndex| {
            let bases = self.graph.bases_of(node).into_iter();
            let mut bases: Vec<_> = bases
                .map(|(base, _)| base)
                .filter(|base| self.useful.contains(base))
                .collect();
            bases.reverse();
            bases
        };
        let mut path = vec![image];
        let mut on_path = BTreeSet::from([image]);
        let mut choices = vec![next(image)];
        while let Some(open) = choices.last_mut() {
            let Some(node) = open.pop() else {
                choices.pop();
                if let Some(node) = path.pop() {
                    on_path.remove(&node);
                }
                continue;
            };
            self.steps += 1;
            if self.steps > STEPS || self.found.paths.len() == self.limit {
                self.found.more = true;
                return;
            }
            if node == self.base {
                self.found
                    .paths
                    .push(path.iter().copied().chain([node]).collect());
            } else if on_path.insert(node) {
                path.push(node);
                choices.push(next(node));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::fixture::{graph, labels};

    fn check(lines: &str, image: &str, base: &str, limit: usize, expected: &[&str], more: bool) {
        let graph = graph(lines);
        let [image, base] = [image, base].map(|name| graph.find(name).unwrap());
        let found = graph.paths(image, base, limit);
        let paths: Vec<String> = found
            .paths
            .into_iter()
            .map(|path| labels(&graph, path))
            .collect();
        assert_eq!(
            (paths, found.more),
            (
                expected.iter().map(|path| (*path).to_owned()).collect(),
                more
            )
        );
    }

    #[test]
    fn every_way_is_found() {
        let lines =
            "top: left right node:22\nleft: base\nright: base\nbase: node:22\naside: node:22";
        let ways = [
            "top left base node:22",
            "top right base node:22",
            "top node:22",
        ];
        check(lines, "top", "node:22", 10, &ways, false);
        check(lines, "top", "node:22", 3, &ways, false);
        check(lines, "top", "node:22", 2, &ways[..2], true);
        check(lines, "left", "right", 10, &[], false);
        check(lines, "top", "top", 10, &[], false);
    }

    #[test]
    fn ways_do_not_go_around_in_circles() {
        check(
            "a: b\nb: a c\nc: b node:22",
            "a",
            "node:22",
            10,
            &["a b c node:22"],
            false,
        );
    }

    #[test]
    fn an_image_of_a_circle_stands_on_itself() {
        let lines = "a: b c node:22\nb: a\nc: b\nd: a\nself: self";
        check(lines, "a", "a", 10, &["a b a", "a c b a"], false);
        check(lines, "self", "self", 10, &["self self"], false);
        check(lines, "d", "d", 10, &[], false);
    }

    #[test]
    fn a_maze_is_given_up() {
        let names: Vec<String> = (0..30).map(|at| format!("i{at}")).collect();
        let all = names.join(" ");
        let lines: Vec<String> = names.iter().map(|name| format!("{name}: {all}")).collect();
        let graph = graph(&lines.join("\n"));
        let found = graph.paths(graph.find("i0").unwrap(), graph.find("i29").unwrap(), 5);
        assert!(found.more);
        assert_eq!(found.paths.len(), 5);
    }

    proptest! {
        #[test]
        fn ancestors_and_descendants_mirror_each_other(edges in prop::collection::vec((0u8..15, 0u8..15), 0..40)) {
            let mut lines: Vec<String> = (0..15).map(|at| format!("i{at}:")).collect();
            for (image, base) in &edges {
                let word = format!(" i{base}");
                if !lines[usize::from(*image)].split_whitespace().any(|known| known == word.trim()) {
                    lines[usize::from(*image)].push_str(&word);
                }
            }
            let graph = graph(&lines.join("\n"));
            for (node, _) in graph.nodes() {
                for (above, steps) in graph.descendants(node) {
                    prop_assert_eq!(graph.ancestors(above)[&node], steps);
                    let paths = graph.paths(above, node, 1);
                    prop_assert_eq!(paths.paths.len(), 1);
                    prop_assert!(paths.paths[0].len() > steps);
                }
            }
        }
    }
}
