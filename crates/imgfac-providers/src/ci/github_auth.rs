//! Who asks GitHub: a token, or an app that gets one for each repository.

use std::collections::BTreeMap;
use std::sync::Mutex;

use imgfac_model::Source;
use jiff::{SignedDuration, Timestamp};
use octocrab::auth::AppAuth;
use octocrab::models::AppId;
use octocrab::{AuthState, EncodingKey, Octocrab};
use serde::Deserialize;
use serde_json::json;

use super::error::CiError;
use super::github::{get, post};
use super::settings::{GitHubIdentity, check_token};
use super::talk::{Place, Talk};
use crate::credentials::Secret;
use crate::registry::lock;

/// A token of an installation is not used in its last minutes: it lives for an hour.
const RESERVE: SignedDuration = SignedDuration::from_mins(5);

/// Who asks.
#[derive(Debug)]
pub(super) enum Auth {
    Token(Box<Session>),
    App(Box<AppAuthority>),
}

/// An app.
#[derive(Debug)]
pub(super) struct AppAuthority {
    /// Asks as the app itself.
    app: Octocrab,
    /// Asks as nobody.
    nobody: Octocrab,
    installation: Option<u64>,
    /// The token of each repository, and how long it lives.
    tokens: Mutex<BTreeMap<String, (Session, Timestamp)>>,
}

/// A client with a token, and the token, which must not be repeated.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) client: Octocrab,
    pub(super) secret: Secret,
}

/// Who a run of ours is by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    Login(String),
    /// A token of a workflow or an installation: GitHub does not tell it whose it is.
    SomeBot,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct App {
    slug: String,
}

impl Auth {
    /// `client` makes a client for the server.
    pub(super) fn new(
        host: &str,
        identity: &GitHubIdentity,
        client: impl Fn(AuthState) -> Result<Octocrab, CiError>,
    ) -> Result<Self, CiError> {
        let nobody = client(AuthState::None)?;
        match identity {
            GitHubIdentity::Token(secret) => {
                Ok(Self::Token(Box::new(session(host, &nobody, secret)?)))
            }
            GitHubIdentity::App {
                id,
                key,
                installation,
            } => {
                // The words of the error could have a part of the key.
                let key = EncodingKey::from_rsa_pem(key.expose().as_bytes()).map_err(|_| {
                    CiError::Settings {
                        what: host.into(),
                        problem: "the private key of the GitHub App cannot be read".into(),
                        remedy: "IMGFAC_GITHUB_APP_PRIVATE_KEY has to be the RSA key in PEM that GitHub made",
                    }
                })?;
                let app_id = AppId(*id);
                Ok(Self::App(Box::new(AppAuthority {
                    app: client(AuthState::App(AppAuth { app_id, key }))?,
                    nobody,
                    installation: *installation,
                    tokens: Mutex::default(),
                })))
            }
        }
    }

    /// A client that may ask about the builds of a repository.
    pub(super) fn session(&self, talk: &Talk, source: &Source) -> Result<Session, CiError> {
        match self {
            Self::Token(session) => Ok(Session::clone(session)),
            Self::App(app) => app.session(talk, source),
        }
    }

    /// Who our runs are by.
    pub(super) fn actor(&self, talk: &Talk, host: &str) -> Result<Actor, CiError> {
        let place = Place {
            host,
            what: "account of the token".into(),
            secrets: Vec::new(),
        };
        match self {
            Self::Token(session) => {
                let Session { client, secret } = &**session;
                let place = Place {
                    secrets: vec![secret.clone()],
                    ..place
                };
                match talk.ask(&place, || get(client, "/user")) {
                    Ok(answer) => {
                        let user: User = answer.json().map_err(|it| place.unusable(it))?;
                        Ok(Actor::Login(user.login))
                    }
                    Err(CiError::Denied { status: 403, .. }) => Ok(Actor::SomeBot),
                    Err(error) => Err(error),
                }
            }
            Self::App(app) => {
                let answer = talk.ask(&place, || get(&app.app, "/app"))?;
                let app: App = answer.json().map_err(|it| place.unusable(it))?;
                Ok(Actor::Login(format!("{}[bot]", app.slug)))
            }
        }
    }
}

impl AppAuthority {
    /// A client with a token of the installation that can start the builds of one repository.
    fn session(&self, talk: &Talk, source: &Source) -> Result<Session, CiError> {
        let (host, repo) = (source.host(), source.repo.as_str());
        let now = talk.clock.now();
        let usable = |until: Timestamp| until.duration_since(now) > RESERVE;
        if let Some((session, until)) = lock(&self.tokens).get(repo)
            && usable(*until)
        {
            return Ok(session.clone());
        }
        let place = |what: String| Place {
            host,
            what,
            secrets: Vec::new(),
        };
        let installation = match self.installation {
            Some(id) => id,
            None => {
                let place = place(format!("installation of the GitHub App in {repo}"));
                let path = format!("/repos/{repo}/installation");
                let answer = talk.ask(&place, || get(&self.app, &path))?;
                let found: Installation = answer.json().map_err(|it| place.unusable(it))?;
                found.id
            }
        };
        let place = place(format!("token of the GitHub App for {repo}"));
        // No more than what it takes, whatever the app may do.
        let name = repo.rsplit('/').next().unwrap_or(repo);
        let wanted = json!({"repositories": [name], "permissions": {"actions": "write"}});
        let path = format!("/app/installations/{installation}/access_tokens");
        let answer = talk.ask(&place, || post(&self.app, &path, &wanted))?;
        let token: Token = answer.json().map_err(|it| place.unusable(it))?;
        let session = session(host, &self.nobody, &Secret::new(token.token))?;
        lock(&self.tokens).insert(repo.to_owned(), (session.clone(), token.expires_at));
        Ok(session)
    }
}

fn session(host: &str, nobody: &Octocrab, secret: &Secret) -> Result<Session, CiError> {
    check_token(host, secret)?;
    let client = nobody
        .user_access_token(secret.expose().to_owned())
        .map_err(|_| CiError::Settings {
            what: host.into(),
            problem: "its token cannot be used".into(),
            remedy: "is it right, without a line break?",
        })?;
    Ok(Session {
        client,
        secret: secret.clone(),
    })
}
