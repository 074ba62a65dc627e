//! What `--commit` costs beyond the analysis, against Git's own way to commit the same files.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use imgfac_tests::{Fleet, FleetOptions};

use super::measure::{Measured, measure};
use super::{Programs, median, remove};

/// Images that change in the commit of few files.
const FEW: usize = 5;

/// Times of one size of commit, in seconds; medians.
#[derive(Clone)]
struct Row {
    what: &'static str,
    /// On the wall, or of the processor.
    clock: &'static str,
    files: usize,
    /// `imgfac analyze`.
    analyze: f64,
    /// `git add --all && git commit` of what it wrote.
    git: f64,
    /// `imgfac analyze --commit`.
    commit: f64,
    /// What the commit cost beyond the analysis, round by round.
    beyond: f64,
}

/// What was measured.
pub(super) struct CommitsReport {
    images: usize,
    runs: usize,
    rows: Vec<Row>,
}

/// Measures commits of all state files of a fleet, and of few of them.
pub(super) fn bench(
    programs: &Programs,
    target: &Path,
    images: usize,
    runs: usize,
) -> Result<CommitsReport> {
    let folder = target.join("bench/commits");
    remove(&folder)?;
    let origin = folder.join("origin");
    let fleet = Fleet::generate(&FleetOptions {
        images,
        ..FleetOptions::default()
    });
    fleet.write(&origin).context("cannot write a fleet")?;
    git(&origin, &["init", "--quiet"])?;
    git(&origin, &["add", "--all"])?;
    git(&origin, &["commit", "--quiet", "--message=fleet"])?;
    let changed: Vec<&str> = fleet
        .images
        .values()
        .map(|truth| truth.dockerfile.as_str())
        .take(FEW)
        .collect();

    let mut all = Rounds::default();
    let mut few = Rounds::default();
    // The first round warms the caches of the file system.
    for round in 0..=runs {
        let plain = clone(&folder, &format!("plain-{round}"))?;
        let ours = clone(&folder, &format!("ours-{round}"))?;
        for (rounds, few) in [(&mut all, false), (&mut few, true)] {
            if few {
                edit(&plain, &changed)?;
                edit(&ours, &changed)?;
            }
            let analyze = imgfac(programs, &plain, &["analyze"])?;
            let by_git = measure(
                programs,
                Path::new("sh"),
                [
                    OsStr::new("-c"),
                    "cd \"$1\" && git add --all . && git commit --quiet --message=state".as_ref(),
                    "sh".as_ref(),
                    plain.join(Fleet::FACTORY).as_os_str(),
                ],
            )?;
            let commit = imgfac(programs, &ours, &["analyze", "--commit"])?;
            let files = files_of(&ours)?;
            if files != files_of(&plain)? {
                bail!("the two commits have not the same files");
            }
            if round > 0 {
                rounds.files = files;
                rounds.times.push([analyze, by_git, commit]);
            }
        }
    }
    remove(&folder)?;
    Ok(CommitsReport {
        images,
        runs,
        rows: [all.rows("all files"), few.rows("few files")].concat(),
    })
}

#[derive(Default)]
struct Rounds {
    files: usize,
    /// `imgfac analyze`, Git, and `imgfac analyze --commit`, round by round.
    times: Vec<[Measured; 3]>,
}

impl Rounds {
    fn rows(&self, what: &'static str) -> Vec<Row> {
        let row = |clock: &'static str, time: fn(&Measured) -> f64| {
            let of = |which: usize| median(self.times.iter().map(|round| time(&round[which])));
            let beyond = self.times.iter();
            let beyond = beyond.map(|[analyze, _, commit]| time(commit) - time(analyze));
            Row {
                what,
                clock,
                files: self.files,
                analyze: of(0),
                git: of(1),
                commit: of(2),
                beyond: median(beyond),
            }
        };
        vec![
            row("wall", |measured| measured.wall_seconds),
            row("CPU", |measured| measured.cpu_seconds),
        ]
    }
}

fn imgfac(programs: &Programs, folder: &Path, arguments: &[&str]) -> Result<Measured> {
    let factory = folder.join(Fleet::FACTORY);
    let common = [OsStr::new("--quiet"), "-C".as_ref(), factory.as_os_str()];
    let arguments = arguments.iter().map(OsStr::new);
    measure(
        programs,
        &programs.imgfac,
        common.into_iter().chain(arguments),
    )
}

/// How many files the newest commit changes below `state/`.
fn files_of(folder: &Path) -> Result<usize> {
    let list = git(folder, &["show", "--format=", "--name-only", "HEAD"])?;
    Ok(list.lines().filter(|path| path.contains("/state/")).count())
}

/// Gives Dockerfiles one more base.
fn edit(folder: &Path, dockerfiles: &[&str]) -> Result<()> {
    for path in dockerfiles {
        let path = folder.join(path);
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        writeln!(file, "\nCOPY --from=busybox:bench /bin/busybox /bench")?;
    }
    Ok(())
}

fn clone(folder: &Path, name: &str) -> Result<PathBuf> {
    git(folder, &["clone", "--quiet", "origin", name])?;
    let clone = folder.join(name);
    for (key, value) in [("user.name", "bench"), ("user.email", "bench@example.com")] {
        git(&clone, &["config", key, value])?;
    }
    Ok(clone)
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(["-c", "gc.auto=0", "-c", "user.name=bench"])
        .args(["-c", "user.email=bench@example.com"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!(
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl fmt::Display for CommitsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} images, median of {} runs, seconds\n",
            self.images, self.runs
        )?;
        writeln!(
            f,
            "| commit of | clock | state files | analyze | git add, commit | analyze --commit | beyond analyze | ratio to git |"
        )?;
        writeln!(
            f,
            "|-----------|-------|------------:|--------:|----------------:|-----------------:|---------------:|-------------:|"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "| {} | {:<5} | {:>11} | {:>7.3} | {:>15.3} | {:>16.3} | {:>14.3} | {:>12.2} |",
                row.what,
                row.clock,
                row.files,
                row.analyze,
                row.git,
                row.commit,
                row.beyond,
                row.beyond / row.git,
            )?;
        }
        Ok(())
    }
}
