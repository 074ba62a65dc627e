//! Rebuilds that were asked for: the items of `rebuildHistory` that have an identity.
//!
//! An item is written before a build is asked for, and again when it is known to run and when it
//! has ended: whoever finds it later knows what may have been sent.

use std::collections::BTreeMap;

use imgfac_model::{Digest, ImageState, Reference};
use imgfac_yaml::Value;

use crate::change::{Change, ChangeKind};
use crate::fleet::{Fleet, Subject};
use crate::lifecycle::entry;
use crate::observation::{KEPT as KEPT_DIGESTS, SeenDigest};
use crate::rebuilds::build_seconds;
use crate::stored::{Fields, Stored};
use crate::tags::seen_tags;

/// The field of an image that has its rebuilds.
pub(crate) const HISTORY: &str = "rebuildHistory";

/// The field of an image that says since when it lacks updates whose digests are not kept.
pub(crate) const PENDING: &str = "pendingRebuild";

/// So many rebuilds of an image are kept; the oldest go first.
const KEPT: usize = 30;

/// A rebuild that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// What was to be built: the same for every attempt at it.
    pub identity: String,
    /// Why, as a word: `base-update`, `retry`, `emergency`, `manual`.
    pub reason: String,
    /// When it was decided, RFC 3339, which is before the build was asked for. With the identity
    /// it tells one attempt from another.
    pub requested_at: String,
    /// A word at random of the run that recorded it. Two runs that decide the same in the same second
    /// would make the very same commit without it, and each would take the push for its own.
    pub ticket: String,
    /// The commit that it was to be built from, as far as it was known.
    pub source_commit: Option<String>,
    /// What it was to stand on: references with digests.
    pub bases: BTreeMap<String, String>,
    /// What tags of the image pointed at before it was asked for, as far as nothing else in state says
    /// so.
    pub before: BTreeMap<String, String>,
    /// The updates that it carries.
    pub causes: Vec<RebuildCause>,
    /// The id of the run; `None` until that is known.
    pub run: Option<String>,
    /// Where people find the run.
    pub url: Option<String>,
    /// What became of it.
    pub outcome: RebuildOutcome,
    /// When it ended, RFC 3339.
    pub ended_at: Option<String>,
    /// The digest of what it published.
    pub digest: Option<String>,
    /// Why it failed, or what is not known of it.
    pub problem: Option<String>,
}

/// An update that a rebuild carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildCause {
    /// The base, as the Dockerfile refers to it.
    pub base: String,
    /// What the image was built on.
    pub from: String,
    /// What it was to be built on.
    pub to: String,
    /// When the oldest update of it was first seen, RFC 3339.
    pub first_seen: String,
}

/// What became of a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebuildOutcome {
    /// It is to be asked for; nobody confirmed that it was.
    Requested,
    /// It was asked for, and is not known to have ended.
    Running,
    /// It made an image.
    Success,
    /// It did not.
    Failure,
}

impl RebuildOutcome {
    /// The written form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    /// By the written form; `None` when it is no such word.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [Self::Requested, Self::Running, Self::Success, Self::Failure];
        all.into_iter().find(|outcome| outcome.as_str() == text)
    }

    /// Whether it may still change.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Running)
    }
}

/// One attempt at a rebuild of an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    /// The image.
    pub image: String,
    /// [`Rebuild::identity`].
    pub identity: String,
    /// [`Rebuild::requested_at`].
    pub requested_at: String,
}

impl Attempt {
    fn is(&self, rebuild: &Rebuild) -> bool {
        rebuild.identity == self.identity && rebuild.requested_at == self.requested_at
    }
}

