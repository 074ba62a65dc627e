//! What `observe --all` asks registries; `record.rs` is what becomes of the answers.

mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imgfac_model::{
    BaseName, BaseState, DelayClock, Digest, Enrolment, ImageName, Reference, Repository,
};
use imgfac_providers::{Options, Question, Registries, RegistryError};
use imgfac_state::{About, Configuration, Fleet, OwnTag, Sighting, Subject, seen_tags};
use jiff::Timestamp;

use crate::clock::ProgramClock;
use crate::external::{self, Failed};
use crate::published;
use crate::render;

/// What was found out.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// How many bases there are.
    pub(crate) bases: usize,
    /// How many tags of images of ours others stand on.
    pub(crate) tags: usize,
    /// How many images are only watched.
    pub(crate) external: usize,
    /// Of what nothing could be found out, and why.
    pub(crate) failures: Vec<(Subject, String)>,
}

/// What is asked about: the bases of a fleet, and these.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// Tags of images of ours that others stand on.
    pub(crate) tags: Vec<OwnTag>,
    /// Images that are only watched.
    pub(crate) external: Vec<&'a Enrolment>,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(configuration: &'a Configuration, fleet: &Fleet) -> Self {
        let images = configuration.images.values();
        let external = images
            .map(|enrolled| &enrolled.enrolment)
            // What is not in state yet is new, or its file cannot be used.
            .filter(|it| !it.is_managed() && fleet.images.contains_key(it.name.as_str()));
        Self {
            tags: fleet.own_tags(),
            external: external.collect(),
        }
    }
}

/// What registries said in this run: nobody is asked twice, also when another writer was faster.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    digests: BTreeMap<Reference, Result<Digest, RegistryError>>,
    external: BTreeMap<ImageName, (Enrolment, Result<Sighting, Failed>)>,
    /// The images of what is new, by platform.
    platforms: BTreeMap<(Repository, Digest), BTreeMap<String, Digest>>,
    /// When what is new was pushed to its tag.
    pushed: BTreeMap<(Reference, Digest), Timestamp>,
}

/// A digest that was not known before.
struct News {
    reference: Reference,
    digest: Digest,
    ours: bool,
    /// Whether an image waits from its push on.
    from_push: bool,
}

impl Answers {
    /// Asks about all that was not asked about yet.
    pub(crate) fn ask(
        &mut self,
        configuration: &Configuration,
        fleet: &Fleet,
        asked: &Asked<'_>,
        progress: bool,
    ) {
        let usable = |name: &BaseName| fleet.unreadable_base(name.as_str()).is_none();
        let bases = (fleet.bases.iter())
            .filter(|(name, _)| usable(name))
            .map(|(_, stored)| Question {
                reference: stored.state.reference.clone(),
                known: stored.state.current_digest.as_deref().and_then(parsed),
                ours: false,
            });
        let tags = asked.tags.iter().map(|own| Question {
            reference: own.reference.clone(),
            known: current(fleet, own),
            ours: true,
        });
        let mut questions: BTreeMap<Reference, Question> = BTreeMap::new();
        for question in bases.chain(tags) {
            if !self.digests.contains_key(&question.reference) {
                questions.insert(question.reference.clone(), question);
            }
        }
        let questions: Vec<Question> = questions.into_values().collect();
        let external = asked.external.iter().copied();
        let external: Vec<&Enrolment> = external
            .filter(|image| match self.external.get(&image.name) {
                Some((before, _)) => before != *image,
                None => true,
            })
            .collect();
        let steps = questions.len() + external.len();
        let bar = render::progress_bar("Asking registries", steps, progress);
        let settings = &configuration.settings.registries;
        let options = Options {
            clock: Arc::new(ProgramClock),
            ..Options::default()
        };
        let registries = Registries::new(settings, options);
        let answers = registries.digests_of(&questions, &|| bar.inc(1));
        let sightings = registries.of_each(
            &external,
            |image| &image.repository,
            |image| {
                let seen = external::look(&registries, image, known_of(fleet, image));
                bar.inc(1);
                seen
            },
        );
        bar.finish_and_clear();
        let from_push = waiting_from_push(configuration, fleet);
        let moved = questions
            .iter()
            .zip(&answers)
            .filter_map(|(question, answer)| {
                let digest = answer.as_ref().ok()?;
                let Question {
                    reference,
                    known,
                    ours,
                } = question;
                let is_news = known.as_ref() != Some(digest) && reference.tag().is_some();
                is_news.then(|| News {
                    reference: reference.clone(),
                    digest: digest.clone(),
                    ours: *ours,
                    // The first sight of a tag is no update.
                    from_push: known.is_some() && from_push.contains(reference),
                })
            });
        let seen = external.iter().zip(&sightings).filter_map(|(image, seen)| {
            let Sighting { tag, digest, .. } = seen.as_ref().ok()?;
            let is_known = |(last, known): (&str, Digest)| last == tag && known == *digest;
            let is_news = !known_of(fleet, image).is_some_and(is_known);
            Some(News {
                reference: tagged(&image.repository, tag).filter(|_| is_news)?,
                digest: digest.clone(),
                ours: false,
                from_push: false,
            })
        });
        self.look_into(&registries, moved.chain(seen));
        let references = questions.into_iter().map(|question| question.reference);
        self.digests.extend(references.zip(answers));
        for (image, seen) in external.into_iter().zip(sightings) {
            self.external
                .insert(image.name.clone(), (image.clone(), seen));
        }
    }

