//! Images that come back into the fleet, from the archive or from the file of a base.

use std::collections::BTreeSet;

use imgfac_model::{BaseName, Code, Diagnostic, ImageName, ImageState, Reference, Repository};

use crate::archive::{self, Recalled, come_back};
use crate::change::ChangeKind;
use crate::confined::ReadError;
use crate::enrolment::Enrolled;
use crate::fleet::{Fleet, Subject, base_path};
use crate::former;
use crate::identity;
use crate::lifecycle::Kind;
use crate::passage::Passage;
use crate::store::Files;
use crate::stored::Stored;
use crate::update::{Run, Update};

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

    /// The base that carries the state of a former image, and that state.
    pub(crate) fn carrier_of(
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

    pub(crate) fn take_former_image(&mut self, base: &BaseName, image: &str) {
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
                    Found::Nothing => {
                        self.warn_of_a_carried_one(name, enrolled);
                        continue;
                    }
                    Found::Differs(path, differences) => {
                        let help =
                            format!("if it is the same image all the same: imgfac restore {name}");
                        self.warn_of_another(name, enrolled, &path, &differences, help);
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
        candidates.sort_by_key(|(archived, _)| std::cmp::Reverse(archived.age()));
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
        help: String,
    ) {
        let message = format!(
            "{path} has the state of another \"{name}\" than this one: {}",
            differences.join(", and ")
        );
        self.warnings.push(
            Diagnostic::warning(
                Code::ArchivedState,
                message,
                enrolled.at.clone(),
                "starts with a new state, and that one stays",
            )
            .with_help(help),
        );
    }

    /// A base of another place may carry a state of this name.
    fn warn_of_a_carried_one(&mut self, name: &ImageName, enrolled: &Enrolled) {
        let carried = (self.bases.iter())
            .filter(|(_, stored)| stored.rest.get(former::IMAGES).is_some())
            .flat_map(|(base, stored)| {
                let images = former::images(&stored.rest).into_iter();
                images.map(move |(image, state)| (base, image, state))
            })
            .find(|(_, image, _)| image == name.as_str());
        let Some((base, _, state)) = carried else {
            return;
        };
        let path = base_path(base.as_str());
        let differences = identity::differences(&state, &enrolled.enrolment);
        let help = "if it is the same image all the same: enrol it at its old place, run, and move it then".to_owned();
        self.warn_of_another(name, enrolled, &path, &differences, help);
    }

    /// Says which files of a name cannot be used.
    pub(crate) fn warn_of_unusable(&mut self, folder: &str, name: &str, image: Option<&Enrolled>) {
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
}
