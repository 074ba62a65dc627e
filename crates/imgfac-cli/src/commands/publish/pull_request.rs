//! The branch for a pull request: what waits there for a branch that does not take pushes.
//!
//! It is always the same one, and every run goes on from what is there, as it would on the branch
//! itself. When the branch has moved on meanwhile, what waits is put on top of it, as one commit.

use std::collections::BTreeMap;

use imgfac_git::{Draft, Edit};

use super::place::Place;
use super::{Base, Failure};
use crate::context::Context;
use crate::error::CliError;
use crate::render::clean;

/// The branch for a pull request to another one.
fn own_branch(target: &str) -> String {
    format!("imgfac/update-{target}")
}

/// The target with what waits for it.
pub(super) fn base(place: &Place) -> Result<Base, Failure> {
    let repository = &place.repository;
    let target = place.branch_name();
    let tip = repository.fetch(&target)?;
    let branch = own_branch(&target);
    let waiting = repository.fetch_if_there(&branch)?;
    let on = |commit: String| Base {
        commit,
        sources: tip.clone(),
        branch: branch.clone(),
        old: waiting.clone(),
    };
    let Some(waiting) = &waiting else {
        return Ok(on(tip.clone()));
    };
    let Some(ancestor) = repository.common_ancestor(&tip, waiting)? else {
        return Err(stuck(
            format!("{branch} and {target} have no commit in common"),
            &branch,
        ));
    };
    // Merged, be it as it was.
    if ancestor == *waiting {
        return Ok(on(tip.clone()));
    }
    if ancestor == tip {
        return Ok(on(waiting.clone()));
    }
    let edits = carried(
        repository.edits_between(&ancestor, waiting)?,
        repository.edits_between(&ancestor, &tip)?,
    )
    .map_err(|path| {
        stuck(
            format!("{branch} and {target} have both changed {}", clean(&path)),
            &branch,
        )
    })?;
    let message = message(&target, &repository.messages(&ancestor, waiting)?);
    let commit = repository.commit(&Draft {
        parent: &tip,
        edits: &edits,
        message: &message,
        time: &Context::now()?,
    })?;
    // Without any change left it was merged as other commits.
    Ok(on(commit.unwrap_or_else(|| tip.clone())))
}

fn stuck(what: String, branch: &str) -> Failure {
    CliError::failed(format!("{what}; nothing was changed"))
        .with_hint(format!(
            "merge or close the pull request, delete {branch}, and run it again"
        ))
        .into()
}

/// What of the edits that wait the target lacks; an error is a file that it has otherwise.
fn carried(
    waiting: Vec<Edit<'static>>,
    target: Vec<Edit<'static>>,
) -> Result<Vec<Edit<'static>>, String> {
    let target: BTreeMap<String, _> = target
        .into_iter()
        .map(|edit| (edit.path, edit.content))
        .collect();
    let mut carried = Vec::new();
    for edit in waiting {
        match target.get(&edit.path) {
            None => carried.push(edit),
            Some(content) if *content == edit.content => {}
            Some(_) => return Err(edit.path),
        }
    }
    Ok(carried)
}

/// The message of what waits: the changes that the messages of its commits list, and the first line
/// of those that list none.
fn message(target: &str, messages: &[String]) -> String {
    let mut out = format!("imgfac: changes that wait for {target}\n\n");
    for message in messages {
        let listed: Vec<&str> = message
            .lines()
            .filter_map(|line| line.strip_prefix("- "))
            .collect();
        let first = message.lines().next().unwrap_or_default();
        let lines = if listed.is_empty() {
            vec![first]
        } else {
            listed
        };
        for line in lines {
            out.push_str(&format!("- {}\n", clean(line)));
        }
    }
    out.push_str(&format!(
        "\nImgfac-Version: {}\n",
        env!("CARGO_PKG_VERSION")
    ));
    out
}

/// What is said when a run has nothing to add.
pub(super) fn has_it(place: &Place, branch: &str) -> String {
    format!(
        "{branch} of {} has it already, and waits for its pull request",
        place.repository.remote_name()
    )
}

/// What is said about a commit that waits now.
pub(super) fn open_it(place: &Place, reason: &str) -> String {
    format!(
        "{} does not take pushes ({reason}): open a pull request from this branch, or merge the one that is open",
        place.branch_name()
    )
}
