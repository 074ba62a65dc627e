//! Where an image is built from, and by whom.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::ImageName;
use crate::path::RelativePath;
use crate::policy::Provider;
use crate::text::{InvalidValue, shown, text_newtype};

/// The source of a managed image: repository, Dockerfile, and the build that makes the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Who builds it.
    pub provider: Provider,
    /// GitHub Enterprise server or self-managed GitLab; `None` is the provider's public host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// The repository on that host.
    pub repo: RepoPath,
    /// The branch it is built from.
    pub branch: Branch,
    /// The Dockerfile.
    pub dockerfile: RelativePath,
    /// The build context; `None` is the Dockerfile's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<RelativePath>,
    /// What CI passes as `--build-arg`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<String, String>,
    /// The stage that is built; `None` is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<StageName>,
    /// The platforms on which a change of a base matters; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Platform>,
    /// GitHub: the workflow file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowFile>,
    /// GitHub: further inputs of the workflow.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// Whether the workflow or pipeline takes our own inputs, which tell it why it runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cause_inputs: bool,
    /// GitLab: the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// GitLab: variables of the pipeline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Webhook: where the request goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<WebUrl>,
}

impl Source {
    /// The host that serves the repository.
    #[must_use]
    pub fn host(&self) -> &str {
        match (&self.host, self.provider) {
            (Some(host), _) => host.as_str(),
            (None, Provider::GitLab) => "gitlab.com",
            (None, Provider::GitHub | Provider::Webhook) => "github.com",
        }
    }

    /// The address that `git clone` takes.
    #[must_use]
    pub fn clone_url(&self) -> String {
        format!("https://{}/{}.git", self.host(), self.repo)
    }

    /// Where the host takes requests; see [`api_of`]. Of a webhook only its `url` is asked.
    #[must_use]
    pub fn api(&self) -> String {
        api_of(self.provider, self.host())
    }

    /// GitHub: the file of the workflow that builds an image, by default `NAME.yml`.
    #[must_use]
    pub fn workflow_of(&self, image: &ImageName) -> String {
        self.workflow
            .as_ref()
            .map_or_else(|| format!("{image}.yml"), ToString::to_string)
    }

    /// What the user wants a build to be given: the inputs of a GitHub workflow; the variables of a
    /// GitLab pipeline, with the job as `IMGFAC_JOB`; nothing for a webhook.
    #[must_use]
    pub fn passed(&self) -> BTreeMap<String, String> {
        match self.provider {
            Provider::GitHub => self.inputs.clone(),
            Provider::GitLab => {
                let mut variables = self.variables.clone();
                if let Some(job) = &self.job {
                    variables
                        .entry("IMGFAC_JOB".into())
                        .or_insert_with(|| job.clone());
                }
                variables
            }
            Provider::Webhook => BTreeMap::new(),
        }
    }

    /// The folder that the build reads.
    #[must_use]
    pub fn context(&self) -> RelativePath {
        self.context
            .clone()
            .unwrap_or_else(|| self.dockerfile.parent())
    }
}

/// Where a host takes requests: github.com, GitHub Enterprise Cloud with data residency
/// (`*.ghe.com`), a GitHub Enterprise server, or any GitLab.
#[must_use]
pub fn api_of(provider: Provider, host: &str) -> String {
    match (provider, host.to_lowercase().as_str()) {
        (Provider::GitLab, _) => format!("https://{host}/api/v4"),
        (_, "github.com") => "https://api.github.com".into(),
        (_, cloud) if cloud.ends_with(".ghe.com") => format!("https://api.{cloud}"),
        _ => format!("https://{host}/api/v3"),
    }
}

text_newtype! {
    /// A branch, as Git and Kargo both take it: 1 to 255 letters, digits and `._/-`, from a letter
    /// or digit on, so that it can never be read as an option.
    Branch, check_branch
}

fn check_branch(text: &str) -> Result<String, InvalidValue> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    let good = (1..=255).contains(&text.len())
        && text.chars().all(legal)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.ends_with(['/', '.'])
        && !text.contains("..")
        && text
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"));
    checked(
        text,
        good,
        "branch",
        "the name of a branch, such as main or release/1.2",
    )
}

impl Default for Branch {
    /// `main`.
    fn default() -> Self {
        Self("main".into())
    }
}

text_newtype! {
    /// A repository on its host: `owner/name`, or `group/sub/name` on GitLab.
    RepoPath, check_repo
}

fn check_repo(text: &str) -> Result<String, InvalidValue> {
    let part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.starts_with('-')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    let good = text.len() <= 255
        && text.contains('/')
        && text.split('/').all(part)
        && !text.ends_with(".git");
    checked(
        text,
        good,
        "repository",
        "owner/name, or group/sub/name on GitLab, without host or \".git\"",
    )
}

