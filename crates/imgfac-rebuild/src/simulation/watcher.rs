//! Somebody who knows the rules and nothing of the planner, and watches a world.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use imgfac_model::{Digest, DigestSelection, ImageName, Reference};
use jiff::{SignedDuration, Timestamp};

use super::{Event, World, own_tag};
use crate::fleet::{Image, Outcome, after, millis};
use crate::policy::Caps;
use crate::status::{Block, Status};

/// A rule that was broken, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// Holds what happens in a world against the rules: no rebuild is earlier than allowed, twice, or
/// out of order; none is missing or later than the first plan in which it is allowed, unless a cap,
/// a parent or a failure holds it up; and no more run at the same time than may.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// All that tags pointed at, with nothing forgotten.
    tags: BTreeMap<Reference, Vec<(Timestamp, Digest)>>,
    /// What each image was built on.
    built_on: BTreeMap<ImageName, BTreeMap<Reference, Digest>>,
    /// What is being built, and on what.
    running: BTreeMap<ImageName, BTreeMap<Reference, Digest>>,
    /// What was built last.
    last: BTreeMap<ImageName, String>,
    /// How many rebuilds began.
    pub rebuilds: usize,
    /// The longest time between when a rebuild was allowed and when it began.
    pub latest: SignedDuration,
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(what())) }
}

