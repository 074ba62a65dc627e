//! How often and how long a cluster is asked again.

use std::time::Duration;

pub(crate) use imgfac_retry::Budget;
pub use imgfac_retry::Retry;

/// Five attempts within about 15 seconds; ten minutes of waits in a run.
pub const DEFAULT_RETRY: Retry = Retry {
    attempts: 5,
    first: Duration::from_millis(500),
    longest: Duration::from_secs(30),
    budget: Duration::from_secs(600),
};
