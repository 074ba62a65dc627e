//! Fleets for tests, written down shortly.
//!
//! ```text
//! tag node:22 = a@0 b@1d b@1d^20h    what a tag was seen to point at, and when; ^ pushed
//! tag node:22 = a@0[xy] b@1d[zy]     the same of an index, with the images for amd64 and arm64
//! image app delay=7d : node:22=a     what it stands on, and the digest that it was built on
//! image top : app:1 ~go:1 node:22@a  an image of that name is the parent; ~ not needed; @ pinned
//! run app 7d..8d ok node:22=b >c     from, to, outcome (ok, failed, running), bases, what was pushed
//! cap 3  cap repository 1  cap registry 1  quarantine b
//! ```
//!
//! A digest is one letter, a time is a delay after the start of 2026.

use std::collections::BTreeMap;

use imgfac_model::{
    Criticality, Delay, DelayClock, Digest, DigestSelection, ImageName, Platform, Reference,
};
use jiff::Timestamp;

use crate::Schedule;
use crate::fleet::{Base, Emergency, Fleet, Image, Outcome, Run, Sighting, after, millis};
use crate::identity::Identity;
use crate::plan::{Decision, Plan, plan};
use crate::policy::Policy;
use crate::status::{Block, Status};

pub(crate) fn at(text: &str) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    after(start, millis(Delay::new(text).unwrap().as_millis()))
}

pub(crate) fn digest(letter: &str) -> Digest {
    let byte = letter.bytes().next().unwrap();
    assert_eq!(letter.len(), 1, "{letter:?} is not one letter");
    Digest::parse(&format!("sha256:{byte:02x}{}", "0".repeat(62))).unwrap()
}

fn letter(digest: &Digest) -> char {
    char::from(u8::from_str_radix(&digest.hex()[..2], 16).unwrap())
}

pub(crate) fn reference(text: &str) -> Reference {
    match text.split_once('@') {
        Some((tag, pinned)) => Reference::parse(&format!("{tag}@{}", digest(pinned))).unwrap(),
        None => Reference::parse(text).unwrap(),
    }
}

pub(crate) fn name(text: &str) -> ImageName {
    ImageName::new(text).unwrap()
}

/// An image that stands on nothing.
pub(crate) fn image() -> Image {
    Image {
        registry: "ghcr.io".into(),
        repository: "github.com/acme/images".into(),
        source_commit: Some("c0ffee".into()),
        ..Image::new(Schedule {
            delay: Delay::new("7d").unwrap(),
            cascade_delay: Delay::new("0").unwrap(),
            window: Delay::new("30m").unwrap(),
            auto: true,
            criticality: Criticality::Normal,
        })
    }
}

pub(crate) fn world(text: &str) -> (Fleet, Policy) {
    let (mut fleet, mut policy) = (Fleet::default(), Policy::default());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (word, rest) = line.split_once(' ').unwrap();
        match word {
            "tag" => {
                let (tag, seen) = rest.split_once(" =").unwrap();
                let seen = seen.split_whitespace().map(sighting).collect();
                fleet.tags.insert(reference(tag), seen);
            }
            "image" => {
                let (head, bases) = rest.split_once(':').unwrap_or((rest, ""));
                let (called, keys) = head.split_once(' ').unwrap_or((head, ""));
                let mut image = image();
                keys.split_whitespace().for_each(|key| set(&mut image, key));
                image.bases = bases.split_whitespace().map(base).collect();
                fleet.images.insert(name(called), image);
            }
            "run" => run(&mut fleet, rest),
            "quarantine" => {
                policy.quarantine.insert(digest(rest));
            }
            "cap" => match rest.split_once(' ') {
                Some(("repository", cap)) => policy.caps.per_repository = cap.parse().ok(),
                Some(("registry", cap)) => policy.caps.per_registry = cap.parse().ok(),
                _ => policy.caps.total = Some(rest.parse().unwrap()),
            },
            _ => panic!("{line}"),
        }
    }
    let names: Vec<ImageName> = fleet.images.keys().cloned().collect();
    for (reference, base) in fleet.images.values_mut().flat_map(|it| &mut it.bases) {
        let path = reference.repository().path().to_owned();
        let parent = |name: &&ImageName| path == format!("library/{name}");
        base.parent = names.iter().find(parent).cloned();
    }
    (fleet, policy)
}

fn sighting(text: &str) -> Sighting {
    let (seen, time) = text.split_once('@').unwrap();
    let (time, images) = match time.strip_suffix(']').and_then(|it| it.split_once('[')) {
        Some((time, images)) => (time, images),
        None => (time, ""),
    };
    let (first, pushed) = match time.split_once('^') {
        Some((first, pushed)) => (first, Some(at(pushed))),
        None => (time, None),
    };
    let platforms = ["linux/amd64", "linux/arm64/v8"].map(|it| Platform::new(it).unwrap());
    let letters = images.split("").filter(|letter| !letter.is_empty());
    Sighting {
        digest: digest(seen),
        first_seen: at(first),
        pushed,
        platforms: platforms.into_iter().zip(letters.map(digest)).collect(),
    }
}

