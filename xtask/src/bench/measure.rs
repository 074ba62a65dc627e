//! What one process cost.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Programs;

/// What one process cost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    /// User and system time of all its threads.
    pub(super) cpu_seconds: f64,
    pub(super) wall_seconds: f64,
    /// The most that was resident at a time.
    pub(super) memory_bytes: u64,
}

/// Runs a program under a process that does nothing else: the system counts children together,
/// and the memory of a process starts with what the one that started it had.
pub(super) fn measure<'a>(
    programs: &Programs,
    program: &'a Path,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<Measured> {
    let arguments = arguments.into_iter();
    ask_xtask(
        programs,
        ["measure".as_ref(), program.as_os_str()]
            .into_iter()
            .chain(arguments),
    )
    .with_context(|| format!("{} failed", program.display()))
}

/// What xtask in release mode prints as JSON.
pub(super) fn ask_xtask<'a, T: DeserializeOwned>(
    programs: &Programs,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<T> {
    let output = Command::new(&programs.xtask)
        .args(arguments)
        .env_remove("IMGFAC_NOW")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run xtask")?;
    if !output.status.success() {
        bail!("xtask ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("cannot read what xtask printed")
}

/// Runs a program without its output, and prints what it cost.
pub(crate) fn print_measured(command: &[OsString]) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else {
        bail!("no program to measure");
    };
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let wall_seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let measured = Measured {
        cpu_seconds: seconds(usage.user_time()) + seconds(usage.system_time()),
        wall_seconds,
        // The unit is that of Linux.
        memory_bytes: u64::try_from(usage.max_rss()).unwrap_or(0) * 1_024,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}
