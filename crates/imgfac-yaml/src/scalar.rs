//! What a scalar means, and when text needs quotes.

/// The kinds of scalars of the core schema of YAML 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int,
    /// A number with a fraction or exponent.
    Float,
    /// Everything else.
    Str,
}

/// Resolves a scalar without quotes, <https://yaml.org/spec/1.2.2/#1032-tag-resolution>.
pub(crate) fn resolve_plain(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float,
        // Most text is a word, which no number begins like.
        word if word.starts_with(|c: char| c.is_ascii_alphabetic()) => return Scalar::Str,
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Scalar::Float;
    }
    let all =
        |digits: &str, legal: fn(char) -> bool| !digits.is_empty() && digits.chars().all(legal);
    let decimal = |c: char| c.is_ascii_digit();
    if all(unsigned, decimal)
        || text
            .strip_prefix("0o")
            .is_some_and(|digits| all(digits, |c| ('0'..='7').contains(&c)))
        || text
            .strip_prefix("0x")
            .is_some_and(|digits| all(digits, |c| c.is_ascii_hexdigit()))
    {
        return Scalar::Int;
    }
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (
            number,
            Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        ),
        None => (unsigned, None),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| text.chars().all(decimal);
    let is_number = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && (fraction.is_empty() || !number.contains('.')));
    if is_number && exponent.is_none_or(|exponent| all(exponent, decimal)) {
        return Scalar::Float;
    }
    Scalar::Str
}

/// Writes text as a scalar: plain where every reader of YAML 1.1 and 1.2 takes it as this very
/// text, else in double quotes on one line.
pub(crate) fn write_text(text: &str, out: &mut String) {
    if is_plain_text(text) {
        out.push_str(text);
    } else {
        write_quoted(text, out);
    }
}

/// Whether every reader of YAML 1.1 and 1.2 takes the text without quotes as this very text.
pub(crate) fn is_plain_text(text: &str) -> bool {
    is_clearly_plain(text) || library_leaves_plain(text)
}

/// Text that begins with a letter and has only letters, digits and harmless marks, and is no word
/// that some reader takes for a boolean, a null or a number.
fn is_clearly_plain(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "inf", "nan",
    ];
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && !text.ends_with(':')
        && bytes.iter().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'@' | b':' | b'+' | b'-')
        })
        && !(bytes.len() <= 5 && WORDS.contains(&text.to_ascii_lowercase().as_str()))
}

/// The hard cases are the library's to judge; what it writes in any other way, we quote.
fn library_leaves_plain(text: &str) -> bool {
    let one_line = !text.is_empty()
        && text.len() < 1_000
        && !text.chars().any(|c| c.is_control() || c == '\u{feff}');
    one_line
        && resolve_plain(text) == Scalar::Str
        && serde_saphyr::to_string(&text)
            .is_ok_and(|written| written.trim_end_matches('\n') == text)
}

fn write_quoted(text: &str, out: &mut String) {
    use std::fmt::Write as _;

    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Line and direction marks, the byte order mark, and what no printable text has.
            c if c.is_control()
                || matches!(
                    c,
                    '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                ) =>
            {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
