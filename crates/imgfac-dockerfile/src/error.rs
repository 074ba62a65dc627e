//! What is wrong with a Dockerfile, and where.

use std::ops::Range;

/// Which step of a build finds the mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The text is not a Dockerfile; nothing can be said about its images.
    Parse,
    /// The value of an `ARG` before the first `FROM` cannot be expanded.
    Arg,
    /// A base, a source or the target cannot be resolved; the other images are known.
    Resolve,
}

/// A mistake for which a build would fail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Which step finds it.
    pub kind: ErrorKind,
    /// The reason, in the words of the build where it has a fixed text.
    pub message: String,
    /// The line on which [`Error::span`] begins, from 1.
    pub line: usize,
    /// The column at which [`Error::span`] begins, in characters, from 1.
    pub column: usize,
    /// The bytes that are wrong: a word where one is to blame, else the instruction.
    pub span: Range<usize>,
}

impl Error {
    /// Builds an error and finds its line and column.
    ///
    /// `line` is the line of the instruction; the span may begin on a later line of it.
    pub(crate) fn new(
        text: &[u8],
        kind: ErrorKind,
        message: impl Into<String>,
        place: &Place,
    ) -> Self {
        let start = place.span.start.min(text.len());
        let before = text.get(place.line_start..start).unwrap_or_default();
        let line = place.line + before.iter().filter(|&&b| b == b'\n').count();
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(place.line_start, |n| place.line_start + n + 1);
        let column = text
            .get(line_start..start)
            .unwrap_or_default()
            .iter()
            .filter(|&&b| b & 0xC0 != 0x80)
            .count()
            + 1;
        Self {
            kind,
            message: message.into(),
            line,
            column,
            span: place.span.clone(),
        }
    }
}

/// A place in the file: the first line of an instruction, and a range of bytes in the instruction.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The line of the instruction, from 1.
    pub(crate) line: usize,
    /// Where that line begins.
    pub(crate) line_start: usize,
    pub(crate) span: Range<usize>,
}

/// Where a mistake is that is not in the file.
pub(crate) const START: Place = Place {
    line: 1,
    line_start: 0,
    span: 0..0,
};
