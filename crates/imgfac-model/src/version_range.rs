//! Ranges of versions: the `constraint` of `SemVer`.
//!
//! The syntax and the meaning are those of github.com/Masterminds/semver v3.4, which Kargo uses.

use crate::semver::{Version, parts, version_len};

/// A range of versions: alternatives joined by `||`, each a list of comparisons joined by spaces
/// or commas, or a range `1.2 - 3.4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange(Vec<Vec<Comparison>>);

/// An operator, and what stands behind it: up to three numbers, and a pre-release.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    operator: &'static str,
    /// How many numbers are given.
    given: usize,
    version: Version,
}

const OPERATORS: [&str; 11] = ["!=", ">=", "=>", "<=", "=<", "~>", ">", "<", "=", "~", "^"];

impl VersionRange {
    /// Reads a range; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let alternatives = text.split("||").map(alternative);
        alternatives.collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether a version lies within the range. One with a pre-release does only if the
    /// alternative names a pre-release somewhere, too.
    #[must_use]
    pub fn allows(&self, version: &Version) -> bool {
        self.0.iter().any(|all| {
            let pre = all.iter().any(|one| !one.version.pre.is_empty());
            all.iter().all(|one| one.allows(version, pre))
        })
    }
}

/// Whether the webhook takes a text as a `SemVer` constraint.
#[must_use]
pub fn is_version_range(text: &str) -> bool {
    VersionRange::parse(text).is_some()
}

fn alternative(text: &str) -> Option<Vec<Comparison>> {
    let mut rest = text.trim_start();
    let mut all: Vec<Comparison> = Vec::new();
    let mut until = false;
    loop {
        let operator = OPERATORS.into_iter().find(|op| rest.starts_with(op));
        let operator = operator.unwrap_or_default();
        rest = rest.get(operator.len()..)?.trim_start();
        let length = version_len(rest);
        if length == 0 {
            return None;
        }
        let operator = match (until, operator) {
            (true, "") => "<=",
            (_, operator) => operator,
        };
        all.push(Comparison::new(operator, rest.get(..length)?)?);
        until = false;
        let after = rest.get(length..).unwrap_or_default();
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(all);
        }
        let spaced = rest.len() < after.len();
        if let Some(tail) = rest.strip_prefix(',') {
            rest = tail.trim_start();
        } else if let Some(tail) = rest.strip_prefix("- ") {
            let from = all.last_mut().filter(|from| from.operator.is_empty())?;
            from.operator = ">=";
            until = true;
            rest = tail.trim_start();
        } else if !spaced {
            return None;
        }
    }
}

impl Comparison {
    fn new(operator: &'static str, text: &str) -> Option<Self> {
        let (numbers, pre) = parts(text)?;
        let mut core = [0; 3];
        let mut given = 0;
        for number in numbers.into_iter().map_while(|number| number) {
            *core.get_mut(given)? = number;
            given += 1;
        }
        Some(Self {
            operator,
            given,
            version: Version { core, pre },
        })
    }

    fn allows(&self, version: &Version, pre: bool) -> bool {
        let Self {
            operator,
            given,
            version: named,
        } = self;
        let exact = *given == 3;
        let other_than_one = exact && *operator == "!=";
        if !(version.pre.is_empty() || pre || other_than_one) {
            return false;
        }
        // What comes after all that begins with the given numbers.
        let after = |given: usize| version.core >= next(named.core, given);
        match *operator {
            ">" if exact || *given == 0 => version > named,
            ">" => after(*given),
            "<" => version < named,
            ">=" | "=>" => version >= named,
            "<=" | "=<" if exact => version <= named,
            "<=" | "=<" => !after(*given),
            "!=" if exact => version != named,
            "!=" => version < named || after(*given),
            "" | "=" if exact => version == named,
            "" | "=" => version >= named && !after(*given),
            "~" | "~>" if exact && named.core == [0; 3] => version >= named,
            "~" | "~>" => version >= named && !after((*given).min(2)),
            _ => version >= named && !after(caret(named.core, *given)),
        }
    }
}

/// How many numbers must stay: up to the first that is not 0.
fn caret(core: [u64; 3], given: usize) -> usize {
    let first = core.iter().position(|number| *number > 0);
    first.map_or(given, |first| (first + 1).min(given))
}

