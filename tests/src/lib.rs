//! The harness of the black-box tests: a program, a clean environment, a folder of its own; and
//! fleets of any size with the true answer, for tests and benchmarks.

mod broken_network;
mod fleet;
mod git;
mod git_server;
mod registry_server;
mod sandbox;
mod smtp_server;
mod stamps;

pub use crate::{
    broken_network::{Break, BrokenNetwork, Towards},
    fleet::{Fleet, FleetOptions, Truth},
    git_server::{GitServer, TOKEN},
    registry_server::{Layout, RegistryServer},
    sandbox::{Outcome, Sandbox},
    smtp_server::{Encryption, Fault, Mail, SmtpOptions, SmtpServer},
    stamps::Stamps,
};
