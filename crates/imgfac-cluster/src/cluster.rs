//! A cluster that can be talked to.

use kube::Client;

use crate::retry::{Budget, DEFAULT_RETRY, Retry};

/// How a cluster is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many requests are under way at a time; at least one.
    pub concurrency: usize,
    /// When requests are sent again.
    pub retry: Retry,
}

impl Default for Options {
    /// Eight requests at a time: an API server gives one client about as many before it queues.
    fn default() -> Self {
        Self {
            concurrency: 8,
            retry: DEFAULT_RETRY,
        }
    }
}

/// A cluster, as one client of its API server. All requests share a budget of waits, so one value
/// should serve one run.
pub struct Cluster {
    pub(crate) client: Client,
    pub(crate) options: Options,
    pub(crate) budget: Budget,
    place: String,
}

impl Cluster {
    /// Talks through a client of kube: one made by [`connect`](crate::connect), or one around any
    /// service, as tests have it.
    #[must_use]
    pub fn new(client: Client, options: Options) -> Self {
        Self {
            client,
            budget: Budget::new(&options.retry),
            options,
            place: String::new(),
        }
    }

    /// The same, with words for where it is.
    pub(crate) fn at(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// Where it is, for messages: the context and the server; empty when nobody said.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.options.concurrency.max(1)
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
