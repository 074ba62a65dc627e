//! Steps of Promotions: what runs, and its configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expression::Template;

/// One step.
///
/// Neither the name nor the configuration of a step is checked when a Stage is admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The name that later steps use for its outputs; `step-1` and the like are reserved.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// When it runs. One that is given replaces the rule that nothing runs after a failure, so it
    /// begins with `success() &&`. It is looked at once, before the step starts.
    #[serde(rename = "if", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Template>,
    /// How often and how long it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Variables of its own, evaluated in order each time that the step runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vars: Vec<Variable>,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
}

impl Step {
    /// A step that runs once, after those before it.
    #[must_use]
    pub fn new(action: impl Into<Action>) -> Self {
        Self {
            alias: None,
            condition: None,
            retry: None,
            vars: Vec::new(),
            action: action.into(),
        }
    }

    /// Names it.
    #[must_use]
    pub fn named(mut self, alias: &str) -> Self {
        self.alias = Some(alias.to_owned());
        self
    }

    /// Lets it run only then.
    #[must_use]
    pub fn only_if(mut self, condition: Template) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Lets so many errors pass.
    #[must_use]
    pub fn with_retry(mut self, error_threshold: u32, timeout: Option<&str>) -> Self {
        self.retry = Some(Retry {
            timeout: timeout.map(str::to_owned),
            error_threshold,
        });
        self
    }

    /// Gives it variables.
    #[must_use]
    pub fn with_vars(mut self, vars: impl IntoIterator<Item = Variable>) -> Self {
        self.vars = vars.into_iter().collect();
        self
    }
}

/// How often and how long a step is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How long it may take in all; without one, for ever for `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How many errors end it. They add up over the whole time; a good run does not reset them.
    pub error_threshold: u32,
}

/// A variable of a Stage, a task or a step: `^[a-zA-Z_]\w*$`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value. In a task, none means that the Stage must give it one, and an empty one is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Template>,
}

impl Variable {
    /// A variable with a value.
    #[must_use]
    pub fn new(name: &str, value: Template) -> Self {
        Self {
            name: name.to_owned(),
            value: Some(value),
        }
    }

    /// A variable that the Stage gives its value.
    #[must_use]
    pub fn required(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: None,
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Action {
    /// The steps of a task; of the other fields of a step only the name and variables are allowed.
    Task {
        /// Which.
        task: TaskReference,
    },
    /// A step of Kargo's own.
    Uses(Uses),
}

/// A PromotionTask of this project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskReference {
    /// Its name. That it exists is only checked when a Promotion is made.
    pub name: String,
}

impl From<TaskReference> for Action {
    fn from(task: TaskReference) -> Self {
        Self::Task { task }
    }
}

impl From<Uses> for Action {
    fn from(uses: Uses) -> Self {
        Self::Uses(uses)
    }
}

/// The steps of Kargo's own that we use, each with its configuration
/// (`pkg/promotion/runner/builtin/schemas` of Kargo 1.11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "uses", content = "config", rename_all = "kebab-case")]
pub enum Uses {
    /// Keeps values for later steps; keys are not evaluated.
    ComposeOutput(BTreeMap<String, Template>),
    /// Writes metadata of Stages and Freight.
    SetMetadata(SetMetadata),
    /// Sends a request.
    Http(Box<Http>),
    /// Checks a repository out.
    GitClone(GitClone),
    /// Sets images of a kustomization.
    KustomizeSetImage(KustomizeSetImage),
    /// Sets keys of a YAML file.
    YamlUpdate(YamlUpdate),
    /// Commits; ends as `Skipped` when nothing changed.
    GitCommit(GitCommit),
    /// Pushes, after a rebase where that is needed.
    GitPush(GitPush),
    /// Opens a pull request; ends as `Skipped` when there is nothing in it.
    GitOpenPr(GitOpenPr),
    /// Waits until a pull request is merged; fails when it is closed.
    GitWaitForPr(GitWaitForPr),
}

/// `set-metadata`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetMetadata {
    /// All of them are evaluated before the first is written.
    pub updates: Vec<MetadataUpdate>,
}

/// Metadata of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataUpdate {
    /// Its kind.
    pub kind: MetadataKind,
    /// Its name.
    pub name: Template,
    /// Keys and values; other keys of the object stay.
    pub values: BTreeMap<String, Template>,
}

/// What can carry metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetadataKind {
    /// Freight.
    Freight,
    /// A Stage.
    Stage,
}

/// `http`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// `GET` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Where to.
    pub url: Template,
    /// Its headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Its body, a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Template>,
    /// Whether any certificate will do: only where neither question nor answer matter.
    #[serde(
        rename = "insecureSkipTLSVerify",
        default,
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub insecure_skip_tls_verify: bool,
    /// How long one request may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How long after an answer that is neither success nor failure the next request follows.
    pub poll_interval: String,
    /// Evaluated without delimiters and with the response alone. Without one, an answer that is
    /// no success would be asked for again for ever.
    pub success_expression: Template,
    /// Likewise: what ends the step at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_expression: Option<Template>,
    /// Likewise: what to say then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_expression: Option<Template>,
    /// What to keep for later steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<HttpOutput>,
}

/// A header of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, not empty.
    pub value: Template,
}

/// A value of a response to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpOutput {
    /// Its name.
    pub name: String,
    /// Evaluated without delimiters and with the response alone.
    pub from_expression: Template,
}

/// `git-clone`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitClone {
    /// The `https` address.
    #[serde(rename = "repoURL")]
    pub repo_url: Template,
    /// What to check out.
    pub checkout: Vec<Checkout>,
}

/// A branch in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The branch.
    pub branch: Template,
    /// The folder.
    pub path: String,
}

/// `kustomize-set-image`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KustomizeSetImage {
    /// The folder of the kustomization.
    pub path: Template,
    /// The images.
    pub images: Vec<KustomizeImage>,
}

/// An image of a kustomization, by tag or by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KustomizeImage {
    /// Its repository.
    pub image: Template,
    /// Its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Template>,
    /// Or its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Template>,
}

/// `yaml-update`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct YamlUpdate {
    /// The file.
    pub path: Template,
    /// What to set.
    pub updates: Vec<KeyUpdate>,
}

/// A key of a YAML file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUpdate {
    /// The path to it, joined by `.`.
    pub key: Template,
    /// Its value.
    pub value: Template,
}

/// `git-commit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitCommit {
    /// The folder.
    pub path: String,
    /// What changed and why.
    pub message: Template,
}

/// `git-push`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitPush {
    /// The folder.
    pub path: String,
    /// Whether to a new branch instead of the one that is checked out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generate_target_branch: bool,
}

/// `git-open-pr`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitOpenPr {
    /// The repository.
    #[serde(rename = "repoURL")]
    pub repo_url: Template,
    /// Whose interface it has; Kargo only guesses the public hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The branch with the change.
    pub source_branch: Template,
    /// The branch that it is for.
    pub target_branch: Template,
    /// Its title.
    pub title: Template,
    /// Its text.
    pub description: Template,
}

/// `git-wait-for-pr`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitWaitForPr {
    /// The repository.
    #[serde(rename = "repoURL")]
    pub repo_url: Template,
    /// Whose interface it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Its number.
    pub pr_number: Template,
    /// How often it is asked for.
    pub poll_interval: String,
}
