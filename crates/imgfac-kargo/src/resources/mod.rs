//! The resources that a cluster takes, field by field in the order in which people read them.
//!
//! Only the fields that we write are here. Reading a resource that has others loses them.

mod access;
mod analysis;
mod constant;
mod core;
mod project;
mod stage;
mod step;
mod task;
mod warehouse;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    access::{PolicyRule, Role, RoleBinding, RoleRef, RoleSubject},
    analysis::{
        AnalysisArg, AnalysisTemplate, AnalysisTemplateSpec, Capabilities, Container,
        ContainerSecurity, EmptyDir, EnvSource, EnvVar, JobProvider, JobSpec, Metric,
        MetricProvider, PodMetadata, PodSecurity, PodSpec, PodTemplate, ResourceRequirements,
        SeccompProfile, SecretKey, Volume, VolumeMount,
    },
    core::{ConfigMap, Namespace, Secret, ServiceAccount},
    project::{
        Project, ProjectConfig, ProjectConfigSpec, PromotionPolicy, Receiver, ReceiverSecret,
        SecretReference, StageSelector,
    },
    stage::{
        AnalysisTemplateReference, FreightOrigin, FreightSources, PromotionTemplate,
        PromotionTemplateSpec, RequestedFreight, Stage, StageSpec, Verification, VerificationArg,
    },
    step::{
        Action, Checkout, GitClone, GitCommit, GitOpenPr, GitPush, GitWaitForPr, Header, Http,
        HttpOutput, KeyUpdate, KustomizeImage, KustomizeSetImage, MetadataKind, MetadataUpdate,
        Retry, SetMetadata, Step, TaskReference, Uses, Variable, YamlUpdate,
    },
    task::{PromotionTask, PromotionTaskSpec},
    warehouse::{
        CommitSelectionStrategy, FreightCreationPolicy, GitSubscription, ImageSubscription,
        Subscription, Warehouse, WarehouseSpec,
    },
};

/// What every resource carries: Kubernetes' `ObjectMeta`, as far as we write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Unique among the resources of its kind in the namespace.
    pub name: String,
    /// `None` for kinds that belong to the whole cluster; the API server refuses one there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// For selectors: keys and values are short and of few characters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For people and programs: any text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Declares [`Resource`] with what all its variants have in common.
macro_rules! resources {
    ($($(#[$meta:meta])* $name:ident,)+) => {
        /// One document of the manifests.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(untagged)]
        pub enum Resource {
            $($(#[$meta])* $name($name),)+
        }

        impl Resource {
            /// The written kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }

            /// Name, namespace and labels.
            #[must_use]
            pub fn metadata(&self) -> &Metadata {
                match self {
                    $(Self::$name(it) => &it.metadata,)+
                }
            }
        }
    };
}

resources! {
    /// The namespace of the factory.
    Namespace,
    /// The Kargo project of the same name.
    Project,
    /// Which Stages promote without a person, and who sends webhooks.
    ProjectConfig,
    /// Who acts in the cluster.
    ServiceAccount,
    /// What they may do.
    Role,
    /// And who is meant.
    RoleBinding,
    /// What running Promotions look up.
    ConfigMap,
    /// The place of a secret.
    Secret,
    /// The jobs that read Dockerfiles and record digests.
    AnalysisTemplate,
    /// The steps of a rebuild.
    PromotionTask,
    /// What is watched.
    Warehouse,
    /// What happens then.
    Stage,
}
