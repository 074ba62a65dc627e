//! What is to be done with every image now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use imgfac_model::{Criticality, Digest, DigestSelection, ImageName, Platform, Reference};
use jiff::Timestamp;

use crate::fleet::{Base, Emergency, Ended, Fleet, Image, Outcome, after, millis};
use crate::identity::{Hash, Identity};
use crate::order::{Order, carries};
use crate::pending::{Cause, Outlook, Wait, behind, outlook, push_expected};
use crate::policy::{Policy, STRIKES, back_off};
use crate::room::Room;
use crate::status::{Block, Due, Status, UpToDate};

/// What is to be done with every image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The time that it was made for.
    pub now: Timestamp,
    /// A decision for each image, by name.
    pub images: Vec<Decision>,
    /// When time alone will change something, if nothing else does before.
    pub wakes_at: Option<Timestamp>,
}

/// What is to be done with an image, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The image.
    pub name: ImageName,
    /// Its state.
    pub status: Status,
    /// When time allows a rebuild: when the first of its updates has waited long enough, and the
    /// last failure is long enough ago. `None` when there is nothing to rebuild it for.
    pub eligible_at: Option<Timestamp>,
    /// Its place in the cascade, from 1 on: each image comes after all that it stands on and that
    /// are going to be rebuilt. `None` for one that is not going to be rebuilt by itself.
    pub wave: Option<usize>,
    /// Its place among those that are due, from 0 on, in the order in which they are to be started.
    pub rank: Option<usize>,
    /// What would be built; `None` when there is nothing to rebuild it for.
    pub identity: Option<Identity>,
    /// The updates that a rebuild carries.
    pub causes: Vec<Cause>,
    /// What a rebuild stands on, as far as it is known.
    pub bases: BTreeMap<Reference, Digest>,
    /// Whether the build must be told these digests, since a tag may point at another one.
    pub bound: bool,
    /// What was asked for without any wait.
    pub emergency: Option<Emergency>,
    /// How many of its rebuilds failed since the last that did not.
    pub failures: usize,
}

impl Decision {
    /// Whether so many rebuilds failed in a row that somebody should look at it.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        self.failures >= STRIKES
    }
}

/// The identity of a plan: 64 hexadecimal digits of a SHA-256 of its decisions. Two plans have the
/// same one if and only if nothing differs between them ([`Plan::differences`]), whatever their times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(String);

impl PlanId {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Plan {
    /// What tells it from plans that decide something else.
    #[must_use]
    pub fn id(&self) -> PlanId {
        let mut hash = Hash::new("plan");
        for it in &self.images {
            let verdict = it.verdict();
            hash.field(it.name.as_str());
            hash.field(verdict.status);
            hash.field(verdict.reason);
            hash.field(verdict.identity.as_ref().map_or("", Identity::as_str));
        }
        PlanId(hash.finish())
    }

    /// The decision about an image.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&Decision> {
        let at = |it: &Decision| it.name.as_str().cmp(name);
        let found = self.images.binary_search_by(at).ok()?;
        self.images.get(found)
    }

    /// What is to be started now, first things first.
    #[must_use]
    pub fn due(&self) -> Vec<&Decision> {
        let due = |it: &&Decision| matches!(it.status, Status::Due { .. });
        let mut due: Vec<&Decision> = self.images.iter().filter(due).collect();
        due.sort_by_key(|it| it.rank);
        due
    }
}

/// Decides about every image.
///
/// The decisions follow from the arguments alone. Time without other news changes none of them
/// before [`Plan::wakes_at`].
#[must_use]
pub fn plan(fleet: &Fleet, policy: &Policy, now: Timestamp) -> Plan {
    let order = Order::new(fleet);
    let mut planner = Planner {
        fleet,
        policy,
        now,
        order: &order,
        done: BTreeMap::new(),
        wakes: Vec::new(),
    };
    for name in &order.images {
        if let Some(image) = fleet.images.get(*name) {
            let made = planner.decide(name, image);
            planner.done.insert(name, made);
        }
    }
    planner.rank_and_cap();
    let wakes_at = planner.wakes.into_iter().filter(|at| *at > now).min();
    let images: Vec<Decision> = planner
        .done
        .into_values()
        .map(|made| made.decision)
        .collect();
    Plan {
        now,
        images,
        wakes_at,
    }
}

