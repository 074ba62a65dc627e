//! Requests to a registry, their repetitions, and what the answers mean.

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use imgfac_model::{Digest, Tag};
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};

use crate::challenge::challenge;
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::manifest::ACCEPTED;
use crate::registry::{Registry, chain, lock};
use crate::retry;

/// An answer has this long to come as a whole.
const WHOLE: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'w> {
    Tag(&'w Tag),
    Digest(&'w Digest),
    Blob(&'w Digest),
    /// A page of the list of tags, by its query.
    Tags(&'w str),
}

impl What<'_> {
    fn path(self) -> String {
        match self {
            Self::Tag(tag) => format!("manifests/{tag}"),
            Self::Digest(digest) => format!("manifests/{}", digest.as_str()),
            Self::Blob(digest) => format!("blobs/{}", digest.as_str()),
            Self::Tags(query) => format!("tags/list?{query}"),
        }
    }
}

impl std::fmt::Display for What<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Digest(digest) | Self::Blob(digest) => f.write_str(digest.as_str()),
            Self::Tags(_) => f.write_str("tags"),
        }
    }
}

/// Why one attempt came to nothing.
pub(crate) enum Failure {
    /// It would come to nothing again.
    Final(RegistryError),
    /// It may go well the next time.
    Again {
        after: Option<Duration>,
        error: RegistryError,
    },
}

impl Registry {
    /// Asks until there is an answer or no hope.
    pub(crate) fn ask(
        &self,
        method: Method,
        repository: &str,
        what: What<'_>,
        known: Option<&Digest>,
    ) -> Result<Response, RegistryError> {
        if let Some(error) = lock(&self.closed).clone() {
            return Err(error);
        }
        let mut waits = self.options.retry.waits();
        loop {
            let attempt = self.attempt(&method, repository, what, known);
            let (after, error) = match attempt {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(self.give_up(error)),
                Err(Failure::Again { after, error }) => (after, error),
            };
            // What the registry asks for is the least.
            let wait = waits
                .next()
                .map(|wait| after.map_or(wait, |after| after.max(wait)));
            let Some(wait) = wait.filter(|wait| self.waits.spend(*wait)) else {
                return Err(self.give_up(error));
            };
            tracing::info!(registry = self.host, %error, wait = wait.as_millis(), "asking again");
            self.options.clock.sleep(wait);
        }
    }

    fn give_up(&self, error: RegistryError) -> RegistryError {
        if error.ends_it() {
            lock(&self.closed).get_or_insert_with(|| error.clone());
        }
        error
    }

