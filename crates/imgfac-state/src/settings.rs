//! `imgfac.yaml`: settings, each with a default.

use std::collections::BTreeMap;

use imgfac_model::{
    Analysis, Code, Criticality, Day, Defaults, Delay, DelayClock, Diagnostic, Digest,
    DigestSelection, EndOfLife, ImagePattern, PushTimes, RebuildThrough, Rebuilds, ReceiverKind,
    Registry, Repository, SecretName, Settings, StateRepository, WebhookReceiver, Workspace,
};
use imgfac_yaml::Node;

use crate::decode::{Decoder, Fields};
use crate::enrolment::one_line;
use crate::targets;

/// The keys of `imgfac.yaml`.
pub(crate) const SETTINGS_KEYS: &[&str] = &[
    "namespace",
    "defaults",
    "workspaces",
    "stateRepository",
    "analysis",
    "registries",
    "webhookReceivers",
    "probe",
    "rebuilds",
    "endOfLife",
    "notifications",
    "staleAfter",
];
/// The keys of `defaults`.
pub(crate) const DEFAULTS_KEYS: &[&str] = &[
    "rebuildDelay",
    "cascadeDelay",
    "coordinationWindow",
    "digestSelection",
    "delayClock",
    "autoRebuild",
    "criticality",
    "registry",
    "branch",
];
/// The keys of `rebuilds`.
pub(crate) const REBUILDS_KEYS: &[&str] = &[
    "through",
    "maxRunning",
    "maxPerRepository",
    "maxPerRegistry",
    "runLimit",
    "quarantine",
    "emergencyActors",
];
/// The keys of `stateRepository`.
pub(crate) const STATE_REPOSITORY_KEYS: &[&str] = &["url", "branch", "path"];
/// The keys of `analysis`.
pub(crate) const ANALYSIS_KEYS: &[&str] =
    &["image", "gitSecret", "githubHost", "gitlabHost", "labels"];
/// The keys of an item of `registries`.
pub(crate) const REGISTRY_KEYS: &[&str] = &["mirror", "insecure", "budget", "pushTimes"];
/// The keys of an item of `webhookReceivers`.
pub(crate) const RECEIVER_KEYS: &[&str] = &["name", "type", "secret"];

/// Reads the settings, reporting every mistake; what is wrong or absent gets its default.
pub(crate) fn read(root: &Node, decoder: &mut Decoder<'_>) -> Settings {
    let mut settings = Settings::default();
    if root.is_null() {
        return settings;
    }
    let Some(mut fields) = decoder.fields(root, "the settings") else {
        return settings;
    };
    if let Some(namespace) = fields.value(decoder, "namespace") {
        settings.namespace = namespace;
    }
    section(
        &mut fields,
        "defaults",
        decoder,
        DEFAULTS_KEYS,
        |keys, decoder| {
            settings.defaults = defaults(keys, decoder);
        },
    );
    if let Some(node) = fields.get("workspaces") {
        settings.workspaces = workspaces(node, decoder);
    }
    section(
        &mut fields,
        "stateRepository",
        decoder,
        STATE_REPOSITORY_KEYS,
        |keys, decoder| {
            if keys.get("url").is_none() {
                keys.missing(decoder, "url", "https://github.com/acme/images.git");
            }
            settings.state_repository = keys.value(decoder, "url").map(|url| StateRepository {
                url,
                branch: keys.value(decoder, "branch").unwrap_or_default(),
                path: keys
                    .value(decoder, "path")
                    .unwrap_or_else(imgfac_model::RelativePath::root),
            });
        },
    );
    section(
        &mut fields,
        "analysis",
        decoder,
        ANALYSIS_KEYS,
        |keys, decoder| {
            let default = Analysis::default();
            settings.analysis = Analysis {
                image: keys
                    .get("image")
                    .and_then(|node| container_image(node, decoder))
                    .unwrap_or(default.image),
                git_secret: keys
                    .value::<SecretName>(decoder, "gitSecret")
                    .map_or(default.git_secret, String::from),
                github_host: keys.value(decoder, "githubHost"),
                gitlab_host: keys.value(decoder, "gitlabHost"),
                labels: keys
                    .get("labels")
                    .map(|node| decoder.text_map(node, "labels"))
                    .unwrap_or_default(),
            };
        },
    );
    if let Some(node) = fields.get("registries") {
        settings.registries = registries(node, decoder);
    }
    if let Some(node) = fields.get("webhookReceivers") {
        settings.webhook_receivers = receivers(node, decoder);
    }
    settings.probe = fields.value(decoder, "probe");
    section(
        &mut fields,
        "rebuilds",
        decoder,
        REBUILDS_KEYS,
        |keys, decoder| {
            settings.rebuilds = rebuilds(keys, decoder);
        },
    );
    if let Some(node) = fields.get("endOfLife") {
        settings.end_of_life = end_of_life(node, decoder);
    }
    if let Some(node) = fields.get("notifications") {
        settings.notifications = targets::read(node, decoder);
    }
    settings.stale_after = fields.value(decoder, "staleAfter");
    fields.finish(decoder, SETTINGS_KEYS);
    settings
}

