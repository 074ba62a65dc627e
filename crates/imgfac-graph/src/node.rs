//! What the nodes and edges of the graph carry.

use imgfac_model::{BaseRole, BaseUse, Criticality, Day, Delay, Reference};

/// An image of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What kind of image it is.
    pub kind: Kind,
    /// The name of an enrolled image or of a base. A base that no state file is about goes by what
    /// names it: the stem of the missing file, or a reference.
    pub name: String,
    /// Where it comes from: the repository of an enrolled image, the reference of a base; for a
    /// base that no state file is about, its name.
    pub image: String,
    /// The registry; empty where only a name is known.
    pub registry: String,
    /// How much is known about it.
    pub status: Status,
    /// Why its Dockerfile is not understood.
    pub error: Option<String>,
    /// The version of the last build.
    pub version: Option<String>,
    /// The digest that was last seen or built.
    pub digest: Option<String>,
    /// Since when: the time of the last build, or of the last change that was observed. Text as it
    /// was recorded, usually RFC 3339.
    pub changed: Option<String>,
    /// When and how a managed image is rebuilt.
    pub policy: Option<Policy>,
    /// What a managed image is built from: host, repository, branch and Dockerfile.
    pub source: Option<String>,
    /// The last day on which a base is cared for, if anybody said so.
    pub end_of_life: Option<Day>,
    /// How long a build of a managed image usually takes, in seconds, if that is known.
    pub build_seconds: Option<u64>,
    /// Whose image it is, if that is known; never of a base.
    pub team: Option<String>,
}

/// When and how a managed image is rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long an update of a base is held back.
    pub delay: Delay,
    /// How long an update of an image of ours is, from its push.
    pub cascade_delay: Delay,
    /// How long updates are gathered at least, before they start one rebuild together.
    pub window: Delay,
    /// Whether a rebuild may start without a person.
    pub auto: bool,
    /// How much the image matters.
    pub criticality: Criticality,
}

impl Policy {
    /// How long after a change of a base, or of an image of ours, a rebuild is wanted.
    #[must_use]
    pub fn wait(&self, behind: Kind) -> &Delay {
        let delay = match behind {
            Kind::Managed => &self.cascade_delay,
            Kind::External | Kind::Base => &self.delay,
        };
        if self.window.as_millis() > delay.as_millis() {
            &self.window
        } else {
            delay
        }
    }
}

/// A kind of image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Enrolled with a source: we build it.
    Managed,
    /// Enrolled without one: watched, never rebuilt.
    External,
    /// Named by a Dockerfile, not enrolled.
    Base,
}

impl Kind {
    /// The written form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Managed => "managed",
            Self::External => "external",
            Self::Base => "base",
        }
    }
}

/// How much is known about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Managed: its Dockerfile was read and understood.
    Success,
    /// Managed: not yet analysed.
    Pending,
    /// Managed: its Dockerfile could not be read or understood.
    Failed,
    /// Its state file cannot be used.
    Unreadable,
    /// External: its tags are watched.
    Watched,
    /// Base: its digest is known.
    Observed,
    /// Base: nobody has asked its registry yet.
    Unobserved,
    /// Base: pinned to a digest, so it never moves.
    Pinned,
    /// Base: an image names it, but no state file is about it.
    Missing,
}

impl Status {
    /// The written form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Unreadable => "unreadable",
            Self::Watched => "watched",
            Self::Observed => "observed",
            Self::Unobserved => "unobserved",
            Self::Pinned => "pinned",
            Self::Missing => "missing",
        }
    }
}

/// An image stands on another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Whether the built target needs it; else only other stages name it, and it causes no
    /// rebuild.
    pub needed: bool,
    /// How the Dockerfile refers to an image of ours, canonical and sorted; empty for a base, which
    /// is its own reference.
    pub references: Vec<Reference>,
    /// What the Dockerfile needs it for, sorted; empty where that is not recorded.
    pub uses: Vec<BaseUse>,
}

impl Edge {
    /// `copy` or `mount`, or both, where no `FROM` names the base.
    #[must_use]
    pub fn other_roles(&self) -> Option<String> {
        let mut roles: Vec<BaseRole> = self.uses.iter().map(|it| it.role).collect();
        roles.dedup();
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        (!roles.is_empty() && !roles.contains(&BaseRole::From)).then(|| names.join(", "))
    }

    /// Every role and stage: `from in build, copy`.
    #[must_use]
    pub fn places(&self) -> String {
        let places = self.uses.iter().map(|BaseUse { role, stage }| match stage {
            Some(stage) => format!("{role} in {stage}"),
            None => role.to_string(),
        });
        places.collect::<Vec<_>>().join(", ")
    }

    /// Whether an update of the base is one for the image: its target needs it, and some reference
    /// follows a tag.
    #[must_use]
    pub fn carries_updates(&self) -> bool {
        let mut references = self.references.iter();
        self.needed
            && (self.references.is_empty()
                || references.any(|reference| reference.digest().is_none()))
    }
}

impl Node {
    /// What to show people: the short form of a base's reference with its digest cut, or the name.
    #[must_use]
    pub fn label(&self) -> String {
        if self.kind != Kind::Base {
            return self.name.clone();
        }
        let Ok(reference) = Reference::parse(&self.image) else {
            return self.image.clone();
        };
        let text = reference.familiar();
        match (reference.digest(), text.rsplit_once('@')) {
            (Some(digest), Some((name, _))) => {
                let hex: String = digest.hex().chars().take(12).collect();
                format!("{name}@{}:{hex}…", digest.algorithm())
            }
            _ => text,
        }
    }

    /// A name that no other node has and that stays while the fleet changes: `image/NAME` or
    /// `base/NAME`.
    #[must_use]
    pub fn id(&self) -> String {
        match self.kind {
            Kind::Managed | Kind::External => format!("image/{}", self.name),
            Kind::Base => format!("base/{}", self.name),
        }
    }
}
