//! The checkout that a folder lies in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::address::Address;
use crate::error::Error;
use crate::process::{Call, Git};
use crate::remote::RemoteUrl;

/// A working tree and the remotes it knows.
#[derive(Clone, Debug)]
pub struct Checkout {
    git: Git,
    root: PathBuf,
    remotes: Vec<RemoteUrl>,
}

/// Whether a working tree could follow a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    /// Branch, index and files are at the commit; local edits of other files are as they were.
    Done,
    /// Nothing moved, for this reason.
    Blocked(String),
}

impl Checkout {
    /// The checkout that holds a folder; `None` when none does.
    ///
    /// Git is only started when a `.git` stands in the folder or above it.
    ///
    /// # Errors
    /// When Git cannot be started or refuses to read the checkout.
    pub fn containing(git: &Git, folder: &Path) -> Result<Option<Self>, Error> {
        if !folder.ancestors().any(|above| above.join(".git").exists()) {
            return Ok(None);
        }
        let place = folder.display().to_string();
        let root = git
            .call("rev-parse", place.clone())
            .arg("-C")
            .arg(folder)
            .args(["rev-parse", "--show-toplevel"])
            .text()?;
        // Two answers: addresses as they are written, and as `insteadOf` makes them.
        let written = git
            .call("config", place.clone())
            .arg("-C")
            .arg(folder)
            .args(["config", "--get-regexp", r"^remote\..*\.(url|pushurl)$"])
            .run()?;
        let used = git
            .call("remote", place)
            .arg("-C")
            .arg(folder)
            .args(["remote", "-v"])
            .output()?;
        let mut remotes = Vec::new();
        for text in [written.stdout, used] {
            for line in String::from_utf8_lossy(&text).lines() {
                let url = line.split_whitespace().nth(1).and_then(RemoteUrl::parse);
                if let Some(url) = url
                    && !remotes.contains(&url)
                {
                    remotes.push(url);
                }
            }
        }
        Ok(Some(Self {
            git: git.clone(),
            root: PathBuf::from(root),
            remotes,
        }))
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

    /// The remote that has this address, however it is written.
    ///
    /// # Errors
    /// When Git fails.
    pub fn remote_at(&self, address: &str) -> Result<Option<Address>, Error> {
        let same = |other: &str| match (RemoteUrl::parse(address), RemoteUrl::parse(other)) {
            (Some(one), Some(two)) => one == two,
            (None, None) => local_path(address) == local_path(other),
            _ => false,
        };
        for list in [
            self.call("config")
                .args(["config", "--get-regexp", r"^remote\..*\.(url|pushurl)$"])
                .run()?
                .stdout,
            self.call("remote").args(["remote", "-v"]).output()?,
        ] {
            for line in String::from_utf8_lossy(&list).lines() {
                let mut words = line.split_whitespace();
                if let (Some(name), Some(url)) = (words.next(), words.next())
                    && same(url)
                {
                    let name = name.strip_prefix("remote.").unwrap_or(name);
                    let name = name
                        .strip_suffix(".pushurl")
                        .or_else(|| name.strip_suffix(".url"))
                        .unwrap_or(name);
                    return Ok(Address::remote(name));
                }
            }
        }
        Ok(None)
    }

    fn call(&self, what: &'static str) -> Call<'_> {
        self.git
            .call(what, self.root.display().to_string())
            .arg("-C")
            .arg(&self.root)
    }

    /// The branch that is checked out; `None` when it is a bare commit.
    ///
    /// # Errors
    /// When Git fails.
    pub fn branch(&self) -> Result<Option<String>, Error> {
        let output = self
            .call("symbolic-ref")
            .args(["symbolic-ref", "--quiet", "--short", "HEAD"])
            .run()?;
        let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((output.status.success() && !name.is_empty()).then_some(name))
    }

    /// The commit that is checked out; `None` before the first.
    ///
    /// # Errors
    /// When Git fails.
    pub fn head(&self) -> Result<Option<String>, Error> {
        let output = self
            .call("rev-parse")
            .args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
            .run()?;
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((output.status.success() && !id.is_empty()).then_some(id))
    }

    /// The remote that a branch follows, and its name there: what is configured, else `origin` and
    /// the same name. `None` when there is no such remote.
    ///
    /// # Errors
    /// When Git fails.
    pub fn upstream(&self, branch: &str) -> Result<Option<(Address, String)>, Error> {
        let setting = |key: &str| -> Result<Option<String>, Error> {
            let output = self
                .call("config")
                .args(["config", "--get"])
                .arg(format!("branch.{branch}.{key}"))
                .run()?;
            let value = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Ok((output.status.success() && !value.is_empty()).then_some(value))
        };
        let remote = setting("remote")?.unwrap_or_else(|| "origin".into());
        let there = setting("merge")?
            .and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned))
            .unwrap_or_else(|| branch.to_owned());
        let known = self.call("remote").args(["remote"]).text()?;
        let remote = known
            .lines()
            .find(|name| *name == remote)
            .and_then(Address::remote);
        Ok(remote.map(|remote| (remote, there)))
    }

