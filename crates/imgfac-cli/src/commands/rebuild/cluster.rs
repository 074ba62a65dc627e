//! `imgfac rebuild --emergency` on a cluster with Kargo.

use std::collections::BTreeMap;

use imgfac_cluster::{Emergency, Options, Promoted};
use imgfac_kargo::{Manifests, Purpose, Resource, Stage, Subject, resource_name};
use imgfac_model::{Criticality, ImageName, exit};
use imgfac_state::Fleet;

use super::RebuildArgs;
use super::emergency::{self, Wanted};
use crate::args::Format;
use crate::commands::synth::manifests;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::{self, RebuildOutcome, RebuildReport};

/// An image that is to be rebuilt.
struct Target {
    name: ImageName,
    criticality: Criticality,
    /// What starts it, or why nothing can.
    trigger: Result<Trigger, String>,
}

struct Trigger {
    stage: String,
    /// Whose Freight the Stage takes, best first.
    warehouses: Vec<String>,
}

/// Asks the cluster for the rebuilds of some images.
pub(super) fn run(
    context: &mut Context<'_>,
    args: &RebuildArgs,
    wanted: &Wanted,
) -> Result<u8, CliError> {
    let factory = &wanted.factory;
    let targets = targets(context, wanted)?;
    let possible = targets
        .iter()
        .filter(|target| target.trigger.is_ok())
        .count();
    let before = emergency::before(&factory.store, &wanted.asked.asked_at);
    if possible > 0 && !args.dry_run {
        let namespace = &factory.configuration.settings.namespace;
        let rows = targets.iter().map(|target| {
            let what = match &target.trigger {
                Ok(trigger) => trigger.stage.clone(),
                Err(why) => format!("not possible: {why}"),
            };
            [
                target.name.to_string(),
                target.criticality.to_string(),
                render::clean(&what),
            ]
            .to_vec()
        });
        let rows: Vec<Vec<String>> = rows.collect();
        let place = format!("in the namespace {namespace}");
        emergency::consent(context, args, wanted, &place, &rows, possible)?;
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        emergency::record(context, args, &wanted.asked, &names)?;
    }
    let now = wanted.asked.asked_at.parse().map_err(CliError::failed)?;
    let emergencies: Vec<Emergency> = targets
        .iter()
        .filter_map(|target| Some((target, target.trigger.as_ref().ok()?)))
        .map(|(target, trigger)| Emergency {
            namespace: factory.configuration.settings.namespace.clone(),
            image: target.name.clone(),
            stage: trigger.stage.clone(),
            warehouses: trigger.warehouses.clone(),
            reason: wanted.full_reason(),
            now,
        })
        .collect();
    let answers = match emergencies.is_empty() {
        true => Vec::new(),
        false => args
            .context
            .run(Options::default(), async |cluster, stop| {
                cluster.emergencies(&emergencies, args.dry_run, stop).await
            })?,
    };
    let report = RebuildReport {
        images: outcomes(targets, answers),
        reason: wanted.full_reason(),
        before,
        dry_run: args.dry_run,
    };
    match args.format.format {
        Format::Text => render::rebuilds(context.out, &report, context.quiet)?,
        Format::Json => render::json(context.out, &report.to_json())?,
    }
    // Who stands on a base can only be said of those whose state can be read.
    let partly = wanted.is_partial();
    Ok(match report.started() {
        started if started == report.images.len() && !partly => exit::DONE,
        0 if !report.images.is_empty() => exit::FAILED,
        _ => exit::PARTLY,
    })
}

/// The images that are meant: the most critical first, then parents before children.
fn targets(context: &mut Context<'_>, wanted: &Wanted) -> Result<Vec<Target>, CliError> {
    let Wanted { factory, fleet, .. } = wanted;
    let images = &factory.configuration.images;
    // What is wrong elsewhere is no news now.
    let mut nowhere = std::io::sink();
    let manifests = manifests(&mut context.silent(&mut nowhere), factory, fleet)?;
    let mut triggers = triggers(&manifests, wanted.first.as_deref());
    let targets = emergency::in_order(wanted).into_iter().map(|name| Target {
        criticality: images[name].enrolment.criticality,
        trigger: triggers
            .remove(name)
            .ok_or_else(|| why_not(factory, fleet, &manifests, name)),
        name: name.clone(),
    });
    Ok(targets.collect())
}

/// What starts the rebuild of each image. The Warehouse `first` comes first, where it is one of
/// them.
fn triggers<'m>(manifests: &'m Manifests, first: Option<&str>) -> BTreeMap<&'m ImageName, Trigger> {
    let trigger = |stage: &Stage| {
        let requested = stage.spec.requested_freight.iter();
        let mut warehouses: Vec<String> = requested
            .map(|requested| requested.origin.name.clone())
            .collect();
        warehouses.sort_by_key(|name| Some(name.as_str()) != first);
        Trigger {
            stage: stage.metadata.name.clone(),
            warehouses,
        }
    };
    let groups = manifests.groups.iter().filter_map(|group| {
        let Subject::Image(name) = &group.subject else {
            return None;
        };
        let wanted = resource_name(Purpose::TriggerStage, name.as_str());
        let stage = group.resources.iter().find_map(|resource| match resource {
            Resource::Stage(stage) if stage.metadata.name == wanted => Some(stage),
            _ => None,
        })?;
        Some((name, trigger(stage)))
    });
    groups.collect()
}

/// Why an image has no Stage that rebuilds it.
fn why_not(factory: &Factory, fleet: &Fleet, manifests: &Manifests, name: &ImageName) -> String {
    let image = &factory.configuration.images[name];
    if !image.enrolment.is_managed() {
        return "it is external: it has no source, so others build it".into();
    }
    if fleet.unreadable_image(name.as_str()).is_some() {
        return "its state file cannot be used: mend it first".into();
    }
    let mut problems = manifests
        .problems
        .iter()
        .filter(|problem| matches!(&problem.subject, Subject::Image(subject) if subject == name));
    if let Some(problem) = problems.next() {
        return format!("it has no Stage that rebuilds it: {}", problem.message);
    }
    let stored = fleet.images.get(name.as_str()).map(|it| &it.state);
    if stored.is_none_or(|state| state.base_images.is_empty() && state.managed_bases.is_empty()) {
        return "no base of it is known, so it has no Stage that rebuilds it: after `imgfac sync`, if it has one, ask again; else start its build yourself".into();
    }
    "no update of a base means a rebuild of it, so it has no Stage that does: start its build yourself".into()
}

/// Puts the answers of the cluster, one for each target that it was asked about, to the targets.
fn outcomes(
    targets: Vec<Target>,
    answers: Vec<Result<Promoted, imgfac_cluster::Error>>,
) -> Vec<(ImageName, RebuildOutcome)> {
    let mut answers = answers.into_iter();
    let outcome = |target: Target| {
        let outcome = match target.trigger {
            Err(why) => RebuildOutcome::Impossible(why),
            Ok(trigger) => match answers.next() {
                Some(Ok(promoted)) => RebuildOutcome::Started {
                    stage: trigger.stage,
                    promoted,
                },
                Some(Err(error)) => RebuildOutcome::Failed(error),
                None => RebuildOutcome::NotAttempted,
            },
        };
        (target.name, outcome)
    };
    targets.into_iter().map(outcome).collect()
}
