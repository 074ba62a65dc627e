//! A year of a factory, watched by somebody who knows the rules and nothing of the planner.

#![expect(
    clippy::unwrap_used,
    reason = "what the watcher did not see is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{Digest, DigestSelection, ImageName, Reference};
use imgfac_rebuild::simulation::{Event, Scenario, World};
use imgfac_rebuild::{Caps, Outcome, Policy, Status};
use jiff::{SignedDuration, Timestamp};

/// What the watcher remembers, of his own.
struct Watcher {
    /// All that tags pointed at, with nothing forgotten.
    tags: BTreeMap<Reference, Vec<(Timestamp, Digest)>>,
    /// What each image was built on.
    built_on: BTreeMap<(ImageName, Reference), Digest>,
    /// What is being built.
    running: BTreeMap<ImageName, (Timestamp, BTreeMap<Reference, Digest>)>,
    /// What was built last.
    last: BTreeMap<ImageName, String>,
    rebuilds: usize,
    /// The longest time between when a rebuild was allowed and when it began.
    latest: SignedDuration,
}

impl Watcher {
    fn new(world: &World) -> Self {
        let tags = world.fleet.tags.iter().map(|(tag, seen)| {
            let seen = seen.iter().map(|it| (it.first_seen, it.digest.clone()));
            (tag.clone(), seen.collect::<Vec<_>>())
        });
        let tags: BTreeMap<_, Vec<_>> = tags.collect();
        let mut built_on = BTreeMap::new();
        for (name, image) in &world.fleet.images {
            for reference in image.bases.keys() {
                let digest = tags[reference].last().unwrap().1.clone();
                built_on.insert((name.clone(), reference.clone()), digest);
            }
        }
        Self {
            tags,
            built_on,
            running: BTreeMap::new(),
            last: BTreeMap::new(),
            rebuilds: 0,
            latest: SignedDuration::ZERO,
        }
    }

    /// When the updates that an image lacks of a base may start a rebuild.
    fn allowed(&self, world: &World, name: &ImageName) -> Option<Timestamp> {
        let image = &world.fleet.images[name];
        let allowed = image.bases.iter().filter_map(|(reference, base)| {
            let from = &self.built_on[&(name.clone(), reference.clone())];
            let seen = &self.tags[reference];
            let updates = match seen.iter().rposition(|(_, digest)| digest == from) {
                Some(at) => &seen[at + 1..],
                None => panic!("{name} stands on what no tag ever had"),
            };
            let delay = match base.parent {
                Some(_) => &image.schedule.cascade_delay,
                None => &image.schedule.delay,
            };
            let wait = delay.as_millis().max(image.schedule.window.as_millis());
            let wait = SignedDuration::from_millis(i64::try_from(wait).unwrap());
            let mut eligible = (0..updates.len()).filter(|at| {
                let until = updates.get(at + 1).map(|(replaced, _)| *replaced);
                let stayed = until.is_none_or(|until| until >= updates[*at].0 + wait);
                image.select == DigestSelection::Newest || stayed
            });
            Some(updates[eligible.next()?].0 + wait)
        });
        allowed.min()
    }

    /// The images whose push leads to a rebuild of this one, with none in between that a person has
    /// to rebuild.
    fn below(world: &World, name: &ImageName) -> BTreeSet<ImageName> {
        let (mut below, mut todo) = (BTreeSet::new(), vec![name.clone()]);
        while let Some(at) = todo.pop() {
            let image = &world.fleet.images[&at];
            if at != *name && !image.schedule.auto {
                continue;
            }
            let parents = image.bases.values().filter_map(|base| base.parent.clone());
            todo.extend(parents.filter(|parent| below.insert(parent.clone())));
        }
        below
    }

    fn see(&mut self, world: &World, events: &[Event]) {
        for event in events {
            match event {
                Event::Moved(tag, digest) => {
                    let seen = self.tags.get_mut(tag).unwrap();
                    seen.push((world.now, digest.clone()));
                }
                Event::Ended(name, outcome) => {
                    let (_, bases) = self.running.remove(name).unwrap();
                    if let Outcome::Succeeded { digest, .. } = outcome {
                        for (base, digest) in bases {
                            self.built_on.insert((name.clone(), base), digest);
                        }
                        let pushed = digest.clone().unwrap();
                        let path = format!("ghcr.io/acme/{name}:1");
                        let seen = self
                            .tags
                            .get_mut(&Reference::parse(&path).unwrap())
                            .unwrap();
                        seen.push((world.now, pushed));
                    }
                }
                Event::Started(decision) => {
                    let name = &decision.name;
                    let image = &world.fleet.images[name];
                    let allowed = self.allowed(world, name);
                    let allowed = allowed.unwrap_or_else(|| panic!("{name} lacks nothing"));
                    assert!(allowed <= world.now, "{name} is rebuilt too early");
                    self.latest = self.latest.max(world.now.duration_since(allowed));
                    assert!(image.schedule.auto, "{name} is rebuilt without a person");
                    for parent in Self::below(world, name) {
                        let busy = self.running.contains_key(&parent);
                        assert!(!busy, "{name} is rebuilt before {parent}");
                    }
                    let identity = decision.identity.clone().unwrap().to_string();
                    assert_ne!(
                        self.last.get(name),
                        Some(&identity),
                        "{name} is built twice"
                    );
                    let run = (world.now, decision.bases.clone());
                    assert!(self.running.insert(name.clone(), run).is_none());
                    self.rebuilds += 1;
                }
            }
            if let Event::Ended(name, Outcome::Succeeded { .. }) = event {
                let runs = &world.fleet.images[name].runs;
                // The planner may have started the next one since.
                let ended = runs
                    .iter()
                    .rev()
                    .find(|run| run.outcome != Outcome::Running);
                self.last
                    .insert(name.clone(), ended.unwrap().identity.to_string());
            }
        }
    }

