//! What a user writes about one image.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::delay::Delay;
use crate::name::ImageName;
use crate::path::RelativePath;
use crate::policy::{Criticality, DelayClock, DigestSelection, SelectionStrategy, UpdateKind};
use crate::reference::Repository;
use crate::source::{Branch, RepoPath, Source};

/// One entry of `images.yaml`, with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrolment {
    /// Its name, unique in the factory.
    pub name: ImageName,
    /// Where the image is published: `registry` and `repository` of the entry.
    #[serde(flatten, with = "split")]
    pub repository: Repository,
    /// How it is built; `None` makes it an external image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// How long a base update is held back.
    #[serde(default)]
    pub rebuild_delay: Delay,
    /// How long an update of a managed base is held back, counted from its push; `None` is the
    /// setting of the factory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade_delay: Option<Delay>,
    /// How long updates are gathered before they start one rebuild together; `None` is the setting
    /// of the factory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordination_window: Option<Delay>,
    /// Which digest of a base's tag it is rebuilt on.
    #[serde(default)]
    pub digest_selection: DigestSelection,
    /// From when on an update of a base waits.
    #[serde(default)]
    pub delay_clock: DelayClock,
    /// Whether a rebuild may start without a person.
    #[serde(default = "yes")]
    pub auto_rebuild: bool,
    /// Which images are rebuilt first.
    #[serde(default = "normal")]
    pub criticality: Criticality,
    /// External image: a regular expression that the followed tags match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_tags: Option<String>,
    /// Which of the tags is the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_selection_strategy: Option<SelectionStrategy>,
    /// A version range (`SemVer`) or the one tag (`Digest`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Files in other repositories that name this image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<UpdateTarget>,
}

impl Enrolment {
    /// Whether we build it.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        self.source.is_some()
    }
}

/// A file in another repository that is kept current.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateTarget {
    /// The repository.
    pub repo: RepoPath,
    /// Its branch.
    #[serde(default)]
    pub branch: Branch,
    /// The file or folder.
    pub path: RelativePath,
    /// How it is changed.
    #[serde(rename = "type")]
    pub kind: UpdateKind,
    /// `yaml-update`: the key that holds the tag or digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether the change is proposed in a pull request instead of pushed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pull_request: bool,
}

/// What entries get where they say nothing, from `imgfac.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// `rebuildDelay`; 7 days.
    #[serde(default)]
    pub rebuild_delay: Delay,
    /// `cascadeDelay`; at once.
    #[serde(default = "at_once")]
    pub cascade_delay: Delay,
    /// `coordinationWindow`; 30 minutes.
    #[serde(default = "half_an_hour")]
    pub coordination_window: Delay,
    /// `digestSelection`; the newest.
    #[serde(default)]
    pub digest_selection: DigestSelection,
    /// `delayClock`; since the first sight.
    #[serde(default)]
    pub delay_clock: DelayClock,
    /// `autoRebuild`; true.
    #[serde(default = "yes")]
    pub auto_rebuild: bool,
    /// `criticality`; normal.
    #[serde(default = "normal")]
    pub criticality: Criticality,
    /// `registry`; Docker Hub.
    #[serde(default = "docker_hub")]
    pub registry: String,
    /// `source.branch`; main.
    #[serde(default)]
    pub branch: Branch,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            rebuild_delay: Delay::default(),
            cascade_delay: at_once(),
            coordination_window: half_an_hour(),
            digest_selection: DigestSelection::default(),
            delay_clock: DelayClock::default(),
            auto_rebuild: yes(),
            criticality: normal(),
            registry: docker_hub(),
            branch: Branch::default(),
        }
    }
}

fn yes() -> bool {
    true
}

fn at_once() -> Delay {
    Delay::new("0").unwrap_or_default()
}

fn half_an_hour() -> Delay {
    Delay::new("30m").unwrap_or_default()
}

fn normal() -> Criticality {
    Criticality::Normal
}

fn docker_hub() -> String {
    "docker.io".into()
}

/// Writes a [`Repository`] as the two keys that a user writes.
mod split {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Keys {
        #[serde(default = "docker_hub")]
        registry: String,
        repository: String,
    }

    pub(super) fn serialize<S: Serializer>(value: &Repository, out: S) -> Result<S::Ok, S::Error> {
        BTreeMap::from([("registry", value.registry()), ("repository", value.path())])
            .serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Repository, D::Error> {
        let keys = Keys::deserialize(input)?;
        Repository::new(&keys.registry, &keys.repository).map_err(serde::de::Error::custom)
    }
}