    /// The files below a folder that differ from what is committed, or are not committed at all;
    /// paths are below the root.
    ///
    /// # Errors
    /// When Git fails.
    pub fn local_edits(&self, folder: &str) -> Result<Vec<String>, Error> {
        let folder = if folder.is_empty() { "." } else { folder };
        let status = self
            .call("status")
            .args(["--literal-pathspecs", "--no-optional-locks", "status"])
            .args(["--porcelain=v1", "-z", "--untracked-files=all"])
            .args(["--no-renames", "--ignore-submodules=all", "--", folder])
            .output()?;
        let status = String::from_utf8_lossy(&status).into_owned();
        Ok(status
            .split('\0')
            .filter_map(|entry| entry.get(3..))
            .map(str::to_owned)
            .collect())
    }

    /// Those of the paths that Git is told to ignore; files that are committed never are.
    ///
    /// # Errors
    /// When Git fails.
    pub fn ignored(&self, paths: &[String]) -> Result<BTreeSet<String>, Error> {
        // Git looks through its whole index for each path, unless it is told not to; so it is asked
        // for the rules first, and whether a file is committed for those that they name.
        let named = self.check_ignore(&["--no-index"], paths)?;
        if named.is_empty() {
            return Ok(BTreeSet::new());
        }
        let ignored = self.check_ignore(&[], &named)?;
        Ok(ignored.into_iter().collect())
    }

