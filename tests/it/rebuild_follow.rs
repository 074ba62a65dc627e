//! What becomes of rebuilds: what they pushed, whether it stands on what it was to stand on, and runs
//! that fail, get lost, or end while somebody waits.

use std::path::Path;

use imgfac_tests::{Built, FakeRun, Layout, Plant, Proof, Pushed, RegistryServer, Trouble};
use insta::assert_snapshot;
use serde_json::json;

const NODE: &str = "FROM REGISTRY/lib/node:22\n";

/// `base` on node and `web` on `base`: node has moved, and the rebuild of `base` runs. Gives the
/// digests of node before and after.
fn running(push: bool) -> (Plant, String, String) {
    let images = [
        Built {
            name: "base",
            dockerfile: NODE,
            ..Built::default()
        },
        Built {
            name: "web",
            dockerfile: "FROM REGISTRY/acme/base:1\n",
            ..Built::default()
        },
    ];
    let mut plant = crate::plant(push, &images, "");
    plant.registry.push("acme/base:1", &says("base", None));
    let old = plant.moves("lib/node:22", "first");
    plant.pass("1d");
    let new = plant.moves("lib/node:22", "second");
    plant.pass("7d");
    plant.good(&["rebuild", "--due"]);
    plant.pass("10m");
    assert_eq!(plant.started(), ["base"]);
    (plant, old, new)
}

fn says<'p>(layer: &'p str, on: Option<(&'p str, &'p str, Proof)>) -> Pushed<'p> {
    Pushed {
        layer,
        built: "now",
        on,
    }
}

fn the_run(plant: &Plant) -> FakeRun {
    plant.github.runs().pop().unwrap()
}

/// What the image `base` counts as built on.
fn built_on(plant: &Plant) -> String {
    let state = plant.state("base");
    let (_, rest) = state.split_once("builtOn:\n").unwrap();
    let (_, digest) = rest.lines().next().unwrap().split_once(": ").unwrap();
    digest.to_owned()
}

#[test]
fn an_image_that_proves_it_is_done_and_cascades() {
    for proof in [Proof::Annotations, Proof::Provenance] {
        let (mut plant, _, new) = running(false);
        let node = plant.filled("REGISTRY/lib/node:22");
        let on = (node.as_str(), new.as_str(), proof);
        let digest = plant.succeeds("base", &says("base, again", Some(on)));
        let told = plant.good(&["rebuild", "--due"]).stdout;
        assert!(told.contains("  rebuilt  base  DIGEST\n"), "{told}");
        assert_eq!(plant.outcomes("base"), ["success"]);
        assert_eq!(built_on(&plant), new);
        let state = plant.state("base");
        for line in [
            "    durationSeconds: 600\n",
            &format!("    digest: {digest}\n"),
            &format!("currentDigest: {digest}\n"),
        ] {
            assert!(state.contains(line), "{line:?} is not in {state}");
        }
        plant.pass("2d");
        plant.good(&["rebuild", "--due"]);
        assert_eq!(plant.started(), ["base", "web"], "{proof:?}");
    }
}

#[test]
fn an_image_that_stands_on_something_older_has_failed() {
    for proof in [Proof::Annotations, Proof::Provenance] {
        let (mut plant, old, _) = running(true);
        let node = plant.filled("REGISTRY/lib/node:22");
        let on = (node.as_str(), old.as_str(), proof);
        plant.succeeds("base", &says("base, again", Some(on)));
        let told = plant.due();
        assert_eq!(told.code, 3);
        let failed = "  failed  base: it stands on DIGEST of REGISTRY/lib/node:22, not on DIGEST  http://GITHUB/acme/shop/actions/runs/1000\n";
        assert!(told.stdout.contains(failed), "{told}");
        assert_eq!(plant.outcomes("base")[0], "failure");
        assert_eq!(built_on(&plant), old);
        // It is tried again, and nothing cascades.
        plant.pass("1d");
        let later = plant.due();
        assert!(!plant.started().contains(&"web".to_owned()), "{later}");
        let attempts = plant.started();
        assert!(attempts.iter().filter(|it| *it == "base").count() >= 2);
    }
}

