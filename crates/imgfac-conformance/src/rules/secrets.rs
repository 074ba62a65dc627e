//! Values that nobody but their owner may read.

use crate::document::Document;
use crate::finding::Sink;
use crate::rule::Rule;

/// Keys of credentials that tell nothing secret.
const HARMLESS: &[&str] = &[
    "repourl",
    "repourlisregex",
    "username",
    "githubappclientid",
    "githubappid",
    "githubappinstallationid",
];
const SECRET_WORDS: &[&str] = &[
    "password",
    "passwd",
    "token",
    "secret",
    "privatekey",
    "private-key",
    "apikey",
    "api-key",
];
/// How tokens begin.
const SHAPES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "dckr_pat_",
    "npm_",
];

pub(crate) fn check(document: &Document, sink: &mut Sink) {
    if document.is_core("Secret") {
        for field in ["stringData", "data"] {
            for (key, at) in document.root().get(field).fields() {
                let harmless = HARMLESS.contains(&key.to_ascii_lowercase().as_str());
                if !harmless && at.text().is_some_and(|value| !is_placeholder(value)) {
                    let message = "a manifest that is committed must not hold this; leave it empty or write REPLACE";
                    sink.add(document, &at, Rule::Secret, message);
                }
            }
        }
    }
    if document.is_core("ConfigMap") {
        for (key, at) in document.root().get("data").fields() {
            let key = key.to_ascii_lowercase();
            let suspicious = SECRET_WORDS.iter().any(|word| key.ends_with(word));
            if suspicious && at.text().is_some_and(|value| !is_placeholder(value)) {
                let message = "by its key this is a secret, and a config map is no place for it";
                sink.add(document, &at, Rule::Secret, message);
            }
        }
    }
    document.root().each_text(&mut |at, text| {
        let token = text
            .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ':' | '@' | '/'))
            .any(|word| {
                SHAPES.iter().any(|shape| {
                    word.strip_prefix(shape)
                        .is_some_and(|rest| rest.len() >= 12)
                })
            });
        if token {
            sink.add(document, at, Rule::Secret, "this looks like a token");
        }
        if text.contains("PRIVATE KEY-----") {
            sink.add(document, at, Rule::Secret, "this looks like a private key");
        }
        if has_password(text) {
            sink.add(
                document,
                at,
                Rule::Secret,
                "the address has a password in it",
            );
        }
    });
}

/// Text that somebody is meant to replace.
fn is_placeholder(value: &str) -> bool {
    matches!(
        value,
        "" | "REPLACE" | "REPLACE_ME" | "CHANGEME" | "UkVQTEFDRQ=="
    ) || (value.starts_with('<') && value.ends_with('>'))
}

/// Whether a text has an address with a user and a password that is no expression.
fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, mark)| {
        let authority = text[at + mark.len()..]
            .split(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#'))
            .next()
            .unwrap_or_default();
        authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty() && !password.contains("${"))
    })
}
