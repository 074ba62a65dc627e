//! The schema of a custom resource as a JSON Schema that knows no unknown fields.
//!
//! A custom resource definition holds a dialect of OpenAPI 3, see
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>.
//! The API server drops fields that the schema does not name without a word; here they are errors.

use serde_json::{Map, Value, json};

/// Converts the schema of a version of a custom resource.
pub(crate) fn strict(schema: &Value) -> Value {
    let mut schema = convert(schema);
    if let Some(fields) = schema.as_object_mut()
        && let Some(properties) = fields
            .entry("properties")
            .or_insert_with(|| json!({}))
            .as_object_mut()
    {
        // Every object has these; rules of our own look at the metadata.
        for (name, of) in [
            ("apiVersion", json!({"type": "string"})),
            ("kind", json!({"type": "string"})),
            ("metadata", json!({"type": "object"})),
        ] {
            properties.insert(name.into(), of);
        }
    }
    schema
}

fn convert(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else {
        return schema.clone();
    };
    let mut out = values(schema);
    let is = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    if is("x-kubernetes-int-or-string") {
        out.remove("anyOf");
        out.insert("type".into(), json!(["integer", "string"]));
    }
    if let Some(items) = schema.get("items") {
        out.insert("items".into(), convert(items));
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let mut properties: Map<_, _> = properties
            .iter()
            .map(|(name, of)| (name.clone(), convert(of)))
            .collect();
        if is("x-kubernetes-embedded-resource") {
            for name in ["apiVersion", "kind", "metadata"] {
                properties.entry(name).or_insert(Value::Bool(true));
            }
        }
        out.insert("properties".into(), properties.into());
    }
    match schema.get("additionalProperties") {
        Some(of) => {
            out.insert("additionalProperties".into(), convert(of));
        }
        None if schema.get("type") == Some(&json!("object"))
            && !is("x-kubernetes-preserve-unknown-fields")
            && !is("x-kubernetes-embedded-resource") =>
        {
            out.insert("additionalProperties".into(), Value::Bool(false));
        }
        None => {}
    }
    if is("nullable") {
        if let Some(kind) = out.get_mut("type") {
            *kind = match kind.take() {
                Value::Array(mut kinds) => {
                    kinds.push(json!("null"));
                    Value::Array(kinds)
                }
                kind => json!([kind, "null"]),
            };
        }
        if let Some(Value::Array(members)) = out.get_mut("enum") {
            members.push(Value::Null);
        }
    }
    Value::Object(out)
}

/// What says something about values alone, in the words of JSON Schema. Parts of `allOf` and its
/// like only say such things, so they are not closed.
fn values(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, value) in schema {
        match key.as_str() {
            "allOf" | "anyOf" | "oneOf" => {
                let parts = value.as_array().into_iter().flatten();
                let parts = parts.map(part).collect();
                out.insert(key.clone(), Value::Array(parts));
            }
            "not" => {
                out.insert(key.clone(), part(value));
            }
            // The numbers of a format are a range.
            "format" if value == "int32" => {
                out.entry("minimum").or_insert(json!(i32::MIN));
                out.entry("maximum").or_insert(json!(i32::MAX));
            }
            "type" | "format" | "enum" | "required" | "pattern" | "minLength" | "maxLength"
            | "minItems" | "maxItems" | "uniqueItems" | "minProperties" | "maxProperties"
            | "minimum" | "maximum" | "multipleOf" => {
                out.insert(key.clone(), value.clone());
            }
            _ => {}
        }
    }
    // The fourth draft, which OpenAPI follows, has a flag where later ones have the number.
    for (flag, bound) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if schema.get(flag) == Some(&Value::Bool(true))
            && let Some(number) = out.remove(bound)
        {
            out.insert(flag.into(), number);
        }
    }
    out
}

fn part(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else {
        return schema.clone();
    };
    let mut out = values(schema);
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let properties = properties.iter().map(|(name, of)| (name.clone(), part(of)));
        out.insert("properties".into(), Value::Object(properties.collect()));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(of) = schema.get(key) {
            out.insert(key.into(), part(of));
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: Value, fits: &[Value], does_not_fit: &[Value]) {
        let root = json!({"type": "object", "properties": {"it": schema}});
        let validator = jsonschema::validator_for(&strict(&root)).unwrap();
        for value in fits {
            assert!(validator.is_valid(&json!({"it": value})), "{value}");
        }
        for value in does_not_fit {
            assert!(!validator.is_valid(&json!({"it": value})), "{value}");
        }
    }

    #[test]
    fn unknown_fields_are_errors_unless_they_are_kept() {
        let inner = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        check(
            inner.clone(),
            &[json!({}), json!({"a": ""})],
            &[json!({"b": 1}), json!(null)],
        );
        check(json!({"type": "object"}), &[json!({})], &[json!({"b": 1})]);
        check(
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"in": inner}}),
            &[json!({"b": 1})],
            &[json!({"in": {"b": 1}})],
        );
        check(
            json!({"type": "object", "additionalProperties": inner}),
            &[json!({"b": {}})],
            &[json!({"b": {"b": 1}})],
        );
        check(
            json!({"type": "array", "items": inner}),
            &[json!([{}])],
            &[json!([{"b": 1}])],
        );
        check(
            json!({"x-kubernetes-preserve-unknown-fields": true}),
            &[json!(1), json!({"b": 1})],
            &[],
        );
    }

    #[test]
    fn words_of_open_api_are_translated() {
        check(
            json!({"type": "string", "nullable": true, "enum": ["a"]}),
            &[json!("a"), json!(null)],
            &[json!("b"), json!(1)],
        );
        check(
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "^[0-9]+%$"}),
            &[json!(1), json!("10%")],
            &[json!("a"), json!(1.5), json!(true)],
        );
        check(
            json!({"type": "integer", "format": "int32"}),
            &[json!(1)],
            &[json!(3_000_000_000_u64)],
        );
        check(
            json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true}),
            &[json!(2)],
            &[json!(1)],
        );
        check(
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            &[json!({"a": ""}), json!({"b": ""})],
            &[json!({}), json!({"a": "", "b": ""})],
        );
    }

    #[test]
    fn every_object_has_metadata() {
        let schema = strict(&json!({"type": "object", "properties": {"spec": {"type": "object"}}}));
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(
            validator.is_valid(&json!({"apiVersion": "a", "kind": "b", "metadata": {"name": "c"}}))
        );
        assert!(!validator.is_valid(&json!({"status": {}})));
        let schema = strict(&json!({"type": "object"}));
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&json!({"metadata": {"name": "c"}})));
        assert!(!validator.is_valid(&json!({"spec": {}})));
    }
}