/// The lowest numbers after all that begin with so many of these; none do without any.
fn next(core: [u64; 3], given: usize) -> [u64; 3] {
    let [major, minor, patch] = core;
    match given {
        0 => [u64::MAX; 3],
        1 => [major.saturating_add(1), 0, 0],
        2 => [major, minor.saturating_add(1), 0],
        _ => [major, minor, patch.saturating_add(1)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let it = VersionRange::parse(range).unwrap();
        let allows = |tag: &&&str| it.allows(&Version::parse(tag, false).unwrap());
        let wrong: Vec<_> = inside.iter().filter(|tag| !allows(tag)).collect();
        assert!(wrong.is_empty(), "{range} should have {wrong:?}");
        let wrong: Vec<_> = outside.iter().filter(allows).collect();
        assert!(wrong.is_empty(), "{range} should not have {wrong:?}");
    }

    #[test]
    fn ranges_have_an_inside() {
        check("16", &["16", "16.9", "16.9.9"], &["15.9", "17", "16.1-rc1"]);
        check("16.x", &["16.0", "16.10"], &["17.0"]);
        check("16.4", &["16.4", "16.4.9"], &["16.5", "16.3"]);
        check("1.2.3", &["1.2.3", "v1.2.3+b"], &["1.2.4"]);
        check("*", &["0.0.1", "99"], &["1.0.0-rc.1"]);
        check(">16", &["17"], &["16.9"]);
        check(">16.1", &["16.2"], &["16.1.5"]);
        check(">1.2.3", &["1.2.4"], &["1.2.3"]);
        check("<17", &["16.9.9"], &["17", "17.1"]);
        check("<=17", &["17.9.9"], &["18"]);
        check("<=17.1", &["17.1.9"], &["17.2"]);
        check("<=1.2.3", &["1.2.3"], &["1.2.4"]);
        check("!=1.2", &["1.3", "1.1.9"], &["1.2.7"]);
        check("!=1.2.3", &["1.2.4", "1.2.3-rc.1"], &["1.2.3"]);
        check("~7.4.0", &["7.4.0", "7.4.9"], &["7.5", "7.3.9", "8"]);
        check("~7", &["7.9"], &["8"]);
        check("~> 7.4", &["7.4.1"], &["7.5"]);
        check("^1.2", &["1.2", "1.9.9"], &["2", "1.1"]);
        check("^0.2.3", &["0.2.9"], &["0.3", "0.2.2"]);
        check("^0.0.3", &["0.0.3"], &["0.0.4"]);
        check("^0.0", &["0.0.9"], &["0.1"]);
        check("^0", &["0.9"], &["1"]);
        check(">=1.2 <2 || 3.1.*", &["1.5", "3.1.4"], &["2.0", "3.2"]);
        check(">= 1.2, < 2.0.0", &["1.9.9"], &["2.0.0"]);
        check("1.2 - 3.4", &["1.2", "3.4.9"], &["3.5", "1.1"]);
        check("~0.0.0", &["5"], &[]);
    }

    #[test]
    fn pre_releases_are_asked_for() {
        check(
            ">=4.2.0-0 <5.0.0-0",
            &["4.2.0-debian", "4.9.1"],
            &["5.0.0-debian", "4.1.9"],
        );
        check(">=16.0-0 <17", &["16.4-alpine"], &["17.1-alpine"]);
        check(">=1 || >=2-0", &["1.5", "2.1-rc1"], &["1.5-rc1"]);
    }

    #[test]
    fn ranges_are_comparisons() {
        for good in [
            ">=16",
            "16",
            "^1.2.3",
            "~1.2",
            "~> 1.2",
            "1.x",
            "*",
            ">=1.2 <2",
            ">= 1.2, < 2.0.0 || 3.1.*",
            "1.2 - 3.4",
            "!=1.2.3-rc.1",
            "v1",
            " >=1 ",
        ] {
            assert!(is_version_range(good), "{good:?}");
        }
        for bad in [
            "",
            "latest",
            ">=",
            "1.2.3.4",
            ">=1<2",
            "1 ||",
            "16-alpine!",
            "a.b",
            "${{ secret('x') }}",
            "1\n2;",
            ">=1,,<2",
        ] {
            assert!(!is_version_range(bad), "{bad:?}");
        }
    }
}
