//! Many writers on one state repository.

use std::process::Stdio;

use imgfac_tests::{GitServer, Sandbox};

/// As many as the product promises.
const WRITERS: usize = 50;

/// A remote `acme/state` with so many images on two bases.
fn crowd(sandbox: &Sandbox, images: usize) {
    let mut list = String::new();
    let mut files = Vec::new();
    for n in 0..images {
        list.push_str(&format!(
            "- {{name: image-{n}, registry: ghcr.io, repository: acme/image-{n}, source: {{provider: github, repo: acme/state, dockerfile: {n}/Dockerfile}}}}\n"
        ));
        files.push((
            format!("{n}/Dockerfile"),
            format!("FROM node:{}\n", 20 + n % 2),
        ));
    }
    files.push(("factory/images.yaml".into(), list));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    sandbox.remote("acme/state", &files);
}

/// The job that records the build of one image.
fn job(sandbox: &Sandbox, url: &str, n: usize) -> std::process::Command {
    let mut command = sandbox.command(&[
        "analyze",
        "--push",
        &format!("--image=image-{n}"),
        &format!("--tag=1.{n}.0"),
        &format!("--digest=sha256:{n:064x}"),
        &format!("--git-repo={url}"),
        "--image-factory-dir=factory",
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts a writer for each image at once, and checks that nothing was lost.
fn everybody_is_heard(sandbox: &Sandbox, url: &str, prepare: impl Fn(&mut std::process::Command)) {
    let before: usize = commits(sandbox);
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let mut command = job(sandbox, url, n);
            prepare(&mut command);
            command.spawn().unwrap()
        })
        .collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(commits(sandbox) - before, WRITERS, "a commit for each");
    intact(sandbox);
    for n in 0..WRITERS {
        let state = sandbox.git(
            "remotes/acme/state.git",
            &["show", &format!("main:factory/state/images/image-{n}.yaml")],
        );
        assert!(
            state.contains(&format!("currentVersion: \"1.{n}.0\"\n"))
                || state.contains(&format!("currentVersion: 1.{n}.0\n")),
            "{state}"
        );
        assert!(state.contains(&format!("node-{}", 20 + n % 2)), "{state}");
    }
    let bases = sandbox.git(
        "remotes/acme/state.git",
        &["ls-tree", "--name-only", "main:factory/state/base-images"],
    );
    assert_eq!(bases, "node-20.yaml\nnode-21.yaml");
}

fn commits(sandbox: &Sandbox) -> usize {
    let count = sandbox.git("remotes/acme/state.git", &["rev-list", "--count", "main"]);
    count.parse().unwrap()
}

/// History is a line, the repository is sound, and no lock stays.
fn intact(sandbox: &Sandbox) {
    let remote = "remotes/acme/state.git";
    assert_eq!(
        sandbox.git(remote, &["rev-list", "--min-parents=2", "main"]),
        ""
    );
    sandbox.git(remote, &["fsck", "--strict"]);
    let locks: Vec<String> = sandbox
        .files()
        .into_keys()
        .filter(|path| path.ends_with(".lock"))
        .collect();
    assert!(locks.is_empty(), "{locks:?}");
}

#[test]
fn fifty_writers_lose_nothing() {
    let sandbox = crate::sandbox();
    sandbox.redirect_github();
    crowd(&sandbox, WRITERS);
    everybody_is_heard(&sandbox, "https://github.com/acme/state.git", |_| {});
}

#[test]
fn fifty_writers_lose_nothing_over_http() {
    let sandbox = crate::sandbox();
    sandbox.redirect_github();
    let Some(server) = GitServer::start(&sandbox) else {
        return;
    };
    crowd(&sandbox, WRITERS);
    let url = server.repository("acme/state");
    everybody_is_heard(&sandbox, &url, |command| server.authorise(command));
}
