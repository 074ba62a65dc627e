//! Every rule, in a line or two.

use crate::fixture::decisions;

/// What a fleet is decided to be at some times.
fn check(fleet: &str, expected: &[(&str, &str)]) {
    for (now, lines) in expected {
        let lines: Vec<&str> = lines.lines().map(str::trim).collect();
        let found = decisions(fleet, now);
        assert_eq!(found, lines.join("\n"), "at {now}");
    }
}

#[test]
fn an_update_waits_for_the_delay_from_its_first_sight() {
    check(
        "tag node:22 = a@0 b@1d
         image app : node:22=a",
        &[
            (
                "1d",
                "app: waiting delay until 8d, eligible 8d, wave 1, node:22 a>b since 1d",
            ),
            (
                "7d23h59m",
                "app: waiting delay until 8d, eligible 8d, wave 1, node:22 a>b since 1d",
            ),
            (
                "8d",
                "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>b since 1d",
            ),
        ],
    );
}

#[test]
fn later_updates_join_and_do_not_restart_the_clock() {
    check(
        "tag node:22 = a@0 b@1d c@3d d@7d
         tag go:1 = a@0 b@2d
         image app : node:22=a go:1=a",
        &[(
            "8d",
            "app: due base-update, eligible 8d, wave 1, rank 0, go:1 a>b since 2d, node:22 a>d since 1d",
        )],
    );
}

#[test]
fn the_window_is_waited_for_when_it_is_longer_than_the_delay() {
    let fleet = "tag node:22 = a@0 b@1d
         image app delay=0 : node:22=a
         image now delay=0 window=0 : node:22=a";
    check(
        fleet,
        &[(
            "1d",
            "app: waiting window until 1d30m, eligible 1d30m, wave 1, node:22 a>b since 1d
             now: due base-update, eligible 1d, wave 1, rank 0, node:22 a>b since 1d",
        )],
    );
}

#[test]
fn a_tag_that_returns_leaves_nothing_pending() {
    check(
        "tag node:22 = a@0 b@1d a@2d
         image app : node:22=a",
        &[("9d", "app: up-to-date current")],
    );
    check(
        "tag node:22 = a@0 b@1d a@2d c@6d
         image app : node:22=a",
        &[(
            "9d",
            "app: waiting delay until 13d, eligible 13d, wave 1, node:22 a>c since 6d",
        )],
    );
}

#[test]
fn a_first_observation_is_no_update() {
    check(
        "tag node:22 = a@0
         image app : node:22",
        &[("9d", "app: up-to-date current")],
    );
    check(
        "tag node:22 = a@0 b@1d
         image app : node:22",
        &[(
            "9d",
            "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>b since 1d",
        )],
    );
}

#[test]
fn what_nobody_has_seen_does_not_pass_for_up_to_date() {
    check(
        "image app : node:22",
        &[("9d", "app: blocked not-observed")],
    );
    check(
        "image app unknown=unreadable",
        &[("9d", "app: blocked not-analysed")],
    );
    check(
        "image app : ~node:22",
        &[("9d", "app: up-to-date no-bases")],
    );
    // What is known to be pending is served all the same.
    check(
        "tag go:1 = a@0 b@1d
         image app : go:1=a node:22",
        &[(
            "9d",
            "app: due base-update, eligible 8d, wave 1, rank 0, go:1 a>b since 1d",
        )],
    );
}

#[test]
fn stages_that_are_not_built_cause_nothing() {
    check(
        "tag node:22 = a@0 b@1d
         tag go:1 = a@0
         image app : ~node:22=a go:1=a",
        &[("9d", "app: up-to-date current")],
    );
}

#[test]
fn an_update_older_than_the_history_keeps_its_time() {
    // The digest that it was built on is not among those that are kept.
    check(
        "tag node:22 = c@11d d@12d
         image app delay=14d : node:22=a!1d",
        &[(
            "14d",
            "app: waiting delay until 15d, eligible 15d, wave 1, node:22 a>d since 1d",
        )],
    );
    check(
        "tag node:22 = c@11d d@12d
         image app built=11d12h : node:22=a",
        &[(
            "14d",
            "app: waiting delay until 19d, eligible 19d, wave 1, node:22 a>d since 12d",
        )],
    );
    // What is known exactly wins.
    check(
        "tag node:22 = a@0 b@2d
         image app : node:22=a!1d",
        &[(
            "3d",
            "app: waiting delay until 9d, eligible 9d, wave 1, node:22 a>b since 2d",
        )],
    );
}

