//! One request, its repetitions, and what its answer means.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::Request;
use kube::client::{AuthError, Body};
use kube::core::Status;
use kube::core::request::Error as BuildError;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::{FieldConflict, Permission, RequestError};
use crate::stop::Stop;

/// How long an answer is still waited for after the run was stopped.
const GRACE: Duration = Duration::from_secs(5);

/// An answer of success.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Whether the object is new (201).
    pub(crate) created: bool,
    /// What came: an object, a list, or the status of a deletion.
    pub(crate) value: Value,
}

/// What a request asks for, for errors.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What the user must be allowed to do.
    pub(crate) permission: Permission,
    /// Whether the server's words may repeat a secret.
    pub(crate) secret: bool,
}

/// Whether a request may reach the server twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The second time changes nothing.
    Harmless,
    /// It would be done twice: only repeated when the server said that it was not done (429).
    Doubles,
}

/// What one attempt came to.
enum Attempt {
    Done(Reply),
    Failed(RequestError),
    Again {
        /// Whether the server certainly did nothing.
        undone: bool,
        /// What the server asks to wait.
        after: Option<Duration>,
        error: RequestError,
    },
}

impl Cluster {
    /// Sends a request until there is an answer or no hope.
    pub(crate) async fn send(
        &self,
        request: Result<Request<Vec<u8>>, BuildError>,
        asked: &Asked,
        repeat: Repeat,
        stop: &Stop,
    ) -> Result<Reply, RequestError> {
        let request = request.map_err(|error| RequestError::Request(error.to_string()))?;
        let mut waits = self.options.retry.waits();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let attempted = self.attempt(request.clone(), asked, attempt);
            let (undone, after, error) = match before_stop(stop, GRACE, attempted).await {
                None => return Err(RequestError::Stopped),
                Some(Attempt::Done(reply)) => return Ok(reply),
                Some(Attempt::Failed(error)) => return Err(error),
                Some(Attempt::Again {
                    undone,
                    after,
                    error,
                }) => (undone, after, error),
            };
            let Some(wait) = waits.next().map(|wait| after.unwrap_or(wait)) else {
                return Err(error);
            };
            if (repeat == Repeat::Doubles && !undone) || !self.budget.spend(wait) {
                return Err(error);
            }
            tracing::warn!(
                request = %asked.permission,
                attempt,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                %error,
                "asking again"
            );
            if before_stop(stop, Duration::ZERO, tokio::time::sleep(wait))
                .await
                .is_none()
            {
                return Err(error);
            }
        }
    }

    async fn attempt(&self, request: Request<Vec<u8>>, asked: &Asked, attempts: usize) -> Attempt {
        let response = match self.client.send(request.map(Body::from)).await {
            Ok(response) => response,
            Err(error) => return unanswered(&error, attempts),
        };
        let code = response.status().as_u16();
        let after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let body = match response.into_body().collect_bytes().await {
            Ok(body) => body,
            Err(error) => return unanswered(&error, attempts),
        };
        if (200..300).contains(&code) {
            return match serde_json::from_slice(&body) {
                Ok(value) => Attempt::Done(Reply {
                    created: code == 201,
                    value,
                }),
                // The text of the error has a place in the answer, and nothing of the answer.
                Err(error) => Attempt::Failed(RequestError::Answer(error.to_string())),
            };
        }
        let status = serde_json::from_slice(&body).unwrap_or_default();
        refused(code, &status, after, asked, attempts)
    }
}

