//! What `observe --all` asks registries, and what becomes of the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imgfac_model::{BaseName, Digest, Enrolment, ImageName, Reference, Repository};
use imgfac_providers::{Options, Question, Registries, RegistryError};
use imgfac_state::{
    Change, Configuration, Fleet, ObserveError, OwnTag, Sighting, Subject, seen_tags,
};

use crate::clock::ProgramClock;
use crate::external::{self, Failed};
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
}

/// A digest that was not known before.
struct News {
    repository: Repository,
    digest: Digest,
    ours: bool,
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
        let moved = questions
            .iter()
            .zip(&answers)
            .filter_map(|(question, answer)| {
                let digest = answer.as_ref().ok()?;
                let is_news =
                    question.known.as_ref() != Some(digest) && question.reference.tag().is_some();
                is_news.then(|| News {
                    repository: question.reference.repository().clone(),
                    digest: digest.clone(),
                    ours: question.ours,
                })
            });
        let seen = external.iter().zip(&sightings).filter_map(|(image, seen)| {
            let Sighting { tag, digest, .. } = seen.as_ref().ok()?;
            let is_known = |(last, known): (&str, Digest)| last == tag && known == *digest;
            let is_news = !known_of(fleet, image).is_some_and(is_known);
            is_news.then(|| News {
                repository: image.repository.clone(),
                digest: digest.clone(),
                ours: false,
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

    /// Finds out which images what is new has for platforms. This comes last: what it costs of the
    /// budgets, no other question lacks. Where it fails, all platforms count as changed.
    fn look_into(&mut self, registries: &Registries, news: impl Iterator<Item = News>) {
        let mut places = BTreeMap::new();
        for news in news {
            let place = (news.repository.clone(), news.digest.clone());
            if !self.platforms.contains_key(&place) {
                places.insert(place, news);
            }
        }
        let news: Vec<&News> = places.values().collect();
        let found = registries.of_each(
            &news,
            |news| &news.repository,
            |news| registries.platforms(&news.repository, &news.digest, news.ours),
        );
        for (news, found) in news.into_iter().zip(found) {
            let News {
                repository, digest, ..
            } = news;
            match found {
                Ok(platforms) => {
                    let place = (repository.clone(), digest.clone());
                    self.platforms
                        .extend(platforms.map(|platforms| (place, platforms)));
                }
                Err(error) => {
                    tracing::info!(%repository, %digest, %error, "its platforms are not known");
                }
            }
        }
    }

    /// Adds the platforms of a digest to what was just recorded of it. Nothing is written for them
    /// alone.
    fn add_platforms(
        &self,
        changes: Vec<Change>,
        repository: &Repository,
        digest: &Digest,
        note: impl FnOnce(&BTreeMap<String, Digest>) -> Result<(), ObserveError>,
    ) -> Result<Vec<Change>, ObserveError> {
        let place = (repository.clone(), digest.clone());
        if let Some(platforms) = self.platforms.get(&place)
            && !changes.is_empty()
        {
            note(platforms)?;
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
                        self.add_platforms(changes, reference.repository(), digest, |platforms| {
                            fleet.observe_tag_platforms(image, tag, digest, platforms)
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
                    changes.and_then(|changes| {
                        self.add_platforms(changes, &image.repository, digest, |platforms| {
                            fleet.observe_tag_platforms(name, tag, digest, platforms)
                        })
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
                        self.add_platforms(changes, reference.repository(), digest, |platforms| {
                            fleet.observe_platforms(&name, digest, platforms)
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
