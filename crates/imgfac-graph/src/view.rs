//! The part of a graph that is shown, and what was left out of it.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::node::{Edge, Kind, Node, Status};

/// A part of a graph. What it leaves out it says: no picture is silently incomplete.
#[derive(Clone, Debug)]
pub struct View<'g> {
    graph: &'g Graph,
    shown: BTreeSet<NodeIndex>,
    focus: Option<NodeIndex>,
    notes: BTreeMap<NodeIndex, String>,
    waves: Option<BTreeMap<NodeIndex, usize>>,
    title: String,
    cut: Option<String>,
}

impl<'g> View<'g> {
    /// Everything.
    #[must_use]
    pub fn all(graph: &'g Graph) -> Self {
        let shown = graph.nodes().map(|(index, _)| index).collect();
        Self::new(graph, shown, "all images".into())
    }

    /// The images of the first so many waves and the bases that they name.
    #[must_use]
    pub fn waves(graph: &'g Graph, count: usize) -> Self {
        let mut shown: BTreeSet<NodeIndex> = graph
            .nodes()
            .filter(|(_, node)| node.kind != Kind::Base)
            .map(|(index, _)| index)
            .filter(|index| graph.order().wave(*index).is_none_or(|wave| wave <= count))
            .collect();
        let named = shown.iter().flat_map(|image| graph.bases_of(*image));
        let bases: Vec<NodeIndex> = named
            .map(|(base, _)| base)
            .filter(|base| graph.node(*base).kind == Kind::Base)
            .collect();
        shown.extend(bases);
        let hidden = |base: bool| {
            let hidden = graph.nodes().filter(|(index, node)| {
                (node.kind == Kind::Base) == base && !shown.contains(index)
            });
            hidden.count()
        };
        let mut left = Vec::new();
        if hidden(false) > 0 {
            left.push(format!("{} of later waves", number(hidden(false), "image")));
        }
        if hidden(true) > 0 {
            let bases = number(hidden(true), "base");
            left.push(format!("{bases} that no image shown names"));
        }
        let title = format!("the images of the first {}", number(count, "wave"));
        let mut view = Self::new(graph, shown, title);
        if !left.is_empty() {
            view.cut = Some(format!("not shown: {}", left.join(" and ")));
        }
        view
    }

    /// An image, everything that it stands on and everything that stands on it, at most `depth`
    /// steps away.
    #[must_use]
    pub fn around(graph: &'g Graph, focus: NodeIndex, depth: Option<usize>) -> Self {
        let mut reach = graph.ancestors(focus);
        reach.extend(graph.descendants(focus));
        let all = reach.len();
        let depth = depth.unwrap_or(usize::MAX);
        let mut shown: BTreeSet<NodeIndex> = reach
            .into_iter()
            .filter(|(_, steps)| *steps <= depth)
            .map(|(index, _)| index)
            .collect();
        let left = all - shown.len();
        shown.insert(focus);
        let label = graph.node(focus).label();
        let title = format!("{label}, what it stands on and what stands on it");
        let mut view = Self::new(graph, shown, title);
        view.focus = Some(focus);
        if left > 0 {
            let steps = number(depth, "step");
            view.cut = Some(format!("not shown: {left}, more than {steps} away"));
        }
        view
    }

    /// Some nodes, under a title.
    #[must_use]
    pub fn of(
        graph: &'g Graph,
        title: impl Into<String>,
        nodes: impl IntoIterator<Item = NodeIndex>,
    ) -> Self {
        Self::new(graph, nodes.into_iter().collect(), title.into())
    }

    fn new(graph: &'g Graph, shown: BTreeSet<NodeIndex>, title: String) -> Self {
        Self {
            graph,
            shown,
            focus: None,
            notes: BTreeMap::new(),
            waves: None,
            title,
            cut: None,
        }
    }

    /// Marks one node as what the view is about.
    #[must_use]
    pub fn with_focus(mut self, focus: NodeIndex) -> Self {
        self.focus = Some(focus);
        self
    }

    /// Puts nodes into waves other than those of the whole graph: 0 is what moves.
    #[must_use]
    pub fn with_waves(mut self, waves: BTreeMap<NodeIndex, usize>) -> Self {
        self.waves = Some(waves);
        self
    }

    /// Adds to the line of notes that is shown of a node.
    #[must_use]
    pub fn with_note(mut self, node: NodeIndex, note: impl AsRef<str>) -> Self {
        let notes = self.notes.entry(node).or_default();
        if !notes.is_empty() {
            notes.push_str("; ");
        }
        notes.push_str(note.as_ref());
        self
    }

    /// The same within limits of nodes and edges, for renderers that cannot draw any number.
    ///
    /// If it is larger, images on which nothing stands are counted and not shown; of the others
    /// those stay on which most images stand.
    #[must_use]
    pub fn within(&self, nodes: usize, edges: usize) -> Self {
        if self.shown.len() <= nodes && self.edges().count() <= edges {
            return self.clone();
        }
        let mut ranked: Vec<(usize, NodeIndex)> = self
            .shown
            .iter()
            .map(|index| {
                let above = self.graph.descendants(*index);
                (
                    above
                        .keys()
                        .filter(|above| self.shown.contains(above))
                        .count(),
                    *index,
                )
            })
            .filter(|(above, index)| *above > 0 || self.focus == Some(*index))
            .collect();
        ranked.sort_by_key(|(above, index)| {
            (
                self.focus != Some(*index),
                std::cmp::Reverse(*above),
                *index,
            )
        });
        ranked.truncate(nodes);
        let mut view = self.clone();
        loop {
            view.shown = ranked.iter().map(|(_, index)| *index).collect();
            if view.edges().count() <= edges || ranked.is_empty() {
                break;
            }
            ranked.truncate(ranked.len() * 9 / 10);
        }
        for (above, index) in ranked {
            view.notes
                .entry(index)
                .or_insert_with(|| format!("{} on it", number(above, "image")));
        }
        let left = self.shown.len() - view.shown.len();
        let before = self.cut.as_ref().map(|cut| format!("{cut}; "));
        view.cut = Some(format!(
            "{}not shown: {left} others. These are the ones on which most images stand, with the number of those",
            before.unwrap_or_default()
        ));
        view
    }

