//! From results to text: functions of a value and a writer.

mod cluster;
mod diagnostics;
mod json;
mod progress;
mod rebuild;
mod started;
mod style;
mod summary;

use std::io::{self, Write};

use crate::error::CliError;

pub(crate) use self::{
    cluster::{JsonApplied, JsonDifferences, applied, differences},
    diagnostics::{count_errors, diagnostics, place},
    json::{JsonDiagnostic, JsonDone, JsonObserved, JsonReport},
    progress::progress_bar,
    rebuild::{EMERGENCY_DAYS, RebuildOutcome, RebuildReport, emergencies_before, rebuilds},
    started::{EndedRun, Started, StartedReport, Why, started},
    style::{BOLD, DIM, ERROR, GOOD, WARNING, clean, clean_json, columns, count},
    summary::{CommitReport, Done, Report, done, files, not_known, observed, summary},
};

/// Writes why a command failed, and what the user can do.
pub(crate) fn error(out: &mut dyn Write, error: &CliError) -> io::Result<()> {
    writeln!(out, "{ERROR}error:{ERROR:#} {}", clean(&error.message))?;
    if let Some(hint) = &error.hint {
        writeln!(out, "{DIM}hint:{DIM:#} {hint}")?;
    }
    Ok(())
}

/// Writes a value as JSON with one newline at its end.
pub(crate) fn json(out: &mut dyn Write, value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failed)?;
    writeln!(out, "{}", clean_json(text))?;
    Ok(())
}
