//! What a rebuild pushed, as its registry says, and whether that stands on what the rebuild was for.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_kargo::{Choice, Chosen};
use imgfac_model::{
    Digest, DigestSelection, Enrolment, ImageName, ImageState, Reference, Registry, Tag,
};
use imgfac_providers::{Question, Registries, RegistryError};
use imgfac_state::{Attempt, Change, Configuration, Fleet, Rebuild, RebuildEnd, Stored, seen_tags};
use jiff::Timestamp;

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

/// A tag with what it pointed at before, if that is known, and now.
type Tagged = (String, Option<Digest>, Digest);

/// A rebuild whose run went well.
pub(super) struct Built<'a> {
    pub(super) enrolment: &'a Enrolment,
    pub(super) rebuild: &'a Rebuild,
    pub(super) fleet: &'a Fleet,
}

/// For each image that is to be rebuilt, what its tags point at.
pub(super) type Before = BTreeMap<ImageName, BTreeMap<String, String>>;

/// Asks the registries what the tags of images point at now, as far as state does not say so: else
/// nobody could tell afterwards whether a rebuild has pushed anything. Images that were looked at are
/// not again, and what cannot be found out is left out.
pub(super) fn look_before<'n>(
    configuration: &Configuration,
    fleet: &Fleet,
    images: impl Iterator<Item = &'n ImageName>,
    before: &mut Before,
) {
    let mut questions = Vec::new();
    let mut tags = Vec::new();
    for name in images {
        let known = before.contains_key(name);
        let stored = fleet.images.get(name.as_str());
        let (false, Some(stored)) = (known, stored) else {
            continue;
        };
        before.insert(name.clone(), BTreeMap::new());
        let enrolment = &configuration.images[name].enrolment;
        for tag in fixed_tags(enrolment, stored, fleet) {
            if stored.state.current_digest.is_some() || seen_tags(&stored.rest).contains_key(&tag) {
                continue;
            }
            let reference = format!("{}:{tag}", enrolment.repository);
            if let Ok(reference) = Reference::parse(&reference) {
                questions.push(Question {
                    reference,
                    known: None,
                    ours: true,
                });
                tags.push((name, tag));
            }
        }
    }
    if questions.is_empty() {
        return;
    }
    let registries = Registries::new(&configuration.settings.registries, published::options());
    let answers = registries.digests_of(&questions, &|| ());
    for ((name, tag), answer) in tags.into_iter().zip(answers) {
        if let Ok(digest) = answer {
            let of = before.entry(name.clone()).or_default();
            of.insert(tag, digest.to_string());
        }
    }
}

/// The tags that a build of an image may move, as far as they are known without asking: those that
/// others follow, that of the last build, that of a Warehouse which takes one only, and `latest`.
fn fixed_tags(enrolment: &Enrolment, stored: &Stored<ImageState>, fleet: &Fleet) -> Vec<String> {
    let name = enrolment.name.as_str();
    let own = fleet.own_tags().into_iter();
    let own = own.filter(|own| own.image == name && own.reference.tag().is_some());
    let mut tags: Vec<String> = own.map(|own| own.tag).collect();
    tags.extend(stored.state.current_version.clone());
    let choice = Choice::of(enrolment, Some(&stored.state)).ok();
    tags.extend(choice.as_ref().and_then(Choice::only).map(str::to_owned));
    tags.push("latest".to_owned());
    let mut known = BTreeSet::new();
    tags.retain(|tag| known.insert(tag.clone()));
    tags
}