struct Planner<'a> {
    fleet: &'a Fleet,
    policy: &'a Policy,
    now: Timestamp,
    order: &'a Order<'a>,
    /// What was decided, of all that the next image stands on.
    done: BTreeMap<&'a ImageName, Made<'a>>,
    /// Times at which something may change.
    wakes: Vec<Timestamp>,
}

/// A decision, and what it means for images above.
struct Made<'a> {
    decision: Decision,
    image: &'a Image,
    /// What is rebuilt before anything that stands on the image, if the image itself is not.
    below: Below<'a>,
    /// Whether it is going to be rebuilt by itself, now or after something below it.
    moves: bool,
    /// Whether a push of something below it leads to a rebuild of it.
    passes: bool,
    /// Whether somebody waits for it who matters more than it does.
    criticality: Criticality,
}

/// The nearest images below one that are going to be rebuilt before it.
#[derive(Clone, Debug, Default)]
struct Below<'a> {
    /// Being rebuilt, or to be rebuilt now.
    now: BTreeSet<&'a ImageName>,
    /// Due before the window of those that stand on them has passed.
    soon: BTreeSet<&'a ImageName>,
    /// Rebuilt, and what they pushed is not seen yet.
    pushing: BTreeSet<&'a ImageName>,
    /// Of these, those that the image itself stands on and that are rebuilt in an emergency.
    urgent: BTreeSet<&'a ImageName>,
}

impl<'a> Below<'a> {
    fn extend(&mut self, other: &Self) {
        self.now.extend(&other.now);
        self.soon.extend(&other.soon);
        self.pushing.extend(&other.pushing);
    }

    fn all(&self) -> BTreeSet<&'a ImageName> {
        let all = self.now.iter().chain(&self.soon).chain(&self.pushing);
        all.copied().collect()
    }
}

/// A base, and what it means for the image.
type Looked<'a> = (&'a Reference, &'a Base, Outlook);

/// What a rebuild would carry.
#[derive(Default)]
struct Carried {
    bases: BTreeMap<Reference, Digest>,
    causes: Vec<Cause>,
    /// When the first update that starts a rebuild may do so, and what it waits for.
    first: Option<(Timestamp, Wait)>,
}

/// What failed before for the same cause.
struct Failures {
    number: usize,
    last: Option<Timestamp>,
}

impl<'a> Planner<'a> {
    fn decide(&mut self, name: &'a ImageName, image: &'a Image) -> Made<'a> {
        let (fleet, policy, now) = (self.fleet, self.policy, self.now);
        let needed = image.bases.iter().filter(|(_, base)| base.needed);
        let outlooks: Vec<Looked<'_>> = needed
            .map(|it| (it.0, it.1, outlook(fleet, policy, image, it, now)))
            .collect();
        self.wakes
            .extend(outlooks.iter().filter_map(|(.., it)| it.wakes_at));
        let Carried {
            bases,
            causes,
            first,
        } = self.carried(name, &outlooks, image.select);
        let runs = || {
            let runs = image.runs.iter().rev();
            runs.map(|run| (run, run.ended(now, policy.run_limit)))
        };
        let emergency = self.emergency(image);
        let wanted = !causes.is_empty() || emergency.is_some();
        let identity = wanted.then(|| Identity::new(name, image.source_commit.as_deref(), &bases));
        let failures = self.failures(image, identity.as_ref(), emergency);
        let (mut below, wave, parent_moves) = self.look_below(name, image);
        let running = runs().find(|(_, ended)| *ended == Ended::NotYet);
        let built = || {
            let last = runs().find(|(_, ended)| *ended == Ended::Well);
            last.is_some_and(|(run, _)| Some(&run.identity) == identity.as_ref())
        };
        let quarantined = outlooks.iter().find_map(|(base, _, it)| {
            Some(Block::Quarantined {
                base: (*base).clone(),
                digest: it.quarantined.clone()?,
            })
        });
        let own = match emergency {
            Some(emergency) => Some(emergency.asked),
            None => first.map(|(eligible, _)| eligible),
        };
        let next_try = failures.last.map(|at| after(at, back_off(failures.number)));
        let eligible_at = own.map(|own| next_try.map_or(own, |next| next.max(own)));
        self.wakes.extend(own.into_iter().chain(next_try));
        let due = |why| Status::Due {
            attempt: failures.number + 1,
            why,
        };