/// How a rebuild ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebuildEnd {
    /// When, RFC 3339.
    pub at: String,
    /// Why it failed; `None` when it went well.
    pub failure: Option<String>,
    /// How long the build took, if that is known.
    pub duration_seconds: Option<u64>,
    /// The digest of what it published, if that is known.
    pub digest: Option<String>,
    /// The tag that it was published as.
    pub version: Option<String>,
    /// What is not known although it went well.
    pub note: Option<String>,
    /// What the image says that it stands on; where it says nothing, what it was told counts.
    pub stood_on: BTreeMap<Reference, Digest>,
}

impl Fleet {
    /// A tag moves to `digest`; `seen` is what it was seen to point at until then. An image that lacks
    /// updates so old that the digest it was built on is about to be forgotten gets the time since when
    /// it lacks them: else a base that moves often could put its rebuild off for ever. One that was
    /// built on the new digest lacks nothing any more. `keys` are the entries of `builtOn` that an
    /// image has for the tag.
    pub(crate) fn note_pending(
        &mut self,
        seen: &[SeenDigest],
        digest: &Digest,
        now: &str,
        keys: impl Fn(&ImageState) -> Vec<String>,
    ) {
        let (forgotten, since) = match seen {
            [first, second, ..] if seen.len() >= KEPT_DIGESTS => {
                (Some(first.digest.as_str()), second.first_seen.as_deref())
            }
            _ => (None, None),
        };
        // A digest that came back is there twice.
        let forgotten =
            forgotten.filter(|first| !seen.iter().skip(1).any(|later| later.digest == *first));
        for Stored { state, rest } in self.images.values_mut() {
            for key in keys(state) {
                let Some(built_on) = state.built_on.get(&key) else {
                    continue;
                };
                let mut pending = pending_since(rest);
                if built_on == digest.as_str() {
                    pending.remove(&key);
                } else if Some(built_on.as_str()) == forgotten {
                    let since = since.unwrap_or(now).to_owned();
                    pending.entry(key).or_insert(since);
                } else {
                    continue;
                }
                let entries = pending.into_iter();
                let entries = entries.map(|(key, since)| (key, Value::Text(since)));
                match Vec::from_iter(entries) {
                    entries if entries.is_empty() => drop(rest.remove(PENDING)),
                    entries => rest.set(PENDING, Value::Map(entries)),
                }
            }
        }
    }
}

/// The rebuilds of an image that were asked for, oldest first. Items of other writers, which have
/// no identity, are passed over.
#[must_use]
pub fn rebuilds(rest: &Fields) -> Vec<Rebuild> {
    let Some(Value::List(items)) = rest.get(HISTORY) else {
        return Vec::new();
    };
    items.iter().filter_map(rebuild).collect()
}

/// As [`rebuilds`], each with how long its build took in seconds, as far as that is known.
#[must_use]
pub fn timed_rebuilds(rest: &Fields) -> Vec<(Rebuild, Option<u64>)> {
    let Some(Value::List(items)) = rest.get(HISTORY) else {
        return Vec::new();
    };
    let timed = |item| Some((rebuild(item)?, build_seconds(item)));
    items.iter().filter_map(timed).collect()
}

/// Since when an image lacks updates of a base, by reference, where the digests themselves are no
/// longer kept.
#[must_use]
pub fn pending_since(rest: &Fields) -> BTreeMap<String, String> {
    let Some(Value::Map(entries)) = rest.get(PENDING) else {
        return BTreeMap::new();
    };
    let since = |(base, value): &(String, Value)| Some((base.clone(), words(value)?));
    entries.iter().filter_map(since).collect()
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Plain(text) => Some(text.clone()),
        _ => None,
    }
}

