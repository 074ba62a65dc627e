//! Order and circles.

use std::collections::BTreeMap;

use imgfac_model::ImageName;
use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// Managed images and what they stand on.
#[derive(Clone, Debug)]
pub struct Graph {
    graph: DiGraph<ImageName, ()>,
}

impl Graph {
    /// Builds the graph; an edge is `(image, what it stands on)`. Edges to images that are not
    /// among the nodes are left out.
    pub fn new(
        images: impl IntoIterator<Item = ImageName>,
        edges: impl IntoIterator<Item = (ImageName, ImageName)>,
    ) -> Self {
        let mut graph = DiGraph::new();
        // Sorted, so that every answer is the same whatever the order of the input.
        let names: std::collections::BTreeSet<ImageName> = images.into_iter().collect();
        let index: BTreeMap<ImageName, NodeIndex> = names
            .into_iter()
            .map(|name| (name.clone(), graph.add_node(name)))
            .collect();
        let mut edges: Vec<_> = edges.into_iter().collect();
        edges.sort();
        edges.dedup();
        for (image, base) in edges {
            if let (Some(from), Some(to)) = (index.get(&image), index.get(&base)) {
                graph.add_edge(*from, *to, ());
            }
        }
        Self { graph }
    }

    /// The groups of images that stand on each other in a circle, each sorted by name. An image
    /// that stands on itself is a group of one.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<ImageName>> {
        let mut cycles: Vec<Vec<ImageName>> = tarjan_scc(&self.graph)
            .into_iter()
            .filter(|group| match group.as_slice() {
                [one] => self.graph.contains_edge(*one, *one),
                _ => true,
            })
            .map(|group| {
                let mut names: Vec<_> = group
                    .iter()
                    .filter_map(|node| self.graph.node_weight(*node).cloned())
                    .collect();
                names.sort();
                names
            })
            .collect();
        cycles.sort();
        cycles
    }

    /// The wave in which each image builds: 0 stands on no managed image, every other one comes
    /// after all that it stands on. Images of a circle share the wave that the circle would have.
    #[must_use]
    pub fn waves(&self) -> BTreeMap<ImageName, usize> {
        let mut waves: Vec<Option<usize>> = vec![None; self.graph.node_count()];
        // Tarjan's algorithm gives a group only after all groups that it leads to, so the only
        // neighbours without a wave yet are those of the group itself.
        for group in tarjan_scc(&self.graph) {
            let wave = group
                .iter()
                .flat_map(|node| self.graph.neighbors_directed(*node, Direction::Outgoing))
                .filter_map(|base| waves[base.index()].map(|wave| wave + 1))
                .max()
                .unwrap_or(0);
            for node in &group {
                waves[node.index()] = Some(wave);
            }
        }
        let names = self.graph.node_weights().cloned();
        names
            .zip(waves.into_iter().map(Option::unwrap_or_default))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> ImageName {
        ImageName::new(text).unwrap()
    }

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let edges: Vec<_> = edges.iter().map(|(a, b)| (name(a), name(b))).collect();
        let nodes: Vec<_> = edges
            .iter()
            .flat_map(|(a, b)| [a.clone(), b.clone()])
            .collect();
        Graph::new(nodes, edges)
    }

    fn waves(edges: &[(&str, &str)]) -> Vec<(String, usize)> {
        graph(edges)
            .waves()
            .into_iter()
            .map(|(name, wave)| (name.to_string(), wave))
            .collect()
    }

    fn cycles(edges: &[(&str, &str)]) -> Vec<String> {
        let join = |names: Vec<ImageName>| {
            names
                .iter()
                .map(ImageName::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        };
        graph(edges).cycles().into_iter().map(join).collect()
    }

    #[test]
    fn a_diamond_builds_its_top_last() {
        assert_eq!(
            waves(&[
                ("top", "left"),
                ("top", "right"),
                ("left", "base"),
                ("right", "mid"),
                ("mid", "base")
            ]),
            [
                ("base", 0),
                ("left", 1),
                ("mid", 1),
                ("right", 2),
                ("top", 3)
            ]
            .map(|(n, w)| (n.to_owned(), w))
        );
    }

    #[test]
    fn circles_are_found_and_do_not_hang_the_order() {
        assert_eq!(
            cycles(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "e")]),
            ["a b c", "e"]
        );
        assert_eq!(
            waves(&[("a", "b"), ("b", "a"), ("d", "a")])[2],
            ("d".to_owned(), 1)
        );
    }

    proptest! {
        #[test]
        fn every_image_builds_after_what_it_stands_on(edges in prop::collection::vec((0u8..30, 0u8..30), 0..80)) {
            // Edges only lead to smaller numbers: no circles.
            let edges: Vec<_> = edges
                .into_iter()
                .filter(|(a, b)| a > b)
                .map(|(a, b)| (name(&format!("i{a}")), name(&format!("i{b}"))))
                .collect();
            let nodes: Vec<_> = (0..30).map(|n| name(&format!("i{n}"))).collect();
            let graph = Graph::new(nodes.clone(), edges.clone());
            let waves = graph.waves();
            prop_assert!(graph.cycles().is_empty());
            prop_assert_eq!(waves.len(), nodes.len());
            for (image, base) in edges {
                prop_assert!(waves[&image] > waves[&base]);
            }
        }
    }
}