        let status = if let Some((run, _)) = running {
            self.wakes.push(after(run.started, policy.run_limit));
            Status::InFlight {
                run: run.link.clone(),
                started: run.started,
            }
        } else if let Some(block) = quarantined {
            Status::Blocked(block)
        } else if emergency.is_some() {
            match next_try {
                Some(next_try) if next_try > now => Status::Failed {
                    attempt: failures.number,
                    next_try,
                },
                _ if !below.urgent.is_empty() => {
                    let urgent = below.urgent.iter().copied();
                    Status::Blocked(Block::Parents(urgent.cloned().collect()))
                }
                _ => due(Due::Emergency),
            }
        } else if let Some(why) = &image.unknown {
            Status::Blocked(Block::Unknown(why.clone()))
        } else if let Some((own, wait)) = first {
            match next_try {
                _ if !image.schedule.auto => Status::Manual,
                _ if built() => Status::Blocked(Block::NoEffect),
                _ if own > now => Status::Waiting { until: own, wait },
                Some(next_try) if next_try > now => Status::Failed {
                    attempt: failures.number,
                    next_try,
                },
                _ if self.must_wait(&mut below, own) => {
                    let parents = below.all().into_iter().cloned().collect();
                    Status::Blocked(Block::Parents(parents))
                }
                None => due(Due::BaseUpdate),
                Some(_) => due(Due::Retry),
            }
        } else if !causes.is_empty() {
            Status::Blocked(Block::Circle)
        } else {
            self.at_rest(
                &outlooks,
                &image.platforms,
                parent_moves && image.schedule.auto,
            )
        };