/// What a future gives, unless stopping is requested and the grace after it is over before.
pub(crate) async fn before_stop<T>(
    stop: &Stop,
    grace: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let stopped = async {
        stop.requested().await;
        tokio::time::sleep(grace).await;
    };
    match select(pin!(future), pin!(stopped)).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// What an answer other than success means.
fn refused(
    code: u16,
    status: &Status,
    after: Option<Duration>,
    asked: &Asked,
    attempts: usize,
) -> Attempt {
    let message = if asked.secret || status.message.is_empty() {
        match status.reason.as_str() {
            "" => "no reason given",
            reason => reason,
        }
        .to_owned()
    } else {
        status.message.clone()
    };
    match code {
        401 => Attempt::Failed(RequestError::Unauthorized),
        403 => Attempt::Failed(match missing_verb(&status.message) {
            Some(verb) => RequestError::Forbidden(Permission {
                verb: verb.to_owned(),
                ..asked.permission.clone()
            }),
            // Admission refuses with 403, too.
            None => RequestError::Refused { code, message },
        }),
        409 => {
            let conflicts = field_conflicts(status);
            if !conflicts.is_empty() {
                return Attempt::Failed(RequestError::Conflict(conflicts));
            }
            let error = RequestError::Refused { code, message };
            // A controller wrote the object in the middle of the request. The server itself tries
            // a few times before it says so.
            if status.message.contains("the object has been modified") {
                return Attempt::Again {
                    undone: true,
                    after,
                    error,
                };
            }
            Attempt::Failed(error)
        }
        429 | 500 | 502..=504 => Attempt::Again {
            undone: code == 429,
            after: after.or_else(|| {
                let seconds = status.details.as_ref()?.retry_after_seconds;
                (seconds > 0).then(|| Duration::from_secs(seconds.into()))
            }),
            error: RequestError::Server {
                code,
                message,
                attempts,
            },
        },
        _ => Attempt::Failed(RequestError::Refused { code, message }),
    }
}

/// The verb in `User "u" cannot patch resource "stages" in API group …`, which is how the server's
/// authorizer words it. Server-side apply of a new object asks for `create` as well as `patch`.
fn missing_verb(message: &str) -> Option<&str> {
    let (before, _) = message.split_once(" resource ")?;
    let (before, verb) = before.rsplit_once(' ')?;
    before.ends_with("cannot").then_some(verb)
}

/// The owners of fields that the request wanted to set. The server words it
/// `conflict with "kubectl-edit" using kargo.akuity.io/v1alpha1`.
fn field_conflicts(status: &Status) -> Vec<FieldConflict> {
    let causes = status
        .details
        .as_ref()
        .map_or(&[][..], |details| &details.causes);
    let mut conflicts: Vec<_> = causes
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| FieldConflict {
            manager: cause
                .message
                .split('"')
                .nth(1)
                .unwrap_or("another manager")
                .to_owned(),
            field: cause.field.clone(),
        })
        .collect();
    conflicts.sort();
    conflicts.dedup();
    conflicts
}

/// Why there was no answer.
fn unanswered(error: &kube::Error, attempts: usize) -> Attempt {
    if let Some(problem) = credentials_problem(error) {
        return Attempt::Failed(RequestError::Credentials(problem));
    }
    let reason = chain(error);
    // A certificate that is not trusted now will not be trusted in a second.
    let hopeless = reason.contains("certificate");
    let error = RequestError::Connection { reason, attempts };
    if hopeless {
        return Attempt::Failed(error);
    }
    Attempt::Again {
        undone: false,
        after: None,
        error,
    }
}

/// What failed while credentials were got, without the output of plugins, in which tokens are.
fn credentials_problem(error: &kube::Error) -> Option<String> {
    let error = match error {
        kube::Error::Auth(error) => error,
        kube::Error::Service(error) => error.downcast_ref::<AuthError>()?,
        _ => return None,
    };
    Some(credentials(error))
}

/// As [`credentials_problem`].
pub(crate) fn credentials(error: &AuthError) -> String {
    match error {
        // The command has arguments and variables, and a token may be among them.
        AuthError::AuthExecRun { out, .. } => format!("the login plugin failed: {}", out.status),
        AuthError::AuthExecStart(error) => format!("the login plugin cannot be started: {error}"),
        AuthError::AuthExecParse(_) => "the answer of the login plugin cannot be read".into(),
        AuthError::ExecPluginFailed => "the answer of the login plugin has no status".into(),
        AuthError::ReadTokenFile(error, path) => {
            format!("cannot read {}: {error}", path.display())
        }
        AuthError::MissingCommand => "the kubeconfig names no command for the login plugin".into(),
        AuthError::InvalidBearerToken(_) => "the token has characters that none may have".into(),
        AuthError::InvalidBasicAuth(_) => "user name or password cannot be sent".into(),
        _ => "the kubeconfig's way to log in is not supported".into(),
    }
}

/// The innermost words say what happened, the outer ones where.
fn chain(error: &kube::Error) -> String {
    let mut source: Option<&dyn StdError> = match error {
        kube::Error::Service(error) => Some(&**error),
        kube::Error::HyperError(error) => Some(error),
        other => Some(other),
    };
    let mut words = String::new();
    while let Some(error) = source {
        let text = error.to_string();
        if !words.contains(&text) {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&text);
        }
        source = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_verb_is_the_one_that_the_server_names() {
        let check = |message: &str, expected: Option<&str>| {
            assert_eq!(missing_verb(message), expected, "{message}");
        };
        check(
            r#"stages.kargo.akuity.io "web" is forbidden: User "ci" cannot create resource "stages" in API group "kargo.akuity.io" in the namespace "imgfac""#,
            Some("create"),
        );
        check(
            r#"admission webhook "stage.kargo.akuity.io" denied the request: no such resource here"#,
            None,
        );
        check(
            r#"stages "web" is forbidden: unable to create new content in namespace imgfac because it is being terminated"#,
            None,
        );
        check("", None);
    }
}
