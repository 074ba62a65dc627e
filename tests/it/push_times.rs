//! When a digest was pushed, where the registry says so and an image waits from then on.

use imgfac_tests::{Built, FakeRegistry, Plant};

const NODE: &str = "FROM REGISTRY/lib/node:22\n";

/// `web` waits from the push of node on, or not; node moves on the fifth day.
fn moved(keys: &str, kind: &str, tell: impl Fn(&FakeRegistry)) -> Plant {
    let image = Built {
        name: "web",
        dockerfile: NODE,
        keys,
        ..Built::default()
    };
    let settings = format!("registries: {{REGISTRY: {{insecure: true, pushTimes: {kind}}}}}\n");
    let settings = settings.replace("REGISTRY", "'REGISTRY'");
    let mut plant = crate::plant(false, &[image], &settings);
    plant.moves("lib/node:22", "first");
    plant.pass("4d");
    tell(&plant.registry);
    let _ = plant.registry.asked();
    plant.moves("lib/node:22", "second");
    plant
}

/// What the last digest of node has beside it, and from when on the image may be rebuilt.
fn pushed(plant: &Plant) -> (Option<String>, String) {
    let host = plant.registry.host().replace(':', "-");
    let state = plant.read(&format!("state/base-images/{host}-lib-node-22.yaml"));
    let pushed = state
        .lines()
        .find_map(|line| line.trim().strip_prefix("pushed: "));
    let image = &plant.plan()["images"][0];
    let at = image["eligibleAt"].as_str().unwrap();
    (pushed.map(str::to_owned), at.to_owned())
}

fn told(registry: &FakeRegistry) {
    registry.tell_pushed("lib/node:22", "2026-11-03T08:00:00.5Z");
}

#[test]
fn an_update_waits_from_its_push_on() {
    for (kind, asked) in [
        (
            "harbor",
            "GET /api/v2.0/projects/lib/repositories/node/artifacts/22",
        ),
        (
            "docker-hub",
            "GET /v2/namespaces/lib/repositories/node/tags/22",
        ),
    ] {
        let plant = moved("delayClock: registry, ", kind, told);
        let asked_for = plant.registry.asked();
        assert!(asked_for.iter().any(|it| it == asked), "{asked_for:?}");
        let time = Some("\"2026-11-03T08:00:00.5Z\"".to_owned());
        assert_eq!(pushed(&plant), (time, "2026-11-10T08:00:00.5Z".to_owned()));
        // Only once.
        plant.good(&["observe", "--all"]);
        let again = plant.registry.asked();
        assert!(again.iter().all(|it| it.starts_with("HEAD ")), "{again:?}");
        let status = plant.good(&["status", "--bases", "--format=json"]).stdout;
        assert!(
            status.contains("\"pushed\": \"2026-11-03T08:00:00.5Z\""),
            "{status}"
        );
    }
}

#[test]
fn who_does_not_wait_from_the_push_on_asks_nothing() {
    let plant = moved("", "harbor", told);
    let asked = plant.registry.asked();
    assert!(asked.iter().all(|it| !it.contains("/api/")), "{asked:?}");
    assert_eq!(pushed(&plant), (None, "2026-11-12T00:00:00Z".to_owned()));
}

/// The first sight of the tag counts then, and nothing fails.
#[test]
fn a_registry_that_does_not_say_it_fails_nothing() {
    let silent = |_: &FakeRegistry| ();
    let first_sight = (None, "2026-11-12T00:00:00Z".to_owned());
    for kind in ["harbor", "docker-hub", "quay", "google", "none"] {
        let plant = moved("delayClock: registry, ", kind, silent);
        assert_eq!(pushed(&plant), first_sight, "{kind}");
    }
    let hostile = |registry: &FakeRegistry| registry.tell_pushed("lib/node:22", "\u{1b}[31m: ../x");
    let plant = moved("delayClock: registry, ", "harbor", hostile);
    assert_eq!(pushed(&plant), first_sight);
}

/// What the registry says is recorded, and believed only where it can be.
#[test]
fn a_push_after_the_first_sight_is_not_believed() {
    let later =
        |registry: &FakeRegistry| registry.tell_pushed("lib/node:22", "2030-01-01T00:00:00Z");
    let plant = moved("delayClock: registry, ", "harbor", later);
    assert_eq!(pushed(&plant).1, "2026-11-12T00:00:00Z");
}
