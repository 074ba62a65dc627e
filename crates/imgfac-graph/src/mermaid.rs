//! The graph as a Mermaid flowchart, for GitHub, GitLab and Backstage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use petgraph::graph::NodeIndex;

use crate::escape::{identifier, mermaid as escape, xml};
use crate::node::{Kind, Status};
use crate::view::View;

/// Mermaid draws at most 500 edges and 50,000 characters of text unless a page says otherwise, and
/// GitHub does not; long before that a picture is no help.
const NODES: usize = 150;
const EDGES: usize = 400;

const TITLE: &str = "Image dependency graph";

/// Classes beside those of kinds, the later the stronger.
const CLASSES: &[(&str, &str)] = &[
    (
        "pinned",
        "fill:#f1f5f9,stroke:#475569,color:#0f172a,stroke-dasharray:2 2",
    ),
    (
        "missing",
        "fill:#fff7ed,stroke:#c2410c,color:#431407,stroke-dasharray:6 3",
    ),
    ("pending", "stroke-dasharray:6 3"),
    ("failed", "fill:#fee2e2,stroke:#b91c1c,color:#450a0a"),
    (
        "circle",
        "fill:#fee2e2,stroke:#b91c1c,color:#450a0a,stroke-width:3px",
    ),
    ("focus", "stroke-width:4px"),
    ("note", "fill:#fef9c3,stroke:#a16207,color:#422006"),
];

/// Writes a flowchart. Arrows lead from a base to what stands on it: the way that updates go.
///
/// A view that is larger than Mermaid can draw is cut as [`View::within`] does; what is missing
/// stands in the picture.
#[must_use]
pub fn mermaid(view: &View<'_>) -> String {
    let view = &fitted(view);
    let mut out = String::from("flowchart LR\n");
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  %% {}: {}", escape(view.title()), view.counts());
    let _ = writeln!(out, "  accTitle: {TITLE}\n  accDescr: {}", view.counts());
    let mut classes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (index, _) in view.nodes() {
        let id = node(&mut out, view, index);
        for class in classes_of(view, index) {
            classes.entry(class).or_default().push(id.clone());
        }
    }
    let mut circle = Vec::new();
    for (at, (image, base, edge)) in view.edges().enumerate() {
        let arrow = match (edge.needed, edge.other_roles()) {
            (true, None) => "-->".to_owned(),
            (false, None) => "-.->".to_owned(),
            (true, Some(roles)) => format!("-- \"{roles}\" -->"),
            (false, Some(roles)) => format!("-. \"{roles}\" .->"),
        };
        let [image_id, base_id] =
            [image, base].map(|index| identifier(&view.graph().node(index).id()));
        let _ = writeln!(out, "  {base_id} {arrow} {image_id}");
        if view.closes_circle(image, base) {
            circle.push(at.to_string());
        }
    }
    if let Some(cut) = view.cut() {
        let _ = writeln!(out, "  cut[\"{}\"]", escape(cut));
        classes.entry("note").or_default().push("cut".into());
    }
    legend(&mut out, view);
    for kind in kinds(view) {
        let (class, style) = (kind.as_str(), style_of_kind(kind));
        let _ = writeln!(out, "  classDef {class} {style}");
    }
    for (class, style) in CLASSES {
        if let Some(ids) = classes.get(class) {
            let _ = writeln!(
                out,
                "  classDef {class} {style}\n  class {} {class}",
                ids.join(",")
            );
        }
    }
    if !circle.is_empty() {
        let _ = writeln!(
            out,
            "  linkStyle {} stroke:#b91c1c,stroke-width:3px",
            circle.join(",")
        );
    }
    out
}

/// Writes a flowchart as a part of a page in Markdown: a line that says what it is, and a fence.
///
/// The line is HTML, in which text of the fleet cannot become markup.
#[must_use]
pub fn markdown(view: &View<'_>) -> String {
    let view = &fitted(view);
    format!(
        "<p><strong>{TITLE}: {}</strong>, {}</p>\n\n```mermaid\n{}```\n",
        xml(view.title()),
        view.counts(),
        mermaid(view)
    )
}

/// The part of a view that [`mermaid`] draws.
#[must_use]
pub fn fitted<'g>(view: &View<'g>) -> View<'g> {
    view.within(NODES, EDGES)
}

fn node(out: &mut String, view: &View<'_>, index: NodeIndex) -> String {
    let node = view.graph().node(index);
    let id = identifier(&node.id());
    let lines: Vec<String> = view.lines(index).iter().map(|line| escape(line)).collect();
    let (open, close) = shape(node.kind);
    let (label, kind) = (lines.join("<br/>"), node.kind.as_str());
    let _ = writeln!(out, "  {id}{open}\"{label}\"{close}:::{kind}");
    id
}

