//! Exit codes of the program.

/// Everything was done.
pub const DONE: u8 = 0;
/// It failed and nothing was changed.
pub const FAILED: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// It was done, but some images failed.
pub const PARTLY: u8 = 3;
/// `--check` found a difference, or the answer to a question is no.
pub const DIFFERENT: u8 = 4;
