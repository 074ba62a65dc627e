//! Warehouses: what their webhook and discovery do with subscriptions.

use std::collections::BTreeSet;

use crate::at::At;
use crate::document::Document;
use crate::finding::Sink;
use crate::go::{is_duration, regexp_problem};
use crate::rule::Rule;
use crate::template::{is_template, tokens};

pub(crate) fn check(document: &Document, sink: &mut Sink) {
    if !document.is_kargo("Warehouse") {
        return;
    }
    let spec = document.root().get("spec");
    duration(document, &spec.get("interval"), sink);
    let criteria = spec.dig(&["freightCreationCriteria", "expression"]);
    if let Some(expression) = criteria.text() {
        if is_template(expression) {
            let message = "the criteria are an expression as they are, without ${{ }}";
            sink.add(document, &criteria, Rule::Expression, message);
        } else if let Err(problem) = tokens(expression) {
            sink.add(document, &criteria, Rule::Expression, problem);
        }
    }
    let mut repositories = BTreeSet::new();
    for item in spec.get("subscriptions").items() {
        for (key, subscription) in item.fields() {
            let url = subscription.get("repoURL");
            let name = subscription.get("name").text();
            if let Some(text) = url.text()
                && !repositories.insert((key, text, name))
            {
                let message = "another subscription of this warehouse is to the same repository";
                sink.add(document, &url, Rule::SubscriptionRepeated, message);
            }
            strategy(document, key, &subscription, sink);
            regexps(document, key, &subscription, sink);
        }
    }
}

fn strategy(document: &Document, key: &str, subscription: &At<'_>, sink: &mut Sink) {
    let mut found = Vec::new();
    let mut ignored = |field: &str, message: &'static str| {
        let at = subscription.get(field);
        if !at.is_absent() {
            found.push((at, message));
        }
    };
    match key {
        "image" => {
            for field in ["allowTags", "ignoreTags"] {
                ignored(
                    field,
                    "discovery fails where this is set; use the field with Regexes at its end",
                );
            }
            ignored(
                "semverConstraint",
                "Kargo 1.9 removed this from images; use constraint",
            );
            match subscription
                .get("imageSelectionStrategy")
                .text()
                .unwrap_or("SemVer")
            {
                "Digest" => {
                    for field in ["allowTagsRegexes", "ignoreTagsRegexes", "cacheByTag"] {
                        ignored(field, "the strategy Digest ignores this");
                    }
                    let tag = subscription.get("constraint");
                    if tag.text().is_none_or(str::is_empty) {
                        found.push((tag, "the strategy Digest needs a tag here"));
                    }
                }
                "Lexical" | "NewestBuild" => {
                    ignored("constraint", "this strategy ignores the constraint")
                }
                _ => {}
            }
        }
        "git" => match subscription
            .get("commitSelectionStrategy")
            .text()
            .unwrap_or("NewestFromBranch")
        {
            "NewestFromBranch" => {
                for field in [
                    "semverConstraint",
                    "allowTagsRegexes",
                    "ignoreTagsRegexes",
                    "allowTags",
                    "ignoreTags",
                ] {
                    ignored(field, "the strategy NewestFromBranch ignores this");
                }
            }
            "SemVer" => ignored("branch", "this strategy ignores the branch"),
            _ => {
                ignored("branch", "this strategy ignores the branch");
                ignored("semverConstraint", "this strategy ignores the constraint");
            }
        },
        _ => {}
    }
    for (at, message) in found {
        sink.add(document, &at, Rule::SubscriptionIgnored, message);
    }
}

fn regexps(document: &Document, key: &str, subscription: &At<'_>, sink: &mut Sink) {
    let mut check = |at: &At<'_>, text: &str| {
        if text.contains("\\\\") {
            let message = "two backslashes stand for one in the tag; in YAML without double quotes one is enough";
            sink.add(document, at, Rule::Regexp, message);
        }
        if let Some(problem) = regexp_problem(text) {
            sink.add(
                document,
                at,
                Rule::Regexp,
                format!("discovery will fail: {problem}"),
            );
        }
    };
    for field in ["allowTagsRegexes", "ignoreTagsRegexes"] {
        for at in subscription.get(field).items() {
            at.text().into_iter().for_each(|text| check(&at, text));
        }
    }
    if key == "git" {
        for field in ["includePaths", "excludePaths"] {
            for at in subscription.get(field).items() {
                let text = at.text().unwrap_or_default();
                if let Some(regexp) = text
                    .strip_prefix("regex:")
                    .or_else(|| text.strip_prefix("regexp:"))
                {
                    check(&at, regexp);
                }
            }
        }
    }
}

/// Reports a duration that Go cannot parse.
pub(crate) fn duration(document: &Document, at: &At<'_>, sink: &mut Sink) {
    if let Some(text) = at.text()
        && !is_template(text)
        && !is_duration(text)
    {
        let message = format!("Go cannot parse {text:?}; its largest unit is h");
        sink.add(document, at, Rule::Duration, message);
    }
}
