//! `images.yaml` and `images.d/*.yaml`: a list of entries, one for each enrolled image.

use imgfac_model::{
    Code, Criticality, Defaults, DelayClock, Diagnostic, DigestSelection, Enrolment, ImageName,
    Platform, Provider, RelativePath, Repository, SelectionStrategy, Source, Span, Tag, UpdateKind,
    UpdateTarget, is_version_range,
};
use imgfac_yaml::{Node, Value};

use crate::decode::{Decoder, Fields};

/// The keys of an entry.
pub(crate) const ENTRY_KEYS: &[&str] = &[
    "name",
    "registry",
    "repository",
    "source",
    "rebuildDelay",
    "cascadeDelay",
    "coordinationWindow",
    "digestSelection",
    "delayClock",
    "autoRebuild",
    "criticality",
    "allowTags",
    "imageSelectionStrategy",
    "constraint",
    "updates",
];

/// The keys of an entry's `source`.
pub(crate) const SOURCE_KEYS: &[&str] = &[
    "provider",
    "host",
    "repo",
    "branch",
    "dockerfile",
    "context",
    "buildArgs",
    "target",
    "platforms",
    "workflow",
    "inputs",
    "causeInputs",
    "job",
    "variables",
    "url",
];

/// The keys of an item of `updates`.
pub(crate) const UPDATE_KEYS: &[&str] = &["repo", "branch", "path", "type", "key", "pullRequest"];

/// Keys that the predecessor's users have in their files: kept in state, without effect here.
pub(crate) const LEGACY_ENTRY_KEYS: &[&str] = &["local", "owner"];
pub(crate) const LEGACY_SOURCE_KEYS: &[&str] = &["pipeline"];

/// An entry, with what its file says beyond [`Enrolment`].
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolled {
    /// The entry, with defaults filled in.
    pub enrolment: Enrolment,
    /// Keys of the predecessor, kept as written.
    pub legacy: Vec<(String, Value)>,
    /// The same of `source`.
    pub legacy_source: Vec<(String, Value)>,
    /// Where its name is written.
    pub at: Span,
}

/// An entry as it was read.
pub(crate) struct Entry {
    /// Its name and where that is written: a broken entry takes its name all the same.
    pub(crate) name: Option<(ImageName, Span)>,
    /// The entry, if nothing is wrong with it.
    pub(crate) enrolled: Option<Enrolled>,
    /// Whether it wants settled digests by default, and its build is not told which those are.
    pub(crate) not_told: bool,
}

/// Reads the entries of one file, reporting every mistake.
pub(crate) fn read(root: &Node, decoder: &mut Decoder<'_>, defaults: &Defaults) -> Vec<Entry> {
    if root.is_null() {
        return Vec::new();
    }
    let Some(items) = root.items() else {
        decoder.wrong_type(
            root,
            "the file",
            "a list of entries: each begins with \"- name: …\"",
        );
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| entry(item, decoder, defaults))
        .collect()
}

