//! What an update changed, in words.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{DiscoveryStatus, ImageName, ImageState};
use imgfac_yaml::Value;

use crate::fleet::Subject;
use crate::stored::Stored;

/// Something that an update changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub subject: Subject,
    /// What happened to it.
    pub kind: ChangeKind,
    /// What exactly, one line each; may be empty.
    pub details: Vec<String>,
}

/// What happened to an image or base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is new to the fleet.
    Added,
    /// Something about it is other than before.
    Changed,
    /// It is back, with its state from before.
    Restored,
    /// It goes on under another name.
    Renamed,
    /// It goes on as a base, or as an image of ours; its state is in the file of that.
    Became,
    /// It left the fleet; its state is in the archive.
    Archived,
    /// It left the archive; the history of Git has it.
    Removed,
}

impl ChangeKind {
    /// Its word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Restored => "restored",
            Self::Renamed => "renamed",
            Self::Became => "became",
            Self::Archived => "archived",
            Self::Removed => "removed",
        }
    }
}

/// The changes of a run, one for each image and base.
#[derive(Debug, Default)]
pub(crate) struct Changes(BTreeMap<Subject, Change>);

impl Changes {
    /// Notes a change. What happened to a subject before stays, and what says more of it than
    /// that it changed is its kind.
    pub(crate) fn add(&mut self, subject: Subject, kind: ChangeKind, details: Vec<String>) {
        let change = self.0.entry(subject.clone()).or_insert(Change {
            subject,
            kind,
            details: Vec::new(),
        });
        if change.kind == ChangeKind::Changed {
            change.kind = kind;
        }
        change.details.extend(details);
    }

    /// All of them, images first.
    pub(crate) fn finish(self) -> Vec<Change> {
        self.0.into_values().collect()
    }
}

/// How the state of an image differs from before; `None` when it does not. What became of it as a
/// whole is not told here.
pub(crate) fn differences(
    name: &ImageName,
    before: Option<&Stored<ImageState>>,
    after: &Stored<ImageState>,
) -> Option<Change> {
    let subject = Subject::Image(name.to_string());
    let Some(before) = before else {
        let stands_on: Vec<String> = bases(&after.state).into_iter().collect();
        let details = match (after.state.discovery_status, stands_on.as_slice()) {
            (Some(DiscoveryStatus::External), _) => vec!["watched, not built by us".into()],
            (Some(DiscoveryStatus::Success), []) => vec!["stands on no image".into()],
            (Some(DiscoveryStatus::Success), names) => {
                vec![format!("stands on {}", names.join(", "))]
            }
            _ => Vec::new(),
        };
        return Some(Change {
            subject,
            kind: ChangeKind::Added,
            details,
        });
    };
    if before == after {
        return None;
    }
    let mut details = Vec::new();
    let mut keys = changed_keys(
        before.rest.get("enrollment"),
        after.rest.get("enrollment"),
        "",
    );
    // Of an external image they stand beside the block.
    if after.state.discovery_status == Some(DiscoveryStatus::External)
        && before.state.discovery_status == after.state.discovery_status
    {
        let monitoring = ["allowTags", "imageSelectionStrategy"];
        let differs = |key: &&str| before.rest.get(key) != after.rest.get(key);
        keys.extend(monitoring.into_iter().filter(differs).map(str::to_owned));
    }
    if !keys.is_empty() {
        details.push(format!("enrolment: {}", keys.join(", ")));
    }
    let (old, new) = (bases(&before.state), bases(&after.state));
    details.extend(
        new.difference(&old)
            .map(|name| format!("now stands on {name}")),
    );
    details.extend(
        old.difference(&new)
            .map(|name| format!("no longer stands on {name}")),
    );
    // With other bases, other ones may be unused: that is no news of its own.
    if old == new && before.state.unused_bases != after.state.unused_bases {
        details.push("other stages are needed for its target".into());
    } else if old == new && before.state.base_uses != after.state.base_uses {
        details.push("what needs its bases is recorded anew".into());
    }
    let (old, new) = (&before.state, &after.state);
    if (&old.current_version, &old.current_digest) != (&new.current_version, &new.current_digest) {
        let what = new
            .current_version
            .as_deref()
            .or(new.current_digest.as_deref());
        details.extend(what.map(|what| format!("built {what}")));
    }
    match (before.state.discovery_status, after.state.discovery_status) {
        (old, new) if old == new => {}
        (_, Some(DiscoveryStatus::External)) => {}
        (Some(DiscoveryStatus::Failed), _) => details.push("discovery works again".into()),
        (_, Some(DiscoveryStatus::Failed)) => details.push("discovery failed".into()),
        // The source that it got is told already, and `pending` becoming `success` is no news.
        _ => {}
    }
    Some(Change {
        subject,
        kind: ChangeKind::Changed,
        details,
    })
}

fn bases(state: &ImageState) -> BTreeSet<String> {
    let upstream = state.base_images.iter().map(ToString::to_string);
    upstream
        .chain(
            state
                .managed_bases
                .iter()
                .map(|base| format!("{} (ours)", base.name)),
        )
        .collect()
}

/// The keys whose values differ, with dots between the levels.
fn changed_keys(old: Option<&Value>, new: Option<&Value>, prefix: &str) -> Vec<String> {
    let entries = |value: Option<&Value>| match value {
        Some(Value::Map(entries)) => entries.clone(),
        _ => Vec::new(),
    };
    let (old, new) = (entries(old), entries(new));
    let find = |entries: &[(String, Value)], key: &str| {
        entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
    };
    let mut keys = Vec::new();
    let names: BTreeSet<&String> = old.iter().chain(&new).map(|(key, _)| key).collect();
    for key in names {
        let (before, after) = (find(&old, key), find(&new, key));
        if before == after {
            continue;
        }
        let path = format!("{prefix}{key}");
        match (&before, &after) {
            (Some(Value::Map(_)), Some(Value::Map(_))) => {
                keys.extend(changed_keys(
                    before.as_ref(),
                    after.as_ref(),
                    &format!("{path}."),
                ));
            }
            _ => keys.push(path),
        }
    }
    keys
}