/// A mapping of hosts to how they are asked.
fn registries(node: &Node, decoder: &mut Decoder<'_>) -> BTreeMap<String, Registry> {
    let mut registries = BTreeMap::new();
    let Some(hosts) = decoder.fields(node, "registries") else {
        return registries;
    };
    for host in &hosts.entries {
        // Through the rules of images, so that `index.docker.io` is the `docker.io` of references.
        let registry = Repository::new(host.key, "acme/image")
            .map(|repository| repository.registry().to_owned());
        let Some(mut keys) = decoder.fields(host.value, host.key) else {
            continue;
        };
        let settings = Registry {
            mirror: keys.get("mirror").and_then(|node| mirror(node, decoder)),
            insecure: keys.boolean(decoder, "insecure").unwrap_or_default(),
            budget: keys.get("budget").and_then(|node| {
                let expected = "expected how many manifests a run may download, such as 50";
                number(node, "budget", expected, decoder)
            }),
            push_times: keys.choice(decoder, "pushTimes", PushTimes::ALL),
        };
        keys.finish(decoder, REGISTRY_KEYS);
        match registry {
            Ok(registry) => {
                registries.insert(registry, settings);
            }
            Err(error) => decoder.error(
                Code::InvalidValue,
                host.value,
                format!("invalid registry: {error}"),
                "expected the host name of a registry, such as docker.io, before it",
            ),
        }
    }
    registries
}

/// A mapping of images, perhaps with stars in their tags, to days.
fn end_of_life(node: &Node, decoder: &mut Decoder<'_>) -> EndOfLife {
    let mut known = EndOfLife::default();
    let Some(images) = decoder.fields(node, "endOfLife") else {
        return known;
    };
    for image in &images.entries {
        let day = decoder.value::<Day>(image.value, "endOfLife", &[]);
        let at = decoder.span(image.at.clone());
        match (image.key.parse::<ImagePattern>(), day) {
            (Ok(pattern), Some(day)) => {
                let message = format!("{pattern} has two days in endOfLife");
                if !known.insert(pattern, day) {
                    let label = "names the same images as a line above";
                    decoder.push(Diagnostic::error(Code::DuplicateKey, message, at, label));
                }
            }
            (Ok(_), None) => {}
            (Err(error), _) => decoder.push(Diagnostic::error(
                Code::InvalidValue,
                format!("invalid {} in endOfLife: {}", error.what, error.problem),
                at,
                format!("expected {}", error.expected),
            )),
        }
    }
    known
}

