//! From an image's source to the images that its Dockerfile stands on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgfac_dockerfile::{Options, Role};
use imgfac_git::{Address, Checkout, FileError, Git, Wanted};
use imgfac_model::{BaseRole, BaseUse, Branch, ImageName, Provider, RepoPath, Source, Workspace};
use imgfac_state::{ConfinedDir, Discovery, Enrolled, FILE_LIMIT, Fleet, FoundBase, ReadError};
use rayon::prelude::*;

use crate::error::CliError;
use crate::render::{self, clean};

/// Where Dockerfiles are read from.
pub(crate) struct Sources<'s> {
    workspaces: Vec<Tree>,
    own: Own<'s>,
    remote: imgfac_git::Sources,
    /// The branch that images are built from unless they say otherwise.
    home: Branch,
}

/// Whether what is checked out is what a source means: its branch, or on the way to the branch
/// that the factory is about, as a pull request is. An image of another branch is not built from
/// it.
pub(crate) fn stands_for(checked_out: Option<&str>, source: &Source, home: &Branch) -> bool {
    checked_out.is_none_or(|branch| branch == source.branch.as_str()) || source.branch == *home
}

struct Tree {
    workspace: Workspace,
    dir: Result<ConfinedDir, String>,
}

/// The repository that the factory directory lies in, as far as it serves as a source.
pub(crate) enum Own<'s> {
    /// It does not.
    None,
    /// Its working tree, and the branch that is checked out.
    Folder(Checkout, ConfinedDir, Option<String>),
    /// A commit of it.
    Commit {
        /// Its root folder.
        tree: imgfac_git::Tree,
        /// The commit.
        commit: &'s str,
        /// Whether this commit is what a source stands for.
        serves: &'s (dyn Fn(&Source) -> bool + Sync),
    },
}

impl Own<'_> {
    /// The commit, if that is what the run works on.
    pub(crate) fn commit(&self) -> Option<&str> {
        match self {
            Self::Commit { commit, .. } => Some(commit),
            Self::None | Self::Folder(..) => None,
        }
    }

    /// The working tree that a factory directory lies in.
    pub(crate) fn of_folder(git: &Git, factory: &Path) -> Self {
        let found = || {
            let folder = factory.canonicalize().ok()?;
            let checkout = match Checkout::containing(git, &folder) {
                Ok(checkout) => checkout?,
                Err(error) => {
                    let error = clean(&error.to_string());
                    tracing::warn!(%error, "the checkout of the factory directory is not used");
                    return None;
                }
            };
            let dir = ConfinedDir::open(checkout.root()).ok()?;
            let branch = checkout.branch().ok()?;
            Some(Self::Folder(checkout, dir, branch))
        };
        found().unwrap_or(Self::None)
    }
}

/// What is known of the Dockerfiles of a run, so that none is read twice.
#[derive(Default)]
pub(crate) struct Discovered(BTreeMap<ImageName, Found>);

/// What one Dockerfile says, and the source that it was read for.
struct Found {
    source: Source,
    discovery: Arc<Discovery>,
    commit: Option<String>,
    /// Whether it is from the commit that the run works on, which may be another one next time.
    from_commit: bool,
    /// What state said of the last discovery when this one was made.
    state: Option<LastDiscovery>,
}

/// When something new was last found, and at which commit.
type LastDiscovery = (Option<String>, Option<String>);

fn last_discovery(fleet: &Fleet, name: &ImageName) -> Option<LastDiscovery> {
    let state = &fleet.images.get(name.as_str())?.state;
    Some((state.last_discovery.clone(), state.source_commit.clone()))
}

impl Discovered {
    /// Forgets what may be older than what a newer state says: another run may have looked at the
    /// same image since, and what it found must not be undone.
    pub(crate) fn forget_outdated(&mut self, fleet: &Fleet) {
        self.0
            .retain(|name, found| !found.from_commit && found.state == last_discovery(fleet, name));
    }

    /// What was found, by image.
    pub(crate) fn discoveries(&self) -> BTreeMap<ImageName, Arc<Discovery>> {
        let found = self.0.iter();
        found
            .map(|(name, found)| (name.clone(), found.discovery.clone()))
            .collect()
    }

    /// The commits that were read.
    pub(crate) fn commits(&self) -> BTreeMap<ImageName, String> {
        let found = self.0.iter();
        found
            .filter_map(|(name, found)| Some((name.clone(), found.commit.clone()?)))
            .collect()
    }
}

