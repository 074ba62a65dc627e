//! Steps of promotions: names, aliases, conditions, tasks.

use std::collections::BTreeSet;

use crate::at::At;
use crate::document::Document;
use crate::finding::Sink;
use crate::fits;
use crate::rule::Rule;
use crate::rules::warehouses::duration;
use crate::schemas::Schemas;
use crate::set::Set;
use crate::template::{Piece, calls, free_names, is_template, pieces, tokens};

pub(crate) fn check(document: &Document, set: &Set<'_>, schemas: &Schemas, sink: &mut Sink) {
    let mut aliases = BTreeSet::new();
    for step in document.steps().items() {
        alias(document, &step, &mut aliases, sink);
        condition(document, &step, sink);
        duration(document, &step.dig(&["retry", "timeout"]), sink);
        let uses = step.get("uses");
        if let Some(name) = uses.text() {
            match schemas.steps.get(name) {
                Some(schema) => fits::step(document, &step, schema, sink),
                None => sink.add(
                    document,
                    &uses,
                    Rule::Step,
                    format!("there is no step {name}"),
                ),
            }
            config(document, name, &step.get("config"), sink);
        }
        if !step.get("task").is_absent() {
            task(document, &step, set, sink);
        }
    }
}

fn alias<'a>(document: &'a Document, step: &At<'a>, seen: &mut BTreeSet<&'a str>, sink: &mut Sink) {
    let at = step.get("as");
    let Some(name) = at.text() else {
        return;
    };
    let reserved = name
        .strip_prefix("step-")
        .or_else(|| name.strip_prefix("task-"))
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    if reserved {
        let message = "step-N and task-N are reserved for steps without an alias";
        sink.add(document, &at, Rule::Alias, message);
    }
    if !seen.insert(name) {
        sink.add(
            document,
            &at,
            Rule::Alias,
            "an earlier step has the same alias",
        );
    }
}

fn condition(document: &Document, step: &At<'_>, sink: &mut Sink) {
    let at = step.get("if");
    let Some(text) = at.text() else {
        return;
    };
    let pieces = pieces(text.trim()).unwrap_or_default();
    let [Piece::Expression(expression)] = pieces.as_slice() else {
        let message = "a condition is one expression and nothing else";
        sink.add(document, &at, Rule::If, message);
        return;
    };
    let Ok(tokens) = tokens(expression) else {
        return;
    };
    let says = calls(&tokens)
        .iter()
        .any(|(name, _)| matches!(*name, "success" | "always" | "failure"));
    if !says {
        let message = "without success() && the step also runs after a failure";
        sink.add(document, &at, Rule::If, message);
    }
}

fn config(document: &Document, uses: &str, config: &At<'_>, sink: &mut Sink) {
    for field in ["timeout", "pollInterval", "interval", "waitTimeout"] {
        duration(document, &config.get(field), sink);
    }
    if uses != "http" {
        return;
    }
    if config
        .get("successExpression")
        .text()
        .is_none_or(|it| it.trim().is_empty())
    {
        let message = "without successExpression anything but 2xx is repeated for ever";
        sink.add(document, config, Rule::HttpUnbounded, message);
    }
    let body = config.get("body");
    if let Some(text) = body.text()
        && is_template(text)
        && text.trim_start().starts_with(['{', '['])
    {
        let message = "this becomes an object and is refused; write ${% quote({…}) %}";
        sink.add(document, &body, Rule::HttpBody, message);
    }
    let inner = ["successExpression", "failureExpression", "errorExpression"]
        .into_iter()
        .map(|field| config.get(field))
        .chain(
            config
                .get("outputs")
                .items()
                .map(|it| it.get("fromExpression")),
        );
    for at in inner {
        let Some(text) = at
            .text()
            .filter(|text| !is_template(text) && !text.trim().is_empty())
        else {
            continue;
        };
        match tokens(text) {
            Err(problem) => sink.add(document, &at, Rule::Expression, problem),
            Ok(tokens) => {
                const OUTER: &[&str] = &[
                    "ctx",
                    "vars",
                    "outputs",
                    "task",
                    "secret",
                    "configMap",
                    "sharedSecret",
                    "sharedConfigMap",
                    "imageFrom",
                    "commitFrom",
                    "chartFrom",
                    "artifactFrom",
                    "warehouse",
                    "freightMetadata",
                    "stageMetadata",
                    "status",
                    "success",
                    "failure",
                    "always",
                    "quote",
                ];
                for name in free_names(&tokens)
                    .into_iter()
                    .filter(|name| OUTER.contains(name))
                {
                    let message =
                        format!("this expression sees only `response`; put {name} into ${{{{ }}}}");
                    sink.add(document, &at, Rule::Expression, message);
                }
            }
        }
    }
}

fn task(document: &Document, step: &At<'_>, set: &Set<'_>, sink: &mut Sink) {
    let name = step.dig(&["task", "name"]);
    let kind = step
        .dig(&["task", "kind"])
        .text()
        .unwrap_or("PromotionTask");
    for field in ["if", "config", "retry", "continueOnError"] {
        if !step.get(field).is_absent() {
            sink.add(
                document,
                &step.get(field),
                Rule::Task,
                "a step with a task has only `as` and `vars`",
            );
        }
    }
    let Some(text) = name.text() else {
        return;
    };
    let Some(found) = set.find(document, kind, text) else {
        if !set.is_external(kind, text) {
            sink.add(
                document,
                &name,
                Rule::Task,
                format!("no {kind} has this name"),
            );
        }
        return;
    };
    let mut given: BTreeSet<&str> = BTreeSet::new();
    for list in [
        step.get("vars"),
        document.root().dig(&["spec", "vars"]),
        template_vars(document),
    ] {
        given.extend(list.items().filter_map(|it| it.get("name").text()));
    }
    for variable in found.root().dig(&["spec", "vars"]).items() {
        let needed = variable.get("value").text().is_none_or(str::is_empty);
        if let Some(variable) = variable.get("name").text()
            && needed
            && !given.contains(variable)
        {
            let message = format!("the task needs a value for its variable {variable}");
            sink.add(document, step, Rule::Task, message);
        }
    }
}

/// The variables of a stage's promotions.
pub(crate) fn template_vars(document: &Document) -> At<'_> {
    document
        .root()
        .dig(&["spec", "promotionTemplate", "spec", "vars"])
}
