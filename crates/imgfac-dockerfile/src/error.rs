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

/// A place in the file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The line of the instruction, from 1.
    pub(crate) line: usize,
    /// The bytes, of the instruction or of a part of it.
    pub(crate) span: Range<usize>,
}

/// Where a mistake is that is not in the file.
pub(crate) const START: Place = Place {
    line: 1,
    span: 0..0,
};
