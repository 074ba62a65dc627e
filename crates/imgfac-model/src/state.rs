//! What the factory knows about an image or a base.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::{BaseName, ImageName};
use crate::policy::{BaseRole, DiscoveryStatus};
use crate::reference::{Digest, Reference};

/// What is known about an enrolled image, beside its enrolment.
///
/// Times and versions are the text that was recorded: the predecessor wrote all kinds of text there, and none of it
/// may be lost. Fields that a state file has beyond these stay with the file (`imgfac-state`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageState {
    /// When the image was first seen in the enrolment, RFC 3339.
    pub enrolled_at: Option<String>,
    /// When discovery last found something new, RFC 3339.
    pub last_discovery: Option<String>,
    /// The commit that was read then; `None` when it was a working tree.
    pub source_commit: Option<String>,
    /// How the last discovery ended.
    pub discovery_status: Option<DiscoveryStatus>,
    /// Why it failed.
    pub discovery_error: Option<String>,
    /// The bases that its Dockerfile names, by state file, sorted.
    pub base_images: Vec<BaseName>,
    /// The images that we build ourselves and that its Dockerfile names, sorted.
    pub managed_bases: Vec<ManagedBase>,
    /// Those references that only stages outside the built target need, sorted: they are tracked,
    /// but cause no rebuild.
    pub unused_bases: Vec<Reference>,
    /// What those references are needed for, each sorted. One that is not here is the `FROM` of the
    /// built stage and nothing else, or its image was analysed before this was recorded.
    pub base_uses: BTreeMap<Reference, Vec<BaseUse>>,
    /// The version of the last build.
    pub current_version: Option<String>,
    /// The digest of the last build.
    pub current_digest: Option<String>,
    /// When it was built.
    pub last_built: Option<String>,
    /// The digest of each image that the last build stood on: of bases by name, of our own images
    /// by reference, which is never the name of a base.
    pub built_on: BTreeMap<String, String>,
}

/// A base that is itself a managed image: an edge of the graph, not an upstream to poll.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ManagedBase {
    /// The enrolled image.
    pub name: ImageName,
    /// How the Dockerfile refers to it, canonical.
    pub reference: Reference,
}

/// What a Dockerfile needs an image for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BaseUse {
    /// The instruction that names it.
    pub role: BaseRole,
    /// The stage that needs it, by name or else by number, from 0; `None` is the one that is
    /// built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

impl BaseUse {
    /// The `FROM` of the stage that is built: the plain case.
    pub const PLAIN: Self = Self {
        role: BaseRole::From,
        stage: None,
    };
}

/// What is known about a base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseState {
    /// The image, canonical.
    #[serde(rename = "fullImage")]
    pub reference: Reference,
    /// When a Dockerfile first named it, RFC 3339.
    pub first_discovered: Option<String>,
    /// When its registry was last asked.
    pub last_checked: Option<String>,
    /// What the tag points at.
    pub current_digest: Option<String>,
    /// When that changed.
    pub last_updated: Option<String>,
    /// What it pointed at before.
    pub previous_digest: Option<String>,
}

impl BaseState {
    /// A base that a Dockerfile names for the first time.
    #[must_use]
    pub fn new(reference: Reference, now: &str) -> Self {
        Self {
            reference,
            first_discovered: Some(now.to_owned()),
            last_checked: None,
            current_digest: None,
            last_updated: None,
            previous_digest: None,
        }
    }

    /// The digest that Dockerfiles pin it to.
    #[must_use]
    pub fn pinned_digest(&self) -> Option<&Digest> {
        self.reference.digest()
    }

    /// A regular expression that matches its tag and no other.
    #[must_use]
    pub fn allow_tags(&self) -> Option<String> {
        self.reference.tag().map(|tag| exact_tag(tag.as_str()))
    }
}

/// A regular expression that matches one tag: a valid tag has no special character but `.`.
#[must_use]
pub fn exact_tag(tag: &str) -> String {
    format!("^{}$", tag.replace('.', "\\."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expression_of_a_tag_matches_it() {
        assert_eq!(exact_tag("3.12-slim"), r"^3\.12-slim$");
    }
}
