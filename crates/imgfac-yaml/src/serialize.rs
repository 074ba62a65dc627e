//! Typed values as YAML, by the library.

use serde::Serialize;

/// A value cannot be written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot write YAML: {0}")]
pub struct WriteError(String);

/// Writes a value as one document, with a newline at its end.
///
/// Text that a reader of YAML 1.1 or 1.2 could take for anything else gets quotes, and no line is
/// ever folded, so that expressions stay on one line and differences stay small.
///
/// # Errors
/// When the value has no form in YAML, such as a mapping with lists as keys.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, WriteError> {
    let mut text = String::new();
    write_document(&mut text, value)?;
    Ok(text)
}

/// As [`to_string`], at the end of a text.
///
/// # Errors
/// As [`to_string`].
pub fn write_document<T: Serialize>(text: &mut String, value: &T) -> Result<(), WriteError> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: 100_000 };
    serde_saphyr::to_fmt_writer_with_options(text, value, options)
        .map_err(|error| WriteError(error.to_string()))
}
