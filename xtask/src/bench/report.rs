//! The results, for people and as JSON.

use std::fmt;

use serde::Serialize;

use super::bars::{Bar, judge};

/// All results of one run of the benchmark.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    processors: usize,
    runs: usize,
    hard: bool,
    start_up_cpu_seconds: f64,
    rows: Vec<Row>,
    bars: Vec<Bar>,
}

/// The medians of one command on one fleet; memory and files are the most of any run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) task: &'static str,
    pub(super) images: usize,
    pub(super) cpu_seconds: f64,
    pub(super) wall_seconds: f64,
    pub(super) memory_bytes: u64,
    pub(super) files_written: usize,
    pub(super) floor_cpu_seconds: f64,
    pub(super) ratio_to_floor: f64,
    /// Without what the program costs before it does anything.
    pub(super) cpu_microseconds_per_image: f64,
}

impl Report {
    pub(super) fn new(runs: usize, hard: bool, start_up_cpu_seconds: f64, rows: Vec<Row>) -> Self {
        Self {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            runs,
            hard,
            start_up_cpu_seconds,
            bars: judge(&rows),
            rows,
        }
    }

    /// The bars that were missed, one line each.
    pub(super) fn missed(&self) -> Vec<String> {
        let missed = self.bars.iter().filter(|bar| !bar.met);
        missed
            .map(|bar| format!("{} {:.2}, at most {}", bar.name, bar.value, bar.limit))
            .collect()
    }
}

impl fmt::Display for Report {
    /// A table in Markdown, and below it the bars.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} processors, median of {} runs, {} Dockerfiles, start-up {:.1} ms of CPU\n",
            self.processors,
            self.runs,
            if self.hard { "hard" } else { "plain" },
            self.start_up_cpu_seconds * 1e3,
        )?;
        writeln!(
            f,
            "| images | command            | CPU s  | wall s | MB    | written | floor s | ratio | µs/image |"
        )?;
        writeln!(
            f,
            "|-------:|--------------------|-------:|-------:|------:|--------:|--------:|------:|---------:|"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "| {:>6} | {:<18} | {:>6.3} | {:>6.3} | {:>5.1} | {:>7} | {:>7.3} | {:>5.1} | {:>8.1} |",
                row.images,
                row.task,
                row.cpu_seconds,
                row.wall_seconds,
                row.memory_bytes as f64 / 1e6,
                row.files_written,
                row.floor_cpu_seconds,
                row.ratio_to_floor,
                row.cpu_microseconds_per_image,
            )?;
        }
        if !self.bars.is_empty() {
            writeln!(f)?;
        }
        for bar in &self.bars {
            writeln!(
                f,
                "{:<6} {}: {:.2}, at most {}",
                if bar.met { "ok" } else { "MISSED" },
                bar.name,
                bar.value,
                bar.limit,
            )?;
        }
        Ok(())
    }
}
