//! Who is told of rebuilds, once, over several runs.

use imgfac_tests::{Built, Plant, Pushed, SmtpOptions, SmtpServer, Trouble};
use insta::assert_snapshot;

const TO_ALL: &str = "notifications:\n- {name: ops, type: webhook, url: 'http://HOOK/notify', events: [started, failed, three-strikes, emergency, stale, unreachable]}\n";

/// An image on node, whose update has waited long enough.
fn due(push: bool, settings: &str) -> Plant {
    let image = Built {
        name: "web",
        dockerfile: "FROM REGISTRY/lib/node:22\n",
        ..Built::default()
    };
    let mut plant = crate::plant(push, &[image], settings);
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    plant
}

/// What was told since the first so many messages: events with their subjects.
fn told(plant: &Plant, heard: &mut usize) -> Vec<String> {
    let bodies = plant.hook.bodies();
    let news = &bodies[*heard..];
    *heard = bodies.len();
    let events = news
        .iter()
        .flat_map(|body| body["events"].as_array().unwrap());
    events
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            plant.shown(&format!("{} {}", text("event"), text("subject")))
        })
        .collect()
}

fn starts_and_failures_are_told_once(push: bool) {
    let mut plant = due(push, TO_ALL);
    let mut heard = 0;
    let idle = |plant: &Plant, heard: &mut usize| {
        let before = plant.written();
        plant.good(&["rebuild", "--due"]);
        assert_eq!(plant.written(), before, "nothing is new");
        assert_eq!(told(plant, heard), [""; 0]);
    };
    plant.good(&["rebuild", "--due"]);
    assert_eq!(told(&plant, &mut heard), ["started web"]);
    idle(&plant, &mut heard);

    plant.pass("10m");
    plant.ends("web", "failure");
    assert_eq!(plant.due().code, 3);
    assert_eq!(told(&plant, &mut heard), ["started web", "failed web"]);
    idle(&plant, &mut heard);

    plant.pass("10m");
    plant.ends("web", "failure");
    assert_eq!(plant.due().code, 3);
    assert_eq!(told(&plant, &mut heard), ["started web", "failed web"]);
    plant.pass("10m");
    plant.ends("web", "failure");
    assert_eq!(plant.due().code, 3);
    assert_eq!(
        told(&plant, &mut heard),
        ["failed web", "three-strikes web"]
    );
    idle(&plant, &mut heard);

    // One that goes well ends the row, and a new one is news.
    plant.pass("2h");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(told(&plant, &mut heard), ["started web"]);
    plant.succeeds("web", &Pushed::default());
    plant.good(&["rebuild", "--due"]);
    assert_eq!(told(&plant, &mut heard), [""; 0]);
    idle(&plant, &mut heard);
}

#[test]
fn starts_and_failures_are_told_once_from_a_folder() {
    starts_and_failures_are_told_once(false);
}

#[test]
fn starts_and_failures_are_told_once_by_jobs_that_push() {
    starts_and_failures_are_told_once(true);
}

/// Neither a limit nor a token that is missing is a failure of the build.
#[test]
fn what_never_reached_ci_is_told_nobody() {
    for push in [false, true] {
        let mut plant = due(push, TO_ALL);
        let mut heard = 0;
        for attempt in 0..8 {
            let mut command = plant.command(&["rebuild", "--due"]);
            if attempt % 2 == 0 {
                let retry_after = Some(100_000);
                plant.github.trouble_start(Trouble::Limited { retry_after });
            } else {
                command.env_remove("GITHUB_TOKEN");
            }
            let outcome = plant.run_command(&mut command);
            assert_eq!(outcome.code, 3, "{outcome}");
            plant.pass("1h");
        }
        assert_eq!(told(&plant, &mut heard), [""; 0]);
        plant.good(&["rebuild", "--due"]);
        assert_eq!(told(&plant, &mut heard), ["started web"]);
        let event = &plant.hook.bodies()[0]["events"][0];
        assert_eq!(
            (&event["attempt"], &event["reason"]),
            (&1.into(), &"base-update".into())
        );
    }
}

