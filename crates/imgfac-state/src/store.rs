//! The factory directory on disk: read, lock, and write all or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use cap_std::fs::{Dir, OpenOptions};
use rayon::prelude::*;

use crate::confined::{ConfinedDir, ReadError};

/// The largest file that is read from a factory directory, in bytes.
pub const FILE_LIMIT: u64 = 64 << 20;

/// Files below a factory directory, wherever it is kept: on disk or in a commit.
pub trait Files: Sync {
    /// The factory directory, for people.
    fn path(&self) -> &Path;

    /// Reads a text file; `None` when there is none.
    ///
    /// # Errors
    /// When it is there but cannot be read, leads outside, or is larger than [`FILE_LIMIT`].
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError>;

    /// Reads several at once; see [`Files::read`].
    fn read_all(&self, paths: &[String]) -> Vec<Result<Option<Vec<u8>>, ReadError>> {
        paths.par_iter().map(|path| self.read(path)).collect()
    }

    /// The names of the YAML files of a folder, sorted; a missing folder has none. Hidden files
    /// and `*.example.yaml` do not count.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn yaml_files(&self, folder: &str) -> Result<Vec<String>, ReadError>;
}

/// Keeps the names that [`Files::yaml_files`] gives.
pub(crate) fn keep_yaml_files(names: &mut Vec<String>) {
    names.retain(|name| {
        name.ends_with(".yaml") && !name.starts_with('.') && !name.ends_with(".example.yaml")
    });
    names.sort();
}

impl Files for Store {
    fn path(&self) -> &Path {
        self.path()
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.read(path)
    }

    fn yaml_files(&self, folder: &str) -> Result<Vec<String>, ReadError> {
        self.yaml_files(folder)
    }
}

/// A factory directory.
#[derive(Debug)]
pub struct Store {
    root: ConfinedDir,
}

/// One file that a run leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// The file gets this text, whatever it had.
    Write {
        /// Below the factory directory.
        path: String,
        /// The whole text.
        text: String,
    },
    /// The file goes away.
    Remove {
        /// Below the factory directory.
        path: String,
    },
}

impl FileChange {
    /// The file, below the factory directory.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Write { path, .. } | Self::Remove { path } => path,
        }
    }
}

/// The factory directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error("cannot open the factory directory {path}: {source}")]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another run is at work in it.
    #[error("another run is at work in {path}; wait for it to end, then try again")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The file system has no locks.
    #[error("cannot lock {path}: {source}")]
    Lock {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file, below the factory directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Some files are changed, another could not be.
    #[error("{0}")]
    Partly(Box<StoreError>),
    /// A symbolic link would have to give way to a file.
    #[error("{path} is a symbolic link: it is not replaced by a file")]
    Link {
        /// The link, below the factory directory.
        path: String,
    },
}

/// Holds the factory directory for one run; released when dropped or when the process ends.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Lock {
    _held: File,
}

const TEMPORARY: &str = ".imgfac-";

