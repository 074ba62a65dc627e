//! Logging in: user and password, or a token of the server that the registry names.

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

use crate::ask::{Failure, What};
use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::registry::{Registry, encrypted_or_allowed, host_of};

/// The answer of a server of tokens may be this long, in bytes.
const TOKEN_LIMIT: u64 = 256 << 10;

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// The header that answers a challenge; `None` when there are no credentials for it.
    pub(crate) fn login(
        &self,
        challenge: &Challenge,
        repository: &str,
        what: What<'_>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let credentials = self.credentials().map_err(Failure::Final)?;
        let (realm, service) = match (challenge, credentials) {
            (Challenge::Bearer { realm, service }, _) => (realm, service.as_deref()),
            (Challenge::Basic, Credentials::Password { user, password }) => {
                // reqwest knows how to write the header.
                let request = self.http.get("http://localhost");
                let request = request.basic_auth(user, Some(password.expose())).build();
                return Ok(request
                    .ok()
                    .and_then(|request| request.headers().get("authorization").cloned()));
            }
            (Challenge::Basic, _) => return Ok(None),
        };
        let unusable = |problem: &str| Failure::Final(self.unusable(repository, what, problem));
        let mut url = Url::parse(realm)
            .map_err(|_| unusable("it names no server of tokens that can be asked"))?;
        if !encrypted_or_allowed(&url, &self.options.insecure) {
            return Err(Failure::Final(RegistryError::PlainHttp {
                registry: self.host.clone(),
                host: host_of(&url),
            }));
        }
        // Ours, not what the registry asks for: that could be more than to read this image.
        let scope = format!("repository:{repository}:pull");
        let mut form: Vec<(&str, &str)> = Vec::new();
        form.extend(service.map(|service| ("service", service)));
        form.push(("scope", &scope));
        let request = match credentials {
            Credentials::IdentityToken(token) => {
                form.push(("grant_type", "refresh_token"));
                form.push(("client_id", "imgfac"));
                form.push(("refresh_token", token.expose()));
                self.http
                    .post(url)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(encoded(&form))
            }
            Credentials::Password { user, password } => {
                url.query_pairs_mut().extend_pairs(form);
                self.http.get(url).basic_auth(user, Some(password.expose()))
            }
            Credentials::Anonymous => {
                url.query_pairs_mut().extend_pairs(form);
                self.http.get(url)
            }
        };
        let answer = self.send(request, repository, what)?;
        let answer = self.judge(answer, repository, what)?;
        let text = self
            .body(answer, TOKEN_LIMIT, repository, what)
            .map_err(Failure::Final)?;
        let answer: Answer =
            serde_json::from_slice(&text).map_err(|_| unusable("it gave no token"))?;
        let token = answer.token.or(answer.access_token);
        let mut header = token
            .and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok())
            .ok_or_else(|| unusable("it gave no token"))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// The fields as a form is sent.
fn encoded(form: &[(&str, &str)]) -> String {
    let mut url = Url::parse("form:?").ok();
    url.as_mut()
        .map(|url| {
            url.query_pairs_mut().extend_pairs(form);
            url.query().unwrap_or_default().to_owned()
        })
        .unwrap_or_default()
}
