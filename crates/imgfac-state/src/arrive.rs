//! What comes into the fleet: under a new name, back from the archive or from the file of a base,
//! or for the first time.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{
    BaseName, BaseState, Code, Diagnostic, ImageName, ImageState, Reference, Repository,
};
use imgfac_yaml::Value;

use crate::archive::{self, Recalled, age, come_back};
use crate::change::ChangeKind;
use crate::configuration::Configuration;
use crate::confined::ReadError;
use crate::enrolment::Enrolled;
use crate::fleet::{Fleet, Subject, base_path, image_path};
use crate::former;
use crate::identity;
use crate::lifecycle::{Kind, Passage};
use crate::store::Files;
use crate::stored::Stored;
use crate::update::{Run, Update};

/// An image cannot go on under another name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    /// There is nothing to rename.
    #[error("state has no image \"{0}\"")]
    Unknown(String),
    /// The old name is in use.
    #[error("\"{0}\" is still enrolled")]
    StillEnrolled(String),
    /// The new name is not in use.
    #[error("no image is called \"{0}\"")]
    NotEnrolled(String),
    /// The new name has a state of its own.
    #[error("\"{0}\" has a state already")]
    Taken(String),
    /// They are not the same image.
    #[error("\"{old}\" was published as {from}, \"{new}\" is as {to}")]
    OtherPlace {
        /// The old name.
        old: String,
        /// The new name.
        new: String,
        /// Where the old one was published.
        from: String,
        /// Where the new one is.
        to: Repository,
    },
}

/// What of the archive fits a new image.
enum Found {
    Nothing,
    /// This file.
    Fits(String),
    /// This file is of another image.
    Differs(String, Vec<String>),
}

impl Fleet {
    /// Reads what an update may need of the archive: the states of images and bases that are new
    /// in it, and those that have the names of what leaves. A run without either reads nothing.
    ///
    /// # Errors
    /// When Git cannot read the commit that has them. A file that cannot be used is a warning of
    /// the update.
    pub fn recall(&mut self, files: &dyn Files, update: &Update<'_>) -> Result<(), ReadError> {
        self.recalled = Recalled::default();
        if self.archive.is_empty() {
            return Ok(());
        }
        let plan = self.plan(update, &update.configuration.managed());
        let live: BTreeSet<&Reference> = (self.bases.values())
            .map(|stored| &stored.state.reference)
            .collect();
        let mut paths = BTreeSet::new();
        for (name, _) in self.new_images(update) {
            paths.extend(self.archived_as(archive::IMAGES, name.as_str()).cloned());
        }
        // Bases may have any name, so all files could be theirs.
        if !paths.is_empty() || plan.wanted.iter().any(|base| !live.contains(base)) {
            let bases = self.archive.iter();
            paths.extend(
                bases
                    .filter(|path| path.starts_with(archive::BASES))
                    .cloned(),
            );
        }
        if update.scope.is_none() {
            for name in self.images.keys() {
                if !update.configuration.images.contains_key(name.as_str()) {
                    paths.extend(self.archived_as(archive::IMAGES, name).cloned());
                }
            }
            for (name, stored) in &self.bases {
                if !plan.wanted.contains(&stored.state.reference) {
                    paths.extend(self.archived_as(archive::BASES, name.as_str()).cloned());
                }
            }
        }
        let paths: Vec<String> = paths.into_iter().collect();
        self.recalled = Recalled::read(files, &paths)?;
        Ok(())
    }

