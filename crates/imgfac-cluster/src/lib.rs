//! Manifests and a cluster: apply, compare, prune, and start an emergency rebuild.
//!
//! A [`Cluster`] is reached by [`connect`], through a kubeconfig or from inside a pod, or made of
//! any client of kube by [`Cluster::new`]. [`Cluster::apply`] brings [`Object`]s into it and says
//! of each what became of it; [`Cluster::diff`] says how the cluster differs; and
//! [`Cluster::emergency`] overrules the delay of one image.
//!
//! Objects are plain JSON, and which kinds there are is asked of the server, so nothing here knows
//! the fields of a Kargo resource, but for the order in which a project takes them, its condition
//! `Ready`, and the Promotion of an emergency. Making manifests is the work of `imgfac-kargo`.
//!
//! Requests are repeated after lost connections, 429 and 5xx ([`Retry`]). A run can be stopped
//! ([`Stop`]) and still tells what it did. No error and no difference has a token or the value of
//! a Secret in it.
//!
//! ```no_run
//! use imgfac_cluster::{Access, ApplyOptions, Object, Options, Stop, connect};
//! use serde_json::json;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = connect(&Access::from_environment(None), Options::default()).await?;
//! let namespace = Object::new(json!({
//!     "apiVersion": "v1",
//!     "kind": "Namespace",
//!     "metadata": {"name": "imgfac", "labels": {"kargo.akuity.io/project": "true"}},
//! }))?;
//! let applied = cluster
//!     .apply(&[namespace], &ApplyOptions::default(), &Stop::never())
//!     .await?;
//! assert!(applied.counts().is_complete());
//! # Ok(())
//! # }
//! ```

mod apply;
mod catalog;
mod cluster;
mod connect;
mod diff;
mod emergency;
mod error;
mod live;
mod noise;
mod object;
mod project;
mod prune;
mod report;
mod request;
mod retry;
mod run;
mod stop;

pub use crate::{
    apply::ApplyOptions,
    cluster::{Cluster, Options},
    connect::{Access, ConnectError, Files, connect},
    diff::{Difference, Differences},
    emergency::{Emergency, Promoted},
    error::{Error, FieldConflict, Permission, RequestError},
    object::{Object, ObjectError, ObjectKey},
    report::{Applied, Counts, Outcome},
    retry::{DEFAULT_RETRY, Retry},
    stop::Stop,
};