fn rebuild(item: &Value) -> Option<Rebuild> {
    let text = |key: &str| entry(item, key).and_then(words);
    let texts = |key: &str| -> BTreeMap<String, String> {
        let pairs = match entry(item, key) {
            Some(Value::Map(pairs)) => pairs.as_slice(),
            _ => &[],
        };
        let pairs = pairs.iter();
        pairs
            .filter_map(|(key, value)| Some((key.clone(), words(value)?)))
            .collect()
    };
    let causes = match entry(item, "causes") {
        Some(Value::List(causes)) => causes.as_slice(),
        _ => &[],
    };
    Some(Rebuild {
        identity: text("identity")?,
        reason: text("reason").unwrap_or_default(),
        requested_at: text("requestedAt")?,
        ticket: text("ticket").unwrap_or_default(),
        source_commit: text("sourceCommit"),
        bases: texts("bases"),
        before: texts("before"),
        causes: causes.iter().filter_map(cause).collect(),
        run: text("run"),
        url: text("url"),
        outcome: RebuildOutcome::parse(&text("outcome")?)?,
        ended_at: text("endedAt"),
        digest: text("digest"),
        problem: text("problem"),
    })
}

fn cause(item: &Value) -> Option<RebuildCause> {
    let text = |key: &str| entry(item, key).and_then(words);
    Some(RebuildCause {
        base: text("base")?,
        from: text("from")?,
        to: text("to")?,
        first_seen: text("firstSeen")?,
    })
}

fn written(rebuild: &Rebuild) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut fields: Vec<(String, Value)> = Vec::new();
    let mut add = |key: &str, value: Value| fields.push((key.to_owned(), value));
    add("identity", text(&rebuild.identity));
    add("reason", text(&rebuild.reason));
    add("requestedAt", text(&rebuild.requested_at));
    add("ticket", text(&rebuild.ticket));
    if let Some(commit) = &rebuild.source_commit {
        add("sourceCommit", text(commit));
    }
    if !rebuild.causes.is_empty() {
        let cause = |cause: &RebuildCause| {
            let pairs = [
                ("base", &cause.base),
                ("from", &cause.from),
                ("to", &cause.to),
                ("firstSeen", &cause.first_seen),
            ];
            let pairs = pairs.map(|(key, value)| (key.to_owned(), text(value)));
            Value::Map(pairs.into())
        };
        add(
            "causes",
            Value::List(rebuild.causes.iter().map(cause).collect()),
        );
    }
    for (key, pairs) in [("bases", &rebuild.bases), ("before", &rebuild.before)] {
        if !pairs.is_empty() {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(key, digest)| (key.clone(), text(digest)));
            add(key, Value::Map(pairs.collect()));
        }
    }
    for (key, value) in [("run", &rebuild.run), ("url", &rebuild.url)] {
        if let Some(value) = value {
            add(key, text(value));
        }
    }
    add("outcome", text(rebuild.outcome.as_str()));
    for (key, value) in [
        ("endedAt", &rebuild.ended_at),
        ("digest", &rebuild.digest),
        ("problem", &rebuild.problem),
    ] {
        if let Some(value) = value {
            add(key, text(value));
        }
    }
    Value::Map(fields)
}

/// Sets keys of an item, and takes those out that have no value; others stay as they are.
fn set(item: &mut Value, keys: &[(&str, Option<Value>)]) {
    let Value::Map(fields) = item else {
        return;
    };
    for (key, value) in keys {
        let at = fields.iter().position(|(name, _)| name == key);
        match (at, value) {
            (Some(at), Some(value)) => fields[at].1 = value.clone(),
            (Some(at), None) => drop(fields.remove(at)),
            (None, Some(value)) => fields.push(((*key).to_owned(), value.clone())),
            (None, None) => {}
        }
    }
}

impl Fleet {
    /// Records that a rebuild is to be asked for, before it is. `None` when there is no such image
    /// or its file cannot be used: nothing may be asked for then.
    pub fn rebuild_requested(&mut self, image: &str, rebuild: &Rebuild) -> Option<Change> {
        let stored = self.images.get_mut(image)?;
        stored.rest.append(HISTORY, written(rebuild));
        if let Some(Value::List(items)) = stored.rest.get(HISTORY) {
            let mut surplus = items.len().saturating_sub(KEPT);
            let mut items = items.clone();
            items.retain(|item| {
                let open = self::rebuild(item).is_some_and(|it| it.outcome.is_open());
                let goes = surplus > 0 && !open;
                surplus -= usize::from(goes);
                !goes
            });
            stored.rest.set(HISTORY, Value::List(items));
        }
        Some(changed(
            image,
            format!("rebuild requested: {}", why(rebuild)),
        ))
    }

