//! What a change of an image would set off.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::Reference;
use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::hold::Holds;
use crate::node::{Kind, Status};
use crate::order::Cycle;

/// The rebuilds that follow when an image moves to another digest.
///
/// These are the rules of the cluster. An update is due `rebuildDelay` after a change of a base, or
/// `cascadeDelay` after the push of a parent of ours, the `coordinationWindow` when that is longer,
/// plus a hold ([`Holds`]). The first that is due starts a rebuild, which carries every update that
/// is there by then; what comes later starts another one. A parent that was told to rebuild and has
/// not pushed is waited for, six hours at most.
///
/// Times are the earliest: the cluster looks only every ten minutes, and a build of unknown length
/// is taken to need no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cascade {
    /// What moves.
    pub cause: NodeIndex,
    /// The rebuilds: by wave, start, criticality and name.
    pub builds: Vec<Build>,
    /// Images that would be rebuilt, but not without a person.
    pub held: Vec<Held>,
    /// Images that change only after one of the held is rebuilt.
    pub behind_held: Vec<NodeIndex>,
    /// Images that name it only in stages that their target does not need.
    pub not_needed: Vec<NodeIndex>,
    /// Images that stand on the same tag, but pin its digest, and so stay where they are.
    pub pinned: Vec<NodeIndex>,
}

/// A rebuild that is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The image; it may be rebuilt more than once.
    pub image: NodeIndex,
    /// 1 carries nothing but the change itself, every other one comes after all that it carries.
    pub wave: usize,
    /// When it starts, in milliseconds after the change.
    pub after_millis: u64,
    /// How long it usually takes, in seconds, if that is known.
    pub seconds: Option<u64>,
    /// What it carries: the changed image, rebuilt images, or both.
    pub because: Vec<NodeIndex>,
}

/// An image that no factory rebuilds by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The image.
    pub image: NodeIndex,
    /// Why.
    pub why: Hold,
}

/// Why an image is not rebuilt by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// `autoRebuild` is false.
    Manual,
    /// It is part of a circle.
    Cycle,
}

impl Hold {
    /// The written form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Cycle => "cycle",
        }
    }
}

/// How long a parent that was told to rebuild is waited for, in milliseconds.
const PATIENCE: u64 = 6 * 3_600_000;

/// What a change means for an image.
enum Effect {
    /// It is rebuilt.
    Built(Vec<Push>),
    Held,
    Behind,
}

/// A new digest of an image; times are milliseconds after the change that caused it.
#[derive(Clone, Copy)]
struct Push {
    wave: usize,
    /// When its build was told to start.
    started: u64,
    at: u64,
}

/// An update that an image learns of.
struct Update {
    from: NodeIndex,
    push: Push,
    due: u64,
}

impl Cascade {
    /// How long all builds take together, in seconds, and the images for which that is not known
    /// and so not part of it, in the order of nodes.
    #[must_use]
    pub fn build_seconds(&self) -> (u64, Vec<NodeIndex>) {
        let seconds = self.builds.iter().filter_map(|build| build.seconds);
        let unknown = self.builds.iter().filter(|build| build.seconds.is_none());
        let unknown: BTreeSet<NodeIndex> = unknown.map(|build| build.image).collect();
        (seconds.sum(), unknown.into_iter().collect())
    }

    /// The waves of all that it reaches: 0 is the cause, an image that is rebuilt more than once
    /// stands in the last of its waves, and what is held comes after all that it stands on.
    #[must_use]
    pub fn waves(&self, graph: &Graph) -> BTreeMap<NodeIndex, usize> {
        let mut waves = BTreeMap::from([(self.cause, 0)]);
        for build in &self.builds {
            let wave = waves.entry(build.image).or_default();
            *wave = build.wave.max(*wave);
        }
        let held = self.held.iter().map(|held| held.image);
        let held: BTreeSet<NodeIndex> = held.chain(self.behind_held.iter().copied()).collect();
        let order = graph.order();
        for image in order.waves().into_iter().flatten() {
            if !held.contains(&image) {
                continue;
            }
            // Images of a circle share a wave.
            let circle = order.cycle_of(image);
            let group = circle.map_or(std::slice::from_ref(&image), |it| &it.members);
            let bases = group.iter().flat_map(|member| graph.bases_of(*member));
            let bases =
                bases.filter(|(base, edge)| edge.carries_updates() && !group.contains(base));
            let below = bases.filter_map(|(base, _)| waves.get(&base)).max();
            let wave = below.map_or(1, |wave| wave + 1);
            waves.insert(image, wave);
        }
        waves
    }
}

