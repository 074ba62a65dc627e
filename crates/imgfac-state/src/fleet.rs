//! The state of all images and bases: read, brought up to date, written.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{BaseName, BaseState, Diagnostic, FileId, ImageState, Reference, SourceFiles};
use jiff::Timestamp;
use rayon::prelude::*;

use crate::archive::{self, Recalled};
use crate::confined::ReadError;
use crate::doubt::Doubt;
use crate::emit;
use crate::store::{FileChange, Files};
use crate::stored::{Stored, Unusable, read_base, read_image, salvage_base};
use crate::told::Told;

const IMAGES: &str = "state/images";
const BASES: &str = "state/base-images";

/// The state of a fleet.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// Enrolled images, by name. Names of the predecessor may be other than ours allow.
    pub images: BTreeMap<String, Stored<ImageState>>,
    /// Base images, by name. One whose file cannot be used has its place here as long as it can be
    /// told which image it is about, so that names and manifests stay; it is never written.
    pub bases: BTreeMap<BaseName, Stored<BaseState>>,
    /// Files that cannot be used: they are left alone, and nothing takes their place.
    pub unreadable: Vec<Unreadable>,
    /// What a person should know about the last update; each points into images.yaml.
    pub warnings: Vec<Diagnostic>,
    /// Who was told of what.
    pub told: Told,
    /// The texts as they were read, by path.
    pub(crate) originals: BTreeMap<String, String>,
    /// What goes to the archive, by path.
    pub(crate) archived: BTreeMap<String, String>,
    /// Files that go away.
    pub(crate) removed: BTreeSet<String>,
    /// The files that the archive has.
    pub(crate) archive: BTreeSet<String>,
    /// Those of them that the next update may need.
    pub(crate) recalled: Recalled,
}

/// A state file that cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Below the factory directory.
    pub path: String,
    /// The image or base.
    pub subject: Subject,
    /// Why.
    pub problem: Unusable,
}

/// What a state file is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An image, by name.
    Image(String),
    /// A base, by name.
    Base(String),
}

enum Parsed {
    Image(String, Result<Stored<ImageState>, Unusable>),
    /// What stands for a base that cannot be used comes with the reason.
    Base(
        BaseName,
        Result<Stored<BaseState>, (Option<BaseState>, Unusable)>,
    ),
    Nameless(String, Unusable),
}

impl Fleet {
    /// Reads all state files; a file that cannot be used is set aside.
    ///
    /// # Errors
    /// When a folder cannot be listed, or a file leads outside the factory directory.
    pub fn read(store: &dyn Files) -> Result<Self, ReadError> {
        Self::read_with(store, None)
    }

    /// As [`Fleet::read`], for a program that decides: a file whose digests, times and outcomes of
    /// rebuilds are none, or whose times are in the future, cannot be used either. Clocks may differ
    /// by an hour.
    ///
    /// # Errors
    /// As [`Fleet::read`].
    pub fn read_at(store: &dyn Files, now: Timestamp) -> Result<Self, ReadError> {
        Self::read_with(store, Some(Doubt::at(now)))
    }

    fn read_with(store: &dyn Files, doubt: Option<Doubt>) -> Result<Self, ReadError> {
        let mut paths = Vec::new();
        for folder in [IMAGES, BASES] {
            for name in store.yaml_files(folder)? {
                paths.push((folder, name));
            }
        }
        let parsed: Vec<(String, Option<String>, Parsed)> = paths
            .into_par_iter()
            .map(|(folder, name)| parse(store, folder, &name, doubt))
            .collect();
        let mut fleet = Self {
            told: Told::read(store)?,
            ..Self::default()
        };
        for folder in [archive::IMAGES, archive::BASES] {
            for name in store.yaml_files(folder)? {
                fleet.archive.insert(format!("{folder}/{name}"));
            }
        }
        for (path, text, parsed) in parsed {
            let unreadable = match parsed {
                Parsed::Image(name, Ok(state)) => {
                    fleet.images.insert(name, state);
                    None
                }
                Parsed::Base(name, Ok(state)) => {
                    fleet.bases.insert(name, state);
                    None
                }
                Parsed::Image(name, Err(problem)) => Some((Subject::Image(name), problem)),
                Parsed::Base(name, Err((salvaged, problem))) => {
                    if let Some(state) = salvaged {
                        fleet.bases.insert(name.clone(), Stored::new(state));
                    }
                    Some((Subject::Base(name.to_string()), problem))
                }
                Parsed::Nameless(name, problem) => Some((Subject::Base(name), problem)),
            };
            match unreadable {
                Some((subject, problem)) => fleet.unreadable.push(Unreadable {
                    path: path.clone(),
                    subject,
                    problem,
                }),
                None => {
                    fleet.originals.insert(path, text.unwrap_or_default());
                }
            }
        }
        Ok(fleet)
    }

    /// Whether the state file of this image cannot be used.
    #[must_use]
    pub fn unreadable_image(&self, name: &str) -> Option<&Unreadable> {
        self.unreadable
            .iter()
            .find(|file| matches!(&file.subject, Subject::Image(image) if image == name))
    }