impl Watcher {
    /// Watches a world from its beginning.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let tags = world.fleet.tags.iter().map(|(tag, seen)| {
            let seen = seen.iter().map(|it| (it.first_seen, it.digest.clone()));
            (tag.clone(), seen.collect::<Vec<_>>())
        });
        let tags: BTreeMap<_, Vec<_>> = tags.collect();
        let built_on = world.fleet.images.iter().map(|(name, image)| {
            let bases = image.bases.keys().filter_map(|base| {
                let (_, current) = tags.get(base)?.last()?;
                Some((base.clone(), current.clone()))
            });
            (name.clone(), bases.collect())
        });
        let built_on = built_on.collect();
        Self {
            tags,
            built_on,
            running: BTreeMap::new(),
            last: BTreeMap::new(),
            rebuilds: 0,
            latest: SignedDuration::ZERO,
        }
    }

    /// Looks at what a step did.
    ///
    /// # Errors
    ///
    /// When that is against a rule.
    pub fn see(&mut self, world: &World, events: &[Event]) -> Result<(), Broken> {
        for event in events {
            match event {
                Event::Moved(tag, digest) => self.point(tag.clone(), digest, world.now),
                Event::Ended(name, outcome) => self.ended(world, name, outcome)?,
                Event::Started(decision) => {
                    let identity = decision.identity.as_ref().map(ToString::to_string);
                    self.started(world, &decision.name, identity, &decision.bases)?;
                }
            }
        }
        if world.plan.now == world.now {
            self.nobody_is_forgotten(world)?;
        }
        self.caps_hold(world)
    }

    /// Looks at a world in which nothing is under way and nothing moves any more.
    ///
    /// # Errors
    ///
    /// When a rebuild is missing.
    pub fn all_is_done(&self, world: &World) -> Result<(), Broken> {
        world.fleet.images.iter().try_for_each(|(name, image)| {
            let done = !image.schedule.auto || self.allowed(world, name, image)?.is_none();
            ensure(done, || format!("the rebuild of {name} is missing"))
        })
    }

    fn point(&mut self, tag: Reference, digest: &Digest, now: Timestamp) {
        self.tags
            .entry(tag)
            .or_default()
            .push((now, digest.clone()));
    }

    fn ended(&mut self, world: &World, name: &ImageName, outcome: &Outcome) -> Result<(), Broken> {
        let bases = self.running.remove(name);
        let bases = bases.ok_or_else(|| Broken(format!("{name} ended and never began")))?;
        let Outcome::Succeeded { digest, .. } = outcome else {
            return Ok(());
        };
        self.built_on.entry(name.clone()).or_default().extend(bases);
        if let (Some(pushed), Some(tag)) = (digest, own_tag(name)) {
            self.point(tag, pushed, world.now);
        }
        // The planner may have started the next one since.
        let runs = world.fleet.images.get(name).map(|image| &image.runs);
        let mut runs = runs.into_iter().flatten().rev();
        let ended = runs.find(|run| run.outcome != Outcome::Running);
        let ended = ended.map(|run| (name.clone(), run.identity.to_string()));
        self.last.extend(ended);
        Ok(())
    }

    fn started(
        &mut self,
        world: &World,
        name: &ImageName,
        identity: Option<String>,
        bases: &BTreeMap<Reference, Digest>,
    ) -> Result<(), Broken> {
        let image = &world.fleet.images[name];
        let allowed = self.allowed(world, name, image)?;
        let allowed = allowed.ok_or_else(|| Broken(format!("{name} lacks nothing")))?;
        ensure(allowed <= world.now, || {
            format!("{name} is rebuilt at {}, before {allowed}", world.now)
        })?;
        self.latest = self.latest.max(world.now.duration_since(allowed));
        ensure(image.schedule.auto, || {
            format!("{name} is rebuilt without a person")
        })?;
        for parent in below(world, name) {
            let mut runs = world.fleet.images[parent].runs.iter();
            // Whoever was waited for is not a second time.
            let rebuilt = runs.any(|run| {
                run.started >= allowed && matches!(run.outcome, Outcome::Succeeded { .. })
            });
            ensure(rebuilt || !self.running.contains_key(parent), || {
                format!("{name} is rebuilt before {parent}")
            })?;
        }
        ensure(
            identity.is_some() && self.last.get(name) != identity.as_ref(),
            || format!("{name} is built twice"),
        )?;
        let before = self.running.insert(name.clone(), bases.clone());
        ensure(before.is_none(), || {
            format!("{name} is being built already")
        })?;
        self.rebuilds += 1;
        Ok(())
    }

    /// When the updates that an image lacks may start a rebuild; `None` when it lacks none.
    fn allowed(
        &self,
        world: &World,
        name: &ImageName,
        image: &Image,
    ) -> Result<Option<Timestamp>, Broken> {
        let mut allowed = None;
        let built_on = self.built_on.get(name);
        for (reference, base) in &image.bases {
            let seen = self.tags.get(reference).map_or(&[][..], Vec::as_slice);
            let from = built_on.and_then(|bases| bases.get(reference));
            let updates = match seen.iter().rposition(|(_, digest)| Some(digest) == from) {
                Some(at) => &seen[at + 1..],
                None => return Err(Broken(format!("{name} stands on what no tag ever had"))),
            };
            let delay = match base.parent {
                Some(_) => &image.schedule.cascade_delay,
                None => &image.schedule.delay,
            };
            let wait = millis(delay.as_millis().max(image.schedule.window.as_millis()));
            // What settled and was forgotten since is no digest to build on.
            let kept = world.fleet.tags.get(reference);
            let known = |at| kept.is_some_and(|kept| kept.iter().any(|it| it.first_seen == at));
            let mut eligible = (0..updates.len()).filter(|at| {
                let until = updates.get(at + 1).map(|(replaced, _)| *replaced);
                let stayed = until.is_none_or(|until| until >= after(updates[*at].0, wait));
                image.select == DigestSelection::Newest || (stayed && known(updates[*at].0))
            });
            let eligible = eligible.next().map(|at| after(updates[at].0, wait));
            allowed = allowed.into_iter().chain(eligible).min();
        }
        Ok(allowed)
    }

    /// Nobody who may be rebuilt is left, but for caps, parents and failures.
    fn nobody_is_forgotten(&self, world: &World) -> Result<(), Broken> {
        for (name, image) in &world.fleet.images {
            let allowed = self.allowed(world, name, image)?;
            if self.running.contains_key(name) || !image.schedule.auto {
                continue;
            }
            let Some(decision) = world.plan.image(name.as_str()) else {
                return Err(Broken(format!("nothing is decided about {name}")));
            };
            let is_due = allowed.is_some_and(|allowed| allowed <= world.now);
            let moves = |it: &ImageName| {
                let image = &world.fleet.images[it];
                let lacks = self.allowed(world, it, image);
                self.running.contains_key(it) || lacks.is_ok_and(|allowed| allowed.is_some())
            };
            let right = match &decision.status {
                Status::Waiting { until, .. } => allowed == Some(*until),
                Status::UpToDate(_) => allowed.is_none(),
                // Whether a cap is full is asked below.
                Status::Failed { .. } | Status::Blocked(Block::Cap(_)) => is_due,
                Status::Blocked(Block::Parents(_)) => {
                    is_due && below(world, name).into_iter().any(moves)
                }
                _ => false,
            };
            ensure(right, || {
                let (status, reason) = (decision.status.code(), decision.status.reason());
                let allowed = allowed.map_or("never".to_owned(), |at| at.to_string());
                let now = world.now;
                format!("{name} is {status} ({reason}) at {now}, and allowed: {allowed}")
            })?;
        }
        Ok(())
    }

    /// No more run than may; and whom a cap holds back finds it full.
    fn caps_hold(&self, world: &World) -> Result<(), Broken> {
        let mut running = Counts::default();
        for name in self.running.keys() {
            running.add(&world.fleet.images[name]);
        }
        let Caps {
            total,
            per_repository,
            per_registry,
        } = world.policy.caps;
        let within = |cap: Option<usize>, most: Option<&usize>| {
            cap.is_none_or(|cap| most.is_none_or(|most| *most <= cap))
        };
        let holds = within(total, Some(&running.total))
            && within(per_repository, running.repositories.values().max())
            && within(per_registry, running.registries.values().max());
        ensure(holds, || {
            format!("more builds than the caps allow run at {}", world.now)
        })?;
        if world.plan.now != world.now {
            return Ok(());
        }
        for decision in &world.plan.images {
            let Status::Blocked(Block::Cap(_)) = decision.status else {
                continue;
            };
            let image = &world.fleet.images[&decision.name];
            let of = |counts: &BTreeMap<&str, usize>, key: &str| counts.get(key).copied();
            let full = |cap: Option<usize>, used: Option<usize>| {
                cap.is_some_and(|cap| used.unwrap_or_default() >= cap)
            };
            let full = full(total, Some(running.total))
                || full(per_repository, of(&running.repositories, &image.repository))
                || full(per_registry, of(&running.registries, &image.registry));
            ensure(full, || {
                format!("{} could be rebuilt at {}", decision.name, world.now)
            })?;
        }
        Ok(())
    }
}

/// The images whose push leads to a rebuild of this one, with none in between that a person has to
/// rebuild.
fn below<'a>(world: &'a World, name: &'a ImageName) -> BTreeSet<&'a ImageName> {
    let (mut below, mut todo) = (BTreeSet::new(), vec![name]);
    while let Some(at) = todo.pop() {
        let image = &world.fleet.images[at];
        if at != name && !image.schedule.auto {
            continue;
        }
        let parents = image.bases.values().filter_map(|base| base.parent.as_ref());
        todo.extend(parents.filter(|parent| below.insert(*parent)));
    }
    below
}

/// How many builds run.
#[derive(Default)]
struct Counts<'a> {
    total: usize,
    repositories: BTreeMap<&'a str, usize>,
    registries: BTreeMap<&'a str, usize>,
}

impl<'a> Counts<'a> {
    fn add(&mut self, image: &'a Image) {
        self.total += 1;
        *self.repositories.entry(&image.repository).or_default() += 1;
        *self.registries.entry(&image.registry).or_default() += 1;
    }
}
