//! `state/_archive`: the last states of what left the fleet.
//!
//! The archive is flat: every image and every base has a file of its own there, whatever file it
//! was kept in before. A second one of a name is `NAME.2.yaml`: nothing of history is dropped.

use std::collections::BTreeMap;

use imgfac_model::{BaseName, BaseState, ImageState, Reference};
use imgfac_yaml::Value;

use crate::change::{ChangeKind, Changes};
use crate::confined::ReadError;
use crate::emit::{self, ARCHIVE_KEYS};
use crate::fleet::{Fleet, Subject, base_path};
use crate::former;
use crate::lifecycle::Kind;
use crate::passage::{Moment, Passage, same_but_for_the_time};
use crate::store::Files;
use crate::stored::{Fields, Stored, read_base, read_image};

pub(crate) const IMAGES: &str = "state/_archive/images";
pub(crate) const BASES: &str = "state/_archive/base-images";

/// A state in the archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Archived {
    /// The file, below the factory directory.
    pub path: String,
    /// What it was called.
    pub name: String,
    /// When it went there, RFC 3339.
    pub archived_at: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The last state.
    pub state: ArchivedState,
}

/// The last state of an image or a base.
#[derive(Clone, Debug, PartialEq)]
pub enum ArchivedState {
    /// It was enrolled.
    Image(Box<Stored<ImageState>>),
    /// Dockerfiles named it.
    Base(Box<Stored<BaseState>>),
}

/// A file of the archive that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableArchive {
    /// The file, below the factory directory.
    pub path: String,
    /// Why, in one line.
    pub reason: String,
}

impl Archived {
    /// What it was.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.state {
            ArchivedState::Image(stored) => Kind::of_state(stored).unwrap_or(Kind::Unknown),
            ArchivedState::Base(_) => Kind::Base,
        }
    }

    /// Where it was published: the reference of a base, the repository of an image.
    #[must_use]
    pub fn reference(&self) -> Option<String> {
        match &self.state {
            ArchivedState::Image(stored) => stored.repository().map(|place| place.to_string()),
            ArchivedState::Base(stored) => Some(stored.state.reference.to_string()),
        }
    }

    /// What orders the states of one name by their age, oldest first.
    #[must_use]
    pub fn age(&self) -> impl Ord + '_ {
        // `NAME.10.yaml` came after `NAME.2.yaml`.
        let path = self.path.as_str();
        (self.archived_at.as_deref(), path.len(), path)
    }

    /// Reads a file of the archive.
    fn read(path: &str, bytes: &[u8]) -> Result<Self, UnusableArchive> {
        let unusable = |reason: String| UnusableArchive {
            path: path.to_owned(),
            reason,
        };
        let state = if path.starts_with(IMAGES) {
            read_image(bytes, None).map(|stored| ArchivedState::Image(Box::new(stored)))
        } else {
            read_base(bytes, None).map(|stored| ArchivedState::Base(Box::new(stored)))
        };
        let state = state.map_err(|problem| unusable(problem.reason))?;
        let document =
            imgfac_yaml::parse_bytes(bytes).map_err(|error| unusable(error.to_string()))?;
        let text = |key| document.root.get(key)?.scalar_text().map(str::to_owned);
        let stem = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let stem = stem.strip_suffix(".yaml").unwrap_or(stem);
        let name = text("name").unwrap_or_else(|| stem.to_owned());
        Ok(Self {
            path: path.to_owned(),
            name,
            archived_at: text("archivedAt"),
            reason: text("archivedReason"),
            state,
        })
    }
}

/// The files of the archive that a run needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recalled {
    pub(crate) states: BTreeMap<String, Archived>,
    pub(crate) unusable: Vec<UnusableArchive>,
    /// What the files say, for finding those that a killed run left.
    texts: BTreeMap<String, Value>,
}

