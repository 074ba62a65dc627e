//! Bases that the fleet watches from now on: for the first time, or again.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{BaseName, BaseState, Reference};
use imgfac_yaml::Value;

use crate::archive::{self, come_back};
use crate::change::ChangeKind;
use crate::fleet::{Fleet, Subject, image_path};
use crate::former;
use crate::lifecycle::Kind;
use crate::passage::Passage;
use crate::stored::{Fields, Stored};
use crate::tags::seen_tags;
use crate::update::Run;

impl Fleet {
    /// The names that references have, and those that new ones had before: in the archive, or as
    /// a part of an image of ours.
    pub(crate) fn known_names(
        &self,
        wanted: &BTreeSet<Reference>,
    ) -> BTreeMap<Reference, BaseName> {
        let mut names = self.bases_by_reference();
        if wanted.iter().all(|reference| names.contains_key(reference)) {
            return names;
        }
        let mut used: BTreeSet<String> = self
            .bases
            .keys()
            .cloned()
            .chain(self.unreadable_bases())
            .map(|name| name.as_str().to_lowercase())
            .collect();
        let former =
            (self.images.values()).flat_map(|stored| former::base_references(&stored.rest));
        let archived = self.recalled.bases().into_iter();
        let archived = archived.map(|(_, name, stored)| (name, stored.state.reference.clone()));
        for (name, reference) in former.chain(archived) {
            if wanted.contains(&reference)
                && !names.contains_key(&reference)
                && !name.as_str().ends_with(".example")
                && used.insert(name.as_str().to_lowercase())
            {
                names.insert(reference, name);
            }
        }
        names
    }

    /// Watches the bases that are new.
    pub(crate) fn track(&mut self, names: &BTreeMap<Reference, BaseName>, run: &mut Run<'_>) {
        let new: Vec<(&Reference, &BaseName)> = (names.iter())
            .filter(|(_, name)| !self.bases.contains_key(*name))
            .collect();
        if new.is_empty() {
            return;
        }
        let parents = self.parents();
        for (reference, name) in new {
            let parent = parents.get(reference);
            let moment = run.update.moment();
            let mut passage = None;
            let (mut stored, from) = if let Some((image, stored)) = self.take_former_base(reference)
            {
                passage = Some(Passage::new(moment, Kind::Managed, Kind::Base));
                (stored, Some(image_path(&image)))
            } else if let Some((path, stored)) = self.take_archived_base(reference) {
                passage = Some(Passage::new(moment, Kind::Archived, Kind::Base));
                (stored, Some(path))
            } else {
                self.warn_of_unusable(archive::BASES, name.as_str(), None);
                (new_base(reference, moment.time), None)
            };
            if let Some(parent) = parent {
                let new = || Passage::new(moment, parent.kind, Kind::Base);
                parent.hand_over(&mut stored.state, passage.get_or_insert_with(new));
            }
            let mut details = vec![reference.to_string()];
            if let Some(passage) = passage {
                come_back(&mut stored.rest, &passage);
                details.extend(passage.sentences());
            }
            let kind = match from {
                Some(path) => {
                    details.push(format!("from {path}"));
                    ChangeKind::Restored
                }
                None => ChangeKind::Added,
            };
            self.bases.insert(name.clone(), stored);
            run.changes
                .add(Subject::Base(name.to_string()), kind, details);
        }
    }

    /// The images of ours that others stand on, by the references that they use.
    fn parents(&self) -> BTreeMap<Reference, Parent> {
        let edges = (self.images.values()).flat_map(|stored| &stored.state.managed_bases);
        let mut parents = BTreeMap::new();
        for edge in edges {
            if parents.contains_key(&edge.reference) {
                continue;
            }
            // One that has moved since, or is gone, has nothing to say about this place.
            let place = edge.reference.repository();
            let image = (self.images.get(edge.name.as_str()))
                .filter(|image| image.repository().as_ref() == Some(place));
            let mut parent = Parent {
                kind: image.and_then(Kind::of_state).unwrap_or(Kind::Managed),
                version: image.and_then(|image| image.state.current_version.clone()),
                digest: image.and_then(|image| image.state.current_digest.clone()),
                built: image.and_then(|image| image.state.last_built.clone()),
                reference: edge.reference.clone(),
            };
            if let Some(image) = image {
                parent.look_at(&image.rest);
            }
            parents.insert(edge.reference.clone(), parent);
        }
        parents
    }

    fn take_former_base(&mut self, reference: &Reference) -> Option<(String, Stored<BaseState>)> {
        for (image, stored) in &mut self.images {
            if stored.rest.get(former::BASES).is_none() {
                continue;
            }
            let mut bases = former::bases(&stored.rest).into_iter();
            if let Some((name, base)) = bases.find(|(_, base)| base.state.reference == *reference) {
                former::take(&mut stored.rest, former::BASES, name.as_str());
                return Some((image.clone(), base));
            }
        }
        None
    }

    fn take_archived_base(&mut self, reference: &Reference) -> Option<(String, Stored<BaseState>)> {
        let mut bases = self.recalled.bases().into_iter();
        let (archived, ..) = bases.find(|(_, _, base)| base.state.reference == *reference)?;
        let path = archived.path.clone();
        let archive::ArchivedState::Base(stored) = self.recalled.take(&path)?.state else {
            return None;
        };
        self.removed.insert(path.clone());
        Some((path, *stored))
    }
}

/// What an image of ours has to say to the base that takes its place.
struct Parent {
    kind: Kind,
    version: Option<String>,
    digest: Option<String>,
    built: Option<String>,
    reference: Reference,
}

impl Parent {
    /// Takes what the tag was seen to point at, where the last build is of another one.
    fn look_at(&mut self, rest: &Fields) {
        let tag = self.reference.tag().map(|tag| tag.as_str());
        let seen = tag.and_then(|tag| seen_tags(rest).remove(tag)?.pop());
        if let Some(seen) = seen
            && (self.digest.is_none() || self.version.as_deref() != tag)
        {
            self.version = tag.map(str::to_owned);
            self.digest = Some(seen.digest);
            self.built = seen.first_seen;
        }
    }

    /// The base goes on from what the image published, if its tag is the version that was built
    /// last or was observed. Of any other tag nothing newer is known, and what was known before is history: kept
    /// as current, it would pass for an update.
    fn hand_over(&self, base: &mut BaseState, passage: &mut Passage) {
        if self.digest.is_none() || self.digest == base.current_digest {
            return;
        }
        let tag = self.reference.tag().map(|tag| tag.as_str());
        let same = tag.is_some() && tag == self.version.as_deref();
        if let Some(old) = base.current_digest.take()
            && let Some(older) = base.previous_digest.replace(old)
        {
            passage.note("previousDigest", Value::Text(older));
        }
        if same {
            base.current_digest.clone_from(&self.digest);
            if self.built.is_some() {
                base.last_updated.clone_from(&self.built);
            }
        }
    }
}

fn new_base(reference: &Reference, now: &str) -> Stored<BaseState> {
    let mut stored = Stored::new(BaseState::new(reference.clone(), now));
    stored.rest.set(
        "rebuildEligibleAt",
        Value::Map(vec![("default".into(), Value::Null)]),
    );
    stored.rest.set("metadata", Value::Map(Vec::new()));
    stored.rest.set("updateHistory", Value::List(Vec::new()));
    stored
}
