//! What an instruction means, and whether it is legal.

use std::ops::Range;

use crate::budget::Budget;
use crate::flags::{self, Value};
use crate::health;
use crate::heredoc;
use crate::mount;
use crate::node::{Keyword, Names, Node};
use crate::text::{fields, head, lossy, lower, offset, tail, trim};

/// An instruction, reduced to what matters for images.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    From {
        /// The base, a range of the instruction's text.
        base: Range<usize>,
        name: Option<String>,
        platform: Option<String>,
    },
    Arg(Vec<(String, Option<String>)>),
    Copy {
        from: Option<Word>,
    },
    Run {
        /// The `from` of each mount; empty for a mount without one.
        mounts: Vec<Word>,
    },
    OnBuild,
    Other,
}

/// A word of an instruction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// Where it, or what it is part of, stands in the instruction.
    pub(crate) span: Range<usize>,
}

/// A mistake: what it is, and the part of the instruction that is wrong if one can be named.
pub(crate) type Mistake = (String, Option<Range<usize>>);

/// Checks an instruction. `line` is its whole text.
pub(crate) fn check(
    node: &Node<'_>,
    line: &[u8],
    budget: &mut Budget,
) -> Result<Instruction, Mistake> {
    let Some(keyword) = node.keyword else {
        return Err((
            format!("unknown instruction: {}", lossy(node.word)),
            Some(span_of(line, node.word)),
        ));
    };
    match keyword {
        Keyword::From => from(node, line),
        Keyword::Copy | Keyword::Add => copy(node, keyword, line, budget),
        Keyword::Run => run(node),
        Keyword::Arg => arg(node),
        Keyword::OnBuild => {
            on_build(node)?;
            Ok(Instruction::OnBuild)
        }
        _ => {
            other(node, keyword)?;
            Ok(Instruction::Other)
        }
    }
}

fn mistake<T>(message: impl Into<String>) -> Result<T, Mistake> {
    Err((message.into(), None))
}

fn flag_values<'a>(
    node: &'a Node<'_>,
    known: &'static [(&'static str, flags::Kind)],
) -> Result<Vec<Value<'a>>, Mistake> {
    flags::check(&node.flags, known).map_err(|(message, span)| (message, Some(span)))
}

fn span_of(line: &[u8], part: &[u8]) -> Range<usize> {
    let start = offset(line, part);
    start..start + part.len()
}

fn from(node: &Node<'_>, line: &[u8]) -> Result<Instruction, Mistake> {
    let mut words = fields(node.rest);
    let found = (words.next(), words.next(), words.next(), words.next());
    let (base, name) = match found {
        (Some((base, _)), None, ..) => (base, None),
        (Some((base, _)), Some((by, _)), Some((name, _)), None) if is_as(by) => {
            let written = lossy(name);
            let lowered = lower(&written).into_owned();
            if !is_stage_name(&lowered) {
                return Err((
                    format!(
                        "invalid name for build stage: {written:?}, name can't start with a number or contain symbols"
                    ),
                    Some(span_of(line, name)),
                ));
            }
            (base, Some(lowered))
        }
        _ => return mistake("FROM requires either one or three arguments"),
    };
    let platform = flag_values(node, flags::FROM)?
        .pop()
        .map(|flag| flag.value.to_owned());
    Ok(Instruction::From {
        base: span_of(line, base),
        name,
        platform,
    })
}

/// `as` in any case, also with the letter that folds to `s`.
fn is_as(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"as")
        || matches!(std::str::from_utf8(word), Ok("a\u{17F}" | "A\u{17F}"))
}

fn is_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

fn copy(
    node: &Node<'_>,
    keyword: Keyword,
    line: &[u8],
    budget: &mut Budget,
) -> Result<Instruction, Mistake> {
    let (count, last): (usize, &[u8]) = match &node.list {
        Some(list) => (list.len(), list.last().map_or(&[], |s| s.as_bytes())),
        None => fields(node.rest).fold((0, &[]), |(count, _), (word, _)| (count + 1, word)),
    };
    if count < 2 {
        return mistake(format!(
            "{} requires at least two arguments, but only one was provided. Destination could not be determined",
            keyword.name()
        ));
    }
    let known = if keyword == Keyword::Copy {
        flags::COPY
    } else {
        flags::ADD
    };
    let from = flag_values(node, known)?
        .into_iter()
        .find(|flag| flag.name == "from")
        .map(|flag| Word {
            text: flag.value.to_owned(),
            span: flag.span,
        });
    if matches!(heredoc::of_word(last, budget), Ok(Some(_))) {
        return Err((
            format!(
                "{} cannot accept a heredoc as a destination",
                keyword.name()
            ),
            node.list.is_none().then(|| span_of(line, last)),
        ));
    }
    Ok(Instruction::Copy { from })
}

