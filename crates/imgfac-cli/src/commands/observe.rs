//! `imgfac observe`: digests to state.

use clap::Args;
use imgfac_model::{BaseName, Digest, nearest};
use imgfac_state::{Files, Fleet, ObserveError};

use crate::args::{Format, FormatArg};
use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::{self, CommitReport, Done, JsonDone};

/// Record what the tag of a base image points at
///
/// The jobs in a cluster run this for every digest that Kargo finds. The digest, when it was first
/// seen and the one before go into state/base-images/NAME.yaml, with the last ten kept. The first
/// digest of a base is no update. What is known already changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgfac observe --base node-22 --digest sha256:… --push")]
pub(crate) struct ObserveArgs {
    /// The base, by its name in state/base-images
    #[arg(long, value_name = "NAME", value_parser = BaseName::new)]
    base: BaseName,
    /// What its tag points at now
    #[arg(long, value_name = "DIGEST", value_parser = Digest::parse)]
    digest: Digest,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: ObserveArgs) -> Result<u8, CliError> {
    operation::run(context, args)
}

impl Operation for ObserveArgs {
    type Outcome = ();

    fn command(&self) -> &'static str {
        "observe"
    }

    fn publish(&self) -> &PublishArgs {
        &self.publish
    }

    fn apply<F: Files>(
        &mut self,
        _: &mut Context<'_>,
        factory: &mut Factory<F>,
        _: Round<'_>,
    ) -> Result<Applied<()>, CliError> {
        let mut fleet = factory.fleet()?;
        let changes = fleet
            .observe(&self.base, &self.digest, &Context::now()?)
            .map_err(|error| failed(error, &fleet))?;
        Ok(Applied {
            outcome: (),
            changes,
            files: fleet.changes(),
        })
    }

    fn finish<F: Files>(
        self,
        context: &mut Context<'_>,
        _: &Factory<F>,
        applied: Applied<()>,
        commit: Option<CommitReport>,
    ) -> Result<u8, CliError> {
        let done = Done::new(applied.changes, applied.files, false, commit);
        match self.format.format {
            Format::Json => render::json(context.out, &JsonDone::new(&done))?,
            Format::Text if context.quiet => {}
            Format::Text => render::done(context.out, &done)?,
        }
        Ok(imgfac_model::exit::DONE)
    }
}

fn failed(error: ObserveError, fleet: &Fleet) -> CliError {
    let failed = CliError::failed(&error);
    match error {
        ObserveError::Unknown { name } => {
            let known: Vec<&str> = fleet.bases.keys().map(BaseName::as_str).collect();
            match nearest(name.as_str(), &known) {
                Some(near) => failed.with_hint(format!("did you mean \"{near}\"?")),
                None => failed.with_hint("imgfac status lists them; imgfac analyze finds new ones"),
            }
        }
        ObserveError::Unreadable { .. } => failed.with_hint("mend or delete it"),
    }
}