#[test]
fn the_registry_s_clock_counts_where_it_is_asked_for_and_believable() {
    let fleet = |pushed: &str, clock: &str| {
        format!("tag node:22 = a@2d b@5d{pushed}\nimage app{clock} : node:22=a")
    };
    for (pushed, clock, since) in [
        ("^4d", "", "since 5d"),
        ("^4d", " clock=registry", "since 4d (registry)"),
        ("", " clock=registry", "since 5d"),
        // Before the tag had the digest before.
        ("^1d", " clock=registry", "since 2d (registry)"),
        // After we saw it.
        ("^6d", " clock=registry", "since 5d (registry)"),
    ] {
        let found = decisions(&fleet(pushed, clock), "6d");
        assert!(found.ends_with(since), "{pushed} {clock}: {found}");
    }
}

#[test]
fn nobody_rebuilds_by_itself_what_a_person_wants_to() {
    check(
        "tag node:22 = a@0 b@1d
         image app auto=no : node:22=a
         image idle auto=no : node:22=b",
        &[(
            "9d",
            "app: manual auto-rebuild-off, eligible 8d, node:22 a>b since 1d
             idle: up-to-date current",
        )],
    );
}

#[test]
fn pins_stay_and_say_how_far_they_are_behind() {
    check(
        "tag node:22 = a@0 b@1d c@3d
         image behind : node:22@a
         image current : node:22@c
         image mixed : node:22@a go:1=a
         image unknown : rust:1@a
         tag go:1 = a@0",
        &[(
            "9d",
            "behind: pinned digest-pinned 2 since 1d
             current: pinned digest-pinned
             mixed: pinned digest-pinned 2 since 1d
             unknown: pinned digest-pinned",
        )],
    );
    // Updates of what is not pinned come first.
    check(
        "tag node:22 = a@0 b@1d
         tag go:1 = a@0 b@1d
         image mixed : node:22@a go:1=a",
        &[(
            "8d",
            "mixed: due base-update, eligible 8d, wave 1, rank 0, go:1 a>b since 1d",
        )],
    );
}

#[test]
fn a_rebuild_runs_once() {
    check(
        "tag node:22 = a@0 b@1d c@8d1h
         image app : node:22=a
         run app 8d.. running node:22=b",
        &[
            (
                "8d",
                "app: in-flight running, eligible 8d, wave 1, node:22 a>c since 1d",
            ),
            (
                "8d2h",
                "app: in-flight running, eligible 8d, wave 1, node:22 a>c since 1d",
            ),
            // It is lost: so is what it carried.
            (
                "8d14h",
                "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>c since 1d",
            ),
        ],
    );
    // What came while it ran waits for its own delay.
    check(
        "tag node:22 = a@0 b@1d c@8d1h
         image app : node:22=b
         run app 8d..8d2h ok node:22=b",
        &[(
            "9d",
            "app: waiting delay until 15d1h, eligible 15d1h, wave 1, node:22 b>c since 8d1h",
        )],
    );
}

#[test]
fn a_run_that_succeeded_is_not_repeated() {
    // Its image still counts as built on the old digest.
    check(
        "tag node:22 = a@0 b@1d
         image app : node:22=a
         run app 8d..9d ok node:22=b",
        &[(
            "9d",
            "app: blocked no-effect, eligible 8d, node:22 a>b since 1d",
        )],
    );
    // Nobody recorded what it was built on: then it is what it was told.
    check(
        "tag node:22 = a@0 b@1d
         image app : node:22
         run app 8d..9d ok node:22=b",
        &[("9d", "app: up-to-date current")],
    );
    // The same digest again, after another one.
    check(
        "tag node:22 = a@0 b@1d c@9d b@20d
         image app : node:22=c
         run app 8d..8d1h ok node:22=b
         run app 16d..16d1h ok node:22=c",
        &[(
            "27d",
            "app: due base-update, eligible 27d, wave 1, rank 0, node:22 c>b since 20d",
        )],
    );
}

