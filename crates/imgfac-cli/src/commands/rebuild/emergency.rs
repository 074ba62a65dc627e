//! `imgfac rebuild --emergency`: which images cannot wait, who says so, and the record of it.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal as _};

use imgfac_kargo::{Purpose, resource_name};
use imgfac_model::{ImageName, RebuildThrough, Rebuilds, exit};
use imgfac_state::{AUDIT, AskedEmergency, Files, Fleet};
use jiff::{SignedDuration, Timestamp};

use super::which::Which;
use super::{RebuildArgs, cluster, due, plan};
use crate::commands::analyze::unknown_image;
use crate::commands::graph::find;
use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::{Access, Factory};
use crate::fleet_graph;
use crate::git::variable;
use crate::render::{self, BOLD, CommitReport, DIM, EMERGENCY_DAYS, clean, count};

/// What somebody wants, and what is known at that time.
pub(super) struct Wanted {
    pub(super) factory: Factory,
    pub(super) fleet: Fleet,
    /// Which images.
    pub(super) images: BTreeSet<ImageName>,
    /// The Warehouse whose freight comes first on a cluster: that of the base.
    pub(super) first: Option<String>,
    pub(super) asked: AskedEmergency,
    /// Whether images may be missing, since their state cannot be read.
    partial: bool,
}

impl Wanted {
    /// The reason, with the vulnerabilities.
    pub(super) fn full_reason(&self) -> String {
        match self.asked.vulnerabilities.as_slice() {
            [] => self.asked.reason.clone(),
            ids => format!("{} ({})", self.asked.reason, ids.join(", ")),
        }
    }

    pub(super) fn is_partial(&self) -> bool {
        self.partial
    }
}

pub(super) fn run(
    context: &mut Context<'_>,
    args: &RebuildArgs,
    reason: &str,
) -> Result<u8, CliError> {
    let mut factory = Factory::open(context, Access::Read)?;
    let fleet = factory.fleet()?;
    let unreadable = factory.tell_unreadable(context, &fleet)?;
    let (images, first) = images(&factory, &fleet, args)?;
    let asked = AskedEmergency {
        asked_at: Context::now()?,
        reason: reason.to_owned(),
        actor: actor(),
        vulnerabilities: args.vulnerabilities.clone(),
    };
    may_ask(&asked, &factory.configuration.settings.rebuilds)?;
    let wanted = Wanted {
        partial: args.names.is_empty() && !unreadable.is_empty(),
        factory,
        fleet,
        images,
        first,
        asked,
    };
    match args.through(&wanted.factory.configuration.settings.rebuilds) {
        RebuildThrough::Kargo => cluster::run(context, args, &wanted),
        RebuildThrough::Ci => through_ci(context, args, &wanted),
    }
}

/// Refuses whom the settings do not name.
///
/// What is pushed is decided by the settings of the branch, which are not those of the folder: who
/// asks could have edited these.
pub(super) fn may_ask(asked: &AskedEmergency, settings: &Rebuilds) -> Result<(), CliError> {
    let allowed = &settings.emergency_actors;
    let named = |it: &String| it.eq_ignore_ascii_case(&asked.actor);
    if allowed.is_empty() || allowed.iter().any(named) {
        return Ok(());
    }
    let who = match asked.actor.as_str() {
        "" => "nobody knows who asks".to_owned(),
        actor => format!("{actor} may not ask for an emergency"),
    };
    Err(CliError::failed(format!(
        "{who}: emergencyActors in imgfac.yaml names who may"
    ))
    .with_hint("GITHUB_ACTOR, GITLAB_USER_LOGIN or USER says who asks"))
}

/// Who asks: the name that CI gives, else that of the login; empty when nobody knows.
fn actor() -> String {
    let names = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER"];
    let name = names.iter().find_map(|name| variable(name));
    let name = clean(name.unwrap_or_default().trim());
    name.chars().take(100).collect()
}

