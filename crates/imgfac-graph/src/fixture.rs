//! Fleets of a few words, for tests.

use std::collections::BTreeSet;

use imgfac_model::{
    BaseName, BaseRole, BaseState, BaseUse, Criticality, DiscoveryStatus, Enrolment, ImageName,
    ImageState, ManagedBase, Reference, Settings, base_slug,
};

use crate::graph::{Graph, Image};

/// Builds a graph from lines such as `app 2d manual: parent node:22 ~golang:1`.
///
/// A word before the colon is the delay, a criticality, `takes30` for a build of thirty minutes, or
/// `manual`, `external` or `failed`; a word after it that names an image of
/// the fleet, or its place at ghcr.io/acme, is an edge to it, every other one is a base; `~` says
/// that it is a mount of the stage `tests`, which the target does not need.
pub(crate) fn graph(lines: &str) -> Graph {
    let lines: Vec<(&str, &str)> = lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(':').unwrap_or((line, "")))
        .collect();
    let name = |head: &str| head.split_whitespace().next().unwrap().to_owned();
    let names: BTreeSet<String> = lines.iter().map(|(head, _)| name(head)).collect();
    let mut bases = Vec::new();
    let images: Vec<(Enrolment, ImageState, Option<u64>)> = lines
        .iter()
        .map(|(head, tail)| {
            let image = name(head);
            let mut enrolment = enrolment(&image);
            let mut minutes: Option<u64> = None;
            let mut state = ImageState {
                discovery_status: Some(DiscoveryStatus::Success),
                ..ImageState::default()
            };
            for word in head.split_whitespace().skip(1) {
                match word {
                    "manual" => enrolment.auto_rebuild = false,
                    "external" => enrolment.source = None,
                    "failed" => {
                        state.discovery_status = Some(DiscoveryStatus::Failed);
                        state.discovery_error = Some("Dockerfile: there is no such file".into());
                    }
                    takes if takes.starts_with("takes") => {
                        minutes = Some(takes["takes".len()..].parse().unwrap());
                    }
                    word if Criticality::ALL.contains(&word) => {
                        enrolment.criticality = word.parse().unwrap();
                    }
                    delay => enrolment.rebuild_delay = delay.parse().unwrap(),
                }
            }
            for word in tail.split_whitespace() {
                let (needed, word) = match word.strip_prefix('~') {
                    Some(word) => (false, word),
                    None => (true, word),
                };
                let ours = word.strip_prefix("ghcr.io/acme/").unwrap_or(word);
                let ours = ours.split('@').next().unwrap_or(ours);
                let reference = if names.contains(ours) {
                    let reference: Reference = match word == ours {
                        true => format!("ghcr.io/acme/{word}:1").parse().unwrap(),
                        false => word.parse().unwrap(),
                    };
                    state.managed_bases.push(ManagedBase {
                        name: ImageName::new(ours).unwrap(),
                        reference: reference.clone(),
                    });
                    reference
                } else {
                    let reference: Reference = word.parse().unwrap();
                    let name = BaseName::new(&base_slug(&reference)).unwrap();
                    state.base_images.push(name.clone());
                    bases.push((
                        name,
                        BaseState::new(reference.clone(), "2026-11-23T12:00:00Z"),
                    ));
                    reference
                };
                if !needed {
                    let of_tests = BaseUse {
                        role: BaseRole::Mount,
                        stage: Some("tests".into()),
                    };
                    (state.base_uses).insert(reference.clone(), vec![of_tests]);
                    state.unused_bases.push(reference);
                }
            }
            (enrolment, state, minutes)
        })
        .collect();
    Graph::new(
        &settings(),
        images.iter().map(|(enrolment, state, minutes)| Image {
            enrolment,
            state: Some(state),
            unreadable: false,
            build_seconds: minutes.map(|minutes| minutes * 60),
            team: None,
        }),
        bases.iter().map(|(name, state)| (name, state)),
    )
}

/// Settings in which some base is past its end.
fn settings() -> Settings {
    let mut settings = Settings::default();
    let day = "2025-05-01".parse().unwrap();
    settings
        .end_of_life
        .insert("golang:1".parse().unwrap(), day);
    settings
}

/// A managed image of a name.
pub(crate) fn enrolment(name: &str) -> Enrolment {
    let json = serde_json::json!({
        "name": name,
        "registry": "ghcr.io",
        "repository": format!("acme/{name}"),
        "source": {
            "provider": "github",
            "repo": format!("acme/{name}"),
            "branch": "main",
            "dockerfile": "Dockerfile",
        },
    });
    serde_json::from_value(json).unwrap()
}

/// The labels of nodes, in one text.
pub(crate) fn labels(graph: &Graph, nodes: impl IntoIterator<Item = crate::NodeIndex>) -> String {
    let labels: Vec<String> = nodes
        .into_iter()
        .map(|index| graph.node(index).label())
        .collect();
    labels.join(" ")
}

/// A fleet with something of everything.
pub(crate) const EVERYTHING: &str = "
    app 2d: low node:22 ~golang:1
    broken failed:
    low 1d manual: debian:12@sha256:7d3f6c1e0b9a48527c6e5d4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b
    one: two
    two: one app
    watched external:
";

/// Words that mean something in one of the formats, for fields that may hold any text.
pub(crate) const HOSTILE: &str = "\"]; a --> b\n%%{init: {}}%% `x` </script><script>alert('1')</script>&lt;\\N\\\"--><!-- \u{202e}]]> style: x#1;";

/// A fleet in which every text that may be hostile is.
pub(crate) fn hostile() -> Graph {
    let mut enrolment = enrolment("app");
    if let Some(source) = &mut enrolment.source {
        source.dockerfile = "a\"<b>&/Dockerfile".parse().unwrap();
    }
    let state = ImageState {
        discovery_status: Some(DiscoveryStatus::Failed),
        discovery_error: Some(HOSTILE.into()),
        current_version: Some(HOSTILE.into()),
        current_digest: Some(HOSTILE.into()),
        last_built: Some(HOSTILE.into()),
        // A name of the predecessor, which has no state file of its own.
        base_images: vec![BaseName::new("1. \"]<script>alert(1)<&amp;`%%{x}%%${BASE}").unwrap()],
        ..ImageState::default()
    };
    Graph::new(
        &Settings::default(),
        [Image {
            enrolment: &enrolment,
            state: Some(&state),
            unreadable: false,
            build_seconds: None,
            team: None,
        }],
        [],
    )
}
