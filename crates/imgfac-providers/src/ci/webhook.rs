//! Any other server: a signed request to its address, and what its reply says of the run.

use hmac::{Hmac, KeyInit, Mac};
use imgfac_model::Source;
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::error::CiError;
use super::gitlab::{secret_header, send};
use super::payload::{self, Base, Cause};
use super::settings::CiSettings;
use super::talk::{Place, Talk, Told};
use super::{BuildRequest, RunRef, RunState, RunStatus, page};
use crate::credentials::Secret;
use crate::registry::host_of;

/// The content of a request.
#[derive(Serialize)]
struct Event<'e> {
    event: &'static str,
    image: &'e str,
    repository: &'e str,
    #[serde(rename = "ref")]
    branch: &'e str,
    reason: &'e str,
    causes: Vec<Cause>,
    bases: Vec<Base>,
    rebuild: &'e str,
}

/// What a reply may say of the run.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    id: Option<serde_json::Value>,
    url: Option<String>,
    status_url: Option<String>,
}

/// What the address for the status says.
#[derive(Deserialize)]
struct Progress {
    status: String,
    conclusion: Option<String>,
    url: Option<String>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

pub(super) fn start(
    talk: &Talk,
    settings: &CiSettings,
    request: &BuildRequest<'_>,
) -> Result<Option<RunRef>, CiError> {
    let what = format!("build of {}", request.image);
    let url = address(request.source, &what)?;
    let host = host_of(&url);
    let token = token(settings, &url);
    let place = Place {
        host: &host,
        what,
        secrets: token.into_iter().cloned().collect(),
    };
    let event = Event {
        event: "rebuild",
        image: request.image.as_str(),
        repository: request.source.repo.as_str(),
        branch: request.source.branch.as_str(),
        reason: request.reason,
        causes: payload::causes(request),
        bases: payload::bases(request),
        rebuild: request.identity,
    };
    let body = serde_json::to_string(&event).map_err(|it| place.unusable(it.to_string()))?;
    // Another attempt at the same rebuild is no repeat, and must not be dropped as one.
    let key = match request.attempt {
        "" => request.identity.to_owned(),
        attempt => format!("{}-{attempt}", request.identity),
    };
    let told = talk.tell(&place, || async {
        let mut request = talk
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &key);
        if let Some(secret) = &settings.webhook_secret {
            let signature = signature(secret, body.as_bytes());
            request = request.header("X-Imgfac-Signature-256", format!("sha256={signature}"));
        }
        if let Some(token) = token {
            let bearer = format!("Bearer {}", token.expose());
            request = request.header(AUTHORIZATION, secret_header(&bearer)?);
        }
        send(request.body(body.clone())).await
    });
    match told {
        // What it says besides is its own affair.
        Ok(answer) => Ok(named(&url, answer.json().unwrap_or_default())),
        // "See the result there" is what some servers say when they have done what was asked.
        Err(Told::No(CiError::Moved {
            status: status @ (302 | 303),
            ..
        })) => Err(place.unclear(format!("it answered {status}"))),
        Err(Told::No(error)) => Err(error),
        Err(Told::Unclear(reason)) => Err(place.unclear(reason)),
    }
}

pub(super) fn look(
    talk: &Talk,
    settings: &CiSettings,
    source: &Source,
    run: &RunRef,
) -> Result<RunState, CiError> {
    let what = format!("run {} of {}", run.id.escape_debug(), source.repo);
    if !run.id.starts_with('/') {
        return Err(CiError::NotFollowed {
            what,
            problem: "the reply of the webhook named no statusUrl on its own server",
            remedy: "docs/ci.md says what a reply may have; the registry shows what was built all the same",
        });
    }
    let origin = address(source, &what)?;
    let url = below(&origin, &run.id).ok_or_else(|| CiError::Settings {
        what: what.clone(),
        problem: "the path of its status is none".into(),
        remedy: "was the url of the source changed meanwhile? The run cannot be followed",
    })?;
    let host = host_of(&url);
    let token = token(settings, &url);
    let place = Place {
        host: &host,
        what,
        secrets: token.into_iter().cloned().collect(),
    };
    let answer = talk.ask(&place, || async {
        let mut request = talk.http.get(url.clone());
        if let Some(token) = token {
            let bearer = format!("Bearer {}", token.expose());
            request = request.header(AUTHORIZATION, secret_header(&bearer)?);
        }
        send(request).await
    })?;
    let progress: Progress = answer.json().map_err(|it| place.unusable(it))?;
    let status = match progress.status.as_str() {
        "queued" => RunStatus::Queued,
        "running" => RunStatus::Running,
        "success" => RunStatus::Succeeded,
        "failure" => RunStatus::Failed {
            conclusion: progress
                .conclusion
                .filter(|word| super::github::plain(word))
                .unwrap_or_else(|| "failure".into()),
        },
        _ => {
            return Err(place.unusable("its status is not queued, running, success or failure"));
        }
    };
    Ok(RunState {
        status,
        url: page(progress.url, None),
        started: progress.started,
        ended: progress.ended,
    })
}

