//! Text with a rule: the one macro and the one error behind the simple newtypes.

use std::fmt;

/// The value is not what its field takes.
///
/// `Display` says it in one line; diagnostics use the parts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidValue {
    /// What was read, such as `image name`.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right, such as `lower-case letters, digits and "-"`.
    pub expected: &'static str,
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid {}: {}; expected {}",
            self.what, self.problem, self.expected
        )
    }
}

/// Hides who logs in, and with which password, in addresses: what stands before an `@`. Byte for
/// byte, so that positions stay.
#[must_use]
pub fn mask_passwords(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let (mut start, mut masked, mut colon) = (0, 0, false);
    for (at, c) in text.char_indices() {
        match c {
            ':' => colon = true,
            '@' => {
                let digest = text[at + 1..].starts_with("sha");
                if text[..start].ends_with("//") || (colon && !digest) {
                    out[start.max(masked)..at].fill(b'*');
                    masked = at;
                }
            }
            c if c.is_whitespace() || "\"'/,{}[]=".contains(c) => {
                start = at + c.len_utf8();
                colon = false;
            }
            _ => {}
        }
    }
    // Whole characters give way to as many stars as they have bytes.
    String::from_utf8(out).unwrap_or_default()
}

/// Whether a character could command a terminal, hide, or reverse the direction of text. Newlines
/// are none of these.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Shortens text for a message, hides passwords, and makes control characters visible.
pub(crate) fn shown(text: &str) -> String {
    const LIMIT: usize = 60;
    let mut out = String::from("\"");
    let text = mask_passwords(text);
    for (n, c) in text.chars().enumerate() {
        if n == LIMIT {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('"');
    out
}

/// Declares a newtype over `String` that is built only through its check.
///
/// The check is a `fn(&str) -> Result<String, InvalidValue>` that returns the normalised text.
macro_rules! text_newtype {
    ($(#[$meta:meta])* $name:ident, $check:path) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and takes a text.
            ///
            /// # Errors
            /// When the text breaks the rule of the type.
            pub fn new(text: &str) -> Result<Self, $crate::text::InvalidValue> {
                $check(text).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::InvalidValue;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::text::InvalidValue;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use text_newtype;

#[cfg(test)]
mod password_tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_and_positions_stay() {
        for (text, masked) in [
            (
                "a: https://user:pw@host/x@y b",
                "a: https://*******@host/x@y b",
            ),
            ("https://tök@h git@host:x", "https://****@h git@host:x"),
            ("https://u:p@w@h/", "https://*****@h/"),
            ("mirror: user:pw@h", "mirror: *******@h"),
            ("{a: \"u:p@h\"}", "{a: \"***@h\"}"),
            ("node:22@sha256:aa", "node:22@sha256:aa"),
            ("https://host/p", "https://host/p"),
            ("://", "://"),
            ("ü@", "ü@"),
        ] {
            assert_eq!(mask_passwords(text), masked);
            assert_eq!(mask_passwords(text).len(), text.len());
        }
    }
}
