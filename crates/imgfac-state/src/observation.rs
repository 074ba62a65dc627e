//! What a tag was seen to point at: digests, and the times. Here of bases; `tags.rs` has the tags
//! of our own images, of which the same is recorded.

use std::collections::BTreeMap;

use imgfac_model::{BaseName, BaseState, Digest, ImageState};
use imgfac_yaml::Value;

use crate::change::{Change, ChangeKind};
use crate::fleet::{Fleet, Subject};
use crate::stored::{Fields, Stored};

/// So many digests of a tag are kept, the oldest go first.
pub(crate) const KEPT: usize = 10;

/// The field that says why the last look at a tag failed.
pub(crate) const LAST_ERROR: &str = "lastError";
/// The field that has what a tag was seen to point at.
pub(crate) const DIGESTS: &str = "digests";
/// The field of a digest that has its images by platform.
const PLATFORMS: &str = "platforms";
/// The field of a digest that says when it was pushed to the tag.
const PUSHED: &str = "pushed";

/// A digest, and for how long a tag pointed at it. One that came back is there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenDigest {
    /// What the tag pointed at.
    pub digest: String,
    /// When that was first seen, RFC 3339; `None` when an older program did not record it.
    pub first_seen: Option<String>,
    /// When it was last seen, or seen to be replaced, RFC 3339.
    pub last_seen: Option<String>,
    /// When it was pushed to the tag as the registry says, RFC 3339, where that was asked.
    pub pushed: Option<String>,
    /// Its images by platform, where it is an index and that was looked at. A platform that is not
    /// here is not known: it may have changed.
    pub platforms: BTreeMap<String, String>,
}

/// The digests that a base was seen to have, oldest first.
#[must_use]
pub fn seen_digests(rest: &Fields) -> Vec<SeenDigest> {
    let Some(Value::List(entries)) = rest.get(DIGESTS) else {
        return Vec::new();
    };
    let seen = |entry: &Value| {
        Some(SeenDigest {
            digest: field(entry, "digest")?,
            first_seen: field(entry, "firstSeen"),
            last_seen: field(entry, "lastSeen"),
            pushed: field(entry, PUSHED),
            platforms: platforms(entry),
        })
    };
    entries.iter().filter_map(seen).collect()
}

/// What a registry says of a digest, beside that a tag points at it. What is absent is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its images by platform, where it is an index.
    pub platforms: BTreeMap<String, Digest>,
    /// When it was pushed to the tag, RFC 3339.
    pub pushed: Option<String>,
}

/// Why it could not be found out what a tag points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// What went wrong the last time.
    pub reason: String,
    /// Since when nothing could be found out, RFC 3339.
    pub since: Option<String>,
}

/// Why the last look at a base failed; `None` when it went well.
#[must_use]
pub fn last_error(rest: &Fields) -> Option<LastError> {
    let error = rest.get(LAST_ERROR)?;
    Some(LastError {
        reason: field(error, "reason").unwrap_or_default(),
        since: field(error, "since"),
    })
}

fn platforms(entry: &Value) -> BTreeMap<String, String> {
    let entry = Fields::of(entry);
    let platforms = entry.get(PLATFORMS).map(Fields::of).unwrap_or_default();
    let text = |(platform, digest): (&str, &Value)| match digest {
        Value::Text(digest) | Value::Plain(digest) => Some((platform.to_owned(), digest.clone())),
        _ => None,
    };
    platforms.iter().filter_map(text).collect()
}

fn field(entry: &Value, key: &str) -> Option<String> {
    let Value::Map(fields) = entry else {
        return None;
    };
    fields.iter().find_map(|(name, value)| match value {
        Value::Text(text) | Value::Plain(text) if name == key => Some(text.clone()),
        _ => None,
    })
}

