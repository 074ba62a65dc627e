//! Who was told of what.

use std::collections::BTreeSet;

use imgfac_model::NotificationEvent;
use imgfac_state::{Fleet, Keys, Store, Telling};
use insta::assert_snapshot;

use crate::factory::{Factory, NOW};

const PATH: &str = "state/notifications.yaml";
const LATER: &str = "2026-11-24T12:00:00Z";

/// `target: key key, target: key` as keys.
fn keys(text: &str) -> Keys {
    let targets = text.split(", ").filter(|target| !target.is_empty());
    let keys = targets.map(|target| {
        let (name, keys) = target.split_once(':').unwrap();
        let keys = keys.split_whitespace().map(str::to_owned).collect();
        (name.to_owned(), keys)
    });
    keys.collect()
}

/// A run that sees all failures and outages, and tells what is news; gives the news and the files
/// that changed.
fn run(factory: &Factory, current: &str, now: &str) -> (Keys, Vec<String>) {
    use NotificationEvent::{Failed, Unreachable};
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let current = keys(current);
    let news = fleet.told.news(&current);
    let telling = Telling {
        looked_at: BTreeSet::from([Failed, Unreachable]),
        current,
        told: news.clone(),
    };
    fleet.tell(&telling, now);
    let once = fleet.changes();
    fleet.tell(&telling, LATER);
    assert_eq!(fleet.changes(), once, "twice is as once");
    store.commit(&once).unwrap();
    let paths = once.iter().map(|change| change.path().to_owned());
    (news, paths.collect())
}

#[test]
fn nobody_is_told_twice() {
    let factory = Factory::new("[]\n");
    let current = "ops:failed/web/3f2a/1 unreachable/ghcr.io/2026-11-01, mail:failed/web/3f2a/1";
    assert_eq!(
        run(&factory, current, NOW),
        (keys(current), vec![PATH.to_owned()])
    );
    assert_snapshot!(factory.read(PATH), @r#"
    # Written by `imgfac`. Do not edit: who was told of what, so that nobody is told twice.

    mail:
      failed/web/3f2a/1: "2026-11-23T12:00:00Z"

    ops:
      failed/web/3f2a/1: "2026-11-23T12:00:00Z"
      unreachable/ghcr.io/2026-11-01: "2026-11-23T12:00:00Z"
    "#);
    // Later the same is no news, and nothing is written.
    assert_eq!(run(&factory, current, LATER), (Keys::new(), vec![]));
    // One is over, another is new.
    let other = "ops:failed/web/3f2a/2 unreachable/ghcr.io/2026-11-01, mail:failed/web/3f2a/1";
    assert_eq!(run(&factory, other, LATER).0, keys("ops:failed/web/3f2a/2"));
    assert_snapshot!(factory.read(PATH), @r#"
    # Written by `imgfac`. Do not edit: who was told of what, so that nobody is told twice.

    mail:
      failed/web/3f2a/1: "2026-11-23T12:00:00Z"

    ops:
      failed/web/3f2a/2: "2026-11-24T12:00:00Z"
      unreachable/ghcr.io/2026-11-01: "2026-11-23T12:00:00Z"
    "#);
    // What was over and comes back is news.
    assert_eq!(
        run(&factory, current, LATER).0,
        keys("ops:failed/web/3f2a/1")
    );
    // Nothing is the case: no file is left.
    assert_eq!(
        run(&factory, "ops:, mail:", LATER),
        (Keys::new(), vec![PATH.to_owned()])
    );
    assert!(!factory.0.path().join(PATH).exists());
    assert_eq!(run(&factory, "ops:, mail:", LATER), (Keys::new(), vec![]));
}

#[test]
fn what_a_run_did_not_look_at_stays() {
    let factory = Factory::new("[]\n");
    factory.write(
        PATH,
        "ops: {stale/web/2026-10-01: x, failed/web/1/1: x, other/web/1: x}\nold: {stale/web/2026-10-01: x}\n",
    );
    assert_eq!(run(&factory, "ops:", NOW).0, Keys::new());
    let text = factory.read(PATH);
    assert!(
        text.ends_with("\nops:\n  stale/web/2026-10-01: x\n"),
        "{text}"
    );
}

#[test]
fn what_could_not_be_told_is_news_again() {
    let factory = Factory::new("[]\n");
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let telling = Telling {
        looked_at: NotificationEvent::EACH.into(),
        current: keys("ops:failed/web/1/1 failed/api/1/1"),
        told: keys("ops:failed/web/1/1"),
    };
    fleet.tell(&telling, NOW);
    assert_eq!(
        fleet.told.news(&telling.current),
        keys("ops:failed/api/1/1")
    );
}

#[test]
fn what_is_told_once_and_then_over_is_forgotten_by_the_next_run() {
    let factory = Factory::new("[]\n");
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let telling = Telling {
        looked_at: NotificationEvent::EACH.into(),
        current: keys("ops:"),
        told: keys("ops:failed/web/1/1"),
    };
    fleet.tell(&telling, NOW);
    let once = fleet.changes();
    assert_eq!(once.len(), 1);
    fleet.tell(&telling, LATER);
    assert_eq!(fleet.changes(), once);
    store.commit(&once).unwrap();
    assert_eq!(run(&factory, "ops:", LATER).1, [PATH]);
    assert!(!factory.0.path().join(PATH).exists());
}

#[test]
fn a_file_that_cannot_be_used_makes_everything_news_once() {
    for text in [
        "",
        "[]",
        "ops: x",
        "ops: {a: [b]}",
        "a: {}\na: {}\n",
        "\0",
        "{",
        "ops: {? [a] : b}",
    ] {
        let factory = Factory::new("[]\n");
        factory.write(PATH, text);
        let store = Store::open(factory.0.path()).unwrap();
        let fleet = Fleet::read(&store).unwrap();
        assert!(fleet.told.problem.is_some(), "{text:?}");
        assert_eq!(fleet.changes(), []);
        let current = "ops:failed/web/3f2a/1";
        assert_eq!(run(&factory, current, NOW).0, keys(current), "{text:?}");
        assert_eq!(run(&factory, current, NOW), (Keys::new(), vec![]));
    }
}

#[test]
fn any_keys_come_back_as_they_were() {
    let factory = Factory::new("[]\n");
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let hard = [
        "failed/a: b/#",
        "failed/\n/\u{1b}",
        "on",
        "",
        "~",
        "failed/é/'\"",
    ];
    let current = Keys::from([("ops".to_owned(), hard.map(str::to_owned).into())]);
    let telling = Telling {
        looked_at: NotificationEvent::EACH.into(),
        current: current.clone(),
        told: current.clone(),
    };
    fleet.tell(&telling, NOW);
    store.commit(&fleet.changes()).unwrap();
    let mut again = Fleet::read(&store).unwrap();
    assert_eq!(again.told.problem, None);
    assert_eq!(again.told.news(&current), Keys::new());
    again.tell(&telling, LATER);
    assert_eq!(again.changes(), []);
}
