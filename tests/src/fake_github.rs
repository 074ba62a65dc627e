//! A GitHub that has workflows and runs, and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::ci_server::{CiRequest, Reply, Trouble, lock, serve, troubled};
use crate::git_server::TOKEN;
use crate::openapi::Contract;

/// Whose token [`TOKEN`] is.
pub const LOGIN: &str = "ada";
/// The number of the app that is installed in every repository.
pub const APP: u64 = 1234;
/// Its name in addresses.
pub const APP_SLUG: &str = "image-factory";

/// The server; it ends with the process. Requests and replies are held against a [`Contract`], and
/// [`FakeGitHub::violations`] says what did not fit.
#[derive(Clone, Debug)]
pub struct FakeGitHub {
    host: String,
    state: Arc<Mutex<State>>,
}

/// A run of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeRun {
    /// Its number.
    pub id: u64,
    /// `owner/name`.
    pub repo: String,
    /// The file of the workflow.
    pub workflow: String,
    /// The branch.
    pub branch: String,
    /// What it was given.
    pub inputs: BTreeMap<String, String>,
    /// Its name.
    pub title: String,
    /// Who started it.
    pub actor: String,
    /// `queued`, `in_progress`, `completed` and some more.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    host: String,
    contract: Option<Arc<Contract>>,
    workflows: BTreeMap<(String, String), Workflow>,
    runs: Vec<FakeRun>,
    starts: VecDeque<Trouble>,
    reads: VecDeque<Trouble>,
    now: Option<Timestamp>,
    requests: Vec<CiRequest>,
    violations: Vec<String>,
    /// Tokens of installations, with their repository.
    issued: BTreeMap<String, String>,
    old: bool,
    /// After so many looks at runs the run ends with this.
    ends: Option<(u64, usize, String)>,
}

#[derive(Debug)]
struct Workflow {
    inputs: BTreeSet<String>,
    run_name: Option<String>,
}

impl FakeGitHub {
    /// A server without workflows. Its clock is the system's until a test sets it.
    #[must_use]
    pub fn start(contract: Option<Arc<Contract>>) -> Self {
        let state = Arc::new(Mutex::new(State {
            contract,
            ..State::default()
        }));
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

    /// `GITHUB_SERVER_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// `GITHUB_API_URL`.
    #[must_use]
    pub fn api(&self) -> String {
        format!("http://{}/api/v3", self.host)
    }

    /// Adds a workflow that takes these inputs. A `run-name` may have `{INPUT}` in it.
    pub fn add_workflow(&self, repo: &str, file: &str, inputs: &[&str], run_name: Option<&str>) {
        let workflow = Workflow {
            inputs: inputs.iter().map(|&it| it.to_owned()).collect(),
            run_name: run_name.map(str::to_owned),
        };
        let key = (repo.to_owned(), file.to_owned());
        lock(&self.state).workflows.insert(key, workflow);
    }

    /// Sets its clock.
    pub fn set_now(&self, now: Timestamp) {
        lock(&self.state).now = Some(now);
    }

    /// Behaves as a GitHub Enterprise server from before `return_run_details` from now on.
    pub fn set_old(&self) {
        lock(&self.state).old = true;
    }

    /// Lets the next request that starts a run go wrong, after those that were said before.
    pub fn trouble_start(&self, trouble: Trouble) {
        lock(&self.state).starts.push_back(trouble);
    }

    /// Lets the next other request go wrong, after those that were said before.
    pub fn trouble_read(&self, trouble: Trouble) {
        lock(&self.state).reads.push_back(trouble);
    }

    /// Starts a run, as a person does by the button.
    #[must_use]
    pub fn start_by_hand(&self, repo: &str, file: &str, branch: &str, actor: &str) -> u64 {
        lock(&self.state).make(repo, file, branch, BTreeMap::new(), actor)
    }

    /// Lets a run begin.
    pub fn begin(&self, id: u64) {
        self.change(id, "in_progress", None);
    }

    /// Lets a run end, with `success`, `failure`, `cancelled` and so on.
    pub fn finish(&self, id: u64, conclusion: &str) {
        self.change(id, "completed", Some(conclusion));
    }

    /// Lets a run end by itself, when runs have been looked at so many times from now on.
    pub fn finish_after(&self, id: u64, looks: usize, conclusion: &str) {
        lock(&self.state).ends = Some((id, looks, conclusion.to_owned()));
    }

    fn change(&self, id: u64, status: &str, conclusion: Option<&str>) {
        lock(&self.state).change(id, status, conclusion);
    }

    /// All runs, the oldest first.
    #[must_use]
    pub fn runs(&self) -> Vec<FakeRun> {
        lock(&self.state).runs.clone()
    }

    /// All requests, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<CiRequest> {
        lock(&self.state).requests.clone()
    }

