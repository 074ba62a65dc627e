//! Images that leave for the archive and come back, by hand.

use imgfac_tests::Sandbox;
use insta::assert_snapshot;

const IMAGES: &str = "\
# Ours.

- name: base
  registry: ghcr.io
  repository: acme/base
  source: {provider: github, repo: acme/all, dockerfile: base.Dockerfile}

# The old one.
- name: shop
  registry: ghcr.io
  repository: acme/shop
  source: {provider: github, repo: acme/all, dockerfile: shop.Dockerfile}
";

/// A factory of two images, one on the other, that was analysed.
fn factory() -> Sandbox {
    let sandbox = crate::sandbox();
    sandbox.write("images.yaml", IMAGES);
    sandbox.write("imgfac.yaml", "workspaces: [.]\n");
    sandbox.write("base.Dockerfile", "FROM debian:13\n");
    sandbox.write(
        "shop.Dockerfile",
        "FROM ghcr.io/acme/base:1\nCOPY --from=node:22 /a /b\n",
    );
    assert_eq!(sandbox.run(&["analyze"]).code, 0);
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> String {
    sandbox.run(arguments).to_string()
}

#[test]
fn an_image_leaves_and_comes_back() {
    let mut sandbox = factory();
    assert_snapshot!(run(&sandbox, &["archive", "base", "--reason", "old"]), @"
    exit 1
    --- stdout
    --- stderr
    error: base is still needed by shop
    hint: change their Dockerfiles first, or remove its entry from images.yaml: it is watched as a base then
    ");
    let before = sandbox.read("state/images/shop.yaml");
    assert_snapshot!(run(&sandbox, &["archive", "shop", "--reason", "replaced by the new one"]), @"
    exit 0
    --- stdout
      archived  image  shop  managed -> archived: replaced by the new one; kept in state/_archive/images/shop.yaml

    Wrote 2 files: images.yaml, state/_archive/images/shop.yaml
    Removed 1 file: state/images/shop.yaml
    --- stderr
    ");
    assert_snapshot!(sandbox.read("images.yaml"), @"
    # Ours.

    - name: base
      registry: ghcr.io
      repository: acme/base
      source: {provider: github, repo: acme/all, dockerfile: base.Dockerfile}
    ");
    assert_snapshot!(run(&sandbox, &["sync"]), @"
    exit 0
    --- stdout
    .  1 image: 1 built by us, 0 watched; 1 base

      archived  base  node-22  base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/node-22.yaml

    Wrote 2 files: dist/image-factory.k8s.yaml, state/_archive/base-images/node-22.yaml
    Removed 1 file: state/base-images/node-22.yaml
    --- stderr
    ");

    sandbox.set_now("2027-06-01T00:00:00Z");
    assert_snapshot!(run(&sandbox, &["restore", "shop"]), @"
    exit 0
    --- stdout
      restored  image  shop  archived -> managed: its state is back from the archive

    Wrote 2 files: images.yaml, state/images/shop.yaml
    Removed 1 file: state/_archive/images/shop.yaml
    --- stderr
    ");
    assert_eq!(run(&sandbox, &["check"]).lines().next(), Some("exit 0"));
    assert_snapshot!(run(&sandbox, &["sync"]), @"
    exit 0
    --- stdout
    .  2 images: 2 built by us, 0 watched; 2 bases; 1 on images of our own

      restored  base  node-22  docker.io/library/node:22; archived -> base: its state is back from the archive; from state/_archive/base-images/node-22.yaml

    Wrote 2 files: dist/image-factory.k8s.yaml, state/base-images/node-22.yaml
    Removed 1 file: state/_archive/base-images/node-22.yaml
    --- stderr
    ");
    let after = sandbox.read("state/images/shop.yaml");
    for line in before.lines() {
        assert!(after.contains(line), "{line}\n{after}");
    }
    assert_snapshot!(run(&sandbox, &["sync"]), @"
    exit 0
    --- stdout
    .  2 images: 2 built by us, 0 watched; 2 bases; 1 on images of our own

    Nothing changed, nothing written.
    --- stderr
    ");
}

#[test]
fn an_entry_comes_back_to_its_team_while_that_has_a_file() {
    let sandbox = crate::sandbox();
    sandbox.write("images.yaml", "[]\n");
    let team = "- {name: redis, repository: redis}\n- {name: nginx, repository: nginx}\n";
    sandbox.write("images.d/data.yaml", team);
    assert_eq!(sandbox.run(&["analyze"]).code, 0);
    run(&sandbox, &["archive", "redis", "--reason", "old"]);
    let archived = sandbox.read("state/_archive/images/redis.yaml");
    assert!(
        archived.contains("enrolledIn: images.d/data.yaml"),
        "{archived}"
    );
    assert_snapshot!(run(&sandbox, &["archive", "redis", "--reason", "again"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error: "redis" has left already: state/_archive/images/redis.yaml has its last state
    "#);
    run(&sandbox, &["restore", "redis"]);
    assert_snapshot!(sandbox.read("images.d/data.yaml"), @"
    - {name: nginx, repository: nginx}
    - name: redis
      registry: docker.io
      repository: library/redis
    ");
    let state = sandbox.read("state/images/redis.yaml");
    assert!(!state.contains("enrolledIn"), "{state}");

    run(&sandbox, &["archive", "redis", "--reason", "old"]);
    sandbox.write("images.yaml", sandbox.read("images.d/data.yaml"));
    std::fs::remove_file(sandbox.path().join("images.d/data.yaml")).unwrap();
    assert_snapshot!(run(&sandbox, &["restore", "redis"]), @"
    exit 0
    --- stdout
      restored  image  redis  archived -> external: its state is back from the archive

    Wrote 2 files: images.yaml, state/images/redis.yaml
    Removed 1 file: state/_archive/images/redis.yaml
    --- stderr
    note: it is not quite what it was: its entry is in images.yaml now, since there is no images.d/data.yaml any more
    ");
}

#[test]
fn an_image_that_is_a_base_now_is_not_restored_by_hand() {
    let sandbox = factory();
    let shop = IMAGES.split_once("# The old one.\n").unwrap().1;
    sandbox.write("images.yaml", shop);
    assert_eq!(sandbox.run(&["analyze"]).code, 0);
    let before = sandbox.files();
    assert_snapshot!(run(&sandbox, &["restore", "base"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error: "base" is a base now: state/base-images/ghcr.io-acme-base-1.yaml has its state
    hint: enrol it again: imgfac analyze brings its state back
    "#);
    assert_snapshot!(run(&sandbox, &["archive", "base", "--reason", "old"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error: "base" has left already: state/base-images/ghcr.io-acme-base-1.yaml has its last state
    "#);
    assert_eq!(sandbox.files(), before);
}

#[test]
fn an_image_comes_back_as_another() {
    let sandbox = factory();
    sandbox.edit("images.yaml", "name: shop", "name: store");
    let moved = run(&sandbox, &["analyze"]);
    assert!(moved.contains("imgfac restore shop --as store"), "{moved}");
    assert_snapshot!(run(&sandbox, &["restore", "shop", "--as", "store"]), @"
    exit 0
    --- stdout
      restored  image  store  archived -> managed: its state is back from the archive; renamed shop -> store: its whole state goes on under the new name; managed -> archived: state/_archive/images/shop.yaml was restored in its place; kept in state/_archive/images/store.yaml

    Wrote 2 files: state/_archive/images/store.yaml, state/images/store.yaml
    Removed 1 file: state/_archive/images/shop.yaml
    --- stderr
    ");
    assert_snapshot!(run(&sandbox, &["restore", "shop"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error: the archive has no "shop"
    hint: imgfac cleanup lists it
    "#);
    assert_snapshot!(run(&sandbox, &["restore", "store"]), @"
    exit 1
    --- stdout
    --- stderr
    error: store was restored already; state/_archive/images/store.yaml is what it took the place of
    ");
    assert_snapshot!(run(&sandbox, &["cleanup"]), @"
    exit 0
    --- stdout
    1 state in the archive

      keep  managed  store  2026-11-23T12:00:00Z  ghcr.io/acme/shop  state/_archive/images/shop.yaml was restored in its place
    --- stderr
    ");
    assert_snapshot!(run(&sandbox, &["analyze"]), @"
    exit 0
    --- stdout
    .  2 images: 2 built by us, 0 watched; 2 bases; 1 on images of our own

    Nothing changed, nothing written.
    --- stderr
    ");
}

#[test]
fn the_archive_gets_smaller_only_where_git_has_it() {
    let mut sandbox = factory();
    assert_snapshot!(run(&sandbox, &["cleanup"]), @"
    exit 0
    --- stdout
    The archive is empty.
    --- stderr
    ");
    run(&sandbox, &["archive", "shop", "--reason", "old"]);
    sandbox.set_now("2027-01-01T00:00:00Z");
    run(&sandbox, &["analyze"]);
    sandbox.set_now("2027-06-01T00:00:00Z");
    assert_snapshot!(run(&sandbox, &["cleanup", "--older-than", "180d"]), @"
    exit 3
    --- stdout
    2 states in the archive

      keep           base     node-22  2027-01-01T00:00:00Z  docker.io/library/node:22  no Dockerfile names it any more
      not committed  managed  shop     2026-11-23T12:00:00Z  ghcr.io/acme/shop          old
    --- stderr
    warning: what is not committed would be gone for good, and stays: commit state/ first
    ");
    sandbox.git(".", &["init", "--quiet", "--initial-branch=main"]);
    sandbox.git(".", &["add", "-A"]);
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    sandbox.git(
        ".",
        &[&who[..], &["commit", "--quiet", "-m", "all"]].concat(),
    );
    let before = sandbox.files();
    assert_snapshot!(run(&sandbox, &["cleanup", "--older-than", "180d", "--dry-run"]), @"
    exit 0
    --- stdout
    2 states in the archive

      keep          base     node-22  2027-01-01T00:00:00Z  docker.io/library/node:22  no Dockerfile names it any more
      would remove  managed  shop     2026-11-23T12:00:00Z  ghcr.io/acme/shop          old

    Would remove 1 file: state/_archive/images/shop.yaml
    note: Git keeps them: git log --diff-filter=D -- state/_archive/images/shop.yaml finds the commit, git show COMMIT^:./state/_archive/images/shop.yaml the file
    --- stderr
    ");
    assert_eq!(sandbox.files(), before);
    assert_snapshot!(run(&sandbox, &["cleanup", "--older-than", "180d"]), @"
    exit 0
    --- stdout
    2 states in the archive

      keep     base     node-22  2027-01-01T00:00:00Z  docker.io/library/node:22  no Dockerfile names it any more
      removed  managed  shop     2026-11-23T12:00:00Z  ghcr.io/acme/shop          old

    Removed 1 file: state/_archive/images/shop.yaml
    note: Git keeps them: git log --diff-filter=D -- state/_archive/images/shop.yaml finds the commit, git show COMMIT^:./state/_archive/images/shop.yaml the file
    --- stderr
    ");
    sandbox.git(
        ".",
        &[&who[..], &["commit", "--quiet", "-a", "-m", "less"]].concat(),
    );
    assert_snapshot!(crate::git::shortened(sandbox.run(&["cleanup", "--older-than", "1d", "--commit"])), @"
    exit 0
    --- stdout
    1 state in the archive

      removed  base  node-22  2027-01-01T00:00:00Z  docker.io/library/node:22  no Dockerfile names it any more

    Removed 1 file: state/_archive/base-images/node-22.yaml
    Committed COMMIT on main
    note: Git keeps them: git log --diff-filter=D -- state/_archive/base-images/node-22.yaml finds the commit, git show COMMIT^:./state/_archive/base-images/node-22.yaml the file
    --- stderr
    ");
    assert_snapshot!(sandbox.git(".", &["log", "-1", "--format=%B", "--stat"]), @"
    imgfac: node-22 removed

    - base node-22: removed; state/_archive/base-images/node-22.yaml is left to the history of Git

    Imgfac-Command: cleanup
    Imgfac-Version: 0.1.0


     state/_archive/base-images/node-22.yaml | 42 ---------------------------------
     1 file changed, 42 deletions(-)
    ");
    assert_snapshot!(run(&sandbox, &["cleanup"]), @"
    exit 0
    --- stdout
    The archive is empty.
    --- stderr
    ");
}

#[test]
fn what_cannot_be_done_is_told() {
    let sandbox = factory();
    let before = sandbox.files();
    let mut said = String::new();
    for arguments in [
        &["archive", "shpo", "--reason", "x"] as &[&str],
        &["archive", "../shop", "--reason", "x"],
        &["archive", "shop", "--reason", " "],
        &["archive", "shop", "--reason", "a\u{1b}[31m"],
        &["archive", "shop"],
        &["restore", "shop"],
        &["restore", "../x"],
        &["restore", "shop", "--as", "Up"],
        &["cleanup", "--dry-run"],
        &["cleanup", "--older-than", "soon"],
    ] {
        let outcome = sandbox.run(arguments);
        assert_ne!(outcome.code, 0, "{arguments:?}");
        let error = outcome.stderr.lines().next().unwrap_or_default();
        said.push_str(&format!(
            "{}: {error}\n",
            arguments.join(" ").escape_debug()
        ));
    }
    assert_snapshot!(said, @r#"
    archive shpo --reason x: error: state has no image "shpo"
    archive ../shop --reason x: error: state has no image "../shop"
    archive shop --reason  : error: invalid value ' ' for '--reason <TEXT>': it says nothing
    archive shop --reason a\u{1b}[31m: error: invalid value 'a' for '--reason <TEXT>': it must be one line of text
    archive shop: error: the following required arguments were not provided:
    restore shop: error: the archive has no "shop"
    restore ../x: error: the archive has no "../x"
    restore shop --as Up: error: invalid value 'Up' for '--as <NAME>': invalid image name: "Up" has "U"; expected 1 to 50 lower-case letters, digits and "-", with a letter or digit at both ends
    cleanup --dry-run: error: the following required arguments were not provided:
    cleanup --older-than soon: error: invalid value 'soon' for '--older-than <DURATION>': invalid delay: "soon" lacks a number before "soon"; expected numbers with units ms, s, m, h, d or w, such as 7d, 24h or 1d12h, at most ten years
    "#);
    assert_eq!(sandbox.files(), before);
    sandbox.write("state/images/shop.yaml", "a: [\n");
    assert_snapshot!(run(&sandbox, &["archive", "base", "--reason", "old"]), @"
    exit 1
    --- stdout
    --- stderr
    error: state/images/shop.yaml cannot be used
    hint: mend it first: what that image stands on is not known
    ");
}

/// What Git ignores, or has with another text, is nowhere else.
#[test]
fn what_git_does_not_have_stays_in_the_archive() {
    let mut sandbox = factory();
    run(&sandbox, &["archive", "shop", "--reason", "old"]);
    sandbox.write(".gitignore", "state/_archive/images/*\n");
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    sandbox.git(".", &["init", "--quiet", "--initial-branch=main"]);
    sandbox.git(".", &["add", "-A"]);
    sandbox.git(
        ".",
        &[&who[..], &["commit", "--quiet", "-m", "all"]].concat(),
    );
    sandbox.set_now("2027-06-01T00:00:00Z");
    let path = "state/_archive/images/shop.yaml";
    let said = run(&sandbox, &["cleanup", "--older-than", "180d"]);
    assert!(
        said.starts_with("exit 3") && said.contains("not committed"),
        "{said}"
    );
    sandbox.git(".", &["add", "--force", path]);
    sandbox.git(
        ".",
        &[&who[..], &["commit", "--quiet", "-m", "more"]].concat(),
    );
    sandbox.git(".", &["update-index", "--assume-unchanged", path]);
    sandbox.edit(path, "archivedReason: old", "archivedReason: older");
    let said = run(&sandbox, &["cleanup", "--older-than", "180d"]);
    assert!(
        said.starts_with("exit 3") && said.contains("not committed"),
        "{said}"
    );
    sandbox.edit(path, "archivedReason: older", "archivedReason: old");
    let said = run(&sandbox, &["cleanup", "--older-than", "180d"]);
    assert!(
        said.starts_with("exit 0") && said.contains("Removed 1 file"),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_does_not_give_way_to_a_file() {
    let sandbox = factory();
    std::fs::create_dir(sandbox.path().join("conf")).unwrap();
    let (link, real) = (
        sandbox.path().join("images.yaml"),
        sandbox.path().join("conf/real.yaml"),
    );
    std::fs::rename(&link, &real).unwrap();
    std::os::unix::fs::symlink("conf/real.yaml", &link).unwrap();
    let before = sandbox.files();
    assert_snapshot!(run(&sandbox, &["archive", "shop", "--reason", "old"]), @"
    exit 1
    --- stdout
    --- stderr
    error: images.yaml is a symbolic link: it is not replaced by a file
    hint: nothing was changed; put the file itself there, or link its folder
    ");
    assert_eq!(sandbox.files(), before);
}

#[cfg(unix)]
#[test]
fn a_commit_does_not_go_through_links() {
    let sandbox = factory();
    std::fs::create_dir(sandbox.path().join("shared")).unwrap();
    let state = sandbox.path().join("state");
    std::fs::rename(&state, sandbox.path().join("shared/state")).unwrap();
    std::os::unix::fs::symlink("shared/state", &state).unwrap();
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    sandbox.git(".", &["init", "--quiet", "--initial-branch=main"]);
    sandbox.git(".", &["add", "-A"]);
    sandbox.git(
        ".",
        &[&who[..], &["commit", "--quiet", "-m", "all"]].concat(),
    );
    let digest = format!("sha256:{}", "a".repeat(64));
    let observe = ["observe", "--base", "node-22", "--digest", &digest];
    assert_snapshot!(run(&sandbox, &[&observe[..], &["--commit"]].concat()), @"
    exit 1
    --- stdout
    --- stderr
    error: state is a symbolic link in main: what is behind it cannot be committed through it; nothing was changed
    hint: put the folder itself there, or run it without --commit and --push
    ");
    assert_eq!(sandbox.git(".", &["log", "--format=%s"]), "all");
    // Without Git the link leads to the file.
    assert!(run(&sandbox, &observe).starts_with("exit 0"));
    let base = sandbox.read("shared/state/base-images/node-22.yaml");
    assert!(base.contains(&digest), "{base}");
}