/// A base that moves on while a build runs may be what it was built on.
#[test]
fn what_the_base_points_at_by_now_is_as_good() {
    let (plant, _, _) = running(false);
    let newest = plant.moves("lib/node:22", "third");
    let node = plant.filled("REGISTRY/lib/node:22");
    let on = (node.as_str(), newest.as_str(), Proof::Provenance);
    plant.succeeds("base", &says("base, again", Some(on)));
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.outcomes("base"), ["success"]);
    assert_eq!(built_on(&plant), newest);
    assert!(
        plant.reasons().contains("base current"),
        "{}",
        plant.reasons()
    );
}

#[test]
fn an_image_that_says_nothing_counts_as_what_it_was_told() {
    let (mut plant, _, new) = running(false);
    plant.succeeds("base", &says("base, again", None));
    plant.good(&["rebuild", "--due"]);
    assert_eq!(built_on(&plant), new);
    plant.pass("2d");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started(), ["base", "web"]);
}

#[test]
fn the_same_layers_cut_the_cascade() {
    let (mut plant, _, new) = running(true);
    let again = Pushed {
        built: "another time",
        ..says("base", None)
    };
    let digest = plant.succeeds("base", &again);
    let told = plant.good(&["rebuild", "--due"]);
    assert!(told.stdout.contains("  rebuilt  base  DIGEST"), "{told}");
    assert_eq!(built_on(&plant), new);
    assert!(
        plant.state("web").contains(&digest),
        "{}",
        plant.state("web")
    );
    plant.pass("10d");
    plant.good(&["observe", "--all"]);
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.reasons(), "base current, web current");
    assert_eq!(plant.started(), ["base"]);
}

#[test]
fn a_run_that_ends_badly_has_failed() {
    for conclusion in ["failure", "cancelled", "timed_out"] {
        let (plant, old, _) = running(false);
        plant.ends("base", conclusion);
        let told = plant.run(&["rebuild", "--due", "--format=json"]);
        assert_eq!(told.code, 3, "{told}");
        let json: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        let ended = &json["ended"][0];
        assert_eq!(ended["outcome"], "failure");
        assert_eq!(ended["problem"], format!("its run ended with {conclusion}"));
        assert_eq!(ended["durationSeconds"], 600);
        assert_eq!(built_on(&plant), old);
        assert_eq!(plant.outcomes("base"), ["failure", "running"]);
    }
}

