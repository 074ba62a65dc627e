//! `imgfac graph --impact`: which images stand on a digest.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_graph::{Built, Graph, Impact, Kind, NodeIndex, Record, View};
use imgfac_model::{Digest, Reference, exit};
use imgfac_state::{
    Configuration, Fleet, RebuildOutcome, Stored, rebuilds, seen_digests, seen_tags,
};
use serde::Serialize;

use super::{Answer, Asked};
use crate::error::CliError;
use crate::render::{BOLD, DIM, clean, columns, count};

/// So many hexadecimal digits at least say which digest is meant.
const SHORTEST: usize = 12;

/// Version 1; keys are only ever added. Images and bases go by the ids of the graph.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonImpact {
    version: u32,
    /// What was asked about, in full if it is known.
    digest: String,
    /// It, and the indexes that have it for a platform.
    digests: Vec<String>,
    origins: Vec<JsonOrigin>,
    images: Vec<JsonOnIt>,
    moved: Vec<JsonMoved>,
    not_recorded: Vec<String>,
}

#[derive(Serialize)]
struct JsonOrigin {
    node: String,
    now: bool,
}

#[derive(Serialize)]
struct JsonOnIt {
    image: String,
    directly: Vec<String>,
    through: Vec<String>,
}

#[derive(Serialize)]
struct JsonMoved {
    image: String,
    base: String,
    now: Option<String>,
}

/// Every digest that state has, and what is recorded of each image and base.
#[derive(Default)]
struct Digests {
    known: BTreeSet<String>,
    /// The indexes that have an image for a platform, by that.
    indexes: BTreeMap<String, BTreeSet<String>>,
    records: BTreeMap<NodeIndex, Record>,
}

pub(super) fn answer<'g>(
    asked: &Asked<'g>,
    fleet: &Fleet,
    text: &str,
) -> Result<Answer<'g>, CliError> {
    let graph = asked.graph;
    let digests = Digests::of(graph, &asked.factory.configuration, fleet);
    let digest = digests.meant(text)?;
    let mut all = digests.indexes.get(&digest).cloned().unwrap_or_default();
    all.insert(digest.clone());
    let impact = graph.impact(&digests.records, &all);
    let json = serde_json::to_value(to_json(graph, &impact, &digest, &all));
    Ok(Answer {
        text: self::text(graph, &impact, &digest, &all),
        json: json.map_err(CliError::failed)?,
        view: Some(view(graph, &impact, &digest)),
        // "No" must be sure: who cannot be told may stand on it.
        code: match impact.on_it.is_empty() && impact.unknown.is_empty() {
            true => exit::DIFFERENT,
            false => exit::DONE,
        },
    })
}

impl Digests {
    fn of(graph: &Graph, configuration: &Configuration, fleet: &Fleet) -> Self {
        let mut digests = Self::default();
        for (name, stored) in &fleet.bases {
            let seen = seen_digests(&stored.rest);
            for one in &seen {
                digests.platforms(&one.digest, &one.platforms);
            }
            let state = &stored.state;
            let mut seen: Vec<String> = seen.into_iter().map(|one| one.digest).collect();
            if seen.is_empty() {
                seen.extend(state.previous_digest.clone());
            }
            let pinned = state.pinned_digest().map(ToString::to_string);
            let now = pinned.or_else(|| state.current_digest.clone());
            let news = now.filter(|now| seen.last() != Some(now));
            seen.extend(news);
            if let Some(base) = graph.base(name.as_str()) {
                digests.record(base).seen.push(seen);
            }
        }
        let places = Places::of(graph, configuration);
        for (name, stored) in &fleet.images {
            let Some(image) = graph.image(name) else {
                continue;
            };
            for seen in seen_tags(&stored.rest).into_values() {
                for one in &seen {
                    digests.platforms(&one.digest, &one.platforms);
                }
                let seen = seen.into_iter().map(|one| one.digest).collect();
                digests.record(image).seen.push(seen);
            }
            let builds = match graph.node(image).kind {
                Kind::Managed => builds(graph, &places, stored),
                _ => Vec::new(),
            };
            digests.record(image).builds = builds;
        }
        for record in digests.records.values() {
            let built = record.builds.iter();
            let built = built.flat_map(|it| it.digest.iter().chain(it.on.iter().map(|(_, it)| it)));
            let all = record.seen.iter().flatten().chain(built);
            digests.known.extend(all.cloned());
        }
        digests
    }

    fn record(&mut self, node: NodeIndex) -> &mut Record {
        self.records.entry(node).or_default()
    }

    fn platforms(&mut self, index: &str, platforms: &BTreeMap<String, String>) {
        for digest in platforms.values() {
            self.known.insert(digest.clone());
            let indexes = self.indexes.entry(digest.clone()).or_default();
            indexes.insert(index.to_owned());
        }
    }

