//! Which tags of an image are newer versions of the same thing.
//!
//! A tag is taken for numbers and what stands around them: `v1.29.3-alpine3.20` is 1.29.3 of
//! `v…-alpine3.20`. Only tags with the same things around as many numbers are compared, so that
//! nothing else is ever called newer: neither another variant nor the hash of a commit.

use std::cmp::Reverse;

/// The tags that are a higher version than another one of the same shape, highest first. A
/// pre-release is newer only than another pre-release.
#[must_use]
pub fn newer_tags<'t>(tracked: &str, tags: impl IntoIterator<Item = &'t str>) -> Vec<&'t str> {
    let Some((shape, version)) = read(tracked) else {
        return Vec::new();
    };
    let mut newer: Vec<(Number<'_>, &str)> = tags
        .into_iter()
        .filter_map(|tag| {
            let (other, number) = read(tag)?;
            let comparable = other == shape && (number.stable || !version.stable);
            (comparable && number > version).then_some((number, tag))
        })
        .collect();
    newer.sort_unstable_by(|a, b| Reverse(a).cmp(&Reverse(b)));
    newer.dedup();
    newer.into_iter().map(|(_, tag)| tag).collect()
}

/// Whether there can be newer tags than this one at all: whether it is a version.
#[must_use]
pub fn has_newer_tags(tag: &str) -> bool {
    read(tag).is_some()
}

/// What stands around the numbers, and how many there are. Of a number that may be a date or a
/// hash the digits count, too.
#[derive(PartialEq, Eq)]
struct Shape<'t> {
    before: &'t str,
    digits: Vec<usize>,
    after: &'t str,
}

/// What is compared.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Number<'t> {
    numbers: Vec<u64>,
    stable: bool,
    /// The word of a pre-release, such as `beta`, and its number.
    pre: (&'t str, u64),
}

/// Words that say that a version is not finished. Their order as text is that of their lives.
const UNFINISHED: [&str; 14] = [
    "alpha",
    "beta",
    "canary",
    "dev",
    "ea",
    "edge",
    "experimental",
    "m",
    "nightly",
    "pre",
    "preview",
    "rc",
    "snapshot",
    "unstable",
];

/// Numbers from this many digits on are dates, hashes or counters.
const LONG: usize = 6;

fn read(tag: &str) -> Option<(Shape<'_>, Number<'_>)> {
    let rest = tag.strip_prefix('v').unwrap_or(tag);
    let before = tag.strip_suffix(rest)?;
    let mut digits = Vec::new();
    let mut numbers = Vec::new();
    let mut rest = rest;
    loop {
        let (number, tail) = number(rest)?;
        digits.push(if number.len() >= LONG {
            number.len()
        } else {
            0
        });
        numbers.push(number.parse().ok()?);
        rest = tail;
        // A dot that no number follows belongs to what comes after.
        match rest.strip_prefix('.') {
            Some(next) if number_starts(next) => rest = next,
            _ => break,
        }
    }
    let (pre, after) = match unfinished(rest) {
        Some((pre, after)) => (Some(pre), after),
        // `16b2f0c` is no version.
        None if rest.is_empty() || rest.starts_with(['-', '_', '+', '.']) => (None, rest),
        None => return None,
    };
    let shape = Shape {
        before,
        digits,
        after,
    };
    let number = Number {
        numbers,
        stable: pre.is_none(),
        pre: pre.unwrap_or_default(),
    };
    Some((shape, number))
}

/// `rc1`, `-rc.1` or `-beta-2`, and what follows it.
fn unfinished(text: &str) -> Option<((&str, u64), &str)> {
    let mark = |c: char| matches!(c, '-' | '.' | '_');
    let text = text.strip_prefix(mark).unwrap_or(text);
    let letters = text.len()
        - text
            .trim_start_matches(|c: char| c.is_ascii_alphabetic())
            .len();
    let (word, rest) = text.split_at_checked(letters)?;
    let lower = word.to_ascii_lowercase();
    if !UNFINISHED.contains(&lower.as_str()) {
        return None;
    }
    let after_mark = rest.strip_prefix(mark).unwrap_or(rest);
    match number(after_mark) {
        Some((number, rest)) => Some(((word, number.parse().ok()?), rest)),
        None => Some(((word, 0), rest)),
    }
}

fn number_starts(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn number(text: &str) -> Option<(&str, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    text.split_at_checked(digits)
        .filter(|(number, _)| !number.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tracked: &str, tags: &str, expected: &str) {
        let newer = newer_tags(tracked, tags.split_whitespace());
        assert_eq!(newer.join(" "), expected, "newer than {tracked}");
    }

    #[test]
    fn higher_versions_of_the_same_shape_are_newer() {
        check(
            "16.4-alpine",
            "16.3-alpine 16.4-alpine 16.10-alpine 16.6-alpine 17.2-alpine 17-alpine 17.3 latest",
            "17.2-alpine 16.10-alpine 16.6-alpine",
        );
        check("16-alpine", "16.9-alpine 17-alpine 9-alpine", "17-alpine");
        check(
            "1.2.3",
            "1.2.10 1.2 2 v1.2.4 1.2.3.4 1.2.4-debian",
            "1.2.10",
        );
        check("v1.9", "v1.10 1.11 v1.10", "v1.10");
        check(
            "3.12-slim-bookworm",
            "3.13-slim-bookworm 3.14-slim",
            "3.13-slim-bookworm",
        );
        check(
            "1.27-alpine3.19",
            "1.28-alpine3.20 1.28-alpine3.19",
            "1.28-alpine3.19",
        );
        check("24.04", "24.10 25.04 23.10", "25.04 24.10");
    }

    #[test]
    fn what_is_no_version_has_no_newer_one() {
        assert!(!has_newer_tags("latest") && has_newer_tags("16-alpine"));
        check("latest", "1 2 3", "");
        check("bookworm", "trixie", "");
        check("", "1", "");
        check("1", "99999999999999999999999999", "");
        check("16", "16b2f0c 1b2f0ca 17x 17é", "");
        check("", "", "");
    }

    #[test]
    fn hashes_and_dates_are_compared_with_their_like() {
        check("16", "20241101 1234567 17", "17");
        check("20241101", "20241201 1234567 123456789", "20241201");
        check("9.4-1194", "9.5-1733 9.4-1194.1", "");
        check("9.4-1194", "9.5-1194", "9.5-1194");
    }

    #[test]
    fn pre_releases_are_newer_only_than_their_like() {
        check("17.0", "18.0-rc1 18rc1 18.0-beta.2 17.1-alpha 17.1", "17.1");
        check("17.0-alpine", "18.0-rc1-alpine 18.0-alpine", "18.0-alpine");
        check(
            "18beta1",
            "18beta2 18rc1 18 17 19beta1 18beta2-alpine",
            "19beta1 18 18rc1 18beta2",
        );
        check(
            "18.0.0-rc.2",
            "18.0.0-rc.10 18.0.0-rc.1 18.0.0",
            "18.0.0 18.0.0-rc.10",
        );
        check("1.0.0", "1.1.0-SNAPSHOT 1.1.0-nightly-2", "");
    }
}
