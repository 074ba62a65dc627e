//! Why a command could not do its work, and the exit code of it.

use std::fmt::Display;

use imgfac_model::exit;
use imgfac_state::{ConfigurationError, ReadError, StoreError};

/// A command failed.
#[derive(Debug)]
pub(crate) struct CliError {
    /// What went wrong, one line.
    pub(crate) message: String,
    /// What the user can do.
    pub(crate) hint: Option<String>,
    /// The exit code.
    pub(crate) code: u8,
    /// Whether another run was in the way, which will end.
    pub(crate) busy: bool,
    /// Whether it was the output alone that failed.
    pub(crate) output: bool,
}

impl CliError {
    pub(crate) fn failed(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            hint: None,
            code: exit::FAILED,
            busy: false,
            output: false,
        }
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            hint: None,
            code: exit::USAGE,
            busy: false,
            output: false,
        }
    }

    /// The same, of a run that did something before: what it did stays.
    pub(crate) fn after_the_work(mut self) -> Self {
        if self.output && self.code == exit::FAILED {
            self.message.push_str(
                "; it was done all the same: state is written, and the builds that it has as running were started",
            );
            self.hint = Some("see it with: imgfac status, or imgfac rebuild".to_owned());
            self.code = exit::PARTLY;
        }
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Open { .. } => {
                Some("name the factory directory with -C DIR, or make one with: imgfac init")
            }
            StoreError::Write { .. } => Some("nothing was changed"),
            StoreError::Partly(_) => {
                Some("other files were changed already; mend this, and run it again")
            }
            StoreError::Link { .. } => {
                Some("nothing was changed; put the file itself there, or link its folder")
            }
            StoreError::Locked { .. } | StoreError::Lock { .. } | StoreError::Read(_) => None,
        };
        Self {
            hint: hint.map(str::to_owned),
            busy: matches!(error, StoreError::Locked { .. }),
            ..Self::failed(error)
        }
    }
}

impl From<ConfigurationError> for CliError {
    fn from(error: ConfigurationError) -> Self {
        let hint = match &error {
            ConfigurationError::NotAFactory(_) => {
                Some("name the factory directory with -C DIR, or make one with: imgfac init")
            }
            ConfigurationError::Read(_) => None,
        };
        Self {
            hint: hint.map(str::to_owned),
            ..Self::failed(error)
        }
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> Self {
        Self::failed(error)
    }
}

impl From<imgfac_git::Error> for CliError {
    fn from(error: imgfac_git::Error) -> Self {
        use imgfac_git::Error::{NoGit, Refused, TimedOut};
        let hint = match &error {
            NoGit(_) => Some("install git 2.31 or newer"),
            Refused { message, .. } if message.contains("could not read Username") => {
                Some("set GITHUB_TOKEN or GITLAB_TOKEN, or configure a credential helper of Git")
            }
            TimedOut { .. } => Some("IMGFAC_GIT_TIMEOUT sets the limit in seconds"),
            _ => None,
        };
        Self {
            hint: hint.map(str::to_owned),
            ..Self::failed(error)
        }
    }
}

/// Output went away: a closed pipe is how `imgfac … | head` ends.
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self {
                message: String::new(),
                hint: None,
                code: exit::DONE,
                busy: false,
                output: true,
            };
        }
        Self {
            output: true,
            ..Self::failed(format!("cannot write output: {error}"))
        }
    }
}
