//! Values that Kargo evaluates, and user text that it must not.
//!
//! Kargo evaluates what stands between `${{` and `}}`, and between `${%` and `%}`, in every value
//! of a step and of a verification (`pkg/expressions/json_templates.go` of Kargo 1.11, language
//! expr-lang 1.17). A value without such a delimiter is taken as it is; one with it is evaluated,
//! and a result that reads as a number, a boolean or JSON is turned into that, unless it is
//! enclosed in double quotes, which are taken off without looking inside.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// A value that Kargo evaluates.
///
/// There are three ways to make one: [`Template::text`] of any text, which evaluates to that very
/// text, [`Template::string`] of an expression, and [`Template::ours`] of one that stands in this
/// program. So no text of a user becomes an expression.
///
/// ```
/// use imgfac_kargo::{Expression, Template};
///
/// assert_eq!(Template::text("apps/web").as_str(), "apps/web");
/// assert_eq!(Template::text("${{ 1 }}").as_str(), r#""${{ "$" }}{{ 1 }}""#);
/// let digest = Expression::call("imageFrom", &[Expression::text("ghcr.io/acme/web")]).field("Digest");
/// assert_eq!(
///     Template::string(digest).as_str(),
///     r#"${{ quote(imageFrom("ghcr.io/acme/web").Digest) }}"#
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(String);

impl Template {
    /// A value that evaluates to this text, whatever is in it.
    #[must_use]
    pub fn text(text: &str) -> Self {
        if !(text.contains("${{") || text.contains("${%")) {
            return Self(text.to_owned());
        }
        // Each opening delimiter loses its `$` to an expression that yields `$`. The quotes around
        // the whole keep the result from being read as JSON; escaping what is between them would
        // be wrong, since Kargo takes off the outer two and leaves the rest as it is.
        let mut out = String::with_capacity(text.len() + 24);
        out.push('"');
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            let opens = tail.starts_with("${{") || tail.starts_with("${%");
            out.push_str(if opens { "${{ \"$\" }}{" } else { "${" });
            rest = tail.get(2..).unwrap_or_default();
        }
        out.push_str(rest);
        out.push('"');
        Self(out)
    }

    /// The value of an expression that yields a text without `"` and `\`, as a text even where it
    /// reads as something else: a commit may be all digits, and a tag `1.10`.
    #[must_use]
    pub fn string(expression: Expression) -> Self {
        Self(format!(
            "${{{{ {} }}}}",
            Expression::call("quote", &[expression])
        ))
    }

    /// The value of an expression that is written in this program, of whatever type it is. It is
    /// put between `${%` and `%}`, since `}}` ends maps of maps.
    #[must_use]
    pub fn ours(expression: &'static str) -> Self {
        debug_assert!(!expression.contains("%}"), "it would end the template");
        Self(format!("${{% {expression} %}}"))
    }

    /// An expression for a field that takes one without delimiters: it is evaluated later, where
    /// only a response is known.
    #[must_use]
    pub fn bare(expression: &'static str) -> Self {
        Self(expression.to_owned())
    }

    /// As written to the manifest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An expression in Kargo's language, without the delimiters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression(String);

impl Expression {
    /// A literal that yields this text.
    ///
    /// What could end the literal, or the template around it, is escaped by its number.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\' | '$' | '%' | '{' | '}' | '\u{7f}') || c < ' ' {
                // Writing to a text cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            } else {
                out.push(c);
            }
        }
        out.push('"');
        Self(out)
    }

    /// Calls a function of Kargo's.
    #[must_use]
    pub fn call(function: &'static str, arguments: &[Self]) -> Self {
        let mut out = format!("{function}(");
        for (n, argument) in arguments.iter().enumerate() {
            if n > 0 {
                out.push_str(", ");
            }
            out.push_str(&argument.0);
        }
        out.push(')');
        Self(out)
    }

    /// Several texts, one after the other.
    #[must_use]
    pub fn concat(parts: &[Self]) -> Self {
        let parts: Vec<_> = parts.iter().map(|part| part.0.as_str()).collect();
        Self(parts.join(" + "))
    }

    /// A field of the value.
    #[must_use]
    pub fn field(mut self, name: &'static str) -> Self {
        self.0.push('.');
        self.0.push_str(name);
        self
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Kargo makes of a template, for the one expression that [`Template::text`] writes.
    fn evaluate(template: &str) -> String {
        if !(template.contains("${{") || template.contains("${%")) {
            return template.to_owned();
        }
        let (mut out, mut rest) = (String::new(), template);
        while let Some(at) = [rest.find("${{"), rest.find("${%")]
            .into_iter()
            .flatten()
            .min()
        {
            out.push_str(&rest[..at]);
            let end = at + rest[at..].find("}}").expect("expression ends");
            assert_eq!(
                &rest[at..end],
                "${{ \"$\" ",
                "an expression of the user in {template:?}"
            );
            out.push('$');
            rest = &rest[end + 2..];
        }
        out.push_str(rest);
        let enclosed = out.len() > 1 && out.starts_with('"') && out.ends_with('"');
        assert!(
            enclosed,
            "{template:?} might be read as a number or as JSON"
        );
        out[1..out.len() - 1].to_owned()
    }

    #[test]
    fn text_evaluates_to_itself() {
        for text in [
            "",
            "main",
            "1.10",
            "true",
            "\"quoted\"",
            "${{ secret('x').token }}",
            "${% secret('x').token %}",
            "$${{ 1 }}",
            "${${{ 1 }}",
            "{\"a\": \"${{ 1 }}\"}",
            "\"${{ 1 }}\"",
            "${{",
            "}} ${ $ {{ %}",
            "line\n${{ 1 }}\n",
        ] {
            assert_eq!(evaluate(Template::text(text).as_str()), text);
        }
    }

    #[test]
    fn a_literal_holds_nothing_that_ends_it() {
        assert_eq!(
            Expression::text("a\"}}${{\\%}\n").to_string(),
            r#""a\u0022\u007d\u007d\u0024\u007b\u007b\u005c\u0025\u007d\u000a""#
        );
    }

    proptest! {
        #[test]
        fn any_text_evaluates_to_itself(text in r#"([${}%" a1\n\\]|\PC)*"#) {
            prop_assert_eq!(evaluate(Template::text(&text).as_str()), text);
        }

        #[test]
        fn no_literal_opens_or_closes_a_template(text in r#"([${}%" a1\n\\]|\PC)*"#) {
            let literal = Expression::text(&text).to_string();
            let open = literal.contains(['$', '{', '}', '%', '\n']);
            prop_assert!(!open, "{literal:?}");
            prop_assert_eq!(literal.matches('"').count(), 2);
        }
    }
}