    fn check_ignore(&self, options: &[&str], paths: &[String]) -> Result<Vec<String>, Error> {
        let output = self
            .call("check-ignore")
            .args(["check-ignore", "-z", "--stdin"])
            .args(options)
            .input(paths.join("\0"))
            .run()?;
        Ok(String::from_utf8_lossy(&output.stdout)
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// Whether a commit is the other one, or before it.
    ///
    /// # Errors
    /// When Git fails.
    pub fn is_ancestor(&self, older: &str, newer: &str) -> Result<bool, Error> {
        let output = self
            .call("merge-base")
            .args(["merge-base", "--is-ancestor", older, newer])
            .run()?;
        Ok(output.status.success())
    }

    /// Moves the branch that is checked out, its index and its files from one commit to another,
    /// as a fast-forward does: what the user has staged or edited in other files stays, and when
    /// a file that would change has local edits nothing moves at all.
    ///
    /// A killed run is completed by [`Checkout::complete`].
    ///
    /// # Errors
    /// When Git cannot write.
    pub fn advance(&self, old: &str, new: &str) -> Result<Advance, Error> {
        let journal = self.journal()?;
        fs::write(&journal, format!("{old} {new}\n")).map_err(Error::io(&journal))?;
        let moved = self.read_tree(old, new);
        let result = match moved {
            Ok(Advance::Done) => self.move_head(old, new),
            other => other,
        };
        fs::remove_file(&journal).map_err(Error::io(&journal))?;
        result
    }

    fn read_tree(&self, old: &str, new: &str) -> Result<Advance, Error> {
        let read = || {
            let result = self
                .call("read-tree")
                .args(["read-tree", "-m", "-u", old, new])
                .output();
            match result {
                Ok(_) => Ok(Advance::Done),
                Err(Error::Refused { message, .. }) => Ok(Advance::Blocked(message)),
                Err(error) => Err(error),
            }
        };
        if let Advance::Done = read()? {
            return Ok(Advance::Done);
        }
        // A file that was only touched counts as edited until the index has looked at it, which is
        // slow with many files. Exit code 1 only says that something differs.
        self.call("update-index")
            .args(["update-index", "-q", "--refresh"])
            .run()?;
        read()
    }

    fn move_head(&self, old: &str, new: &str) -> Result<Advance, Error> {
        let result = self
            .call("update-ref")
            .args(["update-ref", "-m", "imgfac: fast-forward", "HEAD", new, old])
            .output();
        match result {
            Ok(_) => Ok(Advance::Done),
            Err(Error::Refused { message, .. }) => {
                // The branch was moved meanwhile: files and index go back to it.
                self.read_tree(new, old)?;
                Ok(Advance::Blocked(message))
            }
            Err(error) => Err(error),
        }
    }

    /// Completes what a killed run had begun to write into the working tree.
    ///
    /// # Errors
    /// When Git cannot write.
    pub fn complete(&self) -> Result<(), Error> {
        let journal = self.journal()?;
        let Ok(text) = fs::read_to_string(&journal) else {
            return Ok(());
        };
        let head = self.head()?;
        if let Some((old, new)) = text.trim().split_once(' ')
            && let Some(head) = head
            && (head == old || head == new)
        {
            self.accept_written(old, new)?;
            if self.read_tree(old, new)? == Advance::Done && head == old {
                self.move_head(old, new)?;
            }
        }
        fs::remove_file(&journal).map_err(Error::io(&journal))
    }

    /// Tells the index of files that were written before the run was killed.
    fn accept_written(&self, old: &str, new: &str) -> Result<(), Error> {
        let diff = self
            .call("diff-tree")
            .args(["diff-tree", "-r", "-z", "--no-renames", "--raw", old, new])
            .output()?;
        let diff = String::from_utf8_lossy(&diff).into_owned();
        let mut fields = diff.split('\0');
        let mut entries = Vec::new();
        let mut there = String::new();
        while let (Some(header), Some(path)) = (fields.next(), fields.next()) {
            let words: Vec<&str> = header.split(' ').collect();
            let [_, mode, _, id, _] = words.as_slice() else {
                break;
            };
            let exists =
                fs::symlink_metadata(self.root.join(path)).is_ok_and(|file| file.is_file());
            if exists && !path.contains('\n') {
                there.push_str(path);
                there.push('\n');
            }
            entries.push((exists, mode.to_string(), id.to_string(), path.to_owned()));
        }
        let hashes = self
            .call("hash-object")
            .args(["hash-object", "--stdin-paths"])
            .input(there)
            .text()?;
        let mut hashes = hashes.lines();
        let mut index = String::new();
        for (exists, mode, id, path) in entries {
            let written = match exists {
                true => hashes.next() == Some(id.as_str()),
                false => mode == "000000",
            };
            if written {
                let mode = if exists { mode.as_str() } else { "0" };
                index.push_str(&format!("{mode} {id}\t{path}\0"));
            }
        }
        self.call("update-index")
            .args(["update-index", "-z", "--index-info"])
            .input(index)
            .output()
            .map(drop)
    }

    fn journal(&self) -> Result<PathBuf, Error> {
        let path = self
            .call("rev-parse")
            .args([
                "rev-parse",
                "--path-format=absolute",
                "--git-path",
                "imgfac-advance",
            ])
            .text()?;
        Ok(PathBuf::from(path))
    }
}

fn local_path(text: &str) -> PathBuf {
    let text = text.strip_prefix("file://").unwrap_or(text);
    fs::canonicalize(text).unwrap_or_else(|_| PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Settings;

    fn git() -> Git {
        Git::new(Settings::default())
    }

    fn run(folder: &Path, args: &[&str]) -> String {
        git()
            .call("test", "test")
            .arg("-C")
            .arg(folder)
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(args)
            .text()
            .unwrap()
    }

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
        folder
    }

    #[test]
    fn a_folder_inside_a_checkout_finds_its_root_and_remotes() {
        let folder = repository();
        let url = "https://github.com/acme/shop.git";
        run(folder.path(), &["remote", "add", "origin", url]);
        // An address that is rewritten is still the one that people wrote.
        run(
            folder.path(),
            &[
                "config",
                "url.file:///srv/.insteadOf",
                "https://github.com/",
            ],
        );
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();

        let checkout = Checkout::containing(&git(), &inner).unwrap().unwrap();
        assert_eq!(
            checkout.root().canonicalize().unwrap(),
            folder.path().canonicalize().unwrap()
        );
        assert!(checkout.is_of("github.com", "acme/shop"));
        assert!(!checkout.is_of("github.com", "acme/other"));
        let at = |address| {
            checkout
                .remote_at(address)
                .unwrap()
                .map(|at| at.to_string())
        };
        assert_eq!(at("git@github.com:acme/shop"), Some("origin".into()));
        assert_eq!(at("/srv/acme/shop.git"), Some("origin".into()));
        assert_eq!(at("https://gitlab.com/acme/shop"), None);
    }

    #[test]
    fn a_plain_folder_is_in_no_checkout() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            Checkout::containing(&git(), folder.path())
                .unwrap()
                .is_none()
        );
    }

