//! A repository: fetch a branch, write a commit, push it if nobody was faster.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::address::Address;
use crate::checkout::Checkout;
use crate::diff::{self, Side};
use crate::error::{Error, reason};
use crate::interrupt::TemporaryFolder;
use crate::objects::{Object, Objects};
use crate::process::{Author, Call, Git, git_dir};
use crate::tree::Tree;

/// A repository on this machine and the remote that it stands for.
pub struct Repository {
    git: Git,
    dir: PathBuf,
    remote: Option<Address>,
    /// Whether fetching may leave out history and blobs.
    sparse: bool,
    place: String,
    /// Opened when it is known which format the objects of the remote have.
    objects: OnceLock<Objects>,
    /// What does not change from attempt to attempt.
    signs: OnceLock<bool>,
    author: OnceLock<Option<Author>>,
    temporary: Option<TemporaryFolder>,
}

/// A file that a commit changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<'e> {
    /// Below the root of the repository.
    pub path: String,
    /// What becomes of it.
    pub content: Content<'e>,
}

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'e> {
    /// A plain file with this text.
    Text(&'e str),
    /// What another commit has there.
    Entry(Entry),
    /// There is none any more.
    Removed,
}

/// A file as a commit has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Git's mode, such as `100644`.
    mode: String,
    id: String,
}

/// A commit in the making.
#[derive(Clone, Debug)]
pub struct Draft<'d> {
    /// The commit that it follows.
    pub parent: &'d str,
    /// What it changes.
    pub edits: &'d [Edit<'d>],
    /// Its message.
    pub message: &'d str,
    /// When it is made, RFC 3339.
    pub time: &'d str,
}

/// How a push ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The branch points at the commit.
    Done,
    /// Somebody else was faster, or is at it right now: look again and push anew.
    Overtaken(String),
    /// The server does not want it, for instance because the branch is protected.
    Refused(String),
}

/// How the objects of a repository are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Sha1,
    Sha256,
}

impl Format {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// What the server has, when a fetch failed because we have the other one.
    fn of_server(error: &Error) -> Option<Self> {
        let Error::Refused { message, .. } = error else {
            return None;
        };
        let (_, formats) = message.split_once("mismatched algorithms: client ")?;
        [Self::Sha1, Self::Sha256]
            .into_iter()
            .find(|format| formats.contains(&format!("server {}", format.as_str())))
    }
}

/// A branch is kept under this name while it is worked with.
const TIP: &str = "refs/imgfac/tip";
/// And a second one under this.
const SECOND: &str = "refs/imgfac/second";

impl Repository {
    /// An empty repository in a temporary folder, to work with a remote without a checkout.
    ///
    /// # Errors
    /// When no temporary folder can be made, or Git fails.
    pub fn temporary(git: &Git, remote: Address) -> Result<Self, Error> {
        let folder = TemporaryFolder::new().map_err(Error::io(&std::env::temp_dir()))?;
        let dir = folder.path().join("repository.git");
        let mut repository = Self::bare(git, &dir, remote)?;
        repository.temporary = Some(folder);
        Ok(repository)
    }

    /// A bare repository in a folder, which is made when it is not there.
    pub(crate) fn bare(git: &Git, dir: &Path, remote: Address) -> Result<Self, Error> {
        let place = remote.to_string();
        let repository = Self {
            git: git.clone(),
            dir: dir.to_owned(),
            remote: Some(remote),
            sparse: true,
            place,
            objects: OnceLock::new(),
            signs: OnceLock::new(),
            author: OnceLock::new(),
            temporary: None,
        };
        if !dir.join("HEAD").exists() {
            repository.init(Format::Sha1)?;
        }
        Ok(repository)
    }

    /// Makes a bare repository of a folder that is missing or empty.
    fn init(&self, format: Format) -> Result<(), Error> {
        fs::create_dir_all(&self.dir).map_err(Error::io(&self.dir))?;
        self.git
            .call("init", self.place.clone())
            .args(["init", "--quiet", "--bare", "--template="])
            .arg(format!("--object-format={}", format.as_str()))
            .arg("--")
            .arg(&self.dir)
            .output()
            .map(drop)
    }

