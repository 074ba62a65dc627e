//! Resources of Kubernetes itself, as far as a fleet needs them.

use crate::at::At;
use crate::document::Document;
use crate::finding::Sink;
use crate::rule::Rule;

/// A kind: its `apiVersion`, its name, whether it lies in a namespace, and the fields that it has
/// beside `apiVersion`, `kind` and `metadata`.
const KINDS: &[(&str, &str, bool, &[&str])] = &[
    ("v1", "Namespace", false, &["spec", "status"]),
    (
        "v1",
        "ServiceAccount",
        true,
        &[
            "automountServiceAccountToken",
            "imagePullSecrets",
            "secrets",
        ],
    ),
    (
        "v1",
        "ConfigMap",
        true,
        &["data", "binaryData", "immutable"],
    ),
    (
        "v1",
        "Secret",
        true,
        &["data", "stringData", "immutable", "type"],
    ),
    (RBAC, "Role", true, &["rules"]),
    (RBAC, "ClusterRole", false, &["rules", "aggregationRule"]),
    (RBAC, "RoleBinding", true, &["roleRef", "subjects"]),
    (RBAC, "ClusterRoleBinding", false, &["roleRef", "subjects"]),
];
const RBAC: &str = "rbac.authorization.k8s.io/v1";
const METADATA: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
];
const LARGEST: usize = 1 << 20;

/// Whether a kind is known here, and whether its objects lie in a namespace.
pub(crate) fn is_in_namespace(document: &Document) -> Option<bool> {
    known(document).map(|(_, _, inside, _)| *inside)
}

fn known(
    document: &Document,
) -> Option<&'static (&'static str, &'static str, bool, &'static [&'static str])> {
    KINDS
        .iter()
        .find(|(version, kind, ..)| document.api_version == *version && document.kind == *kind)
}

/// The metadata of any document.
pub(crate) fn metadata(document: &Document, sink: &mut Sink) {
    for (key, at) in document.root().get("metadata").fields() {
        if !METADATA.contains(&key) {
            sink.add(
                document,
                &at,
                Rule::Core,
                "there is no such field in metadata, or none that is yours to set",
            );
        }
    }
}

pub(crate) fn check(document: &Document, sink: &mut Sink) {
    let Some((_, kind, _, fields)) = known(document) else {
        return;
    };
    let root = document.root();
    for (key, at) in root.fields() {
        if !matches!(key, "apiVersion" | "kind" | "metadata") && !fields.contains(&key) {
            sink.add(
                document,
                &at,
                Rule::Core,
                format!("a {kind} has no such field"),
            );
        }
    }
    match *kind {
        "ServiceAccount" => service_account(document, sink),
        "ConfigMap" => config_map(document, sink),
        "Secret" => secret(document, sink),
        "Role" | "ClusterRole" => role(document, sink),
        "RoleBinding" | "ClusterRoleBinding" => role_binding(document, sink),
        _ => {}
    }
}

fn service_account(document: &Document, sink: &mut Sink) {
    let root = document.root();
    boolean(document, &root.get("automountServiceAccountToken"), sink);
    for field in ["imagePullSecrets", "secrets"] {
        list(document, &root.get(field), sink);
        for item in root.get(field).items() {
            text(document, &item.get("name"), sink);
        }
    }
}

fn config_map(document: &Document, sink: &mut Sink) {
    boolean(document, &document.root().get("immutable"), sink);
    data(document, &["data"], &["binaryData"], sink);
}

fn secret(document: &Document, sink: &mut Sink) {
    let root = document.root();
    boolean(document, &root.get("immutable"), sink);
    data(document, &["stringData"], &["data"], sink);
    let label = root.dig(&["metadata", "labels", "kargo.akuity.io/cred-type"]);
    let Some(sort) = label.text() else {
        return;
    };
    if !matches!(sort, "git" | "helm" | "image" | "generic") {
        let message = "Kargo knows credentials of the types git, helm, image and generic";
        sink.add(document, &label, Rule::Core, message);
    } else if sort != "generic"
        && ["stringData", "data"]
            .iter()
            .all(|field| root.dig(&[field, "repoURL"]).is_absent())
    {
        let message = "Kargo finds these credentials by repoURL, which is not there";
        sink.add(document, &label, Rule::Core, message);
    }
}

