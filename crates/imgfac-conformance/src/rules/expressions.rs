//! What expressions name: variables, steps, config maps, secrets, artifacts, stages.

use std::collections::{BTreeMap, BTreeSet};

use crate::at::At;
use crate::document::Document;
use crate::finding::Sink;
use crate::go::is_duration;
use crate::rule::Rule;
use crate::rules::steps::template_vars;
use crate::set::Set;
use crate::template::{Piece, Token, calls, fields, is_template, members, pieces, tokens};

/// The names of what a step puts out, if they are known.
type Outputs<'a> = Option<BTreeSet<&'a str>>;

/// What an expression can name at its place.
struct Scope<'a> {
    document: &'a Document,
    set: &'a Set<'a>,
    variables: BTreeSet<&'a str>,
    /// Aliases of steps that ran before, with what they put out if that is known; `None` where there
    /// are no steps.
    aliases: Option<BTreeMap<&'a str, Outputs<'a>>>,
}

pub(crate) fn check(document: &Document, set: &Set<'_>, sink: &mut Sink) {
    let is_stage = document.is_kargo("Stage");
    if !is_stage && !document.is_task() && !document.is_kargo("Promotion") {
        return;
    }
    let root = document.root();
    let own = root.dig(&["spec", "vars"]);
    let mut scope = Scope {
        document,
        set,
        variables: declared(&own),
        aliases: None,
    };
    // Arguments of an analysis see the variables of the stage and no others.
    for argument in root.dig(&["spec", "verification", "args"]).items() {
        scope.texts(&argument.get("value"), sink);
    }
    scope.variables.extend(declared(&template_vars(document)));
    if document.is_task() {
        scope.variables.extend(lent_to_task(document, set));
    }
    scope.aliases = Some(BTreeMap::new());
    scope.texts(&own, sink);
    scope.texts(&template_vars(document), sink);
    for step in document.steps().items() {
        let before = scope.variables.clone();
        scope.variables.extend(declared(&step.get("vars")));
        for field in ["if", "vars", "config"] {
            scope.texts(&step.get(field), sink);
        }
        scope.variables = before;
        if let (Some(aliases), Some(name)) = (&mut scope.aliases, step.get("as").text()) {
            aliases.insert(name, outputs(&step));
        }
    }
}

fn declared<'a>(variables: &At<'a>) -> BTreeSet<&'a str> {
    variables
        .items()
        .filter_map(|it| it.get("name").text())
        .collect()
}

/// A step `compose-output` puts out what its configuration has.
fn outputs<'a>(step: &At<'a>) -> Outputs<'a> {
    let composes = step.get("uses").text() == Some("compose-output");
    composes.then(|| step.get("config").fields().map(|(key, _)| key).collect())
}

/// The variables of the stages that use a task: its steps see them too.
fn lent_to_task<'a>(task: &Document, set: &'a Set<'_>) -> BTreeSet<&'a str> {
    let mut out = BTreeSet::new();
    for stage in set.of_kind("Stage") {
        for step in stage.steps().items() {
            let kind = step
                .dig(&["task", "kind"])
                .text()
                .unwrap_or("PromotionTask");
            if kind == task.kind && step.dig(&["task", "name"]).text() == Some(&task.name) {
                for list in [
                    step.get("vars"),
                    stage.root().dig(&["spec", "vars"]),
                    template_vars(stage),
                ] {
                    out.extend(declared(&list));
                }
            }
        }
    }
    out
}

