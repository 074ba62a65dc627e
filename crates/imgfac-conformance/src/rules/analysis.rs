//! Analysis templates, and the arguments that stages give them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::at::At;
use crate::document::Document;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::rules::warehouses::duration;
use crate::set::Set;

pub(crate) fn check(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    if document.group() == "argoproj.io"
        && matches!(
            document.kind.as_str(),
            "AnalysisTemplate" | "ClusterAnalysisTemplate"
        )
    {
        template(document, set, sink);
    }
    if document.is_kargo("Stage") {
        verification(document, set, sink);
    }
}

fn template(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    let spec = document.root().get("spec");
    let declared: BTreeSet<&str> = spec
        .get("args")
        .items()
        .filter_map(|it| it.get("name").text())
        .collect();
    if spec.get("metrics").items().next().is_none() {
        let message = "an analysis without metrics is an error";
        sink.add(document, &spec.get("metrics"), Rule::Metric, message);
    }
    for metric in spec.get("metrics").items() {
        let provider = metric.get("provider");
        if provider.fields().count() != 1 {
            let message = "a metric has one provider";
            sink.add(document, &provider, Rule::Metric, message);
        }
        let job = metric.dig(&["provider", "job"]);
        let name = metric.get("name");
        if !job.is_absent() && name.text().is_some_and(|text| text.len() > 24) {
            sink.add(
                document,
                &name,
                Rule::Metric,
                "the name of the job would be longer than 63",
            );
        }
        for field in ["interval", "initialDelay"] {
            duration(document, &metric.get(field), sink);
        }
        if !job.is_absent() {
            can_run(document, &job.dig(&["spec", "template", "spec"]), sink);
        }
        pod(document, &job.dig(&["spec", "template", "spec"]), set, sink);
        metric.each_text(&mut |at, text| {
            for name in arguments(text) {
                if !declared.contains(name) {
                    let message = format!("the template does not declare the argument {name}");
                    sink.add(document, at, Rule::AnalysisArgument, message);
                }
            }
        });
    }
}

/// The names in `{{args.NAME}}`.
fn arguments(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| {
        let (inside, _) = rest.split_once("}}")?;
        inside.trim().strip_prefix("args.")
    })
}

/// What the pod of a job needs in its namespace.
fn pod(document: &Document, spec: &At<'_>, set: &Set<'_>, sink: &mut Sink) {
    let mut needs = |at: At<'_>, kind: &str, rule: Rule| {
        if at
            .text()
            .is_some_and(|name| !name.contains("{{") && !set.exists(document, kind, name))
        {
            sink.add(
                document,
                &at,
                rule,
                format!("the manifest has no {kind} of this name"),
            );
        }
    };
    needs(
        spec.get("serviceAccountName"),
        "ServiceAccount",
        Rule::Reference,
    );
    for secret in spec.get("imagePullSecrets").items() {
        needs(secret.get("name"), "Secret", Rule::ReferenceOutside);
    }
    for volume in spec.get("volumes").items() {
        if !is_optional(&volume.get("configMap")) {
            needs(
                volume.dig(&["configMap", "name"]),
                "ConfigMap",
                Rule::Reference,
            );
        }
        if !is_optional(&volume.get("secret")) {
            needs(
                volume.dig(&["secret", "secretName"]),
                "Secret",
                Rule::ReferenceOutside,
            );
        }
    }
    for container in ["containers", "initContainers"]
        .iter()
        .flat_map(|field| spec.get(field).items())
    {
        let of_env = container.get("env").items().map(|it| it.get("valueFrom"));
        for from in of_env.chain(container.get("envFrom").items()) {
            for field in ["configMapKeyRef", "configMapRef"] {
                if !is_optional(&from.get(field)) {
                    needs(from.dig(&[field, "name"]), "ConfigMap", Rule::Reference);
                }
            }
            for field in ["secretKeyRef", "secretRef"] {
                if !is_optional(&from.get(field)) {
                    needs(from.dig(&[field, "name"]), "Secret", Rule::ReferenceOutside);
                }
            }
        }
    }
}

/// Whether a job can make its pod, and whether the pod ends.
fn can_run(document: &Document, spec: &At<'_>, sink: &mut Sink) {
    let policy = spec.get("restartPolicy");
    if !matches!(policy.text(), Some("Never" | "OnFailure")) {
        let message = "the pod of a job has the policy Never or OnFailure, and no default";
        sink.add(document, &policy, Rule::Pod, message);
    }
    if spec.get("containers").items().next().is_none() {
        sink.add(
            document,
            &spec.get("containers"),
            Rule::Pod,
            "a pod has containers",
        );
    }
    let volumes: BTreeSet<&str> = spec
        .get("volumes")
        .items()
        .filter_map(|it| it.get("name").text())
        .collect();
    for container in ["containers", "initContainers"]
        .iter()
        .flat_map(|field| spec.get(field).items())
    {
        if container.get("image").text().is_none_or(str::is_empty) {
            sink.add(document, &container, Rule::Pod, "a container has an image");
        }
        for mount in container.get("volumeMounts").items() {
            let name = mount.get("name");
            if name.text().is_some_and(|text| !volumes.contains(text)) {
                sink.add(
                    document,
                    &name,
                    Rule::Pod,
                    "the pod has no volume of this name",
                );
            }
        }
    }
}

fn is_optional(reference: &At<'_>) -> bool {
    reference.get("optional").value == &Value::Bool(true)
}

/// Kargo gives every argument to every template of a stage, and an analysis that has one too many
/// or one too few is not even made.
fn verification(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    let verification = document.root().dig(&["spec", "verification"]);
    let mut given = BTreeMap::new();
    for argument in verification.get("args").items() {
        let Some(name) = argument.get("name").text() else {
            continue;
        };
        if given.insert(name, argument.clone()).is_some() {
            sink.add(
                document,
                &argument,
                Rule::AnalysisArgument,
                "this argument is given twice",
            );
        }
    }
    for reference in verification.get("analysisTemplates").items() {
        let name = reference.get("name");
        let kind = reference.get("kind").text().unwrap_or("AnalysisTemplate");
        let Some(text) = name.text() else {
            continue;
        };
        let Some(template) = set.find(document, kind, text) else {
            if !set.is_external(kind, text) {
                sink.add(
                    document,
                    &name,
                    Rule::Reference,
                    format!("no {kind} has this name"),
                );
            }
            continue;
        };
        let mut declared = BTreeSet::new();
        for argument in template.root().dig(&["spec", "args"]).items() {
            let Some(of) = argument.get("name").text() else {
                continue;
            };
            declared.insert(of);
            let has_default =
                !argument.get("value").is_absent() || !argument.get("valueFrom").is_absent();
            if !has_default && !given.contains_key(of) {
                let message = format!("{text} needs the argument {of}");
                sink.add(document, &name, Rule::AnalysisArgument, message);
            }
        }
        for (argument, at) in &given {
            if !declared.contains(argument) {
                let message = format!("{text} does not declare the argument {argument}");
                sink.add(document, at, Rule::AnalysisArgument, message);
            }
        }
    }
}
