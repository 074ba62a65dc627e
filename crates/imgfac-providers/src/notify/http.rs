//! Slack and webhooks: one POST for each message.

use std::io::Read;

use imgfac_model::{EnvName, WebUrl};
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Url, redirect};

use super::{Failure, NotifyError, NotifyOptions};
use crate::credentials::Secret;
use crate::registry::{chain, host_of};
use crate::retry;
use crate::signature::signature;

/// The header that has the signature of the body.
const SIGNATURE: &str = "X-Imgfac-Signature-256";

/// Who takes JSON.
pub(super) struct Receiver {
    http: Client,
    /// For Slack it is a secret.
    url: Url,
    host: String,
    /// What bodies are signed with.
    secret: Option<Secret>,
}

impl Receiver {
    /// The incoming webhook whose address is the secret.
    pub(super) fn slack(
        name: &EnvName,
        secret: &Secret,
        options: &NotifyOptions,
    ) -> Result<Self, NotifyError> {
        let url = Url::parse(secret.expose().trim()).ok().filter(is_safe);
        let url = url.ok_or_else(|| NotifyError::NoAddress {
            variable: name.clone(),
        })?;
        Self::new(url, None, options)
    }

    pub(super) fn webhook(
        url: &WebUrl,
        secret: Option<Secret>,
        options: &NotifyOptions,
    ) -> Result<Self, NotifyError> {
        let url = Url::parse(url.as_str()).map_err(|_| NotifyError::Unusable {
            host: url.to_string(),
            problem: "it is no address".into(),
        })?;
        Self::new(url, secret, options)
    }

    fn new(url: Url, secret: Option<Secret>, options: &NotifyOptions) -> Result<Self, NotifyError> {
        let host = host_of(&url);
        let http = Client::builder()
            .user_agent(concat!("imgfac/", env!("CARGO_PKG_VERSION")))
            .timeout(options.timeout)
            .referer(false)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| NotifyError::Unusable {
                host: host.clone(),
                problem: chain(&error),
            })?;
        Ok(Self {
            http,
            url,
            host,
            secret,
        })
    }

    /// Sends one message.
    pub(super) fn send(&self, body: &str, options: &NotifyOptions) -> Result<(), Failure> {
        let mut request = (self.http.post(self.url.clone()))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.to_owned());
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature(secret, body.as_bytes()));
        }
        let answer = request.send().map_err(|error| {
            // It may have been heard: who does not answer would be told three times.
            if error.is_timeout() {
                return Failure::Final(NotifyError::Unreachable {
                    host: self.host.clone(),
                    reason: "it does not answer in time".into(),
                });
            }
            let reason = chain(&error);
            // A certificate that is not trusted now will not be trusted in a second.
            let hopeless = reason.contains("certificate") || error.is_builder();
            let error = NotifyError::Unreachable {
                host: self.host.clone(),
                reason,
            };
            match hopeless {
                true => Failure::Final(error),
                false => Failure::Again { after: None, error },
            }
        })?;
        self.judge(answer, options)
    }

    fn judge(&self, answer: Response, options: &NotifyOptions) -> Result<(), Failure> {
        let status = answer.status().as_u16();
        let host = self.host.clone();
        match status {
            200..300 => Ok(()),
            300..400 => Err(Failure::Final(NotifyError::Redirected { host, status })),
            _ => {
                let after = answer.headers().get(RETRY_AFTER);
                let after = after
                    .and_then(|header| header.to_str().ok())
                    .and_then(|header| retry::retry_after(header, options.clock.now()));
                let code = word(answer);
                let error = NotifyError::Refused { host, status, code };
                Err(match status {
                    429 | 500 | 502..=504 => Failure::Again { after, error },
                    _ => Failure::Final(error),
                })
            }
        }
    }
}

/// Whether a secret address may be used: it is part of the request, so that is encrypted, or does
/// not leave this machine.
fn is_safe(url: &Url) -> bool {
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

/// The reason, where that is a word such as Slack's `invalid_payload`. Anything else is not
/// repeated: it may have anything in it.
fn word(answer: Response) -> Option<String> {
    let mut text = String::new();
    answer.take(100).read_to_string(&mut text).ok()?;
    let text = text.trim();
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    ((1..=40).contains(&text.len()) && text.chars().all(plain)).then(|| text.to_owned())
}
