//! JSON arrays of strings, with the verdict of Go's `encoding/json`.
//!
//! What matters is which of three things an argument is: no JSON (then it is plain text), a JSON
//! array with something else than strings (then it is an error), or a list of strings. The
//! reader keeps its own stack, so that no nesting can exhaust the machine's.

use crate::text::{decode, tail, trim_start};

/// What an argument is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Array {
    /// Not a JSON array: plain text.
    None,
    /// A JSON array that holds something else than strings.
    NotStrings,
    /// A JSON array of strings.
    Strings(Vec<String>),
}

/// The deepest nesting that Go reads; text beyond is no JSON to it.
const DEPTH_LIMIT: usize = 10_000;

/// Classifies an argument.
pub(crate) fn array(text: &[u8]) -> Array {
    let text = trim_start(text);
    if text.first() != Some(&b'[') {
        return Array::None;
    }
    let mut reader = Reader::new(text);
    if reader.document().is_none() {
        return Array::None;
    }
    if reader.others {
        return Array::NotStrings;
    }
    Array::Strings(reader.strings)
}

/// The string at `key` of the object that is the whole text.
pub(crate) fn string_of_key(text: &[u8], key: &str) -> Option<String> {
    let start = text
        .iter()
        .find(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n'))?;
    if *start != b'{' {
        return None;
    }
    let mut reader = Reader::new(text);
    reader.key = Some(key);
    reader.document()?;
    reader.found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    Array,
    Object,
}

struct Reader<'a> {
    rest: &'a [u8],
    stack: Vec<Frame>,
    /// The strings of the outermost array.
    strings: Vec<String>,
    /// Whether the outermost array has other values too.
    others: bool,
    key: Option<&'a str>,
    found: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            rest: text,
            stack: Vec::new(),
            strings: Vec::new(),
            others: false,
            key: None,
            found: None,
        }
    }

    /// Reads one value and nothing after it.
    fn document(&mut self) -> Option<()> {
        // The key that the next value belongs to is the wanted one, in the outermost object.
        let mut wanted = false;
        'value: loop {
            self.skip_blanks();
            let depth = self.stack.len();
            let in_array = depth == 1 && self.stack.last() == Some(&Frame::Array);
            let mut text = None;
            match self.rest.first()? {
                b'"' => text = Some(self.string()?),
                b'[' => {
                    self.rest = tail(self.rest, 1);
                    self.others |= in_array;
                    self.push(Frame::Array)?;
                    self.skip_blanks();
                    if self.rest.first() != Some(&b']') {
                        continue 'value;
                    }
                    self.rest = tail(self.rest, 1);
                    self.stack.pop();
                }
                b'{' => {
                    self.rest = tail(self.rest, 1);
                    self.others |= in_array;
                    self.push(Frame::Object)?;
                    self.skip_blanks();
                    if self.rest.first() != Some(&b'}') {
                        let is_wanted = self.member_key()?;
                        if self.stack.len() == 1 {
                            wanted = is_wanted;
                        }
                        continue 'value;
                    }
                    self.rest = tail(self.rest, 1);
                    self.stack.pop();
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => self.number()?,
            }
            match text {
                Some(text) if in_array => self.strings.push(text),
                Some(text) if depth == 1 && wanted => self.found = Some(text),
                _ => {
                    self.others |= in_array;
                    if depth == 1 && wanted {
                        self.found = None;
                    }
                }
            }
            // A value has ended: close what ends with it, or go on to the next value.
            loop {
                self.skip_blanks();
                let Some(frame) = self.stack.last().copied() else {
                    return self.rest.is_empty().then_some(());
                };
                let byte = *self.rest.first()?;
                self.rest = tail(self.rest, 1);
                match (frame, byte) {
                    (Frame::Array, b',') => continue 'value,
                    (Frame::Object, b',') => {
                        self.skip_blanks();
                        let is_wanted = self.member_key()?;
                        if self.stack.len() == 1 {
                            wanted = is_wanted;
                        }
                        continue 'value;
                    }
                    (Frame::Array, b']') | (Frame::Object, b'}') => {
                        self.stack.pop();
                        if self.stack.len() == 1 && wanted {
                            self.found = None;
                        }
                    }
                    _ => return None,
                }
            }
        }
    }

    fn push(&mut self, frame: Frame) -> Option<()> {
        self.stack.push(frame);
        (self.stack.len() <= DEPTH_LIMIT).then_some(())
    }

    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn member_key(&mut self) -> Option<bool> {
        if self.rest.first() != Some(&b'"') {
            return None;
        }
        let key = self.string()?;
        self.skip_blanks();
        self.rest = self.rest.strip_prefix(b":")?;
        Some(self.key == Some(key.as_str()))
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.rest;
        self.rest = self.rest.strip_prefix(b"-").unwrap_or(self.rest);
        match self.digits() {
            0 => return None,
            1 => {}
            _ if start.strip_prefix(b"-").unwrap_or(start).first() == Some(&b'0') => return None,
            _ => {}
        }
        if let Some(rest) = self.rest.strip_prefix(b".") {
            self.rest = rest;
            (self.digits() > 0).then_some(())?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = match rest {
                [b'+' | b'-', rest @ ..] => rest,
                rest => rest,
            };
            (self.digits() > 0).then_some(())?;
        }
        let length = start.len() - self.rest.len();
        let value: f64 = std::str::from_utf8(start.get(..length)?)
            .ok()?
            .parse()
            .ok()?;
        // Go refuses a number that a float cannot hold, and with it the whole text.
        value.is_finite().then_some(())
    }

    fn digits(&mut self) -> usize {
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.rest = tail(self.rest, count);
        count
    }

    fn string(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix(b"\"")?;
        let mut out = String::new();
        loop {
            match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Some(out);
                }
                [b'\\', b'u', rest @ ..] => {
                    let unit = hex4(rest)?;
                    self.rest = tail(rest, 4);
                    let mut c = char::from_u32(unit);
                    if (0xD800..0xDC00).contains(&unit)
                        && let Some(low) = self.rest.strip_prefix(b"\\u").and_then(hex4)
                        && (0xDC00..0xE000).contains(&low)
                    {
                        self.rest = tail(self.rest, 6);
                        c = char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
                    }
                    out.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                [b'\\', escaped, rest @ ..] => {
                    out.push(match escaped {
                        b'"' | b'\\' | b'/' => char::from(*escaped),
                        b'b' => '\x08',
                        b'f' => '\x0C',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        _ => return None,
                    });
                    self.rest = rest;
                }
                [0..0x20, ..] | [b'\\'] | [] => return None,
                rest => {
                    let (c, length) = decode(rest)?;
                    out.push(c);
                    self.rest = tail(rest, length);
                }
            }
        }
    }
}