    /// The digest that a person means: a whole one, known or not, or the beginning of one that is
    /// known.
    fn meant(&self, text: &str) -> Result<String, CliError> {
        if let Ok(digest) = Digest::parse(text) {
            return Ok(digest.to_string());
        }
        let shown = clean(text);
        let upper = text.to_ascii_uppercase();
        if upper.starts_with("CVE-") || upper.starts_with("GHSA-") {
            let error = CliError::usage(format!(
                "scans of images are not recorded yet: nothing is known about {shown}"
            ));
            return Err(error.with_hint("ask with the digest of an image that has it"));
        }
        let (algorithm, hex) = match text.split_once(':') {
            Some((algorithm, hex)) => (Some(algorithm), hex),
            None => (None, text),
        };
        let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        if hex.len() < SHORTEST || !hex.chars().all(is_hex) {
            return Err(
                CliError::usage(format!("\"{shown}\" is no digest")).with_hint(format!(
                    "a digest is sha256: and 64 hexadecimal digits; its first {SHORTEST} are enough"
                )),
            );
        }
        let begins = |known: &&String| {
            known.split_once(':').is_some_and(|(its, digits)| {
                digits.starts_with(hex) && algorithm.is_none_or(|algorithm| its == algorithm)
            })
        };
        let found: Vec<&String> = self.known.iter().filter(begins).collect();
        match found.as_slice() {
            [] => Ok(text.to_owned()),
            [one] => Ok((*one).clone()),
            [one, two, ..] => Err(CliError::usage(format!(
                "\"{shown}\" is the beginning of {} digests",
                found.len()
            ))
            .with_hint(format!("among them {} and {}", clean(one), clean(two)))),
        }
    }
}

/// What the keys of `builtOn` and of past rebuilds lead to.
struct Places<'g> {
    graph: &'g Graph,
    /// Bases, by reference.
    bases: BTreeMap<&'g str, NodeIndex>,
    /// Images of ours, by where they are published.
    ours: BTreeMap<String, NodeIndex>,
}

impl<'g> Places<'g> {
    fn of(graph: &'g Graph, configuration: &Configuration) -> Self {
        let bases = graph.nodes().filter(|(_, node)| node.kind == Kind::Base);
        let ours = configuration.managed().into_iter();
        Self {
            graph,
            bases: bases
                .map(|(index, node)| (node.image.as_str(), index))
                .collect(),
            ours: ours
                .filter_map(|(place, name)| Some((place.to_string(), graph.image(name.as_str())?)))
                .collect(),
        }
    }

    fn of_key(&self, key: &str) -> Option<NodeIndex> {
        let base = || self.bases.get(key).copied();
        let ours = || {
            let reference = Reference::parse(key).ok()?;
            self.ours.get(&reference.repository().to_string()).copied()
        };
        self.graph.base(key).or_else(base).or_else(ours)
    }
}

/// The builds of an image that are recorded, oldest first.
fn builds(
    graph: &Graph,
    places: &Places<'_>,
    stored: &Stored<imgfac_model::ImageState>,
) -> Vec<Built> {
    let state = &stored.state;
    let mut builds = Vec::new();
    for rebuild in rebuilds(&stored.rest) {
        if rebuild.outcome != RebuildOutcome::Success {
            continue;
        }
        // What it stood on until then.
        let from = rebuild.causes.iter();
        let from = from.filter_map(|it| Some((places.of_key(&it.base)?, it.from.clone())));
        builds.push(Built {
            digest: None,
            on: from.collect(),
        });
        // The last build is better known.
        if rebuild.digest != state.current_digest {
            let on = rebuild.bases.iter();
            let on = on.filter_map(|(base, digest)| Some((places.of_key(base)?, digest.clone())));
            builds.push(Built {
                digest: rebuild.digest.clone(),
                on: on.collect(),
            });
        }
    }
    let managed = |key: &str| {
        let mut ours = state.managed_bases.iter();
        let ours = ours.find(|base| base.reference.to_string() == key)?;
        graph.image(ours.name.as_str())
    };
    let built_on = state.built_on.iter();
    let mut on: Vec<(NodeIndex, String)> = built_on
        .filter_map(|(key, digest)| {
            Some((managed(key).or_else(|| places.of_key(key))?, digest.clone()))
        })
        .collect();
    // What is pinned is not recorded: it is what the Dockerfile says.
    let pinned = |reference: &Reference| {
        let needed = !state.unused_bases.contains(reference);
        Some(reference.digest()?.to_string()).filter(|_| needed)
    };
    for name in &state.base_images {
        if let Some(base) = graph.base(name.as_str())
            && let Ok(reference) = Reference::parse(&graph.node(base).image)
        {
            on.extend(pinned(&reference).map(|digest| (base, digest)));
        }
    }
    for base in &state.managed_bases {
        if let Some(image) = graph.image(base.name.as_str()) {
            on.extend(pinned(&base.reference).map(|digest| (image, digest)));
        }
    }
    builds.push(Built {
        digest: state.current_digest.clone(),
        on,
    });
    builds
}

