//! Input that means harm, or that nobody meant: every one gets a clear error or is made harmless.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use imgfac_tests::{Outcome, Sandbox};
use insta::assert_snapshot;

use crate::sandbox;

const SYNC: [&str; 3] = ["sync", "--workspace", "acme/shop=shop"];

/// A factory of one image in `factory/`, with its sources in `shop/`, and a secret outside both.
fn one_image() -> Sandbox {
    let sandbox = sandbox();
    sandbox.write(
        "factory/images.yaml",
        "- {name: shop, repository: acme/shop, source: {repo: acme/shop}}\n",
    );
    sandbox.write("shop/Dockerfile", "FROM node:22\n");
    sandbox.write("secret", "a: [the secret\n");
    sandbox
}

fn sync(sandbox: &Sandbox) -> Outcome {
    let mut arguments = vec!["-C", "factory"];
    arguments.extend(SYNC);
    sandbox.run(&arguments)
}

/// A run that may change nothing and must say why.
fn refused(sandbox: &Sandbox) -> Outcome {
    let before = sandbox.files();
    let outcome = sync(sandbox);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert_eq!(sandbox.files(), before, "{outcome}");
    assert!(!outcome.to_string().contains("the secret"), "{outcome}");
    outcome
}

fn make(sandbox: &Sandbox, program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .current_dir(sandbox.path())
        .output()
        .is_ok_and(|output| output.status.success())
}

#[test]
fn links_out_of_the_factory_are_not_read() {
    for path in ["images.yaml", "imgfac.yaml", "images.d/team.yaml"] {
        let sandbox = one_image();
        let link = sandbox.path().join("factory").join(path);
        let _ = fs::remove_file(&link);
        sandbox.write("factory/images.d/other.yaml", "[]\n");
        symlink(sandbox.path().join("secret"), link).expect("the link can be made");
        let outcome = refused(&sandbox);
        assert_eq!(
            outcome.stderr,
            format!("error: {path}: leads outside of factory\n")
        );
    }
}

#[test]
fn folders_that_lead_out_of_the_factory_are_neither_read_nor_written() {
    for path in [
        "state",
        "state/images",
        "state/base-images",
        "state/_archive",
        "dist",
    ] {
        let sandbox = one_image();
        sandbox.write("outside/x", "");
        let link = sandbox.path().join("factory").join(path);
        fs::create_dir_all(link.parent().expect("it has a parent")).expect("folders can be made");
        symlink(sandbox.path().join("outside"), link).expect("the link can be made");
        let outcome = refused(&sandbox);
        assert!(
            outcome.stderr.contains("leads outside of factory"),
            "{path}: {outcome}"
        );
    }
}

