//! GitLab: a pipeline is started with a trigger token or an access token, and followed with the
//! latter.

use imgfac_model::Source;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::correlate::{Candidate, choose, earliest};
use super::error::CiError;
use super::github::plain;
use super::settings::GitLabServer;
use super::talk::{Lost, Place, Talk, Told};
use super::{
    BuildRequest, Ci, Found, RunRef, RunState, RunStatus, number, page, payload, server_url,
};

/// Pipelines that a page of a list has, the most that GitLab gives.
const PAGE: usize = 100;
/// Pages that are read.
const PAGES: usize = 5;
/// Pipelines whose variables are asked for, one by one.
const ASKED: usize = 20;
/// The value of a variable may be so long, in bytes. Jobs have it in their environment, where Linux takes
/// 128 KiB for a variable with its name, and GitLab refuses more than this, unless its plan says otherwise.
const VARIABLE: usize = 120 << 10;
/// The variable with the identity of a rebuild.
const IDENTITY: &str = "IMGFAC_REBUILD";

/// The project of a source on a GitLab server.
#[derive(Debug)]
pub(super) struct GitLab<'s> {
    host: &'s str,
    server: &'s GitLabServer,
    repo: &'s str,
    /// The address of the server's interface.
    api: String,
    /// The address of the project below it.
    project: String,
}