impl Recalled {
    /// Reads files of the archive.
    pub(crate) fn read(files: &dyn Files, paths: &[String]) -> Result<Self, ReadError> {
        let mut recalled = Self::default();
        for (path, bytes) in paths.iter().zip(files.read_all(paths)) {
            let found = match bytes {
                Ok(Some(bytes)) => Archived::read(path, &bytes).map(|state| (bytes, state)),
                Ok(None) => continue,
                Err(error) if error.is_of_git() => return Err(error),
                Err(error) => Err(UnusableArchive {
                    path: path.clone(),
                    reason: error.to_string(),
                }),
            };
            match found {
                Ok((bytes, state)) => {
                    let text = former::value(&String::from_utf8_lossy(&bytes));
                    recalled.texts.insert(path.clone(), text);
                    recalled.states.insert(path.clone(), state);
                }
                Err(problem) => recalled.unusable.push(problem),
            }
        }
        Ok(recalled)
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = (&Archived, &Stored<ImageState>)> {
        self.states.values().filter_map(|one| match &one.state {
            ArchivedState::Image(stored) => Some((one, stored.as_ref())),
            ArchivedState::Base(_) => None,
        })
    }

    /// Takes a state out.
    pub(crate) fn take(&mut self, path: &str) -> Option<Archived> {
        self.texts.remove(path);
        self.states.remove(path)
    }

    /// What a base of the archive is about, by the name that it had.
    pub(crate) fn reference_of(&self, name: &BaseName) -> Option<&Reference> {
        let mut bases = self.bases().into_iter();
        let (_, _, stored) = bases.find(|(_, other, _)| other == name)?;
        Some(&stored.state.reference)
    }

    /// Newest first.
    pub(crate) fn bases(&self) -> Vec<(&Archived, BaseName, &Stored<BaseState>)> {
        let mut bases: Vec<_> = (self.states.values())
            .filter_map(|one| match &one.state {
                ArchivedState::Base(stored) => {
                    Some((one, BaseName::new(&one.name).ok()?, stored.as_ref()))
                }
                ArchivedState::Image(_) => None,
            })
            .collect();
        bases.sort_by_key(|(one, ..)| std::cmp::Reverse(one.age()));
        bases
    }
}

impl Fleet {
    /// All states of the archive, by path, and the files of it that cannot be used.
    ///
    /// # Errors
    /// When Git cannot read the commit that has them.
    pub fn read_archive(
        &self,
        files: &dyn Files,
    ) -> Result<(Vec<Archived>, Vec<UnusableArchive>), ReadError> {
        let paths: Vec<String> = self.archive.iter().cloned().collect();
        let recalled = Recalled::read(files, &paths)?;
        Ok((recalled.states.into_values().collect(), recalled.unusable))
    }

    /// The files of the archive that hold states of a name.
    pub(crate) fn archived_as(&self, folder: &str, name: &str) -> impl Iterator<Item = &String> {
        let prefix = format!("{folder}/{name}.");
        self.archive
            .range(prefix.clone()..)
            .take_while({
                let prefix = prefix.clone();
                move |path| path.starts_with(&prefix)
            })
            .filter(move |path| {
                let rest = &path[prefix.len()..];
                let number = rest.strip_suffix(".yaml").unwrap_or("0");
                rest == "yaml" || number.bytes().all(|digit| digit.is_ascii_digit())
            })
    }

