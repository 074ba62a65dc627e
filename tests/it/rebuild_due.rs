//! `imgfac rebuild --due` over several runs: what is built, in which order, and when again.

use imgfac_tests::{Built, Plant, Pushed};
use insta::assert_snapshot;

/// An image on a Dockerfile.
fn on<'b>(name: &'b str, dockerfile: &'b str) -> Built<'b> {
    Built {
        name,
        dockerfile,
        ..Built::default()
    }
}

fn layer(layer: &str) -> Pushed<'_> {
    Pushed {
        layer,
        ..Pushed::default()
    }
}

const NODE: &str = "FROM REGISTRY/lib/node:22\n";

/// `left` and `right` on `lib/node`, `top` on both; all were built and seen, and node has moved.
fn diamond(push: bool) -> Plant {
    let top =
        "FROM REGISTRY/acme/left:1 AS left\nFROM REGISTRY/acme/right:1\nCOPY --from=left /a /a\n";
    let images = [on("left", NODE), on("right", NODE), on("top", top)];
    let mut plant = crate::plant(push, &images, "");
    for image in ["left", "right", "top"] {
        plant
            .registry
            .push(&format!("acme/{image}:1"), &layer(image));
    }
    plant.moves("lib/node:22", "first");
    plant.pass("1d");
    plant.moves("lib/node:22", "second");
    plant
}

fn a_diamond_is_built(push: bool) {
    let mut plant = diamond(push);
    assert_eq!(
        plant.reasons(),
        "left delay, right delay, top parent-pending"
    );
    plant.pass("7d");
    let first = plant.due();
    assert_eq!(first.code, 0, "{first}");
    assert_eq!(plant.started(), ["left", "right"]);
    assert_eq!(
        plant.reasons(),
        "left running, right running, top parent-pending"
    );

    // Only one of them ends: the other is waited for.
    plant.pass("10m");
    plant.succeeds("left", &layer("left, again"));
    let second = plant.due();
    assert_eq!(second.code, 0, "{second}");
    plant.pass("1h");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started(), ["left", "right"]);
    plant.succeeds("right", &layer("right, again"));
    for _ in 0..48 {
        plant.good(&["rebuild", "--due"]);
        if plant.started().len() == 3 {
            break;
        }
        plant.pass("1h");
    }
    assert_eq!(plant.started(), ["left", "right", "top"]);
    let causes = &plant.github.runs()[2].inputs["imgfac_causes"];
    assert!(causes.contains("acme/left:1") && causes.contains("acme/right:1"));
    plant.succeeds("top", &layer("top, again"));
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.reasons(), "left current, right current, top current");

    // Nothing is due: nothing is written, and nobody is asked to build.
    let before = plant.written();
    plant.pass("30d");
    let idle = plant.due();
    assert_eq!((idle.code, idle.stdout.as_str()), (0, "Nothing is due.\n"));
    assert_eq!(plant.written(), before);
    assert_eq!(plant.started().len(), 3);
}

#[test]
fn a_diamond_is_built_in_order_and_once() {
    a_diamond_is_built(false);
}

#[test]
fn a_diamond_is_built_in_order_and_once_by_jobs_that_push() {
    a_diamond_is_built(true);
}

#[test]
fn caps_are_kept_and_the_most_critical_come_first() {
    for (settings, first) in [
        ("rebuilds: {maxRunning: 1}\n", 1),
        ("rebuilds: {maxPerRepository: 2}\n", 2),
        ("rebuilds: {maxPerRegistry: 1}\n", 1),
    ] {
        let critical = Built {
            keys: "criticality: critical, ",
            ..on("zeta", NODE)
        };
        let images = [on("alpha", NODE), on("beta", NODE), critical];
        let mut plant = crate::plant(false, &images, settings);
        plant.moves("lib/node:22", "first");
        plant.moves("lib/node:22", "second");
        plant.pass("7d");
        plant.good(&["rebuild", "--due"]);
        let order = ["zeta", "alpha", "beta"];
        assert_eq!(plant.started(), order[..first], "{settings}");
        // As one ends, the next one begins.
        plant.ends("zeta", "success");
        plant.good(&["rebuild", "--due"]);
        assert_eq!(plant.started(), order[..=first], "{settings}");
        let again = plant.due();
        assert_eq!(plant.started().len(), first + 1, "{again}");
    }
}

