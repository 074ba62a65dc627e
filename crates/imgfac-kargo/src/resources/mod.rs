//! The resources that a cluster takes, field by field in the order in which people read them.
//!
//! Only the fields that we write are here. Reading a resource that has others loses them.

mod analysis;
mod constant;
mod core;
mod project;
mod stage;
mod warehouse;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    analysis::{
        AnalysisArg, AnalysisTemplate, AnalysisTemplateSpec, Capabilities, Container,
        ContainerSecurity, EmptyDir, EnvSource, EnvVar, JobProvider, JobSpec, Metric,
        MetricProvider, PodMetadata, PodSecurity, PodSpec, PodTemplate, ResourceRequirements,
        SeccompProfile, SecretKey, Volume, VolumeMount,
    },
    core::{Namespace, ServiceAccount},
    project::{Project, ProjectConfig, ProjectConfigSpec, PromotionPolicy, StageSelector},
    stage::{
        AnalysisTemplateReference, FreightOrigin, FreightSources, PromotionTemplate,
        PromotionTemplateSpec, RequestedFreight, Stage, StageSpec, Step, Verification,
        VerificationArg,
    },
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

/// One document of the manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Resource {
    /// The namespace of the factory.
    Namespace(Namespace),
    /// The Kargo project of the same name.
    Project(Project),
    /// Which Stages promote without a person.
    ProjectConfig(ProjectConfig),
    /// Who the jobs run as.
    ServiceAccount(ServiceAccount),
    /// The job that reads Dockerfiles.
    AnalysisTemplate(AnalysisTemplate),
    /// What is watched.
    Warehouse(Warehouse),
    /// What happens then.
    Stage(Stage),
}

impl Resource {
    /// The written kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Namespace(_) => "Namespace",
            Self::Project(_) => "Project",
            Self::ProjectConfig(_) => "ProjectConfig",
            Self::ServiceAccount(_) => "ServiceAccount",
            Self::AnalysisTemplate(_) => "AnalysisTemplate",
            Self::Warehouse(_) => "Warehouse",
            Self::Stage(_) => "Stage",
        }
    }

    /// Name, namespace and labels.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        match self {
            Self::Namespace(it) => &it.metadata,
            Self::Project(it) => &it.metadata,
            Self::ProjectConfig(it) => &it.metadata,
            Self::ServiceAccount(it) => &it.metadata,
            Self::AnalysisTemplate(it) => &it.metadata,
            Self::Warehouse(it) => &it.metadata,
            Self::Stage(it) => &it.metadata,
        }
    }
}
