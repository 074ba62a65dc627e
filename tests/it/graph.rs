//! The dependency graph: drawn, asked, predicted.

use imgfac_tests::Sandbox;
use insta::assert_snapshot;

const IMAGES: &str = "\
- name: low
  registry: ghcr.io
  repository: acme/low
  source: {repo: acme/shop, dockerfile: low/Dockerfile}
  rebuildDelay: 1d
  criticality: critical
- name: app
  registry: ghcr.io
  repository: acme/app
  source: {repo: acme/shop, dockerfile: app/Dockerfile}
  rebuildDelay: 2d12h
- name: tools
  registry: ghcr.io
  repository: acme/tools
  source: {repo: acme/shop, dockerfile: tools/Dockerfile}
  autoRebuild: false
- name: postgres
  repository: library/postgres
";

const CIRCLE: &str = "\
- name: one
  registry: ghcr.io
  repository: acme/one
  source: {repo: acme/shop, dockerfile: one/Dockerfile}
- name: two
  registry: ghcr.io
  repository: acme/two
  source: {repo: acme/shop, dockerfile: two/Dockerfile}
";

const DIGEST: &str = "sha256:7d3f6c1e0b9a48527c6e5d4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b";

/// A factory after its first analysis; `app` stands on `low`, and both on node.
pub(crate) fn factory(circle: bool) -> Sandbox {
    let sandbox = crate::sandbox();
    sandbox.write("f/images.yaml", IMAGES);
    sandbox.write("f/imgfac.yaml", "workspaces: [../shop]\n");
    sandbox.write("shop/low/Dockerfile", "FROM node:22\n");
    sandbox.write(
        "shop/app/Dockerfile",
        "FROM golang:1 AS lint\nFROM node:22 AS build\nFROM ghcr.io/acme/low:1\nCOPY --from=build /a /a\n",
    );
    sandbox.write(
        "shop/tools/Dockerfile",
        format!("FROM ghcr.io/acme/low:1\nCOPY --from=debian:12@{DIGEST} /a /a\n"),
    );
    if circle {
        sandbox.write("f/images.d/circle.yaml", CIRCLE);
        sandbox.write("shop/one/Dockerfile", "FROM ghcr.io/acme/two:1\n");
        sandbox.write("shop/two/Dockerfile", "FROM ghcr.io/acme/one:1\n");
    }
    let outcome = sandbox.run(&["analyze", "-C", "f", "-q"]);
    assert_eq!(outcome.code, 0, "{outcome}");
    sandbox
}

#[test]
fn the_surroundings_of_an_image_are_a_flowchart() {
    assert_snapshot!(factory(false).run(&[
        "graph",
        "-C",
        "f",
        "--image",
        "ghcr.io/acme/low",
        "--depth",
        "1"
    ]));
}

#[test]
fn a_cascade_is_predicted() {
    assert_snapshot!(factory(false).run(&["graph", "-C", "f", "--cascade", "node:22"]));
}

#[test]
fn a_cascade_is_data_too() {
    assert_snapshot!(factory(false).run(&[
        "graph",
        "-C",
        "f",
        "--cascade",
        "node-22",
        "--format",
        "json"
    ]));
}

