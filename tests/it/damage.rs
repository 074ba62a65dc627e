//! Values in state files that cannot be meant: nothing is built on their account, and it is said.

use imgfac_tests::{Built, Plant};
use insta::assert_snapshot;

/// An image on node, whose rebuild is under way.
fn running() -> Plant {
    let image = Built {
        name: "web",
        dockerfile: "FROM REGISTRY/lib/node:22\n",
        ..Built::default()
    };
    let mut plant = crate::plant(false, &[image], "");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    plant.good(&["rebuild", "--due"]);
    plant
}

fn base_file(plant: &Plant) -> String {
    let files = plant.sandbox.path().join("factory/state/base-images");
    let mut names = std::fs::read_dir(files).unwrap();
    let name = names.next().unwrap().unwrap().file_name();
    format!("factory/state/base-images/{}", name.to_str().unwrap())
}

#[test]
fn an_attempt_whose_outcome_is_no_word_of_ours_is_no_reason_to_build_again() {
    let plant = running();
    let image = "factory/state/images/web.yaml";
    plant
        .sandbox
        .edit(image, "outcome: running", "outcome: Running");
    let before = plant.written();
    assert_snapshot!(plant.run(&["rebuild", "--due"]), @r#"
    exit 3
    --- stdout
    Nothing is due.
    --- stderr
    error[unreadable-state]: state/images/web.yaml cannot be used: the outcome of an item of rebuildHistory is "Running": expected requested, running, success or failure
      --> factory/state/images/web.yaml:48:14
       |
    48 |     outcome: Running
       |              ^^^^^^^
       |
       = help: mend or delete it; until then it is left as it is
    "#);
    assert_eq!(plant.started(), ["web"]);
    assert_eq!(plant.written(), before);
    let told = plant.run(&["rebuild", "--explain", "web"]);
    assert_eq!(told.code, 3, "{told}");
    assert_snapshot!(told.stdout, @r#"web is blocked: it is not known what it stands on: "state/images/web.yaml cannot be used"."#);
    let check = plant.run(&["check"]);
    assert_eq!(check.code, 1, "{check}");
    assert!(check.stderr.contains("unreadable-state"), "{check}");
    // A person is told, too.
    let by_hand = plant.run(&["rebuild", "web"]);
    assert_eq!(
        (by_hand.code, plant.started()),
        (3, vec!["web".to_owned()]),
        "{by_hand}"
    );
}

#[test]
fn no_value_in_doubt_starts_a_build_or_puts_one_off() {
    let plant = running();
    let image = "factory/state/images/web.yaml".to_owned();
    let base = base_file(&plant);
    let requested = "requestedAt: \"2026-11-08T00:00:00Z\"";
    for (file, from, to) in [
        (&image, requested, "requestedAt: garbage"),
        (&image, requested, "requestedAt: 2027-11-08T00:00:00Z"),
        (
            &base,
            "firstSeen: \"2026-11-01T00:00:00Z\"",
            "firstSeen: ''",
        ),
        (
            &base,
            "firstSeen: \"2026-11-01T00:00:00Z\"",
            "firstSeen: 9999-01-01T00:00:00Z",
        ),
        (&base, "currentDigest: sha256:", "currentDigest: SHA256:"),
    ] {
        let whole = plant.sandbox.read(file);
        plant.sandbox.edit(file, from, to);
        let due = plant.due();
        assert_eq!(
            (due.code, plant.started()),
            (3, vec!["web".to_owned()]),
            "{to}: {due}"
        );
        assert!(due.stderr.contains("unreadable-state"), "{to}: {due}");
        assert_eq!(plant.run(&["check"]).code, 1, "{to}");
        plant.sandbox.write(file, &whole);
    }
    // A clock may go wrong by a little.
    plant
        .sandbox
        .edit(&image, requested, "requestedAt: 2026-11-08T00:59:00Z");
    assert_eq!(plant.good(&["rebuild"]).stderr, "");
}
