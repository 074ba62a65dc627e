//! What every command has in common: options, streams and exit codes.

use std::io::Read;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::sandbox;
use crate::shop::shop;

#[test]
fn the_factory_is_the_one_that_was_named_or_the_nearest() {
    let sandbox = shop();
    let images = |sandbox: &imgfac_tests::Sandbox, command: &mut std::process::Command| {
        let outcome = sandbox.run_command(command);
        (outcome.code, outcome.stdout)
    };
    let three = (0, "ok: 3 images, no mistakes\n".to_owned());
    let factory = sandbox.path().join("factory");
    let mut here = sandbox.command(&["check"]);
    assert_eq!(images(&sandbox, here.current_dir(&factory)), three);
    let mut named = sandbox.command(&["check"]);
    assert_eq!(
        images(&sandbox, named.env("IMGFAC_DIRECTORY", "factory")),
        three
    );
    let mut both = sandbox.command(&["check", "-C", "factory"]);
    assert_eq!(
        images(&sandbox, both.env("IMGFAC_DIRECTORY", "shop")),
        three
    );
    std::fs::rename(&factory, sandbox.path().join("image-factory")).expect("it can be renamed");
    assert_eq!(images(&sandbox, &mut sandbox.command(&["check"])), three);
    let mut empty = sandbox.command(&["check"]);
    assert_eq!(images(&sandbox, empty.env("IMGFAC_DIRECTORY", "")), three);
    assert_snapshot!(sandbox.run(&["-C", "", "check"]), @"
    exit 2
    --- stdout
    --- stderr
    error: -C names no folder
    ");
}

#[test]
fn wrong_usage_is_explained() {
    let sandbox = shop();
    for (arguments, words) in [
        (&["chekc"][..], "unrecognized subcommand 'chekc'"),
        (
            &["check", "--formt", "json"],
            "unexpected argument '--formt'",
        ),
        (&["check", "--format", "yaml"], "invalid value 'yaml'"),
        (&["check", "-q", "-v"], "cannot be used with"),
        (
            &["check", "--color", "sometimes"],
            "invalid value 'sometimes'",
        ),
        (&["check", "--log-format", "xml"], "invalid value 'xml'"),
        (&["schema"], "required arguments were not provided"),
        (&["schema", "nothing"], "invalid value 'nothing'"),
        (&["completions", "cmd"], "invalid value 'cmd'"),
        (&["status", "a", "b"], "unexpected argument 'b'"),
    ] {
        let outcome = sandbox.run(arguments);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (2, ""),
            "{outcome}"
        );
        assert!(outcome.stderr.contains(words), "{outcome}");
    }
    let mut command = sandbox.command(&["-C", "factory", "sync"]);
    assert_snapshot!(sandbox.run_command(command.env("IMGFAC_NOW", "today")), @"
    exit 2
    --- stdout
    --- stderr
    error: IMGFAC_NOW is not a time
    hint: write it like 2026-11-23T12:00:00Z
    ");
}

#[test]
fn help_and_version_are_data() {
    let sandbox = sandbox();
    for arguments in [
        &["--help"][..],
        &["help"],
        &["sync", "--help"],
        &["--version"],
    ] {
        let outcome = sandbox.run(arguments);
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (0, ""),
            "{outcome}"
        );
        assert!(!outcome.stdout.is_empty());
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let sandbox = shop();
    let colour = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = sandbox.command(arguments);
        command.envs(environment.iter().copied());
        sandbox.run_command(&mut command).stdout.contains('\u{1b}')
    };
    let status = ["-C", "factory", "status"];
    assert!(!colour(&status, &[]), "this is a pipe");
    assert!(colour(&status, &[("CLICOLOR_FORCE", "1")]));
    assert!(!colour(
        &status,
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(colour(
        &["-C", "factory", "status", "--color", "always"],
        &[("NO_COLOR", "1")]
    ));
    assert!(!colour(
        &["-C", "factory", "status", "--color", "never"],
        &[("CLICOLOR_FORCE", "1")]
    ));
    let json = [
        "-C", "factory", "status", "--format", "json", "--color", "always",
    ];
    assert!(!colour(&json, &[]), "data has no colours");
}

#[test]
fn verbose_says_what_is_done_on_standard_error() {
    let sandbox = shop();
    let quiet = sandbox.run(&["-C", "factory", "analyze", "--check"]);
    assert_eq!(quiet.stderr, "");
    let verbose = sandbox.run(&["-C", "factory", "-v", "analyze", "--check"]);
    assert_eq!(verbose.stdout, quiet.stdout);
    assert_snapshot!(verbose.stderr, @"
    INFO configuration read directory=factory images=3
    INFO state read images=0 bases=0
    ");
    let more = sandbox.run(&["-C", "factory", "-vv", "analyze", "--check", "--jobs", "1"]);
    assert!(
        more.stderr
            .contains("DEBUG Dockerfile read image=web bases=3"),
        "{more}"
    );
}

#[test]
fn log_lines_may_be_json() {
    let sandbox = shop();
    let outcome = sandbox.run(&["-C", "factory", "-vv", "--log-format", "json", "sync"]);
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(outcome.stderr.lines().count() >= 4, "{outcome}");
    for line in outcome.stderr.lines() {
        assert!(
            line.starts_with("{\"timestamp\":\"") && line.ends_with('}'),
            "{line}"
        );
        assert!(
            line.contains("\"level\":\"") && line.contains("\"message\":\""),
            "{line}"
        );
    }
}

#[test]
fn no_progress_is_shown_in_a_pipe() {
    let sandbox = sandbox();
    let entries: String = (0..300)
        .map(|n| format!("- {{name: i{n}, repository: a/i{n}, source: {{repo: a/b}}}}\n"))
        .collect();
    sandbox.write("images.yaml", entries);
    sandbox.write("Dockerfile", "FROM node:22\n");
    let outcome = sandbox.run(&["sync", "--workspace", "."]);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, ""),
        "{outcome}"
    );
    assert!(outcome.stdout.contains("… and 261 more"), "{outcome}");
}

/// As in `imgfac … | head -1`.
#[test]
fn a_closed_pipe_is_quiet() {
    let sandbox = shop();
    for arguments in [
        &["-C", "factory", "synth", "--output", "-"][..],
        &["-C", "factory", "status", "--format", "json"],
        &["completions", "bash"],
        &["schema", "images"],
        &["deps", "shop"],
        &["--help"],
    ] {
        let mut child = sandbox
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        drop(child.stdout.take());
        let mut words = String::new();
        let mut stderr = child.stderr.take().expect("it has one");
        stderr.read_to_string(&mut words).expect("it is text");
        let status = child.wait().expect("it ends");
        assert_eq!(
            (status.code(), words.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn schemas_and_completions_are_data() {
    let sandbox = sandbox();
    for name in [
        "images",
        "settings",
        "image-state",
        "base-state",
        "notifications-state",
    ] {
        let outcome = sandbox.run(&["schema", name]);
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (0, ""),
            "{outcome}"
        );
        assert!(
            outcome
                .stdout
                .contains("\"$schema\": \"https://json-schema.org/"),
            "{outcome}"
        );
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let outcome = sandbox.run(&["completions", shell]);
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (0, ""),
            "{outcome}"
        );
        for command in [
            "init", "check", "deps", "analyze", "synth", "sync", "status",
        ] {
            assert!(outcome.stdout.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn a_completion_script_is_valid() {
    let sandbox = sandbox();
    let script = sandbox.run(&["completions", "bash"]).stdout;
    sandbox.write("script", script);
    let bash = std::process::Command::new("bash")
        .args(["-n", "script"])
        .current_dir(sandbox.path())
        .output();
    match bash {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => eprintln!("skipped: cannot run bash: {error}"),
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_log_that_cannot_be_written_stops_nothing() {
    let sandbox = shop();
    for format in ["text", "json"] {
        let mut command =
            sandbox.command(&["-C", "factory", "check", "-vv", "--log-format", format]);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let outcome = sandbox.run_command(command.stderr(full.unwrap()));
        assert_eq!(
            (outcome.code, &*outcome.stdout),
            (0, "ok: 3 images, no mistakes\n"),
            "{outcome}"
        );
    }
}