impl Built<'_> {
    /// Whether a tag of the image points at something new since the rebuild was asked for, as far as
    /// its registry says.
    pub(super) fn moved(&self, settings: &BTreeMap<String, Registry>) -> bool {
        let registries = Registries::new(settings, published::options());
        let found = self.look(&registries);
        let mut found = found
            .map(|(found, _)| found)
            .unwrap_or_default()
            .into_iter();
        found.any(|(_, before, now)| before.is_some_and(|before| before != now))
    }

    /// What did it push, and does that stand on what it was to stand on?
    ///
    /// # Errors
    ///
    /// Why that is not known yet, unless it is the `last` time that anybody asks: then it is a note.
    pub(super) fn prove(
        &self,
        settings: &BTreeMap<String, Registry>,
        end: RebuildEnd,
        last: bool,
    ) -> Result<Ended, String> {
        let registries = Registries::new(settings, published::options());
        let mut ended = Ended::from(end);
        let (found, missing) = match self.look(&registries) {
            Ok(found) => found,
            Err(_) if last => Default::default(),
            Err(why) => return Err(why),
        };
        let mut pushed = None;
        let mut fresh = Vec::new();
        for (tag, before, digest) in found {
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
                Err(unknown) if unknown.passes && !last => return Err(unknown.why),
                Err(unknown) => {
                    let why = unknown.why;
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
                let why = match (ended.tags.is_empty(), missing) {
                    (true, true) => "it has none of the tags that are followed",
                    (true, false) => "its registry could not be asked what it pushed",
                    (false, _) => "none of its tags that are followed moved",
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
        Ok(ended)
    }

    /// The tags that the build may have moved, with what they pointed at before, if that is known,
    /// and now; and whether one of them is not there.
    ///
    /// # Errors
    ///
    /// Why one of them is not known yet.
    fn look(&self, registries: &Registries) -> Result<(Vec<Tagged>, bool), String> {
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
        let (mut found, mut missing) = (Vec::new(), false);
        for ((tag, known), answer) in tags.into_iter().zip(known).zip(answers) {
            match answer {
                Ok(digest) => found.push((tag, known, digest)),
                Err(error) if error.may_pass() => {
                    return Err(format!("{error}; {}", error.remedy()));
                }
                Err(error) => {
                    missing |= !matches!(error, RegistryError::Denied { .. });
                    let image = &self.enrolment.name;
                    tracing::info!(%image, tag, %error, "the tag cannot be looked at");
                }
            }
        }
        Ok((found, missing))
    }

    /// The tags that the build may have moved, with what they are known to have pointed at: those
    /// that others follow, that of the last build, `latest`, and what a Warehouse would take.
    fn tags(&self, registries: &Registries) -> Vec<(String, Option<Digest>)> {
        let name = self.enrolment.name.as_str();
        let Some(stored @ Stored { state, .. }) = self.fleet.images.get(name) else {
            return Vec::new();
        };
        let choice = Choice::of(self.enrolment, Some(state)).ok();
        let only = choice.as_ref().and_then(Choice::only);
        let tags = fixed_tags(self.enrolment, stored, self.fleet);
        let built = state.current_digest.as_deref();
        let built = built.and_then(|digest| Digest::parse(digest).ok());
        let mut found: Vec<(String, Option<Digest>)> = Vec::new();
        for tag in tags {
            let before = self.seen_before(&tag).or_else(|| built.clone());
            found.push((tag, before));
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
            // What had to settle is what was vetted, and nothing newer.
            let settled = self.enrolment.digest_selection == DigestSelection::Settled;
            let newer = !settled && Some(said) == current.as_deref();
            (said != cause.to && !newer).then(|| {
                format!(
                    "it stands on {said} of {}, not on {}",
                    base.familiar(),
                    cause.to
                )
            })
        })
    }
    /// What a tag was seen to point at the last time before the rebuild was asked for: who observes
    /// may have seen since what it pushed.
    fn seen_before(&self, tag: &str) -> Option<Digest> {
        if let Some(before) = self.rebuild.before.get(tag) {
            return Digest::parse(before).ok();
        }
        let stored = self.fleet.images.get(self.enrolment.name.as_str())?;
        let requested: Timestamp = self.rebuild.requested_at.parse().ok()?;
        let seen = seen_tags(&stored.rest).remove(tag)?;
        let before = seen.into_iter().rev().find(|seen| {
            let first: Option<Timestamp> =
                seen.first_seen.as_deref().and_then(|at| at.parse().ok());
            first.is_none_or(|first| first <= requested)
        });
        Digest::parse(&before?.digest).ok()
    }
}
