//! `imgfac archive`: an image leaves the fleet.

use clap::Args;
use imgfac_model::{ImageName, exit, nearest};
use imgfac_state::{ArchiveError, Files, Moment};

use crate::args::FormatArg;
use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::{CommitReport, Done};

/// Take an image out of the fleet, and keep its state in the archive
///
/// Its entry leaves images.yaml (or the file of images.d that has it), and its state moves to
/// state/_archive with the reason. An image that others stand on stays. Bases that nothing else
/// needs, and manifests, follow with the next `imgfac sync`. `imgfac restore` brings it back.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  imgfac archive old-shop --reason 'replaced by storefront' --push"
)]
pub(crate) struct ArchiveArgs {
    /// The image
    name: String,
    /// Why, for those who find it in the archive
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    format: FormatArg,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text {
        "" => Err("it says nothing".into()),
        text if text.chars().any(char::is_control) => Err("it must be one line of text".into()),
        text => Ok(text.to_owned()),
    }
}

pub(crate) fn run(context: &mut Context<'_>, args: ArchiveArgs) -> Result<u8, CliError> {
    operation::run(context, args)
}

impl Operation for ArchiveArgs {
    type Outcome = ();

    fn command(&self) -> &'static str {
        "archive"
    }

    fn publish(&self) -> &PublishArgs {
        &self.publish
    }

    fn apply<F: Files>(
        &mut self,
        _: &mut Context<'_>,
        factory: &mut Factory<F>,
        round: Round<'_>,
    ) -> Result<Applied<()>, CliError> {
        let mut fleet = factory.fleet()?;
        let now = Context::now()?;
        let moment = Moment {
            time: &now,
            commit: round.own.commit(),
        };
        let enrolled_in = factory.configuration.enrolled_in(&self.name);
        let changes = match fleet.archive_image(&self.name, enrolled_in, &self.reason, moment) {
            Ok(changes) => changes,
            Err(error) => return Err(refused(error, factory, &fleet)),
        };
        let mut files = fleet.changes();
        if let Ok(name) = ImageName::new(&self.name) {
            let entry = factory
                .configuration
                .without_entry(&factory.store, &name)
                .map_err(|error| CliError::failed(error).with_hint(BY_HAND))?;
            files.extend(entry);
        }
        Ok(Applied {
            outcome: (),
            changes,
            files,
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
        operation::tell(context, self.format.format, &done)?;
        Ok(exit::DONE)
    }
}

/// What to do when a file of people's cannot be changed by the program.
pub(super) const BY_HAND: &str = "change the entry by hand, then run imgfac sync";

fn refused<F: Files>(
    error: ArchiveError,
    factory: &Factory<F>,
    fleet: &imgfac_state::Fleet,
) -> CliError {
    let failed = CliError::failed(&error);
    match error {
        ArchiveError::Needed { .. } => {
            failed.with_hint("change their Dockerfiles first, or remove its entry from images.yaml: it is watched as a base then")
        }
        ArchiveError::Unknown(name) if factory.configuration.images.contains_key(name.as_str()) => {
            failed.with_hint("it was never analysed: remove its entry from images.yaml")
        }
        ArchiveError::Unknown(name) if !fleet.last_states(&name).is_empty() => {
            let files = fleet.last_states(&name).join(" and ");
            CliError::failed(format!("\"{name}\" has left already: {files} has its last state"))
        }
        ArchiveError::Unknown(name) => {
            let known: Vec<&str> = fleet.images.keys().map(String::as_str).collect();
            match nearest(&name, &known) {
                Some(near) => failed.with_hint(format!("did you mean \"{near}\"?")),
                None => failed.with_hint("imgfac status lists them"),
            }
        }
        ArchiveError::Unreadable(_) => {
            failed.with_hint("mend it first: what that image stands on is not known")
        }
        _ => failed,
    }
}