fn set(image: &mut Image, text: &str) {
    let (key, value) = text.split_once('=').unwrap();
    let delay = || Delay::new(value).unwrap();
    match key {
        "delay" => image.schedule.delay = delay(),
        "cascade" => image.schedule.cascade_delay = delay(),
        "window" => image.schedule.window = delay(),
        "auto" => image.schedule.auto = value == "yes",
        "criticality" => image.schedule.criticality = value.parse().unwrap(),
        "select" => image.select = DigestSelection::Settled,
        "clock" => image.clock = DelayClock::Registry,
        "platform" => image.platforms.push(Platform::new(value).unwrap()),
        "registry" => image.registry = value.into(),
        "repository" => image.repository = value.into(),
        "commit" => image.source_commit = Some(value.into()),
        "built" => image.built_at = Some(at(value)),
        "unknown" => image.unknown = Some(value.into()),
        "emergency" => {
            image.emergency = Some(Emergency {
                asked: at(value),
                reason: "CVE-2026-1".into(),
            });
        }
        _ => panic!("{text}"),
    }
}

fn base(text: &str) -> (Reference, Base) {
    let (text, pending_since) = match text.split_once('!') {
        Some((text, since)) => (text, Some(at(since))),
        None => (text, None),
    };
    let (text, built_on) = match text.split_once('=') {
        Some((text, built)) => (text, Some(digest(built))),
        None => (text, None),
    };
    let base = Base {
        parent: None,
        needed: !text.starts_with('~'),
        built_on,
        pending_since,
    };
    (reference(text.trim_start_matches('~')), base)
}

fn run(fleet: &mut Fleet, text: &str) {
    let mut words = text.split_whitespace();
    let called = name(words.next().unwrap());
    let (start, end) = words.next().unwrap().split_once("..").unwrap();
    let word = words.next().unwrap();
    let (mut bases, mut pushed) = (BTreeMap::new(), None);
    for word in words {
        match (word.strip_prefix('>'), word.split_once('=')) {
            (Some(it), _) => pushed = Some(digest(it)),
            (None, Some((base, it))) => {
                bases.insert(reference(base), digest(it));
            }
            _ => panic!("{text}"),
        }
    }
    let image = fleet.images.get_mut(&called).unwrap();
    image.runs.push(Run {
        identity: Identity::new(&called, image.source_commit.as_deref(), &bases),
        link: Some("17".into()),
        started: at(start),
        bases,
        outcome: match word {
            "ok" => Outcome::Succeeded {
                at: at(end),
                digest: pushed,
            },
            "failed" => Outcome::Failed { at: at(end) },
            "running" => Outcome::Running,
            _ => panic!("{text}"),
        },
    });
}

/// Each decision in a line.
pub(crate) fn decisions(text: &str, now: &str) -> String {
    let (fleet, policy) = world(text);
    show(&plan(&fleet, &policy, at(now)))
}

pub(crate) fn show(plan: &Plan) -> String {
    let lines: Vec<String> = plan.images.iter().map(line).collect();
    lines.join("\n")
}

fn line(it: &Decision) -> String {
    let mut line = format!("{}: {} {}", it.name, it.status.code(), it.status.reason());
    match &it.status {
        Status::Waiting { until, .. } => line += &format!(" until {}", time(*until)),
        Status::Due { attempt, .. } if *attempt > 1 => line += &format!(" attempt {attempt}"),
        Status::Failed { attempt, next_try } => {
            line += &format!(" {attempt} times, next {}", time(*next_try));
        }
        Status::Blocked(Block::Parents(names)) => {
            let names: Vec<&str> = names.iter().map(ImageName::as_str).collect();
            line += &format!(" [{}]", names.join(" "));
        }
        Status::Pinned { behind } => {
            for it in behind {
                line += &format!(" {} since {}", it.digests, time(it.since));
            }
        }
        _ => {}
    }
    if let Some(eligible) = it.eligible_at {
        line += &format!(", eligible {}", time(eligible));
    }
    if let Some(wave) = it.wave {
        line += &format!(", wave {wave}");
    }
    if let Some(rank) = it.rank {
        line += &format!(", rank {rank}");
    }
    for cause in &it.causes {
        let base = cause.base.familiar();
        let (from, to) = (letter(&cause.from), letter(&cause.to));
        line += &format!(", {base} {from}>{to} since {}", time(cause.first_seen));
        if cause.clock == DelayClock::Registry {
            line += " (registry)";
        }
    }
    if it.is_alarming() {
        line += ", alarming";
    }
    line
}

fn time(time: Timestamp) -> String {
    let minutes = time.duration_since(at("0")).as_mins();
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "m")];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number != 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() { "0".into() } else { text }
}
