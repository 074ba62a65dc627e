//! GitHub: a workflow is dispatched, and its run looked for and followed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use imgfac_model::{Provider, Source, api_of};
use jiff::Timestamp;
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::service::middleware::extra_headers::ExtraHeadersLayer;
use octocrab::service::middleware::reqwest_connector::ReqwestConnector;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Body, Response};
use serde::{Deserialize, Serialize};

use super::correlate::{Candidate, choose, earliest};
use super::error::CiError;
use super::github_auth::{Actor, Auth, Session};
use super::settings::GitHubServer;
use super::talk::{Lost, Place, Talk, Told};
use super::{
    BuildRequest, Ci, Found, RunRef, RunState, RunStatus, number, page, payload, server_url,
};

/// Runs that a page of a list has, the most that GitHub gives.
const PAGE: usize = 100;
/// Pages that are read; GitHub gives no more than a thousand runs to a question with a time.
const PAGES: usize = 10;

/// All inputs together may be so long, in characters; as JSON they are longest.
///
/// <https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows#workflow_dispatch>
const INPUTS: usize = 65_535;

/// A GitHub server.
#[derive(Debug)]
pub(super) struct GitHub {
    auth: Auth,
    /// Who our runs are by, once that was asked.
    actor: Mutex<Option<Actor>>,
    /// Whether it takes `return_run_details`, as far as we know.
    details: AtomicBool,
}

/// The dispatch of a workflow.
#[derive(Serialize)]
struct Dispatch<'d> {
    #[serde(rename = "ref")]
    branch: &'d str,
    inputs: &'d std::collections::BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    return_run_details: bool,
}

#[derive(Deserialize)]
struct Dispatched {
    workflow_run_id: u64,
    html_url: Option<String>,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    html_url: Option<String>,
    created_at: Timestamp,
    event: String,
    head_branch: Option<String>,
    display_title: Option<String>,
    name: Option<String>,
    actor: Option<Person>,
}