fn address(source: &Source, what: &str) -> Result<Url, CiError> {
    let wrong = |problem: &str| CiError::Settings {
        what: what.into(),
        problem: problem.into(),
        remedy: "write source.url into images.yaml",
    };
    let url = source
        .url
        .as_ref()
        .ok_or_else(|| wrong("its source names no url that a rebuild is asked for at"))?;
    Url::parse(url.as_str()).map_err(|_| wrong("its url is no address"))
}

/// The token for an address: of its origin, so none for `https` goes over `http`.
fn token<'s>(settings: &'s CiSettings, url: &Url) -> Option<&'s Secret> {
    let same = |origin: &str| Url::parse(origin).is_ok_and(|it| it.origin() == url.origin());
    settings
        .webhooks
        .iter()
        .find_map(|(origin, token)| same(origin).then_some(token))
}

/// HMAC with SHA-256, in hexadecimal digits.
fn signature(secret: &Secret, body: &[u8]) -> String {
    // Keys of any length are taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The run that a reply names. What can be followed is kept as a path, so that it leads to the server
/// of the webhook and to no other, whatever becomes of it meanwhile.
fn named(url: &Url, reply: Reply) -> Option<RunRef> {
    let status = reply.status_url.and_then(|status| {
        let status = url.join(&status).ok()?;
        let plain = status.username().is_empty() && status.password().is_none();
        let query = status.query().map(|query| format!("?{query}"));
        let path = format!("{}{}", status.path(), query.unwrap_or_default());
        let good = plain && status.origin() == url.origin() && path.len() <= 1_024;
        good.then_some(path)
    });
    let id = match reply.id {
        Some(serde_json::Value::String(id)) => Some(id),
        Some(serde_json::Value::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-' | b'#' | b':');
    let id = id.filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(legal));
    Some(RunRef {
        id: status.or(id)?,
        url: page(reply.url, None),
    })
}

/// A path on the server of the webhook.
fn below(origin: &Url, path: &str) -> Option<Url> {
    let url = origin.join(path).ok()?;
    (url.origin() == origin.origin()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed() {
        // The second case of RFC 4231.
        let signature = signature(&Secret::new("Jefe"), b"what do ya want for nothing?");
        assert_eq!(
            signature,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_reply_names_what_can_be_followed_on_the_same_server_only() {
        let url = Url::parse("https://ci.example.com/hook?x=1").unwrap();
        let check = |reply: &str, expected: &str| {
            let reply = serde_json::from_str(reply).unwrap_or_default();
            let run = named(&url, reply);
            let id = run.map_or_else(|| "none".to_owned(), |run| run.id);
            assert_eq!(id, expected);
        };
        check(r#"{"id": "42"}"#, "42");
        check(r#"{"id": 42}"#, "42");
        check(r#"{"id": "a b"}"#, "none");
        check(r#"{"id": "/etc"}"#, "none");
        check("{}", "none");
        check("[1]", "none");
        check(
            r#"{"id": "42", "statusUrl": "https://ci.example.com/runs/42?full=1#x"}"#,
            "/runs/42?full=1",
        );
        check(r#"{"id": "42", "statusUrl": "/runs/42"}"#, "/runs/42");
        check(r#"{"id": "42", "statusUrl": "/a/../../b"}"#, "/b");
        for elsewhere in [
            "http://ci.example.com/a",
            "https://ci.example.com:8443/a",
            "https://evil.example.com/a",
            "//evil.example.com/a",
            "file:///etc/passwd",
            "https://ada@ci.example.com/",
        ] {
            check(
                &format!(r#"{{"id": "42", "statusUrl": "{elsewhere}"}}"#),
                "42",
            );
        }
    }

    #[test]
    fn a_path_stays_on_its_server() {
        let url = Url::parse("https://ci.example.com/hook").unwrap();
        let at = |path: &str| below(&url, path).map(|url| url.to_string());
        assert_eq!(
            at("/a?b=c").as_deref(),
            Some("https://ci.example.com/a?b=c")
        );
        assert_eq!(at("//evil.example.com/a"), None);
        assert_eq!(at("/\\evil.example.com/a"), None);
    }
}