#[test]
fn a_run_that_never_ends_is_given_up() {
    let (mut plant, ..) = running(false);
    plant.pass("5h");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.outcomes("base"), ["running"]);
    plant.pass("1h");
    let told = plant.due();
    assert_eq!(told.code, 3);
    assert_snapshot!(told, @"
    exit 3
    --- stdout
      started  base  retry: REGISTRY/lib/node:22  http://GITHUB/acme/shop/actions/runs/1001
      failed  base: it did not end within 6h  http://GITHUB/acme/shop/actions/runs/1000
    1 rebuild started, 1 run ended.
    --- stderr
    ");
    // Its limit is a setting, in minutes if somebody wants.
    let (mut plant, ..) = running(false);
    plant.set_settings("rebuilds: {runLimit: 30m}\n");
    plant.pass("20m");
    let told = plant.due();
    assert_eq!(told.code, 3);
    assert_snapshot!(told, @"
    exit 3
    --- stdout
      started  base  retry: REGISTRY/lib/node:22  http://GITHUB/acme/shop/actions/runs/1001
      failed  base: it did not end within 30m  http://GITHUB/acme/shop/actions/runs/1000
    1 rebuild started, 1 run ended.
    --- stderr
    ");
}

#[test]
fn a_run_that_cannot_be_asked_about_stays_as_it_is() {
    let (plant, ..) = running(false);
    let before = plant.written();
    plant.github.trouble_read(Trouble::Denied);
    let told = plant.due();
    assert_eq!(told.code, 3);
    assert_snapshot!(told, @r#"
    exit 3
    --- stdout
      not known  base: GITHUB does not let us ask for run 1000 of acme/shop (401, "Bad credentials"); the token is wrong or too old: make a new one
    1 under way; time alone changes nothing before 2026-11-09T06:00:00Z.
    --- stderr
    "#);
    assert_eq!(plant.written(), before);
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started(), ["base"]);
}

#[test]
fn a_run_that_ends_while_somebody_waits_is_recorded() {
    for push in [false, true] {
        let (plant, _, new) = running(push);
        plant
            .registry
            .push("acme/base:1", &says("base, again", None));
        plant.github.finish_after(the_run(&plant).id, 3, "success");
        let told = plant.good(&["rebuild", "--follow"]);
        // What is next is known, too: the image on it.
        let expected = "  rebuilt  base  DIGEST\n1 run ended; time alone changes nothing before 2026-11-09T00:40:00Z.\n";
        assert!(told.stdout.starts_with(expected), "{told}");
        assert_eq!(plant.outcomes("base"), ["success"]);
        assert_eq!(built_on(&plant), new);
    }
}

#[test]
fn what_is_due_is_started_and_waited_for() {
    let (mut plant, ..) = running(false);
    plant.succeeds("base", &says("base, again", None));
    plant.good(&["rebuild", "--due"]);
    plant.pass("2d");
    plant.github.finish_after(1001, 2, "failure");
    let told = plant.run(&["rebuild", "--due", "--follow"]);
    assert_eq!(told.code, 3);
    assert_snapshot!(told, @"
    exit 3
    --- stdout
      started  web  base-update: REGISTRY/acme/base:1  http://GITHUB/acme/shop/actions/runs/1001
      failed  web: its run ended with failure  http://GITHUB/acme/shop/actions/runs/1001
    1 rebuild started, 1 run ended.
    --- stderr
    ");
    assert_eq!(plant.outcomes("web"), ["failure"]);
}

#[test]
fn nobody_waits_longer_than_was_said() {
    let (plant, ..) = running(false);
    let follow = ["rebuild", "--follow", "--follow-timeout=1m"];
    let told = plant.run(&follow);
    assert_snapshot!(told, @"
    exit 3
    --- stdout
    1 under way; time alone changes nothing before 2026-11-09T06:00:00Z.
    --- stderr
    ");
    // And what cannot be asked about in the end is told.
    for _ in 0..20 {
        plant.github.trouble_read(Trouble::Denied);
    }
    let told = plant.run(&follow);
    assert_eq!(told.code, 3);
    assert_snapshot!(told, @r#"
    exit 3
    --- stdout
      not known  base: GITHUB does not let us ask for run 1000 of acme/shop (401, "Bad credentials"); the token is wrong or too old: make a new one
    1 under way; time alone changes nothing before 2026-11-09T06:00:00Z.
    --- stderr
    "#);
    assert_eq!(plant.outcomes("base"), ["running"]);
}

#[test]
fn nothing_to_wait_for_is_no_failure() {
    let image = Built {
        name: "web",
        dockerfile: NODE,
        ..Built::default()
    };
    let plant = crate::plant(false, &[image], "");
    plant.moves("lib/node:22", "first");
    let told = plant.good(&["rebuild", "--follow"]);
    assert_snapshot!(told, @"
    exit 0
    --- stdout
    Nothing is due.
    --- stderr
    ");
}

/// A build that records itself ends the rebuild of a webhook that nobody can follow.
#[test]
fn a_webhook_without_status_is_done_once_its_build_is_seen() {
    let image = Built {
        name: "web",
        dockerfile: NODE,
        source: "provider: webhook, repo: acme/shop, url: 'http://HOOK/build'",
        ..Built::default()
    };
    let due = || {
        let mut plant = crate::plant(false, &[image], "");
        plant.moves("lib/node:22", "first");
        plant.moves("lib/node:22", "second");
        plant.pass("7d");
        plant
    };
    let mut plant = due();
    plant.good(&["rebuild", "--due"]);
    plant.pass("10m");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.outcomes("web"), ["running"]);
    let digest = plant.registry.push("acme/web:1", &says("web", None));
    plant.good(&[
        "analyze",
        "--workspace=shop",
        "--image=web",
        "--tag=1",
        "--digest",
        &digest,
    ]);
    plant.pass("10m");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.outcomes("web"), ["success"]);
    assert_eq!(plant.hook.bodies().len(), 1);

    // One that nobody hears of is given up, and asked for again.
    let mut plant = due();
    plant.good(&["rebuild", "--due"]);
    plant.pass("7h");
    assert_eq!(plant.due().code, 3);
    assert_eq!(plant.hook.bodies().len(), 2);

    // With a status it is followed.
    let mut plant = due();
    plant
        .hook
        .set_reply(json!({"id": 42, "url": "https://ci.example.com/42", "statusUrl": "/runs/42"}));
    plant.hook.set_status(json!({"status": "queued"}));
    plant.good(&["rebuild", "--due"]);
    plant.pass("10m");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.outcomes("web"), ["running"]);
    plant
        .hook
        .set_status(json!({"status": "failure", "conclusion": "cancelled"}));
    let told = plant.due();
    assert_eq!(told.code, 3);
    assert!(
        told.stdout
            .contains("its run ended with cancelled  https://ci.example.com/42"),
        "{told}"
    );
}

/// However often it happens, and whoever looks at the tag; and what is right in the end is news.
#[test]
fn what_counts_as_failed_cascades_at_no_time() {
    let (mut plant, old, new) = running(false);
    let node = plant.filled("REGISTRY/lib/node:22");
    for attempt in 0..6 {
        let built = format!("attempt {attempt}");
        let on = (node.as_str(), old.as_str(), Proof::Annotations);
        plant.succeeds("base", &says(&built, Some(on)));
        assert_eq!(plant.due().code, 3, "attempt {attempt}");
        plant.good(&["observe", "--all"]);
        // So long that the next attempt follows.
        while plant
            .outcomes("base")
            .last()
            .is_none_or(|it| it != "running")
        {
            plant.pass("1h");
            plant.good(&["rebuild", "--due"]);
        }
        let started = plant.started();
        assert!(
            !started.contains(&"web".to_owned()),
            "{attempt}: {started:?}"
        );
    }
    let on = (node.as_str(), new.as_str(), Proof::Annotations);
    plant.succeeds("base", &says("right", Some(on)));
    plant.good(&["rebuild", "--due"]);
    plant.pass("2d");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started().last().map(String::as_str), Some("web"));
}

#[test]
fn a_registry_that_tells_nothing_fails_nothing() {
    let (plant, _, new) = running(false);
    plant.succeeds("base", &says("base, again", None));
    plant.registry.set_closed(true);
    let told = plant.good(&["rebuild", "--due"]).stdout;
    let said = "  rebuilt  base  its registry could not be asked what it pushed\n";
    assert!(told.starts_with(said), "{told}");
    assert_eq!(built_on(&plant), new);
    // Whoever looks later finds what was pushed, and it cascades.
    plant.registry.set_closed(false);
    let mut plant = plant;
    plant.pass("1h");
    plant.good(&["observe", "--all"]);
    plant.pass("2d");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started(), ["base", "web"]);
}