    /// What of the requests and replies does not fit GitHub's description.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        lock(&self.state).violations.clone()
    }
}

impl State {
    fn change(&mut self, id: u64, status: &str, conclusion: Option<&str>) {
        let now = self.now();
        let run = self.runs.iter_mut().find(|run| run.id == id);
        let run = run.expect("there is such a run");
        status.clone_into(&mut run.status);
        run.conclusion = conclusion.map(str::to_owned);
        run.updated = now;
    }

    fn now(&self) -> Timestamp {
        let now = self.now.unwrap_or_else(Timestamp::now);
        // GitHub knows whole seconds.
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    fn answer(&mut self, request: &CiRequest) -> Reply {
        self.requests.push(request.clone());
        let Some(path) = request.path.strip_prefix("/api/v3") else {
            return Reply::refusal(404, "Not Found");
        };
        // What an older server knows is another description.
        if let Some(contract) = self.contract.as_ref().filter(|_| !self.old) {
            self.violations.extend(contract.of_request(path, request));
        }
        let starts = path.ends_with("/dispatches");
        let trouble = match starts {
            true => self.starts.pop_front(),
            false => self.reads.pop_front(),
        };
        let details = trouble != Some(Trouble::NoDetails);
        let reply = troubled(trouble, || self.work(path, request, details));
        if let Some(status) = reply.status().filter(|status| *status < 400)
            && let Some(contract) = &self.contract
        {
            let body = match &reply {
                Reply::Json(_, body) => Some(body),
                _ => None,
            };
            let wrong = contract.of_reply(path, &request.method, status, body);
            self.violations.extend(wrong);
        }
        reply
    }

    fn work(&mut self, path: &str, request: &CiRequest, details: bool) -> Reply {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let token = request
            .headers
            .get("authorization")
            .and_then(|it| it.strip_prefix("Bearer "))
            .unwrap_or_default();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["app"]) if is_app(token) => Reply::Json(200, self.app()),
            ("GET", ["repos", owner, _, "installation"]) if is_app(token) => {
                Reply::Json(200, self.installation(owner))
            }
            ("POST", ["app", "installations", "77", "access_tokens"]) if is_app(token) => {
                self.issue(request)
            }
            (_, ["app", ..] | [.., "installation"]) => {
                Reply::refusal(401, "A JSON web token could not be decoded")
            }
            ("GET", ["user"]) if token == TOKEN => Reply::Json(200, self.user(LOGIN, true)),
            ("GET", ["user"]) if self.issued.contains_key(token) => {
                Reply::refusal(403, "Resource not accessible by integration")
            }
            ("GET" | "POST", ["repos", owner, name, "actions", rest @ ..]) => {
                let repo = format!("{owner}/{name}");
                let actor = match self.issued.get(token) {
                    Some(allowed) if *allowed == repo => format!("{APP_SLUG}[bot]"),
                    Some(_) => return Reply::refusal(404, "Not Found"),
                    None if token == TOKEN => LOGIN.to_owned(),
                    None => return Reply::refusal(401, "Bad credentials"),
                };
                match rest {
                    ["workflows", file, "dispatches"] => {
                        self.dispatch(&repo, file, request, &actor, details)
                    }
                    ["workflows", file, "runs"] => self.list(&repo, file, request),
                    ["runs", id] => {
                        self.looked();
                        let run = self
                            .runs
                            .iter()
                            .find(|run| run.repo == repo && run.id.to_string() == **id);
                        match run {
                            Some(run) => Reply::Json(200, self.shown(run)),
                            None => Reply::refusal(404, "Not Found"),
                        }
                    }
                    _ => Reply::refusal(404, "Not Found"),
                }
            }
            _ => Reply::refusal(401, "Bad credentials"),
        }
    }

    fn looked(&mut self) {
        let Some((id, looks, conclusion)) = self.ends.take() else {
            return;
        };
        match looks.saturating_sub(1) {
            0 => self.change(id, "completed", Some(&conclusion)),
            left => self.ends = Some((id, left, conclusion)),
        }
    }

    fn dispatch(
        &mut self,
        repo: &str,
        file: &str,
        request: &CiRequest,
        actor: &str,
        details: bool,
    ) -> Reply {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        if self.old && body.get("return_run_details").is_some() {
            let said = "Invalid request.\n\n\"return_run_details\" is not a permitted key.";
            return Reply::refusal(422, said);
        }
        let Some(workflow) = self.workflows.get(&(repo.to_owned(), file.to_owned())) else {
            return Reply::refusal(404, "Not Found");
        };
        let branch = body["ref"].as_str().unwrap_or_default().to_owned();
        if branch == "gone" {
            return Reply::refusal(422, "No ref found for: gone");
        }
        let inputs: BTreeMap<String, String> = body["inputs"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        let unknown: Vec<&String> = inputs
            .keys()
            .filter(|key| !workflow.inputs.contains(*key))
            .collect();
        if !unknown.is_empty() {
            return Reply::refusal(422, &format!("Unexpected inputs provided: {unknown:?}"));
        }
        let id = self.make(repo, file, &branch, inputs, actor);
        if !details || body["return_run_details"] != true {
            return Reply::Empty(204);
        }
        let host = &self.host;
        Reply::Json(
            200,
            json!({
                "workflow_run_id": id,
                "run_url": format!("http://{host}/api/v3/repos/{repo}/actions/runs/{id}"),
                "html_url": format!("http://{host}/{repo}/actions/runs/{id}"),
            }),
        )
    }

    fn make(
        &mut self,
        repo: &str,
        file: &str,
        branch: &str,
        inputs: BTreeMap<String, String>,
        actor: &str,
    ) -> u64 {
        let workflow = self.workflows.get(&(repo.to_owned(), file.to_owned()));
        let mut title = workflow
            .and_then(|it| it.run_name.clone())
            .unwrap_or_else(|| file.to_owned());
        for (name, value) in &inputs {
            title = title.replace(&format!("{{{name}}}"), value);
        }
        let id = 1_000 + u64::try_from(self.runs.len()).unwrap_or_default();
        let now = self.now();
        self.runs.push(FakeRun {
            id,
            repo: repo.into(),
            workflow: file.into(),
            branch: branch.into(),
            inputs,
            title,
            actor: actor.into(),
            status: "queued".into(),
            conclusion: None,
            created: now,
            updated: now,
        });
        id
    }

    fn list(&self, repo: &str, file: &str, request: &CiRequest) -> Reply {
        let asked = |name: &str| request.query.get(name).map(String::as_str);
        let number =
            |name: &str, or: usize| asked(name).and_then(|it| it.parse().ok()).unwrap_or(or);
        let since: Option<Timestamp> = asked("created")
            .and_then(|it| it.strip_prefix(">="))
            .and_then(|it| it.parse().ok());
        let found: Vec<&FakeRun> = self
            .runs
            .iter()
            .rev()
            .filter(|run| run.repo == repo && run.workflow == file)
            .filter(|run| asked("branch").is_none_or(|branch| run.branch == branch))
            .filter(|_| asked("event").is_none_or(|event| event == "workflow_dispatch"))
            .filter(|run| since.is_none_or(|since| run.created >= since))
            .collect();
        let size = number("per_page", 30).clamp(1, 100);
        let page: Vec<Value> = found
            .iter()
            .skip((number("page", 1) - 1) * size)
            .take(size)
            .map(|run| self.shown(run))
            .collect();
        Reply::Json(
            200,
            json!({"total_count": found.len(), "workflow_runs": page}),
        )
    }

    /// A run, with all that GitHub says of one.
    fn shown(&self, run: &FakeRun) -> Value {
        let host = &self.host;
        let url = format!(
            "http://{host}/api/v3/repos/{}/actions/runs/{}",
            run.repo, run.id
        );
        let sha = "7638417db6d59f3c431d3e1f261cc637155684cd";
        let mut out = json!({
            "id": run.id, "node_id": "WFR_1", "name": run.workflow, "display_title": run.title,
            "head_branch": run.branch, "head_sha": sha, "run_number": 1, "run_attempt": 1,
            "path": format!(".github/workflows/{}", run.workflow), "event": "workflow_dispatch",
            "status": run.status, "conclusion": run.conclusion, "workflow_id": 5, "url": url,
            "html_url": format!("http://{host}/{}/actions/runs/{}", run.repo, run.id),
            "created_at": run.created.to_string(), "updated_at": run.updated.to_string(),
            "run_started_at": run.created.to_string(),
            "actor": self.user(&run.actor, false), "triggering_actor": self.user(&run.actor, false),
            "head_commit": {"id": sha, "tree_id": sha, "message": "m", "timestamp": run.created.to_string(),
                "author": null, "committer": null},
            "repository": self.repository(&run.repo), "head_repository": self.repository(&run.repo),
            "pull_requests": [],
        });
        for name in [
            "jobs",
            "logs",
            "check_suite",
            "cancel",
            "rerun",
            "artifacts",
            "workflow",
        ] {
            out[format!("{name}_url")] = json!(format!("{url}/{name}"));
        }
        out
    }

    fn repository(&self, repo: &str) -> Value {
        let (owner, name) = repo.split_once('/').unwrap_or((repo, ""));
        let mut out = json!({"id": 1, "node_id": "R_1", "name": name, "full_name": repo,
            "owner": self.user(owner, false), "private": true, "fork": false, "description": null});
        for name in "html archive assignees blobs branches collaborators comments commits compare contents contributors deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels languages merges milestones notifications pulls releases stargazers statuses subscribers subscription tags teams trees".split(' ') {
            out[format!("{name}_url")] = json!(format!("http://{}/{repo}/{name}", self.host));
        }
        out["url"] = json!(format!("http://{}/api/v3/repos/{repo}", self.host));
        out
    }

    /// An account, as others see it or with all that is public.
    fn user(&self, login: &str, whole: bool) -> Value {
        let kind = if login.ends_with("[bot]") {
            "Bot"
        } else {
            "User"
        };
        let mut out = json!({"login": login, "id": 1, "node_id": "U_1", "gravatar_id": "",
            "type": kind, "site_admin": false});
        let place = format!(
            "http://{}/users/{}",
            self.host,
            login.replace(['[', ']'], "")
        );
        for name in "avatar events followers following gists html organizations received_events repos starred subscriptions".split(' ') {
            out[format!("{name}_url")] = json!(format!("{place}/{name}"));
        }
        out["url"] = json!(place);
        if let (true, Some(out)) = (whole, out.as_object_mut()) {
            let more: Map<String, Value> = [
                "bio", "blog", "company", "email", "hireable", "location", "name",
            ]
            .into_iter()
            .map(|name| (name.into(), Value::Null))
            .chain(
                ["followers", "following", "public_gists", "public_repos"]
                    .into_iter()
                    .map(|name| (name.into(), json!(0))),
            )
            .chain(
                ["created_at", "updated_at"]
                    .into_iter()
                    .map(|name| (name.into(), json!("2020-01-01T00:00:00Z"))),
            )
            .collect();
            out.extend(more);
        }
        out
    }

    fn app(&self) -> Value {
        json!({"id": APP, "slug": APP_SLUG, "node_id": "A_1", "owner": self.user("acme", false),
            "name": "Image Factory", "description": null, "external_url": "https://example.com",
            "html_url": "https://example.com", "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2020-01-01T00:00:00Z", "permissions": {"actions": "write"}, "events": []})
    }

    fn installation(&self, owner: &str) -> Value {
        let url = format!("http://{}/api/v3/app/installations/77", self.host);
        json!({"id": 77, "app_id": APP, "app_slug": APP_SLUG, "target_id": 1,
            "target_type": "Organization", "single_file_name": null, "repository_selection": "all",
            "access_tokens_url": format!("{url}/access_tokens"), "html_url": url,
            "repositories_url": url, "events": [], "account": self.user(owner, false),
            "permissions": {"actions": "write"}, "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2020-01-01T00:00:00Z", "suspended_by": null, "suspended_at": null})
    }

    /// A token that is good for one repository and one hour.
    fn issue(&mut self, request: &CiRequest) -> Reply {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let name = body["repositories"][0].as_str().unwrap_or_default();
        let token = format!("ghs_{}{}", TOKEN, self.issued.len());
        self.issued.insert(token.clone(), format!("acme/{name}"));
        let expires = self.now() + SignedDuration::from_hours(1);
        Reply::Json(
            201,
            json!({"token": token, "expires_at": expires.to_string(),
                "permissions": {"actions": "write", "metadata": "read"}}),
        )
    }
}

/// Whether a token is one that an app made for itself: in its name, for ten minutes at most.
fn is_app(token: &str) -> bool {
    let part = |number: usize| -> Option<Value> {
        let part = token.split('.').nth(number)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let (Some(header), Some(claims)) = (part(0), part(1)) else {
        return false;
    };
    let time = |name: &str| claims[name].as_i64().unwrap_or_default();
    header["alg"] == "RS256"
        && claims["iss"].to_string().trim_matches('"') == APP.to_string()
        && (1..=600).contains(&(time("exp") - time("iat")))
}