#[test]
fn failures_are_tried_again_more_and_more_seldom() {
    let mut fleet = "tag node:22 = a@0 b@1d\nimage app : node:22=a".to_owned();
    let start = 8 * 24;
    let mut hour = start;
    for (failures, pause) in [0, 0, 1, 2, 4, 8, 16, 32, 32, 32].into_iter().enumerate() {
        fleet += &format!("\nrun app {hour}h..{}h failed node:22=b", hour + 1);
        hour += 1;
        let attempt = failures + 1;
        if pause > 0 {
            let found = decisions(&fleet, &format!("{}h59m", hour + pause - 1));
            assert!(
                found.starts_with(&format!("app: failed back-off {attempt} times")),
                "{found}"
            );
        }
        hour += pause;
        let found = decisions(&fleet, &format!("{hour}h"));
        let expected = format!("app: due retry attempt {}", attempt + 1);
        assert!(found.starts_with(&expected), "{found}");
        assert_eq!(found.ends_with("alarming"), attempt >= 3, "{found}");
    }
}

#[test]
fn a_new_digest_or_commit_starts_afresh() {
    let runs = "run app 8d..8d1h failed node:22=b
         run app 8d1h..8d2h failed node:22=b
         run app 8d2h..8d3h failed node:22=b";
    check(
        &format!("tag node:22 = a@0 b@1d\nimage app : node:22=a\n{runs}"),
        &[(
            "8d3h",
            "app: failed back-off 3 times, next 8d4h, eligible 8d4h, wave 1, node:22 a>b since 1d, alarming",
        )],
    );
    check(
        &format!("tag node:22 = a@0 b@1d c@8d3h\nimage app : node:22=a\n{runs}"),
        &[(
            "8d3h",
            "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>c since 1d, alarming",
        )],
    );
    // A digest that was built ends the row.
    check(
        &format!(
            "tag node:22 = a@0 b@1d\nimage app : node:22=b\n{runs}\nrun app 9d..9d1h ok node:22=b"
        ),
        &[("10d", "app: up-to-date current")],
    );
}

#[test]
fn a_push_of_a_parent_waits_for_the_window_only() {
    check(
        "tag node:22 = a@0 b@8d
         tag low:1 = a@0 b@9d
         image low : node:22=b
         image app : low:1=a node:22=a
         image late cascade=1d : low:1=a",
        &[
            (
                "9d",
                "app: waiting window until 9d30m, eligible 9d30m, wave 1, low:1 a>b since 9d, node:22 a>b since 8d
                 late: waiting cascade-delay until 10d, eligible 10d, wave 1, low:1 a>b since 9d
                 low: up-to-date current",
            ),
        ],
    );
}

#[test]
fn a_diamond_is_built_in_order() {
    // top stands on left, right and node; left and right on low; low on node.
    let fleet = "tag node:22 = a@0 b@1d
         tag low:1 = a@0
         tag left:1 = a@0
         tag right:1 = a@0
         image low : node:22=a
         image left : low:1=a
         image right : low:1=a
         image top : left:1=a right:1=a node:22=a";
    check(
        fleet,
        &[
            (
                "7d",
                "left: up-to-date parent-pending, wave 2
                 low: waiting delay until 8d, eligible 8d, wave 1, node:22 a>b since 1d
                 right: up-to-date parent-pending, wave 2
                 top: waiting delay until 8d, eligible 8d, wave 3, node:22 a>b since 1d",
            ),
            (
                "8d",
                "left: up-to-date parent-pending, wave 2
                 low: due base-update, eligible 8d, wave 1, rank 0, node:22 a>b since 1d
                 right: up-to-date parent-pending, wave 2
                 top: blocked parents-first [low], eligible 8d, wave 3, node:22 a>b since 1d",
            ),
        ],
    );
    // low was pushed: its children gather updates for half an hour, and top waits for them.
    let pushed = fleet
        .replace("tag low:1 = a@0", "tag low:1 = a@0 b@8d1h")
        .replace("low : node:22=a", "low : node:22=b");
    check(
        &pushed,
        &[(
            "8d1h",
            "left: waiting window until 8d1h30m, eligible 8d1h30m, wave 1, low:1 a>b since 8d1h
             low: up-to-date current
             right: waiting window until 8d1h30m, eligible 8d1h30m, wave 1, low:1 a>b since 8d1h
             top: blocked parents-first [left right], eligible 8d, wave 2, node:22 a>b since 1d",
        )],
    );
}

