//! Text as Go sees it: bytes that are read as UTF-8 one character at a time, with U+FFFD for
//! each byte that is not.

use std::borrow::Cow;
use std::ops::Range;

/// The first character and how many bytes it takes; an ill-formed byte is U+FFFD and one byte.
pub(crate) fn decode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    let length = match first {
        0..0x80 => return Some((char::from(first), 1)),
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return Some((char::REPLACEMENT_CHARACTER, 1)),
    };
    let decoded = bytes
        .get(..length)
        .and_then(|head| std::str::from_utf8(head).ok())
        .and_then(|text| text.chars().next());
    Some(match decoded {
        Some(c) => (c, length),
        None => (char::REPLACEMENT_CHARACTER, 1),
    })
}

/// The text with each ill-formed byte replaced, as Go does when it copies character by character.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((c, length)) = decode(rest) {
        text.push(c);
        rest = tail(rest, length);
    }
    text
}

/// Go's `unicode.IsSpace`.
pub(crate) fn is_space(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\x0B' | '\x0C' | '\r' | ' ' | '\u{85}' | '\u{A0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200A}' | '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{3000}'
    )
}

/// [`is_space`] of a byte that is taken for a character, as the flag scanner does.
pub(crate) fn is_latin1_space(byte: u8) -> bool {
    is_space(char::from(byte))
}

/// The white space between arguments: `[\t\v\f\r ]`.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x0B | 0x0C | b'\r' | b' ')
}

/// The `\s` of Go's regular expressions.
pub(crate) fn is_regex_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}

pub(crate) fn tail(bytes: &[u8], from: usize) -> &[u8] {
    bytes.get(from..).unwrap_or_default()
}

pub(crate) fn head(bytes: &[u8], to: usize) -> &[u8] {
    bytes.get(..to).unwrap_or(bytes)
}

pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [b'\t'..=b'\r' | b' ', rest @ ..] => rest,
            [0..0x80, ..] | [] => return bytes,
            _ => match decode(bytes) {
                Some((c, length)) if is_space(c) => tail(bytes, length),
                _ => return bytes,
            },
        }
    }
}

pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    'trim: while let Some(&last) = bytes.last() {
        if last < 0x80 {
            if !is_space(char::from(last)) {
                break;
            }
            bytes = head(bytes, bytes.len() - 1);
            continue;
        }
        // All wider spaces take two or three bytes.
        for length in [2, 3] {
            let start = bytes.len().saturating_sub(length);
            if let Some((c, width)) = decode(tail(bytes, start))
                && width == length
                && is_space(c)
            {
                bytes = head(bytes, start);
                continue 'trim;
            }
        }
        break;
    }
    bytes
}

pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// Go's `strings.ToLower`, which maps character to character.
pub(crate) fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| match c {
                // The one letter whose full lower case is longer than one character.
                '\u{130}' => 'i',
                c => c.to_lowercase().next().unwrap_or(c),
            })
            .collect(),
    )
}

/// Where `part`, which must be a slice of `whole`, begins in it.
pub(crate) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize)
        .saturating_sub(whole.as_ptr() as usize)
        .min(whole.len())
}

/// The words of `bytes` between [`is_blank`] bytes, each with its place.
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = (&[u8], Range<usize>)> {
    bytes
        .split(|&b| is_blank(b))
        .filter(|word| !word.is_empty())
        .map(|word| {
            let start = offset(bytes, word);
            (word, start..start + word.len())
        })
}

/// Shortens text for a message.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    const LIMIT: usize = 200;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ill_formed_bytes_are_single_replacement_characters() {
        assert_eq!(lossy(b"a\xE9b"), "a\u{FFFD}b");
        assert_eq!(lossy(b"\xE2\x80"), "\u{FFFD}\u{FFFD}");
        assert_eq!(lossy(b"\xED\xA0\x80"), "\u{FFFD}".repeat(3));
        assert_eq!(lossy("é€😀".as_bytes()), "é€😀");
    }

    #[test]
    fn white_space_is_that_of_unicode() {
        assert_eq!(trim("\u{A0}\u{3000} a\u{85}\t".as_bytes()), b"a");
        assert_eq!(trim(b"\xA0a\xA0"), b"\xA0a\xA0");
        assert_eq!(trim("\u{200B}a".as_bytes()), "\u{200B}a".as_bytes());
        assert_eq!(trim(b" \n"), b"");
    }

    #[test]
    fn lower_case_maps_character_to_character() {
        assert_eq!(lower("AbC"), "abc");
        assert_eq!(lower("\u{130}\u{212A}"), "ik");
    }
}
