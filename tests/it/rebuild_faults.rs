//! Runs that are killed, answers that get lost and servers that refuse: a rebuild is asked for once,
//! unless it is certain that nothing came of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use imgfac_tests::{Built, Outcome, Plant, Pushed, Trouble};
use insta::assert_snapshot;

use crate::git_faults::{KILLER, put_before_git};

/// Who builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    GitHub,
    GitLab,
    Webhook,
}

/// An image on node, whose update has waited long enough.
fn due(push: bool, by: By) -> Plant {
    let source = match by {
        By::GitHub => "",
        By::GitLab => "provider: gitlab, host: 'GITLAB', repo: acme/shop, causeInputs: true",
        By::Webhook => "provider: webhook, repo: acme/shop, url: 'http://HOOK/build'",
    };
    let image = Built {
        name: "web",
        dockerfile: "FROM REGISTRY/lib/node:22\n",
        source,
        ..Built::default()
    };
    let mut plant = crate::plant(push, &[image], "");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    plant
}

/// How many builds there are for each identity.
fn builds(plant: &Plant) -> BTreeMap<String, usize> {
    let github = plant.github.runs().into_iter().map(|it| it.inputs);
    let github = github.map(|mut it| it.remove("imgfac_rebuild"));
    let gitlab = plant.gitlab.pipelines().into_iter().map(|it| it.variables);
    let gitlab = gitlab.map(|mut it| it.remove("IMGFAC_REBUILD"));
    let hook = plant.hook.bodies().into_iter();
    let hook = hook.map(|it| it["rebuild"].as_str().map(str::to_owned));
    let mut builds = BTreeMap::new();
    for identity in github.chain(gitlab).chain(hook) {
        *builds.entry(identity.unwrap()).or_default() += 1;
    }
    builds
}

fn number(plant: &Plant) -> usize {
    builds(plant).values().sum()
}

fn trouble(plant: &Plant, by: By, trouble: Trouble) {
    match by {
        By::GitHub => plant.github.trouble_start(trouble),
        By::GitLab => plant.gitlab.trouble_start(trouble),
        By::Webhook => plant.hook.trouble(trouble),
    }
}

/// Lets the last build of `web` end.
fn ends(plant: &Plant, by: By, conclusion: &str) {
    match by {
        By::GitHub => plant.ends("web", conclusion),
        By::GitLab => {
            let last = plant.gitlab.pipelines().pop().unwrap();
            plant.gitlab.set_status(last.id, conclusion);
        }
        By::Webhook => unreachable!("it cannot be asked"),
    }
}

/// How many requests came that start a build.
fn asked(plant: &Plant, by: By) -> usize {
    match by {
        By::GitHub => plant.github.requests(),
        By::GitLab => plant.gitlab.requests(),
        By::Webhook => plant.hook.requests(),
    }
    .iter()
    .filter(|request| request.method == "POST")
    .count()
}

