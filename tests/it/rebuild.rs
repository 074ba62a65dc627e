//! `imgfac rebuild` without a cluster: the plan, what is due through CI, and what became of it.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use imgfac_tests::{FakeGitHub, Outcome, Sandbox, TOKEN, Trouble};
use insta::assert_snapshot;
use serde_json::Value;

/// A factory of `base`, and `web` on it, both built by the same workflow file of a GitHub.
struct Factory {
    sandbox: Sandbox,
    github: FakeGitHub,
    /// Whether state is in a remote that is pushed to.
    push: bool,
    settings: String,
}

const DAY: [&str; 2] = ["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"];

fn images(host: &str) -> String {
    let image = |name: &str, more: &str| {
        format!(
            "- {{name: {name}, registry: 127.0.0.1:1, repository: acme/{name}, {more}source: {{host: '{host}', repo: acme/shop, dockerfile: {name}/Dockerfile, causeInputs: true}}}}\n"
        )
    };
    image("base", "") + &image("web", "criticality: high, ")
}

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

impl Factory {
    fn new(push: bool) -> Self {
        let github = FakeGitHub::start(None);
        let inputs = [
            "imgfac_reason",
            "imgfac_causes",
            "imgfac_bases",
            "imgfac_rebuild",
        ];
        for name in ["base", "web"] {
            let title = format!("{name} {{imgfac_rebuild}}");
            github.add_workflow("acme/shop", &format!("{name}.yml"), &inputs, Some(&title));
        }
        let sandbox = crate::sandbox();
        sandbox.redirect_github();
        sandbox.write("shop/base/Dockerfile", "FROM node:22\n");
        sandbox.write("shop/web/Dockerfile", "FROM 127.0.0.1:1/acme/base:1\n");
        let settings = "registries: {127.0.0.1:1: {insecure: true}}\n".to_owned();
        let images = images(github.host());
        if push {
            sandbox.remote(
                "acme/state",
                &[
                    ("factory/images.yaml", &images),
                    ("factory/imgfac.yaml", &settings),
                ],
            );
        } else {
            sandbox.write("factory/images.yaml", images);
            sandbox.write("factory/imgfac.yaml", &settings);
        }
        let mut factory = Self {
            sandbox,
            github,
            push,
            settings,
        };
        factory.at(DAY[0]);
        let analyzed = factory.run(&["analyze", "--workspace", "shop"]);
        assert_eq!(analyzed.code, 0, "{analyzed}");
        factory.observe('a');
        factory.at(DAY[1]);
        factory.observe('b');
        factory
    }

