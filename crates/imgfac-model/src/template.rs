//! Text with places for what happened: the wording of messages that people choose.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::policy::choice;
use crate::text::{InvalidValue, shown};

choice! {
    /// What may stand in braces in a [`Template`].
    Placeholder: "placeholder" {
        /// The word of the event, such as `three-strikes`.
        Event = "event",
        /// The image, or the registry.
        Subject = "subject",
        /// What happened, such as `rebuild failed`.
        What = "what",
        /// Why.
        Reason = "reason",
        /// The bases that moved.
        Causes = "causes",
        /// The address of the run.
        Run = "run",
        /// Which attempt it is, from 1.
        Attempt = "attempt",
        /// Who asked for it.
        Actor = "actor",
        /// When the next attempt follows.
        NextTry = "nextTry",
        /// Since when it has been so.
        Since = "since",
        /// The vulnerabilities that it is for.
        Cves = "cves",
        /// The images that are affected.
        Images = "images",
        /// When it was noticed.
        Time = "time",
    }
}

/// Text with placeholders such as `{subject}`; `{{` and `}}` are braces.
///
/// Everything about it is checked when it is read, so that filling it in cannot fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    written: String,
    lines: Vec<Vec<Part>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Placeholder),
}

/// The longest template, in bytes: what comes of it has to fit into a message.
const LIMIT: usize = 2_000;

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is empty or too long, has control characters but newlines, or a brace that is none
    /// of a known placeholder.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let problem = if text.trim().is_empty() {
            "it is empty".to_owned()
        } else if text.len() > LIMIT {
            format!("it is longer than {LIMIT} bytes")
        } else if text.chars().any(|c| c.is_control() && c != '\n') {
            "it has control characters".to_owned()
        } else {
            match text.trim_end().split('\n').map(parts).collect() {
                Ok(lines) => {
                    let written = text.to_owned();
                    return Ok(Self { written, lines });
                }
                Err(problem) => problem,
            }
        };
        Err(InvalidValue {
            what: "template",
            problem,
            expected: "text with {event} {subject} {what} {reason} {causes} {run} {attempt} {actor} {nextTry} {since} {cves} {images} {time}, and {{ or }} for braces",
        })
    }

    /// Puts values in the places. A line that has placeholders, none of which has a value, is left
    /// out, so that one template serves events that say more and events that say less.
    #[must_use]
    pub fn fill(&self, value: impl Fn(Placeholder) -> Option<String>) -> String {
        let mut lines = Vec::new();
        for line in &self.lines {
            let (mut out, mut places, mut filled) = (String::new(), 0, 0);
            for part in line {
                match part {
                    Part::Text(text) => out.push_str(text),
                    Part::Value(placeholder) => {
                        places += 1;
                        if let Some(value) = value(*placeholder) {
                            filled += 1;
                            out.push_str(&value);
                        }
                    }
                }
            }
            if places == 0 || filled > 0 {
                lines.push(out);
            }
        }
        lines.join("\n")
    }

    /// Whether it has more than one line.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.lines.len() > 1
    }
}

fn parts(line: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), line);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        text.push_str(before);
        if let Some(after) = (brace.strip_prefix("{{")).or_else(|| brace.strip_prefix("}}")) {
            text.push_str(&brace[..1]);
            rest = after;
            continue;
        }
        let name = brace
            .strip_prefix('{')
            .and_then(|name| name.split_once('}'));
        let Some((name, after)) = name else {
            return Err(format!("{} has a brace without its other", shown(line)));
        };
        let placeholder = name.parse().map_err(|error: InvalidValue| {
            format!(
                "{{{name}}} stands for nothing",
                name = error.problem.trim_matches('"')
            )
        })?;
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(Part::Value(placeholder));
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

impl FromStr for Template {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::new(text)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl TryFrom<String> for Template {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Self::new(&text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let filled = match Template::new(template) {
            Ok(template) => template.fill(|placeholder| match placeholder {
                Placeholder::Subject => Some("{run}".to_owned()),
                Placeholder::Attempt => Some("2".to_owned()),
                _ => None,
            }),
            Err(error) => error.problem,
        };
        assert_eq!(filled, expected, "{template}");
    }

    #[test]
    fn values_take_the_places_once() {
        check("{subject}: no. {attempt}", "{run}: no. 2");
        check("plain", "plain");
        check("{{subject}} {{ }} }}{{", "{subject} { } }{");
        check("{subject}{{", "{run}{");
    }

    #[test]
    fn a_line_without_any_value_is_left_out() {
        check(
            "{subject}\n\nRun: {run}\nBy: {actor}, attempt {attempt}\nend\n",
            "{run}\n\nBy: , attempt 2\nend",
        );
        check("{run}", "");
    }

    #[test]
    fn mistakes_are_found_when_it_is_read() {
        check("", "it is empty");
        check(" \n ", "it is empty");
        check("a\tb", "it has control characters");
        check(&"x".repeat(2_001), "it is longer than 2000 bytes");
        check("{image}", "{image} stands for nothing");
        check("{Subject}", "{Subject} stands for nothing");
        check("{}", "{} stands for nothing");
        check("{subject", "\"{subject\" has a brace without its other");
        check("a } b", "\"a } b\" has a brace without its other");
        check("{{subject}", "\"{{subject}\" has a brace without its other");
    }

    #[test]
    fn the_message_names_every_placeholder() {
        let error = Template::new("{").unwrap_err();
        for name in Placeholder::ALL {
            assert!(error.expected.contains(&format!("{{{name}}}")), "{name}");
        }
    }
}
