//! The checker on manifests that break one rule each, with small schemas of our own.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod broken;
mod docs;
mod reading;
mod small;
