//! Analysis templates of Argo Rollouts, and the job in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::constant::resource;

resource! {
    /// A measurement that a verification makes (Argo Rollouts, `analysistemplates.argoproj.io`).
    AnalysisTemplate: Rollouts {
        /// Arguments and metrics.
        spec: AnalysisTemplateSpec,
    }
}

/// Arguments and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisTemplateSpec {
    /// Every argument that a verification passes must be declared here.
    pub args: Vec<AnalysisArg>,
    /// What is measured.
    pub metrics: Vec<Metric>,
}

/// An argument; `{{args.NAME}}` stands for its value.
///
/// The value is quoted for JSON and put in once, so that it can neither leave its text nor be
/// replaced again (Argo Rollouts, `utils/template/template.go`, `ResolveQuotedArgs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisArg {
    /// Its name.
    pub name: String,
    /// Its value when none is passed; without one, an absent argument is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// At most 24 characters: the job is called `<36-character UID>.<name>.<n>`, and the name of
    /// a job has 63 at most (Argo Rollouts before 1.9, `metricproviders/job/job.go`).
    pub name: String,
    /// How often it is made.
    pub count: u32,
    /// How many may fail.
    pub failure_limit: u32,
    /// How many in a row may not be made at all.
    pub consecutive_error_limit: u32,
    /// Who makes it.
    pub provider: MetricProvider,
}

/// Who makes a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricProvider {
    /// A job: its success is the measurement's.
    pub job: JobProvider,
}

/// A job, in the namespace of the project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProvider {
    /// As Kubernetes' `batch/v1` has it.
    pub spec: JobSpec,
}

/// A job, as far as we write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// How often a failed pod is tried again.
    pub backoff_limit: u32,
    /// When it is given up.
    pub active_deadline_seconds: u32,
    /// Its pod.
    pub template: PodTemplate,
}

/// A pod of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodTemplate {
    /// Its labels.
    pub metadata: PodMetadata,
    /// What it runs.
    pub spec: PodSpec,
}

/// Labels of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodMetadata {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What a pod runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// Who it runs as, in the cluster.
    pub service_account_name: String,
    /// Whether it gets a token for the API server.
    pub automount_service_account_token: bool,
    /// What a job's pod needs: `Never` or `OnFailure`.
    pub restart_policy: String,
    /// Who it runs as, on the node.
    pub security_context: PodSecurity,
    /// Its containers.
    pub containers: Vec<Container>,
    /// What they mount.
    pub volumes: Vec<Volume>,
}

/// Who a pod runs as, on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSecurity {
    /// Whether root is refused.
    pub run_as_non_root: bool,
    /// The user; an image that names its user by name could not be checked for root.
    pub run_as_user: u32,
    /// The group.
    pub run_as_group: u32,
    /// The group of its volumes.
    pub fs_group: u32,
    /// Which system calls it may make.
    pub seccomp_profile: SeccompProfile,
}

/// Which system calls a pod may make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeccompProfile {
    /// `RuntimeDefault`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// The arguments of its entry point. `$(NAME)` stands for a variable of `env`, `$$` for `$`.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<EnvVar>,
    /// What it asks for and may use.
    pub resources: ResourceRequirements,
    /// What it may do.
    pub security_context: ContainerSecurity,
    /// What it mounts.
    pub volume_mounts: Vec<VolumeMount>,
}

/// A variable of a container's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Or where that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvSource>,
}

/// Where the value of a variable is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvSource {
    /// In a Secret.
    pub secret_key_ref: SecretKey,
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretKey {
    /// The Secret.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether the pod starts without it.
    pub optional: bool,
}

/// What a container asks for and may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRequirements {
    /// What it asks for.
    pub requests: BTreeMap<String, String>,
    /// What it may use.
    pub limits: BTreeMap<String, String>,
}

/// What a container may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSecurity {
    /// Whether a program in it may get more rights.
    pub allow_privilege_escalation: bool,
    /// Whether its root file system is read-only.
    pub read_only_root_filesystem: bool,
    /// Its rights beside those of a user.
    pub capabilities: Capabilities,
}

/// Rights of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Those it does without.
    pub drop: Vec<String>,
}

/// A place where a volume is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    /// The volume.
    pub name: String,
    /// The place.
    pub mount_path: String,
}

/// A folder that is empty when the pod starts and gone when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// What it is.
    pub empty_dir: EmptyDir,
}

/// An empty folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDir {
    /// How much it may hold.
    pub size_limit: String,
}
