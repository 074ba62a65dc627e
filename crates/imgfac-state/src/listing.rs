//! Entries of `images.yaml` and `images.d/` that leave and come back, with what people wrote around
//! them kept.

use std::path::Path;

use imgfac_model::{Defaults, ImageName, ImageState, Severity};
use imgfac_yaml::{EditError, Value};

use crate::configuration::{Configuration, ConfigurationError};
use crate::confined::ReadError;
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
        let Some(enrolled) = self.images.get(name.as_str()) else {
            return Ok(None);
        };
        let path = self.files.name(enrolled.at.file).to_owned();
        let text = text(files, &path)?;
        let edited = index(&text, name.as_str())
            .and_then(|index| imgfac_yaml::without_item(&text, index))
            .map_err(|source| ListingError::Edit {
                path: path.clone(),
                source,
            })?;
        Ok(Some(FileChange::Write { path, text: edited }))
    }

    /// Puts the entry of an image at the end of `images.yaml`, as its state says that it was
    /// enrolled. Gives the file, and the configuration as it is then.
    ///
    /// # Errors
    ///
    /// When the state does not say so, or the configuration with this entry would have a mistake.
    pub fn with_entry(
        &self,
        files: &dyn Files,
        name: &ImageName,
        stored: &Stored<ImageState>,
    ) -> Result<(FileChange, Self), ListingError> {
        let path = "images.yaml".to_owned();
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
        Ok((FileChange::Write { path, text }, configuration))
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
