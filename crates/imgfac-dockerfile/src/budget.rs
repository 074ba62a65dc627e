//! Limits that keep the work in proportion to the file.

/// How much a word or a value may expand to, in bytes.
pub(crate) const WORD_LIMIT: usize = 1 << 20;

/// What all expansions of one file may write together, besides a share of the file's size.
const TOTAL_LIMIT: usize = 1 << 24;

/// The deepest nesting of `${a:-${b:-…}}`.
pub(crate) const DEPTH_LIMIT: usize = 64;

/// How many stages a file may have, and how many `ARG`s before the first.
pub(crate) const COUNT_LIMIT: usize = 100_000;

/// How many trigger instructions may fire in one file.
pub(crate) const TRIGGER_LIMIT: usize = 1 << 20;

/// How many mistakes of one file are reported.
pub(crate) const ERROR_LIMIT: usize = 1_000;

/// What is left to spend on one file.
pub(crate) struct Budget {
    steps: usize,
}

impl Budget {
    pub(crate) fn new(text_length: usize) -> Self {
        Self {
            steps: TOTAL_LIMIT.saturating_add(text_length.saturating_mul(4)),
        }
    }

    /// Takes `steps`; false when too little is left.
    pub(crate) fn spend(&mut self, steps: usize) -> bool {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                true
            }
            None => {
                self.steps = 0;
                false
            }
        }
    }
}