/// Where a Dockerfile is read from.
enum Place<'s> {
    /// A folder of this machine.
    Folder(&'s ConfinedDir),
    /// A folder that cannot be used, and why.
    Unusable(&'s str),
    /// The commit that is being worked on.
    Own,
    /// The remote repository.
    Remote,
}

/// A Dockerfile, and the commit that it was read from.
type Text = Result<(Vec<u8>, Option<String>), String>;

impl<'s> Sources<'s> {
    /// Trees in the order in which they are asked: those of the command line, which are relative to the current
    /// folder, then those of the settings, which are relative to the factory directory.
    ///
    /// One of the command line that cannot be opened is a mistake of this run; its words name a
    /// folder of this machine, so they must not end up in state. One of the settings fails the
    /// images that need it.
    pub(crate) fn new(
        factory: &Path,
        arguments: &[Workspace],
        settings: &[Workspace],
        own: Own<'s>,
        remote: imgfac_git::Sources,
        home: &Branch,
    ) -> Result<Self, CliError> {
        let open = |workspace: &Workspace, dir: PathBuf| Tree {
            dir: ConfinedDir::open(&dir)
                .map_err(|error| format!("workspace {}: {error}", workspace.dir)),
            workspace: workspace.clone(),
        };
        let mut workspaces = Vec::new();
        for workspace in arguments {
            let tree = open(workspace, PathBuf::from(&workspace.dir));
            if let Err(error) = &tree.dir {
                return Err(CliError::usage(format!("cannot open the {error}")));
            }
            workspaces.push(tree);
        }
        workspaces.extend(
            settings
                .iter()
                .map(|workspace| open(workspace, factory.join(&workspace.dir))),
        );
        Ok(Self {
            workspaces,
            own,
            remote,
            home: home.clone(),
        })
    }

    /// Reads the Dockerfiles of those images whose source was not read before.
    pub(crate) fn discover_all<'i>(
        &self,
        images: impl IntoIterator<Item = &'i Enrolled>,
        fleet: &Fleet,
        known: &mut Discovered,
        progress: bool,
    ) {
        let mut managed: Vec<(&ImageName, &Source)> = images
            .into_iter()
            .filter_map(|image| Some((&image.enrolment.name, image.enrolment.source.as_ref()?)))
            .collect();
        let names: BTreeSet<&ImageName> = managed.iter().map(|(name, _)| *name).collect();
        known.0.retain(|name, _| names.contains(name));
        managed.retain(|(name, source)| {
            known.0.get(*name).map(|found| &found.source) != Some(*source)
        });
        // A handful of files is read before anybody could look.
        let visible = progress && managed.len() >= 200;
        let bar = render::progress_bar("Reading Dockerfiles", managed.len(), visible);
        let places: Vec<Place<'_>> = managed
            .iter()
            .map(|(_, source)| self.place(source))
            .collect();
        let mut committed = self.read_committed(&places, &managed);
        let texts: Vec<Option<Text>> = (0..managed.len()).map(|at| committed.remove(&at)).collect();
        let found: Vec<(ImageName, Found)> = managed
            .into_par_iter()
            .zip(places.into_par_iter().zip(texts))
            .map(|((name, source), (place, text))| {
                // Files of folders are read one at a time: together they may be more than fits.
                let text = match (place, text) {
                    (_, Some(text)) => text,
                    (Place::Folder(dir), None) => read_local(dir, source),
                    (Place::Unusable(reason), None) => Err(reason.to_owned()),
                    (Place::Own | Place::Remote, None) => Err("Git did not answer".to_owned()),
                };
                let (discovery, commit) = match text {
                    Ok((text, commit)) => (discover(source, &text), commit),
                    Err(reason) => (Err(reason), None),
                };
                match &discovery {
                    Ok(bases) => {
                        tracing::debug!(image = %name, bases = bases.len(), "Dockerfile read")
                    }
                    Err(error) => {
                        tracing::info!(image = %name, error = %clean(error), "discovery failed")
                    }
                }
                bar.inc(1);
                let found = Found {
                    source: source.clone(),
                    discovery: Arc::new(discovery),
                    commit,
                    from_commit: self.is_from_commit(source),
                    state: last_discovery(fleet, name),
                };
                (name.clone(), found)
            })
            .collect();
        bar.finish_and_clear();
        known.0.extend(found);
    }

    fn is_from_commit(&self, source: &Source) -> bool {
        self.workspace(source).is_none()
            && matches!(&self.own, Own::Commit { serves, .. } if serves(source))
    }

    /// Where the Dockerfile of a source is: in a workspace of that repository, else in one for
    /// every repository, else in the repository that the factory directory lies in, else in the
    /// remote.
    fn place(&self, source: &Source) -> Place<'_> {
        match (self.workspace(source), &self.own) {
            (Some(Ok(dir)), _) => Place::Folder(dir),
            (Some(Err(reason)), _) => Place::Unusable(reason),
            (None, Own::Folder(checkout, dir, branch))
                if checkout.is_of(source.host(), source.repo.as_str())
                    && stands_for(branch.as_deref(), source, &self.home) =>
            {
                Place::Folder(dir)
            }
            (None, Own::Commit { serves, .. }) if serves(source) => Place::Own,
            (None, _) => Place::Remote,
        }
    }

    /// The Dockerfiles that are in Git, many with one call.
    fn read_committed(
        &self,
        places: &[Place<'_>],
        sources: &[(&ImageName, &Source)],
    ) -> BTreeMap<usize, Text> {
        let those = |wanted: fn(&Place<'_>) -> bool| -> Vec<usize> {
            let places = places.iter().enumerate();
            places
                .filter(|(_, place)| wanted(place))
                .map(|(at, _)| at)
                .collect()
        };
        let own = self.read_own(&those(|place| matches!(place, Place::Own)), sources);
        let remote = self.read_remote(&those(|place| matches!(place, Place::Remote)), sources);
        own.into_iter().chain(remote).collect()
    }

    fn workspace(&self, source: &Source) -> Option<&Result<ConfinedDir, String>> {
        let of = |repo: Option<&RepoPath>| {
            self.workspaces
                .iter()
                .find(|tree| tree.workspace.repo.as_ref() == repo)
        };
        Some(&of(Some(&source.repo)).or_else(|| of(None))?.dir)
    }

    fn read_own(&self, wanted: &[usize], sources: &[(&ImageName, &Source)]) -> Vec<(usize, Text)> {
        let source = |at: &usize| sources[*at].1;
        match &self.own {
            Own::None | Own::Folder(..) => Vec::new(),
            Own::Commit { tree, commit, .. } => {
                let paths: Vec<&str> = wanted
                    .iter()
                    .map(|at| source(at).dockerfile.as_str())
                    .collect();
                let texts: Vec<Text> = match tree.read(&paths, FILE_LIMIT) {
                    Ok(files) => files
                        .into_iter()
                        .zip(wanted)
                        .map(|(file, at)| committed(file, commit, source(at)))
                        .collect(),
                    Err(error) => vec![Err(error.to_string()); wanted.len()],
                };
                wanted.iter().copied().zip(texts).collect()
            }
        }
    }

    /// One fetch for each repository, however many images it has.
    fn read_remote(
        &self,
        wanted: &[usize],
        sources: &[(&ImageName, &Source)],
    ) -> Vec<(usize, Text)> {
        let mut branches: BTreeMap<(&str, &RepoPath, &Branch), Vec<usize>> = BTreeMap::new();
        for at in wanted {
            let source = sources[*at].1;
            branches
                .entry((source.host(), &source.repo, &source.branch))
                .or_default()
                .push(*at);
        }
        let mut requests = Vec::new();
        let mut texts = Vec::new();
        for ((host, repo, branch), images) in branches {
            let source = sources[images[0]].1;
            match Address::new(&source.clone_url()) {
                Ok(address) => {
                    let paths = images
                        .iter()
                        .map(|at| sources[*at].1.dockerfile.to_string())
                        .collect();
                    requests.push((
                        images,
                        Wanted {
                            host: host.to_owned(),
                            repo: repo.to_string(),
                            address,
                            branch: branch.to_string(),
                            paths,
                        },
                    ));
                }
                Err(error) => {
                    texts.extend(images.iter().map(|at| (*at, Err(error.to_string()))));
                }
            }
        }
        let (images, wanted): (Vec<Vec<usize>>, Vec<Wanted>) = requests.into_iter().unzip();
        for (images, result) in images
            .into_iter()
            .zip(self.remote.read(&wanted, FILE_LIMIT))
        {
            match result {
                Ok(fetched) => texts.extend(
                    images
                        .iter()
                        .zip(fetched.files)
                        .map(|(at, file)| (*at, committed(file, &fetched.commit, sources[*at].1))),
                ),
                Err(reason) => {
                    let reason = with_remedy(&reason, sources[images[0]].1);
                    texts.extend(images.iter().map(|at| (*at, Err(reason.clone()))));
                }
            }
        }
        texts
    }
}

