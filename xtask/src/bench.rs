//! How fast the program is, on fleets of many sizes, against a floor that no program can go below.
//!
//! Real processes of the real binary are measured: the processor's time of the process, the time
//! on the wall, the peak of its memory, and the files that it wrote. The floor is one process that
//! reads and hashes every input file of the command once, so that the ratio of the two says how
//! much the program does beyond that, whatever the machine. `docs/benchmarks.md` says how to read
//! the results.

mod bars;
mod commits;
mod floor;
mod graph;
mod measure;
mod report;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use imgfac_tests::{Fleet, FleetOptions, Stamps};

use self::measure::{Measured, measure};
use self::report::{Report, Row};

pub(crate) use self::{floor::floor, graph::graph_times, measure::print_measured};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Managed images of the fleets
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [100, 1_000, 10_000])]
    images: Vec<usize>,
    /// How often each command runs; the median counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    /// Dockerfiles that use everything BuildKit understands
    #[arg(long)]
    hard: bool,
    /// Measure `analyze --commit` against Git instead, on the largest fleet
    #[arg(long, conflicts_with_all = ["assert", "format"])]
    commits: bool,
    /// Measure the dependency graph instead, on 10000 images and 300 bases
    #[arg(long, conflicts_with_all = ["commits", "format", "hard", "images"])]
    graph: bool,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Exit with 1 when a bar is missed; needs fleets of 1000 and 10000 images, or --graph
    #[arg(long)]
    assert: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// A way to run the program on a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// `analyze` where there is no state.
    Fresh,
    /// `analyze` where nothing changed.
    Unchanged,
    /// `synth` where there are no manifests.
    Synth,
}

impl Task {
    /// In the order in which each leaves what the next needs.
    const ALL: [Self; 3] = [Self::Fresh, Self::Unchanged, Self::Synth];

    fn name(self) -> &'static str {
        match self {
            Self::Fresh => "analyze, fresh",
            Self::Unchanged => "analyze, unchanged",
            Self::Synth => "synth",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Fresh | Self::Unchanged => "analyze",
            Self::Synth => "synth",
        }
    }
}

/// The binaries that are measured, in release mode.
struct Programs {
    imgfac: PathBuf,
    xtask: PathBuf,
}

/// Measures, prints, and fails where a bar is missed and bars are asked for.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    if args.runs == 0 {
        bail!("--runs must be at least 1");
    }
    if args.assert && !bars::SIZES.iter().all(|size| args.images.contains(size)) {
        bail!("--assert needs fleets of {:?} images", bars::SIZES);
    }
    let target = target_directory()?;
    let programs = build(&target)?;
    let start = start_up(&programs, args.runs)?;
    settle(&target);
    if args.graph {
        let report = graph::bench(&programs, &target, args.runs)?;
        print!("{report}");
        return judge(args, &report.missed());
    }
    if args.commits {
        let images = args.images.iter().copied().max().unwrap_or_default();
        let report = commits::bench(&programs, &target, images, args.runs)?;
        fs::write(target.join(REMOVED), "").context("cannot note when files were removed")?;
        print!("{report}");
        return Ok(());
    }
    let mut rows = Vec::new();
    for &images in &args.images {
        rows.extend(bench_fleet(&programs, &target, images, args, start)?);
    }
    remove(&target.join("bench/discarded"))?;
    fs::write(target.join(REMOVED), "").context("cannot note when files were removed")?;
    let report = Report::new(args.runs, args.hard, start, rows);
    match args.format {
        Format::Text => print!("{report}"),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    judge(args, &report.missed())
}

/// Fails where a bar is missed and bars are asked for.
fn judge(args: &BenchArgs, missed: &[String]) -> Result<()> {
    if args.assert && !missed.is_empty() {
        bail!("missed: {}", missed.join("; "));
    }
    Ok(())
}

fn target_directory() -> Result<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .context("cannot read what cargo metadata printed")?;
    Ok(metadata.target_directory)
}

fn build(target: &Path) -> Result<Programs> {
    let status = cargo()
        .args(["build", "--quiet", "--release", "--locked"])
        .args(["--package", "imgfac-cli", "--package", "xtask"])
        .status()
        .context("cannot run cargo build")?;
    if !status.success() {
        bail!("cannot build the program");
    }
    let program = |name| {
        target
            .join("release")
            .join(name)
            .with_extension(std::env::consts::EXE_EXTENSION)
    };
    Ok(Programs {
        imgfac: program("imgfac"),
        xtask: program("xtask"),
    })
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::root());
    command
}

/// What the program costs before it does anything, in seconds of the processor.
fn start_up(programs: &Programs, runs: usize) -> Result<f64> {
    let runs = (0..runs.max(5))
        .map(|_| measure(programs, &programs.imgfac, ["--version".as_ref()]))
        .collect::<Result<Vec<_>>>()?;
    Ok(median(runs.iter().map(|run| run.cpu_seconds)))
}

/// Where thousands of files were just removed, ext4 searches for the place of a new file a hundred
/// times as long as otherwise, for up to this long: `recently_deleted` in the kernel's
/// `fs/ext4/ialloc.c`.
const SETTLED: Duration = Duration::from_secs(300);