    /// The graph it is part of.
    #[must_use]
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// The nodes shown, in order.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIndex, &'g Node)> {
        self.shown
            .iter()
            .map(|index| (*index, self.graph.node(*index)))
    }

    /// Whether a node is shown.
    #[must_use]
    pub fn shows(&self, index: NodeIndex) -> bool {
        self.shown.contains(&index)
    }

    /// The edges between them, as image and base, in the order of images, then bases.
    pub fn edges(&self) -> impl Iterator<Item = (NodeIndex, NodeIndex, &'g Edge)> {
        self.shown.iter().flat_map(|image| {
            let bases = self.graph.bases_of(*image).into_iter();
            bases
                .filter(|(base, _)| self.shown.contains(base))
                .map(|(base, edge)| (*image, base, edge))
        })
    }

    /// What the view is about.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What was left out, if anything.
    #[must_use]
    pub fn cut(&self) -> Option<&str> {
        self.cut.as_deref()
    }

    /// `16 images and 20 bases`.
    #[must_use]
    pub fn counts(&self) -> String {
        let bases = self
            .nodes()
            .filter(|(_, node)| node.kind == Kind::Base)
            .count();
        let images = number(self.shown.len() - bases, "image");
        match bases {
            0 => images,
            _ => format!("{images} and {}", number(bases, "base")),
        }
    }

    /// The wave of a node; `None` where nothing is built.
    #[must_use]
    pub fn wave(&self, index: NodeIndex) -> Option<usize> {
        match &self.waves {
            Some(waves) => waves.get(&index).copied().filter(|wave| *wave > 0),
            None => self.graph.order().wave(index),
        }
    }

    /// What to call the nodes without a wave.
    pub(crate) fn before_waves(&self) -> &'static str {
        match self.waves {
            Some(_) => "moves",
            None => "upstream",
        }
    }

    /// The node that the view is about.
    #[must_use]
    pub fn focus(&self) -> Option<NodeIndex> {
        self.focus
    }

    /// What to write on a node: its label, what is special about it, and its note.
    #[must_use]
    pub fn lines(&self, index: NodeIndex) -> Vec<String> {
        let node = self.graph.node(index);
        let mut lines = vec![node.label()];
        let status = match node.status {
            Status::Failed => Some("discovery failed"),
            Status::Pending => Some("not yet analysed"),
            Status::Unreadable => Some("state unreadable"),
            Status::Missing => Some("no state"),
            Status::Pinned => Some("pinned"),
            Status::Success | Status::Watched | Status::Observed | Status::Unobserved => None,
        };
        lines.extend(status.map(str::to_owned));
        if self.graph.order().in_cycle(index) {
            lines.push("in a circle".into());
        }
        // The day, and not whether it is past: a picture follows from the state alone.
        lines.extend(node.end_of_life.map(|day| format!("end of life {day}")));
        lines.extend(self.notes.get(&index).cloned());
        lines
    }

    /// What a picture writes on a node, in two lines: the label, and what is special about it or
    /// else its registry.
    pub(crate) fn face(&self, index: NodeIndex) -> (String, String) {
        let mut lines = self.lines(index);
        let label = lines.remove(0);
        if !lines.is_empty() {
            return (label, lines.join(" · "));
        }
        // The registry need not stand in both lines.
        let registry = &self.graph.node(index).registry;
        let own = label.strip_prefix(registry.as_str());
        let rest = own.and_then(|rest| rest.strip_prefix('/'));
        (rest.unwrap_or(&label).to_owned(), registry.clone())
    }

    /// Whether an edge is part of a circle.
    #[must_use]
    pub fn closes_circle(&self, image: NodeIndex, base: NodeIndex) -> bool {
        let cycle = self.graph.order().cycle_of(image);
        cycle.is_some_and(|cycle| cycle.edges.binary_search(&(image, base)).is_ok())
    }
}

/// `1 image`, `2 images`.
pub(crate) fn number(count: usize, singular: &str) -> String {
    match count {
        1 => format!("1 {singular}"),
        _ => format!("{count} {singular}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{graph, labels};

    fn check(lines: &str, count: usize, shown: &str, cut: Option<&str>) {
        let graph = graph(lines);
        let view = View::waves(&graph, count);
        let nodes = view.nodes().map(|(index, _)| index);
        assert_eq!((labels(&graph, nodes).as_str(), view.cut()), (shown, cut));
    }

    #[test]
    fn the_first_waves_come_with_their_own_bases_and_count_the_rest() {
        let lines = "low: node:22 ~golang:1\napp: low node:22 debian:12\ntop: app redis:7\nwatched external:";
        check(
            lines,
            1,
            "low watched golang:1 node:22",
            Some("not shown: 2 images of later waves and 2 bases that no image shown names"),
        );
        check(
            lines,
            2,
            "app low watched debian:12 golang:1 node:22",
            Some("not shown: 1 image of later waves and 1 base that no image shown names"),
        );
        check(
            lines,
            3,
            "app low top watched debian:12 golang:1 node:22 redis:7",
            None,
        );
        check(
            "one: two\ntwo: one",
            0,
            "",
            Some("not shown: 2 images of later waves"),
        );
    }
}
