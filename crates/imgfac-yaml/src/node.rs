//! Trees of YAML with positions.

use std::ops::Range;

use crate::Value;
use crate::scalar::{Scalar, is_plain_text, resolve_plain};

/// A document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its root; an empty document is a null.
    pub root: Node,
    /// Every key that stands twice in one mapping.
    pub duplicates: Vec<DuplicateKey>,
}

/// A key that stands twice in one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey {
    /// The key.
    pub key: String,
    /// Where it first stands, in bytes.
    pub first: Range<usize>,
    /// Where it stands again.
    pub second: Range<usize>,
}

/// A value with its position.
#[derive(Clone, Debug)]
pub struct Node {
    /// Bytes of the text.
    pub span: Range<usize>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text, and whether it was written without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar exactly as it was written, without quotes: `0.10` stays `0.10`.
    #[must_use]
    pub fn scalar_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is a scalar without quotes.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Scalar { plain: true, .. })
    }

    /// Whether it is a null: nothing, `~` or `null` without quotes.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.resolve() == Some(Scalar::Null)
    }

    /// What a scalar is by the core schema of YAML 1.2; `None` for lists and mappings.
    #[must_use]
    pub fn resolve(&self) -> Option<Scalar> {
        match &self.kind {
            Kind::Scalar { text, plain: true } => Some(resolve_plain(text)),
            Kind::Scalar { plain: false, .. } => Some(Scalar::Str),
            _ => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The keys and values of a mapping, in order.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        let entries = self.entries()?;
        entries
            .iter()
            .find(|(name, _)| name.scalar_text() == Some(key))
            .map(|(_, value)| value)
    }

    /// The value without positions.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            _ if self.is_null() => Value::Null,
            // Text is the same with quotes and without, where it needs none; what needs them and
            // has none means something else than text to some reader, and stays as it is. Over
            // several lines even plain text needs quotes to come back the same.
            Kind::Scalar { text, plain: true } if !is_plain_text(text) && !text.contains('\n') => {
                Value::Plain(text.clone())
            }
            Kind::Scalar { text, .. } => Value::Text(text.clone()),
            Kind::Sequence(items) => Value::List(items.iter().map(Node::to_value).collect()),
            Kind::Mapping(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| {
                        (
                            key.scalar_text().unwrap_or_default().to_owned(),
                            value.to_value(),
                        )
                    })
                    .collect(),
            ),
        }
    }
}