#[derive(Deserialize)]
struct Pipeline {
    id: u64,
    web_url: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    id: u64,
    web_url: Option<String>,
    created_at: Timestamp,
    #[serde(rename = "ref")]
    branch: Option<String>,
    source: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Variable {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Progress {
    status: String,
    web_url: Option<String>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl<'s> GitLab<'s> {
    pub(super) fn new(
        host: &'s str,
        server: &'s GitLabServer,
        source: &'s Source,
    ) -> Result<Self, CiError> {
        let api = server.api.clone().unwrap_or_else(|| source.api());
        let api = server_url(&api)?;
        let api = api.as_str().trim_end_matches('/').to_owned();
        let repo = source.repo.as_str();
        Ok(Self {
            host,
            server,
            repo,
            project: format!(
                "{api}/projects/{}",
                utf8_percent_encode(repo, NON_ALPHANUMERIC)
            ),
            api,
        })
    }

    pub(super) fn no_token(host: &str) -> CiError {
        CiError::NoCredentials {
            host: host.into(),
            needed: "set GITLAB_TOKEN or a pipeline trigger token; GITLAB_HOST or CI_SERVER_URL says which server it is for",
        }
    }

    /// Whether it can start pipelines.
    pub(super) fn ready(&self) -> Result<(), CiError> {
        match (&self.server.trigger, &self.server.access) {
            (None, None) => Err(Self::no_token(self.host)),
            _ => Ok(()),
        }
    }

    pub(super) fn start(
        &self,
        ci: &Ci,
        request: &BuildRequest<'_>,
    ) -> Result<Option<RunRef>, CiError> {
        let branch = request.source.branch.as_str();
        let place = self.place(format!("pipeline of {} on {branch}", self.repo));
        let variables = payload::passed(
            request,
            ["IMGFAC_REASON", "IMGFAC_CAUSES", "IMGFAC_BASES", IDENTITY],
            &place,
            |variables| variables.values().all(|value| value.len() <= VARIABLE),
        )?;
        let (end, body) = match (&self.server.trigger, &self.server.access) {
            (Some(token), _) => (
                "trigger/pipeline",
                json!({"token": token.expose(), "ref": branch, "variables": variables}),
            ),
            (None, Some(_)) => {
                let variables: Vec<Value> = variables
                    .iter()
                    .map(|(key, value)| json!({"key": key, "value": value}))
                    .collect();
                ("pipeline", json!({"ref": branch, "variables": variables}))
            }
            (None, None) => return Err(Self::no_token(self.host)),
        };
        let url = format!("{}/{end}", self.project);
        let since = ci.talk.clock.now();
        let send = || {
            let http = &ci.talk.http;
            let request = http.post(&url).header(CONTENT_TYPE, "application/json");
            // A trigger token is in the body: no other is needed.
            let request = match self.server.trigger {
                Some(_) => Ok(request),
                None => self.authorised(request),
            };
            let request = request.map(|request| request.body(body.to_string()));
            async { send(request?).await }
        };
        let reason = match ci.talk.tell(&place, send) {
            Ok(answer) => match answer.json::<Pipeline>() {
                Ok(pipeline) => return Ok(Some(self.run(pipeline.id, pipeline.web_url))),
                Err(problem) => format!("its answer cannot be used, {problem}"),
            },
            Err(Told::No(error)) => return Err(error),
            Err(Told::Unclear(reason)) => reason,
        };
        ci.find_soon(request.source, || ci.find(request, since))
            .map(Some)
            .ok_or_else(|| place.unclear(reason))
    }

    pub(super) fn find(
        &self,
        ci: &Ci,
        request: &BuildRequest<'_>,
        since: Timestamp,
    ) -> Result<Found, CiError> {
        if self.server.access.is_none() {
            return Ok(Found::CannotTell);
        }
        let talk = &ci.talk;
        let branch = request.source.branch.as_str();
        let named = request.source.cause_inputs;
        let place = self.place(format!("pipelines of {}", self.repo));
        let (kind, user) = match self.server.trigger {
            Some(_) => ("trigger", None),
            None => ("api", Some(ci.gitlab_user(self.host, || self.user(talk))?)),
        };
        let mut candidates = Vec::new();
        for number in 1..=PAGES {
            let mut url = reqwest::Url::parse(&format!("{}/pipelines", self.project))
                .map_err(|_| place.unusable("its address is none"))?;
            let (number, size) = (number.to_string(), PAGE.to_string());
            let after = earliest(since).to_string();
            url.query_pairs_mut().extend_pairs([
                ("ref", branch),
                ("source", kind),
                // There is an older question for the time of the last change than for that of making.
                ("updated_after", &after),
                ("order_by", "id"),
                ("sort", "desc"),
                ("per_page", &size),
                ("page", &number),
            ]);
            if let Some(user) = &user {
                url.query_pairs_mut().append_pair("username", user);
            }
            let answer = talk.ask(&place, || self.get(talk, url.as_str()))?;
            let listed: Vec<Listed> = answer.json().map_err(|it| place.unusable(it))?;
            let last = listed.len() < PAGE;
            let ours = listed.into_iter().filter(|pipeline| {
                pipeline.branch.as_deref() == Some(branch)
                    && pipeline.source.as_deref().is_none_or(|it| it == kind)
                    && pipeline.created_at >= earliest(since)
            });
            candidates.extend(ours.map(|pipeline| Candidate {
                taken: ci.is_taken(request, &pipeline.id.to_string()),
                created: pipeline.created_at,
                titles: pipeline.name.into_iter().collect(),
                run: self.run(pipeline.id, pipeline.web_url),
            }));
            if last {
                if named {
                    self.ask_identities(talk, &mut candidates)?;
                }
                return Ok(choose(&candidates, request.identity, since, named));
            }
        }
        Ok(Found::CannotTell)
    }

    /// Gives pipelines the identity in their variables as a title. Where the token may not see them,
    /// time alone decides.
    fn ask_identities(&self, talk: &Talk, candidates: &mut [Candidate]) -> Result<(), CiError> {
        let free = candidates.iter_mut().filter(|it| !it.taken);
        for candidate in free.take(ASKED) {
            let id = &candidate.run.id;
            let place = self.place(format!("variables of pipeline {id} of {}", self.repo));
            let url = format!("{}/pipelines/{id}/variables", self.project);
            let answer = match talk.ask(&place, || self.get(talk, &url)) {
                Ok(answer) => answer,
                Err(CiError::Denied { status: 403, .. } | CiError::NotFound { .. }) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let variables: Vec<Variable> = answer.json().map_err(|it| place.unusable(it))?;
            let identity = variables.into_iter().find(|one| one.key == IDENTITY);
            candidate.titles.extend(identity.map(|one| one.value));
        }
        Ok(())
    }

    pub(super) fn look(
        &self,
        talk: &Talk,
        source: &Source,
        run: &RunRef,
    ) -> Result<RunState, CiError> {
        let number = number(run, source.repo.as_str())?;
        let what = format!("pipeline {number} of {}", self.repo);
        let place = self.place(what.clone());
        let url = format!("{}/pipelines/{number}", self.project);
        let answer = match talk.ask(&place, || self.get(talk, &url)) {
            Err(CiError::Denied { .. } | CiError::NotFound { .. })
                if self.server.access.is_none() =>
            {
                return Err(CiError::NotFollowed {
                    what,
                    problem: "a trigger token starts pipelines and cannot look at them",
                    remedy: "set GITLAB_TOKEN, an access token with the scope read_api",
                });
            }
            answer => answer?,
        };
        let progress: Progress = answer.json().map_err(|it| place.unusable(it))?;
        let mut ended = progress.finished_at;
        let status = match progress.status.as_str() {
            "created"
            | "waiting_for_resource"
            | "waiting_for_callback"
            | "preparing"
            | "pending"
            | "manual"
            | "scheduled" => RunStatus::Queued,
            "running" | "canceling" => RunStatus::Running,
            "success" => RunStatus::Succeeded,
            word if plain(word) => RunStatus::Failed {
                conclusion: word.to_owned(),
            },
            _ => return Err(place.unusable("it says no status")),
        };
        if matches!(status, RunStatus::Queued | RunStatus::Running) {
            // Of an attempt before.
            ended = None;
        }
        Ok(RunState {
            status,
            url: page(progress.web_url, Some(self.host)),
            started: progress.started_at,
            ended,
        })
    }

    /// Who the access token is of.
    fn user(&self, talk: &Talk) -> Result<String, CiError> {
        let place = self.place("account of the token".into());
        let url = format!("{}/user", self.api);
        let answer = talk.ask(&place, || self.get(talk, &url))?;
        let user: User = answer.json().map_err(|it| place.unusable(it))?;
        Ok(user.username)
    }

    fn place(&self, what: String) -> Place<'s> {
        let secrets = [&self.server.trigger, &self.server.access];
        Place {
            host: self.host,
            what,
            secrets: secrets.into_iter().flatten().cloned().collect(),
        }
    }

    fn run(&self, id: u64, url: Option<String>) -> RunRef {
        RunRef {
            id: id.to_string(),
            url: page(url, Some(self.host)),
        }
    }

    async fn get(&self, talk: &Talk, url: &str) -> Result<Response, Lost> {
        send(self.authorised(talk.http.request(Method::GET, url))?).await
    }

    fn authorised(&self, request: RequestBuilder) -> Result<RequestBuilder, Lost> {
        Ok(match &self.server.access {
            Some(token) => request.header("PRIVATE-TOKEN", secret_header(token.expose())?),
            None => request,
        })
    }
}

/// The value of a header that is a secret.
pub(super) fn secret_header(text: &str) -> Result<HeaderValue, Lost> {
    let mut header = HeaderValue::from_str(text).map_err(|_| Lost {
        before: true,
        hopeless: true,
        reason: "its token has characters that no token has".into(),
    })?;
    header.set_sensitive(true);
    Ok(header)
}

pub(super) async fn send(request: RequestBuilder) -> Result<Response, Lost> {
    request.send().await.map_err(|error| Lost::from(&error))
}
