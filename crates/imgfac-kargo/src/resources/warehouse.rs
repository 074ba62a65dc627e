//! Warehouses: what Kargo watches.

use imgfac_model::SelectionStrategy;
use serde::{Deserialize, Serialize};

use super::constant::resource;

resource! {
    /// Watches images and repositories, and makes one Freight of the newest of each
    /// (`api/v1alpha1/warehouse_types.go` of Kargo 1.11).
    ///
    /// A subscription that finds nothing holds back the Freight of all.
    Warehouse: Kargo {
        /// What is watched, and how often.
        spec: WarehouseSpec,
    }
}

/// What is watched, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarehouseSpec {
    /// A Go duration such as `24h17m0s`: `^([0-9]+(\.[0-9]+)?(s|m|h))+$`, which has no days.
    pub interval: String,
    /// Whether new artifacts become Freight by themselves.
    pub freight_creation_policy: FreightCreationPolicy,
    /// At least one; two to one repository are ambiguous.
    pub subscriptions: Vec<Subscription>,
}

/// Whether new artifacts become Freight by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FreightCreationPolicy {
    /// They do.
    Automatic,
    /// A person makes it of what was found.
    Manual,
}

/// One thing to watch: a mapping with exactly one key.
///
/// The admission webhook drops unknown fields of a subscription without a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subscription {
    /// Tags of an image.
    Image(ImageSubscription),
    /// Commits of a repository.
    Git(GitSubscription),
}

/// Watches an image (`api/v1alpha1/zz_subscription_types.go`).
///
/// What the webhook would fill in is written out, since GitOps tools would report it as a change.
/// `allowTags` and `ignoreTags` are not here: discovery fails in Kargo 1.11 when they are set.
/// Nor is `platform`: it never matches an image that is no index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageSubscription {
    /// The repository, without a tag. `imageFrom()` compares it letter by letter.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// Which of the tags is the newest.
    pub image_selection_strategy: SelectionStrategy,
    /// `Digest`: the tag, required. `SemVer`: a range. The other strategies ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Regular expressions in Go's syntax, not anchored. `Digest` ignores them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_tags_regexes: Vec<String>,
    /// Tags that match one of these are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_tags_regexes: Vec<String>,
    /// How many are looked up, 1 to 100; Freight takes only the newest.
    pub discovery_limit: u8,
    /// `SemVer`: whether a tag needs all three numbers.
    pub strict_semvers: bool,
}

/// Watches a branch (`api/v1alpha1/zz_subscription_types.go`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitSubscription {
    /// The `https` address. `commitFrom()` compares it letter by letter.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// The branch.
    pub branch: String,
    /// Which commit is the newest.
    pub commit_selection_strategy: CommitSelectionStrategy,
    /// Only commits that change one of these; empty means any commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include_paths: Vec<String>,
    /// Changes of these do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_paths: Vec<String>,
    /// How many commits are looked for, 1 to 100: history is walked until so many are found.
    pub discovery_limit: u8,
    /// Without effect on branches, but the webhook fills it in.
    pub strict_semvers: bool,
}

/// Which commit of a repository is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitSelectionStrategy {
    /// The last one of the branch.
    NewestFromBranch,
}