        let auto = image.schedule.auto;
        let moves = moves(&status, parent_moves && auto);
        let passes = auto && passes(&status);
        Made {
            decision: Decision {
                name: name.clone(),
                status,
                eligible_at,
                wave: moves.then_some(wave),
                rank: None,
                identity,
                causes,
                bases,
                bound: image.select == DigestSelection::Settled,
                emergency: emergency.cloned(),
                failures: runs()
                    .filter(|(_, ended)| *ended != Ended::NotYet)
                    .take_while(|(_, ended)| *ended != Ended::Well)
                    .count(),
            },
            image,
            below,
            moves,
            passes,
            criticality: image.schedule.criticality,
        }
    }

    /// What a rebuild stands on, and the updates that it carries.
    ///
    /// Updates within a circle are carried, but start no rebuild: that would never end.
    fn carried(
        &self,
        name: &ImageName,
        outlooks: &[Looked<'_>],
        select: DigestSelection,
    ) -> Carried {
        let mut carried = Carried::default();
        let mut causes: Vec<(&Cause, bool)> = Vec::new();
        for (reference, base, it) in outlooks {
            if let Some(target) = &it.target {
                let (base, target) = ((*reference).clone(), target.clone());
                carried.bases.insert(base, target);
            }
            let starts = !self.order.in_circle(name, base);
            causes.extend(it.cause.iter().map(|cause| (cause, starts)));
        }
        // Of digests that must settle, only those that did are built on.
        let settled = |(cause, _): &(&Cause, bool)| cause.eligible_at <= self.now;
        if select == DigestSelection::Settled && causes.iter().any(|it| it.1 && settled(it)) {
            for (cause, _) in causes.iter().filter(|it| !settled(it)) {
                let stays = cause.from.clone();
                carried.bases.insert(cause.base.clone(), stays);
            }
            causes.retain(settled);
        }
        carried.first = causes
            .iter()
            .filter(|(_, starts)| *starts)
            .map(|(cause, _)| (cause.eligible_at, cause.wait))
            .min_by_key(|(eligible, _)| *eligible);
        carried.causes = causes.into_iter().map(|(cause, _)| cause.clone()).collect();
        carried
    }

    /// An emergency that has come and is not served yet.
    fn emergency(&mut self, image: &'a Image) -> Option<&'a Emergency> {
        let emergency = image.emergency.as_ref()?;
        self.wakes.push(emergency.asked);
        let served = image.runs.iter().any(|run| {
            run.started >= emergency.asked && matches!(run.outcome, Outcome::Succeeded { .. })
        });
        (emergency.asked <= self.now && !served).then_some(emergency)
    }

    /// Counts the attempts at the same rebuild that failed. Whoever asks for an emergency wants
    /// another one, whatever failed before.
    fn failures(
        &self,
        image: &Image,
        identity: Option<&Identity>,
        emergency: Option<&Emergency>,
    ) -> Failures {
        let mut failures = Failures {
            number: 0,
            last: None,
        };
        for run in image.runs.iter().rev() {
            match run.ended(self.now, self.policy.run_limit) {
                Ended::Well => break,
                Ended::Badly(at)
                    if Some(&run.identity) == identity
                        && emergency.is_none_or(|it| run.started >= it.asked) =>
                {
                    failures.number += 1;
                    failures.last = failures.last.max(Some(at));
                }
                Ended::Badly(_) | Ended::NotYet => {}
            }
        }
        failures
    }

    /// What is rebuilt before the image; the wave after that; whether anything it stands on moves.
    fn look_below(&mut self, name: &ImageName, image: &Image) -> (Below<'a>, usize, bool) {
        let mut below = Below::default();
        let (mut wave, mut moves) = (1, false);
        let (now, limit) = (self.now, self.policy.run_limit);
        let mut wakes = Vec::new();
        for (reference, base) in image.bases.iter().filter(carries) {
            // Within a circle, pushes start nothing, so there is nothing to wait for.
            if self.order.in_circle(name, base) {
                continue;
            }
            let parent = base
                .parent
                .as_ref()
                .and_then(|it| self.done.get_key_value(it));
            let Some((parent, made)) = parent else {
                continue;
            };
            let expected = push_expected(self.fleet, made.image, reference, limit);
            let windows = [&made.image.schedule.window, &image.schedule.window];
            let window = windows.map(|window| window.as_millis()).into_iter().max();
            let window = millis(window.unwrap_or_default());
            let soon = |at: Timestamp| at <= after(now, window);
            match &made.decision.status {
                _ if expected.is_some_and(|until| until > now) => {
                    wakes.extend(expected);
                    below.pushing.insert(parent);
                    below
                        .urgent
                        .extend(made.image.emergency.is_some().then_some(parent));
                    moves = true;
                }
                Status::Due { .. }
                | Status::InFlight { .. }
                | Status::Blocked(Block::Parents(_)) => {
                    below.now.insert(parent);
                    below
                        .urgent
                        .extend(made.decision.emergency.is_some().then_some(parent));
                }
                Status::Waiting { until: at, .. } | Status::Failed { next_try: at, .. }
                    if soon(*at) =>
                {
                    below.soon.insert(parent);
                }
                _ if made.passes => {
                    if let Status::Waiting { until: at, .. } | Status::Failed { next_try: at, .. } =
                        made.decision.status
                    {
                        wakes.push(after(at, -window));
                    }
                    below.extend(&made.below);
                }
                _ => {}
            }
            if made.moves {
                moves = true;
                wave = wave.max(1 + made.decision.wave.unwrap_or_default());
            }
        }
        self.wakes.append(&mut wakes);
        (below, wave, moves)
    }

    /// Whether an image that could be rebuilt since `own` waits for what is below it.
    ///
    /// A parent is waited for once: one that was rebuilt since, and is to be again, holds up nothing,
    /// or many that move all the time could do so for ever. What is below it counts instead.
    fn must_wait(&self, below: &mut Below<'a>, own: Timestamp) -> bool {
        let rebuilt = |made: &Made<'_>| {
            let mut runs = made.image.runs.iter().filter(|run| run.started >= own);
            runs.any(|run| matches!(run.outcome, Outcome::Succeeded { .. }))
        };
        let mut passed = BTreeSet::new();
        loop {
            let waits = below.now.iter().chain(&below.soon);
            let mut again = waits.filter_map(|parent| self.done.get_key_value(*parent));
            let Some((parent, made)) = again.find(|(_, made)| rebuilt(made)) else {
                return !below.all().is_empty();
            };
            passed.insert(*parent);
            below.extend(&made.below);
            below.now.retain(|it| !passed.contains(it));
            below.soon.retain(|it| !passed.contains(it));
        }
    }

    /// The state of an image that lacks nothing.
    fn at_rest(&self, outlooks: &[Looked<'_>], platforms: &[Platform], follows: bool) -> Status {
        let unobserved: Vec<Reference> = outlooks
            .iter()
            .filter(|(.., it)| it.target.is_none())
            .map(|(base, ..)| (*base).clone())
            .collect();
        let behind: Vec<_> = outlooks
            .iter()
            .filter_map(|(base, ..)| behind(self.fleet, base, platforms))
            .collect();
        let pinned = |(base, ..): &Looked<'_>| base.digest().is_some();
        if !unobserved.is_empty() {
            Status::Blocked(Block::Unobserved(unobserved))
        } else if outlooks.is_empty() {
            Status::UpToDate(UpToDate::NoBases)
        } else if !behind.is_empty() || outlooks.iter().all(pinned) {
            Status::Pinned { behind }
        } else if follows {
            Status::UpToDate(UpToDate::ParentPending)
        } else {
            Status::UpToDate(UpToDate::Current)
        }
    }

    /// Puts the images that are due in order, and holds back those that no cap has room for.
    fn rank_and_cap(&mut self) {
        self.lift_parents();
        let mut room = Room::new(&self.policy.caps);
        for made in self.done.values() {
            if matches!(made.decision.status, Status::InFlight { .. }) {
                room.occupy(made.image);
            }
        }
        let mut due: Vec<_> = self
            .done
            .values()
            .filter_map(|made| match &made.decision.status {
                Status::Due { attempt, why } => Some((
                    *why != Due::Emergency,
                    made.criticality,
                    made.decision.wave,
                    *attempt,
                    made.decision.eligible_at,
                    &made.decision.name,
                )),
                _ => None,
            })
            .collect();
        due.sort();
        let due: Vec<ImageName> = due.into_iter().map(|it| it.5.clone()).collect();
        for (rank, name) in due.iter().enumerate() {
            let Some(made) = self.done.get_mut(name) else {
                continue;
            };
            made.decision.rank = Some(rank);
            if let Err(cap) = room.take(made.image) {
                made.decision.status = Status::Blocked(Block::Cap(cap));
            }
        }
    }

    /// An image that others wait for matters as much as the one of them that matters most.
    fn lift_parents(&mut self) {
        for name in self.order.images.iter().rev() {
            let Some(made) = self.done.get(name) else {
                continue;
            };
            let Status::Blocked(Block::Parents(parents)) = &made.decision.status else {
                continue;
            };
            let (criticality, parents) = (made.criticality, parents.clone());
            for parent in parents {
                if let Some(parent) = self.done.get_mut(&parent) {
                    parent.criticality = parent.criticality.min(criticality);
                }
            }
        }
    }
}

/// Whether an image in this state is going to be rebuilt by itself; `follows` when something below
/// it is, and that leads to a rebuild of it.
fn moves(status: &Status, follows: bool) -> bool {
    match status {
        Status::UpToDate(why) => *why == UpToDate::ParentPending,
        Status::Pinned { .. } => follows,
        Status::Waiting { .. }
        | Status::Due { .. }
        | Status::Blocked(Block::Parents(_))
        | Status::InFlight { .. }
        | Status::Failed { .. } => true,
        Status::Blocked(_) | Status::Manual => false,
    }
}

/// Whether a push of something below an image in this state leads to a rebuild of it.
fn passes(status: &Status) -> bool {
    match status {
        Status::Blocked(block) => matches!(block, Block::Parents(_)),
        Status::Manual => false,
        _ => true,
    }
}
