//! Black-box tests of the crate.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests may panic, and say what they skip"
)]

mod conformance;
mod decisions;
mod expr;
mod fleet;
mod kargo;
mod manifests;
mod properties;
