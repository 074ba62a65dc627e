//! What must not outlive the program: the processes it started and the folders it made.
//!
//! Git runs in process groups of its own, so that all of one call can be stopped at once. A
//! terminal's Ctrl-C therefore does not reach it; [`end_with_the_program`] passes it on.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
static FOLDERS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
static ENDING: AtomicBool = AtomicBool::new(false);

/// How long Git gets to put its house in order.
const GRACE: Duration = Duration::from_secs(2);

/// On SIGINT and SIGTERM stops every Git process, removes temporary folders, and ends the program
/// as the signal would have.
///
/// # Errors
/// When the operating system refuses the handler.
pub fn end_with_the_program() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                ENDING.store(true, Ordering::SeqCst);
                stop_all();
                for folder in locked(&FOLDERS).iter() {
                    let _ = std::fs::remove_dir_all(folder);
                }
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        })?;
    Ok(())
}

fn stop_all() {
    for group in locked(&RUNNING).iter() {
        signal_group(*group, Signal::TERM);
    }
    let deadline = Instant::now() + GRACE;
    while !locked(&RUNNING).is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    for group in locked(&RUNNING).iter() {
        signal_group(*group, Signal::KILL);
    }
}

/// A process group that is stopped when the program is.
#[derive(Debug)]
pub(crate) struct Running(u32);

impl Running {
    pub(crate) fn new(group: u32) -> Self {
        locked(&RUNNING).insert(group);
        if ENDING.load(Ordering::SeqCst) {
            signal_group(group, Signal::TERM);
        }
        Self(group)
    }

    /// Asks the group to end; [`Running::kill`] makes it.
    pub(crate) fn terminate(&self) {
        signal_group(self.0, Signal::TERM);
    }

    pub(crate) fn kill(&self) {
        signal_group(self.0, Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        locked(&RUNNING).remove(&self.0);
    }
}

/// While the program ends, nothing may be concluded from a Git process that was stopped: the
/// thread that waited for it waits for the end instead.
pub(crate) fn wait_if_ending() {
    while ENDING.load(Ordering::SeqCst) {
        thread::park();
    }
}

fn signal_group(group: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process_group(pid, signal);
    }
}

/// A temporary folder that is gone after the program, even when Ctrl-C ends it.
#[derive(Debug)]
pub(crate) struct TemporaryFolder(tempfile::TempDir);

impl TemporaryFolder {
    pub(crate) fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("imgfac-").tempdir()?;
        locked(&FOLDERS).insert(folder.path().to_owned());
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        locked(&FOLDERS).remove(self.0.path());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
