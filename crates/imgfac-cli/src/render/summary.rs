//! What a run did, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use imgfac_model::{Diagnostic, SourceFiles};
use imgfac_state::{Change, ChangeKind, FileChange, LastError, Subject};

use super::style::{BOLD, DIM, ERROR, GOOD, WARNING, clean, columns, count};

/// What `analyze` or `sync` did.
pub(crate) struct Report<'r> {
    /// The factory directory, as people named it.
    pub(crate) directory: String,
    pub(crate) managed: usize,
    pub(crate) external: usize,
    pub(crate) bases: usize,
    /// How many of the managed images stand on another one.
    pub(crate) on_our_own: usize,
    /// What failed and why.
    pub(crate) failures: Vec<(Subject, String)>,
    pub(crate) files: &'r SourceFiles,
    pub(crate) diagnostics: &'r [Diagnostic],
    pub(crate) done: Done,
}

/// What a run did to state.
pub(crate) struct Done {
    pub(crate) changes: Vec<Change>,
    pub(crate) written: Vec<String>,
    pub(crate) removed: Vec<String>,
    /// Nothing was written; these are the files that would be.
    pub(crate) check: bool,
    /// What was committed; `None` when Git was not asked to, or there was nothing to commit.
    pub(crate) commit: Option<CommitReport>,
}

impl Done {
    pub(crate) fn new(
        changes: Vec<Change>,
        files: Vec<FileChange>,
        check: bool,
        commit: Option<CommitReport>,
    ) -> Self {
        let (mut written, mut removed) = (Vec::new(), Vec::new());
        for change in files {
            match change {
                FileChange::Write { path, .. } => written.push(path),
                FileChange::Remove { path } => removed.push(path),
            }
        }
        Self {
            changes,
            written,
            removed,
            check,
            commit,
        }
    }

    /// Whether no file differs.
    pub(crate) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty()
    }
}

/// A commit of this run.
#[derive(Clone, Debug)]
pub(crate) struct CommitReport {
    pub(crate) id: String,
    /// The branch that has it; `None` when no branch was checked out.
    pub(crate) branch: Option<String>,
    /// The remote that it was pushed to.
    pub(crate) pushed: Option<String>,
    /// How often others were faster.
    pub(crate) overtaken: u32,
    /// What the user should know about it, such as that the checkout did not follow.
    pub(crate) notes: Vec<String>,
}

/// More lines than this are counted, not shown.
const SHOWN: usize = 40;

/// Writes the summary.
pub(crate) fn summary(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    writeln!(
        out,
        "{BOLD}{}{BOLD:#}  {}: {} by us, {} watched; {}{}",
        clean(&report.directory),
        count(report.managed + report.external, "image"),
        format_args!("{} built", report.managed),
        report.external,
        count(report.bases, "base"),
        match report.on_our_own {
            0 => String::new(),
            number => format!("; {number} on images of our own"),
        },
    )?;
    writeln!(out)?;
    if !report.done.changes.is_empty() {
        changes(out, &report.done.changes)?;
        writeln!(out)?;
    }
    if !report.failures.is_empty() {
        let field = match images(&report.failures) {
            0 => "lastError in state/base-images",
            _ => "discoveryError in state/images",
        };
        failures(out, &report.failures, field)?;
        writeln!(out)?;
    }
    files(out, &report.done)
}

/// Writes what a run did to state, of commands that have no more to say.
pub(crate) fn done(out: &mut dyn Write, done: &Done) -> io::Result<()> {
    if !done.changes.is_empty() {
        changes(out, &done.changes)?;
        writeln!(out)?;
    }
    files(out, done)
}

/// Writes what was found out of tags, and of which nothing.
pub(crate) fn observed(
    out: &mut dyn Write,
    done: &Done,
    failures: &[(Subject, String)],
) -> io::Result<()> {
    if !failures.is_empty() {
        self::failures(out, failures, "lastError in state")?;
        writeln!(out)?;
    }
    self::done(out, done)
}

/// Why something is not known, and since when.
pub(crate) fn not_known(error: LastError) -> String {
    let LastError { reason, since } = error;
    match since {
        Some(since) => format!("not known since {since}: {reason}"),
        None => reason,
    }
}