impl Graph {
    /// Predicts what follows when an image moves to another digest.
    #[must_use]
    pub fn cascade(&self, cause: NodeIndex) -> Cascade {
        let mut cascade = Cascade {
            cause,
            builds: Vec::new(),
            held: Vec::new(),
            behind_held: Vec::new(),
            not_needed: self.not_needed_by(cause),
            pinned: self.pinned_to(cause),
        };
        let mut effects: BTreeMap<NodeIndex, Effect> = BTreeMap::new();
        let (order, holds) = (self.order(), self.holds());
        // What an image needs comes in earlier waves. Only in a circle that is not so: there, what
        // reaches one reaches all.
        for image in order.waves().into_iter().flatten() {
            if image == cause || effects.contains_key(&image) {
                continue;
            }
            if let Some(Cycle { members, .. }) = order.cycle_of(image) {
                let reached = members.iter().any(|member| {
                    let (updates, behind) = self.updates(*member, cause, &effects, &holds);
                    *member == cause || behind || !updates.is_empty()
                });
                let others = members.iter().filter(|member| **member != cause);
                for image in others.copied().filter(|_| reached) {
                    effects.insert(image, Effect::Held);
                    cascade.held.push(Held {
                        image,
                        why: Hold::Cycle,
                    });
                }
                continue;
            }
            let (updates, behind) = self.updates(image, cause, &effects, &holds);
            let policy = self.node(image).policy.as_ref();
            let effect = match (updates.is_empty(), policy.is_none_or(|policy| policy.auto)) {
                (true, _) if !behind => continue,
                (_, false) => {
                    cascade.held.push(Held {
                        image,
                        why: Hold::Manual,
                    });
                    Effect::Held
                }
                (true, true) => {
                    cascade.behind_held.push(image);
                    Effect::Behind
                }
                (false, true) => {
                    let builds = builds(image, self.node(image).build_seconds, updates);
                    let pushes = builds.iter().map(|build| Push {
                        wave: build.wave,
                        started: build.after_millis,
                        at: pushed(build),
                    });
                    let effect = Effect::Built(pushes.collect());
                    cascade.builds.extend(builds);
                    effect
                }
            };
            effects.insert(image, effect);
        }
        cascade.builds.sort_by_cached_key(|build| {
            let node = self.node(build.image);
            let criticality = node.policy.as_ref().map(|policy| policy.criticality);
            (build.wave, build.after_millis, criticality, build.image)
        });
        cascade.held.sort_by_key(|held| held.image);
        cascade.behind_held.sort();
        cascade
    }

    /// The updates that reach an image, and whether something below it is held.
    fn updates(
        &self,
        image: NodeIndex,
        cause: NodeIndex,
        effects: &BTreeMap<NodeIndex, Effect>,
        holds: &Holds,
    ) -> (Vec<Update>, bool) {
        let (mut updates, mut behind) = (Vec::new(), false);
        let bases = self.bases_of(image).into_iter();
        for (from, _) in bases.filter(|(_, edge)| edge.carries_updates()) {
            let (kind, policy) = (self.node(from).kind, self.node(image).policy.as_ref());
            let hold = match kind {
                Kind::Managed => holds.minutes_after(from, image),
                Kind::External | Kind::Base => holds.minutes(image),
            };
            let wait = policy.map_or(0, |policy| policy.wait(kind).as_millis());
            let wait = wait.saturating_add(u64::from(hold) * 60_000);
            let mut update = |push: Push| {
                let due = push.at.saturating_add(wait);
                updates.push(Update { from, push, due });
            };
            match effects.get(&from) {
                _ if from == cause => update(Push {
                    wave: 0,
                    started: 0,
                    at: 0,
                }),
                Some(Effect::Built(pushes)) => pushes.iter().copied().for_each(update),
                Some(Effect::Held | Effect::Behind) => behind = true,
                None => {}
            }
        }
        (updates, behind)
    }

    fn not_needed_by(&self, base: NodeIndex) -> Vec<NodeIndex> {
        self.dependents_of(base)
            .into_iter()
            .filter(|(_, edge)| !edge.needed)
            .map(|(image, _)| image)
            .collect()
    }

    /// The images on digests of the tag that a base follows.
    fn pinned_to(&self, base: NodeIndex) -> Vec<NodeIndex> {
        let tag = |node: NodeIndex| {
            let reference = Reference::parse(&self.node(node).image).ok()?;
            Some((reference.repository().clone(), reference.tag()?.clone()))
        };
        let node = self.node(base);
        if node.kind != Kind::Base || node.status == Status::Pinned {
            return Vec::new();
        }
        let Some(followed) = tag(base) else {
            return Vec::new();
        };
        let pins = self.nodes().filter(|(index, node)| {
            node.status == Status::Pinned && tag(*index).as_ref() == Some(&followed)
        });
        let mut images: Vec<NodeIndex> = pins
            .flat_map(|(index, _)| self.dependents_of(index))
            .filter(|(_, edge)| edge.needed)
            .map(|(image, _)| image)
            .collect();
        images.sort();
        images.dedup();
        images
    }
}