/// A build that records itself says what was pushed before anybody looks at its run.
#[test]
fn what_counts_as_failed_cascades_neither_where_the_build_recorded_itself() {
    let (mut plant, old, _) = running(false);
    let node = plant.filled("REGISTRY/lib/node:22");
    for attempt in 0..4 {
        let built = format!("attempt {attempt}");
        let on = (node.as_str(), old.as_str(), Proof::Annotations);
        let digest = plant.succeeds("base", &says(&built, Some(on)));
        let tag = ["--workspace=shop", "--image=base", "--tag=1", "--digest"];
        plant.good(&[&["analyze"], &tag[..], &[&digest]].concat());
        assert_eq!(plant.due().code, 3, "attempt {attempt}");
        while plant
            .outcomes("base")
            .last()
            .is_none_or(|it| it != "running")
        {
            plant.pass("1h");
            plant.good(&["rebuild", "--due"]);
        }
    }
    let started = plant.started();
    assert!(!started.contains(&"web".to_owned()), "{started:?}");
}

/// A leaf was never recorded, and its tag is a version: what its Warehouse would take is looked at.
#[test]
fn a_version_that_nobody_recorded_proves_itself() {
    let leaf = |keys: &'static str| {
        let image = Built {
            name: "leaf",
            dockerfile: NODE,
            keys,
            ..Built::default()
        };
        let mut plant = crate::plant(false, &[image], "");
        let old = plant.moves("lib/node:22", "first");
        let new = plant.moves("lib/node:22", "second");
        plant.pass("7d");
        plant.good(&["rebuild", "--due"]);
        plant.pass("10m");
        let node = plant.filled("REGISTRY/lib/node:22");
        let push = |tag: &str, on: &str| {
            let on = (node.as_str(), on, Proof::Annotations);
            let image = format!("acme/leaf:{tag}");
            plant.registry.push(&image, &says(tag, Some(on)))
        };
        push("1.1.0", &old);
        let pushed = push("1.2.0", &new);
        push("latest", &old);
        plant.ends("leaf", "success");
        plant.good(&["rebuild", "--due"]);
        assert_eq!(plant.outcomes("leaf"), ["success"]);
        let state = plant.state("leaf");
        (state.contains(&format!("currentDigest: {pushed}\n")), state)
    };
    for keys in [
        "constraint: '>=1.0', ",
        "allowTags: '^1[.]', ",
        "imageSelectionStrategy: Digest, constraint: 1.2.0, ",
    ] {
        let (recorded, state) = leaf(keys);
        assert!(recorded, "{keys}: {state}");
    }
    // The newest fits, and stands on something else; or nothing says which tag it is.
    for keys in ["constraint: 1.1.0, ", ""] {
        let (recorded, state) = leaf(keys);
        assert!(!recorded, "{keys}: {state}");
        assert!(state.contains("currentDigest: null\n"), "{keys}: {state}");
    }
}

