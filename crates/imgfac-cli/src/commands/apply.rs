//! `imgfac apply`: the manifests into a cluster.

use std::time::Duration;

use clap::Args;
use imgfac_cluster::{Applied, ApplyOptions};
use imgfac_model::{Delay, exit};

use crate::args::{Format, FormatArg};
use crate::cluster::ClusterArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::render;

/// Bring the manifests into a cluster
///
/// For clusters without Argo CD or Flux. By server-side apply as field manager `imgfac`: first the
/// namespace and the Kargo project, then, when Kargo has it ready, the rest. One object's failure
/// stops no other. Secrets are not among the manifests, and the ConfigMap imgfac-overrides is only
/// made when it is missing.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Let the server check everything and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete what imgfac made in its namespace and the manifests no longer have
    ///
    /// Only objects with the label app.kubernetes.io/managed-by: imgfac, after everything else
    /// succeeded; never the Namespace, the Project, or a Secret.
    #[arg(long)]
    prune: bool,
    /// Take over fields that others have changed
    #[arg(long)]
    force_conflicts: bool,
    /// How long Kargo may take to make the project ready
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = delay)]
    project_timeout: Delay,
    #[command(flatten)]
    format: FormatArg,
}

fn delay(text: &str) -> Result<Delay, String> {
    Delay::new(text).map_err(|error| error.to_string())
}

pub(crate) fn run(context: &mut Context<'_>, args: ApplyArgs) -> Result<u8, CliError> {
    let wanted = args.cluster.wanted(context)?;
    let prune = match (args.prune, &wanted.namespace, &wanted.incomplete) {
        (true, Some(namespace), None) => Some(namespace.clone()),
        (true, None, _) => {
            return Err(CliError::usage(
                "cannot prune: the file has no Project, so it is not the manifests of a whole factory",
            )
            .with_hint("leave --prune out, or give all manifests"));
        }
        _ => None,
    };
    let options = ApplyOptions {
        dry_run: args.dry_run,
        force_conflicts: args.force_conflicts,
        prune,
        project_timeout: Duration::from_millis(args.project_timeout.as_millis()),
    };
    let mut applied = args
        .cluster
        .run(async |cluster, stop| cluster.apply(&wanted.objects, &options, stop).await)?;
    if args.prune && applied.not_pruned.is_none() {
        applied.not_pruned.clone_from(&wanted.incomplete);
    }
    match args.format.format {
        Format::Text => render::applied(context.out, &applied, args.dry_run, context.quiet)?,
        Format::Json => render::json(
            context.out,
            &render::JsonApplied::new(&applied, args.dry_run),
        )?,
    }
    Ok(code(&applied, wanted.unreadable))
}

fn code(applied: &Applied, unreadable: bool) -> u8 {
    let counts = applied.counts();
    if counts.is_complete() && applied.not_pruned.is_none() && !unreadable {
        exit::DONE
    } else if counts.done() == 0 {
        exit::FAILED
    } else {
        exit::PARTLY
    }
}
