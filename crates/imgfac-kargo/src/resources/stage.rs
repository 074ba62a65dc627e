//! Stages: what Kargo does with Freight.

use serde::{Deserialize, Serialize};

use super::constant::resource;
use super::step::{Step, Variable};
use crate::expression::Template;

resource! {
    /// Takes Freight, runs the steps of its template, then verifies
    /// (`api/v1alpha1/stage_types.go` of Kargo 1.11).
    ///
    /// Without a step it is a mere gate, and its verification is ignored.
    Stage: Kargo {
        /// What it takes and does.
        spec: StageSpec,
    }
}

/// What a Stage takes and does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageSpec {
    /// One entry an origin; two of one origin are refused.
    pub requested_freight: Vec<RequestedFreight>,
    /// The steps.
    pub promotion_template: PromotionTemplate,
    /// What must succeed afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
}

/// Freight of one Warehouse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedFreight {
    /// The Warehouse. That it exists is not checked when a Stage is admitted.
    pub origin: FreightOrigin,
    /// Where it must have been before.
    pub sources: FreightSources,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum FreightOriginKind {
    Warehouse,
}

/// Where Freight is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreightOrigin {
    kind: FreightOriginKind,
    /// Its name.
    pub name: String,
}

impl FreightOrigin {
    /// A Warehouse of this project.
    #[must_use]
    pub fn warehouse(name: impl Into<String>) -> Self {
        Self {
            kind: FreightOriginKind::Warehouse,
            name: name.into(),
        }
    }
}

/// Where Freight must have been before; neither of the two is admitted, and never yields anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreightSources {
    /// Nowhere: it comes from the Warehouse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    /// Verified in one of these Stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<String>,
}

impl FreightSources {
    /// Straight from the Warehouse.
    #[must_use]
    pub fn direct() -> Self {
        Self {
            direct: true,
            stages: Vec::new(),
        }
    }

    /// After this Stage.
    #[must_use]
    pub fn after(stage: String) -> Self {
        Self {
            direct: false,
            stages: vec![stage],
        }
    }
}

/// What a Promotion is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionTemplate {
    /// Its steps.
    pub spec: PromotionTemplateSpec,
}

/// The steps of a Promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionTemplateSpec {
    /// Copied into each Promotion when it is made; evaluated each time that a step runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vars: Vec<Variable>,
    /// In order; an empty list is refused.
    pub steps: Vec<Step>,
}

/// Analyses that must succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Their templates.
    pub analysis_templates: Vec<AnalysisTemplateReference>,
    /// Values for the arguments that the templates declare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<VerificationArg>,
}

/// A template of this project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisTemplateReference {
    /// Its name.
    pub name: String,
}

/// A value for an argument.
///
/// It must evaluate to a text, and an empty value counts as none
/// (`pkg/rollouts/analysis_run_builder.go`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationArg {
    /// The argument.
    pub name: String,
    /// Its value.
    pub value: Template,
}