#[test]
fn a_push_that_is_not_seen_yet_is_waited_for() {
    let fleet = "tag node:22 = a@0 b@1d
         tag low:1 = a@0
         image low : node:22=b
         image app : low:1=a node:22=a
         run low 8d..8d1h ok node:22=b";
    check(
        fleet,
        &[
            (
                "8d2h",
                "app: blocked parents-first [low], eligible 8d, wave 1, node:22 a>b since 1d
                 low: up-to-date current",
            ),
            // Six hours after the run began.
            (
                "8d6h",
                "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>b since 1d
                 low: up-to-date current",
            ),
        ],
    );
    // The build made the very image that there was.
    check(
        &format!("{fleet} >a"),
        &[(
            "8d2h",
            "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>b since 1d
             low: up-to-date current",
        )],
    );
}

#[test]
fn parents_that_are_far_from_due_or_held_block_nothing() {
    let fleet = |low: &str| {
        format!(
            "tag node:22 = a@0 b@1d
             tag low:1 = a@0
             image low {low} : node:22=a
             image app : low:1=a node:22=a"
        )
    };
    for (low, expected) in [
        ("delay=14d", "app: due"),
        ("delay=169h", "app: due"),
        ("delay=7d30m", "app: blocked parents-first [low]"),
        ("auto=no", "app: due"),
        ("unknown=unreadable", "app: due"),
        ("delay=7d", "app: blocked parents-first [low]"),
    ] {
        let found = decisions(&fleet(low), "8d");
        assert!(found.starts_with(expected), "{low}: {found}");
    }
    // A person rebuilds it just now.
    let found = decisions(
        &format!("{}\nrun low 8d.. running node:22=b", fleet("auto=no")),
        "8d",
    );
    assert!(
        found.starts_with("app: blocked parents-first [low]"),
        "{found}"
    );
}

#[test]
fn a_parent_that_fails_is_not_waited_for_long() {
    let fleet = "tag node:22 = a@0 b@1d
         tag low:1 = a@0
         image low : node:22=a
         image app : low:1=a node:22=a
         run low 8d..8d1h failed node:22=b
         run low 8d1h..8d2h failed node:22=b";
    let app = |fleet: &str, now| decisions(fleet, now).lines().next().unwrap().to_owned();
    assert_eq!(
        app(fleet, "8d2h"),
        "app: blocked parents-first [low], eligible 8d, wave 2, node:22 a>b since 1d"
    );
    assert_eq!(
        app(
            &format!("{fleet}\nrun low 8d2h..8d3h failed node:22=b"),
            "8d3h"
        ),
        "app: due base-update, eligible 8d, wave 2, rank 0, node:22 a>b since 1d"
    );
}

#[test]
fn a_parent_that_moves_all_the_time_is_waited_for_once() {
    check(
        "tag go:1 = a@0 b@8d1h
         tag node:22 = a@0 b@1d
         tag low:1 = a@0
         image low delay=0 : go:1=a
         image app : low:1=a node:22=a
         run low 7d..7d1h ok go:1=a >a",
        &[(
            "8d1h",
            "app: blocked parents-first [low], eligible 8d, wave 2, node:22 a>b since 1d
             low: waiting window until 8d1h30m, eligible 8d1h30m, wave 1, go:1 a>b since 8d1h",
        )],
    );
    check(
        "tag go:1 = a@0 b@8d1h c@9d
         tag node:22 = a@0 b@1d
         tag low:1 = a@0 b@8d3h
         image low delay=0 : go:1=b
         image app cascade=30d : low:1=a node:22=a
         run low 8d2h..8d3h ok go:1=b >b",
        &[(
            "9d",
            "app: due base-update, eligible 8d, wave 2, rank 0, low:1 a>b since 8d3h, node:22 a>b since 1d
             low: waiting window until 9d30m, eligible 9d30m, wave 1, go:1 b>c since 9d",
        )],
    );
}

