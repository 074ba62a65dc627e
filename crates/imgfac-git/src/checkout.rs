//! The checkout that a folder lies in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::address::Address;
use crate::diff::{self, Difference};
use crate::error::Error;
use crate::process::{Call, Git};
use crate::remote::RemoteUrl;

/// A working tree and the remotes it knows.
#[derive(Clone, Debug)]
pub struct Checkout {
    git: Git,
    root: PathBuf,
    /// Its own Git directory, and that of its objects, which other checkouts may share.
    dir: PathBuf,
    objects: PathBuf,
    /// `sha1` or `sha256`.
    format: String,
    /// What a run notes down while it moves the checkout.
    journal: PathBuf,
    remotes: Vec<RemoteUrl>,
    remote_names: Vec<String>,
    /// `branch.NAME.remote` and `branch.NAME.merge`, by these names.
    followed: BTreeMap<String, String>,
}

/// What is read of the configuration of a repository.
const SETTINGS: &str = r"^(remote\..*\.(url|pushurl)|branch\..*\.(remote|merge))$";

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
        let answer = git
            .call("rev-parse", place.clone())
            .arg("-C")
            .arg(folder)
            .args(["rev-parse", "--path-format=absolute", "--show-toplevel"])
            .args(["--git-dir", "--git-path", "objects"])
            .args(["--git-path", "imgfac-advance", "--show-object-format"])
            .text()?;
        let lines: Vec<&str> = answer.lines().collect();
        let [root, dir, objects, journal, format] = lines.as_slice() else {
            return Err(Error::Answer {
                what: "rev-parse",
                place,
                answer,
            });
        };
        // Two answers: addresses as they are written, and as `insteadOf` makes them.
        let written = git
            .call("config", place.clone())
            .arg("-C")
            .arg(folder)
            .args(["config", "-z", "--get-regexp", SETTINGS])
            .run()?;
        let used = git
            .call("remote", place.clone())
            .arg("-C")
            .arg(folder)
            .args(["remote", "-v"])
            .text()?;
        let mut followed = BTreeMap::new();
        let mut addresses = Vec::new();
        for setting in String::from_utf8_lossy(&written.stdout).split('\0') {
            match setting.split_once('\n') {
                Some((key, value)) if key.starts_with("branch.") => {
                    followed.insert(key.to_owned(), value.to_owned());
                }
                Some((_, address)) => addresses.push(address.to_owned()),
                None => {}
            }
        }
        let mut remote_names = Vec::new();
        for line in used.lines() {
            let mut words = line.split_whitespace();
            remote_names.extend(words.next().map(str::to_owned));
            addresses.extend(words.next().map(str::to_owned));
        }
        let mut remotes = Vec::new();
        for url in addresses.iter().filter_map(|text| RemoteUrl::parse(text)) {
            if !remotes.contains(&url) {
                remotes.push(url);
            }
        }
        Ok(Some(Self {
            git: git.clone(),
            root: PathBuf::from(root),
            dir: PathBuf::from(dir),
            objects: PathBuf::from(objects),
            format: (*format).to_owned(),
            journal: PathBuf::from(journal),
            remotes,
            remote_names,
            followed,
        }))
    }

    /// The root of the working tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn objects(&self) -> &Path {
        &self.objects
    }

    pub(crate) fn format(&self) -> &str {
        &self.format
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
    #[must_use]
    pub fn upstream(&self, branch: &str) -> Option<(Address, String)> {
        let setting = |key: &str| {
            let value = self.followed.get(&format!("branch.{branch}.{key}"));
            value.map(String::as_str).filter(|value| !value.is_empty())
        };
        let remote = setting("remote").unwrap_or("origin");
        let there = setting("merge")
            .and_then(|name| name.strip_prefix("refs/heads/"))
            .unwrap_or(branch);
        let known = self.remote_names.iter().any(|name| name == remote);
        let remote = Address::remote(remote).filter(|_| known)?;
        Some((remote, there.to_owned()))
    }

    /// Those of the files, and of the files below the folders, that differ from what is committed
    /// or are not committed at all. Paths are below the root, which is itself an empty path.
    ///
    /// # Errors
    /// When Git fails.
    pub fn local_edits(&self, paths: &[String]) -> Result<Vec<String>, Error> {
        let paths = paths.iter().map(|path| match path.as_str() {
            "" => ".",
            path => path,
        });
        let status = self
            .call("status")
            .args(["--literal-pathspecs", "--no-optional-locks", "status"])
            .args(["--porcelain=v1", "-z", "--untracked-files=all"])
            .args(["--no-renames", "--ignore-submodules=all", "--"])
            .args(paths)
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
        let journal = &self.journal;
        fs::write(journal, format!("{old} {new}\n")).map_err(Error::io(journal))?;
        let moved = self.read_tree(old, new);
        let result = match moved {
            Ok(Advance::Done) => self.move_head(old, new),
            other => other,
        };
        fs::remove_file(journal).map_err(Error::io(journal))?;
        result
    }

    fn read_tree(&self, old: &str, new: &str) -> Result<Advance, Error> {
        let trees = self.differing(old, new)?;
        let read = || {
            let result = self
                .call("read-tree")
                .args(["read-tree", "-m", "-u"])
                .args(&trees)
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

    /// The root folders of two commits without what they have in common: Git would look at all of
    /// it, and leaves alone what neither tree has.
    fn differing(&self, old: &str, new: &str) -> Result<[String; 2], Error> {
        let found = diff::between(self.call("diff-tree"), &[], old, new)?;
        let mut trees = Vec::new();
        for side in [
            |found: &Difference| found.old.clone(),
            |found: &Difference| found.new.clone(),
        ] {
            for found in &found {
                let side = side(found);
                let kind = match side.mode.as_str() {
                    "000000" => continue,
                    "040000" => "tree",
                    "160000" => "commit",
                    _ => "blob",
                };
                trees.extend_from_slice(format!("{} {kind} {}\t", side.mode, side.id).as_bytes());
                trees.extend_from_slice(&found.path);
                trees.push(0);
            }
            trees.push(0);
        }
        let ids = self
            .call("mktree")
            .args(["mktree", "-z", "--missing", "--batch"])
            .input(trees)
            .text()?;
        match ids.lines().collect::<Vec<_>>().as_slice() {
            [old, new] => Ok([(*old).to_owned(), (*new).to_owned()]),
            _ => Err(Error::Answer {
                what: "mktree",
                place: self.root.display().to_string(),
                answer: ids,
            }),
        }
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
        let journal = &self.journal;
        let Ok(text) = fs::read_to_string(journal) else {
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
        fs::remove_file(journal).map_err(Error::io(journal))
    }

    /// Tells the index of files that were written before the run was killed.
    fn accept_written(&self, old: &str, new: &str) -> Result<(), Error> {
        let found = diff::between(self.call("diff-tree"), &["-r"], old, new)?;
        let mut entries = Vec::new();
        let mut there = String::new();
        for found in found {
            let path = String::from_utf8_lossy(&found.path).into_owned();
            let exists =
                fs::symlink_metadata(self.root.join(&path)).is_ok_and(|file| file.is_file());
            if exists && !path.contains('\n') {
                there.push_str(&path);
                there.push('\n');
            }
            entries.push((exists, found.new, path));
        }
        let hashes = self
            .call("hash-object")
            .args(["hash-object", "--stdin-paths"])
            .input(there)
            .text()?;
        let mut hashes = hashes.lines();
        let mut index = String::new();
        for (exists, new, path) in entries {
            let written = match exists {
                true => hashes.next() == Some(new.id.as_str()),
                false => new.is_nothing(),
            };
            if written {
                let mode = if exists { new.mode.as_str() } else { "0" };
                index.push_str(&format!("{mode} {}\t{path}\0", new.id));
            }
        }
        self.call("update-index")
            .args(["update-index", "-z", "--index-info"])
            .input(index)
            .output()
            .map(drop)
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
        assert_eq!(
            checkout.local_edits(&[String::new()]).unwrap(),
            ["staged", "theirs"]
        );
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
            let journal = checkout.journal.clone();
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

    #[test]
    fn git_looks_at_the_differing_entries_of_the_root_only() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let folder = repository();
        let path = folder.path();
        let commit = || {
            run(path, &["add", "--all"]);
            run(path, &["commit", "--quiet", "--message", "some"]);
            run(path, &["rev-parse", "HEAD"])
        };
        let strange = path.join(OsStr::from_bytes(b"str\xffange"));
        for (file, text) in [("same/a", "a"), ("folder", "file"), ("gone/b", "b")] {
            fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
            fs::write(path.join(file), text).unwrap();
        }
        fs::write(&strange, "old").unwrap();
        let old = commit();
        fs::remove_file(path.join("folder")).unwrap();
        fs::remove_dir_all(path.join("gone")).unwrap();
        fs::create_dir_all(path.join("folder")).unwrap();
        fs::write(path.join("folder/c"), "c").unwrap();
        fs::write(&strange, "new").unwrap();
        let new = commit();
        run(path, &["reset", "--quiet", "--hard", &old]);

        let checkout = Checkout::containing(&git(), path).unwrap().unwrap();
        let trees = checkout.differing(&old, &new).unwrap();
        let names = trees.map(|tree| run(path, &["ls-tree", "--name-only", &tree]));
        assert_eq!(
            names,
            ["folder\ngone\nstr\u{fffd}ange", "folder\nstr\u{fffd}ange"]
        );
        fs::write(path.join("same/a"), "edited").unwrap();
        assert_eq!(checkout.advance(&old, &new).unwrap(), Advance::Done);
        assert_eq!(run(path, &["status", "--porcelain"]), " M same/a");
        assert_eq!(fs::read_to_string(strange).unwrap(), "new");
        // And back, to a root that has all of it anew.
        assert_eq!(checkout.advance(&new, &old).unwrap(), Advance::Done);
        assert_eq!(run(path, &["status", "--porcelain"]), " M same/a");
    }

    #[test]
    fn what_a_sparse_checkout_leaves_out_stays_out() {
        for index in ["--no-sparse-index", "--sparse-index"] {
            let folder = repository();
            let path = folder.path();
            for file in ["ours/a", "ours/deep/b", "apps/one/c", "apps/two/d"] {
                fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
                fs::write(path.join(file), "old").unwrap();
            }
            run(path, &["add", "--all"]);
            run(path, &["commit", "--quiet", "--message", "old"]);
            let old = run(path, &["rev-parse", "HEAD"]);
            fs::write(path.join("ours/a"), "new").unwrap();
            fs::write(path.join("apps/one/c"), "new").unwrap();
            run(path, &["commit", "--quiet", "--all", "--message", "new"]);
            let new = run(path, &["rev-parse", "HEAD"]);
            run(path, &["reset", "--quiet", "--hard", &old]);
            run(path, &["sparse-checkout", "init", "--cone", index]);
            run(path, &["sparse-checkout", "set", "ours"]);
            assert!(!path.join("apps").exists());

            let checkout = Checkout::containing(&git(), path).unwrap().unwrap();
            assert_eq!(checkout.advance(&old, &new).unwrap(), Advance::Done);
            assert_eq!(run(path, &["status", "--porcelain"]), "", "{index}");
            assert_eq!(
                run(path, &["write-tree"]),
                run(path, &["rev-parse", "HEAD^{tree}"])
            );
            assert_eq!(fs::read_to_string(path.join("ours/a")).unwrap(), "new");
            assert!(!path.join("apps").exists(), "{index}");
        }
    }

    #[test]
    fn a_branch_follows_what_is_configured_else_its_name_at_origin() {
        let folder = repository();
        let at = |branch: &str| {
            let checkout = Checkout::containing(&git(), folder.path())
                .unwrap()
                .unwrap();
            let (remote, there) = checkout.upstream(branch)?;
            Some(format!("{remote} {there}"))
        };
        assert_eq!(at("main"), None);
        for (key, value) in [
            ("remote.origin.url", "https://example.com/a b"),
            ("remote.My.Fork.url", "https://example.com/fork"),
            ("branch.Some.Thing/x.remote", "My.Fork"),
            ("branch.Some.Thing/x.merge", "refs/heads/there"),
            ("branch.lost.remote", "nowhere"),
        ] {
            run(folder.path(), &["config", key, value]);
        }
        assert_eq!(at("main").as_deref(), Some("origin main"));
        assert_eq!(at("Some.Thing/x").as_deref(), Some("My.Fork there"));
        assert_eq!(at("lost"), None);
    }

    #[test]
    fn only_the_files_and_folders_that_were_asked_about_count_as_edited() {
        let (folder, checkout, ..) = two_commits();
        for file in ["ours", "theirs", "new", "deep/er", "deep/est", "[n]ew"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "edited").unwrap();
        }
        let paths = ["ours", "gone", "missing", "[n]ew", "deep"].map(str::to_owned);
        assert_eq!(
            checkout.local_edits(&paths).unwrap(),
            ["ours", "[n]ew", "deep/er", "deep/est"]
        );
    }
}