/// Maps of text and of base64, whose keys are names of files.
fn data(document: &Document, plain: &[&str], encoded: &[&str], sink: &mut Sink) {
    let root = document.root();
    let mut size = 0;
    for (fields, is_plain) in [(plain, true), (encoded, false)] {
        for field in fields {
            let map = root.get(field);
            if !map.is_absent() && !map.value.is_object() {
                sink.add(
                    document,
                    &map,
                    Rule::Core,
                    "this has to be a map of keys to texts",
                );
            }
            for (key, at) in map.fields() {
                let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                if !(1..=253).contains(&key.len()) || !key.chars().all(legal) {
                    let message = format!(
                        "{key:?} is no key: only letters, digits, -, _ and ., and at most 253 characters"
                    );
                    sink.add(document, &at, Rule::Core, message);
                }
                match at.text() {
                    Some(value) if !is_plain && !is_base64(value) => {
                        sink.add(document, &at, Rule::Core, "the value is not base64");
                    }
                    Some(value) => size += key.len() + value.len(),
                    None => sink.add(
                        document,
                        &at,
                        Rule::Core,
                        "the value is no text; put it in quotes",
                    ),
                }
            }
        }
    }
    if size > LARGEST {
        sink.add(document, &root, Rule::Core, "the data is larger than 1 MiB");
    }
}

fn role(document: &Document, sink: &mut Sink) {
    let rules = document.root().get("rules");
    list(document, &rules, sink);
    for rule in rules.items() {
        for (key, at) in rule.fields() {
            match key {
                "apiGroups" | "resources" | "verbs" | "resourceNames" | "nonResourceURLs" => {
                    list(document, &at, sink);
                    for item in at.items() {
                        if item.text().is_none() {
                            sink.add(document, &item, Rule::Core, "this has to be a text");
                        }
                    }
                }
                _ => sink.add(
                    document,
                    &at,
                    Rule::Core,
                    "a rule of a role has no such field",
                ),
            }
        }
        if rule.get("verbs").items().next().is_none() {
            sink.add(
                document,
                &rule,
                Rule::Core,
                "a rule without verbs allows nothing",
            );
        }
        let of_resources = ["apiGroups", "resources"]
            .iter()
            .all(|field| rule.get(field).items().next().is_some());
        if !of_resources && rule.get("nonResourceURLs").is_absent() {
            sink.add(
                document,
                &rule,
                Rule::Core,
                "a rule names apiGroups and resources",
            );
        }
    }
}

fn role_binding(document: &Document, sink: &mut Sink) {
    let root = document.root();
    let role = root.get("roleRef");
    for field in ["apiGroup", "kind", "name"] {
        text(document, &role.get(field), sink);
    }
    if role
        .get("apiGroup")
        .text()
        .is_some_and(|group| group != "rbac.authorization.k8s.io")
    {
        sink.add(
            document,
            &role.get("apiGroup"),
            Rule::Core,
            "roles are of rbac.authorization.k8s.io",
        );
    }
    if role
        .get("kind")
        .text()
        .is_some_and(|kind| !matches!(kind, "Role" | "ClusterRole"))
    {
        sink.add(
            document,
            &role.get("kind"),
            Rule::Core,
            "only a Role or a ClusterRole can be bound",
        );
    }
    list(document, &root.get("subjects"), sink);
    if root.get("subjects").items().next().is_none() {
        let message = "a binding without subjects allows nobody anything";
        sink.add(document, &root.get("subjects"), Rule::Core, message);
    }
    for subject in root.get("subjects").items() {
        text(document, &subject.get("name"), sink);
        match subject.get("kind").text() {
            Some("ServiceAccount") => {
                text(document, &subject.get("namespace"), sink);
                if subject
                    .get("apiGroup")
                    .text()
                    .is_some_and(|group| !group.is_empty())
                {
                    sink.add(
                        document,
                        &subject.get("apiGroup"),
                        Rule::Core,
                        "service accounts are of the core group",
                    );
                }
            }
            Some("User" | "Group") => {}
            _ => sink.add(
                document,
                &subject.get("kind"),
                Rule::Core,
                "a subject is a ServiceAccount, a User or a Group",
            ),
        }
    }
}

fn text(document: &Document, at: &At<'_>, sink: &mut Sink) {
    if at.text().is_none_or(str::is_empty) {
        sink.add(
            document,
            at,
            Rule::Core,
            "this has to be a text that is not empty",
        );
    }
}

fn boolean(document: &Document, at: &At<'_>, sink: &mut Sink) {
    if !at.is_absent() && !at.value.is_boolean() {
        sink.add(document, at, Rule::Core, "this has to be true or false");
    }
}

fn list(document: &Document, at: &At<'_>, sink: &mut Sink) {
    if !at.is_absent() && !at.value.is_array() {
        sink.add(document, at, Rule::Core, "this has to be a list");
    }
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'))
}
