//! Images that go on under another name.

use imgfac_model::{Code, Diagnostic, ImageName, Repository};

use crate::change::ChangeKind;
use crate::configuration::Configuration;
use crate::fleet::{Fleet, Subject, image_path};
use crate::lifecycle::Kind;
use crate::passage::Passage;
use crate::update::Run;

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

impl Fleet {
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

    /// An image that left and one that starts at the same place may be the same one.
    pub(crate) fn propose_renames(&mut self, run: &Run<'_>) {
        for new in &run.started {
            let Some(enrolled) = run.update.configuration.images.get(*new) else {
                continue;
            };
            let place = &enrolled.enrolment.repository;
            for (old, _) in (run.left.iter()).filter(|(_, from)| from.as_ref() == Some(place)) {
                self.warnings.push(
                    Diagnostic::warning(
                        Code::PossibleRename,
                        format!("\"{old}\" is gone, and \"{new}\" is new: both are {place}"),
                        enrolled.at.clone(),
                        "starts with a new state",
                    )
                    .with_help(format!(
                        "if it was renamed: imgfac restore {old} --as {new} gives it the state that it had; next time run with --rename {old}={new}"
                    )),
                );
            }
        }
    }
}
