//! What state an image is in, and why.

use std::fmt;

use imgfac_model::{Digest, ImageName, Reference};
use jiff::Timestamp;

use crate::pending::{Behind, Wait};

/// What state an image is in: always exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It lacks no update.
    UpToDate(UpToDate),
    /// It lacks updates that are not yet old enough.
    Waiting {
        /// Until when.
        until: Timestamp,
        /// What for.
        wait: Wait,
    },
    /// It is to be rebuilt now.
    Due {
        /// Which attempt that is, 1 for the first.
        attempt: usize,
        /// What makes it so.
        why: Due,
    },
    /// It would be rebuilt, but for something else.
    Blocked(Block),
    /// A rebuild is under way.
    InFlight {
        /// Where to find it.
        run: Option<String>,
        /// Since when.
        started: Timestamp,
    },
    /// The last attempt failed, and the next one is not yet due.
    Failed {
        /// How many attempts failed for the same cause.
        attempt: usize,
        /// When the next one follows.
        next_try: Timestamp,
    },
    /// It lacks updates and is not rebuilt without a person: `autoRebuild` is false.
    Manual,
    /// It lacks nothing that it follows, but stands on digests that are pinned.
    Pinned {
        /// Those of them that are behind their tags.
        behind: Vec<Behind>,
    },
}

/// Why an image is up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpToDate {
    /// All that it follows is where it was built on.
    Current,
    /// It stands on nothing that could move.
    NoBases,
    /// The same, but something below it is about to be rebuilt, and it will follow.
    ParentPending,
}

/// Why an image is to be rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Updates have waited long enough.
    BaseUpdate,
    /// The same, after a failure.
    Retry,
    /// Somebody asked for it.
    Emergency,
}

/// What keeps an image from being rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Images below it that are rebuilt first: it would have to be rebuilt again with their push.
    Parents(Vec<ImageName>),
    /// As many rebuilds run as may.
    Cap(Cap),
    /// It would be built on a digest in quarantine.
    Quarantined {
        /// The base.
        base: Reference,
        /// The digest.
        digest: Digest,
    },
    /// All updates that it lacks come from images that it stands on in a circle.
    Circle,
    /// A rebuild on the very same digests has succeeded, and the image still counts as built on
    /// the old ones: its build does not take them from the tag.
    NoEffect,
    /// Nobody has seen yet what these point at.
    Unobserved(Vec<Reference>),
    /// It is not known what it stands on.
    Unknown(String),
}

/// A limit of rebuilds at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Of the factory.
    Total(usize),
    /// Of the source repository.
    Repository(usize),
    /// Of the registry.
    Registry(usize),
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cap, of) = match self {
            Self::Total(cap) => (cap, "in the factory"),
            Self::Repository(cap) => (cap, "from its source repository"),
            Self::Registry(cap) => (cap, "to its registry"),
        };
        let rebuilds = if *cap == 1 { "rebuild" } else { "rebuilds" };
        write!(
            f,
            "no more than {cap} {rebuilds} may run {of} at the same time"
        )
    }
}

impl Status {
    /// The name of the state.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UpToDate(_) => "up-to-date",
            Self::Waiting { .. } => "waiting",
            Self::Due { .. } => "due",
            Self::Blocked(_) => "blocked",
            Self::InFlight { .. } => "in-flight",
            Self::Failed { .. } => "failed",
            Self::Manual => "manual",
            Self::Pinned { .. } => "pinned",
        }
    }

    /// The name of the reason: each belongs to one state.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UpToDate(UpToDate::Current) => "current",
            Self::UpToDate(UpToDate::NoBases) => "no-bases",
            Self::UpToDate(UpToDate::ParentPending) => "parent-pending",
            Self::Waiting { wait, .. } => wait.as_str(),
            Self::Due { why, .. } => match why {
                Due::BaseUpdate => "base-update",
                Due::Retry => "retry",
                Due::Emergency => "emergency",
            },
            Self::Blocked(block) => match block {
                Block::Parents(_) => "parents-first",
                Block::Cap(Cap::Total(_)) => "cap",
                Block::Cap(Cap::Repository(_)) => "repository-cap",
                Block::Cap(Cap::Registry(_)) => "registry-cap",
                Block::Quarantined { .. } => "quarantined",
                Block::Circle => "circle",
                Block::NoEffect => "no-effect",
                Block::Unobserved(_) => "not-observed",
                Block::Unknown(_) => "not-analysed",
            },
            Self::InFlight { .. } => "running",
            Self::Failed { .. } => "back-off",
            Self::Manual => "auto-rebuild-off",
            Self::Pinned { .. } => "digest-pinned",
        }
    }
}