/// A file below the target directory that is as old as the last removal of results.
const REMOVED: &str = "bench/removed";

/// Waits until the removal of earlier results no longer slows the file system down.
fn settle(target: &Path) {
    let modified = fs::metadata(target.join(REMOVED)).and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|time| time.elapsed().ok());
    if let Some(rest) = age.and_then(|age| SETTLED.checked_sub(age)) {
        eprintln!(
            "waiting {} s: the results of the last run were only just removed",
            rest.as_secs()
        );
        std::thread::sleep(rest);
    }
}

fn bench_fleet(
    programs: &Programs,
    target: &Path,
    images: usize,
    args: &BenchArgs,
    start: f64,
) -> Result<Vec<Row>> {
    let kind = if args.hard { "hard" } else { "plain" };
    let folder = target.join("bench").join(format!("{kind}-{images}"));
    let fleet = Fleet::generate(&FleetOptions {
        images,
        hard: args.hard,
        ..FleetOptions::default()
    });
    fleet.write(&folder).context("cannot write a fleet")?;
    let bench = FleetBench {
        programs,
        factory: folder.join(Fleet::FACTORY),
        dockerfiles: fleet
            .images
            .values()
            .map(|truth| folder.join(&truth.dockerfile))
            .collect(),
        list: folder.join("inputs"),
        discarded: target.join("bench/discarded"),
    };
    let mut runs: [Vec<Run>; 3] = Default::default();
    // The first round warms the caches of the file system.
    for round in 0..=args.runs {
        bench.discard(["state", "dist"])?;
        for (task, runs) in Task::ALL.into_iter().zip(&mut runs) {
            let run = bench
                .run(task)
                .with_context(|| format!("{} of {images} images", task.name()))?;
            if round > 0 {
                runs.push(run);
            }
        }
    }
    Ok(Task::ALL
        .into_iter()
        .zip(&runs)
        .map(|(task, runs)| row(task, images, runs, start))
        .collect())
}

/// One run of the program, and of the floor just before it.
struct Run {
    program: Measured,
    floor: Measured,
    written: usize,
}

struct FleetBench<'p> {
    programs: &'p Programs,
    factory: PathBuf,
    dockerfiles: Vec<PathBuf>,
    /// Where the floor finds the names of its input files.
    list: PathBuf,
    /// Where results go before the next round.
    discarded: PathBuf,
}

impl FleetBench<'_> {
    fn run(&self, task: Task) -> Result<Run> {
        let inputs: Vec<String> = self
            .inputs(task)?
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        fs::write(&self.list, inputs.join("\n")).context("cannot write the floor's list")?;
        let floor = measure(
            self.programs,
            &self.programs.xtask,
            ["floor".as_ref(), self.list.as_os_str()],
        )?;
        let before = Stamps::of(&self.factory)?;
        let program = measure(
            self.programs,
            &self.programs.imgfac,
            [
                OsStr::new("--quiet"),
                "-C".as_ref(),
                self.factory.as_os_str(),
                task.command().as_ref(),
            ],
        )?;
        let written = Stamps::of(&self.factory)?.written_since(&before);
        Ok(Run {
            program,
            floor,
            written,
        })
    }

    /// Puts results out of the way. They are removed when everything is measured, see [`SETTLED`].
    fn discard(&self, folders: [&str; 2]) -> Result<()> {
        fs::create_dir_all(&self.discarded)?;
        for folder in folders {
            let number = fs::read_dir(&self.discarded)?.count();
            let aside = self.discarded.join(number.to_string());
            match fs::rename(self.factory.join(folder), aside) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Every file that the command has to read.
    fn inputs(&self, task: Task) -> Result<Vec<PathBuf>> {
        let mut inputs = vec![
            self.factory.join("imgfac.yaml"),
            self.factory.join("images.yaml"),
        ];
        if task != Task::Synth {
            inputs.extend(self.dockerfiles.iter().cloned());
        }
        if task != Task::Fresh {
            for folder in ["images", "base-images"] {
                for entry in fs::read_dir(self.factory.join("state").join(folder))? {
                    inputs.push(entry?.path());
                }
            }
        }
        Ok(inputs)
    }
}

fn row(task: Task, images: usize, runs: &[Run], start: f64) -> Row {
    let cpu = median(runs.iter().map(|run| run.program.cpu_seconds));
    let floor = median(runs.iter().map(|run| run.floor.cpu_seconds));
    Row {
        task: task.name(),
        images,
        cpu_seconds: cpu,
        wall_seconds: median(runs.iter().map(|run| run.program.wall_seconds)),
        memory_bytes: runs
            .iter()
            .map(|run| run.program.memory_bytes)
            .max()
            .unwrap_or(0),
        files_written: runs.iter().map(|run| run.written).max().unwrap_or(0),
        floor_cpu_seconds: floor,
        ratio_to_floor: cpu / floor,
        cpu_microseconds_per_image: (cpu - start).max(0.0) * 1e6 / images.max(1) as f64,
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
