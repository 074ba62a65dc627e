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
//! A build has arguments, a target and a platform; so have [`Options`]. What a build would refuse
//! is an [`Error`] with a place, beside all that can still be said:
//!
//! ```
//! use imgfac_dockerfile::{Base, ErrorKind, Options, Role, analyze};
//!
//! let dockerfile = b"\
//! ARG GO
//! FROM --platform=$BUILDPLATFORM golang:$GO AS build
//! RUN --mount=type=bind,from=acme/certs,target=/certs make
//! FROM debian:12 AS docs
//! ";
//! let options = Options {
//!     build_args: [("GO".to_owned(), "1.24".to_owned())].into(),
//!     target: Some("build".to_owned()),
//!     platform: Some("linux/arm64".to_owned()),
//! };
//! let analysis = analyze(dockerfile, &options);
//! assert_eq!(analysis.error, None);
//! let needed: Vec<(String, Role, usize)> = analysis
//!     .images
//!     .iter()
//!     .filter(|image| image.reachable)
//!     .map(|image| (image.reference.familiar(), image.first.role, image.first.line))
//!     .collect();
//! assert_eq!(
//!     needed,
//!     [
//!         ("golang:1.24".to_owned(), Role::From, 2),
//!         ("acme/certs:latest".to_owned(), Role::Mount, 3),
//!     ]
//! );
//!
//! let analysis = analyze(dockerfile, &Options::default());
//! let error = analysis.error.ok_or("there is no Go version to use")?;
//! assert_eq!((error.kind, error.line, error.column), (ErrorKind::Resolve, 2, 32));
//! assert!(error.message.starts_with("failed to parse stage name \"golang:\""));
//! assert!(error.message.contains("pass one with --build-arg GO=VALUE"));
//! assert_eq!(analysis.undefined_args[0].name, "GO");
//! assert_eq!(analysis.stages[0].base, Base::Unknown);
//! assert_eq!(analysis.images.len(), 2);
//! # Ok::<(), &str>(())
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
//! configuration of an external base; whatever a build finds only while it runs a stage, such as a
//! bad option of a mount; what the stage has that `SOURCE_DATE_EPOCH` may name; and the tables of
//! Unicode that tell letters and digits in names of variables, which are those of Rust here.

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
