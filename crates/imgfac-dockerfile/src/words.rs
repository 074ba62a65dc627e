//! The words of `ARG`, `ENV` and `LABEL`: split at white space outside quotes, quotes kept.

use crate::text::{decode, is_space, tail};

/// Iterates over the words of a text.
pub(crate) struct QuotedWords<'a> {
    rest: &'a [u8],
    escape: char,
}

impl<'a> QuotedWords<'a> {
    pub(crate) fn new(text: &'a [u8], escape: u8) -> Self {
        Self {
            rest: text,
            escape: char::from(escape),
        }
    }

    fn take(&mut self) -> Option<char> {
        let (c, length) = decode(self.rest)?;
        self.rest = tail(self.rest, length);
        Some(c)
    }
}

impl Iterator for QuotedWords<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut word = String::new();
        let mut quote = None;
        let mut started = false;
        let mut may_be_empty = false;
        while let Some(c) = self.take() {
            if quote.is_none() && is_space(c) {
                if !word.is_empty() || may_be_empty {
                    return Some(word);
                }
                started = false;
                continue;
            }
            started = true;
            let mut escapes = c == self.escape;
            match quote {
                None if c == '\'' || c == '"' => {
                    quote = Some(c);
                    may_be_empty = true;
                }
                None => {}
                Some(open) => {
                    if c == open {
                        quote = None;
                    }
                    escapes &= open != '\'';
                }
            }
            if escapes {
                // An escape character at the very end is dropped.
                let Some(escaped) = self.take() else {
                    break;
                };
                word.push(c);
                word.push(escaped);
            } else {
                word.push(c);
            }
        }
        (started && (!word.is_empty() || may_be_empty)).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = QuotedWords::new(text.as_bytes(), b'\\').collect();
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