/// `host` or `host/path`, which stand before the name of an image.
fn mirror(node: &Node, decoder: &mut Decoder<'_>) -> Option<String> {
    let text = decoder.text(node, "mirror")?.trim_end_matches('/');
    match Repository::parse(&format!("{text}/acme/image")) {
        Ok(repository) if repository.to_string() == format!("{text}/acme/image") => {
            Some(text.to_owned())
        }
        _ => {
            decoder.error(
                Code::InvalidValue,
                node,
                "invalid mirror",
                "expected a host with or without a path, such as mirror.example.com/docker-hub",
            );
            None
        }
    }
}

/// A number that is not below nothing.
fn number(node: &Node, what: &str, expected: &str, decoder: &mut Decoder<'_>) -> Option<u32> {
    let number = decoder.text(node, what)?.parse().ok();
    if number.is_none() {
        decoder.error(
            Code::InvalidValue,
            node,
            format!("invalid {what}"),
            expected,
        );
    }
    number
}

fn rebuilds(keys: &mut Fields<'_>, decoder: &mut Decoder<'_>) -> Rebuilds {
    let mut limit = |key: &str, decoder: &mut Decoder<'_>| {
        let expected =
            "expected how many rebuilds may run at the same time, such as 5; 0 starts none";
        keys.get(key)
            .and_then(|node| number(node, key, expected, decoder))
    };
    let (max_running, max_per_repository, max_per_registry) = (
        limit("maxRunning", decoder),
        limit("maxPerRepository", decoder),
        limit("maxPerRegistry", decoder),
    );
    let mut items = |key: &str, decoder: &mut Decoder<'_>| {
        let node = keys.get(key)?;
        decoder.items(node, key)
    };
    let quarantine = items("quarantine", decoder).unwrap_or_default().iter();
    let quarantine = quarantine
        .filter_map(|item| {
            let text = decoder.text(item, "a digest")?;
            let digest = Digest::parse(text);
            if let Err(error) = &digest {
                decoder.error(
                    Code::InvalidValue,
                    item,
                    format!("invalid digest in quarantine: {error}"),
                    "expected sha256: and 64 hexadecimal digits",
                );
            }
            digest.ok()
        })
        .collect();
    let actors = items("emergencyActors", decoder).unwrap_or_default().iter();
    let emergency_actors = actors
        .filter_map(|item| one_line(item, "emergencyActors", decoder))
        .collect();
    Rebuilds {
        through: keys.choice(decoder, "through", RebuildThrough::ALL),
        max_running,
        max_per_repository,
        max_per_registry,
        run_limit: keys.value(decoder, "runLimit"),
        quarantine,
        emergency_actors,
    }
}

fn receivers(node: &Node, decoder: &mut Decoder<'_>) -> Vec<WebhookReceiver> {
    let mut receivers: Vec<WebhookReceiver> = Vec::new();
    for item in decoder.items(node, "webhookReceivers").unwrap_or_default() {
        let Some(mut keys) = decoder.fields(item, "this receiver") else {
            continue;
        };
        let kind_node = keys.get("type");
        if kind_node.is_none() {
            keys.missing(decoder, "type", "github");
        }
        let kind = kind_node
            .and_then(|node| decoder.value::<ReceiverKind>(node, "type", ReceiverKind::ALL));
        let secret: Option<SecretName> = match keys.get("secret") {
            Some(node) => decoder.value(node, "secret", &[]),
            None => {
                keys.missing(decoder, "secret", "github-webhook");
                None
            }
        };
        let named = keys.get("name");
        let name: Option<SecretName> = match named {
            Some(node) => decoder.value(node, "name", &[]),
            None => kind.and_then(|kind| SecretName::new(kind.as_str()).ok()),
        };
        keys.finish(decoder, RECEIVER_KEYS);
        let (Some(name), Some(kind), Some(secret)) = (name, kind, secret) else {
            continue;
        };
        if receivers.iter().any(|other| other.name == name) {
            decoder.error(
                Code::DuplicateName,
                named.unwrap_or(item),
                format!("two receivers are called \"{name}\""),
                "give it a name of its own; without one it is called like its type",
            );
            continue;
        }
        receivers.push(WebhookReceiver { name, kind, secret });
    }
    receivers
}

