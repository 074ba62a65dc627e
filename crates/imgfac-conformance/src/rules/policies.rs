//! The configuration of a project: promotion policies and webhook receivers.

use std::collections::{BTreeMap, BTreeSet};

use crate::at::At;
use crate::document::Document;
use crate::finding::Sink;
use crate::go::Pattern;
use crate::rule::Rule;
use crate::set::Set;

pub(crate) fn check(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    if document.is_kargo("ProjectConfig") {
        policies(document, set, sink);
        receivers(document, set, sink);
    }
}

fn policies(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    // Stage to the first policy that matches it.
    let mut decided: BTreeMap<&str, usize> = BTreeMap::new();
    let policies = document.root().dig(&["spec", "promotionPolicies"]);
    for (index, policy) in policies.items().enumerate() {
        let matching = match matching(&policy, document, set) {
            Ok(matching) => matching,
            Err((at, problem)) => {
                sink.add(document, &at, Rule::Policy, problem);
                continue;
            }
        };
        let external = policy.dig(&["stageSelector", "name"]).text();
        if matching.is_empty() {
            if !external.is_some_and(|name| set.is_external("Stage", name)) {
                sink.add(
                    document,
                    &policy,
                    Rule::Policy,
                    "no Stage of the manifest is meant by this policy",
                );
            }
            continue;
        }
        let earlier: BTreeSet<usize> = matching
            .iter()
            .filter_map(|stage| decided.get(stage).copied())
            .collect();
        if matching.iter().all(|stage| decided.contains_key(stage)) {
            let earlier: Vec<String> = earlier.iter().map(|it| (it + 1).to_string()).collect();
            let message = format!(
                "this policy never applies: for each of its stages policy {} comes first",
                earlier.join(", ")
            );
            sink.add(document, &policy, Rule::Policy, message);
        }
        for stage in matching {
            decided.entry(stage).or_insert(index);
        }
    }
}

/// The stages that a policy means.
fn matching<'a>(
    policy: &At<'a>,
    document: &Document,
    set: &Set<'a>,
) -> Result<Vec<&'a str>, (At<'a>, String)> {
    let selector = policy.get("stageSelector");
    let (at, pattern) = match policy.get("stage").text() {
        Some(name) => (policy.get("stage"), Some(Pattern::Exact(name.to_owned()))),
        None => {
            let at = selector.get("name");
            match at
                .text()
                .filter(|text| !text.is_empty())
                .map(Pattern::parse)
            {
                Some(Ok(pattern)) => (at, Some(pattern)),
                Some(Err(problem)) => return Err((at, problem)),
                None => (at, None),
            }
        }
    };
    if pattern.is_none()
        && selector.get("matchLabels").is_absent()
        && selector.get("matchExpressions").is_absent()
    {
        return Err((at, "the policy selects nothing".into()));
    }
    Ok(set
        .of_kind("Stage")
        .filter(|stage| stage.namespace == document.namespace)
        .filter(|stage| pattern.as_ref().is_none_or(|it| it.matches(&stage.name)))
        .filter(|stage| has_labels(stage, &selector))
        .map(|stage| stage.name.as_str())
        .collect())
}

/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>
fn has_labels(stage: &Document, selector: &At<'_>) -> bool {
    let labels = stage.root().dig(&["metadata", "labels"]);
    let label = |key: &str| labels.get(key).text();
    selector
        .get("matchLabels")
        .fields()
        .all(|(key, value)| label(key) == value.text())
        && selector.get("matchExpressions").items().all(|expression| {
            let value = expression.get("key").text().and_then(label);
            let listed = value.is_some_and(|value| {
                expression
                    .get("values")
                    .items()
                    .any(|it| it.text() == Some(value))
            });
            match expression.get("operator").text() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => value.is_some(),
                Some("DoesNotExist") => value.is_none(),
                _ => false,
            }
        })
}

fn receivers(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    let mut names = BTreeSet::new();
    for receiver in document.root().dig(&["spec", "webhookReceivers"]).items() {
        let name = receiver.get("name");
        if name.text().is_some_and(|text| !names.insert(text)) {
            sink.add(
                document,
                &name,
                Rule::Receiver,
                "another receiver has the same name",
            );
        }
        let types: Vec<_> = receiver
            .fields()
            .filter(|(key, _)| *key != "name")
            .collect();
        if types.len() != 1 {
            let message = format!("a receiver has one type, this has {}", types.len());
            sink.add(document, &receiver, Rule::Receiver, message);
        }
        for (_, of) in types {
            let secret = of.dig(&["secretRef", "name"]);
            if secret
                .text()
                .is_some_and(|text| !set.exists(document, "Secret", text))
            {
                sink.add(
                    document,
                    &secret,
                    Rule::ReferenceOutside,
                    "the manifest has no Secret of this name",
                );
            }
        }
    }
}