#[test]
fn a_cap_of_nothing_starts_nothing() {
    let mut plant = crate::plant(false, &[on("web", NODE)], "rebuilds: {maxRunning: 0}\n");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(
        (plant.started(), plant.reasons()),
        (vec![], "web cap".to_owned())
    );
}

#[test]
fn names_keep_to_the_caps_and_count_once() {
    let images = [on("api", NODE), on("web", NODE)];
    let plant = crate::plant(false, &images, "rebuilds: {maxRunning: 1}\n");
    plant.moves("lib/node:22", "first");
    let told = plant.run(&["rebuild", "web", "web", "api"]);
    assert_eq!(told.code, 3, "{told}");
    let why = "no more than 1 rebuild may run in the factory at the same time";
    assert!(told.stdout.contains(why), "{told}");
    assert_eq!(plant.started().len(), 1, "{told}");
}

#[test]
fn an_image_of_people_is_left_to_people() {
    let manual = Built {
        keys: "autoRebuild: false, ",
        ..on("web", NODE)
    };
    let mut plant = crate::plant(false, &[manual], "");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    assert_eq!(plant.reasons(), "web auto-rebuild-off");
    let before = plant.written();
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.written(), before);
    plant.good(&["rebuild", "web"]);
    assert_eq!(plant.started(), ["web"]);
    assert_eq!(plant.github.runs()[0].inputs["imgfac_reason"], "manual");
}

#[test]
fn what_fails_is_tried_later_and_later() {
    let mut plant = crate::plant(false, &[on("web", NODE)], "");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    plant.good(&["rebuild", "--due"]);
    let mut waits = Vec::new();
    for attempt in 1..=6 {
        plant.pass("1m");
        plant.ends("web", "failure");
        let mut minutes = 0;
        while plant.started().len() == attempt {
            let outcome = plant.due();
            assert_eq!(outcome.code, if minutes == 0 { 3 } else { 0 }, "{outcome}");
            if plant.started().len() == attempt {
                plant.pass("30m");
                minutes += 30;
            }
        }
        waits.push(minutes / 60);
    }
    assert_eq!(waits, [0, 0, 1, 2, 4, 8]);
    let reasons: Vec<String> = (plant.github.runs().iter())
        .map(|run| run.inputs["imgfac_reason"].clone())
        .collect();
    assert_eq!(reasons[..3], ["base-update", "retry", "retry"]);
    let identities: std::collections::BTreeSet<String> = (plant.github.runs().iter())
        .map(|run| run.inputs["imgfac_rebuild"].clone())
        .collect();
    assert_eq!(
        identities.len(),
        1,
        "the same rebuild has the same identity"
    );

    // Another digest starts afresh.
    plant.ends("web", "failure");
    let failed = plant.due();
    assert_eq!(failed.code, 3, "{failed}");
    assert_eq!(plant.reasons(), "web back-off");
    plant.moves("lib/node:22", "third");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started().len(), 8);
}

#[test]
fn a_base_that_comes_back_needs_no_rebuild() {
    let mut plant = crate::plant(false, &[on("web", NODE)], "");
    plant.moves("lib/node:22", "first");
    plant.pass("1d");
    plant.moves("lib/node:22", "second");
    assert_eq!(plant.reasons(), "web delay");
    plant.pass("1d");
    plant.moves("lib/node:22", "first");
    assert_eq!(plant.reasons(), "web current");
    plant.pass("30d");
    let before = plant.written();
    plant.good(&["rebuild", "--due"]);
    assert_eq!((plant.written(), plant.started()), (before, Vec::new()));
}

#[test]
fn a_base_that_moves_all_the_time_puts_nothing_off() {
    let mut plant = crate::plant(false, &[on("web", NODE)], "");
    plant.moves("lib/node:22", "day 0");
    for day in 1..=8 {
        plant.pass("1d");
        plant.moves("lib/node:22", &format!("day {day}"));
        plant.good(&["rebuild", "--due"]);
    }
    assert_eq!(plant.started(), ["web"]);
    // It is built on the last one.
    let run = &plant.github.runs()[0];
    let last = plant.read(&plant.filled("state/base-images/BASE.yaml").replace(
        "BASE",
        &format!("{}-lib-node-22", plant.registry.host().replace(':', "-")),
    ));
    let (_, digest) = last.split_once("currentDigest: ").unwrap();
    assert!(
        run.inputs["imgfac_bases"].contains(&digest[..71]),
        "{run:?}"
    );
}

