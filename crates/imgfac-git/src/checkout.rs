//! The checkout that a folder lies in.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::remote::RemoteUrl;

/// A working tree and the remotes it knows.
#[derive(Clone, Debug)]
pub struct Checkout {
    root: PathBuf,
    remotes: Vec<RemoteUrl>,
}

/// The checkout could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is a `.git`, but no `git` to ask; the user's machine lacks it.
    #[error("cannot run git: {0}")]
    NoGit(#[source] io::Error),
    /// Git refused, for instance because the checkout belongs to another user.
    #[error("git {what} in {folder}: {message}")]
    Refused {
        /// The question that was asked.
        what: &'static str,
        /// Where.
        folder: PathBuf,
        /// Git's own words.
        message: String,
    },
}

impl Checkout {
    /// The checkout that holds a folder; `None` when none does.
    ///
    /// Git is only started when a `.git` stands in the folder or above it.
    ///
    /// # Errors
    /// When Git cannot be started or refuses to read the checkout.
    pub fn containing(folder: &Path) -> Result<Option<Self>, Error> {
        if !folder.ancestors().any(|above| above.join(".git").exists()) {
            return Ok(None);
        }
        let root = ask(folder, "rev-parse", &["rev-parse", "--show-toplevel"])?;
        if !root.status.success() {
            return Err(refused("rev-parse", folder, &root));
        }
        let root = PathBuf::from(String::from_utf8_lossy(&root.stdout).trim_end_matches('\n'));
        // `git remote -v` applies `insteadOf`; without remotes it prints nothing.
        let list = ask(folder, "remote", &["remote", "-v"])?;
        if !list.status.success() {
            return Err(refused("remote", folder, &list));
        }
        let mut remotes = Vec::new();
        for line in String::from_utf8_lossy(&list.stdout).lines() {
            let url = line.split_whitespace().nth(1).and_then(RemoteUrl::parse);
            if let Some(url) = url
                && !remotes.contains(&url)
            {
                remotes.push(url);
            }
        }
        Ok(Some(Self { root, remotes }))
    }

    /// The root of the working tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether one of its remotes is this repository.
    #[must_use]
    pub fn is_of(&self, host: &str, repo: &str) -> bool {
        self.remotes.iter().any(|remote| remote.names(host, repo))
    }
}

fn ask(folder: &Path, what: &'static str, args: &[&str]) -> Result<Output, Error> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(args);
    // Inside a hook these point at another repository than the folder's own.
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_PREFIX",
        "GIT_COMMON_DIR",
    ] {
        git.env_remove(name);
    }
    git.env("LC_ALL", "C")
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoGit(error),
            _ => Error::Refused {
                what,
                folder: folder.to_owned(),
                message: error.to_string(),
            },
        })
}

fn refused(what: &'static str, folder: &Path, output: &Output) -> Error {
    let message = String::from_utf8_lossy(&output.stderr);
    Error::Refused {
        what,
        folder: folder.to_owned(),
        message: message
            .lines()
            .next()
            .unwrap_or("no reason given")
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let output = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    #[test]
    fn a_folder_inside_a_checkout_finds_its_root_and_remotes() {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet"]);
        git(
            folder.path(),
            &[
                "remote",
                "add",
                "origin",
                "https://github.com/acme/shop.git",
            ],
        );
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();

        let checkout = Checkout::containing(&inner).unwrap().unwrap();
        assert_eq!(
            checkout.root().canonicalize().unwrap(),
            folder.path().canonicalize().unwrap()
        );
        assert!(checkout.is_of("github.com", "acme/shop"));
        assert!(!checkout.is_of("github.com", "acme/other"));
    }

    #[test]
    fn a_plain_folder_is_in_no_checkout() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Checkout::containing(folder.path()).unwrap().is_none());
    }
}