    /// Finds out more of what is new: the images that it has for platforms, and when it was pushed.
    /// This comes last: what it costs of the budgets, no other question lacks. Where it fails, all
    /// platforms count as changed, and the time of the first sight counts.
    fn look_into(&mut self, registries: &Registries, news: impl Iterator<Item = News>) {
        let mut places = BTreeMap::new();
        let mut pushes = Vec::new();
        for news in news {
            let place = (news.reference.repository().clone(), news.digest.clone());
            if news.from_push {
                pushes.push((news.reference, news.digest, news.ours));
            }
            if !self.platforms.contains_key(&place) {
                places.insert(place, news.ours);
            }
        }
        let places: Vec<((Repository, Digest), bool)> = places.into_iter().collect();
        let found = registries.of_each(
            &places,
            |((repository, _), _)| repository,
            |((repository, digest), ours)| registries.platforms(repository, digest, *ours),
        );
        for ((place, _), found) in places.into_iter().zip(found) {
            match found {
                Ok(platforms) => self
                    .platforms
                    .extend(platforms.map(|platforms| (place, platforms))),
                Err(error) => {
                    let (repository, digest) = place;
                    tracing::info!(%repository, %digest, %error, "its platforms are not known");
                }
            }
        }
        let found = registries.of_each(
            &pushes,
            |(reference, ..)| reference.repository(),
            |(reference, digest, ours)| registries.pushed(reference, digest, *ours),
        );
        for ((reference, digest, _), found) in pushes.into_iter().zip(found) {
            match found {
                Ok(pushed) => self
                    .pushed
                    .extend(pushed.map(|pushed| ((reference, digest), pushed))),
                Err(error) => {
                    tracing::info!(%reference, %error, "it is not known when it was pushed");
                }
            }
        }
    }

    /// What a registry says of a digest that somebody else saw at the tag of a base.
    ///
    /// # Errors
    ///
    /// Why its platforms are not known, in words.
    pub(crate) fn about_new(
        configuration: &Configuration,
        fleet: &Fleet,
        base: &BaseState,
        digest: &Digest,
    ) -> Result<About, String> {
        let settings = &configuration.settings.registries;
        let registries = Registries::new(settings, published::options());
        let reference = &base.reference;
        // The first sight of a tag is no update.
        let was_seen = base.current_digest.is_some();
        let from_push = was_seen && waiting_from_push(configuration, fleet).contains(reference);
        let (reference, digest) = (reference.clone(), digest.clone());
        published::in_time(move || {
            let platforms = registries.platforms(reference.repository(), &digest, false)?;
            let pushed = match from_push {
                true => registries.pushed(&reference, &digest, false).ok().flatten(),
                false => None,
            };
            Ok(About {
                platforms: platforms.unwrap_or_default(),
                pushed: pushed.map(|it| it.to_string()),
            })
        })
        .map_err(|unknown| unknown.why)
    }

    /// What was found out of a digest that is new.
    fn about(&self, reference: &Reference, digest: &Digest) -> About {
        let place = (reference.repository().clone(), digest.clone());
        let pushed = self.pushed.get(&(reference.clone(), digest.clone()));
        About {
            platforms: self.platforms.get(&place).cloned().unwrap_or_default(),
            pushed: pushed.map(ToString::to_string),
        }
    }
}

/// The references that images wait for from their push on.
fn waiting_from_push(configuration: &Configuration, fleet: &Fleet) -> BTreeSet<Reference> {
    let mut references = BTreeSet::new();
    for (name, enrolled) in &configuration.images {
        let waits = enrolled.enrolment.delay_clock == DelayClock::Registry;
        let Some(stored) = fleet.images.get(name.as_str()).filter(|_| waits) else {
            continue;
        };
        let bases = stored.state.base_images.iter();
        let bases = bases.filter_map(|base| Some(fleet.bases.get(base)?.state.reference.clone()));
        references.extend(bases);
        let ours = stored.state.managed_bases.iter();
        references.extend(ours.map(|base| base.reference.clone()));
    }
    references
}

/// A tag of a repository.
fn tagged(repository: &Repository, tag: &str) -> Option<Reference> {
    Reference::parse(&format!("{repository}:{tag}")).ok()
}

/// The tag of an external image that was followed the last time, and what it pointed at.
fn known_of<'f>(fleet: &'f Fleet, image: &Enrolment) -> Option<(&'f str, Digest)> {
    let state = &fleet.images.get(image.name.as_str())?.state;
    let digest = parsed(state.current_digest.as_deref()?)?;
    Some((state.current_version.as_deref()?, digest))
}

/// What a tag of ours pointed at the last time.
fn current(fleet: &Fleet, own: &OwnTag) -> Option<Digest> {
    let mut seen = seen_tags(&fleet.images.get(&own.image)?.rest);
    parsed(&seen.remove(&own.tag)?.pop()?.digest)
}

fn parsed(digest: &str) -> Option<Digest> {
    Digest::parse(digest).ok()
}
