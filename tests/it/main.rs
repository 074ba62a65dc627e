//! Black-box tests of the program.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod round_trip;
mod sync;
