//! `imgfac completions`: scripts for shells.

use clap::Args;
use imgfac_model::exit;

use crate::context::Context;
use crate::error::CliError;

/// Print a completion script for a shell
///
/// For bash: imgfac completions bash > /etc/bash_completion.d/imgfac
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

pub(crate) fn run(context: &mut Context<'_>, args: CompletionsArgs) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "imgfac", &mut script);
    context.out.write_all(&script)?;
    Ok(exit::DONE)
}
