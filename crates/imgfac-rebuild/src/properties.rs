//! What holds for every fleet, however odd.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::ImageName;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::fixture::{at, digest, name, reference, show, world};
use crate::fleet::{Fleet, Outcome, Run, after};
use crate::plan::{Plan, plan};
use crate::policy::Policy;
use crate::status::{Block, Status};

const TAGS: [&str; 8] = ["n:1", "g:1", "i0:1", "i1:1", "i2:1", "i3:1", "i4:1", "i5:1"];

/// A digest at some hours of a month; times need not be in order, and digests come back.
fn tags() -> impl Strategy<Value = String> {
    let seen = prop::collection::vec((0usize..4, 0u32..720), 0..5);
    prop::collection::vec(seen, TAGS.len()).prop_map(|tags| {
        let line = |(tag, seen): (&&str, &Vec<(usize, u32)>)| {
            let seen: Vec<String> = seen
                .iter()
                .map(|(digest, hour)| format!("{}@{hour}h", &"abcd"[*digest..=*digest]))
                .collect();
            format!("tag {tag} = {}\n", seen.join(" "))
        };
        TAGS.iter().zip(&tags).map(line).collect()
    })
}

/// Six images on any of the tags: circles, pins and all.
fn images() -> impl Strategy<Value = String> {
    let base = (0..TAGS.len(), 0usize..6, 0usize..4).prop_map(|(tag, kind, digest)| {
        let (tag, digest) = (TAGS[tag], &"abcd"[digest..=digest]);
        match kind {
            0 => format!("~{tag}"),
            1 => format!("{tag}@{digest}"),
            2 => tag.to_owned(),
            _ => format!("{tag}={digest}"),
        }
    });
    let run = (0u32..720, 0usize..4, 0usize..4).prop_map(|(hour, kind, digest)| {
        let kind = ["failed", "ok", "running", "failed"][kind];
        format!(
            "{hour}h..{}h {kind} n:1={}",
            hour + 1,
            &"abcd"[digest..=digest]
        )
    });
    let keys = (0usize..6, 0usize..4, 0usize..3).prop_map(|(delay, criticality, more)| {
        let delay = ["0", "1h", "1d", "7d", "7d", "14d"][delay];
        let criticality = ["critical", "high", "normal", "low"][criticality];
        let more = ["", " select=settled", " auto=no"][more];
        format!("delay={delay} criticality={criticality}{more}")
    });
    let emergency = prop::option::weighted(0.1, 0u32..720);
    let image = (
        keys,
        prop::collection::vec(base, 0..4),
        prop::collection::vec(run, 0..3),
        emergency,
    );
    prop::collection::vec(image, 1..6).prop_map(|images| {
        let mut text = String::new();
        for (number, (keys, bases, runs, emergency)) in images.iter().enumerate() {
            let emergency = emergency.map_or(String::new(), |at| format!(" emergency={at}h"));
            let bases = bases.join(" ");
            text += &format!("image i{number} {keys}{emergency} : {bases}\n");
            for run in runs {
                text += &format!("run i{number} {run}\n");
            }
        }
        text
    })
}

fn policies() -> impl Strategy<Value = String> {
    (0usize..4, 0usize..4, any::<bool>()).prop_map(|(total, registry, quarantine)| {
        let cap = |word: &str, cap: usize| match cap {
            3 => String::new(),
            cap => format!("cap {word}{cap}\n"),
        };
        let quarantine = if quarantine { "quarantine d\n" } else { "" };
        format!(
            "{}{}{quarantine}",
            cap("", total),
            cap("registry ", registry)
        )
    })
}

fn fleets() -> impl Strategy<Value = String> {
    (tags(), images(), policies()).prop_map(|(tags, images, policy)| tags + &images + &policy)
}

