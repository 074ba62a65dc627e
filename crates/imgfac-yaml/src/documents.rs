//! Files of many documents, as typed values.

use serde::de::DeserializeOwned;

/// A document cannot be read; the message says where and why, without the text that stands there.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct DocumentError(String);

/// Reads every document of a text. Empty ones are left out, and the limits on what aliases may
/// repeat hold for each.
///
/// Booleans are those of YAML 1.2, and what begins with a zero or has `_` in it is text: Kubernetes
/// objects come through as they were written.
///
/// # Errors
/// At the first document that is not YAML, or not a `T`.
pub fn read_documents<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, DocumentError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    let mut bytes = text.as_bytes();
    serde_saphyr::read_with_options(&mut bytes, options)
        .collect::<Result<_, _>>()
        .map_err(|error: serde_saphyr::Error| DocumentError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Named {
        name: String,
    }

    fn names(text: &str) -> Result<Vec<String>, String> {
        read_documents::<Named>(text)
            .map(|documents| documents.into_iter().map(|it| it.name).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn documents_are_read_in_order_and_empty_ones_left_out() {
        let text =
            "# head\n---\nname: a\n---\n# nothing\n---\nname: 'b'\n...\n---\nname: |\n  --- c\n";
        assert_eq!(names(text).unwrap(), ["a", "b", "--- c\n"]);
        assert!(names("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_has_a_place_and_no_text() {
        let check = |text: &str, place: &str| {
            let error = names(text).unwrap_err();
            assert!(error.ends_with(place), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        };
        check(
            "name: a\n---\nname: b\nmore: [hunter2\n",
            "line 4, column 7",
        );
        check("name: a\n---\nname: {hunter2: x}\n", "line 3, column 7");
        check("name: a\n---\nname: a\nname: hunter2\n", "line 4, column 1");
        check("- hunter2\n", "line 1, column 1");
    }

    #[test]
    fn many_documents_are_no_bomb() {
        // More values than one document may have.
        let more = "x, ".repeat(1_000);
        let text = format!("---\nname: a\nmore: [{more}]\n").repeat(260);
        assert_eq!(names(&text).unwrap().len(), 260);
    }
}
