//! Sources from many repositories; state committed and pushed.

use imgfac_tests::{Outcome, Sandbox};
use insta::assert_snapshot;

fn sandbox() -> Sandbox {
    let sandbox = crate::sandbox();
    sandbox.redirect_github();
    sandbox
}

/// An entry of images.yaml whose Dockerfile is `NAME/Dockerfile` of a repository.
fn entry(name: &str, repo: &str) -> String {
    format!(
        "- {{name: {name}, registry: ghcr.io, repository: acme/{name}, source: {{provider: github, repo: {repo}, dockerfile: {name}/Dockerfile}}}}\n"
    )
}

/// A run whose output has short names for commits.
fn run(sandbox: &Sandbox, arguments: &[&str]) -> String {
    shortened(sandbox.run(arguments))
}

fn shortened(outcome: Outcome) -> String {
    let text = outcome.to_string();
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let id = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let hex = id.len() >= 12 && id.chars().all(|c| c.is_ascii_hexdigit());
        if hex {
            out.push_str("COMMIT");
            out.push_str(&word[id.len()..]);
        } else {
            out.push_str(word);
        }
    }
    out
}

#[test]
fn dockerfiles_come_from_many_repositories() {
    let sandbox = sandbox();
    let commit = {
        sandbox.remote("acme/shop", &[("web/Dockerfile", "FROM node:22\n")]);
        sandbox.push_files(
            "acme/shop",
            "main",
            &[("api/Dockerfile", "FROM alpine:3\n")],
        )
    };
    sandbox.remote("acme/tools", &[("lint/Dockerfile", "FROM python:3.12\n")]);
    sandbox.write(
        "images.yaml",
        [
            entry("web", "acme/shop"),
            entry("api", "acme/shop"),
            entry("lint", "acme/tools"),
            entry("gone", "acme/gone"),
            entry("none", "acme/tools"),
        ]
        .concat(),
    );
    assert_snapshot!(run(&sandbox, &["analyze", "--jobs", "1"]), @"
    exit 3
    --- stdout
    .  5 images: 5 built by us, 0 watched; 3 bases

      added  image  api          stands on alpine-3
      added  image  gone
      added  image  lint         stands on python-3.12
      added  image  none
      added  image  web          stands on node-22
      added  base   alpine-3     docker.io/library/alpine:3
      added  base   node-22      docker.io/library/node:22
      added  base   python-3.12  docker.io/library/python:3.12

    2 images failed; what was known is kept:
      failed  image  gone  cannot read acme/gone on github.com: 'github.com/acme/gone' does not appear to be a git repository; Could not read from remote repository
      failed  image  none  none/Dockerfile: there is no such file in acme/tools

    Wrote 8 files: state/base-images (3), state/images (5)
    --- stderr
    ");
    let state = sandbox.read("state/images/web.yaml");
    assert!(
        state.contains(&format!("sourceCommit: {commit}\n")),
        "{state}"
    );

    // A push that changes no base is no news.
    sandbox.push_files(
        "acme/shop",
        "main",
        &[("web/Dockerfile", "FROM node:22\nRUN true\n")],
    );
    let before = sandbox.files();
    assert!(run(&sandbox, &["analyze"]).contains("Nothing changed"));
    let mut after = sandbox.files();
    after.retain(|path, _| before.contains_key(path));
    assert_eq!(before, after);

    let commit = sandbox.push_files("acme/shop", "main", &[("web/Dockerfile", "FROM node:24\n")]);
    assert!(run(&sandbox, &["analyze"]).contains("now stands on node-24"));
    let state = sandbox.read("state/images/web.yaml");
    assert!(
        state.contains(&format!("sourceCommit: {commit}\n")),
        "{state}"
    );
}