#[test]
fn a_state_file_that_leads_out_is_isolated_and_stays() {
    let sandbox = one_image();
    fs::create_dir_all(sandbox.path().join("factory/state/images")).expect("folders can be made");
    symlink(
        "../../../secret",
        sandbox.path().join("factory/state/images/shop.yaml"),
    )
    .expect("the link can be made");
    assert_snapshot!(sync(&sandbox), @"
    exit 3
    --- stdout
    factory  1 image: 1 built by us, 0 watched; 0 bases

    1 image failed; what was known is kept:
      failed  image  shop  state/images/shop.yaml cannot be used: leads outside of factory

    Wrote 1 file: dist/image-factory.k8s.yaml
    --- stderr
    error[unreadable-state]: state/images/shop.yaml cannot be used: leads outside of factory
     --> factory/state/images/shop.yaml:1:1
      |
    1 |
      | ^
      |
      = help: mend or delete it; until then it is left as it is

    warning: image shop: while its state cannot be used, it has no manifests, since dist/ has none to keep
    ");
    assert_eq!(sandbox.read("secret"), "a: [the secret\n");
}

#[test]
fn a_dockerfile_that_leads_out_is_not_read() {
    let sandbox = one_image();
    sandbox.write("secret", "FROM the-secret\n");
    fs::remove_file(sandbox.path().join("shop/Dockerfile")).expect("it is there");
    symlink("../secret", sandbox.path().join("shop/Dockerfile")).expect("the link can be made");
    let outcome = sync(&sandbox);
    assert!(!outcome.to_string().contains("the-secret"), "{outcome}");
    assert_snapshot!(outcome, @"
    exit 3
    --- stdout
    factory  1 image: 1 built by us, 0 watched; 0 bases

      added  image  shop

    1 image failed; what was known is kept:
      failed  image  shop  Dockerfile: leads out of acme/shop

    Wrote 2 files: dist/image-factory.k8s.yaml, state/images/shop.yaml
    --- stderr
    ");
}

#[test]
fn a_factory_behind_a_link_is_used() {
    let sandbox = one_image();
    symlink("factory", sandbox.path().join("link")).expect("the link can be made");
    let outcome = sandbox.run(&["-C", "link", "sync", "--workspace", "acme/shop=shop"]);
    assert_eq!(outcome.code, 0, "{outcome}");
}

#[test]
fn pipes_and_devices_are_not_waited_for() {
    for path in [
        "factory/images.yaml",
        "factory/imgfac.yaml",
        "factory/dist/image-factory.k8s.yaml",
    ] {
        let sandbox = one_image();
        sandbox.write("factory/dist/x", "");
        let _ = fs::remove_file(sandbox.path().join(path));
        assert!(make(&sandbox, "mkfifo", &[path]));
        let outcome = refused(&sandbox);
        assert!(
            outcome.stderr.contains("not a regular file"),
            "{path}: {outcome}"
        );
    }
    for path in ["factory/state/images/shop.yaml", "shop/Dockerfile"] {
        let sandbox = one_image();
        sandbox.write("factory/state/images/x.example.yaml", "");
        let _ = fs::remove_file(sandbox.path().join(path));
        assert!(make(&sandbox, "mkfifo", &[path]));
        let outcome = sync(&sandbox);
        assert_eq!(outcome.code, 3, "{path}: {outcome}");
        assert!(
            outcome.stdout.contains("not a regular file"),
            "{path}: {outcome}"
        );
    }
    let sandbox = one_image();
    fs::remove_file(sandbox.path().join("shop/Dockerfile")).expect("it is there");
    if make(&sandbox, "mknod", &["shop/Dockerfile", "c", "1", "5"]) {
        let outcome = sync(&sandbox);
        assert_eq!(outcome.code, 3, "{outcome}");
        assert!(outcome.stdout.contains("not a regular file"), "{outcome}");
    } else {
        eprintln!("skipped: only root can make a device");
    }
}

#[test]
fn a_dockerfile_of_fifty_megabytes_is_read() {
    let sandbox = one_image();
    let mut text = String::from("FROM node:22\n");
    while text.len() < 50 << 20 {
        text.push_str("# ");
        text.push_str(&"x".repeat(60_000));
        text.push('\n');
    }
    text.push_str("FROM python:3.12\n");
    sandbox.write("shop/Dockerfile", text);
    let outcome = sync(&sandbox);
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(
        sandbox
            .read("factory/state/images/shop.yaml")
            .contains("- python-3.12\n")
    );
}

#[test]
fn files_beyond_the_limit_are_refused() {
    let sandbox = one_image();
    let grow = |path: &str| {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(sandbox.path().join(path));
        file.and_then(|file| file.set_len((64 << 20) + 1))
            .expect("the file can be made larger");
    };
    grow("shop/Dockerfile");
    assert_snapshot!(sync(&sandbox), @"
    exit 3
    --- stdout
    factory  1 image: 1 built by us, 0 watched; 0 bases

      added  image  shop

    1 image failed; what was known is kept:
      failed  image  shop  Dockerfile: 67108865 bytes is more than the limit of 67108864

    Wrote 2 files: dist/image-factory.k8s.yaml, state/images/shop.yaml
    --- stderr
    ");
    grow("factory/images.yaml");
    let outcome = sync(&sandbox);
    assert_snapshot!(outcome, @"
    exit 1
    --- stdout
    --- stderr
    error: images.yaml: 67108865 bytes is more than the limit of 67108864
    ");
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_place() {
    let sandbox = one_image();
    sandbox.write(
        "factory/images.yaml",
        b"- name: shop\n  repository: caf\xe9\n",
    );
    assert_snapshot!(refused(&sandbox), @"
    exit 1
    --- stdout
    --- stderr
    error[invalid-yaml]: the file stops being UTF-8 text here
     --> factory/images.yaml:2:18
      |
    2 |   repository: caf�
      |                  ^

    error: the configuration has 1 error; nothing was changed
    ");
    sandbox.write("factory/images.yaml", "- name: sh\0op\n");
    assert_snapshot!(refused(&sandbox), @"
    exit 1
    --- stdout
    --- stderr
    error[invalid-yaml]: a NUL byte has no place in YAML
     --> factory/images.yaml:1:11
      |
    1 | - name: sh␀op
      |           ^

    error: the configuration has 1 error; nothing was changed
    ");
    sandbox.write("factory/images.yaml", b"\xff\xfe-\0 \0");
    assert_snapshot!(refused(&sandbox), @"
    exit 1
    --- stdout
    --- stderr
    error[invalid-yaml]: the file stops being UTF-8 text here
     --> factory/images.yaml:1:1
      |
    1 | ��-␀ ␀
      | ^

    error: the configuration has 1 error; nothing was changed
    ");
}

#[test]
fn bytes_that_are_no_text_in_a_dockerfile_matter_only_in_names() {
    let sandbox = one_image();
    sandbox.write(
        "shop/Dockerfile",
        b"# caf\xe9\nFROM node:22\nRUN echo \0 \xff\n",
    );
    assert_eq!(sync(&sandbox).code, 0);
    sandbox.write("shop/Dockerfile", b"FROM caf\xe9:\0\n");
    let outcome = sync(&sandbox);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert!(outcome.stdout.contains("Dockerfile:1:"), "{outcome}");
    assert!(is_harmless(&outcome.to_string()), "{outcome}");
}

#[test]
fn bombs_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    let sandbox = one_image();
    sandbox.write("factory/state/images/shop.yaml", &bomb);
    let outcome = sync(&sandbox);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert_eq!(sandbox.read("factory/state/images/shop.yaml"), bomb);
    sandbox.write("factory/images.yaml", &bomb);
    assert_snapshot!(refused(&sandbox), @"
    exit 1
    --- stdout
    --- stderr
    error[invalid-yaml]: there are more than 1000000 values, those that aliases repeat included
     --> factory/images.yaml:6:40
      |
    6 | a5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4]
      |                                        ^^^

    error: the configuration has 1 error; nothing was changed
    ");
    sandbox.write("factory/images.yaml", "- ".repeat(50_000));
    let outcome = refused(&sandbox);
    assert!(
        outcome.stderr.contains("deeper than the limit"),
        "{outcome}"
    );
}

#[test]
fn a_line_of_megabytes_is_shown_in_part() {
    let sandbox = one_image();
    let long = format!("- {{name: A, repository: {}}}\n", "x".repeat(2_000_000));
    sandbox.write("factory/images.yaml", long);
    let outcome = refused(&sandbox);
    assert!(
        outcome.stderr.len() < 5_000,
        "{} bytes",
        outcome.stderr.len()
    );
    sandbox.write(
        "factory/images.yaml",
        "- {name: A, repository: x/y}\n".repeat(1_000),
    );
    let outcome = refused(&sandbox);
    assert!(outcome.stderr.contains("… and 950 more"), "{outcome}");
}

/// Title, screen and cursor commands, their one-character forms, and marks that turn text round.
const COMMANDS: &str = "\u{1b}]0;t\u{7}\u{1b}[2J\u{9b}2J\u{9d}0;t\u{9c}\u{8}\u{7f}\u{202e}\u{2066}";

/// Whether a terminal would do nothing but print it, in colours.
fn is_harmless(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| {
        (c.is_control() && c != '\n')
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    }) {
        let Some(colour) = rest[at..].strip_prefix("\u{1b}[") else {
            return false;
        };
        let end = colour.find(|c: char| !(c.is_ascii_digit() || c == ';'));
        match end {
            Some(end) if colour[end..].starts_with('m') => rest = &colour[end + 1..],
            _ => return false,
        }
    }
    true
}

#[test]
fn no_file_commands_the_terminal() {
    assert!(!is_harmless(COMMANDS) && is_harmless("\u{1b}[1;31mred\u{1b}[0m\n"));
    let check = |sandbox: &Sandbox, what: &str| {
        for arguments in [
            &["-C", "factory", "-vv", "sync", "--workspace", "shop"][..],
            &[
                "-C",
                "factory",
                "-vv",
                "sync",
                "--workspace",
                "shop",
                "--format",
                "json",
            ],
            &[
                "-C",
                "factory",
                "-v",
                "--log-format",
                "json",
                "sync",
                "--workspace",
                "shop",
            ],
            &["-C", "factory", "check"],
            &["-C", "factory", "check", "--format", "json"],
            &["-C", "factory", "synth", "--output", "-"],
            &["-C", "factory", "synth", "--split"],
            &["-C", "factory", "status"],
            &["-C", "factory", "status", "shop"],
            &["-C", "factory", "analyze", COMMANDS],
            &["-C", "factory", "status", COMMANDS],
            &["deps", "shop"],
            &["deps", "shop", "--format", "json"],
        ] {
            let mut arguments = arguments.to_vec();
            arguments.extend(["--color", "always"]);
            let outcome = sandbox.run(&arguments);
            assert!(
                is_harmless(&outcome.stdout),
                "{what}: {arguments:?}: {:?}",
                outcome.stdout
            );
            assert!(
                is_harmless(&outcome.stderr),
                "{what}: {arguments:?}: {:?}",
                outcome.stderr
            );
        }
    };
    let quoted = COMMANDS
        .chars()
        .map(|c| format!("\\U{:08x}", u32::from(c)))
        .collect::<String>();
    for entry in [
        format!("- {{name: shop, repository: \"{quoted}\"}}\n"),
        format!("- {{name: \"{quoted}\", \"{quoted}\": 1, repository: x/y}}\n"),
        format!("- {{name: A, repository: x/y}} # {COMMANDS}\n"),
        format!("- {{name: {COMMANDS}, repository: x/y}}\n"),
        format!(
            "- {{name: shop, repository: x/y, owner: \"{quoted}\", source: {{repo: a/b, branch: \"{quoted}\", dockerfile: \"{quoted}\", buildArgs: {{\"{quoted}\": \"{quoted}\"}}}}}}\n"
        ),
        format!(
            "- {{name: shop, repository: x/y, source: {{repo: a/b, buildArgs: {{A: \"{quoted}\"}}, inputs: {{A: \"{quoted}\"}}}}}}\n"
        ),
    ] {
        let sandbox = one_image();
        sandbox.write("factory/images.yaml", &entry);
        check(&sandbox, &entry);
    }
    for line in [
        format!("FROM {COMMANDS}"),
        format!("FROM node:{COMMANDS}"),
        format!("{COMMANDS} x"),
        format!("FROM a AS {COMMANDS}\nCOPY --fr{COMMANDS}=x a b"),
        format!("ARG X={COMMANDS}\nFROM $X"),
        format!("FROM node\nRUN <<{COMMANDS}\n"),
        format!("# syntax={COMMANDS}\nFROM node:\"{COMMANDS}"),
    ] {
        let sandbox = one_image();
        sandbox.write("shop/Dockerfile", &line);
        check(&sandbox, &line);
    }
    for path in [
        format!("factory/images.d/{COMMANDS}.yaml"),
        format!("factory/state/images/{COMMANDS}.yaml"),
        format!("factory/state/base-images/{COMMANDS}.yaml"),
        format!("shop/Dockerfile.{COMMANDS}"),
    ] {
        for text in [
            "[",
            "name: x\nfullImage: X\n",
            "- {name: shop, repository: x/y}\n",
        ] {
            let sandbox = one_image();
            sandbox.write(&path, text);
            check(&sandbox, &path);
        }
    }
    let sandbox = one_image();
    let state = format!(
        "currentVersion: \"{quoted}\"\ncurrentDigest: \"{quoted}\"\nlastBuilt: \"{quoted}\"\ndiscoveryError: \"{quoted}\"\nbaseImages: [\"x\u{202e}\"]\n\"{quoted}\": 1\n"
    );
    sandbox.write("factory/state/images/shop.yaml", &state);
    check(&sandbox, &state);
}

/// Sources with every text that the configuration takes as it is.
fn breaking_out(payload: &str) -> String {
    let payload = serde_like(payload);
    format!(
        "\
- name: shop
  repository: acme/shop
  source:
    repo: acme/shop
    buildArgs: {{A: {payload}, {payload}: x}}
    inputs: {{a: {payload}, {payload}: x}}
- name: lab
  repository: acme/lab
  source:
    provider: gitlab
    repo: acme/shop
    job: {payload}
    variables: {{A: {payload}, {payload}: x}}
- name: ext
  repository: acme/ext
  imageSelectionStrategy: NewestBuild
  constraint: {payload}
  updates:
    - {{repo: acme/deploy, path: values.yaml, type: yaml-update, key: {payload}}}
"
    )
}

/// A text in double quotes, as YAML and JSON have it.
fn serde_like(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What Kargo evaluates in a text.
fn expressions(text: &str) -> Vec<&str> {
    let of = |open: &'static str, close: &'static str| {
        text.split(open)
            .skip(1)
            .map(move |rest| rest.split(close).next().unwrap_or(rest))
    };
    of("${{", "}}").chain(of("${%", "%}")).collect()
}

/// Nothing that a user writes ends up as syntax of YAML, of Kargo's expressions, or of a shell.
#[test]
fn values_stay_values() {
    for payload in [
        "${{ secret('x').token }}",
        "${{secret('x').token}}",
        "${% if true %}",
        "}} + secret('x') + ${{",
        "\" + secret('x') + \"",
        "$(touch pwned)`touch pwned`; touch pwned",
        "x: y",
        "- x",
        "*x",
        "&x !!x",
        "# x",
        "'x",
        "@x",
        "%x",
        "{x: y}",
        "https://evil.example/?a&c#e",
    ] {
        let sandbox = one_image();
        sandbox.write("factory/images.yaml", breaking_out(payload));
        let outcome = sync(&sandbox);
        assert_eq!(outcome.code, 0, "{payload}: {outcome}");
        let state = sandbox.files();
        assert_eq!(sync(&sandbox).code, 0);
        assert_eq!(
            sandbox.files(),
            state,
            "{payload}: it is read as it was written"
        );
        let manifests = sandbox.read("factory/dist/image-factory.k8s.yaml");
        // Our own expressions in Stages ask for no secret and have no condition.
        for stage in manifests
            .split("---\n")
            .filter(|text| text.contains("\nkind: Stage\n"))
        {
            for expression in expressions(stage) {
                assert!(
                    !expression.contains("secret") && !expression.contains("if true"),
                    "{payload}: {expression}: {stage}"
                );
            }
        }
        assert!(!sandbox.path().join("pwned").exists());
        assert!(!sandbox.path().join("factory/pwned").exists());
    }
}

/// Where a text becomes part of an address, a path or a command, its form is checked first.
#[test]
fn values_with_a_form_are_checked() {
    let sandbox = one_image();
    for (entry, key) in [
        (
            "source: {repo: acme/shop, branch: 'main /x; touch #'}",
            "branch",
        ),
        (
            "source: {repo: acme/shop, branch: '--upload-pack=touch'}",
            "branch",
        ),
        ("source: {repo: acme/shop, branch: '${{ x }}'}", "branch"),
        (
            "source: {repo: acme/shop, branch: \"main\\n- run: x\"}",
            "branch",
        ),
        ("source: {repo: '../..'}", "repository"),
        ("source: {repo: '-x/y'}", "repository"),
        (
            "source: {repo: acme/shop, workflow: '../../x.yml'}",
            "workflow",
        ),
        (
            "source: {repo: acme/shop, workflow: 'x.yml?y=z'}",
            "workflow",
        ),
        ("source: {repo: acme/shop, host: 'evil.example/x'}", "host"),
        ("source: {repo: acme/shop, target: 'x; y'}", "stage"),
        ("source: {repo: acme/shop, platforms: ['x y']}", "platform"),
        (
            "source: {provider: webhook, repo: a/b, url: 'https://u:p@x/y'}",
            "address",
        ),
        (
            "source: {provider: webhook, repo: a/b, url: 'file:///etc/passwd'}",
            "address",
        ),
        ("registry: 'evil.example/x'", "repository"),
        ("rebuildDelay: 0x10", "delay"),
    ] {
        sandbox.write(
            "factory/images.yaml",
            format!("- {{name: shop, repository: acme/shop, {entry}}}\n"),
        );
        let outcome = refused(&sandbox);
        assert!(
            outcome
                .stderr
                .contains(&format!("error[invalid-value]: invalid {key}")),
            "{entry}: {outcome}"
        );
    }
}
