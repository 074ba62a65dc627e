//! Kargo's project and its policies.

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
}

/// Whether a Stage takes new Freight by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionPolicy {
    /// Which Stage; the older field `stage` is deprecated, and both together are refused.
    pub stage_selector: StageSelector,
    /// Whether it does.
    pub auto_promotion_enabled: bool,
}

/// Selects Stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSelector {
    /// An exact name. Kargo would take a pattern after `glob:` or `regex:`, and warns that whoever
    /// may create a Stage can give it a name that a pattern matches.
    pub name: String,
}
