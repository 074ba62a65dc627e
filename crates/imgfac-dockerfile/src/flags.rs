//! Which flags an instruction takes.

use std::ops::Range;

use crate::node::Flag;
use crate::text::lower;

/// What a flag's value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `--name`, `--name=true` or `--name=false`.
    Bool,
    /// `--name=value`, once.
    Text,
    /// `--name=value`, any number of times.
    Texts,
}

pub(crate) const FROM: &[(&str, Kind)] = &[("platform", Kind::Text)];

pub(crate) const COPY: &[(&str, Kind)] = &[
    ("from", Kind::Text),
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Bool),
    ("exclude", Kind::Texts),
    ("parents", Kind::Bool),
];

pub(crate) const ADD: &[(&str, Kind)] = &[
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Bool),
    ("keep-git-dir", Kind::Bool),
    ("checksum", Kind::Text),
    ("unpack", Kind::Bool),
    ("exclude", Kind::Texts),
];

pub(crate) const RUN: &[(&str, Kind)] = &[
    ("mount", Kind::Texts),
    ("network", Kind::Text),
    ("security", Kind::Text),
    ("device", Kind::Texts),
];

pub(crate) const HEALTHCHECK: &[(&str, Kind)] = &[
    ("interval", Kind::Text),
    ("timeout", Kind::Text),
    ("start-period", Kind::Text),
    ("start-interval", Kind::Text),
    ("retries", Kind::Text),
];

/// A flag that was accepted.
pub(crate) struct Value<'a> {
    pub(crate) name: &'static str,
    pub(crate) value: &'a str,
    pub(crate) span: Range<usize>,
}

/// Checks all flags of an instruction.
pub(crate) fn check<'a>(
    flags: &'a [Flag<'_>],
    known: &'static [(&'static str, Kind)],
) -> Result<Vec<Value<'a>>, (String, Range<usize>)> {
    let mut seen = 0_u32;
    let mut values = Vec::with_capacity(flags.len());
    for flag in flags {
        let error = |message: String| (message, flag.span.clone());
        let (word, value) = match flag.text.split_once('=') {
            Some((word, value)) => (word, Some(value)),
            None => (flag.text.as_ref(), None),
        };
        let name = word.strip_prefix("--").unwrap_or_default();
        let Some((index, &(name, kind))) = known.iter().enumerate().find(|(_, (n, _))| *n == name)
        else {
            return Err(error(format!("unknown flag: {word}")));
        };
        let bit = 1 << index;
        if seen & bit != 0 && kind != Kind::Texts {
            return Err(error(format!("duplicate flag specified: {word}")));
        }
        seen |= bit;
        let value = match (kind, value) {
            (Kind::Bool, Some("")) | (Kind::Text | Kind::Texts, None) => {
                return Err(error(format!("missing a value on flag: {word}")));
            }
            (Kind::Bool, None) => "true",
            (Kind::Bool, Some(value)) => match lower(value).as_ref() {
                "true" => "true",
                "false" => "false",
                _ => {
                    return Err(error(format!(
                        "expecting boolean value for flag {word}, not: {value}"
                    )));
                }
            },
            (_, Some(value)) => value,
        };
        values.push(Value {
            name,
            value,
            span: flag.span.clone(),
        });
    }
    Ok(values)
}
