//! `imgfac graph`: which image stands on which, drawn, asked and predicted.

mod cascade;
mod check;
mod impact;
mod why;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use imgfac_graph::{Graph, NodeIndex, View};
use imgfac_model::{Day, exit};

use crate::context::Context;
use crate::error::CliError;
use crate::factory::{Access, Factory};
use crate::fleet_graph;
use crate::render::{self, DIM};

/// Draw the dependency graph, or ask it
///
/// Nodes are the images of images.yaml and the bases that their Dockerfiles name; arrows lead from
/// a base to what stands on it, dashed where only stages outside the built target do. What comes
/// out follows from images.yaml and state/ alone: run imgfac analyze first.
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// The form of the result [default: mermaid; text for --cascade, --why, --impact and
    /// --check]
    #[arg(long, value_name = "FORMAT")]
    format: Option<GraphFormat>,
    /// Only this image or base, what it stands on and what stands on it
    ///
    /// NAME is the name of an image, the name of a base as in state/base-images, or a reference
    /// such as node:22.
    #[arg(long, value_name = "NAME", conflicts_with = "question")]
    image: Option<String>,
    /// At most N steps away from --image; without it, the images of waves 1 to N, and the
    /// bases that these name
    #[arg(long, value_name = "N", conflicts_with = "question")]
    depth: Option<usize>,
    /// Where to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Append the picture to the step summary of a job of GitHub Actions
    #[arg(long, conflicts_with_all = ["format", "output", "check"])]
    summary: bool,
    /// What is rebuilt, in which waves and when, if this base or image moves to another digest now
    ///
    /// An image waits its rebuildDelay after a change of a base, its cascadeDelay after the push of
    /// an image of ours, at least its coordinationWindow, and a little longer so that critical
    /// images and parents come first; the first update that is due takes the others along. Builds
    /// take as long as state has recorded, those of which it has nothing no time.
    #[arg(long, value_name = "BASE", group = "question")]
    cascade: Option<String>,
    /// Every way from an image down to what it stands on; exit with 4 if there is none
    #[arg(long, num_args = 2, value_names = ["IMAGE", "BASE"], group = "question")]
    why: Option<Vec<String>>,
    /// Which images stand on this digest now, directly and through others, and which have moved on;
    /// exit with 4 if none does
    ///
    /// DIGEST is whole, or its first 12 hexadecimal digits or more. What builds stood on is what state
    /// has recorded of them; images of which it is not recorded are named.
    #[arg(long, value_name = "DIGEST", group = "question")]
    impact: Option<String>,
    /// Exit with 4 if there are circles, or bases that nothing needs, that are pinned, or that are
    /// past their end of life
    #[arg(
        long,
        group = "question",
        value_name = "WHAT",
        num_args = 0..=1,
        value_delimiter = ',',
        default_missing_value = "cycles,orphans,pinned,end-of-life"
    )]
    check: Option<Vec<Check>>,
}

/// The form of a graph
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    /// An answer for people
    Text,
    /// A flowchart for Markdown
    Mermaid,
    /// The same in a fence, below a line that says what it is
    Markdown,
    /// The language of Graphviz
    Dot,
    /// For machines
    Json,
    /// A picture
    Svg,
    /// A page with search and details, in one file that needs no network
    Html,
}

/// What `--check` looks for
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Check {
    /// Images that stand on each other in a circle
    Cycles,
    /// Bases that no target needs
    Orphans,
    /// Bases that are pinned to a digest
    Pinned,
    /// Bases that are past the day that endOfLife in imgfac.yaml has for them
    EndOfLife,
}

/// What a command works with.
struct Asked<'f> {
    factory: &'f Factory,
    graph: &'f Graph,
    now: String,
    today: Day,
}

/// An answer: text or JSON, or the part of the graph that it is about.
struct Answer<'g> {
    text: String,
    json: serde_json::Value,
    view: Option<View<'g>>,
    code: u8,
}

