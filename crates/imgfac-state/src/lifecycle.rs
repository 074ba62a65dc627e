//! What an image can be, what it can become, and the record of it in its state.
//!
//! [`TRANSITIONS`] is the one table: the lines of summaries and commits, the `lifecycle` list of
//! state files, and the diagram and table of the documentation all come from it.

use std::fmt::Write as _;

use imgfac_model::{DiscoveryStatus, Enrolment, ImageState, Repository};
use imgfac_yaml::Value;

use crate::stored::{Fields, Stored};

/// The field of a state file that has its entries.
const LIFECYCLE: &str = "lifecycle";

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

    fn named(event: Event, from: &str, to: &str) -> Option<&'static Self> {
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

/// When a change was made, and on which commit of the state repository, if on one.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'m> {
    /// RFC 3339.
    pub time: &'m str,
    /// The commit.
    pub commit: Option<&'m str>,
}

/// One item of the `lifecycle` list of a state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// When, RFC 3339.
    pub time: Option<String>,
    /// What it was, in the words of [`Kind`].
    pub from: String,
    /// What it was then.
    pub to: String,
    /// The commit of the state repository that the run worked on.
    pub commit: Option<String>,
    /// What else was noted, such as the names of a renaming or the last digest before a move.
    pub details: Vec<(String, Value)>,
}

impl Passage {
    pub(crate) fn new(moment: Moment<'_>, from: Kind, to: Kind) -> Self {
        Self {
            time: Some(moment.time.to_owned()),
            from: from.as_str().to_owned(),
            to: to.as_str().to_owned(),
            commit: moment.commit.map(str::to_owned),
            details: Vec::new(),
        }
    }

    /// Notes why.
    pub(crate) fn because(mut self, reason: &str) -> Self {
        self.note("reason", Value::Text(reason.to_owned()));
        self
    }

    /// Notes that it had another name.
    pub(crate) fn renamed(mut self, old: &str, new: &str) -> Self {
        self.note("fromName", Value::Text(old.to_owned()));
        self.note("toName", Value::Text(new.to_owned()));
        self
    }

    /// Notes that it was published at another place.
    pub(crate) fn moved(&mut self, old: &Repository, new: &Repository) {
        self.note("fromRepository", Value::Text(old.to_string()));
        self.note("toRepository", Value::Text(new.to_string()));
    }

    pub(crate) fn has_moved(&self) -> bool {
        self.detail("toRepository").is_some()
    }

    pub(crate) fn note(&mut self, key: &str, value: Value) {
        self.details.push((key.to_owned(), value));
    }

    /// A detail that is text.
    #[must_use]
    pub fn detail(&self, key: &str) -> Option<&str> {
        let (_, value) = self.details.iter().find(|(name, _)| name == key)?;
        match value {
            Value::Text(text) | Value::Plain(text) => Some(text),
            _ => None,
        }
    }

    /// What happened, one sentence each: it may be several things at once.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let (from, to) = (&self.from, &self.to);
        let says = |event, from: &str| {
            Transition::named(event, from, to)
                .map_or(String::new(), |row| format!(": {}", row.says))
        };
        let mut sentences = Vec::new();
        if from != to {
            let says = match self.detail("reason") {
                Some(reason) => format!(": {reason}"),
                None => says(Event::Becomes, from),
            };
            sentences.push(format!("{from} -> {to}{says}"));
        }
        for (event, word, old, new) in [
            (Event::Renamed, "renamed", "fromName", "toName"),
            (Event::Moved, "moved", "fromRepository", "toRepository"),
        ] {
            if let (Some(old), Some(new)) = (self.detail(old), self.detail(new)) {
                sentences.push(format!("{word} {old} -> {new}{}", says(event, to)));
            }
        }
        sentences
    }

    /// Adds it to the record of a state file. What is there and is no list stays, as its first
    /// item.
    pub(crate) fn record(&self, rest: &mut Fields) {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut item: Vec<(String, Value)> = Vec::new();
        let mut add = |key: &str, value: Value| item.push((key.to_owned(), value));
        if let Some(time) = &self.time {
            add("time", text(time));
        }
        add("from", text(&self.from));
        add("to", text(&self.to));
        for (key, value) in &self.details {
            add(key, value.clone());
        }
        if let Some(commit) = &self.commit {
            add("commit", text(commit));
        }
        rest.append(LIFECYCLE, Value::Map(item));
    }

    /// The record of a state file, oldest first; items that are not ours are left out.
    #[must_use]
    pub fn all(rest: &Fields) -> Vec<Self> {
        match rest.get(LIFECYCLE) {
            Some(Value::List(items)) => items.iter().filter_map(Self::read).collect(),
            _ => Vec::new(),
        }
    }

    fn read(item: &Value) -> Option<Self> {
        let Value::Map(entries) = item else {
            return None;
        };
        let mut passage = Self {
            time: None,
            from: String::new(),
            to: String::new(),
            commit: None,
            details: Vec::new(),
        };
        for (key, value) in entries {
            match (key.as_str(), value) {
                ("time", Value::Text(text) | Value::Plain(text)) => {
                    passage.time = Some(text.clone());
                }
                ("from", Value::Text(text)) => passage.from.clone_from(text),
                ("to", Value::Text(text)) => passage.to.clone_from(text),
                ("commit", Value::Text(text) | Value::Plain(text)) => {
                    passage.commit = Some(text.clone());
                }
                _ => passage.note(key, value.clone()),
            }
        }
        (!passage.from.is_empty() && !passage.to.is_empty()).then_some(passage)
    }
}

/// Whether two states differ in nothing but the time at which they were archived or passed on: a
/// run that was killed half-way through leaves one of them, and the next run makes the other.
pub(crate) fn same_but_for_the_time(a: &Value, b: &Value) -> bool {
    timeless(a) == timeless(b)
}

fn timeless(state: &Value) -> Value {
    let Value::Map(entries) = state else {
        return state.clone();
    };
    let entries = entries.iter().filter(|(key, _)| key != "archivedAt");
    let entry = |(key, value): &(String, Value)| {
        let mut value = value.clone();
        if key == LIFECYCLE
            && let Value::List(items) = &mut value
            && let Some(Value::Map(last)) = items.last_mut()
        {
            last.retain(|(key, _)| key != "time" && key != "commit");
        }
        (key.clone(), value)
    };
    Value::Map(entries.map(entry).collect())
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

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let moment = Moment {
            time: "2026-11-23T12:00:00Z",
            commit: Some("c1"),
        };
        let mut rest = Fields::default();
        rest.set(LIFECYCLE, Value::Text("of somebody else".into()));
        let mut passage = Passage::new(moment, Kind::External, Kind::Managed).renamed("old", "new");
        let repository = |text| Repository::parse(text).unwrap();
        passage.moved(&repository("acme/a"), &repository("ghcr.io/acme/b"));
        passage.record(&mut rest);
        assert_eq!(Passage::all(&rest), [passage.clone()]);
        assert_eq!(
            passage.sentences(),
            [
                "external -> managed: built by us from now on, no longer watched upstream",
                "renamed old -> new: its whole state goes on under the new name",
                "moved docker.io/acme/a -> ghcr.io/acme/b: digests start anew, history stays",
            ]
        );
        let Some(Value::List(items)) = rest.get(LIFECYCLE) else {
            panic!("{rest:?}");
        };
        assert_eq!(items.first(), Some(&Value::Text("of somebody else".into())));
    }
}
