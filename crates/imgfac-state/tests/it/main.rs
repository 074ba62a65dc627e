//! Tests of the crate as its users see it.

#![expect(
    clippy::unwrap_used,
    reason = "a failed step of a test's set-up is a failed test"
)]

mod archive;
mod builds;
mod configuration;
mod factory;
mod lifecycle;
mod listing;
mod observations;
mod predecessor;
mod properties;
mod rebuilds;
mod state;
mod targets;
mod told;