    /// Records that a build was started, and where to find it if that is known. `None` when there
    /// is no such attempt that may still change.
    pub fn rebuild_started(
        &mut self,
        attempt: &Attempt,
        run: Option<&str>,
        url: Option<&str>,
    ) -> Option<Change> {
        let item = self.open_attempt(attempt)?;
        let before = item.clone();
        let text = |text: &str| Value::Text(text.to_owned());
        let running = Some(text(RebuildOutcome::Running.as_str()));
        let mut keys = vec![("outcome", running), ("problem", None)];
        if let Some(run) = run {
            keys.push(("run", Some(text(run))));
        }
        if let Some(url) = url {
            keys.push(("url", Some(text(url))));
        }
        set(item, &keys);
        let details = match (url, run) {
            (Some(place), _) | (None, Some(place)) => format!("rebuild started: {place}"),
            (None, None) => "rebuild started".to_owned(),
        };
        (*item != before).then(|| changed(&attempt.image, details))
    }

    /// Whether there is a record of an attempt.
    #[must_use]
    pub fn has_attempt(&self, attempt: &Attempt) -> bool {
        let stored = self.images.get(&attempt.image);
        stored.is_some_and(|stored| rebuilds(&stored.rest).iter().any(|it| attempt.is(it)))
    }

    /// Records that an attempt was sent, and that nobody knows what became of it: why. `None` when
    /// there is no such attempt, or more is known of it.
    pub fn rebuild_unclear(&mut self, attempt: &Attempt, why: &str) -> Option<Change> {
        let item = self.open_attempt(attempt)?;
        let before = item.clone();
        set(item, &[("problem", Some(Value::Text(why.to_owned())))]);
        let detail = format!("rebuild may have been started: {why}");
        (*item != before).then(|| changed(&attempt.image, detail))
    }

    /// Takes an attempt out again that certainly nobody was asked for: it counts as nothing. `None`
    /// when there is no such attempt, or more than its record is known of it.
    pub fn rebuild_withdrawn(&mut self, attempt: &Attempt, why: &str) -> Option<Change> {
        let stored = self.images.get_mut(&attempt.image)?;
        let items = stored.rest.list_mut(HISTORY)?;
        let at = items.iter().rposition(|item| {
            rebuild(item).is_some_and(|it| {
                attempt.is(&it) && it.outcome == RebuildOutcome::Requested && it.run.is_none()
            })
        })?;
        items.remove(at);
        if items.is_empty() {
            stored.rest.remove(HISTORY);
        }
        let detail = format!("rebuild put off: {why}");
        Some(changed(&attempt.image, detail))
    }

    /// Records how a rebuild ended, and what the image stands on if it went well. `None` when
    /// there is no such attempt that may still change.
    pub fn rebuild_ended(&mut self, attempt: &Attempt, end: &RebuildEnd) -> Option<Change> {
        let item = self.open_attempt(attempt)?;
        let text = |text: &str| Value::Text(text.to_owned());
        let outcome = match &end.failure {
            Some(_) => RebuildOutcome::Failure,
            None => RebuildOutcome::Success,
        };
        let problem = end.failure.as_ref().or(end.note.as_ref());
        let seconds = end.duration_seconds;
        set(
            item,
            &[
                ("outcome", Some(text(outcome.as_str()))),
                ("endedAt", Some(text(&end.at))),
                (
                    "durationSeconds",
                    seconds.map(|seconds| Value::Plain(seconds.to_string())),
                ),
                ("digest", end.digest.as_deref().map(text)),
                ("problem", problem.map(|problem| text(problem))),
            ],
        );
        let rebuild = rebuild(item)?;
        if let Some(failure) = &end.failure {
            return Some(changed(
                &attempt.image,
                format!("rebuild failed: {failure}"),
            ));
        }
        self.built_by(&attempt.image, &rebuild, end);
        let what = end.digest.as_deref().unwrap_or("its digest is not known");
        Some(changed(&attempt.image, format!("rebuilt: {what}")))
    }

