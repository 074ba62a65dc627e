//! All registries of a fleet: which of them an image is on, and many questions at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;

use imgfac_model::{Digest, Platform, PushTimes, Reference, Repository, Tag};
use jiff::Timestamp;

use crate::error::RegistryError;
use crate::options::Options;
use crate::pushed;
use crate::registry::{Registry, lock};

/// So many registries are asked at the same time.
const HOSTS: usize = 8;
/// So many requests run at the same time at one of them.
const AT_ONE_HOST: usize = 4;
/// Docker Hub gives 100 manifests in six hours to those without an account; a run takes half.
const HUB_BUDGET: u32 = 50;

/// The registries that a fleet needs, with its settings.
#[derive(Debug)]
pub struct Registries {
    settings: BTreeMap<String, imgfac_model::Registry>,
    options: Options,
    clients: Mutex<BTreeMap<String, Result<Arc<Registry>, RegistryError>>>,
}

/// What is asked of an image that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The image. What its tag points at is asked, and whether its digest is still there.
    pub reference: Reference,
    /// What the tag pointed at the last time.
    pub known: Option<Digest>,
    /// Whether it is an image of ours, which is never asked of a mirror: that may not have it yet.
    pub ours: bool,
}

impl Registries {
    /// Registries by the settings of a fleet. Nothing is asked yet.
    #[must_use]
    pub fn new(settings: &BTreeMap<String, imgfac_model::Registry>, mut options: Options) -> Self {
        let insecure = settings.iter().filter(|(_, registry)| registry.insecure);
        options
            .insecure
            .extend(insecure.map(|(host, _)| host.clone()));
        Self {
            settings: settings.clone(),
            options,
            clients: Mutex::default(),
        }
    }

    /// What the tag of an image points at; see [`Registry::digest_of`]. Of an image without a tag
    /// it is the digest itself. A digest beside the tag must still be there.
    ///
    /// # Errors
    ///
    /// When there is no such tag or digest, or the registry cannot be asked.
    pub fn digest_of(
        &self,
        reference: &Reference,
        known: Option<&Digest>,
    ) -> Result<Digest, RegistryError> {
        let question = Question {
            reference: reference.clone(),
            known: known.cloned(),
            ours: false,
        };
        self.answer(&question)
    }

    fn answer(&self, question: &Question) -> Result<Digest, RegistryError> {
        let Question {
            reference,
            known,
            ours,
        } = question;
        let (registry, path) = self.place(reference.repository(), *ours)?;
        if let Some(pinned) = reference.digest() {
            registry.has(&path, pinned).map_err(vanished)?;
            if reference.tag().is_none() {
                return Ok(pinned.clone());
            }
        }
        match reference.tag() {
            Some(tag) => {
                let digest = registry.digest_of(&path, tag, known.as_ref());
                digest.map_err(|error| match known {
                    Some(_) => vanished(error),
                    None => error,
                })
            }
            // A canonical reference has a tag or a digest.
            None => Err(RegistryError::NotFound {
                registry: registry.host.clone(),
                repository: path,
                what: "tag".into(),
            }),
        }
    }

    /// Asks many questions at once, a few at a time of each registry, and gives the answers in
    /// their order. `answered` is called after each.
    pub fn digests_of(
        &self,
        questions: &[Question],
        answered: &(dyn Fn() + Sync),
    ) -> Vec<Result<Digest, RegistryError>> {
        self.ask_each(
            questions,
            |question| self.asked(question.reference.repository(), question.ours),
            |question| {
                let answer = self.answer(question);
                answered();
                answer
            },
        )
    }

    /// Does something for each of many images at once, a few at a time of each registry, and gives
    /// the results in their order.
    pub fn of_each<Q: Sync, A: Send>(
        &self,
        images: &[Q],
        repository: impl Fn(&Q) -> &Repository,
        work: impl Fn(&Q) -> A + Sync,
    ) -> Vec<A> {
        self.ask_each(images, |image| self.asked(repository(image), false), work)
    }

