//! Parser directives: `# escape=`, `# check=` and `# syntax=` at the top of a file.

use crate::json;
use crate::lines::{BOM, LINE_LIMIT, Lines};
use crate::text::{is_regex_space, lossy, tail, trim_start};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Syntax,
    Escape,
    Check,
}

struct Directive<'a> {
    name: Name,
    value: &'a [u8],
}

/// Reads directives until the first line that is none.
#[derive(Default)]
struct Reader {
    done: bool,
    seen: [bool; 3],
}

impl Reader {
    fn line<'a>(
        &mut self,
        line: &'a [u8],
        comment: &[u8],
    ) -> Result<Option<Directive<'a>>, String> {
        if self.done {
            return Ok(None);
        }
        let Some(found) = line.strip_prefix(comment).and_then(directive) else {
            self.done = true;
            return Ok(None);
        };
        let (seen, text) = match found.name {
            Name::Syntax => (&mut self.seen[0], "syntax"),
            Name::Escape => (&mut self.seen[1], "escape"),
            Name::Check => (&mut self.seen[2], "check"),
        };
        if std::mem::replace(seen, true) {
            return Err(format!("only one {text} parser directive can be used"));
        }
        Ok(Some(found))
    }
}

/// Reads `name = value` after the comment sign.
fn directive(text: &[u8]) -> Option<Directive<'_>> {
    let text = trim_start(text);
    let length = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    let (name, rest) = text.split_at_checked(length)?;
    let name = match name {
        n if n.eq_ignore_ascii_case(b"syntax") => Name::Syntax,
        n if n.eq_ignore_ascii_case(b"escape") => Name::Escape,
        n if n.eq_ignore_ascii_case(b"check") => Name::Check,
        _ => return None,
    };
    let blanks = rest.iter().take_while(|&&b| is_regex_space(b)).count();
    let rest = tail(rest, blanks).strip_prefix(b"=")?;
    let mut value = rest;
    while let [b, more @ ..] = value
        && is_regex_space(*b)
    {
        value = more;
    }
    while let [more @ .., b] = value
        && is_regex_space(*b)
    {
        value = more;
    }
    if value.is_empty() {
        // Nothing but blanks: the value takes one of them, since it cannot be empty.
        value = rest.last_chunk::<1>()?;
    }
    Some(Directive { name, value })
}

/// The escape character of a file, while its first lines are read.
pub(crate) struct Escape {
    reader: Reader,
    token: u8,
}

impl Escape {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::default(),
            token: b'\\',
        }
    }

    pub(crate) fn token(&self) -> u8 {
        self.token
    }

    /// Takes notice of a line whose leading white space is cut.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if let Some(found) = self.reader.line(line, b"#")?
            && found.name == Name::Escape
        {
            self.token = match found.value {
                [token @ (b'\\' | b'`')] => *token,
                other => {
                    return Err(format!(
                        "invalid escape token '{}' does not match ` or \\",
                        lossy(other)
                    ));
                }
            };
        }
        Ok(())
    }
}

/// The value of the syntax directive, up to its first space.
///
/// Besides `# syntax=` this takes `// syntax=`, and `{"syntax": "…"}` when the whole file is JSON.
/// A first line that starts with `#!` is skipped.
pub(crate) fn syntax(text: &[u8]) -> Option<String> {
    let text = skip_shebang(text);
    let value = find(text, b"#", Name::Syntax)
        .or_else(|| find(text, b"//", Name::Syntax))
        .map(first_word);
    value.or_else(|| json::string_of_key(text, "syntax"))
}

/// Checks the value of the check directive.
pub(crate) fn check_options(text: &[u8]) -> Result<(), String> {
    let Some(value) = find(skip_shebang(text), b"#", Name::Check) else {
        return Ok(());
    };
    let value = first_word(value);
    if value.trim().is_empty() {
        return Ok(());
    }
    for part in value.splitn(3, ';') {
        let valid =
            part.split_once('=')
                .is_some_and(|(key, value)| match (key.trim(), value.trim()) {
                    ("skip" | "experimental", _) => true,
                    ("error", value) => is_bool(value),
                    _ => false,
                });
        if !valid {
            return Err(format!(
                "failed to parse check options: invalid check option {part:?}"
            ));
        }
    }
    Ok(())
}

/// Whether Go's `strconv.ParseBool` takes the text.
pub(crate) fn is_bool(text: &str) -> bool {
    matches!(
        text,
        "1" | "t" | "T" | "TRUE" | "true" | "True" | "0" | "f" | "F" | "FALSE" | "false" | "False"
    )
}

fn find<'a>(text: &'a [u8], comment: &[u8], name: Name) -> Option<&'a [u8]> {
    let mut reader = Reader::default();
    for line in Lines::after_mark(text) {
        let raw = line.raw.strip_suffix(b"\r").unwrap_or(line.raw);
        match reader.line(raw, comment) {
            Ok(Some(found)) if found.name == name => return Some(found.value),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
    None
}

fn first_word(value: &[u8]) -> String {
    lossy(value.split(|&b| b == b' ').next().unwrap_or_default())
}

fn skip_shebang(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    if text.starts_with(b"#!") {
        let end = text.iter().position(|&b| b == b'\n');
        return end.map_or(&[], |end| tail(text, end + 1));
    }
    text
}

/// Says that a line is too long, as BuildKit does.
pub(crate) fn too_long_message() -> String {
    format!("dockerfile line greater than max allowed size of {LINE_LIMIT}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(syntax(text.as_bytes()).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn the_syntax_directive_has_several_spellings() {
        check("# syntax=a/b:1\nFROM x", Some("a/b:1"));
        check("#syntax = a/b:1 more\r\nFROM x", Some("a/b:1"));
        check("\u{FEFF}# SYNTAX=a", Some("a"));
        check("#!/bin/x\n# syntax=a", Some("a"));
        check("# escape=`\n# syntax=a", Some("a"));
        check("// syntax=a\n", Some("a"));
        check("{\"syntax\": \"a\", \"x\": [1]}", Some("a"));
        check("#!/bin/x\n{\"syntax\": \"a\"}", Some("a"));
    }

    #[test]
    fn only_the_top_of_the_file_has_directives() {
        check("\n# syntax=a", None);
        check("# a comment\n# syntax=a", None);
        check("FROM x\n# syntax=a", None);
        check(" # syntax=a", None);
        check("# syntax\n", None);
        check("# syntax=\n", None);
        check("# syntax:a\n", None);
        check("{\"syntax\": 1}", None);
        check("{\"syntax\": \"a\"", None);
        check("# escape=`\n# escape=`\n# syntax=a", None);
        check("\u{FEFF}\u{FEFF}# syntax=a", None);
        check("#!/bin/x\n\u{FEFF}# syntax=a", None);
    }

    #[test]
    fn check_options_are_validated() {
        let check = |text: &str, ok: bool| {
            assert_eq!(check_options(text.as_bytes()).is_ok(), ok, "{text}");
        };
        check("# check=skip=all", true);
        check(
            "# check=skip=JSONArgsRecommended,StageNameCasing;error=true",
            true,
        );
        check("# check=error=yes", false);
        check("# check=everything", false);
        check("# check=other=1", false);
        check("\n# check=everything", true);
        check("FROM a", true);
    }
}
