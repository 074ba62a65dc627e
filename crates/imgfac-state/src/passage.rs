//! The record of a life: the `lifecycle` list of a state file.

use imgfac_model::Repository;
use imgfac_yaml::Value;

use crate::lifecycle::{Event, Kind, Transition};
use crate::stored::Fields;

/// The field of a state file that has the record.
const LIFECYCLE: &str = "lifecycle";

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

#[cfg(test)]
mod tests {
    use super::*;

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
