//! What a run found out, applied to the state of the fleet.
//!
//! An [`Update`] says what happened, not what files look like. It can be applied again to a newer
//! state, for instance after another writer was faster, and applying it twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imgfac_model::{
    BaseName, BaseState, DiscoveryStatus, ImageName, ImageState, ManagedBase, Reference,
    Repository, SelectionStrategy, assign_base_names,
};
use imgfac_yaml::Value;

use crate::change::{Change, ChangeKind, differences};
use crate::configuration::Configuration;
use crate::emit;
use crate::enrolment::{ENTRY_KEYS, Enrolled, LEGACY_ENTRY_KEYS, LEGACY_SOURCE_KEYS, SOURCE_KEYS};
use crate::fleet::{Fleet, Subject};
use crate::stored::Stored;

/// What a run found out.
#[derive(Clone, Debug)]
pub struct Update<'c> {
    /// The configuration that the run worked with.
    pub configuration: &'c Configuration,
    /// The images that the run is about; `None` is all, and only then does anything leave the
    /// fleet.
    pub scope: Option<BTreeSet<ImageName>>,
    /// What discovery found, by image.
    pub discoveries: BTreeMap<ImageName, Arc<Discovery>>,
    /// The commit at which each Dockerfile was read, where it was read from one.
    pub commits: BTreeMap<ImageName, String>,
    /// The builds that are to be recorded.
    pub builds: BTreeMap<ImageName, Build>,
    /// When, RFC 3339.
    pub now: String,
}

impl Update<'_> {
    fn discovery(&self, name: &ImageName) -> Option<&Discovery> {
        self.discoveries.get(name).map(Arc::as_ref)
    }
}

/// A build that ended well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The version or tag that it published.
    pub version: Option<String>,
    /// The digest of what it published.
    pub digest: Option<String>,
}

/// The outcome of discovery: the images that a Dockerfile names, or why they are not known. One
/// may be there more than once; it is reachable if it is so anywhere.
pub type Discovery = Result<Vec<FoundBase>, String>;

/// An image that a Dockerfile names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBase {
    /// The image.
    pub reference: Reference,
    /// Whether the built target needs it.
    pub reachable: bool,
}

/// The images that one image stands on, whether its target needs them.
type Bases = BTreeMap<Reference, bool>;

impl Fleet {
    /// Applies an update and says what it changed.
    ///
    /// Configuration wins for what people decide, everything else survives. A failed discovery
    /// keeps the bases that were known.
    pub fn apply(&mut self, update: &Update<'_>) -> Vec<Change> {
        let managed = update.configuration.managed();
        let images: Vec<(&ImageName, &Enrolled, Bases)> = update
            .configuration
            .images
            .iter()
            .filter(|(name, _)| {
                update
                    .scope
                    .as_ref()
                    .is_none_or(|scope| scope.contains(*name))
            })
            .filter(|(name, _)| self.unreadable_image(name.as_str()).is_none())
            .map(|(name, enrolled)| {
                (
                    name,
                    enrolled,
                    self.bases_of(enrolled, update.discovery(name)),
                )
            })
            .collect();

        let others = self.bases_of_others(&images, update);
        let found = images
            .iter()
            .flat_map(|(_, _, bases)| bases.keys())
            .filter(|reference| !managed.contains_key(reference.repository()));
        let known = others
            .iter()
            .filter_map(|name| Some(&self.bases.get(name)?.state.reference));
        // Many images share few bases.
        let wanted: BTreeSet<&Reference> = found.chain(known).collect();
        let wanted = wanted.into_iter().cloned().collect();
        let names = assign_base_names(
            &self.bases_by_reference(),
            &self.taken_names(&wanted),
            &wanted,
        );

        let mut changes = self.track(&names, &update.now);
        for (name, enrolled, bases) in images {
            let discovery = update.discovery(name);
            changes.extend(
                self.update_image(name, enrolled, discovery, &bases, &names, &managed, update),
            );
        }
        if update.scope.is_none() {
            changes.extend(self.archive_images(update));
            changes.extend(self.archive_bases(&names, &others, update));
        }
        changes.sort_by(|a, b| (&a.subject, a.kind).cmp(&(&b.subject, b.kind)));
        changes
    }