fn entry(node: &Node, decoder: &mut Decoder<'_>, defaults: &Defaults) -> Option<Entry> {
    let mut fields = decoder.fields(node, "this entry")?;
    let name_node = fields.get("name");
    let name: Option<ImageName> = match name_node {
        Some(node) => decoder.value(node, "name", &[]),
        None => {
            fields.missing(decoder, "name", "storefront");
            None
        }
    };
    nested_enrollment(&mut fields, decoder);

    let has_source = fields.key_span("source").is_some();
    let (source, legacy_source) = source(&mut fields, decoder, defaults);
    let repository = repository(&mut fields, decoder, defaults);
    let rebuild_delay = fields
        .value(decoder, "rebuildDelay")
        .unwrap_or_else(|| defaults.rebuild_delay.clone());
    let cascade_delay = fields.value(decoder, "cascadeDelay");
    let coordination_window = fields.value(decoder, "coordinationWindow");
    let digest_selection = fields
        .choice(decoder, "digestSelection", DigestSelection::ALL)
        .unwrap_or(defaults.digest_selection);
    let not_told = source.as_ref().is_some_and(|source| {
        digest_selection == DigestSelection::Settled
            && source.provider != Provider::Webhook
            && !source.cause_inputs
    });
    let own = fields.get("digestSelection").is_some();
    if let (true, true, Some(at)) = (not_told, own, fields.key_span("digestSelection")) {
        let span = decoder.span(at);
        decoder.push(settled_in_vain(
            span,
            "its build is not told which digests those are",
        ));
    }
    let delay_clock = fields
        .choice(decoder, "delayClock", DelayClock::ALL)
        .unwrap_or(defaults.delay_clock);
    let auto_rebuild = fields
        .boolean(decoder, "autoRebuild")
        .unwrap_or(defaults.auto_rebuild);
    let criticality = fields
        .choice(decoder, "criticality", Criticality::ALL)
        .unwrap_or(defaults.criticality);
    let allow_tags = fields
        .get("allowTags")
        .and_then(|node| regular_expression(node, decoder));
    let strategy = fields.choice(decoder, "imageSelectionStrategy", SelectionStrategy::ALL);
    let constraint_node = fields.get("constraint");
    let constraint = constraint_node.and_then(|node| constraint(node, strategy, decoder));
    if strategy == Some(SelectionStrategy::Digest) && constraint_node.is_none() {
        let example = "\"16-alpine\"   # the tag that moves";
        fields.missing(decoder, "constraint", example);
    }
    let updates = updates(&mut fields, decoder, defaults);
    let legacy = legacy(&mut fields, decoder, LEGACY_ENTRY_KEYS);
    fields.finish(decoder, ENTRY_KEYS);

    let name = name
        .zip(name_node)
        .map(|(name, node)| (name, decoder.span(node.span.clone())));
    // An entry whose `source` is broken must not pass for an external image.
    let complete = !has_source || source.is_some();
    let enrolled = match (&name, repository) {
        (Some((name, at)), Some(repository)) if complete => Some(Enrolled {
            at: at.clone(),
            enrolment: Enrolment {
                name: name.clone(),
                repository,
                source,
                rebuild_delay,
                cascade_delay,
                coordination_window,
                digest_selection,
                delay_clock,
                auto_rebuild,
                criticality,
                allow_tags,
                image_selection_strategy: strategy,
                constraint,
                updates,
            },
            legacy,
            legacy_source,
        }),
        _ => None,
    };
    Some(Entry {
        name,
        enrolled,
        not_told: not_told && !own,
    })
}

/// That nobody is told which digests settled.
pub(crate) fn settled_in_vain(at: Span, label: impl Into<String>) -> Diagnostic {
    let message = "\"digestSelection: settled\" is not heeded without \"causeInputs: true\"";
    Diagnostic::warning(Code::UnusedKey, message, at, label).with_help(
        "set causeInputs: true in source, and let the build stand on the digests of imgfac_bases (docs/kargo.md)",
    )
}

/// The predecessor also took an entry's keys below `enrollment`; those of the entry itself win.
fn nested_enrollment<'n>(fields: &mut Fields<'n>, decoder: &mut Decoder<'_>) {
    let Some(node) = fields.get("enrollment") else {
        return;
    };
    if let Some(span) = fields.key_span("enrollment") {
        let span = decoder.span(span);
        decoder.push(
            Diagnostic::warning(
                Code::LegacyKey,
                "\"enrollment\" is a form of the predecessor",
                span,
                "still read",
            )
            .with_help("move its keys one level up, into the entry itself"),
        );
    }
    let Some(inner) = decoder.fields(node, "enrollment") else {
        return;
    };
    for field in inner.entries {
        if fields.key_span(field.key).is_none() {
            fields.entries.push(field);
        }
    }
}

fn repository(
    fields: &mut Fields<'_>,
    decoder: &mut Decoder<'_>,
    defaults: &Defaults,
) -> Option<Repository> {
    let registry = fields.text(decoder, "registry");
    // The predecessor's `repoURL` names both at once.
    let url = fields.text(decoder, "repoURL");
    let Some(node) = fields.get("repository") else {
        if let (Some(url), None) = (url, &registry)
            && let Ok(reference) = imgfac_model::Reference::parse(&url)
        {
            return Some(reference.repository().clone());
        }
        fields.missing(decoder, "repository", "acme/storefront");
        return None;
    };
    let path = decoder.text(node, "repository")?;
    if let Some((host, rest)) = path.split_once('/')
        && (registry.as_deref() == Some(host)
            || (registry.is_none() && Repository::new(host, rest).is_ok()))
    {
        decoder.error(
            Code::InvalidValue,
            node,
            "the repository begins with a registry",
            format!("expected {rest} here, and registry: {host} beside it"),
        );
        return None;
    }
    match Repository::new(registry.as_deref().unwrap_or(&defaults.registry), path) {
        Ok(repository) => Some(repository),
        Err(error) => {
            decoder.error(
                Code::InvalidValue,
                node,
                format!("invalid repository: {error}"),
                "expected the name of an image without registry and tag, such as acme/storefront",
            );
            None
        }
    }
}

