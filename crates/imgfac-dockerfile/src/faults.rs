//! The mistakes of a file, in the order in which a build would meet them.

use std::ops::Range;

use crate::budget::ERROR_LIMIT;
use crate::error::{Error, ErrorKind, Place};
use crate::lines::BOM;

/// The steps of a build, in order: the mistake of an earlier step is reported first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Text,
    Platform,
    Args,
    Bases,
    Target,
    Sources,
    Circles,
    References,
    Triggers,
    Order,
}

const STEPS: usize = Step::Order as usize + 1;

/// A mistake whose line and column are not yet known.
#[derive(Debug)]
pub(crate) struct Fault {
    step: Step,
    message: String,
    span: Range<usize>,
}

impl Fault {
    pub(crate) fn new(step: Step, message: impl Into<String>, place: &Place) -> Self {
        Self {
            step,
            message: message.into(),
            span: place.span.clone(),
        }
    }

    /// The same mistake, met in another step.
    pub(crate) fn in_step(self, step: Step) -> Self {
        Self { step, ..self }
    }
}

/// The mistakes found so far, a limited number for each step.
#[derive(Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    counts: [usize; STEPS],
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        if let Some(count) = self.counts.get_mut(fault.step as usize)
            && *count < ERROR_LIMIT
        {
            *count += 1;
            self.list.push(fault);
        }
    }

    /// Whether further mistakes are likely to be left out.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= ERROR_LIMIT
    }

    /// Puts the mistakes in order and finds their lines and columns.
    pub(crate) fn into_errors(mut self, text: &[u8]) -> Vec<Error> {
        self.list.sort_by_key(|fault| fault.step);
        self.list.truncate(ERROR_LIMIT);
        locate(text, self.list)
    }
}

/// Finds all lines and columns in one walk through the text.
fn locate(text: &[u8], faults: Vec<Fault>) -> Vec<Error> {
    let mut errors: Vec<Error> = faults
        .into_iter()
        .map(|fault| Error {
            kind: match fault.step {
                Step::Text => ErrorKind::Parse,
                Step::Args => ErrorKind::Arg,
                _ => ErrorKind::Resolve,
            },
            message: fault.message,
            line: 0,
            column: 0,
            span: fault.span,
        })
        .collect();
    let mut order: Vec<&mut Error> = errors.iter_mut().collect();
    order.sort_by_key(|error| error.span.start);
    let mut position = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let (mut line, mut column) = (1, 1);
    for error in order {
        for &byte in text.get(position..error.span.start).unwrap_or_default() {
            if byte == b'\n' {
                line += 1;
                column = 1;
            } else if byte & 0xC0 != 0x80 {
                column += 1;
            }
        }
        position = position.max(error.span.start);
        (error.line, error.column) = (line, column);
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(step: Step, start: usize) -> Fault {
        let place = Place {
            line: 0,
            span: start..start,
        };
        Fault::new(step, "", &place)
    }

    #[test]
    fn places_are_counted_in_characters_from_one() {
        let text = "\u{FEFF}ab\né\u{1F600}c\r\n\nd".as_bytes();
        let check = |starts: &[usize], expected: &[(usize, usize)]| {
            let faults = starts.iter().map(|&start| fault(Step::Text, start));
            let errors = locate(text, faults.collect());
            let found: Vec<_> = errors.iter().map(|e| (e.line, e.column)).collect();
            assert_eq!(found, expected, "{starts:?}");
        };
        check(&[0, 3, 4], &[(1, 1), (1, 1), (1, 2)]);
        check(&[12, 8, 6, 6], &[(2, 3), (2, 2), (2, 1), (2, 1)]);
        check(&[15, 16, 17], &[(3, 1), (4, 1), (4, 2)]);
        check(&[], &[]);
    }

    #[test]
    fn many_mistakes_of_a_late_step_leave_room_for_an_early_one() {
        let mut faults = Faults::default();
        for _ in 0..2 * ERROR_LIMIT {
            faults.push(fault(Step::Order, 1));
        }
        faults.push(fault(Step::Args, 2));
        let errors = faults.into_errors(b"FROM a");
        assert_eq!(errors.len(), ERROR_LIMIT);
        assert_eq!(errors[0].kind, ErrorKind::Arg);
    }
}
