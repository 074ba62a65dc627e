//! The harness of the black-box tests: a program, a clean environment, a folder of its own; servers
//! that stand in for GitHub and GitLab, with builds that a test starts, ends and lets go wrong; and
//! fleets of any size with the true answer, for tests and benchmarks.

mod broken_network;
mod ci_server;
mod fake_github;
mod fake_gitlab;
mod fake_hook;
mod fake_registry;
mod fleet;
mod git;
mod git_server;
mod openapi;
mod plant;
mod registry_server;
mod sandbox;
mod smtp_server;
mod stamps;
mod token_server;

pub use crate::{
    broken_network::{Break, BrokenNetwork, Towards},
    ci_server::{CiRequest, Trouble},
    fake_github::{APP, APP_SLUG, FakeGitHub, FakeRun, LOGIN},
    fake_gitlab::{FakeGitLab, FakePipeline, TRIGGER},
    fake_hook::FakeHook,
    fake_registry::{FakeRegistry, Proof, Pushed},
    fleet::{Fleet, FleetOptions, Truth},
    git_server::{GitServer, TOKEN},
    openapi::Contract,
    plant::{Built, Plant},
    registry_server::{Layout, RegistryServer},
    sandbox::{Outcome, Sandbox},
    smtp_server::{Encryption, Fault, Mail, SmtpOptions, SmtpServer},
    stamps::Stamps,
};
