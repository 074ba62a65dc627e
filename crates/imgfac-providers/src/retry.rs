//! How often and how long to try again, and when not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;

/// When a registry is asked again: after a lost connection, 429 and 5xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often a request is sent at most.
    pub attempts: usize,
    /// The wait after the first attempt; it doubles, and up to once as much is added at random.
    pub first: Duration,
    /// The longest wait that is not of the registry's choosing.
    pub longest: Duration,
    /// How long all requests to one registry may wait together. One that asks for more in
    /// `Retry-After` than is left is not waited for.
    pub budget: Duration,
}

impl Default for Retry {
    /// Four attempts within about 10 seconds; two minutes of waits for each registry.
    fn default() -> Self {
        Self {
            attempts: 4,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            budget: Duration::from_secs(120),
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

/// What is left of [`Retry::budget`], shared by all requests to a registry.
#[derive(Debug)]
pub(crate) struct Waits(AtomicU64);

impl Waits {
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

/// `Retry-After`: seconds, or a date of HTTP.
pub(crate) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    let seconds = at.as_second().saturating_sub(now.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Docker Hub's `RateLimit-Remaining`, such as `76;w=21600`.
pub(crate) fn remaining(header: &str) -> Option<u32> {
    header.split(';').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_says_when_to_come_back() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let check = |header: &str, seconds: Option<u64>| {
            assert_eq!(
                retry_after(header, now),
                seconds.map(Duration::from_secs),
                "{header}"
            );
        };
        check("0", Some(0));
        check(" 120 ", Some(120));
        check("Mon, 23 Nov 2026 12:01:30 GMT", Some(90));
        check("Mon, 23 Nov 2026 11:00:00 GMT", Some(0));
        for nonsense in [
            "",
            "-1",
            "soon",
            "1.5",
            "99999999999999999999999",
            "Mon, 99 Nov 2026",
        ] {
            check(nonsense, None);
        }
        check("18446744073709551615", Some(u64::MAX));
    }

    #[test]
    fn the_rest_of_a_limit_is_read() {
        let check = |header: &str, expected: Option<u32>| {
            assert_eq!(remaining(header), expected, "{header}");
        };
        check("76;w=21600", Some(76));
        check("0", Some(0));
        check("", None);
        check("many", None);
    }

    #[test]
    fn waits_double_and_their_sum_is_bounded() {
        let retry = Retry {
            longest: Duration::from_secs(3),
            budget: Duration::from_secs(3),
            ..Retry::default()
        };
        let waits: Vec<u64> = retry.waits().map(millis).collect();
        assert_eq!(waits.len(), 3);
        for (wait, least) in waits.iter().zip([1000, 2000, 3000]) {
            assert!((least..=2 * least).contains(wait), "{waits:?}");
        }
        let left = Waits::new(&retry);
        let spent = [2, 2, 1, 1].map(|seconds| left.spend(Duration::from_secs(seconds)));
        assert_eq!(spent, [true, false, true, false]);
        assert!(!left.spend(Duration::MAX));
    }
}
