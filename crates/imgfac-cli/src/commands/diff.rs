//! `imgfac diff`: how a cluster differs from the manifests.

use clap::Args;
use imgfac_cluster::Difference;
use imgfac_model::exit;

use crate::args::{Format, FormatArg};
use crate::cluster::ClusterArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::render::{self, WARNING};

/// Show how a cluster differs from the manifests
///
/// Changes nothing: the server is asked what applying would make of each object, and what it and
/// its controllers write by themselves is left out. Values of Secrets are never shown. Exits with 4
/// when something differs.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: DiffArgs) -> Result<u8, CliError> {
    let wanted = args.cluster.wanted(context)?;
    if let Some(reason) = &wanted.incomplete {
        writeln!(
            context.err,
            "{WARNING}warning:{WARNING:#} what would be pruned is not shown: {reason}"
        )?;
    }
    let prune = match &wanted.incomplete {
        None => wanted.namespace.as_deref(),
        Some(_) => None,
    };
    let found = args
        .cluster
        .run(async |cluster, stop| cluster.diff(&wanted.objects, prune, stop).await)?;
    match args.format.format {
        Format::Text => render::differences(context.out, &found, context.quiet)?,
        Format::Json => render::json(context.out, &render::JsonDifferences::new(&found))?,
    }
    let failed = found
        .objects
        .iter()
        .filter(|(_, difference)| matches!(difference, Difference::Failed(_)))
        .count();
    Ok(
        if failed > 0 && found.same + found.objects.len() == failed {
            exit::FAILED
        } else if failed > 0 || wanted.unreadable {
            exit::PARTLY
        } else if found.objects.is_empty() {
            exit::DONE
        } else {
            exit::DIFFERENT
        },
    )
}
