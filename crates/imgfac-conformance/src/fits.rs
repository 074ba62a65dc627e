//! Documents against their schemas.

use serde_json::Value;

use crate::at::At;
use crate::document::Document;
use crate::finding::Sink;
use crate::rule::Rule;
use crate::schemas::{Kind, Schema, Schemas};
use crate::stand_in::stand_in;

/// A custom resource: its schema, the keys of its lists, its rules in CEL.
pub(crate) fn custom_resource(
    document: &Document,
    kind: &Kind,
    rules: &kube_cel::Validator,
    sink: &mut Sink,
) {
    let file = &kind.schema.file;
    against(
        document,
        &document.root(),
        &document.value,
        &kind.schema,
        sink,
    );
    list_types(
        document,
        &document.root(),
        &kind.schema.original,
        file,
        sink,
    );
    if let Err(errors) = rules.validate_compiled(&kind.rules, &document.value, None) {
        for error in errors.as_slice() {
            let path = pointer(&error.field_path);
            sink.at_path(document, &path, Rule::Cel, file, error.message.clone());
        }
    }
}

/// The subscriptions of a warehouse, which its own schema leaves open.
pub(crate) fn subscriptions(document: &Document, schemas: &Schemas, sink: &mut Sink) {
    for item in document.root().dig(&["spec", "subscriptions"]).items() {
        let fields: Vec<_> = item.fields().collect();
        let [(key, subscription)] = fields.as_slice() else {
            let count = fields.len();
            let message = format!("a subscription has one key, this has {count}");
            sink.add(document, &item, Rule::SubscriptionKey, message);
            continue;
        };
        match schemas.subscriptions.get(*key) {
            Some(schema) => against(document, subscription, subscription.value, schema, sink),
            None => sink.add(
                document,
                subscription,
                Rule::SubscriptionKey,
                format!("there are no subscriptions of the kind {key}"),
            ),
        }
    }
}

/// The configuration of a step, with something in place of each expression.
pub(crate) fn step(document: &Document, step: &At<'_>, schema: &Schema, sink: &mut Sink) {
    let config = step.get("config");
    let value = match config.value {
        // A step without configuration has an empty one.
        Value::Null => Value::Object(Default::default()),
        value => stand_in(value, &schema.original),
    };
    against(document, &config, &value, schema, sink);
}

/// Reports where a value, which may have stand-ins, does not fit.
fn against(document: &Document, at: &At<'_>, value: &Value, schema: &Schema, sink: &mut Sink) {
    for error in schema.validator.iter_errors(value) {
        let path = format!("{}{}", at.path, error.instance_path());
        let message = error.to_string();
        sink.at_path(document, &path, Rule::Schema, &schema.file, message);
    }
}

/// `x-kubernetes-list-type`: the items of a set differ, and those of a map have different keys.
fn list_types(document: &Document, at: &At<'_>, schema: &Value, file: &str, sink: &mut Sink) {
    let schema = At::root(schema);
    for (name, field) in at.fields() {
        let named = schema.get("properties").get(name);
        let of = if named.is_absent() {
            schema.get("additionalProperties")
        } else {
            named
        };
        list_types(document, &field, of.value, file, sink);
    }
    let keys: Vec<&str> = match schema.get("x-kubernetes-list-type").text() {
        Some("map") => schema
            .get("x-kubernetes-list-map-keys")
            .items()
            .filter_map(|key| key.text())
            .collect(),
        _ => Vec::new(),
    };
    let is_set = schema.get("x-kubernetes-list-type").text() == Some("set");
    let mut seen: Vec<Vec<&Value>> = Vec::new();
    for item in at.items() {
        list_types(document, &item, schema.get("items").value, file, sink);
        let identity = if is_set {
            vec![item.value]
        } else {
            // A key that is missing has its default.
            let default = |key: &str| {
                let of = schema.dig(&["items", "properties", key]);
                let value = item.get(key);
                if value.is_absent() {
                    of.get("default").value
                } else {
                    value.value
                }
            };
            keys.iter().map(|key| default(key)).collect()
        };
        if identity.is_empty() {
            continue;
        }
        if seen.contains(&identity) {
            let what = if is_set {
                "this value stands in the set twice".to_owned()
            } else {
                format!("another item has the same {}", keys.join(" and "))
            };
            sink.at_path(document, &item.path, Rule::ListType, file, what);
        }
        seen.push(identity);
    }
}

/// `spec.steps[0].as` to `/spec/steps/0/as`.
fn pointer(path: &str) -> String {
    let mut out = String::new();
    for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
        out.push('/');
        out.push_str(part.trim_end_matches(']'));
    }
    out
}
