//! Durations as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::{InvalidValue, shown};

/// How long a rebuild is held back, such as `7d` or `1d12h`.
///
/// Units are `ms`, `s`, `m`, `h`, `d` and `w`; parts may be joined; a bare `0` means at once. The
/// written form is kept, so that state repeats what the user wrote; two delays are equal when
/// they last equally long.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delay {
    written: String,
    millis: u64,
}

/// The longest delay: ten years. A longer one is a typing mistake.
const LIMIT_MILLIS: u64 = 3_660 * 24 * 3_600_000;

const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
];

impl Delay {
    /// Reads a delay.
    ///
    /// # Errors
    /// When a part lacks its number or unit, or the sum is longer than ten years.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let millis = parse(text).map_err(|problem| InvalidValue {
            what: "delay",
            problem,
            expected: "numbers with units ms, s, m, h, d or w, such as 7d, 24h or 1d12h, at most ten years",
        })?;
        Ok(Self {
            written: text.to_owned(),
            millis,
        })
    }

    /// Its length in milliseconds.
    #[must_use]
    pub fn as_millis(&self) -> u64 {
        self.millis
    }

    /// As Kubernetes and Go write durations: `168h0m0s`.
    #[must_use]
    pub fn to_go(&self) -> String {
        let (seconds, millis) = (self.millis / 1_000, self.millis % 1_000);
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        if millis == 0 {
            format!("{hours}h{minutes}m{seconds}s")
        } else {
            format!("{hours}h{minutes}m{seconds}.{millis:03}s")
        }
    }
}

fn parse(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    let (mut rest, mut sum) = (text, 0u64);
    if rest.is_empty() {
        return Err("it is empty".into());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() {
            return Err(format!(
                "{} lacks a number before {}",
                shown(text),
                shown(unit)
            ));
        }
        let factor = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => return Err(format!("{} lacks a unit", shown(text))),
            None => {
                return Err(format!(
                    "{} has the unknown unit {}",
                    shown(text),
                    shown(unit)
                ));
            }
        };
        sum = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(factor))
            .and_then(|n| n.checked_add(sum))
            .filter(|n| *n <= LIMIT_MILLIS)
            .ok_or_else(|| format!("{} is too long", shown(text)))?;
        rest = tail;
    }
    Ok(sum)
}

impl PartialEq for Delay {
    fn eq(&self, other: &Self) -> bool {
        self.millis == other.millis
    }
}

impl Eq for Delay {}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for Delay {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for Delay {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<Delay> for String {
    fn from(delay: Delay) -> String {
        delay.written
    }
}

impl Default for Delay {
    /// Seven days.
    fn default() -> Self {
        Self {
            written: "7d".into(),
            millis: 7 * 86_400_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_sums_of_units() {
        for (text, go) in [
            ("7d", "168h0m0s"),
            ("1d12h", "36h0m0s"),
            ("30m", "0h30m0s"),
            ("0", "0h0m0s"),
            ("0d", "0h0m0s"),
            ("90s", "0h1m30s"),
            ("1500ms", "0h0m1.500s"),
            ("2w", "336h0m0s"),
        ] {
            let delay = Delay::new(text).unwrap();
            assert_eq!(delay.to_go(), go);
            assert_eq!(delay.to_string(), text, "display round-trips");
        }
        assert_eq!(Delay::new("24h"), Delay::new("1d"));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "7",
            "d",
            "7x",
            "7 d",
            "-7d",
            "7d ",
            "whenever",
            "99999999999d",
            "1.5h",
            "7D",
            "d7",
        ] {
            assert!(Delay::new(bad).is_err(), "{bad:?}");
        }
    }
}