/// A mirror may not have what was pushed a minute ago.
#[test]
fn what_was_pushed_is_not_asked_of_a_mirror() {
    let (plant, _, new) = running(false);
    plant.set_settings("registries: {'REGISTRY': {insecure: true, mirror: 'mirror.invalid'}}\n");
    let node = plant.filled("REGISTRY/lib/node:22");
    let on = (node.as_str(), new.as_str(), Proof::Annotations);
    let digest = plant.succeeds("base", &says("base, again", Some(on)));
    plant.good(&["rebuild", "--due"]);
    let state = plant.state("base");
    assert!(
        state.contains(&format!("currentDigest: {digest}\n")),
        "{state}"
    );
}

/// The whole way with a registry of Debian: one that takes tokens, as Docker Hub and GHCR do.
#[test]
fn a_real_registry_is_followed_from_push_to_proof() {
    let sandbox = crate::sandbox();
    let Some(server) = RegistryServer::start_with_tokens(&sandbox) else {
        return;
    };
    let images = [
        Built {
            name: "base",
            dockerfile: NODE,
            ..Built::default()
        },
        Built {
            name: "web",
            dockerfile: "FROM REGISTRY/acme/base:1\n",
            ..Built::default()
        },
    ];
    let contract = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let now = "2026-11-01T00:00:00Z";
    let mut plant = Plant::at_registry(Some(server), sandbox, contract, false, &images, "", now);
    let node = plant.filled("REGISTRY/lib/node:22");
    let push = |plant: &Plant, image: &str, says: &str, on: Option<&str>| {
        let annotations = on.map(|digest| {
            format!(
                r#""org.opencontainers.image.base.name": "{node}", "org.opencontainers.image.base.digest": "{digest}""#
            )
        });
        let layout = Layout::new(&plant.sandbox, "layout");
        let layer = layout.blob("application/vnd.oci.image.layer.v1.tar", says);
        let layers = format!("{{{layer}}}");
        layout.finish(&layout.image(says, &layers, &annotations.unwrap_or_default()));
        plant.server.as_ref().unwrap().push(&layout, image)
    };
    push(&plant, "acme/base:1", "base", None);
    let old = push(&plant, "lib/node:22", "first", None);
    plant.good(&["observe", "--all"]);
    plant.pass("1d");
    let new = push(&plant, "lib/node:22", "second", None);
    plant.good(&["observe", "--all"]);
    plant.pass("7d");
    plant.good(&["rebuild", "--due"]);
    plant.pass("10m");

    // What stands on the old one has failed, and nothing cascades.
    push(&plant, "acme/base:1", "wrong", Some(&old));
    plant.ends("base", "success");
    let told = plant.run(&["rebuild", "--follow"]);
    assert_eq!(told.code, 3);
    let failed = "failed  base: it stands on DIGEST of REGISTRY/lib/node:22, not on DIGEST";
    assert!(told.stdout.contains(failed), "{told}");
    assert_eq!(built_on(&plant), old);
    plant.pass("1d");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started(), ["base", "base"]);

    // What stands on the new one is the proof, and web follows.
    plant.pass("10m");
    let digest = push(&plant, "acme/base:1", "right", Some(&new));
    plant.ends("base", "success");
    let told = plant.good(&["rebuild", "--follow"]).stdout;
    assert!(told.contains("  rebuilt  base  DIGEST\n"), "{told}");
    assert_eq!(plant.outcomes("base"), ["failure", "success"]);
    assert_eq!(built_on(&plant), new);
    let state = plant.state("base");
    assert!(
        state.contains(&format!("currentDigest: {digest}\n")),
        "{state}"
    );
    plant.pass("2d");
    plant.good(&["observe", "--all"]);
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started(), ["base", "base", "web"]);
}

