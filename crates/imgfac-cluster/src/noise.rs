//! What differs between a manifest and a live object without meaning anything.

use serde_json::{Map, Value};

/// Fields of `metadata` that the server keeps for itself.
const SERVER_FIELDS: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A copy of the whole manifest, which for Secrets has every value.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Takes away what the server and controllers write, and puts keys in order.
pub(crate) fn without_noise(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in SERVER_FIELDS {
                metadata.remove(*field);
            }
            if let Some(annotations) = metadata
                .get_mut("annotations")
                .and_then(Value::as_object_mut)
            {
                annotations.remove(LAST_APPLIED);
                if annotations.is_empty() {
                    metadata.remove("annotations");
                }
            }
        }
    }
    sorted(value)
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Hides the values of a Secret in both of its states, so that only which of them differ shows.
pub(crate) fn hide_secrets(live: &mut Value, wanted: &mut Value) {
    let is_secret = |value: &Value| value.get("kind").is_some_and(|kind| kind == "Secret");
    if !is_secret(live) && !is_secret(wanted) {
        return;
    }
    for field in ["data", "stringData"] {
        let before = entries(live, field);
        let after = entries(wanted, field);
        let hide = |own: &Map<String, Value>, other: &Map<String, Value>, changed: &str| {
            own.iter()
                .map(|(key, value)| {
                    let word = if other.get(key) == Some(value) {
                        "(hidden)"
                    } else {
                        changed
                    };
                    (key.clone(), Value::from(word))
                })
                .collect::<Map<_, _>>()
        };
        let (old, new) = (
            hide(&before, &after, "(hidden, before)"),
            hide(&after, &before, "(hidden, after)"),
        );
        for (value, hidden) in [(&mut *live, old), (&mut *wanted, new)] {
            if let Some(place) = value.get_mut(field) {
                *place = Value::Object(hidden);
            }
        }
    }
}

fn entries(value: &Value, field: &str) -> Map<String, Value> {
    value
        .get(field)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_writes_is_no_difference() {
        let live = json!({
            "kind": "Stage",
            "apiVersion": "kargo.akuity.io/v1alpha1",
            "status": {"phase": "Steady"},
            "metadata": {
                "name": "web",
                "uid": "1",
                "resourceVersion": "7",
                "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{}],
                "annotations": {LAST_APPLIED: "{}"},
            },
            "spec": {"b": 1, "a": [{"d": 1, "c": 2}]},
        });
        assert_eq!(
            without_noise(live).to_string(),
            r#"{"apiVersion":"kargo.akuity.io/v1alpha1","kind":"Stage","metadata":{"name":"web"},"spec":{"a":[{"c":2,"d":1}],"b":1}}"#
        );
    }

    #[test]
    fn a_secret_shows_only_what_changed() {
        let secret = |data: Value| json!({"kind": "Secret", "data": data});
        let mut live = secret(json!({"same": "c2FtZQ==", "moved": "b2xk", "gone": "eA=="}));
        let mut wanted = secret(json!({"same": "c2FtZQ==", "moved": "bmV3", "new": "eQ=="}));
        hide_secrets(&mut live, &mut wanted);
        assert_eq!(
            live["data"],
            json!({"same": "(hidden)", "moved": "(hidden, before)", "gone": "(hidden, before)"})
        );
        assert_eq!(
            wanted["data"],
            json!({"same": "(hidden)", "moved": "(hidden, after)", "new": "(hidden, after)"})
        );
    }
}