impl Store {
    /// Opens a factory directory.
    ///
    /// # Errors
    /// When the folder is missing or may not be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let root = ConfinedDir::open(path).map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { root })
    }

    /// The folder, by the name it was opened with.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Takes the directory for this run, and removes what a killed run left half-written.
    ///
    /// The lock is on the folder itself, so no lock file stays behind.
    ///
    /// # Errors
    /// When another run has it, or the file system knows no locks.
    pub fn lock(&self) -> Result<Lock, StoreError> {
        let path = || self.path().to_owned();
        let failed = |source| StoreError::Lock {
            path: path(),
            source,
        };
        let held = File::open(self.path()).map_err(failed)?;
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path: path() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        for folder in [
            "state/images",
            "state/base-images",
            "state/_archive/images",
            "state/_archive/base-images",
            "state/_archive",
            "state",
            "dist",
            ".",
        ] {
            for name in self.names(folder)? {
                if name.starts_with(TEMPORARY) && name.ends_with(".tmp") {
                    // If it cannot go now it is only untidy: the next run tries again.
                    let path = Path::new(folder).join(name);
                    let _ = (self.dir().remove_file(&path))
                        .or_else(|_| self.dir().remove_dir_all(&path));
                }
            }
        }
        Ok(Lock { _held: held })
    }

    /// Reads a text file; `None` when there is none.
    ///
    /// # Errors
    /// When it is there but cannot be read, leads outside, or is larger than [`FILE_LIMIT`].
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match self.root.read(path, FILE_LIMIT) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ReadError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of the YAML files of a folder, sorted; a missing folder has none. Hidden files
    /// and `*.example.yaml` do not count.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn yaml_files(&self, folder: &str) -> Result<Vec<String>, ReadError> {
        let mut names = self.names(folder)?;
        keep_yaml_files(&mut names);
        Ok(names)
    }

    /// Names that are not UTF-8 are nobody's: we write none.
    fn names(&self, folder: &str) -> Result<Vec<String>, ReadError> {
        let entries = match self.root.dir().read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.root.explain(folder, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.root.explain(folder, error))?;
            names.extend(entry.file_name().into_string());
        }
        Ok(names)
    }

    /// Makes all changes, or none.
    ///
    /// Every text is first written to a temporary file beside its target, or to a temporary folder
    /// when its folder is new, and forced to disk; only when all are there do they take their
    /// names. A full disk therefore changes nothing, and a process that is killed, or a machine
    /// that loses power, leaves every file whole, old or new.
    ///
    /// New files come first, then those that are changed, then removals: a state that passes from
    /// one file to another is in both for a moment, and never in none.
    ///
    /// # Errors
    /// When a file cannot be written, renamed or removed. Should the system refuse a file its name,
    /// as where a folder has it, then files before it have theirs already, which
    /// [`StoreError::Partly`] says.
    pub fn commit(&self, changes: &[FileChange]) -> Result<(), StoreError> {
        let mut folders = BTreeMap::new();
        let result = self
            .open_folders(changes, &mut folders)
            .and_then(|()| self.write(changes, &folders));
        if result.is_err() {
            for folder in folders.values() {
                if let Some(temporary) = &folder.temporary {
                    let _ = self.dir().remove_dir_all(temporary);
                }
            }
        }
        result?;
        for change in changes {
            if let FileChange::Remove { path } = change {
                match self.dir().remove_file(path) {
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        return Err(StoreError::Partly(Box::new(failed(path, source))));
                    }
                    _ => {}
                }
            }
        }
        // New names are in the folders, and new folders in those above them: without this a power
        // cut could take them back. A file system that cannot do it still has every file whole.
        let places: BTreeSet<&str> = (folders.keys())
            .flat_map(|path| std::iter::successors(Some(*path), above))
            .collect();
        for place in places {
            let _ = (self.dir().open(or_root(place))).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }

    /// Opens the folders of the changes. One that only loses files may be missing; one that is new
    /// gets its name when its files are complete.
    fn open_folders<'c>(
        &self,
        changes: &'c [FileChange],
        folders: &mut BTreeMap<&'c str, Folder>,
    ) -> Result<(), StoreError> {
        let written: BTreeSet<&str> = changes
            .iter()
            .filter(|change| matches!(change, FileChange::Write { .. }))
            .map(|change| split(change.path()).0)
            .collect();
        for path in &written {
            let parent = or_root(split(path).0);
            (self.dir().create_dir_all(parent)).map_err(|source| failed(parent, source))?;
        }
        for path in changes.iter().map(|change| split(change.path()).0) {
            if folders.contains_key(path) {
                continue;
            }
            let (dir, temporary) = match self.dir().open_dir(or_root(path)) {
                Ok(dir) => (dir, None),
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(path, error));
                }
                Err(_) if !written.contains(path) => continue,
                Err(_) => {
                    let temporary = match split(path).0 {
                        "" => temporary_name(),
                        parent => format!("{parent}/{}", temporary_name()),
                    };
                    let dir = (self.dir().create_dir(&temporary))
                        .and_then(|()| self.dir().open_dir(&temporary))
                        .map_err(|source| failed(path, source))?;
                    (dir, Some(temporary))
                }
            };
            folders.insert(path, Folder { dir, temporary });
        }
        Ok(())
    }

    /// Writes all files, then lets them take their names.
    fn write(
        &self,
        changes: &[FileChange],
        folders: &BTreeMap<&str, Folder>,
    ) -> Result<(), StoreError> {
        let mut writes = Vec::new();
        for write in changes
            .iter()
            .filter_map(|change| Write::of(change, folders))
        {
            let replaces = write.replaces()?;
            writes.push((replaces, write));
        }
        writes.sort_by_key(|(replaces, _)| *replaces);
        let writes: Vec<Write<'_>> = writes.into_iter().map(|(_, write)| write).collect();
        let mut named = 0;
        let result = self.prepare(&writes).and_then(|()| {
            for (path, folder) in folders {
                if let Some(temporary) = &folder.temporary {
                    (self.dir().rename(temporary, self.dir(), path))
                        .map_err(|source| failed(path, source))?;
                }
            }
            for write in &writes {
                write.take_name()?;
                named += 1;
            }
            Ok(())
        });
        if let Err(error) = result {
            for write in writes.iter().skip(named) {
                write.remove();
            }
            return Err(match named {
                0 => error,
                _ => StoreError::Partly(Box::new(error)),
            });
        }
        Ok(())
    }

    /// Writes all temporary files and forces them to disk.
    fn prepare(&self, writes: &[Write<'_>]) -> Result<(), StoreError> {
        let together = writes.len() > SYNCED_ALONE && cfg!(target_os = "linux");
        let problem = writes
            .par_iter()
            .find_map_first(|write| write.prepare(!together).err());
        if let Some(problem) = problem {
            return Err(problem);
        }
        if together {
            sync_file_system(self.dir()).map_err(|source| failed(".", source))?;
        }
        Ok(())
    }

    fn dir(&self) -> &Dir {
        self.root.dir()
    }
}