    /// Puts the state of an image into the archive, and those of the bases that it carried.
    #[expect(
        clippy::too_many_arguments,
        reason = "what an archived state says, each once"
    )]
    pub(crate) fn put_image_away(
        &mut self,
        name: &str,
        mut stored: Stored<ImageState>,
        from: &str,
        kind: Option<Kind>,
        reason: &str,
        moment: Moment<'_>,
        changes: &mut Changes,
    ) {
        for (base, state) in former::bases(&stored.rest) {
            former::take(&mut stored.rest, former::BASES, base.as_str());
            let reason = format!("{name}, whose place it had, left the fleet");
            let ours = Some(Kind::Managed);
            self.put_base_away(&base, state, from, ours, &reason, moment, changes);
        }
        let passage = leave(&mut stored.rest, kind, from, reason, moment);
        let path = self.archive_text(IMAGES, name, emit::image(name, &stored));
        let mut details = passage.map_or_else(Vec::new, |passage| passage.sentences());
        details.push(format!("kept in {path}"));
        changes.add(
            Subject::Image(name.to_owned()),
            ChangeKind::Archived,
            details,
        );
    }

    /// Puts the state of a base into the archive; it may be one that became an image of ours.
    #[expect(
        clippy::too_many_arguments,
        reason = "what an archived state says, each once"
    )]
    pub(crate) fn put_base_away(
        &mut self,
        name: &BaseName,
        mut stored: Stored<BaseState>,
        from: &str,
        kind: Option<Kind>,
        reason: &str,
        moment: Moment<'_>,
        changes: &mut Changes,
    ) {
        let passage = leave(&mut stored.rest, kind, from, reason, moment);
        let path = self.archive_text(BASES, name.as_str(), emit::base(name, &stored));
        let mut details = passage.map_or_else(Vec::new, |passage| passage.sentences());
        details.push(format!("kept in {path}"));
        changes.add(
            Subject::Base(name.to_string()),
            ChangeKind::Archived,
            details,
        );
    }

    /// Gives a text its place in the archive. What was archived under its name before stays, but
    /// for what a run left that was killed before it could remove the state itself.
    fn archive_text(&mut self, folder: &str, name: &str, text: String) -> String {
        let value = former::value(&text);
        let path = (1u32..)
            .map(|n| match n {
                1 => format!("{folder}/{name}.yaml"),
                _ => format!("{folder}/{name}.{n}.yaml"),
            })
            .find(|path| {
                let old = self.recalled.texts.get(path);
                !self.archive.contains(path)
                    || old.is_some_and(|old| same_but_for_the_time(old, &value))
            })
            .unwrap_or_default();
        self.archive.insert(path.clone());
        self.recalled.take(&path);
        self.archived.insert(path.clone(), text);
        path
    }

    /// Lets a state file go when the changes are written.
    pub(crate) fn forget(&mut self, path: &str) {
        self.originals.remove(path);
        self.removed.insert(path.to_owned());
    }

    /// Lets a base go from the live ones, and gives its state and the file that it had.
    pub(crate) fn take_base(&mut self, name: &BaseName) -> Option<(Stored<BaseState>, String)> {
        // What cannot be used is left as it is.
        if self.unreadable_base(name.as_str()).is_some() {
            return None;
        }
        let stored = self.bases.remove(name)?;
        let path = base_path(name.as_str());
        self.forget(&path);
        Some((stored, path))
    }
}

/// Marks a state as archived.
fn leave(
    rest: &mut Fields,
    kind: Option<Kind>,
    from: &str,
    reason: &str,
    moment: Moment<'_>,
) -> Option<Passage> {
    let passage = kind.map(|kind| Passage::new(moment, kind, Kind::Archived).because(reason));
    if let Some(passage) = &passage {
        passage.record(rest);
    }
    rest.set("archivedAt", Value::Text(moment.time.to_owned()));
    rest.set("archivedReason", Value::Text(reason.to_owned()));
    rest.set("archivedFrom", Value::Text(from.to_owned()));
    passage
}

/// Marks a state as one of the fleet again.
pub(crate) fn come_back(rest: &mut Fields, passage: &Passage) {
    for key in ARCHIVE_KEYS {
        rest.remove(key);
    }
    passage.record(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_name_are_found_and_no_others() {
        let mut fleet = Fleet::default();
        for file in [
            "a.yaml",
            "a.2.yaml",
            "a.10.yaml",
            "a.b.yaml",
            "ab.yaml",
            "a-1.yaml",
        ] {
            fleet.archive.insert(format!("{IMAGES}/{file}"));
        }
        let found: Vec<&str> = (fleet.archived_as(IMAGES, "a"))
            .map(|path| &path[IMAGES.len() + 1..])
            .collect();
        assert_eq!(found, ["a.10.yaml", "a.2.yaml", "a.yaml"]);
    }
}
