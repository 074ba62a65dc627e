//! The places of secrets: which there must be, and how each is filled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use imgfac_model::{Enrolment, Provider, ReceiverKind, Reference, Settings};

use crate::consumers::address;
use crate::labels::metadata;
use crate::names::{Purpose, resource_name};
use crate::rebuild::{dispatch_secret, token_keys};
use crate::resources::Secret;

/// The place of a secret.
///
/// The resource has no values, not even empty ones: applying it changes nothing in a Secret that
/// was filled, and Kargo does not find credentials in one that was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretStub {
    /// The empty Secret.
    pub secret: Secret,
    /// What it is for and how it is filled, line by line.
    pub comment: String,
}

/// A key of a Secret: its name, and its value or what to put there.
struct Key {
    name: String,
    value: Option<String>,
    meaning: &'static str,
}

/// All Secrets of a fleet, by name.
pub(crate) fn stubs(
    settings: &Settings,
    images: &[&Enrolment],
    registries: &BTreeSet<String>,
) -> Vec<SecretStub> {
    let mut stubs = BTreeMap::new();
    let mut add = |name: String, kind: &str, what: &str, keys: Vec<Key>| {
        let made = stub(settings, name.clone(), kind, what, &keys);
        stubs.insert(name, made);
    };
    add(
        settings.analysis.git_secret.clone(),
        "generic",
        "The tokens with which jobs read sources and push state.",
        vec![
            key(
                "token",
                "GitHub: contents read and write on the state repository, read elsewhere",
            ),
            key(
                "gitlab-token",
                "GitLab, if any: read_repository, write_repository",
            ),
        ],
    );
    for (base, provider) in git_bases(images) {
        let (host, owner) = base.split_once('/').unwrap_or((&base, ""));
        add(
            resource_name(Purpose::GitSecret, &base),
            "git",
            "The credentials with which Kargo reads sources and pushes to consumers.",
            vec![
                fixed(
                    "repoURL",
                    format!("^https://{}/{}/.+$", regex(host), regex(owner)),
                ),
                fixed("repoURLIsRegex", "true".into()),
                fixed(
                    "username",
                    if provider == Provider::GitLab {
                        "oauth2"
                    } else {
                        "x-access-token"
                    }
                    .into(),
                ),
                key(
                    "password",
                    "a token that may read the sources and write to the consumers; a public repository needs none",
                ),
            ],
        );
    }
    for registry in registries {
        // Kargo compares the address as it is, and without the parts that Docker Hub's may lack.
        let pattern = if registry == "docker.io" {
            r"^(docker\.io/.+|[^.:/]+(/[^:]+)?)$".to_owned()
        } else {
            format!("^{}/.+$", regex(registry))
        };
        add(
            resource_name(Purpose::RegistrySecret, registry),
            "image",
            "The credentials with which Kargo asks the registry; leave it empty if it takes anybody.",
            vec![
                fixed("repoURL", pattern),
                fixed("repoURLIsRegex", "true".into()),
                key("username", "the account"),
                key("password", "a token that may read"),
            ],
        );
    }
    let mut dispatch = BTreeMap::<String, (Provider, BTreeSet<String>)>::new();
    for source in images.iter().filter_map(|image| image.source.as_ref()) {
        let (_, keys) = dispatch
            .entry(dispatch_secret(source))
            .or_insert_with(|| (source.provider, BTreeSet::new()));
        keys.extend(
            token_keys(source.repo.as_str())
                .split(',')
                .map(str::to_owned),
        );
    }
    for (name, (provider, keys)) in dispatch {
        let what = match provider {
            Provider::GitHub => {
                "The tokens that may start workflows: fine-grained, actions read and write."
            }
            Provider::GitLab => "The pipeline trigger tokens of the projects.",
            Provider::Webhook => "What webhooks get as their bearer token.",
        };
        let keys = keys.into_iter().rev().map(|name| Key {
            meaning: if name == "token" {
                "for every repository that has none of its own"
            } else {
                "if it has one of its own"
            },
            name,
            value: None,
        });
        // The general key first; the list of special ones may be long.
        let mut keys: Vec<_> = keys.collect();
        keys.sort_by_key(|key| (key.name != "token", key.name.clone()));
        add(name, "generic", what, keys);
    }
    for receiver in &settings.webhook_receivers {
        let name = match receiver.kind {
            ReceiverKind::Harbor => "auth-header",
            ReceiverKind::GitLab | ReceiverKind::Artifactory => "secret-token",
            _ => "secret",
        };
        add(
            receiver.secret.to_string(),
            "generic",
            "What the sender of webhooks shares with Kargo.",
            vec![key(
                name,
                "a long random text; the address to send to is in the status of the ProjectConfig",
            )],
        );
    }
    stubs.into_values().collect()
}

/// The registry that an image of this name is asked for at.
pub(crate) fn registry_of(repo_url: &str) -> Option<String> {
    Reference::parse(repo_url)
        .ok()
        .map(|reference| reference.repository().registry().to_owned())
}

/// `host/owner` of all repositories, and who serves it.
fn git_bases(images: &[&Enrolment]) -> BTreeMap<String, Provider> {
    let mut bases = BTreeMap::new();
    for image in images {
        let provider = image
            .source
            .as_ref()
            .map_or(Provider::GitHub, |source| source.provider);
        let source = image.source.as_ref().map(|source| source.clone_url());
        let targets = image.updates.iter().map(|target| address(image, target));
        for url in source.into_iter().chain(targets) {
            let path = url.strip_prefix("https://").unwrap_or(&url);
            let mut parts = path.split('/');
            if let (Some(host), Some(owner)) = (parts.next(), parts.next()) {
                bases.entry(format!("{host}/{owner}")).or_insert(provider);
            }
        }
    }
    bases
}

fn key(name: &str, meaning: &'static str) -> Key {
    Key {
        name: name.into(),
        value: None,
        meaning,
    }
}

fn fixed(name: &str, value: String) -> Key {
    Key {
        name: name.into(),
        value: Some(value),
        meaning: "",
    }
}

/// A text that a regular expression takes as it is.
fn regex(text: &str) -> String {
    text.replace('.', "\\.")
}

fn stub(settings: &Settings, name: String, kind: &str, what: &str, keys: &[Key]) -> SecretStub {
    let namespace = &settings.namespace;
    let mut comment = format!("{what}\nIts keys:\n");
    for key in keys {
        // Writing to a text cannot fail.
        let _ = match &key.value {
            Some(value) => writeln!(comment, "  {}: '{value}'", key.name),
            None => writeln!(comment, "  {}: {}", key.name, key.meaning),
        };
    }
    let example = keys.first().map_or("key", |key| key.name.as_str());
    let _ = write!(
        comment,
        "To fill it, one of:\n  \
         kubectl -n {namespace} patch secret {name} --patch-file FILE, with {{\"stringData\": {{\"{example}\": \"…\", …}}}} in it\n  \
         External Secrets: an ExternalSecret with spec.target {{name: {name}, creationPolicy: Merge}}\n  \
         SOPS: a copy of this document with stringData, through sops --encrypt --encrypted-regex '^stringData$'",
    );
    let mut metadata = metadata(settings, name, "credentials", None);
    metadata
        .labels
        .insert("kargo.akuity.io/cred-type".into(), kind.into());
    SecretStub {
        secret: Secret::new(metadata, "Opaque".into()),
        comment,
    }
}