    pub(crate) fn attempt(
        &self,
        method: &Method,
        repository: &str,
        what: What<'_>,
        known: Option<&Digest>,
    ) -> Result<Response, Failure> {
        let Ok(url) = self.base.join(&format!("{repository}/{}", what.path())) else {
            return Err(Failure::Final(self.unusable(
                repository,
                what,
                "its name is no address",
            )));
        };
        let request = || {
            let request = self.http.request(method.clone(), url.clone());
            let request = request.header(
                ACCEPT,
                match what {
                    What::Blob(_) => "*/*",
                    What::Tags(_) => "application/json",
                    What::Tag(_) | What::Digest(_) => ACCEPTED,
                },
            );
            match known {
                Some(known) => request.header(IF_NONE_MATCH, format!("\"{}\"", known.as_str())),
                None => request,
            }
        };
        let login = lock(&self.logins).get(repository).cloned();
        let answer = self.send(with(request(), login), repository, what)?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return self.judge(answer, repository, what);
        }
        // The first time, or a token that is too old.
        let headers = answer.headers().get_all(reqwest::header::WWW_AUTHENTICATE);
        let Some(challenge) = challenge(headers.iter().filter_map(|one| one.to_str().ok())) else {
            return self.judge(answer, repository, what);
        };
        // The connection can be used again once the answer is gone.
        drop(answer);
        let login = self
            .login(&challenge, repository, what)?
            .ok_or_else(|| Failure::Final(self.denied(repository, 401, None)))?;
        lock(&self.logins).insert(repository.to_owned(), login.clone());
        let answer = self.send(with(request(), Some(login)), repository, what)?;
        self.judge(answer, repository, what)
    }

    /// What an answer means.
    pub(crate) fn judge(
        &self,
        answer: Response,
        repository: &str,
        what: What<'_>,
    ) -> Result<Response, Failure> {
        let headers = answer.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if text("ratelimit-remaining").and_then(retry::remaining) == Some(0) {
            self.downloads.store(0, Ordering::Relaxed);
        }
        let after = text("retry-after")
            .and_then(|header| retry::retry_after(header, self.options.clock.now()));
        let status = answer.status().as_u16();
        let registry = self.host.clone();
        let repository = repository.to_owned();
        match status {
            200 | 304 => Ok(answer),
            401 | 403 => {
                let code = code(answer);
                Err(Failure::Final(self.denied(&repository, status, code)))
            }
            404 => Err(Failure::Final(RegistryError::NotFound {
                registry,
                repository,
                what: what.to_string(),
            })),
            429 => Err(Failure::Again {
                after,
                error: RegistryError::Limited {
                    registry,
                    wait: after,
                },
            }),
            _ => {
                let error = RegistryError::Refused {
                    registry,
                    repository,
                    what: what.to_string(),
                    status,
                    code: code(answer),
                };
                match status {
                    500 | 502..=504 => Err(Failure::Again { after, error }),
                    _ => Err(Failure::Final(error)),
                }
            }
        }
    }

    /// Sends a request.
    pub(crate) fn send(
        &self,
        request: RequestBuilder,
        repository: &str,
        what: What<'_>,
    ) -> Result<Response, Failure> {
        request.send().map_err(|error| {
            if error.is_redirect() {
                return Failure::Final(match plain(&error) {
                    Some(host) => RegistryError::PlainHttp {
                        registry: self.host.clone(),
                        host,
                    },
                    None => self.unusable(repository, what, "it leads in a circle, or too far"),
                });
            }
            let reason = chain(&error);
            // A certificate that is not trusted now will not be trusted in a second.
            let hopeless = reason.contains("certificate") || error.is_builder();
            let error = RegistryError::Unreachable {
                registry: self.host.clone(),
                reason,
            };
            match hopeless {
                true => Failure::Final(error),
                false => Failure::Again { after: None, error },
            }
        })
    }

    pub(crate) fn denied(
        &self,
        repository: &str,
        status: u16,
        code: Option<String>,
    ) -> RegistryError {
        RegistryError::Denied {
            registry: self.host.clone(),
            repository: repository.to_owned(),
            status,
            code,
            anonymous: !matches!(
                self.credentials.get(),
                Some(Ok(
                    Credentials::Password { .. } | Credentials::IdentityToken(_)
                ))
            ),
        }
    }

    pub(crate) fn unusable(
        &self,
        repository: &str,
        what: What<'_>,
        problem: &str,
    ) -> RegistryError {
        RegistryError::Unusable {
            registry: self.host.clone(),
            repository: repository.to_owned(),
            what: what.to_string(),
            problem: problem.to_owned(),
        }
    }

    /// Reads an answer to its end, if that comes soon enough.
    pub(crate) fn body(
        &self,
        answer: Response,
        limit: u64,
        repository: &str,
        what: What<'_>,
    ) -> Result<Vec<u8>, RegistryError> {
        let too_long = || {
            let problem = format!("it is longer than {limit} bytes");
            self.unusable(repository, what, &problem)
        };
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        let bytes = read(answer, limit + 1, in_time()).map_err(|error| {
            let reason = match error.kind() {
                io::ErrorKind::TimedOut => "its answer does not end",
                _ => "the connection broke",
            };
            RegistryError::Unreachable {
                registry: self.host.clone(),
                reason: reason.into(),
            }
        })?;
        match u64::try_from(bytes.len()) {
            Ok(length) if length <= limit => Ok(bytes),
            _ => Err(too_long()),
        }
    }
}

fn with(request: RequestBuilder, login: Option<HeaderValue>) -> RequestBuilder {
    match login {
        Some(login) => request.header(AUTHORIZATION, login),
        None => request,
    }
}

/// The first code of an error of a registry, such as `MANIFEST_UNKNOWN`. Their messages are not
/// repeated: they may have anything in them.
fn code(answer: Response) -> Option<String> {
    let text = read(answer, 64 << 10, in_time()).ok()?;
    let answer: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let code = answer.pointer("/errors/0/code")?.as_str()?;
    let plain = |c: char| c.is_ascii_uppercase() || c == '_';
    (code.len() <= 40 && !code.is_empty() && code.chars().all(plain)).then(|| code.to_owned())
}

/// Whether there is still time for an answer that begins now.
fn in_time() -> impl Fn() -> bool {
    let began = Instant::now();
    move || began.elapsed() < WHOLE
}

/// Reads so many bytes at most, while there is time: every piece comes soon enough or is an error,
/// but there may be many pieces.
fn read(mut from: impl Read, limit: u64, in_time: impl Fn() -> bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    while bytes.len() < limit {
        if !in_time() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let most = piece.len().min(limit - bytes.len());
        match from.read(&mut piece[..most]) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// A redirect leads to this host, without encryption.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not encrypted")]
pub(crate) struct Plain(pub(crate) String);

fn plain(error: &reqwest::Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(Plain(host)) = error.downcast_ref() {
            return Some(host.clone());
        }
        source = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_answer_that_drips_is_given_up() {
        struct Drip;
        impl Read for Drip {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                into[0] = b' ';
                Ok(1)
            }
        }
        let left = Cell::new(3);
        let in_time = || left.replace(left.get() - 1) > 0;
        let error = read(Drip, 1_000, in_time).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(read(Drip, 5, || true).unwrap(), b"     ");
        assert_eq!(read(&b"whole"[..], 1_000, || true).unwrap(), b"whole");
    }
}
