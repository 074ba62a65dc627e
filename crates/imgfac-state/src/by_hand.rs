//! What a person does with the archive: look where a state is, archive, restore, and prune.

use std::collections::BTreeSet;

use imgfac_model::{BaseName, BaseState, ImageName, ImageState};
use imgfac_yaml::Value;

use crate::archive::{Archived, ArchivedState, IMAGES, come_back};
use crate::change::{Change, ChangeKind, Changes};
use crate::configuration::Configuration;
use crate::emit::ENROLLED_IN;
use crate::fleet::{Fleet, Subject, base_path, image_path};
use crate::former;
use crate::identity;
use crate::lifecycle::Kind;
use crate::passage::{Moment, Passage};
use crate::stored::Stored;

/// How the reason ends for which a state is in the archive in whose place another was restored.
pub const REPLACED: &str = "was restored in its place";

/// Something cannot be archived or restored by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// State does not have it.
    #[error("state has no image \"{0}\"")]
    Unknown(String),
    /// Others stand on it.
    #[error("{name} is still needed by {}", .by.join(", "))]
    Needed {
        /// The image.
        name: String,
        /// The images that stand on it.
        by: Vec<String>,
    },
    /// It is a base: those come and go with the Dockerfiles that name them.
    #[error("{path} is the state of a base: it comes back when a Dockerfile names it")]
    IsABase {
        /// The file.
        path: String,
    },
    /// Nobody has enrolled the image that it shall be.
    #[error("no image is called \"{0}\"")]
    NotEnrolled(String),
    /// The state of an image cannot be read: nothing takes its place, and nobody knows what it
    /// stands on.
    #[error("state/images/{0}.yaml cannot be used")]
    Unreadable(String),
}

/// What a restoring by hand came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What it changed.
    pub changes: Vec<Change>,
    /// How the image that it was differs from the one that it is now; may be empty.
    pub differences: Vec<String>,
}

impl Fleet {
    /// Lets an image leave the fleet for the archive. `enrolled_in` is the file that has its entry.
    ///
    /// # Errors
    /// When state does not have it, or others stand on it.
    pub fn archive_image(
        &mut self,
        name: &str,
        enrolled_in: Option<&str>,
        reason: &str,
        moment: Moment<'_>,
    ) -> Result<Vec<Change>, ArchiveError> {
        // What an image with an unusable state stands on is not known.
        let unreadable = self.unreadable.iter().find_map(|file| match &file.subject {
            Subject::Image(image) => Some(image.clone()),
            Subject::Base(_) => None,
        });
        if let Some(image) = unreadable {
            return Err(ArchiveError::Unreadable(image));
        }
        let by = self.dependents_of(name);
        if !by.is_empty() {
            let name = name.to_owned();
            return Err(ArchiveError::Needed { name, by });
        }
        let Some(mut stored) = self.images.remove(name) else {
            return Err(ArchiveError::Unknown(name.to_owned()));
        };
        if let Some(file) = enrolled_in {
            stored.rest.set(ENROLLED_IN, Value::Text(file.to_owned()));
        }
        let mut changes = Changes::default();
        let from = image_path(name);
        self.forget(&from);
        let kind = Kind::of_state(&stored);
        self.put_image_away(name, stored, &from, kind, reason, moment, &mut changes);
        Ok(changes.finish())
    }

    /// The images that stand on another one, be it as one of ours or as a base at its place.
    fn dependents_of(&self, name: &str) -> Vec<String> {
        let place = self.images.get(name).and_then(Stored::repository);
        let bases: BTreeSet<&BaseName> = (self.bases.iter())
            .filter(|(_, base)| Some(base.state.reference.repository()) == place.as_ref())
            .map(|(base, _)| base)
            .collect();
        let stands_on = |stored: &Stored<ImageState>| {
            let ours = &stored.state.managed_bases;
            ours.iter().any(|base| base.name.as_str() == name)
                || (stored.state.base_images.iter()).any(|base| bases.contains(base))
        };
        (self.images.iter())
            .filter(|(other, stored)| other.as_str() != name && stands_on(stored))
            .map(|(other, _)| other.clone())
            .collect()
    }

    /// Brings an image back from the archive, be it another one than it was. A state that its name
    /// has now goes to the archive in its place.
    ///
    /// # Errors
    /// When it is a base, or the name is not enrolled, or has a state that cannot be read.
    pub fn restore_image(
        &mut self,
        archived: &Archived,
        name: &ImageName,
        configuration: &Configuration,
        moment: Moment<'_>,
    ) -> Result<Restored, ArchiveError> {
        let ArchivedState::Image(stored) = &archived.state else {
            let path = archived.path.clone();
            return Err(ArchiveError::IsABase { path });
        };
        let Some(enrolled) = configuration.images.get(name) else {
            return Err(ArchiveError::NotEnrolled(name.to_string()));
        };
        if self.unreadable_image(name.as_str()).is_some() {
            return Err(ArchiveError::Unreadable(name.to_string()));
        }
        let mut changes = Changes::default();
        let mut passage = Passage::new(moment, Kind::Archived, Kind::of(&enrolled.enrolment));
        if archived.name != name.as_str() {
            passage = passage.renamed(&archived.name, name.as_str());
        }
        changes.add(
            Subject::Image(name.to_string()),
            ChangeKind::Restored,
            passage.sentences(),
        );
        if let Some(old) = self.images.remove(name.as_str()) {
            let reason = format!("{} {REPLACED}", archived.path);
            let (from, kind) = (image_path(name.as_str()), Kind::of_state(&old));
            self.put_image_away(
                name.as_str(),
                old,
                &from,
                kind,
                &reason,
                moment,
                &mut changes,
            );
        }
        let mut stored = Stored::clone(stored);
        come_back(&mut stored.rest, &passage);
        let differences = identity::differences(&stored, &enrolled.enrolment);
        self.images.insert(name.to_string(), stored);
        self.removed.insert(archived.path.clone());
        Ok(Restored {
            changes: changes.finish(),
            differences,
        })
    }

    /// The files that have the state of an image that is not enrolled: that of a base which took
    /// its place, or those of the archive.
    #[must_use]
    pub fn last_states(&self, image: &str) -> Vec<String> {
        let archived = self.archived_as(IMAGES, image).cloned();
        self.carriers(image).chain(archived).collect()
    }

    /// The file of the base that took the place of an image.
    #[must_use]
    pub fn carried_by(&self, image: &str) -> Option<String> {
        self.carriers(image).next()
    }

    fn carriers(&self, image: &str) -> impl Iterator<Item = String> {
        let carry = move |stored: &Stored<BaseState>| {
            (former::images(&stored.rest).iter()).any(|(name, _)| name == image)
        };
        let bases = self.bases.iter();
        bases
            .filter(move |(_, stored)| carry(stored))
            .map(|(base, _)| base_path(base.as_str()))
    }

    /// Lets a file of the archive go for good.
    pub fn remove_archived(&mut self, archived: &Archived) {
        self.removed.insert(archived.path.clone());
    }
}
