//! A GitLab that has projects and pipelines, and nothing else, by the reference of its interface
//! (<https://docs.gitlab.com/api/pipelines/>, <https://docs.gitlab.com/api/pipeline_triggers/>).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ci_server::{CiRequest, Reply, Trouble, decoded, lock, serve, troubled};
use crate::fake_github::LOGIN;
use crate::git_server::TOKEN;

/// The trigger token of every project.
pub const TRIGGER: &str = "tr1gger-t0ken";

/// The server; it ends with the process. [`TOKEN`] is an access token of [`LOGIN`].
#[derive(Clone, Debug)]
pub struct FakeGitLab {
    host: String,
    state: Arc<Mutex<State>>,
}

/// A pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakePipeline {
    /// Its number.
    pub id: u64,
    /// The path of the project.
    pub project: String,
    /// The branch.
    pub branch: String,
    /// What it was given.
    pub variables: BTreeMap<String, String>,
    /// `trigger`, `api` or `web`.
    pub source: String,
    /// Who it is by.
    pub user: String,
    /// `created`, `running`, `success`, `failed` and so on.
    pub status: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct State {
    host: String,
    projects: BTreeSet<String>,
    pipelines: Vec<FakePipeline>,
    starts: VecDeque<Trouble>,
    reads: VecDeque<Trouble>,
    now: Option<Timestamp>,
    requests: Vec<CiRequest>,
    hidden: bool,
}

impl FakeGitLab {
    /// A server without projects. Its clock is the system's until a test sets it.
    #[must_use]
    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let host = serve(move |request| lock(&shared).answer(request));
        lock(&state).host.clone_from(&host);
        Self { host, state }
    }

    /// Its host and port, as `source.host` has it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `CI_SERVER_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// `CI_API_V4_URL`.
    #[must_use]
    pub fn api(&self) -> String {
        format!("http://{}/api/v4", self.host)
    }

    /// Adds a project, which is private.
    pub fn add_project(&self, path: &str) {
        lock(&self.state).projects.insert(path.to_owned());
    }

    /// Sets its clock.
    pub fn set_now(&self, now: Timestamp) {
        lock(&self.state).now = Some(now);
    }

    /// Lets nobody see the variables of pipelines, as for a token that may do little.
    pub fn hide_variables(&self) {
        lock(&self.state).hidden = true;
    }

    /// Lets the next request that starts a pipeline go wrong, after those that were said before.
    pub fn trouble_start(&self, trouble: Trouble) {
        lock(&self.state).starts.push_back(trouble);
    }

    /// Lets the next other request go wrong, after those that were said before.
    pub fn trouble_read(&self, trouble: Trouble) {
        lock(&self.state).reads.push_back(trouble);
    }

    /// Sets the status of a pipeline.
    pub fn set_status(&self, id: u64, status: &str) {
        let mut state = lock(&self.state);
        let now = state.now();
        let pipeline = state.pipelines.iter_mut().find(|it| it.id == id);
        let pipeline = pipeline.expect("there is such a pipeline");
        status.clone_into(&mut pipeline.status);
        let ended = matches!(status, "success" | "failed" | "canceled" | "skipped");
        pipeline.finished = ended.then_some(now);
    }

    /// All pipelines, the oldest first.
    #[must_use]
    pub fn pipelines(&self) -> Vec<FakePipeline> {
        lock(&self.state).pipelines.clone()
    }

    /// All requests, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<CiRequest> {
        lock(&self.state).requests.clone()
    }
}

