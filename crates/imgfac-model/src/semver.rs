//! Semantic versions, as far as it must be known beforehand what Kargo will make of them.

use std::cmp::Ordering;

/// Whether a tag counts as a version with `strictSemvers`: three numbers, with or without a `v`.
#[must_use]
pub fn is_strict_version(tag: &str) -> bool {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let number = |n: &str| {
        !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()) && (n == "0" || !n.starts_with('0'))
    };
    let core = tag.split(['-', '+']).next().unwrap_or_default();
    let rest = tag.get(core.len()..).unwrap_or_default();
    core.split('.').count() == 3 && core.split('.').all(number) && suffix_len(rest) == rest.len()
}

/// A version, as `SemVer` compares tags: numbers that are absent count as 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub(crate) core: [u64; 3],
    pub(crate) pre: PreRelease,
}

impl Version {
    /// Reads a tag; `strict` asks for all three numbers. `None` when it is no version.
    #[must_use]
    pub fn parse(tag: &str, strict: bool) -> Option<Self> {
        if strict && !is_strict_version(tag) {
            return None;
        }
        let (numbers, pre) = parts(tag)?;
        let mut core = [0; 3];
        for (place, number) in core.iter_mut().zip(&numbers) {
            *place = (*number)?;
        }
        Some(Self { core, pre })
    }
}

/// The part after `-`. One that is empty, of a release, is the highest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PreRelease(String);

impl PreRelease {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialOrd for PreRelease {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PreRelease {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_empty(), other.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            // Numbers before words, fewer words before more.
            (false, false) => words(&self.0).cmp(words(&other.0)),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = (bool, u64, &str)> {
    let word = |word: &str| word.parse().ok();
    text.split('.').map(move |text| match word(text) {
        Some(number) => (false, number, ""),
        None => (true, 0, text),
    })
}

/// The numbers of a version, and its pre-release. A number that is `x` is `None`, and the last one.
pub(crate) fn parts(text: &str) -> Option<(Vec<Option<u64>>, PreRelease)> {
    if text.is_empty() || version_len(text) != text.len() {
        return None;
    }
    let text = text.strip_prefix('v').unwrap_or(text);
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = Vec::new();
    for part in core.split('.') {
        let is_x = matches!(part, "x" | "X" | "*");
        // Neither is a number with zeros before it, nor one that is too long.
        let number = match (is_x, part.len() > 1 && part.starts_with('0')) {
            (true, _) => None,
            (false, true) => return None,
            (false, false) => Some(part.parse().ok()?),
        };
        numbers.push(number);
        if is_x {
            break;
        }
    }
    let rest = text.get(core.len()..).unwrap_or_default();
    let pre = rest.strip_prefix('-').unwrap_or_default();
    let pre = pre.split('+').next().unwrap_or_default();
    Some((numbers, PreRelease(pre.to_owned())))
}

/// How many bytes at the start are a version, in which trailing parts may be absent or `x`.
pub(crate) fn version_len(text: &str) -> usize {
    let start = usize::from(text.starts_with('v'));
    let mut length = start;
    for n in 0..3 {
        let Some(part) = text.get(length..) else {
            return 0;
        };
        let part = match (n, part.strip_prefix('.')) {
            (0, _) => part,
            (_, Some(part)) => part,
            (_, None) => break,
        };
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let size = match digits {
            0 if part.starts_with(['x', 'X', '*']) => 1,
            0 => return 0,
            digits => digits,
        };
        length += size + usize::from(n > 0);
    }
    length + suffix_len(text.get(length..).unwrap_or_default())
}

/// How many bytes at the start are `-PRERELEASE` and `+BUILD`.
fn suffix_len(text: &str) -> usize {
    let mut length = 0;
    for mark in ['-', '+'] {
        let Some(part) = text.get(length..).and_then(|rest| rest.strip_prefix(mark)) else {
            continue;
        };
        let end = part
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
            .unwrap_or(part.len());
        if part
            .get(..end)
            .is_some_and(|p| p.split('.').all(|word| !word.is_empty()))
        {
            length += 1 + end;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_version_has_three_numbers() {
        for good in ["1.2.3", "v1.2.3", "0.10.0", "1.2.3-rc.1", "1.2.3-a+b"] {
            assert!(is_strict_version(good), "{good}");
        }
        for bad in [
            "",
            "1",
            "1.2",
            "01.2.3",
            "1.2.3.4",
            "main-abc123",
            "1.2.x",
            "1.2.3-",
            "1.2.3_a",
        ] {
            assert!(!is_strict_version(bad), "{bad}");
        }
    }

    #[test]
    fn versions_are_in_order() {
        let order = [
            "0.9.9",
            "1-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "v1.0.0",
            "1.1",
            "1.9",
            "1.10.0-0",
            "1.10",
            "2",
        ];
        let versions = order.map(|text| Version::parse(text, false).unwrap());
        assert!(versions.is_sorted(), "{versions:?}");
        assert_eq!(
            Version::parse("1", false),
            Version::parse("v1.0.0+x", false)
        );
        for none in [
            "",
            "latest",
            "1.x",
            "01.2",
            "1.2.3.4",
            "99999999999999999999",
            "1-",
        ] {
            assert_eq!(Version::parse(none, false), None, "{none}");
        }
        assert_eq!(Version::parse("1.2", true), None);
    }
}