    /// What an image stands on: as just found, else as known before.
    fn bases_of(&self, enrolled: &Enrolled, discovery: Option<&Discovery>) -> Bases {
        let mut bases = Bases::new();
        if !enrolled.enrolment.is_managed() {
            return bases;
        }
        if let Some(Ok(found)) = discovery {
            for base in found {
                *bases.entry(base.reference.clone()).or_default() |= base.reachable;
            }
            return bases;
        }
        let Some(Stored { state, .. }) = self.images.get(enrolled.enrolment.name.as_str()) else {
            return bases;
        };
        let upstream = state
            .base_images
            .iter()
            .filter_map(|name| Some(&self.bases.get(name)?.state.reference));
        for reference in upstream.chain(state.managed_bases.iter().map(|base| &base.reference)) {
            bases.insert(reference.clone(), !state.unused_bases.contains(reference));
        }
        bases
    }

    /// The bases that must stay for the sake of images that this update does not touch.
    fn bases_of_others(
        &self,
        images: &[(&ImageName, &Enrolled, Bases)],
        update: &Update<'_>,
    ) -> BTreeSet<BaseName> {
        let touched: BTreeSet<&str> = images.iter().map(|(name, ..)| name.as_str()).collect();
        let others = self.images.iter().filter(|(name, _)| {
            !touched.contains(name.as_str())
                && (update.scope.is_some()
                    || update.configuration.images.contains_key(name.as_str()))
        });
        others
            .flat_map(|(_, stored)| stored.state.base_images.iter().cloned())
            .collect()
    }

    /// Names that a new base must not get, whatever is in their files.
    fn taken_names(&self, wanted: &BTreeSet<Reference>) -> BTreeSet<BaseName> {
        let unreadable = self
            .unreadable
            .iter()
            .filter_map(|file| match &file.subject {
                Subject::Base(name) => BaseName::new(name).ok(),
                Subject::Image(_) => None,
            });
        // A file of such a name would be a sample, which the next run does not read.
        let samples = wanted
            .iter()
            .map(imgfac_model::base_slug)
            .filter(|slug| slug.ends_with(".example"))
            .filter_map(|slug| BaseName::new(&slug).ok());
        let known = self.bases.keys().cloned();
        known.chain(unreadable).chain(samples).collect()
    }

