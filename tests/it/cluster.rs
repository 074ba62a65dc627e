//! `apply` and `diff`, against an API server in memory.

// The server is that of the crate's own tests.
#[path = "../../crates/imgfac-cluster/tests/it/api_server.rs"]
mod api_server;
#[path = "../../crates/imgfac-cluster/tests/it/fake.rs"]
mod fake;

use imgfac_tests::{Outcome, Sandbox};
use insta::assert_snapshot;
use serde_json::{Value, json};

use self::api_server::{ApiServer, TOKEN};
use self::fake::{Answer, FakeApi, Trouble};
use crate::sandbox;
use crate::shop::shop;

/// The manifests of a small factory, by hand, so that these tests stand still when synthesis moves.
const MANIFESTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: imgfac, labels: {app.kubernetes.io/managed-by: imgfac, kargo.akuity.io/project: "true"}}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Project
metadata: {name: imgfac, labels: {app.kubernetes.io/managed-by: imgfac}}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata: {name: analyze-web, namespace: imgfac, labels: {app.kubernetes.io/managed-by: imgfac}}
spec:
  requestedFreight:
  - origin: {kind: Warehouse, name: web}
    sources: {direct: true}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {name: web, namespace: imgfac, labels: {app.kubernetes.io/managed-by: imgfac}}
spec:
  interval: 10m0s
  freightCreationPolicy: Automatic
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {name: redis, namespace: imgfac, labels: {app.kubernetes.io/managed-by: imgfac}}
spec:
  interval: 24h0m0s
"#;

/// A folder with manifests, and with a kubeconfig for a server.
fn folder(server: &ApiServer) -> Sandbox {
    let sandbox = sandbox();
    sandbox.write("kubeconfig", server.kubeconfig());
    sandbox.write("all.yaml", MANIFESTS);
    sandbox
}

const APPLY: &[&str] = &["apply", "--file", "all.yaml"];
const DIFF: &[&str] = &["diff", "--file", "all.yaml"];
const PRUNE: &[&str] = &["apply", "--file", "all.yaml", "--prune"];

/// Runs the program; its output never has the token in it.
fn run(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    let mut command = sandbox.command(arguments);
    command.env("KUBECONFIG", sandbox.path().join("kubeconfig"));
    let mut outcome = sandbox.run_command(&mut command);
    assert!(!outcome.to_string().contains(TOKEN), "{outcome}");
    // The port is another one each time.
    if let Some((before, after)) = outcome.stderr.split_once("(http://127.0.0.1:") {
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        outcome.stderr = format!("{before}(http://127.0.0.1:PORT{after}");
    }
    outcome
}

