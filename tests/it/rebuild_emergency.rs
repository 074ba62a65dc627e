//! `imgfac rebuild --emergency` without a cluster.

use std::io::Write;
use std::process::{Command, Stdio};

use imgfac_tests::{Built, Outcome, Plant, Pushed};
use insta::assert_snapshot;

const NODE: &str = "FROM REGISTRY/lib/node:22\n";

/// Four images: `low`, `top` (on `low`) and `vital` on node, and `other` on debian. Node has moved a
/// day ago, so nothing is due.
fn waiting(push: bool, settings: &str) -> Plant {
    let image = |name, dockerfile, keys| Built {
        name,
        dockerfile,
        keys,
        ..Built::default()
    };
    let images = [
        image("low", NODE, "criticality: low, "),
        image("other", "FROM REGISTRY/lib/debian:12\n", ""),
        image("top", "FROM REGISTRY/acme/low:1\n", "criticality: low, "),
        image("vital", NODE, "criticality: critical, "),
    ];
    let mut plant = crate::plant(push, &images, settings);
    plant.registry.push("acme/low:1", &Pushed::default());
    plant.registry.push("lib/debian:12", &Pushed::default());
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("1d");
    plant
}

/// Asks for an emergency, by alice.
fn emergency(plant: &Plant, arguments: &[&str]) -> Outcome {
    by(plant, "alice", arguments)
}

fn by(plant: &Plant, actor: &str, arguments: &[&str]) -> Outcome {
    let mut command = asking(plant, arguments);
    command.env("GITHUB_ACTOR", actor);
    plant.run_command(&mut command)
}

fn asking(plant: &Plant, arguments: &[&str]) -> Command {
    let emergency = ["rebuild", "--emergency", "--reason", "RCE in libwebp"];
    plant.command(&[&emergency[..], arguments].concat())
}

/// The audit files, oldest first, of a folder or of the branch.
fn audit(plant: &Plant, push: bool) -> Vec<String> {
    match push {
        false => {
            let files = plant.sandbox.files().into_iter();
            let files = files.filter(|(path, _)| path.starts_with("factory/state/audit/"));
            files.map(|(_, (_, text))| text).collect()
        }
        true => {
            let remote = "remotes/acme/state.git";
            let list = [
                "ls-tree",
                "-r",
                "--name-only",
                "main",
                "factory/state/audit/",
            ];
            let names = plant.sandbox.git(remote, &list);
            let show = |name: &str| {
                plant
                    .sandbox
                    .git(remote, &["show", &format!("main:{name}")])
            };
            names.lines().map(show).collect()
        }
    }
}

