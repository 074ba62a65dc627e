//! Builds: starting them at GitHub, GitLab or a webhook, once, and following them to their end.
//!
//! [`Ci`] sends what the steps of a cluster send, so a build cannot tell who asked. A request that
//! starts a build is sent once: what cannot be told from its answer is looked for among the runs that
//! the server has ([`Ci::find`]), which also answers the question after a crash.

mod correlate;
mod error;
mod github;
mod github_auth;
mod gitlab;
mod payload;
mod settings;
mod talk;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Mutex;

use imgfac_model::{Digest, ImageName, Provider, Reference, Source};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

use self::github::GitHub;
use self::gitlab::GitLab;
use self::talk::Talk;
use crate::registry::{host_of, lock};

pub use self::{
    error::CiError,
    settings::{CiSettings, GitHubIdentity, GitHubServer, GitLabServer},
};

/// What a build is asked for.
#[derive(Clone, Copy, Debug)]
pub struct BuildRequest<'r> {
    /// The image.
    pub image: &'r ImageName,
    /// Who builds it, from what.
    pub source: &'r Source,
    /// The identity of the rebuild, 64 hexadecimal digits: sent as `imgfac_rebuild`, and the same for
    /// every attempt at it.
    pub identity: &'r str,
    /// What tells this attempt from others at the same rebuild: a webhook that has seen it may drop
    /// the request.
    pub attempt: &'r str,
    /// `base-update`, `emergency`, `manual` or `retry`.
    pub reason: &'r str,
    /// The updates that it carries.
    pub causes: &'r [CauseOfBuild],
    /// What the bases are now.
    pub bases: &'r BTreeMap<Reference, Digest>,
}

/// An update of a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseOfBuild {
    /// The base.
    pub base: Reference,
    /// What the image was built on, if it is known.
    pub from: Option<Digest>,
    /// What the tag points at now.
    pub to: Digest,
    /// When the update was first seen.
    pub first_seen: Timestamp,
}

/// A run of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRef {
    /// The number of a workflow run or pipeline; of a webhook what its reply says, and a path if that
    /// can be followed.
    pub id: String,
    /// Its page, for people.
    pub url: Option<String>,
}

/// Whether a request reached its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This is the run.
    Run(RunRef),
    /// No run can be it. A server may take some seconds to list one.
    Absent,
    /// Nobody can say.
    CannotTell,
}

/// How a run is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    /// In one word.
    pub status: RunStatus,
    /// Its page, for people.
    pub url: Option<String>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// How a run is doing, in one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It waits for a machine, an approval or a person.
    Queued,
    /// It works.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended otherwise.
    Failed {
        /// The provider's word, such as `failure`, `cancelled`, `timed_out` or `skipped`.
        conclusion: String,
    },
}

/// The servers that build images.
#[derive(Debug)]
pub struct Ci {
    talk: Talk,
    settings: CiSettings,
    github: BTreeMap<String, GitHub>,
    /// Who the access token of each GitLab is of, once that was asked.
    gitlab_users: Mutex<BTreeMap<String, String>>,
    /// The runs that are somebody's: those that were found or made here with the identities that they
    /// are for, and those that were recorded before, which no request to come is for.
    runs: Mutex<BTreeMap<String, Option<String>>>,
}

impl Ci {
    /// Servers by the tokens for them. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// When an address, a token or a key is none.
    pub fn new(settings: CiSettings) -> Result<Self, CiError> {
        settings.check()?;
        let talk = Talk::new(&settings)?;
        let mut github = BTreeMap::new();
        for (host, server) in &settings.github {
            let server = GitHub::new(host, server, &talk)?;
            github.insert(host.to_lowercase(), server);
        }
        Ok(Self {
            talk,
            settings,
            github,
            gitlab_users: Mutex::default(),
            runs: Mutex::default(),
        })
    }

