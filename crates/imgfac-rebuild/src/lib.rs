//! Which images are rebuilt, when, in which order, and why.
//!
//! [`plan`] decides about every image of a [`Fleet`] under a [`Policy`] at a time: each gets exactly
//! one [`Status`] with a reason. A [`Plan`] can be explained in sentences, written as [`json()`] and
//! compared with another one; its id stays while nothing is decided differently. Nothing here
//! reads a clock, asks a registry or starts a build: [`Fleet::observe`], [`Fleet::start`] and
//! [`Fleet::finish`] tell what happened outside, so that a year can be played through in a second.
//!
//! The rules, each of which has a test in `rules.rs`:
//!
//! - An image lacks an update when a base that its target needs points at another digest than it
//!   was built on. A first sight is no update, and a tag that returns leaves none.
//! - It may be rebuilt when the first of its updates has waited for `rebuildDelay`, behind a parent
//!   of ours for `cascadeDelay`, and in any case for `coordinationWindow`. Updates that come later
//!   join and do not restart the clock.
//! - It waits for images below it that are being rebuilt, that are due, or that will be within the
//!   window, since their push would rebuild it again: so a diamond is built in order and once.
//! - At the same time run no more than the caps let through: emergencies first, then by
//!   criticality (one that others wait for matters as much as they do), then parents before children.
//! - What failed is tried again after 0, 0, 1, 2, 4, 8, 16, 32 hours; another digest or commit is
//!   another rebuild, and starts afresh.
//!
//! ```
//! use imgfac_model::{Criticality, Defaults, Digest, ImageName, Reference};
//! use imgfac_rebuild::{Base, Fleet, Image, Policy, Schedule, Status, plan};
//!
//! let defaults = Defaults::default();
//! let node: Reference = "node:22".parse()?;
//! let old = Digest::parse(&format!("sha256:{}", "0".repeat(64)))?;
//! let new = Digest::parse(&format!("sha256:{}", "1".repeat(64)))?;
//! let app = ImageName::new("app")?;
//! let mut image = Image::new(Schedule {
//!     delay: defaults.rebuild_delay,
//!     cascade_delay: defaults.cascade_delay,
//!     window: defaults.coordination_window,
//!     auto: true,
//!     criticality: Criticality::Normal,
//! });
//! image.bases.insert(node.clone(), Base::default());
//! let mut fleet = Fleet::default();
//! fleet.images.insert(app, image);
//! fleet.observe(&node, &old, "2026-11-01T00:00:00Z".parse()?);
//! fleet.observe(&node, &new, "2026-11-02T00:00:00Z".parse()?);
//!
//! let plan = plan(&fleet, &Policy::default(), "2026-11-03T00:00:00Z".parse()?);
//! let app = plan.image("app").unwrap();
//! assert!(matches!(app.status, Status::Waiting { .. }));
//! assert_eq!(app.eligible_at, Some("2026-11-09T00:00:00Z".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod difference;
mod explain;
#[cfg(test)]
mod fixture;
mod fleet;
mod identity;
mod json;
mod order;
mod pending;
mod plan;
mod policy;
#[cfg(test)]
mod properties;
mod room;
#[cfg(test)]
mod rules;
mod seen;
pub mod simulation;
mod status;

pub use imgfac_graph::Policy as Schedule;

pub use crate::{
    difference::{Difference, Verdict},
    fleet::{Base, Emergency, Fleet, Image, Outcome, Run, Sighting},
    identity::Identity,
    json::json,
    pending::{Behind, Cause, Wait},
    plan::{Decision, Plan, PlanId, plan},
    policy::{Caps, Policy, back_off},
    room::Room,
    status::{Block, Cap, Due, Status, UpToDate},
};
