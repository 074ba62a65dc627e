//! How long to wait for one's turn among many writers.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Waits between attempts, at random, within a budget of time.
pub(super) struct Backoff {
    deadline: Instant,
    attempts: u32,
}

/// How often the network may fail in one run.
const FAILURES: u32 = 3;

/// Attempts after which a writer has waited long enough to come before others.
const PATIENCE: u32 = 5;

impl Backoff {
    pub(super) fn new(budget: Duration) -> Self {
        Self {
            deadline: Instant::now() + budget,
            attempts: 0,
        }
    }

    /// Waits after an attempt that was overtaken and took so long; `false` when there is no time
    /// left for another one.
    pub(super) fn wait(&mut self, attempt: Duration) -> bool {
        self.attempts += 1;
        let longest = window(self.attempts, attempt);
        let pause = longest.mul_f64(random());
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < attempt {
            return false;
        }
        std::thread::sleep(pause.min(left));
        true
    }

    /// Waits for a network that failed so often; `false` when it is to be given up.
    pub(super) fn wait_for_network(&self, failures: u32) -> bool {
        let pause = Duration::from_millis(500) * 2_u32.saturating_pow(failures.min(5));
        let pause = pause.mul_f64(0.5 + random() / 2.0);
        if failures > FAILURES || Instant::now() + pause > self.deadline {
            return false;
        }
        std::thread::sleep(pause);
        true
    }
}

/// The longest wait after so many attempts.
///
/// It doubles, as usual, so that a crowd spreads out: with as many writers as attempts fit into the
/// window, about one of them is at it at any time. Unlike usual it then shrinks again: who was
/// overtaken most often tries most often, and nobody starves behind newcomers.
fn window(attempts: u32, attempt: Duration) -> Duration {
    let attempt = attempt.clamp(Duration::from_millis(20), Duration::from_secs(2));
    let doublings = if attempts <= PATIENCE {
        attempts
    } else {
        (2 * PATIENCE).saturating_sub(attempts).max(1)
    };
    attempt * 2_u32.pow(doublings)
}

/// From 0 to 1, other in every process: the standard library seeds its hashes by chance.
fn random() -> f64 {
    let bits = RandomState::new().hash_one(0) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_and_shrinks_again() {
        let windows: Vec<u64> = (1..=12)
            .map(|attempts| window(attempts, Duration::from_millis(100)).as_secs())
            .collect();
        assert_eq!(windows, [0, 0, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(window(1_000, Duration::ZERO), Duration::from_millis(40));
    }

    #[test]
    fn chance_differs_and_stays_in_its_bounds() {
        let drawn: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(drawn.iter().all(|one| (0.0..=1.0).contains(one)));
        assert!(drawn.iter().any(|one| *one < 0.5) && drawn.iter().any(|one| *one > 0.5));
    }

    #[test]
    fn without_time_there_is_no_wait() {
        assert!(!Backoff::new(Duration::ZERO).wait(Duration::from_millis(1)));
        assert!(!Backoff::new(Duration::ZERO).wait_for_network(1));
        assert!(!Backoff::new(Duration::from_secs(60)).wait_for_network(FAILURES + 1));
    }
}
