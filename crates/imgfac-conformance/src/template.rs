//! Text with expressions, as Kargo reads it.
//!
//! `pkg/expressions/json_templates.go` looks for the first `${{` or `${%` and ends the expression
//! at the next `}}` or `%}`, wherever that stands: a string or a map inside of the expression that
//! has one ends it too early. The expression itself is [expr](https://expr-lang.org), of which
//! only the words, the strings and the brackets are looked at here.

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Expression(&'a str),
}

/// Whether a text has an expression.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("${{") || text.contains("${%")
}

/// Splits a text into what is text and what is an expression.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        let next = [("${{", "}}"), ("${%", "%}")]
            .into_iter()
            .filter_map(|(start, end)| Some((rest.find(start)?, start, end)))
            .min();
        let Some((at, start, end)) = next else {
            if !rest.is_empty() {
                out.push(Piece::Text(rest));
            }
            return Ok(out);
        };
        if at > 0 {
            out.push(Piece::Text(&rest[..at]));
        }
        let inner = &rest[at + start.len()..];
        let Some(length) = inner.find(end) else {
            return Err(format!("{start} has no {end}"));
        };
        if length == 0 {
            return Err("an empty expression: Kargo stops to read the text there".into());
        }
        out.push(Piece::Expression(&inner[..length]));
        rest = &inner[length + end.len()..];
    }
}

/// A word of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name.
    Name(&'a str),
    /// A string, without its quotes; escapes stay as they are.
    Text(&'a str),
    /// A number.
    Number,
    /// A mark, `?.` in one piece.
    Mark(&'a str),
}

/// The words of an expression, if its quotes and brackets balance.
pub(crate) fn tokens(expression: &str) -> Result<Vec<Token<'_>>, String> {
    let mut out = Vec::new();
    let mut open = Vec::new();
    let mut rest = expression.trim_start();
    if rest.is_empty() {
        return Err("an empty expression".into());
    }
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' | '\'' | '`' => {
                let Some(length) = string_length(rest, c) else {
                    return Err(format!("a string has no closing {c}"));
                };
                out.push(Token::Text(&rest[1..length - 1]));
                length
            }
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => match rest.find("*/") {
                Some(at) => at + 2,
                None => return Err("a comment is not closed".into()),
            },
            c if c.is_alphabetic() || c == '_' || c == '$' => {
                let length = word_length(rest);
                if rest.starts_with("${") {
                    return Err("an expression begins inside of another".into());
                }
                out.push(Token::Name(&rest[..length]));
                length
            }
            c if c.is_ascii_digit() => {
                out.push(Token::Number);
                // The end of `1..5` is a range, that of `1.5` is not.
                let whole = word_length(rest);
                let fraction = &rest[whole..];
                if fraction.starts_with('.')
                    && fraction[1..].starts_with(|c: char| c.is_ascii_digit())
                {
                    whole + 1 + word_length(&fraction[1..])
                } else {
                    whole
                }
            }
            '(' | '[' | '{' => {
                open.push(c);
                out.push(Token::Mark(&rest[..1]));
                1
            }
            ')' | ']' | '}' => {
                let wanted = match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop() != Some(wanted) {
                    return Err(format!("a {c} closes nothing"));
                }
                out.push(Token::Mark(&rest[..1]));
                1
            }
            '?' if rest.starts_with("?.") => {
                out.push(Token::Mark(&rest[..2]));
                2
            }
            c => {
                out.push(Token::Mark(&rest[..c.len_utf8()]));
                c.len_utf8()
            }
        };
        rest = rest[length..].trim_start();
    }
    match open.pop() {
        Some('{') => Err(
            "a { is not closed; }} ends an expression wherever it stands, ${% %} can hold maps"
                .into(),
        ),
        Some(c) => Err(format!("a {c} is not closed")),
        None => Ok(out),
    }
}

/// The length of a string with its quotes. Only backquotes have no escapes.
fn string_length(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote != '`' {
            escaped = true;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

fn word_length(text: &str) -> usize {
    text.len()
        - text
            .trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
            .len()
}

/// Calls of a function by name, with the first argument if it is a plain string and all there is
/// to it: `f("x")` and `f("x", …)`, not `f("x" + y)`.
pub(crate) fn calls<'a>(tokens: &[Token<'a>]) -> Vec<(&'a str, Option<&'a str>)> {
    let mut out = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let (Token::Name(name), Some(Token::Mark("("))) = (token, tokens.get(at + 1)) else {
            continue;
        };
        if at > 0 && is_dot(&tokens[at - 1]) {
            continue;
        }
        let argument = match (tokens.get(at + 2), tokens.get(at + 3)) {
            (Some(Token::Text(text)), Some(Token::Mark("," | ")"))) => Some(*text),
            _ => None,
        };
        out.push((*name, argument));
    }
    out
}

