//! The graph as a picture of its own.

use std::fmt::Write as _;

use petgraph::graph::NodeIndex;

use crate::escape::xml as escape;
use crate::layout::{Layout, Line, NODE, layout};
use crate::node::{Kind, Node, Status};
use crate::view::View;

/// Around the picture, and above it for title and legend.
const MARGIN: i32 = 24;
const HEAD: i32 = 92;

/// Characters that fit on a node: eleven pixels of a font whose letters are all as wide, and ten of
/// one that is narrower.
const LABEL: usize = 31;
const DETAIL: usize = 38;

const STYLE: &str = include_str!("svg.css");

/// Writes a picture that shows everything and needs nothing from outside. It follows the reader's
/// choice of a light or dark page.
#[must_use]
pub fn svg(view: &View<'_>) -> String {
    let layout = layout(view);
    let (width, height) = (
        (layout.width + 2 * MARGIN).max(720),
        layout.height + 2 * MARGIN + HEAD,
    );
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-labelledby=\"title description\">\n<title id=\"title\">Image dependency graph: {}</title>\n\
         <desc id=\"description\">{}. Lines lead from a base, on the left, to what stands on it.</desc>\n<style>\n{STYLE}</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n",
        escape(view.title()),
        escape(&description(view)),
    );
    legend(&mut out, view);
    let _ = writeln!(
        out,
        "<g transform=\"translate({MARGIN} {})\">",
        MARGIN + HEAD
    );
    for (x, name) in &layout.layers {
        let _ = writeln!(
            out,
            "<text class=\"layer\" x=\"{x}\" y=\"-12\">{}</text>",
            escape(name)
        );
    }
    edges(&mut out, view, &layout);
    for (index, (x, y)) in &layout.nodes {
        node(&mut out, view, *index, *x, *y);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn description(view: &View<'_>) -> String {
    match view.cut() {
        Some(cut) => format!("{}; {cut}", view.counts()),
        None => view.counts(),
    }
}

fn legend(out: &mut String, view: &View<'_>) {
    let _ = writeln!(
        out,
        "<text class=\"title\" x=\"{MARGIN}\" y=\"34\">{}</text>\n<text class=\"detail\" x=\"{MARGIN}\" y=\"54\">{}</text>",
        escape(view.title()),
        escape(&description(view)),
    );
    let mut x = MARGIN;
    for (class, text) in [
        ("managed", "built by us"),
        ("external", "watched"),
        ("base", "base image"),
        ("base pinned", "pinned"),
        ("managed failed", "failed or in a circle"),
    ] {
        let _ = writeln!(
            out,
            "<g class=\"node {class}\"><rect x=\"{x}\" y=\"66\" width=\"18\" height=\"12\" rx=\"3\"/>\
             <text class=\"detail key\" x=\"{}\" y=\"76\">{text}</text></g>",
            x + 24
        );
        x += 44 + 6 * i32::try_from(text.len()).unwrap_or_default();
    }
    let _ = writeln!(
        out,
        "<path class=\"edge unneeded\" d=\"M{x} 72L{} 72\"/><text class=\"detail\" x=\"{}\" y=\"76\">not needed by its target</text>",
        x + 30,
        x + 36
    );
}

fn edges(out: &mut String, view: &View<'_>, layout: &Layout) {
    for ((image, base, edge), line) in view.edges().zip(&layout.edges) {
        let class = match (edge.needed, view.closes_circle(image, base)) {
            (false, _) => "edge unneeded",
            (true, true) => "edge circle",
            (true, false) => "edge",
        };
        let [image, base] = [image, base].map(|index| escape(&view.graph().node(index).label()));
        let Line { way, colour } = line;
        let places = match edge.places() {
            places if places.is_empty() => places,
            places => format!(": {}", escape(&places)),
        };
        let _ = writeln!(
            out,
            "<path class=\"{class} c{colour}\" d=\"{way}\"><title>{image} stands on {base}{places}</title></path>"
        );
    }
}

fn node(out: &mut String, view: &View<'_>, index: NodeIndex, x: i32, y: i32) {
    let node = view.graph().node(index);
    let lines = view.lines(index);
    let (label, detail) = view.face(index);
    let mut class = format!("node {}", class(node));
    if view.graph().order().in_cycle(index) {
        class.push_str(" failed");
    }
    if view.focus() == Some(index) {
        class.push_str(" focus");
    }
    let (width, height) = NODE;
    let middle = width / 2;
    let round = match node.kind {
        Kind::Managed => 4,
        Kind::External => 0,
        Kind::Base => height / 2,
    };
    let _ = writeln!(
        out,
        "<g class=\"{class}\" transform=\"translate({x} {y})\"><title>{}</title><rect width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>\
         <text class=\"label\" x=\"{middle}\" y=\"17\">{}</text><text class=\"detail\" x=\"{middle}\" y=\"30\">{}</text></g>",
        title(node, &lines),
        escape(&shortened(&label, LABEL)),
        escape(&shortened(&detail, DETAIL)),
    );
}

fn class(node: &Node) -> String {
    let status = match node.status {
        Status::Failed | Status::Unreadable => " failed",
        Status::Pending => " pending",
        Status::Missing => " missing",
        Status::Pinned => " pinned",
        Status::Success | Status::Watched | Status::Observed | Status::Unobserved => "",
    };
    format!("{}{status}", node.kind.as_str())
}

/// What a pointer that rests on a node is told, escaped.
fn title(node: &Node, lines: &[String]) -> String {
    let kind = format!("{}, {}", node.kind.as_str(), node.status.as_str());
    let mut parts = vec![node.name.as_str(), node.image.as_str(), kind.as_str()];
    parts.extend(lines.iter().skip(1).map(String::as_str));
    parts.extend(node.error.as_deref());
    let parts: Vec<String> = parts.into_iter().map(escape).collect();
    parts.join("\n")
}

/// A text of at most so many characters: what tells names apart stands at both ends.
fn shortened(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let (head, tail) = ((limit - 1) / 2, limit / 2);
    text.chars()
        .take(head)
        .chain(['…'])
        .chain(text.chars().skip(length - tail))
        .collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::fixture::{EVERYTHING, graph, hostile};

    #[test]
    fn a_picture_of_everything() {
        let graph = graph(EVERYTHING);
        let app = graph.find("app").unwrap();
        assert_snapshot!(svg(&View::all(&graph)
            .with_focus(app)
            .with_note(app, "a note")));
    }

    #[test]
    fn hostile_text_stays_text() {
        let text = svg(&View::all(&hostile()));
        assert!(
            !text.contains("<script") && !text.contains("<img"),
            "{text}"
        );
        assert_snapshot!(
            text.lines()
                .filter(|line| line.contains("<title>"))
                .collect::<Vec<_>>()
                .join("\n")
        );
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("abcdefghij", 10), "abcdefghij");
        assert_eq!(shortened("abcdefghijk", 10), "abcd…ghijk");
    }
}
