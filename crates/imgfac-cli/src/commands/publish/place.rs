//! Where a run reads and writes: a checkout, or a repository that is cloned for the run.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use imgfac_git::{Address, Advance, Checkout, Git, RemoteUrl, Repository};
use imgfac_model::{Branch, Source};
use imgfac_state::{FileChange, Lock, Store};

use super::{PublishArgs, branch, folder_in_clone, joined};
use crate::context::Context;
use crate::discovery::stands_for;
use crate::error::CliError;
use crate::render::{self, CommitReport};

/// Where a run reads and writes.
pub(super) struct Place {
    pub(super) repository: Arc<Repository>,
    /// `None` when the repository is only cloned for the run.
    pub(super) checkout: Option<Checkout>,
    /// The factory directory below the root of the repository; empty is the root.
    pub(super) prefix: String,
    /// The factory directory as people named it.
    pub(super) shown: PathBuf,
    /// The commit that is checked out; empty in a clone.
    pub(super) head: String,
    /// The branch that is checked out.
    local: Option<String>,
    /// The branch of the remote.
    branch: Option<String>,
    /// Whether the branch that is checked out follows that of the remote.
    follows: bool,
    /// The address of a clone.
    address: Option<Address>,
    /// Runs of one checkout take turns.
    _lock: Option<Lock>,
}

/// The files that say what the factory is to do.
const CONFIGURATION: &[&str] = &["images.yaml", "imgfac.yaml", "images.d"];
/// The folders that the program writes.
const WRITTEN: &[&str] = &["state", "dist"];
/// Of more files than these it is not asked for each whether it was edited: a command line has an
/// end.
const NAMED: usize = 500;

/// Whether a file says what the factory is to do.
fn is_configuration(path: &str) -> bool {
    path == "images.yaml"
        || path == "imgfac.yaml"
        || (path.starts_with("images.d/") && path.ends_with(".yaml"))
}

/// Whether a file is the program's: what it reads, and what it writes.
fn is_ours(path: &str) -> bool {
    is_configuration(path) || path.starts_with("state/") || path.starts_with("dist/")
}

impl Place {
    /// Finds the repository of the factory directory.
    pub(super) fn find(
        context: &Context<'_>,
        args: &PublishArgs,
        git: &Git,
    ) -> Result<Self, CliError> {
        let directory = context.directory();
        let checkout = match directory.canonicalize() {
            Ok(folder) => Checkout::containing(git, &folder)?.map(|found| (found, folder)),
            Err(_) => None,
        };
        let address = match args.git_repo() {
            Some(text) => Some((text, Address::new(text).map_err(CliError::usage)?)),
            None => None,
        };
        match (checkout, address) {
            (Some((checkout, folder)), None) => {
                Self::in_checkout(args, git, checkout, None, directory, folder)
            }
            (Some((checkout, folder)), Some((text, address))) => match checkout.remote_at(text)? {
                Some(remote) => {
                    Self::in_checkout(args, git, checkout, Some(remote), directory, folder)
                }
                None => Self::in_clone(args, git, address, directory),
            },
            (None, Some((_, address))) => Self::in_clone(args, git, address, directory),
            (None, None) => Err(CliError::failed(format!(
                "{} is not in a Git repository",
                directory.display()
            ))
            .with_hint(
                "name the factory directory with -C DIR, or its repository with --git-repo URL",
            )),
        }
    }

    fn in_checkout(
        args: &PublishArgs,
        git: &Git,
        checkout: Checkout,
        remote: Option<Address>,
        directory: PathBuf,
        folder: PathBuf,
    ) -> Result<Self, CliError> {
        let root = checkout.root().canonicalize().map_err(CliError::failed)?;
        let prefix = folder
            .strip_prefix(&root)
            .ok()
            .and_then(|path| path.to_str())
            .ok_or_else(|| CliError::failed("the factory directory leads out of its checkout"))?
            .to_owned();
        let lock = Store::open(&directory)?.lock()?;
        checkout.complete()?;
        let head = checkout.head()?.ok_or_else(|| {
            CliError::failed(format!("{} has no commit yet", root.display()))
                .with_hint("commit the factory directory first")
        })?;
        let local = checkout.branch()?;
        let upstream = match &local {
            Some(local) => checkout.upstream(local),
            None => checkout
                .upstream("HEAD")
                .map(|(remote, _)| (remote, String::new())),
        };
        let (upstream, followed) = upstream.unzip();
        let followed = followed.filter(|name| !name.is_empty());
        let named = args.git_branch().map(branch).transpose()?;
        let branch = match (&named, args.push) {
            (Some(branch), _) => Some(branch.to_string()),
            (None, false) => followed.clone(),
            (None, true) => Some(followed.clone().ok_or_else(|| {
                CliError::failed("no branch is checked out, so there is none to push to")
                    .with_hint("name it with --git-branch")
            })?),
        };
        let remote = remote.or(upstream);
        if args.push && remote.is_none() {
            return Err(
                CliError::failed(format!("{} has no remote to push to", root.display()))
                    .with_hint("git remote add origin URL, or name the repository with --git-repo"),
            );
        }
        Ok(Self {
            repository: Arc::new(Repository::of_checkout(git, &checkout, remote)?),
            follows: local.is_some() && branch == followed,
            checkout: Some(checkout),
            prefix,
            shown: directory,
            head,
            local,
            branch,
            address: None,
            _lock: Some(lock),
        })
    }

