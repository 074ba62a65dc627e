//! Requests to servers of builds: how long, how often, and what every answer means.
//!
//! There are two kinds. A question is asked until there is an answer or no hope. What starts a build
//! is sent again only when the server certainly did nothing: there was no connection, or it said that
//! it has had too many requests. Neither follows a redirect, so no token goes where one leads.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgfac_retry::{Budget, Retry};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Client, Response, redirect, retry};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use super::error::CiError;
use super::settings::CiSettings;
use crate::clock::Clock;
use crate::credentials::Secret;
use crate::registry::{chain, lock};
use crate::retry::retry_after;

/// An answer may be this long, in bytes: a hundred runs of GitHub are two million.
const LIMIT: usize = 8 << 20;
/// So many characters of a server's words are repeated.
const WORDS: usize = 300;
/// Why there is only a part of an answer.
const BROKE: &str = "the connection broke";
/// What GitHub asks for when it says nothing but that there were too many requests at once.
const SECONDARY: Duration = Duration::from_secs(60);
/// A host that did not answer, however often it was asked, is left alone for so long.
const DOWN: SignedDuration = SignedDuration::from_mins(5);
/// A clock that is further away than this is none: one of the two is held still.
const CLOCKS: SignedDuration = SignedDuration::from_hours(12);

/// The client of HTTP with its thread's runtime, and what is known of each host.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) runtime: Runtime,
    pub(super) http: Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) retry: Retry,
    hosts: Mutex<BTreeMap<String, Host>>,
}

#[derive(Debug)]
struct Host {
    waits: Arc<Budget>,
    /// Why it is not asked, and until when.
    closed: Option<(Timestamp, CiError)>,
    /// How far its clock is before ours, as its first answer said.
    ahead: Option<SignedDuration>,
}

/// Who is asked, and what for, as errors say it.
#[derive(Clone, Debug)]
pub(super) struct Place<'p> {
    pub(super) host: &'p str,
    pub(super) what: String,
    /// What must not be repeated when the server does.
    pub(super) secrets: Vec<Secret>,
}

/// An answer with a good status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The content, or why there is none.
    pub(super) body: Result<Vec<u8>, &'static str>,
}

/// There is no answer.
#[derive(Debug)]
pub(super) struct Lost {
    /// Whether the server never saw the request.
    pub(super) before: bool,
    /// Whether it would be the same the next time.
    pub(super) hopeless: bool,
    pub(super) reason: String,
}

/// What became of a request that starts a build.
#[derive(Debug)]
pub(super) enum Told {
    /// Nothing was done.
    No(CiError),
    /// Nobody knows, for this reason.
    Unclear(String),
}

enum Failure {
    Final(CiError),
    Again {
        after: Option<Duration>,
        error: CiError,
    },
    /// The server may have done it.
    Ambiguous {
        after: Option<Duration>,
        error: CiError,
        reason: String,
    },
}

