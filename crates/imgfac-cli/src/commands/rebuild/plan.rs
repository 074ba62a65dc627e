//! `imgfac rebuild --plan` and `--explain`: what is decided about every image, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use imgfac_model::{ImageName, exit};
use imgfac_rebuild::{Block, Cause, Decision, Plan, Status, json};
use imgfac_state::{Configuration, Fleet};
use jiff::Timestamp;

use crate::args::Format;
use crate::commands::analyze::unknown_image;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::{Access, Factory};
use crate::rebuild_fleet;
use crate::render::{self, BOLD, DIM, clean, columns, count};

/// Decides about every image, as state is.
pub(crate) fn plan(configuration: &Configuration, fleet: &Fleet, now: Timestamp) -> Plan {
    plan_without(configuration, fleet, now, |_| false)
}

/// The same, as if some images were rebuilt by people alone: they start by no rule, and nothing waits
/// for them or goes without for their sake.
pub(super) fn plan_without(
    configuration: &Configuration,
    fleet: &Fleet,
    now: Timestamp,
    left_out: impl Fn(&ImageName) -> bool,
) -> Plan {
    let policy = rebuild_fleet::policy(&configuration.settings.rebuilds);
    let mut images = rebuild_fleet::fleet(configuration, fleet);
    for (name, image) in &mut images.images {
        if left_out(name) {
            image.schedule.auto = false;
            image.emergency = None;
        }
    }
    imgfac_rebuild::plan(&images, &policy, now)
}

/// A time of the program.
pub(super) fn to_time(text: &str) -> Result<Timestamp, CliError> {
    text.parse().map_err(CliError::failed)
}

pub(super) fn show(
    context: &mut Context<'_>,
    names: &[String],
    format: Format,
) -> Result<u8, CliError> {
    let (plan, code) = read(context, names)?;
    match format {
        Format::Json => as_json(context, plan, names)?,
        Format::Text => write!(context.out, "{}", table(&plan, names))?,
    }
    Ok(code)
}

pub(super) fn explain(
    context: &mut Context<'_>,
    name: &String,
    format: Format,
) -> Result<u8, CliError> {
    let names = std::slice::from_ref(name);
    let (plan, code) = read(context, names)?;
    match format {
        Format::Json => as_json(context, plan, names)?,
        Format::Text => {
            let told = plan.explain(name).unwrap_or_default();
            for sentence in sentences(&clean(&told)) {
                writeln!(context.out, "{sentence}")?;
            }
        }
    }
    Ok(code)
}

/// The plan, or what it says of some images. Its identity is that of the whole plan.
fn as_json(context: &mut Context<'_>, plan: Plan, names: &[String]) -> Result<(), CliError> {
    let text = json(&plan, |image| {
        names.is_empty() || names.iter().any(|name| name == image.name.as_str())
    });
    let text = text.map_err(CliError::failed)?;
    writeln!(context.out, "{}", render::clean_json(text))?;
    Ok(())
}

fn read(context: &mut Context<'_>, names: &[String]) -> Result<(Plan, u8), CliError> {
    let mut factory = Factory::open(context, Access::Read)?;
    let fleet = factory.fleet()?;
    let unreadable = factory.tell_unreadable(context, &fleet)?;
    ours(&factory.configuration, names)?;
    let plan = plan(&factory.configuration, &fleet, to_time(&Context::now()?)?);
    let code = match unreadable.is_empty() {
        true => exit::DONE,
        false => exit::PARTLY,
    };
    Ok((plan, code))
}

