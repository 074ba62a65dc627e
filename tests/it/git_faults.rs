//! Killed runs, servers that hang, full disks, and secrets that must not get about.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use imgfac_tests::{GitServer, Sandbox, TOKEN};
use insta::assert_snapshot;

use crate::disk::OwnDisk;
use crate::git_network::dockerfile;

const IMAGES: &str = "- {name: web, registry: ghcr.io, repository: acme/web, source: {provider: github, repo: acme/state, dockerfile: web/Dockerfile}}\n";
const URL: &str = "https://github.com/acme/state.git";
const DIGEST: &str =
    "--digest=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn sandbox() -> Sandbox {
    let sandbox = crate::sandbox();
    sandbox.redirect_github();
    sandbox.remote(
        "acme/state",
        &[
            ("factory/images.yaml", IMAGES),
            ("web/Dockerfile", "FROM node:22\n"),
        ],
    );
    sandbox
}

/// A `git` that stands before the real one: it counts its calls, and at one of them kills the
/// program that called it, before or after Git did its work.
pub(crate) const KILLER: &str = r#"#!/bin/sh
n=$(($(cat "$CALLS") + 1))
echo $n > "$CALLS"
if test "$n" = "$KILL_AT"; then
    case "$WHEN $*" in
        before*) ;;
        # A conversation has no end of its own.
        *"cat-file --batch") ;;
        *) "$REAL_GIT" "$@" > "$CALLS.out" 2>&1 ;;
    esac
    kill -9 $PPID
    exit 1
fi
exec "$REAL_GIT" "$@"
"#;

fn real_git() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path
        .split(':')
        .map(|folder| format!("{folder}/git"))
        .find(|git| std::path::Path::new(git).exists());
    found.unwrap()
}

/// Puts a script before Git for the runs of a command.
pub(crate) fn put_before_git(sandbox: &Sandbox, command: &mut Command, script: &str) {
    sandbox.write("wrapped/git", script);
    let git = sandbox.path().join("wrapped/git");
    std::fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env(
            "PATH",
            format!("{}:{path}", sandbox.path().join("wrapped").display()),
        )
        .env("REAL_GIT", real_git());
}

/// Records builds of `web`, each run killed at a later call of Git, until one is not reached. After
/// every kill the same run, not killed, has to do the work.
fn killed_everywhere(sandbox: &Sandbox, folder: &str, arguments: &[&str], check: impl Fn(&str)) {
    let temporary = sandbox.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    for when in ["before", "after"] {
        for at in 1.. {
            let tag = format!("--tag=1.{at}.0-{when}");
            let mut arguments = arguments.to_vec();
            arguments.extend(["--image=web", &tag, DIGEST]);
            let mut command = sandbox.command(&arguments);
            command.current_dir(sandbox.path().join(folder));
            put_before_git(sandbox, &mut command, KILLER);
            sandbox.write("calls", "0");
            command
                // What a kill leaves goes away with the sandbox.
                .env("TMPDIR", &temporary)
                .env("CALLS", sandbox.path().join("calls"))
                .env("KILL_AT", at.to_string())
                .env("WHEN", when)
                .stdin(Stdio::null());
            let status = command.output().unwrap().status;
            let killed = status.signal() == Some(9);
            assert!(killed || status.success(), "{status} at {at} {when}");

            let mut again = sandbox.command(&arguments);
            again.current_dir(sandbox.path().join(folder));
            let outcome = sandbox.run_command(&mut again);
            assert_eq!(outcome.code, 0, "after a kill {when} call {at}: {outcome}");
            check(&tag[6..]);
            if !killed {
                assert!(at > 8, "only {at} calls of Git");
                break;
            }
        }
    }
}

#[test]
fn a_killed_commit_is_completed_by_the_next_run() {
    let sandbox = sandbox();
    sandbox.git(".", &["clone", "--quiet", URL, "work"]);
    killed_everywhere(
        &sandbox,
        "work",
        &["analyze", "-C", "factory", "--commit"],
        |version| {
            let state = sandbox.git("work", &["show", "HEAD:factory/state/images/web.yaml"]);
            assert!(state.contains(version), "{state}");
            assert_eq!(
                sandbox.git("work", &["status", "--porcelain"]),
                "",
                "{version}"
            );
        },
    );
    sandbox.git("work", &["fsck", "--strict"]);
}

