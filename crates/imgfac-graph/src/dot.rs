//! The graph in the language of Graphviz.

use std::fmt::Write as _;

use petgraph::graph::NodeIndex;

use crate::escape::{dot as escape, dot_id};
use crate::node::{Kind, Status};
use crate::view::View;

/// Writes a digraph, complete whatever its size. Arrows lead from a base to what stands on it; a
/// dashed one is not needed by the built target.
#[must_use]
pub fn dot(view: &View<'_>) -> String {
    let mut out = String::from("digraph images {\n");
    let mut title = format!("{}: {}", view.title(), view.counts());
    if let Some(cut) = view.cut() {
        title = format!("{title}; {cut}");
    }
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "  graph [rankdir=LR, label=\"{}\", fontname=\"sans-serif\"];",
        escape(&title)
    );
    out.push_str("  node [style=filled, fontname=\"sans-serif\", fontsize=11];\n");
    for (index, node) in view.nodes() {
        let lines: Vec<String> = view.lines(index).iter().map(|line| escape(line)).collect();
        let _ = writeln!(
            out,
            "  \"{}\" [label=\"{}\", tooltip=\"{}\", class=\"{} {}\", {}];",
            dot_id(&node.id()),
            lines.join("\\n"),
            escape(&node.image),
            node.kind.as_str(),
            node.status.as_str(),
            style(view, index),
        );
    }
    for (image, base, edge) in view.edges() {
        let [image_id, base_id] = [image, base].map(|index| dot_id(&view.graph().node(index).id()));
        let mut style = vec![format!("tooltip=\"{}\"", escape(&edge.places()))];
        style.extend((edge.other_roles()).map(|roles| format!("label=\"{roles}\", fontsize=9")));
        style.extend(match (edge.needed, view.closes_circle(image, base)) {
            (false, _) => Some("style=dashed".to_owned()),
            (true, true) => Some("color=\"#b91c1c\", penwidth=2".to_owned()),
            (true, false) => None,
        });
        let style = style.join(", ");
        let _ = writeln!(out, "  \"{base_id}\" -> \"{image_id}\" [{style}];");
    }
    out.push_str("}\n");
    out
}

fn style(view: &View<'_>, index: NodeIndex) -> String {
    let node = view.graph().node(index);
    let (shape, mut fill, mut line) = match node.kind {
        Kind::Managed => ("box", "#dbeafe", "#1d4ed8"),
        Kind::External => ("ellipse", "#f3e8ff", "#7e22ce"),
        Kind::Base => ("hexagon", "#ecfdf5", "#047857"),
    };
    let mut more = "";
    match node.status {
        Status::Pinned => (fill, line, more) = ("#f1f5f9", "#475569", ", style=\"filled,dotted\""),
        Status::Missing => (fill, line, more) = ("#fff7ed", "#c2410c", ", style=\"filled,dashed\""),
        Status::Pending => more = ", style=\"filled,dashed\"",
        Status::Failed | Status::Unreadable => (fill, line) = ("#fee2e2", "#b91c1c"),
        Status::Success | Status::Watched | Status::Observed | Status::Unobserved => {}
    }
    if view.graph().order().in_cycle(index) {
        (fill, line) = ("#fee2e2", "#b91c1c");
    }
    let width = if view.focus() == Some(index) {
        ", penwidth=3"
    } else {
        ""
    };
    format!("shape={shape}, fillcolor=\"{fill}\", color=\"{line}\"{more}{width}")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::fixture::{EVERYTHING, graph, hostile};

    #[test]
    fn a_digraph_of_everything() {
        let graph = graph(EVERYTHING);
        let app = graph.find("app").unwrap();
        assert_snapshot!(dot(&View::all(&graph)
            .with_focus(app)
            .with_note(app, "a note")));
    }

    #[test]
    fn hostile_text_stays_in_its_string() {
        assert_snapshot!(dot(&View::all(&hostile())));
    }
}
