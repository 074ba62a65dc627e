//! The harness of the black-box tests: a program, a clean environment, a folder of its own.

mod sandbox;

pub use crate::sandbox::{Outcome, Sandbox};
