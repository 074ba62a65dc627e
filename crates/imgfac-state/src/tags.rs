//! What tags of enrolled images were seen to point at: `observedTags` of their state. Of images of
//! ours these are the tags that others stand on, of external ones the one that is tracked.
//!
//! The key is a tag, or a digest that a Dockerfile pins: of that it is only noted while it cannot
//! be found.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{Digest, ImageState, Reference};
use imgfac_yaml::Value;

use crate::change::{Change, ChangeKind};
use crate::fleet::{Fleet, Subject};
use crate::observation::{
    AGAIN, About, LAST_ERROR, LastError, ObserveError, SeenDigest, last_error, moved, note_about,
    note_error, remember, seen_digests,
};
use crate::stored::{Fields, Stored};

/// The field of an image that has what its tags were seen to point at.
pub(crate) const OBSERVED_TAGS: &str = "observedTags";
/// The field of an external image that has the versions which are newer than what is tracked.
pub(crate) const AVAILABLE: &str = "availableVersions";

/// So many newer versions are kept.
const NEWER: usize = 10;

/// What the tags of an image were seen to point at, each oldest first. Tags of which nothing was
/// seen yet are not there.
#[must_use]
pub fn seen_tags(rest: &Fields) -> BTreeMap<String, Vec<SeenDigest>> {
    let records = records(rest).into_iter();
    records
        .map(|(tag, record)| (tag, seen_digests(&record)))
        .filter(|(_, seen)| !seen.is_empty())
        .collect()
}

/// Why the last look at tags of an image failed, by tag, or by digest where one is pinned.
#[must_use]
pub fn tag_errors(rest: &Fields) -> BTreeMap<String, LastError> {
    let records = records(rest).into_iter();
    records
        .filter_map(|(tag, record)| Some((tag, last_error(&record)?)))
        .collect()
}

/// The tags that were seen to be newer versions than the one that is tracked, newest first.
#[must_use]
pub fn available_versions(rest: &Fields) -> Vec<String> {
    let Some(Value::List(items)) = rest.get(AVAILABLE) else {
        return Vec::new();
    };
    let text = |item: &Value| match item {
        Value::Text(text) | Value::Plain(text) => Some(text.clone()),
        _ => None,
    };
    items.iter().filter_map(text).collect()
}

/// What was found out of an external image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The tag that is tracked.
    pub tag: String,
    /// What it points at.
    pub digest: Digest,
    /// The tags that are newer versions, newest first; `None` when they are not known.
    pub newer: Option<Vec<String>>,
}

/// A tag or digest of an image of ours that a Dockerfile names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnTag {
    /// The image of ours.
    pub image: String,
    /// The key of `observedTags`: the tag, or the digest where one is pinned.
    pub tag: String,
    /// The same as a reference, which has a tag or a digest, never both.
    pub reference: Reference,
}

impl Fleet {
    /// What Dockerfiles name of images of ours, each once, sorted. A tag with a digest beside it
    /// is both.
    ///
    /// An image whose file cannot be used, or that is published elsewhere by now, has none.
    #[must_use]
    pub fn own_tags(&self) -> Vec<OwnTag> {
        let mut tags = BTreeSet::new();
        let edges = (self.images.values()).flat_map(|stored| &stored.state.managed_bases);
        for edge in edges {
            let place = edge.reference.repository();
            let there = |stored: &Stored<_>| stored.repository().is_none_or(|it| it == *place);
            if !self.images.get(edge.name.as_str()).is_some_and(there) {
                continue;
            }
            let tag = edge.reference.tag().map(|tag| (':', tag.to_string()));
            let digest = (edge.reference.digest()).map(|digest| ('@', digest.to_string()));
            for (mark, name) in tag.into_iter().chain(digest) {
                // A part of a reference is one.
                if let Ok(reference) = Reference::parse(&format!("{place}{mark}{name}")) {
                    tags.insert(OwnTag {
                        image: edge.name.to_string(),
                        tag: name,
                        reference,
                    });
                }
            }
        }
        tags.into_iter().collect()
    }