fn source(
    fields: &mut Fields<'_>,
    decoder: &mut Decoder<'_>,
    defaults: &Defaults,
) -> (Option<Source>, Vec<(String, Value)>) {
    let Some(node) = fields.raw("source") else {
        return (None, Vec::new());
    };
    if node.is_null() {
        let span = decoder.span(fields.key_span("source").unwrap_or_default());
        decoder.push(
            Diagnostic::error(
                Code::MissingKey,
                "source has no value",
                span,
                "expected the keys of a source below it",
            )
            .with_help(
                "remove the key if this is an external image, which is watched but never rebuilt",
            ),
        );
        return (None, Vec::new());
    }
    let Some(mut keys) = decoder.fields(node, "source") else {
        return (None, Vec::new());
    };
    let before = decoder.errors();
    let provider = keys
        .choice(decoder, "provider", Provider::ALL)
        .unwrap_or(Provider::GitHub);
    let repo = match keys.get("repo") {
        Some(node) => decoder.value(node, "repo", &[]),
        None => {
            keys.missing(decoder, "repo", "acme/shop");
            None
        }
    };
    let platforms = match keys.get("platforms") {
        Some(node) => decoder
            .items(node, "platforms")
            .unwrap_or_default()
            .iter()
            .filter_map(|item| decoder.value::<Platform>(item, "platform", &[]))
            .collect(),
        None => Vec::new(),
    };
    let mut map = |key: &str, decoder: &mut Decoder<'_>| match keys.get(key) {
        Some(node) => decoder.text_map(node, key),
        None => Default::default(),
    };
    let (build_args, inputs, variables) = (
        map("buildArgs", decoder),
        map("inputs", decoder),
        map("variables", decoder),
    );
    let source = repo.map(|repo| Source {
        provider,
        host: keys.value(decoder, "host"),
        repo,
        branch: keys
            .value(decoder, "branch")
            .unwrap_or_else(|| defaults.branch.clone()),
        dockerfile: keys
            .value(decoder, "dockerfile")
            .unwrap_or_else(default_dockerfile),
        context: keys.value(decoder, "context"),
        build_args,
        target: keys.value(decoder, "target"),
        platforms,
        workflow: keys.value(decoder, "workflow"),
        inputs,
        cause_inputs: keys.boolean(decoder, "causeInputs").unwrap_or(false),
        job: keys
            .get("job")
            .and_then(|node| one_line(node, "job", decoder)),
        variables,
        url: keys.value(decoder, "url"),
    });
    if let Some(source) = &source {
        check_provider(source, &mut keys, decoder);
    } else {
        // Without a repository the rest is not judged, but it is known.
        for key in SOURCE_KEYS {
            keys.raw(key);
        }
    }
    let legacy = legacy(&mut keys, decoder, LEGACY_SOURCE_KEYS);
    keys.finish(decoder, SOURCE_KEYS);
    (source.filter(|_| decoder.errors() == before), legacy)
}

fn default_dockerfile() -> RelativePath {
    RelativePath::new("Dockerfile").unwrap_or_else(|_| RelativePath::root())
}

/// What only makes sense with one provider.
fn check_provider(source: &Source, keys: &mut Fields<'_>, decoder: &mut Decoder<'_>) {
    let unused: &[&str] = match source.provider {
        Provider::GitHub => &["job", "variables", "url"],
        Provider::GitLab => &["workflow", "inputs", "url"],
        // A webhook is told why in any case: nobody but its receiver says what it takes.
        Provider::Webhook => &["workflow", "inputs", "job", "variables", "causeInputs"],
    };
    for key in unused {
        if let Some(range) = keys.key_span(key) {
            let span = decoder.span(range);
            decoder.push(Diagnostic::warning(
                Code::UnusedKey,
                format!("{key} has no effect with provider {}", source.provider),
                span,
                "not used",
            ));
        }
    }
    if source.provider == Provider::Webhook
        && source.url.is_none()
        && keys.key_span("url").is_none()
    {
        keys.missing(decoder, "url", "https://ci.example.com/hooks/rebuild");
    }
    if source.provider == Provider::GitHub
        && source.repo.as_str().split('/').count() != 2
        && let Some(node) = keys.get("repo")
    {
        decoder.error(
            Code::InvalidValue,
            node,
            "a GitHub repository has an owner and a name",
            "expected owner/name",
        );
    }
}