/// As many files wait for the disk one by one. More wait once, for all that the file system has to
/// write, which for a few could take longer than they do.
const SYNCED_ALONE: usize = 64;

/// Waits until all that was written to the file system is on the disk. Linux says since 5.8
/// whether any of it failed.
#[cfg(target_os = "linux")]
fn sync_file_system(dir: &Dir) -> io::Result<()> {
    // The folder itself is only open as a place for others, which cannot be synced.
    Ok(rustix::fs::syncfs(dir.open(".")?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: &Dir) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A folder in which files change.
struct Folder {
    dir: Dir,
    /// What a new folder is called before its files are complete.
    temporary: Option<String>,
}

/// A text on its way to its file.
struct Write<'c> {
    folder: &'c Dir,
    /// Below the factory directory.
    path: &'c str,
    /// In its folder.
    name: &'c str,
    /// What it is called before it is complete; in a new folder it has its name from the start.
    temporary: Option<String>,
    text: &'c str,
}

impl<'c> Write<'c> {
    fn of(change: &'c FileChange, folders: &'c BTreeMap<&str, Folder>) -> Option<Self> {
        let FileChange::Write { path, text } = change else {
            return None;
        };
        let (folder, name) = split(path);
        let folder = folders.get(folder)?;
        Some(Self {
            folder: &folder.dir,
            path,
            name,
            temporary: folder.temporary.is_none().then(temporary_name),
            text,
        })
    }

    fn prepare(&self, sync: bool) -> Result<(), StoreError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let name = self.temporary.as_deref().unwrap_or(self.name);
        let write = || {
            let mut file = self.folder.open_with(name, &options)?;
            file.write_all(self.text.as_bytes())?;
            if sync { file.sync_data() } else { Ok(()) }
        };
        write().map_err(|source| failed(self.path, source))
    }

    /// Whether a file has the name already.
    fn replaces(&self) -> Result<bool, StoreError> {
        if self.temporary.is_none() {
            return Ok(false);
        }
        match self.folder.symlink_metadata(self.name) {
            Ok(found) if found.is_symlink() => Err(StoreError::Link {
                path: self.path.to_owned(),
            }),
            Ok(_) => Ok(true),
            // What else is wrong with it shows when it is written.
            Err(_) => Ok(false),
        }
    }

    fn take_name(&self) -> Result<(), StoreError> {
        let Some(temporary) = &self.temporary else {
            return Ok(());
        };
        (self.folder.rename(temporary, self.folder, self.name))
            .map_err(|source| failed(self.path, source))
    }

    /// A new folder goes as a whole.
    fn remove(&self) {
        if let Some(temporary) = &self.temporary {
            let _ = self.folder.remove_file(temporary);
        }
    }
}

fn temporary_name() -> String {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{TEMPORARY}{}-{number}.tmp", std::process::id())
}

/// The folder that a folder stands in; the factory directory stands in none of ours.
fn above<'p>(folder: &&'p str) -> Option<&'p str> {
    (!folder.is_empty()).then(|| split(folder).0)
}

/// The factory directory itself has no path below itself.
fn or_root(folder: &str) -> &str {
    if folder.is_empty() { "." } else { folder }
}

