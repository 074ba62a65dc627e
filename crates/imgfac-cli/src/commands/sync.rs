//! `imgfac sync`: analyze, then synth, written together.

use clap::Args;
use imgfac_model::exit;

use crate::args::FormatArg;
use crate::commands::analyze::{AnalysisArgs, analyse, finish};
use crate::commands::synth::{ManifestArgs, manifest_changes};
use crate::context::Context;
use crate::error::CliError;
use crate::factory::{Access, Factory};

/// Analyze, then synth: the main job
///
/// Checks images.yaml, reads the Dockerfiles of all managed images, brings state/ up to date and
/// writes the Kargo manifests to dist/. A run that finds nothing new writes nothing.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    analysis: AnalysisArgs,
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: SyncArgs) -> Result<u8, CliError> {
    let access = if args.analysis.check {
        Access::Read
    } else {
        Access::Write
    };
    let factory = Factory::open(context, access)?;
    let analysed = analyse(context, factory, &args.analysis, None)?;
    let mut changes = analysed.fleet.changes();
    let manifests = manifest_changes(context, &analysed.factory, &analysed.fleet, &args.manifests)?;
    changes.extend(manifests.changes);
    let code = finish(
        context,
        analysed,
        &changes,
        &args.analysis,
        args.format.format,
    )?;
    Ok(match code {
        exit::DONE | exit::DIFFERENT if manifests.partly => exit::PARTLY,
        code => code,
    })
}
