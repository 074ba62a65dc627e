//! `imgfac graph --check`: what CI may want to fail on.

use imgfac_graph::{NodeIndex, View};
use imgfac_model::{Span, exit};
use serde::Serialize;
use serde_json::json;

use super::{Answer, Asked, Check};
use crate::fleet_graph::{circle, place, stands_on};
use crate::render::{self, DIM, GOOD, WARNING, clean};

/// So many days before the end of a base's life are the time to move.
const SOON: i64 = 90;

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
    let mut notes = Vec::new();
    if checks.contains(&Check::EndOfLife) {
        for (base, days) in asked.graph.ends_of_life(asked.today) {
            let Some(day) = asked.graph.node(base).end_of_life else {
                continue;
            };
            let label = label(asked, base);
            let found = |message| finding(asked, "end-of-life", message, base);
            match days {
                ..0 => findings.push(found(format!("{label} is past its end of life, {day}"))),
                0..=SOON => notes.push(found(format!(
                    "{label} reaches its end of life on {day}, {}",
                    match days {
                        0 => "today".to_owned(),
                        1 => "tomorrow".to_owned(),
                        _ => format!("in {days} days"),
                    }
                ))),
                _ => {}
            }
        }
    }
    Answer {
        text: text(asked, &findings, &notes),
        json: json!({"version": 1, "findings": findings, "notes": notes}),
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

fn text(asked: &Asked<'_>, findings: &[Finding], notes: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let check = finding.check;
        out.push_str(&format!("{WARNING}{check}{WARNING:#}: "));
        out.push_str(&told(asked, finding));
    }
    for note in notes {
        out.push_str(&format!("{DIM}note:{DIM:#} "));
        out.push_str(&told(asked, note));
    }
    if findings.is_empty() {
        let counts = View::all(asked.graph).counts();
        out.push_str(&format!("{GOOD}ok{GOOD:#}: {counts}, nothing found\n"));
    }
    out
}

/// The message and the places, a line each.
fn told(asked: &Asked<'_>, finding: &Finding) -> String {
    let mut out = format!("{}\n", clean(&finding.message));
    for Place {
        file,
        line,
        column,
        message,
    } in &finding.places
    {
        let file = render::place(asked.factory.store.path(), file);
        out.push_str(&format!("  {file}:{line}:{column}: {}\n", clean(message)));
    }
    out
}