/// The rebuilds that the updates of an image start.
fn builds(image: NodeIndex, seconds: Option<u64>, mut updates: Vec<Update>) -> Vec<Build> {
    let mut builds = Vec::new();
    while let Some(mut at) = updates.iter().map(|update| update.due).min() {
        // Each of these is later than the one before.
        while let Some(free) = updates
            .iter()
            .find_map(|update| busy_until(update.push, at))
        {
            at = free;
        }
        let (carried, later): (Vec<_>, Vec<_>) =
            updates.into_iter().partition(|update| update.push.at <= at);
        let mut because: Vec<NodeIndex> = carried.iter().map(|update| update.from).collect();
        because.dedup();
        let waves = carried.iter().map(|update| update.push.wave);
        builds.push(Build {
            image,
            wave: 1 + waves.max().unwrap_or(0),
            after_millis: at,
            seconds,
            because,
        });
        updates = later;
    }
    builds
}

/// When a build pushes its image: at once if nobody knows better.
fn pushed(build: &Build) -> u64 {
    let millis = build.seconds.unwrap_or(0).saturating_mul(1_000);
    build.after_millis.saturating_add(millis)
}

/// Until when the build of a parent is waited for at a time, if it is.
fn busy_until(parent: Push, at: u64) -> Option<u64> {
    let end = parent.at.min(parent.started.saturating_add(PATIENCE));
    (parent.started <= at && at < end).then_some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::{graph, labels};

    fn check(lines: &str, cause: &str, expected: &[&str]) {
        let graph = graph(lines);
        let cascade = graph.cascade(graph.find(cause).unwrap());
        let mut found: Vec<String> = cascade
            .builds
            .iter()
            .map(|build| {
                format!(
                    "{} {} after {}h{}m because {}",
                    build.wave,
                    labels(&graph, [build.image]),
                    build.after_millis / 3_600_000,
                    build.after_millis / 60_000 % 60,
                    labels(&graph, build.because.clone())
                )
            })
            .collect();
        for held in &cascade.held {
            found.push(format!(
                "held {} {}",
                labels(&graph, [held.image]),
                held.why.as_str()
            ));
        }
        for (word, images) in [
            ("behind", &cascade.behind_held),
            ("not needed by", &cascade.not_needed),
            ("pinned", &cascade.pinned),
        ] {
            if !images.is_empty() {
                found.push(format!("{word} {}", labels(&graph, images.clone())));
            }
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn waves_follow_each_other_and_delays_are_waited_for_once() {
        check(
            "low 1d: node:22
             mid 3d: low
             app 7d: mid
             other 2d: node:20",
            "node:22",
            &[
                "1 low after 24h20m because node:22",
                "2 mid after 24h50m because low",
                "3 app after 25h20m because mid",
            ],
        );
    }

    #[test]
    fn a_rebuild_carries_what_is_there_and_what_comes_later_starts_another() {
        check(
            "low 1d: node:22\napp 7d: low node:22\nfast 0: low node:22",
            "node:22",
            &[
                "1 fast after 1h10m because node:22",
                "1 low after 24h20m because node:22",
                "2 app after 24h50m because low node:22",
                "2 fast after 24h50m because low",
            ],
        );
    }

    #[test]
    fn a_parent_that_is_due_at_the_same_time_comes_first() {
        check(
            "low 1d: node:22\napp 1d: low node:22",
            "node:22",
            &[
                "1 low after 24h20m because node:22",
                "2 app after 24h40m because low node:22",
            ],
        );
    }

    proptest! {
        #[test]
        fn every_update_arrives(edges in prop::collection::vec((0u8..12, 0u8..12), 0..30), delays in prop::collection::vec((0u8..4, 0u32..600), 12), manual in 0u8..24) {
            let mut lines: Vec<String> = Vec::new();
            for (at, (delay, minutes)) in delays.iter().enumerate() {
                let held = if usize::from(manual) == at { " manual" } else { "" };
                lines.push(format!("i{at:02} {delay}h takes{minutes}{held}:{}", if at < 3 { " node:22" } else { "" }));
            }
            let mut known = BTreeSet::new();
            for (image, base) in edges {
                // Edges lead to smaller numbers: no circles.
                if image > base && known.insert((image, base)) {
                    lines[usize::from(image)].push_str(&format!(" i{base:02}"));
                }
            }
            let graph = graph(&lines.join("\n"));
            let cause = graph.find("node:22").unwrap();
            let cascade = graph.cascade(cause);
            let held: Vec<NodeIndex> = cascade.held.iter().map(|held| held.image).collect();
            let built: BTreeSet<NodeIndex> = cascade.builds.iter().map(|build| build.image).collect();

            // Who is reached without passing a held image is rebuilt, and nobody else.
            let mut reached = BTreeSet::from([cause]);
            for image in graph.order().waves().into_iter().flatten() {
                let updated = graph.bases_of(image).iter().any(|(base, _)| reached.contains(base));
                if updated && !held.contains(&image) {
                    reached.insert(image);
                }
            }
            reached.remove(&cause);
            prop_assert_eq!(&built, &reached);

            // Every build of a base is carried by a build that is not earlier, of a later wave.
            for build in &cascade.builds {
                for (dependent, _) in graph.dependents_of(build.image) {
                    let carried = cascade.builds.iter().any(|other| {
                        other.image == dependent
                            && other.because.contains(&build.image)
                            && other.after_millis >= pushed(build)
                            && other.wave > build.wave
                    });
                    prop_assert!(carried || held.contains(&dependent));
                }
            }
        }
    }

    #[test]
    fn what_is_held_comes_after_what_it_stands_on_and_circles_share_a_wave() {
        let graph = graph(
            "low 1d: node:22
             hand manual: low
             after: hand
             a: b
             b: a low
             on-circle: a",
        );
        let cascade = graph.cascade(graph.find("node:22").unwrap());
        let waves = cascade.waves(&graph);
        let found: Vec<String> = waves
            .into_iter()
            .map(|(node, wave)| format!("{wave} {}", labels(&graph, [node])))
            .collect();
        assert_eq!(
            found,
            [
                "2 a",
                "3 after",
                "2 b",
                "2 hand",
                "1 low",
                "3 on-circle",
                "0 node:22"
            ]
        );
    }

    #[test]
    fn a_pinned_parent_carries_nothing() {
        let pinned = format!("ghcr.io/acme/low@sha256:{}", "0".repeat(64));
        let graph = graph(&format!("low 1d: node:22\napp: {pinned}"));
        let low = graph.find("node:22").unwrap();
        assert_eq!(graph.cascade(low).builds.len(), 1);
    }

    #[test]
    fn images_that_no_factory_rebuilds_hold_what_is_on_them() {
        check(
            "low 1d manual: node:22
             app: low
             a: b
             b: a node:22
             on-circle: a
             both 2d: low node:22",
            "node-22",
            &[
                "1 both after 48h40m because node:22",
                "held a cycle",
                "held b cycle",
                "held low manual",
                "behind app on-circle",
            ],
        );
    }

    #[test]
    fn parents_that_build_are_waited_for_six_hours_at_most() {
        // Both have the same delay: the child is due while its parent builds.
        check(
            "low 1d critical takes90: node:22\napp 1d critical takes5: low node:22",
            "node:22",
            &[
                "1 low after 24h0m because node:22",
                "2 app after 25h30m because low node:22",
            ],
        );
        check(
            "low 1d critical takes480: node:22\napp 1d critical: low node:22",
            "node:22",
            &[
                "1 low after 24h0m because node:22",
                "1 app after 30h0m because node:22",
                "2 app after 32h30m because low",
            ],
        );
        // One parent starts while the other is waited for.
        check(
            "one 0 critical takes60: node:22
             two 0 critical takes60: one node:22
             top 0 critical: one two node:22",
            "node:22",
            &[
                "1 one after 0h30m because node:22",
                "2 two after 1h30m because one node:22",
                "3 top after 2h30m because one two node:22",
            ],
        );
    }

    #[test]
    fn the_time_of_builds_is_known_as_far_as_it_was_recorded() {
        let graph = graph("low takes30: node:22\napp takes5: low\nother: node:22\nfar takes9:");
        let cascade = graph.cascade(graph.find("node:22").unwrap());
        let (seconds, unknown) = cascade.build_seconds();
        assert_eq!(
            (seconds, labels(&graph, unknown).as_str()),
            (35 * 60, "other")
        );
    }

    #[test]
    fn what_stays_is_named() {
        let pinned = format!("node:22@sha256:{}", "0".repeat(64));
        check(
            &format!("a 0: node:22\nb: ~node:22\nc: {pinned}\nd: node:20"),
            "docker.io/library/node:22",
            &[
                "1 a after 0h50m because node:22",
                "not needed by b",
                "pinned c",
            ],
        );
    }

    #[test]
    fn a_build_of_ours_sets_off_what_stands_on_it_at_once() {
        check(
            "low 1d: node:22\napp 7d: low\ntop: app",
            "low",
            &[
                "1 app after 0h30m because low",
                "2 top after 1h0m because app",
            ],
        );
        check(
            "a 1d: b\nb: a\nc: a",
            "a",
            &["1 c after 0h30m because a", "held b cycle"],
        );
    }
}