/// A digest cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// No base has the name.
    #[error("no base is called \"{name}\"")]
    Unknown {
        /// The name.
        name: BaseName,
    },
    /// No state is there of an image with the name.
    #[error("nothing is known of an image called \"{name}\"")]
    UnknownImage {
        /// The name.
        name: String,
    },
    /// The file of the base or image cannot be used.
    #[error("{path} cannot be used: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Fleet {
    /// Records what a base's tag was seen to point at, and says what that changed: nothing when it
    /// is known already. A first sight is not an update.
    ///
    /// Images whose build was never recorded count as built on what the tag pointed at until now;
    /// that is written down when it moves, while it is known.
    ///
    /// # Errors
    ///
    /// When there is no such base, or its file cannot be used.
    pub fn observe(
        &mut self,
        name: &BaseName,
        digest: &Digest,
        now: &str,
    ) -> Result<Vec<Change>, ObserveError> {
        let stored = self.observed(name)?;
        let state = &mut stored.state;
        if state.current_digest.as_deref() == Some(digest.as_str()) {
            return self.observe_reached(name);
        }
        stored.rest.remove(LAST_ERROR);
        let before = state.current_digest.replace(digest.as_str().to_owned());
        state.last_checked = Some(now.to_owned());
        let changed_at = match &before {
            Some(_) => state.last_updated.replace(now.to_owned()),
            None => None,
        };
        let mut details = vec![moved(before.as_deref(), digest)];
        if before.is_some() {
            state.previous_digest.clone_from(&before);
        }
        let seen = seen_digests(&stored.rest);
        remember(&mut stored.rest, before.as_deref(), changed_at, digest, now);
        let reference = stored.state.reference.clone();
        let keys = |state: &ImageState| -> Vec<String> {
            let stands_on_it =
                state.base_images.contains(name) && !state.unused_bases.contains(&reference);
            stands_on_it.then(|| name.to_string()).into_iter().collect()
        };
        if let Some(before) = before {
            details.extend(self.built_on_until_now(&before, keys));
        }
        self.note_pending(&seen, digest, now, keys);
        Ok(vec![changed(name, details)])
    }

    /// Records that it could not be found out what a base's tag points at, and says so when that
    /// is news. What was known stays, and so does the time since when nothing could be found out.
    ///
    /// # Errors
    ///
    /// As [`Fleet::observe`].
    pub fn observe_failed(
        &mut self,
        name: &BaseName,
        reason: &str,
        now: &str,
    ) -> Result<Vec<Change>, ObserveError> {
        let stored = self.observed(name)?;
        if !note_error(&mut stored.rest, reason, now) {
            return Ok(Vec::new());
        }
        Ok(vec![changed(name, vec![reason.to_owned()])])
    }

    /// Records that a base could be asked about, whatever the answer was.
    ///
    /// # Errors
    ///
    /// As [`Fleet::observe`].
    pub fn observe_reached(&mut self, name: &BaseName) -> Result<Vec<Change>, ObserveError> {
        let error = self.observed(name)?.rest.remove(LAST_ERROR);
        let again = || changed(name, vec![AGAIN.to_owned()]);
        Ok(error.map(|_| again()).into_iter().collect())
    }

    /// Records what a registry says of a digest, if it is the one that was seen last and as far as
    /// it is not known yet.
    ///
    /// # Errors
    ///
    /// As [`Fleet::observe`].
    pub fn observe_about(
        &mut self,
        name: &BaseName,
        digest: &Digest,
        about: &About,
    ) -> Result<(), ObserveError> {
        note_about(&mut self.observed(name)?.rest, digest, about);
        Ok(())
    }

    fn observed(&mut self, name: &BaseName) -> Result<&mut Stored<BaseState>, ObserveError> {
        if let Some(file) = self.unreadable_base(name.as_str()) {
            return Err(ObserveError::Unreadable {
                path: file.path.clone(),
                reason: file.problem.reason.clone(),
            });
        }
        self.bases
            .get_mut(name)
            .ok_or_else(|| ObserveError::Unknown { name: name.clone() })
    }

    /// Lets images whose build was never recorded count as built on a digest, and says how many
    /// there are. `keys` are the entries of `builtOn` that an image would have for it.
    pub(crate) fn built_on_until_now(
        &mut self,
        digest: &str,
        keys: impl Fn(&ImageState) -> Vec<String>,
    ) -> Option<String> {
        let mut images = 0;
        for Stored { state, .. } in self.images.values_mut() {
            let mut keys = keys(state);
            keys.retain(|key| !state.built_on.contains_key(key));
            images += usize::from(!keys.is_empty());
            let entries = keys.into_iter().map(|key| (key, digest.to_owned()));
            state.built_on.extend(entries);
        }
        (images > 0).then(|| format!("images that count as built on the old one: {images}"))
    }
}

