//! A place in a document.

use serde_json::Value;

/// A value and the JSON pointer to it. A field that is not there is a null.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: String,
}

static NOTHING: Value = Value::Null;

impl<'a> At<'a> {
    pub(crate) fn root(value: &'a Value) -> Self {
        Self {
            value,
            path: String::new(),
        }
    }

    /// A field.
    pub(crate) fn get(&self, key: &str) -> Self {
        At {
            value: self.value.get(key).unwrap_or(&NOTHING),
            path: format!("{}/{}", self.path, escape(key)),
        }
    }

    /// A field of a field, and so on.
    pub(crate) fn dig(&self, keys: &[&str]) -> Self {
        keys.iter().fold(self.clone(), |at, key| at.get(key))
    }

    /// Whether it is missing or null.
    pub(crate) fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// The items of a list; none if it is no list.
    pub(crate) fn items(&self) -> impl Iterator<Item = At<'a>> + use<'a> {
        let path = self.path.clone();
        let items: &'a [Value] = self.value.as_array().map_or(&[], Vec::as_slice);
        items.iter().enumerate().map(move |(index, value)| At {
            value,
            path: format!("{path}/{index}"),
        })
    }

    /// The fields of an object, in order; none if it is no object.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a str, At<'a>)> + use<'a> {
        let path = self.path.clone();
        self.value
            .as_object()
            .into_iter()
            .flatten()
            .map(move |(key, value)| {
                let at = At {
                    value,
                    path: format!("{path}/{}", escape(key)),
                };
                (key.as_str(), at)
            })
    }

    /// Calls a function with every string below, this one included.
    pub(crate) fn each_text(&self, visit: &mut dyn FnMut(&At<'a>, &'a str)) {
        if let Some(text) = self.text() {
            visit(self, text);
        }
        for item in self.items() {
            item.each_text(visit);
        }
        for (_, field) in self.fields() {
            field.each_text(visit);
        }
    }
}

/// Escapes a key for a JSON pointer, <https://www.rfc-editor.org/rfc/rfc6901#section-3>.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
