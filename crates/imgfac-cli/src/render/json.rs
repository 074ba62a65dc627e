//! The JSON that machines read, version 1.
//!
//! Commands that write state print one object with `changes`, `files`, `check` and `commit`;
//! `analyze` and `sync` also `images` (counts), `bases`, `failures` and `diagnostics`, `observe --all`
//! `bases`, `tags`, `external` and `failures`. Keys are only ever added.

use imgfac_model::{Diagnostic, SourceFiles};
use imgfac_state::{Change, Subject};
use serde::Serialize;

use crate::answers::Observed;

use super::summary::{Done, Report, words};

/// A diagnostic with its place in words of editors: lines and columns from 1.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonDiagnostic {
    code: &'static str,
    severity: imgfac_model::Severity,
    message: String,
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    expected: String,
    help: Option<String>,
    suggestion: Option<String>,
    related: Vec<JsonPlace>,
}

#[derive(Serialize)]
struct JsonPlace {
    file: String,
    line: usize,
    column: usize,
    message: String,
}

impl JsonDiagnostic {
    pub(crate) fn new(files: &SourceFiles, diagnostic: &Diagnostic) -> Self {
        let mut labels = diagnostic.labels.iter();
        let first = labels.next();
        let place = |offset: fn(&std::ops::Range<usize>) -> usize| {
            first.map_or((1, 1), |label| {
                files.line_column(label.span.file, offset(&label.span.range))
            })
        };
        let ((line, column), (end_line, end_column)) =
            (place(|range| range.start), place(|range| range.end));
        Self {
            code: diagnostic.code.as_str(),
            severity: diagnostic.severity,
            message: diagnostic.message.clone(),
            file: first.map_or_else(String::new, |label| files.name(label.span.file).to_owned()),
            line,
            column,
            end_line,
            end_column,
            expected: first.map_or_else(String::new, |label| label.text.clone()),
            help: diagnostic.help.clone(),
            suggestion: diagnostic.suggestion.clone(),
            related: labels
                .map(|label| {
                    let (line, column) = files.line_column(label.span.file, label.span.range.start);
                    JsonPlace {
                        file: files.name(label.span.file).to_owned(),
                        line,
                        column,
                        message: label.text.clone(),
                    }
                })
                .collect(),
        }
    }
}

/// What `analyze` and `sync` did.
#[derive(Serialize)]
pub(crate) struct JsonReport {
    images: JsonCounts,
    bases: usize,
    failures: Vec<JsonFailure>,
    diagnostics: Vec<JsonDiagnostic>,
    #[serde(flatten)]
    done: JsonDone,
}

/// What `observe --all` did; `tags` are those of images of ours that others stand on,
/// `external` the images that are only watched.
#[derive(Serialize)]
pub(crate) struct JsonObserved {
    bases: usize,
    tags: usize,
    external: usize,
    failures: Vec<JsonFailure>,
    #[serde(flatten)]
    done: JsonDone,
}

/// What a run did to state.
#[derive(Serialize)]
pub(crate) struct JsonDone {
    changes: Vec<JsonChange>,
    files: JsonFiles,
    check: bool,
    commit: Option<JsonCommit>,
}

/// `pushed` is the remote, `overtaken` how often another writer was faster.
#[derive(Serialize)]
struct JsonCommit {
    id: String,
    branch: Option<String>,
    pushed: Option<String>,
    overtaken: u32,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct JsonCounts {
    total: usize,
    managed: usize,
    external: usize,
    failed: usize,
}

#[derive(Serialize)]
struct JsonChange {
    kind: &'static str,
    name: String,
    change: &'static str,
    details: Vec<String>,
}

#[derive(Serialize)]
struct JsonFailure {
    kind: &'static str,
    name: String,
    error: String,
}

#[derive(Serialize)]
struct JsonFiles {
    written: Vec<String>,
    removed: Vec<String>,
}

impl JsonReport {
    pub(crate) fn new(report: &Report<'_>) -> Self {
        let failures = failures(&report.failures);
        Self {
            images: JsonCounts {
                total: report.managed + report.external,
                managed: report.managed,
                external: report.external,
                failed: failures.iter().filter(|one| one.kind == "image").count(),
            },
            bases: report.bases,
            failures,
            diagnostics: report
                .diagnostics
                .iter()
                .map(|diagnostic| JsonDiagnostic::new(report.files, diagnostic))
                .collect(),
            done: JsonDone::new(&report.done),
        }
    }
}

impl JsonObserved {
    pub(crate) fn new(observed: &Observed, done: &Done) -> Self {
        Self {
            bases: observed.bases,
            tags: observed.tags,
            external: observed.external,
            failures: failures(&observed.failures),
            done: JsonDone::new(done),
        }
    }
}

fn failures(failures: &[(Subject, String)]) -> Vec<JsonFailure> {
    let one = |(subject, error): &(Subject, String)| {
        let (kind, name) = words(subject);
        JsonFailure {
            kind,
            name: name.to_owned(),
            error: error.clone(),
        }
    };
    failures.iter().map(one).collect()
}

impl JsonDone {
    pub(crate) fn new(done: &Done) -> Self {
        let changes = done.changes.iter().map(
            |Change {
                 subject,
                 kind,
                 details,
             }| {
                let (word, name) = words(subject);
                JsonChange {
                    kind: word,
                    name: name.to_owned(),
                    change: kind.as_str(),
                    details: details.clone(),
                }
            },
        );
        Self {
            changes: changes.collect(),
            files: JsonFiles {
                written: done.written.clone(),
                removed: done.removed.clone(),
            },
            check: done.check,
            commit: done.commit.as_ref().map(|commit| JsonCommit {
                id: commit.id.clone(),
                branch: commit.branch.clone(),
                pushed: commit.pushed.clone(),
                overtaken: commit.overtaken,
                notes: commit.notes.clone(),
            }),
        }
    }
}
