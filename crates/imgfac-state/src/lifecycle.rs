//! What an image can be, and what it can become.
//!
//! [`TRANSITIONS`] is the one table: the lines of summaries and commits, the `lifecycle` list of
//! state files, and the diagram and table of the documentation all come from it.

use std::fmt::Write as _;

use imgfac_model::{DiscoveryStatus, Enrolment, ImageState};
use imgfac_yaml::Value;

use crate::stored::Stored;

/// What an image is to the factory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nobody has enrolled it, and no Dockerfile names it.
    Unknown,
    /// Enrolled, and built by us.
    Managed,
    /// Enrolled, and only watched.
    External,
    /// Not enrolled; a Dockerfile names it.
    Base,
    /// It was one of these, and its state is in the archive.
    Archived,
}

impl Kind {
    /// Its word in state files and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Managed => "managed",
            Self::External => "external",
            Self::Base => "base",
            Self::Archived => "archived",
        }
    }

    /// What an entry of images.yaml makes of an image.
    #[must_use]
    pub fn of(enrolment: &Enrolment) -> Self {
        if enrolment.is_managed() {
            Self::Managed
        } else {
            Self::External
        }
    }

    /// What an image was when its state was written; `None` when the file does not say so.
    pub(crate) fn of_state(stored: &Stored<ImageState>) -> Option<Self> {
        match stored.rest.get("enrollment") {
            Some(enrolled @ Value::Map(_)) => match entry(enrolled, "source") {
                Some(Value::Map(_)) => Some(Self::Managed),
                _ => Some(Self::External),
            },
            _ => match stored.state.discovery_status {
                Some(DiscoveryStatus::External) => Some(Self::External),
                Some(DiscoveryStatus::Success | DiscoveryStatus::Failed) => Some(Self::Managed),
                _ => None,
            },
        }
    }
}

/// How an image passes from one kind to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It becomes another kind.
    Becomes,
    /// It goes on under another name.
    Renamed,
    /// Its name goes on at another registry or repository.
    Moved,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// How.
    pub event: Event,
    /// What it was.
    pub from: Kind,
    /// What it is then.
    pub to: Kind,
    /// What in the configuration causes it.
    pub when: &'static str,
    /// What happens to it.
    pub says: &'static str,
}

const fn becomes(from: Kind, to: Kind, when: &'static str, says: &'static str) -> Transition {
    Transition {
        event: Event::Becomes,
        from,
        to,
        when,
        says,
    }
}

const fn stays(event: Event, kind: Kind) -> Transition {
    let (when, says) = match event {
        Event::Renamed => (
            "renamed with --rename",
            "its whole state goes on under the new name",
        ),
        _ => (
            "another registry or repository",
            "digests start anew, history stays",
        ),
    };
    Transition {
        event,
        from: kind,
        to: kind,
        when,
        says,
    }
}

/// Everything that can happen to an image.
pub const TRANSITIONS: &[Transition] = &[
    becomes(
        Kind::Unknown,
        Kind::Managed,
        "enrolled with source",
        "its state starts",
    ),
    becomes(
        Kind::Unknown,
        Kind::External,
        "enrolled without source",
        "its state starts",
    ),
    becomes(
        Kind::Unknown,
        Kind::Base,
        "a Dockerfile names it",
        "its state starts",
    ),
    becomes(
        Kind::External,
        Kind::Managed,
        "gets a source",
        "built by us from now on, no longer watched upstream",
    ),
    becomes(
        Kind::Managed,
        Kind::External,
        "loses its source",
        "no longer built by us, watched upstream from now on",
    ),
    becomes(
        Kind::Base,
        Kind::Managed,
        "enrolled with source",
        "built by us from now on, no longer watched as a base",
    ),
    becomes(
        Kind::Base,
        Kind::External,
        "enrolled again without source",
        "its state as an enrolled image is back",
    ),
    becomes(
        Kind::Managed,
        Kind::Base,
        "removed, and others stand on it",
        "no longer built by us, watched as a base from now on",
    ),
    becomes(
        Kind::External,
        Kind::Base,
        "removed, and others stand on it",
        "no longer enrolled, watched as a base only",
    ),
    becomes(
        Kind::Managed,
        Kind::Archived,
        "removed, and nothing stands on it",
        "its last state is kept in the archive",
    ),
    becomes(
        Kind::External,
        Kind::Archived,
        "removed, and nothing stands on it",
        "its last state is kept in the archive",
    ),
    becomes(
        Kind::Base,
        Kind::Archived,
        "no Dockerfile names it",
        "no longer watched, its last state is kept in the archive",
    ),
    becomes(
        Kind::Archived,
        Kind::Managed,
        "enrolled again with source",
        "its state is back from the archive",
    ),
    becomes(
        Kind::Archived,
        Kind::External,
        "enrolled again without source",
        "its state is back from the archive",
    ),
    becomes(
        Kind::Archived,
        Kind::Base,
        "a Dockerfile names it again",
        "its state is back from the archive",
    ),
    stays(Event::Renamed, Kind::Managed),
    stays(Event::Renamed, Kind::External),
    stays(Event::Moved, Kind::Managed),
    stays(Event::Moved, Kind::External),
];

impl Transition {
    /// The row of the table.
    #[must_use]
    pub fn find(event: Event, from: Kind, to: Kind) -> Option<&'static Self> {
        Self::named(event, from.as_str(), to.as_str())
    }

    pub(crate) fn named(event: Event, from: &str, to: &str) -> Option<&'static Self> {
        TRANSITIONS
            .iter()
            .find(|row| row.event == event && row.from.as_str() == from && row.to.as_str() == to)
    }

    /// The table as a Mermaid state diagram.
    #[must_use]
    pub fn diagram() -> String {
        let mut out = String::from("stateDiagram-v2\n");
        for row in TRANSITIONS {
            let from = match row.from {
                Kind::Unknown => "[*]",
                kind => kind.as_str(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(out, "    {from} --> {}: {}", row.to.as_str(), row.when);
        }
        out
    }

    /// The table as Markdown.
    #[must_use]
    pub fn table() -> String {
        let mut out = String::from("| from | to | when | what happens |\n|---|---|---|---|\n");
        for row in TRANSITIONS {
            let from = match row.from {
                Kind::Unknown => "nothing",
                kind => kind.as_str(),
            };
            let _ = writeln!(
                out,
                "| {from} | {} | {} | {} |",
                row.to.as_str(),
                row.when,
                row.says
            );
        }
        out
    }
}

/// The value of a key of a mapping.
pub(crate) fn entry<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let Value::Map(entries) = value else {
        return None;
    };
    let (_, value) = entries.iter().find(|(name, _)| name == key)?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_once() {
        for (at, row) in TRANSITIONS.iter().enumerate() {
            let found = Transition::find(row.event, row.from, row.to);
            assert_eq!(found, Some(row));
            let same = |other: &&Transition| {
                (other.event, other.from, other.to) == (row.event, row.from, row.to)
            };
            assert_eq!(TRANSITIONS.iter().position(|other| same(&other)), Some(at));
            assert_eq!(row.event == Event::Becomes, row.from != row.to);
            // What ends a label of Mermaid, or a cell of Markdown.
            let special = |c| matches!(c, ':' | ';' | '|' | '\n');
            assert!(!row.when.contains(special) && !row.says.contains(special));
        }
    }
}
