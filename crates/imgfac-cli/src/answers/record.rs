//! What becomes of the answers of registries: changes of state, and what nothing is known of now.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{BaseName, Digest, Reference};
use imgfac_state::{About, Change, Fleet, ObserveError, OwnTag, Sighting, Subject};

use super::{Answers, Asked, tagged};
use crate::external::Failed;

impl Answers {
    /// Adds what is said of a digest to what was just recorded of it. Nothing is written for that
    /// alone.
    fn and_about(
        &self,
        changes: Vec<Change>,
        reference: &Reference,
        digest: &Digest,
        note: impl FnOnce(&About) -> Result<(), ObserveError>,
    ) -> Result<Vec<Change>, ObserveError> {
        if !changes.is_empty() {
            note(&self.about(reference, digest))?;
        }
        Ok(changes)
    }

    /// Brings the answers into state. Gives what that changed, and of what nothing is known now.
    pub(crate) fn record(
        &self,
        fleet: &mut Fleet,
        asked: &Asked<'_>,
        now: &str,
    ) -> (Vec<Change>, Vec<(Subject, String)>) {
        let mut record = Record {
            failures: unreadable(fleet),
            ..Record::default()
        };
        let mut watched: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for own in &asked.tags {
            let OwnTag {
                image,
                tag,
                reference,
            } = own;
            watched
                .entry(image.clone())
                .or_default()
                .insert(tag.clone());
            let recorded = match self.digests.get(reference) {
                None => continue,
                Some(Ok(_)) if reference.tag().is_none() => fleet.observe_tag_reached(image, tag),
                Some(Ok(digest)) => {
                    let changes = fleet.observe_tag(image, tag, digest, now);
                    changes.and_then(|changes| {
                        self.and_about(changes, reference, digest, |about| {
                            fleet.observe_tag_about(image, tag, digest, about)
                        })
                    })
                }
                Some(Err(error)) => {
                    record.failed(Subject::Image(image.clone()), &error.clone().into());
                    fleet.observe_tag_failed(image, tag, &error.to_string(), now)
                }
            };
            record.add(Subject::Image(image.clone()), recorded);
        }
        for image in &asked.external {
            let name = image.name.as_str();
            let subject = Subject::Image(name.to_owned());
            let recorded = match self.external.get(&image.name) {
                None => continue,
                Some((_, Ok(sighting))) => {
                    let Sighting { tag, digest, .. } = sighting;
                    let changes = fleet.observe_external(name, sighting, now);
                    changes.and_then(|changes| match tagged(&image.repository, tag) {
                        Some(reference) => self.and_about(changes, &reference, digest, |about| {
                            fleet.observe_tag_about(name, tag, digest, about)
                        }),
                        None => Ok(changes),
                    })
                }
                Some((_, Err(failed))) => {
                    record.failed(subject.clone(), failed);
                    fleet.observe_external_failed(name, &failed.reason, now)
                }
            };
            record.add(subject, recorded);
            let tracked = fleet.images.get(name);
            let tracked = tracked.and_then(|stored| stored.state.current_version.clone());
            watched.entry(name.to_owned()).or_default().extend(tracked);
        }
        let forgotten = fleet.forget_tags(&watched);
        forgotten
            .into_iter()
            .for_each(|change| record.change(change));
        let bases: Vec<(BaseName, Reference)> = (fleet.bases.iter())
            .map(|(name, stored)| (name.clone(), stored.state.reference.clone()))
            .collect();
        for (name, reference) in bases {
            if fleet.unreadable_base(name.as_str()).is_some() {
                continue;
            }
            let subject = Subject::Base(name.to_string());
            let recorded = match self.digests.get(&reference) {
                None => continue,
                // A digest without a tag never moves: that it is there is all.
                Some(Ok(_)) if reference.tag().is_none() => fleet.observe_reached(&name),
                Some(Ok(digest)) => {
                    let changes = fleet.observe(&name, digest, now);
                    changes.and_then(|changes| {
                        self.and_about(changes, &reference, digest, |about| {
                            fleet.observe_about(&name, digest, about)
                        })
                    })
                }
                Some(Err(error)) => {
                    record.failed(subject.clone(), &error.clone().into());
                    fleet.observe_failed(&name, &error.to_string(), now)
                }
            };
            record.add(subject, recorded);
        }
        record.failures.sort();
        (record.changes.into_values().collect(), record.failures)
    }
}

/// What became of the answers; one change for each image and base.
#[derive(Default)]
struct Record {
    changes: BTreeMap<Subject, Change>,
    failures: Vec<(Subject, String)>,
}

impl Record {
    fn failed(&mut self, subject: Subject, failed: &Failed) {
        let Failed { reason, remedy } = failed;
        self.failures.push((subject, format!("{reason}; {remedy}")));
    }

    fn add(&mut self, subject: Subject, recorded: Result<Vec<Change>, ObserveError>) {
        match recorded {
            Ok(changes) => changes.into_iter().for_each(|change| self.change(change)),
            Err(error) => self.failures.push((subject, error.to_string())),
        }
    }

    fn change(&mut self, change: Change) {
        let details = change.details.clone();
        self.changes
            .entry(change.subject.clone())
            .and_modify(|before| before.details.extend(details))
            .or_insert(change);
    }
}

/// State files that cannot be used: what they are about is not asked, and what their images stand
/// on is not known.
fn unreadable(fleet: &Fleet) -> Vec<(Subject, String)> {
    let told = fleet.unreadable.iter().map(|file| {
        let error = format!("{} cannot be used: {}", file.path, file.problem.reason);
        (file.subject.clone(), error)
    });
    told.collect()
}
