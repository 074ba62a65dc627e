//! Black-box tests of the program.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod analyze;
mod archive;
mod check;
mod ci;
mod cluster;
mod damage;
mod deps;
mod disk;
mod example;
mod git;
mod git_crowd;
mod git_faults;
mod git_network;
mod git_pull_request;
mod git_sha256;
mod graph;
mod hostile;
mod init;
mod lifecycle;
mod manifests;
mod notify;
mod observe;
mod options;
mod page;
mod predecessor;
mod push_times;
mod rebuild_due;
mod rebuild_emergency;
mod rebuild_faults;
mod rebuild_follow;
mod rebuild_plan;
mod rebuild_told;
mod registry;
mod round_trip;
mod shop;
mod status;
mod sync;
mod synth;

use std::path::Path;

use imgfac_tests::{Built, Plant, Sandbox};

/// A sandbox for the program under test.
fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_imgfac-under-test"))
}

/// A factory without a cluster, at the start of 2026-11-01, and the servers that it works with.
fn plant(push: bool, images: &[Built<'_>], settings: &str) -> Plant {
    let contract = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let now = "2026-11-01T00:00:00Z";
    Plant::new(sandbox(), contract, push, images, settings, now)
}
