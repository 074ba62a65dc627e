//! `imgfac rebuild` as it shows what would be done: the table, JSON, sentences, and plans that were
//! shown before.

use imgfac_tests::{Built, Plant, Pushed};
use insta::assert_snapshot;
use serde_json::Value;

/// `base` on node, `web` on `base`, and `tool` that a person rebuilds; node has moved on 2026-11-02.
fn moved() -> Plant {
    let images = [
        Built {
            name: "base",
            dockerfile: "FROM REGISTRY/lib/node:22\n",
            ..Built::default()
        },
        Built {
            name: "tool",
            dockerfile: "FROM REGISTRY/lib/node:22\n",
            keys: "autoRebuild: false, ",
            ..Built::default()
        },
        Built {
            name: "web",
            dockerfile: "FROM REGISTRY/acme/base:1\n",
            ..Built::default()
        },
    ];
    let mut plant = crate::plant(false, &images, "");
    plant.registry.push("acme/base:1", &Pushed::default());
    plant.moves("lib/node:22", "first");
    plant.pass("1d");
    plant.moves("lib/node:22", "second");
    plant
}

/// Text without the identity of a plan, which depends on the ports of the servers.
fn nameless(text: &str) -> String {
    let ends = [' ', '\n', ',', ';'];
    let id = |word: &str| word.len() == 12 && word.bytes().all(|c| c.is_ascii_hexdigit());
    let words = text.split_inclusive(ends);
    words
        .map(|word| match id(word.trim_end_matches(ends)) {
            true => format!("PLAN{}", &word[12..]),
            false => word.to_owned(),
        })
        .collect()
}

