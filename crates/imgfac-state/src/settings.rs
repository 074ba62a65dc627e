//! `imgfac.yaml`: settings, each with a default.

use imgfac_model::{
    Analysis, Code, Criticality, Defaults, Delay, Repository, Settings, StateRepository, Workspace,
};
use imgfac_yaml::Node;

use crate::decode::{Decoder, Fields};

/// The keys of `imgfac.yaml`.
pub(crate) const SETTINGS_KEYS: &[&str] = &[
    "namespace",
    "defaults",
    "workspaces",
    "stateRepository",
    "analysis",
];
/// The keys of `defaults`.
pub(crate) const DEFAULTS_KEYS: &[&str] = &[
    "rebuildDelay",
    "autoRebuild",
    "criticality",
    "registry",
    "branch",
];
/// The keys of `stateRepository`.
pub(crate) const STATE_REPOSITORY_KEYS: &[&str] = &["url", "branch", "path"];
/// The keys of `analysis`.
pub(crate) const ANALYSIS_KEYS: &[&str] = &["image", "gitSecret", "labels"];

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
                    .get("gitSecret")
                    .and_then(|node| secret_name(node, decoder))
                    .unwrap_or(default.git_secret),
                labels: keys
                    .get("labels")
                    .map(|node| decoder.text_map(node, "labels"))
                    .unwrap_or_default(),
            };
        },
    );
    fields.finish(decoder, SETTINGS_KEYS);
    settings
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

/// Secrets have the names of DNS subdomains,
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>.
fn secret_name(node: &Node, decoder: &mut Decoder<'_>) -> Option<String> {
    let text = decoder.text(node, "gitSecret")?;
    let label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() > 253 || !text.split('.').all(label) {
        decoder.error(
            Code::InvalidValue,
            node,
            "invalid gitSecret",
            "expected the name of a Secret: lower-case letters, digits, \"-\" and \".\"",
        );
        return None;
    }
    Some(text.to_owned())
}