impl Scope<'_> {
    /// Checks every text below a place.
    fn texts(&self, at: &At<'_>, sink: &mut Sink) {
        at.each_text(&mut |at, text| {
            if !is_template(text) {
                return;
            }
            match pieces(text) {
                Err(problem) => sink.add(self.document, at, Rule::Expression, problem),
                Ok(pieces) => {
                    for piece in pieces {
                        if let Piece::Expression(expression) = piece {
                            self.expression(at, expression, sink);
                        }
                    }
                }
            }
        });
    }

    fn expression(&self, at: &At<'_>, expression: &str, sink: &mut Sink) {
        let tokens = match tokens(expression) {
            Ok(tokens) => tokens,
            Err(problem) => {
                sink.add(self.document, at, Rule::Expression, problem);
                return;
            }
        };
        for name in members(&tokens, &["vars"]) {
            if !self.variables.contains(name) {
                let message =
                    format!("no variable {name} is declared here; its value would be nothing");
                sink.add(self.document, at, Rule::Variable, message);
            }
        }
        self.steps(at, &tokens, sink);
        for (function, argument) in calls(&tokens) {
            if let Some(argument) = argument {
                self.call(at, function, argument, sink);
            }
        }
    }

    fn steps(&self, at: &At<'_>, tokens: &[Token<'_>], sink: &mut Sink) {
        let mut named: Vec<&str> = calls(tokens)
            .into_iter()
            .filter(|(function, _)| *function == "status")
            .filter_map(|(_, argument)| argument)
            .collect();
        let (own, other): (&[&str], &[&str]) = if self.document.is_task() {
            (&["task", "outputs"], &["outputs"])
        } else {
            (&["outputs"], &["task", "outputs"])
        };
        named.extend(members(tokens, own));
        let known = |name: &str| {
            self.aliases
                .as_ref()
                .is_some_and(|it| it.contains_key(name))
        };
        for name in named {
            // The default alias of a step without one.
            let numbered = name.starts_with("step-") && self.aliases.is_some();
            if !known(name) && !numbered {
                let message = format!("no step before this one has the alias {name}");
                sink.add(self.document, at, Rule::AliasUnknown, message);
            }
        }
        for (name, field) in fields(tokens, own) {
            let known = self.aliases.as_ref().and_then(|it| it.get(name)?.as_ref());
            if known.is_some_and(|outputs| !outputs.contains(field)) {
                let message = format!("the step {name} puts out no {field}");
                sink.add(self.document, at, Rule::AliasUnknown, message);
            }
        }
        for name in members(tokens, other) {
            if known(name) || !self.document.is_task() {
                let message = format!("what {name} puts out is {}.{name} here", own.join("."));
                sink.add(self.document, at, Rule::AliasUnknown, message);
            }
        }
    }

    fn call(&self, at: &At<'_>, function: &str, argument: &str, sink: &mut Sink) {
        let mut missing = |kind: &str, rule: Rule| {
            if !self.set.exists(self.document, kind, argument) {
                let message = format!("the manifest has no {kind} {argument}");
                sink.add(self.document, at, rule, message);
            }
        };
        match function {
            "configMap" => missing("ConfigMap", Rule::Reference),
            "secret" => missing("Secret", Rule::ReferenceOutside),
            "stageMetadata" => missing("Stage", Rule::Reference),
            "warehouse" => missing("Warehouse", Rule::Reference),
            "duration" if !is_duration(argument) => {
                let message = format!("Go cannot parse {argument:?}; its largest unit is h");
                sink.add(self.document, at, Rule::Duration, message);
            }
            "imageFrom" => self.artifact(at, "image", argument, sink),
            "commitFrom" => self.artifact(at, "git", argument, sink),
            "chartFrom" => self.artifact(at, "chart", argument, sink),
            _ => {}
        }
    }

    /// Looks for a subscription among the warehouses that a stage requests. Tasks do not know them.
    fn artifact(&self, at: &At<'_>, key: &str, url: &str, sink: &mut Sink) {
        if !self.document.is_kargo("Stage") {
            return;
        }
        let mut all_known = true;
        for request in self
            .document
            .root()
            .dig(&["spec", "requestedFreight"])
            .items()
        {
            let name = request.dig(&["origin", "name"]).text().unwrap_or_default();
            let Some(warehouse) = self.set.find(self.document, "Warehouse", name) else {
                all_known = false;
                continue;
            };
            let found = warehouse
                .root()
                .dig(&["spec", "subscriptions"])
                .items()
                .any(|it| it.dig(&[key, "repoURL"]).text() == Some(url));
            if found {
                return;
            }
        }
        if all_known {
            let message = format!(
                "no requested warehouse has a subscription {key} to {url}, letter by letter"
            );
            sink.add(self.document, at, Rule::Artifact, message);
        }
    }
}
