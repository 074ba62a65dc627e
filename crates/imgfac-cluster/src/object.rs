//! Objects as plain JSON, and what names them.

use std::fmt;

use serde_json::Value;

/// What an object is called. The order is that of people: kind, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind: `Stage`.
    pub kind: String,
    /// Group and version of its kind: `kargo.akuity.io/v1alpha1`, or `v1`.
    pub api_version: String,
    /// `None` for objects of the whole cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// An object that a cluster should have.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    key: ObjectKey,
    value: Value,
}

/// A document is no object that can be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// It is a list or a scalar.
    #[error("it is no mapping")]
    NoMapping,
    /// A field that names the object is absent, empty or not text.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A name that cannot stand in the address of an object.
    #[error("{0:?} is no name")]
    Name(String),
    /// It is a `List`; its items must stand as documents of their own.
    #[error("a List cannot be applied; write its items as documents")]
    List,
    /// Two documents name one object.
    #[error("{0} stands there twice")]
    Twice(ObjectKey),
}

impl Object {
    /// Takes a document that has `apiVersion`, `kind` and `metadata.name`.
    ///
    /// # Errors
    /// When it lacks one of these, or is a list.
    pub fn new(value: Value) -> Result<Self, ObjectError> {
        if !value.is_object() {
            return Err(ObjectError::NoMapping);
        }
        let text = |pointer: &str, name: &'static str| {
            value
                .pointer(pointer)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .ok_or(ObjectError::Missing(name))
        };
        let kind = text("/kind", "kind")?;
        let api_version = text("/apiVersion", "apiVersion")?;
        if kind == "List" {
            return Err(ObjectError::List);
        }
        let key = ObjectKey {
            name: text("/metadata/name", "metadata.name")?,
            namespace: text("/metadata/namespace", "metadata.namespace").ok(),
            kind,
            api_version,
        };
        for name in [Some(&key.name), key.namespace.as_ref()]
            .into_iter()
            .flatten()
        {
            check_name(name)?;
        }
        Ok(Self { key, value })
    }

    /// What it is called.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// All of it.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn into_parts(self) -> (ObjectKey, Value) {
        (self.key, self.value)
    }

    /// Whether it says that `imgfac` made it.
    pub(crate) fn is_ours(&self) -> bool {
        self.value
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(MANAGED_BY))
            .is_some_and(|by| by == MANAGER)
    }

    /// Whether it is created once and then belongs to people.
    pub(crate) fn is_created_once(&self) -> bool {
        self.key.kind == "ConfigMap" && self.key.name == OVERRIDES
    }
}

/// Names of roles may hold nearly anything; none holds what would lead to another address.
fn check_name(name: &str) -> Result<(), ObjectError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if name.chars().all(plain) && !matches!(name, "." | "..") {
        return Ok(());
    }
    Err(ObjectError::Name(name.to_owned()))
}

/// The label by which Kubernetes tools tell whose an object is.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Our value of it, and our name as a field manager.
pub(crate) const MANAGER: &str = "imgfac";
/// The ConfigMap in which people, and emergencies, overrule delays.
pub(crate) const OVERRIDES: &str = "imgfac-overrides";

/// Where an object stands in the order of a run: Kargo refuses what comes before its project, and
/// a Stage before its Warehouse is unhealthy for a while.
pub(crate) fn rank(key: &ObjectKey) -> u8 {
    match key.kind.as_str() {
        "Namespace" => 0,
        "Project" => 1,
        "ProjectConfig" => 2,
        "Stage" => 4,
        _ => 3,
    }
}

/// Refuses two documents for one object: which of them wins would be chance.
pub(crate) fn check_distinct(objects: &[Object]) -> Result<(), ObjectError> {
    let mut seen = std::collections::BTreeSet::new();
    match objects.iter().find(|object| !seen.insert(object.key())) {
        Some(object) => Err(ObjectError::Twice(object.key().clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_needs_a_name() {
        let check = |value: Value, expected: &str| {
            assert_eq!(Object::new(value).unwrap_err().to_string(), expected);
        };
        check(json!([1]), "it is no mapping");
        check(json!({"apiVersion": "v1"}), "kind is missing");
        check(json!({"kind": "Stage"}), "apiVersion is missing");
        check(
            json!({"kind": "List", "apiVersion": "v1", "items": []}),
            "a List cannot be applied; write its items as documents",
        );
        check(
            json!({"kind": "Stage", "apiVersion": "v1", "metadata": {"name": ""}}),
            "metadata.name is missing",
        );
        check(
            json!({"kind": "Stage", "apiVersion": "v1", "metadata": {"name": "a/../b?x"}}),
            "\"a/../b?x\" is no name",
        );
    }
}