/// Which images are meant, and the Warehouse of the base that they are meant for.
fn images(
    factory: &Factory,
    fleet: &Fleet,
    args: &RebuildArgs,
) -> Result<(BTreeSet<ImageName>, Option<String>), CliError> {
    let images = &factory.configuration.images;
    let mut names = BTreeSet::new();
    for name in &args.names {
        match images.get_key_value(name.as_str()) {
            Some((name, _)) => names.insert(name.clone()),
            None => return Err(unknown_image(images, name)),
        };
    }
    let mut first = None;
    if let Some(base) = &args.base {
        let graph = fleet_graph::graph(&factory.configuration, fleet);
        let base = find(&graph, base)?;
        let node = graph.node(base);
        let purpose = match node.kind {
            imgfac_graph::Kind::Base => Purpose::BaseWarehouse,
            _ => Purpose::ImageWarehouse,
        };
        first = Some(resource_name(purpose, &node.name));
        let cascade = graph.cascade(base);
        let builds = cascade.builds.iter().map(|build| build.image);
        let held = cascade.held.iter().map(|held| held.image);
        let reached = builds.chain(held).chain(cascade.behind_held);
        names.extend(reached.filter_map(|index| {
            let (name, _) = images.get_key_value(graph.node(index).name.as_str())?;
            Some(name.clone())
        }));
        if names.is_empty() {
            let label = clean(&node.label());
            return Err(
                CliError::failed(format!("no image is rebuilt by an update of {label}"))
                    .with_hint("imgfac graph --cascade shows what an update means"),
            );
        }
    }
    if args.all_affected {
        let now = plan::to_time(&Context::now()?)?;
        let plan = plan::plan(&factory.configuration, fleet, now);
        let lacking = plan.images.iter().filter(|it| !it.causes.is_empty());
        names.extend(lacking.map(|it| it.name.clone()));
        if names.is_empty() {
            return Err(
                CliError::failed("no image lacks an update of what it stands on").with_hint(
                    "imgfac observe --all looks for updates; imgfac rebuild shows the plan",
                ),
            );
        }
    }
    Ok((names, first))
}

fn through_ci(
    context: &mut Context<'_>,
    args: &RebuildArgs,
    wanted: &Wanted,
) -> Result<u8, CliError> {
    let images = &wanted.factory.configuration.images;
    let mut rows = Vec::new();
    let mut possible = 0;
    for name in in_order(wanted) {
        let enrolment = &images[name].enrolment;
        let what = match &enrolment.source {
            Some(source) => {
                possible += 1;
                format!("{} of {}", source.provider, source.repo)
            }
            None => "not possible: it has no source, so others build it".to_owned(),
        };
        let criticality = enrolment.criticality.to_string();
        rows.push(vec![name.to_string(), criticality, what]);
    }
    if possible == 0 {
        return Err(CliError::failed(
            "none of these images is built by us: they have no source",
        ));
    }
    if args.dry_run {
        for (name, line) in in_order(wanted).into_iter().zip(render::columns(&rows)) {
            let word = match images[name].enrolment.source {
                Some(_) => "would start ",
                None => "cannot start",
            };
            writeln!(context.out, "  {word}  {line}")?;
        }
        return Ok(exit::DONE);
    }
    consent(context, args, wanted, "through CI", &rows, possible)?;
    let code = due::begin(
        context,
        args,
        Which::Emergency(&wanted.asked, &wanted.images),
    )?;
    Ok(match code {
        exit::DONE if wanted.partial => exit::PARTLY,
        code => code,
    })
}

/// The images that are meant, in the order in which they are rebuilt: the most critical first, then
/// parents before children.
pub(super) fn in_order(wanted: &Wanted) -> Vec<&ImageName> {
    let Wanted { factory, fleet, .. } = wanted;
    let graph = fleet_graph::graph(&factory.configuration, fleet);
    let place = |name: &ImageName| {
        let index = graph.image(name.as_str());
        let wave = index.and_then(|index| graph.order().wave(index));
        let criticality = factory.configuration.images[name].enrolment.criticality;
        (criticality, wave.unwrap_or_default(), name.clone())
    };
    let mut names: Vec<&ImageName> = wanted.images.iter().collect();
    names.sort_by_cached_key(|name| place(name));
    names
}

