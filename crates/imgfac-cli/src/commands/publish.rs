//! `--commit` and `--push`: what a run found out as one commit, safe among other writers.
//!
//! A run works on a commit, not on a folder: configuration and state are read from its tree, the
//! update is applied, and the files that differ become a new commit on top. Pushed, it only takes
//! the branch's place if the branch has not moved; if it has, the same update is applied to the
//! newer tip and pushed again, so that nobody's changes are lost and history stays a line.

mod backoff;
mod message;
mod place;
mod pull_request;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use imgfac_git::{Advance, Content, Draft, Edit, Git, Pushed};
use imgfac_model::{Branch, Delay, RelativePath};
use imgfac_state::{CommittedFiles, FileChange};

use self::backoff::Backoff;
use self::place::Place;
use crate::commands::job::given;
use crate::commands::operation::{Applied, Operation, Round};
use crate::context::Context;
use crate::discovery::Own;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::{CommitReport, WARNING, clean};

/// Options of everything that writes state
#[derive(Debug, Args)]
#[command(next_help_heading = "Commit and push")]
pub(crate) struct PublishArgs {
    /// Commit what changed, as one commit on the branch that is checked out
    ///
    /// The run works on what is committed. Other files that you have staged or edited stay as
    /// they are; local edits of files that the run changes are refused.
    #[arg(long)]
    commit: bool,
    /// Push what changed, as one commit on top of the branch of the remote; implies --commit
    ///
    /// The run works on the tip of the remote branch. When another writer is faster, the same
    /// changes are made to the newer tip, until --push-timeout.
    #[arg(long)]
    push: bool,
    /// With --push: if the branch is protected, push to imgfac/update-BRANCH for a pull request
    #[arg(long, requires = "push")]
    pull_request: bool,
    /// How long to try while others push to the same branch
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    push_timeout: Duration,
    /// The repository of the factory directory; it is cloned when the directory is not in a
    /// checkout of it
    #[arg(long, value_name = "URL")]
    git_repo: Option<String>,
    /// Its branch [default: the one that the checked-out branch follows, else main]
    #[arg(long, value_name = "BRANCH")]
    git_branch: Option<String>,
    /// The factory directory inside of it [default: as -C]
    #[arg(long, value_name = "DIR")]
    image_factory_dir: Option<String>,
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let delay = Delay::new(text).map_err(|error| error.to_string())?;
    Ok(Duration::from_millis(delay.as_millis()))
}

impl PublishArgs {
    /// How long a run tries to get its result through.
    pub(crate) fn patience(&self) -> Duration {
        self.push_timeout
    }

    /// Whether anything goes into Git.
    pub(crate) fn wanted(&self) -> bool {
        self.commit || self.push
    }

    /// The factory directory, where it is named.
    pub(crate) fn directory(&self) -> Option<&Path> {
        given(&self.image_factory_dir).map(Path::new)
    }

    pub(crate) fn git_repo(&self) -> Option<&str> {
        given(&self.git_repo)
    }

    pub(crate) fn git_branch(&self) -> Option<&str> {
        given(&self.git_branch)
    }
}

/// Runs an operation on commits.
pub(crate) fn run<O: Operation>(
    context: &mut Context<'_>,
    operation: O,
    git: &Git,
) -> Result<u8, CliError> {
    let place = Place::find(context, operation.publish(), git)?;
    let push = operation.publish().push;
    if push
        && !context.quiet
        && let Some(files) = place.left_out()?
    {
        writeln!(
            context.err,
            "{WARNING}warning:{WARNING:#} a push works on the remote branch, without what is edited here: {files}"
        )?;
    }
    let result = attempts(context, operation, git, &place);
    // Without a push nothing was fetched.
    if push {
        place.repository.forget();
    }
    result
}

/// What a run works on, and where its commit goes.
struct Base {
    /// Configuration and state are read from this commit, and what changes goes on top of it.
    commit: String,
    /// Dockerfiles of the same repository are read from this one.
    sources: String,
    /// The branch that is pushed to.
    branch: String,
    /// What it points at; `None` when it is not there yet.
    old: Option<String>,
}

/// What one attempt came to.
enum Attempt {
    Nothing,
    Committed(CommitReport),
    Overtaken(String),
    /// The branch does not take pushes, and a pull request is wanted then.
    Protected(String),
}