    /// The repository of a checkout, and the remote to fetch from and push to.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn of_checkout(
        git: &Git,
        checkout: &Checkout,
        remote: Option<Address>,
    ) -> Result<Self, Error> {
        let place = checkout.root().display().to_string();
        let store = checkout.objects().to_owned();
        let objects = Objects::open(git, store, checkout.format(), &place)?;
        Ok(Self {
            git: git.clone(),
            dir: checkout.dir().to_owned(),
            remote,
            sparse: false,
            place,
            objects: OnceLock::from(objects),
            signs: OnceLock::new(),
            author: OnceLock::new(),
            temporary: None,
        })
    }

    pub(crate) fn objects(&self) -> Result<&Objects, Error> {
        if let Some(objects) = self.objects.get() {
            return Ok(objects);
        }
        let format = self
            .call("rev-parse")
            .args(["rev-parse", "--show-object-format"])
            .text()?;
        let objects = Objects::open(&self.git, self.dir.join("objects"), &format, &self.place)?;
        Ok(self.objects.get_or_init(|| objects))
    }

    pub(crate) fn call(&self, what: &'static str) -> Call<'_> {
        self.git
            .call(what, self.place.clone())
            .arg(git_dir(&self.dir))
    }

    /// Fetches a branch of the remote and gives the commit it points at.
    ///
    /// # Errors
    /// When the remote cannot be reached, or has no such branch.
    pub fn fetch(&self, branch: &str) -> Result<String, Error> {
        self.fetch_branches(&[(branch, TIP.to_owned())])?;
        self.resolve(TIP)?.ok_or_else(|| Error::Answer {
            what: "fetch",
            place: self.place.clone(),
            answer: format!("{branch} was not fetched"),
        })
    }

    /// Fetches branches to references of ours.
    ///
    /// Which format the objects of a remote have is only known when it was asked. A repository of
    /// ours that has the other one holds nothing of this remote, and is made anew.
    pub(crate) fn fetch_branches(&self, branches: &[(&str, String)]) -> Result<(), Error> {
        let fetched = patiently(|| self.try_fetch(branches));
        let Some(format) = fetched.as_ref().err().and_then(Format::of_server) else {
            return fetched;
        };
        if !self.sparse || self.objects.get().is_some() {
            return fetched;
        }
        fs::remove_dir_all(&self.dir).map_err(Error::io(&self.dir))?;
        self.init(format)?;
        patiently(|| self.try_fetch(branches))
    }

    fn try_fetch(&self, branches: &[(&str, String)]) -> Result<(), Error> {
        let Some(remote) = &self.remote else {
            return Ok(());
        };
        let mut call = self.fetch_call(remote, "default");
        if self.sparse {
            call = call.args(["--depth=1", "--filter=blob:none"]);
        }
        let refspecs = branches
            .iter()
            .map(|(branch, local)| format!("+refs/heads/{branch}:{local}"));
        call.args(["--force", "--end-of-options", remote.for_git()])
            .args(refspecs)
            .output()?;
        Ok(())
    }

    fn fetch_call(&self, remote: &Address, negotiation: &str) -> Call<'_> {
        self.git
            .call("fetch", remote.to_string())
            .arg(git_dir(&self.dir))
            .with_credentials()
            .arg("-c")
            .arg(format!("fetch.negotiationAlgorithm={negotiation}"))
            .args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"])
            .args(["--no-auto-maintenance", "--recurse-submodules=no"])
    }

    /// What a reference points at; `None` when there is none.
    pub(crate) fn resolve(&self, reference: &str) -> Result<Option<String>, Error> {
        let output = self
            .call("rev-parse")
            .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
            .arg(format!("{reference}^{{commit}}"))
            .run()?;
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((output.status.success() && !id.is_empty()).then_some(id))
    }

    /// Fetches another branch and gives the commit it points at; `None` when the remote has no
    /// such branch.
    ///
    /// # Errors
    /// When the remote cannot be reached.
    pub fn fetch_if_there(&self, branch: &str) -> Result<Option<String>, Error> {
        if self.remote_tip(branch)?.is_none() {
            return Ok(None);
        }
        self.fetch_branches(&[(branch, SECOND.to_owned())])?;
        self.resolve(SECOND)
    }

    /// The newest commit that the branches of [`Repository::fetch`] and
    /// [`Repository::fetch_if_there`] have in common; `None` when they share no history. History
    /// that is not here is fetched as far as it takes.
    ///
    /// # Errors
    /// When the remote cannot be reached.
    pub fn common_ancestor(&self, one: &str, two: &str) -> Result<Option<String>, Error> {
        for more in ["", "--deepen=50", "--deepen=1000", "--unshallow"] {
            if !more.is_empty() && !self.fetch_history(more)? {
                break;
            }
            let output = self
                .call("merge-base")
                .args(["merge-base", one, two])
                .run()?;
            let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success() && !id.is_empty() {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Fetches more history of what was fetched; `false` when all of it is here.
    fn fetch_history(&self, more: &str) -> Result<bool, Error> {
        let shallow = self
            .call("rev-parse")
            .args(["rev-parse", "--is-shallow-repository"])
            .text()?;
        let Some(remote) = self.remote.as_ref().filter(|_| shallow == "true") else {
            return Ok(false);
        };
        let tips = [self.resolve(TIP)?, self.resolve(SECOND)?];
        patiently(|| {
            let mut call = self.fetch_call(remote, "default").arg(more);
            if self.sparse {
                call = call.arg("--filter=blob:none");
            }
            call.args(["--end-of-options", remote.for_git()])
                .args(tips.iter().flatten())
                .output()
        })?;
        Ok(true)
    }

    /// What differs between two commits, as edits that lead from the first to the second.
    ///
    /// # Errors
    /// When a commit is not here.
    pub fn edits_between(&self, old: &str, new: &str) -> Result<Vec<Edit<'static>>, Error> {
        let found = diff::between(self.call("diff-tree"), &["-r"], old, new)?;
        let edits = found.into_iter().map(|found| Edit {
            path: String::from_utf8_lossy(&found.path).into_owned(),
            content: match found.new {
                new if new.is_nothing() => Content::Removed,
                Side { mode, id } => Content::Entry(Entry { mode, id }),
            },
        });
        Ok(edits.collect())
    }

    /// The messages of the commits that a branch has beyond another commit, oldest first, without
    /// those of merges.
    ///
    /// # Errors
    /// When Git fails.
    pub fn messages(&self, old: &str, new: &str) -> Result<Vec<String>, Error> {
        let range = format!("{old}..{new}");
        let list = self
            .call("log")
            .args(["log", "--reverse", "--no-merges", "-z", "--format=%B"])
            .arg(range)
            .text()?;
        let messages = list.split('\0').map(|text| text.trim().to_owned());
        Ok(messages.filter(|text| !text.is_empty()).collect())
    }

    /// The root folder of a commit.
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub fn tree(self: &Arc<Self>, commit: &str) -> Result<Tree, Error> {
        let id = self.objects()?.tree_of(commit)?;
        Ok(Tree::new(Arc::clone(self), id))
    }

    /// Reads blobs, and fetches those that are not here, all at once.
    pub(crate) fn blobs(&self, ids: &[String], limit: u64) -> Result<Vec<Object>, Error> {
        let objects = self.objects()?;
        let mut found = objects.read(ids, limit)?;
        let missing: BTreeSet<&String> = ids
            .iter()
            .zip(&found)
            .filter(|(_, object)| **object == Object::Missing)
            .map(|(id, _)| id)
            .collect();
        let Some(remote) = self.remote.as_ref().filter(|_| !missing.is_empty()) else {
            return Ok(found);
        };
        let mut input = String::new();
        for id in &missing {
            input.push_str(id);
            input.push('\n');
        }
        // What is here says nothing about single blobs.
        patiently(|| {
            self.fetch_call(remote, "noop")
                .args(["--filter=blob:none", "--stdin"])
                .args(["--end-of-options", remote.for_git()])
                .input(input.as_str())
                .output()
        })?;
        let missing: Vec<String> = missing.into_iter().cloned().collect();
        let fetched = objects.read(&missing, limit)?;
        for (id, object) in ids.iter().zip(&mut found) {
            if *object == Object::Missing
                && let Ok(at) = missing.binary_search(id)
            {
                object.clone_from(&fetched[at]);
            }
        }
        Ok(found)
    }

    /// Writes a commit into the object store; no branch, index or file moves. `None` when it would
    /// change nothing.
    ///
    /// # Errors
    /// When Git cannot write or sign it.
    pub fn commit(&self, draft: &Draft<'_>) -> Result<Option<String>, Error> {
        let tree = self.write_tree(draft)?;
        if tree == self.objects()?.tree_of(draft.parent)? {
            return Ok(None);
        }
        let mut call = self.call("commit-tree").args(["commit-tree"]);
        if self.signs()? {
            call = call.arg("-S");
        }
        call = call
            .args([tree.as_str(), "-p", draft.parent, "-F", "-"])
            .env("GIT_AUTHOR_DATE", draft.time)
            .env("GIT_COMMITTER_DATE", draft.time)
            .input(draft.message);
        if let Some(author) = self.author()? {
            for (name, value) in [
                ("GIT_AUTHOR_NAME", &author.name),
                ("GIT_COMMITTER_NAME", &author.name),
                ("GIT_AUTHOR_EMAIL", &author.email),
                ("GIT_COMMITTER_EMAIL", &author.email),
            ] {
                call = call.env(name, value);
            }
        }
        call.text().map(Some)
    }

    /// `git fast-import` writes any number of files as one pack and builds the trees above them
    /// from those of the parent, without an index. Its commit stays in the view: the real one is
    /// made by `git commit-tree`, which can sign.
    fn write_tree(&self, draft: &Draft<'_>) -> Result<String, Error> {
        let entries = draft.edits.iter().filter_map(|edit| match &edit.content {
            Content::Entry(entry) => Some(entry.id.clone()),
            Content::Text(_) | Content::Removed => None,
        });
        // Those that a partial clone lacks; what they say does not matter here.
        self.blobs(&entries.collect::<Vec<_>>(), 0)?;
        const SCRATCH: &str = "refs/heads/scratch";
        let mut stream = Vec::new();
        let mut line = |text: &str| {
            stream.extend_from_slice(text.as_bytes());
            stream.push(b'\n');
        };
        line("feature done");
        line(&format!("commit {SCRATCH}"));
        line("committer scratch <> 0 +0000");
        line("data 0");
        line(&format!("from {}", draft.parent));
        // Removals first: a folder may stand where a file was.
        for edit in draft.edits {
            if edit.content == Content::Removed {
                line(&format!("D {}", quoted(&edit.path)));
            }
        }
        for edit in draft.edits {
            match &edit.content {
                Content::Text(text) => {
                    line(&format!("M 100644 inline {}", quoted(&edit.path)));
                    line(&format!("data {}", text.len()));
                    line(text);
                }
                Content::Entry(Entry { mode, id }) => {
                    line(&format!("M {mode} {id} {}", quoted(&edit.path)));
                }
                Content::Removed => {}
            }
        }
        line("done");
        let objects = self.objects()?;
        objects
            .call("fast-import")
            .args([
                "-c",
                "pack.compression=1",
                "fast-import",
                "--quiet",
                "--force",
                "--date-format=raw",
            ])
            .input(stream)
            .output()?;
        objects.id_of(&format!("{SCRATCH}^{{tree}}"))
    }

    /// `git commit-tree` leaves it to its caller to look at `commit.gpgSign`.
    fn signs(&self) -> Result<bool, Error> {
        if let Some(signs) = self.signs.get() {
            return Ok(*signs);
        }
        let output = self
            .call("config")
            .args(["config", "--type=bool", "--get", "commit.gpgSign"])
            .run()?;
        Ok(*self
            .signs
            .get_or_init(|| output.stdout.trim_ascii() == b"true"))
    }

    /// Who is named in commits: as asked for, else as Git is configured, else the program. `None`
    /// leaves it to Git.
    fn author(&self) -> Result<Option<Author>, Error> {
        if let Some(author) = self.author.get() {
            return Ok(author.clone());
        }
        let author = self.find_author()?;
        Ok(self.author.get_or_init(|| author).clone())
    }

    fn find_author(&self) -> Result<Option<Author>, Error> {
        if let Some(author) = self.git.author() {
            return Ok(Some(author.clone()));
        }
        for role in ["GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"] {
            let known = self
                .call("var")
                // A name made up from the machine's is worse than the program's.
                .args(["-c", "user.useConfigOnly=true", "var", role])
                .run()?;
            if !known.status.success() {
                return Ok(Some(Author {
                    name: "imgfac".into(),
                    email: "imgfac@localhost".into(),
                }));
            }
        }
        Ok(None)
    }

    /// Lets a branch of the remote point at a commit, if it still points at `old`; `None` makes a
    /// branch that must not exist yet.
    ///
    /// # Errors
    /// When the remote cannot be reached; a refusal is a value.
    pub fn push(&self, new: &str, branch: &str, old: Option<&str>) -> Result<Pushed, Error> {
        let Some(remote) = &self.remote else {
            return Ok(Pushed::Refused("there is no remote".into()));
        };
        let output = self
            .git
            .call("push", remote.to_string())
            .arg(git_dir(&self.dir))
            .with_credentials()
            .args(["push", "--porcelain", "--no-verify", "--atomic"])
            .arg(format!(
                "--force-with-lease=refs/heads/{branch}:{}",
                old.unwrap_or_default()
            ))
            .args(["--end-of-options", remote.for_git()])
            .arg(format!("{new}:refs/heads/{branch}"))
            .run()?;
        if output.status.success() {
            return Ok(Pushed::Done);
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let verdict = said
            .lines()
            .filter_map(|line| line.strip_prefix("!\t"))
            .find_map(|line| Some(line.split_once('\t')?.1));
        let words = reason(&output.stderr, &self.git.secrets());
        match verdict {
            Some(verdict) if is_race(verdict, &words) => Ok(Pushed::Overtaken(verdict.to_owned())),
            Some(verdict) => Ok(Pushed::Refused(match words.as_str() {
                "no reason given" => verdict.to_owned(),
                words => format!("{verdict}: {words}"),
            })),
            None => Err(Error::Refused {
                what: "push",
                place: remote.to_string(),
                message: words,
            }),
        }
    }

    /// What a branch of the remote points at; `None` when there is none.
    ///
    /// # Errors
    /// When the remote cannot be reached.
    pub fn remote_tip(&self, branch: &str) -> Result<Option<String>, Error> {
        let Some(remote) = &self.remote else {
            return Ok(None);
        };
        let list = self
            .git
            .call("ls-remote", remote.to_string())
            .arg(git_dir(&self.dir))
            .with_credentials()
            .args(["ls-remote", "--quiet", "--refs", "--end-of-options"])
            .args([remote.for_git(), &format!("refs/heads/{branch}")])
            .text()?;
        let ends = format!("\trefs/heads/{branch}");
        Ok(list
            .lines()
            .find_map(|line| line.strip_suffix(&ends))
            .map(str::to_owned))
    }

    /// The address or name of the remote, for people.
    #[must_use]
    pub fn remote_name(&self) -> String {
        self.remote
            .as_ref()
            .map_or_else(String::new, Address::to_string)
    }

    /// Forgets what [`Repository::fetch`] kept.
    pub fn forget(&self) {
        if self.temporary.is_some() {
            return;
        }
        for name in [TIP, SECOND] {
            // It is only untidy if it stays.
            let _ = self
                .call("update-ref")
                .args(["update-ref", "-d", name])
                .run();
        }
    }
}

/// Asks again when a connection breaks or a server is busy. A server that is not there at all is
/// not waited for: of many repositories most may be on it.
fn patiently<T>(ask: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    for pause in [250, 1_000] {
        match ask() {
            Err(error) if error.is_interruption() => {
                thread::sleep(Duration::from_millis(pause));
            }
            result => return result,
        }
    }
    ask()
}

/// Whether a push was refused because another one moved the branch before or during it: the words
/// of Git's client and of its servers, which differ by how far the other one was.
fn is_race(verdict: &str, words: &str) -> bool {
    const RACES: &[&str] = &[
        "stale info",
        "fetch first",
        "non-fast-forward",
        "needs force",
        "cannot lock ref",
        "failed to lock",
        "failed to update ref",
        "incorrect old value",
        "unable to resolve reference",
        "reference already exists",
        "remote ref updated since checkout",
    ];
    // A hook may say anything, and its no is final.
    let hook = verdict.contains("hook declined");
    !hook
        && RACES.iter().any(|race| {
            verdict.contains(race) || (verdict.contains("transaction") && words.contains(race))
        })
}

/// A path as fast-import reads it.
fn quoted(path: &str) -> String {
    let mut out = String::from("\"");
    for c in path.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn races_are_tried_again_and_refusals_are_not() {
        for (verdict, race) in [
            ("[rejected] (stale info)", true),
            ("[rejected] (fetch first)", true),
            (
                "[remote rejected] (cannot lock ref 'refs/heads/main': is at a but expected b)",
                true,
            ),
            ("[remote rejected] (failed to update ref)", true),
            ("[remote rejected] (pre-receive hook declined)", false),
            ("[remote rejected] (protected branch hook declined)", false),
        ] {
            assert_eq!(is_race(verdict, ""), race, "{verdict}");
        }
    }
}