fn hex4(text: &[u8]) -> Option<u32> {
    let digits = text.get(..4)?;
    digits.iter().try_fold(0, |value, &b| {
        Some(value * 16 + char::from(b).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let expected = expected.iter().map(|&s| s.to_owned()).collect();
        assert_eq!(array(text.as_bytes()), Array::Strings(expected), "{text}");
    }

    #[test]
    fn arrays_of_strings_are_read() {
        check("[]", &[]);
        check(" [ \"a\" , \"b c\" ] ", &["a", "b c"]);
        check(r#"["\u0041\n\/\ud83d\ude00"]"#, &["A\n/😀"]);
        check(r#"["\ud83d","\ude00x"]"#, &["\u{FFFD}", "\u{FFFD}x"]);
        assert_eq!(
            array(b"[\"\xE9\"]"),
            Array::Strings(vec!["\u{FFFD}".into()])
        );
    }

    #[test]
    fn arrays_of_other_things_are_no_list() {
        for text in [
            "[1]",
            "[null]",
            "[[]]",
            "[{}]",
            "[\"a\", true]",
            "[[\"a\"]]",
            "[-0.5e+3]",
            "[{\"a\":[\"b\"]}, \"c\"]",
        ] {
            assert_eq!(array(text.as_bytes()), Array::NotStrings, "{text}");
        }
    }

    #[test]
    fn all_else_is_plain_text() {
        for text in [
            "",
            "a",
            "[",
            "[a]",
            "['a']",
            "[\"a\",]",
            "[\"a\"] x",
            "[\"a\" \"b\"]",
            "[\"\\x\"]",
            "[\"\t\"]",
            "[01]",
            "[1.]",
            "[1e]",
            "[1e999]",
            "[-]",
            "[\"\\u12\"]",
            "[\"a\"]]",
            "[,]",
            "[\"a\"",
            "[{\"a\"}]",
            "[{1:2}]",
            "[tru]",
            "[\"\\",
            "{\"a\":1}",
            "[]]",
            "[1,]",
        ] {
            assert_eq!(array(text.as_bytes()), Array::None, "{text}");
        }
    }

    #[test]
    fn nesting_has_gos_limit() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(array(nested(10_000).as_bytes()), Array::NotStrings);
        assert_eq!(array(nested(10_001).as_bytes()), Array::None);
        assert_eq!(array("[".repeat(1_000_000).as_bytes()), Array::None);
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let get = |text: &str| string_of_key(text.as_bytes(), "k");
        assert_eq!(get(r#"{"k":"a","k":"b"}"#).as_deref(), Some("b"));
        assert_eq!(get(r#"{"k":"a","k":{"k":"b"}}"#), None);
        assert_eq!(get(r#"{"x":{"k":"b"}}"#), None);
        assert_eq!(get(r#"{"x":{"y":1},"k":"b"}"#).as_deref(), Some("b"));
        assert_eq!(get(r#"{"k":"a"} x"#), None);
    }
}