#[test]
fn the_table_has_what_is_not_at_rest() {
    let mut plant = moved();
    assert_snapshot!(nameless(&plant.run(&["rebuild"]).stdout), @"
    3 images: 1 waiting, 1 manual, 1 up to date

    IMAGE  STATUS   WHY               WHEN                  WAVE  BECAUSE OF
    base   waiting  delay             2026-11-09T00:00:00Z  1     REGISTRY/lib/node:22
    tool   manual   auto-rebuild-off  2026-11-09T00:00:00Z  -     REGISTRY/lib/node:22

    Plan PLAN for 2026-11-02T00:00:00Z; time alone changes nothing before 2026-11-08T23:30:00Z.
    ");
    plant.pass("7d");
    assert_snapshot!(nameless(&plant.run(&["rebuild"]).stdout), @"
    3 images: 1 due, 1 manual, 1 up to date

    IMAGE  STATUS  WHY               WHEN                  WAVE  BECAUSE OF
    base   due     base-update       now                   1     REGISTRY/lib/node:22
    tool   manual  auto-rebuild-off  2026-11-09T00:00:00Z  -     REGISTRY/lib/node:22

    Plan PLAN for 2026-11-09T00:00:00Z.
    ");
    // All that were named, at rest or not.
    assert_snapshot!(nameless(&plant.run(&["rebuild", "--plan", "web"]).stdout), @"
    3 images: 1 due, 1 manual, 1 up to date

    IMAGE  STATUS      WHY             WHEN  WAVE  BECAUSE OF
    web    up-to-date  parent-pending  -     2     -

    Plan PLAN for 2026-11-09T00:00:00Z.
    ");
}

/// The digests of `base` are known from elsewhere, and nobody looked at its registry.
#[test]
fn what_nobody_looked_at_is_not_observed() {
    let images = [
        Built {
            name: "base",
            dockerfile: "FROM REGISTRY/lib/node:22\n",
            ..Built::default()
        },
        Built {
            name: "web",
            dockerfile: "FROM REGISTRY/acme/base:1\n",
            ..Built::default()
        },
    ];
    let mut plant = crate::plant(false, &images, "");
    let node = format!("{}-lib-node-22", plant.registry.host().replace(':', "-"));
    let digests = ['a', 'b'].map(|it| format!("sha256:{}", it.to_string().repeat(64)));
    for digest in &digests {
        plant.good(&["observe", "--base", &node, "--digest", digest]);
        plant.pass("1d");
    }
    assert_eq!(plant.reasons(), "base delay, web not-observed");
    let shown = plant.good(&["rebuild"]).stdout;
    assert!(
        shown.contains("  not-observed: REGISTRY/acme/base:1  "),
        "{shown}"
    );
    let idle = plant.good(&["rebuild", "--due"]).stdout;
    let next = "Nothing is due; time alone changes nothing before 2026-11-08T23:30:00Z.\n";
    assert_eq!(idle, next);
    plant.pass("6d");
    plant.good(&["rebuild", "--due"]);
    let [run] = plant.github.runs().try_into().unwrap();
    assert_eq!(run.workflow, "base.yml");
    for digest in &digests {
        assert!(run.inputs["imgfac_causes"].contains(digest), "{run:?}");
    }
}

#[test]
fn the_json_has_the_keys_that_people_were_promised() {
    let mut plant = moved();
    let waiting = plant.plan();
    assert_eq!(waiting["now"], "2026-11-02T00:00:00Z");
    let image = |plan: &Value, name: &str| {
        let images = plan["images"].as_array().unwrap();
        images.iter().find(|it| it["name"] == name).unwrap().clone()
    };
    let base = image(&waiting, "base");
    assert_eq!(base["status"], "waiting");
    assert_eq!(base["reason"], "delay");
    assert_eq!(base["eligibleAt"], "2026-11-09T00:00:00Z");
    assert_eq!(base["wave"], 1);
    let [cause] = base["causes"].as_array().unwrap().as_slice() else {
        panic!("{base}");
    };
    assert_eq!(cause["base"], plant.filled("REGISTRY/lib/node:22"));
    assert_eq!(cause["firstSeen"], "2026-11-02T00:00:00Z");
    assert_ne!(cause["from"], cause["to"]);
    plant.pass("7d");
    let due = plant.plan();
    let base = image(&due, "base");
    assert_eq!(base["status"], "due");
    assert_eq!(base["reason"], "base-update");
    assert_eq!(base["identity"].as_str().map(str::len), Some(64));
    assert_ne!(waiting["plan"], due["plan"]);
    let all: Vec<&Value> = due["images"].as_array().unwrap().iter().collect();
    assert_eq!(all.len(), 3, "all images, also those at rest");
    let named = plant.good(&["rebuild", "--plan", "web", "--format=json"]);
    let named: Value = serde_json::from_str(&named.stdout).unwrap();
    assert_eq!(named["images"].as_array().unwrap().len(), 1);
    assert_eq!(named["plan"], due["plan"], "the identity is of the whole");
}

#[test]
fn sentences_tell_why() {
    let mut plant = moved();
    let explain = |plant: &Plant, name: &str| plant.good(&["rebuild", "--explain", name]).stdout;
    assert_snapshot!(explain(&plant, "web"), @"
    web is up to date, but an image below it is going to be rebuilt, and it will follow.
    Its place in the cascade is wave 2.
    ");
    plant.pass("7d");
    assert_snapshot!(explain(&plant, "base"), @"
    base is due: it is to be rebuilt now.
    REGISTRY/lib/node:22 moved from DIGEST to DIGEST.
    The oldest update of it that the image lacks was first seen at 2026-11-02T00:00:00Z; rebuildDelay holds it back for 7d.
    ");
    assert_snapshot!(explain(&plant, "tool"), @"
    tool lacks updates and waits for a person: its autoRebuild is false.
    REGISTRY/lib/node:22 moved from DIGEST to DIGEST.
    The oldest update of it that the image lacks was first seen at 2026-11-02T00:00:00Z; rebuildDelay holds it back for 7d.
    Time has allowed a rebuild since 2026-11-09T00:00:00Z.
    ");
    assert_snapshot!(explain(&plant, "web"), @"
    web is up to date, but an image below it is going to be rebuilt, and it will follow.
    Its place in the cascade is wave 2.
    ");
}

#[test]
fn names_that_cannot_be_meant_are_refused() {
    let plant = moved();
    let images = plant.sandbox.read("factory/images.yaml");
    let external = "- {name: redis, repository: library/redis}\n";
    plant
        .sandbox
        .write("factory/images.yaml", format!("{images}{external}"));
    let before = plant.written();
    assert_snapshot!(plant.run(&["rebuild", "wep"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no image is called "wep"
    hint: did you mean "web"?
    "#);
    assert_snapshot!(plant.run(&["rebuild", "--explain", "redis"]), @"
    exit 2
    --- stdout
    --- stderr
    error: redis is external: it has no source, so others build it
    hint: imgfac status shows what is known of it
    ");
    for arguments in [
        &["rebuild", "--plan", "wep"][..],
        &["rebuild", "--explain", "wep"],
        &["rebuild", "redis"],
        &["rebuild", "--plan", "redis"],
        &["rebuild", "web", "redis"],
        &["rebuild", "web", "--due"],
        &["rebuild", "--due", "--plan"],
        &["rebuild", "--plan-id", "0123456789ab"],
        &["rebuild", "--due", "--plan-id", "x"],
        &["rebuild", "--due", "--plan-id", "12345"],
        &["rebuild", "--due", "--plan-id", "G23456789012"],
        &["rebuild", "--reason", "x", "web"],
    ] {
        let outcome = plant.run(arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {outcome}");
    }
    assert_eq!(plant.written(), before);
    assert_eq!(plant.started(), [""; 0]);
}

#[test]
fn state_that_cannot_be_read_holds_its_image_and_no_other() {
    let mut plant = moved();
    plant.pass("7d");
    plant
        .sandbox
        .write("factory/state/images/tool.yaml", "name: [tool\n");
    let shown = plant.run(&["rebuild"]);
    assert_eq!(shown.code, 3);
    assert_snapshot!(nameless(&shown.to_string()), @"
    exit 3
    --- stdout
    3 images: 1 due, 1 blocked, 1 up to date

    IMAGE  STATUS   WHY           WHEN  WAVE  BECAUSE OF
    base   due      base-update   now   1     REGISTRY/lib/node:22
    tool   blocked  not-analysed  -     -     -

    Plan PLAN for 2026-11-09T00:00:00Z.
    --- stderr
    error[unreadable-state]: state/images/tool.yaml cannot be used: this is not YAML: unclosed bracket '['
     --> factory/state/images/tool.yaml:1:7
      |
    1 | name: [tool
      |       ^
      |
      = help: mend or delete it; until then it is left as it is
    ");
    let due = plant.due();
    assert_eq!(due.code, 3, "{due}");
    assert_eq!(plant.started(), ["base"]);
    assert_eq!(
        plant.sandbox.read("factory/state/images/tool.yaml"),
        "name: [tool\n"
    );
}

#[test]
fn a_plan_that_is_another_one_by_now_is_not_done() {
    let mut plant = moved();
    let file = |plant: &Plant| {
        let shown = plant.plan();
        plant.sandbox.write("plan.json", shown.to_string());
        shown["plan"].as_str().unwrap().to_owned()
    };
    let old = file(&plant);
    plant.pass("7d");
    let before = plant.written();
    assert_snapshot!(
        nameless(&plant.run(&["rebuild", "--due", "--plan-file=plan.json"]).to_string()),
        @"
    exit 1
    --- stdout
    --- stderr
    error: the plan is another one by now: PLAN, not PLAN; nothing was started
      base: was waiting (delay), is due (base-update)
    hint: look at the new plan with: imgfac rebuild --plan
    "
    );
    assert_snapshot!(
        nameless(&plant.run(&["rebuild", "--due", "--plan-id", &old[..12]]).to_string()),
        @"
    exit 1
    --- stdout
    --- stderr
    error: the plan is another one by now: PLAN, not PLAN; nothing was started
    hint: look at the new plan with: imgfac rebuild --plan; with --plan-file the difference is shown
    "
    );
    assert_eq!(plant.started(), [""; 0]);
    assert_eq!(plant.written(), before);

    let seen = file(&plant);
    plant.moves("lib/node:22", "third");
    let other = plant.run(&["rebuild", "--due", "--plan-file=plan.json"]);
    assert_snapshot!(nameless(&other.to_string()), @"
    exit 1
    --- stdout
    --- stderr
    error: the plan is another one by now: PLAN, not PLAN; nothing was started
      base: still due (base-update), but it would build something else
      tool: still manual (auto-rebuild-off), but it would build something else
    hint: look at the new plan with: imgfac rebuild --plan
    ");
    assert_eq!(plant.started(), [""; 0]);
    // It holds again, and time alone does not change it.
    let now = file(&plant);
    assert_ne!(seen, now);
    plant.pass("2h");
    let done = plant.run(&["rebuild", "--due", "--plan-id", &now[..20]]);
    assert_eq!(
        (done.code, plant.started()),
        (0, vec!["base".to_owned()]),
        "{done}"
    );
}

#[test]
fn the_plan_that_was_shown_is_done() {
    let mut plant = moved();
    plant.pass("7d");
    plant.sandbox.write("plan.json", plant.plan().to_string());
    plant.good(&["rebuild", "--due", "--plan-file=plan.json"]);
    assert_eq!(plant.started(), ["base"]);
}

#[test]
fn a_file_that_is_no_plan_is_told() {
    let plant = moved();
    for text in ["", "{}", "[1]", "{\"plan\": 1}", "\0\u{1b}[31m"] {
        plant.sandbox.write("plan.json", text);
        let outcome = plant.run(&["rebuild", "--due", "--plan-file=plan.json"]);
        assert_eq!(outcome.code, 1, "{text:?}: {outcome}");
        assert!(
            outcome.stderr.contains("plan.json: this is no plan"),
            "{outcome}"
        );
        assert!(!outcome.stderr.contains('\u{1b}'), "{outcome}");
    }
    // What names no plan at all would be the beginning of any.
    plant
        .sandbox
        .write("plan.json", r#"{"plan": "", "images": []}"#);
    assert_snapshot!(plant.run(&["rebuild", "--due", "--plan-file=plan.json"]), @"
    exit 1
    --- stdout
    --- stderr
    error: plan.json: this is no plan: its identity is none
    hint: make it with: imgfac rebuild --plan --format json > FILE
    ");
    let missing = plant.run(&["rebuild", "--due", "--plan-file=nowhere.json"]);
    assert_eq!(missing.code, 1, "{missing}");
    assert!(missing.stderr.contains("nowhere.json"), "{missing}");
}

#[test]
fn a_time_that_is_none_is_refused() {
    let plant = moved();
    let mut command = plant.command(&["rebuild"]);
    command.env("IMGFAC_NOW", "yesterday");
    assert_snapshot!(plant.run_command(&mut command), @"
    exit 2
    --- stdout
    --- stderr
    error: IMGFAC_NOW is not a time
    hint: write it like 2026-11-23T12:00:00Z
    ");
}