fn attempts<O: Operation>(
    context: &mut Context<'_>,
    mut operation: O,
    git: &Git,
    place: &Place,
) -> Result<u8, CliError> {
    let push = operation.publish().push;
    let mut backoff = Backoff::new(operation.publish().push_timeout);
    let (mut failures, mut overtaken) = (0, 0);
    let mut nowhere = io::sink();
    let mut ours: Option<String> = None;
    let mut protected: Option<String> = None;
    let mut sent = None;
    let mut heard = false;
    loop {
        let started = Instant::now();
        let base = match base(operation.publish(), place, &mut protected) {
            Ok(base) => base,
            Err(Failure::Git(error)) if push && error.is_transient() => {
                failures += 1;
                network_failed(error, failures, &backoff)?;
                continue;
            }
            Err(Failure::Git(error)) => return Err(error.into()),
            Err(Failure::Refused(error)) => return Err(error),
        };
        let (factory, applied) = match sent.take() {
            // The answer to the last push was lost, but the push was not: once more would be twice.
            Some(sent) if ours.as_ref() == Some(&base.commit) => sent,
            _ if !heard => {
                heard = true;
                apply(context, &mut operation, git, place, &base)?
            }
            _ => {
                let mut silent = context.silent(&mut nowhere);
                apply(&mut silent, &mut operation, git, place, &base)?
            }
        };
        if !push {
            place.refuse_local_edits(&applied.files)?;
        }
        let attempt = match (&ours, applied.files.is_empty()) {
            (Some(commit), _) if *commit == base.commit => {
                Ok(Attempt::Committed(place.report(commit, push)))
            }
            (_, true) => Ok(Attempt::Nothing),
            _ => publish(&operation, place, &base, &applied, &mut ours),
        };
        match attempt {
            Ok(Attempt::Nothing) => {
                // A run that was killed after its push left the checkout behind.
                let mut notes = match push && place.head != base.sources {
                    true => Vec::from_iter(place.follow(&base.sources)?),
                    false => Vec::new(),
                };
                if protected.is_some() && base.old.is_some() {
                    notes.push(pull_request::has_it(place, &base.branch));
                }
                for note in notes {
                    writeln!(context.err, "{WARNING}note:{WARNING:#} {}", clean(&note))?;
                }
                return operation.finish(context, &factory, applied, None);
            }
            Ok(Attempt::Committed(mut report)) => {
                context.wrote = true;
                report.overtaken = overtaken;
                let followed = match &protected {
                    // The commit is not on the branch that the checkout follows.
                    Some(reason) => {
                        report.notes.push(pull_request::open_it(place, reason));
                        report.branch = Some(base.branch);
                        &base.sources
                    }
                    None => &report.id,
                };
                if push {
                    let note = place.follow(followed)?;
                    report.notes.extend(note);
                }
                return operation.finish(context, &factory, applied, Some(report));
            }
            Ok(Attempt::Protected(reason)) => protected = Some(reason),
            Ok(Attempt::Overtaken(reason)) => {
                overtaken += 1;
                tracing::info!(reason = %clean(&reason), overtaken, "another writer was faster; trying again");
                if !backoff.wait(started.elapsed()) {
                    return Err(CliError::failed(format!(
                        "others pushed to {} {overtaken} times while this run tried to; nothing was changed",
                        base.branch
                    ))
                    .with_hint("run it again, or give it more time with --push-timeout"));
                }
            }
            Err(Failure::Git(error)) if error.is_transient() => {
                failures += 1;
                network_failed(error, failures, &backoff)?;
                sent = Some((factory, applied));
            }
            Err(Failure::Git(error)) => return Err(error.into()),
            Err(Failure::Refused(error)) => return Err(error),
        }
    }
}

/// Waits for the network, or gives it up.
fn network_failed(
    error: imgfac_git::Error,
    failures: u32,
    backoff: &Backoff,
) -> Result<(), CliError> {
    if !backoff.wait_for_network(failures) {
        return Err(error.into());
    }
    let error = clean(&error.to_string());
    tracing::info!(error, failures, "the network failed; trying again");
    Ok(())
}

/// What a run works on: the branch, or what waits for it when it does not take pushes.
fn base(
    args: &PublishArgs,
    place: &Place,
    protected: &mut Option<String>,
) -> Result<Base, Failure> {
    if protected.is_some() {
        return pull_request::base(place);
    }
    if args.pull_request {
        // A run that finds nothing new on the branch may undo what waits for it.
        let waiting = pull_request::base(place)?;
        if waiting.commit != waiting.sources {
            *protected = Some("earlier changes wait for it".to_owned());
            return Ok(waiting);
        }
    }
    let branch = place.branch_name();
    let commit = match args.push {
        true => place.repository.fetch(&branch)?,
        false => place.head.clone(),
    };
    Ok(Base {
        sources: commit.clone(),
        old: Some(commit.clone()),
        commit,
        branch,
    })
}

