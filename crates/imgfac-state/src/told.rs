//! `state/notifications.yaml`: who was told of what, so that nobody is told twice.
//!
//! It has, by the name of a target, the keys of events and when they were told. What is not the
//! case any more is forgotten, so the file is as long as the list of troubles.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::NotificationEvent;
use imgfac_yaml::{Emitter, Value};

use crate::confined::ReadError;
use crate::fleet::Fleet;
use crate::store::{FileChange, Files};
use crate::stored::{Unusable, read_told};

/// The file, below the factory directory.
pub(crate) const TOLD: &str = "state/notifications.yaml";

const HEADER: &str =
    "Written by `imgfac`. Do not edit: who was told of what, so that nobody is told twice.";

/// Keys of events, by the name of the target.
pub type Keys = BTreeMap<String, BTreeSet<String>>;

/// What targets were told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// When each was told of each, RFC 3339.
    pub(crate) times: BTreeMap<String, BTreeMap<String, String>>,
    /// Why the file cannot be used: everything counts as news, and the next that is told takes the
    /// place of the file.
    pub problem: Option<Unusable>,
    changed: bool,
}

/// What a run told, as an operation on state: it can be applied again to a newer one, and twice is
/// as once.
///
/// A run asks [`Told::news`] about all that is the case, sends that, and then gives the fleet what
/// was heard. Done again on a newer tip, it gives the same and sends nothing. What could not be sent
/// is left out of `told`, so that nothing is written for it and the next run tries again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// The kinds of which the run knows everything that is the case.
    pub looked_at: BTreeSet<NotificationEvent>,
    /// What is the case: all keys that concern a target, told or not. A target that is not here is
    /// none any more.
    pub current: Keys,
    /// What targets heard of.
    pub told: Keys,
}

impl Told {
    pub(crate) fn read(files: &dyn Files) -> Result<Self, ReadError> {
        let read = match files.read(TOLD) {
            Ok(None) => return Ok(Self::default()),
            Ok(Some(bytes)) => read_told(&bytes),
            Err(error) if error.is_of_git() => return Err(error),
            Err(error) => Err(Unusable {
                reason: error.to_string(),
                span: 0..0,
            }),
        };
        Ok(match read {
            Ok(times) => Self {
                times,
                ..Self::default()
            },
            Err(problem) => Self {
                problem: Some(problem),
                ..Self::default()
            },
        })
    }

    /// Those keys that their targets were not told yet; targets without any are left out.
    #[must_use]
    pub fn news(&self, current: &Keys) -> Keys {
        let fresh = |target: &String, keys: &BTreeSet<String>| {
            let told = self.times.get(target);
            let is_told = |key: &String| told.is_some_and(|told| told.contains_key(key));
            keys.iter().filter(|key| !is_told(key)).cloned().collect()
        };
        (current.iter())
            .map(|(target, keys)| (target.clone(), fresh(target, keys)))
            .filter(|(_, keys): &(_, BTreeSet<String>)| !keys.is_empty())
            .collect()
    }

    fn tell(&mut self, telling: &Telling, now: &str) {
        let before = self.times.clone();
        let Telling {
            looked_at,
            current,
            told,
        } = telling;
        self.times.retain(|target, times| {
            let Some(current) = current.get(target) else {
                return false;
            };
            let told = told.get(target);
            times.retain(|key, _| {
                let kind = key.split('/').next().unwrap_or_default().parse();
                // A kind that is none of ours is nobody's to look at.
                let looked_at = kind.map_or(true, |kind| looked_at.contains(&kind));
                !looked_at || current.contains(key) || told.is_some_and(|told| told.contains(key))
            });
            true
        });
        for (target, keys) in told {
            let times = self.times.entry(target.clone()).or_default();
            for key in keys {
                times.entry(key.clone()).or_insert_with(|| now.to_owned());
            }
        }
        self.times.retain(|_, times| !times.is_empty());
        self.changed |= self.times != before;
    }

    pub(crate) fn change(&self) -> Option<FileChange> {
        let path = TOLD.to_owned();
        match (self.changed, self.times.is_empty()) {
            (false, _) => None,
            (true, true) => Some(FileChange::Remove { path }),
            (true, false) => Some(FileChange::Write {
                path,
                text: emit(&self.times),
            }),
        }
    }
}

impl Fleet {
    /// Notes what targets were told, and forgets what is not the case any more; `now` is RFC 3339.
    ///
    /// The time stays that of the first telling. Without anything new or over, nothing changes.
    pub fn tell(&mut self, telling: &Telling, now: &str) {
        self.told.tell(telling, now);
    }
}

fn emit(times: &BTreeMap<String, BTreeMap<String, String>>) -> String {
    let text = |(key, time): (&String, &String)| (key.clone(), Value::Text(time.clone()));
    let mut out = Emitter::new();
    out.comment(HEADER);
    for (target, times) in times {
        out.blank();
        out.entry(target, &Value::Map(times.iter().map(text).collect()));
    }
    out.finish()
}