#[test]
fn where_kargo_rebuilds_nobody_else_does() {
    let mut plant = crate::plant(true, &[on("web", NODE)], "rebuilds: {through: kargo}\n");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    let before = plant.written();
    assert_snapshot!(plant.due(), @"
    exit 1
    --- stdout
    --- stderr
    error: this factory rebuilds through Kargo: two that start rebuilds would start them twice
    hint: imgfac.yaml says so: rebuilds.through
    ");
    assert_eq!(plant.written(), before);
    assert_eq!(plant.started(), [""; 0]);
}

/// Each of a factory's images may be built elsewhere.
#[test]
fn a_gitlab_and_a_webhook_build_too() {
    let gitlab = Built {
        source: "provider: gitlab, host: 'GITLAB', repo: acme/shop, causeInputs: true",
        ..on("lab", NODE)
    };
    let hook = Built {
        source: "provider: webhook, repo: acme/shop, url: 'http://HOOK/build'",
        ..on("hook", NODE)
    };
    let mut plant = crate::plant(true, &[gitlab, hook], "");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    assert_snapshot!(crate::git::shortened(plant.due()), @"
    exit 0
    --- stdout
      started  hook  base-update: REGISTRY/lib/node:22  its run is not known
      started  lab  base-update: REGISTRY/lib/node:22  http://GITLAB/acme/shop/-/pipelines/500
    2 rebuilds started.
    Pushed COMMIT to main of https://github.com/acme/state.git
    --- stderr
    ");
    let [pipeline] = plant.gitlab.pipelines().try_into().unwrap();
    assert_eq!(pipeline.variables["IMGFAC_REASON"], "base-update");
    let [asked] = plant.hook.bodies().try_into().unwrap();
    assert_eq!(asked["image"], "hook");
    let again = plant.due();
    assert_eq!(again.code, 0, "{again}");
    assert_eq!(
        plant.gitlab.pipelines().len() + plant.hook.bodies().len(),
        2
    );
    plant.pass("10m");
    plant.gitlab.set_status(pipeline.id, "success");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.outcomes("lab"), ["success"]);
    assert_eq!(plant.outcomes("hook"), ["running"]);
}

#[test]
fn a_person_starts_what_nothing_speaks_against() {
    let mut plant = crate::plant(true, &[on("other", "FROM scratch\n"), on("web", NODE)], "");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    let waits = plant.run(&["rebuild", "web"]);
    assert_eq!((waits.code, plant.started().len()), (3, 0));
    assert_snapshot!(waits, @"
    exit 3
    --- stdout
      not started  web waits until 2026-11-08T00:00:00Z, which is 7d from now.
    1 not started; time alone changes nothing before 2026-11-08T00:00:00Z.
    --- stderr
    ");
    // One that lacks nothing may be wanted all the same, and stops no other.
    let told = plant.run(&["rebuild", "web", "other"]);
    assert_eq!(
        (told.code, plant.started()),
        (3, vec!["other".to_owned()]),
        "{told}"
    );
    let again = plant.run(&["rebuild", "other"]);
    assert_eq!((again.code, plant.started().len()), (3, 1), "{again}");
    plant.pass("7d");
    plant.ends("other", "success");
    plant.good(&["rebuild", "web"]);
    assert_eq!(plant.started(), ["other", "web"]);
}

#[test]
fn a_digest_in_quarantine_is_built_on_by_nobody() {
    let mut plant = crate::plant(false, &[on("web", NODE)], "");
    plant.moves("lib/node:22", "first");
    let bad = plant.moves("lib/node:22", "second");
    plant.pass("7d");
    plant.set_settings(&format!("rebuilds: {{quarantine: ['{bad}']}}\n"));
    assert_eq!(plant.reasons(), "web quarantined");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.run(&["rebuild", "web"]).code, 3);
    assert_eq!(plant.started(), [""; 0]);
    // A later one takes its place, and waits for itself.
    plant.moves("lib/node:22", "third");
    assert_eq!(plant.reasons(), "web delay");
}
