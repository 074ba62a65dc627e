//! The harness of the black-box tests: a program, a clean environment, a folder of its own; and
//! fleets of any size with the true answer, for tests and benchmarks.

mod fleet;
mod git;
mod sandbox;
mod stamps;

pub use crate::{
    fleet::{Fleet, FleetOptions, Truth},
    sandbox::{Outcome, Sandbox},
    stamps::Stamps,
};