impl State {
    fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }

    fn answer(&mut self, request: &CiRequest) -> Reply {
        self.requests.push(request.clone());
        let trouble = match request.method.as_str() {
            "POST" => self.starts.pop_front(),
            _ => self.reads.pop_front(),
        };
        troubled(trouble, || self.work(request))
    }

    fn work(&mut self, request: &CiRequest) -> Reply {
        let Some(path) = request.path.strip_prefix("/api/v4/") else {
            return Reply::refusal(404, "404 Not Found");
        };
        let access = request.headers.get("private-token");
        let known = access.is_some_and(|token| token == TOKEN);
        if access.is_some() && !known {
            return Reply::refusal(401, "401 Unauthorized");
        }
        let parts: Vec<&str> = path.split('/').collect();
        if parts == ["user"] {
            return match known {
                true => Reply::Json(200, json!({"id": 1, "username": LOGIN})),
                false => Reply::refusal(401, "401 Unauthorized"),
            };
        }
        let ["projects", project, rest @ ..] = parts.as_slice() else {
            return Reply::refusal(404, "404 Not Found");
        };
        let project = decoded(project);
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let triggered = body["token"] == TRIGGER;
        if !self.projects.contains(&project) || !(known || triggered) {
            return Reply::refusal(404, "404 Project Not Found");
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match (request.method.as_str(), rest) {
            ("POST", ["trigger", "pipeline"]) if triggered => {
                let variables = body["variables"].as_object().cloned().unwrap_or_default();
                let variables = variables.iter().map(|(key, it)| (key.clone(), text(it)));
                self.make(&project, &body, variables.collect(), "trigger")
            }
            ("POST", ["pipeline"]) if known => {
                let variables = body["variables"].as_array().cloned().unwrap_or_default();
                let variables = variables
                    .iter()
                    .map(|it| (text(&it["key"]), text(&it["value"])));
                self.make(&project, &body, variables.collect(), "api")
            }
            ("GET", ["pipelines"]) if known => self.list(&project, request),
            ("GET", ["pipelines", id, rest @ ..]) if known => {
                let pipeline = self
                    .pipelines
                    .iter()
                    .find(|it| it.project == project && it.id.to_string() == **id);
                match (pipeline, rest) {
                    (Some(pipeline), []) => Reply::Json(200, self.shown(pipeline)),
                    (Some(_), ["variables"]) if self.hidden => Reply::refusal(403, "403 Forbidden"),
                    (Some(pipeline), ["variables"]) => Reply::Json(
                        200,
                        pipeline
                            .variables
                            .iter()
                            .map(|(key, value)| {
                                json!({"key": key, "variable_type": "env_var", "value": value})
                            })
                            .collect(),
                    ),
                    _ => Reply::refusal(404, "404 Not found"),
                }
            }
            _ => Reply::refusal(404, "404 Not Found"),
        }
    }

    fn make(
        &mut self,
        project: &str,
        body: &Value,
        variables: BTreeMap<String, String>,
        source: &str,
    ) -> Reply {
        let branch = body["ref"].as_str().unwrap_or_default();
        if branch == "gone" {
            let message = json!({"message": {"base": ["Reference not found"]}});
            return Reply::Json(400, message);
        }
        let id = 500 + u64::try_from(self.pipelines.len()).unwrap_or_default();
        let pipeline = FakePipeline {
            id,
            project: project.into(),
            branch: branch.into(),
            variables,
            source: source.into(),
            user: LOGIN.into(),
            status: "created".into(),
            created: self.now(),
            finished: None,
        };
        let shown = self.shown(&pipeline);
        self.pipelines.push(pipeline);
        Reply::Json(201, shown)
    }

    fn list(&self, project: &str, request: &CiRequest) -> Reply {
        let asked = |name: &str| request.query.get(name).map(String::as_str);
        let number =
            |name: &str, or: usize| asked(name).and_then(|it| it.parse().ok()).unwrap_or(or);
        let since: Option<Timestamp> = asked("updated_after").and_then(|it| it.parse().ok());
        let size = number("per_page", 20).clamp(1, 100);
        let found = self
            .pipelines
            .iter()
            .rev()
            .filter(|it| it.project == project)
            .filter(|it| asked("ref").is_none_or(|branch| it.branch == branch))
            .filter(|it| asked("source").is_none_or(|source| it.source == source))
            .filter(|it| asked("username").is_none_or(|user| it.user == user))
            .filter(|it| since.is_none_or(|since| it.finished.unwrap_or(it.created) >= since));
        let page = found.skip((number("page", 1) - 1) * size).take(size);
        Reply::Json(200, page.map(|it| self.shown(it)).collect())
    }

    fn shown(&self, pipeline: &FakePipeline) -> Value {
        let (id, project) = (pipeline.id, &pipeline.project);
        json!({
            "id": id, "iid": id, "project_id": 1, "name": null,
            "sha": "7638417db6d59f3c431d3e1f261cc637155684cd", "ref": pipeline.branch,
            "status": pipeline.status, "source": pipeline.source,
            "created_at": pipeline.created.to_string(), "updated_at": pipeline.created.to_string(),
            "started_at": (pipeline.status != "created").then(|| pipeline.created.to_string()),
            "finished_at": pipeline.finished.map(|it| it.to_string()),
            "web_url": format!("http://{}/{project}/-/pipelines/{id}", self.host),
        })
    }
}