    /// A checkout at the first of two commits, which differ in `ours` and `gone`.
    fn two_commits() -> (tempfile::TempDir, Checkout, String, String) {
        let folder = repository();
        let path = folder.path();
        for (ours, gone) in [("old", true), ("new", false)] {
            fs::write(path.join("ours"), ours).unwrap();
            fs::write(path.join("theirs"), "theirs").unwrap();
            if gone {
                fs::write(path.join("gone"), "gone").unwrap();
            } else {
                fs::remove_file(path.join("gone")).unwrap();
            }
            run(path, &["add", "--all"]);
            run(path, &["commit", "--quiet", "--message", ours]);
        }
        let new = run(path, &["rev-parse", "HEAD"]);
        run(path, &["reset", "--quiet", "--hard", "HEAD~1"]);
        let old = run(path, &["rev-parse", "HEAD"]);
        let checkout = Checkout::containing(&git(), path).unwrap().unwrap();
        (folder, checkout, old, new)
    }

    #[test]
    fn a_checkout_follows_and_other_edits_stay() {
        let (folder, checkout, old, new) = two_commits();
        fs::write(folder.path().join("theirs"), "edited").unwrap();
        fs::write(folder.path().join("staged"), "staged").unwrap();
        // Written anew and the same: no edit.
        fs::remove_file(folder.path().join("ours")).unwrap();
        fs::write(folder.path().join("ours"), "old").unwrap();
        run(folder.path(), &["add", "staged"]);
        assert_eq!(checkout.advance(&old, &new).unwrap(), Advance::Done);
        assert_eq!(checkout.head().unwrap(), Some(new));
        assert_eq!(
            run(folder.path(), &["status", "--porcelain"]),
            "A  staged\n M theirs"
        );
        assert_eq!(checkout.local_edits("").unwrap(), ["staged", "theirs"]);
        fs::write(folder.path().join(".gitignore"), "ours\nnew\n").unwrap();
        let paths = ["ours", "new", "other"].map(str::to_owned);
        assert_eq!(checkout.ignored(&paths).unwrap(), ["new".to_owned()].into());
    }

    #[test]
    fn a_local_edit_of_a_changed_file_blocks_and_nothing_moves() {
        let (folder, checkout, old, new) = two_commits();
        fs::write(folder.path().join("ours"), "edited").unwrap();
        let Advance::Blocked(reason) = checkout.advance(&old, &new).unwrap() else {
            panic!("the edit would be lost");
        };
        assert!(reason.contains("ours"), "{reason}");
        assert_eq!(checkout.head().unwrap(), Some(old));
        assert!(folder.path().join("gone").exists());
        checkout.complete().unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join("ours")).unwrap(),
            "edited"
        );
    }

    #[test]
    fn a_killed_run_is_completed_from_wherever_it_was() {
        // What was done before the kill: nothing, one file, all files, files and index.
        for done in 0..4 {
            let (folder, checkout, old, new) = two_commits();
            let path = folder.path();
            let journal = checkout.journal().unwrap();
            fs::write(&journal, format!("{old} {new}\n")).unwrap();
            if done >= 1 {
                fs::write(path.join("ours"), "new").unwrap();
            }
            if done >= 2 {
                fs::remove_file(path.join("gone")).unwrap();
            }
            if done >= 3 {
                run(path, &["add", "--all"]);
            }
            checkout.complete().unwrap();
            assert_eq!(checkout.head().unwrap(), Some(new), "{done}");
            assert_eq!(run(path, &["status", "--porcelain"]), "", "{done}");
            assert!(!journal.exists());
        }
    }
}
