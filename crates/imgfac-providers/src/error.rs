//! Why a registry gave no answer that can be used.

use std::time::Duration;

/// A registry could not be asked, or said no.
///
/// No message has a secret in it, nor free text of a registry: it could repeat one. No message
/// changes while its cause stays the same, so that it can be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// There is no connection, or it broke.
    #[error("{registry} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        registry: String,
        /// What the system said.
        reason: String,
    },
    /// A tag or digest is not there, or the whole repository.
    #[error("{registry} has no {what} of {repository}")]
    NotFound {
        /// The host.
        registry: String,
        /// The path of the image.
        repository: String,
        /// The tag, or the digest.
        what: String,
    },
    /// A digest that Dockerfiles pin, or a tag that was there before, is gone.
    #[error("{what} of {repository} vanished from {registry}")]
    Vanished {
        /// The host.
        registry: String,
        /// The path of the image.
        repository: String,
        /// The tag, or the digest.
        what: String,
    },
    /// The registry wants other credentials, or some.
    #[error("{registry} does not let us read {repository} ({status}{}, {})", reason(.code), if *.anonymous { "asked without credentials" } else { "with the credentials of the Docker configuration" })]
    Denied {
        /// The host.
        registry: String,
        /// The path of the image.
        repository: String,
        /// 401 or 403.
        status: u16,
        /// The registry's code for the reason.
        code: Option<String>,
        /// Whether there are no credentials for it.
        anonymous: bool,
    },
    /// The registry does not take more requests now.
    #[error("{registry} has a limit of requests, and it is reached")]
    Limited {
        /// The host.
        registry: String,
        /// How long it asks to wait.
        wait: Option<Duration>,
    },
    /// Our own limit of downloads is reached.
    #[error("{registry} was asked for as many manifests and lists as a run may download")]
    Budget {
        /// The host.
        registry: String,
    },
    /// A repository has more tags than are read of it.
    #[error("{repository} of {registry} has more tags than can be chosen from")]
    TooManyTags {
        /// The host.
        registry: String,
        /// The path of the image.
        repository: String,
    },
    /// Any other refusal.
    #[error("{registry} answered {status}{} when asked for {what} of {repository}", reason(.code))]
    Refused {
        /// The host.
        registry: String,
        /// The path of the image.
        repository: String,
        /// The tag, or the digest.
        what: String,
        /// The status of HTTP.
        status: u16,
        /// The registry's code for the reason.
        code: Option<String>,
    },
    /// The answer is none that a registry may give.
    #[error(
        "{registry} gave an answer that cannot be used when asked for {what} of {repository}: {problem}"
    )]
    Unusable {
        /// The host.
        registry: String,
        /// The path of the image.
        repository: String,
        /// The tag, or the digest.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The way leads over plain HTTP, which is not allowed there.
    #[error("{registry} leads to {host} without encryption")]
    PlainHttp {
        /// The registry.
        registry: String,
        /// Where plain HTTP is spoken.
        host: String,
    },
    /// Credentials are configured, and cannot be got.
    #[error("no credentials for {registry}: {problem}")]
    Credentials {
        /// The host.
        registry: String,
        /// What went wrong.
        problem: String,
    },
    /// The settings name a place that cannot be asked.
    #[error("{registry} cannot be asked: {problem}")]
    Settings {
        /// The host.
        registry: String,
        /// What is wrong.
        problem: String,
    },
}

fn reason(code: &Option<String>) -> String {
    code.as_ref()
        .map_or_else(String::new, |code| format!(" {code}"))
}

impl RegistryError {
    /// Whether it may be otherwise the next time, without anybody having changed anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::NotFound { .. } | Self::Vanished { .. } | Self::Denied { .. }
        )
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreachable { registry, .. } => format!(
                "is {registry} right, and reachable from here? HTTPS_PROXY and SSL_CERT_FILE count"
            ),
            Self::NotFound { .. } | Self::Vanished { .. } => {
                "was it deleted or renamed? Dockerfiles that name it do not build any more".into()
            }
            Self::Denied {
                registry,
                anonymous: true,
                ..
            } => format!("docker login {registry}, or is the name of the image right?"),
            Self::Denied { registry, .. } => {
                format!("may these credentials read the image? docker login {registry}")
            }
            Self::Limited { registry, wait } => {
                let later = match wait {
                    Some(wait) => format!("try again in {} s", wait.as_secs()),
                    None => "try again later".to_owned(),
                };
                format!(
                    "{later}; docker login {registry}, or a mirror under registries: of imgfac.yaml, gives more"
                )
            }
            Self::Budget { registry } => format!(
                "the rest comes with the next runs; registries: {{{registry}: {{budget: N}}}} of imgfac.yaml sets it"
            ),
            Self::TooManyTags { .. } => {
                "imageSelectionStrategy: Digest, with the one tag as constraint, needs no list"
                    .into()
            }
            Self::Refused { .. } | Self::Unusable { .. } => {
                "is a proxy in the way, or is this no registry?".into()
            }
            Self::PlainHttp { host, .. } => format!(
                "if that is meant: registries: {{\"{host}\": {{insecure: true}}}} of imgfac.yaml"
            ),
            Self::Credentials { registry, .. } => format!("docker login {registry}"),
            Self::Settings { .. } => "mend registries: of imgfac.yaml".into(),
        }
    }

    /// Whether the registry itself is the trouble, so that there is no use in asking it more.
    pub(crate) fn ends_it(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Limited { .. } | Self::Credentials { .. }
        )
    }
}