/// What is read of an object by a name that is written out: `vars.x`, `vars?.x`, `vars["x"]`.
pub(crate) fn members<'a>(tokens: &[Token<'a>], object: &[&str]) -> Vec<&'a str> {
    let mut out = Vec::new();
    for at in 0..tokens.len() {
        if at > 0 && is_dot(&tokens[at - 1]) {
            continue;
        }
        if let Some((name, _)) = after(&tokens[at..], object).and_then(member) {
            out.push(name);
        }
    }
    out
}

/// What is read of a field of an object, both written out: `outputs.x.y`, `outputs["x"].y`.
pub(crate) fn fields<'a>(tokens: &[Token<'a>], object: &[&str]) -> Vec<(&'a str, &'a str)> {
    let mut out = Vec::new();
    for at in 0..tokens.len() {
        if at > 0 && is_dot(&tokens[at - 1]) {
            continue;
        }
        if let Some(rest) = after(&tokens[at..], object)
            && let Some((member, rest)) = member(rest)
            && let Some((field, _)) = self::member(rest)
        {
            out.push((member, field));
        }
    }
    out
}

/// Names at the beginning, which are no fields of something else.
pub(crate) fn free_names<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    tokens
        .iter()
        .enumerate()
        .filter(|(at, _)| *at == 0 || !is_dot(&tokens[at - 1]))
        // The key of a map.
        .filter(|(at, _)| tokens.get(at + 1) != Some(&Token::Mark(":")))
        .filter_map(|(_, token)| match token {
            Token::Name(name) => Some(*name),
            _ => None,
        })
        .collect()
}

/// The name in `.x`, `?.x` or `["x"]`, and what follows.
fn member<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(&'a str, &'t [Token<'a>])> {
    match tokens {
        [dot, Token::Name(name), rest @ ..] if is_dot(dot) => Some((name, rest)),
        [
            Token::Mark("["),
            Token::Text(name),
            Token::Mark("]"),
            rest @ ..,
        ] => Some((name, rest)),
        _ => None,
    }
}

/// What follows `a.b.c`.
fn after<'t, 'a>(tokens: &'t [Token<'a>], path: &[&str]) -> Option<&'t [Token<'a>]> {
    let mut rest = tokens;
    for (index, name) in path.iter().enumerate() {
        if index > 0 {
            let (dot, tail) = rest.split_first()?;
            if !is_dot(dot) {
                return None;
            }
            rest = tail;
        }
        let (first, tail) = rest.split_first()?;
        if *first != Token::Name(name) {
            return None;
        }
        rest = tail;
    }
    Some(rest)
}

fn is_dot(token: &Token<'_>) -> bool {
    matches!(token, Token::Mark("." | "?."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_delimiter_wins_and_the_next_end_ends() {
        use Piece::{Expression as E, Text as T};
        assert_eq!(pieces("a").unwrap(), [T("a")]);
        assert_eq!(pieces("").unwrap(), []);
        assert_eq!(
            pieces("a${{ b }}c${% {d: {}} %}").unwrap(),
            [T("a"), E(" b "), T("c"), E(" {d: {}} ")]
        );
        assert_eq!(
            pieces("${{ {a: {b: 1}} }}").unwrap(),
            [E(" {a: {b: 1"), T(" }}")]
        );
        for text in ["${{", "a ${% b }}", "${{ a }} ${{ b", "${{}}"] {
            assert!(pieces(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quotes_and_brackets_balance() {
        for text in [
            "a",
            "f('}', \"it's\", `\\`)",
            "a[0][\"b\"] ?? c",
            "1..5",
            "1.5 + .5",
            "a // b )",
            "#acc * 32",
            "{a: {}}",
        ] {
            assert!(tokens(text).is_ok(), "{text}");
        }
        for text in [
            "",
            " ",
            "'a",
            "f(",
            "f)",
            "[)",
            "{a: {b: 1",
            "/* a",
            "${{ b",
            "\"a\\\"",
        ] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }

    #[test]
    fn calls_and_members_are_found() {
        let tokens = tokens(
            r#"f("a") + g('b', c.f("x")) + h("c" + d) + vars.e + x.vars.n + vars?.f + vars["g"] + vars[h] + task.outputs.i.j"#,
        )
        .unwrap();
        assert_eq!(
            calls(&tokens),
            [("f", Some("a")), ("g", Some("b")), ("h", None)]
        );
        assert_eq!(members(&tokens, &["vars"]), ["e", "f", "g"]);
        assert_eq!(members(&tokens, &["task", "outputs"]), ["i"]);
        assert_eq!(fields(&tokens, &["task", "outputs"]), [("i", "j")]);
        assert_eq!(fields(&tokens, &["vars"]), []);
        assert_eq!(
            free_names(&tokens),
            [
                "f", "g", "c", "h", "d", "vars", "x", "vars", "vars", "vars", "h", "task"
            ]
        );
    }
}
