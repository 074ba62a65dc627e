//! `imgfac analyze`: Dockerfiles to state.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use imgfac_model::{Diagnostic, Digest, ImageName, Reference, Workspace, exit};
use imgfac_state::{
    Build, Configuration, Enrolled, Files, Fleet, RenameError, Stored, Subject, Update,
};

use crate::args::{Format, FormatArg};
use crate::commands::job::JobArgs;
use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::commands::synth::{ManifestArgs, manifest_changes};
use crate::context::Context;
use crate::discovery::{Discovered, Sources};
use crate::error::CliError;
use crate::factory::Factory;
use crate::fleet_graph;
use crate::git;
use crate::published;
use crate::render::{self, CommitReport, Done, JsonReport, Report, WARNING};

/// Options of everything that analyses
#[derive(Debug, Args)]
pub(crate) struct AnalysisArgs {
    /// Write nothing; exit with 4 if something would be written
    #[arg(long, conflicts_with_all = ["commit", "push"])]
    pub(crate) check: bool,
    /// Read Dockerfiles from this local checkout instead of the remote (repeatable)
    ///
    /// Without OWNER/NAME= it serves every repository. `source.dockerfile` is relative to its
    /// root. The same can stand under `workspaces:` in imgfac.yaml, where it counts without --push.
    #[arg(long, value_name = "[OWNER/NAME=]DIR", value_parser = workspace)]
    pub(crate) workspace: Vec<Workspace>,
    /// How many Dockerfiles are read at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Let an image go on under a new name, with its whole state (repeatable)
    ///
    /// OLD is in state and no longer enrolled, NEW is enrolled and has no state; both are
    /// published at the same place.
    #[arg(long, value_name = "OLD=NEW", value_parser = rename)]
    pub(crate) rename: Vec<(String, ImageName)>,
    /// Where fetched sources are kept between runs [default: imgfac/sources in the user's cache]
    #[arg(long, value_name = "DIR", env = "IMGFAC_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}

fn workspace(text: &str) -> Result<Workspace, String> {
    Workspace::new(text).map_err(|error| error.to_string())
}

fn rename(text: &str) -> Result<(String, ImageName), String> {
    let (old, new) = text
        .split_once('=')
        .filter(|(old, _)| !old.is_empty())
        .ok_or("write it as OLD=NEW")?;
    let new = ImageName::new(new).map_err(|error| error.to_string())?;
    Ok((old.to_owned(), new))
}

/// Read the Dockerfiles of all images and update state
///
/// For every managed image of images.yaml the Dockerfile is read from its source, the images it
/// stands on are found as BuildKit would find them, and state/images and state/base-images are
/// brought up to date. An image that fails keeps what was known of it; the others go on.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Only these images [default: all]
    #[arg(value_name = "NAME", conflicts_with = "image")]
    names: Vec<String>,
    #[command(flatten)]
    analysis: AnalysisArgs,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: AnalyzeArgs) -> Result<u8, CliError> {
    let request = Request {
        command: "analyze",
        names: &args.names,
        analysis: &args.analysis,
        publish: &args.publish,
        job: Some(&args.job),
        manifests: None,
        format: args.format.format,
        known: Discovered::default(),
        stood_on: None,
    };
    operation::run(context, request)
}

/// What a run of `analyze` or `sync` is asked for.
pub(crate) struct Request<'r> {
    pub(crate) command: &'static str,
    pub(crate) names: &'r [String],
    pub(crate) analysis: &'r AnalysisArgs,
    pub(crate) publish: &'r PublishArgs,
    pub(crate) job: Option<&'r JobArgs>,
    /// Manifests too.
    pub(crate) manifests: Option<&'r ManifestArgs>,
    pub(crate) format: Format,
    /// What was found so far.
    pub(crate) known: Discovered,
    /// What the build stood on, once that was asked.
    pub(crate) stood_on: Option<BTreeMap<Reference, Digest>>,
}

