//! What a rebuild pushed, as its registry says, and whether that stands on what the rebuild was for.

use std::collections::BTreeMap;

use imgfac_model::{Digest, Enrolment, Reference, Registry};
use imgfac_providers::Registries;
use imgfac_state::{Attempt, Change, Fleet, Rebuild, RebuildEnd, Stored, seen_tags};

use crate::published;

/// How a rebuild ended, and what its registry says since.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) end: RebuildEnd,
    /// What the tags of the image point at since.
    tags: Vec<(String, Digest)>,
    /// Tags whose new digest has the content of the one before.
    same: Vec<(String, String)>,
}

impl From<RebuildEnd> for Ended {
    fn from(end: RebuildEnd) -> Self {
        Self {
            end,
            ..Self::default()
        }
    }
}

impl Ended {
    /// Brings it into state.
    pub(super) fn record(&self, fleet: &mut Fleet, attempt: &Attempt, now: &str) -> Vec<Change> {
        let image = &attempt.image;
        let mut changes = Vec::new();
        let own = fleet.own_tags();
        let watched = |tag: &str| own.iter().any(|own| own.image == *image && own.tag == tag);
        for (tag, digest) in self.tags.iter().filter(|(tag, _)| watched(tag)) {
            // Who observes says what is wrong with the state of the image.
            let observed = fleet.observe_tag(image, tag, digest, now);
            changes.extend(observed.unwrap_or_default());
        }
        changes.extend(fleet.rebuild_ended(attempt, &self.end));
        for (tag, before) in &self.same {
            changes.extend(fleet.same_content(image, tag, before));
        }
        changes
    }
}

/// A rebuild whose run went well.
pub(super) struct Built<'a> {
    pub(super) enrolment: &'a Enrolment,
    pub(super) rebuild: &'a Rebuild,
    pub(super) fleet: &'a Fleet,
}

impl Built<'_> {
    /// What did it push, and does that stand on what it was to stand on?
    pub(super) fn prove(&self, settings: &BTreeMap<String, Registry>, end: RebuildEnd) -> Ended {
        let Self {
            enrolment, fleet, ..
        } = *self;
        let registries = Registries::new(settings, published::options());
        let mut ended = Ended::from(end);
        let (mut answered, mut fresh) = (false, None);
        for (tag, before) in self.tags() {
            let Ok(reference) = Reference::parse(&format!("{}:{tag}", enrolment.repository)) else {
                continue;
            };
            let known = before.as_deref().and_then(|it| Digest::parse(it).ok());
            match registries.digest_of(&reference, known.as_ref()) {
                Ok(digest) => {
                    answered = true;
                    match &known {
                        Some(known) if *known == digest => {}
                        Some(_) if ended.end.digest.is_none() => {
                            ended.end.digest = Some(digest.to_string());
                            ended.end.version = Some(tag.clone());
                        }
                        Some(_) => {}
                        None => fresh = fresh.or_else(|| Some((tag.clone(), digest.clone()))),
                    }
                    ended.tags.push((tag, digest));
                }
                Err(error) => {
                    tracing::info!(image = %enrolment.name, tag, %error, "the tag cannot be looked at");
                }
            }
        }
        let pushed = ended
            .end
            .digest
            .as_deref()
            .and_then(|it| Digest::parse(it).ok());
        let asked = pushed.clone().or_else(|| Some(fresh.clone()?.1));
        let stood_on = asked.map(|digest| published::stood_on(settings, enrolment, &digest, fleet));
        match (stood_on, fresh) {
            (Some(Ok(stood_on)), _) if pushed.is_some() => {
                ended.end.failure = self.contradiction(&stood_on);
                ended.end.stood_on = stood_on;
            }
            (Some(Err(why)), _) if pushed.is_some() => {
                ended.end.note = Some(format!("what it stands on is not known: {why}"));
            }
            // Nobody knows what the tag pointed at before, but this stands on what was asked for.
            (Some(Ok(stood_on)), Some((tag, digest)))
                if self.speaks_of(&stood_on) && self.contradiction(&stood_on).is_none() =>
            {
                ended.end.digest = Some(digest.to_string());
                ended.end.version = Some(tag);
                ended.end.stood_on = stood_on;
            }
            _ if answered => {
                ended.end.note = Some("none of its tags that are followed moved".to_owned());
            }
            _ => {
                let why = "its registry could not be asked what it pushed";
                ended.end.note = Some(why.to_owned());
            }
        }
        if ended.end.failure.is_none() {
            for (tag, now) in &ended.tags {
                let Some(before) = self.seen_before(tag) else {
                    continue;
                };
                let same = registries.same_content(&enrolment.repository, &before, now);
                if before != *now && same.unwrap_or(false) {
                    ended.same.push((tag.clone(), before.to_string()));
                }
            }
        }
        ended
    }

    /// The tags that the build may have moved, with what they pointed at before: those that others
    /// follow, that of the last build, and `latest`.
    fn tags(&self) -> Vec<(String, Option<String>)> {
        let Some(Stored { state, rest }) = self.fleet.images.get(self.enrolment.name.as_str())
        else {
            return Vec::new();
        };
        let mut tags: Vec<String> = (self.fleet.own_tags().into_iter())
            .filter(|own| {
                own.image == self.enrolment.name.as_str() && own.reference.tag().is_some()
            })
            .map(|own| own.tag)
            .collect();
        tags.extend(state.current_version.clone());
        tags.push("latest".to_owned());
        tags.dedup();
        let seen = seen_tags(rest);
        tags.into_iter()
            .map(|tag| {
                let before = seen.get(&tag).and_then(|seen| seen.last());
                let before = before.map(|seen| seen.digest.clone());
                (tag, before.or_else(|| state.current_digest.clone()))
            })
            .collect()
    }

    /// Whether what an image says that it stands on is about the updates of the rebuild.
    fn speaks_of(&self, stood_on: &BTreeMap<Reference, Digest>) -> bool {
        let bases = self.rebuild.causes.iter();
        let mut bases = bases.filter_map(|cause| Reference::parse(&cause.base).ok());
        bases.any(|base| stood_on.contains_key(&base))
    }

    /// Why what was built is not what was asked for: it says that it stands on something older.
    fn contradiction(&self, stood_on: &BTreeMap<Reference, Digest>) -> Option<String> {
        self.rebuild.causes.iter().find_map(|cause| {
            let base = Reference::parse(&cause.base).ok()?;
            let said = stood_on.get(&base)?.as_str();
            let current = self.fleet.bases_by_reference().get(&base).and_then(|name| {
                let base = self.fleet.bases.get(name)?;
                base.state.current_digest.clone()
            });
            (said != cause.to && Some(said) != current.as_deref()).then(|| {
                format!(
                    "it stands on {said} of {}, not on {}",
                    base.familiar(),
                    cause.to
                )
            })
        })
    }
    /// What a tag was seen to point at the last time.
    fn seen_before(&self, tag: &str) -> Option<Digest> {
        let stored = self.fleet.images.get(self.enrolment.name.as_str())?;
        let seen = seen_tags(&stored.rest).remove(tag)?.pop()?;
        Digest::parse(&seen.digest).ok()
    }
}
