//! Files of many remote repositories, fetched through a cache.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::address::Address;
use crate::error::Error;
use crate::interrupt::TemporaryFolder;
use crate::process::Git;
use crate::repository::Repository;
use crate::tree::FileError;

/// Reads files of remote repositories.
///
/// Each repository has a bare repository in the cache folder, which holds the newest commit of
/// each branch and only the blobs that were wanted. It is locked while it is used, brought up to
/// date once a run, and thrown away when it is damaged or has grown: nothing in it is precious.
#[derive(Clone, Debug)]
pub struct Sources {
    git: Git,
    cache: PathBuf,
    parallel: usize,
    _temporary: Option<Arc<TemporaryFolder>>,
}

/// Files that are wanted from a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The host, as people name it: the key of the cache, together with the repository.
    pub host: String,
    /// The repository on that host.
    pub repo: String,
    /// Where it is cloned from.
    pub address: Address,
    /// The branch.
    pub branch: String,
    /// The files.
    pub paths: Vec<String>,
}

/// Files that were read, in the order in which they were wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The commit that the branch points at.
    pub commit: String,
    /// The files.
    pub files: Vec<Result<Vec<u8>, FileError>>,
}

/// Every fetch adds a pack; beyond this many a new start is cheaper than tidying up.
const PACKS: usize = 50;

impl Sources {
    /// Sources that are kept below a cache folder; at most `parallel` repositories are fetched at
    /// once.
    #[must_use]
    pub fn new(git: &Git, cache: PathBuf, parallel: usize) -> Self {
        Self {
            git: git.clone(),
            cache,
            parallel: parallel.max(1),
            _temporary: None,
        }
    }

