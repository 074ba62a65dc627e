//! Which updates an image lacks, and since when.

use imgfac_model::{DelayClock, Digest, DigestSelection, Platform, Reference};
use jiff::{SignedDuration, Timestamp};

use crate::fleet::{Base, Fleet, Image, Outcome, after, millis};
use crate::policy::Policy;
use crate::seen::Seen;

/// An update that an image lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The base, as the Dockerfile names it.
    pub base: Reference,
    /// What the image counts as built on.
    pub from: Digest,
    /// What it would be built on.
    pub to: Digest,
    /// From when on the update waits: the oldest one of this base that the image lacks.
    pub first_seen: Timestamp,
    /// Which clock says so.
    pub clock: DelayClock,
    /// When it may start a rebuild.
    pub eligible_at: Timestamp,
    /// Why not earlier.
    pub wait: Wait,
}

/// What an update waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// `rebuildDelay`.
    Delay,
    /// `cascadeDelay`.
    CascadeDelay,
    /// `coordinationWindow`, which is longer than the delay.
    Window,
    /// The digest has to stay on its tag for the whole delay.
    Settling,
}

impl Wait {
    /// The written form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::CascadeDelay => "cascade-delay",
            Self::Window => "window",
            Self::Settling => "settling",
        }
    }
}

/// What one base means for an image now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// What a rebuild would stand on, if that is known.
    pub(crate) target: Option<Digest>,
    /// The update that the image lacks.
    pub(crate) cause: Option<Cause>,
    /// A digest in quarantine that a rebuild would be built on.
    pub(crate) quarantined: Option<Digest>,
    /// When time alone changes this.
    pub(crate) wakes_at: Option<Timestamp>,
}

/// Looks at a base that the image needs.
pub(crate) fn outlook(
    fleet: &Fleet,
    policy: &Policy,
    image: &Image,
    (reference, base): (&Reference, &Base),
    now: Timestamp,
) -> Outlook {
    if let Some(pinned) = reference.digest() {
        return stay(policy, pinned);
    }
    let seen = fleet.seen(reference, &image.platforms);
    let Some(current) = seen.last() else {
        return Outlook::default();
    };
    let from = built_on(image, reference, base).unwrap_or(seen[0].digest());
    let quarantined = |seen: &Seen<'_>| seen.quarantined(policy, &image.platforms).cloned();
    if current.has(from) {
        return Outlook {
            quarantined: quarantined(current),
            ..stay(policy, from)
        };
    }
    let wait = millis(image.schedule.wait(fleet.kind(base)).as_millis());
    let times: Vec<(Timestamp, DelayClock)> = (0..seen.len())
        .map(|at| since(&seen, at, image.clock))
        .collect();
    // What a rebuild was told had been seen, so all that is kept is newer, whenever it was built.
    let mut told = image.runs.iter().filter_map(|run| run.bases.get(reference));
    let built_at = image.built_at.filter(|_| !told.any(|it| it == from));
    let first = first_update(&seen, from, built_at);
    let usable = |at: &usize| quarantined(&seen[*at]).is_none();
    let updates: Vec<usize> = (first..seen.len()).filter(usable).collect();
    let last = seen.len() - 1;
    let cause = |to: usize, (first_seen, clock): (Timestamp, DelayClock), wait_for: Wait| Cause {
        base: reference.clone(),
        from: from.clone(),
        to: seen[to].digest().clone(),
        first_seen,
        clock,
        eligible_at: after(first_seen, wait),
        wait: wait_for,
    };
    match image.select {
        DigestSelection::Newest if !usable(&last) => Outlook {
            target: Some(current.digest().clone()),
            quarantined: quarantined(current),
            ..Outlook::default()
        },
        DigestSelection::Newest => {
            let oldest = updates.iter().map(|at| times[*at]).min();
            // What is older than all that is kept.
            let cut = !seen.iter().any(|sighting| sighting.has(from));
            let recorded = base.pending_since.filter(|_| cut);
            let recorded = recorded.map(|since| (since, DelayClock::FirstSeen));
            let since = oldest.into_iter().chain(recorded).min();
            Outlook {
                target: Some(current.digest().clone()),
                cause: since.map(|since| cause(last, since, what_for(fleet, image, base))),
                ..Outlook::default()
            }
        }
        DigestSelection::Settled => {
            let settles = |at: usize| after(times[at].0, wait);
            // The last one has not been replaced so far.
            let stays = |at: usize| at == last || seen[at + 1].first_seen >= settles(at);
            let candidates: Vec<usize> = updates.into_iter().filter(|at| stays(*at)).collect();
            let ready = candidates.iter().rev().find(|at| settles(**at) <= now);
            let later = candidates.iter().map(|at| settles(*at));
            let wakes_at = later.filter(|at| *at > now).min();
            let oldest = candidates.iter().map(|at| times[*at]).min();
            match (ready, oldest) {
                (Some(ready), Some(oldest)) => Outlook {
                    target: Some(seen[*ready].digest().clone()),
                    cause: Some(cause(*ready, oldest, Wait::Settling)),
                    quarantined: None,
                    wakes_at,
                },
                (None, Some(oldest)) => Outlook {
                    target: Some(current.digest().clone()),
                    cause: Some(cause(last, oldest, Wait::Settling)),
                    wakes_at,
                    ..stay(policy, from)
                },
                // All that there was is in quarantine: the image stays on what it has.
                (_, None) => stay(policy, from),
            }
        }
    }
}

