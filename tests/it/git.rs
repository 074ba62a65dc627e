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

/// A run whose output names no commit.
fn run(sandbox: &Sandbox, arguments: &[&str]) -> String {
    shortened(sandbox.run(arguments))
}

/// What a run said, with one word for every commit.
pub(crate) fn shortened(outcome: Outcome) -> String {
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

const IMAGES: &str = "- {name: web, registry: ghcr.io, repository: acme/web, source: {provider: github, repo: acme/state, dockerfile: web/Dockerfile}}\n";

/// A remote `acme/state` with a factory directory and the Dockerfile of its one image, and a
/// checkout of it.
fn state_repository(sandbox: &Sandbox) {
    sandbox.remote(
        "acme/state",
        &[
            ("factory/images.yaml", IMAGES),
            ("web/Dockerfile", "FROM node:22\n"),
            ("README.md", "read me\n"),
        ],
    );
    sandbox.git(
        ".",
        &[
            "clone",
            "--quiet",
            "https://github.com/acme/state.git",
            "work",
        ],
    );
}

fn in_work(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let mut command = sandbox.command(arguments);
    command.current_dir(sandbox.path().join("work"));
    shortened(sandbox.run_command(&mut command))
}

#[test]
fn a_run_is_one_commit_and_leaves_other_edits_alone() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    sandbox.write("work/README.md", "edited\n");
    sandbox.write("work/new", "staged\n");
    sandbox.git("work", &["add", "new"]);
    assert_snapshot!(in_work(&sandbox, &["-C", "factory", "sync", "--commit"]), @"
    exit 0
    --- stdout
    factory  1 image: 1 built by us, 0 watched; 1 base

      added  image  web      stands on node-22
      added  base   node-22  docker.io/library/node:22

    Wrote 3 files: dist/image-factory.k8s.yaml, state/base-images/node-22.yaml, state/images/web.yaml
    Committed COMMIT on main
    --- stderr
    ");
    assert_eq!(
        sandbox.git("work", &["status", "--porcelain"]),
        " M README.md\nA  new"
    );
    assert_snapshot!(shortened_text(&sandbox.git("work", &["log", "-1", "--format=%an <%ae> %cI%n%B", "--name-only"])), @"
    exit 0
    --- stdout
    Person <person@example.com> 2026-11-23T12:00:00+00:00
    imgfac: 1 image and 1 base changed

    - image web: added; stands on node-22
    - base node-22: added; docker.io/library/node:22

    Imgfac-Command: sync
    Imgfac-Version: 0.1.0
    Imgfac-Image: web


    factory/dist/image-factory.k8s.yaml
    factory/state/base-images/node-22.yaml
    factory/state/images/web.yaml--- stderr
    ");
    assert!(
        sandbox
            .read("work/factory/state/images/web.yaml")
            .contains("node-22")
    );
    // Nothing new is no commit.
    let head = sandbox.git("work", &["rev-parse", "HEAD"]);
    assert!(in_work(&sandbox, &["-C", "factory", "sync", "--commit"]).contains("Nothing changed"));
    assert_eq!(sandbox.git("work", &["rev-parse", "HEAD"]), head);
    assert_eq!(sandbox.git("work", &["for-each-ref", "refs/imgfac"]), "");
}

fn shortened_text(text: &str) -> String {
    shortened(Outcome {
        code: 0,
        stdout: text.to_owned(),
        stderr: String::new(),
    })
}

#[test]
fn local_edits_of_the_same_files_are_refused() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    sandbox.write("work/factory/state/images/web.yaml", "mine\n");
    assert_snapshot!(in_work(&sandbox, &["-C", "factory", "analyze", "--commit"]), @"
    exit 1
    --- stdout
    --- stderr
    error: these files have changes that are not committed: factory/state/images/web.yaml; nothing was changed
    hint: commit or discard them; the run works on what is committed
    ");
    sandbox.git("work", &["clean", "--quiet", "--force", "-d"]);
    sandbox.write("work/factory/images.yaml", "[]\n");
    assert_snapshot!(in_work(&sandbox, &["-C", "factory", "analyze", "--commit"]), @"
    exit 1
    --- stdout
    --- stderr
    error: these files have changes that are not committed: factory/images.yaml; nothing was changed
    hint: commit or discard them; the run works on what is committed
    ");
    sandbox.git("work", &["checkout", "--quiet", "."]);
    assert!(in_work(&sandbox, &["-C", "factory", "analyze", "--commit"]).starts_with("exit 0"));
}

#[test]
fn a_push_is_made_on_the_remote_tip_and_the_checkout_follows() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    // Another writer was there since the clone.
    sandbox.push_files("acme/state", "main", &[("other", "other\n")]);
    sandbox.write("work/README.md", "edited\n");
    assert_snapshot!(in_work(&sandbox, &["-C", "factory", "analyze", "--push"]), @"
    exit 0
    --- stdout
    factory  1 image: 1 built by us, 0 watched; 1 base

      added  image  web      stands on node-22
      added  base   node-22  docker.io/library/node:22

    Wrote 2 files: state/base-images/node-22.yaml, state/images/web.yaml
    Pushed COMMIT to main of origin
    --- stderr
    ");
    let tip = sandbox.git("remotes/acme/state.git", &["rev-parse", "main"]);
    assert_eq!(sandbox.git("work", &["rev-parse", "HEAD"]), tip);
    assert_eq!(
        sandbox.git("work", &["status", "--porcelain"]),
        " M README.md"
    );
    assert_eq!(sandbox.read("work/other"), "other\n");

    // A checkout with commits of its own stays, and is told so.
    sandbox.git(
        "work",
        &["commit", "--quiet", "--message=mine", "README.md"],
    );
    sandbox.push_files(
        "acme/state",
        "main",
        &[("web/Dockerfile", "FROM node:24\n")],
    );
    let said = in_work(&sandbox, &["-C", "factory", "analyze", "--push"]);
    assert!(
        said.contains("note: this checkout has commits that the remote has not: git pull --rebase"),
        "{said}"
    );
    sandbox.git("work", &["pull", "--quiet", "--rebase"]);
    assert!(in_work(&sandbox, &["-C", "factory", "analyze", "--push"]).contains("Nothing changed"));
}

/// Who may write imgfac.yaml of the remote does not choose what is read of this machine.
#[test]
fn a_push_reads_no_folder_that_the_remote_names() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    let outside = sandbox.path().join("outside").display().to_string();
    sandbox.write("outside/web/Dockerfile", "FROM of-this-machine:1\n");
    std::os::unix::fs::symlink(&outside, sandbox.path().join("work/link")).unwrap();
    sandbox.git("work", &["add", "link"]);
    sandbox.git("work", &["commit", "--quiet", "--message=link"]);
    sandbox.git("work", &["push", "--quiet"]);
    let remote = "remotes/acme/state.git";
    let mut said = String::new();
    for workspace in ["../../outside", "../link", &outside] {
        for (folder, arguments) in [
            ("work", &["analyze", "-C", "factory", "--push"][..]),
            (
                ".",
                &[
                    "analyze",
                    "--push",
                    "--git-repo=https://github.com/acme/state.git",
                    "--image-factory-dir=factory",
                ],
            ),
        ] {
            let settings = format!("workspaces: [acme/state={workspace}]\n");
            sandbox.push_files("acme/state", "main", &[("factory/imgfac.yaml", &settings)]);
            let mut command = sandbox.command(arguments);
            command.current_dir(sandbox.path().join(folder));
            let outcome = sandbox.run_command(&mut command);
            assert_eq!(outcome.code, 0, "{outcome}");
            said.push_str(&outcome.stderr);
            let state = sandbox.git(remote, &["show", "main:factory/state/images/web.yaml"]);
            assert!(
                state.contains("node-22") && !state.contains("of-this"),
                "{state}"
            );
        }
    }
    assert_snapshot!(said, @"
    note: with --push, workspaces of imgfac.yaml do not count (acme/state=../../outside); --workspace names folders of this machine
    note: with --push, workspaces of imgfac.yaml do not count (acme/state=../../outside); --workspace names folders of this machine
    note: with --push, workspaces of imgfac.yaml do not count (acme/state=../link); --workspace names folders of this machine
    note: with --push, workspaces of imgfac.yaml do not count (acme/state=../link); --workspace names folders of this machine
    note: with --push, workspaces of imgfac.yaml do not count (acme/state=$DIR/outside); --workspace names folders of this machine
    note: with --push, workspaces of imgfac.yaml do not count (acme/state=$DIR/outside); --workspace names folders of this machine
    ");
    // A person at this machine may.
    let arguments = [
        "analyze",
        "-C",
        "factory",
        "--push",
        "--workspace=../outside",
    ];
    let own = in_work(&sandbox, &arguments);
    assert!(own.contains("now stands on of-this-machine-1"), "{own}");
    // Without a push it is the checkout's own file that says so.
    sandbox.write("outside/web/Dockerfile", "FROM of-this-machine:2\n");
    let own = in_work(&sandbox, &["analyze", "-C", "factory"]);
    assert!(own.contains("now stands on of-this-machine-2"), "{own}");
}

#[test]
fn a_push_names_what_is_edited_and_left_out() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    assert!(in_work(&sandbox, &["-C", "factory", "sync", "--push"]).starts_with("exit 0"));
    for path in [
        "images.yaml",
        "state/images/web.yaml",
        "dist/image-factory.k8s.yaml",
    ] {
        let path = format!("work/factory/{path}");
        let text = sandbox.read(&path) + "# edited\n";
        sandbox.write(&path, text);
    }
    sandbox.write("work/factory/notes", "mine\n");
    sandbox.write("work/README.md", "edited\n");
    assert_snapshot!(in_work(&sandbox, &["-C", "factory", "analyze", "--push"]), @"
    exit 0
    --- stdout
    factory  1 image: 1 built by us, 0 watched; 1 base

    Nothing changed, nothing written.
    --- stderr
    warning: a push works on the remote branch, without what is edited here: factory/dist/image-factory.k8s.yaml, factory/images.yaml, factory/state/images/web.yaml
    ");
}

#[test]
fn a_factory_that_is_not_committed_is_named() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    sandbox.write("work/new/images.yaml", "[]\n");
    let mut said = String::new();
    for how in ["--commit", "--push"] {
        said.push_str(&in_work(&sandbox, &["-C", "new", "analyze", how]));
    }
    assert_snapshot!(said, @"
    exit 1
    --- stdout
    --- stderr
    error: main has no folder new
    hint: commit the factory directory first
    exit 1
    --- stdout
    --- stderr
    warning: a push works on the remote branch, without what is edited here: new/images.yaml
    error: main of origin has no folder new
    hint: commit and push the factory directory first, or name it with --image-factory-dir
    ");
}

/// A run that was killed right after its push leaves the checkout behind; the next one has nothing
/// to push, and brings it along.
#[test]
fn a_run_without_news_brings_the_checkout_along() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    let analyze = ["-C", "factory", "analyze", "--push"];
    assert!(in_work(&sandbox, &analyze).starts_with("exit 0"));
    let tip = sandbox.push_files("acme/state", "main", &[("README.md", "newer\n")]);
    let said = in_work(&sandbox, &analyze);
    assert!(said.contains("Nothing changed, nothing written."), "{said}");
    assert_eq!(sandbox.git("work", &["rev-parse", "HEAD"]), tip);
    assert_eq!(sandbox.read("work/README.md"), "newer\n");

    sandbox.push_files("acme/state", "main", &[("README.md", "newest\n")]);
    sandbox.write("work/README.md", "edited\n");
    let said = in_work(&sandbox, &analyze);
    assert!(
        said.contains("note: this checkout stays where it is"),
        "{said}"
    );
    assert_eq!(sandbox.read("work/README.md"), "edited\n");
}

/// The arguments of the job in a cluster, with one of them replaced.
fn job(replaced: &str) -> Vec<&str> {
    let mut arguments = vec![
        "analyze",
        "--commit",
        "--push",
        "--image=web",
        "--tag=1.0.0",
        "--digest=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "--dockerfile=web/Dockerfile",
        "--source-repo=acme/state",
        "--source-provider=github",
        "--git-repo=https://github.com/acme/state.git",
        "--git-branch=main",
        "--image-factory-dir=factory",
    ];
    if let Some((flag, _)) = replaced.split_once('=') {
        for argument in &mut arguments {
            if argument
                .split_once('=')
                .is_some_and(|(name, _)| name == flag)
            {
                *argument = replaced;
            }
        }
    }
    arguments
}

#[test]
fn the_job_records_its_build_without_a_checkout() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    let base = "fullImage: docker.io/library/node:22\ncurrentDigest: sha256:2222222222222222222222222222222222222222222222222222222222222222\n";
    sandbox.push_files(
        "acme/state",
        "main",
        &[("factory/state/base-images/node-22.yaml", base)],
    );
    assert_snapshot!(run(&sandbox, &job("")), @"
    exit 0
    --- stdout
    factory  1 image: 1 built by us, 0 watched; 1 base

      added  image  web  stands on node-22

    Wrote 2 files: state/base-images/node-22.yaml, state/images/web.yaml
    Pushed COMMIT to main of https://github.com/acme/state.git
    --- stderr
    ");
    let show =
        |path: &str| sandbox.git("remotes/acme/state.git", &["show", &format!("main:{path}")]);
    let state = show("factory/state/images/web.yaml");
    let from = state.find("# Current state").unwrap();
    assert_snapshot!(&state[from..], @r#"
    # Current state: the last build that was recorded
    currentVersion: "1.0.0"
    currentDigest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    lastBuilt: "2026-11-23T12:00:00Z"
    builtOn:
      node-22: sha256:2222222222222222222222222222222222222222222222222222222222222222
    "#);
    // Kargo tries again: the same build is no news.
    assert!(run(&sandbox, &job("")).contains("Nothing changed"));
    // Empty values are absent, as before the first build.
    let mut nothing = job("--tag=");
    nothing.push("--digest=");
    nothing.retain(|argument| !argument.starts_with("--digest=sha256"));
    assert!(run(&sandbox, &nothing).contains("Nothing changed"));
    let said = run(&sandbox, &job("--tag=1.1.0"));
    assert!(said.contains("changed  image  web  built 1.1.0"), "{said}");
    assert_eq!(
        sandbox.git(
            "remotes/acme/state.git",
            &["log", "-1", "--format=%s", "main"]
        ),
        "imgfac: web built 1.1.0"
    );
}

#[test]
fn a_job_that_does_not_fit_changes_nothing() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    let tip = || sandbox.git("remotes/acme/state.git", &["rev-parse", "main"]);
    let before = tip();
    sandbox.push_files("acme/state", "other", &[]);
    let mut said = String::new();
    for replaced in [
        "--image=wbe",
        "--source-repo=acme/shop",
        "--source-provider=gitlab",
        "--dockerfile=Dockerfile",
        "--git-branch=other",
        "--git-branch=none",
        "--git-branch=--force",
        "--git-repo=ext::sh -c id",
        "--git-repo=https://me:s3cret@github.com/acme/state.git",
        "--git-repo=https://github.com/acme/none.git",
        "--image-factory-dir=../x",
        "--image-factory-dir=none",
        "--digest=latest",
        "--tag=a b",
        "--tag=",
        "--digest= ",
        "--image=",
    ] {
        let outcome = run(&sandbox, &job(replaced));
        let error = outcome.split("--- stderr\n").nth(1).unwrap();
        said.push_str(&format!(
            "{replaced}\n  {} {}",
            &outcome[..6],
            error.replace('\n', "\n  ")
        ));
        said.push('\n');
    }
    assert_snapshot!(said, @r#"
    --image=wbe
      exit 1 error: no image is called "wbe"
      hint: did you mean "web"?
      
    --source-repo=acme/shop
      exit 1 error: web: the job says repository acme/shop, images.yaml says acme/state; nothing was changed
      hint: generate the manifests anew with imgfac synth, and apply them
      
    --source-provider=gitlab
      exit 1 error: web: the job says provider gitlab, images.yaml says github; nothing was changed
      hint: generate the manifests anew with imgfac synth, and apply them
      
    --dockerfile=Dockerfile
      exit 1 error: web: the job says Dockerfile Dockerfile, images.yaml says web/Dockerfile; nothing was changed
      hint: generate the manifests anew with imgfac synth, and apply them
      
    --git-branch=other
      exit 1 error: web: the job says branch other, images.yaml says main; nothing was changed
      hint: generate the manifests anew with imgfac synth, and apply them
      
    --git-branch=none
      exit 1 error: git fetch in https://github.com/acme/state.git: couldn't find remote ref refs/heads/none
      
    --git-branch=--force
      exit 2 error: invalid branch: "--force"; expected the name of a branch, such as main or release/1.2
      
    --git-repo=ext::sh -c id
      exit 2 error: invalid address of a repository ext::sh -c id: it has a space, or begins with "-"
      
    --git-repo=https://me:s3cret@github.com/acme/state.git
      exit 2 error: invalid address of a repository https://***@github.com/acme/state.git: it carries a user name or password; pass a token as GITHUB_TOKEN or GITLAB_TOKEN, or by a credential helper of Git
      
    --git-repo=https://github.com/acme/none.git
      exit 1 error: git fetch in https://github.com/acme/none.git: '$DIR/remotes/acme/none.git' does not appear to be a git repository; Could not read from remote repository
      
    --image-factory-dir=../x
      exit 2 error: invalid path: "../x" leads out by ".."; expected a path below the repository's root, such as apps/web/Dockerfile
      
    --image-factory-dir=none
      exit 1 error: main of https://github.com/acme/state.git has no folder none
      hint: commit and push the factory directory first, or name it with --image-factory-dir
      
    --digest=latest
      exit 1 error: not a digest: expected an algorithm, ":" and hexadecimal digits
      
    --tag=a b
      exit 1 error: a tag must not have ' '
      
    --tag=
      exit 2 error: --digest is given without --tag: that is half a build; nothing was changed
      hint: pass both of what was published, or none to analyse only
      
    --digest= 
      exit 2 error: --tag is given without --digest: that is half a build; nothing was changed
      hint: pass both of what was published, or none to analyse only
      
    --image=
      exit 2 error: --tag is given without an image
      hint: name the image with --image
    "#);
    let mut both = job("--source-repo=acme/shop");
    let provider = both
        .iter_mut()
        .find(|flag| flag.starts_with("--source-provider"));
    *provider.unwrap() = "--source-provider=gitlab";
    let outcome = run(&sandbox, &both);
    assert!(
        outcome.contains(
            "the job says repository acme/shop, images.yaml says acme/state; the job says provider gitlab, images.yaml says github; nothing"
        ),
        "{outcome}"
    );
    assert_eq!(tip(), before);
}

#[test]
fn a_protected_branch_is_reported_and_gets_a_pull_request() {
    use std::os::unix::fs::PermissionsExt;
    let mut sandbox = sandbox();
    state_repository(&sandbox);
    let hook = "remotes/acme/state.git/hooks/update";
    sandbox.write(
        hook,
        "#!/bin/sh\ntest \"$1\" != refs/heads/main || { echo 'GH006: Protected branch' >&2; exit 1; }\n",
    );
    std::fs::set_permissions(sandbox.path().join(hook), PermissionsExt::from_mode(0o755)).unwrap();
    let mut arguments = job("");
    assert_snapshot!(run(&sandbox, &arguments), @"
    exit 1
    --- stdout
    --- stderr
    error: main of https://github.com/acme/state.git does not take the commit: [remote rejected] (hook declined): GH006: Protected branch; error: hook declined to update refs/heads/main
    hint: let this account push to the branch, or add --pull-request
    ");
    arguments.push("--pull-request");
    assert_snapshot!(run(&sandbox, &arguments), @"
    exit 0
    --- stdout
    factory  1 image: 1 built by us, 0 watched; 1 base

      added  image  web      stands on node-22
      added  base   node-22  docker.io/library/node:22

    Wrote 2 files: state/base-images/node-22.yaml, state/images/web.yaml
    Pushed COMMIT to imgfac/update-main of https://github.com/acme/state.git
    note: main does not take pushes ([remote rejected] (hook declined): GH006: Protected branch; error: hook declined to update refs/heads/main): open a pull request from this branch, or merge the one that is open
    --- stderr
    ");
    // The next run has nothing to add to it.
    sandbox.set_now("2026-12-01T00:00:00Z");
    assert!(run(&sandbox, &arguments).starts_with("exit 0"));
    let branches = sandbox.git(
        "remotes/acme/state.git",
        &["for-each-ref", "--format=%(refname)"],
    );
    assert_eq!(branches, "refs/heads/imgfac/update-main\nrefs/heads/main");
}

/// Ten repositories of a hundred images each cost ten fetches, and as many for blobs at first.
#[test]
fn a_thousand_images_of_ten_repositories_are_ten_fetches() {
    let sandbox = sandbox();
    let mut images = String::new();
    for repo in 0..10 {
        let mut files = Vec::new();
        for n in 0..100 {
            let name = format!("image-{repo}-{n}");
            images.push_str(&entry(&name, &format!("acme/repo-{repo}")));
            files.push((format!("{name}/Dockerfile"), format!("FROM node:{n}\n")));
        }
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        sandbox.remote(&format!("acme/repo-{repo}"), &files);
    }
    sandbox.write("images.yaml", images);
    let fetches = || {
        let _ = std::fs::remove_file(sandbox.path().join("trace"));
        let mut command = sandbox.command(&["analyze"]);
        command.env("GIT_TRACE", sandbox.path().join("trace"));
        let outcome = sandbox.run_command(&mut command);
        assert_eq!(outcome.code, 0, "{outcome}");
        let trace = sandbox.read("trace");
        let of = |word: &str| {
            trace
                .lines()
                .filter(|line| line.contains("built-in: git fetch ") && line.contains(word))
                .count()
        };
        (of("--depth=1"), of("--stdin"))
    };
    assert_eq!(fetches(), (10, 10));
    assert_eq!(fetches(), (10, 0));
    assert_eq!(
        sandbox
            .path()
            .join("state/images")
            .read_dir()
            .unwrap()
            .count(),
        1_000
    );
}

#[test]
fn a_commit_is_signed_where_git_is_set_up_for_it() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = sandbox();
    state_repository(&sandbox);
    let signer = |script: &str| {
        sandbox.write("signer", script);
        let path = sandbox.path().join("signer");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let program = path.display().to_string();
        sandbox.git("work", &["config", "gpg.program", &program]);
        sandbox.git("work", &["config", "commit.gpgSign", "true"]);
    };
    signer("#!/bin/sh\necho 'no key' >&2\nexit 1\n");
    let head = || sandbox.git("work", &["rev-parse", "HEAD"]);
    let before = head();
    let said = in_work(&sandbox, &["-C", "factory", "analyze", "--commit"]);
    assert!(said.starts_with("exit 1"), "{said}");
    assert!(
        said.contains("git commit-tree") && said.contains("failed to sign"),
        "{said}"
    );
    assert_eq!(head(), before);
    signer(
        "#!/bin/sh\ncat > /dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\nprintf -- '-----BEGIN PGP SIGNATURE-----\\n\\nours\\n-----END PGP SIGNATURE-----\\n'\n",
    );
    let said = in_work(&sandbox, &["-C", "factory", "analyze", "--commit"]);
    assert!(said.starts_with("exit 0"), "{said}");
    let commit = sandbox.git("work", &["cat-file", "commit", "HEAD"]);
    assert!(
        commit.contains("gpgsig -----BEGIN PGP SIGNATURE-----"),
        "{commit}"
    );
}

#[test]
fn the_author_is_asked_for_configured_or_the_program() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    let remote = "remotes/acme/state.git";
    let author = || {
        sandbox.git(
            remote,
            &["log", "-1", "--format=%an <%ae>|%cn <%ce>", "main"],
        )
    };
    assert!(run(&sandbox, &job("--tag=1.0.0")).starts_with("exit 0"));
    assert_eq!(
        author(),
        "Person <person@example.com>|Person <person@example.com>"
    );
    let mut arguments = job("--tag=1.0.1");
    let mut command = sandbox.command(&arguments);
    command
        .env("IMGFAC_GIT_AUTHOR_NAME", "Factory")
        .env("IMGFAC_GIT_AUTHOR_EMAIL", "factory@example.com");
    assert_eq!(sandbox.run_command(&mut command).code, 0);
    assert_eq!(
        author(),
        "Factory <factory@example.com>|Factory <factory@example.com>"
    );
    sandbox.edit(
        ".gitconfig",
        "[user]\n\tname = Person\n\temail = person@example.com\n",
        "",
    );
    arguments = job("--tag=1.0.2");
    assert!(run(&sandbox, &arguments).starts_with("exit 0"));
    assert_eq!(
        author(),
        "imgfac <imgfac@localhost>|imgfac <imgfac@localhost>"
    );
}

#[test]
fn what_git_ignores_is_not_committed() {
    let sandbox = sandbox();
    state_repository(&sandbox);
    sandbox.write("work/.gitignore", "dist/\n");
    sandbox.write("work/factory/dist/image-factory.k8s.yaml", "local\n");
    let said = in_work(&sandbox, &["-C", "factory", "sync", "--commit"]);
    assert!(said.starts_with("exit 0"), "{said}");
    assert_eq!(
        sandbox.git("work", &["show", "--format=", "--name-only", "HEAD"]),
        "factory/state/base-images/node-22.yaml\nfactory/state/images/web.yaml"
    );
    assert!(in_work(&sandbox, &["-C", "factory", "sync", "--commit"]).contains("Nothing changed"));
    assert_eq!(
        sandbox.read("work/factory/dist/image-factory.k8s.yaml"),
        "local\n"
    );
}
