//! Factories, watched by somebody who knows the rules and nothing of the planner.

#![expect(
    clippy::unwrap_used,
    reason = "a rule that was broken is a failed test"
)]

use imgfac_rebuild::simulation::{Scenario, Watcher};
use imgfac_rebuild::{Caps, Policy};
use jiff::SignedDuration;

fn play(scenario: &Scenario, days: i64) -> Watcher {
    let mut world = scenario.world();
    let mut watcher = Watcher::new(&world);
    let end = world.now + SignedDuration::from_hours(24 * days);
    while world.now < end || !world.is_quiet() {
        world.moving = world.now < end;
        let events = world.step();
        watcher.see(&world, &events).unwrap();
        let late = end + SignedDuration::from_hours(24 * 60);
        assert!(world.now < late, "it never ends");
    }
    watcher.all_is_done(&world).unwrap();
    watcher
}

#[test]
fn a_year_of_a_thousand_images() {
    let scenario = Scenario {
        images: 1_000,
        bases: 60,
        failures: 0,
        tick: SignedDuration::from_hours(12),
        ..Scenario::default()
    };
    let watcher = play(&scenario, 365);
    assert!(watcher.rebuilds > 10_000, "{}", watcher.rebuilds);
    // Cascades are up to thirty images deep here, and each waits a tick for the window and one for
    // the build.
    let latest = SignedDuration::from_hours(30 * 24);
    assert!(watcher.latest <= latest, "{:?}", watcher.latest);
}

#[test]
fn a_year_hour_by_hour() {
    let scenario = Scenario {
        images: 50,
        bases: 10,
        failures: 0,
        ..Scenario::default()
    };
    let watcher = play(&scenario, 365);
    assert!(watcher.rebuilds > 500, "{}", watcher.rebuilds);
    let latest = SignedDuration::from_hours(12);
    assert!(watcher.latest <= latest, "{:?}", watcher.latest);
}

#[test]
fn a_season_with_caps_and_failures() {
    let scenario = Scenario {
        images: 60,
        bases: 10,
        seed: 2,
        failures: 30,
        policy: Policy {
            caps: Caps {
                total: Some(4),
                per_repository: Some(1),
                per_registry: Some(3),
            },
            ..Policy::default()
        },
        ..Scenario::default()
    };
    let watcher = play(&scenario, 90);
    assert!(watcher.rebuilds > 200, "{}", watcher.rebuilds);
}
