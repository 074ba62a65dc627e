//! Stages: where their freight comes from, and whether they verify it.

use std::collections::BTreeSet;

use crate::at::At;
use crate::document::Document;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::rules::warehouses::duration;
use crate::set::Set;

pub(crate) fn check(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    if !document.is_kargo("Stage") {
        return;
    }
    let spec = document.root().get("spec");
    let mut origins = BTreeSet::new();
    for request in spec.get("requestedFreight").items() {
        let origin = request.dig(&["origin", "name"]);
        let kind = request
            .dig(&["origin", "kind"])
            .text()
            .unwrap_or("Warehouse");
        if let Some(name) = origin.text() {
            if !origins.insert((kind, name)) {
                sink.add(
                    document,
                    &origin,
                    Rule::OriginRepeated,
                    "this origin is requested twice",
                );
            }
            if !set.exists(document, kind, name) {
                sink.add(
                    document,
                    &origin,
                    Rule::Reference,
                    format!("no {kind} has this name"),
                );
            }
        }
        sources(document, &request, (kind, origin.text()), set, sink);
    }
    let verification = spec.get("verification");
    if !verification.is_absent() && !has_steps(document) {
        let message = "a stage without steps only passes freight on, and never verifies it";
        sink.add(document, &verification, Rule::ControlFlow, message);
    }
    // Metadata of a stage, by name.
    for step in document.steps().items() {
        for update in step.dig(&["config", "updates"]).items() {
            let name = update.get("name");
            let of_stage = update.get("kind").text() == Some("Stage");
            if step.get("uses").text() == Some("set-metadata")
                && of_stage
                && let Some(text) = name.text()
                && !crate::template::is_template(text)
                && !set.exists(document, "Stage", text)
            {
                sink.add(document, &name, Rule::Reference, "no Stage has this name");
            }
        }
    }
}

fn has_steps(stage: &Document) -> bool {
    stage.steps().items().next().is_some()
}

fn sources(
    document: &Document,
    request: &At<'_>,
    origin: (&str, Option<&str>),
    set: &Set<'_>,
    sink: &mut Sink,
) {
    let sources = request.get("sources");
    let stages = sources.get("stages");
    let direct = sources.get("direct").value == &serde_json::Value::Bool(true);
    let count = stages.items().count();
    if !direct && count == 0 {
        let message = "freight comes neither directly nor from a stage, so it never comes";
        sink.add(document, &sources, Rule::FreightSource, message);
    }
    let policy = sources.dig(&["autoPromotionOptions", "selectionPolicy"]);
    if policy.text() == Some("MatchUpstream") && (direct || count != 1) {
        let message = "MatchUpstream needs exactly one stage and no direct freight";
        sink.add(document, &policy, Rule::FreightSource, message);
    }
    let soak = sources.get("requiredSoakTime");
    duration(document, &soak, sink);
    if !soak.is_absent() {
        if count == 0 {
            let message = "a soak time is only looked at for freight from stages";
            sink.add(document, &soak, Rule::Soak, message);
        }
        if sources.get("availabilityStrategy").text() == Some("All") {
            let message =
                "with the strategy All, freight that soaked in any other stage is never available";
            sink.add(document, &soak, Rule::Soak, message);
        }
    }
    for name in stages.items() {
        let Some(text) = name.text() else {
            continue;
        };
        let Some(upstream) = set.find(document, "Stage", text) else {
            if !set.is_external("Stage", text) {
                sink.add(document, &name, Rule::Reference, "no Stage has this name");
            }
            continue;
        };
        if std::ptr::eq(upstream, document) {
            sink.add(
                document,
                &name,
                Rule::FreightSource,
                "a stage cannot wait for itself",
            );
        }
        let passes_on = upstream
            .root()
            .dig(&["spec", "requestedFreight"])
            .items()
            .any(|it| {
                let kind = it.dig(&["origin", "kind"]).text().unwrap_or("Warehouse");
                (kind, it.dig(&["origin", "name"]).text()) == origin
            });
        if !passes_on {
            let message = "this stage does not request the origin, so its freight never gets there";
            sink.add(document, &name, Rule::FreightSource, message);
        }
        if !soak.is_absent() && !has_steps(upstream) {
            let message = "freight never soaks in a stage without steps";
            sink.add(document, &name, Rule::Soak, message);
        }
    }
}