    fn in_clone(
        args: &PublishArgs,
        git: &Git,
        address: Address,
        directory: PathBuf,
    ) -> Result<Self, CliError> {
        if !args.push {
            return Err(CliError::usage(format!(
                "{} is not in a checkout of {address}: a commit without --push would be lost",
                directory.display()
            ))
            .with_hint("add --push, or run it in a checkout"));
        }
        let branch = branch(args.git_branch().unwrap_or("main"))?;
        Ok(Self {
            repository: Arc::new(Repository::temporary(git, address.clone())?),
            checkout: None,
            prefix: folder_in_clone(&directory)?,
            shown: directory,
            head: String::new(),
            local: None,
            branch: Some(branch.to_string()),
            follows: false,
            address: Some(address),
            _lock: None,
        })
    }

    /// The branch of the remote.
    pub(super) fn branch_name(&self) -> String {
        self.branch.clone().unwrap_or_default()
    }

    /// The commit that is worked on, for people.
    pub(super) fn commit_name(&self, push: bool) -> String {
        if push {
            return format!(
                "{} of {}",
                self.branch_name(),
                self.repository.remote_name()
            );
        }
        self.local.clone().unwrap_or_else(|| "HEAD".into())
    }

    /// Whether a source is what the commit has: the same repository, and its branch.
    pub(super) fn serves(&self, source: &Source, push: bool, home: &Branch) -> bool {
        let (host, repo) = (source.host(), source.repo.as_str());
        let same = match (&self.checkout, &self.address) {
            (Some(checkout), _) => checkout.is_of(host, repo),
            (None, Some(address)) => RemoteUrl::parse(&address.to_string())
                .is_some_and(|address| address.names(host, repo)),
            (None, None) => false,
        };
        same && match push {
            true => self.branch.as_deref() == Some(source.branch.as_str()),
            false => stands_for(self.local.as_deref(), source, home),
        }
    }

    /// A path below the factory directory, from the root of the repository.
    pub(super) fn in_repository(&self, path: &str) -> String {
        joined(&self.prefix, path)
    }

    /// What a run reads must be committed, and what it writes must not be edited.
    pub(super) fn refuse_local_edits(&self, changes: &[FileChange]) -> Result<(), CliError> {
        let changed: BTreeSet<&str> = changes.iter().map(FileChange::path).collect();
        let paths: Vec<&str> = match changed.len() {
            0..=NAMED => CONFIGURATION.iter().chain(&changed).copied().collect(),
            _ => vec![""],
        };
        let counts = |path: &str| is_configuration(path) || changed.contains(path);
        match self.local_edits(&paths, counts)? {
            None => Ok(()),
            Some(files) => Err(CliError::failed(format!(
                "these files have changes that are not committed: {files}; nothing was changed"
            ))
            .with_hint("commit or discard them; the run works on what is committed")),
        }
    }

    /// The program's files with local edits, for people: a push does not look at them.
    pub(super) fn left_out(&self) -> Result<Option<String>, CliError> {
        self.local_edits(&[CONFIGURATION, WRITTEN].concat(), is_ours)
    }

    /// Those of the files, or of the files below the folders, with local edits that count, for
    /// people. Git looks at no others.
    fn local_edits(
        &self,
        paths: &[&str],
        counts: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, CliError> {
        const SHOWN: usize = 10;
        let Some(checkout) = &self.checkout else {
            return Ok(None);
        };
        let paths: Vec<String> = paths.iter().map(|path| self.in_repository(path)).collect();
        let edits = checkout.local_edits(&paths)?;
        let below = |edit: &String| match self.prefix.as_str() {
            "" => Some(edit.clone()),
            prefix => Some(edit.strip_prefix(prefix)?.strip_prefix('/')?.to_owned()),
        };
        let files: Vec<String> = edits
            .iter()
            .filter_map(below)
            .filter(|path| counts(path))
            .map(|path| render::clean(&self.shown.join(path).display().to_string()))
            .collect();
        let mut list = files
            .iter()
            .take(SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        if files.len() > SHOWN {
            list.push_str(&format!(" and {} more", files.len() - SHOWN));
        }
        Ok((!files.is_empty()).then_some(list))
    }

    /// The changes that Git is told to ignore, such as manifests that are made where they are used.
    pub(super) fn ignored(&self, changes: &[FileChange]) -> Result<BTreeSet<String>, CliError> {
        let Some(checkout) = self.checkout.as_ref().filter(|_| !changes.is_empty()) else {
            return Ok(BTreeSet::new());
        };
        let paths: Vec<String> = changes
            .iter()
            .map(|change| self.in_repository(change.path()))
            .collect();
        Ok(checkout.ignored(&paths)?)
    }

    /// Lets the checkout follow a commit of this run.
    pub(super) fn advance(&self, old: &str, new: &str) -> Result<Advance, imgfac_git::Error> {
        match &self.checkout {
            Some(checkout) => checkout.advance(old, new),
            None => Ok(Advance::Done),
        }
    }

    /// After a push: lets the checkout follow if it can, else says what to do.
    pub(super) fn follow(&self, pushed: &str) -> Result<Option<String>, CliError> {
        let Some(checkout) = self.checkout.as_ref().filter(|_| self.follows) else {
            return Ok(None);
        };
        if !checkout.is_ancestor(&self.head, pushed)? {
            return Ok(Some(
                "this checkout has commits that the remote has not: git pull --rebase".into(),
            ));
        }
        Ok(match checkout.advance(&self.head, pushed)? {
            Advance::Done => None,
            Advance::Blocked(reason) => Some(format!(
                "this checkout stays where it is ({reason}); git pull when that is settled"
            )),
        })
    }

    /// What is said about a commit.
    pub(super) fn report(&self, commit: &str, pushed: bool) -> CommitReport {
        CommitReport {
            id: commit.to_owned(),
            branch: if pushed {
                self.branch.clone()
            } else {
                self.local.clone()
            },
            pushed: pushed.then(|| self.repository.remote_name()),
            overtaken: 0,
            notes: Vec::new(),
        }
    }
}
