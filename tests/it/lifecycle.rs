//! What becomes of images, as their people see it.

use imgfac_tests::Sandbox;
use insta::assert_snapshot;

use crate::shop::shop;

const IMAGES: &str = "factory/images.yaml";
const SYNC: [&str; 3] = ["-C", "factory", "sync"];

/// The entry of `base`, which `web` stands on.
fn base(sandbox: &Sandbox) -> String {
    let text = sandbox.read(IMAGES);
    let end = text.find("- name: web").expect("the second entry is there");
    text[..end].to_owned()
}

fn warehouses(sandbox: &Sandbox) -> String {
    let text = sandbox.read("factory/dist/image-factory.k8s.yaml");
    let mut names = Vec::new();
    for document in text.split("\n---\n") {
        if document.contains("\nkind: Warehouse\n") || document.starts_with("kind: Warehouse\n") {
            names.extend(
                document
                    .lines()
                    .filter_map(|line| line.strip_prefix("  name: ")),
            );
        }
    }
    names.join(" ")
}

#[test]
fn the_warehouse_of_a_base_goes_when_we_build_it_and_comes_back() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let managed = sandbox.files();
    assert_snapshot!(warehouses(&sandbox), @"base redis web base-debian-12 base-golang-1-24-790ef9e6bd base-node-22");

    let entry = base(&sandbox);
    sandbox.edit(IMAGES, &entry, "");
    assert_snapshot!(sandbox.run(&SYNC), @"
    exit 0
    --- stdout
    factory  2 images: 1 built by us, 1 watched; 3 bases

      became    image  base                 managed -> base: no longer built by us, watched as a base from now on; kept in state/base-images/ghcr.io-acme-base-1.yaml
      changed   image  web                  now stands on ghcr.io-acme-base-1; no longer stands on base (ours)
      archived  base   debian-12            base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/debian-12.yaml
      added     base   ghcr.io-acme-base-1  ghcr.io/acme/base:1; managed -> base: no longer built by us, watched as a base from now on

    Wrote 4 files: dist/image-factory.k8s.yaml, state/_archive/base-images/debian-12.yaml, state/base-images/ghcr.io-acme-base-1.yaml, state/images/web.yaml
    Removed 2 files: state/base-images/debian-12.yaml, state/images/base.yaml
    --- stderr
    ");
    assert_snapshot!(warehouses(&sandbox), @"redis web base-ghcr-io-acme-base-1-0240a69b0a base-golang-1-24-790ef9e6bd base-node-22");
    let upstream = sandbox.files();
    assert!(sandbox.run(&SYNC).stdout.contains("Nothing changed"));

    let rest = sandbox.read(IMAGES);
    sandbox.write(IMAGES, format!("{entry}{rest}"));
    assert_snapshot!(sandbox.run(&SYNC), @"
    exit 0
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 3 bases; 1 on images of our own

      restored  image  base                 base -> managed: built by us from now on, no longer watched as a base; from state/base-images/ghcr.io-acme-base-1.yaml
      changed   image  web                  now stands on base (ours); no longer stands on ghcr.io-acme-base-1
      restored  base   debian-12            docker.io/library/debian:12; archived -> base: its state is back from the archive; from state/_archive/base-images/debian-12.yaml
      became    base   ghcr.io-acme-base-1  base -> managed: built by us from now on, no longer watched as a base; kept in state/images/base.yaml

    Wrote 4 files: dist/image-factory.k8s.yaml, state/base-images/debian-12.yaml, state/images (2)
    Removed 2 files: state/_archive/base-images/debian-12.yaml, state/base-images/ghcr.io-acme-base-1.yaml
    --- stderr
    ");
    let dist = "factory/dist/image-factory.k8s.yaml";
    assert_eq!(sandbox.files()[dist].1, managed[dist].1);
    sandbox.write(IMAGES, rest);
    assert_eq!(sandbox.run(&SYNC).code, 0);
    assert_eq!(sandbox.files()[dist].1, upstream[dist].1);
}

#[test]
fn the_life_of_an_image_is_shown() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let text = sandbox.read(IMAGES);
    sandbox.edit(IMAGES, &base(&sandbox), "");
    assert_eq!(sandbox.run(&SYNC).code, 0);
    assert_snapshot!(sandbox.run(&["-C", "factory", "status", "base"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no image or base is called "base"
    hint: its last state is in state/base-images/ghcr.io-acme-base-1.yaml
    "#);
    sandbox.write(IMAGES, text);
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let status = |arguments: &[&str]| {
        let all = [&["-C", "factory", "status", "base"], arguments].concat();
        let text = sandbox.run(&all).stdout;
        let at = text
            .find("Lifecycle")
            .or_else(|| text.find("  \"lifecycle\""));
        text[at.expect("it is shown")..].to_owned()
    };
    assert_snapshot!(status(&[]), @"
    Lifecycle
      2026-11-23T12:00:00Z  managed -> base: no longer built by us, watched as a base from now on
      2026-11-23T12:00:00Z  base -> managed: built by us from now on, no longer watched as a base
    ");
    assert_snapshot!(status(&["--format", "json"]), @r#"
      "lifecycle": [
        {
          "time": "2026-11-23T12:00:00Z",
          "from": "managed",
          "to": "base",
          "says": [
            "managed -> base: no longer built by us, watched as a base from now on"
          ],
          "commit": null
        },
        {
          "time": "2026-11-23T12:00:00Z",
          "from": "base",
          "to": "managed",
          "says": [
            "base -> managed: built by us from now on, no longer watched as a base"
          ],
          "commit": null
        }
      ],
      "rebuild": {
        "status": "blocked",
        "reason": "not-observed",
        "says": "base is blocked: nobody has seen yet what debian:12 points at.",
        "failures": 0,
        "alarming": false,
        "emergency": null,
        "history": []
      }
    }
    "#);

    // What others wrote there is shown without harm, or left out.
    sandbox.edit(
        "factory/state/images/base.yaml",
        "\nlifecycle:\n",
        "\nlifecycle:\n  - nonsense\n  - {from: \"a\\e[31m\", to: [b]}\n  - {from: \"a\\e[31m\", to: \"b\\nc\", time: 12}\n",
    );
    assert_snapshot!(status(&[]), @r"
    Lifecycle
      12                    a\u{1b}[31m -> b\nc
      2026-11-23T12:00:00Z  managed -> base: no longer built by us, watched as a base from now on
      2026-11-23T12:00:00Z  base -> managed: built by us from now on, no longer watched as a base
    ");
    assert!(
        sandbox.run(&SYNC).stdout.contains("Wrote 1 file"),
        "in our form"
    );
    assert!(sandbox.run(&SYNC).stdout.contains("Nothing changed"));
    assert!(
        sandbox
            .read("factory/state/images/base.yaml")
            .contains("  - nonsense\n")
    );
}

#[test]
fn a_renaming_is_proposed_or_done() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    for (rename, says) in [
        ("web", "write it as OLD=NEW"),
        ("=web", "write it as OLD=NEW"),
        ("web=A", "invalid image name"),
        ("web=site", "no image is called"),
        ("web=base", "\"web\" is still enrolled"),
        ("../x\u{1b}=base", "has a state already"),
    ] {
        let outcome = sandbox.run(&["-C", "factory", "sync", "--rename", rename]);
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(outcome.stderr.contains(says), "{rename}: {outcome}");
    }
    sandbox.edit(IMAGES, "name: web", "name: site");
    let before = sandbox.files();
    let check = ["-C", "factory", "sync", "--check"];
    assert_snapshot!(sandbox.run(&check), @r#"
    exit 4
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 3 bases; 1 on images of our own

      added     image  site  stands on base (ours), golang-1.24, node-22
      archived  image  web   managed -> archived: removed from the enrolment; kept in state/_archive/images/web.yaml

    Would write 3 files: dist/image-factory.k8s.yaml, state/_archive/images/web.yaml, state/images/site.yaml
    Would remove 1 file: state/images/web.yaml
    --- stderr
    warning[possible-rename]: "web" is gone, and "site" is new: both are ghcr.io/acme/web
     --> factory/images.yaml:5:9
      |
    5 | - name: site
      |         ^^^^ starts with a new state
      |
      = help: if it was renamed: imgfac restore web --as site gives it the state that it had; next time run with --rename web=site
    "#);
    assert_snapshot!(sandbox.run(&["-C", "factory", "analyze", "base", "--rename", "web=site"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: cannot rename web to site: this run is not about "site"
    "#);
    assert_eq!(sandbox.files(), before);
    let rename = ["-C", "factory", "sync", "--rename", "web=site"];
    assert_snapshot!(sandbox.run(&rename), @"
    exit 0
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 3 bases; 1 on images of our own

      renamed  image  site  renamed web -> site: its whole state goes on under the new name

    Wrote 2 files: dist/image-factory.k8s.yaml, state/images/site.yaml
    Removed 1 file: state/images/web.yaml
    --- stderr
    ");
    assert!(sandbox.run(&rename).stdout.contains("Nothing changed"));
}

#[test]
fn another_image_of_an_archived_name_is_told() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let text = sandbox.read(IMAGES);
    let web = text.find("- name: web").expect("it is there");
    let redis = text.find("- name: redis").expect("it is there");
    sandbox.edit(IMAGES, &text[web..redis], "");
    assert_eq!(sandbox.run(&SYNC).code, 0);
    sandbox.write(IMAGES, text.replace("acme/web", "acme/site"));
    let outcome = sandbox.run(&["-C", "factory", "sync", "--check"]);
    assert_snapshot!(outcome, @r#"
    exit 4
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 3 bases; 1 on images of our own

      added     image  web          stands on base (ours), golang-1.24, node-22
      restored  base   golang-1.24  docker.io/library/golang:1.24; archived -> base: its state is back from the archive; from state/_archive/base-images/golang-1.24.yaml
      restored  base   node-22      docker.io/library/node:22; archived -> base: its state is back from the archive; from state/_archive/base-images/node-22.yaml

    Would write 4 files: dist/image-factory.k8s.yaml, state/base-images (2), state/images/web.yaml
    Would remove 2 files: state/_archive/base-images (2)
    --- stderr
    warning[archived-state]: state/_archive/images/web.yaml has the state of another "web" than this one: it was published as ghcr.io/acme/web, now ghcr.io/acme/site
     --> factory/images.yaml:5:9
      |
    5 | - name: web
      |         ^^^ starts with a new state, and that one stays
      |
      = help: if it is the same image all the same: imgfac restore web
    "#);
}

#[test]
fn a_commit_says_what_became_of_an_image_and_state_says_which() {
    let sandbox = crate::sandbox();
    sandbox.redirect_github();
    let entry = |name: &str| {
        format!(
            "- {{name: {name}, registry: ghcr.io, repository: acme/{name}, source: {{repo: acme/state, dockerfile: {name}/Dockerfile}}}}\n"
        )
    };
    sandbox.remote(
        "acme/state",
        &[
            (
                "factory/images.yaml",
                &format!("{}{}", entry("os"), entry("web")),
            ),
            ("os/Dockerfile", "FROM debian:12\n"),
            ("web/Dockerfile", "FROM ghcr.io/acme/os:1\n"),
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
    let push = || {
        let mut command = sandbox.command(&["-C", "factory", "analyze", "--push"]);
        command.current_dir(sandbox.path().join("work"));
        let outcome = sandbox.run_command(&mut command);
        assert_eq!(outcome.code, 0, "{outcome}");
    };
    push();
    let seen = sandbox.push_files(
        "acme/state",
        "main",
        &[("factory/images.yaml", &entry("web"))],
    );
    push();
    assert_snapshot!(sandbox.git("work", &["log", "-1", "--format=%B"]), @"
    imgfac: 2 images and 2 bases changed

    - image os: became; managed -> base: no longer built by us, watched as a base from now on; kept in state/base-images/ghcr.io-acme-os-1.yaml
    - image web: changed; now stands on ghcr.io-acme-os-1; no longer stands on os (ours)
    - base debian-12: archived; base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/debian-12.yaml
    - base ghcr.io-acme-os-1: added; ghcr.io/acme/os:1; managed -> base: no longer built by us, watched as a base from now on

    Imgfac-Command: analyze
    Imgfac-Version: 0.1.0
    Imgfac-Image: os
    Imgfac-Image: web
    ");
    let text = sandbox.read("work/factory/state/base-images/ghcr.io-acme-os-1.yaml");
    assert!(
        text.contains(&format!("\n    to: base\n    commit: {seen}\n")),
        "{text}"
    );
    // What is back from the archive of a commit.
    sandbox.push_files(
        "acme/state",
        "main",
        &[("web/Dockerfile", "FROM scratch\n")],
    );
    push();
    assert!(
        sandbox
            .read("work/factory/state/_archive/images/os.yaml")
            .contains("  - debian-12\n")
    );
    let both = format!("{}{}", entry("os"), entry("web"));
    sandbox.push_files("acme/state", "main", &[("factory/images.yaml", &both)]);
    push();
    let message = sandbox.git("work", &["log", "-1", "--format=%B"]);
    assert!(
        message.contains("- image os: restored; archived -> managed: "),
        "{message}"
    );
    let text = sandbox.read("work/factory/state/images/os.yaml");
    assert_eq!(text.matches("    commit: ").count(), 3, "{text}");
}

/// The examples of docs/lifecycle.md are without mistakes, and Kargo is asked for what they say.
#[test]
fn documented_external_images_are_watched_as_the_page_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lifecycle.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let (_, rest) = page.split_once("```yaml\n").expect("it has an example");
    let (example, _) = rest.split_once("```").expect("the example ends");
    let sandbox = crate::sandbox();
    sandbox.write(IMAGES, example);
    assert_snapshot!(sandbox.run(&["-C", "factory", "check"]), @"
    exit 0
    --- stdout
    ok: 4 images, no mistakes
    --- stderr
    ");
    let outcome = sandbox.run(&SYNC);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, ""),
        "{outcome}"
    );
    let text = sandbox.read("factory/dist/image-factory.k8s.yaml");
    let keys = [
        "repoURL:",
        "imageSelectionStrategy:",
        "constraint:",
        "- ^",
        "- -",
    ];
    let lines: Vec<&str> = (text.lines().map(str::trim))
        .filter(|line| keys.iter().any(|key| line.starts_with(key)))
        .collect();
    assert_snapshot!(lines.join("\n"), @r#"
    repoURL: registry.vendor.example:5000/products/ledger-db
    imageSelectionStrategy: SemVer
    constraint: ">=4.2.0-0 <5.0.0-0"
    - -debian$
    repoURL: docker.io/library/nginx
    imageSelectionStrategy: Digest
    constraint: 1.29-alpine
    repoURL: docker.io/library/postgres
    imageSelectionStrategy: SemVer
    constraint: 16.x
    - ^16\.[0-9]+$
    repoURL: docker.io/library/redis
    imageSelectionStrategy: SemVer
    constraint: ~7.4.0
    "#);
}