impl Talk {
    pub(super) fn new(settings: &CiSettings) -> Result<Self, CiError> {
        let wrong = |problem: String| CiError::Settings {
            what: "any server of builds".into(),
            problem,
            remedy: "are SSL_CERT_FILE and HTTPS_PROXY right?",
        };
        let http = Client::builder()
            .user_agent(&settings.user_agent)
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout.min(Duration::from_secs(10)))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            // Shorter than servers keep connections, so that a request hardly meets one that ends.
            .pool_idle_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| wrong(format!("no client can be made: {}", chain(&error))))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            runtime,
            http,
            clock: Arc::clone(&settings.clock),
            retry: settings.retry,
            hosts: Mutex::default(),
        })
    }

    /// Asks a question until there is an answer or no hope.
    pub(super) fn ask<F: Future<Output = Result<Response, Lost>>>(
        &self,
        place: &Place<'_>,
        send: impl Fn() -> F,
    ) -> Result<Answer, CiError> {
        let once = || match self.once(place, send()) {
            Err(Failure::Ambiguous { after, error, .. }) => Err(Failure::Again { after, error }),
            Ok(Answer {
                body: Err(BROKE), ..
            }) => Err(Failure::Again {
                after: None,
                error: CiError::Unreachable {
                    host: place.host.into(),
                    reason: BROKE.into(),
                },
            }),
            other => other,
        };
        match self.repeat(place, once) {
            Ok(answer) => Ok(answer),
            Err(Told::No(error)) => Err(error),
            // Only what starts a build is unclear.
            Err(Told::Unclear(reason)) => Err(CiError::Unreachable {
                host: place.host.into(),
                reason,
            }),
        }
    }

    /// Sends what starts a build, which reaches the server once at most.
    pub(super) fn tell<F: Future<Output = Result<Response, Lost>>>(
        &self,
        place: &Place<'_>,
        send: impl Fn() -> F,
    ) -> Result<Answer, Told> {
        self.repeat(place, || self.once(place, send()))
    }

    fn repeat(
        &self,
        place: &Place<'_>,
        once: impl Fn() -> Result<Answer, Failure>,
    ) -> Result<Answer, Told> {
        if let Some(why) = self.closed(place.host) {
            return Err(Told::No(why));
        }
        let mut waits = self.retry.waits();
        loop {
            let (after, error) = match once() {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(Told::No(error)),
                Err(Failure::Ambiguous { reason, .. }) => return Err(Told::Unclear(reason)),
                Err(Failure::Again { after, error }) => (after, error),
            };
            // What the server asks for is the least.
            let wait = waits
                .next()
                .map(|wait| after.map_or(wait, |after| after.max(wait)));
            if !wait.is_some_and(|wait| self.pause(place.host, wait)) {
                let until = match error {
                    CiError::Limited { until, .. } => until,
                    CiError::Unreachable { .. } => self.clock.now().checked_add(DOWN).ok(),
                    _ => None,
                };
                if let Some(until) = until {
                    self.host(place.host, |host| {
                        host.closed = Some((until, error.clone()))
                    });
                }
                return Err(Told::No(error));
            }
            tracing::info!(host = place.host, %error, "asking again");
        }
    }

    /// Waits, if that is within the budget of the host.
    pub(super) fn pause(&self, host: &str, wait: Duration) -> bool {
        let waits = self.host(host, |host| Arc::clone(&host.waits));
        let may = waits.spend(wait);
        if may {
            self.clock.sleep(wait);
        }
        may
    }

    fn host<T>(&self, name: &str, look: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts = lock(&self.hosts);
        let host = hosts.entry(name.to_lowercase()).or_insert_with(|| Host {
            waits: Arc::new(Budget::new(&self.retry)),
            closed: None,
            ahead: None,
        });
        look(host)
    }

    fn closed(&self, name: &str) -> Option<CiError> {
        let now = self.clock.now();
        self.host(name, |host| match &host.closed {
            Some((until, why)) if *until > now => Some(why.clone()),
            _ => None,
        })
    }

    /// A time of ours by the clock of a host, as far as that is known.
    pub(super) fn there(&self, name: &str, time: Timestamp) -> Timestamp {
        let ahead = self.host(name, |host| host.ahead).unwrap_or_default();
        time.checked_add(ahead).unwrap_or(time)
    }

    /// Learns from an answer how far the clock of a host is before ours.
    fn see_clock(&self, name: &str, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|value| value.to_str().ok());
        let Some(there) = date.and_then(|date| rfc2822::parse(date).ok()) else {
            return;
        };
        let ahead = there.timestamp().duration_since(self.clock.now());
        if ahead.abs() <= CLOCKS {
            self.host(name, |host| *host.ahead.get_or_insert(ahead));
        }
    }

    fn once(
        &self,
        place: &Place<'_>,
        send: impl Future<Output = Result<Response, Lost>>,
    ) -> Result<Answer, Failure> {
        let answer = self
            .runtime
            .block_on(async { Ok(read(send.await?).await) })
            .map_err(|lost: Lost| {
                let error = CiError::Unreachable {
                    host: place.host.into(),
                    reason: lost.reason.clone(),
                };
                match (lost.hopeless, lost.before) {
                    (true, _) => Failure::Final(error),
                    (_, true) => Failure::Again { after: None, error },
                    (_, false) => Failure::Ambiguous {
                        after: None,
                        error,
                        reason: format!("the answer got lost ({})", lost.reason),
                    },
                }
            })?;
        self.see_clock(place.host, &answer.headers);
        self.judge(place, answer)
    }

    /// What an answer means.
    fn judge(&self, place: &Place<'_>, answer: Answer) -> Result<Answer, Failure> {
        let host = place.host.to_owned();
        let what = place.what.clone();
        let status = answer.status;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let message = words(answer.body.as_deref().unwrap_or_default(), &place.secrets);
        let after = self.asked_wait(&answer.headers);
        let limited = match status {
            429 => Some(after),
            403 if after.is_some() => Some(after),
            403 if message.to_lowercase().contains("rate limit") => Some(Some(SECONDARY)),
            _ => None,
        };
        if let Some(after) = limited {
            let until = after
                .and_then(|after| SignedDuration::try_from(after).ok())
                .and_then(|after| self.clock.now().checked_add(after).ok());
            let error = CiError::Limited { host, until };
            return Err(Failure::Again { after, error });
        }
        let error = match status {
            300..=399 => CiError::Moved { host, what, status },
            401 | 403 => CiError::Denied {
                host,
                what,
                status,
                message,
            },
            404 => CiError::NotFound {
                host,
                what,
                message,
            },
            // A proxy that waited for the server says 408, too.
            408 | 500.. => CiError::Broken { host, what, status },
            _ => CiError::Refused {
                host,
                what,
                status,
                message,
            },
        };
        Err(match status {
            408 | 500.. => Failure::Ambiguous {
                after,
                error,
                reason: format!("it answered {status}"),
            },
            _ => Failure::Final(error),
        })
    }

    /// How long a server asks to wait: `Retry-After`, or the time when its limit starts anew.
    fn asked_wait(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let now = self.clock.now();
        if let Some(after) = text("retry-after").and_then(|header| retry_after(header, now)) {
            return Some(after);
        }
        // GitHub's names and GitLab's.
        ["x-ratelimit", "ratelimit"].into_iter().find_map(|name| {
            if text(&format!("{name}-remaining"))?.trim() != "0" {
                return None;
            }
            let reset: i64 = text(&format!("{name}-reset"))?.trim().parse().ok()?;
            let seconds = reset.saturating_sub(now.as_second()).saturating_add(1);
            Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
        })
    }
}