/// The folder and the name of a file.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn failed(path: &str, source: io::Error) -> StoreError {
    StoreError::Write {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(path: &str, text: &str) -> FileChange {
        FileChange::Write {
            path: path.into(),
            text: text.into(),
        }
    }

    fn leftovers(folder: &Path) -> usize {
        fs::read_dir(folder)
            .map(|entries| {
                entries
                    .filter(|e| {
                        e.as_ref()
                            .unwrap()
                            .file_name()
                            .to_string_lossy()
                            .ends_with(".tmp")
                    })
                    .count()
            })
            .unwrap_or(0)
    }

    /// Of a state that passes from one file to another there is always one copy.
    #[test]
    fn new_files_come_before_those_that_change() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store
            .commit(&[write("state/images/a.yaml", "old\n")])
            .unwrap();
        // A folder has the name of the second file, so that it stays where it was.
        fs::create_dir_all(folder.path().join("state/images/b.yaml/in")).unwrap();
        let changes = [
            write("state/images/a.yaml", "without b\n"),
            write("state/images/b.yaml", "b\n"),
            write("state/base-images/b.yaml", "b\n"),
            write("state/images/c.yaml", "c\n"),
        ];
        let error = store.commit(&changes).unwrap_err();
        assert!(matches!(error, StoreError::Partly(_)), "{error}");
        let text = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
        assert_eq!(text("state/base-images/b.yaml"), "b\n");
        assert_eq!(text("state/images/c.yaml"), "c\n");
        assert_eq!(leftovers(&folder.path().join("state/images")), 0);

        symlink("a.yaml", folder.path().join("state/images/d.yaml")).unwrap();
        let error = store
            .commit(&[write("state/images/d.yaml", "d\n")])
            .unwrap_err();
        assert!(matches!(error, StoreError::Link { .. }), "{error}");
        assert_eq!(leftovers(&folder.path().join("state/images")), 0);
    }

    #[test]
    fn changes_are_made_and_no_temporary_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store
            .commit(&[write("state/images/a.yaml", "a\n"), write("top", "t\n")])
            .unwrap();
        store
            .commit(&[
                write("state/images/b.yaml", "b\n"),
                FileChange::Remove {
                    path: "state/images/a.yaml".into(),
                },
            ])
            .unwrap();
        assert_eq!(store.yaml_files("state/images").unwrap(), ["b.yaml"]);
        assert_eq!(store.read("state/images/b.yaml").unwrap().unwrap(), b"b\n");
        assert_eq!(store.read("state/images/a.yaml").unwrap(), None);
        assert_eq!(leftovers(&folder.path().join("state/images")), 0);
    }

    #[test]
    fn many_files_are_written_as_few_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let paths: Vec<String> = (0..=2 * SYNCED_ALONE)
            .map(|n| format!("state/{}/{n}.yaml", n % 3))
            .collect();
        let changes: Vec<FileChange> = paths.iter().map(|path| write(path, path)).collect();
        store.commit(&changes).unwrap();
        for path in &paths {
            assert_eq!(store.read(path).unwrap().unwrap(), path.as_bytes());
        }
        assert_eq!(leftovers(&folder.path().join("state/0")), 0);

        // One that cannot be written leaves all as they were.
        let mut changes: Vec<FileChange> = paths.iter().map(|path| write(path, "new")).collect();
        changes.push(write("state/0/0.yaml/below", "new"));
        assert!(store.commit(&changes).is_err());
        for path in &paths {
            assert_eq!(store.read(path).unwrap().unwrap(), path.as_bytes());
        }
        assert_eq!(leftovers(&folder.path().join("state/0")), 0);
    }

    #[test]
    fn a_failed_write_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.commit(&[write("state/a.yaml", "old\n")]).unwrap();
        // A folder stands where the second file should go.
        fs::create_dir_all(folder.path().join("state/b.yaml/x")).unwrap();
        fs::write(folder.path().join("blocked"), "").unwrap();
        let error = store
            .commit(&[
                write("state/a.yaml", "new\n"),
                write("blocked/c.yaml", "c\n"),
            ])
            .unwrap_err();
        assert!(
            error.to_string().starts_with("cannot write blocked"),
            "{error}"
        );
        assert_eq!(store.read("state/a.yaml").unwrap().unwrap(), b"old\n");
        assert_eq!(leftovers(&folder.path().join("state")), 0);
    }

    #[test]
    fn nothing_is_written_through_a_link_that_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("factory"), folder.path().join("outside"));
        fs::create_dir_all(inside.join("state")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("victim.yaml"), "victim").unwrap();
        symlink("../../outside", inside.join("state/images")).unwrap();
        symlink("../outside/victim.yaml", inside.join("file.yaml")).unwrap();
        let store = Store::open(&inside).unwrap();

        assert!(
            store
                .commit(&[write("state/images/new.yaml", "x")])
                .is_err()
        );
        assert!(store.commit(&[write("../outside/new.yaml", "x")]).is_err());
        assert!(store.yaml_files("state/images").is_err());
        // A link at the file's own place is neither followed nor replaced.
        let error = store.commit(&[write("file.yaml", "mine")]).unwrap_err();
        assert!(matches!(error, StoreError::Link { .. }), "{error}");
        assert_eq!(fs::read(outside.join("victim.yaml")).unwrap(), b"victim");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn a_second_run_is_kept_out_and_leftovers_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        fs::create_dir_all(folder.path().join("state/images")).unwrap();
        fs::write(folder.path().join("state/images/.imgfac-1-1.tmp"), "half").unwrap();
        fs::create_dir(folder.path().join("state/.imgfac-1-2.tmp")).unwrap();
        fs::write(folder.path().join("state/.imgfac-1-2.tmp/a.yaml"), "half").unwrap();
        let lock = store.lock().unwrap();
        assert_eq!(leftovers(&folder.path().join("state/images")), 0);
        assert_eq!(leftovers(&folder.path().join("state")), 0);
        assert!(matches!(store.lock(), Err(StoreError::Locked { .. })));
        drop(lock);
        assert!(store.lock().is_ok());
    }
}
