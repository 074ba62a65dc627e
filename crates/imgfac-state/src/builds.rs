//! Builds of our images, and what they stood on.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{BaseName, Digest, ImageName, ImageState, Reference, Repository, base_slug};
use imgfac_yaml::Value;

use crate::fleet::Fleet;
use crate::former;
use crate::observation::LAST_ERROR;
use crate::passage::Passage;
use crate::runs;
use crate::stored::Stored;
use crate::tags::{AVAILABLE, OBSERVED_TAGS, seen_tags};
use crate::update::Bases;

/// A build that ended well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The version or tag that it published.
    pub version: Option<String>,
    /// The digest of what it published.
    pub digest: Option<String>,
    /// What it says that it stood on; may be empty, and name other images than the bases.
    pub stood_on: BTreeMap<Reference, Digest>,
}

/// Fields of an image that are about the place that it is published at, beside those that have a
/// type: what was observed there, and what waits because of it.
const OF_THE_PLACE: &[&str] = &[
    "digests",
    OBSERVED_TAGS,
    AVAILABLE,
    LAST_ERROR,
    "previousDigest",
    "lastChecked",
    "lastUpdated",
    runs::PENDING,
];

impl Fleet {
    /// Records a build, once: the same one again changes nothing. What it stood on is what it says
    /// itself; where it says nothing, what the bases point at now.
    pub(crate) fn record_build(&self, stored: &mut Stored<ImageState>, build: &Build, now: &str) {
        let Stored { state, rest } = stored;
        let Build {
            version,
            digest,
            stood_on,
        } = build;
        let known = |new: &Option<String>, old: &Option<String>| new.is_none() || new == old;
        if known(version, &state.current_version) && known(digest, &state.current_digest) {
            return;
        }
        if version.is_some() {
            state.current_version.clone_from(version);
        }
        state.current_digest.clone_from(digest);
        state.last_built = Some(now.to_owned());
        rest.remove(runs::PENDING);
        let needed = |reference: &Reference| !state.unused_bases.contains(reference);
        // A pinned base is compared by its tag, which the build did not look at.
        let said = |reference: &Reference| match reference.digest() {
            None => stood_on.get(reference).map(Digest::to_string),
            Some(_) => None,
        };
        let upstream = state.base_images.iter().filter_map(|name| {
            let base = &self.bases.get(name)?.state;
            let digest = said(&base.reference).or_else(|| base.current_digest.clone())?;
            needed(&base.reference).then(|| (name.to_string(), digest))
        });
        let ours = state.managed_bases.iter().filter_map(|base| {
            let now = || {
                let image = self.images.get(base.name.as_str())?;
                image.state.current_digest.clone()
            };
            let digest = said(&base.reference).or_else(now)?;
            needed(&base.reference).then(|| (base.reference.to_string(), digest))
        });
        let built_on = upstream.chain(ours).collect();
        state.built_on = built_on;
    }

    /// An image of ours was built anew. Images that stand on it and whose build was never recorded
    /// count as built on what it had until now, as long as nobody looks at the tag that they follow.
    pub(crate) fn others_stood_on(&mut self, parent: &ImageName, until_now: &str) {
        let seen = self.images.get(parent.as_str());
        let seen = seen
            .map(|stored| seen_tags(&stored.rest))
            .unwrap_or_default();
        self.built_on_until_now(until_now, |state| {
            let edges = state.managed_bases.iter().filter(|edge| {
                let tag = edge.reference.tag().map(|tag| tag.as_str());
                edge.name == *parent
                    && edge.reference.digest().is_none()
                    && !tag.is_some_and(|tag| seen.contains_key(tag))
                    && !state.unused_bases.contains(&edge.reference)
            });
            edges.map(|edge| edge.reference.to_string()).collect()
        });
    }

    /// The names that each reference is tracked by, or was before it became an image of ours.
    pub(crate) fn known_as(&self) -> BTreeMap<Reference, BTreeSet<BaseName>> {
        let live = (self.bases.iter())
            .map(|(name, stored)| (name.clone(), stored.state.reference.clone()));
        let former =
            (self.images.values()).flat_map(|stored| former::base_references(&stored.rest));
        let mut names: BTreeMap<Reference, BTreeSet<BaseName>> = BTreeMap::new();
        for (name, reference) in live.chain(former) {
            names.entry(reference).or_default().insert(name);
        }
        names
    }
}

/// Lets what a build stood on follow edges that lead somewhere else now: to an image of ours,
/// which is known by its reference, or to a base, by its name. So nothing that waits is forgotten.
pub(crate) fn follow_edges(
    built_on: &mut BTreeMap<String, String>,
    bases: &Bases,
    names: &BTreeMap<Reference, BaseName>,
    known_as: &BTreeMap<Reference, BTreeSet<BaseName>>,
    managed: &BTreeMap<&Repository, &ImageName>,
) {
    if built_on.is_empty() {
        return;
    }
    for reference in bases.keys() {
        let ours = reference.to_string();
        let (key, old): (String, Vec<String>) = if managed.contains_key(reference.repository()) {
            let known = known_as.get(reference).into_iter().flatten();
            let mut old: Vec<String> = known.map(ToString::to_string).collect();
            // Both may have been in the archive meanwhile: the base had its plain name then,
            // unless it is the name of another one.
            let plain = base_slug(reference);
            if built_on.contains_key(&plain) && names.values().all(|name| name.as_str() != plain) {
                old.push(plain);
            }
            (ours, old)
        } else if let Some(name) = names.get(reference) {
            (name.to_string(), vec![ours])
        } else {
            continue;
        };
        for old in old {
            if let Some(digest) = built_on.remove(&old) {
                built_on.entry(key.clone()).or_insert(digest);
            }
        }
    }
}

/// Lets an image that is published at another place start anew there. What was known of the old
/// place goes into the record.
pub(crate) fn restart(stored: &mut Stored<ImageState>, passage: &mut Passage) {
    let state = &mut stored.state;
    for (key, value) in [
        ("currentVersion", state.current_version.take()),
        ("currentDigest", state.current_digest.take()),
        ("lastBuilt", state.last_built.take()),
    ] {
        if let Some(value) = value {
            passage.note(key, Value::Text(value));
        }
    }
    let built_on = std::mem::take(&mut state.built_on).into_iter();
    let built_on: Vec<(String, Value)> = built_on
        .map(|(base, digest)| (base, Value::Text(digest)))
        .collect();
    if !built_on.is_empty() {
        passage.note("builtOn", Value::Map(built_on));
    }
    for key in OF_THE_PLACE {
        if let Some(value) = stored.rest.remove(key) {
            passage.note(key, value);
        }
    }
}
