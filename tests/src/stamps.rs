//! Which files a run wrote, without asking the program.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

/// The files below a folder, each with what changes when it is written or replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, (u64, SystemTime, u64)>);

impl Stamps {
    /// Looks at every file below a folder.
    ///
    /// # Errors
    /// When a folder or file cannot be looked at.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let mut stamps = Self::default();
        stamps.look(folder)?;
        Ok(stamps)
    }

    /// How many files are new or were written since an earlier look.
    #[must_use]
    pub fn written_since(&self, earlier: &Self) -> usize {
        self.0
            .iter()
            .filter(|(path, stamp)| earlier.0.get(*path) != Some(stamp))
            .count()
    }

    fn look(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                self.look(&entry.path())?;
            } else {
                let stamp = (metadata.ino(), metadata.modified()?, metadata.len());
                self.0.insert(entry.path(), stamp);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_new_or_replaced_count_even_when_their_bytes_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("below")).unwrap();
        fs::write(path("below/a"), "text").unwrap();
        fs::write(path("b"), "text").unwrap();
        let before = Stamps::of(folder.path()).unwrap();
        assert_eq!(Stamps::of(folder.path()).unwrap(), before);
        fs::write(path("c"), "text").unwrap();
        fs::rename(path("c"), path("below/a")).unwrap();
        fs::write(path("d"), "").unwrap();
        let after = Stamps::of(folder.path()).unwrap();
        assert_eq!(after.written_since(&before), 2);
        assert_eq!(before.written_since(&after), 1);
    }
}
