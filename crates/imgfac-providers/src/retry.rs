//! How often and how long a registry is asked again, and what it says of it.

use std::time::Duration;

pub(crate) use imgfac_retry::Budget;
pub use imgfac_retry::Retry;
use jiff::Timestamp;

/// Four attempts within about 10 seconds; two minutes of waits for each registry.
pub const DEFAULT_RETRY: Retry = Retry {
    attempts: 4,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
    budget: Duration::from_secs(120),
};

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
}
