//! Values without positions, to be written.

/// A YAML value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Null.
    Null,
    /// A scalar that stands without quotes, exactly as written: `true`, `0.10`.
    Plain(String),
    /// Text; it gets quotes where it needs them.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Keys and values, in order.
    Map(Vec<(String, Value)>),
}
