//! Reading user-written YAML field by field, so that every mistake is found in one pass.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use imgfac_model::{Code, Diagnostic, FileId, InvalidValue, Severity, Span, nearest};
use imgfac_yaml::{Node, Scalar};

/// Collects what is wrong in one file.
pub(crate) struct Decoder<'d> {
    file: FileId,
    diagnostics: &'d mut Vec<Diagnostic>,
    errors: usize,
    /// Bytes that are not to be shown around mistakes.
    pub(crate) hidden: Vec<Range<usize>>,
}

impl<'d> Decoder<'d> {
    pub(crate) fn new(file: FileId, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        Self {
            file,
            diagnostics,
            errors: 0,
            hidden: Vec::new(),
        }
    }

    /// Keeps a value, which may be a secret in the wrong place, from being shown.
    pub(crate) fn hide(&mut self, node: &Node) {
        self.hidden.push(node.span.clone());
    }

    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        Span {
            file: self.file,
            range,
        }
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.diagnostics.push(diagnostic);
    }

    /// How many errors this decoder has reported so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    pub(crate) fn error(
        &mut self,
        code: Code,
        node: &Node,
        message: impl Into<String>,
        label: impl Into<String>,
    ) {
        let span = self.span(node.span.clone());
        self.push(Diagnostic::error(code, message, span, label));
    }

    /// The node is not of the kind that belongs here.
    pub(crate) fn wrong_type(&mut self, node: &Node, what: &str, expected: &str) {
        self.error(
            Code::WrongType,
            node,
            format!("{what} is {}", describe(node)),
            format!("expected {expected}"),
        );
    }

    /// The fields of a mapping; anything else is reported.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        let Some(entries) = node.entries() else {
            self.wrong_type(node, what, "a mapping of keys and values");
            return None;
        };
        let mut fields = Fields {
            what: what.to_owned(),
            span: node.span.clone(),
            entries: Vec::with_capacity(entries.len()),
        };
        for (key, value) in entries {
            match key.scalar_text() {
                Some(text) => fields.entries.push(Field {
                    key: text,
                    at: key.span.clone(),
                    value,
                    used: false,
                }),
                None => self.wrong_type(key, "a key", "a plain word"),
            }
        }
        Some(fields)
    }

    /// The items of a list; a single value is reported.
    pub(crate) fn items<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        let items = node.items();
        if items.is_none() {
            self.wrong_type(node, what, "a list (items begin with \"- \")");
        }
        items
    }

    /// The text of a scalar, as it was written: `0.10` stays `0.10`.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = node.scalar_text().filter(|_| !node.is_null());
        if text.is_none() {
            self.wrong_type(node, what, "text");
        }
        text
    }

    pub(crate) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.resolve() {
            Some(Scalar::Bool(value)) => Some(value),
            // What YAML 1.1, and with it the predecessor, takes as booleans.
            Some(Scalar::Str) if node.is_plain() => {
                match node.scalar_text()?.to_ascii_lowercase().as_str() {
                    "yes" | "on" => Some(true),
                    "no" | "off" => Some(false),
                    _ => {
                        self.wrong_type(node, what, "true or false");
                        None
                    }
                }
            }
            _ => {
                self.wrong_type(node, what, "true or false");
                None
            }
        }
    }

    /// A value with a rule of its own.
    pub(crate) fn value<T: FromStr<Err = InvalidValue>>(
        &mut self,
        node: &Node,
        what: &str,
        choices: &[&str],
    ) -> Option<T> {
        let text = self.text(node, what)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let span = self.span(node.span.clone());
                let mut diagnostic = Diagnostic::error(
                    Code::InvalidValue,
                    format!("invalid {}: {}", error.what, error.problem),
                    span,
                    format!("expected {}", error.expected),
                );
                if let Some(near) = nearest(text, choices) {
                    diagnostic = diagnostic
                        .with_help(format!("did you mean \"{near}\"?"))
                        .with_suggestion(near);
                }
                self.push(diagnostic);
                None
            }
        }
    }

    /// A mapping of names to texts, such as build arguments.
    pub(crate) fn text_map(&mut self, node: &Node, what: &str) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        let Some(fields) = self.fields(node, what) else {
            return map;
        };
        for field in &fields.entries {
            let text = if field.value.is_null() {
                Some("")
            } else {
                self.text(field.value, &format!("{what}.{}", field.key))
            };
            let Some(text) = text else { continue };
            if field.key.is_empty()
                || field.key.chars().any(|c| c.is_control() || c == '=')
                || text.contains('\0')
            {
                let span = self.span(field.at.clone());
                self.push(Diagnostic::error(
                    Code::InvalidValue,
                    format!("invalid name or value in {what}"),
                    span,
                    "a name has no \"=\" and no control characters, a value no NUL",
                ));
                continue;
            }
            map.insert(field.key.to_owned(), text.to_owned());
        }
        map
    }
}

