//! What the commands that write state have in common: each is an operation on a factory
//! directory, whether that is a folder or a commit, and can be done again on a newer one.

use imgfac_git::Git;
use imgfac_state::{Change, FileChange, Files};

use crate::args::Format;
use crate::commands::publish::{self, PublishArgs};
use crate::context::Context;
use crate::discovery::Own;
use crate::error::CliError;
use crate::factory::{Access, Factory};
use crate::git;
use crate::render::{self, CommitReport, Done, JsonDone};

/// Something that a run does to a factory directory.
pub(crate) trait Operation {
    /// What the run has to say in the end.
    type Outcome;

    /// The command, as it stands in commits.
    fn command(&self) -> &'static str;

    /// Where the result goes.
    fn publish(&self) -> &PublishArgs;

    /// Whether nothing is to be written.
    fn check(&self) -> bool {
        false
    }

    /// Does it, without writing. It may be asked more than once, each time for a newer state.
    ///
    /// # Errors
    ///
    /// What ends the run; nothing has been changed then.
    fn apply<F: Files>(
        &mut self,
        context: &mut Context<'_>,
        factory: &mut Factory<F>,
        round: Round<'_>,
    ) -> Result<Applied<Self::Outcome>, CliError>;

    /// Says what happened, and gives the exit code.
    fn finish<F: Files>(
        self,
        context: &mut Context<'_>,
        factory: &Factory<F>,
        applied: Applied<Self::Outcome>,
        commit: Option<CommitReport>,
    ) -> Result<u8, CliError>;
}

/// What an operation works with while it looks at a commit, or at the folder.
pub(crate) struct Round<'d> {
    pub(crate) git: &'d Git,
    pub(crate) own: Own<'d>,
    /// Whether `workspaces:` of the settings count. They may name any folder of this machine, and
    /// a commit that was just fetched is by anybody who may write to the repository.
    pub(crate) local: bool,
}

/// What an operation came to.
pub(crate) struct Applied<O> {
    /// What it has to say.
    pub(crate) outcome: O,
    /// What it changed, in words.
    pub(crate) changes: Vec<Change>,
    /// The files that differ.
    pub(crate) files: Vec<FileChange>,
}

/// Says what a run did to state, for operations that have no more to say.
pub(crate) fn tell(context: &mut Context<'_>, format: Format, done: &Done) -> Result<(), CliError> {
    match format {
        Format::Json => render::json(context.out, &JsonDone::new(done))?,
        Format::Text if context.quiet => {}
        Format::Text => render::done(context.out, done)?,
    }
    Ok(())
}

/// Does it, in the folder or by Git.
pub(crate) fn run<O: Operation>(
    context: &mut Context<'_>,
    mut operation: O,
) -> Result<u8, CliError> {
    if let Some(directory) = operation.publish().directory()
        && context.directory.is_none()
    {
        context.directory = Some(directory.to_owned());
    }
    let git = git::from_environment()?;
    if operation.publish().wanted() {
        return publish::run(context, operation, &git);
    }
    let access = if operation.check() {
        Access::Read
    } else {
        Access::Write
    };
    let mut factory = Factory::open(context, access)?;
    let round = Round {
        git: &git,
        own: Own::of_folder(&git, factory.store.path()),
        local: true,
    };
    let applied = operation.apply(context, &mut factory, round)?;
    if !operation.check() {
        factory.store.commit(&applied.files)?;
        context.wrote |= !applied.files.is_empty();
    }
    operation.finish(context, &factory, applied, None)
}
