//! Rebuilds that are asked for, started and ended.

use std::collections::BTreeMap;

use imgfac_model::{Digest, Reference};
use imgfac_state::{
    AskedEmergency, Attempt, FileChange, Fleet, Rebuild, RebuildCause, RebuildEnd, RebuildOutcome,
    Store, asked_emergency, pending_since, rebuilds,
};
use insta::assert_snapshot;

use crate::factory::Factory;

const IMAGES: &str = "\
- {name: base, registry: ghcr.io, repository: acme/base, source: {repo: acme/base}}
- {name: web, repository: acme/web, source: {repo: acme/web}}
";

fn factory() -> Factory {
    let factory = Factory::new(IMAGES);
    factory.update(
        "2026-11-01T00:00:00Z",
        &[
            ("base", Ok(&["alpine:3"])),
            ("web", Ok(&["node:22", "ghcr.io/acme/base:1"])),
        ],
    );
    factory
}

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn rebuild(identity: &str, day: u8) -> Rebuild {
    Rebuild {
        identity: identity.to_owned(),
        reason: "base-update".to_owned(),
        requested_at: format!("2026-11-{day:02}T00:00:00Z"),
        ticket: "7e57".to_owned(),
        source_commit: Some("c0ffee".to_owned()),
        bases: BTreeMap::from([
            ("docker.io/library/node:22".to_owned(), digest('b')),
            ("ghcr.io/acme/base:1".to_owned(), digest('d')),
        ]),
        before: BTreeMap::new(),
        causes: vec![RebuildCause {
            base: "docker.io/library/node:22".to_owned(),
            from: digest('a'),
            to: digest('b'),
            first_seen: "2026-11-02T00:00:00Z".to_owned(),
        }],
        run: None,
        url: None,
        outcome: RebuildOutcome::Requested,
        ended_at: None,
        digest: None,
        problem: None,
    }
}

fn attempt(rebuild: &Rebuild) -> Attempt {
    Attempt {
        image: "web".to_owned(),
        identity: rebuild.identity.clone(),
        requested_at: rebuild.requested_at.clone(),
    }
}

/// Changes the fleet, and gives the part of the state of `web` from `builtOn` on, digests shortened.
fn change(factory: &Factory, change: impl FnOnce(&mut Fleet)) -> String {
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    change(&mut fleet);
    store.commit(&fleet.changes()).unwrap();
    let text = factory.read("state/images/web.yaml");
    let from = text.find("currentVersion").unwrap();
    let mut text = text[from..].to_owned();
    for letter in 'a'..='d' {
        text = text.replace(&digest(letter), &letter.to_string());
    }
    text
}

