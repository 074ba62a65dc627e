//! What an image stands on, as far as an update of it means a rebuild.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_graph::{Graph, Holds, Kind};
use imgfac_model::{BaseName, Enrolment, ImageName, ImageState};
use serde::Serialize;

use crate::names::{Purpose, resource_name};
use crate::synth::Fleet;

/// A base whose updates rebuild an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Where its Freight comes from.
    pub(crate) warehouse: String,
    /// The Stage that notes its digests.
    pub(crate) observe: String,
    /// What the task is told.
    pub(crate) fact: Fact,
    /// The digest that the image was last built on, if that is known.
    pub(crate) built_on: Option<String>,
}

/// A base in the words of the task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fact {
    /// How the Dockerfile names it, canonical.
    pub(crate) base: String,
    /// Its key in the ConfigMap of what was built.
    pub(crate) key: String,
    /// The Stage that notes its digests.
    stage: String,
    /// How long its updates wait: the delay, or the window in which updates are gathered when that
    /// is longer.
    delay: String,
    /// How much longer, so that images that are due together come in order.
    hold: String,
    /// The Stage that rebuilds it, when it is an image of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
}

/// Whether a text of state has nothing in it that a digest has not: people may have written it, and
/// Kargo may evaluate what it is given.
fn is_like_a_digest(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '+' | '.' | '_' | '-');
    text.contains(':') && text.chars().all(plain)
}

#[cfg(test)]
impl Fact {
    /// A base of which only the key matters.
    pub(crate) fn for_tests(key: &str) -> Self {
        Self {
            base: String::new(),
            key: key.to_owned(),
            stage: String::new(),
            delay: String::new(),
            hold: String::new(),
            parent: None,
        }
    }
}

/// What can be stood on: what is watched and noted.
pub(crate) struct Ground<'a> {
    /// Bases that are watched.
    pub(crate) bases: BTreeSet<&'a BaseName>,
    /// Images of ours that are watched; those that were published have digests to note.
    pub(crate) images: BTreeMap<&'a ImageName, bool>,
    graph: Graph,
    /// By how many minutes images that are due together come after each other.
    holds: Holds,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(
        fleet: &Fleet<'a>,
        bases: BTreeSet<&'a BaseName>,
        images: BTreeMap<&'a ImageName, bool>,
    ) -> Self {
        let graph = graph(fleet);
        Self {
            bases,
            images,
            holds: graph.holds(),
            graph,
        }
    }

    /// Whether an image stands on others in a circle, so that only people may rebuild it.
    pub(crate) fn in_circle(&self, image: &ImageName) -> bool {
        let graph = &self.graph;
        let index = graph.image(image.as_str());
        index.is_some_and(|index| graph.order().in_cycle(index))
    }

    /// The bases that an update of rebuilds this image, and what is wrong with the others.
    ///
    /// Bases that the built target does not need, that are pinned to a digest, or that have no tag
    /// are none of both. Nor is a parent that was never published: it gets its place with the run
    /// that learns of its first image.
    pub(crate) fn edges(
        &self,
        fleet: &Fleet<'_>,
        enrolment: &Enrolment,
        state: &ImageState,
    ) -> (Vec<Edge>, Vec<String>) {
        let (mut edges, mut problems) = (BTreeMap::new(), Vec::new());
        let image = &enrolment.name;
        let own = self.graph.image(image.as_str());
        let policy = own.and_then(|own| self.graph.node(own).policy.as_ref());
        // Only what we build has a policy.
        let (Some(own), Some(policy)) = (own, policy) else {
            return (Vec::new(), problems);
        };
        for base in &state.base_images {
            let Some(base_state) = fleet.bases.get(base) else {
                problems.push(format!(
                    "it stands on {base}, of which there is no usable state: its updates do not rebuild it"
                ));
                continue;
            };
            let reference = &base_state.reference;
            if state.unused_bases.contains(reference) || reference.digest().is_some() {
                continue;
            }
            if reference.tag().is_none() {
                continue;
            }
            // What keeps it from being watched is told once, as a problem of the base.
            if self.bases.contains(base) {
                edges.insert(
                    resource_name(Purpose::BaseWarehouse, base.as_str()),
                    (
                        state.built_on.get(base.as_str()),
                        reference,
                        resource_name(Purpose::ObserveStage, base.as_str()),
                        self.holds.minutes(own),
                        None,
                    ),
                );
            }
        }
        for parent in &state.managed_bases {
            if state.unused_bases.contains(&parent.reference) || parent.reference.digest().is_some()
            {
                continue;
            }
            match self.images.get(&parent.name) {
                Some(true) => {
                    edges.insert(
                        resource_name(Purpose::ImageWarehouse, parent.name.as_str()),
                        (
                            // Under its reference: a base may have the name of an image.
                            state.built_on.get(&parent.reference.to_string()),
                            &parent.reference,
                            resource_name(Purpose::ObserveImageStage, parent.name.as_str()),
                            // Since the parent's push.
                            self.graph
                                .image(parent.name.as_str())
                                .map_or(0, |parent| self.holds.minutes_after(parent, own)),
                            Some(resource_name(Purpose::TriggerStage, parent.name.as_str())),
                        ),
                    );
                }
                Some(false) => {}
                None => problems.push(format!(
                    "it stands on {}, which is not among the images that are watched: its pushes do not rebuild it",
                    parent.name
                )),
            }
        }
        let wait = |behind| policy.wait(behind).to_go();
        let edges: Vec<_> = edges
            .into_iter()
            .map(
                |(warehouse, (built_on, reference, observe, hold, parent))| Edge {
                    fact: Fact {
                        base: reference.to_string(),
                        key: format!("{image}.{warehouse}"),
                        stage: observe.clone(),
                        delay: wait(match parent {
                            Some(_) => Kind::Managed,
                            None => Kind::Base,
                        }),
                        hold: format!("{hold}m"),
                        parent,
                    },
                    built_on: built_on.filter(|text| is_like_a_digest(text)).cloned(),
                    warehouse,
                    observe,
                },
            )
            .collect();
        (edges, problems)
    }
}

/// All images; of those whose state cannot be read the enrolment alone.
fn known<'a>(fleet: &Fleet<'a>) -> impl Iterator<Item = (&'a Enrolment, Option<&'a ImageState>)> {
    let kept = fleet.kept.iter().map(|kept| (kept.enrolment, None));
    let images = fleet.images.iter();
    images
        .map(|image| (image.enrolment, image.state))
        .chain(kept)
}

fn graph(fleet: &Fleet<'_>) -> Graph {
    let images = known(fleet).map(|(enrolment, state)| imgfac_graph::Image {
        enrolment,
        state,
        unreadable: false,
        build_seconds: None,
        team: None,
    });
    Graph::new(fleet.settings, images, fleet.bases)
}

#[cfg(test)]
mod tests {
    use super::is_like_a_digest;

    #[test]
    fn expressions_and_words_are_no_digests() {
        for (text, expected) in [
            ("sha256:0123abc", true),
            ("sha512+b64:A_b-c.d", true),
            ("", false),
            ("latest", false),
            ("${{ secret('x').token }}", false),
            ("sha256:${{ 1 }}", false),
            ("sha256:a\nb", false),
        ] {
            assert_eq!(is_like_a_digest(text), expected, "{text:?}");
        }
    }
}