#[test]
fn circles_start_nothing_and_hold_up_nothing() {
    let fleet = "tag left:1 = a@0 b@1d
         tag right:1 = a@0
         tag node:22 = a@0
         image left : right:1=a
         image right : left:1=a node:22=a
         image self : self:1=a
         tag self:1 = a@0";
    check(
        fleet,
        &[(
            "9d",
            "left: up-to-date current
             right: blocked circle, left:1 a>b since 1d
             self: up-to-date current",
        )],
    );
    // An upstream base does, and carries the others along.
    check(
        &fleet.replace("tag node:22 = a@0", "tag node:22 = a@0 b@1d"),
        &[(
            "9d",
            "left: up-to-date current
             right: due base-update, eligible 8d, wave 1, rank 0, left:1 a>b since 1d, node:22 a>b since 1d
             self: up-to-date current",
        )],
    );
}

#[test]
fn a_circle_that_settled_does_not_hide_what_settles() {
    check(
        "tag left:1 = a@0 b@1d
         tag node:22 = a@0 b@5d
         image left : right:1=a
         image right select=settled : left:1=a node:22=a
         tag right:1 = a@0",
        &[(
            "9d",
            "left: up-to-date current
             right: waiting settling until 12d, eligible 12d, wave 1, left:1 a>b since 1d, node:22 a>b since 5d",
        )],
    );
}

#[test]
fn a_digest_in_quarantine_is_built_on_by_nobody() {
    check(
        "tag node:22 = a@0 b@1d
         tag go:1 = a@0 b@1d
         image app : node:22=a go:1=a
         image pin : node:22@b
         quarantine b",
        &[(
            "9d",
            "app: blocked quarantined
             pin: blocked quarantined",
        )],
    );
    // What comes later takes its place, and its own time.
    check(
        "tag node:22 = a@0 b@1d c@5d
         image app : node:22=a
         quarantine b",
        &[(
            "9d",
            "app: waiting delay until 12d, eligible 12d, wave 1, node:22 a>c since 5d",
        )],
    );
    // Nor on what an index has for a platform of the image.
    let index = "tag node:22 = a@0[xy] b@1d[zw]";
    for (platform, expected) in [
        ("", "app: blocked quarantined"),
        (" platform=linux/amd64", "app: blocked quarantined"),
        (" platform=linux/arm64", "app: due base-update"),
    ] {
        let fleet = format!("{index}\nimage app{platform} : node:22=a\nquarantine z");
        let found = decisions(&fleet, "9d");
        assert!(found.starts_with(expected), "{platform}: {found}");
    }
    // Not even in an emergency.
    check(
        "tag node:22 = a@0 b@1d
         image app emergency=2d : node:22=a
         quarantine b",
        &[("9d", "app: blocked quarantined, eligible 2d")],
    );
}

#[test]
fn a_digest_can_have_to_stay_for_the_whole_delay() {
    let fleet = "tag node:22 = a@0 b@1d c@9d d@12d
         image app select=settled : node:22=a";
    check(
        fleet,
        &[
            // b stayed eight days, c only three; d has to prove itself.
            (
                "9d",
                "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>b since 1d",
            ),
            (
                "18d",
                "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>b since 1d",
            ),
            (
                "19d",
                "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>d since 1d",
            ),
        ],
    );
    check(
        &fleet
            .replace("=a\n", "=b\n")
            .replace("node:22=a", "node:22=b"),
        &[(
            "13d",
            "app: waiting settling until 19d, eligible 19d, wave 1, node:22 b>d since 12d",
        )],
    );
    // A tag that never rests causes nothing; one in quarantine is passed over.
    check(
        "tag node:22 = a@0 b@1d c@5d
         image app select=settled : node:22=a",
        &[(
            "8d",
            "app: waiting settling until 12d, eligible 12d, wave 1, node:22 a>c since 5d",
        )],
    );
    check(
        "tag node:22 = a@0 b@1d c@10d
         image app select=settled : node:22=a
         quarantine c",
        &[(
            "20d",
            "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>b since 1d",
        )],
    );
    // Of two bases, only the one that settled is built on.
    check(
        "tag node:22 = a@0 b@1d
         tag go:1 = a@0 b@5d
         image app select=settled : node:22=a go:1=a",
        &[(
            "8d",
            "app: due base-update, eligible 8d, wave 1, rank 0, node:22 a>b since 1d",
        )],
    );
}

