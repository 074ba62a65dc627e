//! What the caller knows: tokens, and the servers that they are for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use imgfac_retry::Retry;

use super::error::CiError;
use super::server_url;
use crate::clock::{Clock, SystemClock};
use crate::credentials::Secret;
use crate::retry::DEFAULT_RETRY;

/// Tokens by the server that each is for, and how servers are asked. Nothing is read from the
/// environment.
#[derive(Clone, Debug)]
pub struct CiSettings {
    /// GitHub servers by their host, as [`imgfac_model::Source::host`] has it.
    pub github: BTreeMap<String, GitHubServer>,
    /// GitLab servers by their host.
    pub gitlab: BTreeMap<String, GitLabServer>,
    /// Bearer tokens for webhooks by the origin of their `url`, such as `https://ci.example.com`.
    pub webhooks: BTreeMap<String, Secret>,
    /// What requests to webhooks are signed with. The signature goes to every webhook, so the secret
    /// should be too long to be guessed.
    pub webhook_secret: Option<Secret>,
    /// How we call ourselves.
    pub user_agent: String,
    /// How long one request may take, with its answer.
    pub timeout: Duration,
    /// How often to try; all requests to a host share its budget of waits.
    pub retry: Retry,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for CiSettings {
    /// No token for anything.
    fn default() -> Self {
        Self {
            github: BTreeMap::new(),
            gitlab: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            webhook_secret: None,
            user_agent: concat!("imgfac/", env!("CARGO_PKG_VERSION")).into(),
            timeout: Duration::from_secs(30),
            retry: DEFAULT_RETRY,
            clock: Arc::new(SystemClock),
        }
    }
}

/// A GitHub server.
#[derive(Clone, Debug)]
pub struct GitHubServer {
    /// Where it takes requests, as `GITHUB_API_URL` says; `None` is what its host says.
    pub api: Option<String>,
    /// Who asks.
    pub identity: GitHubIdentity,
}

/// Who asks a GitHub server.
#[derive(Clone, Debug)]
pub enum GitHubIdentity {
    /// A token of a person, of an app's installation, or of a workflow.
    Token(Secret),
    /// An app, which gets a token for each repository.
    App {
        /// Its number.
        id: u64,
        /// Its private key, in PEM.
        key: Secret,
        /// The number of the installation; `None`: the one that has the repository.
        installation: Option<u64>,
    },
}

/// A GitLab server.
#[derive(Clone, Debug, Default)]
pub struct GitLabServer {
    /// Where it takes requests, as `CI_API_V4_URL` says; `None` is what its host says.
    pub api: Option<String>,
    /// A pipeline trigger token, which can start pipelines of one project and nothing else.
    pub trigger: Option<Secret>,
    /// An access token: starts pipelines if there is no trigger token, and follows them.
    pub access: Option<Secret>,
}

impl CiSettings {
    /// Whether tokens can be ones: a client would only find out in the middle of a request. Those for
    /// GitHub are looked at when its clients are made.
    pub(super) fn check(&self) -> Result<(), CiError> {
        for (host, server) in &self.gitlab {
            for token in [&server.trigger, &server.access].into_iter().flatten() {
                check_token(host, token)?;
            }
        }
        for (origin, token) in &self.webhooks {
            server_url(origin)?;
            check_token(origin, token)?;
        }
        Ok(())
    }
}

pub(super) fn check_token(host: &str, token: &Secret) -> Result<(), CiError> {
    let text = token.expose();
    match !text.is_empty() && text.bytes().all(|c| c.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(CiError::Settings {
            what: host.into(),
            problem: "its token is empty, or has characters that no token has".into(),
            remedy: "is it right, without a line break?",
        }),
    }
}
