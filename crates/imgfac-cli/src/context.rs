//! What every command gets: where to work and where to write.

use std::io::Write;
use std::path::PathBuf;

use crate::error::CliError;

/// The surroundings of a command.
pub(crate) struct Context<'s> {
    /// `-C`.
    pub(crate) directory: Option<PathBuf>,
    /// `--quiet`.
    pub(crate) quiet: bool,
    /// Whether a person watches standard error.
    pub(crate) progress: bool,
    /// Whether something was done that stays, whatever becomes of what is said of it.
    pub(crate) wrote: bool,
    /// Data.
    pub(crate) out: &'s mut dyn Write,
    /// Everything else.
    pub(crate) err: &'s mut dyn Write,
}

impl Context<'_> {
    /// The same, but what it has to say goes nowhere: for work that is done again.
    pub(crate) fn silent<'c>(&'c mut self, nowhere: &'c mut std::io::Sink) -> Context<'c> {
        Context {
            directory: self.directory.clone(),
            quiet: self.quiet,
            progress: false,
            wrote: self.wrote,
            out: &mut *self.out,
            err: nowhere,
        }
    }

    /// The factory directory of this run.
    pub(crate) fn directory(&self) -> PathBuf {
        match &self.directory {
            Some(directory) => directory.clone(),
            None if PathBuf::from("images.yaml").is_file() => PathBuf::from("."),
            None => PathBuf::from("image-factory"),
        }
    }

    /// The time of this run, RFC 3339 in UTC, to the second; `IMGFAC_NOW` fixes it.
    pub(crate) fn now() -> Result<String, CliError> {
        let now = Self::fixed_now()?.unwrap_or_else(jiff::Timestamp::now);
        let seconds = jiff::Timestamp::from_second(now.as_second()).map_err(CliError::failed)?;
        Ok(seconds.to_string())
    }

    /// The time that `IMGFAC_NOW` fixes, if it does.
    pub(crate) fn fixed_now() -> Result<Option<jiff::Timestamp>, CliError> {
        match std::env::var("IMGFAC_NOW") {
            Ok(text) if !text.is_empty() => text.parse().map(Some).map_err(|_| {
                CliError::usage("IMGFAC_NOW is not a time")
                    .with_hint("write it like 2026-11-23T12:00:00Z")
            }),
            // Empty counts as unset, as for the other variables.
            _ => Ok(None),
        }
    }
}