text_newtype! {
    /// A host name with an optional port.
    Host, check_host
}

fn check_host(text: &str) -> Result<String, InvalidValue> {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let good = name.len() <= 253
        && name.split('.').all(label)
        && port.is_none_or(|p| p.len() <= 5 && p.parse::<u16>().is_ok_and(|p| p > 0));
    checked(
        text,
        good,
        "host",
        "a host name such as github.example.com, without scheme or path",
    )
}

text_newtype! {
    /// The file name of a GitHub workflow.
    WorkflowFile, check_workflow
}

fn check_workflow(text: &str) -> Result<String, InvalidValue> {
    let good = text.len() <= 255
        && (text.ends_with(".yml") || text.ends_with(".yaml"))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    checked(
        text,
        good,
        "workflow",
        "the name of a file in .github/workflows, such as build.yml",
    )
}

text_newtype! {
    /// The name of a stage in a Dockerfile, or its number.
    StageName, check_stage
}

fn check_stage(text: &str) -> Result<String, InvalidValue> {
    let good = (1..=255).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    checked(
        text,
        good,
        "stage",
        "the name of a stage in the Dockerfile, such as runtime",
    )
}

text_newtype! {
    /// A platform: `os/arch` or `os/arch/variant`.
    Platform, check_platform
}

fn check_platform(text: &str) -> Result<String, InvalidValue> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let parts = text.split('/').count();
    let good = text.len() <= 64 && (2..=3).contains(&parts) && text.split('/').all(part);
    checked(
        text,
        good,
        "platform",
        "os/arch or os/arch/variant, such as linux/amd64 or linux/arm/v7",
    )
}

text_newtype! {
    /// An `http` or `https` address without user name and password.
    WebUrl, check_url
}

fn check_url(text: &str) -> Result<String, InvalidValue> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    // A host has no "@", so a password, which must not go into Git, is refused here too.
    let good = text.len() <= 2_048
        && authority.is_some_and(|a| check_host(a).is_ok())
        && text.chars().all(|c| {
            c.is_ascii_graphic()
                && !matches!(c, '"' | '\'' | '<' | '>' | '\\' | '`' | '{' | '}' | '$')
        });
    checked(
        text,
        good,
        "address",
        "https://host/path, without user name and password",
    )
}

fn checked(
    text: &str,
    good: bool,
    what: &'static str,
    expected: &'static str,
) -> Result<String, InvalidValue> {
    if good {
        return Ok(text.to_owned());
    }
    let problem = if text.is_empty() {
        "it is empty".into()
    } else {
        shown(text)
    };
    Err(InvalidValue {
        what,
        problem,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T>(new: fn(&str) -> Result<T, InvalidValue>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(new(text).is_ok(), "{text:?} should be taken");
        }
        for text in bad {
            assert!(new(text).is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn branches_cannot_be_options_or_commands() {
        check(
            Branch::new,
            &["main", "1.0", "release/1.2", "feature_x-y"],
            &[
                "",
                "--upload-pack=touch ;",
                "-x",
                "main /x; touch  #",
                "a..b",
                "a//b",
                "a/",
                "a.",
                ".a",
                "x.lock",
                "a\nb",
            ],
        );
    }

    #[test]
    fn repositories_are_paths_of_plain_names() {
        check(
            RepoPath::new,
            &["acme/shop", "acme/.github", "group/sub/name"],
            &[
                "",
                "shop",
                "../..",
                "acme/..",
                "a//b",
                "acme/shop.git",
                "https://x/y",
                "-a/b",
                "a/b c",
            ],
        );
    }

    #[test]
    fn hosts_have_no_scheme() {
        check(
            Host::new,
            &["github.example.com", "gitlab.corp:8443", "localhost"],
            &[
                "",
                "https://x",
                "a/b",
                "a:0",
                "a:99999",
                "user@host",
                "-a.com",
                "a..b",
            ],
        );
    }

    #[test]
    fn the_rest_refuses_what_could_break_out() {
        check(
            WorkflowFile::new,
            &["build.yml", "a.yaml"],
            &["../x.yml", "a/b.yml", "x?.yml", "build", ".yml"],
        );
        check(
            StageName::new,
            &["runtime", "0", "a.b-c"],
            &["", "-x", "a b"],
        );
        check(
            Platform::new,
            &["linux/amd64", "linux/arm/v7"],
            &["linux", "linux/", "Linux/amd64", "a/b/c/d"],
        );
        check(
            WebUrl::new,
            &["https://ci.example.com/hook?x=1", "http://localhost:8080"],
            &[
                "ftp://x",
                "https://user:pw@host/",
                "https://",
                "https://a b",
                "https://x/${{ secret }}",
            ],
        );
    }
}