#[test]
fn a_killed_push_is_completed_by_the_next_run() {
    let sandbox = sandbox();
    sandbox.git(".", &["clone", "--quiet", URL, "work"]);
    let remote = "remotes/acme/state.git";
    killed_everywhere(
        &sandbox,
        "work",
        &["analyze", "-C", "factory", "--push"],
        |version| {
            let state = sandbox.git(remote, &["show", "main:factory/state/images/web.yaml"]);
            assert!(state.contains(version), "{state}");
            assert_eq!(
                sandbox.git("work", &["status", "--porcelain"]),
                "",
                "{version}"
            );
        },
    );
    assert_eq!(
        sandbox.git(remote, &["rev-list", "--min-parents=2", "main"]),
        ""
    );
    for folder in [remote, "work"] {
        sandbox.git(folder, &["fsck", "--strict"]);
    }
}

/// A `git` that pushes once without hearing the answer.
const DEAF: &str = r#"#!/bin/sh
case " $* " in
    *" push "*)
        if test ! -e "$CALLS"; then
            "$REAL_GIT" "$@" > "$CALLS" 2>&1
            echo "fatal: unable to access: Connection reset by peer" >&2
            exit 128
        fi ;;
esac
exec "$REAL_GIT" "$@"
"#;

#[test]
fn a_push_that_was_not_heard_of_is_not_made_twice() {
    let sandbox = sandbox();
    sandbox.git(".", &["clone", "--quiet", URL, "work"]);
    let synced = sandbox.run(&["sync", "-C", "work/factory", "--push"]);
    assert_eq!(synced.code, 0, "{synced}");
    // Done again, it would say that there is no such image.
    let arguments = [
        "archive",
        "web",
        "--reason",
        "old",
        "-C",
        "work/factory",
        "--push",
    ];
    let mut command = sandbox.command(&arguments);
    put_before_git(&sandbox, &mut command, DEAF);
    command.env("CALLS", sandbox.path().join("calls"));
    let outcome = sandbox.run_command(&mut command);
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(outcome.stdout.contains("Pushed "), "{outcome}");
    let log = sandbox.git("remotes/acme/state.git", &["log", "--format=%s", "main"]);
    assert_eq!(log.matches("web archived").count(), 1, "{log}");
}

#[test]
fn a_killed_job_is_completed_by_the_next_one() {
    let sandbox = sandbox();
    let remote = "remotes/acme/state.git";
    let repo = format!("--git-repo={URL}");
    let arguments = ["analyze", "--push", &repo, "--image-factory-dir=factory"];
    killed_everywhere(&sandbox, ".", &arguments, |version| {
        let state = sandbox.git(remote, &["show", "main:factory/state/images/web.yaml"]);
        assert!(state.contains(version), "{state}");
    });
    sandbox.git(remote, &["fsck", "--strict"]);
}

/// A server that takes connections and never says a word; they come out at the other end.
fn silent_server() -> (String, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/acme/state.git", listener.local_addr().unwrap());
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if send.send(stream).is_err() {
                break;
            }
        }
    });
    (url, receive)
}

