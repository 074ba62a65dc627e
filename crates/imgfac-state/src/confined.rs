//! A folder that no name, path or symbolic link leads out of.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

/// Reads files below one folder and nothing else.
///
/// Every path is resolved by the operating system beneath the folder (`openat2` on Linux), so
/// `..`, absolute paths and symbolic links that lead out are errors even when they change while
/// the program runs. Symbolic links that stay inside are followed.
#[derive(Debug)]
pub struct ConfinedDir {
    dir: Dir,
    path: PathBuf,
}

/// A file below the folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("{path}: no such file")]
    Missing {
        /// The path as asked for.
        path: String,
    },
    /// The path, or a symbolic link on it, leads out of the folder.
    #[error("{path}: leads outside of {folder}")]
    Outside {
        /// The path as asked for.
        path: String,
        /// The folder.
        folder: PathBuf,
    },
    /// It is a folder, a pipe or a device.
    #[error("{path}: not a regular file")]
    NotAFile {
        /// The path as asked for.
        path: String,
    },
    /// It is larger than the program reads.
    #[error("{path}: {size} bytes is more than the limit of {limit}")]
    TooLarge {
        /// The path as asked for.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The operating system failed.
    #[error("{path}: {source}")]
    Io {
        /// The path as asked for.
        path: String,
        /// Its error.
        source: io::Error,
    },
}

impl ReadError {
    /// Whether Git failed, and not the file: another try may find it.
    pub(crate) fn is_of_git(&self) -> bool {
        match self {
            Self::Io { source, .. } => source
                .get_ref()
                .is_some_and(|error| error.is::<imgfac_git::Error>()),
            _ => false,
        }
    }
}

impl ConfinedDir {
    /// Opens a folder.
    ///
    /// # Errors
    /// When it is missing, not a folder, or may not be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self {
            dir,
            path: path.to_owned(),
        })
    }

    /// The folder, by the name it was opened with.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Reads a file of at most `limit` bytes.
    ///
    /// # Errors
    /// When it is missing, leads outside, is not a regular file, is too large, or cannot be read.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, ReadError> {
        let fail = |error| self.explain(path, error);
        let mut options = OpenOptions::new();
        // Without it, opening a pipe would wait for its other end.
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        options.read(true).custom_flags(nonblocking);
        let file = self.dir.open_with(path, &options).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err(ReadError::NotAFile { path: path.into() });
        }
        let too_large = |size| ReadError::TooLarge {
            path: path.into(),
            size,
            limit,
        };
        if metadata.len() > limit {
            return Err(too_large(metadata.len()));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
        // The file may grow while it is read.
        file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > limit {
            return Err(too_large(bytes.len() as u64));
        }
        Ok(bytes)
    }

    pub(crate) fn explain(&self, path: &str, source: io::Error) -> ReadError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => ReadError::Missing { path },
            // The confinement reports an escape without an operating system's error number.
            io::ErrorKind::PermissionDenied if source.raw_os_error().is_none() => {
                ReadError::Outside {
                    path,
                    folder: self.path.clone(),
                }
            }
            io::ErrorKind::IsADirectory => ReadError::NotAFile { path },
            _ => ReadError::Io { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn check(path: &str) -> String {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        fs::create_dir_all(inner.join("folder")).unwrap();
        fs::write(outer.path().join("secret"), "secret").unwrap();
        fs::write(inner.join("file"), "text").unwrap();
        fs::write(inner.join("large"), "x".repeat(101)).unwrap();
        symlink("../secret", inner.join("out")).unwrap();
        symlink("/etc/hostname", inner.join("absolute")).unwrap();
        symlink("..", inner.join("up")).unwrap();
        symlink("file", inner.join("within")).unwrap();
        symlink("loop", inner.join("loop")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            inner.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        match ConfinedDir::open(&inner).unwrap().read(path, 100) {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(error) => error
                .to_string()
                .replace(&inner.display().to_string(), "DIR"),
        }
    }

    #[test]
    fn files_inside_are_read() {
        assert_eq!(check("file"), "text");
        assert_eq!(check("within"), "text");
        assert_eq!(check("folder/../file"), "text");
    }

    #[test]
    fn nothing_leads_out() {
        for path in [
            "../secret",
            "out",
            "absolute",
            "up/secret",
            "folder/../../secret",
            "/etc/hostname",
        ] {
            assert_eq!(check(path), format!("{path}: leads outside of DIR"));
        }
    }

    #[test]
    fn what_is_no_file_is_said_to_be_none() {
        assert_eq!(check("none"), "none: no such file");
        assert_eq!(check("folder"), "folder: not a regular file");
        assert_eq!(check("pipe"), "pipe: not a regular file");
        assert_eq!(
            check("large"),
            "large: 101 bytes is more than the limit of 100"
        );
        assert!(check("loop").starts_with("loop: "));
        assert!(check("file/x").starts_with("file/x: "));
    }
}