    /// A tag of an image of ours moved from `before` to a digest with the same content: what was
    /// built on the old one counts as built on the new one, since a rebuild would change nothing.
    pub fn same_content(&mut self, image: &str, tag: &str, before: &str) -> Vec<Change> {
        let stored = self.images.get(image);
        let seen = stored.and_then(|stored| seen_tags(&stored.rest).remove(tag)?.pop());
        let Some(now) = seen.map(|seen| seen.digest) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        for (name, Stored { state, .. }) in &mut self.images {
            let edges = state.managed_bases.iter().filter(|edge| {
                let reference = &edge.reference;
                edge.name.as_str() == image
                    && reference.digest().is_none()
                    && reference.tag().is_some_and(|it| it.as_str() == tag)
            });
            for edge in edges {
                let key = edge.reference.to_string();
                let built_on = state.built_on.get_mut(&key);
                if let Some(built_on) = built_on.filter(|it| *it == before) {
                    built_on.clone_from(&now);
                    let what = format!("{image}:{tag} was rebuilt with the same content");
                    changes.push(changed(name, what));
                }
            }
        }
        changes
    }

    /// A rebuild went well: the image stands on what it says itself, else on what it was told.
    fn built_by(&mut self, image: &str, rebuild: &Rebuild, end: &RebuildEnd) {
        let names = self.bases_by_reference();
        let Some(stored) = self.images.get_mut(image) else {
            return;
        };
        let state = &mut stored.state;
        let ours: Vec<&Reference> = state.managed_bases.iter().map(|it| &it.reference).collect();
        let mut built_on = Vec::new();
        for (base, told) in &rebuild.bases {
            let Ok(reference) = Reference::parse(base) else {
                continue;
            };
            // One that is pinned never moves.
            if reference.digest().is_some() {
                continue;
            }
            let key = match names.get(&reference) {
                _ if ours.contains(&&reference) => base.clone(),
                Some(name) if state.base_images.contains(name) => name.to_string(),
                _ => continue,
            };
            let said = end.stood_on.get(&reference).map(Digest::to_string);
            built_on.push((key, said.unwrap_or_else(|| told.clone())));
        }
        state.built_on.extend(built_on);
        if let Some(digest) = &end.digest {
            state.current_digest = Some(digest.clone());
            if state.current_version.is_none() {
                state.current_version.clone_from(&end.version);
            }
        }
        state.last_built = Some(end.at.clone());
        stored.rest.remove(PENDING);
    }

    fn open_attempt(&mut self, attempt: &Attempt) -> Option<&mut Value> {
        let stored = self.images.get_mut(&attempt.image)?;
        let items = stored.rest.list_mut(HISTORY)?;
        items
            .iter_mut()
            .rev()
            .find(|item| rebuild(item).is_some_and(|it| attempt.is(&it) && it.outcome.is_open()))
    }
}

/// What a rebuild carries, in a few words.
fn why(rebuild: &Rebuild) -> String {
    let bases: Vec<String> = (rebuild.causes.iter())
        .map(|cause| match Reference::parse(&cause.base) {
            Ok(reference) => reference.familiar(),
            Err(_) => cause.base.clone(),
        })
        .collect();
    match bases.is_empty() {
        true => rebuild.reason.clone(),
        false => format!("{}, {}", rebuild.reason, bases.join(", ")),
    }
}

fn changed(image: &str, detail: String) -> Change {
    Change {
        subject: Subject::Image(image.to_owned()),
        kind: ChangeKind::Changed,
        details: vec![detail],
    }
}