#[test]
fn a_server_that_hangs_is_given_up() {
    let sandbox = sandbox();
    let (url, _connections) = silent_server();
    let base = url.replace("acme/state.git", "");
    sandbox.write(
        ".gitconfig",
        format!("[url \"{base}\"]\n\tinsteadOf = https://github.com/\n"),
    );
    sandbox.write("images.yaml", IMAGES);
    let mut command = sandbox.command(&["analyze"]);
    command.env("IMGFAC_GIT_TIMEOUT", "1");
    assert_snapshot!(sandbox.run_command(&mut command), @"
    exit 3
    --- stdout
    .  1 image: 1 built by us, 0 watched; 0 bases

      added  image  web

    1 image failed; what was known is kept:
      failed  image  web  cannot read acme/state on github.com: no end after 1 s

    Wrote 1 file: state/images/web.yaml
    --- stderr
    ");

    let mut command = sandbox.command(&[
        "analyze",
        "--push",
        "--git-repo",
        URL,
        "--image-factory-dir",
        "factory",
    ]);
    command.env("IMGFAC_GIT_TIMEOUT", "1");
    assert_snapshot!(sandbox.run_command(&mut command), @"
    exit 1
    --- stdout
    --- stderr
    error: git fetch in https://github.com/acme/state.git: no end after 1 s; it was stopped
    hint: IMGFAC_GIT_TIMEOUT sets the limit in seconds
    ");
}

#[test]
fn a_signal_ends_git_too_and_leaves_nothing() {
    let sandbox = sandbox();
    for (name, number) in [("-TERM", 15), ("-INT", 2)] {
        let (url, connections) = silent_server();
        let temporary = sandbox.path().join(format!("temporary{name}"));
        std::fs::create_dir(&temporary).unwrap();
        let mut command = sandbox.command(&["analyze", "--push", "--git-repo", &url]);
        command
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut run = command.spawn().unwrap();
        let mut connection = connections.recv().unwrap();
        let kill = Command::new("kill")
            .args([name, &run.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        assert_eq!(run.wait().unwrap().signal(), Some(number));
        // Git has let go of its connection.
        let mut request = Vec::new();
        let _ = connection.read_to_end(&mut request);
        let left = std::fs::read_dir(&temporary).unwrap().count();
        assert_eq!(left, 0, "temporary folders stay");
    }
}

#[test]
fn a_disk_without_room_changes_nothing() {
    let sandbox = sandbox();
    let tip = || sandbox.git("remotes/acme/state.git", &["rev-parse", "main"]);
    let before = tip();
    let program = sandbox.command(&[]).get_program().to_owned();
    let mut command = sandbox.command(&[]);
    let environment: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    command.env_clear();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(program)
        .args([
            "analyze",
            "--push",
            "--git-repo",
            URL,
            "--image-factory-dir",
            "factory",
        ])
        .env_clear()
        .envs(environment)
        .current_dir(sandbox.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(tip(), before);

    sandbox.write("images.yaml", IMAGES);
    sandbox.write("file", "");
    let cache = sandbox.path().join("file/cache");
    let outcome = sandbox.run(&["analyze", "--cache-dir", &cache.display().to_string()]);
    assert!(
        outcome
            .stdout
            .contains("failed  image  web  the cache cannot be used: Not a directory"),
        "{outcome}"
    );
}

/// The images of a repository whose cache takes nothing fail, and what is not written there is not
/// missed later.
#[test]
fn a_cache_on_a_disk_that_takes_nothing_fails_its_images() {
    let sandbox = sandbox();
    sandbox.write("images.yaml", IMAGES);
    let large = dockerfile("node:22", 8_000);
    sandbox.push_files("acme/state", "main", &[("web/Dockerfile", &large)]);
    let cache = sandbox.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let arguments = ["analyze", "--cache-dir", &cache.display().to_string()];
    for (options, words) in [
        // Full at once, and full in the middle of a fetch.
        (
            "size=4k",
            "failed to write new configuration file the cache/config",
        ),
        ("size=64k", "No space left on device"),
        ("ro", "Read-only file system"),
    ] {
        let Some(_disk) = OwnDisk::mount(&cache, options) else {
            eprintln!("skipped: no file system can be mounted here");
            return;
        };
        let outcome = sandbox.run(&arguments);
        assert_eq!(outcome.code, 3, "{outcome}");
        assert!(outcome.stdout.contains(words), "{outcome}");
        assert!(!outcome.stdout.contains("$DIR"), "{outcome}");
    }
    let outcome = sandbox.run(&arguments);
    assert_eq!(outcome.code, 0, "{outcome}");
}

/// Logs the arguments of every call of Git.
const LOGGER: &str = "#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$LOG\"\nexec \"$REAL_GIT\" \"$@\"\n";

#[test]
fn a_token_is_used_and_shows_nowhere() {
    let sandbox = sandbox();
    let Some(server) = GitServer::start(&sandbox) else {
        return;
    };
    let url = server.repository("acme/state");
    let run = |token: &str, arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        server.authorise(&mut command);
        put_before_git(&sandbox, &mut command, LOGGER);
        command
            .env("GITHUB_TOKEN", token)
            .env("LOG", sandbox.path().join("log"))
            .env("TMPDIR", sandbox.path().join("temporary"));
        sandbox.run_command(&mut command)
    };
    std::fs::create_dir(sandbox.path().join("temporary")).unwrap();
    // A helper of the user's that would store what it hears.
    sandbox.write(
        ".gitconfig",
        format!(
            "[credential]\n\thelper = store --file={0}/stored\n[url \"{1}/git/\"]\n\tinsteadOf = https://github.com/\n",
            sandbox.path().display(),
            server.url()
        ),
    );
    let job = [
        "-vv",
        "analyze",
        "--push",
        "--git-repo",
        &url,
        "--image-factory-dir",
        "factory",
    ];
    let good = run(TOKEN, &job);
    assert_eq!(good.code, 0, "{good}");
    let bad = run("wr0ng-t0ken", &job);
    assert_eq!(bad.code, 1, "{bad}");
    assert!(bad.stderr.contains("Authentication failed"), "{bad}");
    sandbox.write("images.yaml", IMAGES);
    let local = run(TOKEN, &["-vv", "analyze"]);
    assert_eq!(local.code, 0, "{local}");

    let said = format!("{good}{bad}{local}");
    for secret in [TOKEN, "wr0ng-t0ken"] {
        assert!(!said.contains(secret), "{said}");
        for (path, (_, text)) in sandbox.files() {
            assert!(
                path == "server/users" || !text.contains(secret),
                "{path}: {text}"
            );
        }
    }
    assert!(!sandbox.read("log").is_empty());
}

/// One answer of a server for each request; the heads of the requests come out.
fn scripted(answers: Vec<String>) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            let mut head = String::new();
            let mut lines = BufReader::new(&stream);
            while lines.read_line(&mut head).is_ok_and(|read| read > 2) {}
            let _ = send.send(head.to_lowercase());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (port, receive)
}

#[test]
fn a_token_does_not_follow_to_another_server() {
    let sandbox = sandbox();
    let head = |status: &str, line: &str| {
        format!("HTTP/1.1 {status}\r\n{line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    let ask = head("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"");
    let (other, heard) = scripted(vec![ask.clone(), ask.clone()]);
    let away = head(
        "302 Found",
        &format!(
            "Location: http://localhost:{other}/acme/state.git/info/refs?service=git-upload-pack"
        ),
    );
    let (own, ours) = scripted(vec![ask, away.clone(), away]);
    let url = format!("http://127.0.0.1:{own}/acme/state.git");
    let mut command = sandbox.command(&["analyze", "--push", "--git-repo", &url]);
    command
        .env("GITHUB_SERVER_URL", format!("http://127.0.0.1:{own}"))
        .env("GITHUB_TOKEN", TOKEN);
    let outcome = sandbox.run_command(&mut command);
    assert_eq!(outcome.code, 1, "{outcome}");
    let ours: Vec<String> = ours.try_iter().collect();
    assert!(
        ours.iter()
            .any(|head| head.contains("authorization: basic")),
        "{ours:?}"
    );
    let heard: Vec<String> = heard.try_iter().collect();
    assert!(!heard.is_empty());
    assert!(
        !heard.iter().any(|head| head.contains("authorization")),
        "{heard:?}"
    );
}

/// Before the first push another run does the same, after the source has changed.
const OVERTAKER: &str = r#"#!/bin/sh
case "$*" in
    *" push "*)
        if mkdir "$ONCE" 2>/dev/null; then
            (PATH=$OLD_PATH; export PATH; sh "$OTHER" < /dev/null) > "$ONCE/said" 2>&1 || exit 1
        fi ;;
esac
exec "$REAL_GIT" "$@"
"#;

#[test]
fn an_overtaken_run_does_not_undo_what_was_found_later() {
    for repo in ["acme/shop", "acme/state"] {
        let sandbox = sandbox();
        sandbox.remote("acme/shop", &[("web/Dockerfile", "FROM node:22\n")]);
        let images = IMAGES.replace("repo: acme/state", &format!("repo: {repo}"));
        sandbox.push_files("acme/state", "main", &[("factory/images.yaml", &images)]);
        let arguments = [
            "analyze",
            "--push",
            "--git-repo",
            URL,
            "--image-factory-dir",
            "factory",
        ];
        let mut command = sandbox.command(&arguments);
        let program = command.get_program().to_string_lossy().into_owned();
        sandbox.write(
            "other",
            format!(
                "set -e\ngit clone -q \"$HOME/remotes/{repo}.git\" \"$HOME/changed\"\ncd \"$HOME/changed\"\necho 'FROM node:24' > web/Dockerfile\ngit commit -qam newer\ngit push -q origin HEAD:main\nIMGFAC_NOW=2026-11-23T12:00:05Z {program} {}\n",
                arguments.join(" ")
            ),
        );
        put_before_git(&sandbox, &mut command, OVERTAKER);
        command
            .env("OLD_PATH", std::env::var("PATH").unwrap_or_default())
            .env("ONCE", sandbox.path().join("once"))
            .env("OTHER", sandbox.path().join("other"));
        let outcome = sandbox.run_command(&mut command);
        assert_eq!(outcome.code, 0, "{outcome}");
        assert!(
            sandbox.read("once/said").contains("Pushed"),
            "{}",
            sandbox.read("once/said")
        );
        let state = sandbox.git(
            "remotes/acme/state.git",
            &["show", "main:factory/state/images/web.yaml"],
        );
        assert!(
            state.contains("node-24") && !state.contains("node-22"),
            "{state}"
        );
    }
}
