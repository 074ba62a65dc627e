//! The graph, and how it is built from enrolment and state.

use std::collections::{BTreeMap, HashMap};

use imgfac_model::{
    BaseName, BaseState, BaseUse, Defaults, Delay, DiscoveryStatus, EndOfLife, Enrolment,
    ImageState, Reference, Settings, nearest,
};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use crate::node::{Edge, Kind, Node, Policy, Status};
use crate::order::Order;

/// An enrolled image, as [`Graph::new`] takes it.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// What images.yaml says.
    pub enrolment: &'a Enrolment,
    /// What is known about it.
    pub state: Option<&'a ImageState>,
    /// Whether it has a state file that cannot be used.
    pub unreadable: bool,
    /// How long its builds usually take, in seconds, if that is known.
    pub build_seconds: Option<u64>,
    /// Whose image it is, if that is known.
    pub team: Option<&'a str>,
}

/// The images of a fleet and what they stand on. An edge leads from an image to a base of it.
///
/// Nodes have an order that does not depend on the order of the input: enrolled images by name,
/// then bases by name.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) graph: DiGraph<Node, Edge>,
    images: BTreeMap<String, NodeIndex>,
    bases: BTreeMap<String, NodeIndex>,
    order: Order,
}

/// No node is called so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// The names that are most like it, if any are: at most three.
    pub nearest: Vec<String>,
}

impl Graph {
    /// Builds the graph of a factory.
    pub fn new<'a>(
        settings: &'a Settings,
        images: impl IntoIterator<Item = Image<'a>>,
        bases: impl IntoIterator<Item = (&'a BaseName, &'a BaseState)>,
    ) -> Self {
        let images: BTreeMap<&str, Image<'a>> = images
            .into_iter()
            .map(|image| (image.enrolment.name.as_str(), image))
            .collect();
        let mut builder = Builder::new(&settings.end_of_life);
        for image in images.values() {
            builder.image(image, &settings.defaults);
        }
        let bases: BTreeMap<&BaseName, &BaseState> = bases.into_iter().collect();
        for (name, state) in bases {
            let index = builder.base(base(name, state, &settings.end_of_life));
            builder.references.insert(index, &state.reference);
        }
        for image in images.values().filter(|image| image.enrolment.is_managed()) {
            builder.edges(image);
        }
        builder.finish()
    }

    /// Every node, in order.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIndex, &Node)> {
        self.graph
            .node_indices()
            .filter_map(|index| Some((index, self.graph.node_weight(index)?)))
    }

    /// Every edge as image, base and what it carries.
    pub fn edges(&self) -> impl Iterator<Item = (NodeIndex, NodeIndex, &Edge)> {
        self.graph
            .edge_references()
            .map(|edge| (edge.source(), edge.target(), edge.weight()))
    }

    /// A node.
    ///
    /// # Panics
    /// When the index is not of this graph.
    #[must_use]
    pub fn node(&self, index: NodeIndex) -> &Node {
        &self.graph[index]
    }

    /// What an image stands on directly, in the order of nodes.
    pub fn bases_of(&self, image: NodeIndex) -> Vec<(NodeIndex, &Edge)> {
        self.neighbours(image, Direction::Outgoing)
    }

    /// What stands on an image directly, in the order of nodes.
    pub fn dependents_of(&self, base: NodeIndex) -> Vec<(NodeIndex, &Edge)> {
        self.neighbours(base, Direction::Incoming)
    }

    fn neighbours(&self, index: NodeIndex, direction: Direction) -> Vec<(NodeIndex, &Edge)> {
        let edges = self.graph.edges_directed(index, direction);
        let mut neighbours: Vec<_> = edges
            .map(|edge| match direction {
                Direction::Outgoing => (edge.target(), edge.weight()),
                Direction::Incoming => (edge.source(), edge.weight()),
            })
            .collect();
        neighbours.sort_by_key(|(neighbour, _)| *neighbour);
        neighbours
    }

    /// The order in which images build.
    #[must_use]
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// An enrolled image, by name.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<NodeIndex> {
        self.images.get(name).copied()
    }

    /// A base, by name.
    #[must_use]
    pub fn base(&self, name: &str) -> Option<NodeIndex> {
        self.bases.get(name).copied()
    }

    /// The node that a person means: an enrolled image by name, a base by name, a base by any
    /// spelling of its reference, with or without the digest, or an enrolled image by the repository
    /// that it is published at.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, text: &str) -> Result<NodeIndex, NotFound> {
        let named = self.images.get(text).or_else(|| self.bases.get(text));
        if let Some(index) = named {
            return Ok(*index);
        }
        if let Some(index) = Reference::parse(text)
            .ok()
            .and_then(|wanted| self.by_reference(&wanted))
        {
            return Ok(index);
        }
        Err(NotFound {
            nearest: self.like(text),
        })
    }

    /// The name that is nearest to a text, or other tags of the same repository, or what has the text
    /// in its name.
    fn like(&self, text: &str) -> Vec<String> {
        let known: Vec<[String; 2]> = self
            .nodes()
            .map(|(_, node)| [node.label(), node.name.clone()])
            .collect();
        let names: Vec<&str> = known.iter().flatten().map(String::as_str).collect();
        if let Some(near) = nearest(text, &names) {
            return vec![near.to_owned()];
        }
        let repository = Reference::parse(text).ok();
        let repository = repository.as_ref().map(Reference::repository);
        let same = |node: &Node| {
            let other = Reference::parse(&node.image).ok();
            repository.is_some() && other.as_ref().map(Reference::repository) == repository
        };
        let labels = |like: &dyn Fn(&Node) -> bool| -> Vec<String> {
            let nodes = self.nodes().filter(|(_, node)| like(node));
            nodes.map(|(_, node)| node.label()).take(3).collect()
        };
        let tags = labels(&same);
        if !tags.is_empty() || text.chars().count() < 3 {
            return tags;
        }
        labels(&|node| node.label().contains(text))
    }

    fn by_reference(&self, wanted: &Reference) -> Option<NodeIndex> {
        let (image, repository) = (wanted.to_string(), wanted.repository().to_string());
        let by_image = |kinds: &[Kind], image: &str| {
            let mut nodes = self.nodes();
            nodes.find(|(_, node)| kinds.contains(&node.kind) && node.image == image)
        };
        let exact = by_image(&[Kind::Base], &image)
            .or_else(|| by_image(&[Kind::Managed, Kind::External], &repository));
        // A tag that is only used together with a digest.
        let pinned = || {
            let start = format!("{image}@");
            self.nodes()
                .find(|(_, node)| node.kind == Kind::Base && node.image.starts_with(&start))
        };
        exact.or_else(pinned).map(|(index, _)| index)
    }
}

