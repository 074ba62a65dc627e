//! `imgfac graph --check`: what CI may want to fail on.

use imgfac_graph::{NodeIndex, View};
use imgfac_model::{Span, exit};
use serde::Serialize;
use serde_json::json;

use super::{Answer, Asked, Check};
use crate::fleet_graph::{circle, place, stands_on};
use crate::render::{self, GOOD, WARNING, clean};

/// Something that was found; version 1, keys are only ever added.
#[derive(Serialize)]
struct Finding {
    check: &'static str,
    message: String,
    nodes: Vec<String>,
    places: Vec<Place>,
}

/// The entry of an image, lines and columns from 1, and what it has to do with the finding.
#[derive(Serialize)]
struct Place {
    file: String,
    line: usize,
    column: usize,
    message: String,
}

pub(super) fn answer<'g>(asked: &Asked<'g>, checks: &[Check]) -> Answer<'g> {
    let mut findings = Vec::new();
    if checks.contains(&Check::Cycles) {
        findings.extend(cycles(asked));
    }
    if checks.contains(&Check::Orphans) {
        let orphans = asked.graph.orphan_bases().into_iter();
        findings.extend(orphans.map(|base| orphan(asked, base)));
    }
    if checks.contains(&Check::Pinned) {
        let pinned = asked.graph.pinned_bases().into_iter();
        findings.extend(pinned.map(|base| {
            let message = format!(
                "{} is pinned: no update reaches what stands on it",
                label(asked, base)
            );
            finding(asked, "pinned", message, base)
        }));
    }
    Answer {
        text: text(asked, &findings),
        json: json!({"version": 1, "findings": findings}),
        view: None,
        code: if findings.is_empty() {
            exit::DONE
        } else {
            exit::DIFFERENT
        },
    }
}

fn cycles(asked: &Asked<'_>) -> Vec<Finding> {
    let graph = asked.graph;
    let cycles = graph.order().cycles().iter();
    cycles
        .map(|cycle| Finding {
            check: "cycles",
            message: circle(graph, cycle),
            nodes: cycle
                .members
                .iter()
                .map(|member| graph.node(*member).id())
                .collect(),
            places: cycle
                .edges
                .iter()
                .filter_map(|(image, base)| {
                    let what = stands_on(graph, *image, *base);
                    at(asked, *image, format!("{} {what}", graph.node(*image).name))
                })
                .collect(),
        })
        .collect()
}

fn orphan(asked: &Asked<'_>, base: NodeIndex) -> Finding {
    let named = !asked.graph.dependents_of(base).is_empty();
    let why = if named {
        "only stages that no target needs name it"
    } else {
        "no Dockerfile names it"
    };
    finding(
        asked,
        "orphans",
        format!("nothing needs {}: {why}", label(asked, base)),
        base,
    )
}

fn finding(asked: &Asked<'_>, check: &'static str, message: String, base: NodeIndex) -> Finding {
    let images = asked.graph.dependents_of(base).into_iter();
    Finding {
        check,
        message,
        nodes: vec![asked.graph.node(base).id()],
        places: images
            .filter_map(|(image, edge)| {
                let verb = if edge.needed {
                    "stands on it"
                } else {
                    "names it"
                };
                at(
                    asked,
                    image,
                    format!("{} {verb}", asked.graph.node(image).name),
                )
            })
            .collect(),
    }
}

fn at(asked: &Asked<'_>, image: NodeIndex, message: String) -> Option<Place> {
    let configuration = &asked.factory.configuration;
    let Span { file, range } = place(configuration, asked.graph, image)?;
    let (line, column) = configuration.files.line_column(*file, range.start);
    Some(Place {
        file: configuration.files.name(*file).to_owned(),
        line,
        column,
        message,
    })
}

fn label(asked: &Asked<'_>, node: NodeIndex) -> String {
    asked.graph.node(node).label()
}

fn text(asked: &Asked<'_>, findings: &[Finding]) -> String {
    if findings.is_empty() {
        let counts = View::all(asked.graph).counts();
        return format!(
            "{GOOD}ok{GOOD:#}: {counts}, nothing found
"
        );
    }
    let mut out = String::new();
    for finding in findings {
        let Finding {
            check,
            message,
            places,
            ..
        } = finding;
        out.push_str(&format!(
            "{WARNING}{check}{WARNING:#}: {}\n",
            clean(message)
        ));
        for Place {
            file,
            line,
            column,
            message,
        } in places
        {
            let file = render::place(asked.factory.store.path(), file);
            out.push_str(&format!("  {file}:{line}:{column}: {}\n", clean(message)));
        }
    }
    out
}