impl Operation for Request<'_> {
    type Outcome = Analysed;

    fn command(&self) -> &'static str {
        self.command
    }

    fn publish(&self) -> &PublishArgs {
        self.publish
    }

    fn check(&self) -> bool {
        self.analysis.check
    }

    /// Reads Dockerfiles, and applies what they say to the state.
    fn apply<F: Files>(
        &mut self,
        context: &mut Context<'_>,
        factory: &mut Factory<F>,
        round: Round<'_>,
    ) -> Result<Applied<Analysed>, CliError> {
        let now = Context::now()?;
        let commit = round.own.commit().map(str::to_owned);
        let mut build = match self.job {
            Some(job) => job.build(&factory.configuration, self.publish)?,
            None => None,
        };
        let scope = match &build {
            Some((name, _)) => Some(BTreeSet::from([name.clone()])),
            None => scope(factory, self.names)?,
        };
        let mut fleet = factory.fleet()?;
        if !factory.configuration.listed && !fleet.images.is_empty() {
            let known = render::count(fleet.images.len(), "image");
            return Err(CliError::failed(format!(
                "images.yaml lists nothing, and state has {known}; nothing was changed"
            ))
            .with_hint("if all of them shall leave, write an empty list into it: []"));
        }
        if let (Some((name, build)), Some(job)) = (&mut build, self.job)
            && !job.offline()
        {
            build.stood_on = self.stood_on(context, factory, &fleet, name, build)?;
        }
        let renames = renames(
            &self.analysis.rename,
            &factory.configuration,
            &fleet,
            &scope,
        )?;
        let mut diagnostics = factory.unreadable_state(&fleet);
        let settings = &factory.configuration.settings;
        let workspaces = match round.local {
            true => settings.workspaces.as_slice(),
            false => {
                self.passed_over(context, &settings.workspaces)?;
                &[]
            }
        };
        let sources = Sources::new(
            factory.store.path(),
            &self.analysis.workspace,
            workspaces,
            round.own,
            git::sources(round.git, self.analysis.cache_dir.as_ref())?,
            &settings.defaults.branch,
        )?;
        let images = factory.configuration.images.values().filter(|image| {
            scope
                .as_ref()
                .is_none_or(|scope| scope.contains(&image.enrolment.name))
        });
        let (progress, known) = (context.progress, &mut self.known);
        known.forget_outdated(&fleet);
        with_jobs(self.analysis.jobs, || {
            sources.discover_all(images, &fleet, known, progress);
        })?;
        let discoveries = known.discoveries();

        let mut failures: Vec<(Subject, String)> = discoveries
            .iter()
            .filter_map(|(name, discovery)| {
                let error = discovery.as_ref().as_ref().err()?.clone();
                Some((Subject::Image(name.to_string()), error))
            })
            .collect();
        failures.extend(fleet.unreadable.iter().map(|file| {
            (
                file.subject.clone(),
                format!("{} cannot be used: {}", file.path, file.problem.reason),
            )
        }));
        failures.sort();
        failures.dedup_by(|later, first| later.0 == first.0);

        let update = Update {
            scope,
            discoveries,
            commits: known.commits(),
            builds: build.into_iter().collect::<BTreeMap<ImageName, Build>>(),
            renames,
            commit,
            ..Update::new(&factory.configuration, now)
        };
        fleet.recall(&factory.store, &update)?;
        let happened = fleet.apply(&update);
        diagnostics.extend(fleet.warnings.iter().cloned());
        let graph = fleet_graph::graph(&factory.configuration, &fleet);
        let cycles = fleet_graph::cycles(&factory.configuration, &graph);
        let circles = !cycles.is_empty();
        let told = if !context.quiet {
            diagnostics.extend(cycles);
            &diagnostics
        } else if self.manifests.is_some() {
            // The exit code says that something is wrong with the manifests.
            &cycles
        } else {
            &Vec::new()
        };
        render::diagnostics(
            context.err,
            factory.store.path(),
            &factory.configuration.files,
            told,
        )?;
        let mut changes = fleet.changes();
        let mut partly = !failures.is_empty();
        if let Some(args) = self.manifests {
            let manifests = manifest_changes(context, factory, &fleet, args)?;
            changes.extend(manifests.changes);
            partly |= manifests.partly || circles;
        }
        diagnostics.extend(factory.configuration.diagnostics.iter().cloned());
        Ok(Applied {
            outcome: Analysed {
                fleet,
                failures,
                partly,
                diagnostics,
            },
            changes: happened,
            files: changes,
        })
    }

    fn finish<F: Files>(
        self,
        context: &mut Context<'_>,
        factory: &Factory<F>,
        applied: Applied<Analysed>,
        commit: Option<CommitReport>,
    ) -> Result<u8, CliError> {
        let Analysed {
            fleet,
            failures,
            partly,
            diagnostics,
        } = applied.outcome;
        let check = self.analysis.check;
        let done = Done::new(applied.changes, applied.files, check, commit);
        let enrolled = factory.configuration.images.values();
        let managed = enrolled
            .filter(|image| image.enrolment.is_managed())
            .count();
        let code = match (partly, check && !done.is_empty()) {
            (true, _) => exit::PARTLY,
            (false, true) => exit::DIFFERENT,
            (false, false) => exit::DONE,
        };
        let report = Report {
            directory: factory.store.path().display().to_string(),
            managed,
            external: factory.configuration.images.len() - managed,
            bases: fleet.bases.len(),
            on_our_own: fleet
                .images
                .values()
                .filter(|stored| !stored.state.managed_bases.is_empty())
                .count(),
            failures,
            files: &factory.configuration.files,
            diagnostics: &diagnostics,
            done,
        };
        match self.format {
            Format::Json => render::json(context.out, &JsonReport::new(&report))?,
            Format::Text if context.quiet && report.failures.is_empty() => {}
            Format::Text => render::summary(context.out, &report)?,
        }
        Ok(code)
    }
}