fn changes(out: &mut dyn Write, changes: &[Change]) -> io::Result<()> {
    let lines: Vec<Vec<String>> = changes
        .iter()
        .map(
            |Change {
                 subject,
                 kind,
                 details,
             }| {
                let (what, name) = words(subject);
                vec![
                    kind.as_str().to_owned(),
                    what.to_owned(),
                    clean(name),
                    clean(&details.join("; ")),
                ]
            },
        )
        .collect();
    for (line, change) in columns(&lines).iter().zip(changes).take(SHOWN) {
        let style = match change.kind {
            ChangeKind::Added | ChangeKind::Restored => GOOD,
            ChangeKind::Changed | ChangeKind::Renamed | ChangeKind::Became => WARNING,
            ChangeKind::Archived | ChangeKind::Removed => DIM,
        };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        writeln!(out, "  {style}{word}{style:#} {rest}")?;
    }
    if changes.len() > SHOWN {
        writeln!(out, "  … and {} more", changes.len() - SHOWN)?;
    }
    Ok(())
}

/// What a subject is, and its name.
pub(crate) fn words(subject: &Subject) -> (&'static str, &str) {
    match subject {
        Subject::Image(name) => ("image", name),
        Subject::Base(name) => ("base", name),
    }
}

fn failures(out: &mut dyn Write, failures: &[(Subject, String)], field: &str) -> io::Result<()> {
    writeln!(
        out,
        "{ERROR}{} failed{ERROR:#}; what was known is kept:",
        failed(failures)
    )?;
    let lines: Vec<Vec<String>> = failures
        .iter()
        .take(SHOWN)
        .map(|(subject, reason)| {
            let (what, name) = words(subject);
            vec![what.to_owned(), clean(name), clean(reason)]
        })
        .collect();
    for line in columns(&lines) {
        writeln!(out, "  {ERROR}failed{ERROR:#}  {line}")?;
    }
    if failures.len() > SHOWN {
        writeln!(
            out,
            "  … and {} more; {field} has each reason",
            failures.len() - SHOWN
        )?;
    }
    Ok(())
}

/// `2 images and 1 base`.
fn failed(failures: &[(Subject, String)]) -> String {
    let all: BTreeSet<&Subject> = failures.iter().map(|(subject, _)| subject).collect();
    let images = images(failures);
    match (images, all.len() - images) {
        (images, 0) => count(images, "image"),
        (0, bases) => count(bases, "base"),
        (images, bases) => format!("{} and {}", count(images, "image"), count(bases, "base")),
    }
}

/// How many images failed; one may have several reasons.
fn images(failures: &[(Subject, String)]) -> usize {
    let subjects = failures.iter().map(|(subject, _)| subject);
    let images = subjects.filter(|subject| matches!(subject, Subject::Image(_)));
    images.collect::<BTreeSet<_>>().len()
}

/// Writes which files a run wrote and removed, and what was committed.
pub(crate) fn files(out: &mut dyn Write, done: &Done) -> io::Result<()> {
    if done.is_empty() {
        return writeln!(out, "Nothing changed, nothing written.");
    }
    let (wrote, removed) = if done.check {
        ("Would write", "Would remove")
    } else {
        ("Wrote", "Removed")
    };
    if !done.written.is_empty() {
        writeln!(
            out,
            "{wrote} {}: {}",
            count(done.written.len(), "file"),
            by_folder(&done.written)
        )?;
    }
    if !done.removed.is_empty() {
        writeln!(
            out,
            "{removed} {}: {}",
            count(done.removed.len(), "file"),
            by_folder(&done.removed)
        )?;
    }
    match &done.commit {
        Some(commit) => committed(out, commit),
        None => Ok(()),
    }
}

pub(super) fn committed(out: &mut dyn Write, commit: &CommitReport) -> io::Result<()> {
    let id = commit.id.get(..12).unwrap_or(&commit.id);
    let branch = commit.branch.as_deref().unwrap_or("HEAD");
    match &commit.pushed {
        Some(remote) => writeln!(out, "Pushed {id} to {} of {}", clean(branch), clean(remote))?,
        None => writeln!(out, "Committed {id} on {}", clean(branch))?,
    }
    for note in &commit.notes {
        writeln!(out, "{DIM}note:{DIM:#} {}", clean(note))?;
    }
    Ok(())
}

/// `state/images (12), dist/image-factory.k8s.yaml`: folders with counts, lone files by name.
fn by_folder(paths: &[String]) -> String {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in paths {
        folders
            .entry(path.rsplit_once('/').map_or(".", |(folder, _)| folder))
            .or_default()
            .push(path);
    }
    let parts: Vec<String> = folders
        .into_iter()
        .map(|(folder, files)| match files.as_slice() {
            [one] => clean(one),
            many => format!("{folder} ({})", many.len()),
        })
        .collect();
    parts.join(", ")
}