    /// Records what a tag of an image of ours was seen to point at, and says what that changed:
    /// nothing when it is known already. A first sight is not an update. The version and digest of
    /// the last build are not touched: builds record them.
    ///
    /// Images that stand on the tag and whose build was never recorded count as built on what it
    /// pointed at until now; that is written down when it moves, while it is known.
    ///
    /// # Errors
    ///
    /// When there is no state of such an image, or its file cannot be used.
    pub fn observe_tag(
        &mut self,
        image: &str,
        tag: &str,
        digest: &Digest,
        now: &str,
    ) -> Result<Vec<Change>, ObserveError> {
        let mut seen = Vec::new();
        let (known, healed) = self.on_tag(image, tag, |record| {
            seen = seen_digests(record);
            let before = seen.last().map(|seen| seen.digest.as_str());
            let healed = record.remove(LAST_ERROR).is_some();
            let known = before == Some(digest.as_str());
            if !known {
                remember(record, before, None, digest, now);
            }
            (known, healed)
        })?;
        if known {
            return Ok(again(image, tag, healed));
        }
        let before = seen.last().map(|seen| seen.digest.as_str());
        let mut details = vec![format!("tag {tag} {}", moved(before, digest))];
        let keys = |state: &ImageState| -> Vec<String> {
            let edges = state.managed_bases.iter().filter(|edge| {
                edge.name.as_str() == image
                    && edge.reference.tag().is_some_and(|it| it.as_str() == tag)
                    && !state.unused_bases.contains(&edge.reference)
            });
            edges.map(|edge| edge.reference.to_string()).collect()
        };
        if let Some(before) = before {
            details.extend(self.built_on_until_now(before, keys));
        }
        self.note_pending(&seen, digest, now, keys);
        Ok(vec![changed(image, details)])
    }

    /// Records that it could not be found out what a tag of an image points at, and says so when
    /// that is news. What was known stays.
    ///
    /// # Errors
    ///
    /// As [`Fleet::observe_tag`].
    pub fn observe_tag_failed(
        &mut self,
        image: &str,
        tag: &str,
        reason: &str,
        now: &str,
    ) -> Result<Vec<Change>, ObserveError> {
        let news = self.on_tag(image, tag, |record| note_error(record, reason, now))?;
        let told = || changed(image, vec![format!("tag {tag}: {reason}")]);
        Ok(news.then(told).into_iter().collect())
    }

    /// Records that a tag or digest of an image could be asked about, whatever the answer was.
    ///
    /// # Errors
    ///
    /// As [`Fleet::observe_tag`].
    pub fn observe_tag_reached(
        &mut self,
        image: &str,
        tag: &str,
    ) -> Result<Vec<Change>, ObserveError> {
        let healed = self.on_tag(image, tag, |record| record.remove(LAST_ERROR).is_some())?;
        Ok(again(image, tag, healed))
    }

    /// Records what a registry says of the digest of a tag, if it is the one that was seen last and
    /// as far as it is not known yet.
    ///
    /// # Errors
    ///
    /// As [`Fleet::observe_tag`].
    pub fn observe_tag_about(
        &mut self,
        image: &str,
        tag: &str,
        digest: &Digest,
        about: &About,
    ) -> Result<(), ObserveError> {
        self.on_tag(image, tag, |record| note_about(record, digest, about))
    }

    /// Records which tag of an external image is tracked, what it points at, and which newer ones
    /// there are, and says what that changed.
    ///
    /// # Errors
    ///
    /// As [`Fleet::observe_tag`].
    pub fn observe_external(
        &mut self,
        image: &str,
        sighting: &Sighting,
        now: &str,
    ) -> Result<Vec<Change>, ObserveError> {
        let Sighting { tag, digest, newer } = sighting;
        let moved = self.observe_tag(image, tag, digest, now)?;
        let mut details: Vec<String> = moved.into_iter().flat_map(|it| it.details).collect();
        let stored = self.image_to_observe(image)?;
        if stored.rest.remove(LAST_ERROR).is_some() {
            details.insert(0, AGAIN.to_owned());
        }
        let state = &mut stored.state;
        if state.current_version.as_ref() != Some(tag) {
            let before = state.current_version.replace(tag.clone());
            details.insert(
                0,
                match before {
                    Some(before) => format!("now follows {tag}, before {before}"),
                    None => format!("follows {tag}"),
                },
            );
        }
        state.current_digest = Some(digest.to_string());
        if let Some(newer) = newer {
            let newer: Vec<String> = newer.iter().take(NEWER).cloned().collect();
            if newer != available_versions(&stored.rest) {
                details.push(match newer.is_empty() {
                    true => "nothing newer is there any more".to_owned(),
                    false => format!("newer: {}", newer.join(", ")),
                });
                match newer.is_empty() {
                    true => drop(stored.rest.remove(AVAILABLE)),
                    false => {
                        let items = newer.into_iter().map(Value::Text).collect();
                        stored.rest.set(AVAILABLE, Value::List(items));
                    }
                }
            }
        }
        let told = !details.is_empty();
        Ok(told.then(|| changed(image, details)).into_iter().collect())
    }