    /// Whether the state file of this base cannot be used.
    #[must_use]
    pub fn unreadable_base(&self, name: &str) -> Option<&Unreadable> {
        self.unreadable
            .iter()
            .find(|file| matches!(&file.subject, Subject::Base(base) if base == name))
    }

    /// Lets references stand for bases whose files do not even say which image they are about: a
    /// base has the plain name of its reference, unless that was taken when it came.
    pub(crate) fn stand_in(&mut self, wanted: &BTreeSet<Reference>) {
        let known = self.bases_by_reference();
        for reference in wanted.iter().filter(|wanted| !known.contains_key(wanted)) {
            let slug = imgfac_model::base_slug(reference);
            if let Ok(name) = BaseName::new(&slug)
                && self.unreadable_base(&slug).is_some()
                && !self.bases.contains_key(&name)
            {
                let state = BaseState::new(reference.clone(), "");
                self.bases.insert(name, Stored::new(state));
            }
        }
    }

    /// Adds the unreadable files to the texts of a run, for showing positions.
    pub fn show_unreadable(
        &self,
        store: &dyn Files,
        files: &mut SourceFiles,
    ) -> Vec<(FileId, Unreadable)> {
        self.unreadable
            .iter()
            .map(|file| {
                let bytes = store.read(&file.path).ok().flatten().unwrap_or_default();
                (
                    files.add(&file.path, String::from_utf8_lossy(&bytes)),
                    file.clone(),
                )
            })
            .collect()
    }

    /// The base that each reference is tracked as. Of several files for one reference, as the
    /// predecessor wrote for different spellings, the one with the plain name counts.
    #[must_use]
    pub fn bases_by_reference(&self) -> BTreeMap<Reference, BaseName> {
        let mut names: BTreeMap<Reference, BaseName> = BTreeMap::new();
        for (name, base) in &self.bases {
            let reference = &base.state.reference;
            let plain = name.as_str() == imgfac_model::base_slug(reference);
            if plain || !names.contains_key(reference) {
                names.insert(reference.clone(), name.clone());
            }
        }
        names
    }

    /// The files that differ from what was read.
    #[must_use]
    pub fn changes(&self) -> Vec<FileChange> {
        let images: Vec<_> = self.images.iter().collect();
        let usable = |name: &BaseName| self.unreadable_base(name.as_str()).is_none();
        let bases: Vec<_> = self.bases.iter().filter(|(name, _)| usable(name)).collect();
        let changed = |path: String, text: String| {
            (self.originals.get(&path) != Some(&text)).then_some(FileChange::Write { path, text })
        };
        let mut changes: Vec<FileChange> = images
            .into_par_iter()
            .filter_map(|(name, state)| changed(image_path(name), emit::image(name, state)))
            .collect();
        changes.par_extend(bases.into_par_iter().filter_map(|(name, state)| {
            changed(base_path(name.as_str()), emit::base(name, state))
        }));
        let archived = self.archived.iter();
        changes.extend(archived.map(|(path, text)| FileChange::Write {
            path: path.clone(),
            text: text.clone(),
        }));
        changes.extend(self.told.change());
        let written: BTreeSet<&str> = changes.iter().map(FileChange::path).collect();
        let removed: Vec<FileChange> = (self.removed.iter())
            .filter(|path| !written.contains(path.as_str()))
            .map(|path| FileChange::Remove { path: path.clone() })
            .collect();
        changes.extend(removed);
        changes
    }
}

pub(crate) fn image_path(name: &str) -> String {
    format!("{IMAGES}/{name}.yaml")
}

pub(crate) fn base_path(name: &str) -> String {
    format!("{BASES}/{name}.yaml")
}

fn parse(
    store: &dyn Files,
    folder: &str,
    name: &str,
    doubt: Option<Doubt>,
) -> (String, Option<String>, Parsed) {
    let path = format!("{folder}/{name}");
    let stem = name.strip_suffix(".yaml").unwrap_or(name).to_owned();
    let unusable = |reason: String| Unusable { reason, span: 0..0 };
    let bytes = match store.read(&path) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(unusable("it vanished while it was read".into())),
        Err(error) => {
            // Whoever shows the reason names the file.
            let reason = error.to_string();
            let own = format!("{path}: ");
            Err(unusable(
                reason.strip_prefix(&own).unwrap_or(&reason).to_owned(),
            ))
        }
    };
    let parsed = if folder == IMAGES {
        Parsed::Image(
            stem,
            bytes
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|bytes| read_image(bytes, doubt)),
        )
    } else {
        match BaseName::new(&stem) {
            Ok(name) => Parsed::Base(
                name,
                match bytes.as_ref() {
                    Ok(bytes) => {
                        read_base(bytes, doubt).map_err(|problem| (salvage_base(bytes), problem))
                    }
                    Err(problem) => Err((None, problem.clone())),
                },
            ),
            Err(error) => Parsed::Nameless(stem, unusable(error.to_string())),
        }
    };
    (
        path,
        bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()),
        parsed,
    )
}
