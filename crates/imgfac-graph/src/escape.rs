//! Text of the fleet inside other languages: names and references come from files that anybody may
//! have written.

use std::fmt::Write as _;

/// Makes control characters, and those that reverse the direction of text, visible.
pub(crate) fn visible(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if harmful(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// For a quoted label or a comment of Mermaid: everything but letters, digits and a few marks as
/// `#NUMBER;`.
///
/// Mermaid has no other escapes, and gives meaning to much: quotes, brackets, `%%{`, backticks,
/// Markdown at the start of a label, and `style…:…#…;`, from which it takes the last semicolon
/// away. It turns the numbers back only in what it draws.
pub(crate) fn mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in visible(text).chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '/' | ',' | '.' | '-' => out.push(c),
            // After a dot or a dash it could make a list.
            ' ' if before.is_ascii_alphanumeric() || before == ',' => out.push(c),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
        before = c;
    }
    out
}

/// For a quoted string of DOT. In labels Graphviz reads `\` escapes and HTML entities.
pub(crate) fn dot(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            _ => out.push(c),
        }
    }
    out
}

/// For the quoted name of a node of DOT, where `\"` is the only escape.
pub(crate) fn dot_id(text: &str) -> String {
    visible(text).replace('"', "\\\"")
}

/// For text and quoted attributes of XML and HTML.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No document of XML 1.0 may have these.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

/// For JSON inside a `script` element: nothing in it can end the element or begin a comment.
pub(crate) fn script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}

/// A name for Mermaid made of a node's id; different ids never meet. Small letters and digits stay,
/// `-` is `_`, `.` is `X`, and everything else is its number between two `Z`.
pub(crate) fn identifier(id: &str) -> String {
    let (kind, name) = id.split_once('/').unwrap_or(("node", id));
    let mut out = format!("{kind}_");
    for c in name.chars() {
        match c {
            'a'..='z' | '0'..='9' => out.push(c),
            '-' => out.push('_'),
            '.' => out.push('X'),
            _ => {
                let _ = write!(out, "Z{:x}Z", u32::from(c));
            }
        }
    }
    out
}