    fn track(&mut self, names: &BTreeMap<Reference, BaseName>, now: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        for (reference, name) in names {
            if self.bases.contains_key(name) {
                continue;
            }
            let mut stored = Stored::new(BaseState::new(reference.clone(), now));
            stored.rest.set(
                "rebuildEligibleAt",
                Value::Map(vec![("default".into(), Value::Null)]),
            );
            stored.rest.set("metadata", Value::Map(Vec::new()));
            stored.rest.set("updateHistory", Value::List(Vec::new()));
            self.bases.insert(name.clone(), stored);
            changes.push(Change {
                subject: Subject::Base(name.to_string()),
                kind: ChangeKind::Added,
                details: vec![reference.to_string()],
            });
        }
        changes
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one update, each used once"
    )]
    fn update_image(
        &mut self,
        name: &ImageName,
        enrolled: &Enrolled,
        discovery: Option<&Discovery>,
        bases: &Bases,
        names: &BTreeMap<Reference, BaseName>,
        managed: &BTreeMap<&Repository, &ImageName>,
        update: &Update<'_>,
    ) -> Option<Change> {
        let now = update.now.as_str();
        let before = self.images.get(name.as_str());
        let mut after = before.cloned().unwrap_or_else(|| {
            Stored::new(ImageState {
                enrolled_at: Some(now.to_owned()),
                ..ImageState::default()
            })
        });
        enrol(&mut after, enrolled);
        let known = &after.state;
        let mut lists = Lists {
            // A name whose own file cannot be used is kept until discovery says otherwise.
            base_images: match discovery {
                Some(Ok(_)) => BTreeSet::new(),
                _ if !enrolled.enrolment.is_managed() => BTreeSet::new(),
                _ => known
                    .base_images
                    .iter()
                    .filter(|name| !self.bases.contains_key(*name))
                    .cloned()
                    .collect(),
            },
            ..Lists::default()
        };
        for (reference, reachable) in bases {
            if let Some(parent) = managed.get(reference.repository()) {
                lists.managed_bases.insert(ManagedBase {
                    name: (*parent).clone(),
                    reference: reference.clone(),
                });
            } else if let Some(name) = names.get(reference) {
                lists.base_images.insert(name.clone());
            }
            if !reachable {
                lists.unused_bases.push(reference.clone());
            }
        }
        let state = &mut after.state;
        state.base_images = lists.base_images.into_iter().collect();
        state.managed_bases = lists.managed_bases.into_iter().collect();
        state.unused_bases = lists.unused_bases;
        (state.discovery_status, state.discovery_error) = match discovery {
            _ if !enrolled.enrolment.is_managed() => (Some(DiscoveryStatus::External), None),
            Some(Ok(_)) => (Some(DiscoveryStatus::Success), None),
            Some(Err(error)) => (Some(DiscoveryStatus::Failed), Some(error.clone())),
            None => (
                state.discovery_status.or(Some(DiscoveryStatus::Pending)),
                state.discovery_error.take(),
            ),
        };
        if let Some(build) = update.builds.get(name) {
            self.record_build(&mut after.state, build, now);
        }
        let change = differences(name, before, &after);
        if discovery.is_some()
            && before.is_none_or(|before| discovered(before) != discovered(&after))
        {
            after.state.last_discovery = Some(now.to_owned());
            if let Some(Ok(_)) = discovery {
                after.state.source_commit = update.commits.get(name).cloned();
            }
        }
        self.images.insert(name.to_string(), after);
        change
    }

    /// Records a build, once: the same one again changes nothing. What it stood on is what the
    /// bases point at now; that is not known better before there is provenance.
    fn record_build(&self, state: &mut ImageState, build: &Build, now: &str) {
        let Build { version, digest } = build;
        let known = |new: &Option<String>, old: &Option<String>| new.is_none() || new == old;
        if known(version, &state.current_version) && known(digest, &state.current_digest) {
            return;
        }
        if version.is_some() {
            state.current_version.clone_from(version);
        }
        state.current_digest.clone_from(digest);
        state.last_built = Some(now.to_owned());
        let needed = |reference: &Reference| !state.unused_bases.contains(reference);
        let upstream = state.base_images.iter().filter_map(|name| {
            let base = &self.bases.get(name)?.state;
            let digest = base.current_digest.clone()?;
            needed(&base.reference).then(|| (name.to_string(), digest))
        });
        let ours = state.managed_bases.iter().filter_map(|base| {
            let digest = self
                .images
                .get(base.name.as_str())?
                .state
                .current_digest
                .clone()?;
            needed(&base.reference).then(|| (base.reference.to_string(), digest))
        });
        let built_on = upstream.chain(ours).collect();
        state.built_on = built_on;
    }

    fn archive_images(&mut self, update: &Update<'_>) -> Vec<Change> {
        let gone: Vec<String> = self
            .images
            .keys()
            .filter(|name| !update.configuration.images.contains_key(name.as_str()))
            .cloned()
            .collect();
        let mut changes = Vec::new();
        for name in gone {
            if let Some(mut stored) = self.images.remove(&name) {
                let path = crate::fleet::image_path(&name);
                mark_archived(
                    &mut stored.rest,
                    &path,
                    "removed from the enrolment",
                    &update.now,
                );
                changes.push(self.move_to_archive(
                    Subject::Image(name.clone()),
                    path,
                    name.clone(),
                    emit::image(&name, &stored),
                ));
            }
        }
        changes
    }

    fn archive_bases(
        &mut self,
        names: &BTreeMap<Reference, BaseName>,
        others: &BTreeSet<BaseName>,
        update: &Update<'_>,
    ) -> Vec<Change> {
        // What an image with an unusable state stands on is not known: any base may be its own.
        let unknown = update
            .configuration
            .images
            .keys()
            .any(|name| self.unreadable_image(name.as_str()).is_some());
        if unknown {
            return Vec::new();
        }
        let kept: BTreeSet<&BaseName> = names.values().chain(others).collect();
        let gone: Vec<BaseName> = self
            .bases
            .keys()
            .filter(|name| !kept.contains(name))
            .cloned()
            .collect();
        let mut changes = Vec::new();
        for name in gone {
            if let Some(mut stored) = self.bases.remove(&name) {
                let path = crate::fleet::base_path(name.as_str());
                mark_archived(
                    &mut stored.rest,
                    &path,
                    "no Dockerfile names it any more",
                    &update.now,
                );
                let text = emit::base(&name, &stored);
                changes.push(self.move_to_archive(
                    Subject::Base(name.to_string()),
                    path,
                    name.to_string(),
                    text,
                ));
            }
        }
        changes
    }
}

