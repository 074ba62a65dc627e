//! The Stage that rebuilds an image, and the request that tells its build.

use std::fmt::Write as _;

use imgfac_model::{Enrolment, Provider, Settings, Source};

use crate::edges::Edge;
use crate::expression::Template;
use crate::labels::metadata;
use crate::names::{Purpose, resource_name};
use crate::resources::{FreightSources, Stage, Step, TaskReference, Variable};
use crate::stage::{Wanted, stage};
use crate::task::{VARS, task_name};

/// The Stage that rebuilds an image when one of its bases moved.
///
/// # Errors
/// In one line, when the build cannot be told.
pub(crate) fn trigger_stage(
    settings: &Settings,
    enrolment: &Enrolment,
    source: &Source,
    edges: &[Edge],
    built: &str,
) -> Result<Stage, String> {
    let request = Request::new(enrolment, source)?;
    let facts: Vec<_> = edges.iter().map(|edge| &edge.fact).collect();
    let json = |value: serde_json::Result<String>| {
        value
            .map(|text| visible(&text))
            .map_err(|error| error.to_string())
    };
    let value = |name: &str| {
        Ok::<_, String>(match name {
            "image" => enrolment.name.to_string(),
            "bases" => json(serde_json::to_string(&facts))?,
            "built" => built.to_owned(),
            "url" => request.url.clone(),
            "repo" => source.repo.to_string(),
            "ref" => source.branch.to_string(),
            "secret" => request.secret.clone(),
            "tokens" => request.tokens.clone(),
            "inputs" => json(serde_json::to_string(&request.inputs))?,
            _ => source.cause_inputs.to_string(),
        })
    };
    let vars = VARS
        .iter()
        .map(|name| Ok(Variable::new(name, Template::text(&value(name)?))))
        .collect::<Result<_, String>>()?;
    let mut metadata = metadata(
        settings,
        resource_name(Purpose::TriggerStage, enrolment.name.as_str()),
        "rebuild",
        Some(&enrolment.name),
    );
    metadata.labels.insert(
        "imgfac.dev/criticality".into(),
        enrolment.criticality.to_string(),
    );
    let wanted = edges
        .iter()
        .map(|edge| Wanted {
            warehouse: edge.warehouse.clone(),
            sources: FreightSources::after(edge.observe.clone()),
        })
        .collect();
    let task = TaskReference {
        name: task_name(source.provider).into(),
    };
    let steps = vec![Step::new(task).named("rebuild")];
    Ok(stage(metadata, wanted, vars, steps, None))
}

