//! Tasks of the project: `cargo xtask help` lists them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person who runs it"
)]

mod bench;
mod codegen;
mod conformance;
mod simulate;
mod tidy;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the project
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write the generated files: schemas/ and docs/cli.md
    Codegen {
        /// Write nothing; fail when a file is not current
        #[arg(long)]
        check: bool,
    },
    /// Check manifests against the schemas and rules of a release of Kargo
    ///
    /// Ends with 1 when there are errors. docs/conformance.md says what is checked, and where the
    /// schemas come from.
    Conformance(conformance::ConformanceArgs),
    /// Check what no compiler checks: crate directions, dependencies, purity, generated files
    Tidy,
    /// Measure the program on generated fleets, in release mode
    Bench(bench::BenchArgs),
    /// Play a factory through in time, and print how long images wait
    ///
    /// docs/rebuild.md says what is simulated. Use `cargo run --release -p xtask -- simulate` for
    /// large fleets.
    Simulate(simulate::SimulateArgs),
    /// Read and hash the files that a list names: what `bench` compares with
    #[command(hide = true)]
    Floor {
        /// The list, one file a line
        list: PathBuf,
    },
    /// Read a factory and time its graph: how `bench --graph` measures
    #[command(hide = true)]
    GraphTimes {
        /// The factory directory
        factory: PathBuf,
        /// How often
        runs: usize,
    },
    /// Run a program and print what it cost: how `bench` measures
    #[command(hide = true)]
    Measure {
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    if std::env::var_os(conformance::AS_IMGFAC).is_some() {
        return imgfac_cli::main();
    }
    let result = match Cli::parse().task {
        Task::Codegen { check: false } => codegen::write().map(|()| true),
        Task::Codegen { check: true } => codegen::check().map(|()| true),
        Task::Conformance(args) => conformance::run(&args),
        Task::Tidy => tidy::run().map(|()| true),
        Task::Bench(args) => bench::run(&args).map(|()| true),
        Task::Simulate(args) => simulate::run(&args).map(|()| true),
        Task::Floor { list } => bench::floor(&list).map(|()| true),
        Task::GraphTimes { factory, runs } => bench::graph_times(&factory, runs).map(|()| true),
        Task::Measure { command } => bench::print_measured(&command).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
