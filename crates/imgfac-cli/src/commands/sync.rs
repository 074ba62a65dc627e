//! `imgfac sync`: analyze, then synth, written together.

use clap::Args;

use crate::args::FormatArg;
use crate::commands::analyze::{AnalysisArgs, Request};
use crate::commands::operation;
use crate::commands::publish::PublishArgs;
use crate::commands::synth::ManifestArgs;
use crate::context::Context;
use crate::discovery::Discovered;
use crate::error::CliError;

/// Analyze, then synth: the main job
///
/// Checks images.yaml, reads the Dockerfiles of all managed images, brings state/ up to date and
/// writes the Kargo manifests to dist/. A run that finds nothing new writes nothing.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    analysis: AnalysisArgs,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: SyncArgs) -> Result<u8, CliError> {
    let request = Request {
        command: "sync",
        names: &[],
        analysis: &args.analysis,
        publish: &args.publish,
        job: None,
        manifests: Some(&args.manifests),
        format: args.format.format,
        known: Discovered::default(),
        stood_on: None,
    };
    operation::run(context, request)
}