/// One key of a mapping.
pub(crate) struct Field<'n> {
    pub(crate) key: &'n str,
    pub(crate) at: Range<usize>,
    pub(crate) value: &'n Node,
    used: bool,
}

/// The keys of a mapping; what is not asked for is unknown.
pub(crate) struct Fields<'n> {
    what: String,
    pub(crate) span: Range<usize>,
    pub(crate) entries: Vec<Field<'n>>,
}

impl<'n> Fields<'n> {
    /// The value of a key, null included.
    pub(crate) fn raw(&mut self, key: &str) -> Option<&'n Node> {
        let mut found = None;
        for field in self.entries.iter_mut().filter(|field| field.key == key) {
            field.used = true;
            found = Some(field.value);
        }
        found
    }

    /// The value of a key; a key without a value counts as absent.
    pub(crate) fn get(&mut self, key: &str) -> Option<&'n Node> {
        self.raw(key).filter(|node| !node.is_null())
    }

    /// Where a key stands.
    pub(crate) fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.entries
            .iter()
            .find(|field| field.key == key)
            .map(|field| field.at.clone())
    }

    pub(crate) fn value<T: FromStr<Err = InvalidValue>>(
        &mut self,
        decoder: &mut Decoder<'_>,
        key: &str,
    ) -> Option<T> {
        self.choice(decoder, key, &[])
    }

    pub(crate) fn choice<T: FromStr<Err = InvalidValue>>(
        &mut self,
        decoder: &mut Decoder<'_>,
        key: &str,
        choices: &[&str],
    ) -> Option<T> {
        let node = self.get(key)?;
        decoder.value(node, key, choices)
    }

    pub(crate) fn text(&mut self, decoder: &mut Decoder<'_>, key: &str) -> Option<String> {
        let node = self.get(key)?;
        decoder.text(node, key).map(str::to_owned)
    }

    pub(crate) fn boolean(&mut self, decoder: &mut Decoder<'_>, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        decoder.boolean(node, key)
    }

    /// Reports a key that must be there but is not, or has no value.
    pub(crate) fn missing(&mut self, decoder: &mut Decoder<'_>, key: &str, example: &str) {
        let (range, message) = match self.key_span(key) {
            Some(range) => (range, format!("{key} of {} has no value", self.what)),
            None => (
                first_line_end(&self.span),
                format!("{} has no {key}", self.what),
            ),
        };
        let span = decoder.span(range);
        decoder.push(
            Diagnostic::error(
                Code::MissingKey,
                message,
                span,
                format!("{key} is required"),
            )
            .with_help(format!("write for example: {key}: {example}")),
        );
    }

    /// Reports the keys that nothing asked for.
    pub(crate) fn finish(self, decoder: &mut Decoder<'_>, known: &[&str]) {
        for field in self.entries.iter().filter(|field| !field.used) {
            let span = decoder.span(field.at.clone());
            let key: String = field
                .key
                .chars()
                .take(60)
                .flat_map(char::escape_debug)
                .collect();
            let mut diagnostic = Diagnostic::error(
                Code::UnknownKey,
                format!("unknown key \"{key}\" in {}", self.what),
                span,
                "nothing reads this key",
            );
            diagnostic = match nearest(field.key, known) {
                Some(near) => diagnostic
                    .with_help(format!("did you mean \"{near}\"?"))
                    .with_suggestion(near),
                None => diagnostic.with_help(format!("known keys: {}", known.join(", "))),
            };
            decoder.push(diagnostic);
        }
    }
}

/// A missing key has no place of its own: the start of its mapping stands for it.
fn first_line_end(span: &Range<usize>) -> Range<usize> {
    span.start..span.start
}

fn describe(node: &Node) -> &'static str {
    if node.is_null() {
        "empty"
    } else if node.entries().is_some() {
        "a mapping"
    } else if node.items().is_some() {
        "a list"
    } else {
        match node.resolve() {
            Some(Scalar::Bool(_)) => "a boolean",
            Some(Scalar::Int | Scalar::Float) => "a number",
            _ => "text",
        }
    }
}
