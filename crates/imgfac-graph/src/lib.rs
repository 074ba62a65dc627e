//! The dependency graph of the images that a factory builds.
//!
//! Nodes are managed images, an edge leads from an image to one that it stands on. [`Graph`]
//! answers in which order they build and where they stand on each other in a circle. It knows
//! nothing of files or registries.
//!
//! ```
//! use imgfac_graph::Graph;
//! use imgfac_model::ImageName;
//!
//! let [base, app] = ["base", "app"].map(|name| ImageName::new(name).unwrap());
//! let graph = Graph::new([base.clone(), app.clone()], [(app.clone(), base.clone())]);
//! assert_eq!(graph.waves()[&app], 1);
//! assert!(graph.cycles().is_empty());
//! ```

mod graph;

pub use crate::graph::Graph;
