//! What is decided from: images, what they stand on, what was seen and what was built.

use std::collections::BTreeMap;

use imgfac_graph::{Kind, Policy as Schedule};
use imgfac_model::{DelayClock, Digest, DigestSelection, ImageName, Platform, Reference};
use jiff::{SignedDuration, Timestamp};

use crate::identity::Identity;

/// The images that we build, and the digests that were seen of all that they stand on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// The managed images.
    pub images: BTreeMap<ImageName, Image>,
    /// What each tag was seen to point at, oldest first. A digest that came back is there twice.
    pub tags: BTreeMap<Reference, Vec<Sighting>>,
}

/// An image that we build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its delays, and how much it matters.
    pub schedule: Schedule,
    /// Which digest of a tag it is rebuilt on.
    pub select: DigestSelection,
    /// The platforms that it is built for, on which a change of a base matters; empty is all.
    pub platforms: Vec<Platform>,
    /// From when on an update waits.
    pub clock: DelayClock,
    /// The registry that its builds push to, for caps.
    pub registry: String,
    /// The repository whose builds make it, host included, for caps.
    pub repository: String,
    /// The commit that a rebuild is made from, as far as it is known.
    pub source_commit: Option<String>,
    /// What its Dockerfile stands on, as it refers to it. A reference with a digest is pinned.
    pub bases: BTreeMap<Reference, Base>,
    /// Why it is not known what it stands on.
    pub unknown: Option<String>,
    /// When the image that there is was built.
    pub built_at: Option<Timestamp>,
    /// Its rebuilds as far as they were recorded, oldest first.
    pub runs: Vec<Run>,
    /// The last emergency that was asked for.
    pub emergency: Option<Emergency>,
}

/// An image that another one stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The image of ours that it is.
    pub parent: Option<ImageName>,
    /// Whether the built target needs it; else its updates mean nothing.
    pub needed: bool,
    /// The digest that the last build stood on; `None` when that was never recorded.
    ///
    /// Whoever records that a run succeeded sets this to what the build stood on, which is
    /// [`Run::bases`] unless the build says otherwise.
    pub built_on: Option<Digest>,
    /// When an update was first seen that the image still lacks, as far as that was recorded.
    ///
    /// The digests of a tag are kept for some time only: without this, a base that moves often
    /// could put off a rebuild with a long delay for ever. To be taken away when nothing is
    /// pending, and when an image was built.
    pub pending_since: Option<Timestamp>,
}

/// A digest that a tag pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What the tag pointed at.
    pub digest: Digest,
    /// When that was first seen.
    pub first_seen: Timestamp,
    /// When the registry says that it was pushed. Never the `created` of the image, which its
    /// publisher can choose.
    pub pushed: Option<Timestamp>,
    /// Of an index: the digest of each platform. Empty when that is not known.
    pub platforms: BTreeMap<Platform, Digest>,
}

/// A rebuild that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What was to be built.
    pub identity: Identity,
    /// Where to find it: an id or an address, once that is known.
    pub link: Option<String>,
    /// When the request was recorded, which is before it was sent.
    pub started: Timestamp,
    /// What it was to stand on.
    pub bases: BTreeMap<Reference, Digest>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is not known to have ended.
    Running,
    /// It made an image.
    Succeeded {
        /// When it ended.
        at: Timestamp,
        /// What it pushed, if that is known.
        digest: Option<Digest>,
    },
    /// It made none.
    Failed {
        /// When it ended.
        at: Timestamp,
    },
}

/// A rebuild that somebody wants without any wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// From when on: until a rebuild that started later has succeeded.
    pub asked: Timestamp,
    /// Why, in the words of whoever asked.
    pub reason: String,
}

impl Image {
    /// An image that stands on nothing yet, and about which nothing else is known.
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            select: DigestSelection::default(),
            platforms: Vec::new(),
            clock: DelayClock::default(),
            registry: String::new(),
            repository: String::new(),
            source_commit: None,
            bases: BTreeMap::new(),
            unknown: None,
            built_at: None,
            runs: Vec::new(),
            emergency: None,
        }
    }
}

impl Default for Base {
    /// A base upstream that the target needs, and of which nothing else is known.
    fn default() -> Self {
        Self {
            parent: None,
            needed: true,
            built_on: None,
            pending_since: None,
        }
    }
}

/// What became of a run, as far as one can tell at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    NotYet,
    Well,
    Badly(Timestamp),
}

impl Run {
    /// What became of it: a run that has not ended after `limit` is lost, and counts as failed then.
    pub(crate) fn ended(&self, now: Timestamp, limit: SignedDuration) -> Ended {
        let lost = after(self.started, limit);
        match &self.outcome {
            Outcome::Running if lost <= now => Ended::Badly(lost),
            Outcome::Running => Ended::NotYet,
            Outcome::Succeeded { .. } => Ended::Well,
            Outcome::Failed { at } => Ended::Badly(*at),
        }
    }
}

impl Fleet {
    /// The kind of image that a base is.
    pub(crate) fn kind(&self, base: &Base) -> Kind {
        match &base.parent {
            Some(parent) if self.images.contains_key(parent) => Kind::Managed,
            _ => Kind::Base,
        }
    }

    /// A tag was seen to point at a digest. Says whether that is news.
    pub fn observe(&mut self, tag: &Reference, digest: &Digest, now: Timestamp) -> bool {
        let seen = self.tags.entry(tag.clone()).or_default();
        if seen.last().is_some_and(|last| last.digest == *digest) {
            return false;
        }
        seen.push(Sighting {
            digest: digest.clone(),
            first_seen: now,
            pushed: None,
            platforms: BTreeMap::new(),
        });
        true
    }

    /// A rebuild of an image was asked for. Says whether there is such an image.
    pub fn start(&mut self, name: &ImageName, run: Run) -> bool {
        let image = self.images.get_mut(name);
        image.map(|image| image.runs.push(run)).is_some()
    }

    /// The last run of an image has ended. One that succeeded stands on what it was told, and its
    /// push is seen at once on every tag that others follow. Says whether there was such a run.
    pub fn finish(&mut self, name: &ImageName, outcome: Outcome) -> bool {
        let Some(image) = self.images.get_mut(name) else {
            return false;
        };
        let Some(run) = image.runs.last_mut() else {
            return false;
        };
        run.outcome = outcome;
        let Outcome::Succeeded { at, digest } = run.outcome.clone() else {
            return true;
        };
        image.built_at = Some(run.started);
        for (reference, base) in &mut image.bases {
            if let Some(digest) = run.bases.get(reference) {
                base.built_on = Some(digest.clone());
            }
            base.pending_since = None;
        }
        if let Some(digest) = digest {
            let dependents = self.images.values().flat_map(|image| &image.bases);
            let tags: Vec<Reference> = dependents
                .filter(|(_, base)| base.parent.as_ref() == Some(name))
                .filter(|(reference, _)| reference.digest().is_none())
                .map(|(reference, _)| reference.clone())
                .collect();
            for tag in tags {
                self.observe(&tag, &digest, at);
            }
        }
        true
    }
}

/// A time and a length, as far as there are such times.
pub(crate) fn after(time: Timestamp, length: SignedDuration) -> Timestamp {
    time.checked_add(length).unwrap_or(if length.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// The length of a delay.
pub(crate) fn millis(millis: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
