//! Semantic versions, as far as it must be known beforehand what Kargo will make of them.

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

/// Whether the webhook takes a text as a `SemVer` constraint.
///
/// The syntax is that of github.com/Masterminds/semver v3: alternatives joined by `||`, each a
/// list of comparisons joined by spaces or commas, or a range `1.2 - 3.4`.
#[must_use]
pub fn is_version_range(text: &str) -> bool {
    text.split("||").all(is_alternative)
}

const OPERATORS: [&str; 11] = ["!=", ">=", "=>", "<=", "=<", "~>", ">", "<", "=", "~", "^"];

fn is_alternative(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let operator = OPERATORS.iter().find_map(|op| rest.strip_prefix(op));
        rest = operator.unwrap_or(rest).trim_start();
        let length = version_len(rest);
        if length == 0 {
            return false;
        }
        let after = rest.get(length..).unwrap_or_default();
        rest = after.trim_start();
        if rest.is_empty() {
            return true;
        }
        let spaced = rest.len() < after.len();
        if let Some(tail) = rest.strip_prefix(',') {
            rest = tail.trim_start();
        } else if let Some(tail) = rest.strip_prefix("- ") {
            rest = tail.trim_start();
        } else if !spaced {
            return false;
        }
    }
}

/// How many bytes at the start are a version, in which trailing parts may be absent or `x`.
fn version_len(text: &str) -> usize {
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