fn kinds(view: &View<'_>) -> BTreeSet<Kind> {
    view.nodes().map(|(_, node)| node.kind).collect()
}

/// Fills and texts go together, so that a node can be read on light and on dark pages.
fn style_of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Managed => "fill:#dbeafe,stroke:#1d4ed8,color:#172554",
        Kind::External => "fill:#f3e8ff,stroke:#7e22ce,color:#3b0764",
        Kind::Base => "fill:#ecfdf5,stroke:#047857,color:#022c22",
    }
}

fn shape(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Managed => ("[", "]"),
        Kind::External => ("[[", "]]"),
        Kind::Base => ("(", ")"),
    }
}

/// The classes of a node beside its kind.
fn classes_of(view: &View<'_>, index: NodeIndex) -> impl Iterator<Item = &'static str> {
    let node = view.graph().node(index);
    let status = match node.status {
        Status::Pinned => Some("pinned"),
        Status::Missing => Some("missing"),
        Status::Pending => Some("pending"),
        Status::Failed | Status::Unreadable => Some("failed"),
        Status::Success | Status::Watched | Status::Observed | Status::Unobserved => None,
    };
    let circle = view.graph().order().in_cycle(index).then_some("circle");
    let focus = (view.focus() == Some(index)).then_some("focus");
    [status, circle, focus].into_iter().flatten()
}

/// Explains what is in the picture, and nothing else.
fn legend(out: &mut String, view: &View<'_>) {
    let _ = writeln!(
        out,
        "  subgraph legend[\"Arrows lead from a base to what stands on it\"]"
    );
    for kind in kinds(view) {
        let text = match kind {
            Kind::Managed => "built by us",
            Kind::External => "watched",
            Kind::Base => "base image",
        };
        let (word, (open, close)) = (kind.as_str(), shape(kind));
        let _ = writeln!(out, "    legend_{word}{open}\"{text}\"{close}:::{word}");
    }
    if view.edges().any(|(_, _, edge)| !edge.needed) {
        let _ = writeln!(
            out,
            "    legend_base_of[\"a base\"] -. \"its target does not need it\" .-> legend_image[\"an image\"]"
        );
    }
    out.push_str("  end\n");
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::fixture::{EVERYTHING, HOSTILE, graph, hostile};

    #[test]
    fn a_flowchart_of_everything() {
        let graph = graph(EVERYTHING);
        assert_snapshot!(mermaid(&View::all(&graph)));
    }

    #[test]
    fn the_surroundings_of_an_image_say_what_is_further_away() {
        let graph = graph(EVERYTHING);
        let low = graph.find("low").unwrap();
        assert_snapshot!(mermaid(&View::around(&graph, low, Some(1))));
    }

    #[test]
    fn hostile_text_stays_in_the_line_above_the_fence() {
        let graph = hostile();
        let view = View::of(&graph, format!("*{HOSTILE}\n```"), []);
        let text = markdown(&view);
        let (line, fence) = text.split_once("\n\n").unwrap();
        assert_eq!(line.lines().count(), 1);
        assert!(fence.starts_with("```mermaid\nflowchart") && fence.ends_with("\n```\n"));
        assert_eq!(text.matches("\n```").count(), 2);
        let inside = line.strip_prefix("<p><strong>").unwrap();
        let inside = inside.split_once("</strong>").unwrap().0;
        assert!(!inside.contains('<'), "{line}");
    }

    #[test]
    fn hostile_text_stays_a_label() {
        assert_snapshot!(mermaid(&View::all(&hostile())));
    }

    #[test]
    fn what_mermaid_cannot_draw_is_counted() {
        let mut lines = String::from("low: debian:12\nmid: low\n");
        for at in 0..300 {
            lines.push_str(&format!(
                "leaf{at}: {} node:{}\n",
                if at % 3 == 0 { "mid" } else { "low" },
                at % 40
            ));
        }
        let graph = graph(&lines);
        let text = mermaid(&View::all(&graph));
        assert!(
            text.contains(r#"image_low["low<br/>301 images on it"]"#),
            "{text}"
        );
        assert!(
            text.contains(r#"cut["not shown#58;#32;300 others."#),
            "{text}"
        );
        assert_eq!(text.matches("-->").count(), 2, "{text}");
        assert!(text.len() < 50_000);
    }

    #[test]
    fn identifiers_never_meet() {
        let ids = [
            "base/a-b",
            "base/a.b",
            "base/a_b",
            "base/aXb",
            "base/aZ2eZb",
            "base/a/b",
            "image/a-b",
        ];
        let made: BTreeSet<String> = ids.iter().map(|id| identifier(id)).collect();
        assert_eq!(made.len(), ids.len(), "{made:?}");
    }
}