#[test]
fn a_digest_that_settled_before_a_build_on_an_older_one_is_an_update() {
    // The tag pointed at a once, which is not kept any more; that rebuild was for something else.
    check(
        "tag node:22 = c@8d d@11d
         image app select=settled delay=3d built=9d : node:22=a
         run app 9d..9d1h ok node:22=a",
        &[(
            "11d",
            "app: due base-update, eligible 11d, wave 1, rank 0, node:22 a>c since 8d",
        )],
    );
}

#[test]
fn an_emergency_waits_for_nothing() {
    let fleet = "tag node:22 = a@0 b@1d
         image app emergency=2d auto=no : node:22=a
         image idle emergency=2d : node:22=b";
    check(
        fleet,
        &[
            (
                "1d23h",
                "app: manual auto-rebuild-off, eligible 8d, node:22 a>b since 1d
                 idle: up-to-date current",
            ),
            (
                "2d",
                "app: due emergency, eligible 2d, wave 1, rank 0, node:22 a>b since 1d
                 idle: due emergency, eligible 2d, wave 1, rank 1",
            ),
        ],
    );
    let app = "tag node:22 = a@0 b@1d\nimage app emergency=2d : node:22=a";
    for (run, expected) in [
        // A run that was there before does not serve it.
        (
            "run app 1d..1d1h ok node:22=a",
            "app: due emergency, eligible 2d",
        ),
        (
            "run app 2d..2d30m failed node:22=b",
            "app: due emergency attempt 2, eligible 2d30m",
        ),
        ("run app 2d1h.. running node:22=b", "app: in-flight running"),
        // Normal delays are back.
        (
            "run app 2d..2d30m ok node:22=a",
            "app: waiting delay until 8d",
        ),
    ] {
        let found = decisions(&format!("{app}\n{run}"), "2d1h");
        assert!(found.starts_with(expected), "{run}: {found}");
    }
}

#[test]
fn an_emergency_does_not_wait_for_parents() {
    let found = decisions(
        "tag node:22 = a@0 b@1d
         tag low:1 = a@0
         image low : node:22=a
         image app emergency=8d : low:1=a",
        "8d",
    );
    assert!(found.starts_with("app: due emergency"), "{found}");
}

#[test]
fn an_emergency_comes_after_that_of_a_parent() {
    let fleet = "tag node:22 = a@0 b@1d
         tag low:1 = a@0
         image low emergency=2d : node:22=a
         image app emergency=2d : low:1=a";
    for (run, expected) in [
        (
            "",
            ["low: due emergency", "app: blocked parents-first [low]"],
        ),
        (
            "run low 2d.. running node:22=b",
            ["low: in-flight running", "app: blocked parents-first [low]"],
        ),
        // It succeeded, and its push is not seen yet.
        (
            "run low 2d..2d5m ok node:22=b",
            ["low: blocked no-effect", "app: blocked parents-first [low]"],
        ),
        // One that failed too often to be tried at once is not waited for.
        (
            "run low 2d..2d1m failed node:22=b\nrun low 2d1m..2d2m failed node:22=b
             run low 2d2m..2d3m failed node:22=b",
            ["low: failed back-off", "app: due emergency"],
        ),
    ] {
        let found = decisions(&format!("{fleet}\n{run}"), "2d10m");
        for line in expected {
            assert!(
                found.lines().any(|it| it.trim().starts_with(line)),
                "{run}: {found}"
            );
        }
    }
    let pushed = "tag low:1 = a@0 c@2d5m\nrun low 2d..2d5m ok node:22=b >c";
    let found = decisions(&format!("{fleet}\n{pushed}"), "2d10m");
    assert!(found.starts_with("app: due emergency"), "{found}");
}