fn updates(
    fields: &mut Fields<'_>,
    decoder: &mut Decoder<'_>,
    defaults: &Defaults,
) -> Vec<UpdateTarget> {
    let Some(items) = fields
        .get("updates")
        .and_then(|node| decoder.items(node, "updates"))
    else {
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| update(item, decoder, defaults))
        .collect()
}

fn update(node: &Node, decoder: &mut Decoder<'_>, defaults: &Defaults) -> Option<UpdateTarget> {
    let mut keys = decoder.fields(node, "this update")?;
    let mut required = |key: &str, example: &str, decoder: &mut Decoder<'_>| {
        let node = keys.get(key);
        if node.is_none() {
            keys.missing(decoder, key, example);
        }
        node
    };
    let (repo, path, kind) = (
        required("repo", "acme/deploy", decoder),
        required("path", "overlays/prod", decoder),
        required("type", "kustomize-set-image", decoder),
    );
    let repo = repo.and_then(|node| decoder.value(node, "repo", &[]));
    let path = path.and_then(|node| decoder.value(node, "path", &[]));
    let kind = kind.and_then(|node| decoder.value(node, "type", UpdateKind::ALL));
    let branch = keys
        .value(decoder, "branch")
        .unwrap_or_else(|| defaults.branch.clone());
    let key = keys
        .get("key")
        .and_then(|node| one_line(node, "key", decoder));
    if kind == Some(UpdateKind::YamlUpdate) && key.is_none() && keys.key_span("key").is_none() {
        keys.missing(decoder, "key", "image.tag");
    }
    let pull_request = keys.boolean(decoder, "pullRequest").unwrap_or(false);
    keys.finish(decoder, UPDATE_KEYS);
    Some(UpdateTarget {
        repo: repo?,
        branch,
        path: path?,
        kind: kind?,
        key,
        pull_request,
    })
}

fn legacy(
    fields: &mut Fields<'_>,
    decoder: &mut Decoder<'_>,
    keys: &[&str],
) -> Vec<(String, Value)> {
    let mut kept = Vec::new();
    for key in keys {
        let Some(node) = fields.raw(key) else {
            continue;
        };
        kept.push(((*key).to_owned(), node.to_value()));
        if let Some(range) = fields.key_span(key) {
            let span = decoder.span(range);
            decoder.push(Diagnostic::warning(
                Code::LegacyKey,
                format!(
                    "\"{key}\" is a key of the predecessor: it is kept in state, but has no effect"
                ),
                span,
                "no effect",
            ));
        }
    }
    kept
}

/// A range of versions, or the one tag of `Digest`; the other strategies take no notice of it.
fn constraint(
    node: &Node,
    strategy: Option<SelectionStrategy>,
    decoder: &mut Decoder<'_>,
) -> Option<String> {
    let text = one_line(node, "constraint", decoder)?;
    let expected = match strategy {
        None | Some(SelectionStrategy::SemVer) if !is_version_range(&text) => {
            "expected a range of versions, such as \">=16\" or \"^1.2\""
        }
        Some(SelectionStrategy::Digest) if Tag::parse(&text).is_err() => {
            "expected the one tag that is followed, such as 16-alpine"
        }
        _ => return Some(text),
    };
    decoder.error(Code::InvalidValue, node, "invalid constraint", expected);
    None
}

/// Kargo reads these as Go's regular expressions; the syntax is that of Rust's but for corners.
fn regular_expression(node: &Node, decoder: &mut Decoder<'_>) -> Option<String> {
    let text = one_line(node, "allowTags", decoder)?;
    if let Err(error) = regex_syntax::parse(&text) {
        let reason = match &error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            _ => error.to_string(),
        };
        decoder.error(
            Code::InvalidValue,
            node,
            format!("invalid regular expression: {reason}"),
            "expected a regular expression such as ^16-alpine$",
        );
        return None;
    }
    Some(text)
}

pub(crate) fn one_line(node: &Node, what: &str, decoder: &mut Decoder<'_>) -> Option<String> {
    let text = decoder.text(node, what)?;
    if text.is_empty() || text.len() > 1_024 || text.chars().any(char::is_control) {
        decoder.error(
            Code::InvalidValue,
            node,
            format!("invalid {what}"),
            "expected one line of 1 to 1,024 characters",
        );
        return None;
    }
    Some(text.to_owned())
}