    /// Whether there is what it takes to ask for the builds of a source, as far as that is known without
    /// asking anybody.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn ready(&self, source: &Source) -> Result<(), CiError> {
        match source.provider {
            Provider::GitHub => self.github(source).map(drop),
            Provider::GitLab => self.gitlab(source)?.ready(),
            Provider::Webhook => Ok(()),
        }
    }

    /// Asks for a build. `None`: it was accepted, and its run is not known yet.
    ///
    /// The request reaches the server once at most. When its answer gets lost, the runs of the server
    /// are looked through; what is unclear even then is an error that says so
    /// ([`CiError::may_have_started`]).
    ///
    /// # Errors
    ///
    /// When it was not accepted, or nobody knows.
    pub fn start(&self, request: &BuildRequest<'_>) -> Result<Option<RunRef>, CiError> {
        let run = match request.source.provider {
            Provider::GitHub => self.github(request.source)?.start(self, request),
            Provider::GitLab => self.gitlab(request.source)?.start(self, request),
            Provider::Webhook => webhook::start(&self.talk, &self.settings, request),
        }?;
        if let Some(run) = &run {
            self.remember(request, run);
        }
        Ok(run)
    }

    /// Looks for the run of a request that was, or was to be, sent at `since`.
    ///
    /// # Errors
    ///
    /// When the server cannot be asked.
    pub fn find(&self, request: &BuildRequest<'_>, since: Timestamp) -> Result<Found, CiError> {
        let find = |since: Timestamp| match request.source.provider {
            Provider::GitHub => self.github(request.source)?.find(self, request, since),
            Provider::GitLab => self.gitlab(request.source)?.find(self, request, since),
            Provider::Webhook => Ok(Found::CannotTell),
        };
        let there = || self.talk.there(request.source.host(), since);
        let assumed = there();
        let mut found = find(assumed)?;
        // The first answer of a host tells what its clock says.
        let told = there();
        if told.duration_since(assumed).abs() > SignedDuration::from_secs(30) {
            found = find(told)?;
        }
        if let Found::Run(run) = &found {
            self.remember(request, run);
        }
        Ok(found)
    }

    /// Looks how a run is doing.
    ///
    /// # Errors
    ///
    /// When the server cannot be asked; [`CiError::NotFollowed`] when nobody ever can say.
    pub fn look(&self, source: &Source, run: &RunRef) -> Result<RunState, CiError> {
        match source.provider {
            Provider::GitHub => self.github(source)?.look(&self.talk, source, run),
            Provider::GitLab => self.gitlab(source)?.look(&self.talk, source, run),
            Provider::Webhook => webhook::look(&self.talk, &self.settings, source, run),
        }
    }

    fn github(&self, source: &Source) -> Result<&GitHub, CiError> {
        let host = source.host();
        let known = self.github.get(&host.to_lowercase());
        known.ok_or_else(|| CiError::NoCredentials {
            host: host.into(),
            needed: "set GITHUB_TOKEN, or a GitHub App; GH_HOST or GITHUB_SERVER_URL says which server it is for",
        })
    }

    fn gitlab<'s>(&'s self, source: &'s Source) -> Result<GitLab<'s>, CiError> {
        let host = source.host();
        let known = self
            .settings
            .gitlab
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(host));
        let Some((_, server)) = known else {
            return Err(GitLab::no_token(host));
        };
        GitLab::new(host, server, source)
    }

    /// Looks for a run that a server has just been asked for, until it lists it.
    fn find_soon(
        &self,
        source: &Source,
        find: impl Fn() -> Result<Found, CiError>,
    ) -> Option<RunRef> {
        let mut waits = self.talk.retry.waits();
        loop {
            match find() {
                Ok(Found::Run(run)) => return Some(run),
                Ok(Found::Absent) => {}
                Ok(Found::CannotTell) => return None,
                Err(error) => {
                    tracing::info!(%error, "cannot look for the run");
                    return None;
                }
            }
            if !self.talk.pause(source.host(), waits.next()?) {
                return None;
            }
        }
    }

    /// Who the access token of a GitLab is of; `ask` asks for it.
    fn gitlab_user(
        &self,
        host: &str,
        ask: impl FnOnce() -> Result<String, CiError>,
    ) -> Result<String, CiError> {
        let mut known = lock(&self.gitlab_users);
        if let Some(user) = known.get(host) {
            return Ok(user.clone());
        }
        let user = ask()?;
        known.insert(host.to_owned(), user.clone());
        Ok(user)
    }

    /// A run is recorded as that of an attempt at a rebuild, which may have ended: it is not taken for
    /// another attempt, not even at the same rebuild.
    pub fn know(&self, source: &Source, run: &str) {
        lock(&self.runs).insert(key(source, run), None);
    }

    fn remember(&self, request: &BuildRequest<'_>, run: &RunRef) {
        let identity = request.identity.to_owned();
        lock(&self.runs).insert(key(request.source, &run.id), Some(identity));
    }

    /// Whether a run is known to be that of another request.
    fn is_taken(&self, request: &BuildRequest<'_>, id: &str) -> bool {
        lock(&self.runs)
            .get(&key(request.source, id))
            .is_some_and(|identity| identity.as_deref() != Some(request.identity))
    }
}

