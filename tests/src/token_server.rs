//! A server of tokens for a registry (<https://distribution.github.io/distribution/spec/auth/token/>).

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::ci_server::{CiRequest, Reply, serve};
use crate::git_server::{TOKEN, skipped};
use crate::sandbox::Sandbox;

/// The server; it ends with the process. It gives tokens to `ada` with [`TOKEN`].
#[derive(Debug)]
pub(crate) struct TokenServer {
    pub(crate) host: String,
}

const CERTIFICATE: &str = "registry/tokens.crt";
const KEY: &str = "registry/tokens.key";
/// What the registry is called here.
const SERVICE: &str = "images";

impl TokenServer {
    /// Makes a key in the sandbox, and signs tokens with it; `None`, and a word on standard error,
    /// where `openssl` is not installed.
    pub(crate) fn start(sandbox: &Sandbox) -> Option<Self> {
        let path = |name: &str| sandbox.path().join(name);
        sandbox.write(KEY, "");
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-subj", "/CN=tokens", "-keyout"])
            .arg(path(KEY))
            .arg("-out")
            .arg(path(CERTIFICATE))
            .output();
        let Ok(made) = made else {
            skipped("openssl is not installed");
            return None;
        };
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        let lines = sandbox.read(CERTIFICATE);
        let certificate: String = lines
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        let key = Arc::new(path(KEY));
        let host = serve(move |request| {
            let login = format!("Basic {}", STANDARD.encode(format!("ada:{TOKEN}")));
            if request.headers.get("authorization") != Some(&login) {
                return Reply::refusal(401, "who are you?");
            }
            let signed = unsigned(request, &certificate);
            let signature = sign(&key, &signed);
            Reply::Json(200, json!({"token": format!("{signed}.{signature}")}))
        });
        Some(Self { host })
    }

    /// What a registry that takes the tokens has under `auth`.
    pub(crate) fn settings(&self, sandbox: &Sandbox) -> String {
        let certificate = sandbox.path().join(CERTIFICATE);
        format!(
            "token: {{realm: 'http://{}/token', service: {SERVICE}, issuer: tokens, rootcertbundle: {}}}",
            self.host,
            certificate.display()
        )
    }
}

/// A token that allows what is asked for.
fn unsigned(request: &CiRequest, certificate: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let scope = request.query.get("scope").map_or("", String::as_str);
    // `repository:acme/x:pull,push`; an image has no colon in its path.
    let access: Vec<_> = (scope.split(' '))
        .filter_map(|scope| {
            let (kind, rest) = scope.split_once(':')?;
            let (name, actions) = rest.rsplit_once(':')?;
            let actions: Vec<&str> = actions.split(',').collect();
            Some(json!({"type": kind, "name": name, "actions": actions}))
        })
        .collect();
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]});
    let claims = json!({
        "iss": "tokens", "sub": "ada", "aud": SERVICE, "jti": "1",
        "iat": now - 60, "nbf": now - 60, "exp": now + 300, "access": access,
    });
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn sign(key: &std::path::Path, text: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl can be started");
    let mut input = openssl.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = openssl.wait_with_output().expect("it ends");
    URL_SAFE_NO_PAD.encode(output.stdout)
}
