//! The graph for machines, version 1; `docs/graph.md` describes it. Keys are only ever added.

use imgfac_model::BaseUse;
use petgraph::graph::NodeIndex;
use serde::Serialize;

use crate::view::View;

/// A view as [`json`] writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonGraph<'g> {
    version: u32,
    title: &'g str,
    cut: Option<&'g str>,
    focus: Option<String>,
    nodes: Vec<JsonNode<'g>>,
    edges: Vec<JsonEdge<'g>>,
    cycles: Vec<JsonCycle>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonNode<'g> {
    id: String,
    kind: &'static str,
    name: &'g str,
    image: &'g str,
    registry: &'g str,
    team: Option<&'g str>,
    status: &'static str,
    error: Option<&'g str>,
    version: Option<&'g str>,
    digest: Option<&'g str>,
    changed: Option<&'g str>,
    rebuild_delay: Option<String>,
    cascade_delay: Option<String>,
    coordination_window: Option<String>,
    auto_rebuild: Option<bool>,
    criticality: Option<&'static str>,
    source: Option<&'g str>,
    end_of_life: Option<String>,
    build_seconds: Option<u64>,
    wave: Option<usize>,
    in_cycle: bool,
}

#[derive(Debug, Serialize)]
struct JsonEdge<'g> {
    image: String,
    base: String,
    needed: bool,
    uses: &'g [BaseUse],
    references: Vec<String>,
}

#[derive(Debug, Serialize)]
struct JsonCycle {
    members: Vec<String>,
    edges: Vec<JsonLink>,
}

#[derive(Debug, Serialize)]
struct JsonLink {
    image: String,
    base: String,
}

impl<'g> JsonGraph<'g> {
    pub(crate) fn new(view: &'g View<'g>) -> Self {
        let graph = view.graph();
        let id = |index: NodeIndex| graph.node(index).id();
        let nodes = view.nodes().map(|(index, node)| {
            let policy = node.policy.as_ref();
            JsonNode {
                id: node.id(),
                kind: node.kind.as_str(),
                name: &node.name,
                image: &node.image,
                registry: &node.registry,
                team: node.team.as_deref(),
                status: node.status.as_str(),
                error: node.error.as_deref(),
                version: node.version.as_deref(),
                digest: node.digest.as_deref(),
                changed: node.changed.as_deref(),
                rebuild_delay: policy.map(|policy| policy.delay.to_string()),
                cascade_delay: policy.map(|policy| policy.cascade_delay.to_string()),
                coordination_window: policy.map(|policy| policy.window.to_string()),
                auto_rebuild: policy.map(|policy| policy.auto),
                criticality: policy.map(|policy| policy.criticality.as_str()),
                source: node.source.as_deref(),
                end_of_life: node.end_of_life.map(|day| day.to_string()),
                build_seconds: node.build_seconds,
                wave: view.wave(index),
                in_cycle: graph.order().in_cycle(index),
            }
        });
        let edges = view.edges().map(|(image, base, edge)| JsonEdge {
            image: id(image),
            base: id(base),
            needed: edge.needed,
            uses: &edge.uses,
            references: edge.references.iter().map(ToString::to_string).collect(),
        });
        let cycles = graph.order().cycles().iter();
        let cycles = cycles.filter(|cycle| cycle.members.iter().any(|member| view.shows(*member)));
        Self {
            version: 1,
            title: view.title(),
            cut: view.cut(),
            focus: view.focus().map(id),
            nodes: nodes.collect(),
            edges: edges.collect(),
            cycles: cycles
                .map(|cycle| JsonCycle {
                    members: cycle.members.iter().map(|member| id(*member)).collect(),
                    edges: cycle
                        .edges
                        .iter()
                        .map(|(image, base)| JsonLink {
                            image: id(*image),
                            base: id(*base),
                        })
                        .collect(),
                })
                .collect(),
        }
    }
}

/// Writes one object, with a newline at its end.
///
/// # Errors
/// Never for a graph: all of it is text, numbers and lists.
pub fn json(view: &View<'_>) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&JsonGraph::new(view))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::fixture::{EVERYTHING, graph};

    #[test]
    fn an_object_of_everything() {
        let graph = graph(EVERYTHING);
        let app = graph.find("app").unwrap();
        assert_snapshot!(json(&View::around(&graph, app, None)).unwrap());
    }
}