/// A base that does not move.
fn stay(policy: &Policy, digest: &Digest) -> Outlook {
    Outlook {
        target: Some(digest.clone()),
        quarantined: policy.quarantine.contains(digest).then(|| digest.clone()),
        ..Outlook::default()
    }
}

/// What the image stands on, as far as that was recorded: with the build, or with the last rebuild
/// that succeeded.
fn built_on<'a>(image: &'a Image, reference: &Reference, base: &'a Base) -> Option<&'a Digest> {
    let rebuilt = || {
        let mut runs = image.runs.iter().rev();
        let last = runs.find(|run| matches!(run.outcome, Outcome::Succeeded { .. }))?;
        last.bases.get(reference)
    };
    base.built_on.as_ref().or_else(rebuilt)
}

/// The first sighting that is an update for an image that was built on `from`: the one after the
/// tag last pointed at that. When it never did, as far as one knows, what was seen after the build.
fn first_update(seen: &[Seen<'_>], from: &Digest, built_at: Option<Timestamp>) -> usize {
    if let Some(at) = seen.iter().rposition(|sighting| sighting.has(from)) {
        return at + 1;
    }
    let later = |sighting: &Seen<'_>| built_at.is_none_or(|built| sighting.first_seen > built);
    seen.iter().position(later).unwrap_or(seen.len() - 1)
}

/// From when on an update waits.
fn since(seen: &[Seen<'_>], at: usize, clock: DelayClock) -> (Timestamp, DelayClock) {
    let sighting = &seen[at];
    match (clock, sighting.pushed) {
        (DelayClock::Registry, Some(pushed)) => {
            // The tag pointed elsewhere until then.
            let earliest = at.checked_sub(1).map(|before| seen[before].first_seen);
            let pushed = earliest.map_or(pushed, |earliest| pushed.max(earliest));
            (pushed.min(sighting.first_seen), DelayClock::Registry)
        }
        _ => (sighting.first_seen, DelayClock::FirstSeen),
    }
}

fn what_for(fleet: &Fleet, image: &Image, base: &Base) -> Wait {
    let schedule = &image.schedule;
    let (delay, wait) = match fleet.kind(base) {
        imgfac_graph::Kind::Managed => (&schedule.cascade_delay, Wait::CascadeDelay),
        _ => (&schedule.delay, Wait::Delay),
    };
    if schedule.window.as_millis() > delay.as_millis() {
        Wait::Window
    } else {
        wait
    }
}

/// How far a pinned image is behind the tag that its base was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The base, with the digest that it is pinned to.
    pub base: Reference,
    /// How many digests the tag had since.
    pub digests: usize,
    /// When the first of them was seen.
    pub since: Timestamp,
}

/// How far a base that is pinned is behind its tag; `None` when it is not, or the tag is not known.
pub(crate) fn behind(fleet: &Fleet, base: &Reference, platforms: &[Platform]) -> Option<Behind> {
    let pinned = base.digest()?;
    let text = base.to_string();
    let (tag, _) = text.split_once('@')?;
    base.tag()?;
    let seen = fleet.seen(&Reference::parse(tag).ok()?, platforms);
    if seen.is_empty() {
        return None;
    }
    let first = first_update(&seen, pinned, None);
    Some(Behind {
        base: base.clone(),
        digests: seen.len() - first,
        since: seen.get(first)?.first_seen,
    })
}

/// Until when an image waits for the push of a rebuild of its parent, which has succeeded but is
/// not seen yet on the tag that the image follows.
pub(crate) fn push_expected(
    fleet: &Fleet,
    parent: &Image,
    tag: &Reference,
    limit: SignedDuration,
) -> Option<Timestamp> {
    let last = parent.runs.last()?;
    let Outcome::Succeeded { digest, .. } = &last.outcome else {
        return None;
    };
    let seen = fleet.seen(tag, &[]);
    let current = seen.last()?;
    let arrived = current.first_seen >= last.started
        || digest.as_ref().is_some_and(|digest| current.has(digest));
    (!arrived).then(|| after(last.started, limit))
}
