//! What a change of an image would set off.

use std::collections::BTreeMap;

use imgfac_model::Reference;
use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::node::{Kind, Status};

/// The rebuilds that follow when an image moves to another digest.
///
/// An image is due when the first of its updates has waited long enough: `rebuildDelay` after a
/// change of a base, `cascadeDelay` after the push of a parent of ours, and never before the
/// `coordinationWindow`. The rebuild carries every update that is there by then; what comes later
/// starts another one. Builds are taken to need no time.
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

/// What a change means for an image.
enum Effect {
    /// It is rebuilt: wave and time of each rebuild.
    Built(Vec<(usize, u64)>),
    Held,
    Behind,
}

/// An update that an image learns of.
struct Update {
    from: NodeIndex,
    wave: usize,
    seen: u64,
    due: u64,
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
        let order = self.order();
        // What an image needs comes in earlier waves. Only in a circle that is not so: there, what
        // reaches one reaches all.
        for image in order.waves().into_iter().flatten() {
            if image == cause || effects.contains_key(&image) {
                continue;
            }
            if order.in_cycle(image) {
                let mut circles = order.cycles().iter();
                let circle = circles.find(|cycle| cycle.members.contains(&image));
                let members = circle.map_or(&[][..], |cycle| &cycle.members);
                let reached = members.iter().any(|member| {
                    let (updates, behind) = self.updates(*member, cause, &effects);
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
            let (updates, behind) = self.updates(image, cause, &effects);
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
                    let builds = builds(image, updates);
                    let times = builds.iter().map(|build| (build.wave, build.after_millis));
                    let effect = Effect::Built(times.collect());
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
    ) -> (Vec<Update>, bool) {
        let (mut updates, mut behind) = (Vec::new(), false);
        let bases = self.bases_of(image).into_iter();
        for (from, _) in bases.filter(|(_, edge)| edge.carries_updates()) {
            let policy = self.node(image).policy.as_ref();
            let wait = policy.map_or(0, |policy| policy.wait_millis(self.node(from).kind));
            let mut update = |wave: usize, seen: u64| {
                let due = seen.saturating_add(wait);
                updates.push(Update {
                    from,
                    wave,
                    seen,
                    due,
                });
            };
            match effects.get(&from) {
                _ if from == cause => update(0, 0),
                Some(Effect::Built(builds)) => {
                    builds.iter().for_each(|(wave, at)| update(*wave, *at));
                }
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
fn builds(image: NodeIndex, mut updates: Vec<Update>) -> Vec<Build> {
    let mut builds = Vec::new();
    while let Some(at) = updates.iter().map(|update| update.due).min() {
        let (carried, later): (Vec<_>, Vec<_>) =
            updates.into_iter().partition(|update| update.seen <= at);
        let mut because: Vec<NodeIndex> = carried.iter().map(|update| update.from).collect();
        because.dedup();
        builds.push(Build {
            image,
            wave: 1 + carried.iter().map(|update| update.wave).max().unwrap_or(0),
            after_millis: at,
            because,
        });
        updates = later;
    }
    builds
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
                "1 low after 24h0m because node:22",
                "2 mid after 24h30m because low",
                "3 app after 25h0m because mid",
            ],
        );
    }

    #[test]
    fn a_rebuild_carries_what_is_there_and_what_comes_later_starts_another() {
        check(
            "low 1d: node:22\napp 7d: low node:22\nfast 0: low node:22",
            "node:22",
            &[
                "1 fast after 0h30m because node:22",
                "1 low after 24h0m because node:22",
                "2 app after 24h30m because low node:22",
                "2 fast after 24h30m because low",
            ],
        );
    }

    #[test]
    fn a_parent_that_is_due_at_the_same_time_comes_first() {
        check(
            "low 1d: node:22\napp 1d: low node:22",
            "node:22",
            &[
                "1 low after 24h0m because node:22",
                "2 app after 24h0m because low node:22",
            ],
        );
    }

    proptest! {
        #[test]
        fn every_update_arrives(edges in prop::collection::vec((0u8..12, 0u8..12), 0..30), delays in prop::collection::vec(0u8..4, 12), manual in 0u8..24) {
            let mut lines: Vec<String> = Vec::new();
            for (at, delay) in delays.iter().enumerate() {
                let held = if usize::from(manual) == at { " manual" } else { "" };
                lines.push(format!("i{at:02} {delay}h{held}:{}", if at < 3 { " node:22" } else { "" }));
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
                            && other.after_millis >= build.after_millis
                            && other.wave > build.wave
                    });
                    prop_assert!(carried || held.contains(&dependent));
                }
            }
        }
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
                "1 both after 48h0m because node:22",
                "held a cycle",
                "held b cycle",
                "held low manual",
                "behind app on-circle",
            ],
        );
    }

    #[test]
    fn what_stays_is_named() {
        let pinned = format!("node:22@sha256:{}", "0".repeat(64));
        check(
            &format!("a 0: node:22\nb: ~node:22\nc: {pinned}\nd: node:20"),
            "docker.io/library/node:22",
            &[
                "1 a after 0h30m because node:22",
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
