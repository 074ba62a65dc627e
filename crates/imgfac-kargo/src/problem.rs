//! What could not be written, and why.

use std::fmt;

use imgfac_model::{BaseName, ImageName};

/// Whom a resource or a problem belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The whole factory, and its settings.
    Factory,
    /// An enrolled image.
    Image(ImageName),
    /// A base.
    Base(BaseName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factory => f.write_str("settings"),
            Self::Image(name) => write!(f, "image {name}"),
            Self::Base(name) => write!(f, "base {name}"),
        }
    }
}

/// Something that Kargo would not take, or would take and do wrong: it is left out, and the rest
/// of the manifests is complete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// What is left out.
    pub subject: Subject,
    /// Why, in one line.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(subject: Subject, message: impl Into<String>) -> Self {
        Self {
            subject,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}