/// Reads an answer to its end, if that comes soon enough.
async fn read(mut answer: Response) -> Answer {
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let mut bytes = Vec::new();
    let body = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > LIMIT => break Err("it is too long"),
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break Ok(bytes),
            Err(_) => break Err(BROKE),
        }
    };
    Answer {
        status,
        headers,
        body,
    }
}

impl Answer {
    /// What the answer says.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        let body = self
            .body
            .as_ref()
            .map_err(|problem| (*problem).to_owned())?;
        serde_json::from_slice(body).map_err(|error| {
            // Not the words of serde, which repeat the answer.
            format!(
                "it is not what was expected: line {}, column {}",
                error.line(),
                error.column()
            )
        })
    }
}

impl Place<'_> {
    pub(super) fn unusable(&self, problem: impl Into<String>) -> CiError {
        CiError::Unusable {
            host: self.host.into(),
            what: self.what.clone(),
            problem: problem.into(),
        }
    }

    pub(super) fn unclear(&self, reason: String) -> CiError {
        CiError::Unclear {
            host: self.host.into(),
            what: self.what.clone(),
            reason,
        }
    }
}

impl Lost {
    /// From any error that has one of `reqwest` in it.
    pub(super) fn from(error: &(dyn Error + 'static)) -> Self {
        let mut at = Some(error);
        while let Some(error) = at {
            if let Some(error) = error.downcast_ref::<reqwest::Error>() {
                let reason = chain(error);
                // A certificate that is not trusted now will not be trusted in a second.
                let hopeless =
                    error.is_builder() || (error.is_connect() && reason.contains("certificate"));
                return Self {
                    before: error.is_connect() || error.is_builder(),
                    hopeless,
                    reason,
                };
            }
            at = error.source();
        }
        Self {
            before: false,
            hopeless: false,
            reason: "the request failed".into(),
        }
    }
}

/// The words of a server in an answer of JSON, shortened, without what it repeats of our secrets.
fn words(body: &[u8], secrets: &[Secret]) -> String {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else {
        return String::new();
    };
    let said = ["message", "error_description", "error"]
        .into_iter()
        .find_map(|key| answer.get(key).filter(|value| !value.is_null()));
    let mut text = match said {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    for secret in secrets {
        if !secret.expose().is_empty() {
            text = text.replace(secret.expose(), "…");
        }
    }
    if let Some((at, _)) = text.char_indices().nth(WORDS) {
        text.truncate(at);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_server_are_short_and_have_no_secret() {
        let secret = Secret::new("hunter2");
        let check = |body: &str, expected: &str| {
            assert_eq!(
                words(body.as_bytes(), std::slice::from_ref(&secret)),
                expected,
                "{body}"
            );
        };
        check(
            r#"{"message": "No ref found for: main"}"#,
            "No ref found for: main",
        );
        check(
            r#"{"message": {"base": ["Reference not found"]}}"#,
            r#"{"base":["Reference not found"]}"#,
        );
        check(
            r#"{"error": "invalid_token", "error_description": "Token hunter2 is gone"}"#,
            "Token … is gone",
        );
        check(
            r#"{"message": null, "error": "404 Not Found"}"#,
            "404 Not Found",
        );
        for nothing in ["", "<html>hunter2", "[]", "{}", "null", "\"x\""] {
            check(nothing, "");
        }
        let long = format!(r#"{{"message": "{}"}}"#, "ü".repeat(1000));
        assert_eq!(words(long.as_bytes(), &[]).chars().count(), WORDS + 1);
    }
}