fn read_local(dir: &ConfinedDir, source: &Source) -> Text {
    match dir.read(source.dockerfile.as_str(), FILE_LIMIT) {
        Ok(text) => Ok((text, None)),
        Err(error) => Err(unreadable(&error, source)),
    }
}

fn committed(file: Result<Vec<u8>, FileError>, commit: &str, source: &Source) -> Text {
    let path = || source.dockerfile.to_string();
    file.map(|text| (text, Some(commit.to_owned())))
        .map_err(|error| {
            let error = match error {
                FileError::Missing => ReadError::Missing { path: path() },
                FileError::Outside => ReadError::Outside {
                    path: path(),
                    folder: PathBuf::new(),
                },
                FileError::NotAFile => ReadError::NotAFile { path: path() },
                FileError::TooLarge { size, limit } => ReadError::TooLarge {
                    path: path(),
                    size,
                    limit,
                },
            };
            unreadable(&error, source)
        })
}

/// Git's words for a server that wants to know who asks are about terminals.
fn with_remedy(reason: &str, source: &Source) -> String {
    let (token, repo) = match source.provider {
        Provider::GitLab => ("GITLAB_TOKEN", &source.repo),
        Provider::GitHub | Provider::Webhook => ("GITHUB_TOKEN", &source.repo),
    };
    if reason.contains("could not read Username") || reason.contains("could not read Password") {
        return format!(
            "cannot read {repo} on {}: it asks who we are; set {token}, configure a credential helper of Git, or pass --workspace {repo}=DIR",
            source.host()
        );
    }
    reason.to_owned()
}

