//! Roles: what they allow exists, and bindings name what exists.

use crate::document::Document;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::schemas::Schemas;
use crate::set::Set;

pub(crate) fn check(document: &Document, set: &Set<'_>, schemas: &Schemas, sink: &mut Sink) {
    if document.group() != "rbac.authorization.k8s.io" {
        return;
    }
    for rule in document.root().get("rules").items() {
        let texts = |field: &str| -> Vec<&str> {
            rule.get(field).items().filter_map(|it| it.text()).collect()
        };
        let groups = texts("apiGroups");
        if let [group] = groups.as_slice()
            && schemas
                .kinds
                .keys()
                .any(|(version, _)| in_group(version, group))
        {
            for resource in rule.get("resources").items() {
                let Some(name) = resource.text() else {
                    continue;
                };
                let base = name.split('/').next().unwrap_or(name);
                let known = schemas
                    .kinds
                    .iter()
                    .any(|((version, _), kind)| in_group(version, group) && kind.plural == base);
                if base != "*" && !known {
                    let message = format!("{group} has no resource of this name");
                    sink.add(document, &resource, Rule::Role, message);
                }
            }
        }
        let names = rule.get("resourceNames");
        if names.items().next().is_none() {
            continue;
        }
        for verb in rule.get("verbs").items() {
            if matches!(verb.text(), Some("create" | "deletecollection")) {
                let message = "this verb cannot be restricted to names: the rule never allows it";
                sink.add(document, &verb, Rule::Role, message);
            }
        }
        let kind = match (groups.as_slice(), texts("resources").as_slice()) {
            (["kargo.akuity.io"], ["stages" | "stages/status"]) => "Stage",
            (["kargo.akuity.io"], ["warehouses" | "warehouses/status"]) => "Warehouse",
            ([""], ["configmaps"]) => "ConfigMap",
            _ => continue,
        };
        for name in names.items() {
            if name
                .text()
                .is_some_and(|text| !set.exists(document, kind, text))
            {
                sink.add(
                    document,
                    &name,
                    Rule::Reference,
                    format!("no {kind} has this name"),
                );
            }
        }
    }
    binding(document, set, sink);
}

fn in_group(version: &str, group: &str) -> bool {
    version.split_once('/').is_some_and(|(of, _)| of == group)
}

fn binding(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    let role = document.root().get("roleRef");
    let name = role.get("name");
    match (role.get("kind").text(), name.text()) {
        (Some("Role"), Some(text)) if !set.exists(document, "Role", text) => {
            sink.add(document, &name, Rule::Reference, "no Role has this name");
        }
        (Some("ClusterRole"), Some(text)) if !set.exists(document, "ClusterRole", text) => {
            sink.add(
                document,
                &name,
                Rule::ReferenceOutside,
                "the manifest has no ClusterRole of this name",
            );
        }
        _ => {}
    }
    for subject in document.root().get("subjects").items() {
        let name = subject.get("name");
        let namespace = subject.get("namespace").text();
        let ours = namespace.is_some_and(|it| {
            set.documents
                .iter()
                .any(|other| other.namespace.as_deref() == Some(it))
        });
        if let (Some("ServiceAccount"), Some(text), true) =
            (subject.get("kind").text(), name.text(), ours)
            && !set.is_external("ServiceAccount", text)
            && !set
                .of_kind("ServiceAccount")
                .any(|it| it.name == text && it.namespace.as_deref() == namespace)
        {
            sink.add(
                document,
                &name,
                Rule::Reference,
                "no ServiceAccount has this name",
            );
        }
    }
}
