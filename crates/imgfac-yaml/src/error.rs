//! Why a text cannot be read.

use std::ops::Range;

/// The text cannot be read; the span says where.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{problem}")]
pub struct Error {
    problem: Problem,
    span: Range<usize>,
}

#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("this is not YAML: {0}")]
    Syntax(String),
    #[error("a merge conflict is left here")]
    Conflict,
    #[error("a tab indents this line; use spaces")]
    Tab,
    #[error("the file stops being UTF-8 text here")]
    NotUtf8,
    #[error("a NUL byte has no place in YAML")]
    Nul,
    #[error("a second document begins here; the file may have only one")]
    SecondDocument,
    #[error("the file is longer than the limit of {limit} bytes")]
    TooLong { limit: usize },
    #[error("lists and mappings stand in each other deeper than the limit of {limit}")]
    TooDeep { limit: usize },
    #[error("there are more than {limit} values, those that aliases repeat included")]
    TooMany { limit: usize },
    #[error("anchors and aliases repeat more than {limit} bytes of text")]
    TooMuchRepeated { limit: usize },
    #[error("a list or mapping stands where a key should be")]
    Key,
    #[error("the tag {0} is not one of YAML's own")]
    Tag(String),
    #[error("an alias stands inside of what it stands for")]
    AliasInItself,
}

impl Error {
    pub(crate) fn new(problem: Problem, span: Range<usize>) -> Self {
        Self { problem, span }
    }

    /// Where, in bytes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}
