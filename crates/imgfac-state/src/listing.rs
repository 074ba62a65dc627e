//! Entries of `images.yaml` and `images.d/` that leave and come back, with what people wrote around
//! them kept.

use std::path::Path;

use imgfac_model::{Defaults, ImageName, ImageState, Severity};
use imgfac_yaml::{EditError, Value};

use crate::configuration::{Configuration, ConfigurationError};
use crate::confined::ReadError;
use crate::emit::ENROLLED_IN;
use crate::store::{FileChange, Files};
use crate::stored::Stored;

/// The list of images cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The configuration cannot be read.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// It can be read, but not changed safely.
    #[error("{path} cannot be changed: {source}")]
    Edit {
        /// The file.
        path: String,
        /// Why.
        source: EditError,
    },
    /// The state does not say how the image was enrolled.
    #[error("the state of \"{0}\" does not say how it was enrolled")]
    NoEnrolment(String),
    /// What the state says is no valid entry any more.
    #[error("what the state of \"{name}\" says is no valid entry: {reason}")]
    Invalid {
        /// The image.
        name: String,
        /// The first mistake.
        reason: String,
    },
}

/// An entry that came back.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The file with it.
    pub file: FileChange,
    /// The configuration as it is then.
    pub configuration: Configuration,
    /// The file that had it before, if there is no such one any more.
    pub gone: Option<String>,
}

/// The list that every factory has.
const LIST: &str = "images.yaml";

impl Configuration {
    /// Takes the entry of an image out of its file; `None` when it has none.
    ///
    /// # Errors
    ///
    /// When the file cannot be changed without changing other entries.
    pub fn without_entry(
        &self,
        files: &dyn Files,
        name: &ImageName,
    ) -> Result<Option<FileChange>, ListingError> {
        let Some(path) = self.enrolled_in(name.as_str()).map(str::to_owned) else {
            return Ok(None);
        };
        let text = text(files, &path)?;
        let edited = index(&text, name.as_str())
            .and_then(|index| imgfac_yaml::without_item(&text, index))
            .map_err(|source| ListingError::Edit {
                path: path.clone(),
                source,
            })?;
        Ok(Some(FileChange::Write { path, text: edited }))
    }

    /// The file that has the entry of an image.
    #[must_use]
    pub fn enrolled_in(&self, name: &str) -> Option<&str> {
        Some(self.files.name(self.images.get(name)?.at.file))
    }

    /// Puts the entry of an image, as its state says that it was enrolled, at the end of the file
    /// that had it, or else of `images.yaml`.
    ///
    /// # Errors
    ///
    /// When the state does not say so, or the configuration with this entry would have a mistake.
    pub fn with_entry(
        &self,
        files: &dyn Files,
        name: &ImageName,
        stored: &Stored<ImageState>,
    ) -> Result<Listed, ListingError> {
        let had_it = match stored.rest.get(ENROLLED_IN) {
            Some(Value::Text(path) | Value::Plain(path)) if path != LIST => Some(path.clone()),
            _ => None,
        };
        // Only the name of a file that is read: people may have written anything there.
        let teams = files.yaml_files("images.d")?;
        let is_there = |path: &String| teams.iter().any(|name| *path == format!("images.d/{name}"));
        let (path, gone) = match had_it {
            Some(path) if is_there(&path) => (path, None),
            gone => (LIST.to_owned(), gone),
        };
        let entry = entry(name, stored, &self.settings.defaults)
            .ok_or_else(|| ListingError::NoEnrolment(name.to_string()))?;
        let text = imgfac_yaml::with_item(&text(files, &path)?, &entry).map_err(|source| {
            ListingError::Edit {
                path: path.clone(),
                source,
            }
        })?;
        let edited = Edited {
            files,
            path: &path,
            text: &text,
        };
        let configuration = Self::read(&edited)?;
        let errors = (configuration.diagnostics.iter())
            .filter(|diagnostic| diagnostic.severity == Severity::Error);
        if let Some(mistake) = errors.into_iter().next() {
            return Err(ListingError::Invalid {
                name: name.to_string(),
                reason: mistake.message.clone(),
            });
        }
        Ok(Listed {
            file: FileChange::Write { path, text },
            configuration,
            gone,
        })
    }
}

/// Files of which one has another text.
struct Edited<'f> {
    files: &'f dyn Files,
    path: &'f str,
    text: &'f str,
}

impl Files for Edited<'_> {
    fn path(&self) -> &Path {
        self.files.path()
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        if path == self.path {
            return Ok(Some(self.text.as_bytes().to_vec()));
        }
        self.files.read(path)
    }

    fn yaml_files(&self, folder: &str) -> Result<Vec<String>, ReadError> {
        self.files.yaml_files(folder)
    }
}

fn text(files: &dyn Files, path: &str) -> Result<String, ReadError> {
    let bytes = files.read(path)?.unwrap_or_default();
    // What is no UTF-8 has no entries either.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// Which item of a list has a name.
fn index(text: &str, name: &str) -> Result<usize, EditError> {
    let root = imgfac_yaml::parse(text)?.root;
    let items = root.items().unwrap_or_default();
    let named = |item: &imgfac_yaml::Node| {
        item.get("name").and_then(imgfac_yaml::Node::scalar_text) == Some(name)
    };
    items.iter().position(named).ok_or(EditError::NotThere)
}

/// The entry that a state was made from. What external images are watched by stands beside the
/// block that has the rest.
fn entry(name: &ImageName, stored: &Stored<ImageState>, defaults: &Defaults) -> Option<Value> {
    let Some(Value::Map(enrolment)) = stored.rest.get("enrollment") else {
        return None;
    };
    let mut entry = vec![("name".to_owned(), Value::Text(name.to_string()))];
    // State has the defaults filled in; in the entry they would stay when the defaults change.
    let by_default = [
        ("rebuildDelay", defaults.rebuild_delay.to_string()),
        ("autoRebuild", defaults.auto_rebuild.to_string()),
        ("criticality", defaults.criticality.as_str().to_owned()),
    ];
    let is_default = |(key, value): &&(String, Value)| {
        matches!(value, Value::Text(text) | Value::Plain(text)
            if by_default.iter().any(|(name, default)| key == name && text == default))
    };
    entry.extend(enrolment.iter().filter(|one| !is_default(one)).cloned());
    for (key, unless) in [("allowTags", "^.*$"), ("imageSelectionStrategy", "Lexical")] {
        match stored.rest.get(key) {
            // What state says when the entry says nothing.
            Some(Value::Text(text)) if text == unless => {}
            Some(value) => entry.push((key.to_owned(), value.clone())),
            None => {}
        }
    }
    Some(Value::Map(entry))
}
