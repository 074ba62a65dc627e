//! What Go takes for a duration, a regular expression and a glob.

use regex_syntax::ast::{self, ErrorKind};

/// Whether `time.ParseDuration` takes a text, <https://pkg.go.dev/time#ParseDuration>.
pub(crate) fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let number = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
                .len();
        let digits = &rest[..number];
        if digits.matches('.').count() > 1 || !digits.contains(|c: char| c.is_ascii_digit()) {
            return false;
        }
        rest = &rest[number..];
        // Longer units first: `ms` is not `m` and an `s`.
        let Some(unit) = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"]
            .into_iter()
            .find(|unit| rest.starts_with(unit))
        else {
            return false;
        };
        rest = &rest[unit.len()..];
    }
    true
}

/// Why `regexp.Compile` refuses a text, <https://pkg.go.dev/regexp/syntax>.
///
/// The parser here is of the same family; where it is stricter than Go, the text passes.
pub(crate) fn regexp_problem(text: &str) -> Option<&'static str> {
    let error = ast::parse::Parser::new().parse(text).err()?;
    Some(match error.kind() {
        ErrorKind::ClassUnclosed => "a character class is not closed",
        ErrorKind::ClassRangeInvalid => "a range in a character class goes backwards",
        ErrorKind::EscapeUnexpectedEof => "it ends with a backslash",
        ErrorKind::EscapeUnrecognized if !has_escape_of_go(text) => "an escape is unknown",
        ErrorKind::FlagUnrecognized => "a flag is unknown",
        ErrorKind::GroupUnclosed => "a group is not closed",
        ErrorKind::GroupUnopened => "a parenthesis closes nothing",
        ErrorKind::RepetitionMissing => "there is nothing to repeat",
        ErrorKind::RepetitionCountInvalid => "a repetition ends before it begins",
        ErrorKind::UnsupportedBackreference => "Go has no back-references",
        ErrorKind::UnsupportedLookAround => "Go has no look-around",
        _ => return None,
    })
}

/// Escapes that Go alone knows.
fn has_escape_of_go(text: &str) -> bool {
    ["\\Q", "\\E", "\\C"]
        .iter()
        .any(|escape| text.contains(escape))
}

/// A pattern for names: exact, `glob:`, `regex:` or `regexp:`.
#[derive(Debug)]
pub(crate) enum Pattern {
    Exact(String),
    Regex(regex::Regex),
}

impl Pattern {
    /// Reads a pattern as Kargo's `pkg/pattern` does; a regular expression is not anchored.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(glob) = text.strip_prefix("glob:") {
            return compile(&glob_to_regex(glob)?);
        }
        if let Some(regexp) = text
            .strip_prefix("regex:")
            .or_else(|| text.strip_prefix("regexp:"))
        {
            return compile(regexp);
        }
        match text.split_once(':') {
            Some((prefix, _)) => Err(format!("{prefix}: is no kind of pattern")),
            None => Ok(Self::Exact(text.to_owned())),
        }
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => text == name,
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

fn compile(regexp: &str) -> Result<Pattern, String> {
    regex::Regex::new(regexp).map(Pattern::Regex).map_err(|_| {
        let problem = regexp_problem(regexp).unwrap_or("it cannot be compiled");
        format!("this is no regular expression of Go's: {problem}")
    })
}

/// Names have no slash, so `*` and `**` are the same here.
fn glob_to_regex(glob: &str) -> Result<String, String> {
    let mut out = String::from("^(?:");
    let mut braces = 0;
    let mut chars = glob.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '{' => {
                braces += 1;
                out.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                out.push(')');
            }
            ',' if braces > 0 => out.push('|'),
            '[' => {
                let class: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let negated = class.strip_prefix(['!', '^']);
                let members = negated.unwrap_or(&class);
                if members.is_empty() {
                    return Err("a character class of the glob is empty or not closed".into());
                }
                out.push_str(if negated.is_some() { "[^" } else { "[" });
                for member in members.chars() {
                    if member == '-' || member.is_alphanumeric() {
                        out.push(member);
                    } else {
                        out.push_str(&regex_syntax::escape(&member.to_string()));
                    }
                }
                out.push(']');
            }
            '\\' => match chars.next() {
                Some(c) => out.push_str(&regex_syntax::escape(&c.to_string())),
                None => return Err("the glob ends with a backslash".into()),
            },
            c => out.push_str(&regex_syntax::escape(&c.to_string())),
        }
    }
    if braces > 0 {
        return Err("a brace of the glob is not closed".into());
    }
    out.push_str(")$");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for text in [
            "0", "5m0s", "1.5h", "168h0m0s", "-1s", "+2h", "100ms", "1µs", ".5s", "1h1h",
        ] {
            assert!(is_duration(text), "{text}");
        }
        for text in [
            "", "7d", "1w", "5", "m", "1 h", "1h 2m", "1..5h", ".s", "-", "1H", "P1D",
        ] {
            assert!(!is_duration(text), "{text}");
        }
    }

    #[test]
    fn regular_expressions_are_those_of_go() {
        for text in [
            "",
            "^v1$",
            "a{",
            "${{ x }}",
            r"\Qa.b\E",
            r"^16\.\d+-alpine$",
            "(?i)x",
            r"\pL",
        ] {
            assert_eq!(regexp_problem(text), None, "{text}");
        }
        for text in [
            "[a", "a\\", "(", ")", "*a", "a(?=b)", r"(a)\1", "[z-a]", r"\y", "a{2,1}", "(?y)",
        ] {
            assert!(regexp_problem(text).is_some(), "{text}");
        }
    }

    #[test]
    fn patterns_match_as_those_of_kargo() {
        let matches = |pattern: &str, name: &str| Pattern::parse(pattern).unwrap().matches(name);
        assert!(matches("web", "web"));
        assert!(!matches("web", "web2"));
        assert!(matches("glob:observe-*", "observe-node"));
        assert!(!matches("glob:observe-*", "x-observe-node"));
        assert!(matches("glob:{a,b}-[0-9]?", "b-1x"));
        assert!(!matches("glob:{a,b}-[!0-9]?", "b-1x"));
        assert!(matches("glob:a.b", "a.b"));
        assert!(!matches("glob:a.b", "axb"));
        assert!(matches("regex:serve", "observe-node"));
        assert!(!matches("regexp:^serve", "observe-node"));
        for text in ["re:x", "regex:(", "glob:[", "glob:{a", "glob:a\\"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
