//! Why a build could not be started or followed.

use jiff::Timestamp;

/// A provider of builds could not be asked, or said no.
///
/// No message has a secret in it. The words of a server are in some: they are shortened, and what we
/// sent it as a secret is taken out, but they may have control characters, which whoever shows them
/// has to make visible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CiError {
    /// There is no connection, or, of a question, the answer got lost.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The request for a build was sent, and it is not known what became of it.
    #[error("{host} may have started {what} or not: {reason}, and no run can be told to be it")]
    Unclear {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// Why it is not known.
        reason: String,
    },
    /// There is nothing to ask with.
    #[error("there is no token for {host}")]
    NoCredentials {
        /// The host.
        host: String,
        /// What is needed.
        needed: &'static str,
    },
    /// The server wants another token, or one that may do more.
    #[error("{host} does not let us ask for {what} ({status}{})", said(.message))]
    Denied {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// 401 or 403.
        status: u16,
        /// The words of the server.
        message: String,
    },
    /// It is not there, or the token may not see it.
    #[error("{host} has no {what}{}", bracketed(.message))]
    NotFound {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// The words of the server.
        message: String,
    },
    /// The server leads elsewhere, where no token of ours goes.
    #[error("{host} says that {what} has moved")]
    Moved {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// The status of HTTP.
        status: u16,
    },
    /// The server does not take more requests now.
    #[error("{host} has a limit of requests, and it is reached{}", open_from(.until))]
    Limited {
        /// The host.
        host: String,
        /// When it takes requests again, if it said so.
        until: Option<Timestamp>,
    },
    /// Any other refusal: nothing was done.
    #[error("{host} refused {what} ({status}{})", said(.message))]
    Refused {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// The status of HTTP.
        status: u16,
        /// The words of the server.
        message: String,
    },
    /// The server is in trouble.
    #[error("{host} answered {status} when asked for {what}")]
    Broken {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// The status of HTTP.
        status: u16,
    },
    /// The answer is none that the provider gives.
    #[error("{host} gave an answer that cannot be used when asked for {what}: {problem}")]
    Unusable {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The build was told, and nobody can say what becomes of it.
    #[error("{what} cannot be followed: {problem}")]
    NotFollowed {
        /// The run.
        what: String,
        /// Why.
        problem: &'static str,
        /// What would change that.
        remedy: &'static str,
    },
    /// The source or our own settings name something that cannot be asked.
    #[error("{what} cannot be asked: {problem}")]
    Settings {
        /// What was to be asked.
        what: String,
        /// What is wrong.
        problem: String,
        /// What to change.
        remedy: &'static str,
    },
}

fn said(message: &str) -> String {
    match message {
        "" => String::new(),
        words => format!(", {words:?}"),
    }
}

fn bracketed(message: &str) -> String {
    match message {
        "" => String::new(),
        words => format!(" ({words:?})"),
    }
}

fn open_from(until: &Option<Timestamp>) -> String {
    until.map_or_else(String::new, |until| {
        // Whole seconds are enough.
        let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
        format!(" until {until}")
    })
}

impl CiError {
    /// Whether the request may have started something nevertheless.
    #[must_use]
    pub fn may_have_started(&self) -> bool {
        matches!(self, Self::Unclear { .. })
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreachable { host, .. } => format!(
                "is {host} right, and reachable from here? HTTPS_PROXY and SSL_CERT_FILE count"
            ),
            Self::Unclear { .. } => {
                "look at the runs of the last minutes before you start one by hand".into()
            }
            Self::NoCredentials { needed, .. } => (*needed).into(),
            Self::Denied { status: 401, .. } => {
                "the token is wrong or too old: make a new one".into()
            }
            Self::Denied { .. } => {
                "the token needs the right to start builds there: \"actions: write\" at GitHub, the role Developer and the scope api at GitLab".into()
            }
            Self::NotFound { .. } => {
                "is it right in images.yaml, on that branch, and may the token see the repository?".into()
            }
            Self::Moved { .. } => "write its new name or address into images.yaml".into(),
            Self::Limited { until: Some(_), .. } => "the next run after that does it".into(),
            Self::Limited { until: None, .. } => "try again later".into(),
            Self::Refused { .. } => {
                "do the branch, the inputs and the trigger of the build fit? docs/ci.md says what is sent".into()
            }
            Self::Broken { .. } => "try again later".into(),
            Self::Unusable { .. } => "is a proxy in the way, or is this another server?".into(),
            Self::NotFollowed { remedy, .. } | Self::Settings { remedy, .. } => (*remedy).into(),
        }
    }
}
