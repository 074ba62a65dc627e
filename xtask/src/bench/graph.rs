//! How fast the dependency graph is, beside the command that reads state for it.

use std::ffi::OsStr;
use std::fmt;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use imgfac_graph::{Graph, NodeIndex, View, mermaid};
use imgfac_state::{Configuration, Fleet as State, Store};
use imgfac_tests::{Fleet, FleetOptions};
use serde::{Deserialize, Serialize};

use super::measure::{Measured, ask_xtask, measure};
use super::{Programs, median};

/// The fleet that the bars are about.
const IMAGES: usize = 10_000;
const BASES: usize = 300;
/// Nodes of the surroundings that are drawn, as near as the fleet has them.
const SURROUNDINGS: usize = 100;

/// Milliseconds beyond which building and ordering the graph is too slow.
const BUILD: f64 = 100.0;
/// Milliseconds beyond which drawing the surroundings of a node is too slow.
const DRAW: f64 = 10.0;

/// The times of a process that reads a factory once, in milliseconds, run by run.
#[derive(Debug, Serialize, Deserialize)]
struct Times {
    nodes: usize,
    edges: usize,
    /// What is drawn, and how many nodes that are.
    focus: String,
    shown: usize,
    /// What `imgfac graph` reads: settings, enrolment and state.
    read: Vec<f64>,
    /// `Graph::new`, which also puts the graph in order.
    build: Vec<f64>,
    /// The surroundings of the focus, as Mermaid.
    draw: Vec<f64>,
    /// Everything, as Mermaid; it is cut to what Mermaid can draw.
    draw_all: Vec<f64>,
}

/// Times of several runs, in milliseconds.
struct Row {
    what: String,
    /// At most so many.
    bar: Option<f64>,
    runs: Vec<f64>,
}

/// What was measured.
pub(super) struct GraphReport {
    fleet: String,
    runs: usize,
    rows: Vec<Row>,
}

/// Measures the graph of a large fleet.
pub(super) fn bench(programs: &Programs, target: &Path, runs: usize) -> Result<GraphReport> {
    let folder = target.join("bench/graph");
    let fleet = Fleet::generate(&FleetOptions {
        images: IMAGES,
        bases: BASES,
        ..FleetOptions::default()
    });
    fleet.write(&folder).context("cannot write a fleet")?;
    let factory = folder.join(Fleet::FACTORY);
    imgfac(programs, &factory, &["analyze"])?;
    let times: Times = ask_xtask(
        programs,
        [
            OsStr::new("graph-times"),
            factory.as_os_str(),
            runs.to_string().as_ref(),
        ],
    )?;
    let command = ["graph", "--image", &times.focus];
    // The first run warms the caches of the file system.
    imgfac(programs, &factory, &command)?;
    let whole = (0..runs)
        .map(|_| imgfac(programs, &factory, &command))
        .collect::<Result<Vec<_>>>()?;
    let millis = |seconds: fn(&Measured) -> f64| whole.iter().map(seconds).map(|it| it * 1e3);
    let row = |what: &str, bar, runs| Row {
        what: what.to_owned(),
        bar,
        runs,
    };
    let drawn = format!("Mermaid of {} nodes", times.shown);
    Ok(GraphReport {
        fleet: format!("{} nodes and {} edges", times.nodes, times.edges),
        runs,
        rows: vec![
            row("build and order", Some(BUILD), times.build),
            row(&drawn, Some(DRAW), times.draw),
            row("Mermaid of all, cut", None, times.draw_all),
            row("read state", None, times.read),
            row(
                "imgfac graph --image, wall",
                None,
                millis(|it| it.wall_seconds).collect(),
            ),
            row(
                "imgfac graph --image, CPU",
                None,
                millis(|it| it.cpu_seconds).collect(),
            ),
        ],
    })
}

fn imgfac(programs: &Programs, factory: &Path, arguments: &[&str]) -> Result<Measured> {
    let common = [OsStr::new("--quiet"), "-C".as_ref(), factory.as_os_str()];
    let arguments = arguments.iter().map(OsStr::new);
    measure(
        programs,
        &programs.imgfac,
        common.into_iter().chain(arguments),
    )
}

/// Reads a factory, builds its graph and draws it, so many times, and prints how long each took.
pub(crate) fn graph_times(factory: &Path, runs: usize) -> Result<()> {
    let read = || -> Result<(Configuration, State)> {
        let store = Store::open(factory)?;
        Ok((Configuration::read(&store)?, State::read(&store)?))
    };
    let (configuration, state) = read()?;
    let graph = imgfac_cli::dependency_graph(&configuration, &state);
    let focus = focus(&graph).context("the graph is empty")?;
    let mut times = Times {
        nodes: graph.nodes().count(),
        edges: graph.edges().count(),
        focus: graph.node(focus).name.clone(),
        shown: View::around(&graph, focus, None).nodes().count(),
        read: Vec::new(),
        build: Vec::new(),
        draw: Vec::new(),
        draw_all: Vec::new(),
    };
    for _ in 0..runs {
        times.read.push(millis(read).0);
        let build = || imgfac_cli::dependency_graph(&configuration, &state);
        times.build.push(millis(build).0);
        let draw = || mermaid(&View::around(&graph, focus, None));
        times.draw.push(millis(draw).0);
        times
            .draw_all
            .push(millis(|| mermaid(&View::all(&graph))).0);
    }
    println!("{}", serde_json::to_string(&times)?);
    Ok(())
}

/// The time of a function in milliseconds, and what it gave.
fn millis<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = black_box(run());
    (start.elapsed().as_secs_f64() * 1e3, result)
}

/// The node whose surroundings are nearest to the size that is drawn.
fn focus(graph: &Graph) -> Option<NodeIndex> {
    let nodes = graph.nodes().map(|(index, _)| index);
    nodes.min_by_key(|index| {
        let shown = graph.ancestors(*index).len() + graph.descendants(*index).len() + 1;
        shown.abs_diff(SURROUNDINGS)
    })
}

impl Row {
    fn median(&self) -> f64 {
        median(self.runs.iter().copied())
    }
}

impl GraphReport {
    /// The bars that were missed, one line each.
    pub(super) fn missed(&self) -> Vec<String> {
        let missed = |row: &Row| {
            let bar = row.bar?;
            (row.median() > bar)
                .then(|| format!("{}: {:.1} ms, at most {bar}", row.what, row.median()))
        };
        self.rows.iter().filter_map(missed).collect()
    }
}

impl fmt::Display for GraphReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}, median and least of {} runs, ms\n",
            self.fleet, self.runs
        )?;
        writeln!(f, "| what | median | least | at most |")?;
        writeln!(f, "|------|-------:|------:|--------:|")?;
        for row in &self.rows {
            let least = row.runs.iter().copied().fold(f64::INFINITY, f64::min);
            let bar = row.bar.map_or_else(String::new, |bar| bar.to_string());
            writeln!(
                f,
                "| {} | {:.1} | {least:.1} | {bar} |",
                row.what,
                row.median()
            )?;
        }
        Ok(())
    }
}
