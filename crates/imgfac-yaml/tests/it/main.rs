//! Tests of the crate as its users see it.

#![expect(
    clippy::unwrap_used,
    reason = "a failed step of a test's set-up is a failed test"
)]

mod edit;
mod nasty;
mod pyyaml;
mod read;
mod write;