/// JSON in which marks that command a terminal or turn text round are written by number: people
/// look at manifests, and JSON itself leaves all but the oldest of them as they are.
fn visible(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        let commands = matches!(
            c,
            '\u{7f}'..='\u{9f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        );
        if commands {
            // Writing to a text cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// The request that tells a build to start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Where to.
    pub(crate) url: String,
    /// The Secret with the tokens.
    pub(crate) secret: String,
    /// The keys of the Secret that may hold the token, the most special first.
    pub(crate) tokens: String,
    /// What the user wants to be passed, as pairs.
    inputs: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn new(enrolment: &Enrolment, source: &Source) -> Result<Self, String> {
        let (api, repo) = (source.api(), source.repo.as_str());
        let url = match source.provider {
            Provider::GitHub => {
                // Each part of its own: only the `/` between owner and name is one of the path.
                let repo: Vec<_> = repo.split('/').map(percent_encode).collect();
                format!(
                    "{api}/repos/{}/actions/workflows/{}/dispatches",
                    repo.join("/"),
                    percent_encode(&source.workflow_of(&enrolment.name))
                )
            }
            Provider::GitLab => {
                format!("{api}/projects/{}/trigger/pipeline", percent_encode(repo))
            }
            Provider::Webhook => match &source.url {
                Some(url) => url.to_string(),
                None => return Err("its source names no url that a rebuild is asked for at".into()),
            },
        };
        Ok(Self {
            url,
            secret: dispatch_secret(source),
            tokens: token_keys(repo),
            inputs: source.passed().into_iter().collect(),
        })
    }
}

/// The Secret whose tokens may start the builds of a provider and host.
pub(crate) fn dispatch_secret(source: &Source) -> String {
    let kind = task_name(source.provider).trim_start_matches("rebuild-");
    match (source.provider, source.host()) {
        (Provider::Webhook, _)
        | (Provider::GitHub, "github.com")
        | (Provider::GitLab, "gitlab.com") => {
            format!("imgfac-dispatch-{kind}")
        }
        (_, host) => format!(
            "imgfac-dispatch-{kind}-{}",
            host.to_lowercase().replace(':', "-")
        ),
    }
}

/// A repository, its owners from the nearest on, and `token` for all: so that one Secret can hold
/// tokens of several owners, and a GitLab trigger token for each project.
pub(crate) fn token_keys(repo: &str) -> String {
    let mut keys = Vec::new();
    let mut rest = repo;
    loop {
        // Keys of a Secret have no `/`.
        keys.push(rest.replace('/', "."));
        match rest.rsplit_once('/') {
            Some((owner, _)) => rest = owner,
            None => break,
        }
    }
    keys.push("token".into());
    keys.dedup();
    keys.join(",")
}

/// A text as one part of a path.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use imgfac_model::{Host, RepoPath, WebUrl, WorkflowFile};

    use super::*;
    use crate::fixture::managed;

    fn request(change: impl FnOnce(&mut Source)) -> String {
        let mut enrolment = managed("web");
        if let Some(source) = &mut enrolment.source {
            change(source);
        }
        let source = enrolment.source.clone().unwrap();
        match Request::new(&enrolment, &source) {
            Ok(it) => format!("{}\n{} {}\n{:?}", it.url, it.secret, it.tokens, it.inputs),
            Err(error) => error,
        }
    }

    #[test]
    fn marks_that_command_a_terminal_are_written_by_number() {
        let text = "a\u{9b}\u{202e}\u{7f}ü😀";
        let json = visible(&serde_json::to_string(text).unwrap());
        assert_eq!(json, r#""a\u009b\u202e\u007fü😀""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn github_is_asked_for_a_workflow() {
        insta::assert_snapshot!(request(|_| {}), @"
        https://api.github.com/repos/acme/shop/actions/workflows/web.yml/dispatches
        imgfac-dispatch-github acme.shop,acme,token
        []
        ");
        insta::assert_snapshot!(request(|it| {
            it.host = Host::new("GitHub.example.com:8443").ok();
            it.workflow = WorkflowFile::new("build.yaml").ok();
            it.inputs.insert("a\"b".into(), "${{ secret('x') }}".into());
        }), @r#"
        https://GitHub.example.com:8443/api/v3/repos/acme/shop/actions/workflows/build.yaml/dispatches
        imgfac-dispatch-github-github.example.com-8443 acme.shop,acme,token
        [("a\"b", "${{ secret('x') }}")]
        "#);
        insta::assert_snapshot!(request(|it| it.host = Host::new("acme.ghe.com").ok()), @"
        https://api.acme.ghe.com/repos/acme/shop/actions/workflows/web.yml/dispatches
        imgfac-dispatch-github-acme.ghe.com acme.shop,acme,token
        []
        ");
    }

    #[test]
    fn gitlab_is_asked_for_a_pipeline() {
        insta::assert_snapshot!(request(|it| {
            it.provider = Provider::GitLab;
            it.repo = RepoPath::new("group/sub/name").unwrap();
            it.variables.insert("A".into(), "b".into());
            it.job = Some("build".into());
        }), @r#"
        https://gitlab.com/api/v4/projects/group%2Fsub%2Fname/trigger/pipeline
        imgfac-dispatch-gitlab group.sub.name,group.sub,group,token
        [("A", "b"), ("IMGFAC_JOB", "build")]
        "#);
        insta::assert_snapshot!(request(|it| {
            it.provider = Provider::GitLab;
            it.host = Host::new("gitlab.example.com").ok();
        }), @"
        https://gitlab.example.com/api/v4/projects/acme%2Fshop/trigger/pipeline
        imgfac-dispatch-gitlab-gitlab.example.com acme.shop,acme,token
        []
        ");
    }

    #[test]
    fn anything_else_is_asked_at_its_address() {
        insta::assert_snapshot!(request(|it| {
            it.provider = Provider::Webhook;
            it.url = WebUrl::new("https://ci.example.com/hook?x=1").ok();
        }), @"
        https://ci.example.com/hook?x=1
        imgfac-dispatch-webhook acme.shop,acme,token
        []
        ");
        insta::assert_snapshot!(request(|it| it.provider = Provider::Webhook), @"its source names no url that a rebuild is asked for at");
    }
}
