//! What a rebuild is decided from: configuration and state, as `imgfac-rebuild` takes them.

use std::collections::BTreeMap;

use imgfac_graph::Graph;
use imgfac_model::{BaseState, Digest, ImageName, Rebuilds, Reference, Source};
use imgfac_rebuild::{Base, Caps, Fleet, Identity, Image, Outcome, Policy, Run, Sighting};
use imgfac_state::{
    Configuration, Rebuild, RebuildOutcome, Stored, asked_emergency, pending_since, rebuilds,
    seen_digests,
};
use jiff::{SignedDuration, Timestamp};

use crate::fleet_graph;

/// What holds for the whole factory.
pub(crate) fn policy(settings: &Rebuilds) -> Policy {
    let cap = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
    let default = Policy::default();
    Policy {
        caps: Caps {
            total: cap(settings.max_running),
            per_repository: cap(settings.max_per_repository),
            per_registry: cap(settings.max_per_registry),
        },
        quarantine: settings.quarantine.iter().cloned().collect(),
        run_limit: settings.run_limit.as_ref().map_or(default.run_limit, |it| {
            SignedDuration::from_millis(i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
        }),
    }
}

/// The images that we build, as state has them.
pub(crate) fn fleet(configuration: &Configuration, state: &imgfac_state::Fleet) -> Fleet {
    let graph = fleet_graph::graph(configuration, state);
    let mut fleet = Fleet::default();
    for (name, enrolled) in &configuration.images {
        if let Some(source) = &enrolled.enrolment.source
            && let Some(image) = image(&graph, state, name, enrolled, source)
        {
            fleet.images.insert(name.clone(), image);
        }
    }
    for stored in state.bases.values() {
        let sightings = sightings(stored);
        if !sightings.is_empty() {
            fleet.tags.insert(stored.state.reference.clone(), sightings);
        }
    }
    let ours: BTreeMap<Reference, ImageName> = (fleet.images.values())
        .flat_map(|image| &image.bases)
        .filter_map(|(reference, base)| Some((reference.clone(), base.parent.clone()?)))
        .collect();
    for (reference, parent) in ours {
        if let Some(sighting) = pushed(state, &parent) {
            fleet.tags.insert(reference, vec![sighting]);
        }
    }
    fleet
}

fn image(
    graph: &Graph,
    fleet: &imgfac_state::Fleet,
    name: &ImageName,
    enrolled: &imgfac_state::Enrolled,
    source: &Source,
) -> Option<Image> {
    let node = graph.node(graph.image(name.as_str())?);
    let enrolment = &enrolled.enrolment;
    let mut image = Image::new(node.policy.clone()?);
    image.select = enrolment.digest_selection;
    image.clock = enrolment.delay_clock;
    image.registry = enrolment.repository.registry().to_owned();
    image.repository = format!("{}/{}", source.host(), source.repo);
    if let Some(file) = fleet.unreadable_image(name.as_str()) {
        image.unknown = Some(format!("{} cannot be used", file.path));
        return Some(image);
    }
    let Some(Stored { state, rest }) = fleet.images.get(name.as_str()) else {
        image.unknown = Some("it was never analysed".to_owned());
        return Some(image);
    };
    if state.last_discovery.is_none() {
        let why = state.discovery_error.as_deref();
        image.unknown = Some(why.unwrap_or("it was never analysed").to_owned());
    }
    image.source_commit.clone_from(&state.source_commit);
    image.built_at = state.last_built.as_deref().and_then(time);
    let pending = pending_since(rest);
    let base = |reference: &Reference, key: &str, parent: Option<ImageName>| Base {
        parent,
        needed: !state.unused_bases.contains(reference),
        built_on: state.built_on.get(key).and_then(|it| digest(it)),
        pending_since: pending.get(key).and_then(|since| time(since)),
    };
    for name in &state.base_images {
        if let Some(stored) = fleet.bases.get(name) {
            let reference = &stored.state.reference;
            let base = base(reference, name.as_str(), None);
            image.bases.insert(reference.clone(), base);
        }
    }
    for managed in &state.managed_bases {
        let reference = &managed.reference;
        let parent = Some(managed.name.clone());
        let base = base(reference, &reference.to_string(), parent);
        image.bases.insert(reference.clone(), base);
    }
    image.runs = rebuilds(rest).iter().filter_map(run).collect();
    image.emergency = asked_emergency(rest).and_then(|it| {
        Some(imgfac_rebuild::Emergency {
            asked: time(&it.asked_at)?,
            reason: it.reason,
        })
    });
    Some(image)
}

fn run(rebuild: &Rebuild) -> Option<Run> {
    let started = time(&rebuild.requested_at)?;
    let at = || {
        rebuild
            .ended_at
            .as_deref()
            .and_then(time)
            .unwrap_or(started)
    };
    let bases = rebuild.bases.iter();
    Some(Run {
        identity: Identity::recorded(&rebuild.identity),
        link: rebuild.url.clone().or_else(|| rebuild.run.clone()),
        started,
        bases: bases
            .filter_map(|(base, told)| Some((Reference::parse(base).ok()?, digest(told)?)))
            .collect(),
        outcome: match rebuild.outcome {
            RebuildOutcome::Requested | RebuildOutcome::Running => Outcome::Running,
            RebuildOutcome::Failure => Outcome::Failed { at: at() },
            RebuildOutcome::Success => Outcome::Succeeded {
                at: at(),
                digest: rebuild.digest.as_deref().and_then(digest),
            },
        },
    })
}

/// What the tag of a base was seen to point at, oldest first. A digest whose time nobody recorded
/// counts as seen when the one before went, or when the base was found: a fixed time, so that the
/// same state gives the same plan.
fn sightings(stored: &Stored<BaseState>) -> Vec<Sighting> {
    let state = &stored.state;
    let mut before = state.first_discovered.as_deref().and_then(time);
    let mut sightings = Vec::new();
    for seen in seen_digests(&stored.rest) {
        let Some(digest) = digest(&seen.digest) else {
            continue;
        };
        let first_seen = seen.first_seen.as_deref().and_then(time).or(before);
        sightings.push(Sighting {
            digest,
            first_seen: first_seen.unwrap_or(Timestamp::UNIX_EPOCH),
            pushed: None,
        });
        before = seen.last_seen.as_deref().and_then(time).or(first_seen);
    }
    let Some(current) = state.current_digest.as_deref().and_then(digest) else {
        return sightings;
    };
    // An older program recorded the last digests only.
    if sightings.last().is_none_or(|last| last.digest != current) {
        let previous = state.previous_digest.as_deref().and_then(digest);
        let epoch = Timestamp::UNIX_EPOCH;
        if let (Some(digest), true) = (previous, sightings.is_empty()) {
            let first_seen = before.unwrap_or(epoch);
            sightings.push(Sighting {
                digest,
                first_seen,
                pushed: None,
            });
        }
        let updated = state.last_updated.as_deref().and_then(time);
        sightings.push(Sighting {
            digest: current,
            first_seen: updated.or(before).unwrap_or(epoch),
            pushed: None,
        });
    }
    sightings
}

/// What the last build of an image of ours pushed, as far as that was recorded.
fn pushed(fleet: &imgfac_state::Fleet, name: &ImageName) -> Option<Sighting> {
    let state = &fleet.images.get(name.as_str())?.state;
    Some(Sighting {
        digest: digest(state.current_digest.as_deref()?)?,
        first_seen: (state.last_built.as_deref().and_then(time)).unwrap_or(Timestamp::UNIX_EPOCH),
        pushed: None,
    })
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn digest(text: &str) -> Option<Digest> {
    Digest::parse(text).ok()
}