struct Builder<'a> {
    end_of_life: &'a EndOfLife,
    graph: DiGraph<Node, Edge>,
    images: BTreeMap<String, NodeIndex>,
    bases: BTreeMap<String, NodeIndex>,
    /// Of bases with a state.
    references: HashMap<NodeIndex, &'a Reference>,
}

impl<'a> Builder<'a> {
    fn new(end_of_life: &'a EndOfLife) -> Self {
        Self {
            end_of_life,
            graph: DiGraph::default(),
            images: BTreeMap::new(),
            bases: BTreeMap::new(),
            references: HashMap::new(),
        }
    }

    fn image(&mut self, image: &Image<'_>, defaults: &Defaults) {
        let node = enrolled(image, defaults);
        let name = node.name.clone();
        self.images.insert(name, self.graph.add_node(node));
    }

    fn base(&mut self, node: Node) -> NodeIndex {
        let name = node.name.clone();
        let index = self.graph.add_node(node);
        self.bases.insert(name, index);
        index
    }

    /// The base of a name; one that no state file is about gets a node of its own.
    fn base_called(&mut self, name: &str, reference: Option<&Reference>) -> NodeIndex {
        match self.bases.get(name) {
            Some(index) => *index,
            None => self.base(missing(name, reference, self.end_of_life)),
        }
    }

    fn edges(&mut self, image: &Image<'_>) {
        let name = image.enrolment.name.as_str();
        let (Some(from), Some(state)) = (self.images.get(name).copied(), image.state) else {
            return;
        };
        let mut edges: BTreeMap<NodeIndex, Edge> = BTreeMap::new();
        let unused = |reference: &Reference| state.unused_bases.contains(reference);
        for base in &state.base_images {
            let to = self.base_called(base.as_str(), None);
            let reference = self.references.get(&to);
            let edge = Edge {
                needed: reference.is_none_or(|reference| !unused(reference)),
                references: Vec::new(),
                uses: reference.map_or_else(Vec::new, |reference| uses(state, reference)),
            };
            edges.insert(to, edge);
        }
        for base in &state.managed_bases {
            let reference = &base.reference;
            let to = match self.images.get(base.name.as_str()) {
                Some(index) => *index,
                // It was enrolled when the state was written.
                None => self.base_called(&reference.to_string(), Some(reference)),
            };
            let edge = edges.entry(to).or_insert(Edge {
                needed: false,
                references: Vec::new(),
                uses: Vec::new(),
            });
            edge.needed |= !unused(reference);
            edge.references.push(reference.clone());
            edge.uses.extend(uses(state, reference));
        }
        for (to, mut edge) in edges {
            edge.references.sort();
            edge.uses.sort();
            edge.uses.dedup();
            self.graph.add_edge(from, to, edge);
        }
    }

    fn finish(self) -> Graph {
        let order = Order::new(&self.graph);
        Graph {
            graph: self.graph,
            images: self.images,
            bases: self.bases,
            order,
        }
    }
}