#[test]
fn a_cascade_knows_how_long_builds_took() {
    let factory = factory(false);
    let durations = |image: &str, history: &str| {
        let path = format!("f/state/images/{image}.yaml");
        let state = factory.read(&path).replace("rebuildHistory: []", "");
        factory.write(&path, format!("{state}\nrebuildHistory: {history}\n"));
    };
    let cascade = ["graph", "-C", "f", "--cascade", "node:22"];
    durations(
        "low",
        "[{outcome: success, durationSeconds: 3000}, {outcome: failure, durationSeconds: 3}]",
    );
    assert_snapshot!(factory.run(&cascade));
    durations("app", "[{outcome: success, durationSeconds: 90}]");
    let outcome = factory.run(&[&cascade[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["ciMinutes"], 52, "{outcome}");
    assert_eq!(json["durationUnknown"], serde_json::json!([]), "{outcome}");
    assert_eq!(json["builds"][1]["durationSeconds"], 90, "{outcome}");
}

#[test]
fn a_cascade_can_be_drawn() {
    let outcome = factory(false).run(&[
        "graph",
        "-C",
        "f",
        "--cascade",
        "node:22",
        "--format",
        "mermaid",
    ]);
    let low = r#"image_low["low<br/>wave 1, 2026-11-24T12#58;00#58;00Z"]:::managed"#;
    assert!(outcome.stdout.contains(low), "{outcome}");
    assert!(!outcome.stdout.contains("golang"), "{outcome}");
}

#[test]
fn every_way_to_a_base_is_named() {
    let factory = factory(false);
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--why", "app", "node:22"]));
    assert_snapshot!(factory.run(&[
        "graph", "-C", "f", "--why", "app", "golang:1", "--format", "json"
    ]));
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--why", "low", "app"]));
    for format in ["json", "mermaid", "html"] {
        let question = [
            "graph", "-C", "f", "--why", "low", "app", "--format", format,
        ];
        assert_eq!(factory.run(&question).code, 4, "{format}");
    }
}

#[test]
fn an_image_of_a_circle_stands_on_itself() {
    let factory = factory(true);
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--why", "one", "one", "-q"]), @"
    exit 0
    --- stdout
    one stands on itself in 1 way

      one -> two -> one
    --- stderr
    ");
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--why", "app", "app", "-q"]), @"
    exit 4
    --- stdout
    app does not stand on itself
    --- stderr
    ");
}

/// A digest that begins with a letter many times.
fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

/// A factory whose `low` stood on the digest `a` of node and now is on `b`, and whose `app` is still
/// on what low was before.
fn built() -> Sandbox {
    let factory = factory(false);
    let run = |arguments: &[&str]| {
        let outcome = factory.run(&[arguments, &["-C", "f", "-q"]].concat());
        assert_eq!(outcome.code, 0, "{outcome}");
    };
    let build = |image: &str, version: &str, letter: char| {
        let digest = digest(letter);
        let own = ["--image", image, "--tag", version, "--digest", &digest];
        run(&[&["analyze", "--offline"], &own[..]].concat());
    };
    let observe = |letter: char| {
        run(&["observe", "--base", "node-22", "--digest", &digest(letter)]);
    };
    observe('a');
    build("low", "1", '1');
    build("app", "1", '2');
    observe('b');
    build("low", "2", '3');
    factory
}

fn impact(factory: &Sandbox, asked: &str) -> String {
    factory
        .run(&["graph", "-C", "f", "--impact", asked])
        .to_string()
}

#[test]
fn what_stands_on_a_digest_is_told() {
    let factory = built();
    assert_snapshot!(impact(&factory, &digest('a')), @"
    exit 0
    --- stdout
    sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1 image stands on it
    node:22 had it, and has another one now

      app  node:22

    1 image moved on:
      low  now on sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb of node:22

    Not recorded of what these stand on:
      tools
    --- stderr
    ");
    assert_snapshot!(impact(&factory, "bbbbbbbbbbbb"), @"
    exit 0
    --- stdout
    sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: 1 image stands on it
    node:22 has it now

      low  node:22

    Not recorded of what these stand on:
      app
      tools
    --- stderr
    ");
    assert_snapshot!(impact(&factory, "sha256:1111111111111"), @"
    exit 0
    --- stdout
    sha256:1111111111111111111111111111111111111111111111111111111111111111: 2 images stand on it

      app    low
      tools  low
    --- stderr
    ");
    // It is pinned, for a stage that copies it.
    assert_snapshot!(impact(&factory, &DIGEST[..24]), @"
    exit 0
    --- stdout
    sha256:7d3f6c1e0b9a48527c6e5d4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b: 1 image stands on it
    debian:12@sha256:7d3f6c1e0b9a… has it now

      tools  debian:12@sha256:7d3f6c1e0b9a…
    --- stderr
    ");
    assert_snapshot!(impact(&factory, &digest('f')), @"
    exit 4
    --- stdout
    sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff: no image is known to stand on it
    --- stderr
    ");
    let ask = |format: &str| {
        let asked = digest('a');
        factory.run(&["graph", "-C", "f", "--impact", &asked, "--format", format])
    };
    assert_snapshot!(ask("json"), @r#"
    exit 0
    --- stdout
    {
      "version": 1,
      "digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "digests": [
        "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      ],
      "origins": [
        {
          "node": "base/node-22",
          "now": false
        }
      ],
      "images": [
        {
          "image": "image/app",
          "directly": [
            "base/node-22"
          ],
          "through": []
        }
      ],
      "moved": [
        {
          "image": "image/low",
          "base": "base/node-22",
          "now": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        }
      ],
      "notRecorded": [
        "image/tools"
      ]
    }
    --- stderr
    "#);
    let drawn = ask("mermaid").stdout;
    assert!(
        drawn.contains("had it") && drawn.contains("image_app"),
        "{drawn}"
    );
}

#[test]
fn what_is_no_digest_is_refused() {
    let factory = built();
    let rest = "0".repeat(51);
    let digest = |digit: u8| format!("{{digest: 'sha256:aaaaaaaaaaaa{digit}{rest}'}}");
    let digests = format!("digests: [{}, {}]\n", digest(0), digest(1));
    let golang = "f/state/base-images/golang-1.yaml";
    let state = factory.read(golang);
    factory.write(golang, format!("{state}{digests}"));
    let said: Vec<String> = [
        "CVE-2026-12345",
        "ghsa-xxxx-yyyy-zzzz",
        "aaaaaaaaaaa",
        "AAAAAAAAAAAA",
        "aaaaaaaaaaaa",
        "md5:aaaaaaaaaaaa",
        "node:22",
        "../../etc/passwd",
        "a\u{1b}[31m",
        "",
    ]
    .iter()
    .map(|asked| {
        let outcome = factory.run(&["graph", "-C", "f", "-q", "--impact", asked]);
        format!(
            "{} {}",
            outcome.code,
            if outcome.code == 4 {
                outcome.stdout
            } else {
                outcome.stderr
            }
        )
    })
    .collect();
    assert_snapshot!(said.concat(), @r#"
    2 error: scans of images are not recorded yet: nothing is known about CVE-2026-12345
    hint: ask with the digest of an image that has it
    2 error: scans of images are not recorded yet: nothing is known about ghsa-xxxx-yyyy-zzzz
    hint: ask with the digest of an image that has it
    2 error: "aaaaaaaaaaa" is no digest
    hint: a digest is sha256: and 64 hexadecimal digits; its first 12 are enough
    2 error: "AAAAAAAAAAAA" is no digest
    hint: a digest is sha256: and 64 hexadecimal digits; its first 12 are enough
    2 error: "aaaaaaaaaaaa" is the beginning of 3 digests
    hint: among them sha256:aaaaaaaaaaaa0000000000000000000000000000000000000000000000000000 and sha256:aaaaaaaaaaaa1000000000000000000000000000000000000000000000000000
    4 md5:aaaaaaaaaaaa: no image is known to stand on it
    2 error: "node:22" is no digest
    hint: a digest is sha256: and 64 hexadecimal digits; its first 12 are enough
    2 error: "../../etc/passwd" is no digest
    hint: a digest is sha256: and 64 hexadecimal digits; its first 12 are enough
    2 error: "a\u{1b}[31m" is no digest
    hint: a digest is sha256: and 64 hexadecimal digits; its first 12 are enough
    2 error: "" is no digest
    hint: a digest is sha256: and 64 hexadecimal digits; its first 12 are enough
    "#);
}

#[test]
fn a_picture_goes_to_the_step_summary() {
    let factory = factory(false);
    let summary = ["graph", "-C", "f", "--cascade", "golang:1", "--summary"];
    assert_snapshot!(factory.run(&summary), @"
    exit 2
    --- stdout
    --- stderr
    error: --summary needs GITHUB_STEP_SUMMARY, which is not set
    hint: GitHub Actions sets it for every step; elsewhere use --format markdown --output FILE
    ");
    factory.write("summary.md", "before");
    for _ in 0..2 {
        let mut command = factory.command(&summary);
        command.env("GITHUB_STEP_SUMMARY", "summary.md");
        let output = command.output().unwrap();
        assert!(
            output.status.success() && output.stdout.is_empty(),
            "{output:?}"
        );
    }
    let text = factory.read("summary.md");
    let parts: Vec<&str> = text.split("<p>").collect();
    assert_eq!((parts.len(), parts[0]), (3, "before\n"));
    assert_eq!(parts[1].trim_end(), parts[2].trim_end());
    assert_snapshot!(parts[2].lines().take(5).collect::<Vec<_>>().join("\n"), @"
    <strong>Image dependency graph: what follows when golang:1 moves</strong>, 0 images and 1 base</p>

    ```mermaid
    flowchart LR
      %% what follows when golang#58;1 moves: 0 images and 1 base
    ");
    assert!(text.ends_with("\n```\n"), "{text}");
    for wrong in [&["--check"] as &[&str], &["--format", "svg"], &["-o", "x"]] {
        let outcome = factory.run(&[&["graph", "-C", "f", "--summary"], wrong].concat());
        assert_eq!(outcome.code, 2, "{outcome}");
    }
}

#[test]
fn circles_are_named_with_every_edge_and_left_out() {
    let factory = factory(true);
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--cascade", "one"]));
}

#[test]
fn a_check_fails_on_what_it_finds() {
    let factory = factory(true);
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--check"]));
    let json = factory.run(&["graph", "-C", "f", "--check=orphans", "--format", "json"]);
    assert_snapshot!(json);
}

#[test]
fn a_check_that_finds_nothing_passes() {
    assert_snapshot!(factory(false).run(&["graph", "-C", "f", "--check=cycles"]));
}

#[test]
fn state_has_what_needs_a_base_unless_it_is_the_plain_case() {
    let factory = factory(false);
    let uses = |image: &str| {
        let state = factory.read(&format!("f/state/images/{image}.yaml"));
        let uses = state.split_once("baseUses:").map(|(_, rest)| rest);
        uses.and_then(|rest| rest.split("\n\n").next().map(str::to_owned))
    };
    assert_eq!(uses("low"), None);
    assert_snapshot!(uses("app").unwrap(), @"

    docker.io/library/golang:1:
      - role: from
        stage: lint
    docker.io/library/node:22:
      - role: from
        stage: build
    ");
    assert_snapshot!(uses("tools").unwrap().replace(DIGEST, "DIGEST"), @"

    docker.io/library/debian:12@DIGEST:
      - role: copy
    ");

    // The same again finds nothing new, and what is written is read.
    let again = factory.run(&["analyze", "-C", "f", "--check"]);
    assert_eq!(again.code, 0, "{again}");
    let dot = factory.run(&["graph", "-C", "f", "--format", "dot"]).stdout;
    let edge = r#""base/node-22" -> "image/app" [tooltip="from in build"];"#;
    assert!(dot.contains(edge), "{dot}");

    factory.write(
        "shop/app/Dockerfile",
        "FROM golang:1\nRUN --mount=from=node:22 true\nFROM node:22 AS build\nFROM ghcr.io/acme/low:1\nCOPY --from=build /a /a\n",
    );
    let moved = factory.run(&["analyze", "-C", "f"]).stdout;
    assert!(
        moved.contains("what needs its bases is recorded anew"),
        "{moved}"
    );
    assert_snapshot!(uses("app").unwrap(), @r#"

    docker.io/library/golang:1:
      - role: from
        stage: "0"
    docker.io/library/node:22:
      - role: from
        stage: build
      - role: mount
        stage: "0"
    "#);
    factory.write(
        "f/state/images/app.yaml",
        "name: app\nbaseUses: {node:22: [{role: use}]}\n",
    );
    let refused = factory.run(&["graph", "-C", "f"]);
    assert_eq!(refused.code, 3, "{refused}");
    assert!(refused.stderr.contains("invalid role"), "{refused}");
}

#[test]
fn bases_past_their_end_of_life_are_found_and_near_ends_noted() {
    let factory = factory(false);
    let settings = "workspaces: [../shop]\nendOfLife:\n  golang:1*: 2026-11-22\n  node:22: 2027-02-21\n  debian:*: 2027-02-22\n";
    factory.write("f/imgfac.yaml", settings);
    let check = ["graph", "-C", "f", "--check", "end-of-life"];
    assert_snapshot!(factory.run(&check));
    assert_snapshot!(factory.run(&[&check[..], &["--format", "json"]].concat()));
    factory.write(
        "f/imgfac.yaml",
        settings.replace("2026-11-22", "2026-11-23"),
    );
    let outcome = factory.run(&check);
    assert_eq!(outcome.code, 0, "{outcome}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let factory = factory(false);
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--image", "node:23"]));
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--format", "text"]));
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--check", "--format", "dot"]));
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--cascade", "node:24-bookworm-slim"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no image or base is called "node:24-bookworm-slim"
    hint: did you mean "node:22"?
    "#);
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--check", "node:22"]), @"
    exit 2
    --- stdout
    --- stderr
    error: invalid value 'node:22' for '--check [<WHAT>]'
      [possible values: cycles, orphans, pinned, end-of-life]

    For more information, try '--help'.
    ");
    assert_snapshot!(factory.run(&["graph", "-C", "f", "--check", "cycles", "--impact", "a"]), @"
    exit 2
    --- stdout
    --- stderr
    error: the argument '--check [<WHAT>]' cannot be used with '--impact <DIGEST>'

    Usage: imgfac-under-test graph --directory <DIR> --check [<WHAT>]

    For more information, try '--help'.
    ");
}

#[test]
fn a_result_goes_to_a_file_without_colours() {
    let factory = factory(false);
    let arguments = [
        "graph",
        "-C",
        "f",
        "--cascade",
        "node:22",
        "--color",
        "always",
        "-o",
        "out.txt",
    ];
    let outcome = factory.run(&arguments);
    assert_snapshot!(outcome);
    assert!(
        factory
            .read("out.txt")
            .starts_with("node:22 moves: 2 images in 2 waves")
    );
}