/// Starts the run, and kills it when a server was asked for a build and does not answer.
fn killed_while_it_asks(plant: &Plant, by: By, done: bool) {
    let (before, asked_before) = (number(plant), asked(plant, by));
    trouble(plant, by, Trouble::Silent { done });
    let mut command = plant.command(&["rebuild", "--due"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut run: Child = command.spawn().unwrap();
    while asked(plant, by) == asked_before {
        assert_eq!(run.try_wait().unwrap(), None, "it ended and asked nobody");
        std::thread::yield_now();
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(number(plant), before + usize::from(done));
    assert_eq!(plant.outcomes("web").pop().as_deref(), Some("requested"));
}

#[test]
fn a_run_that_is_killed_before_it_hears_the_answer_is_found_again() {
    for (by, push) in [
        (By::GitHub, false),
        (By::GitHub, true),
        (By::GitLab, false),
        (By::GitLab, true),
    ] {
        let mut plant = due(push, by);
        killed_while_it_asks(&plant, by, true);
        // At once, and later.
        for _ in 0..2 {
            plant.good(&["rebuild", "--due"]);
            assert_eq!(plant.outcomes("web"), ["running"], "{by:?} {push}");
            assert_eq!(number(&plant), 1, "{by:?} {push}");
            plant.pass("20m");
        }
    }
}

#[test]
fn what_was_never_sent_is_sent_once_that_is_certain() {
    for (by, push) in [
        (By::GitHub, false),
        (By::GitHub, true),
        (By::GitLab, false),
        (By::GitLab, true),
    ] {
        let mut plant = due(push, by);
        killed_while_it_asks(&plant, by, false);
        let before = plant.written();
        for _ in 0..2 {
            let early = plant.due();
            assert_eq!(early.code, 0, "{early}");
            assert_eq!(number(&plant), 0, "{by:?} {push}");
            plant.pass("7m");
        }
        assert_eq!(plant.written(), before);
        plant.pass("1m");
        let later = plant.due();
        assert_eq!(later.code, 3, "{later}");
        let said = "  failed  web: no run of it was found";
        assert!(later.stdout.contains(said), "{later}");
        assert_eq!(
            plant.outcomes("web"),
            ["failure", "running"],
            "{by:?} {push}"
        );
        assert_eq!(number(&plant), 1, "{by:?} {push}");
    }
}

/// A retry follows a failure at once, so the run that failed is young, and has the same identity.
#[test]
fn a_retry_that_was_never_sent_is_not_taken_for_the_run_that_failed() {
    for (by, push) in [(By::GitHub, false), (By::GitHub, true), (By::GitLab, false)] {
        let mut plant = due(push, by);
        plant.good(&["rebuild", "--due"]);
        let failed = match by {
            By::GitLab => "failed",
            _ => "failure",
        };
        ends(&plant, by, failed);
        plant.pass("20s");
        killed_while_it_asks(&plant, by, false);
        assert_eq!(plant.outcomes("web"), ["failure", "requested"]);
        plant.pass("20s");
        plant.good(&["rebuild", "--due"]);
        assert_eq!(plant.outcomes("web"), ["failure", "requested"], "{by:?}");
        plant.pass("15m");
        assert_eq!(plant.due().code, 3);
        assert_eq!(plant.outcomes("web"), ["failure", "failure", "running"]);
        assert_eq!(number(&plant), 2, "{by:?} {push}");
    }
}

/// The same within one run, which sees the failure and tries again.
#[test]
fn a_retry_whose_answer_got_lost_is_not_taken_for_the_run_that_failed() {
    for (by, failed) in [(By::GitHub, "failure"), (By::GitLab, "failed")] {
        for done in [false, true] {
            let mut plant = due(false, by);
            plant.good(&["rebuild", "--due"]);
            ends(&plant, by, failed);
            plant.pass("20s");
            trouble(&plant, by, Trouble::Lost { done });
            let told = plant.due();
            let last = plant.outcomes("web").pop();
            let expected = if done { "running" } else { "requested" };
            assert_eq!(last.as_deref(), Some(expected), "{by:?} {done}: {told}");
            assert_eq!(number(&plant), 1 + usize::from(done));
        }
    }
}

/// Nobody can ask a webhook what it was told: it counts as told until a run would have ended.
#[test]
fn a_webhook_is_told_again_only_after_the_limit_of_a_run() {
    for (push, done) in [(false, true), (false, false), (true, true), (true, false)] {
        let mut plant = due(push, By::Webhook);
        killed_while_it_asks(&plant, By::Webhook, done);
        let before = plant.written();
        for _ in 0..5 {
            plant.pass("1h");
            plant.good(&["rebuild", "--due"]);
        }
        assert_eq!(plant.written(), before);
        assert_eq!(number(&plant), usize::from(done));
        plant.pass("1h");
        assert_eq!(plant.due().code, 3);
        assert_eq!(number(&plant), usize::from(done) + 1);
        let identities = builds(&plant);
        assert_eq!(
            identities.len(),
            1,
            "the server can tell that it is the same"
        );
    }
}

/// Runs the program with a script before Git.
fn with_git(plant: &Plant, script: &str, variables: &[(&str, &str)]) -> Outcome {
    plant.sandbox.write("calls", "0");
    let mut command: Command = plant.command(&["rebuild", "--due"]);
    put_before_git(&plant.sandbox, &mut command, script);
    command
        .env("CALLS", plant.sandbox.path().join("calls"))
        .envs(variables.iter().copied());
    plant.run_command(&mut command)
}

/// Where the record of rebuilds is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// On a branch of a remote.
    Remote,
    /// In commits of a checkout.
    Checkout,
}

/// The build of `web` records itself.
fn records_itself(plant: &Plant, layer: &str) {
    let pushed = Pushed {
        layer,
        ..Pushed::default()
    };
    let digest = plant.registry.push("acme/web:1", &pushed);
    let arguments = ["analyze", "--workspace=shop", "--image=web", "--tag=1"];
    plant.good(&[&arguments[..], &["--digest", &digest]].concat());
}

/// Kills a run at each of its calls of Git, before or after Git did its work, until one is not
/// reached. Every time later runs, which are not killed, have to bring it to one build.
fn killed_at_every_call_of_git(by: By, kept: Kept, when: &str) {
    let mut plant = due(kept == Kept::Remote, by);
    if kept == Kept::Checkout {
        plant.commits();
    }
    // What nobody can ask counts as told until a run would have ended.
    let (pause, last) = match by {
        By::Webhook => ("6h", "success"),
        _ => ("20m", "running"),
    };
    let (mut expected, mut after_sending) = (0, 0);
    for at in 1_u32.. {
        let killed = with_git(
            &plant,
            KILLER,
            &[("KILL_AT", &at.to_string()), ("WHEN", when)],
        );
        let was_killed = killed.code == 255;
        assert!(was_killed || killed.code == 0, "{when} {at}: {killed}");
        after_sending += usize::from(was_killed && number(&plant) > expected);
        let mut recorded = by != By::Webhook;
        for _ in 0..3 {
            if !recorded && number(&plant) > expected {
                plant.pass("5m");
                records_itself(&plant, &format!("{when} {at}"));
                recorded = true;
            }
            plant.pass(pause);
            let outcome = plant.due();
            assert!([0, 3].contains(&outcome.code), "{when} {at}: {outcome}");
        }
        expected += 1;
        let builds = builds(&plant);
        assert!(
            builds.values().all(|it| *it == 1),
            "{when} {at}: {builds:?}"
        );
        assert_eq!(builds.len(), expected, "{when} call {at}");
        let outcomes = plant.outcomes("web");
        assert_eq!(outcomes.last().unwrap(), last, "{when} call {at}");
        if !was_killed {
            assert!(at > 10, "only {at} calls of Git");
            break;
        }
        if by != By::Webhook {
            ends(&plant, by, "success");
            plant.good(&["rebuild", "--due"]);
        }
        // Another update for the next one.
        plant.moves("lib/node:22", &format!("{when} {at}"));
        plant.pass("8d");
    }
    assert!(
        after_sending > 0,
        "no kill was between sending and its record"
    );
    let repository = match kept {
        Kept::Remote => "remotes/acme/state.git",
        Kept::Checkout => "factory",
    };
    plant.sandbox.git(repository, &["fsck", "--strict"]);
}

#[test]
fn a_run_that_is_killed_before_any_call_of_git_starts_nothing_twice() {
    killed_at_every_call_of_git(By::GitHub, Kept::Remote, "before");
}

#[test]
fn a_run_that_is_killed_after_any_call_of_git_starts_nothing_twice() {
    killed_at_every_call_of_git(By::GitHub, Kept::Remote, "after");
}

#[test]
fn a_run_for_gitlab_that_is_killed_at_any_call_of_git_starts_nothing_twice() {
    killed_at_every_call_of_git(By::GitLab, Kept::Remote, "before");
}

#[test]
fn a_run_for_a_webhook_that_is_killed_at_any_call_of_git_starts_nothing_twice() {
    killed_at_every_call_of_git(By::Webhook, Kept::Remote, "after");
}

#[test]
fn a_run_that_only_commits_and_is_killed_at_any_call_of_git_starts_nothing_twice() {
    killed_at_every_call_of_git(By::GitHub, Kept::Checkout, "after");
}

/// A `git` whose push number `$FAIL_AT` fails, without having been done.
const REFUSED: &str = r#"#!/bin/sh
case " $* " in
    *" push "*)
        n=$(($(cat "$CALLS") + 1))
        echo $n > "$CALLS"
        if test "$n" -ge "$FAIL_AT"; then
            echo "remote: denied" >&2
            echo "fatal: unable to access: The requested URL returned error: 403" >&2
            exit 128
        fi ;;
esac
exec "$REAL_GIT" "$@"
"#;

#[test]
fn what_cannot_be_recorded_is_not_asked_for() {
    let plant = due(true, By::GitHub);
    let before = plant.written();
    let outcome = with_git(&plant, REFUSED, &[("FAIL_AT", "1")]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert_eq!((number(&plant), plant.written()), (0, before));
    plant.good(&["rebuild", "--due"]);
    assert_eq!(number(&plant), 1);
}

#[test]
fn an_answer_that_cannot_be_recorded_is_told_and_found_out_later() {
    let plant = due(true, By::GitHub);
    let outcome = with_git(&plant, REFUSED, &[("FAIL_AT", "2")]);
    assert_snapshot!(crate::git::shortened(outcome), @"
    exit 3
    --- stdout
      started  web  base-update: REGISTRY/lib/node:22  http://GITHUB/acme/shop/actions/runs/1000
    1 rebuild started.
    Pushed COMMIT to main of https://github.com/acme/state.git
    --- stderr
    error: what CI answered could not be recorded: git push in https://github.com/acme/state.git: denied; unable to access: The requested URL returned error: 403; the next run finds it out
    ");
    assert_eq!(plant.outcomes("web"), ["requested"]);
    plant.good(&["rebuild", "--due"]);
    assert_eq!(plant.outcomes("web"), ["running"]);
    assert_eq!(number(&plant), 1);
}

/// The state of an image is a file that cannot be written.
#[test]
fn a_folder_that_cannot_be_written_is_asked_nothing_for() {
    let plant = due(false, By::GitHub);
    let state = plant.sandbox.path().join("factory/state/images");
    let away = plant.sandbox.path().join("away");
    std::fs::rename(&state, &away).unwrap();
    std::os::unix::fs::symlink(Path::new("/proc/self"), &state).unwrap();
    let outcome = plant.due();
    assert_ne!(outcome.code, 0, "{outcome}");
    assert_eq!(number(&plant), 0, "{outcome}");
    std::fs::remove_file(&state).unwrap();
    std::fs::rename(&away, &state).unwrap();
    plant.good(&["rebuild", "--due"]);
    assert_eq!(number(&plant), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn builds_that_were_started_are_not_denied_where_the_report_cannot_be_written() {
    for push in [false, true] {
        let plant = due(push, By::GitHub);
        let mut command = plant.command(&["rebuild", "--due"]);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let outcome = plant.run_command(command.stdout(full.unwrap()));
        assert_eq!(outcome.code, 3, "{outcome}");
        let told = "the builds that it has as running were started";
        assert!(outcome.stderr.contains(told), "{outcome}");
        assert_eq!(
            (number(&plant), plant.outcomes("web")),
            (1, vec!["running".to_owned()])
        );
    }
}

#[test]
fn a_plan_is_no_pipe_and_no_device() {
    let plant = due(false, By::GitHub);
    let pipe = plant.sandbox.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for file in ["pipe", "/dev/zero"] {
        let outcome = plant.run(&["rebuild", "--due", "--plan-file", file]);
        assert_eq!(outcome.code, 1, "{outcome}");
        assert!(
            outcome.stderr.contains("this is no regular file"),
            "{outcome}"
        );
    }
    assert_eq!(number(&plant), 0);
}

#[test]
fn whatever_a_server_does_there_is_one_build_in_the_end() {
    let troubles = [
        Trouble::NoDetails,
        Trouble::Lost { done: true },
        Trouble::Lost { done: false },
        Trouble::Fails {
            status: 502,
            done: true,
        },
        Trouble::Fails {
            status: 503,
            done: false,
        },
        Trouble::Limited {
            retry_after: Some(20),
        },
        Trouble::Limited { retry_after: None },
        Trouble::Limited {
            retry_after: Some(100_000),
        },
        Trouble::Denied,
    ];
    for by in [By::GitHub, By::GitLab] {
        for it in troubles {
            let mut plant = due(false, by);
            trouble(&plant, by, it);
            let first = plant.due();
            assert!([0, 3].contains(&first.code), "{by:?} {it:?}: {first}");
            let word = match plant.outcomes("web").first().map(String::as_str) {
                Some("running") => "started",
                // A limit counts as nothing.
                Some("failure") | None => "not started",
                _ => "not clear",
            };
            let said = format!("  {word}  web");
            assert!(first.stdout.contains(&said), "{by:?} {it:?}: {first}");
            for _ in 0..3 {
                plant.pass("20m");
                let outcome = plant.due();
                assert!([0, 3].contains(&outcome.code), "{by:?} {it:?}: {outcome}");
            }
            assert_eq!(number(&plant), 1, "{by:?} {it:?}: {first}");
            let last = plant.outcomes("web").pop();
            assert_eq!(last.as_deref(), Some("running"), "{by:?} {it:?}");
        }
    }
}

#[test]
fn what_went_wrong_is_told_with_its_remedy() {
    let told = |it: Trouble| {
        let plant = due(false, By::GitHub);
        plant.github.trouble_start(it);
        plant.due().to_string()
    };
    assert_snapshot!(told(Trouble::Lost { done: false }), @"
    exit 3
    --- stdout
      not clear  web: GITHUB may have started workflow web.yml of acme/shop on main or not: the answer got lost (connection closed before message completed), and no run can be told to be it
    hint: look at the runs of the last minutes before you start one by hand
    1 not clear.
    --- stderr
    ");
    assert_snapshot!(told(Trouble::Limited { retry_after: Some(100_000) }), @"
    exit 3
    --- stdout
      not started  web: GITHUB has a limit of requests, and it is reached until 2026-11-09T03:46:40Z
    hint: the next run after that does it
    1 not started.
    --- stderr
    ");
    assert_snapshot!(told(Trouble::Denied), @r#"
    exit 3
    --- stdout
      not started  web: GITHUB does not let us ask for workflow web.yml of acme/shop on main (401, "Bad credentials")
    hint: the token is wrong or too old: make a new one
    1 not started.
    --- stderr
    "#);
    let image = Built {
        name: "web",
        dockerfile: "FROM REGISTRY/lib/node:22\n",
        source: "host: 'GITHUB', repo: acme/shop, workflow: other.yml",
        ..Built::default()
    };
    let mut plant = crate::plant(false, &[image], "");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    assert_snapshot!(plant.due(), @r#"
    exit 3
    --- stdout
      not started  web: GITHUB has no workflow other.yml of acme/shop on main ("Not Found")
    hint: is it right in images.yaml, on that branch, and may the token see the repository?
    1 not started.
    --- stderr
    "#);
    assert_eq!(plant.outcomes("web"), ["failure"]);
}

#[test]
fn what_a_limit_keeps_back_counts_as_nothing() {
    for (by, push) in [
        (By::GitHub, false),
        (By::GitHub, true),
        (By::GitLab, false),
        (By::GitLab, true),
    ] {
        let mut plant = due(push, by);
        for attempt in 0..4 {
            let retry_after = Some(100_000);
            trouble(&plant, by, Trouble::Limited { retry_after });
            let outcome = plant.due();
            assert_eq!(outcome.code, 3, "{outcome}");
            assert!(outcome.stdout.contains("  not started  web: "), "{outcome}");
            assert_eq!(plant.outcomes("web"), [""; 0], "{by:?} {push} {attempt}");
            assert_eq!(plant.reasons(), "web base-update");
        }
        assert!(!plant.state("web").contains("rebuildHistory"));
        assert_eq!(number(&plant), 0);
        plant.pass("1m");
        let told = plant.good(&["rebuild", "--due"]);
        let said = "  started  web  base-update: REGISTRY/lib/node:22  ";
        assert!(told.stdout.starts_with(said), "{told}");
        assert_eq!(number(&plant), 1);
    }
}

/// Whoever wanted it has to want it again, since it is no rule that does.
#[test]
fn a_limit_is_told_to_the_person_who_asked() {
    let plant = due(false, By::GitHub);
    plant.moves("lib/node:22", "first");
    let retry_after = Some(100_000);
    plant.github.trouble_start(Trouble::Limited { retry_after });
    let told = plant.run(&["rebuild", "web"]);
    assert_snapshot!(told, @"
    exit 3
    --- stdout
      not started  web: GITHUB has a limit of requests, and it is reached until 2026-11-09T03:46:40Z
    hint: ask for it again then
    1 not started.
    --- stderr
    ");
    assert_eq!(plant.outcomes("web"), [""; 0]);
}

#[test]
fn a_limit_that_cannot_be_recorded_doubles_nothing() {
    let mut plant = due(true, By::GitHub);
    let retry_after = Some(100_000);
    plant.github.trouble_start(Trouble::Limited { retry_after });
    let outcome = with_git(&plant, REFUSED, &[("FAIL_AT", "2")]);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert_eq!(plant.outcomes("web"), ["requested"]);
    for _ in 0..2 {
        plant.pass("10m");
        let outcome = plant.due();
        assert!([0, 3].contains(&outcome.code), "{outcome}");
    }
    assert_eq!(plant.outcomes("web"), ["failure", "running"]);
    assert_eq!(number(&plant), 1);
}

#[test]
fn without_a_token_nobody_is_asked_and_nothing_is_recorded() {
    for push in [false, true] {
        let plant = due(push, By::GitHub);
        let before = plant.written();
        let without = |arguments: &[&str]| {
            let mut command = plant.command(arguments);
            command.env_remove("GITHUB_TOKEN");
            plant.run_command(&mut command)
        };
        for arguments in [&["rebuild", "--due"][..], &["rebuild", "web"]] {
            let outcome = without(arguments);
            insta::allow_duplicates! {
                assert_snapshot!(outcome, @"
                exit 3
                --- stdout
                  not started  web: there is no token for GITHUB
                hint: set GITHUB_TOKEN, or a GitHub App; GH_HOST or GITHUB_SERVER_URL says which server it is for
                1 not started.
                --- stderr
                ");
            }
            assert_eq!(plant.written(), before);
        }
        plant.good(&["rebuild", "--due"]);
        assert_eq!(
            (number(&plant), plant.outcomes("web")),
            (1, vec!["running".to_owned()])
        );
    }
}

/// An image whose builds cannot be asked for keeps no other one back, neither by a cap nor as a parent.
#[test]
fn what_has_no_token_is_in_nobodys_way() {
    let images = [
        Built {
            name: "base",
            dockerfile: "FROM REGISTRY/lib/node:22\n",
            source: "provider: gitlab, host: 'GITLAB', repo: acme/shop",
            keys: "criticality: critical, ",
        },
        Built {
            name: "top",
            dockerfile: "FROM REGISTRY/acme/base:1 AS base\nFROM REGISTRY/lib/node:22\nCOPY --from=base /a /a\n",
            ..Built::default()
        },
        Built {
            name: "web",
            dockerfile: "FROM REGISTRY/lib/node:22\n",
            ..Built::default()
        },
    ];
    for (settings, arguments, expected) in [
        ("", &["rebuild", "--due"][..], &["top", "web"][..]),
        (
            "rebuilds: {maxRunning: 1}\n",
            &["rebuild", "--due"],
            &["top"],
        ),
        ("", &["rebuild", "base", "web"], &["web"]),
        (
            "rebuilds: {maxRunning: 2}\n",
            &[
                "rebuild",
                "--all-affected",
                "--emergency",
                "--reason=x",
                "--yes",
            ],
            &["top", "web"],
        ),
    ] {
        let mut plant = crate::plant(false, &images, settings);
        plant.registry.push("acme/base:1", &Pushed::default());
        plant.moves("lib/node:22", "first");
        plant.moves("lib/node:22", "second");
        plant.pass("7d");
        let mut command = plant.command(arguments);
        command.env_remove("GITLAB_TOKEN");
        let outcome = plant.run_command(&mut command);
        assert_eq!(outcome.code, 3, "{outcome}");
        let said = "  not started  base: there is no token for GITLAB\n";
        assert!(outcome.stdout.contains(said), "{outcome}");
        assert_eq!(plant.started(), expected, "{outcome}");
        assert_eq!(plant.outcomes("base"), [""; 0]);
    }
}

#[test]
fn jobs_at_the_same_time_start_it_once() {
    for by in [By::GitHub, By::Webhook] {
        let plant = due(true, by);
        let job = || {
            let mut command = plant.command(&["rebuild", "--due"]);
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let jobs: Vec<Child> = (0..3).map(|_| job()).collect();
        let mut started = 0;
        for job in jobs {
            let output = job.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{said}");
            started += usize::from(said.contains("1 rebuild started"));
        }
        assert_eq!((started, number(&plant)), (1, 1), "{by:?}");
        assert_eq!(plant.outcomes("web"), ["running"]);
    }
}