#[derive(Deserialize)]
struct Person {
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Progress {
    id: u64,
    status: String,
    conclusion: Option<String>,
    html_url: Option<String>,
    run_started_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

impl GitHub {
    pub(super) fn new(host: &str, server: &GitHubServer, talk: &Talk) -> Result<Self, CiError> {
        let api = server
            .api
            .clone()
            .unwrap_or_else(|| api_of(Provider::GitHub, host));
        let url = server_url(&api)?;
        let api = url.as_str().trim_end_matches('/').to_owned();
        // The client has a task of its own.
        let _guard = talk.runtime.enter();
        let client = |auth: AuthState| {
            let wrong = || CiError::Settings {
                what: host.into(),
                problem: "no client can be made for it".into(),
                remedy: "is GITHUB_API_URL right?",
            };
            let accept = HeaderValue::from_static("application/vnd.github+json");
            // Only these layers: octocrab's own would send a dispatch again, and follow redirects.
            let builder = OctocrabBuilder::new_empty()
                .with_service(ReqwestConnector::new(talk.http.clone()))
                .with_layer(&BaseUriLayer::new(api.parse().map_err(|_| wrong())?))
                .with_layer(&ExtraHeadersLayer::new(Arc::new(vec![(ACCEPT, accept)])));
            builder.with_auth(auth).build().map_err(|_| wrong())
        };
        Ok(Self {
            auth: Auth::new(host, &server.identity, client)?,
            actor: Mutex::default(),
            details: AtomicBool::new(true),
        })
    }

    pub(super) fn start(
        &self,
        ci: &Ci,
        request: &BuildRequest<'_>,
    ) -> Result<Option<RunRef>, CiError> {
        let session = self.auth.session(&ci.talk, request.source)?;
        let place = workflow(request, &session);
        let inputs = payload::passed(
            request,
            [
                "imgfac_reason",
                "imgfac_causes",
                "imgfac_bases",
                "imgfac_rebuild",
            ],
            &place,
            |inputs| serde_json::to_string(inputs).is_ok_and(|text| text.len() <= INPUTS),
        )?;
        let since = ci.talk.clock.now();
        let path = format!("{}/dispatches", path_of(request));
        let dispatch = |details: bool| {
            let body = Dispatch {
                branch: request.source.branch.as_str(),
                inputs: &inputs,
                return_run_details: details,
            };
            let send = || post(&session.client, &path, &body);
            ci.talk.tell(&place, send)
        };
        let mut told = dispatch(self.details.load(Ordering::Relaxed));
        if let Err(Told::No(CiError::Refused { message, .. })) = &told
            && message.contains("return_run_details")
        {
            // A GitHub Enterprise server that does not know it yet. It did nothing.
            self.details.store(false, Ordering::Relaxed);
            told = dispatch(false);
        }
        let unclear = match told {
            Ok(answer) if answer.status == 204 => None,
            Ok(answer) => match answer.json::<Dispatched>() {
                Ok(run) => {
                    return Ok(Some(RunRef {
                        id: run.workflow_run_id.to_string(),
                        url: page(run.html_url, Some(place.host)),
                    }));
                }
                Err(problem) => Some(format!("its answer cannot be used, {problem}")),
            },
            Err(Told::No(error)) => return Err(error),
            Err(Told::Unclear(reason)) => Some(reason),
        };
        let find = || ci.find(request, since);
        match (ci.find_soon(request.source, find), unclear) {
            (Some(run), _) => Ok(Some(run)),
            (None, None) => Ok(None),
            (None, Some(reason)) => Err(place.unclear(reason)),
        }
    }

    pub(super) fn find(
        &self,
        ci: &Ci,
        request: &BuildRequest<'_>,
        since: Timestamp,
    ) -> Result<Found, CiError> {
        let session = self.auth.session(&ci.talk, request.source)?;
        let mut place = workflow(request, &session);
        place.what = format!("runs of {}", place.what);
        let source = request.source;
        let named = source.cause_inputs;
        let from = earliest(since).as_second();
        let from = Timestamp::from_second(from).unwrap_or(since);
        let mut candidates = Vec::new();
        let mut actor = None;
        for number in 1..=PAGES {
            let path = format!(
                "{}/runs?event=workflow_dispatch&branch={}&created=%3E%3D{from}&per_page={PAGE}&page={number}",
                path_of(request),
                source.branch,
            );
            let answer = ci.talk.ask(&place, || get(&session.client, &path))?;
            let runs: Runs = answer.json().map_err(|it| place.unusable(it))?;
            let last = runs.workflow_runs.len() < PAGE;
            for run in runs.workflow_runs {
                // Older servers do not know every question.
                let other = run.event != "workflow_dispatch"
                    || run.head_branch.as_deref() != Some(source.branch.as_str());
                if other {
                    continue;
                }
                let id = run.id.to_string();
                let mut candidate = Candidate {
                    taken: ci.is_taken(request, &id),
                    created: run.created_at,
                    titles: [run.display_title, run.name]
                        .into_iter()
                        .flatten()
                        .collect(),
                    run: RunRef {
                        id,
                        url: page(run.html_url, Some(place.host)),
                    },
                };
                if !(named && candidate.names(request.identity)) {
                    // Only now, since it may be needless.
                    if actor.is_none() {
                        actor = Some(self.actor(&ci.talk, place.host)?);
                    }
                    let by_us = match (&actor, &run.actor) {
                        (Some(Actor::Login(login)), Some(person)) => {
                            person.login.eq_ignore_ascii_case(login)
                        }
                        (_, Some(person)) => person.kind.as_deref() == Some("Bot"),
                        (_, None) => false,
                    };
                    candidate.taken |= !by_us;
                }
                candidates.push(candidate);
            }
            if last {
                return Ok(choose(&candidates, request.identity, since, named));
            }
        }
        match choose(&candidates, request.identity, since, named) {
            Found::Run(run) if named => Ok(Found::Run(run)),
            // There are more than we can see.
            _ => Ok(Found::CannotTell),
        }
    }

    pub(super) fn look(
        &self,
        talk: &Talk,
        source: &Source,
        run: &RunRef,
    ) -> Result<RunState, CiError> {
        let session = self.auth.session(talk, source)?;
        let number = number(run, source.repo.as_str())?;
        let place = Place {
            host: source.host(),
            what: format!("run {number} of {}", source.repo),
            secrets: vec![session.secret.clone()],
        };
        let path = format!("/repos/{}/actions/runs/{number}", source.repo);
        let answer = talk.ask(&place, || get(&session.client, &path))?;
        let progress: Progress = answer.json().map_err(|it| place.unusable(it))?;
        if progress.id.to_string() != number {
            return Err(place.unusable("it is about another run"));
        }
        let mut ended = None;
        let status = match progress.status.as_str() {
            "queued" | "requested" | "waiting" | "pending" => RunStatus::Queued,
            "completed" => {
                ended = progress.updated_at;
                match progress.conclusion {
                    Some(word) if word == "success" => RunStatus::Succeeded,
                    Some(word) if plain(&word) => RunStatus::Failed { conclusion: word },
                    _ => return Err(place.unusable("it says no conclusion")),
                }
            }
            _ => RunStatus::Running,
        };
        Ok(RunState {
            status,
            url: page(progress.html_url, Some(place.host)),
            started: progress.run_started_at,
            ended,
        })
    }

    fn actor(&self, talk: &Talk, host: &str) -> Result<Actor, CiError> {
        let mut known = self.actor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(actor) = &*known {
            return Ok(actor.clone());
        }
        let actor = self.auth.actor(talk, host)?;
        *known = Some(actor.clone());
        Ok(actor)
    }
}

/// Whether a word of a server is one: it goes into state.
pub(super) fn plain(word: &str) -> bool {
    (1..=40).contains(&word.len()) && word.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
}

fn workflow<'r>(request: &'r BuildRequest<'_>, session: &Session) -> Place<'r> {
    let source = request.source;
    Place {
        host: source.host(),
        what: format!(
            "workflow {} of {} on {}",
            source.workflow_of(request.image),
            source.repo,
            source.branch
        ),
        secrets: vec![session.secret.clone()],
    }
}

/// The path of the workflow. Names of repositories and workflows have no character that would mean
/// something else there.
fn path_of(request: &BuildRequest<'_>) -> String {
    let source = request.source;
    let workflow = source.workflow_of(request.image);
    format!("/repos/{}/actions/workflows/{workflow}", source.repo)
}

pub(super) async fn get(client: &Octocrab, path: &str) -> Result<Response, Lost> {
    let answer = client
        ._get(path)
        .await
        .map_err(|error| Lost::from(&error))?;
    Ok(answer.map(Body::wrap).into())
}

pub(super) async fn post<B: Serialize + ?Sized>(
    client: &Octocrab,
    path: &str,
    body: &B,
) -> Result<Response, Lost> {
    let answer = client
        ._post(path, Some(body))
        .await
        .map_err(|error| Lost::from(&error))?;
    Ok(answer.map(Body::wrap).into())
}
