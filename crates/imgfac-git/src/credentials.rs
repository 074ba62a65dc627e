//! Tokens, and the one server that each is for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A secret that no formatter shows.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes a token; surrounding white space, as a file or a copy may leave it, is dropped.
    #[must_use]
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        // A line break would let the rest of it speak to Git as further fields.
        let usable = !secret.is_empty() && !secret.chars().any(char::is_control);
        usable.then(|| Self(secret.to_owned()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// A token for one server.
///
/// Git gets it through a credential helper that is asked for this server alone, and reads it from
/// the environment of the Git process: it stands in no address, file, argument or message. The
/// helper takes the place of the user's own for this server, so that none of them stores it.
#[derive(Clone, Debug)]
pub struct Credential {
    server: String,
    user: &'static str,
    token: Token,
}

impl Credential {
    /// A token of a GitHub server, such as `https://github.com`.
    #[must_use]
    pub fn github(server: &str, token: Token) -> Self {
        Self {
            server: origin(server),
            user: "x-access-token",
            token,
        }
    }

    /// A token of a GitLab server, such as `https://gitlab.com`.
    #[must_use]
    pub fn gitlab(server: &str, token: Token) -> Self {
        Self {
            server: origin(server),
            user: "oauth2",
            token,
        }
    }

    /// The token in every form in which Git sends it, for taking it out of messages: a server may
    /// repeat the header that it got.
    pub(crate) fn secrets(&self) -> [String; 4] {
        let token = self.token.reveal();
        let basic = format!("{}:{token}", self.user);
        [
            STANDARD_NO_PAD.encode(&basic),
            URL_SAFE_NO_PAD.encode(&basic),
            token.bytes().map(percent).collect(),
            token.to_owned(),
        ]
    }

    /// The settings that Git needs, and the variable that holds the secret.
    pub(crate) fn for_git(&self, number: usize) -> Option<([String; 2], (String, String))> {
        if self.server.is_empty() {
            return None;
        }
        let variable = format!("IMGFAC_GIT_SECRET_{number}");
        let (server, user) = (&self.server, self.user);
        let helper = format!(
            "!f() {{ test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' {user} \"${variable}\"; }}; f"
        );
        Some((
            [
                format!("credential.{server}.helper="),
                format!("credential.{server}.helper={helper}"),
            ],
            (variable, self.token.reveal().to_owned()),
        ))
    }
}

fn percent(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}

/// Scheme, host and port of an address, or nothing when it has anything unusual.
fn origin(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme @ ("https" | "http"), rest)) => (scheme, rest),
        Some(_) => return String::new(),
        None => ("https", address),
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    if host.is_empty() || !host.chars().all(plain) {
        return String::new();
    }
    format!("{scheme}://{}", host.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_one_server_and_shows_nowhere() {
        let token = Token::new(" s3cret\n").unwrap();
        let credential = Credential::github("https://GitHub.com/acme", token);
        assert!(!format!("{credential:?}").contains("s3cret"));
        let (settings, (variable, value)) = credential.for_git(0).unwrap();
        assert_eq!(settings[0], "credential.https://github.com.helper=");
        assert!(!settings.concat().contains("s3cret"));
        assert_eq!(
            (variable.as_str(), value.as_str()),
            ("IMGFAC_GIT_SECRET_0", "s3cret")
        );
    }

    #[test]
    fn a_server_may_repeat_what_it_was_sent() {
        let credential = Credential::github("host", Token::new("s3/cret").unwrap());
        let secrets = credential.secrets();
        let said = "you sent Basic eC1hY2Nlc3MtdG9rZW46czMvY3JldA== for s3%2Fcret, s3/cret";
        assert_eq!(
            crate::error::redact(said, &secrets),
            "you sent Basic ***== for ***, ***"
        );
    }

    #[test]
    fn what_is_no_server_gets_no_token() {
        for (address, expected) in [
            ("github.example.com:8443", "https://github.example.com:8443"),
            ("http://127.0.0.1:80/x", "http://127.0.0.1:80"),
            ("ssh://git@host/x", ""),
            ("https://user:pw@host", ""),
            ("https://*", ""),
            ("", ""),
        ] {
            assert_eq!(origin(address), expected, "{address}");
        }
        assert!(Token::new(" \n").is_none());
        assert!(Token::new("a\nhost=evil").is_none());
    }
}