fn to_json(graph: &Graph, impact: &Impact, digest: &str, digests: &BTreeSet<String>) -> JsonImpact {
    let id = |index: &NodeIndex| graph.node(*index).id();
    let origins = impact.origins.iter();
    let on_it = impact.on_it.iter();
    let moved = impact.moved.iter();
    JsonImpact {
        version: 1,
        digest: digest.to_owned(),
        digests: digests.iter().cloned().collect(),
        origins: origins
            .map(|(node, now)| JsonOrigin {
                node: id(node),
                now: *now,
            })
            .collect(),
        images: on_it
            .map(|it| JsonOnIt {
                image: id(&it.image),
                directly: it.directly.iter().map(id).collect(),
                through: it.through.iter().map(id).collect(),
            })
            .collect(),
        moved: moved
            .map(|it| JsonMoved {
                image: id(&it.image),
                base: id(&it.base),
                now: it.now.clone(),
            })
            .collect(),
        not_recorded: impact.unknown.iter().map(id).collect(),
    }
}

fn view<'g>(graph: &'g Graph, impact: &Impact, digest: &str) -> View<'g> {
    let origins = impact.origins.iter().map(|(origin, _)| *origin);
    let on_it = impact.on_it.iter();
    let on_it = on_it.flat_map(|it| it.directly.iter().copied().chain([it.image]));
    let nodes = origins.chain(on_it).chain(impact.unknown.iter().copied());
    let title = format!("what stands on {}", digest);
    let mut view = View::of(graph, title, nodes);
    for (origin, now) in &impact.origins {
        view = view.with_note(*origin, if *now { "has it" } else { "had it" });
    }
    for image in &impact.unknown {
        view = view.with_note(*image, "not recorded whether it stands on it");
    }
    view
}

fn text(graph: &Graph, impact: &Impact, digest: &str, digests: &BTreeSet<String>) -> String {
    let label = |index: &NodeIndex| clean(&graph.node(*index).label());
    let list = |nodes: &BTreeSet<NodeIndex>| {
        let labels: Vec<String> = nodes.iter().map(label).collect();
        labels.join(", ")
    };
    let mut lines = vec![match impact.on_it.len() {
        0 => format!(
            "{BOLD}{}{BOLD:#}: no image is known to stand on it",
            clean(digest)
        ),
        1 => format!("{BOLD}{}{BOLD:#}: 1 image stands on it", clean(digest)),
        more => format!("{BOLD}{}{BOLD:#}: {more} images stand on it", clean(digest)),
    }];
    for index in digests.iter().filter(|index| *index != digest) {
        lines.push(format!(
            "{DIM}a platform's image of {}{DIM:#}",
            clean(index)
        ));
    }
    for (origin, now) in &impact.origins {
        let has = if *now {
            "has it now"
        } else {
            "had it, and has another one now"
        };
        lines.push(format!("{DIM}{} {has}{DIM:#}", label(origin)));
    }
    let rows = impact.on_it.iter().map(|it| {
        let through = match it.through.is_empty() {
            true => String::new(),
            false => format!("through {}", list(&it.through)),
        };
        let how = [list(&it.directly), through];
        let how: Vec<String> = how.into_iter().filter(|how| !how.is_empty()).collect();
        vec![label(&it.image), how.join(", and ")]
    });
    section(&mut lines, "", rows.collect());
    let rows = impact.moved.iter().map(|it| {
        let now = match &it.now {
            Some(now) => format!("now on {} of {}", clean(now), label(&it.base)),
            None => format!("no longer on {}", label(&it.base)),
        };
        vec![label(&it.image), now]
    });
    let title = format!("{} moved on:", count(impact.moved.len(), "image"));
    section(&mut lines, &title, rows.collect());
    let rows = impact.unknown.iter().map(|image| vec![label(image)]);
    let title = "Not recorded of what these stand on:";
    section(&mut lines, title, rows.collect());
    lines.join("\n") + "\n"
}

/// A table below the rest, if it has any rows.
fn section(lines: &mut Vec<String>, title: &str, rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    lines.push(String::new());
    if !title.is_empty() {
        lines.push(title.to_owned());
    }
    lines.extend(columns(&rows).into_iter().map(|row| format!("  {row}")));
}