/// What an image needs another one for. State leaves out the plain case, which never is that of a
/// stage that is not built.
fn uses(state: &ImageState, reference: &Reference) -> Vec<BaseUse> {
    match state.base_uses.get(reference) {
        Some(uses) => uses.clone(),
        None if state.unused_bases.contains(reference) => Vec::new(),
        None => vec![BaseUse::PLAIN],
    }
}

fn enrolled(image: &Image<'_>, defaults: &Defaults) -> Node {
    let Image {
        enrolment,
        state,
        unreadable,
        build_seconds,
        team,
    } = image;
    let own = |own: &Option<Delay>, default: &Delay| own.as_ref().unwrap_or(default).clone();
    let status = match (
        &enrolment.source,
        state.and_then(|state| state.discovery_status),
    ) {
        _ if *unreadable => Status::Unreadable,
        (None, _) => Status::Watched,
        (Some(_), Some(DiscoveryStatus::Success)) => Status::Success,
        (Some(_), Some(DiscoveryStatus::Failed)) => Status::Failed,
        (Some(_), Some(DiscoveryStatus::Pending | DiscoveryStatus::External) | None) => {
            Status::Pending
        }
    };
    Node {
        kind: if enrolment.is_managed() {
            Kind::Managed
        } else {
            Kind::External
        },
        name: enrolment.name.to_string(),
        image: enrolment.repository.to_string(),
        registry: enrolment.repository.registry().to_owned(),
        status,
        error: state.and_then(|state| state.discovery_error.clone()),
        version: state.and_then(|state| state.current_version.clone()),
        digest: state.and_then(|state| state.current_digest.clone()),
        changed: state.and_then(|state| state.last_built.clone()),
        policy: enrolment.is_managed().then(|| Policy {
            delay: enrolment.rebuild_delay.clone(),
            cascade_delay: own(&enrolment.cascade_delay, &defaults.cascade_delay),
            window: own(
                &enrolment.coordination_window,
                &defaults.coordination_window,
            ),
            auto: enrolment.auto_rebuild,
            criticality: enrolment.criticality,
        }),
        source: enrolment.source.as_ref().map(|source| {
            let (host, repo, branch) = (source.host(), &source.repo, &source.branch);
            format!("{host}/{repo} {branch} {}", source.dockerfile)
        }),
        end_of_life: None,
        build_seconds: *build_seconds,
        team: team.map(str::to_owned),
    }
}

fn base(name: &BaseName, state: &BaseState, end_of_life: &EndOfLife) -> Node {
    let pinned = state.pinned_digest();
    let digest = state
        .current_digest
        .clone()
        .or_else(|| pinned.map(ToString::to_string));
    Node {
        kind: Kind::Base,
        name: name.to_string(),
        image: state.reference.to_string(),
        registry: state.reference.repository().registry().to_owned(),
        status: match (pinned, &digest) {
            (Some(_), _) => Status::Pinned,
            (None, Some(_)) => Status::Observed,
            (None, None) => Status::Unobserved,
        },
        error: None,
        version: None,
        digest,
        changed: state.last_updated.clone(),
        policy: None,
        source: None,
        end_of_life: end_of_life.of(&state.reference),
        build_seconds: None,
        team: None,
    }
}

fn missing(name: &str, reference: Option<&Reference>, end_of_life: &EndOfLife) -> Node {
    Node {
        kind: Kind::Base,
        name: name.to_owned(),
        image: reference.map_or_else(|| name.to_owned(), ToString::to_string),
        registry: reference.map_or_else(String::new, |reference| {
            reference.repository().registry().to_owned()
        }),
        status: Status::Missing,
        error: None,
        version: None,
        digest: None,
        changed: None,
        policy: None,
        source: None,
        end_of_life: reference.and_then(|reference| end_of_life.of(reference)),
        build_seconds: None,
        team: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::graph;

    #[test]
    fn what_is_not_found_is_near_to_something() {
        let graph = graph(
            "storefront: node:22-alpine node:22-bookworm-slim node:20 node:18 ghcr.io/acme/tool:1\nlow: debian:bookworm-slim",
        );
        for (text, expected) in [
            ("storefrnt", "storefront"),
            ("node:23", "node:20"),
            ("node:22-alpin", "node:22-alpine"),
            ("node:latest-and-greatest", "node:18 node:20 node:22-alpine"),
            ("node", "node:18 node:20 node:22-alpine"),
            ("node@sha256:1", ""),
            ("ghcr.io/acme/tool:2026-11", "ghcr.io/acme/tool:1"),
            ("slim", "debian:bookworm-slim node:22-bookworm-slim"),
            ("sl", ""),
            ("", ""),
            ("\u{1b}[31m", ""),
            ("../../etc/passwd", ""),
        ] {
            let near = graph.find(text).unwrap_err().nearest.join(" ");
            assert_eq!(near, expected, "{text:?}");
        }
    }
}