fn key(source: &Source, id: &str) -> String {
    format!("{}/{} {id}", source.host(), source.repo).to_lowercase()
}

/// An address where a server may be asked: with a scheme that we speak, and without a password.
fn server_url(text: &str) -> Result<Url, CiError> {
    let wrong = |problem: String| CiError::Settings {
        what: imgfac_model::mask_passwords(text),
        problem,
        remedy: "it has to be like https://host/path, without a password; GITHUB_API_URL and CI_API_V4_URL set those of GitHub and GitLab",
    };
    let url = Url::parse(text).map_err(|error| wrong(format!("this is no address: {error}")))?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    match matches!(url.scheme(), "http" | "https") && url.has_host() && plain {
        true => Ok(url),
        false => Err(wrong("this is no address of a server".into())),
    }
}

/// The page of a run, if it can be one: of bounded length, and, where it is known, on this host.
fn page(text: Option<String>, host: Option<&str>) -> Option<String> {
    let text = text.filter(|text| text.len() <= 2_048)?;
    let url = Url::parse(&text).ok()?;
    let good = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && host.is_none_or(|host| host_of(&url).eq_ignore_ascii_case(host));
    // As it was understood, so that nobody understands it otherwise.
    good.then(|| url.to_string())
}

/// The number of a run, checked before it becomes a part of an address.
fn number<'r>(run: &'r RunRef, what: &str) -> Result<&'r str, CiError> {
    let good = (1..=20).contains(&run.id.len()) && run.id.bytes().all(|c| c.is_ascii_digit());
    good.then_some(run.id.as_str())
        .ok_or_else(|| CiError::Settings {
            what: what.into(),
            problem: "the identifier of a run is no number".into(),
            remedy: "was the provider of the image changed meanwhile? The run cannot be followed",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_runs_are_checked() {
        let check = |text: &str, host: Option<&str>, good: bool| {
            assert_eq!(page(Some(text.into()), host).is_some(), good, "{text}");
        };
        check(
            "https://github.com/a/b/actions/runs/1",
            Some("GitHub.com"),
            true,
        );
        check("https://evil.example.com/a", Some("github.com"), false);
        check("https://evil.example.com/a", None, true);
        check("javascript:alert(1)", None, false);
        check("file:///etc/passwd", None, false);
        check("https://ada:hunter2@github.com/", Some("github.com"), false);
        check("/relative", None, false);
        check(
            &format!("https://github.com/{}", "a".repeat(3000)),
            None,
            false,
        );
        assert_eq!(
            page(Some("https://x/\u{1b}[2J\u{202e}".into()), None).as_deref(),
            Some("https://x/%1B[2J%E2%80%AE")
        );
    }

    #[test]
    fn addresses_of_servers_are_checked() {
        for good in ["https://api.github.com", "http://127.0.0.1:80/api/v4/"] {
            assert!(server_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "api.github.com",
            "ftp://x",
            "https://u:p@x",
            "https://x/?a=b",
            "file:///",
        ] {
            let error = server_url(bad).unwrap_err();
            assert!(!error.to_string().contains("u:p"), "{error}");
        }
    }
}