fn section(
    fields: &mut Fields<'_>,
    key: &str,
    decoder: &mut Decoder<'_>,
    known: &[&str],
    read: impl FnOnce(&mut Fields<'_>, &mut Decoder<'_>),
) {
    let Some(mut keys) = fields.get(key).and_then(|node| decoder.fields(node, key)) else {
        return;
    };
    for name in known {
        // A section may leave early; its keys are known all the same.
        if keys.key_span(name).is_some() {
            keys.raw(name);
        }
    }
    read(&mut keys, decoder);
    keys.finish(decoder, known);
}

fn defaults(keys: &mut Fields<'_>, decoder: &mut Decoder<'_>) -> Defaults {
    let default = Defaults::default();
    let registry = keys.get("registry").and_then(|node| {
        let text = decoder.text(node, "registry")?;
        if Repository::new(text, "acme/image").is_err() {
            decoder.error(
                Code::InvalidValue,
                node,
                "invalid registry",
                "expected a host name such as ghcr.io",
            );
            return None;
        }
        Some(text.to_owned())
    });
    Defaults {
        rebuild_delay: keys
            .value::<Delay>(decoder, "rebuildDelay")
            .unwrap_or(default.rebuild_delay),
        cascade_delay: keys
            .value(decoder, "cascadeDelay")
            .unwrap_or(default.cascade_delay),
        coordination_window: keys
            .value(decoder, "coordinationWindow")
            .unwrap_or(default.coordination_window),
        digest_selection: keys
            .choice(decoder, "digestSelection", DigestSelection::ALL)
            .unwrap_or(default.digest_selection),
        delay_clock: keys
            .choice(decoder, "delayClock", DelayClock::ALL)
            .unwrap_or(default.delay_clock),
        auto_rebuild: keys
            .boolean(decoder, "autoRebuild")
            .unwrap_or(default.auto_rebuild),
        criticality: keys
            .choice(decoder, "criticality", Criticality::ALL)
            .unwrap_or(default.criticality),
        registry: registry.unwrap_or(default.registry),
        branch: keys.value(decoder, "branch").unwrap_or(default.branch),
    }
}

/// A list of `DIR` and `OWNER/NAME=DIR`, or a mapping of `OWNER/NAME` to `DIR`.
fn workspaces(node: &Node, decoder: &mut Decoder<'_>) -> Vec<Workspace> {
    let mut workspaces = Vec::new();
    let mut take = |text: String, at: &Node, decoder: &mut Decoder<'_>| match Workspace::new(&text)
    {
        Ok(workspace) => workspaces.push(workspace),
        Err(error) => decoder.error(
            Code::InvalidValue,
            at,
            format!("invalid {}: {}", error.what, error.problem),
            format!("expected {}", error.expected),
        ),
    };
    if node.entries().is_some() {
        let Some(fields) = decoder.fields(node, "workspaces") else {
            return workspaces;
        };
        for field in &fields.entries {
            if let Some(dir) = decoder.text(field.value, "workspace") {
                take(format!("{}={dir}", field.key), field.value, decoder);
            }
        }
    } else {
        for item in decoder.items(node, "workspaces").unwrap_or_default() {
            if let Some(text) = decoder.text(item, "workspace") {
                take(text.to_owned(), item, decoder);
            }
        }
    }
    workspaces
}

fn container_image(node: &Node, decoder: &mut Decoder<'_>) -> Option<String> {
    let text = decoder.text(node, "image")?;
    match imgfac_model::Reference::parse(text) {
        Ok(_) => Some(text.to_owned()),
        Err(error) => {
            decoder.error(
                Code::InvalidValue,
                node,
                format!("invalid image: {error}"),
                "expected a container image such as ghcr.io/acme/imgfac:v1",
            );
            None
        }
    }
}
