//! How registries are asked.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::credentials::{Credentials, docker_config};
use crate::retry::{DEFAULT_RETRY, Retry};

/// Finds the credentials for a host, or says why it cannot.
pub type FindCredentials = Arc<dyn Fn(&str) -> Result<Credentials, String> + Send + Sync>;

/// How registries are asked.
#[derive(Clone)]
pub struct Options {
    /// Hosts that are spoken to over plain HTTP.
    pub insecure: BTreeSet<String>,
    /// How often to try.
    pub retry: Retry,
    /// How long one request may take, with its answer.
    pub timeout: Duration,
    /// How many manifests may be downloaded from one registry; `None`: any number.
    pub budget: Option<u32>,
    /// Finds the credentials for a host, when it wants some.
    pub credentials: FindCredentials,
    /// Folders with a folder for each host, in which files `*.crt` are authorities to trust.
    pub authorities: Vec<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    /// HTTPS, the credentials of Docker and Podman, and the authorities that these know.
    fn default() -> Self {
        Self {
            insecure: BTreeSet::new(),
            retry: DEFAULT_RETRY,
            timeout: Duration::from_secs(30),
            budget: None,
            credentials: Arc::new(docker_config),
            authorities: vec![
                "/etc/docker/certs.d".into(),
                "/etc/containers/certs.d".into(),
            ],
            clock: Arc::new(SystemClock),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            insecure,
            retry,
            timeout,
            budget,
            ..
        } = self;
        f.debug_struct("Options")
            .field("insecure", insecure)
            .field("retry", retry)
            .field("timeout", timeout)
            .field("budget", budget)
            .finish_non_exhaustive()
    }
}
