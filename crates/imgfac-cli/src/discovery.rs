//! From an image's source to the images that its Dockerfile stands on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use imgfac_dockerfile::Options;
use imgfac_git::{Checkout, Git, Settings};
use imgfac_model::{ImageName, Source, Workspace};
use imgfac_state::{ConfinedDir, Discovery, Enrolled, FILE_LIMIT, FoundBase, ReadError};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::prelude::*;

use crate::error::CliError;
use crate::render::clean;

/// The local trees that Dockerfiles may be read from.
pub(crate) struct Sources {
    workspaces: Vec<Tree>,
    factory: PathBuf,
    own: OnceLock<Option<(Checkout, ConfinedDir)>>,
}

struct Tree {
    workspace: Workspace,
    dir: Result<ConfinedDir, String>,
}

impl Sources {
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
            factory: factory.to_owned(),
            own: OnceLock::new(),
        })
    }

    /// The tree of a source: a workspace of that repository, else one for every repository, else
    /// the checkout that the factory directory lies in, if it is one of that repository.
    fn tree(&self, source: &Source) -> Result<&ConfinedDir, String> {
        let named = self
            .workspaces
            .iter()
            .find(|tree| tree.workspace.repo.as_ref() == Some(&source.repo));
        let any = || {
            self.workspaces
                .iter()
                .find(|tree| tree.workspace.repo.is_none())
        };
        if let Some(tree) = named.or_else(any) {
            return tree.dir.as_ref().map_err(Clone::clone);
        }
        match self.own() {
            Some((checkout, dir)) if checkout.is_of(source.host(), source.repo.as_str()) => Ok(dir),
            _ => Err(format!(
                "no checkout of {host}/{repo} is at hand; pass --workspace {repo}=DIR, or add \"{repo}=DIR\" to workspaces in imgfac.yaml",
                host = source.host(),
                repo = source.repo
            )),
        }
    }

    fn own(&self) -> Option<&(Checkout, ConfinedDir)> {
        self.own
            .get_or_init(|| {
                let folder = self.factory.canonicalize().ok()?;
                let checkout = match Checkout::containing(&Git::new(Settings::default()), &folder) {
                    Ok(checkout) => checkout?,
                    Err(error) => {
                        let error = clean(&error.to_string());
                        tracing::warn!(%error, "the checkout of the factory directory is not used");
                        return None;
                    }
                };
                let dir = ConfinedDir::open(checkout.root()).ok()?;
                Some((checkout, dir))
            })
            .as_ref()
    }

    /// Reads the Dockerfiles of many images at once.
    pub(crate) fn discover_all<'i>(
        &self,
        images: impl IntoIterator<Item = &'i Enrolled>,
        progress: bool,
    ) -> BTreeMap<ImageName, Discovery> {
        let managed: Vec<(&ImageName, &Source)> = images
            .into_iter()
            .filter_map(|image| Some((&image.enrolment.name, image.enrolment.source.as_ref()?)))
            .collect();
        let bar = progress_bar(managed.len(), progress);
        let found = managed
            .into_par_iter()
            .map(|(name, source)| {
                let discovery = self.discover(source);
                match &discovery {
                    Ok(bases) => {
                        tracing::debug!(image = %name, bases = bases.len(), "Dockerfile read")
                    }
                    Err(error) => {
                        tracing::info!(image = %name, error = %clean(error), "discovery failed")
                    }
                }
                bar.inc(1);
                (name.clone(), discovery)
            })
            .collect();
        bar.finish_and_clear();
        found
    }

    fn discover(&self, source: &Source) -> Discovery {
        let path = source.dockerfile.as_str();
        let text = self
            .tree(source)?
            .read(path, FILE_LIMIT)
            .map_err(|error| unreadable(&error, source))?;
        let mut bases = Vec::new();
        for options in options(source) {
            let analysis = imgfac_dockerfile::analyze(&text, &options);
            if let Some(error) = analysis.error {
                return Err(format!(
                    "{path}:{}:{}: {}",
                    error.line, error.column, error.message
                ));
            }
            bases.extend(analysis.images.into_iter().map(|image| FoundBase {
                reference: image.reference,
                reachable: image.reachable,
            }));
        }
        Ok(bases)
    }
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

fn progress_bar(length: usize, visible: bool) -> ProgressBar {
    // A handful of files is read before anybody could look.
    if !visible || length < 200 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("Reading Dockerfiles [{bar:30}] {pos}/{len} {eta}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
