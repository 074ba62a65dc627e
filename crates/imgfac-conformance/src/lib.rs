//! Kargo manifests against the schemas and the rules of a release of Kargo.
//!
//! A [`Checker`] takes the [`Schemas`] of a release and the text of a manifest, and gives a
//! [`Report`] of every [`Finding`]. It asks more than the API server does: unknown fields are
//! errors, configurations of steps and subscriptions are checked before anything runs, and what
//! resources name has to exist. [`Rule`] lists what is asked beyond the schemas.
//!
//! This is a tool for the project and its users, not a part of the product: it knows nothing of how
//! manifests are made, and the program does not link it.
//!
//! ```
//! use imgfac_conformance::{Checker, File, Schemas, Sources};
//!
//! let checker = Checker::new(Schemas::compile(&Sources::default())?);
//! let report = checker.check(&[File {
//!     name: "manifest.yaml".into(),
//!     text: "apiVersion: v1\nkind: Namespace\nmetadata: {name: Web}\n".into(),
//! }]);
//! assert_eq!(
//!     report.findings[0].to_string(),
//!     "error[name]: manifest.yaml, document 1, Namespace/Web, /metadata/name: \
//!      only a-z, 0-9 and - inside, and at most 63 characters"
//! );
//! # Ok::<(), imgfac_conformance::SchemaError>(())
//! ```

mod at;
mod check;
mod document;
mod finding;
mod fits;
mod go;
mod rule;
mod rules;
mod schemas;
mod set;
mod stand_in;
mod strict;
mod template;

pub use crate::{
    check::{Checker, Report},
    document::File,
    finding::Finding,
    rule::{Rule, Severity},
    schemas::{SchemaError, Schemas, Sources},
};
