//! How often and how long to try again: the waits between the attempts of one request, and the
//! budget of all waits together. Who asks decides what may be sent again, and does the waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// When a request is sent again: after a lost connection, 429 and 5xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often a request is sent at most.
    pub attempts: usize,
    /// The wait after the first attempt; it doubles, and up to once as much is added at random.
    pub first: Duration,
    /// The longest wait that is not of the server's choosing.
    pub longest: Duration,
    /// How long all requests may wait together. A server that asks for more in `Retry-After` than
    /// is left is not waited for.
    pub budget: Duration,
}

impl Retry {
    /// The waits between the attempts of one request.
    pub fn waits(&self) -> impl Iterator<Item = Duration> + Send + use<> {
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
pub struct Budget(AtomicU64);

impl Budget {
    /// The whole budget.
    #[must_use]
    pub fn new(retry: &Retry) -> Self {
        Self(AtomicU64::new(millis(retry.budget)))
    }

    /// Takes a wait out of the budget, if it is still in it.
    pub fn spend(&self, wait: Duration) -> bool {
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

    const RETRY: Retry = Retry {
        attempts: 8,
        first: Duration::from_millis(500),
        longest: Duration::from_secs(5),
        budget: Duration::from_secs(3),
    };

    #[test]
    fn waits_double_and_are_bounded() {
        let waits: Vec<u64> = RETRY.waits().map(millis).collect();
        assert_eq!(waits.len(), 7);
        for (wait, least) in waits.iter().zip([500, 1000, 2000, 4000, 5000, 5000, 5000]) {
            assert!((least..=2 * least).contains(wait), "{waits:?}");
        }
    }

    #[test]
    fn a_budget_is_not_overdrawn() {
        let budget = Budget::new(&RETRY);
        let spent = [2, 2, 1, 1].map(|seconds| budget.spend(Duration::from_secs(seconds)));
        assert_eq!(spent, [true, false, true, false]);
        assert!(!budget.spend(Duration::MAX));
    }
}