/// What is said of a registry that answers again.
pub(crate) const AGAIN: &str = "its registry answers again";

/// What became of a tag, in words.
pub(crate) fn moved(before: Option<&str>, digest: &Digest) -> String {
    match before {
        Some(before) => format!("moved from {before} to {digest}"),
        None => format!("first seen at {digest}"),
    }
}

/// Notes in a record why it could not be found out what a tag points at; `false` when that is no
/// news. The time since when nothing could be found out stays.
pub(crate) fn note_error(record: &mut Fields, reason: &str, now: &str) -> bool {
    let before = last_error(record);
    if before.as_ref().is_some_and(|error| error.reason == reason) {
        return false;
    }
    let since = before.and_then(|error| error.since);
    let since = since.unwrap_or_else(|| now.to_owned());
    let entries = [("reason", reason), ("since", &since)];
    let entries = entries.map(|(key, text)| (key.to_owned(), Value::Text(text.to_owned())));
    record.set(LAST_ERROR, Value::Map(entries.into()));
    true
}

fn changed(name: &BaseName, details: Vec<String>) -> Change {
    Change {
        subject: Subject::Base(name.to_string()),
        kind: ChangeKind::Changed,
        details,
    }
}

/// Notes in a record what is said of the digest that was seen last.
pub(crate) fn note_about(record: &mut Fields, digest: &Digest, about: &About) {
    let Some(Value::List(mut entries)) = record.get(DIGESTS).cloned() else {
        return;
    };
    let last = entries.last_mut();
    let Some(last) = last.filter(|last| field(last, "digest").as_deref() == Some(digest.as_str()))
    else {
        return;
    };
    let Value::Map(fields) = last else { return };
    let mut note = |key: &str, value: Value| {
        if fields.iter().all(|(known, _)| known != key) {
            fields.push((key.to_owned(), value));
        }
    };
    if let Some(pushed) = &about.pushed {
        note(PUSHED, Value::Text(pushed.clone()));
    }
    if !about.platforms.is_empty() {
        let platforms = about.platforms.iter();
        let platforms =
            platforms.map(|(platform, image)| (platform.clone(), Value::Text(image.to_string())));
        note(PLATFORMS, Value::Map(platforms.collect()));
    }
    record.set(DIGESTS, Value::List(entries));
}

/// Ends the time of the digest before, and begins that of the new one. Entries that are there keep
/// what else they say.
pub(crate) fn remember(
    record: &mut Fields,
    before: Option<&str>,
    before_since: Option<String>,
    digest: &Digest,
    now: &str,
) {
    let mut entries = match record.get(DIGESTS) {
        Some(Value::List(entries)) => entries.clone(),
        _ => Vec::new(),
    };
    let text = |text: &str| Value::Text(text.to_owned());
    if let Some(before) = before {
        let is_it = |entry: &Value| matches!(entry, Value::Map(fields) if fields.contains(&("digest".to_owned(), text(before))));
        if !entries.last().is_some_and(is_it) {
            let mut fields = vec![("digest".to_owned(), text(before))];
            fields.extend(before_since.map(|since| ("firstSeen".to_owned(), text(&since))));
            entries.push(Value::Map(fields));
        }
        if let Some(Value::Map(fields)) = entries.last_mut() {
            match fields.iter_mut().find(|(key, _)| key == "lastSeen") {
                Some((_, value)) => *value = text(now),
                None => fields.push(("lastSeen".to_owned(), text(now))),
            }
        }
    }
    entries.push(Value::Map(vec![
        ("digest".to_owned(), text(digest.as_str())),
        ("firstSeen".to_owned(), text(now)),
        ("lastSeen".to_owned(), text(now)),
    ]));
    let surplus = entries.len().saturating_sub(KEPT);
    entries.drain(..surplus);
    record.set(DIGESTS, Value::List(entries));
}