/// Asks a person, who sees what will happen. Where nobody can answer, `--yes` must have.
///
/// # Errors
///
/// When nobody consents.
pub(super) fn consent(
    context: &mut Context<'_>,
    args: &RebuildArgs,
    wanted: &Wanted,
    place: &str,
    rows: &[Vec<String>],
    possible: usize,
) -> Result<(), CliError> {
    if args.yes {
        return Ok(());
    }
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(CliError::usage("an emergency needs somebody's consent")
            .with_hint("add --yes where nobody can be asked, or try it with --dry-run"));
    }
    writeln!(context.err, "{BOLD}Emergency rebuild {place}:{BOLD:#}")?;
    for line in render::columns(rows) {
        writeln!(context.err, "  {line}")?;
    }
    let reason = clean(&wanted.full_reason());
    writeln!(context.err, "{DIM}reason:{DIM:#} {reason}")?;
    let before = before(&wanted.factory.store, &wanted.asked.asked_at);
    if let Some(before) = render::emergencies_before(before) {
        writeln!(context.err, "{DIM}{before}{DIM:#}")?;
    }
    let images = count(possible, "image");
    write!(context.err, "Rebuild {images} now? [y/N] ")?;
    context.err.flush()?;
    match said_yes(&mut std::io::stdin().lock()).map_err(CliError::failed)? {
        true => Ok(()),
        false => Err(CliError::failed("nothing was asked for")),
    }
}

fn said_yes(input: &mut impl BufRead) -> std::io::Result<bool> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    let answer = answer.trim().to_lowercase();
    Ok(answer == "y" || answer == "yes")
}

/// How many emergencies are on record of the thirty days before a time, and of its second.
pub(super) fn before(files: &dyn Files, time: &str) -> usize {
    count_before(&files.yaml_files(AUDIT).unwrap_or_default(), time)
}

/// The same, with the names of the files of [`AUDIT`], which begin with the time of each.
pub(crate) fn count_before(names: &[String], time: &str) -> usize {
    let since = time.parse::<Timestamp>().ok().and_then(|time| {
        let days = SignedDuration::from_hours(24 * EMERGENCY_DAYS);
        time.checked_sub(days).ok()
    });
    let since = since.map(|since| since.to_string()).unwrap_or_default();
    let [since, until] = [since.as_str(), time].map(|time| {
        let digits = time.chars().filter(char::is_ascii_alphanumeric);
        digits.collect::<String>()
    });
    let recent = |name: &&String| **name >= since && (**name < until || name.starts_with(&until));
    names.iter().filter(recent).count()
}

/// Writes into state who asked for an emergency, why and for what, before it is asked for.
pub(super) fn record(
    context: &mut Context<'_>,
    args: &RebuildArgs,
    asked: &AskedEmergency,
    images: &[&str],
) -> Result<(), CliError> {
    let record = Record {
        publish: &args.publish,
        asked,
        images,
    };
    operation::run(context, record).map(|_| ())
}

struct Record<'a> {
    publish: &'a PublishArgs,
    asked: &'a AskedEmergency,
    images: &'a [&'a str],
}

impl Operation for Record<'_> {
    type Outcome = ();

    fn command(&self) -> &'static str {
        "rebuild"
    }

    fn publish(&self) -> &PublishArgs {
        self.publish
    }

    fn apply<F: Files>(
        &mut self,
        _: &mut Context<'_>,
        factory: &mut Factory<F>,
        _: Round<'_>,
    ) -> Result<Applied<()>, CliError> {
        may_ask(self.asked, &factory.configuration.settings.rebuilds)?;
        Ok(Applied {
            outcome: (),
            changes: Vec::new(),
            files: vec![self.asked.record(self.images)],
        })
    }

    fn finish<F: Files>(
        self,
        _: &mut Context<'_>,
        _: &Factory<F>,
        _: Applied<()>,
        _: Option<CommitReport>,
    ) -> Result<u8, CliError> {
        Ok(exit::DONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_consent() {
        for (answer, expected) in [
            ("y\n", true),
            (" YES \n", true),
            ("\n", false),
            ("", false),
            ("no\n", false),
            ("yep\n", false),
        ] {
            assert_eq!(
                said_yes(&mut answer.as_bytes()).unwrap(),
                expected,
                "{answer:?}"
            );
        }
    }
}
