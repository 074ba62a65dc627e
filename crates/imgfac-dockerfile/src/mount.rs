//! The value of `RUN --mount`: comma-separated fields, of which only `from` names an image.

use std::borrow::Cow;

use crate::directives::is_bool;
use crate::text::lower;

/// Splits a value into fields; double quotes protect commas, and `""` in them is a quote.
fn fields(value: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let value = value
        .strip_suffix("\r\n")
        .or_else(|| value.strip_suffix('\n'))
        .unwrap_or(value);
    if value.is_empty() {
        return Err("EOF".to_owned());
    }
    let mut found = Vec::new();
    let mut rest = value;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, more) = match rest.split_once(',') {
                Some((field, more)) => (field, Some(more)),
                None => (rest, None),
            };
            if field.contains('"') {
                return Err("bare \" in non-quoted field".to_owned());
            }
            found.push(Cow::Borrowed(field));
            match more {
                Some(more) => rest = more,
                None => return Ok(found),
            }
            continue;
        };
        let mut field = String::new();
        rest = quoted;
        loop {
            let Some((part, more)) = rest.split_once('"') else {
                return Err("extraneous or missing \" in quoted field".to_owned());
            };
            field.push_str(part);
            match more.strip_prefix('"') {
                Some(more) => {
                    field.push('"');
                    rest = more;
                }
                None => {
                    rest = more;
                    break;
                }
            }
        }
        found.push(Cow::Owned(field));
        if rest.is_empty() {
            return Ok(found);
        }
        rest = rest
            .strip_prefix(',')
            .ok_or_else(|| "extraneous or missing \" in quoted field".to_owned())?;
    }
}

/// The `from` of a mount; empty when it has none. A cache starts from `scratch`.
///
/// All other fields may hold variables, so BuildKit looks at them only when the stage is built.
pub(crate) fn from_of_mount(value: &str) -> Result<String, String> {
    let fields = fields(value).map_err(|error| format!("failed to parse csv mounts: {error}"))?;
    let mut from = String::new();
    let mut is_cache = false;
    for field in fields {
        let Some((key, value)) = field.split_once('=') else {
            continue;
        };
        let key = lower(key);
        if key == "type" {
            is_cache = value.eq_ignore_ascii_case("cache");
        } else if key == "from" {
            // A `$` at the very end is no variable.
            if value
                .char_indices()
                .any(|(n, c)| c == '$' && value.get(n + 1..).is_some_and(|rest| !rest.is_empty()))
            {
                return Err(
                    "'from' doesn't support variable expansion, define alias stage instead"
                        .to_owned(),
                );
            }
            value.clone_into(&mut from);
        }
    }
    if from.is_empty() && is_cache {
        from.push_str("scratch");
    }
    Ok(from)
}

/// Checks the value of `RUN --device`.
pub(crate) fn check_device(value: &str) -> Result<(), String> {
    let fields = fields(value).map_err(|error| format!("failed to parse csv devices: {error}"))?;
    let mut named = false;
    for field in fields {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (lower(key), Some(value)),
            None => (lower(&field), None),
        };
        match (key.as_ref(), value) {
            ("required", None) => {}
            ("required", Some(value)) if is_bool(value) => {}
            ("required", Some(value)) => {
                return Err(format!("invalid value for required: {value}"));
            }
            ("name", Some(_)) if named => return Err("device name already set".to_owned()),
            ("name", Some(value)) => named = !value.is_empty(),
            _ if !named => named = !field.is_empty(),
            (_, None) => {
                return Err(format!("invalid field '{field}' must be a key=value pair"));
            }
            (key, Some(_)) => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is the `from`, or `error`.
    fn check(value: &str, expected: &str) {
        let found = from_of_mount(value).unwrap_or_else(|_| "error".to_owned());
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn from_is_read() {
        check("type=bind,from=a:1,target=/x", "a:1");
        check("FROM=a", "a");
        check("from=a,from=b", "b");
        check("type=bind,\"from=a\",x", "a");
        check("\"target=/a,b\",from=c", "c");
        check("\"from=a\"\"b\"", "a\"b");
        check("type=cache,target=/x", "scratch");
        check("type=cache,target=/x,from=a", "a");
        check("type=tmpfs,target=/x", "");
        check("from", "");
        check("from=", "");
        check("from=a$", "a$");
        check(" from=a", "");
    }

    #[test]
    fn bad_values_are_refused() {
        check("", "error");
        check("from=$X", "error");
        check("from=a${X}b", "error");
        check("from=$$", "error");
        check("from=\"a\"", "error");
        check("\"from=a", "error");
        check("\"from=a\"b", "error");
    }

    #[test]
    fn devices_have_a_name() {
        let check = |value: &str, ok: bool| {
            assert_eq!(check_device(value).is_ok(), ok, "{value}");
        };
        check("vendor.com/gpu=all", true);
        check("name=gpu,required", true);
        check("gpu,required=true", true);
        check("gpu,required=maybe", false);
        check("gpu,other", false);
        check("gpu,other=1", false);
        check("", false);
    }
}
