//! Names, labels, namespaces and the order of resources.

use std::collections::BTreeMap;

use crate::document::Document;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::set::Set;

/// Whether the objects of a document lie in a namespace: `None` if nobody knows.
pub(crate) type InNamespace = Option<bool>;

pub(crate) fn check(document: &Document, set: &Set<'_>, inside: InNamespace, sink: &mut Sink) {
    name(document, sink);
    labels(document, sink);
    namespace(document, set, inside, sink);
}

/// Resources that stand in the manifest twice.
pub(crate) fn duplicates(set: &Set<'_>, sink: &mut Sink) {
    let mut seen: BTreeMap<_, &Document> = BTreeMap::new();
    for document in set.documents {
        if document.root().dig(&["metadata", "name"]).is_absent() {
            continue;
        }
        let identity = (
            document.group(),
            &document.kind,
            &document.namespace,
            &document.name,
        );
        if let Some(first) = seen.get(&identity) {
            let message = format!(
                "document {} of {} is the same resource",
                first.index + 1,
                first.file
            );
            sink.add(document, &document.root(), Rule::Duplicate, message);
        } else {
            seen.insert(identity, document);
        }
    }
}

fn name(document: &Document, sink: &mut Sink) {
    let at = document.root().dig(&["metadata", "name"]);
    let Some(name) = at.text() else {
        return;
    };
    let problem = match (document.group(), document.kind.as_str()) {
        // Names of roles are parts of a path.
        ("rbac.authorization.k8s.io", _) => {
            (name.is_empty() || name.contains(['/', '%']) || matches!(name, "." | ".."))
                .then_some("this is no part of a path")
        }
        // These are names of namespaces, values of labels, or parts of longer names.
        ("", "Namespace") | ("kargo.akuity.io" | "argoproj.io", _) => (!is_dns_label(name))
            .then_some("only a-z, 0-9 and - inside, and at most 63 characters"),
        _ => (!is_dns_subdomain(name)).then_some(
            "only a-z, 0-9, - and . inside, each part between dots not empty, and at most 253 characters",
        ),
    };
    if let Some(problem) = problem {
        sink.add(document, &at, Rule::Name, problem);
    }
}

fn labels(document: &Document, sink: &mut Sink) {
    // Those of the pods of a job too, wherever they stand.
    let mut places = vec![document.root().get("metadata")];
    for metric in document.root().dig(&["spec", "metrics"]).items() {
        let job = metric.dig(&["provider", "job"]);
        places.push(job.get("metadata"));
        places.push(job.dig(&["spec", "template", "metadata"]));
    }
    for metadata in places {
        for field in ["labels", "annotations"] {
            for (key, at) in metadata.get(field).fields() {
                if !is_qualified_name(key) {
                    sink.add(document, &at, Rule::Label, format!("{key:?} is no key"));
                }
                let Some(value) = at.text() else {
                    sink.add(
                        document,
                        &at,
                        Rule::Label,
                        "the value is no text; put it in quotes",
                    );
                    continue;
                };
                if field == "labels" && !is_label_value(value) {
                    sink.add(
                        document,
                        &at,
                        Rule::Label,
                        "only letters, digits, -, _ and . inside, and at most 63 characters",
                    );
                }
            }
        }
    }
}

fn namespace(document: &Document, set: &Set<'_>, inside: InNamespace, sink: &mut Sink) {
    let at = document.root().dig(&["metadata", "namespace"]);
    match (inside, document.namespace.as_deref()) {
        (Some(false), Some(_)) => {
            let message = "objects of this kind belong to the cluster and to no namespace";
            sink.add(document, &at, Rule::Namespace, message);
        }
        (Some(true), None) => {
            let message = "without a namespace it goes wherever the user of kubectl happens to be";
            sink.add(document, &at, Rule::Namespace, message);
        }
        (Some(true), Some(namespace)) => in_project(document, namespace, set, sink),
        _ => {}
    }
    if document.is_kargo("ProjectConfig") && document.namespace.as_ref() != Some(&document.name) {
        let message = "a ProjectConfig has the name of its project, which is that of its namespace";
        sink.add(
            document,
            &document.root().dig(&["metadata", "name"]),
            Rule::Namespace,
            message,
        );
    }
    if document.is_core("Namespace") {
        of_project(document, set, sink);
    }
}

/// A namespace has the label of projects if a project has its name, and only then.
fn of_project(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    let label = document
        .root()
        .dig(&["metadata", "labels", "kargo.akuity.io/project"]);
    let has_project = set.of_kind("Project").any(|it| it.name == document.name);
    match (has_project, label.text() == Some("true")) {
        (true, false) => {
            let message = "Kargo only takes over a namespace with the label kargo.akuity.io/project: \"true\"";
            sink.add(document, &label, Rule::Namespace, message);
        }
        (false, true) if !set.is_external("Project", &document.name) => {
            let message = "no project of the manifest has the name of this namespace";
            sink.add(document, &label, Rule::Namespace, message);
        }
        _ => {}
    }
}

fn in_project(document: &Document, namespace: &str, set: &Set<'_>, sink: &mut Sink) {
    let at = document.root().dig(&["metadata", "namespace"]);
    let mut projects = set.of_kind("Project").map(|it| it.name.as_str()).peekable();
    if projects.peek().is_some() && !projects.any(|project| project == namespace) {
        sink.add(
            document,
            &at,
            Rule::Namespace,
            "no project of the manifest has this name",
        );
    }
    let late = set.of_kind("Namespace").find(|it| {
        it.name == namespace && it.file_index == document.file_index && it.index > document.index
    });
    if late.is_some() {
        sink.add(
            document,
            &at,
            Rule::Order,
            "the namespace comes later in the file",
        );
    }
}

/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>
pub(crate) fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_part(text, |c| matches!(c, 'a'..='z' | '0'..='9'), &['-'])
}

/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text
            .split('.')
            .all(|part| is_part(part, |c| matches!(c, 'a'..='z' | '0'..='9'), &['-']))
}

/// A prefix that is a subdomain, if there is one, and a name.
fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_name(name),
        None => is_name(text),
    }
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

fn is_name(text: &str) -> bool {
    text.len() <= 63 && is_part(text, |c| c.is_ascii_alphanumeric(), &['-', '_', '.'])
}

/// Whether a text begins and ends with a character, and has only such and some marks inside.
fn is_part(text: &str, outside: fn(char) -> bool, marks: &[char]) -> bool {
    text.starts_with(outside)
        && text.ends_with(outside)
        && text.chars().all(|c| outside(c) || marks.contains(&c))
}
