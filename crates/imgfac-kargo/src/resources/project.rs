//! Kargo's project and its policies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::constant::resource;

resource! {
    /// A Kargo project: of the cluster, named as its namespace, without a `spec`
    /// (`api/v1alpha1/project_types.go` of Kargo 1.11).
    Project: Kargo {}
}

resource! {
    /// The settings of a project; it has the name of the project
    /// (`api/v1alpha1/project_config_types.go`).
    ProjectConfig: Kargo {
        /// Its settings.
        spec: ProjectConfigSpec,
    }
}

/// The settings of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectConfigSpec {
    /// The first policy that matches a Stage counts; a Stage that none matches is promoted by hand.
    #[serde(default)]
    pub promotion_policies: Vec<PromotionPolicy>,
    /// Who may tell Kargo about pushes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_receivers: Vec<Receiver>,
}

/// Whether Stages take new Freight by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionPolicy {
    /// Which Stages; the older field `stage` is deprecated, and both together are refused.
    pub stage_selector: StageSelector,
    /// Whether they do.
    pub auto_promotion_enabled: bool,
}

/// Selects Stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSelector {
    /// An exact name, or a pattern after `glob:`. Kargo warns that whoever may create a Stage can
    /// give it a name that a pattern matches.
    pub name: String,
}

/// Takes webhooks; Kargo shows its address in the status of the ProjectConfig.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Who sends, and the Secret that the sender shares: exactly one.
    #[serde(flatten)]
    pub sender: BTreeMap<String, ReceiverSecret>,
}

/// The Secret of a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverSecret {
    /// The Secret.
    pub secret_ref: SecretReference,
}

/// A Secret of this namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretReference {
    /// Its name.
    pub name: String,
}