    fn ask_each<Q: Sync, A: Send>(
        &self,
        questions: &[Q],
        host: impl Fn(&Q) -> String,
        work: impl Fn(&Q) -> A + Sync,
    ) -> Vec<A> {
        let mut hosts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, question) in questions.iter().enumerate() {
            hosts.entry(host(question)).or_default().push(at);
        }
        let hosts: Vec<Vec<usize>> = hosts.into_values().collect();
        let answers = Mutex::new(BTreeMap::new());
        in_parallel(&hosts, HOSTS, &|questions_of_host| {
            in_parallel(questions_of_host, AT_ONE_HOST, &|at: &usize| {
                if let Some(question) = questions.get(*at) {
                    let answer = work(question);
                    lock(&answers).insert(*at, answer);
                }
            });
        });
        answers
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .into_values()
            .collect()
    }

    /// The images of an index by their platforms; see [`crate::Manifest::platforms`]. Costs a
    /// download.
    ///
    /// # Errors
    ///
    /// When the digest is not there, or the registry cannot be asked.
    pub fn platforms(
        &self,
        repository: &Repository,
        digest: &Digest,
        ours: bool,
    ) -> Result<Option<BTreeMap<String, Digest>>, RegistryError> {
        let (registry, path) = self.place(repository, ours)?;
        Ok(registry.manifest(&path, digest)?.platforms())
    }

    /// When the tag of an image was made to point at a digest; see [`Registry::pushed`]. A mirror
    /// knows when it got an image, which is another time: where there is one, nobody is asked,
    /// unless settings say that the registry itself may be.
    ///
    /// # Errors
    ///
    /// When the registry cannot be asked.
    pub fn pushed(
        &self,
        reference: &Reference,
        digest: &Digest,
        ours: bool,
    ) -> Result<Option<Timestamp>, RegistryError> {
        let repository = reference.repository();
        let settings = self.settings.get(repository.registry());
        let kind = match settings.and_then(|it| it.push_times) {
            Some(kind) => kind,
            None if self.mirror(repository).is_some() && !ours => PushTimes::None,
            None => pushed::usual(repository.registry()),
        };
        let Some(tag) = reference.tag().filter(|_| kind != PushTimes::None) else {
            return Ok(None);
        };
        let registry = self.client(repository.registry())?;
        registry.pushed(kind, repository.path(), tag, digest)
    }

    /// The tags of an image; see [`Registry::tags`].
    ///
    /// # Errors
    ///
    /// When there is no such image, it has too many tags, or the registry cannot be asked.
    pub fn tags(&self, repository: &Repository, ours: bool) -> Result<Vec<Tag>, RegistryError> {
        let (registry, path) = self.place(repository, ours)?;
        registry.tags(&path)
    }

    /// When the image of a tag was built; see [`Registry::created`].
    ///
    /// # Errors
    ///
    /// When there is no such tag, or the registry cannot be asked.
    pub fn created(
        &self,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Option<Timestamp>, RegistryError> {
        let (registry, path) = self.place(repository, false)?;
        registry.created(&path, tag)
    }

    /// What a published image was built on; see [`Registry::stood_on`].
    ///
    /// # Errors
    ///
    /// When the image is not there, or the registry cannot be asked.
    pub fn stood_on(
        &self,
        repository: &Repository,
        digest: &Digest,
        platforms: &[Platform],
    ) -> Result<BTreeMap<Reference, Digest>, RegistryError> {
        let (registry, path) = self.place(repository, true)?;
        registry.stood_on(&path, digest, platforms)
    }

    /// Whether a digest is one of the images of an index.
    ///
    /// # Errors
    ///
    /// When the index is not there, or the registry cannot be asked.
    pub fn lists(
        &self,
        repository: &Repository,
        index: &Digest,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let (registry, path) = self.place(repository, false)?;
        let manifest = registry.manifest(&path, index)?;
        Ok(match manifest.content {
            crate::Content::Index(entries) => entries.iter().any(|entry| entry.digest == *digest),
            crate::Content::Image(_) => false,
        })
    }

    /// The registry that is asked about a repository, and the path there.
    pub(crate) fn place(
        &self,
        repository: &Repository,
        ours: bool,
    ) -> Result<(Arc<Registry>, String), RegistryError> {
        let Some(mirror) = self.mirror(repository).filter(|_| !ours) else {
            let registry = self.client(repository.registry())?;
            return Ok((registry, repository.path().to_owned()));
        };
        let (host, prefix) = mirror.split_once('/').unwrap_or((mirror, ""));
        let path = match prefix {
            "" => repository.path().to_owned(),
            prefix => format!("{prefix}/{}", repository.path()),
        };
        Ok((self.client(host)?, path))
    }

    fn mirror(&self, repository: &Repository) -> Option<&str> {
        self.settings.get(repository.registry())?.mirror.as_deref()
    }

    /// The host that is asked about a repository.
    fn asked(&self, repository: &Repository, ours: bool) -> String {
        let mirror = self.mirror(repository).filter(|_| !ours);
        let place = mirror.unwrap_or(repository.registry());
        place.split('/').next().unwrap_or(place).to_owned()
    }

    fn client(&self, host: &str) -> Result<Arc<Registry>, RegistryError> {
        let make = || {
            let budget = self.settings.get(host).and_then(|settings| settings.budget);
            let options = Options {
                budget: budget.or(self.options.budget).or(match host {
                    "docker.io" => Some(HUB_BUDGET),
                    _ => None,
                }),
                ..self.options.clone()
            };
            Registry::new(host, options).map(Arc::new)
        };
        lock(&self.clients)
            .entry(host.to_owned())
            .or_insert_with(make)
            .clone()
    }
}

/// What is not there, and was there before.
fn vanished(error: RegistryError) -> RegistryError {
    match error {
        RegistryError::NotFound {
            registry,
            repository,
            what,
        } => RegistryError::Vanished {
            registry,
            repository,
            what,
        },
        other => other,
    }
}

/// Does some work for each item, with so many threads at most.
fn in_parallel<T: Sync>(items: &[T], threads: usize, work: &(dyn Fn(&T) + Sync)) {
    let next = Mutex::new(items.iter());
    let worker = || {
        loop {
            let item = lock(&next).next();
            match item {
                Some(item) => work(item),
                None => return,
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(worker);
        }
        worker();
    });
}