#[derive(Default)]
struct Lists {
    base_images: BTreeSet<BaseName>,
    managed_bases: BTreeSet<ManagedBase>,
    unused_bases: Vec<Reference>,
}

/// What discovery is about: when it changes, `lastDiscovery` moves.
fn discovered(stored: &Stored<ImageState>) -> impl PartialEq + '_ {
    let ImageState {
        base_images,
        managed_bases,
        unused_bases,
        discovery_status,
        discovery_error,
        ..
    } = &stored.state;
    (
        base_images,
        managed_bases,
        unused_bases,
        discovery_status,
        discovery_error,
    )
}

/// Takes over what images.yaml says.
fn enrol(stored: &mut Stored<ImageState>, enrolled: &Enrolled) {
    let mut value = emit::enrollment(enrolled);
    if let Some(old) = stored.rest.get("enrollment") {
        keep_unknown(&mut value, old, &[ENTRY_KEYS, LEGACY_ENTRY_KEYS]);
        let (new_source, old_source) = (entry_mut(&mut value, "source"), entry(old, "source"));
        if let (Some(new), Some(old)) = (new_source, old_source) {
            keep_unknown(new, old, &[SOURCE_KEYS, LEGACY_SOURCE_KEYS]);
        }
    }
    stored.rest.set("enrollment", value);
    let enrolment = &enrolled.enrolment;
    if enrolment.is_managed() {
        for key in ["allowTags", "imageSelectionStrategy", "repoURL"] {
            stored.rest.remove(key);
        }
    } else {
        let strategy = enrolment
            .image_selection_strategy
            .unwrap_or(SelectionStrategy::Lexical);
        let tags = enrolment
            .allow_tags
            .clone()
            .unwrap_or_else(|| "^.*$".into());
        stored.rest.set("allowTags", Value::Text(tags));
        stored
            .rest
            .set("imageSelectionStrategy", Value::Text(strategy.to_string()));
        stored
            .rest
            .set("repoURL", Value::Text(enrolment.repository.to_string()));
    }
}

/// Keeps the entries of an old mapping that no key of the configuration stands for.
fn keep_unknown(new: &mut Value, old: &Value, known: &[&[&str]]) {
    if let (Value::Map(new), Value::Map(old)) = (new, old) {
        for (key, value) in old {
            if !known.iter().any(|keys| keys.contains(&key.as_str()))
                && !new.iter().any(|(name, _)| name == key)
            {
                new.push((key.clone(), value.clone()));
            }
        }
    }
}

fn entry<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let Value::Map(entries) = value else {
        return None;
    };
    entries
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

fn entry_mut<'v>(value: &'v mut Value, key: &str) -> Option<&'v mut Value> {
    let Value::Map(entries) = value else {
        return None;
    };
    entries
        .iter_mut()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

fn mark_archived(rest: &mut crate::stored::Fields, from: &str, reason: &str, now: &str) {
    rest.set("archivedAt", Value::Text(now.to_owned()));
    rest.set("archivedReason", Value::Text(reason.to_owned()));
    rest.set("archivedFrom", Value::Text(from.to_owned()));
}