/// Refuses names that are not images which we build.
pub(super) fn ours(configuration: &Configuration, names: &[String]) -> Result<(), CliError> {
    let images = &configuration.images;
    for name in names {
        match images.get(name.as_str()) {
            None => return Err(unknown_image(images, name)),
            Some(image) if !image.enrolment.is_managed() => {
                return Err(CliError::usage(format!(
                    "{name} is external: it has no source, so others build it"
                ))
                .with_hint("imgfac status shows what is known of it"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// One sentence a line, where the next begins with a capital letter or a name.
fn sentences(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(". ") {
        lines.push(&rest[..=at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    lines
}

/// The table: all images that something is to be said of, or those that were named.
fn table(plan: &Plan, names: &[String]) -> String {
    let named = |image: &Decision| names.iter().any(|name| name == image.name.as_str());
    let quiet = |image: &Decision| match &image.status {
        Status::UpToDate(_) => true,
        Status::Pinned { behind } => behind.is_empty(),
        _ => false,
    };
    let shown: Vec<&Decision> = (plan.images.iter())
        .filter(|image| match names.is_empty() {
            true => !quiet(image),
            false => named(image),
        })
        .collect();
    let mut text = summary(plan);
    if !shown.is_empty() {
        let header = ["IMAGE", "STATUS", "WHY", "WHEN", "WAVE", "BECAUSE OF"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(shown.iter().map(|image| row(image)));
        text.push('\n');
        for line in columns(&rows) {
            let _ = writeln!(text, "{line}");
        }
        text.push('\n');
    }
    let id: String = plan.id().as_str().chars().take(ID_SHOWN).collect();
    let wakes = match plan.wakes_at {
        Some(at) => format!("; time alone changes nothing before {at}"),
        None => String::new(),
    };
    let _ = writeln!(text, "{DIM}Plan {id} for {}{wakes}.{DIM:#}", plan.now);
    text
}

/// So much of the identity of a plan is shown, and is enough to name it.
pub(super) const ID_SHOWN: usize = 12;

fn summary(plan: &Plan) -> String {
    if plan.images.is_empty() {
        return "No image is built by us: there is nothing to rebuild.\n".to_owned();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for image in &plan.images {
        *counts.entry(image.status.code()).or_default() += 1;
    }
    let order = [
        "due",
        "in-flight",
        "failed",
        "blocked",
        "waiting",
        "manual",
        "pinned",
        "up-to-date",
    ];
    let parts = order.iter().filter_map(|code| {
        let number = counts.get(code)?;
        Some(format!("{number} {}", code.replace('-', " ")))
    });
    let parts: Vec<String> = parts.collect();
    format!(
        "{BOLD}{}{BOLD:#}: {}\n",
        count(plan.images.len(), "image"),
        parts.join(", ")
    )
}

fn row(image: &Decision) -> Vec<String> {
    let bases: BTreeSet<String> = image.causes.iter().map(familiar).collect();
    let bases: Vec<String> = bases.into_iter().collect();
    vec![
        image.name.to_string(),
        image.status.code().to_owned(),
        clean(&why(image)),
        when(image),
        image
            .wave
            .map_or_else(|| "-".into(), |wave| wave.to_string()),
        match bases.is_empty() {
            true => "-".to_owned(),
            false => clean(&first_of(&bases)),
        },
    ]
}

fn familiar(cause: &Cause) -> String {
    cause.base.familiar()
}

/// The reason, with what it is about where that is short.
fn why(image: &Decision) -> String {
    let reason = image.status.reason();
    match &image.status {
        Status::Blocked(Block::Parents(parents)) => {
            let names: Vec<String> = parents.iter().map(ToString::to_string).collect();
            format!("{reason}: {}", first_of(&names))
        }
        Status::Blocked(Block::Unobserved(bases)) => {
            let names: Vec<String> = bases.iter().map(|base| base.familiar()).collect();
            format!("{reason}: {}", first_of(&names))
        }
        Status::Failed { attempt, .. } => format!("{reason} after {}", count(*attempt, "attempt")),
        Status::Due { attempt, .. } if *attempt > 1 => format!("{reason}, attempt {attempt}"),
        _ => reason.to_owned(),
    }
}

/// The first two, and how many more: a line of the table is to be read at once.
fn first_of(names: &[String]) -> String {
    match names {
        [first, second, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second} and {} more", rest.len())
        }
        names => names.join(", "),
    }
}

fn when(image: &Decision) -> String {
    let at = match &image.status {
        Status::Waiting { until, .. } => Some(*until),
        Status::Failed { next_try, .. } => Some(*next_try),
        Status::InFlight { started, .. } => return format!("since {started}"),
        Status::Due { .. } => return "now".to_owned(),
        Status::Manual => image.eligible_at,
        _ => None,
    };
    at.map_or_else(|| "-".to_owned(), |at| at.to_string())
}