    /// Sets the clocks of both sides.
    fn at(&mut self, now: &str) {
        self.sandbox.set_now(now);
        self.github.set_now(now.parse().unwrap());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut arguments = arguments.to_vec();
        if self.push
            && !matches!(
                arguments.as_slice(),
                ["rebuild"] | ["rebuild", "--explain", ..]
            )
        {
            arguments.extend([
                "--push",
                "--git-repo=https://github.com/acme/state.git",
                "--git-branch=main",
                "--image-factory-dir=factory",
            ]);
        }
        let mut command = self.sandbox.command(&arguments);
        command
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_SERVER_URL", self.github.url())
            .env("GITHUB_API_URL", self.github.api());
        if !self.push {
            command.env("IMGFAC_DIRECTORY", "factory");
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let mut outcome = self.sandbox.run_command(&mut self.command(arguments));
        for text in [&mut outcome.stdout, &mut outcome.stderr] {
            assert!(!text.contains(TOKEN), "{text}");
            *text = text.replace(self.github.host(), "HOST");
        }
        outcome
    }

    fn observe(&self, letter: char) {
        self.observe_digest(&digest(letter));
    }

    fn observe_digest(&self, digest: &str) {
        let observed = self.run(&["observe", "--base=node-22", "--digest", digest]);
        assert_eq!(observed.code, 0, "{observed}");
    }

    /// The state of an image, as it is in the folder or on the branch.
    fn state(&self, image: &str) -> String {
        let path = format!("factory/state/images/{image}.yaml");
        match self.push {
            false => self.sandbox.read(&path),
            true => self
                .sandbox
                .git("remotes/acme/state.git", &["show", &format!("main:{path}")]),
        }
    }

    /// What became of the last attempt at an image.
    fn last_outcome(&self, image: &str) -> Option<String> {
        let state = self.state(image);
        let lines = state.lines().rev();
        let mut outcomes = lines.filter_map(|line| line.strip_prefix("    outcome: "));
        outcomes.next().map(str::to_owned)
    }

    fn due(&self) -> Outcome {
        self.run(&["rebuild", "--due"])
    }

    fn statuses(&self) -> Vec<(String, String)> {
        let shown = self.run(&["rebuild", "--plan", "--format=json"]);
        let plan: Value = serde_json::from_str(&shown.stdout).unwrap();
        let images = plan["images"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        images
            .map(|image| (text(&image["name"]), text(&image["reason"])))
            .collect()
    }
}

#[test]
fn the_plan_says_what_waits_and_why() {
    let factory = Factory::new(false);
    assert_snapshot!(factory.run(&["rebuild"]), @"
    exit 0
    --- stdout
    2 images: 1 blocked, 1 waiting

    IMAGE  STATUS   WHY                                    WHEN                  WAVE  BECAUSE OF
    base   waiting  delay                                  2026-11-09T00:00:00Z  1     node:22
    web    blocked  not-observed: 127.0.0.1:1/acme/base:1  -                     -     -

    Plan 21466fc44ef0 for 2026-11-02T00:00:00Z; time alone changes nothing before 2026-11-08T23:30:00Z.
    --- stderr
    ");
    assert_snapshot!(factory.run(&["rebuild", "--explain", "base"]), @"
    exit 0
    --- stdout
    base waits until 2026-11-09T00:00:00Z, which is 7d from now.
    node:22 moved from sha256:aaaaaaaaaaaa to sha256:bbbbbbbbbbbb.
    The oldest update of it that the image lacks was first seen at 2026-11-02T00:00:00Z; rebuildDelay holds it back for 7d.
    --- stderr
    ");
    let shown = factory.run(&["rebuild", "--plan", "base", "--format", "json"]);
    let plan: Value = serde_json::from_str(&shown.stdout).unwrap();
    let base = &plan["images"][0];
    assert_eq!(plan["now"], "2026-11-02T00:00:00Z");
    assert_eq!(base["status"], "waiting");
    assert_eq!(base["eligibleAt"], "2026-11-09T00:00:00Z");
    assert_eq!(base["causes"][0]["base"], "docker.io/library/node:22");
    assert_eq!(base["causes"][0]["from"], digest('a').as_str());
    assert_eq!(base["causes"][0]["to"], digest('b').as_str());
    assert_eq!(base["causes"][0]["firstSeen"], "2026-11-02T00:00:00Z");
    for name in ["nosuch", "bas"] {
        assert_eq!(factory.run(&["rebuild", "--plan", name]).code, 2);
        assert_eq!(factory.run(&["rebuild", name]).code, 2);
    }
}

#[test]
fn what_is_due_is_started_once_and_followed() {
    let mut factory = Factory::new(false);
    assert_snapshot!(factory.due(), @"
    exit 0
    --- stdout
    Nothing is due; time alone changes nothing before 2026-11-08T23:30:00Z.
    --- stderr
    ");
    assert_eq!(factory.github.runs(), []);

    factory.at("2026-11-09T00:00:00Z");
    assert_snapshot!(factory.due(), @"
    exit 0
    --- stdout
      started  base  base-update: node:22  http://HOST/acme/shop/actions/runs/1000
    1 rebuild started.
    --- stderr
    ");
    let [run] = factory.github.runs().try_into().unwrap();
    assert_eq!(run.workflow, "base.yml");
    assert_eq!(run.inputs["imgfac_reason"], "base-update");
    assert!(run.inputs["imgfac_causes"].contains(&digest('b')));
    assert_eq!(factory.last_outcome("base").as_deref(), Some("running"));
    // It runs: nothing is started again, and nothing is written.
    let before = factory.sandbox.files();
    assert_eq!(factory.due().code, 0);
    assert_eq!(factory.github.runs().len(), 1);
    assert_eq!(factory.sandbox.files(), before);

    factory.at("2026-11-09T00:10:00Z");
    factory.github.begin(run.id);
    factory.github.finish(run.id, "success");
    assert_snapshot!(factory.due(), @"
    exit 0
    --- stdout
      rebuilt  base  its registry could not be asked what it pushed
    1 run ended.
    --- stderr
    ");
    assert_eq!(factory.last_outcome("base").as_deref(), Some("success"));
    assert!(
        factory
            .state("base")
            .contains(&format!("builtOn:\n  node-22: {}", digest('b')))
    );
    assert_eq!(factory.github.runs().len(), 1);
    assert_eq!(factory.github.violations(), [] as [String; 0]);
}

#[test]
fn a_failure_is_told_and_tried_again_later_and_later() {
    let mut factory = Factory::new(false);
    // Twice at once, then after an hour.
    for (attempt, now) in [
        "2026-11-09T00:00:00Z",
        "2026-11-09T00:10:00Z",
        "2026-11-09T00:20:00Z",
        "2026-11-09T01:30:00Z",
    ]
    .into_iter()
    .enumerate()
    {
        factory.at(now);
        let outcome = factory.due();
        let failed = attempt > 0;
        assert_eq!(outcome.code, if failed { 3 } else { 0 }, "{outcome}");
        assert_eq!(factory.github.runs().len(), attempt + 1, "{now}: {outcome}");
        let run = factory.github.runs().pop().unwrap();
        factory.github.finish(run.id, "failure");
    }
    factory.at("2026-11-09T01:40:00Z");
    let outcome = factory.due();
    assert_eq!(factory.github.runs().len(), 4, "{outcome}");
    assert!(
        outcome.stdout.contains("its run ended with failure"),
        "{outcome}"
    );
    let waits = ("base".to_owned(), "back-off".to_owned());
    assert!(factory.statuses().contains(&waits));
    // Another digest is another rebuild.
    factory.observe('c');
    assert_eq!(factory.due().code, 0);
    assert_eq!(factory.github.runs().len(), 5);
}

#[test]
fn an_answer_that_got_lost_starts_nothing_twice() {
    for trouble in [
        Trouble::NoDetails,
        Trouble::Lost { done: true },
        Trouble::Fails {
            status: 502,
            done: true,
        },
    ] {
        let mut factory = Factory::new(false);
        factory.at("2026-11-09T00:00:00Z");
        factory.github.trouble_start(trouble);
        let outcome = factory.due();
        assert_eq!(factory.github.runs().len(), 1, "{trouble:?} {outcome}");
        factory.at("2026-11-09T00:30:00Z");
        assert_eq!(factory.due().code, 0);
        assert_eq!(factory.github.runs().len(), 1, "{trouble:?}");
        assert_eq!(factory.last_outcome("base").as_deref(), Some("running"));
    }
}

#[test]
fn what_ci_refuses_has_failed_and_says_why() {
    let mut factory = Factory::new(false);
    factory.at("2026-11-09T00:00:00Z");
    factory.github.trouble_start(Trouble::Denied);
    let outcome = factory.due();
    assert_eq!(outcome.code, 3);
    assert_snapshot!(outcome, @r#"
    exit 3
    --- stdout
      not started  base: HOST does not let us ask for workflow base.yml of acme/shop on main (401, "Bad credentials")
    hint: the token is wrong or too old: make a new one
    1 not started.
    --- stderr
    "#);
    assert_eq!(factory.last_outcome("base").as_deref(), Some("failure"));
    assert_eq!(factory.github.runs(), []);
}

#[test]
fn only_the_plan_that_was_shown_is_done() {
    let mut factory = Factory::new(false);
    let shown = factory.run(&["rebuild", "--plan", "--format=json"]).stdout;
    factory.sandbox.write("plan.json", &shown);
    factory.at("2026-11-09T00:00:00Z");
    assert_snapshot!(factory.run(&["rebuild", "--due", "--plan-file=plan.json"]), @"
    exit 1
    --- stdout
    --- stderr
    error: the plan is another one by now: 6f2f17c073a5, not 21466fc44ef0; nothing was started
      base: was waiting (delay), is due (base-update)
    hint: look at the new plan with: imgfac rebuild --plan
    ");
    let plan: Value = serde_json::from_str(&shown).unwrap();
    let old = plan["plan"].as_str().unwrap();
    let refused = factory.run(&["rebuild", "--due", "--plan-id", &old[..12]]);
    assert_eq!(refused.code, 1, "{refused}");
    assert_eq!(factory.github.runs(), []);
    let shown = factory.run(&["rebuild", "--plan", "--format=json"]).stdout;
    factory.sandbox.write("plan.json", &shown);
    let done = factory.run(&["rebuild", "--due", "--plan-file=plan.json"]);
    assert_eq!(done.code, 0, "{done}");
    assert_eq!(factory.github.runs().len(), 1);
    for bad in ["x", "12345", "G23456789012"] {
        assert_eq!(factory.run(&["rebuild", "--due", "--plan-id", bad]).code, 2);
    }
}

#[test]
fn a_person_starts_what_nothing_speaks_against() {
    let factory = Factory::new(false);
    let waits = factory.run(&["rebuild", "base"]);
    assert_eq!(waits.code, 3, "{waits}");
    assert_eq!(factory.github.runs(), []);
    factory.observe('a');
    let started = factory.run(&["rebuild", "base"]);
    assert_eq!(started.code, 0, "{started}");
    let [run] = factory.github.runs().try_into().unwrap();
    assert_eq!(run.inputs["imgfac_reason"], "manual");
    let again = factory.run(&["rebuild", "base"]);
    assert_eq!(again.code, 3, "{again}");
    assert_eq!(factory.github.runs().len(), 1);
}

#[test]
fn settings_hold_rebuilds_in_check() {
    for (settings, expected) in [
        ("rebuilds: {maxRunning: 0}\n", "cap"),
        ("rebuilds: {quarantine: ['DIGEST']}\n", "quarantined"),
    ] {
        let mut factory = Factory::new(false);
        let settings = settings.replace("DIGEST", &digest('b'));
        let all = format!("{}{settings}", factory.settings);
        factory.sandbox.write("factory/imgfac.yaml", all);
        factory.at("2026-11-09T00:00:00Z");
        assert_eq!(factory.due().code, 0);
        assert_eq!(factory.github.runs(), []);
        let base = ("base".to_owned(), expected.to_owned());
        assert!(factory.statuses().contains(&base), "{settings}");
    }
    let factory = Factory::new(false);
    let all = format!("{}rebuilds: {{through: kargo}}\n", factory.settings);
    factory.sandbox.write("factory/imgfac.yaml", all);
    assert_snapshot!(factory.due(), @"
    exit 1
    --- stdout
    --- stderr
    error: this factory rebuilds through Kargo: two that start rebuilds would start them twice
    hint: imgfac.yaml says so: rebuilds.through
    ");
}

#[test]
fn an_emergency_waits_for_nothing_and_is_on_record() {
    let factory = Factory::new(false);
    let emergency = [
        "rebuild",
        "base",
        "--emergency",
        "--reason",
        "RCE",
        "--cve=CVE-2026-12345",
    ];
    let asked = factory.run(&emergency);
    assert_eq!((asked.code, factory.github.runs().len()), (2, 0), "{asked}");
    let all = format!(
        "{}rebuilds: {{emergencyActors: [alice]}}\n",
        factory.settings
    );
    factory.sandbox.write("factory/imgfac.yaml", all);
    let yes = [emergency.as_slice(), &["--yes"]].concat();
    let run = |actor: &str| {
        let mut command = factory.command(&yes);
        factory
            .sandbox
            .run_command(command.env("GITHUB_ACTOR", actor))
    };
    assert_snapshot!(run("mallory"), @"
    exit 1
    --- stdout
    --- stderr
    error: mallory may not ask for an emergency: emergencyActors in imgfac.yaml names who may
    hint: GITHUB_ACTOR, GITLAB_USER_LOGIN or USER says who asks
    ");
    assert_eq!(factory.github.runs(), []);
    let started = run("Alice");
    assert_eq!(started.code, 0, "{started}");
    let [emergency] = factory.github.runs().try_into().unwrap();
    assert_eq!(emergency.inputs["imgfac_reason"], "emergency");
    let files = factory.sandbox.files();
    let audit = files
        .keys()
        .find(|path| path.contains("state/audit/"))
        .unwrap();
    assert_snapshot!(factory.sandbox.read(audit), @r#"
    # An emergency: who asked, why, and for which images. Written once, never changed.
    askedAt: "2026-11-02T00:00:00Z"
    actor: Alice
    reason: RCE
    vulnerabilities:
      - CVE-2026-12345
    images:
      - base
    "#);
    // What is under way is not started again.
    assert_eq!(run("alice").code, 3);
    assert_eq!(factory.github.runs().len(), 1);
}

#[test]
fn two_jobs_at_the_same_time_start_it_once() {
    let mut factory = Factory::new(true);
    factory.at("2026-11-09T00:00:00Z");
    let jobs: Vec<_> = (0..4)
        .map(|_| factory.command(&["rebuild", "--due"]).spawn().unwrap())
        .collect();
    for mut job in jobs {
        assert!(job.wait().unwrap().success());
    }
    assert_eq!(factory.github.runs().len(), 1);
    assert_eq!(factory.last_outcome("base").as_deref(), Some("running"));
}

/// A `git` that stands before the real one: it counts its calls, and after one of them kills the
/// program that called it.
const KILLER: &str = r#"#!/bin/sh
n=$(($(cat "$CALLS") + 1))
echo $n > "$CALLS"
if test "$n" = "$KILL_AT"; then
    case "$*" in
        # A conversation has no end of its own.
        *"cat-file --batch") ;;
        *) "$REAL_GIT" "$@" > "$CALLS.out" 2>&1 ;;
    esac
    kill -9 $PPID
    exit 1
fi
exec "$REAL_GIT" "$@"
"#;

#[test]
fn a_run_that_is_killed_anywhere_starts_nothing_twice() {
    let mut factory = Factory::new(true);
    let sandbox = factory.sandbox.path().to_owned();
    factory.sandbox.write("wrapped/git", KILLER);
    std::fs::set_permissions(
        sandbox.join("wrapped/git"),
        PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let real = path.split(':').map(|folder| format!("{folder}/git"));
    let real = real
        .into_iter()
        .find(|git| std::path::Path::new(git).exists());
    let mut now: jiff::Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let (mut started, mut orphans) = (0, 0);
    for at in 1_u32.. {
        // Eight days after an update that is another one each time.
        factory.observe_digest(&format!("sha256:{at:064x}"));
        now += jiff::SignedDuration::from_hours(8 * 24);
        factory.at(&now.to_string());
        factory.sandbox.write("calls", "0");
        let mut command = factory.command(&["rebuild", "--due"]);
        command
            .env(
                "PATH",
                format!("{}:{path}", sandbox.join("wrapped").display()),
            )
            .env("REAL_GIT", real.as_deref().unwrap())
            .env("CALLS", sandbox.join("calls"))
            .env("KILL_AT", at.to_string());
        let killed = factory.sandbox.run_command(&mut command).code == 255;
        let after_the_kill = factory.github.runs().len();
        orphans += usize::from(killed && after_the_kill > started);
        // The next runs find what there is, and start what was never sent.
        for _ in 0..2 {
            now += jiff::SignedDuration::from_mins(20);
            factory.at(&now.to_string());
            let outcome = factory.due();
            assert!([0, 3].contains(&outcome.code), "call {at}: {outcome}");
        }
        started += 1;
        let runs = factory.github.runs();
        assert_eq!(runs.len(), started, "killed at call {at}");
        assert_eq!(
            factory.last_outcome("base").as_deref(),
            Some("running"),
            "call {at}"
        );
        if !killed {
            break;
        }
        factory.github.finish(runs[started - 1].id, "cancelled");
    }
    // Some of the kills were between the sending and its record.
    assert!(orphans > 0);
}
