//! What a rebuild is decided from: configuration and state, as `imgfac-rebuild` takes them.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_graph::Graph;
use imgfac_model::{BaseState, Digest, ImageName, Platform, Rebuilds, Reference, Source};
use imgfac_rebuild::{Base, Caps, Fleet, Identity, Image, Outcome, Policy, Run, Sighting};
use imgfac_state::{
    Configuration, Fields, OwnTag, Rebuild, RebuildOutcome, SeenDigest, Stored, asked_emergency,
    pending_since, rebuilds, seen_digests, seen_tags,
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
        let sightings = of_base(stored);
        if !sightings.is_empty() {
            fleet.tags.insert(stored.state.reference.clone(), sightings);
        }
    }
    for own in state.own_tags() {
        let sightings = of_own_tag(state, &own);
        if !sightings.is_empty() {
            fleet.tags.insert(own.reference, sightings);
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
    image.platforms.clone_from(&source.platforms);
    // However they are written, one host is one, and so is a repository at GitHub or GitLab.
    let registry = enrolment.repository.registry().to_ascii_lowercase();
    image.registry = (registry.strip_suffix(":443").unwrap_or(&registry)).to_owned();
    image.repository = format!("{}/{}", source.host(), source.repo).to_ascii_lowercase();
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
        // What its tag was seen to point at is in the file.
        if let Some(file) = fleet.unreadable_base(name.as_str()) {
            image.unknown = Some(format!("{} cannot be used", file.path));
        }
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

/// What the tag of a base was seen to point at, oldest first.
fn of_base(stored: &Stored<BaseState>) -> Vec<Sighting> {
    let state = &stored.state;
    let found = state.first_discovered.as_deref().and_then(time);
    let mut sightings = sightings(&seen_digests(&stored.rest), found);
    let Some(current) = state.current_digest.as_deref().and_then(digest) else {
        return sightings;
    };
    // An older program recorded the last digests only.
    if sightings.last().is_none_or(|last| last.digest != current) {
        let since = (sightings.last().map(|last| last.first_seen).or(found))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let previous = state.previous_digest.as_deref().and_then(digest);
        if let (Some(digest), true) = (previous, sightings.is_empty()) {
            sightings.push(sighting(digest, since));
        }
        let updated = state.last_updated.as_deref().and_then(time);
        sightings.push(sighting(current, updated.unwrap_or(since)));
    }
    sightings
}

/// What a tag of an image of ours was seen to point at, oldest first: in its registry, and by the
/// builds that were recorded. As long as nobody looked, what was built last counts for every tag.
fn of_own_tag(fleet: &imgfac_state::Fleet, own: &OwnTag) -> Vec<Sighting> {
    let Some(Stored { state, rest }) = fleet.images.get(&own.image) else {
        return Vec::new();
    };
    let seen = seen_tags(rest).remove(&own.tag).unwrap_or_default();
    let mut sightings = sightings(&seen, None);
    let refused = refused(rest);
    // The first one is no update in any case, and says that somebody looked.
    let mut first = true;
    sightings.retain(|it| std::mem::take(&mut first) || !refused.contains(&it.digest));
    let built_at = state.last_built.as_deref().and_then(time);
    if let Some(built) = state.current_digest.as_deref().and_then(digest) {
        let news = match sightings.last() {
            None => true,
            Some(last) => {
                state.current_version.as_deref() == Some(&own.tag)
                    && last.digest != built
                    && !refused.contains(&built)
                    && built_at.is_some_and(|at| at > last.first_seen)
            }
        };
        if news {
            sightings.push(sighting(built, built_at.unwrap_or(Timestamp::UNIX_EPOCH)));
        }
    }
    sightings
}

/// What rebuilds pushed that count as failed, since it does not stand on what was asked for. Nothing is
/// to be built on it, although the tag points at it.
fn refused(rest: &Fields) -> BTreeSet<Digest> {
    let mut refused = BTreeSet::new();
    for rebuild in rebuilds(rest) {
        let Some(pushed) = rebuild.digest.as_deref().and_then(digest) else {
            continue;
        };
        match rebuild.outcome {
            RebuildOutcome::Failure => drop(refused.insert(pushed)),
            // A build that gives the same again may be right by then.
            RebuildOutcome::Success => drop(refused.remove(&pushed)),
            RebuildOutcome::Requested | RebuildOutcome::Running => {}
        }
    }
    refused
}

/// Digests with the times of their first sight. Where nobody recorded it, it counts as seen when
/// the one before went, or was found: a fixed time, so that the same state gives the same plan.
fn sightings(seen: &[SeenDigest], found: Option<Timestamp>) -> Vec<Sighting> {
    let mut before = found;
    let mut sightings = Vec::new();
    for seen in seen {
        let first_seen = seen.first_seen.as_deref().and_then(time).or(before);
        if let Some(digest) = digest(&seen.digest) {
            let first_seen = first_seen.unwrap_or(Timestamp::UNIX_EPOCH);
            let platforms = seen.platforms.iter().filter_map(|(platform, digest)| {
                Some((Platform::new(platform).ok()?, self::digest(digest)?))
            });
            sightings.push(Sighting {
                pushed: seen.pushed.as_deref().and_then(time),
                platforms: platforms.collect(),
                ..sighting(digest, first_seen)
            });
        }
        before = seen.last_seen.as_deref().and_then(time).or(first_seen);
    }
    sightings
}

fn sighting(digest: Digest, first_seen: Timestamp) -> Sighting {
    Sighting {
        digest,
        first_seen,
        pushed: None,
        platforms: BTreeMap::new(),
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn digest(text: &str) -> Option<Digest> {
    Digest::parse(text).ok()
}
