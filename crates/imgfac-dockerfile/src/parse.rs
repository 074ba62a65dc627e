//! From bytes to instructions: directives, comments, continuation lines and heredoc bodies.

use std::ops::Range;

use crate::budget::Budget;
use crate::directives::{Escape, too_long_message};
use crate::error::{Place, START};
use crate::heredoc;
use crate::lines::{Lines, cut_continuation, is_comment};
use crate::node::Node;
use crate::text::trim_start;

/// One instruction of a file.
pub(crate) struct Statement<'s> {
    pub(crate) node: Node<'s>,
    /// The whole text, with continuation lines joined.
    pub(crate) line: &'s [u8],
    /// Its heredocs: where the body is, and the name that ends it.
    pub(crate) heredocs: Vec<(Range<usize>, String)>,
    origin: Origin<'s>,
}

impl Statement<'_> {
    /// Where a part of [`Statement::line`] stands in the file.
    pub(crate) fn place(&self, part: &Range<usize>) -> Place {
        self.origin.place(part)
    }

    /// Where the instruction stands in the file.
    pub(crate) fn whole(&self) -> Place {
        self.origin.whole()
    }
}

/// Where an instruction comes from.
struct Origin<'s> {
    number: usize,
    span: Range<usize>,
    /// Pairs of an offset in the joined text and the offset in the file that it comes from.
    segments: &'s [(usize, usize)],
}

impl Origin<'_> {
    fn whole(&self) -> Place {
        Place {
            line: self.number,
            span: self.span.clone(),
        }
    }

    fn place(&self, part: &Range<usize>) -> Place {
        let at = |offset: usize| {
            let next = self
                .segments
                .partition_point(|(joined, _)| *joined <= offset);
            self.segments
                .get(next.saturating_sub(1))
                .map_or(self.span.start, |(joined, file)| {
                    file + offset.saturating_sub(*joined)
                })
        };
        let start = at(part.start);
        let end = match part.end.checked_sub(1) {
            Some(last) if last >= part.start => at(last) + 1,
            _ => start,
        };
        Place {
            span: start..end.max(start),
            ..self.whole()
        }
    }
}

/// A mistake that makes the text no Dockerfile.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) place: Place,
}

/// Reads all instructions and hands each to `sink`; returns the escape character.
pub(crate) fn parse(
    text: &[u8],
    budget: &mut Budget,
    sink: &mut dyn FnMut(&Statement<'_>, u8, &mut Budget),
) -> Result<u8, Failure> {
    let mut lines = Lines::new(text);
    let mut escape = Escape::new();
    let mut any = false;
    let mut joined: Vec<u8> = Vec::new();
    let mut segments: Vec<(usize, usize)> = Vec::new();

    while let Some(line) = lines.next() {
        let trimmed = line.text();
        let first = trim_start(trimmed);
        let start = line.start + (trimmed.len() - first.len());
        let mut origin = Origin {
            number: line.number,
            span: start..start + first.len(),
            segments: &[],
        };
        let fail = |message: String, place: Place| Failure { message, place };
        if let Err(message) = escape.line(first) {
            return Err(fail(message, origin.whole()));
        }
        if first.is_empty() || is_comment(first) {
            continue;
        }
        let token = escape.token();
        segments.clear();
        segments.push((0, start));
        let whole = match cut_continuation(first, token) {
            None => first,
            Some(part) => {
                joined.clear();
                joined.extend_from_slice(part);
                for line in lines.by_ref() {
                    let more = line.text();
                    if line.is_comment() || trim_start(more).is_empty() {
                        continue;
                    }
                    segments.push((joined.len(), line.start));
                    let end = line.start + more.len();
                    origin.span.end = end;
                    if let Some(part) = cut_continuation(more, token) {
                        joined.extend_from_slice(part);
                    } else {
                        joined.extend_from_slice(more);
                        break;
                    }
                }
                joined.as_slice()
            }
        };
        origin.segments = &segments;
        let node = match Node::read(whole, token) {
            Ok(node) => node,
            Err(message) => return Err(fail(message, origin.whole())),
        };
        let mut heredocs = Vec::new();
        if node.takes_heredocs() && has_redirection(whole) {
            let opened = match heredoc::of_line(whole, budget) {
                Ok(opened) => opened,
                Err(message) => return Err(fail(message, origin.whole())),
            };
            for heredoc in opened {
                let body = lines.position();
                let end = lines
                    .by_ref()
                    .find(|line| heredoc.ends_with(line.text()))
                    .map(|line| line.start);
                match end {
                    Some(end) => heredocs.push((body..end, heredoc.name)),
                    None => return Err(fail("unterminated heredoc".to_owned(), origin.whole())),
                }
            }
        }
        any = true;
        let statement = Statement {
            node,
            line: whole,
            heredocs,
            origin,
        };
        sink(&statement, token, budget);
    }

    if !any {
        return Err(Failure {
            message: "file with no instructions".to_owned(),
            place: START,
        });
    }
    if lines.too_long() {
        return Err(Failure {
            message: too_long_message(),
            place: Place {
                line: lines.number() + 1,
                span: lines.position()..lines.position(),
            },
        });
    }
    Ok(escape.token())
}

/// Whether there is a `<<`.
fn has_redirection(line: &[u8]) -> bool {
    line.contains(&b'<') && line.windows(2).any(|pair| pair == b"<<")
}