#[test]
fn caps_let_through_what_matters_most() {
    let fleet = "tag node:22 = a@0 b@1d c@2d
         tag go:1 = a@0 b@3d
         tag low:1 = a@0
         image any : node:22=a
         image first criticality=critical delay=6d : go:1=a
         image high criticality=high : node:22=a
         image low criticality=low : node:22=a
         image now emergency=9d criticality=low : node:22=b
         image top criticality=high : low:1=a node:22=a";
    let ranks = |caps: &str| -> Vec<String> {
        let found = decisions(&format!("{fleet}\n{caps}"), "9d");
        let words = |line: &str| line.split([',', ' ']).take(3).collect::<Vec<_>>().join(" ");
        found.lines().map(words).collect()
    };
    assert_eq!(
        ranks("cap 4"),
        [
            "any: blocked cap",
            "first: due base-update",
            "high: due base-update",
            // Somebody who matters waits for it.
            "low: due base-update",
            "now: due emergency",
            "top: blocked parents-first",
        ]
    );
    assert_eq!(ranks("cap 1")[4], "now: due emergency");
    assert_eq!(ranks("cap 1")[1], "first: blocked cap");
    assert_eq!(ranks("cap 0")[4], "now: blocked cap");
}

#[test]
fn caps_count_what_runs_by_repository_and_registry() {
    let fleet = "tag node:22 = a@0 b@1d
         image a repository=r1 registry=x : node:22=a
         image b repository=r1 registry=y : node:22=a
         image c repository=r2 registry=y : node:22=a
         image d repository=r3 registry=y : node:22=a
         run a 8d.. running node:22=b";
    for (caps, expected) in [
        (
            "cap repository 1",
            ["running", "repository-cap", "base-update", "base-update"],
        ),
        (
            "cap registry 1",
            ["running", "base-update", "registry-cap", "registry-cap"],
        ),
        (
            "cap registry 2",
            ["running", "base-update", "base-update", "registry-cap"],
        ),
        ("cap 2", ["running", "base-update", "cap", "cap"]),
    ] {
        let found = decisions(&format!("{fleet}\n{caps}"), "8d");
        let word = |line: &str| line.split([',', ' ']).nth(2).unwrap_or_default().to_owned();
        let words: Vec<String> = found.lines().map(word).collect();
        assert_eq!(words, expected, "{caps}");
    }
}

#[test]
fn among_equals_parents_come_first_and_failures_last() {
    let found = decisions(
        "tag node:22 = a@0 b@1d
         image a : node:22=a
         image b : node:22=a
         image c delay=6d : node:22=a
         run a 8d..8d1h failed node:22=b",
        "8d1h",
    );
    let ranks: Vec<_> = found
        .lines()
        .filter_map(|line| line.split("rank ").nth(1))
        .collect();
    assert_eq!(
        ranks.iter().map(|it| &it[..1]).collect::<Vec<_>>(),
        ["2", "1", "0"]
    );
}

#[test]
fn an_index_that_changed_on_other_platforms_is_no_update() {
    let tag = "tag node:22 = a@0[xy] b@1d[zy]";
    let waits = "app: waiting delay until 8d, eligible 8d, wave 1, node:22 a>b since 1d";
    for (platforms, expected) in [
        ("platform=linux/arm64", "app: up-to-date current"),
        ("platform=linux/arm64/v8", "app: up-to-date current"),
        ("platform=linux/amd64", waits),
        ("platform=linux/arm64 platform=linux/amd64", waits),
        // What an index does not say may have changed.
        ("platform=linux/s390x", waits),
        ("delay=7d", waits),
    ] {
        check(
            &format!("{tag}\nimage app {platforms} : node:22=a"),
            &[("2d", expected)],
        );
    }
    // Only what is beside the images is another one.
    check(
        "tag node:22 = a@0[xy] b@1d[xy]
         image app : node:22=a",
        &[("2d", "app: up-to-date current")],
    );
    check(
        "tag node:22 = a@0 b@1d
         image app platform=linux/amd64 : node:22=a",
        &[("2d", waits)],
    );
}

#[test]
fn an_update_on_our_platform_counts_from_its_own_time_and_is_built_on_the_last_digest() {
    let fleet = "tag node:22 = a@0[xy] b@1d[xz] c@3d[wz] d@4d[wy]
         image app platform=linux/amd64 : node:22=a";
    check(
        fleet,
        &[(
            "9d",
            "app: waiting delay until 10d, eligible 10d, wave 1, node:22 a>d since 3d",
        )],
    );
    check(
        &format!("{fleet}\nquarantine c"),
        &[(
            "9d",
            "app: waiting delay until 10d, eligible 10d, wave 1, node:22 a>d since 3d",
        )],
    );
    check(
        &format!("{fleet}\nquarantine d"),
        &[("9d", "app: blocked quarantined")],
    );
}