pub(crate) fn run(context: &mut Context<'_>, args: GraphArgs) -> Result<u8, CliError> {
    let summary = args.summary.then(summary_file).transpose()?;
    let format = match args.summary {
        true => Some(GraphFormat::Markdown),
        false => args.format,
    };
    let mut factory = Factory::open(context, Access::Read)?;
    let fleet = factory.fleet()?;
    let unreadable = factory.tell_unreadable(context, &fleet)?;
    let graph = fleet_graph::graph(&factory.configuration, &fleet);
    let cycles = fleet_graph::cycles(&factory.configuration, &graph);
    if !context.quiet && args.check.is_none() {
        render::diagnostics(
            context.err,
            factory.store.path(),
            &factory.configuration.files,
            &cycles,
        )?;
    }
    let now = Context::now()?;
    // A time in UTC begins with its day.
    let today = now.chars().take(10).collect::<String>();
    let asked = Asked {
        factory: &factory,
        graph: &graph,
        today: today.parse().map_err(CliError::failed)?,
        now,
    };
    let answer = match (
        &args.cascade,
        args.why.as_deref(),
        &args.impact,
        &args.check,
    ) {
        (Some(base), ..) => Some(cascade::answer(&asked, find(&graph, base)?)?),
        (_, Some([image, base]), ..) => Some(why::answer(
            &asked,
            find(&graph, image)?,
            find(&graph, base)?,
        )),
        (.., Some(digest), _) => Some(impact::answer(&asked, &fleet, digest)?),
        (.., Some(checks)) => Some(check::answer(&asked, checks)),
        _ => None,
    };
    let code = match &answer {
        Some(answer) if answer.code != exit::DONE => answer.code,
        _ if unreadable.is_empty() => exit::DONE,
        _ => exit::PARTLY,
    };
    let text = match answer {
        None => draw(
            context,
            &view(&graph, &args)?,
            format.unwrap_or(GraphFormat::Mermaid),
            &asked.now,
        )?,
        Some(answer) => match (format.unwrap_or(GraphFormat::Text), answer.view) {
            (GraphFormat::Text, _) => answer.text,
            (GraphFormat::Json, _) => json(&answer.json)?,
            (format, Some(view)) => draw(context, &view, format, &asked.now)?,
            (_, None) => {
                let error = CliError::usage("--check draws no picture");
                return Err(error.with_hint("its formats are text and json"));
            }
        },
    };
    match summary {
        Some(path) => append(&path, &text)?,
        None => write(context, &text, args.output)?,
    }
    Ok(code)
}

fn view<'g>(graph: &'g Graph, args: &GraphArgs) -> Result<View<'g>, CliError> {
    Ok(match (&args.image, args.depth) {
        (Some(name), depth) => View::around(graph, find(graph, name)?, depth),
        (None, Some(depth)) => View::waves(graph, depth),
        (None, None) => View::all(graph),
    })
}

/// The image or base that a person means.
pub(crate) fn find(graph: &Graph, name: &str) -> Result<NodeIndex, CliError> {
    graph.find(name).map_err(|error| {
        let name = render::clean(name);
        let usage = CliError::usage(format!("no image or base is called \"{name}\""));
        let near = error.nearest.iter();
        let near: Vec<String> = near
            .map(|near| format!("\"{}\"", render::clean(near)))
            .collect();
        match near.is_empty() {
            false => usage.with_hint(format!("did you mean {}?", near.join(" or "))),
            true => {
                usage.with_hint("imgfac status lists the images, state/base-images has the bases")
            }
        }
    })
}

fn draw(
    context: &mut Context<'_>,
    view: &View<'_>,
    format: GraphFormat,
    now: &str,
) -> Result<String, CliError> {
    let fitted;
    let view = match format {
        GraphFormat::Mermaid | GraphFormat::Markdown => {
            fitted = imgfac_graph::fitted_for_mermaid(view);
            &fitted
        }
        _ => view,
    };
    let text = match format {
        GraphFormat::Mermaid => imgfac_graph::mermaid(view),
        GraphFormat::Markdown => imgfac_graph::markdown(view),
        GraphFormat::Dot => imgfac_graph::dot(view),
        GraphFormat::Json => imgfac_graph::json(view).map_err(CliError::failed)?,
        GraphFormat::Svg => imgfac_graph::svg(view),
        GraphFormat::Html => imgfac_graph::html(view, now).map_err(CliError::failed)?,
        GraphFormat::Text => {
            let error = CliError::usage("text is the form of an answer");
            return Err(error.with_hint(
                "ask with --cascade, --why, --impact or --check, or use imgfac status",
            ));
        }
    };
    if let (Some(cut), false) = (view.cut(), context.quiet) {
        writeln!(context.err, "{DIM}note:{DIM:#} {}", render::clean(cut))?;
    }
    Ok(text)
}

/// Where a step of GitHub Actions collects what its job shows.
fn summary_file() -> Result<PathBuf, CliError> {
    match std::env::var_os("GITHUB_STEP_SUMMARY") {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => {
            let error = CliError::usage("--summary needs GITHUB_STEP_SUMMARY, which is not set");
            Err(error.with_hint(
                "GitHub Actions sets it for every step; elsewhere use --format markdown --output FILE",
            ))
        }
    }
}

fn append(path: &Path, text: &str) -> Result<(), CliError> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).append(true).open(path);
    // What another command left without a newline must not draw the picture into its line.
    let written = file.and_then(|mut file| file.write_all(format!("\n{text}").as_bytes()));
    written
        .map_err(|error| CliError::failed(format!("cannot append to {}: {error}", path.display())))
}

fn json(value: &serde_json::Value) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failed)?;
    Ok(format!("{text}\n"))
}

fn write(context: &mut Context<'_>, text: &str, output: Option<PathBuf>) -> Result<(), CliError> {
    match output.filter(|output| output.as_os_str() != "-") {
        None => context.out.write_all(text.as_bytes())?,
        Some(output) => {
            let plain = anstream::adapter::strip_str(text).to_string();
            std::fs::write(&output, plain).map_err(|error| {
                CliError::failed(format!("cannot write {}: {error}", output.display()))
            })?;
        }
    }
    Ok(())
}
