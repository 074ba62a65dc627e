//! `imgfac cleanup`: what is in the archive, and how it gets smaller.

use std::sync::Arc;

use clap::Args;
use imgfac_git::{Checkout, Git, Repository};
use imgfac_model::{Delay, exit};
use imgfac_state::{Archived, Change, ChangeKind, CommittedFiles, Files, Subject, UnusableArchive};
use serde::Serialize;

use crate::args::{Format, FormatArg};
use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::context::Context;
use crate::discovery::Own;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::{self, CommitReport, DIM, Done, JsonDone, WARNING, clean, columns, count};

/// List the archive, and take away what is older than you want to keep
///
/// Without --older-than nothing is taken away. Only files that are committed go: they stay in the
/// history of Git, and the command says how to get one back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imgfac cleanup --older-than 180d --dry-run")]
pub(crate) struct CleanupArgs {
    /// Take away what went to the archive longer ago than this, such as 180d
    #[arg(long, value_name = "DURATION", value_parser = Delay::new)]
    older_than: Option<Delay>,
    /// Only say what would be taken away
    #[arg(long, requires = "older_than", conflicts_with_all = ["commit", "push"])]
    dry_run: bool,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: CleanupArgs) -> Result<u8, CliError> {
    operation::run(context, args)
}

/// The archive as it was found.
pub(crate) struct Archive {
    states: Vec<Row>,
    unusable: Vec<UnusableArchive>,
}

/// A state of the archive.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    kind: &'static str,
    name: String,
    reference: Option<String>,
    archived_at: Option<String>,
    reason: Option<String>,
    path: String,
    verdict: Verdict,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    /// It is not as old as that.
    Kept,
    /// It goes.
    Removed,
    /// It would go, but nothing else has it.
    NotCommitted,
}

impl Verdict {
    fn word(self, dry_run: bool) -> &'static str {
        match (self, dry_run) {
            (Self::Kept, _) => "keep",
            (Self::Removed, false) => "removed",
            (Self::Removed, true) => "would remove",
            (Self::NotCommitted, _) => "not committed",
        }
    }
}

impl Operation for CleanupArgs {
    type Outcome = Archive;

    fn command(&self) -> &'static str {
        "cleanup"
    }

    fn publish(&self) -> &PublishArgs {
        &self.publish
    }

    fn check(&self) -> bool {
        self.dry_run
    }

    fn apply<F: Files>(
        &mut self,
        _: &mut Context<'_>,
        factory: &mut Factory<F>,
        round: Round<'_>,
    ) -> Result<Applied<Archive>, CliError> {
        let mut fleet = factory.fleet()?;
        let (archive, unusable) = fleet
            .read_archive(&factory.store)
            .map_err(CliError::failed)?;
        let now: jiff::Timestamp = Context::now()?.parse().map_err(CliError::failed)?;
        let in_git = InGit::of(&round, factory)?;
        let (mut states, mut changes) = (Vec::new(), Vec::new());
        for archived in archive {
            let verdict = match &self.older_than {
                Some(limit) if is_older(&archived, limit, now) => {
                    match in_git.has(factory, &archived.path) {
                        true => Verdict::Removed,
                        false => Verdict::NotCommitted,
                    }
                }
                _ => Verdict::Kept,
            };
            if verdict == Verdict::Removed {
                fleet.remove_archived(&archived);
                changes.push(removed(&archived));
            }
            states.push(Row {
                kind: archived.kind().as_str(),
                reference: archived.reference(),
                name: archived.name,
                archived_at: archived.archived_at,
                reason: archived.reason,
                path: archived.path,
                verdict,
            });
        }
        Ok(Applied {
            outcome: Archive { states, unusable },
            changes,
            files: fleet.changes(),
        })
    }

    fn finish<F: Files>(
        self,
        context: &mut Context<'_>,
        _: &Factory<F>,
        applied: Applied<Archive>,
        commit: Option<CommitReport>,
    ) -> Result<u8, CliError> {
        let Archive { states, unusable } = applied.outcome;
        let done = Done::new(applied.changes, applied.files, self.dry_run, commit);
        let kept_back = states
            .iter()
            .any(|row| row.verdict == Verdict::NotCommitted);
        for UnusableArchive { path, reason } in &unusable {
            let (path, reason) = (clean(path), clean(reason));
            writeln!(
                context.err,
                "{WARNING}warning:{WARNING:#} {path} cannot be used: {reason}; it stays as it is"
            )?;
        }
        if kept_back {
            writeln!(
                context.err,
                "{WARNING}warning:{WARNING:#} what is not committed would be gone for good, and stays: commit state/ first"
            )?;
        }
        match self.format.format {
            Format::Json => render::json(
                context.out,
                &JsonCleanup {
                    archive: &states,
                    done: JsonDone::new(&done),
                },
            )?,
            Format::Text if context.quiet => {}
            Format::Text => text(context, &states, &done, self.dry_run)?,
        }
        Ok(if kept_back || !unusable.is_empty() {
            exit::PARTLY
        } else {
            exit::DONE
        })
    }
}

