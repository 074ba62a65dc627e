//! What a rebuild pushed, as its registry says, and whether that stands on what the rebuild was for.

use std::collections::BTreeMap;

use imgfac_kargo::{Choice, Chosen};
use imgfac_model::{Digest, Enrolment, Reference, Registry, Tag};
use imgfac_providers::{Question, Registries};
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
        let registries = Registries::new(settings, published::options());
        let mut ended = Ended::from(end);
        let mut pushed = None;
        let mut fresh = Vec::new();
        for (tag, before, digest) in self.look(&registries) {
            match before {
                Some(before) if before == digest => {}
                Some(_) => pushed = pushed.or(Some((tag.clone(), digest.clone()))),
                None => fresh.push((tag.clone(), digest.clone())),
            }
            ended.tags.push((tag, digest));
        }
        let stood_on =
            |digest: &Digest| published::stood_on(settings, self.enrolment, digest, self.fleet);
        match &pushed {
            Some((_, digest)) => match stood_on(digest) {
                Ok(stood_on) => {
                    ended.end.failure = self.contradiction(&stood_on);
                    ended.end.stood_on = stood_on;
                }
                Err(why) => {
                    ended.end.note = Some(format!("what it stands on is not known: {why}"));
                }
            },
            // Nobody knows what these pointed at before: one that stands on what was asked for is it.
            None => {
                pushed = fresh.into_iter().find(|(_, digest)| {
                    let Ok(stood_on) = stood_on(digest) else {
                        return false;
                    };
                    let proves =
                        self.speaks_of(&stood_on) && self.contradiction(&stood_on).is_none();
                    if proves {
                        ended.end.stood_on = stood_on;
                    }
                    proves
                });
            }
        }
        match pushed {
            Some((tag, digest)) => {
                ended.end.digest = Some(digest.to_string());
                ended.end.version = Some(tag);
            }
            None => {
                let why = match ended.tags.is_empty() {
                    true => "its registry could not be asked what it pushed",
                    false => "none of its tags that are followed moved",
                };
                ended.end.note = Some(why.to_owned());
            }
        }
        if ended.end.failure.is_none() {
            let repository = &self.enrolment.repository;
            for (tag, now) in &ended.tags {
                if let Some(before) = self.seen_before(tag)
                    && before != *now
                    && registries
                        .same_content(repository, &before, now)
                        .unwrap_or(false)
                {
                    ended.same.push((tag.clone(), before.to_string()));
                }
            }
        }
        ended
    }

    /// The tags that the build may have moved, with what they pointed at before, if that is known,
    /// and now.
    fn look(&self, registries: &Registries) -> Vec<(String, Option<Digest>, Digest)> {
        let mut questions = Vec::new();
        for (tag, known) in self.tags(registries) {
            let reference = Reference::parse(&format!("{}:{tag}", self.enrolment.repository));
            if let Ok(reference) = reference {
                let ours = true;
                let question = Question {
                    reference,
                    known,
                    ours,
                };
                questions.push((tag, question));
            }
        }
        let (tags, questions): (Vec<String>, Vec<Question>) = questions.into_iter().unzip();
        let answers = registries.digests_of(&questions, &|| ());
        let known = questions.into_iter().map(|question| question.known);
        let answers = tags.into_iter().zip(known).zip(answers);
        answers
            .filter_map(|((tag, known), answer)| match answer {
                Ok(digest) => Some((tag, known, digest)),
                Err(error) => {
                    let image = &self.enrolment.name;
                    tracing::info!(%image, tag, %error, "the tag cannot be looked at");
                    None
                }
            })
            .collect()
    }

    /// The tags that the build may have moved, with what they are known to have pointed at: those
    /// that others follow, that of the last build, `latest`, and what a Warehouse would take.
    fn tags(&self, registries: &Registries) -> Vec<(String, Option<Digest>)> {
        let name = self.enrolment.name.as_str();
        let Some(Stored { state, .. }) = self.fleet.images.get(name) else {
            return Vec::new();
        };
        let choice = Choice::of(self.enrolment, Some(state)).ok();
        let only = choice.as_ref().and_then(Choice::only);
        let mut tags: Vec<String> = (self.fleet.own_tags().into_iter())
            .filter(|own| own.image == name && own.reference.tag().is_some())
            .map(|own| own.tag)
            .collect();
        tags.extend(state.current_version.clone());
        tags.extend(only.map(str::to_owned));
        tags.push("latest".to_owned());
        let built = state.current_digest.as_deref();
        let built = built.and_then(|digest| Digest::parse(digest).ok());
        let mut found: Vec<(String, Option<Digest>)> = Vec::new();
        for tag in tags {
            if found.iter().all(|(known, _)| *known != tag) {
                let before = self.seen_before(&tag).or_else(|| built.clone());
                found.push((tag, before));
            }
        }
        if only.is_none()
            && let Some(newest) = choice.and_then(|choice| self.newest(registries, &choice))
            && found.iter().all(|(known, _)| *known != newest)
        {
            // It may be older than the last build.
            let before = self.seen_before(&newest);
            found.push((newest, before));
        }
        found
    }

    /// The tag that is followed, as far as the names of all tags say which.
    fn newest(&self, registries: &Registries, choice: &Choice) -> Option<String> {
        let tags = registries.tags(&self.enrolment.repository, true).ok()?;
        let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        match choice.among(&tags) {
            Chosen::Tag(tag) => Some(tag.to_owned()),
            Chosen::Nothing | Chosen::NewestOf(_) => None,
        }
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