fn discover(source: &Source, text: &[u8]) -> Discovery {
    let path = source.dockerfile.as_str();
    let mut bases = Vec::new();
    for options in options(source) {
        let analysis = imgfac_dockerfile::analyze(text, &options);
        if let Some(error) = analysis.error {
            return Err(format!(
                "{path}:{}:{}: {}",
                error.line, error.column, error.message
            ));
        }
        // A stage needs only those before it, so the last one of all that are needed is built.
        let built = analysis.stages.iter().rposition(|stage| stage.reachable);
        let stage = |at: usize| match analysis.stages.get(at).and_then(|it| it.name.clone()) {
            _ if Some(at) == built => None,
            None => Some(at.to_string()),
            name => name,
        };
        bases.extend(analysis.images.iter().map(|image| {
            FoundBase {
                reference: image.reference.clone(),
                reachable: image.reachable,
                uses: (image.uses())
                    .map(|place| BaseUse {
                        role: match place.role {
                            Role::From => BaseRole::From,
                            Role::Copy => BaseRole::Copy,
                            Role::Mount => BaseRole::Mount,
                        },
                        stage: stage(place.stage),
                    })
                    .collect(),
            }
        }));
    }
    Ok(bases)
}

/// One reading for each platform: a base may be chosen by `TARGETARCH`.
fn options(source: &Source) -> Vec<Options> {
    let one = |platform: Option<String>| Options {
        build_args: source.build_args.clone(),
        target: source.target.as_ref().map(ToString::to_string),
        platform,
    };
    if source.platforms.is_empty() {
        return vec![one(None)];
    }
    source
        .platforms
        .iter()
        .map(|platform| one(Some(platform.to_string())))
        .collect()
}

/// These words go into state files, so they name the repository and never a folder of this
/// machine.
fn unreadable(error: &ReadError, source: &Source) -> String {
    let (path, repo) = (source.dockerfile.as_str(), &source.repo);
    match error {
        ReadError::Missing { .. } => format!("{path}: there is no such file in {repo}"),
        ReadError::Outside { .. } => format!("{path}: leads out of {repo}"),
        ReadError::NotAFile { .. } => format!("{path}: is not a regular file"),
        ReadError::TooLarge { size, limit, .. } => {
            format!("{path}: {size} bytes is more than the limit of {limit}")
        }
        ReadError::Io { source, .. } => format!("{path}: {source}"),
    }
}
