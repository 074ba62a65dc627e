//! Values in place of expressions, so that what stands around them can be checked.
//!
//! Kargo evaluates expressions when a step runs, and reads a result that looks like a number, a
//! boolean or JSON as such. What comes out cannot be known here; what should come out is in the
//! schema.

use jsonschema::PatternOptions;
use serde_json::{Map, Value, json};

use crate::template::{Piece, is_template, pieces};

/// A copy of a value with every text that has expressions replaced by something that fits the
/// schema, if there is such a thing.
pub(crate) fn stand_in(value: &Value, schema: &Value) -> Value {
    stand_in_for(value, &[schema])
}

fn stand_in_for(value: &Value, schemas: &[&Value]) -> Value {
    match value {
        Value::String(text) if is_template(text) => plausible(text, schemas),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| {
                let below = below(schemas, |schema| {
                    schema
                        .get("properties")
                        .and_then(|it| it.get(key))
                        .or_else(|| schema.get("additionalProperties"))
                });
                (key.clone(), stand_in_for(value, &below))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let below = below(schemas, |schema| schema.get("items"));
            let items = items.iter().map(|item| stand_in_for(item, &below));
            Value::Array(items.collect())
        }
        other => other.clone(),
    }
}

/// The schemas of a part, by those of the whole. The alternatives of a schema come after the
/// schema itself: mostly they only say which fields go together.
fn below<'s>(
    schemas: &[&'s Value],
    part: impl Fn(&'s Value) -> Option<&'s Value> + Copy,
) -> Vec<&'s Value> {
    let mut found: Vec<&Value> = schemas.iter().filter_map(|schema| part(schema)).collect();
    for schema in schemas {
        for key in ["allOf", "anyOf", "oneOf"] {
            let alternatives: Vec<&Value> = schema
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .collect();
            if !alternatives.is_empty() {
                found.extend(below(&alternatives, part));
            }
        }
    }
    found
}

/// What an expression may become where these schemas hold.
fn plausible(text: &str, schemas: &[&Value]) -> Value {
    let schema = schemas.iter().find(|schema| {
        ["type", "enum", "const"]
            .iter()
            .any(|key| schema.get(key).is_some())
    });
    let Some(schema) = schema else {
        return json!("x");
    };
    // Text around an expression makes text of the whole, in all but the oddest cases.
    let whole = matches!(pieces(text.trim()).as_deref(), Ok([Piece::Expression(_)]));
    if whole {
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(value) = schema.get("enum").and_then(|it| it.get(0)) {
            return value.clone();
        }
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.first(),
            kind => kind,
        };
        match kind.and_then(Value::as_str) {
            Some("integer" | "number") => {
                return schema.get("minimum").cloned().unwrap_or(json!(1));
            }
            Some("boolean") => return json!(true),
            Some("array") => return list(schema),
            Some("object") => return json!({}),
            _ => {}
        }
    }
    fitting_text(text, whole, schema)
}

/// A list with as many items as the schema wants.
fn list(schema: &Value) -> Value {
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
    let item = match schema.get("items") {
        Some(items) => plausible("${{ x }}", &[items]),
        None => json!("x"),
    };
    (0..least.min(16)).map(|_| item.clone()).collect()
}

/// The first of some usual texts that the schema takes in place of each expression.
fn fitting_text(text: &str, whole: bool, schema: &Value) -> Value {
    const USUAL: &[&str] = &[
        "x",
        "1",
        "1s",
        "main",
        "https://example.com/x.git",
        "oci://example.com/x",
        "a@example.com",
        "2026-01-01T00:00:00Z",
        "0123456789abcdef0123456789abcdef01234567",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "GET",
        "a/b",
    ];
    let filled = |with: &str| -> Value {
        if whole {
            return json!(with);
        }
        let Ok(pieces) = pieces(text) else {
            return json!(text);
        };
        let filled: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => *text,
                Piece::Expression(_) => with,
            })
            .collect();
        json!(filled)
    };
    let validator = jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .offline()
        .build(schema);
    USUAL
        .iter()
        .map(|with| filled(with))
        .find(|value| {
            validator
                .as_ref()
                .is_ok_and(|validator| validator.is_valid(value))
        })
        .unwrap_or_else(|| filled("x"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: Value, value: Value, expected: Value) {
        let schema = json!({"type": "object", "properties": {"it": schema}});
        let value = stand_in(&json!({"it": value}), &schema);
        assert_eq!(value["it"], expected);
    }

    #[test]
    fn the_schema_says_what_an_expression_becomes() {
        let e = json!("${{ x }}");
        check(json!({"type": "string"}), json!("a"), json!("a"));
        check(json!({"type": "string"}), e.clone(), json!("x"));
        check(json!({}), e.clone(), json!("x"));
        check(json!({"type": "integer"}), e.clone(), json!(1));
        check(
            json!({"type": "integer", "minimum": 5}),
            json!("${% x %}"),
            json!(5),
        );
        check(json!({"type": "boolean"}), e.clone(), json!(true));
        check(
            json!({"type": "array", "minItems": 1, "items": {"type": "integer"}}),
            e.clone(),
            json!([1]),
        );
        check(json!({"type": "object"}), e.clone(), json!({}));
        check(json!({"enum": ["b", "c"]}), e.clone(), json!("b"));
        check(
            json!({"type": "string", "pattern": "^https://"}),
            e.clone(),
            json!("https://example.com/x.git"),
        );
        check(
            json!({"type": "string", "format": "email"}),
            e.clone(),
            json!("a@example.com"),
        );
        check(
            json!({"type": "array", "items": {"type": "boolean"}}),
            json!([e]),
            json!([true]),
        );
    }

    #[test]
    fn text_around_an_expression_stays() {
        check(json!({"type": "string"}), json!("a${{ x }}b"), json!("axb"));
        check(json!({"type": "integer"}), json!("a${{ x }}"), json!("ax"));
        check(
            json!({"type": "string", "pattern": "^ftp:"}),
            json!("a:${{ x }}"),
            json!("a:x"),
        );
    }

    #[test]
    fn alternatives_come_last() {
        let alternatives = json!([{"properties": {"a": {"enum": [""]}}}, {"properties": {"b": {"type": "integer"}}}]);
        let schema =
            json!({"properties": {"a": {"type": "string", "minLength": 1}}, "oneOf": alternatives});
        assert_eq!(
            stand_in(&json!({"a": "${{ x }}", "b": "${{ x }}"}), &schema),
            json!({"a": "x", "b": 1})
        );
    }
}
