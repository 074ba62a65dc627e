//! In which order images build, and which stand on each other in a circle.
//!
//! Only edges that carry updates count: a stage that is not built and a pinned digest cause no
//! rebuild, so they can neither delay one nor close a circle.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeFiltered, EdgeRef as _};

use crate::node::{Edge, Kind, Node};

/// The order of a graph.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// By node; `None` where nothing is built.
    waves: Vec<Option<usize>>,
    in_cycle: Vec<bool>,
    cycles: Vec<Cycle>,
}

/// Images that stand on each other in a circle: no order can rebuild them, so they are left out of
/// automatic rebuilds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cycle {
    /// The images, in the order of nodes. An image that stands on itself is a circle of one.
    pub members: Vec<NodeIndex>,
    /// Every edge between them as image and base, sorted.
    pub edges: Vec<(NodeIndex, NodeIndex)>,
}

impl Order {
    pub(crate) fn new(graph: &DiGraph<Node, Edge>) -> Self {
        let mut order = Self {
            waves: vec![None; graph.node_count()],
            in_cycle: vec![false; graph.node_count()],
            cycles: Vec::new(),
        };
        let needed = EdgeFiltered::from_fn(graph, |edge| edge.weight().carries_updates());
        // The algorithm gives a group only after all groups that it leads to, so the only
        // neighbours without a wave yet are those of the group itself. Unlike Tarjan's it does not
        // recurse: a long chain of images cannot exhaust the stack.
        for mut group in kosaraju_scc(&needed) {
            group.sort();
            let edges = || {
                let from = group.iter().flat_map(|node| graph.edges(*node));
                from.filter(|edge| edge.weight().carries_updates())
                    .map(|edge| (edge.source(), edge.target()))
            };
            let wave = edges()
                .filter_map(|(_, base)| order.waves[base.index()])
                .max()
                .unwrap_or(0)
                + 1;
            let mut inside: Vec<_> = edges()
                .filter(|(_, base)| group.binary_search(base).is_ok())
                .collect();
            inside.sort();
            for node in &group {
                if graph[*node].kind == Kind::Managed {
                    order.waves[node.index()] = Some(wave);
                }
                order.in_cycle[node.index()] = !inside.is_empty();
            }
            if !inside.is_empty() {
                order.cycles.push(Cycle {
                    members: group,
                    edges: inside,
                });
            }
        }
        order.cycles.sort();
        order
    }

    /// The wave in which an image builds: 1 follows no image of ours, every other one comes after
    /// all that it follows. Images of a circle share the wave that the circle would have. `None` for
    /// images that we do not build.
    #[must_use]
    pub fn wave(&self, node: NodeIndex) -> Option<usize> {
        self.waves.get(node.index()).copied().flatten()
    }

    /// The managed images of every wave from 1 on, each in the order of nodes.
    #[must_use]
    pub fn waves(&self) -> Vec<Vec<NodeIndex>> {
        let mut waves: Vec<Vec<NodeIndex>> = Vec::new();
        for (at, wave) in self.waves.iter().enumerate() {
            if let Some(wave) = *wave {
                if waves.len() < wave {
                    waves.resize_with(wave, Vec::new);
                }
                waves[wave - 1].push(NodeIndex::new(at));
            }
        }
        waves
    }

    /// The circles, sorted.
    #[must_use]
    pub fn cycles(&self) -> &[Cycle] {
        &self.cycles
    }

    /// The circle that an image is part of.
    #[must_use]
    pub fn cycle_of(&self, node: NodeIndex) -> Option<&Cycle> {
        let mut cycles = self.cycles.iter().filter(|_| self.in_cycle(node));
        cycles.find(|cycle| cycle.members.binary_search(&node).is_ok())
    }