/// A schedule observes before it asks what became of runs.
#[test]
fn a_push_that_was_observed_first_has_to_prove_itself_too() {
    let (plant, old, new) = running(false);
    let node = plant.filled("REGISTRY/lib/node:22");
    let on = (node.as_str(), old.as_str(), Proof::Annotations);
    plant.succeeds("base", &says("base, again", Some(on)));
    plant.good(&["observe", "--all"]);
    let told = plant.due();
    assert_eq!(told.code, 3, "{told}");
    assert_eq!(plant.outcomes("base")[0], "failure");
    assert_eq!(built_on(&plant), old);
    let on = (node.as_str(), new.as_str(), Proof::Annotations);
    plant.succeeds("base", &says("base, right", Some(on)));
    plant.good(&["observe", "--all"]);
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.outcomes("base"), ["failure", "success"]);
    assert_eq!(built_on(&plant), new);
}

#[test]
fn a_registry_that_cannot_be_asked_leaves_it_open() {
    let (mut plant, old, _) = running(false);
    let node = plant.filled("REGISTRY/lib/node:22");
    let on = (node.as_str(), old.as_str(), Proof::Annotations);
    plant.succeeds("base", &says("base, again", Some(on)));
    plant.registry.set_broken(true);
    let told = plant.due();
    assert_eq!(told.code, 3, "{told}");
    assert!(
        told.stdout.contains("what it pushed is not known yet"),
        "{told}"
    );
    assert_eq!(plant.outcomes("base"), ["running"]);
    plant.registry.set_broken(false);
    plant.pass("1h");
    assert_eq!(plant.due().code, 3);
    assert_eq!(plant.outcomes("base")[0], "failure");
}
