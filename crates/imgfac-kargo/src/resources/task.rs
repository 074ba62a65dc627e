//! Promotion tasks: steps that many Stages share.

use serde::{Deserialize, Serialize};

use super::constant::resource;
use super::step::{Step, Variable};

resource! {
    /// Steps that Stages refer to (`api/v1alpha1/promotion_task_types.go` of Kargo 1.11). They are
    /// copied into a Promotion when it is made.
    PromotionTask: Kargo {
        /// Its variables and steps.
        spec: PromotionTaskSpec,
    }
}

/// Variables and steps of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionTaskSpec {
    /// What the Stage must say.
    ///
    /// None of ours has a default: in Kargo 1.11.2 the variables of each step are appended to one
    /// shared list (`inflateTaskSteps` of `pkg/api/promotion.go`), and where that list has room
    /// because of a default, the variables of one step overwrite those of the step before it.
    pub vars: Vec<Variable>,
    /// Its steps; a task within a task is refused.
    pub steps: Vec<Step>,
}