    /// Whether an image is part of a circle, and so excluded from automatic rebuilds.
    #[must_use]
    pub fn in_cycle(&self, node: NodeIndex) -> bool {
        self.in_cycle.get(node.index()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use crate::fixture::{graph, labels};
    use crate::graph::Graph;

    fn waves(lines: &str) -> Vec<String> {
        let graph = graph(lines);
        graph
            .order()
            .waves()
            .into_iter()
            .map(|wave| labels(&graph, wave))
            .collect()
    }

    fn cycles(lines: &str) -> Vec<String> {
        let graph = graph(lines);
        let name = |index| labels(&graph, [index]);
        let cycles = graph.order().cycles().iter();
        cycles
            .map(|cycle| {
                let edges: Vec<String> = cycle
                    .edges
                    .iter()
                    .map(|(image, base)| format!("{}>{}", name(*image), name(*base)))
                    .collect();
                format!(
                    "{}: {}",
                    labels(&graph, cycle.members.clone()),
                    edges.join(" ")
                )
            })
            .collect()
    }

    #[test]
    fn a_diamond_builds_its_top_last() {
        let lines = "top: left right
            left: base node:22
            right: mid
            mid: base
            base: debian:12
            alone:
            watched external:";
        assert_eq!(waves(lines), ["alone base", "left mid", "right", "top"]);
    }

    #[test]
    fn circles_are_named_with_their_edges_and_do_not_hang_the_order() {
        assert_eq!(
            cycles("a: b node:22\nb: c\nc: a\nd: a\ne: e"),
            ["a b c: a>b b>c c>a", "e: e>e"]
        );
        assert_eq!(waves("a: b\nb: a x\nd: a\nx:"), ["x", "a b", "d"]);
    }

    #[test]
    fn stages_that_no_target_needs_close_no_circle_and_delay_nothing() {
        assert_eq!(cycles("a: b\nb: ~a"), Vec::<String>::new());
        assert_eq!(waves("a: ~b\nb: ~a"), ["a b"]);
    }

    #[test]
    fn a_long_chain_does_not_exhaust_the_stack() {
        let graph = chain(20_000);
        assert_eq!(graph.order().waves().len(), 20_000);
        let (first, last) = (graph.find("i00000").unwrap(), graph.find("i19999").unwrap());
        assert_eq!(graph.paths(last, first, 10).paths.len(), 1);
        assert_eq!(graph.cascade(first).builds.len(), 19_999);
    }

    proptest! {
        #[test]
        fn orders_of_random_graphs(edges in prop::collection::vec((0u8..12, 0u8..12, any::<bool>()), 0..40)) {
            let edges: BTreeSet<(u8, u8, bool)> = edges.into_iter().collect();
            let graph = random(12, &edges);
            let needs = |image: u8, base: u8| edges.contains(&(image, base, true));
            let order = graph.order();

            // Every image stands in exactly one wave, the one that is said of it.
            let waves = order.waves();
            let mut all: Vec<_> = waves.iter().flatten().copied().collect();
            prop_assert_eq!(all.len(), 12);
            all.sort();
            all.dedup();
            prop_assert_eq!(all.len(), 12);
            for (at, images) in waves.iter().enumerate() {
                for image in images {
                    prop_assert_eq!(order.wave(*image), Some(at + 1));
                }
            }

            // Reachability by repeated squaring, to compare with.
            let mut reach = [[false; 12]; 12];
            for (image, base, needed) in &edges {
                reach[usize::from(*image)][usize::from(*base)] |= needed;
            }
            for k in 0..12 {
                for i in 0..12 {
                    for j in 0..12 {
                        reach[i][j] |= reach[i][k] && reach[k][j];
                    }
                }
            }
            let index = |at: u8| graph.find(&format!("i{at:05}")).unwrap();
            for i in 0..12u8 {
                let (at, own) = (usize::from(i), index(i));
                prop_assert_eq!(order.in_cycle(own), reach[at][at]);
                for j in 0..12u8 {
                    let together = reach[at][usize::from(j)] && reach[usize::from(j)][at];
                    if needs(i, j) && !together {
                        prop_assert!(order.wave(own) > order.wave(index(j)));
                    }
                    let named = order.cycles().iter().any(|cycle| cycle.members.contains(&own) && cycle.members.contains(&index(j)));
                    prop_assert_eq!(named, together && reach[at][at]);
                    let edge = order.cycles().iter().any(|cycle| cycle.edges.contains(&(own, index(j))));
                    prop_assert_eq!(edge, together && needs(i, j));
                }
            }
        }
    }

    /// Images `i00000` and so on, with edges as image, base and whether it is needed.
    fn random(count: usize, edges: &BTreeSet<(u8, u8, bool)>) -> Graph {
        let mut lines = String::new();
        for image in 0..count {
            lines.push_str(&format!("i{image:05}:"));
            for (_, base, needed) in edges
                .iter()
                .filter(|(from, ..)| usize::from(*from) == image)
            {
                // An edge that is there both ways is needed.
                if *needed || !edges.contains(&(u8::try_from(image).unwrap(), *base, true)) {
                    lines.push_str(if *needed { " " } else { " ~" });
                    lines.push_str(&format!("i{base:05}"));
                }
            }
            lines.push('\n');
        }
        graph(&lines)
    }

    fn chain(length: usize) -> Graph {
        let mut lines = String::new();
        for at in 0..length {
            match at {
                0 => lines.push_str("i00000:\n"),
                _ => lines.push_str(&format!("i{at:05}: i{:05}\n", at - 1)),
            }
        }
        graph(&lines)
    }
}
