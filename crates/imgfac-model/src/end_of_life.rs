//! Until when the maintainers of base images care for them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::glob::matches;
use crate::reference::{Reference, Repository, Tag};
use crate::text::{InvalidValue, shown};

/// The last day of images, by pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndOfLife(BTreeMap<ImagePattern, Day>);

impl EndOfLife {
    /// The last day on which an image is cared for, if anybody said so.
    ///
    /// Of several patterns the nearest counts: the one with the most characters beside `*`, and of
    /// those the one whose day is earlier.
    #[must_use]
    pub fn of(&self, image: &Reference) -> Option<Day> {
        let patterns = self.0.iter().filter(|(pattern, _)| pattern.matches(image));
        patterns
            .min_by_key(|(pattern, day)| (std::cmp::Reverse(pattern.precision()), **day))
            .map(|(_, day)| *day)
    }

    /// Adds a pattern; whether it was not there yet.
    pub fn insert(&mut self, pattern: ImagePattern, day: Day) -> bool {
        self.0.insert(pattern, day).is_none()
    }

    /// Whether nobody said anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An image whose tag may have `*` for any characters, such as `node:16*`.
///
/// Canonical as [`Reference`]s are: without a tag it means `latest`. It matches an image whatever
/// digest that is pinned to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImagePattern {
    repository: Repository,
    tag: String,
}

impl ImagePattern {
    /// Whether an image is meant.
    #[must_use]
    pub fn matches(&self, image: &Reference) -> bool {
        let tag = image.tag().map(Tag::as_str);
        image.repository() == &self.repository && tag.is_some_and(|tag| matches(&self.tag, tag))
    }

    /// The number of characters that an image must have.
    fn precision(&self) -> usize {
        self.tag.chars().filter(|c| *c != '*').count() + usize::from(!self.tag.contains('*'))
    }
}

impl FromStr for ImagePattern {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let invalid = |problem: String| InvalidValue {
            what: "image",
            problem,
            expected: "an image without digest, such as node:16 or docker.io/library/node:16*; \"*\" may stand in the tag",
        };
        if text.contains('@') {
            return Err(invalid(format!("{} has a digest", shown(text))));
        }
        let name_end = text.rfind('/').unwrap_or_default();
        let (name, tag) = match text.rfind(':').filter(|at| *at > name_end) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, "latest"),
        };
        let repository = Repository::parse(name).map_err(|error| invalid(error.to_string()))?;
        // A star may stand wherever a letter may.
        Tag::parse(&tag.replace('*', "x")).map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            repository,
            tag: tag.to_owned(),
        })
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl TryFrom<String> for ImagePattern {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<ImagePattern> for String {
    fn from(pattern: ImagePattern) -> Self {
        pattern.to_string()
    }
}

/// A day of the calendar, `2026-04-30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(Date);

impl Day {
    /// How many days later another day is; less than 0 when it is earlier.
    #[must_use]
    pub fn days_until(self, other: Self) -> i64 {
        self.0.duration_until(other.0).as_hours() / 24
    }
}

impl FromStr for Day {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        // The library reads other forms, too.
        let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
        let form: String = text.chars().take(11).map(digits).collect();
        let day = text.parse().ok().filter(|_| form == "0000-00-00");
        day.map(Self).ok_or_else(|| InvalidValue {
            what: "day",
            problem: shown(text),
            expected: "a day of the calendar as YYYY-MM-DD, such as 2026-04-30",
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Day {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromStr<Err = InvalidValue> + ToString>(text: &str) -> String {
        match text.parse::<T>() {
            Ok(value) => value.to_string(),
            Err(error) => format!("{}: {}", error.what, error.problem),
        }
    }

    #[test]
    fn patterns_are_canonical() {
        for (text, expected) in [
            ("node", "docker.io/library/node:latest"),
            ("node:16*", "docker.io/library/node:16*"),
            ("index.docker.io/library/node:*", "docker.io/library/node:*"),
            ("localhost:5000/a/b:1.*-slim", "localhost:5000/a/b:1.*-slim"),
            ("ghcr.io:443/a/b", "ghcr.io:443/a/b:latest"),
            ("node:", "image: the tag is empty"),
            (
                "node*:16",
                "image: not an image name: expected [registry/]path[:tag][@digest]",
            ),
            ("node:16\u{1b}[2J", "image: a tag must not have '\\u{1b}'"),
            ("node@sha256:1", "image: \"node@sha256:1\" has a digest"),
        ] {
            assert_eq!(read::<ImagePattern>(text), expected, "{text}");
        }
    }

    #[test]
    fn stars_stand_for_anything() {
        let long = "a".repeat(100);
        let stars = "*a".repeat(60);
        for (pattern, tag, expected) in [
            ("16", "16", true),
            ("16", "16-alpine", false),
            ("16*", "16", true),
            ("16*", "160", true),
            ("16-*", "160", false),
            ("*-alpine", "16-alpine", true),
            ("*", "latest", true),
            ("1*1", "1", false),
            ("1*2*3", "1-2-3", true),
            ("1*2*3", "1-3-2", false),
            ("a**b", "ab", true),
            (&format!("{stars}*b"), &long, false),
            (&stars, &long, true),
        ] {
            assert_eq!(matches(pattern, tag), expected, "{pattern} {tag}");
        }
    }

    #[test]
    fn the_nearest_pattern_counts_whatever_the_digest() {
        let mut known = EndOfLife::default();
        for (pattern, day) in [
            ("node:16*", "2023-09-11"),
            ("node:16-lts*", "2027-01-01"),
            ("node:1*6", "2020-01-01"),
            ("node:16", "2024-01-01"),
            ("ghcr.io/acme/node:*", "2030-01-01"),
        ] {
            assert!(known.insert(pattern.parse().unwrap(), day.parse().unwrap()));
        }
        let pinned = format!("node:16-alpine@sha256:{}", "0".repeat(64));
        let no_tag = format!("node@sha256:{}", "0".repeat(64));
        for (image, expected) in [
            ("node:16-alpine", Some("2023-09-11")),
            (pinned.as_str(), Some("2023-09-11")),
            (no_tag.as_str(), None),
            ("docker.io/library/node:16-lts-slim", Some("2027-01-01")),
            ("node:16", Some("2024-01-01")),
            ("node:18", None),
            ("ghcr.io/acme/node:18", Some("2030-01-01")),
        ] {
            let day = known.of(&image.parse().unwrap()).map(|day| day.to_string());
            assert_eq!(day.as_deref(), expected, "{image}");
        }
    }

    #[test]
    fn days_are_days_of_the_calendar() {
        for (text, expected) in [
            ("2024-02-29", "2024-02-29"),
            ("2023-02-29", "day: \"2023-02-29\""),
            ("20240229", "day: \"20240229\""),
            ("2024-2-9", "day: \"2024-2-9\""),
            ("2024-02-29T12:00:00", "day: \"2024-02-29T12:00:00\""),
            ("", "day: \"\""),
        ] {
            assert_eq!(read::<Day>(text), expected, "{text}");
        }
        let [one, two]: [Day; 2] = ["2024-12-31", "2025-03-31"].map(|day| day.parse().unwrap());
        assert_eq!((one.days_until(two), two.days_until(one)), (90, -90));
    }
}
