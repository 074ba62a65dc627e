//! The command line: what users can say. The doc comments here are the help text.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::error::CliError;

/// Keeps container images fresh through Git
///
/// imgfac reads the list of your images (images.yaml), finds the images that each Dockerfile
/// stands on exactly as BuildKit would, keeps what it learns as YAML under state/, and writes the
/// Kargo manifests that watch registries and rebuild.
#[derive(Debug, Parser)]
#[command(name = "imgfac", version, max_term_width = 100, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Start here:
  imgfac init            make a factory directory with a commented example
  imgfac check           find every mistake in it
  imgfac sync            read all Dockerfiles, update state/ and dist/

Exit codes:
  0 done   1 failed, nothing changed   2 wrong usage
  3 done, but some images failed
  4 --check found a difference, or graph --why no way, and no image failed";

/// Options that every command takes
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The factory directory: the one with images.yaml
    ///
    /// Default: the current folder if it has images.yaml, else ./image-factory.
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        env = "IMGFAC_DIRECTORY",
        value_parser = clap::builder::OsStringValueParser::new(),
        value_hint = clap::ValueHint::DirPath,
        global = true
    )]
    pub(crate) directory: Option<OsString>,
    /// Say only what is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say what is done and why; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colours; NO_COLOR is respected
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        default_value = "auto",
        hide_possible_values = false
    )]
    pub(crate) color: Color,
    /// The form of what --verbose says on standard error
    #[arg(long, value_name = "FORMAT", global = true, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

impl Global {
    /// `-C`, or a variable that is not empty: build systems set variables that they have no value
    /// for. An empty `-C` is a mistake in a script, which must not hit another folder.
    pub(crate) fn directory(&self) -> Result<Option<PathBuf>, CliError> {
        match &self.directory {
            Some(directory) if directory.is_empty() => match std::env::var_os("IMGFAC_DIRECTORY") {
                Some(variable) if variable.is_empty() => Ok(None),
                _ => Err(CliError::usage("-C names no folder")),
            },
            directory => Ok(directory.as_ref().map(PathBuf::from)),
        }
    }
}

/// When to use colours
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that can
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The form of log lines
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One object a line
    Json,
}

/// The form of a command's result
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For machines
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct FormatArg {
    /// The form of the result on standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new factory directory with a commented example
    Init(commands::init::InitArgs),
    /// Find every mistake in images.yaml, images.d, imgfac.yaml and state
    Check(commands::check::CheckArgs),
    /// List the external images that Dockerfiles stand on
    Deps(commands::deps::DepsArgs),
    /// Read the Dockerfiles of all images and update state
    Analyze(commands::analyze::AnalyzeArgs),
    /// Write the Kargo manifests
    Synth(commands::synth::SynthArgs),
    /// Analyze, then synth: the main job
    Sync(commands::sync::SyncArgs),
    /// Record what the tags of base images point at
    Observe(commands::observe::ObserveArgs),
    /// Find out whether the notifications of imgfac.yaml arrive
    Notify(commands::notify::NotifyArgs),
    /// Draw the dependency graph, or ask it
    Graph(commands::graph::GraphArgs),
    // These three, and `status`, have their help, short and long, on their arguments.
    Apply(commands::apply::ApplyArgs),
    Diff(commands::diff::DiffArgs),
    Rebuild(commands::rebuild::RebuildArgs),
    /// Take an image out of the fleet, and keep its state in the archive
    Archive(commands::archive::ArchiveArgs),
    /// Bring an image back from the archive
    Restore(commands::restore::RestoreArgs),
    /// List the archive, and take away what is older than you want to keep
    Cleanup(commands::cleanup::CleanupArgs),
    Status(commands::status::StatusArgs),
    /// Print the JSON Schema of a file
    Schema(commands::schema::SchemaArgs),
    /// Print a completion script for a shell
    Completions(commands::completions::CompletionsArgs),
}
