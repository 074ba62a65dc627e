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
mod rebuild;
mod registry;
mod round_trip;
mod shop;
mod status;
mod sync;
mod synth;

use imgfac_tests::Sandbox;

/// A sandbox for the program under test.
fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_imgfac-under-test"))
}