    /// Sources that are kept for this run only.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn temporary(git: &Git, parallel: usize) -> Result<Self, Error> {
        let folder = TemporaryFolder::new().map_err(Error::io(&std::env::temp_dir()))?;
        let mut sources = Self::new(git, folder.path().to_owned(), parallel);
        sources._temporary = Some(Arc::new(folder));
        Ok(sources)
    }

    /// Reads files, each branch by its own result. A reason names no folder or address of this
    /// machine and no moment: it goes into state files, which must not change by themselves.
    #[must_use]
    pub fn read(&self, wanted: &[Wanted], limit: u64) -> Vec<Result<Fetched, String>> {
        let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (at, one) in wanted.iter().enumerate() {
            groups.entry((&one.host, &one.repo)).or_default().push(at);
        }
        let groups: Vec<Vec<usize>> = groups.into_values().collect();
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<Result<Fetched, String>>>> =
            Mutex::new(vec![None; wanted.len()]);
        thread::scope(|scope| {
            for _ in 0..self.parallel.min(groups.len()) {
                scope.spawn(|| {
                    while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let ask: Vec<&Wanted> = group.iter().map(|at| &wanted[*at]).collect();
                        let found = self.read_repository(&ask, limit);
                        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                        for (at, result) in group.iter().zip(found) {
                            results[*at] = Some(result);
                        }
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err("it was not looked at".into())))
            .collect()
    }

    /// All branches of one repository.
    fn read_repository(&self, wanted: &[&Wanted], limit: u64) -> Vec<Result<Fetched, String>> {
        let Some(first) = wanted.first() else {
            return Vec::new();
        };
        let all = |reason: String| vec![Err(reason); wanted.len()];
        let folder = self.cache.join(key(&first.host)).join(key(&first.repo));
        let _lock = match self.lock(&folder) {
            Ok(lock) => lock,
            Err(reason) => return all(reason),
        };
        let dir = folder.join("repository.git");
        tidy(&dir);
        let mut results = self.read_branches(&dir, wanted, limit);
        if dir.exists()
            && results
                .iter()
                .any(|result| result.as_ref().is_err_and(Problem::is_damage))
        {
            let _ = fs::remove_dir_all(&dir);
            results = self.read_branches(&dir, wanted, limit);
        }
        results
            .into_iter()
            .map(|result| result.map_err(|problem| problem.0))
            .collect()
    }

    fn read_branches(
        &self,
        dir: &Path,
        wanted: &[&Wanted],
        limit: u64,
    ) -> Vec<Result<Fetched, Problem>> {
        let Some(first) = wanted.first() else {
            return Vec::new();
        };
        let all = |error: &Error| vec![Err(Problem::new(error, first, dir)); wanted.len()];
        let repository = match Repository::bare(&self.git, dir, first.address.clone()) {
            Ok(repository) => Arc::new(repository),
            Err(error) => return all(&error),
        };
        let mut branches: Vec<(&str, String)> = wanted
            .iter()
            .map(|one| (one.branch.as_str(), reference(&one.branch)))
            .collect();
        branches.sort();
        branches.dedup();
        let mut failed: BTreeMap<&str, Problem> = BTreeMap::new();
        match repository.fetch_branches(&branches) {
            Ok(()) => {}
            // One branch that is not there fails the fetch of all.
            Err(error) if branches.len() > 1 && is_missing_branch(&error) => {
                for branch in &branches {
                    if let Err(error) = repository.fetch_branches(std::slice::from_ref(branch)) {
                        let one = wanted.iter().find(|one| one.branch == branch.0);
                        failed.insert(branch.0, Problem::new(&error, one.unwrap_or(first), dir));
                    }
                }
            }
            Err(error) => {
                return wanted
                    .iter()
                    .map(|one| Err(Problem::new(&error, one, dir)))
                    .collect();
            }
        }
        wanted
            .iter()
            .map(|one| match failed.get(one.branch.as_str()) {
                Some(problem) => Err(problem.clone()),
                None => self
                    .read_branch(&repository, one, limit)
                    .map_err(|error| Problem::new(&error, one, dir)),
            })
            .collect()
    }

    fn read_branch(
        &self,
        repository: &Arc<Repository>,
        wanted: &Wanted,
        limit: u64,
    ) -> Result<Fetched, Error> {
        let commit = repository
            .resolve(&reference(&wanted.branch))?
            .ok_or_else(|| Error::Answer {
                what: "fetch",
                place: wanted.repo.clone(),
                answer: "the branch was not fetched".into(),
            })?;
        let files = repository.tree(&commit)?.read(&wanted.paths, limit)?;
        Ok(Fetched { commit, files })
    }

    /// Waits for other runs that use the same repository; each holds it for its fetch.
    fn lock(&self, folder: &Path) -> Result<File, String> {
        let open = || {
            fs::create_dir_all(folder)?;
            File::create(folder.join("lock"))
        };
        let file = open().map_err(|error| format!("the cache cannot be used: {error}"))?;
        let deadline = Instant::now() + self.git.time_limit() * 2;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => {
                    return Err(format!("the cache cannot be locked: {error}"));
                }
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                    return Err("another run holds the cache of this repository".into());
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// Why a branch could not be read, in words that stay the same from run to run.
#[derive(Clone, Debug)]
struct Problem(String);

impl Problem {
    /// What became of the copy in the folder `dir`, which is not named: it is on this machine.
    fn new(error: &Error, wanted: &Wanted, dir: &Path) -> Self {
        let (host, repo) = (&wanted.host, &wanted.repo);
        let dir = dir.display().to_string();
        Self(match error {
            _ if is_missing_branch(error) => {
                format!("{repo} on {host} has no branch {}", wanted.branch)
            }
            // Where it broke is chance.
            _ if error.is_lost_connection() => {
                format!("cannot read {repo} on {host}: the connection breaks")
            }
            Error::Refused { message, .. } => {
                format!(
                    "cannot read {repo} on {host}: {}",
                    steady(
                        &message.replace(&dir, "the cache"),
                        &format!("{host}/{repo}")
                    )
                )
            }
            Error::TimedOut { seconds, .. } => {
                format!("cannot read {repo} on {host}: no end after {seconds} s")
            }
            Error::NoGit(_) => "git cannot be run".into(),
            Error::Io { source, .. } => format!("the cache cannot be used: {source}"),
            Error::Answer { answer, .. } => format!("the cache cannot be used: {answer}"),
        })
    }

    /// Whether it is our copy that is broken, not the remote.
    fn is_damage(&self) -> bool {
        const SIGNS: &[&str] = &[
            "the cache cannot be used",
            "not a git repository",
            "bad object",
            "bad config",
            "corrupt",
            "invalid object",
            "unable to read",
            "loose object",
            "packfile",
            "index-pack",
            "shallow",
            "did not send all necessary objects",
            "missing object",
            "object file",
        ];
        SIGNS.iter().any(|sign| self.0.contains(sign))
    }
}

fn is_missing_branch(error: &Error) -> bool {
    matches!(error, Error::Refused { message, .. } if message.contains("couldn't find remote ref"))
}

/// Takes out what differs from machine to machine and from run to run: quoted addresses and
/// paths, and how long it took.
fn steady(message: &str, name: &str) -> String {
    let mut out = String::new();
    for (number, part) in message.split('\'').enumerate() {
        let address = number % 2 == 1 && (part.contains("://") || part.contains('/'));
        if number > 0 {
            out.push('\'');
        }
        out.push_str(if address { name } else { part });
    }
    let mut words: Vec<&str> = out.split(' ').collect();
    if let Some(at) = words.windows(3).position(|three| {
        three[0] == "after" && three[1].parse::<u64>().is_ok() && three[2].starts_with("ms")
    }) {
        let colon = words[at + 2].ends_with(':');
        words.drain(at..at + 3);
        let mut text = words.join(" ");
        if colon && at > 0 {
            // "port 443 after 3 ms: refused" is "port 443: refused".
            let before = words[..at].join(" ");
            text = format!("{before}: {}", words[at..].join(" "));
        }
        return text;
    }
    out
}

/// Removes lock files of a killed Git, which nobody holds while we have the repository, and a
/// repository that has grown.
fn tidy(dir: &Path) {
    for lock in [
        "shallow.lock",
        "packed-refs.lock",
        "config.lock",
        "HEAD.lock",
    ] {
        let _ = fs::remove_file(dir.join(lock));
    }
    let names = |folder: PathBuf| {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    for path in names(dir.join("refs/imgfac")) {
        if path.extension().is_some_and(|end| end == "lock") {
            let _ = fs::remove_file(path);
        }
    }
    let packs = names(dir.join("objects/pack"))
        .filter(|path| path.extension().is_some_and(|end| end == "pack"))
        .count();
    if packs > PACKS {
        let _ = fs::remove_dir_all(dir);
    }
}

fn reference(branch: &str) -> String {
    format!("refs/imgfac/{}", key(branch))
}

/// A name for a folder or reference that no other text shares, not even where upper and lower
/// case are the same.
fn key(text: &str) -> String {
    let mut out = String::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
            b'.' if at > 0 => out.push('.'),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    // A reference must not end like this, and a name has 255 bytes at most.
    if out.len() > 120 || out.ends_with(".lock") || out.ends_with('.') || out.contains("..") {
        let hash: String = Sha256::digest(text.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        out = out.replace('.', "_");
        out.truncate(60);
        // No other key has this character.
        out.push_str(&format!("+{hash}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distinct_and_plain() {
        let long = "x".repeat(300);
        let longer = "x".repeat(301);
        let texts = [
            "acme/shop",
            "acme_shop",
            "acme-shop",
            "acme%2fshop",
            "Acme/shop",
            ".github",
            "a.lock",
            "a_lock",
            "a..b",
            "a.",
            &long,
            &longer,
        ];
        let mut keys: Vec<String> = texts.iter().map(|text| key(text).to_lowercase()).collect();
        for key in &keys {
            assert!(
                key.len() < 200 && !key.contains('/') && !key.starts_with('.'),
                "{key}"
            );
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), texts.len());
    }

    #[test]
    fn reasons_stay_the_same() {
        for (message, expected) in [
            (
                "unable to access 'http://127.0.0.1:4/x.git/': Failed to connect to 127.0.0.1 port 4 after 3 ms: Connection refused",
                "unable to access 'h/r': Failed to connect to 127.0.0.1 port 4: Connection refused",
            ),
            (
                "'/srv/x' does not appear to be a git repository",
                "'h/r' does not appear to be a git repository",
            ),
            ("nothing 'odd' here", "nothing 'odd' here"),
        ] {
            assert_eq!(steady(message, "h/r"), expected);
        }
    }
}
