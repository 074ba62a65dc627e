//! Why somebody could not be told.

use imgfac_model::EnvName;

/// A message could not be sent.
///
/// No message has a secret in it, nor free text of a server: it could repeat one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// The variable that holds the secret is not set, is empty, or is not text.
    #[error("the environment variable {variable} is not set")]
    NoSecret {
        /// Its name.
        variable: EnvName,
    },
    /// The variable holds no address.
    #[error(
        "the environment variable {variable} does not hold an address that begins with https://"
    )]
    NoAddress {
        /// Its name.
        variable: EnvName,
    },
    /// There is no connection, or it broke.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The server said no.
    #[error("{host} answered {status}{}", said(.code))]
    Refused {
        /// The host.
        host: String,
        /// The status of HTTP, or of SMTP.
        status: u16,
        /// The word of the server for the reason.
        code: Option<String>,
    },
    /// The answer leads to another place, where nothing is sent.
    #[error("{host} leads elsewhere ({status})")]
    Redirected {
        /// The host.
        host: String,
        /// The status of HTTP.
        status: u16,
    },
    /// The server does not speak as it should.
    #[error("{host} cannot be spoken to: {problem}")]
    Unusable {
        /// The host.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// The program itself is at fault.
    #[error("sending it broke off")]
    Broken,
}

fn said(code: &Option<String>) -> String {
    (code.as_ref()).map_or_else(String::new, |code| format!(" {code}"))
}

impl NotifyError {
    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NoSecret { variable } => {
                format!("export {variable}, or give it to the job that runs imgfac")
            }
            Self::NoAddress { .. } => {
                "Slack shows the address of an incoming webhook where it was made".into()
            }
            Self::Unreachable { host, .. } => format!(
                "is {host} right, and reachable from here? HTTPS_PROXY (not for mail) and SSL_CERT_FILE count"
            ),
            Self::Refused {
                status: 530 | 534 | 535 | 538,
                ..
            } => "are username and password right?".into(),
            Self::Refused {
                status: 401 | 403 | 404 | 410,
                ..
            } => "was the webhook taken away, or is its secret another one?".into(),
            Self::Refused { status: 429, .. } => "it is told with the next run".into(),
            Self::Refused { .. } => "what does its log say?".into(),
            Self::Redirected { .. } => {
                "write the address that it leads to: what is signed goes nowhere else".into()
            }
            Self::Unusable { .. } => "are server, port and tls right?".into(),
            Self::Broken => "that is a mistake of imgfac: please report it".into(),
        }
    }
}