#[test]
fn an_emergency_is_on_record_and_starts_at_once() {
    let plant = waiting(true, "");
    assert_snapshot!(crate::git::shortened(emergency(&plant, &["vital", "--cve=cve-2026-12345", "--yes"])), @"
    exit 0
    --- stdout
      started  vital  emergency: REGISTRY/lib/node:22  http://GITHUB/acme/shop/actions/runs/1000
    1 rebuild started; time alone changes nothing before 2026-11-07T23:30:00Z.
    Pushed COMMIT to main of origin
    --- stderr
    ");
    assert_eq!(plant.started(), ["vital"]);
    assert_eq!(plant.github.runs()[0].inputs["imgfac_reason"], "emergency");
    let [record] = audit(&plant, true).try_into().unwrap();
    assert_snapshot!(record, @r#"
    # An emergency: who asked, why, and for which images. Written once, never changed.
    askedAt: "2026-11-02T00:00:00Z"
    actor: alice
    reason: RCE in libwebp
    vulnerabilities:
      - CVE-2026-12345
    images:
      - vital
    "#);
    let state = plant.state("vital");
    let (_, kept) = state.split_once("emergency:\n").unwrap();
    let kept: String = kept
        .lines()
        .take_while(|line| line.starts_with("  "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_snapshot!(kept, @r#"
    askedAt: "2026-11-02T00:00:00Z"
    actor: alice
    reason: RCE in libwebp
    vulnerabilities:
      - CVE-2026-12345
    "#);
    // The commit that has the record says so, too.
    let log = plant.sandbox.git(
        "remotes/acme/state.git",
        &["log", "-2", "--format=%B", "main"],
    );
    assert!(log.contains("emergency: RCE in libwebp"), "{log}");
}

#[test]
fn the_next_update_waits_as_always() {
    let mut plant = waiting(false, "");
    assert_eq!(emergency(&plant, &["vital", "--yes"]).code, 0);
    let again = emergency(&plant, &["vital", "--yes"]);
    assert_eq!(again.code, 3);
    assert_snapshot!(again, @r#"
    exit 3
    --- stdout
      not started  vital is being rebuilt since 2026-11-02T00:00:00Z ("http://GITHUB/acme/shop/actions/runs/1000").
    1 not started, 1 under way; time alone changes nothing before 2026-11-02T06:00:00Z.
    1 emergency before it in 30 days
    --- stderr
    "#);
    plant.pass("10m");
    let pushed = Pushed {
        layer: "mended",
        ..Pushed::default()
    };
    plant.succeeds("vital", &pushed);
    plant.good(&["rebuild", "--due"]);
    assert!(
        plant.reasons().contains("vital current"),
        "{}",
        plant.reasons()
    );
    plant.pass("1d");
    plant.moves("lib/node:22", "third");
    assert!(
        plant.reasons().contains("vital delay"),
        "{}",
        plant.reasons()
    );
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started(), ["vital"]);
}

#[test]
fn an_emergency_that_fails_is_tried_again_without_a_person() {
    let mut plant = waiting(false, "");
    assert_eq!(emergency(&plant, &["vital", "--yes"]).code, 0);
    plant.pass("10m");
    plant.ends("vital", "failure");
    let failed = plant.due();
    assert_eq!(failed.code, 3, "{failed}");
    assert_eq!(plant.started(), ["vital", "vital"]);
    assert_eq!(plant.github.runs()[1].inputs["imgfac_reason"], "emergency");
}

#[test]
fn the_most_critical_begin_and_a_base_stands_for_all_on_it() {
    let plant = waiting(false, "");
    let node = plant.filled("REGISTRY/lib/node:22");
    let dry = emergency(&plant, &["--base", &node, "--dry-run"]);
    assert_eq!((dry.code, plant.started().len()), (0, 0));
    assert_snapshot!(dry, @"
    exit 0
    --- stdout
      would start   vital  critical  github of acme/shop
      would start   low    low       github of acme/shop
      would start   top    low       github of acme/shop
    --- stderr
    ");
    let told = emergency(&plant, &["--base", &node, "--yes", "--format=json"]);
    assert_eq!(told.code, 0, "{told}");
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    let order: Vec<&str> = (told["started"].as_array().unwrap().iter())
        .map(|it| it["image"].as_str().unwrap())
        .collect();
    assert_eq!(order, plant.started());
    // What stands on another one of them begins when that is rebuilt.
    assert_eq!(order, ["vital", "low"]);
    let nothing = emergency(&plant, &["--base=redis:7", "--yes"]);
    assert_eq!(nothing.code, 2, "{nothing}");
}

#[test]
fn all_that_lack_an_update_can_be_meant() {
    let plant = waiting(false, "");
    assert_eq!(emergency(&plant, &["--all-affected", "--yes"]).code, 0);
    assert_eq!(plant.started(), ["vital", "low"]);
    let image = Built {
        name: "web",
        dockerfile: NODE,
        ..Built::default()
    };
    let plant = crate::plant(false, &[image], "");
    plant.moves("lib/node:22", "first");
    assert_snapshot!(emergency(&plant, &["--all-affected", "--yes"]), @"
    exit 1
    --- stdout
    --- stderr
    error: no image lacks an update of what it stands on
    hint: imgfac observe --all looks for updates; imgfac rebuild shows the plan
    ");
}

#[test]
fn nobody_consents_where_nobody_can_be_asked() {
    let plant = waiting(false, "");
    let before = plant.written();
    assert_snapshot!(emergency(&plant, &["vital"]), @"
    exit 2
    --- stdout
    --- stderr
    error: an emergency needs somebody's consent
    hint: add --yes where nobody can be asked, or try it with --dry-run
    ");
    for arguments in [
        &["rebuild", "--emergency", "vital", "--yes"][..],
        &["rebuild", "--emergency", "--reason=x", "--yes"],
        &["rebuild", "--emergency", "--reason=x", "wital", "--yes"],
        &[
            "rebuild",
            "--emergency",
            "--reason=x",
            "vital",
            "--cve=1",
            "--yes",
        ],
        &["rebuild", "--emergency", "--reason=a\nb", "vital", "--yes"],
        &["rebuild", "--reason=x", "vital"],
        &["rebuild", "vital", "--yes"],
    ] {
        assert_eq!(plant.run(arguments).code, 2, "{arguments:?}");
    }
    assert_eq!((plant.written(), plant.started().len()), (before, 0));
}

/// Answers on a terminal, which `script` makes; `None` where it is not installed.
fn answers(plant: &Plant, answer: &str) -> Option<(Option<i32>, String)> {
    let command = asking(plant, &["vital", "low"]);
    let quoted = |it: &std::ffi::OsStr| format!("'{}'", it.to_string_lossy());
    let words = command.get_args().map(quoted);
    let line = [quoted(command.get_program())].into_iter().chain(words);
    let line = line.collect::<Vec<_>>().join(" ");
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(plant.sandbox.path())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, it)| Some((name, it?))),
        )
        .env("GITHUB_ACTOR", "alice")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let Ok(mut script) = script.spawn() else {
        return None;
    };
    let mut input = script.stdin.take().unwrap();
    input.write_all(answer.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    drop(input);
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    Some((output.status.code(), plant.shown(&said)))
}

#[test]
fn a_person_sees_what_happens_and_says_yes() {
    let plant = waiting(false, "");
    let Some((code, said)) = answers(&plant, "n\n") else {
        eprintln!("skipped: script is not installed");
        return;
    };
    assert_eq!((code, plant.started().len()), (Some(1), 0), "{said}");
    assert_eq!(audit(&plant, false), [""; 0]);
    for part in [
        "Emergency rebuild through CI:",
        "vital  critical",
        "github of acme/shop",
        "RCE in libwebp",
        "Rebuild 2 images now? [y/N]",
        "nothing was asked for",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let (code, said) = answers(&plant, "y\n").unwrap();
    assert_eq!((code, plant.started().len()), (Some(0), 2), "{said}");
    // The next one hears of it.
    let (_, said) = answers(&plant, "n\n").unwrap();
    assert!(said.contains("1 emergency before it in 30 days"), "{said}");
}

/// Also those who are not asked.
#[test]
fn emergencies_are_counted() {
    for push in [false, true] {
        let mut plant = waiting(push, "");
        let counted = |plant: &Plant| {
            let told = emergency(plant, &["other", "--yes", "--format=json"]);
            let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
            told["emergenciesBefore"].clone()
        };
        for before in 0..2 {
            assert_eq!(counted(&plant), before);
            plant.pass("1h");
        }
        let told = emergency(&plant, &["vital", "--yes"]).stdout;
        assert!(
            told.contains("\n2 emergencies before it in 30 days\n"),
            "{told}"
        );
        // What is long ago counts no more, and what is no emergency counts nothing.
        plant.pass("31d");
        assert_eq!(counted(&plant), 0);
        let named = plant.run(&["rebuild", "top", "--format=json"]).stdout;
        assert!(!named.contains("emergenciesBefore"), "{named}");
    }
}

#[test]
fn only_named_actors_may() {
    for push in [false, true] {
        let plant = waiting(push, "rebuilds: {emergencyActors: [alice, bob]}\n");
        let before = plant.written();
        for actor in ["mallory", "", "alice2", "alice\nbob"] {
            let refused = by(&plant, actor, &["vital", "--yes"]);
            assert_eq!(refused.code, 1, "{actor:?}: {refused}");
        }
        let told = by(&plant, "mallory", &["vital", "--yes"]).stderr;
        assert!(
            told.contains("mallory may not ask for an emergency"),
            "{told}"
        );
        assert_eq!((plant.written(), plant.started().len()), (before, 0));
        let done = by(&plant, "Bob", &["vital", "--yes"]);
        assert_eq!((done.code, plant.started().len()), (0, 1), "{done}");
        let [record] = audit(&plant, push).try_into().unwrap();
        assert!(record.contains("actor: Bob\n"), "{record}");
    }
}

/// What is edited in the checkout of somebody is no policy of the branch.
#[test]
fn a_policy_of_the_branch_cannot_be_edited_away() {
    let plant = waiting(true, "rebuilds: {emergencyActors: [alice]}\n");
    let before = plant.written();
    let mut command = asking(&plant, &["vital", "--yes"]);
    plant
        .sandbox
        .edit("read/factory/imgfac.yaml", "[alice]", "[mallory]");
    command.env("GITHUB_ACTOR", "mallory");
    let refused = plant.run_command(&mut command);
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.stderr.contains("mallory may not ask"), "{refused}");
    assert_eq!((plant.written(), plant.started().len()), (before, 0));
}

#[test]
fn not_even_an_emergency_breaks_quarantine_and_caps() {
    let plant = waiting(false, "");
    let state = plant.plan();
    let images = state["images"].as_array().unwrap().iter();
    let vital = images.into_iter().find(|it| it["name"] == "vital").unwrap();
    let digest = vital["causes"][0]["to"].as_str().unwrap();
    plant.set_settings(&format!("rebuilds: {{quarantine: ['{digest}']}}\n"));
    let told = emergency(&plant, &["vital", "--yes"]);
    assert_eq!((told.code, plant.started().len()), (3, 0));
    assert_snapshot!(told, @"
    exit 3
    --- stdout
      not started  vital is blocked: it would be built on DIGEST of REGISTRY/lib/node:22, which is in quarantine; a later digest takes its place.
    1 not started.
    --- stderr
    ");
    plant.set_settings("rebuilds: {maxRunning: 1}\n");
    let told = emergency(&plant, &["--all-affected", "--yes"]);
    assert_eq!(told.code, 3, "{told}");
    assert_eq!(plant.started(), ["vital"]);
    // It follows when there is room.
    plant.ends("vital", "success");
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.started(), ["vital", "low"]);
}

#[test]
fn images_of_others_and_of_people() {
    let person = Built {
        name: "tool",
        dockerfile: NODE,
        keys: "autoRebuild: false, ",
        ..Built::default()
    };
    let plant = crate::plant(false, &[person], "");
    plant.moves("lib/node:22", "first");
    let images = plant.sandbox.read("factory/images.yaml");
    let external = "- {name: redis, repository: library/redis}\n";
    plant
        .sandbox
        .write("factory/images.yaml", format!("{images}{external}"));
    let none = emergency(&plant, &["redis", "--yes"]);
    assert_eq!((none.code, plant.started().len()), (1, 0), "{none}");
    let dry = emergency(&plant, &["tool", "redis", "--dry-run"]);
    assert_snapshot!(dry.stdout, @"
    cannot start  redis  normal  not possible: it has no source, so others build it
    would start   tool   normal  github of acme/shop
    ");
    let told = emergency(&plant, &["tool", "redis", "--yes"]);
    assert_eq!(told.code, 3);
    assert_snapshot!(told, @"
    exit 3
    --- stdout
      started  tool  emergency  http://GITHUB/acme/shop/actions/runs/1000
      not started  redis has no source, so others build it.
    1 rebuild started, 1 not started.
    --- stderr
    ");
    assert_eq!(plant.started(), ["tool"]);
}

/// With settings or an option for CI a cluster is not asked, although there is one.
#[test]
fn ci_can_be_meant_where_a_cluster_is_configured() {
    let plant = waiting(false, "");
    plant.sandbox.write("kubeconfig", "not even YAML: [");
    let run = |arguments: &[&str]| {
        let mut command = asking(&plant, arguments);
        command.env("KUBECONFIG", plant.sandbox.path().join("kubeconfig"));
        plant.run_command(&mut command)
    };
    let cluster = run(&["vital", "--yes"]);
    assert_ne!(cluster.code, 0, "{cluster}");
    assert_eq!(plant.started(), [""; 0]);
    let ci = run(&["vital", "--yes", "--through=ci"]);
    assert_eq!((ci.code, plant.started().len()), (0, 1), "{ci}");
    plant.set_settings("rebuilds: {through: ci}\n");
    let ci = run(&["low", "--yes"]);
    assert_eq!((ci.code, plant.started().len()), (0, 2), "{ci}");
}
