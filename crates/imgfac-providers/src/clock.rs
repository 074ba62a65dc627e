//! Time, as far as registries make us wait.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time and lets it pass; tests have one that does not.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time of day, which a registry may name for the next attempt.
    fn now(&self) -> Timestamp;
    /// Waits.
    fn sleep(&self, wait: Duration);
}

/// The clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, wait: Duration) {
        std::thread::sleep(wait);
    }
}