#[test]
fn manifests_are_compared_applied_and_pruned() {
    let server = ApiServer::start(FakeApi::new());
    let sandbox = folder(&server);
    assert_snapshot!(run(&sandbox, DIFF), @"
    exit 4
    --- stdout
    new      Namespace imgfac
    new      Project imgfac
    new      Stage analyze-web
    new      Warehouse web
    new      Warehouse redis
    5 new, 0 as in the manifests
    --- stderr
    ");
    assert_snapshot!(run(&sandbox, &[APPLY, &["--dry-run"]].concat()), @"
    exit 0
    --- stdout
      created  Namespace imgfac
      created  Project imgfac
      created  Warehouse web
      created  Warehouse redis
      created  Stage analyze-web
    Dry run: 5 created, 0 unchanged
    --- stderr
    ");
    assert!(server.api().names().is_empty());
    assert_snapshot!(run(&sandbox, APPLY), @"
    exit 0
    --- stdout
      created  Namespace imgfac
      created  Project imgfac
      created  Warehouse web
      created  Warehouse redis
      created  Stage analyze-web
    5 created, 0 unchanged
    --- stderr
    ");
    assert_snapshot!(run(&sandbox, APPLY), @"
    exit 0
    --- stdout
    5 unchanged
    --- stderr
    ");
    assert_snapshot!(run(&sandbox, DIFF), @"
    exit 0
    --- stdout
    5 as in the manifests
    --- stderr
    ");

    let (without_redis, _) = MANIFESTS.rsplit_once("---").unwrap();
    sandbox.write("all.yaml", without_redis.replace("10m0s", "5m0s"));
    assert_snapshot!(run(&sandbox, DIFF), @"
    exit 4
    --- stdout
    changed  Warehouse web
            namespace: imgfac
          spec:
            freightCreationPolicy: Automatic
        -   interval: 10m0s
        +   interval: 5m0s
    gone     Warehouse redis; imgfac apply --prune deletes it
    1 changed, 1 gone, 3 as in the manifests
    --- stderr
    ");
    assert_snapshot!(run(&sandbox, PRUNE), @"
    exit 0
    --- stdout
      changed  Warehouse web
      pruned   Warehouse redis
    1 changed, 3 unchanged, 1 pruned
    --- stderr
    ");
    assert!(server.api().get("Warehouse", "redis").is_none());
    assert_eq!(run(&sandbox, DIFF).code, 0);
}

#[test]
fn a_factory_is_applied_without_a_file() {
    let server = ApiServer::start(FakeApi::new());
    let sandbox = shop();
    sandbox.write("kubeconfig", server.kubeconfig());
    let imgfac = |arguments: &[&str]| run(&sandbox, &[&["-C", "factory"], arguments].concat());
    assert_eq!(imgfac(&["sync"]).code, 0);
    let silent = "exit 0\n--- stdout\n--- stderr\n";
    assert_eq!(imgfac(&["apply", "--prune", "-q"]).to_string(), silent);
    let file = sandbox.read("factory/dist/image-factory.k8s.yaml");
    let documents = file.lines().filter(|line| *line == "---").count();
    assert_eq!(
        server.api().names().len(),
        documents,
        "all that synth writes"
    );
    assert_eq!(imgfac(&["diff"]).code, 0);
    assert_eq!(
        imgfac(&["apply"]).stdout,
        format!("{documents} unchanged\n")
    );

    // One image leaves the factory and another comes.
    let images = sandbox.read("factory/images.yaml");
    sandbox.write(
        "factory/images.yaml",
        images
            .replace("- name: redis\n", "- name: valkey\n")
            .replace("library/redis", "valkey/valkey"),
    );
    assert_eq!(imgfac(&["sync"]).code, 0);
    assert_eq!(imgfac(&["diff"]).code, 4);
    assert_eq!(imgfac(&["apply", "--prune", "-q"]).code, 0);
    assert!(server.api().get("Warehouse", "redis").is_none());
    assert!(server.api().get("Warehouse", "valkey").is_some());
    assert_eq!(imgfac(&["diff"]).code, 0);

    // A state cannot be read, so something may be missing from the manifests.
    sandbox.write("factory/state/images/valkey.yaml", "name: [valkey\n");
    let outcome = imgfac(&["apply", "--prune"]);
    assert_eq!(outcome.code, 3);
    assert!(
        outcome
            .stdout
            .contains("not pruned     1 problem kept something out of the manifests"),
        "{outcome}"
    );
    assert!(server.api().get("Warehouse", "valkey").is_some());
    let outcome = imgfac(&["diff"]);
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.stderr.contains("what would be pruned is not shown"),
        "{outcome}"
    );
}

#[test]
fn failures_are_told_one_by_one() {
    let server = ApiServer::start(FakeApi::new());
    let sandbox = folder(&server);
    assert_eq!(run(&sandbox, APPLY).code, 0);
    let edited = json!({"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Warehouse",
        "metadata": {"name": "web", "namespace": "imgfac"}, "spec": {"interval": "1h0m0s"}});
    let mut api = server.api();
    api.put("kubectl-edit", &edited);
    api.trouble("PATCH", "/warehouses/redis", 9, || {
        Trouble::Answer(Answer::status(
            403,
            "Forbidden",
            r#"warehouses.kargo.akuity.io "redis" is forbidden: User "ci" cannot patch resource "warehouses" in API group "kargo.akuity.io" in the namespace "imgfac""#,
        ))
    });
    drop(api);
    assert_snapshot!(run(&sandbox, DIFF), @r#"
    exit 3
    --- stdout
    changed  Warehouse web
            namespace: imgfac
          spec:
            freightCreationPolicy: Automatic
        -   interval: 1h0m0s
        +   interval: 10m0s
        conflict: "kubectl-edit" owns .spec.interval; apply needs --force-conflicts
      failed   Warehouse redis: not allowed to patch warehouses.kargo.akuity.io in namespace imgfac
      hint: a Role with verb "patch" on "warehouses.kargo.akuity.io" allows it
    1 changed, 1 failed, 3 as in the manifests
    --- stderr
    "#);
    assert_snapshot!(run(&sandbox, PRUNE), @r#"
    exit 3
    --- stdout
      failed   Warehouse web: "kubectl-edit" owns .spec.interval
      failed   Warehouse redis: not allowed to patch warehouses.kargo.akuity.io in namespace imgfac
      hint: a Role with verb "patch" on "warehouses.kargo.akuity.io" allows it
      hint: take these fields over with --force-conflicts, or leave them out of the manifests
      not pruned     not everything could be applied
    3 unchanged, 2 failed
    --- stderr
    "#);
    let json: Value =
        serde_json::from_str(&run(&sandbox, &[APPLY, &["--format", "json"]].concat()).stdout)
            .unwrap();
    assert_eq!(json["counts"]["failed"], 2);
    let failed = json["objects"].as_array().unwrap().iter();
    let failed: Vec<_> = failed
        .filter(|object| object["outcome"] == "failed")
        .collect();
    insta::assert_json_snapshot!(failed[0], @r#"
    {
      "kind": "Warehouse",
      "apiVersion": "kargo.akuity.io/v1alpha1",
      "namespace": "imgfac",
      "name": "web",
      "outcome": "failed",
      "error": "\"kubectl-edit\" owns .spec.interval",
      "remedy": "take these fields over with --force-conflicts, or leave them out of the manifests"
    }
    "#);
}

#[test]
fn a_difference_is_data_for_machines_too() {
    let server = ApiServer::start(FakeApi::new());
    let sandbox = folder(&server);
    let json: Value =
        serde_json::from_str(&run(&sandbox, &[DIFF, &["--format", "json"]].concat()).stdout)
            .unwrap();
    assert_eq!(json["same"], 0);
    insta::assert_json_snapshot!(json["objects"][0], @r#"
    {
      "kind": "Namespace",
      "apiVersion": "v1",
      "namespace": null,
      "name": "imgfac",
      "difference": "new",
      "live": null,
      "wanted": null,
      "conflicts": [],
      "error": null,
      "remedy": null
    }
    "#);
}

#[test]
fn a_file_may_be_a_part_but_must_be_manifests() {
    let server = ApiServer::start(FakeApi::new());
    let sandbox = folder(&server);
    assert_eq!(run(&sandbox, APPLY).code, 0);
    sandbox.write("part.yaml", "# a part\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: imgfac}\ndata: {zip: \"0123\"}\n");
    assert_snapshot!(run(&sandbox, &["apply", "--file", "part.yaml"]), @"
    exit 0
    --- stdout
      created  ConfigMap a
    1 created, 0 unchanged
    --- stderr
    ");
    assert_snapshot!(run(&sandbox, &["apply", "--file", "part.yaml", "--prune"]), @"
    exit 2
    --- stdout
    --- stderr
    error: cannot prune: the file has no Project, so it is not the manifests of a whole factory
    hint: leave --prune out, or give all manifests
    ");
    sandbox.write("broken.yaml", "kind: ConfigMap\n---\n- a\n");
    assert_snapshot!(run(&sandbox, &["diff", "--file", "broken.yaml"]), @"
    exit 1
    --- stdout
    --- stderr
    error: document 1 of broken.yaml: apiVersion is missing
    ");
    sandbox.write("broken.yaml", "kind: [ConfigMap\n");
    assert_snapshot!(run(&sandbox, &["diff", "--file", "broken.yaml"]), @"
    exit 1
    --- stdout
    --- stderr
    error: broken.yaml is no file of manifests: unclosed bracket '[' at line 1, column 7
    ");
}

#[test]
fn wrong_credentials_and_contexts_are_named() {
    let server = ApiServer::start(FakeApi::new());
    let sandbox = folder(&server);
    assert_snapshot!(run(&sandbox, &[APPLY, &["--context", "stranger"]].concat()), @r#"
    exit 1
    --- stdout
    --- stderr
    error: context "stranger" (http://127.0.0.1:PORT): the cluster does not accept the credentials (401)
    hint: log in again, or choose another context with --context
    "#);
    assert_snapshot!(run(&sandbox, &[APPLY, &["--context", "typo"]].concat()), @r#"
    exit 1
    --- stdout
    --- stderr
    error: the kubeconfig $DIR/kubeconfig has no context "typo"
    hint: choose one with --context: here, stranger
    "#);
    let nowhere = sandbox.run(APPLY);
    assert_snapshot!(nowhere, @"
    exit 1
    --- stdout
    --- stderr
    error: no cluster is configured: KUBECONFIG is not set, there is no ~/.kube/config, and this is no pod
    hint: name a kubeconfig with KUBECONFIG=FILE
    ");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_tells_what_it_did() {
    use std::process::Stdio;

    let mut api = FakeApi::new();
    // The project never gets ready, so the run waits until it is told to end.
    api.ready_after = None;
    let (sender, looked) = std::sync::mpsc::channel();
    let mut made = false;
    api.after_with(move |_, line| {
        if line.ends_with("/projects/imgfac") {
            if made && line.starts_with("GET") {
                // The test needs the first only.
                let _ = sender.send(());
            }
            made |= line.starts_with("PATCH");
        }
    });
    let server = ApiServer::start(api);
    let sandbox = folder(&server);
    let child = sandbox
        .command(PRUNE)
        .env("KUBECONFIG", sandbox.path().join("kubeconfig"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    looked.recv().unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @"
      created  Namespace imgfac
      created  Project imgfac
      not attempted  3 objects: the run was stopped
      not pruned     not everything could be applied
    2 created, 0 unchanged, 3 not attempted
    ");
}

/// The small factory, brought into a cluster, and a way to ask for rebuilds there.
fn rebuilding(server: &ApiServer) -> (Sandbox, impl Fn(&Sandbox, &[&str]) -> Outcome) {
    let sandbox = shop();
    sandbox.write("kubeconfig", server.kubeconfig());
    for command in ["sync", "apply"] {
        assert_eq!(run(&sandbox, &["-C", "factory", command]).code, 0);
    }
    let rebuild = |sandbox: &Sandbox, arguments: &[&str]| {
        let command = ["-C", "factory", "rebuild", "--emergency"];
        run(
            sandbox,
            &[&command[..], &["--reason", "zlib is broken"], arguments].concat(),
        )
    };
    (sandbox, rebuild)
}

fn overrides(server: &ApiServer) -> Value {
    let api = server.api();
    api.get("ConfigMap", "imgfac-overrides").unwrap()["data"].clone()
}

#[test]
fn an_emergency_overrules_delays_and_makes_promotions() {
    let server = ApiServer::start(FakeApi::new());
    let (sandbox, rebuild) = rebuilding(&server);
    assert_snapshot!(rebuild(&sandbox, &["web", "base", "--dry-run"]), @"
    exit 0
    --- stdout
      would start  base, with freight of base-debian-12
      would start  web, with freight of base-node-22
    Dry run: 2 started
    --- stderr
    ");
    assert_eq!(overrides(&server), Value::Null);

    let outcome = rebuild(&sandbox, &["web", "--cve", "cve-2026-12345", "--yes"]);
    assert_snapshot!(outcome, @"
    exit 0
    --- stdout
      started  web: rebuild-trigger-web.00000000000000000000000025.abc1234
    1 started
    --- stderr
    ");
    assert_eq!(overrides(&server), json!({"web": "2026-11-23T12:00:00Z"}));
    let api = server.api();
    let (_, name) = outcome.stdout.split_once(": ").unwrap();
    let promotion = api.get("Promotion", name.lines().next().unwrap()).unwrap();
    insta::assert_json_snapshot!(
        json!([promotion["spec"], promotion["metadata"]["annotations"]]),
        @r#"
    [
      {
        "stage": "rebuild-trigger-web",
        "origin": {
          "kind": "Warehouse",
          "name": "base-node-22"
        }
      },
      {
        "imgfac.dev/reason": "zlib is broken (CVE-2026-12345)"
      }
    ]
    "#
    );
}

#[test]
fn a_base_stands_for_all_that_need_it() {
    let server = ApiServer::start(FakeApi::new());
    let (sandbox, rebuild) = rebuilding(&server);
    let outcome = rebuild(&sandbox, &["--base", "debian:12", "--yes", "--format=json"]);
    assert_eq!(outcome.code, 0, "{outcome}");
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    insta::assert_json_snapshot!(json, @r#"
    {
      "images": [
        {
          "image": "base",
          "outcome": "started",
          "stage": "rebuild-trigger-base",
          "warehouse": "base-debian-12",
          "promotion": "rebuild-trigger-base.00000000000000000000000025.abc1234",
          "error": null,
          "remedy": null
        },
        {
          "image": "web",
          "outcome": "started",
          "stage": "rebuild-trigger-web",
          "warehouse": "base-node-22",
          "promotion": "rebuild-trigger-web.00000000000000000000000027.abc1234",
          "error": null,
          "remedy": null
        }
      ],
      "counts": {
        "started": 2,
        "failed": 0,
        "notAttempted": 0
      },
      "reason": "zlib is broken",
      "dryRun": false,
      "emergenciesBefore": 0
    }
    "#);
    // Both stages of `web` that its target does not need are no reason.
    assert_snapshot!(rebuild(&sandbox, &["--base", "golang:1.24", "--yes"]), @"
    exit 1
    --- stdout
    --- stderr
    error: no image is rebuilt by an update of golang:1.24
    hint: imgfac graph --cascade shows what an update means
    ");
    assert_snapshot!(rebuild(&sandbox, &["--base", "golag:1.24", "--yes"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no image or base is called "golag:1.24"
    hint: did you mean "golang:1.24"?
    "#);
}

#[test]
fn a_rebuild_that_fails_stops_no_other() {
    let server = ApiServer::start(FakeApi::new());
    let (sandbox, rebuild) = rebuilding(&server);
    let both = ["web", "base", "--yes"];
    let refusal = |code, reason, message: &'static str| {
        server.api().trouble("POST", "/promotions", 1, move || {
            Trouble::Answer(Answer::status(code, reason, message))
        });
    };
    let webhook = r#"admission webhook "promotion.kargo.akuity.io" denied the request: promotions.kargo.akuity.io "" is forbidden: subject "ci" is not permitted to create Promotions for Stage "rebuild-trigger-base""#;
    refusal(403, "Forbidden", webhook);
    assert_snapshot!(rebuild(&sandbox, &both), @r#"
    exit 3
    --- stdout
      failed   base: the delay of base is overruled, but no rebuild could be started: refused (403): admission webhook "promotion.kargo.akuity.io" denied the request: promotions.kargo.akuity.io "" is forbidden: subject "ci" is not permitted to create Promotions for Stage "rebuild-trigger-base"
      started  web: rebuild-trigger-web.00000000000000000000000026.abc1234
      hint: Kargo asks for the verb "promote" on the Stage: the Role imgfac-rebuilder has it
    1 started, 1 failed
    --- stderr
    "#);
    let authorizer = r#"promotions.kargo.akuity.io is forbidden: User "ci" cannot create resource "promotions" in API group "kargo.akuity.io" in the namespace "imgfac""#;
    refusal(403, "Forbidden", authorizer);
    assert_snapshot!(rebuild(&sandbox, &["base", "--yes"]), @r#"
    exit 1
    --- stdout
      failed   base: the delay of base is overruled, but no rebuild could be started: not allowed to create promotions.kargo.akuity.io in namespace imgfac
      hint: a Role with verb "create" on "promotions.kargo.akuity.io" allows it
    0 started, 1 failed
    1 emergency before it in 30 days
    --- stderr
    "#);
    refusal(409, "AlreadyExists", "promotions already exists");
    assert_snapshot!(rebuild(&sandbox, &["base", "--yes"]), @"
    exit 1
    --- stdout
      failed   base: the delay of base is overruled, but no rebuild could be started: refused (409): promotions already exists
    0 started, 1 failed
    2 emergencies before it in 30 days
    --- stderr
    ");
    assert_snapshot!(rebuild(&sandbox, &["redis", "web", "--yes"]), @"
    exit 3
    --- stdout
      failed   redis: it is external: it has no source, so others build it
      started  web: rebuild-trigger-web.00000000000000000000000027.abc1234
    1 started, 1 failed
    2 emergencies before it in 30 days
    --- stderr
    ");
    // Credentials that are no longer taken fail for all.
    refusal(401, "Unauthorized", "expired");
    assert_snapshot!(rebuild(&sandbox, &both), @"
    exit 1
    --- stdout
      failed   base: the delay of base is overruled, but no rebuild could be started: the cluster does not accept the credentials (401)
      not attempted  web
      hint: log in again, or choose another context with --context
    0 started, 1 failed, 1 not attempted
    3 emergencies before it in 30 days
    --- stderr
    ");
}

#[test]
fn a_cluster_without_the_stage_is_told() {
    let server = ApiServer::start(FakeApi::new());
    let (sandbox, rebuild) = rebuilding(&server);
    let place = "/apis/kargo.akuity.io/v1alpha1/namespaces/imgfac/stages/rebuild-trigger-web";
    let delete = fake::Call::new("DELETE", place, "", b"{}".to_vec());
    assert_eq!(server.api().answer(&delete).unwrap().code, 200);
    assert_snapshot!(rebuild(&sandbox, &["web", "--yes"]), @r#"
    exit 1
    --- stdout
      failed   web: the delay of web is overruled, but no rebuild could be started: refused (404): admission webhook denied the request: there is no Stage "rebuild-trigger-web"
      hint: the cluster lacks the Stage: bring the manifests into it, then ask again
    0 started, 1 failed
    --- stderr
    "#);
}

#[test]
fn an_emergency_needs_a_reason_and_consent() {
    let server = ApiServer::start(FakeApi::new());
    let (sandbox, rebuild) = rebuilding(&server);
    server.api().log.clear();
    assert_snapshot!(rebuild(&sandbox, &["web"]), @"
    exit 2
    --- stdout
    --- stderr
    error: an emergency needs somebody's consent
    hint: add --yes where nobody can be asked, or try it with --dry-run
    ");
    assert_snapshot!(rebuild(&sandbox, &["wep", "--yes"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no image is called "wep"
    hint: did you mean "web"?
    "#);
    for (arguments, part) in [
        (&["web", "--yes", "--cve", "CVE-1"][..], "CVE-2026-12345"),
        (&["--yes"], "<NAME|--base <BASE>|--all-affected>"),
        (
            &["web", "--reason", "again"],
            "cannot be used multiple times",
        ),
    ] {
        let outcome = rebuild(&sandbox, arguments);
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(outcome.stderr.contains(part), "{outcome}");
    }
    for reason in ["", "  ", "a\nb", "\u{1b}[31m"] {
        let arguments = ["-C", "factory", "rebuild", "web", "--emergency", "--yes"];
        let outcome = run(&sandbox, &[&arguments[..], &["--reason", reason]].concat());
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(!outcome.stderr.contains('\u{1b}'), "{outcome}");
    }
    assert!(server.api().log.is_empty(), "nothing was asked for");
}

#[test]
fn a_cluster_that_takes_no_emergency_is_named() {
    let server = ApiServer::start(FakeApi::new());
    let (sandbox, rebuild) = rebuilding(&server);
    let stranger = ["web", "--yes", "--context=stranger", "--format=json"];
    assert_snapshot!(rebuild(&sandbox, &stranger), @r#"
    exit 1
    --- stdout
    --- stderr
    error: context "stranger" (http://127.0.0.1:PORT): the cluster does not accept the credentials (401)
    hint: log in again, or choose another context with --context
    "#);
    assert_eq!(overrides(&server), Value::Null);
}

/// What is on record of emergencies.
fn audit(sandbox: &Sandbox) -> Vec<String> {
    let files = sandbox.files().into_iter();
    let files = files.filter(|(path, _)| path.starts_with("factory/state/audit/"));
    files.map(|(_, (_, text))| text).collect()
}

#[test]
fn an_emergency_is_on_record_before_anything_is_asked_for() {
    let server = ApiServer::start(FakeApi::new());
    let (sandbox, rebuild) = rebuilding(&server);
    let folder = sandbox.path().join("factory/state/audit");
    let (send, recorded) = std::sync::mpsc::channel();
    server.api().trouble("POST", "/promotions", 1, move || {
        let files = std::fs::read_dir(&folder).map(Iterator::count);
        let _ = send.send(files.unwrap_or_default());
        Trouble::Answer(Answer::status(403, "Forbidden", "no"))
    });
    let refused = rebuild(&sandbox, &["web", "--cve=CVE-2026-12345", "--yes"]);
    assert_eq!(refused.code, 1, "{refused}");
    assert_eq!(recorded.try_recv(), Ok(1));
    let [record] = audit(&sandbox).try_into().unwrap();
    assert_snapshot!(record, @r#"
    # An emergency: who asked, why, and for which images. Written once, never changed.
    askedAt: "2026-11-23T12:00:00Z"
    reason: zlib is broken
    vulnerabilities:
      - CVE-2026-12345
    images:
      - web
    "#);
    // Trying it out is no emergency, and the one before is counted.
    assert_snapshot!(rebuild(&sandbox, &["web", "--dry-run"]), @"
    exit 0
    --- stdout
      would start  web, with freight of base-node-22
    Dry run: 1 started
    1 emergency before it in 30 days
    --- stderr
    ");
    let told = rebuild(&sandbox, &["web", "--dry-run", "--format=json"]).stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["emergenciesBefore"], 1);
    assert_eq!(audit(&sandbox).len(), 1);

    // What cannot be put on record is not asked for.
    std::fs::remove_dir_all(sandbox.path().join("factory/state/audit")).unwrap();
    sandbox.write("factory/state/audit", "no folder");
    server.api().log.clear();
    let outcome = rebuild(&sandbox, &["web", "--yes"]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(server.api().log.is_empty(), "{outcome}");
}

#[test]
fn who_may_not_ask_asks_no_cluster() {
    let server = ApiServer::start(FakeApi::new());
    let (sandbox, rebuild) = rebuilding(&server);
    let settings = sandbox.read("factory/imgfac.yaml");
    let actors = "rebuilds: {emergencyActors: [alice]}\n";
    sandbox.write("factory/imgfac.yaml", format!("{settings}{actors}"));
    server.api().log.clear();
    assert_snapshot!(rebuild(&sandbox, &["web", "--yes"]), @"
    exit 1
    --- stdout
    --- stderr
    error: nobody knows who asks: emergencyActors in imgfac.yaml names who may
    hint: GITHUB_ACTOR, GITLAB_USER_LOGIN or USER says who asks
    ");
    assert!(server.api().log.is_empty());
    assert_eq!(audit(&sandbox), [""; 0]);
}
