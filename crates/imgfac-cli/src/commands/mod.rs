//! One file a command: arguments to request, library call to report, report to renderer.

pub(crate) mod analyze;
pub(crate) mod apply;
pub(crate) mod archive;
pub(crate) mod check;
pub(crate) mod cleanup;
pub(crate) mod completions;
pub(crate) mod deps;
pub(crate) mod diff;
pub(crate) mod graph;
pub(crate) mod init;
pub(crate) mod job;
pub(crate) mod notify;
pub(crate) mod observe;
pub(crate) mod operation;
pub(crate) mod publish;
pub(crate) mod rebuild;
pub(crate) mod restore;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod synth;
pub(crate) mod tell;