fn count(plan: &Plan, of: impl Fn(&Status) -> bool) -> usize {
    plan.images.iter().filter(|it| of(&it.status)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn each_image_has_one_state_that_fits_the_rest(text in fleets(), now in 0u32..720) {
        let (fleet, policy) = world(&text);
        let now = at(&format!("{now}h"));
        let plan = plan(&fleet, &policy, now);
        let names: Vec<&ImageName> = plan.images.iter().map(|it| &it.name).collect();
        prop_assert_eq!(names, fleet.images.keys().collect::<Vec<_>>());
        for it in &plan.images {
            let image = &fleet.images[&it.name];
            prop_assert_eq!(it.identity.is_some(), !it.causes.is_empty() || it.emergency.is_some());
            prop_assert!(plan.explain(it.name.as_str()).is_some());
            match &it.status {
                Status::Due { .. } => {
                    prop_assert!(it.eligible_at.is_some_and(|eligible| eligible <= now));
                    prop_assert!(image.schedule.auto || it.emergency.is_some());
                    prop_assert!(it.bases.values().all(|it| !policy.quarantine.contains(it)));
                    prop_assert!(it.rank.is_some() && it.wave.is_some());
                    prop_assert!(it.emergency.is_some() || it.causes.iter().any(|it| it.eligible_at <= now));
                }
                Status::Waiting { until, .. } => {
                    prop_assert!(*until > now);
                    prop_assert!(it.eligible_at >= Some(*until));
                }
                Status::Failed { next_try, .. } => prop_assert!(*next_try > now),
                Status::UpToDate(_) | Status::Pinned { .. } => prop_assert!(it.causes.is_empty()),
                Status::Blocked(Block::Parents(parents)) => prop_assert!(!parents.is_empty()),
                _ => {}
            }
        }
    }

    #[test]
    fn caps_hold(text in fleets(), now in 0u32..720) {
        let (fleet, policy) = world(&text);
        let plan = plan(&fleet, &policy, at(&format!("{now}h")));
        let running = count(&plan, |it| matches!(it, Status::InFlight { .. }));
        let due = plan.due().len();
        for cap in policy.caps.total.into_iter().chain(policy.caps.per_registry) {
            prop_assert!(running + due <= cap.max(running), "{}", show(&plan));
        }
        // Nor is one held back for which there is room.
        let capped = count(&plan, |it| matches!(it, Status::Blocked(Block::Cap(_))));
        let room = policy.caps.total.into_iter().chain(policy.caps.per_registry).min();
        prop_assert!(capped == 0 || room.is_some_and(|room| running + due >= room));
    }

    #[test]
    fn time_changes_nothing_before_it_wakes(text in fleets(), now in 0u32..720, later in 1u32..2_000) {
        let (fleet, policy) = world(&text);
        let now = at(&format!("{now}h"));
        let first = plan(&fleet, &policy, now);
        let later = after(now, SignedDuration::from_mins(i64::from(later)));
        let sleeps = first.wakes_at.is_none_or(|at| later < at);
        let later = plan(&fleet, &policy, later);
        let differences = first.differences(&later);
        prop_assert!(differences.is_empty() || !sleeps, "{differences:?}");
        prop_assert_eq!(differences.is_empty(), first.id() == later.id());
    }

    #[test]
    fn a_tag_that_returns_leaves_nothing_pending(text in fleets(), now in 0u32..720) {
        let (fleet, policy) = world(&text);
        let now = at(&format!("{now}h"));
        let first = plan(&fleet, &policy, now);
        for it in &first.images {
            for cause in &it.causes {
                let mut fleet = fleet.clone();
                fleet.observe(&cause.base, &cause.from, now);
                let plan = plan(&fleet, &policy, now);
                let left = plan.image(it.name.as_str()).unwrap();
                prop_assert!(left.causes.iter().all(|it| it.base != cause.base));
            }
        }
    }

    /// A base moves once, and all delays are equal: every image on it is built once, after all
    /// that it stands on.
    #[test]
    fn a_cascade_builds_each_image_once_and_in_order(
        edges in prop::collection::vec((0usize..12, 0usize..12), 0..24),
        on_base in prop::collection::vec(any::<bool>(), 12),
        minutes in prop::collection::vec(1i64..90, 12),
        cap in 1usize..14,
    ) {
        let mut text = format!("tag n:1 = a@0 b@1h\ncap {cap}\n");
        for (number, on_base) in on_base.iter().enumerate() {
            let mut bases: BTreeSet<String> = edges
                .iter()
                .map(|(one, other)| (one.min(other), one.max(other)))
                .filter(|(low, high)| **high == number && low < high)
                .map(|(low, _)| format!("i{low}:1=a"))
                .collect();
            if *on_base || bases.is_empty() {
                bases.insert("n:1=a".into());
            }
            let bases: Vec<String> = bases.into_iter().collect();
            text += &format!("tag i{number}:1 = a@0\nimage i{number} delay=1d : {}\n", bases.join(" "));
        }
        let (fleet, policy) = world(&text);
        let order = cascade(fleet.clone(), &policy, &minutes);
        let place: BTreeMap<&ImageName, usize> =
            order.iter().enumerate().map(|(at, name)| (name, at)).collect();
        prop_assert_eq!(place.len(), order.len(), "{:?}", order);
        prop_assert_eq!(order.len(), fleet.images.len(), "{:?}", order);
        for (name, image) in &fleet.images {
            for parent in image.bases.values().filter_map(|base| base.parent.as_ref()) {
                prop_assert!(place[parent] < place[name], "{:?}", order);
            }
        }
    }
}

/// The images in the order in which their rebuilds start, until nothing is left to do.
fn cascade(mut fleet: Fleet, policy: &Policy, minutes: &[i64]) -> Vec<ImageName> {
    let mut now = at("1d");
    let mut order = Vec::new();
    let mut builds: BTreeMap<ImageName, Timestamp> = BTreeMap::new();
    loop {
        let ended = builds.iter().filter(|(_, at)| **at <= now);
        let ended: Vec<ImageName> = ended.map(|(name, _)| name.clone()).collect();
        for name in ended {
            builds.remove(&name);
            let pushed = Some(digest("z"));
            fleet.finish(
                &name,
                Outcome::Succeeded {
                    at: now,
                    digest: pushed,
                },
            );
        }
        let made = plan(&fleet, policy, now);
        for it in made.due() {
            let number: usize = it.name.as_str()[1..].parse().unwrap();
            builds.insert(
                it.name.clone(),
                after(now, SignedDuration::from_mins(minutes[number])),
            );
            order.push(it.name.clone());
            let run = Run {
                identity: it.identity.clone().unwrap(),
                link: None,
                started: now,
                bases: it.bases.clone(),
                outcome: Outcome::Running,
            };
            assert!(fleet.start(&it.name, run));
        }
        let next = builds.values().copied().chain(made.wakes_at).min();
        match next {
            Some(next) if order.len() < 1_000 => now = next,
            _ => return order,
        }
    }
}

#[test]
fn identities_tell_what_is_built() {
    let identity = |image: &str, commit: Option<&str>, bases: &[(&str, &str)]| {
        let bases = bases.iter().map(|(tag, it)| (reference(tag), digest(it)));
        crate::Identity::new(&name(image), commit, &bases.collect())
    };
    let one = identity("app", Some("1"), &[("n:1", "a"), ("g:1", "b")]);
    assert_eq!(
        one,
        identity("app", Some("1"), &[("g:1", "b"), ("n:1", "a")])
    );
    insta::assert_snapshot!(one, @"95662123601165aa79e6bf63a6e42d9e0538bb422f7d19b6bc9ab2a68f9003d8");
    for other in [
        identity("ap", Some("p1"), &[("n:1", "a"), ("g:1", "b")]),
        identity("app", Some("2"), &[("n:1", "a"), ("g:1", "b")]),
        identity("app", None, &[("n:1", "a"), ("g:1", "b")]),
        identity("app", Some("1"), &[("n:1", "a"), ("g:1", "a")]),
        identity("app", Some("1"), &[("n:1", "a")]),
    ] {
        assert_ne!(one, other);
    }
}
