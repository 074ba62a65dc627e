//! How often and how long to try again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// When a request is sent again: after a lost connection, 429 and 5xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often a request is sent at most.
    pub attempts: usize,
    /// The wait after the first attempt; it doubles, and up to once as much is added at random.
    pub first: Duration,
    /// The longest wait that is not of the server's choosing.
    pub longest: Duration,
    /// How long all requests of a run may wait together. A server that asks for more in
    /// `Retry-After` than is left is not waited for.
    pub budget: Duration,
}

impl Default for Retry {
    /// Five attempts within about 15 seconds; ten minutes of waits in a run.
    fn default() -> Self {
        Self {
            attempts: 5,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            budget: Duration::from_secs(600),
        }
    }
}

impl Retry {
    /// The waits between the attempts of one request.
    pub(crate) fn waits(&self) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter()
            .build()
    }
}

/// What is left of [`Retry::budget`], shared by all requests.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU64);

impl Budget {
    pub(crate) fn new(retry: &Retry) -> Self {
        Self(AtomicU64::new(millis(retry.budget)))
    }

    /// Takes a wait out of the budget, if it is still in it.
    pub(crate) fn spend(&self, wait: Duration) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(millis(wait))
            })
            .is_ok()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_bounded() {
        let retry = Retry {
            attempts: 8,
            longest: Duration::from_secs(5),
            ..Retry::default()
        };
        let waits: Vec<u64> = retry.waits().map(millis).collect();
        assert_eq!(waits.len(), 7);
        for (wait, least) in waits.iter().zip([500, 1000, 2000, 4000, 5000, 5000, 5000]) {
            assert!((least..=2 * least).contains(wait), "{waits:?}");
        }
    }

    #[test]
    fn a_budget_is_not_overdrawn() {
        let budget = Budget::new(&Retry {
            budget: Duration::from_secs(3),
            ..Retry::default()
        });
        let spent = [2, 2, 1, 1].map(|seconds| budget.spend(Duration::from_secs(seconds)));
        assert_eq!(spent, [true, false, true, false]);
    }
}
