//! `imgfac analyze`: Dockerfiles to state.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use imgfac_graph::Graph;
use imgfac_model::{Code, Diagnostic, ImageName, Workspace, exit};
use imgfac_state::{Change, Enrolled, FileChange, Fleet, Subject, Update};

use crate::args::{Format, FormatArg};
use crate::context::Context;
use crate::discovery::Sources;
use crate::error::CliError;
use crate::factory::{Access, Factory};
use crate::render::{self, JsonReport, Report};

/// Options of everything that analyses
#[derive(Debug, Args)]
pub(crate) struct AnalysisArgs {
    /// Write nothing; exit with 4 if something would be written
    #[arg(long)]
    pub(crate) check: bool,
    /// Read Dockerfiles from this local checkout instead of the remote (repeatable)
    ///
    /// Without OWNER/NAME= it serves every repository. `source.dockerfile` is relative to its
    /// root. The same can stand under `workspaces:` in imgfac.yaml.
    #[arg(long, value_name = "[OWNER/NAME=]DIR", value_parser = workspace)]
    pub(crate) workspace: Vec<Workspace>,
    /// How many Dockerfiles are read at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
}

fn workspace(text: &str) -> Result<Workspace, String> {
    Workspace::new(text).map_err(|error| error.to_string())
}

/// Read the Dockerfiles of all images and update state
///
/// For every managed image of images.yaml the Dockerfile is read from its source, the images it
/// stands on are found as BuildKit would find them, and state/images and state/base-images are
/// brought up to date. An image that fails keeps what was known of it; the others go on.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Only these images [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    analysis: AnalysisArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: AnalyzeArgs) -> Result<u8, CliError> {
    let access = if args.analysis.check {
        Access::Read
    } else {
        Access::Write
    };
    let factory = Factory::open(context, access)?;
    let scope = scope(&factory, &args.names)?;
    let analysed = analyse(context, factory, &args.analysis, scope)?;
    let changes = analysed.fleet.changes();
    finish(
        context,
        analysed,
        &changes,
        &args.analysis,
        args.format.format,
    )
}

fn scope(factory: &Factory, names: &[String]) -> Result<Option<BTreeSet<ImageName>>, CliError> {
    if names.is_empty() {
        return Ok(None);
    }
    let known: Vec<&str> = factory
        .configuration
        .images
        .keys()
        .map(ImageName::as_str)
        .collect();
    let find = |name: &String| {
        factory
            .configuration
            .images
            .get_key_value(name.as_str())
            .map(|(name, _)| name.clone())
            .ok_or_else(|| {
                let error =
                    CliError::usage(format!("no image is called \"{}\"", render::clean(name)));
                match imgfac_model::nearest(name, &known) {
                    Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
                    None => error.with_hint("imgfac status lists them"),
                }
            })
    };
    names.iter().map(find).collect::<Result<_, _>>().map(Some)
}

/// A fleet that was brought up to date in memory.
pub(crate) struct Analysed {
    pub(crate) factory: Factory,
    pub(crate) fleet: Fleet,
    changes: Vec<Change>,
    failures: Vec<(Subject, String)>,
    diagnostics: Vec<Diagnostic>,
}

/// Reads Dockerfiles and applies what they say to the state, without writing.
pub(crate) fn analyse(
    context: &mut Context<'_>,
    mut factory: Factory,
    args: &AnalysisArgs,
    scope: Option<BTreeSet<ImageName>>,
) -> Result<Analysed, CliError> {
    let now = Context::now()?;
    let mut fleet = factory.fleet()?;
    let mut diagnostics = factory.unreadable_state(&fleet);
    let sources = Sources::new(
        factory.store.path(),
        &args.workspace,
        &factory.configuration.settings.workspaces,
    )?;
    let images = factory.configuration.images.values().filter(|image| {
        scope
            .as_ref()
            .is_none_or(|scope| scope.contains(&image.enrolment.name))
    });
    let progress = context.progress;
    let discoveries = with_jobs(args.jobs, || sources.discover_all(images, progress))?;

    let mut failures: Vec<(Subject, String)> = discoveries
        .iter()
        .filter_map(|(name, discovery)| {
            let error = discovery.as_ref().err()?.clone();
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

    let changes = fleet.apply(&Update {
        configuration: &factory.configuration,
        scope,
        discoveries,
        commits: BTreeMap::new(),
        builds: BTreeMap::new(),
        now,
    });
    diagnostics.extend(cycles(&factory, &fleet));
    if !context.quiet {
        render::diagnostics(
            context.err,
            factory.store.path(),
            &factory.configuration.files,
            &diagnostics,
        )?;
    }
    diagnostics.extend(factory.configuration.diagnostics.iter().cloned());
    Ok(Analysed {
        factory,
        fleet,
        changes,
        failures,
        diagnostics,
    })
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

/// Images of ours that stand on each other in a circle can never be rebuilt in order.
fn cycles(factory: &Factory, fleet: &Fleet) -> Vec<Diagnostic> {
    let images = &factory.configuration.images;
    let edges = images.keys().flat_map(|name| {
        let bases = fleet
            .images
            .get(name.as_str())
            .map(|stored| stored.state.managed_bases.as_slice());
        bases
            .unwrap_or_default()
            .iter()
            .map(|base| (name.clone(), base.name.clone()))
    });
    let graph = Graph::new(images.keys().cloned(), edges);
    let describe = |names: Vec<ImageName>| {
        let mut members = names.iter().filter_map(|name| images.get(name));
        let first: &Enrolled = members.next()?;
        let list: Vec<&str> = names.iter().map(ImageName::as_str).collect();
        let message = match list.as_slice() {
            [one] => format!("{one} stands on itself"),
            _ => format!(
                "images stand on each other in a circle: {}",
                list.join(", ")
            ),
        };
        let mut diagnostic = Diagnostic::warning(
            Code::DependencyCycle,
            message,
            first.at.clone(),
            "in the circle",
        );
        for member in members {
            diagnostic = diagnostic.with_related(member.at.clone(), "in the circle");
        }
        Some(
            diagnostic
                .with_help("no order can rebuild them: let one of them stand on another image"),
        )
    };
    graph.cycles().into_iter().filter_map(describe).collect()
}

/// Writes the changes, unless only asked, and says what happened.
pub(crate) fn finish(
    context: &mut Context<'_>,
    analysed: Analysed,
    changes: &[FileChange],
    args: &AnalysisArgs,
    format: Format,
) -> Result<u8, CliError> {
    let Analysed {
        factory,
        fleet,
        changes: happened,
        failures,
        diagnostics,
    } = analysed;
    if !args.check {
        factory.store.commit(changes)?;
    }
    let (mut written, mut removed) = (Vec::new(), Vec::new());
    for change in changes {
        match change {
            FileChange::Write { path, .. } => written.push(path.clone()),
            FileChange::Remove { path } => removed.push(path.clone()),
        }
    }
    let enrolled = factory.configuration.images.values();
    let managed = enrolled
        .filter(|image| image.enrolment.is_managed())
        .count();
    let code = match (args.check && !changes.is_empty(), failures.is_empty()) {
        (_, false) => exit::PARTLY,
        (true, true) => exit::DIFFERENT,
        (false, true) => exit::DONE,
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
        changes: happened,
        failures,
        files: &factory.configuration.files,
        diagnostics: &diagnostics,
        written,
        removed,
        check: args.check,
    };
    match format {
        Format::Json => render::json(context.out, &JsonReport::new(&report))?,
        Format::Text if context.quiet && report.failures.is_empty() => {}
        Format::Text => render::summary(context.out, &report)?,
    }
    Ok(code)
}