/// The words of a message.
fn text(plant: &Plant, body: &serde_json::Value) -> String {
    let part = |key: &str| body[key].as_str().unwrap();
    plant.shown(&format!("{}\n{}", part("title"), part("text")))
}

#[test]
fn a_message_says_what_a_person_wants_to_know() {
    let mut plant = due(false, TO_ALL);
    plant.good(&["rebuild", "--due"]);
    let [started] = plant.hook.bodies().try_into().unwrap();
    assert_snapshot!(text(&plant, &started), @"
    web: rebuild started
    base-update
    Bases: REGISTRY/lib/node:22 (DIGEST to DIGEST)
    Attempt: 1
    Run: http://GITHUB/acme/shop/actions/runs/1000
    ");
    plant.ends("web", "failure");
    plant.pass("1m");
    assert_eq!(plant.due().code, 3);
    let bodies = plant.hook.bodies().into_iter();
    let failed = |it: &serde_json::Value| it["events"][0]["event"] == "failed";
    let failed = bodies.into_iter().find(failed).unwrap();
    assert_snapshot!(text(&plant, &failed), @"
    web: rebuild failed
    its run ended with failure
    Bases: REGISTRY/lib/node:22 (DIGEST to DIGEST)
    Attempt: 1
    Run: http://GITHUB/acme/shop/actions/runs/1000
    ");
    let event = &failed["events"][0];
    assert_eq!(event["attempt"], 1);
    assert!(event["key"].as_str().unwrap().starts_with("failed/web/"));
}

#[test]
fn whoever_cannot_be_told_is_told_later_and_nothing_fails() {
    for push in [false, true] {
        let mut plant = due(push, TO_ALL);
        let mut heard = 0;
        plant.hook.set_refusal(Some(404));
        let outcome = plant.due();
        assert_eq!(outcome.code, 0, "{outcome}");
        assert!(outcome.stdout.contains("1 rebuild started"), "{outcome}");
        let warned = "warning: ops was not told: HOOK answered 404; ";
        assert!(outcome.stderr.starts_with(warned), "{outcome}");
        assert_eq!(told(&plant, &mut heard), [""; 0]);
        plant.hook.set_refusal(None);
        plant.pass("1h");
        plant.good(&["rebuild", "--due"]);
        assert_eq!(told(&plant, &mut heard), ["started web"]);
        plant.good(&["rebuild", "--due"]);
        assert_eq!(told(&plant, &mut heard), [""; 0]);
    }
}

#[test]
fn one_target_that_is_down_keeps_no_other_from_hearing() {
    let mail = SmtpServer::start(SmtpOptions::default());
    let settings = format!(
        "{TO_ALL}- {{name: mail, type: email, server: '127.0.0.1:{}', tls: none, from: a@example.com, to: [b@example.com], events: [started]}}\n- {{name: slack, type: slack, secret: UNSET}}\n",
        mail.port()
    );
    let mut plant = due(false, &settings);
    let mut heard = 0;
    plant.hook.set_refusal(Some(500));
    let outcome = plant.due();
    assert_eq!(outcome.code, 0, "{outcome}");
    assert_eq!(mail.mails().len(), 1);
    assert!(
        mail.mails()[0]
            .text
            .contains("Subject: web: rebuild started")
    );
    plant.hook.set_refusal(None);
    plant.pass("10m");
    plant.good(&["rebuild", "--due"]);
    // Whoever heard of it does not again.
    assert_eq!(
        (told(&plant, &mut heard), mail.mails().len()),
        (vec!["started web".to_owned()], 1)
    );
    // What has no secret is told of in its own words.
    plant.ends("web", "failure");
    let outcome = plant.due();
    assert!(
        outcome
            .stderr
            .contains("slack was not told: the environment variable UNSET is not set"),
        "{outcome}"
    );
}

#[test]
fn an_emergency_is_told_once() {
    let mut plant = due(true, TO_ALL);
    let mut heard = 0;
    let arguments = [
        "rebuild",
        "web",
        "--emergency",
        "--reason=RCE",
        "--cve=CVE-2026-12345",
        "--yes",
    ];
    let mut command = plant.command(&arguments);
    command.env("GITHUB_ACTOR", "alice");
    let outcome = plant.run_command(&mut command);
    assert_eq!(outcome.code, 0, "{outcome}");
    let bodies = plant.hook.bodies().into_iter();
    let mut events = bodies.flat_map(|body| body["events"].as_array().unwrap().clone());
    let event = events.find(|it| it["event"] == "emergency").unwrap();
    assert_eq!(event["actor"], "alice");
    assert_eq!(event["cves"][0], "CVE-2026-12345");
    assert_eq!(event["reason"], "RCE");
    let mut first = told(&plant, &mut heard);
    first.sort();
    assert_eq!(first, ["emergency web", "started web"]);
    plant.good(&["rebuild", "--due"]);
    assert_eq!(told(&plant, &mut heard), [""; 0]);

    // The next one says that it is not the first.
    plant.pass("1h");
    let mut command = plant.command(&arguments);
    command.env("GITHUB_ACTOR", "alice");
    let _ = plant.run_command(&mut command);
    let body = plant.hook.bodies().pop().unwrap();
    assert_eq!(
        body["title"],
        "web: emergency rebuild (1 before it in thirty days)"
    );
    assert_eq!(body["events"][0]["emergenciesBefore"], 1);
}

#[test]
fn what_lacks_an_update_too_long_is_told_once_for_each() {
    let image = Built {
        name: "web",
        dockerfile: "FROM REGISTRY/lib/node:22\n",
        keys: "autoRebuild: false, ",
        ..Built::default()
    };
    let settings = format!("{TO_ALL}staleAfter: 30d\n");
    let mut plant = crate::plant(false, &[image], &settings);
    let mut heard = 0;
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("30d");
    plant.good(&["observe", "--all"]);
    assert_eq!(told(&plant, &mut heard), [""; 0]);
    plant.pass("1d");
    plant.good(&["observe", "--all"]);
    assert_eq!(told(&plant, &mut heard), ["stale web"]);
    for _ in 0..2 {
        plant.pass("10d");
        plant.good(&["observe", "--all"]);
        plant.good(&["rebuild", "--due"]);
        assert_eq!(told(&plant, &mut heard), [""; 0]);
    }
    // One more digest is not one more update, since the oldest counts; back and away again is.
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "third");
    plant.pass("31d");
    plant.good(&["observe", "--all"]);
    assert_eq!(told(&plant, &mut heard), ["stale web"]);
}

#[test]
fn a_registry_that_is_silent_for_a_day_is_told_of_once() {
    let mut plant = due(true, TO_ALL);
    let mut heard = 0;
    plant.registry.set_closed(true);
    let observe = |plant: &Plant| plant.run(&["observe", "--all"]).code;
    assert_eq!(observe(&plant), 3);
    plant.pass("1d");
    assert_eq!(observe(&plant), 3);
    assert_eq!(told(&plant, &mut heard), [""; 0]);
    plant.pass("1h");
    assert_eq!(observe(&plant), 3);
    assert_eq!(told(&plant, &mut heard), ["unreachable REGISTRY"]);
    plant.pass("2d");
    assert_eq!(observe(&plant), 3);
    assert_eq!(told(&plant, &mut heard), [""; 0]);
    plant.registry.set_closed(false);
    assert_eq!(observe(&plant), 0);
    plant.registry.set_closed(true);
    assert_eq!(observe(&plant), 3);
    plant.pass("2d");
    assert_eq!(observe(&plant), 3);
    assert_eq!(told(&plant, &mut heard), ["unreachable REGISTRY"]);
}
