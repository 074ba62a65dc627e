//! The command line of Image Factory: arguments, a call into the libraries, a renderer.
//!
//! [`main`] is the whole program, [`run`] the same with arguments of the caller. [`command`], [`schemas`] and [`transitions`] describe it
//! for generated documentation; [`dependency_graph`] is there to be measured.

mod answers;
mod args;
mod base_status;
mod ci;
mod clock;
mod cluster;
mod commands;
mod context;
mod discovery;
mod error;
mod external;
mod factory;
mod files;
mod fleet_graph;
mod git;
mod published;
mod rebuild_fleet;
mod rebuild_status;
mod render;
mod run;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::Cli;

pub use crate::fleet_graph::graph as dependency_graph;

/// Runs the program with the arguments and streams of the process.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os()))
}

/// Runs the program with other arguments, the first of which is its name; gives the exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> u8 {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => run::run(cli),
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let code = if error.use_stderr() {
                imgfac_model::exit::USAGE
            } else {
                imgfac_model::exit::DONE
            };
            let _ = error.print();
            code
        }
    }
}

/// The command line, for generated documentation and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// What can become of an image, as a Mermaid diagram and as a table of Markdown.
#[must_use]
pub fn transitions() -> (String, String) {
    use imgfac_state::Transition;
    (Transition::diagram(), Transition::table())
}

/// The JSON Schemas of all files, by name.
#[must_use]
pub fn schemas() -> Vec<(&'static str, String)> {
    imgfac_state::schemas()
}
