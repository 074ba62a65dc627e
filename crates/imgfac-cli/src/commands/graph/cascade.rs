//! `imgfac graph --cascade`: what a change of a base would set off.

use std::collections::BTreeSet;

use imgfac_graph::{Cascade, Graph, Hold, NodeIndex, Status, View};
use imgfac_model::exit;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Answer, Asked};
use crate::error::CliError;
use crate::render::{BOLD, DIM, clean, columns, count};

/// Version 1; keys are only ever added. Images and bases go by the ids of the graph.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonCascade<'a> {
    version: u32,
    cause: String,
    at: &'a str,
    waves: usize,
    ci_minutes: u64,
    duration_unknown: Vec<String>,
    builds: Vec<JsonBuild>,
    held: Vec<JsonHeld>,
    behind_held: Vec<String>,
    not_needed: Vec<String>,
    pinned: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonBuild {
    image: String,
    wave: usize,
    start: String,
    after_millis: u64,
    duration_seconds: Option<u64>,
    because: Vec<String>,
}

#[derive(Serialize)]
struct JsonHeld {
    image: String,
    why: &'static str,
}

pub(super) fn answer<'g>(asked: &Asked<'g>, cause: NodeIndex) -> Result<Answer<'g>, CliError> {
    let graph = asked.graph;
    let now: Timestamp = asked.now.parse().map_err(CliError::failed)?;
    let cascade = graph.cascade(cause);
    let mut starts = Vec::with_capacity(cascade.builds.len());
    for build in &cascade.builds {
        let millis = i64::try_from(build.after_millis).map_err(CliError::failed)?;
        let start = now.checked_add(SignedDuration::from_millis(millis));
        starts.push(start.map_err(CliError::failed)?.to_string());
    }
    let json = serde_json::to_value(to_json(graph, &cascade, &starts, &asked.now));
    Ok(Answer {
        text: text(graph, &cascade, &starts),
        json: json.map_err(CliError::failed)?,
        view: Some(view(graph, &cascade, &starts)),
        code: exit::DONE,
    })
}

fn to_json<'a>(
    graph: &Graph,
    cascade: &Cascade,
    starts: &[String],
    now: &'a str,
) -> JsonCascade<'a> {
    let id = |index: &NodeIndex| graph.node(*index).id();
    let ids = |indices: &[NodeIndex]| indices.iter().map(id).collect();
    let (seconds, unknown) = cascade.build_seconds();
    JsonCascade {
        version: 1,
        cause: id(&cascade.cause),
        at: now,
        waves: waves(cascade),
        ci_minutes: seconds.div_ceil(60),
        duration_unknown: ids(&unknown),
        builds: cascade
            .builds
            .iter()
            .zip(starts)
            .map(|(build, start)| JsonBuild {
                image: id(&build.image),
                wave: build.wave,
                start: start.clone(),
                after_millis: build.after_millis,
                duration_seconds: build.seconds,
                because: ids(&build.because),
            })
            .collect(),
        held: cascade
            .held
            .iter()
            .map(|held| JsonHeld {
                image: id(&held.image),
                why: held.why.as_str(),
            })
            .collect(),
        behind_held: ids(&cascade.behind_held),
        not_needed: ids(&cascade.not_needed),
        pinned: ids(&cascade.pinned),
    }
}

fn waves(cascade: &Cascade) -> usize {
    cascade
        .builds
        .iter()
        .map(|build| build.wave)
        .max()
        .unwrap_or(0)
}

fn view<'g>(graph: &'g Graph, cascade: &Cascade, starts: &[String]) -> View<'g> {
    let waves = cascade.waves(graph);
    let title = format!(
        "what follows when {} moves",
        graph.node(cascade.cause).label()
    );
    let mut view = View::of(graph, title, waves.keys().copied())
        .with_waves(waves)
        .with_focus(cascade.cause);
    for (build, start) in cascade.builds.iter().zip(starts) {
        view = view.with_note(build.image, format!("wave {}, {start}", build.wave));
    }
    for held in &cascade.held {
        view = view.with_note(held.image, why(held.why));
    }
    for image in &cascade.behind_held {
        view = view.with_note(*image, "waits for these");
    }
    view
}

fn why(hold: Hold) -> &'static str {
    match hold {
        Hold::Manual => "autoRebuild is false",
        Hold::Cycle => "in a circle",
    }
}

