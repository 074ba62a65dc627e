//! Physical lines.

use crate::text::{is_space, tail, trim_start};

/// The longest line that BuildKit reads, in bytes without the newline.
pub(crate) const LINE_LIMIT: usize = 65_535;

/// The byte order mark.
pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One line, without its newline.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// The text, with any `\r` before the newline.
    pub(crate) raw: &'a [u8],
    /// Where it begins in the file.
    pub(crate) start: usize,
    /// Its number, from 1.
    pub(crate) number: usize,
}

impl<'a> Line<'a> {
    /// The text without `\r` at the end.
    pub(crate) fn text(self) -> &'a [u8] {
        trim_newline(self.raw)
    }

    /// Whether the first character that is not white space is a `#`.
    pub(crate) fn is_comment(self) -> bool {
        is_comment(self.raw)
    }
}

/// Iterates over lines until the text ends or a line is too long.
pub(crate) struct Lines<'a> {
    text: &'a [u8],
    position: usize,
    number: usize,
    too_long: bool,
}

impl<'a> Lines<'a> {
    /// The lines of a file, which may begin with a byte order mark.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let mut lines = Self::after_mark(text);
        if text.starts_with(BOM) {
            lines.position = BOM.len();
        }
        lines
    }

    /// The lines of a text that is no whole file: what looks like a mark is a character.
    pub(crate) fn after_mark(text: &'a [u8]) -> Self {
        Self {
            text,
            position: 0,
            number: 0,
            too_long: false,
        }
    }

    /// Whether the iteration ended before a line that is too long.
    pub(crate) fn too_long(&self) -> bool {
        self.too_long
    }

    /// Where the next line begins.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The number of the last line read.
    pub(crate) fn number(&self) -> usize {
        self.number
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let rest = tail(self.text, self.position);
        if rest.is_empty() || self.too_long {
            return None;
        }
        let length = rest.iter().position(|&b| b == b'\n');
        // The byte order mark counts for the limit, as the scanner sees it.
        let mark = if self.number == 0 { self.position } else { 0 };
        if length.unwrap_or(rest.len()) + mark > LINE_LIMIT {
            self.too_long = true;
            return None;
        }
        let start = self.position;
        let raw = rest.get(..length.unwrap_or(rest.len()))?;
        self.position += raw.len() + usize::from(length.is_some());
        self.number += 1;
        Some(Line {
            raw,
            start,
            number: self.number,
        })
    }
}

pub(crate) fn trim_newline(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r' | b'\n'] = line {
        line = rest;
    }
    line
}

pub(crate) fn is_comment(line: &[u8]) -> bool {
    match line.first() {
        Some(b'#') => true,
        // Most lines start with a letter; only white space makes it worth looking further.
        Some(&b) if b < 0x80 && !is_space(char::from(b)) => false,
        _ => trim_start(line).first() == Some(&b'#'),
    }
}

/// Cuts a line continuation: the escape character and the blanks after it, at the end of the line.
///
/// An escape character right after another does not continue the line.
pub(crate) fn cut_continuation(line: &[u8], escape: u8) -> Option<&[u8]> {
    let mut end = line;
    while let [rest @ .., b' ' | b'\t'] = end {
        end = rest;
    }
    match end {
        [rest @ .., last] if *last == escape && rest.last() != Some(&escape) => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_escape_at_the_end_continues() {
        let check = |line: &[u8], expected: Option<&[u8]>| {
            assert_eq!(cut_continuation(line, b'\\'), expected, "{line:?}");
        };
        check(b"a\\", Some(b"a"));
        check(b"a \\ \t", Some(b"a "));
        check(b"\\", Some(b""));
        check(b"a\\\\", None);
        check(b"a\\\\\\", None);
        check(b"\\\\", None);
        check(b"a\\ \\", Some(b"a\\ "));
        check(b"a\\\x0B", None);
        check(b"a`", None);
        check(b"", None);
    }

    #[test]
    fn lines_end_at_the_limit() {
        let mut text = vec![b'a'; LINE_LIMIT];
        text.push(b'\n');
        text.extend_from_slice(b"b");
        assert_eq!(Lines::new(&text).count(), 2);
        text.insert(0, b'a');
        let mut lines = Lines::new(&text);
        assert_eq!(lines.by_ref().count(), 0);
        assert!(lines.too_long());
    }
}
