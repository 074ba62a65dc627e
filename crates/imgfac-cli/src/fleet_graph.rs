//! The dependency graph of a factory, and the circles in it as mistakes in images.yaml.

use imgfac_graph::{Cycle, Graph, Image, NodeIndex};
use imgfac_model::{Code, Diagnostic, Span};
use imgfac_state::{Configuration, Fleet, usual_build_seconds};

use crate::context::Context;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render;

/// The graph of all enrolled images and of the bases that state knows.
#[must_use]
pub fn graph(configuration: &Configuration, fleet: &Fleet) -> Graph {
    let images = configuration.images.iter().map(|(name, enrolled)| {
        let stored = fleet.images.get(name.as_str());
        Image {
            enrolment: &enrolled.enrolment,
            state: stored.map(|stored| &stored.state),
            unreadable: fleet.unreadable_image(name.as_str()).is_some(),
            build_seconds: stored.and_then(|stored| usual_build_seconds(&stored.rest)),
            team: team(configuration.files.name(enrolled.at.file)),
        }
    });
    let bases = fleet
        .bases
        .iter()
        .map(|(name, stored)| (name, &stored.state));
    Graph::new(&configuration.settings, images, bases)
}

/// Whose images a file lists: `images.d/TEAM.yaml` is that of a team.
fn team(file: &str) -> Option<&str> {
    let name = file.strip_prefix("images.d/")?;
    name.strip_suffix(".yaml")
        .or_else(|| name.strip_suffix(".yml"))
}

/// Where the entry of an image is written.
pub(crate) fn place<'c>(
    configuration: &'c Configuration,
    graph: &Graph,
    image: NodeIndex,
) -> Option<&'c Span> {
    let enrolled = configuration.images.get(graph.node(image).name.as_str());
    enrolled.map(|enrolled| &enrolled.at)
}

/// What an edge of a circle says about the image at its start.
pub(crate) fn stands_on(graph: &Graph, image: NodeIndex, base: NodeIndex) -> String {
    let edges = graph.bases_of(image).into_iter();
    let references: Vec<String> = edges
        .filter(|(index, _)| *index == base)
        .flat_map(|(_, edge)| edge.references.iter().map(ToString::to_string))
        .collect();
    format!(
        "stands on {} ({})",
        graph.node(base).name,
        references.join(", ")
    )
}

/// The message of a circle.
pub(crate) fn circle(graph: &Graph, cycle: &Cycle) -> String {
    let names: Vec<&str> = cycle
        .members
        .iter()
        .map(|member| graph.node(*member).name.as_str())
        .collect();
    match names.as_slice() {
        [one] => format!("{one} stands on itself"),
        _ => format!(
            "images stand on each other in a circle: {}",
            names.join(", ")
        ),
    }
}

/// Images of ours that stand on each other in a circle can never be rebuilt in order: one warning
/// for each circle, with every edge at the image that it begins at.
pub(crate) fn cycles(configuration: &Configuration, graph: &Graph) -> Vec<Diagnostic> {
    let describe = |cycle: &Cycle| {
        let mut edges = cycle.edges.iter().filter_map(|(image, base)| {
            let span = place(configuration, graph, *image)?.clone();
            Some((span, stands_on(graph, *image, *base)))
        });
        let (span, label) = edges.next()?;
        let message = circle(graph, cycle);
        let mut diagnostic = Diagnostic::warning(Code::DependencyCycle, message, span, label);
        for (span, label) in edges {
            diagnostic = diagnostic.with_related(span, label);
        }
        Some(diagnostic.with_help(
            "no order can rebuild them, so only people start their rebuilds: let one of them stand on another image",
        ))
    };
    graph.order().cycles().iter().filter_map(describe).collect()
}

/// Shows the circles of a fleet, and whether there are any.
pub(crate) fn tell_cycles(
    context: &mut Context<'_>,
    factory: &Factory,
    fleet: &Fleet,
) -> Result<bool, CliError> {
    let graph = graph(&factory.configuration, fleet);
    let cycles = cycles(&factory.configuration, &graph);
    render::diagnostics(
        context.err,
        factory.store.path(),
        &factory.configuration.files,
        &cycles,
    )?;
    Ok(!cycles.is_empty())
}