/// Does the operation on a commit, and leaves out the files that Git ignores.
fn apply<O: Operation>(
    context: &mut Context<'_>,
    operation: &mut O,
    git: &Git,
    place: &Place,
    base: &Base,
) -> Result<(Factory<CommittedFiles>, Applied<O::Outcome>), CliError> {
    let push = operation.publish().push;
    let tree = place.repository.tree(&base.commit)?;
    let folder = tree.folder(&place.prefix)?.ok_or_else(|| {
        CliError::failed(format!(
            "{} has no folder {}",
            place.commit_name(push),
            place.prefix
        ))
        .with_hint(match push {
            true => {
                "commit and push the factory directory first, or name it with --image-factory-dir"
            }
            false => "commit the factory directory first",
        })
    })?;
    let files = CommittedFiles::open(folder, place.shown.clone())?;
    let mut factory = Factory::read(files, None)?.checked(context)?;
    let home = factory.configuration.settings.defaults.branch.clone();
    let serves = |source: &imgfac_model::Source| place.serves(source, push, &home);
    let round = Round {
        git,
        own: Own::Commit {
            tree: place.repository.tree(&base.sources)?,
            commit: &base.sources,
            serves: &serves,
        },
        local: !push,
    };
    let mut applied = operation.apply(context, &mut factory, round)?;
    let ignored = place.ignored(&applied.files)?;
    applied
        .files
        .retain(|change| !ignored.contains(&place.in_repository(change.path())));
    let paths: Vec<String> = (applied.files.iter())
        .map(|change| place.in_repository(change.path()))
        .collect();
    // Git would put a folder in the place of the link, without the files that it leads to.
    if let Some(link) = tree.link_on(paths.iter().map(String::as_str))? {
        return Err(CliError::failed(format!(
            "{} is a symbolic link in {}: what is behind it cannot be committed through it; nothing was changed",
            clean(&link),
            place.commit_name(push)
        ))
        .with_hint("put the folder itself there, or run it without --commit and --push"));
    }
    Ok((factory, applied))
}

enum Failure {
    Git(imgfac_git::Error),
    Refused(CliError),
}

impl From<imgfac_git::Error> for Failure {
    fn from(error: imgfac_git::Error) -> Self {
        Self::Git(error)
    }
}

impl From<CliError> for Failure {
    fn from(error: CliError) -> Self {
        Self::Refused(error)
    }
}

/// Makes the commit, and lets the branch point at it.
fn publish<O: Operation>(
    operation: &O,
    place: &Place,
    base: &Base,
    applied: &Applied<O::Outcome>,
    ours: &mut Option<String>,
) -> Result<Attempt, Failure> {
    let PublishArgs {
        push, pull_request, ..
    } = *operation.publish();
    let edits: Vec<Edit<'_>> = applied
        .files
        .iter()
        .map(|change| Edit {
            path: place.in_repository(change.path()),
            content: match change {
                FileChange::Write { text, .. } => Content::Text(text),
                FileChange::Remove { .. } => Content::Removed,
            },
        })
        .collect();
    let message = message::message(operation.command(), &applied.changes, &applied.files);
    let draft = Draft {
        parent: &base.commit,
        edits: &edits,
        message: &message,
        time: &Context::now()?,
    };
    let Some(commit) = place.repository.commit(&draft)? else {
        return Ok(Attempt::Nothing);
    };
    if !push {
        return match place.advance(&base.commit, &commit)? {
            Advance::Done => Ok(Attempt::Committed(place.report(&commit, false))),
            Advance::Blocked(reason) => Err(CliError::failed(format!(
                "the checkout cannot take the commit: {reason}; nothing was changed"
            ))
            .into()),
        };
    }
    *ours = Some(commit.clone());
    let (branch, target) = (&base.branch, place.branch_name());
    match place
        .repository
        .push(&commit, branch, base.old.as_deref())?
    {
        Pushed::Done => Ok(Attempt::Committed(place.report(&commit, true))),
        Pushed::Overtaken(reason) => Ok(Attempt::Overtaken(reason)),
        Pushed::Refused(reason) if *branch != target => Err(CliError::failed(format!(
            "{} takes neither {target} nor {branch}: {reason}",
            place.repository.remote_name()
        ))
        .into()),
        Pushed::Refused(reason) if pull_request => Ok(Attempt::Protected(reason)),
        Pushed::Refused(reason) => Err(CliError::failed(format!(
            "{branch} of {} does not take the commit: {reason}",
            place.repository.remote_name()
        ))
        .with_hint("let this account push to the branch, or add --pull-request")
        .into()),
    }
}

/// A branch that a person named.
fn branch(text: &str) -> Result<Branch, CliError> {
    Branch::new(text).map_err(CliError::usage)
}

/// The factory directory in a repository that is only cloned for the run.
fn folder_in_clone(directory: &Path) -> Result<String, CliError> {
    let text = directory.to_str().unwrap_or_default();
    let path = RelativePath::new(text).map_err(CliError::usage)?;
    Ok(if path.is_root() {
        String::new()
    } else {
        path.to_string()
    })
}

/// `prefix/path`, where the prefix may be the root.
fn joined(prefix: &str, path: &str) -> String {
    match prefix {
        "" => path.to_owned(),
        prefix => format!("{prefix}/{path}"),
    }
}
