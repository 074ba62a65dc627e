//! The dependency graph of a fleet: which image stands on which.
//!
//! [`Graph`] is built from enrolment and state. Nodes are managed images, external images and
//! bases; an edge leads from an image to what it stands on. It answers in which order images build
//! ([`Order`]), who stands on whom, and what a change would set off ([`Cascade`]). A [`View`] is
//! the part of it that is shown, and [`mermaid`], [`dot`], [`json`], [`svg()`] and [`html()`] write one down. There are
//! no files, clocks or registries here.
//!
//! ```
//! use imgfac_graph::{Graph, Image, View, mermaid};
//! use imgfac_model::{Enrolment, ImageState, ManagedBase, Settings};
//!
//! let enrolment = |name: &str| -> Enrolment {
//!     serde_json::from_str(&format!(
//!         r#"{{"name": "{name}", "registry": "ghcr.io", "repository": "acme/{name}",
//!              "source": {{"provider": "github", "repo": "acme/{name}", "branch": "main",
//!                          "dockerfile": "Dockerfile"}}}}"#
//!     ))
//!     .unwrap()
//! };
//! let (base, app) = (enrolment("base"), enrolment("app"));
//! let state = ImageState {
//!     managed_bases: vec![ManagedBase {
//!         name: base.name.clone(),
//!         reference: "ghcr.io/acme/base:1".parse().unwrap(),
//!     }],
//!     ..ImageState::default()
//! };
//! let image = |enrolment, state| Image {
//!     enrolment,
//!     state,
//!     unreadable: false,
//!     build_seconds: None,
//!     team: None,
//! };
//! let settings = Settings::default();
//! let images = [image(&base, None), image(&app, Some(&state))];
//! let graph = Graph::new(&settings, images, []);
//! let app = graph.find("app").unwrap();
//! assert_eq!(graph.order().wave(app), Some(2));
//! assert!(mermaid(&View::all(&graph)).contains("image_base --> image_app"));
//! ```

mod cascade;
mod check;
mod dot;
mod escape;
#[cfg(test)]
mod fixture;
mod graph;
mod hold;
mod html;
mod impact;
mod json;
mod layout;
mod mermaid;
mod node;
mod order;
mod reach;
mod svg;
mod view;

pub use petgraph::graph::NodeIndex;

pub use crate::{
    cascade::{Build, Cascade, Held, Hold},
    dot::dot,
    graph::{Graph, Image, NotFound},
    hold::Holds,
    html::html,
    impact::{Built, Impact, Moved, OnIt, Record},
    json::json,
    mermaid::{fitted as fitted_for_mermaid, markdown, mermaid},
    node::{Edge, Kind, Node, Policy, Status},
    order::{Cycle, Order},
    reach::Paths,
    svg::svg,
    view::View,
};