#[test]
fn an_attempt_is_written_before_and_after() {
    let factory = factory();
    let wanted = rebuild("i1", 9);
    let attempt = attempt(&wanted);
    assert_snapshot!(change(&factory, |fleet| {
        let told = fleet.rebuild_requested("web", &wanted).unwrap();
        assert_eq!(told.details, ["rebuild requested: base-update, node:22"]);
        assert!(fleet.rebuild_requested("nosuch", &wanted).is_none());
    }), @r#"
    currentVersion: null
    currentDigest: null
    lastBuilt: null

    # History
    rebuildHistory:
      - identity: i1
        reason: base-update
        requestedAt: "2026-11-09T00:00:00Z"
        ticket: "7e57"
        sourceCommit: c0ffee
        causes:
          - base: docker.io/library/node:22
            from: a
            to: b
            firstSeen: "2026-11-02T00:00:00Z"
        bases:
          docker.io/library/node:22: b
          ghcr.io/acme/base:1: d
        outcome: requested
    "#);
    change(&factory, |fleet| {
        let url = Some("https://github.com/acme/web/actions/runs/7");
        assert!(fleet.rebuild_started(&attempt, Some("7"), url).is_some());
        // The same once more is no news.
        assert!(fleet.rebuild_started(&attempt, Some("7"), url).is_none());
    });
    let end = RebuildEnd {
        at: "2026-11-09T00:05:00Z".to_owned(),
        duration_seconds: Some(240),
        digest: Some(digest('c')),
        version: Some("latest".to_owned()),
        // The build says so of one; of the other it is what it was told.
        stood_on: BTreeMap::from([(
            Reference::parse("node:22").unwrap(),
            Digest::parse(&digest('a')).unwrap(),
        )]),
        ..RebuildEnd::default()
    };
    assert_snapshot!(change(&factory, |fleet| {
        assert!(fleet.rebuild_ended(&attempt, &end).is_some());
        // It ended once.
        assert!(fleet.rebuild_ended(&attempt, &end).is_none());
        assert!(fleet.rebuild_started(&attempt, Some("8"), None).is_none());
    }), @r#"
    currentVersion: latest
    currentDigest: c
    lastBuilt: "2026-11-09T00:05:00Z"
    builtOn:
      ghcr.io/acme/base:1: d
      node-22: a

    # History
    rebuildHistory:
      - identity: i1
        reason: base-update
        requestedAt: "2026-11-09T00:00:00Z"
        ticket: "7e57"
        sourceCommit: c0ffee
        causes:
          - base: docker.io/library/node:22
            from: a
            to: b
            firstSeen: "2026-11-02T00:00:00Z"
        bases:
          docker.io/library/node:22: b
          ghcr.io/acme/base:1: d
        outcome: success
        run: "7"
        url: https://github.com/acme/web/actions/runs/7
        endedAt: "2026-11-09T00:05:00Z"
        durationSeconds: 240
        digest: c
    "#);
    let store = Store::open(factory.0.path()).unwrap();
    let fleet = Fleet::read(&store).unwrap();
    let read = rebuilds(&fleet.images["web"].rest);
    let mut expected = wanted;
    expected.run = Some("7".to_owned());
    expected.url = Some("https://github.com/acme/web/actions/runs/7".to_owned());
    expected.outcome = RebuildOutcome::Success;
    expected.ended_at = Some(end.at);
    expected.digest = end.digest;
    assert_eq!(read, [expected]);
}

#[test]
fn a_failure_changes_nothing_of_what_the_image_is() {
    let factory = factory();
    let before = change(&factory, |_| {});
    let wanted = rebuild("i1", 9);
    let end = RebuildEnd {
        at: "2026-11-09T00:05:00Z".to_owned(),
        failure: Some("its run ended with cancelled".to_owned()),
        ..RebuildEnd::default()
    };
    let after = change(&factory, |fleet| {
        fleet.rebuild_requested("web", &wanted);
        fleet.rebuild_ended(&attempt(&wanted), &end);
    });
    let state = |text: &str| text.split("# ").next().unwrap().trim().to_owned();
    assert_eq!(state(&before), state(&after));
    assert!(
        after.contains("problem: its run ended with cancelled"),
        "{after}"
    );
}

#[test]
fn an_attempt_that_nobody_was_asked_for_leaves_nothing() {
    let factory = factory();
    let before = change(&factory, |_| {});
    let wanted = rebuild("i1", 9);
    let after = change(&factory, |fleet| {
        fleet.rebuild_requested("web", &wanted);
        let told = fleet
            .rebuild_withdrawn(&attempt(&wanted), "a limit")
            .unwrap();
        assert_eq!(told.details, ["rebuild put off: a limit"]);
        assert!(
            fleet
                .rebuild_withdrawn(&attempt(&wanted), "a limit")
                .is_none()
        );
    });
    assert_eq!(before, after);
    // Others stay, and so does what is known to run or to have ended.
    let (first, second) = (rebuild("i1", 8), rebuild("i1", 9));
    change(&factory, |fleet| {
        fleet.rebuild_requested("web", &first);
        fleet.rebuild_requested("web", &second);
        assert!(
            fleet
                .rebuild_withdrawn(&attempt(&second), "a limit")
                .is_some()
        );
        fleet.rebuild_started(&attempt(&first), Some("7"), None);
        assert!(
            fleet
                .rebuild_withdrawn(&attempt(&first), "a limit")
                .is_none()
        );
        let end = RebuildEnd::default();
        fleet.rebuild_ended(&attempt(&first), &end);
        assert!(
            fleet
                .rebuild_withdrawn(&attempt(&first), "a limit")
                .is_none()
        );
        assert_eq!(rebuilds(&fleet.images["web"].rest).len(), 1);
    });
}

#[test]
fn old_rebuilds_go_and_open_ones_stay() {
    let factory = factory();
    factory.write(
        "state/images/web.yaml",
        &(factory.read("state/images/web.yaml") + "rebuildHistory:\n  - {at: 2025, by: hand}\n"),
    );
    let first = rebuild("open", 1);
    change(&factory, |fleet| {
        fleet.rebuild_requested("web", &first);
        for number in 0..40 {
            let wanted = rebuild(&format!("i{number}"), 9);
            fleet.rebuild_requested("web", &wanted);
            let end = RebuildEnd {
                at: "2026-11-09T00:05:00Z".to_owned(),
                ..RebuildEnd::default()
            };
            fleet.rebuild_ended(&attempt(&wanted), &end);
        }
    });
    let store = Store::open(factory.0.path()).unwrap();
    let fleet = Fleet::read(&store).unwrap();
    let read = rebuilds(&fleet.images["web"].rest);
    assert_eq!(read.len(), 30);
    assert_eq!(read[0].identity, "open");
    assert_eq!(read[29].identity, "i39");
}

#[test]
fn what_waits_longer_than_digests_are_kept_is_not_forgotten() {
    let factory = factory();
    let observe = |digests: &str, day: usize| {
        change(&factory, |fleet| {
            let base = imgfac_model::BaseName::new("node-22").unwrap();
            for (at, letter) in digests.chars().enumerate() {
                let now = format!("2026-11-{:02}T00:00:00Z", day + at);
                let digest = Digest::parse(&digest(letter)).unwrap();
                fleet.observe(&base, &digest, &now).unwrap();
            }
        });
        let store = Store::open(factory.0.path()).unwrap();
        pending_since(&Fleet::read(&store).unwrap().images["web"].rest)
    };
    // Ten are kept: the first is still among them.
    assert_eq!(observe("abcdefdefd", 2), BTreeMap::new());
    let since = BTreeMap::from([("node-22".to_owned(), "2026-11-03T00:00:00Z".to_owned())]);
    assert_eq!(observe("e", 12), since);
    // Later ones are not what it waits for.
    assert_eq!(observe("fefe", 13), since);
    // It is what the image was built on: nothing waits.
    assert_eq!(observe("a", 17), BTreeMap::new());
}

#[test]
fn the_same_content_cuts_the_cascade() {
    let factory = factory();
    change(&factory, |fleet| {
        for (letter, day) in [('a', 2), ('b', 3)] {
            let now = format!("2026-11-{day:02}T00:00:00Z");
            let digest = Digest::parse(&digest(letter)).unwrap();
            fleet.observe_tag("base", "1", &digest, &now).unwrap();
        }
        let built_on = &fleet.images["web"].state.built_on;
        assert_eq!(built_on["ghcr.io/acme/base:1"], digest('a'));
        assert_eq!(fleet.same_content("base", "1", &digest('c')), []);
        assert_eq!(fleet.same_content("base", "2", &digest('a')), []);
        assert_eq!(fleet.same_content("base", "1", &digest('a')).len(), 1);
        let built_on = &fleet.images["web"].state.built_on;
        assert_eq!(built_on["ghcr.io/acme/base:1"], digest('b'));
    });
}

#[test]
fn an_emergency_is_on_the_image_and_in_the_record() {
    let factory = factory();
    let asked = AskedEmergency {
        asked_at: "2026-11-09T00:00:00Z".to_owned(),
        reason: "x: \"y\" # z".to_owned(),
        actor: "alice".to_owned(),
        vulnerabilities: vec!["CVE-2026-12345".to_owned()],
    };
    change(&factory, |fleet| {
        assert!(fleet.emergency_asked("web", &asked).is_some());
        assert!(fleet.emergency_asked("nosuch", &asked).is_none());
    });
    let store = Store::open(factory.0.path()).unwrap();
    let fleet = Fleet::read(&store).unwrap();
    assert_eq!(
        asked_emergency(&fleet.images["web"].rest),
        Some(asked.clone())
    );
    let FileChange::Write { path, text } = asked.record(&["web"]) else {
        panic!("a record is written");
    };
    assert_snapshot!(format!("{path}\n{text}"), @r#"
    state/audit/20261109T000000Z-2b3ed121.yaml
    # An emergency: who asked, why, and for which images. Written once, never changed.
    askedAt: "2026-11-09T00:00:00Z"
    actor: alice
    reason: "x: \"y\" # z"
    vulnerabilities:
      - CVE-2026-12345
    images:
      - web
    "#);
    let other = AskedEmergency {
        reason: "other".to_owned(),
        ..asked.clone()
    };
    assert_ne!(asked.record(&["web"]).path(), other.record(&["web"]).path());
}