    /// Nobody who may be rebuilt is left, but for caps, parents and failures.
    fn nobody_is_forgotten(&self, world: &World) {
        for (name, image) in &world.fleet.images {
            let allowed = self.allowed(world, name);
            if self.running.contains_key(name) || !image.schedule.auto {
                continue;
            }
            let decision = world.plan.image(name.as_str()).unwrap();
            let is_due = allowed.is_some_and(|allowed| allowed <= world.now);
            match (&decision.status, decision.status.reason()) {
                (Status::Waiting { until, .. }, _) => assert_eq!(allowed, Some(*until), "{name}"),
                (Status::UpToDate(_), _) => assert_eq!(allowed, None, "{name}"),
                (Status::Failed { .. }, _) => assert!(is_due, "{name}"),
                (_, "cap") => {
                    let cap = world.policy.caps.total.unwrap();
                    assert_eq!(self.running.len(), cap, "{name} could be rebuilt");
                }
                (_, "repository-cap" | "registry-cap") => assert!(is_due, "{name}"),
                (_, "parents-first") => {
                    let below = Self::below(world, name);
                    let moving = below.iter().any(|it| {
                        self.running.contains_key(it) || self.allowed(world, it).is_some()
                    });
                    assert!(is_due && moving, "{name} waits for nobody");
                }
                (status, reason) => panic!("{name} is {status:?} {reason} at {}", world.now),
            }
        }
    }
}

fn play(scenario: &Scenario, days: i64) -> (Watcher, World) {
    let mut world = scenario.world();
    let mut watcher = Watcher::new(&world);
    let end = world.now + SignedDuration::from_hours(24 * days);
    let caps = &scenario.policy.caps;
    while world.now < end || !world.is_quiet() {
        world.moving = world.now < end;
        let made_for = world.plan.now;
        let events = world.step();
        watcher.see(&world, &events);
        if world.plan.now != made_for {
            watcher.nobody_is_forgotten(&world);
        }
        let running: Vec<_> = watcher
            .running
            .keys()
            .map(|name| &world.fleet.images[name])
            .collect();
        assert!(caps.total.is_none_or(|cap| running.len() <= cap));
        for image in &running {
            let of = |same: &dyn Fn(&imgfac_rebuild::Image) -> bool| {
                running.iter().filter(|it| same(it)).count()
            };
            let repository = of(&|it| it.repository == image.repository);
            let registry = of(&|it| it.registry == image.registry);
            assert!(caps.per_repository.is_none_or(|cap| repository <= cap));
            assert!(caps.per_registry.is_none_or(|cap| registry <= cap));
        }
        assert!(
            world.now < end + SignedDuration::from_hours(24 * 60),
            "it never ends"
        );
    }
    // None is missing: all that a factory may do was done.
    for (name, image) in &world.fleet.images {
        let allowed = watcher.allowed(&world, name);
        assert!(
            allowed.is_none() || !image.schedule.auto,
            "{name} is missing"
        );
    }
    (watcher, world)
}

#[test]
fn a_year_without_caps() {
    let scenario = Scenario {
        failures: 0,
        tick: SignedDuration::from_hours(2),
        ..Scenario::default()
    };
    let (watcher, _) = play(&scenario, 365);
    assert!(watcher.rebuilds > 1_000, "{}", watcher.rebuilds);
    // A cascade below takes an hour for the build and one for the window, at each step.
    assert!(
        watcher.latest <= SignedDuration::from_hours(24),
        "{:?}",
        watcher.latest
    );
}

#[test]
fn a_season_with_caps_and_failures() {
    let scenario = Scenario {
        images: 60,
        bases: 10,
        seed: 2,
        failures: 30,
        policy: Policy {
            caps: Caps {
                total: Some(4),
                per_repository: Some(1),
                per_registry: Some(3),
            },
            ..Policy::default()
        },
        ..Scenario::default()
    };
    let (watcher, _) = play(&scenario, 90);
    assert!(watcher.rebuilds > 200, "{}", watcher.rebuilds);
}
