//! Repositories whose objects are named by SHA-256.

use imgfac_tests::Sandbox;

const URL: &str = "https://github.com/acme/state.git";

/// A state repository of one format, and the source of its one image of the other.
fn sandbox(state: &str, source: &str) -> Sandbox {
    let sandbox = crate::sandbox();
    sandbox.redirect_github();
    sandbox.remote_in(
        state,
        "acme/state",
        &[(
            "factory/images.yaml",
            "- {name: web, registry: ghcr.io, repository: acme/web, source: {provider: github, repo: acme/shop, dockerfile: web/Dockerfile}}\n",
        )],
    );
    sandbox.remote_in(source, "acme/shop", &[("web/Dockerfile", "FROM node:22\n")]);
    sandbox
}

/// Runs in a folder, and gives what it printed.
fn done(sandbox: &Sandbox, folder: &str, arguments: &[&str]) -> String {
    let mut command = sandbox.command(arguments);
    command.current_dir(sandbox.path().join(folder));
    let outcome = sandbox.run_command(&mut command);
    assert_eq!(outcome.code, 0, "{outcome}");
    outcome.stdout
}

const JOB: [&str; 5] = [
    "analyze",
    "--push",
    "--git-repo",
    URL,
    "--image-factory-dir=factory",
];

#[test]
fn both_formats_are_read_committed_and_pushed() {
    for (state, source) in [("sha256", "sha256"), ("sha256", "sha1"), ("sha1", "sha256")] {
        let sandbox = sandbox(state, source);
        let remote = "remotes/acme/state.git";
        let recorded = || sandbox.git(remote, &["show", "main:factory/state/images/web.yaml"]);

        // Without a checkout.
        assert!(done(&sandbox, ".", &JOB).contains("Pushed"));
        let commit = sandbox.git("remotes/acme/shop.git", &["rev-parse", "main"]);
        assert_eq!(commit.len(), if source == "sha1" { 40 } else { 64 });
        assert!(recorded().contains(&format!("sourceCommit: {commit}\n")));
        assert!(done(&sandbox, ".", &JOB).contains("Nothing changed"));

        // In one, with a commit and with a push.
        sandbox.git(".", &["clone", "--quiet", URL, "work"]);
        for (base, how) in [("node:24", "--commit"), ("node:26", "--push")] {
            let file = format!("FROM {base}\n");
            sandbox.push_files("acme/shop", "main", &[("web/Dockerfile", &file)]);
            let said = done(&sandbox, "work", &["-C", "factory", "analyze", how]);
            assert!(said.contains("now stands on"), "{said}");
            sandbox.git("work", &["push", "--quiet", "origin", "HEAD:main"]);
            assert!(recorded().contains(&base.replace(':', "-")));
            assert_eq!(sandbox.git("work", &["status", "--porcelain"]), "");
        }
        for folder in [remote, "work"] {
            sandbox.git(folder, &["fsck", "--strict"]);
        }
    }
}

/// A source that was made anew in the other format, and a cache that knows the old one.
#[test]
fn a_source_may_change_its_format() {
    let sandbox = sandbox("sha1", "sha1");
    assert!(done(&sandbox, ".", &JOB).contains("Pushed"));
    for (format, base) in [("sha256", "node:24"), ("sha1", "node:26")] {
        std::fs::remove_dir_all(sandbox.path().join("remotes/acme/shop.git")).unwrap();
        let file = format!("FROM {base}\n");
        sandbox.remote_in(format, "acme/shop", &[("web/Dockerfile", &file)]);
        assert!(done(&sandbox, ".", &JOB).contains("now stands on"));
    }
}