    /// Records that nothing could be found out of an external image, and says so when that is
    /// news. What was known stays.
    ///
    /// # Errors
    ///
    /// As [`Fleet::observe_tag`].
    pub fn observe_external_failed(
        &mut self,
        image: &str,
        reason: &str,
        now: &str,
    ) -> Result<Vec<Change>, ObserveError> {
        let news = note_error(&mut self.image_to_observe(image)?.rest, reason, now);
        let told = || changed(image, vec![reason.to_owned()]);
        Ok(news.then(told).into_iter().collect())
    }

    /// Drops what was seen of tags that are watched no more, and says so. `watched` has the keys
    /// of each image. While the file of an image cannot be used, nothing is dropped: which tags
    /// it needs is not known.
    pub fn forget_tags(&mut self, watched: &BTreeMap<String, BTreeSet<String>>) -> Vec<Change> {
        let lost = |file: &crate::fleet::Unreadable| matches!(file.subject, Subject::Image(_));
        if self.unreadable.iter().any(lost) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for (image, stored) in &mut self.images {
            let mut records = records(&stored.rest);
            let watched = |tag: &String| watched.get(image).is_some_and(|it| it.contains(tag));
            let gone: Vec<String> = records
                .keys()
                .filter(|tag| !watched(tag))
                .cloned()
                .collect();
            if gone.is_empty() {
                continue;
            }
            records.retain(|tag, _| !gone.contains(tag));
            write(&mut stored.rest, records);
            let told = gone
                .iter()
                .map(|tag| format!("tag {tag} is no longer watched"));
            changes.push(changed(image, told.collect()));
        }
        changes
    }

    /// Changes the record of one tag.
    fn on_tag<T>(
        &mut self,
        image: &str,
        tag: &str,
        change: impl FnOnce(&mut Fields) -> T,
    ) -> Result<T, ObserveError> {
        let stored = self.image_to_observe(image)?;
        let mut records = records(&stored.rest);
        let done = change(records.entry(tag.to_owned()).or_default());
        write(&mut stored.rest, records);
        Ok(done)
    }

    fn image_to_observe(&mut self, image: &str) -> Result<&mut Stored<ImageState>, ObserveError> {
        if let Some(file) = self.unreadable_image(image) {
            return Err(ObserveError::Unreadable {
                path: file.path.clone(),
                reason: file.problem.reason.clone(),
            });
        }
        (self.images.get_mut(image)).ok_or_else(|| ObserveError::UnknownImage {
            name: image.to_owned(),
        })
    }
}

fn records(rest: &Fields) -> BTreeMap<String, Fields> {
    let all = rest.get(OBSERVED_TAGS).map(Fields::of).unwrap_or_default();
    all.iter()
        .map(|(tag, record)| (tag.to_owned(), Fields::of(record)))
        .collect()
}

/// Writes records back; those that say nothing go.
fn write(rest: &mut Fields, records: BTreeMap<String, Fields>) {
    let filled = records
        .into_iter()
        .filter(|(_, record)| record.iter().next().is_some());
    let entries: Vec<(String, Value)> = filled
        .map(|(tag, record)| (tag, record.into_value()))
        .collect();
    match entries.is_empty() {
        true => drop(rest.remove(OBSERVED_TAGS)),
        false => rest.set(OBSERVED_TAGS, Value::Map(entries)),
    }
}

fn again(image: &str, tag: &str, healed: bool) -> Vec<Change> {
    let told = || changed(image, vec![format!("tag {tag}: {AGAIN}")]);
    healed.then(told).into_iter().collect()
}

fn changed(image: &str, details: Vec<String>) -> Change {
    Change {
        subject: Subject::Image(image.to_owned()),
        kind: ChangeKind::Changed,
        details,
    }
}
