//! The factory directory of a commit.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use imgfac_git::{FileError, Tree};

use crate::confined::ReadError;
use crate::store::{FILE_LIMIT, Files, keep_yaml_files};

/// The folders whose files every run reads.
const FOLDERS: &[&str] = &["images.d", "state/images", "state/base-images", "dist"];

/// The files of a factory directory as they are in a commit.
///
/// What every run reads is read at once: a partial clone then fetches all of it in one go.
#[derive(Debug)]
pub struct CommittedFiles {
    tree: Tree,
    path: PathBuf,
    read: BTreeMap<String, Result<Vec<u8>, FileError>>,
}

impl CommittedFiles {
    /// The files of a factory directory; `path` names it for people.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn open(tree: Tree, path: PathBuf) -> Result<Self, imgfac_git::Error> {
        let mut paths = vec!["imgfac.yaml".to_owned(), "images.yaml".to_owned()];
        for folder in FOLDERS {
            // A folder that cannot be listed is an error where it is asked for.
            let mut names = tree.names(folder)?.unwrap_or_default();
            keep_yaml_files(&mut names);
            paths.extend(names.into_iter().map(|name| format!("{folder}/{name}")));
        }
        let files = tree.read(&paths, FILE_LIMIT)?;
        Ok(Self {
            tree,
            path,
            read: paths.into_iter().zip(files).collect(),
        })
    }

    fn found(
        &self,
        path: &str,
        file: Result<Vec<u8>, FileError>,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        match file {
            Ok(bytes) => Ok(Some(bytes)),
            Err(FileError::Missing) => Ok(None),
            Err(error) => Err(self.explain(path, error)),
        }
    }

    fn explain(&self, path: &str, error: FileError) -> ReadError {
        let path = path.to_owned();
        match error {
            FileError::Missing => ReadError::Missing { path },
            FileError::Outside => ReadError::Outside {
                path,
                folder: self.path.clone(),
            },
            FileError::NotAFile => ReadError::NotAFile { path },
            FileError::TooLarge { size, limit } => ReadError::TooLarge { path, size, limit },
        }
    }
}

fn failed(path: &str, error: imgfac_git::Error) -> ReadError {
    ReadError::Io {
        path: path.to_owned(),
        source: io::Error::other(error),
    }
}

impl Files for CommittedFiles {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let file = match self.read.get(path) {
            Some(file) => file.clone(),
            None => {
                let mut files = self
                    .tree
                    .read(&[path], FILE_LIMIT)
                    .map_err(|error| failed(path, error))?;
                files.pop().unwrap_or(Err(FileError::Missing))
            }
        };
        self.found(path, file)
    }

    /// In one go: a partial clone fetches each file that it does not have.
    fn read_all(&self, paths: &[String]) -> Vec<Result<Option<Vec<u8>>, ReadError>> {
        match self.tree.read(paths, FILE_LIMIT) {
            Ok(files) => paths
                .iter()
                .zip(files)
                .map(|(path, file)| self.found(path, file))
                .collect(),
            // Each says why on its own.
            Err(_) => paths.iter().map(|path| self.read(path)).collect(),
        }
    }

    fn yaml_files(&self, folder: &str) -> Result<Vec<String>, ReadError> {
        let mut names = self
            .tree
            .names(folder)
            .map_err(|error| failed(folder, error))?
            .map_err(|error| self.explain(folder, error))?;
        keep_yaml_files(&mut names);
        Ok(names)
    }
}
