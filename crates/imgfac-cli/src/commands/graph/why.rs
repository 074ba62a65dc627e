//! `imgfac graph --why`: every way from an image down to what it stands on.

use imgfac_graph::{Graph, NodeIndex, Paths, View};
use imgfac_model::exit;
use serde_json::json;

use super::{Answer, Asked};
use crate::render::{BOLD, clean, count};

/// More ways than this are a picture's business.
const LIMIT: usize = 1_000;

pub(super) fn answer<'g>(asked: &Asked<'g>, image: NodeIndex, base: NodeIndex) -> Answer<'g> {
    let graph = asked.graph;
    let paths = graph.paths(image, base, LIMIT);
    let id = |index: &NodeIndex| graph.node(*index).id();
    let ids: Vec<Vec<String>> = paths
        .paths
        .iter()
        .map(|path| path.iter().map(id).collect())
        .collect();
    let title = format!(
        "why {} stands on {}",
        graph.node(image).label(),
        graph.node(base).label()
    );
    let nodes = paths.paths.iter().flatten().copied().chain([image, base]);
    Answer {
        text: text(graph, image, base, &paths),
        json: json!({"version": 1, "image": id(&image), "base": id(&base), "paths": ids, "more": paths.more}),
        view: Some(View::of(graph, title, nodes).with_focus(image)),
        // As for --check: 1 would be a failure, and scripts must tell "no" from that.
        code: match paths.paths.is_empty() {
            true => exit::DIFFERENT,
            false => exit::DONE,
        },
    }
}

fn text(graph: &Graph, image: NodeIndex, base: NodeIndex, paths: &Paths) -> String {
    let label = |index: NodeIndex| clean(&graph.node(index).label());
    let base = match image == base {
        true => "itself".to_owned(),
        false => label(base),
    };
    let image = label(image);
    if paths.paths.is_empty() {
        return format!("{image} does not stand on {base}\n");
    }
    let number = match paths.more {
        true => format!("more than {LIMIT} ways, these first"),
        false => count(paths.paths.len(), "way"),
    };
    let mut out = format!("{BOLD}{image}{BOLD:#} stands on {BOLD}{base}{BOLD:#} in {number}\n\n");
    for path in &paths.paths {
        let mut line = label(path[0]);
        for step in path.windows(2) {
            let edges = graph.bases_of(step[0]);
            let needed = edges.iter().any(|(to, edge)| *to == step[1] && edge.needed);
            line.push_str(if needed { " -> " } else { " -(not needed)-> " });
            line.push_str(&label(step[1]));
        }
        out.push_str(&format!("  {line}\n"));
    }
    out
}