fn text(graph: &Graph, cascade: &Cascade, starts: &[String]) -> String {
    let label = |index: &NodeIndex| clean(&graph.node(*index).label());
    let cause = label(&cascade.cause);
    let mut lines = Vec::new();
    match starts.iter().min() {
        None => lines.push(format!("{cause} moves: nothing is rebuilt")),
        Some(first) => {
            let builds = cascade.builds.len();
            let images: BTreeSet<NodeIndex> =
                cascade.builds.iter().map(|build| build.image).collect();
            let mut what = count(images.len(), "image");
            if builds > images.len() {
                what = format!("{} of {what}", count(builds, "rebuild"));
            }
            let waves = count(waves(cascade), "wave");
            lines.push(format!(
                "{BOLD}{cause}{BOLD:#} moves: {what} in {waves}, the first at {first}\n"
            ));
            lines.extend(table(graph, cascade, starts));
        }
    }
    let mut more = Vec::new();
    if graph.node(cascade.cause).status == Status::Pinned {
        let moves =
            "is pinned to a digest, and moves only when Dockerfiles name another".to_owned();
        more.push(vec![cause.clone(), moves]);
    }
    for held in &cascade.held {
        more.push(vec![
            label(&held.image),
            format!("is not rebuilt by itself: {}", why(held.why)),
        ]);
    }
    for (images, text) in [
        (
            &cascade.behind_held,
            "changes only after one of these is rebuilt",
        ),
        (
            &cascade.not_needed,
            "names it only in stages that its target does not need",
        ),
        (
            &cascade.pinned,
            "pins a digest of this tag, and stays there",
        ),
    ] {
        more.extend(
            images
                .iter()
                .map(|image| vec![label(image), text.to_owned()]),
        );
    }
    if !more.is_empty() {
        lines.push(String::new());
        lines.extend(columns(&more));
    }
    if !cascade.builds.is_empty() {
        lines.push(String::new());
        lines.push(minutes(graph, cascade));
        lines.push(format!(
            "{DIM}Times are the earliest: the cluster looks every ten minutes.{DIM:#}"
        ));
    }
    lines.join("\n") + "\n"
}

/// What the builds cost, as far as it is known.
fn minutes(graph: &Graph, cascade: &Cascade) -> String {
    let (seconds, unknown) = cascade.build_seconds();
    let minutes = count(
        usize::try_from(seconds.div_ceil(60)).unwrap_or(usize::MAX),
        "CI minute",
    );
    let builds = count(cascade.builds.len(), "rebuild");
    if unknown.is_empty() {
        return format!("{builds}, {minutes}");
    }
    if cascade.builds.iter().all(|build| build.seconds.is_none()) {
        return format!(
            "{builds}; no duration is recorded of any, so they count as taking no time"
        );
    }
    let (first, rest) = unknown.split_at(unknown.len().min(5));
    let names: Vec<String> = first
        .iter()
        .map(|it| clean(&graph.node(*it).name))
        .collect();
    let more = match rest.len() {
        0 => String::new(),
        more => format!(" and {more} others"),
    };
    let names = names.join(", ");
    format!("{builds}, {minutes} without {names}{more}: no duration of theirs is recorded")
}

fn table(graph: &Graph, cascade: &Cascade, starts: &[String]) -> Vec<String> {
    let header = [
        "WAVE",
        "START",
        "AFTER",
        "TAKES",
        "IMAGE",
        "CRITICALITY",
        "BECAUSE OF",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (build, start) in cascade.builds.iter().zip(starts) {
        let node = graph.node(build.image);
        let because: Vec<String> = build
            .because
            .iter()
            .map(|index| graph.node(*index).label())
            .collect();
        rows.push(vec![
            build.wave.to_string(),
            start.clone(),
            duration(build.after_millis),
            build
                .seconds
                .map_or_else(|| "-".into(), |seconds| duration(seconds * 1_000)),
            node.name.clone(),
            node.policy
                .as_ref()
                .map_or("", |policy| policy.criticality.as_str())
                .to_owned(),
            clean(&because.join(", ")),
        ]);
    }
    columns(&rows)
}

/// A length of time in the words of `rebuildDelay`.
fn duration(millis: u64) -> String {
    let mut rest = millis;
    let mut text = String::new();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0".into() } else { text }
}

#[cfg(test)]
mod tests {
    use imgfac_model::Delay;

    use super::duration;

    #[test]
    fn durations_read_like_delays() {
        for (text, written) in [
            ("7d", "7d"),
            ("36h", "1d12h"),
            ("0", "0"),
            ("90s", "1m30s"),
            ("1500ms", "1s500ms"),
        ] {
            assert_eq!(duration(Delay::new(text).unwrap().as_millis()), written);
        }
    }
}
