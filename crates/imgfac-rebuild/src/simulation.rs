//! A factory played through in time: bases move, plans are made and followed, builds end.
//!
//! Everything follows from a seed, so a run can be repeated. A [`Watcher`] holds what happens against
//! the rules.
//!
//! ```
//! use imgfac_rebuild::simulation::{Scenario, Watcher};
//!
//! let mut world = Scenario { images: 10, bases: 3, ..Scenario::default() }.world();
//! let mut watcher = Watcher::new(&world);
//! for _ in 0..24 * 30 {
//!     let events = world.step();
//!     watcher.see(&world, &events)?;
//! }
//! assert!(watcher.rebuilds > 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod watcher;

use std::collections::BTreeMap;

use imgfac_model::{Criticality, Delay, Digest, DigestSelection, ImageName, Reference};
use jiff::{SignedDuration, Timestamp};

use crate::Schedule;
use crate::fleet::{Base, Fleet, Image, Outcome, Run, after};
use crate::plan::{Decision, Plan, plan};
use crate::policy::Policy;

pub use self::watcher::{Broken, Watcher};

/// So many digests of a tag, and runs of an image, are kept: a factory does not remember for ever.
const KEPT: usize = 10;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// How many images there are.
    pub images: usize,
    /// How many upstream bases they stand on.
    pub bases: usize,
    /// How far time moves in a step.
    pub tick: SignedDuration,
    /// What the world is made from.
    pub seed: u64,
    /// Of a hundred runs, so many fail.
    pub failures: u64,
    /// What holds for the factory.
    pub policy: Policy,
}

impl Default for Scenario {
    /// 200 images on 20 bases, an hour a step, three failures in a hundred, no caps.
    fn default() -> Self {
        Self {
            images: 200,
            bases: 20,
            tick: SignedDuration::from_hours(1),
            seed: 1,
            failures: 3,
            policy: Policy::default(),
        }
    }
}

/// A factory, and the world around it.
#[derive(Clone, Debug)]
pub struct World {
    /// What the factory knows.
    pub fleet: Fleet,
    /// What holds for it.
    pub policy: Policy,
    /// The time.
    pub now: Timestamp,
    /// The last plan that was made.
    pub plan: Plan,
    /// Whether bases move.
    pub moving: bool,
    tick: SignedDuration,
    failures: u64,
    bases: Vec<Upstream>,
    builds: BTreeMap<ImageName, Timestamp>,
    random: Random,
    digests: u64,
    /// Whether something happened since the last plan.
    changed: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A tag points at another digest.
    Moved(Reference, Digest),
    /// A rebuild was started, for this decision.
    Started(Box<Decision>),
    /// A rebuild has ended.
    Ended(ImageName, Outcome),
}

/// A base upstream.
#[derive(Clone, Debug)]
struct Upstream {
    tag: Reference,
    /// How often it moves, on the average.
    hours: u64,
    current: Digest,
    /// Where it goes back to at the next occasion.
    withdrawn: Option<Digest>,
}

impl Scenario {
    /// The world at its beginning: every image is built and up to date.
    #[must_use]
    pub fn world(&self) -> World {
        let mut random = Random(self.seed);
        let now = Timestamp::UNIX_EPOCH;
        let mut fleet = Fleet::default();
        let mut digests = 0;
        let mut bases = Vec::new();
        for number in 0..self.bases {
            let tag = Reference::parse(&format!("base-{number}:1"));
            if let (Ok(tag), Some(current)) = (tag, digest(&mut digests)) {
                fleet.observe(&tag, &current, now);
                bases.push(Upstream {
                    tag,
                    hours: [24, 168, 336, 720, 1440, 1440][random.below(6)],
                    current,
                    withdrawn: None,
                });
            }
        }
        let mut names: Vec<(ImageName, Reference)> = Vec::new();
        for number in 0..self.images {
            let name = ImageName::new(&format!("image-{number}"));
            let Ok(name) = name else {
                continue;
            };
            let (Some(tag), Some(own)) = (own_tag(&name), digest(&mut digests)) else {
                continue;
            };
            let mut image = image(&mut random, number);
            // A third stands on two images of ours at most, nearly all on one or two bases.
            for _ in 0..2 {
                if !names.is_empty() && random.below(3) == 0 {
                    let (parent, tag) = &names[random.below(names.len())];
                    let base = Base {
                        parent: Some(parent.clone()),
                        ..Base::default()
                    };
                    image.bases.insert(tag.clone(), base);
                }
            }
            for _ in 0..1 + random.below(2) {
                if !bases.is_empty() && (image.bases.is_empty() || random.below(3) != 0) {
                    let base = &bases[random.below(bases.len())];
                    image.bases.insert(base.tag.clone(), Base::default());
                }
            }
            fleet.observe(&tag, &own, now);
            names.push((name.clone(), tag));
            fleet.images.insert(name, image);
        }
        for image in fleet.images.values_mut() {
            for (reference, base) in &mut image.bases {
                let seen = fleet.tags.get(reference);
                base.built_on = seen.and_then(|seen| Some(seen.last()?.digest.clone()));
            }
        }
        World {
            plan: plan(&fleet, &self.policy, now),
            fleet,
            policy: self.policy.clone(),
            now,
            moving: true,
            tick: self.tick,
            failures: self.failures,
            bases,
            builds: BTreeMap::new(),
            random,
            digests,
            changed: true,
        }
    }
}

