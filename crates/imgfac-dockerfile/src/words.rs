//! The words of `ARG`, `ENV` and `LABEL`: split at white space outside quotes, quotes kept.

use crate::text::{decode, head, is_space, tail, trim_start};

/// Iterates over the words of a text.
pub(crate) struct QuotedWords<'a> {
    rest: &'a [u8],
    escape: u8,
}

impl<'a> QuotedWords<'a> {
    pub(crate) fn new(text: &'a [u8], escape: u8) -> Self {
        Self { rest: text, escape }
    }
}

impl<'a> Iterator for QuotedWords<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = trim_start(self.rest);
        let mut position = 0;
        let mut quote = None;
        while let Some(&byte) = text.get(position) {
            let length = match byte {
                0..0x80 => 1,
                _ => decode(tail(text, position)).map_or(1, |(_, length)| length),
            };
            match quote {
                None if is_space_at(text, position) => {
                    self.rest = tail(text, position);
                    return Some(head(text, position));
                }
                None if matches!(byte, b'\'' | b'"') => quote = Some(byte),
                Some(open) if byte == open => quote = None,
                _ => {}
            }
            position += length;
            if byte == self.escape && quote != Some(b'\'') {
                match decode(tail(text, position)) {
                    Some((_, escaped)) => position += escaped,
                    None => {
                        // An escape character at the very end is dropped.
                        position -= length;
                        break;
                    }
                }
            }
        }
        self.rest = &[];
        (position > 0).then(|| head(text, position))
    }
}

fn is_space_at(text: &[u8], position: usize) -> bool {
    match text.get(position) {
        Some(&byte) if byte < 0x80 => is_space(char::from(byte)),
        _ => decode(tail(text, position)).is_some_and(|(c, _)| is_space(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::lossy;

    fn check(text: &str, expected: &[&str]) {
        let words = QuotedWords::new(text.as_bytes(), b'\\');
        let found: Vec<String> = words.map(lossy).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn quotes_hold_words_together_and_stay() {
        check("A=1 B=\"x y\"  C='p q'", &["A=1", "B=\"x y\"", "C='p q'"]);
        check("A=\"x\\\" y\" B", &["A=\"x\\\" y\"", "B"]);
        check("A='x\\' B", &["A='x\\'", "B"]);
        check("A=x\\ y", &["A=x\\ y"]);
        check("A=\"x y", &["A=\"x y"]);
        check("A='\"' B='\"'", &["A='\"'", "B='\"'"]);
    }

    #[test]
    fn an_escape_at_the_end_is_dropped() {
        check("A=x\\", &["A=x"]);
        check("A \\", &["A"]);
        check("\"a\\", &["\"a"]);
        check("", &[]);
        check("  ", &[]);
    }

    #[test]
    fn all_white_space_separates() {
        check("A=1\u{A0}B=2\u{3000}C=3", &["A=1", "B=2", "C=3"]);
    }
}
