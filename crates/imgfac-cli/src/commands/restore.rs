//! `imgfac restore`: an image comes back from the archive.

use clap::Args;
use imgfac_model::{ImageName, exit, nearest};
use imgfac_state::{ArchiveError, Archived, ArchivedState, Files, Moment, REPLACED};

use crate::args::FormatArg;
use crate::commands::archive::BY_HAND;
use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::{CommitReport, Done, WARNING, clean};

/// Bring an image back from the archive
///
/// Its state comes back with all of its history. An image that is not enrolled gets its entry in
/// images.yaml back, as its state says that it was. A state that the name has now goes to the
/// archive in its place. `imgfac analyze` brings back what still fits by itself: this is for what
/// does not, such as an image under another name.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  imgfac restore old-shop --as storefront\n\nimgfac cleanup lists the archive."
)]
pub(crate) struct RestoreArgs {
    /// The image, as it was called; of several the one that went last
    name: String,
    /// The image that it shall be from now on
    #[arg(long = "as", value_name = "NAME", value_parser = ImageName::new)]
    new_name: Option<ImageName>,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: RestoreArgs) -> Result<u8, CliError> {
    operation::run(context, args)
}

impl Operation for RestoreArgs {
    /// How the image differs from what it was.
    type Outcome = Vec<String>;

    fn command(&self) -> &'static str {
        "restore"
    }

    fn publish(&self) -> &PublishArgs {
        &self.publish
    }

    fn apply<F: Files>(
        &mut self,
        _: &mut Context<'_>,
        factory: &mut Factory<F>,
        round: Round<'_>,
    ) -> Result<Applied<Vec<String>>, CliError> {
        let mut fleet = factory.fleet()?;
        let (archive, _) = fleet
            .read_archive(&factory.store)
            .map_err(CliError::failed)?;
        if let (Some(base), None) = (fleet.carried_by(&self.name), &self.new_name) {
            let error = format!(
                "\"{}\" is a base now: {base} has its state",
                clean(&self.name)
            );
            return Err(CliError::failed(error)
                .with_hint("enrol it again: imgfac analyze brings its state back"));
        }
        let archived = find(&archive, &self.name)?;
        // A second run must not undo the first.
        let replaced = (archived.reason.as_deref()).is_some_and(|why| why.ends_with(REPLACED));
        if replaced && self.new_name.is_none() && fleet.images.contains_key(&self.name) {
            return Err(CliError::failed(format!(
                "{} was restored already; {} is what it took the place of",
                clean(&self.name),
                archived.path
            )));
        }
        let ArchivedState::Image(stored) = &archived.state else {
            return Err(CliError::failed(ArchiveError::IsABase {
                path: archived.path.clone(),
            }));
        };
        let name = match &self.new_name {
            Some(name) => name.clone(),
            None => ImageName::new(&self.name)
                .map_err(|error| CliError::failed(error).with_hint("give it a name with --as"))?,
        };
        let mut files = Vec::new();
        let (mut listed, mut notes) = (None, Vec::new());
        if !factory.configuration.images.contains_key(name.as_str()) {
            let entry = factory
                .configuration
                .with_entry(&factory.store, &name, stored)
                .map_err(|error| CliError::failed(error).with_hint(BY_HAND))?;
            files.push(entry.file);
            let gone = entry.gone.iter();
            notes.extend(gone.map(|gone| {
                format!("its entry is in images.yaml now, since there is no {gone} any more")
            }));
            listed = Some(entry.configuration);
        }
        let configuration = listed.as_ref().unwrap_or(&factory.configuration);
        let now = Context::now()?;
        let moment = Moment {
            time: &now,
            commit: round.own.commit(),
        };
        let restored = fleet
            .restore_image(archived, &name, configuration, moment)
            .map_err(|error| {
                let failed = CliError::failed(&error);
                match error {
                    ArchiveError::Unreadable(_) => failed.with_hint("mend or delete it"),
                    _ => failed,
                }
            })?;
        files.extend(fleet.changes());
        notes.extend(restored.differences);
        Ok(Applied {
            outcome: notes,
            changes: restored.changes,
            files,
        })
    }

    fn finish<F: Files>(
        self,
        context: &mut Context<'_>,
        _: &Factory<F>,
        applied: Applied<Vec<String>>,
        commit: Option<CommitReport>,
    ) -> Result<u8, CliError> {
        if !applied.outcome.is_empty() && !context.quiet {
            writeln!(
                context.err,
                "{WARNING}note:{WARNING:#} it is not quite what it was: {}",
                clean(&applied.outcome.join("; "))
            )?;
        }
        let done = Done::new(applied.changes, applied.files, false, commit);
        operation::tell(context, self.format.format, &done)?;
        Ok(exit::DONE)
    }
}

/// The newest state of a name. An image goes before a base that was called the same.
fn find<'a>(archive: &'a [Archived], name: &str) -> Result<&'a Archived, CliError> {
    let named = archive.iter().filter(|archived| archived.name == name);
    let is_image = |archived: &Archived| matches!(archived.state, ArchivedState::Image(_));
    let newest = named.max_by_key(|archived| (is_image(archived), archived.age()));
    newest.ok_or_else(|| {
        let known: Vec<&str> = archive
            .iter()
            .map(|archived| archived.name.as_str())
            .collect();
        let error = CliError::failed(format!("the archive has no \"{}\"", clean(name)));
        match nearest(name, &known) {
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error.with_hint("imgfac cleanup lists it"),
        }
    })
}
