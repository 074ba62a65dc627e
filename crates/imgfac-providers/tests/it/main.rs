//! Tests against registries in memory, which say what a test wants.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod ask;
mod ci;
mod fake;
mod faults;
mod login;
mod many;
mod notify;
mod pushed;
mod stood_on;
mod tags;
