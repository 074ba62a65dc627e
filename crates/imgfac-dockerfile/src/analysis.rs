//! What is found out about a Dockerfile.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use imgfac_model::Reference;

use crate::error::Error;

/// How a Dockerfile is to be built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Values for `ARG`s, as `--build-arg` gives them.
    pub build_args: BTreeMap<String, String>,
    /// The name of the stage to build; the last one by default.
    pub target: Option<String>,
    /// The platform to build for, such as `linux/arm64`; `linux/amd64` by default.
    ///
    /// It sets `TARGETPLATFORM` and its like. The platform that builds is always `linux/amd64`.
    pub platform: Option<String>,
}

/// What a Dockerfile needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
    /// The external images, each once, in BuildKit's order: the bases of all stages, then the
    /// sources of `COPY` and `RUN --mount`, then those of triggers that fire.
    pub images: Vec<Image>,
    /// The stages, in the order of the file.
    pub stages: Vec<Stage>,
    /// The frontend that `# syntax=` asks for.
    pub syntax: Option<Syntax>,
    /// What `ONBUILD` triggers that do not fire in this file bring to images built on it, each
    /// image once.
    pub on_build_images: Vec<Image>,
    /// Names that a `FROM` refers to and that have no value.
    pub undefined_args: Vec<UndefinedArg>,
    /// The mistake that a build would report. The rest of the analysis is what can still be
    /// said: nothing after a mistake in the text itself, else all but what is wrong.
    pub error: Option<Error>,
    /// Further mistakes, in the order in which builds would meet them; at most 999.
    pub more_errors: Vec<Error>,
}

/// An external image, and where it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Which image.
    pub reference: Reference,
    /// The first use.
    pub first: Use,
    /// All further uses.
    pub more: Vec<Use>,
    /// Whether the target needs the image.
    pub reachable: bool,
}

impl Image {
    /// All uses, in the order in which BuildKit meets them.
    pub fn uses(&self) -> impl Iterator<Item = &Use> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

/// One place where an image is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The word as it stands in the file: without quotes if it is in a flag, variables not
    /// expanded.
    pub raw: String,
    /// The word with its variables expanded.
    pub expanded: String,
    /// What needs the image.
    pub role: Role,
    /// The stage that needs it, an index into [`Analysis::stages`].
    pub stage: usize,
    /// The line of the instruction, from 1.
    pub line: usize,
    /// The bytes of the word; the whole flag or instruction where a word has no place of its own.
    pub span: Range<usize>,
    /// Whether the target needs the stage.
    pub reachable: bool,
    /// Whether the use comes from an `ONBUILD` instruction.
    pub on_build: bool,
}

/// What needs an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `FROM`.
    From,
    /// `COPY --from`.
    Copy,
    /// `RUN --mount=from=`.
    Mount,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The name, in lower case.
    pub name: Option<String>,
    /// The line of `FROM`, from 1.
    pub line: usize,
    /// The bytes of the `FROM` instruction.
    pub span: Range<usize>,
    /// The base as it stands in the file.
    pub base_raw: String,
    /// The base with its variables expanded; empty when that fails.
    pub base_expanded: String,
    /// What the base is.
    pub base: Base,
    /// The value of `--platform` as it stands in the file.
    pub platform: Option<String>,
    /// Whether the target needs the stage.
    pub reachable: bool,
}

/// What a stage is built on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// An external image, an index into [`Analysis::images`].
    Image(usize),
    /// An earlier stage, an index into [`Analysis::stages`].
    Stage(usize),
    /// Nothing.
    Scratch,
    /// It cannot be told; there is an error that says why.
    Unknown,
}

/// A name without a value, used in a `FROM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndefinedArg {
    /// The name.
    pub name: String,
    /// The line of the first `FROM` that refers to it, from 1.
    pub line: usize,
    /// Whether an `ARG` before the first `FROM` declares it, so that a build argument can set it.
    pub declared: bool,
}

/// The frontend that reads a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// The image as it is written.
    pub raw: String,
    /// The image; `None` when it is no legal name.
    pub reference: Option<Reference>,
}

impl Syntax {
    pub(crate) fn new(raw: String) -> Self {
        Self {
            reference: Reference::parse(&raw).ok(),
            raw,
        }
    }

    /// Whether this is Docker's own frontend; another one may read another language.
    #[must_use]
    pub fn is_docker(&self) -> bool {
        self.reference.as_ref().is_some_and(|reference| {
            let repository = reference.repository();
            repository.registry() == "docker.io"
                && matches!(
                    repository.path(),
                    "docker/dockerfile" | "docker/dockerfile-upstream"
                )
        })
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reference {
            Some(reference) => reference.fmt(f),
            None => f.write_str(&self.raw),
        }
    }
}
