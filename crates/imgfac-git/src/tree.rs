//! A folder of a commit, out of which no path and no symbolic link leads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::objects::{Kind, Object};
use crate::repository::Repository;

/// A folder of a commit.
///
/// Symbolic links in it are followed as long as they stay inside, as an operating system would in
/// a checkout. Blobs that a partial clone lacks are fetched, all that are wanted at once.
#[derive(Clone)]
pub struct Tree {
    repository: Arc<Repository>,
    id: String,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("id", &self.id).finish()
    }
}

/// A file of a commit could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("no such file")]
    Missing,
    /// The path, or a symbolic link on it, leads out of the folder.
    #[error("leads outside")]
    Outside,
    /// It is a folder, a submodule, or a circle of links.
    #[error("not a regular file")]
    NotAFile,
    /// It is larger than the program reads.
    #[error("{size} bytes is more than the limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

/// What a path of the tree leads to.
enum Target {
    Blob(String),
    Folder(String),
    /// A symbolic link whose text is not here yet.
    Unknown(String),
    Failed(FileError),
}

/// As many as Linux follows.
const LINKS: usize = 40;

/// A symbolic link is shorter than this.
const LINK_LIMIT: u64 = 4_096;

impl Tree {
    pub(crate) fn new(repository: Arc<Repository>, id: String) -> Self {
        Self { repository, id }
    }

    /// Reads files of at most `limit` bytes, in the order of the paths.
    ///
    /// # Errors
    /// When the repository cannot be read, or a blob cannot be fetched; what is wrong with one
    /// path is in its own result.
    pub fn read<P: AsRef<str>>(
        &self,
        paths: &[P],
        limit: u64,
    ) -> Result<Vec<Result<Vec<u8>, FileError>>, Error> {
        let mut links = BTreeMap::new();
        let targets = loop {
            let mut targets = Vec::with_capacity(paths.len());
            let mut unknown = Vec::new();
            for path in paths {
                let target = self.resolve(path.as_ref(), &links)?;
                if let Target::Unknown(id) = &target {
                    unknown.push(id.clone());
                }
                targets.push(target);
            }
            if unknown.is_empty() {
                break targets;
            }
            self.read_links(unknown, &mut links)?;
        };
        let ids: Vec<String> = targets
            .iter()
            .filter_map(|target| match target {
                Target::Blob(id) => Some(id.clone()),
                _ => None,
            })
            .collect();
        let mut blobs = self.repository.blobs(&ids, limit)?.into_iter();
        let read = targets.into_iter().map(|target| match target {
            Target::Blob(_) => match blobs.next() {
                Some(Object::Found { bytes, .. }) => Ok(bytes),
                Some(Object::TooLarge { size }) => Err(FileError::TooLarge { size, limit }),
                Some(Object::Missing) | None => Err(FileError::Missing),
            },
            Target::Folder(_) | Target::Unknown(_) => Err(FileError::NotAFile),
            Target::Failed(error) => Err(error),
        });
        Ok(read.collect())
    }

    /// The names in a folder, sorted; a missing folder has none.
    ///
    /// # Errors
    /// When the repository cannot be read, or the path leads out.
    pub fn names(&self, folder: &str) -> Result<Result<Vec<String>, FileError>, Error> {
        let mut links = BTreeMap::new();
        loop {
            return match self.resolve(folder, &links)? {
                Target::Folder(id) => {
                    let entries = self.repository.objects()?.tree(&id)?;
                    Ok(Ok(entries.keys().cloned().collect()))
                }
                Target::Unknown(id) => {
                    self.read_links(vec![id], &mut links)?;
                    continue;
                }
                Target::Failed(FileError::Missing) => Ok(Ok(Vec::new())),
                Target::Failed(error) => Ok(Err(error)),
                Target::Blob(_) => Ok(Err(FileError::NotAFile)),
            };
        }
    }

    /// A folder of this one as a tree of its own, out of which nothing leads; `None` when there is
    /// no such folder.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn folder(&self, path: &str) -> Result<Option<Self>, Error> {
        let mut links = BTreeMap::new();
        loop {
            return match self.resolve(path, &links)? {
                Target::Folder(id) => Ok(Some(Self::new(Arc::clone(&self.repository), id))),
                Target::Unknown(id) => {
                    self.read_links(vec![id], &mut links)?;
                    continue;
                }
                Target::Failed(_) | Target::Blob(_) => Ok(None),
            };
        }
    }

    /// The first of the paths on which, or on the way to which, a symbolic link stands; as far as
    /// the link.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn link_on<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p str>,
    ) -> Result<Option<String>, Error> {
        let objects = self.repository.objects()?;
        for path in paths {
            let mut folder = self.id.clone();
            let mut end = 0;
            for part in path.split('/') {
                end += part.len() + 1;
                let entries = objects.tree(&folder)?;
                match entries.get(part) {
                    Some(entry) if entry.kind == Kind::Folder => folder.clone_from(&entry.id),
                    Some(entry) if entry.kind == Kind::Link => {
                        return Ok(Some(path[..end - 1].to_owned()));
                    }
                    _ => break,
                }
            }
        }
        Ok(None)
    }

    fn read_links(
        &self,
        ids: Vec<String>,
        links: &mut BTreeMap<String, Option<String>>,
    ) -> Result<(), Error> {
        let objects = self.repository.blobs(&ids, LINK_LIMIT)?;
        for (id, object) in ids.into_iter().zip(objects) {
            let text = match object {
                Object::Found { bytes, .. } => String::from_utf8(bytes).ok(),
                Object::TooLarge { .. } | Object::Missing => None,
            };
            links.insert(id, text);
        }
        Ok(())
    }

    /// Follows a path from part to part; `links` has the texts of links that are known.
    fn resolve(
        &self,
        path: &str,
        links: &BTreeMap<String, Option<String>>,
    ) -> Result<Target, Error> {
        let objects = self.repository.objects()?;
        if path.starts_with('/') {
            return Ok(Target::Failed(FileError::Outside));
        }
        let mut above = vec![self.id.clone()];
        let mut parts: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut followed = 0;
        while let Some(part) = parts.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    above.pop();
                    if above.is_empty() {
                        return Ok(Target::Failed(FileError::Outside));
                    }
                    continue;
                }
                _ => {}
            }
            let Some(here) = above.last() else {
                return Ok(Target::Failed(FileError::Outside));
            };
            let entries = objects.tree(here)?;
            let Some(entry) = entries.get(&part) else {
                return Ok(Target::Failed(FileError::Missing));
            };
            match entry.kind {
                Kind::Folder => above.push(entry.id.clone()),
                Kind::File => {
                    let rest = parts.iter().any(|part| !part.is_empty());
                    return Ok(if rest {
                        Target::Failed(FileError::Missing)
                    } else {
                        Target::Blob(entry.id.clone())
                    });
                }
                Kind::Link => {
                    followed += 1;
                    let target = match links.get(&entry.id) {
                        None => return Ok(Target::Unknown(entry.id.clone())),
                        Some(Some(target)) if followed <= LINKS => target,
                        Some(_) => return Ok(Target::Failed(FileError::NotAFile)),
                    };
                    if target.starts_with('/') {
                        return Ok(Target::Failed(FileError::Outside));
                    }
                    parts.extend(target.split('/').rev().map(str::to_owned));
                }
                Kind::Other => return Ok(Target::Failed(FileError::NotAFile)),
            }
        }
        Ok(above
            .pop()
            .map_or(Target::Failed(FileError::Outside), Target::Folder))
    }
}