fn run(node: &Node<'_>) -> Result<Instruction, Mistake> {
    let mut mounts = Vec::new();
    for flag in flag_values(node, flags::RUN)? {
        let checked = match flag.name {
            "mount" => mount::from_of_mount(flag.value).map(|text| {
                mounts.push(Word {
                    text,
                    span: flag.span.clone(),
                });
            }),
            "device" => mount::check_device(flag.value),
            "network" if !matches!(flag.value, "default" | "none" | "host") => {
                Err(format!("invalid network mode {:?}", flag.value))
            }
            "security" if !matches!(flag.value, "sandbox" | "insecure") => {
                Err(format!("security {:?} is not valid", flag.value))
            }
            _ => Ok(()),
        };
        checked.map_err(|message| (message, Some(flag.span)))?;
    }
    Ok(Instruction::Run { mounts })
}

/// BuildKit ignores the flags of `ARG`.
fn arg(node: &Node<'_>) -> Result<Instruction, Mistake> {
    if node.words.is_empty() {
        return mistake("ARG requires at least one argument");
    }
    let mut pairs = Vec::with_capacity(node.words.len());
    for word in &node.words {
        let (name, value) = match word.iter().position(|&b| b == b'=') {
            Some(0) => return mistake("ARG names can not be blank"),
            Some(end) => (head(word, end), Some(lossy(tail(word, end + 1)))),
            None => (*word, None),
        };
        pairs.push((lossy(name), value));
    }
    Ok(Instruction::Arg(pairs))
}

fn on_build(node: &Node<'_>) -> Result<(), Mistake> {
    let Some(child) = &node.child else {
        return mistake("ONBUILD requires at least one argument");
    };
    flag_values(node, &[])?;
    // Compared in capitals, which makes an `i` of the dotless one.
    let name = lossy(child.word)
        .replace('\u{131}', "I")
        .to_ascii_uppercase();
    match name.as_str() {
        "ONBUILD" => mistake("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        "MAINTAINER" | "FROM" => mistake(format!("{name} isn't allowed as an ONBUILD trigger")),
        _ => Ok(()),
    }
}

fn other(node: &Node<'_>, keyword: Keyword) -> Result<(), Mistake> {
    let name = keyword.name();
    let at_least_one = || format!("{name} requires at least one argument");
    match keyword {
        Keyword::Healthcheck => return healthcheck(node),
        // BuildKit ignores the flags of STOPSIGNAL.
        Keyword::StopSignal if !node.rest.is_empty() => return Ok(()),
        Keyword::StopSignal | Keyword::Maintainer | Keyword::User | Keyword::Workdir
            if node.rest.is_empty() =>
        {
            return mistake(format!("{name} requires exactly one argument"));
        }
        Keyword::Expose if node.rest.is_empty() => return mistake(at_least_one()),
        Keyword::Volume => {
            let empty = match &node.list {
                Some(list) => list.is_empty(),
                None => node.rest.is_empty(),
            };
            if empty {
                return mistake(at_least_one());
            }
        }
        _ => {}
    }
    flag_values(node, &[])?;
    match keyword {
        Keyword::Env | Keyword::Label => match node.names {
            Names::Missing => mistake(at_least_one()),
            Names::Blank => mistake(format!("{name} names can not be blank")),
            Names::Good => Ok(()),
        },
        Keyword::Volume => {
            let blank = match &node.list {
                Some(list) => list.iter().any(|text| trim(text.as_bytes()).is_empty()),
                None => fields(node.rest).any(|(word, _)| trim(word).is_empty()),
            };
            if blank {
                return mistake("VOLUME specified can not be an empty string");
            }
            Ok(())
        }
        Keyword::Shell => match &node.list {
            Some(list) if list.is_empty() => mistake(at_least_one()),
            Some(_) => Ok(()),
            None if node.rest.is_empty() => mistake(at_least_one()),
            None => mistake("SHELL requires the arguments to be in JSON form"),
        },
        _ => Ok(()),
    }
}

fn healthcheck(node: &Node<'_>) -> Result<(), Mistake> {
    let (kind, command) = node.health();
    if kind.is_empty() {
        return mistake("HEALTHCHECK requires at least one argument");
    }
    let arguments = match &node.list {
        Some(list) => list.len(),
        None => usize::from(!command.is_empty()),
    };
    if kind.eq_ignore_ascii_case(b"none") {
        // The flags do not matter here.
        if arguments != 0 {
            return mistake("HEALTHCHECK NONE takes no arguments");
        }
        return Ok(());
    }
    let values = flag_values(node, flags::HEALTHCHECK)?;
    if !kind.eq_ignore_ascii_case(b"cmd") {
        return mistake(format!(
            "Unknown type {:?} in HEALTHCHECK (try CMD)",
            lossy(kind)
        ));
    }
    if arguments == 0 {
        return mistake("Missing command after HEALTHCHECK CMD");
    }
    for flag in values {
        let checked = match flag.name {
            "retries" => health::check_retries(flag.value),
            name => health::check_interval(name, flag.value),
        };
        checked.map_err(|message| (message, Some(flag.span)))?;
    }
    Ok(())
}