    /// The images that an update is about and that have no state.
    fn new_images<'c>(
        &self,
        update: &Update<'c>,
    ) -> impl Iterator<Item = (&'c ImageName, &'c Enrolled)> {
        update.images().filter(|(name, _)| {
            !self.images.contains_key(name.as_str())
                && self.unreadable_image(name.as_str()).is_none()
        })
    }

    /// Whether an image can go on under another name; `false` when it does so already.
    ///
    /// # Errors
    /// When state does not have the old name, or has the new one, or they are not the same image.
    pub fn can_rename(
        &self,
        configuration: &Configuration,
        old: &str,
        new: &ImageName,
    ) -> Result<bool, RenameError> {
        let Some(enrolled) = configuration.images.get(new) else {
            return Err(RenameError::NotEnrolled(new.to_string()));
        };
        if configuration.images.contains_key(old) {
            return Err(RenameError::StillEnrolled(old.to_owned()));
        }
        if let Some(there) = self.images.get(new.as_str()) {
            let passages = Passage::all(&there.rest);
            let done = |passage: &Passage| {
                passage.detail("fromName") == Some(old)
                    && passage.detail("toName") == Some(new.as_str())
            };
            return match passages.iter().any(done) {
                true => Ok(false),
                false => Err(RenameError::Taken(new.to_string())),
            };
        }
        if self.unreadable_image(new.as_str()).is_some() {
            return Err(RenameError::Taken(new.to_string()));
        }
        let place = &enrolled.enrolment.repository;
        let from = match (self.images.get(old), self.carrier_of(old, place)) {
            (Some(stored), _) => stored.repository(),
            (None, Some(_)) => return Ok(true),
            (None, None) => return Err(RenameError::Unknown(old.to_owned())),
        };
        if from.as_ref() == Some(place) {
            return Ok(true);
        }
        Err(RenameError::OtherPlace {
            old: old.to_owned(),
            new: new.to_string(),
            from: from.map_or_else(|| "nothing".to_owned(), |place| place.to_string()),
            to: place.clone(),
        })
    }

    /// The base that carries the state of a former image, and that state.
    fn carrier_of(
        &self,
        image: &str,
        place: &Repository,
    ) -> Option<(BaseName, Stored<ImageState>)> {
        let bases = self.bases.iter().filter(|(_, stored)| {
            stored.rest.get(former::IMAGES).is_some()
                && stored.state.reference.repository() == place
        });
        bases
            .flat_map(|(base, stored)| {
                let images = former::images(&stored.rest).into_iter();
                images.map(|(name, state)| (base.clone(), name, state))
            })
            .find(|(_, name, state)| name == image && state.repository().as_ref() == Some(place))
            .map(|(base, _, state)| (base, state))
    }

    /// Lets images go on under the names that the update says.
    pub(crate) fn rename_images(&mut self, run: &mut Run<'_>) {
        let update = run.update;
        for (new, old) in &update.renames {
            if self.can_rename(update.configuration, old, new) != Ok(true) {
                continue;
            }
            let Some(enrolled) = update.configuration.images.get(new) else {
                continue;
            };
            let to = Kind::of(&enrolled.enrolment);
            let (mut stored, from) = match self.images.remove(old) {
                Some(stored) => {
                    self.forget(&image_path(old));
                    let from = Kind::of_state(&stored).unwrap_or(to);
                    (stored, from)
                }
                None => {
                    let place = &enrolled.enrolment.repository;
                    let Some((base, stored)) = self.carrier_of(old, place) else {
                        continue;
                    };
                    self.take_former_image(&base, old);
                    (stored, Kind::Base)
                }
            };
            let passage = Passage::new(update.moment(), from, to).renamed(old, new.as_str());
            passage.record(&mut stored.rest);
            self.images.insert(new.to_string(), stored);
            run.passed.insert(new.to_string());
            run.changes.add(
                Subject::Image(new.to_string()),
                ChangeKind::Renamed,
                passage.sentences(),
            );
            self.rename_edges(old, new, run);
        }
    }

    /// Images that the update is not about follow a renaming too; the others do so anyway.
    fn rename_edges(&mut self, old: &str, new: &ImageName, run: &mut Run<'_>) {
        let Some(scope) = &run.update.scope else {
            return;
        };
        for (name, stored) in &mut self.images {
            let bases = &mut stored.state.managed_bases;
            if scope.contains(name.as_str()) || !bases.iter().any(|base| base.name.as_str() == old)
            {
                continue;
            }
            for base in bases.iter_mut() {
                if base.name.as_str() == old {
                    base.name = new.clone();
                }
            }
            bases.sort();
            run.changes.add(
                Subject::Image(name.clone()),
                ChangeKind::Changed,
                vec![format!("stands on {new} (ours), which was {old}")],
            );
        }
    }

    fn take_former_image(&mut self, base: &BaseName, image: &str) {
        if let Some(base) = self.bases.get_mut(base) {
            former::take(&mut base.rest, former::IMAGES, image);
        }
    }

    /// Gives new images the states that they had before, if they are the same images.
    pub(crate) fn bring_images_back(&mut self, run: &mut Run<'_>) {
        let update = run.update;
        let new: Vec<(&ImageName, &Enrolled)> = self.new_images(update).collect();
        for (name, enrolled) in new {
            let to = Kind::of(&enrolled.enrolment);
            let carrier = self.carrier_of(name.as_str(), &enrolled.enrolment.repository);
            let (mut stored, from, path) = if let Some((base, stored)) = carrier {
                self.take_former_image(&base, name.as_str());
                (stored, Kind::Base, base_path(base.as_str()))
            } else {
                match self.find_archived(name, enrolled) {
                    Found::Nothing => continue,
                    Found::Differs(path, differences) => {
                        self.warn_of_another(name, enrolled, &path, &differences);
                        continue;
                    }
                    Found::Fits(path) => {
                        let Some(stored) = self.take_archived_image(&path) else {
                            continue;
                        };
                        (stored, Kind::Archived, path)
                    }
                }
            };
            let passage = Passage::new(update.moment(), from, to);
            come_back(&mut stored.rest, &passage);
            self.images.insert(name.to_string(), stored);
            run.passed.insert(name.to_string());
            let mut details = passage.sentences();
            details.push(format!("from {path}"));
            run.changes.add(
                Subject::Image(name.to_string()),
                ChangeKind::Restored,
                details,
            );
        }
    }

    /// The newest state of this name in the archive that is of this image.
    fn find_archived(&mut self, name: &ImageName, enrolled: &Enrolled) -> Found {
        self.warn_of_unusable(archive::IMAGES, name.as_str(), Some(enrolled));
        let mut candidates: Vec<_> = (self.recalled.images())
            .filter(|(archived, _)| archived.name == name.as_str())
            .collect();
        candidates.sort_by_key(|(archived, _)| std::cmp::Reverse(age(archived)));
        let mut first = None;
        for (archived, stored) in candidates {
            let differences = identity::differences(stored, &enrolled.enrolment);
            if differences.is_empty() {
                return Found::Fits(archived.path.clone());
            }
            first.get_or_insert((archived.path.clone(), differences));
        }
        match first {
            Some((path, differences)) => Found::Differs(path, differences),
            None => Found::Nothing,
        }
    }

    fn take_archived_image(&mut self, path: &str) -> Option<Stored<ImageState>> {
        let archive::ArchivedState::Image(stored) = self.recalled.take(path)?.state else {
            return None;
        };
        self.removed.insert(path.to_owned());
        Some(*stored)
    }

    fn warn_of_another(
        &mut self,
        name: &ImageName,
        enrolled: &Enrolled,
        path: &str,
        differences: &[String],
    ) {
        let message = format!(
            "{path} is of another image than \"{name}\" is now: {}",
            differences.join(", and ")
        );
        self.warnings.push(
            Diagnostic::warning(
                Code::ArchivedState,
                message,
                enrolled.at.clone(),
                "starts with a new state, and the archived one stays",
            )
            .with_help(format!(
                "if it is the same image all the same: imgfac restore {name}"
            )),
        );
    }

    /// Says which files of a name cannot be used.
    fn warn_of_unusable(&mut self, folder: &str, name: &str, image: Option<&Enrolled>) {
        let files: Vec<&String> = self.archived_as(folder, name).collect();
        let unusable = self.recalled.unusable.iter();
        let warnings: Vec<Diagnostic> = unusable
            .filter(|problem| files.contains(&&problem.path))
            .map(|problem| {
                let mut warning = Diagnostic {
                    code: Code::ArchivedState,
                    severity: imgfac_model::Severity::Warning,
                    message: format!(
                        "{} cannot be used, so {name} starts with a new state: {}",
                        problem.path, problem.reason
                    ),
                    labels: Vec::new(),
                    help: Some("the file stays as it is".into()),
                    suggestion: None,
                };
                warning
                    .labels
                    .extend(image.map(|image| imgfac_model::Label {
                        span: image.at.clone(),
                        text: "starts with a new state".into(),
                    }));
                warning
            })
            .collect();
        self.warnings.extend(warnings);
    }

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
            parents.insert(
                edge.reference.clone(),
                Parent {
                    kind: image.and_then(Kind::of_state).unwrap_or(Kind::Managed),
                    version: image.and_then(|image| image.state.current_version.clone()),
                    digest: image.and_then(|image| image.state.current_digest.clone()),
                    built: image.and_then(|image| image.state.last_built.clone()),
                    reference: edge.reference.clone(),
                },
            );
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
    /// The base goes on from what the image published, if its tag is the version that was built
    /// last. Of any other tag nothing newer is known, and what was known before is history: kept
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
