//! In which order images are looked at: each after all that it stands on.

use std::collections::BTreeMap;

use imgfac_model::{ImageName, Reference};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::fleet::{Base, Fleet};

/// The images of a fleet, parents first, and the circles among them.
pub(crate) struct Order<'a> {
    /// Every image once. One of a circle stands at any place among those of it.
    pub(crate) images: Vec<&'a ImageName>,
    /// A number for the circle of each image that is in one.
    circles: BTreeMap<&'a ImageName, usize>,
}

impl<'a> Order<'a> {
    pub(crate) fn new(fleet: &'a Fleet) -> Self {
        let mut graph: DiGraph<&ImageName, ()> = DiGraph::new();
        let nodes: BTreeMap<&ImageName, NodeIndex> = fleet
            .images
            .keys()
            .map(|name| (name, graph.add_node(name)))
            .collect();
        for (name, image) in &fleet.images {
            for (_, base) in image.bases.iter().filter(carries) {
                let parent = base.parent.as_ref().and_then(|parent| nodes.get(parent));
                if let (Some(from), Some(to)) = (nodes.get(name), parent) {
                    graph.update_edge(*from, *to, ());
                }
            }
        }
        let mut order = Self {
            images: Vec::new(),
            circles: BTreeMap::new(),
        };
        // A group comes after all groups that it leads to, which are those that it stands on.
        for (number, mut group) in kosaraju_scc(&graph).into_iter().enumerate() {
            group.sort();
            let circle = group.len() > 1 || graph.contains_edge(group[0], group[0]);
            for node in group {
                order.images.push(graph[node]);
                if circle {
                    order.circles.insert(graph[node], number);
                }
            }
        }
        order
    }

    /// Whether an image and one that it stands on are in one circle: a push of one that started a
    /// rebuild of the other would never end.
    pub(crate) fn in_circle(&self, image: &ImageName, base: &Base) -> bool {
        let circle = |name| self.circles.get(name);
        let parent = base.parent.as_ref().and_then(circle);
        parent.is_some() && parent == circle(image)
    }
}

/// Whether an update of a base is one for the image.
pub(crate) fn carries((reference, base): &(&Reference, &Base)) -> bool {
    base.needed && reference.digest().is_none()
}
