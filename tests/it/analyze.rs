//! `imgfac analyze`, and what it does with images that fail.

use std::process::Command;

use insta::assert_snapshot;

use crate::sandbox;
use crate::shop::shop;

const ANALYZE: [&str; 3] = ["-C", "factory", "analyze"];

#[test]
fn state_is_written_and_manifests_are_not() {
    let sandbox = shop();
    assert_snapshot!(sandbox.run(&ANALYZE), @"
    exit 0
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 3 bases; 1 on images of our own

      added  image  base         stands on debian-12
      added  image  redis        watched, not built by us
      added  image  web          stands on base (ours), golang-1.24, node-22
      added  base   debian-12    docker.io/library/debian:12
      added  base   golang-1.24  docker.io/library/golang:1.24
      added  base   node-22      docker.io/library/node:22

    Wrote 6 files: state/base-images (3), state/images (3)
    --- stderr
    ");
    let files: Vec<String> = sandbox
        .files()
        .into_keys()
        .filter(|path| path.contains("factory/"))
        .collect();
    assert_snapshot!(files.join("\n"), @"
    factory/images.yaml
    factory/imgfac.yaml
    factory/state/base-images/debian-12.yaml
    factory/state/base-images/golang-1.24.yaml
    factory/state/base-images/node-22.yaml
    factory/state/images/base.yaml
    factory/state/images/redis.yaml
    factory/state/images/web.yaml
    ");
    assert_snapshot!(sandbox.run(&ANALYZE), @"
    exit 0
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 3 bases; 1 on images of our own

    Nothing changed, nothing written.
    --- stderr
    ");
}

#[test]
fn the_report_is_also_json() {
    let sandbox = shop();
    sandbox.edit("shop/base/Dockerfile", "debian:12", "$UNKNOWN");
    let outcome = sandbox.run(&["-C", "factory", "analyze", "--format", "json", "--check"]);
    assert_snapshot!(outcome, @r#"
    exit 3
    --- stdout
    {
      "images": {
        "total": 3,
        "managed": 2,
        "external": 1,
        "failed": 1
      },
      "bases": 2,
      "failures": [
        {
          "kind": "image",
          "name": "base",
          "error": "base/Dockerfile:1:6: base name ($UNKNOWN) should not be blank; no ARG UNKNOWN is declared before the first FROM: declare it there, then give it a default, or a value with --build-arg or in buildArgs"
        }
      ],
      "diagnostics": [],
      "changes": [
        {
          "kind": "image",
          "name": "base",
          "change": "added",
          "details": []
        },
        {
          "kind": "image",
          "name": "redis",
          "change": "added",
          "details": [
            "watched, not built by us"
          ]
        },
        {
          "kind": "image",
          "name": "web",
          "change": "added",
          "details": [
            "stands on base (ours), golang-1.24, node-22"
          ]
        },
        {
          "kind": "base",
          "name": "golang-1.24",
          "change": "added",
          "details": [
            "docker.io/library/golang:1.24"
          ]
        },
        {
          "kind": "base",
          "name": "node-22",
          "change": "added",
          "details": [
            "docker.io/library/node:22"
          ]
        }
      ],
      "files": {
        "written": [
          "state/images/base.yaml",
          "state/images/redis.yaml",
          "state/images/web.yaml",
          "state/base-images/golang-1.24.yaml",
          "state/base-images/node-22.yaml"
        ],
        "removed": []
      },
      "check": true,
      "commit": null
    }
    --- stderr
    "#);
}

#[test]
fn only_the_named_images_are_analysed() {
    let sandbox = shop();
    assert_snapshot!(sandbox.run(&["-C", "factory", "analyze", "base"]), @"
    exit 0
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 1 base

      added  image  base       stands on debian-12
      added  base   debian-12  docker.io/library/debian:12

    Wrote 2 files: state/base-images/debian-12.yaml, state/images/base.yaml
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["-C", "factory", "analyze", "bose"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no image is called "bose"
    hint: did you mean "base"?
    "#);
    assert_snapshot!(sandbox.run(&["-C", "factory", "analyze", "something-else"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no image is called "something-else"
    hint: imgfac status lists them
    "#);
}

#[test]
fn check_writes_nothing_and_says_what_would_be() {
    let sandbox = shop();
    let before = sandbox.files();
    let outcome = sandbox.run(&["-C", "factory", "analyze", "--check"]);
    assert_eq!(outcome.code, 4, "{outcome}");
    assert!(outcome.stdout.contains("Would write 6 files"), "{outcome}");
    assert_eq!(sandbox.files(), before);
    assert_eq!(sandbox.run(&ANALYZE).code, 0);
    assert_eq!(
        sandbox.run(&["-C", "factory", "analyze", "--check"]).code,
        0
    );
}

#[test]
fn quiet_says_only_what_is_wrong() {
    let sandbox = shop();
    let arguments = ["-C", "factory", "analyze", "--quiet"];
    let outcome = sandbox.run(&arguments);
    assert_eq!(
        (
            outcome.code,
            outcome.stdout.as_str(),
            outcome.stderr.as_str()
        ),
        (0, "", "")
    );
    sandbox.edit("shop/base/Dockerfile", "debian:12", "$UNKNOWN");
    let outcome = sandbox.run(&arguments);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert!(outcome.stdout.contains("failed  image  base"), "{outcome}");
}

/// One for each way to fail; the known bases stay.
#[test]
fn a_failure_is_recorded_and_keeps_what_was_known() {
    type Spoil = fn(&imgfac_tests::Sandbox);
    let ways: [(&str, Spoil); 6] = [
        ("no Dockerfile", |sandbox| {
            std::fs::remove_file(sandbox.path().join("shop/base/Dockerfile")).expect("it is there");
        }),
        ("an invalid reference", |sandbox| {
            sandbox.write("shop/base/Dockerfile", "FROM Debian:12\n")
        }),
        ("an argument without a value", |sandbox| {
            sandbox.write("shop/base/Dockerfile", "ARG V\nFROM debian:$V\n")
        }),
        ("no such stage", |sandbox| {
            sandbox.edit(
                "factory/images.yaml",
                "dockerfile: base/Dockerfile",
                "dockerfile: base/Dockerfile, target: none",
            )
        }),
        ("no such repository", |sandbox| {
            sandbox.edit(
                "factory/images.yaml",
                "repo: acme/shop, dockerfile: base",
                "repo: acme/other, dockerfile: base",
            )
        }),
        ("no such workspace", |sandbox| {
            sandbox.write(
                "factory/imgfac.yaml",
                "workspaces: [acme/shop=../nowhere]\n",
            )
        }),
    ];
    let mut report = String::new();
    for (what, spoil) in ways {
        let mut sandbox = shop();
        assert_eq!(sandbox.run(&ANALYZE).code, 0);
        spoil(&sandbox);
        sandbox.set_now("2026-12-24T00:00:00Z");
        let outcome = sandbox.run(&ANALYZE);
        assert_eq!(outcome.code, 3, "{what}: {outcome}");
        let state = sandbox.read("factory/state/images/base.yaml");
        for line in [
            "discoveryStatus: failed\n",
            "baseImages:\n  - debian-12\n",
            "lastDiscovery: \"2026-12-24T00:00:00Z\"\n",
        ] {
            assert!(state.contains(line), "{what}: {state}");
        }
        let error = state
            .lines()
            .find(|line| line.starts_with("discoveryError:"));
        report.push_str(&format!("{what}\n  {}\n", error.unwrap_or("none")));
        let status = sandbox.run(&["-C", "factory", "status", "base"]);
        assert_eq!(status.code, 0, "{status}");
        assert!(status.stdout.contains("failed"), "{status}");

        let before = sandbox.files();
        sandbox.set_now("2026-12-25T00:00:00Z");
        assert_eq!(sandbox.run(&ANALYZE).code, 3, "{what}");
        assert_eq!(
            sandbox.files(),
            before,
            "{what}: the same failure is nothing new"
        );
    }
    assert_snapshot!(report, @r#"
    no Dockerfile
      discoveryError: "base/Dockerfile: there is no such file in acme/shop"
    an invalid reference
      discoveryError: "base/Dockerfile:1:6: failed to parse stage name \"Debian:12\": invalid reference format: repository \"Debian\" must be lower-case"
    an argument without a value
      discoveryError: "base/Dockerfile:2:6: failed to parse stage name \"debian:\": invalid reference format: the tag is empty; ARG V has no default and no value was given: pass one with --build-arg V=VALUE, or in buildArgs"
    no such stage
      discoveryError: "base/Dockerfile:1:1: target stage \"none\" could not be found"
    no such repository
      discoveryError: "cannot read acme/other on github.com: transport 'https' not allowed"
    no such workspace
      discoveryError: "workspace ../nowhere: No such file or directory (os error 2)"
    "#);
}

#[test]
fn a_corrupt_state_fails_its_image_only() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&ANALYZE).code, 0);
    sandbox.write(
        "factory/state/images/base.yaml",
        "<<<<<<< HEAD\nname: base\n=======\n",
    );
    sandbox.edit("shop/web/Dockerfile", "golang:1.24", "golang:1.25");
    assert_snapshot!(sandbox.run(&ANALYZE), @"
    exit 3
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 4 bases; 1 on images of our own

      changed  image  web          now stands on golang-1.25; no longer stands on golang-1.24
      added    base   golang-1.25  docker.io/library/golang:1.25

    1 image failed; what was known is kept:
      failed  image  base  state/images/base.yaml cannot be used: a merge conflict is left here

    Wrote 2 files: state/base-images/golang-1.25.yaml, state/images/web.yaml
    --- stderr
    error[unreadable-state]: state/images/base.yaml cannot be used: a merge conflict is left here
     --> factory/state/images/base.yaml:1:1
      |
    1 | <<<<<<< HEAD
      | ^^^^^^^
      |
      = help: mend or delete it; until then it is left as it is
    ");
}

#[test]
fn an_invalid_configuration_changes_nothing() {
    let sandbox = shop();
    sandbox.edit(
        "factory/images.yaml",
        "rebuildDelay: 1d",
        "rebuildDelay: soon",
    );
    let before = sandbox.files();
    for arguments in [
        &ANALYZE[..],
        &["-C", "factory", "sync"],
        &["-C", "factory", "synth"],
    ] {
        let outcome = sandbox.run(arguments);
        assert_eq!(outcome.code, 1, "{outcome}");
        assert!(outcome.stderr.contains("nothing was changed"), "{outcome}");
        assert_eq!(sandbox.files(), before);
    }
}

#[test]
fn a_workspace_of_the_command_line_comes_first() {
    let sandbox = shop();
    sandbox.write("mine/base/Dockerfile", "FROM alpine:3.20\n");
    sandbox.write("mine/web/Dockerfile", "FROM scratch\n");
    for workspace in ["acme/shop=mine", "mine"] {
        let outcome = sandbox.run(&[
            "-C",
            "factory",
            "analyze",
            "--check",
            "--workspace",
            workspace,
        ]);
        let expected = if workspace == "mine" {
            "debian-12"
        } else {
            "alpine-3.20"
        };
        assert!(
            outcome.stdout.contains(&format!("stands on {expected}")),
            "{outcome}"
        );
    }
    let before = sandbox.files();
    assert_snapshot!(sandbox.run(&["-C", "factory", "analyze", "--workspace", "acme/shop=nowhere"]), @"
    exit 2
    --- stdout
    --- stderr
    error: cannot open the workspace nowhere: No such file or directory (os error 2)
    ");
    assert_eq!(sandbox.files(), before);
    assert_snapshot!(sandbox.run(&["-C", "factory", "analyze", "--workspace", "nowhere=x=y"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: invalid value 'nowhere=x=y' for '--workspace <[OWNER/NAME=]DIR>': invalid repository: "nowhere"; expected owner/name, or group/sub/name on GitLab, without host or ".git"

    For more information, try '--help'.
    "#);
}

#[test]
fn the_own_checkout_is_found_by_its_remotes() {
    let git = |folder: &std::path::Path, arguments: &[&str]| {
        Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(arguments)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let sandbox = sandbox();
    sandbox.write("mono/app/Dockerfile", "FROM node:22\n");
    sandbox.write(
        "mono/image-factory/images.yaml",
        "\
- {name: app, repository: acme/app, source: {repo: acme/mono, dockerfile: app/Dockerfile}}
- {name: lab, repository: acme/lab, source: {provider: gitlab, repo: acme/mono, dockerfile: app/Dockerfile}}
",
    );
    let mono = sandbox.path().join("mono");
    if !git(&mono, &["init", "--quiet"]) {
        eprintln!("skipped: git is not installed");
        return;
    }
    assert!(git(
        &mono,
        &["remote", "add", "origin", "git@github.com:Acme/mono.git"]
    ));
    let mut command = sandbox.command(&["analyze", "--check"]);
    let outcome = sandbox.run_command(command.current_dir(&mono));
    assert_snapshot!(outcome, @"
    exit 3
    --- stdout
    image-factory  2 images: 2 built by us, 0 watched; 1 base

      added  image  app      stands on node-22
      added  image  lab
      added  base   node-22  docker.io/library/node:22

    1 image failed; what was known is kept:
      failed  image  lab  cannot read acme/mono on gitlab.com: transport 'https' not allowed

    Would write 3 files: state/base-images/node-22.yaml, state/images (2)
    --- stderr
    ");
}

#[test]
fn no_more_files_are_read_at_once_than_asked() {
    let sandbox = shop();
    assert_eq!(
        sandbox
            .run(&["-C", "factory", "analyze", "--check", "--jobs", "1"])
            .code,
        4
    );
    for jobs in ["0", "257", "x"] {
        let outcome = sandbox.run(&["-C", "factory", "analyze", "--jobs", jobs]);
        assert_eq!(outcome.code, 2, "{outcome}");
    }
}

#[test]
fn a_circle_is_named() {
    let sandbox = shop();
    sandbox.write("shop/base/Dockerfile", "FROM ghcr.io/acme/web:1\n");
    assert_snapshot!(sandbox.run(&ANALYZE), @"
    exit 0
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 2 bases; 2 on images of our own

      added  image  base         stands on web (ours)
      added  image  redis        watched, not built by us
      added  image  web          stands on base (ours), golang-1.24, node-22
      added  base   golang-1.24  docker.io/library/golang:1.24
      added  base   node-22      docker.io/library/node:22

    Wrote 5 files: state/base-images (2), state/images (3)
    --- stderr
    warning[dependency-cycle]: images stand on each other in a circle: base, web
     --> factory/images.yaml:1:9
      |
    1 | - name: base
      |         ^^^^ stands on web (ghcr.io/acme/web:1)
      |
     ::: factory/images.yaml:5:9
      |
    5 | - name: web
      |         --- stands on base (ghcr.io/acme/base:1)
      |
      = help: no order can rebuild them, so only people start their rebuilds: let one of them stand on another image
    ");
}
