//! What `imgfac.yaml` says: every setting has a default.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::delay::Delay;
use crate::end_of_life::EndOfLife;
use crate::enrolment::Defaults;
use crate::notification::NotificationTarget;
use crate::path::RelativePath;
use crate::policy::{PushTimes, RebuildThrough, ReceiverKind};
use crate::reference::Digest;
use crate::source::{Branch, Host, RepoPath, WebUrl};
use crate::text::{InvalidValue, text_newtype};

/// The settings of a factory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// The Kubernetes namespace, which is also the name of the Kargo project.
    pub namespace: Namespace,
    /// What entries get where they say nothing.
    pub defaults: Defaults,
    /// Local checkouts to read Dockerfiles from.
    pub workspaces: Vec<Workspace>,
    /// The repository that the factory directory lives in, as the cluster reaches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_repository: Option<StateRepository>,
    /// What runs inside the cluster.
    pub analysis: Analysis,
    /// Registries that are asked in another way, by host.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, Registry>,
    /// Who tells the cluster about pushes, so that it need not wait for the next poll.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhook_receivers: Vec<WebhookReceiver>,
    /// What a waiting rebuild polls; `None` is the API server of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<WebUrl>,
    /// How rebuilds are held in check.
    #[serde(skip_serializing_if = "Rebuilds::is_default")]
    pub rebuilds: Rebuilds,
    /// Until when base images are cared for.
    #[serde(skip_serializing_if = "EndOfLife::is_empty")]
    pub end_of_life: EndOfLife,
    /// Who is told of what happens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<NotificationTarget>,
    /// How long an image may lack an update before it is stale; `None` is for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Delay>,
}

/// How rebuilds are held in check, whoever starts them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rebuilds {
    /// Who starts them; `None`: nobody decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<RebuildThrough>,
    /// How many may run at the same time; `None` is no limit, 0 starts none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
    /// The same, from one source repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_repository: Option<u32>,
    /// The same, to one registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_registry: Option<u32>,
    /// How long a run may take before it counts as failed; `None` is six hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_limit: Option<Delay>,
    /// Digests that nothing is built on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<Digest>,
    /// Who may ask for an emergency, by their names in CI; empty is everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emergency_actors: Vec<String>,
}

impl Rebuilds {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How a registry is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Registry {
    /// A pull-through mirror of it: `host` or `host/path`, which takes the place of the registry
    /// in the name of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// Whether it is spoken to over HTTP, without encryption.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// How many manifests a run may download from it; to ask for digests costs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<u32>,
    /// What it is asked to learn when a tag was pushed; `None`: what its host is known for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_times: Option<PushTimes>,
}

/// Something that sends webhooks to the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookReceiver {
    /// Its name, unique among the receivers.
    pub name: SecretName,
    /// Who sends.
    #[serde(rename = "type")]
    pub kind: ReceiverKind,
    /// The Secret that the sender shares.
    pub secret: SecretName,
}

text_newtype! {
    /// The name of a Secret: a DNS subdomain
    /// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>).
    SecretName, check_secret_name
}

fn check_secret_name(text: &str) -> Result<String, InvalidValue> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    Err(InvalidValue {
        what: "Kubernetes name",
        problem: crate::text::shown(text),
        expected: "lower-case letters, digits, \"-\" and \".\"",
    })
}

/// Whether it is made of lower-case letters, digits and `-`, with a letter or digit at both ends.
pub(crate) fn is_label(text: &str) -> bool {
    !text.is_empty()
        && (text.chars()).all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

text_newtype! {
    /// A Kubernetes namespace: a DNS label of at most 63 characters.
    Namespace, check_namespace
}

fn check_namespace(text: &str) -> Result<String, InvalidValue> {
    if text.len() <= 63 && is_label(text) {
        return Ok(text.to_owned());
    }
    Err(InvalidValue {
        what: "namespace",
        problem: crate::text::shown(text),
        expected: "1 to 63 lower-case letters, digits and \"-\", with a letter or digit at both ends",
    })
}

impl Default for Namespace {
    /// `imgfac`.
    fn default() -> Self {
        Self("imgfac".into())
    }
}

/// A local checkout that stands for a remote repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The repository it is a checkout of; `None` serves every repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoPath>,
    /// Its folder, absolute or relative to the file or shell that names it.
    pub dir: String,
}

impl Workspace {
    /// Reads the command line's form `[OWNER/NAME=]DIR`.
    ///
    /// # Errors
    /// When the repository before `=` is not one, or no folder is named.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let (repo, dir) = match text.split_once('=') {
            Some((repo, dir)) => (Some(RepoPath::new(repo)?), dir),
            None => (None, text),
        };
        if dir.is_empty() || dir.contains('\0') {
            return Err(InvalidValue {
                what: "workspace",
                problem: "it names no folder".into(),
                expected: "DIR, or OWNER/NAME=DIR for the checkout of one repository",
            });
        }
        Ok(Self {
            repo,
            dir: dir.to_owned(),
        })
    }
}

impl fmt::Display for Workspace {
    /// As the command line has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repo {
            Some(repo) => write!(f, "{repo}={}", self.dir),
            None => f.write_str(&self.dir),
        }
    }
}

/// The state repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateRepository {
    /// Its clone address.
    pub url: WebUrl,
    /// Its branch.
    #[serde(default)]
    pub branch: Branch,
    /// The factory directory inside it.
    #[serde(default = "RelativePath::root")]
    pub path: RelativePath,
}

/// The job that analyses an image in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Analysis {
    /// The container image of `imgfac`.
    pub image: String,
    /// Name of the Secret whose key `token` lets the job read sources and push state.
    pub git_secret: String,
    /// The GitHub server that its token is for; `None` is github.com.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github_host: Option<Host>,
    /// The GitLab server that its token is for; `None` is gitlab.com.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gitlab_host: Option<Host>,
    /// Further labels of the job's pods.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            image: concat!("ghcr.io/imgfac/imgfac:v", env!("CARGO_PKG_VERSION")).into(),
            git_secret: "imgfac-git".into(),
            github_host: None,
            gitlab_host: None,
            labels: BTreeMap::new(),
        }
    }
}