/// The tag that an image is pushed to.
fn own_tag(name: &ImageName) -> Option<Reference> {
    Reference::parse(&format!("ghcr.io/acme/{name}:1")).ok()
}

fn image(random: &mut Random, number: usize) -> Image {
    let delay = |text: &str| Delay::new(text).unwrap_or_default();
    let mut image = Image::new(Schedule {
        delay: delay(["0", "1d", "3d", "7d", "7d", "14d"][random.below(6)]),
        cascade_delay: delay(["0", "0", "0", "6h"][random.below(4)]),
        window: delay("30m"),
        auto: random.below(20) != 0,
        criticality: [
            Criticality::Critical,
            Criticality::High,
            Criticality::Normal,
            Criticality::Normal,
            Criticality::Low,
        ][random.below(5)],
    });
    if random.below(10) == 0 {
        image.select = DigestSelection::Settled;
    }
    image.registry = ["ghcr.io", "quay.io"][random.below(2)].into();
    image.repository = format!("github.com/acme/repository-{}", number / 5);
    image
}

impl World {
    /// Lets one tick pass, and follows the plan.
    pub fn step(&mut self) -> Vec<Event> {
        self.now = after(self.now, self.tick);
        let mut events = Vec::new();
        if self.moving {
            self.move_bases(&mut events);
        }
        self.end_builds(&mut events);
        self.changed |= !events.is_empty();
        if self.changed || self.plan.wakes_at.is_some_and(|at| at <= self.now) {
            self.make_plan();
            self.start_builds(&mut events);
        }
        events
    }

    /// Whether nothing is under way, and time alone will change nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.builds.is_empty() && !self.changed && self.plan.wakes_at.is_none()
    }

    fn move_bases(&mut self, events: &mut Vec<Event>) {
        for base in &mut self.bases {
            let hours = u64::try_from(self.tick.as_hours()).unwrap_or(0).max(1);
            let occasions = base.hours / hours;
            if let Some(before) = base.withdrawn.take() {
                base.current = before;
            } else if self.random.one_of(occasions) {
                let Some(next) = digest(&mut self.digests) else {
                    continue;
                };
                let before = std::mem::replace(&mut base.current, next);
                if self.random.one_of(20) {
                    base.withdrawn = Some(before);
                }
            }
            if self.fleet.observe(&base.tag, &base.current, self.now) {
                events.push(Event::Moved(base.tag.clone(), base.current.clone()));
                if let Some(seen) = self.fleet.tags.get_mut(&base.tag) {
                    let surplus = seen.len().saturating_sub(KEPT);
                    seen.drain(..surplus);
                }
            }
        }
    }

    fn end_builds(&mut self, events: &mut Vec<Event>) {
        let ended = self.builds.iter().filter(|(_, at)| **at <= self.now);
        let ended: Vec<ImageName> = ended.map(|(name, _)| name.clone()).collect();
        for name in ended {
            self.builds.remove(&name);
            let outcome = if self.random.below(100) < usize::try_from(self.failures).unwrap_or(0) {
                Outcome::Failed { at: self.now }
            } else {
                Outcome::Succeeded {
                    at: self.now,
                    digest: digest(&mut self.digests),
                }
            };
            self.fleet.finish(&name, outcome.clone());
            if let Some(image) = self.fleet.images.get_mut(&name) {
                let surplus = image.runs.len().saturating_sub(KEPT);
                image.runs.drain(..surplus);
            }
            events.push(Event::Ended(name, outcome));
        }
    }

    /// Plans, and records since when updates are pending: tags remember so much only.
    fn make_plan(&mut self) {
        self.plan = plan(&self.fleet, &self.policy, self.now);
        self.changed = false;
        for decision in &self.plan.images {
            let Some(image) = self.fleet.images.get_mut(&decision.name) else {
                continue;
            };
            for (reference, base) in &mut image.bases {
                let mut causes = decision.causes.iter();
                let cause = causes.find(|cause| cause.base == *reference);
                base.pending_since = cause.map(|cause| cause.first_seen);
            }
        }
    }

    fn start_builds(&mut self, events: &mut Vec<Event>) {
        let due: Vec<Decision> = self.plan.due().into_iter().cloned().collect();
        for decision in due {
            let (name, Some(identity)) = (&decision.name, decision.identity.clone()) else {
                continue;
            };
            let run = Run {
                identity,
                link: None,
                started: self.now,
                bases: decision.bases.clone(),
                outcome: Outcome::Running,
            };
            self.fleet.start(name, run);
            let minutes = 5 + i64::try_from(self.random.below(55)).unwrap_or(0);
            let end = after(self.now, SignedDuration::from_mins(minutes));
            self.builds.insert(name.clone(), end);
            self.changed = true;
            events.push(Event::Started(Box::new(decision)));
        }
    }
}

/// A digest that nobody had before.
fn digest(counter: &mut u64) -> Option<Digest> {
    *counter += 1;
    Digest::parse(&format!("sha256:{counter:064x}")).ok()
}

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): good enough for a world, and the same
/// everywhere.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a limit, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    /// True in one of so many cases.
    fn one_of(&mut self, cases: u64) -> bool {
        self.next().is_multiple_of(cases.max(1))
    }
}
