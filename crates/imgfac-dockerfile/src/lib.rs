//! Finds the external images that a Dockerfile needs, by the rules of BuildKit.
//!
//! [`analyze`] reads a Dockerfile and says which images a build of it pulls: the bases of its
//! stages, the sources of `COPY --from` and of `RUN --mount=from=`, and what `ONBUILD` triggers
//! add. It knows stages from images, expands the `ARG`s that a `FROM` may use, follows heredocs,
//! continuation lines and parser directives, and tells which images the target stage needs. Where
//! BuildKit refuses a file, so does this crate, with a place and a reason.
//!
//! ```
//! use imgfac_dockerfile::{Options, analyze};
//!
//! let dockerfile = b"\
//! ARG NODE=22
//! FROM node:$NODE AS build
//! COPY --from=ghcr.io/acme/tools:3 /bin/tool /bin/
//! FROM scratch
//! COPY --from=build /app /app
//! ";
//! let analysis = analyze(dockerfile, &Options::default());
//! assert_eq!(analysis.error, None);
//!
//! let images: Vec<String> = analysis.images.iter().map(|i| i.reference.to_string()).collect();
//! assert_eq!(images, ["docker.io/library/node:22", "ghcr.io/acme/tools:3"]);
//! assert!(analysis.images.iter().all(|image| image.reachable));
//! ```
//!
//! Any bytes give an answer, in time and memory proportional to their number: there is no input,
//! output, clock or environment in this crate, no recursion that a file controls beyond a fixed
//! depth, and every loop that could grow faster than the file has a budget. The limits, all far
//! beyond real files: 100,000 stages, and as many `ARG`s before them; an expansion gives at most
//! 1 MiB, all expansions of a file 16 MiB and four times its size; substitutions nest 64 deep;
//! 1,048,576 triggers fire; 1,000 errors are kept. What goes beyond a limit is an [`Error`].
//!
//! Left out: named contexts (`--build-context`), which are not in the file; triggers in the
//! configuration of an external base; and whatever a build finds only while it runs a stage, such
//! as a bad mount option that holds a variable.

#![deny(missing_docs)]

mod analysis;
mod budget;
mod directives;
mod error;
mod faults;
mod file;
mod flags;
mod glob;
mod graph;
mod health;
mod heredoc;
mod images;
mod instruction;
mod json;
mod lex;
mod lines;
mod mount;
mod node;
mod parse;
mod platform;
mod resolve;
mod scope;
mod text;
mod variables;
mod words;

pub use crate::{
    analysis::{Analysis, Base, Image, Options, Role, Stage, Syntax, UndefinedArg, Use},
    error::{Error, ErrorKind},
    resolve::analyze,
};