impl Request<'_> {
    /// What the registry says that a new build stood on. It is asked once, and what goes wrong is
    /// a note: the build is recorded all the same.
    fn stood_on<F: Files>(
        &mut self,
        context: &mut Context<'_>,
        factory: &Factory<F>,
        fleet: &Fleet,
        name: &ImageName,
        build: &Build,
    ) -> Result<BTreeMap<Reference, Digest>, CliError> {
        if let Some(stood_on) = &self.stood_on {
            return Ok(stood_on.clone());
        }
        let (Some(image), Some(digest)) = (factory.configuration.images.get(name), &build.digest)
        else {
            return Ok(BTreeMap::new());
        };
        let recorded = fleet.images.get(name.as_str());
        if recorded.is_some_and(|Stored { state, .. }| {
            state.current_digest == build.digest && state.current_version == build.version
        }) {
            return Ok(BTreeMap::new());
        }
        let digest = Digest::parse(digest).map_err(CliError::failed)?;
        let registries = &factory.configuration.settings.registries;
        let found = published::stood_on(registries, &image.enrolment, &digest, fleet);
        if let Err(reason) = &found
            && !context.quiet
        {
            writeln!(
                context.err,
                "{WARNING}note:{WARNING:#} what {name} was built on is not known from its registry, so the current digests of its bases count: {}",
                render::clean(&reason.why)
            )?;
        }
        let stood_on = found.unwrap_or_default();
        self.stood_on = Some(stood_on.clone());
        Ok(stood_on)
    }

    /// Says which workspaces of the settings do not count in this run.
    fn passed_over(
        &self,
        context: &mut Context<'_>,
        workspaces: &[Workspace],
    ) -> Result<(), CliError> {
        let given = |one: &&Workspace| {
            let mut given = self.analysis.workspace.iter();
            given.any(|other| other.repo == one.repo)
        };
        let passed_over: Vec<String> = workspaces
            .iter()
            .filter(|one| !given(one))
            .map(ToString::to_string)
            .collect();
        if !passed_over.is_empty() && !context.quiet {
            writeln!(
                context.err,
                "{WARNING}note:{WARNING:#} with --push, workspaces of imgfac.yaml do not count ({}); --workspace names folders of this machine",
                render::clean(&passed_over.join(", "))
            )?;
        }
        Ok(())
    }
}

fn scope<F: Files>(
    factory: &Factory<F>,
    names: &[String],
) -> Result<Option<BTreeSet<ImageName>>, CliError> {
    if names.is_empty() {
        return Ok(None);
    }
    let images = &factory.configuration.images;
    let find = |name: &String| match images.get_key_value(name.as_str()) {
        Some((name, _)) => Ok(name.clone()),
        None => Err(unknown_image(images, name)),
    };
    names.iter().map(find).collect::<Result<_, _>>().map(Some)
}

/// The renamings that are asked for: the old name, by the new one.
fn renames(
    wanted: &[(String, ImageName)],
    configuration: &Configuration,
    fleet: &Fleet,
    scope: &Option<BTreeSet<ImageName>>,
) -> Result<BTreeMap<ImageName, String>, CliError> {
    let mut renames = BTreeMap::new();
    for (old, new) in wanted {
        let refused = |error: String| {
            CliError::usage(format!(
                "cannot rename {} to {new}: {}",
                render::clean(old),
                render::clean(&error)
            ))
        };
        if scope.as_ref().is_some_and(|scope| !scope.contains(new)) {
            return Err(refused(format!("this run is not about \"{new}\"")));
        }
        if let Err(error) = fleet.can_rename(configuration, old, new) {
            return Err(match &error {
                RenameError::Unknown(_) | RenameError::Taken(_) => refused(error.to_string())
                    .with_hint(format!(
                        "if its state is in the archive: imgfac restore {} --as {new}",
                        render::clean(old)
                    )),
                _ => refused(error.to_string()),
            });
        }
        if renames
            .insert(new.clone(), old.clone())
            .is_some_and(|other| other != *old)
        {
            return Err(refused("another image is to have that name".into()));
        }
    }
    Ok(renames)
}

/// The error for a name that no image has.
pub(crate) fn unknown_image(images: &BTreeMap<ImageName, Enrolled>, name: &str) -> CliError {
    let known: Vec<&str> = images.keys().map(ImageName::as_str).collect();
    let error = CliError::usage(format!("no image is called \"{}\"", render::clean(name)));
    match imgfac_model::nearest(name, &known) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint("imgfac status lists them"),
    }
}

/// A fleet that was brought up to date in memory.
pub(crate) struct Analysed {
    fleet: Fleet,
    failures: Vec<(Subject, String)>,
    /// Whether anything is missing, be it an image's bases or its manifests.
    partly: bool,
    diagnostics: Vec<Diagnostic>,
}

fn with_jobs<T: Send>(jobs: Option<u16>, work: impl FnOnce() -> T + Send) -> Result<T, CliError> {
    match jobs {
        None => Ok(work()),
        Some(jobs) => {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(jobs.into())
                .build()
                .map_err(CliError::failed)?;
            Ok(pool.install(work))
        }
    }
}