#[derive(Serialize)]
struct JsonCleanup<'r> {
    archive: &'r [Row],
    #[serde(flatten)]
    done: JsonDone,
}

fn removed(archived: &Archived) -> Change {
    let subject = match &archived.state {
        imgfac_state::ArchivedState::Image(_) => Subject::Image(archived.name.clone()),
        imgfac_state::ArchivedState::Base(_) => Subject::Base(archived.name.clone()),
    };
    Change {
        subject,
        kind: ChangeKind::Removed,
        details: vec![format!("{} is left to the history of Git", archived.path)],
    }
}

/// Whether it went to the archive longer ago than that; what does not say when stays.
fn is_older(archived: &Archived, limit: &Delay, now: jiff::Timestamp) -> bool {
    let archived_at = archived.archived_at.as_deref().map(str::parse);
    let Some(Ok(archived_at)) = archived_at else {
        return false;
    };
    let age: jiff::SignedDuration = now.duration_since(archived_at);
    u64::try_from(age.as_millis()).is_ok_and(|age| age > limit.as_millis())
}

/// Which files Git has as they are.
enum InGit {
    /// All: they were read from a commit.
    All,
    /// Those that this commit has with the same text.
    Commit(CommittedFiles),
    /// There is no Git.
    None,
}

impl InGit {
    fn of<F: Files>(round: &Round<'_>, factory: &Factory<F>) -> Result<Self, CliError> {
        match &round.own {
            Own::Commit { .. } => Ok(Self::All),
            Own::Folder(checkout, ..) => Self::in_checkout(round.git, checkout, factory),
            Own::None => Ok(Self::None),
        }
    }

    fn in_checkout<F: Files>(
        git: &Git,
        checkout: &Checkout,
        factory: &Factory<F>,
    ) -> Result<Self, CliError> {
        let Some(head) = checkout.head()? else {
            return Ok(Self::None);
        };
        let root = checkout.root().canonicalize().map_err(CliError::failed)?;
        let folder = factory
            .store
            .path()
            .canonicalize()
            .map_err(CliError::failed)?;
        let Some(prefix) = folder
            .strip_prefix(&root)
            .ok()
            .and_then(|path| path.to_str())
        else {
            return Ok(Self::None);
        };
        let repository = Arc::new(Repository::of_checkout(git, checkout, None)?);
        Ok(match repository.tree(&head)?.folder(prefix)? {
            Some(folder) => {
                let shown = factory.store.path().to_owned();
                Self::Commit(CommittedFiles::open(folder, shown).map_err(CliError::failed)?)
            }
            None => Self::None,
        })
    }

    fn has<F: Files>(&self, factory: &Factory<F>, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::Commit(files) => match (files.read(path), factory.store.read(path)) {
                (Ok(Some(committed)), Ok(Some(here))) => committed == here,
                _ => false,
            },
            Self::None => false,
        }
    }
}

fn text(
    context: &mut Context<'_>,
    states: &[Row],
    done: &Done,
    dry_run: bool,
) -> Result<(), CliError> {
    if states.is_empty() {
        writeln!(context.out, "The archive is empty.")?;
        return Ok(());
    }
    writeln!(
        context.out,
        "{} in the archive\n",
        count(states.len(), "state")
    )?;
    let unknown = || "?".to_owned();
    let rows: Vec<Vec<String>> = states
        .iter()
        .map(|row| {
            vec![
                row.verdict.word(dry_run).to_owned(),
                row.kind.to_owned(),
                clean(&row.name),
                row.archived_at.as_deref().map_or_else(unknown, clean),
                row.reference.as_deref().map_or_else(unknown, clean),
                row.reason.as_deref().map_or_else(unknown, clean),
            ]
        })
        .collect();
    for line in columns(&rows) {
        writeln!(context.out, "  {line}")?;
    }
    if done.removed.is_empty() {
        return Ok(());
    }
    writeln!(context.out)?;
    render::files(context.out, done)?;
    let path = clean(&done.removed[0]);
    writeln!(
        context.out,
        "{DIM}note:{DIM:#} Git keeps them: git log --diff-filter=D -- {path} finds the commit, git show COMMIT^:./{path} the file"
    )?;
    Ok(())
}
