//! Kargo manifests of a fleet: typed resources, their synthesis, their text.
//!
//! [`synthesize`] turns enrolment, settings and state into [`Manifests`]: a project with its
//! policies, a [`Warehouse`] for every image and base that is watched, and [`Stage`]s that note and
//! record digests, analyse sources, rebuild images and keep consumers current.
//! [`Manifests::to_yaml`] and [`Manifests::split`] give the text that goes into `dist/`.
//!
//! The resources are plain data for Kargo 1.11, with the rules that its admission does not check
//! written beside the fields. Names come from [`resource_name`] alone. Values that Kargo evaluates
//! are [`Template`]s, which no text of a user can break out of.
//!
//! Nothing here reads a file, a clock or a cluster.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use imgfac_kargo::{Fleet, synthesize};
//! use imgfac_model::{BaseName, BaseState, Reference, Settings};
//!
//! let base = BaseState::new(Reference::parse("node:22")?, "2026-01-01T00:00:00Z");
//! let bases = BTreeMap::from([(BaseName::new("node-22")?, base)]);
//! let manifests = synthesize(&Fleet {
//!     settings: &Settings::default(),
//!     images: Vec::new(),
//!     bases: &bases,
//!     kept: Vec::new(),
//! });
//! let kinds: Vec<_> = manifests.resources().map(|resource| resource.kind()).collect();
//! assert_eq!(
//!     kinds,
//!     ["Namespace", "Project", "ProjectConfig", "ServiceAccount", "Warehouse", "Stage"]
//! );
//! assert!(manifests.to_yaml()?.contains("repoURL: docker.io/library/node\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod analysis;
mod built;
mod choice;
mod consumers;
mod credentials;
mod edges;
mod emergency;
mod expression;
#[cfg(test)]
mod fixture;
mod kept;
mod labels;
mod manifests;
mod names;
mod observe;
mod paths;
mod problem;
mod project;
mod rebuild;
mod resources;
mod selection;
mod stage;
mod synth;
mod task;
mod warehouse;

pub use crate::{
    choice::{Choice, Chosen},
    credentials::SecretStub,
    expression::{Expression, Template},
    kept::{Earlier, Kept},
    manifests::{File, Group, Manifests},
    names::{Purpose, resource_name},
    problem::{Problem, Subject},
    resources::*,
    synth::{Fleet, Image, synthesize},
};
