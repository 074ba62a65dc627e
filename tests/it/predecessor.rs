//! A repository of the predecessor, and those of its faults that only a whole run shows.
//!
//! The letters and numbers are those of the list of its faults; the faults of single state files
//! are tested with `imgfac-state`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use imgfac_tests::Sandbox;
use insta::assert_snapshot;

use crate::sandbox;

const SYNC: [&str; 3] = ["sync", "--workspace", "acme/mono=."];

/// Its repository, with every file that a run of ours changes before and after.
#[test]
fn its_state_is_taken_over_without_losing_a_field() {
    let mut sandbox = sandbox();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/predecessor");
    sandbox.copy(&fixture, ".", &["README.md"]);
    let before = sandbox.files();
    assert_snapshot!("taken_over", sandbox.run(&SYNC));
    let after = sandbox.files();

    let mut report = String::new();
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for path in paths {
        let text = |files: &std::collections::BTreeMap<String, (u64, String)>| {
            files.get(path).map(|(_, text)| text.clone())
        };
        let (old, new) = (text(&before), text(&after));
        if path.contains("/state/") && old != new {
            for (when, text) in [("before", old), ("after", new)] {
                report.push_str(&format!(
                    "=== {path} {when}\n{}\n",
                    text.unwrap_or_default()
                ));
            }
        }
    }
    assert_snapshot!("before_and_after", report);
    assert_eq!(
        after.get("image-factory/state/base-images/${BASE}.yaml"),
        before.get("image-factory/state/base-images/${BASE}.yaml"),
        "what cannot be used is left alone"
    );

    sandbox.set_now("2031-01-01T00:00:00Z");
    let again = sandbox.run(&SYNC);
    assert_eq!(again.code, 3, "{again}");
    assert_eq!(sandbox.files(), after, "the second run writes nothing");
}

/// A factory of two images in one repository, at the root of the sandbox.
fn two_images() -> Sandbox {
    let sandbox = sandbox();
    sandbox.write(
        "images.yaml",
        "\
- name: shop
  repository: acme/shop
  source: {repo: acme/mono, dockerfile: shop/Dockerfile}
- name: web
  repository: acme/web
  source: {repo: acme/mono, dockerfile: web/Dockerfile}
",
    );
    sandbox.write("shop/Dockerfile", "FROM node:22\n");
    sandbox.write("web/Dockerfile", "FROM python:3.12\n");
    sandbox
}

/// B01: with the whole program, manifests included.
#[test]
fn a_second_run_writes_nothing() {
    let mut sandbox = two_images();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let before = sandbox.files();
    sandbox.set_now("2031-01-01T00:00:00Z");
    assert_eq!(sandbox.run(&SYNC).code, 0);
    assert_eq!(sandbox.files(), before);
}

/// B05d, X14.
#[test]
fn images_called_like_other_values_have_manifests() {
    let sandbox = sandbox();
    sandbox.write(
        "images.yaml",
        "\
- {name: on, repository: acme/a}
- {name: \"null\", repository: acme/b}
- {name: y, repository: acme/c, source: {repo: acme/mono}}
- {name: 0x10, repository: acme/d}
",
    );
    sandbox.write("Dockerfile", "FROM img:on\n");
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let manifests = sandbox.run(&["synth", "--output", "-"]);
    assert_eq!(manifests.code, 0, "{manifests}");
    for name in ["on", "null", "y", "0x10"] {
        let state = sandbox.read(&format!("state/images/{name}.yaml"));
        assert!(state.contains(&format!("\nname: \"{name}\"\n")), "{state}");
    }
    assert!(
        manifests.stdout.contains("name: analyze-dockerfile-y\n"),
        "{manifests}"
    );
}

/// B07, X16, B08-top, B17, B18: a mistake is reported where it stands, and nothing is written.
#[test]
fn mistakes_in_an_entry_are_reported_together_and_nothing_is_changed() {
    let sandbox = sandbox();
    sandbox.write(
        "images.yaml",
        "\
- name: a
  repository: acme/a
  rebuildDelay: \"30d\\n  source:\\n    repo: evil/repo\"
- {name: b, repository: acme/b, allowTags: '*', autoRebuild: maybe}
- {name: App, repository: acme/c}
- {name: d, source: {}}
- {name: a, repository: acme/e, rebuildDelay: whenever}
",
    );
    let before = sandbox.files();
    assert_snapshot!(sandbox.run(&SYNC), @r#"
    exit 1
    --- stdout
    --- stderr
    error[invalid-value]: invalid delay: "30d\n  source:\n    repo: evil/repo" has the unknown unit "d\n  source:\n    repo: evil/repo"
     --> images.yaml:3:17
      |
    3 |   rebuildDelay: "30d\n  source:\n    repo: evil/repo"
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ expected numbers with units ms, s, m, h, d or w, such as 7d, 24h or 1d12h, at most ten years

    error[invalid-value]: invalid regular expression: repetition operator missing expression
     --> images.yaml:4:44
      |
    4 | - {name: b, repository: acme/b, allowTags: '*', autoRebuild: maybe}
      |                                            ^^^ expected a regular expression such as ^16-alpine$

    error[wrong-type]: autoRebuild is text
     --> images.yaml:4:62
      |
    4 | - {name: b, repository: acme/b, allowTags: '*', autoRebuild: maybe}
      |                                                              ^^^^^ expected true or false

    error[invalid-value]: invalid image name: "App" has "A"
     --> images.yaml:5:10
      |
    5 | - {name: App, repository: acme/c}
      |          ^^^ expected 1 to 50 lower-case letters, digits and "-", with a letter or digit at both ends

    error[missing-key]: this entry has no repository
     --> images.yaml:6:3
      |
    6 | - {name: d, source: {}}
      |   ^ repository is required
      |
      = help: write for example: repository: acme/storefront

    error[missing-key]: source has no repo
     --> images.yaml:6:21
      |
    6 | - {name: d, source: {}}
      |                     ^ repo is required
      |
      = help: write for example: repo: acme/shop

    error[duplicate-name]: two images are called "a"
     --> images.yaml:7:10
      |
    7 | - {name: a, repository: acme/e, rebuildDelay: whenever}
      |          ^ this name is taken
      |
     ::: images.yaml:1:9
      |
    1 | - name: a
      |         - first used here
      |
      = help: names are unique across images.yaml and images.d

    error[invalid-value]: invalid delay: "whenever" lacks a number before "whenever"
     --> images.yaml:7:47
      |
    7 | - {name: a, repository: acme/e, rebuildDelay: whenever}
      |                                               ^^^^^^^^ expected numbers with units ms, s, m, h, d or w, such as 7d, 24h or 1d12h, at most ten years

    error: the configuration has 8 errors; nothing was changed
    "#);
    assert_eq!(sandbox.files(), before);
}

/// B08: a Dockerfile that is a folder.
#[test]
fn one_bad_image_does_not_stop_the_others() {
    let sandbox = two_images();
    sandbox.edit("images.yaml", "shop/Dockerfile", "shop");
    assert_snapshot!(sandbox.run(&SYNC), @"
    exit 3
    --- stdout
    .  2 images: 2 built by us, 0 watched; 1 base

      added  image  shop
      added  image  web          stands on python-3.12
      added  base   python-3.12  docker.io/library/python:3.12

    1 image failed; what was known is kept:
      failed  image  shop  shop: is not a regular file

    Wrote 4 files: dist/image-factory.k8s.yaml, state/base-images/python-3.12.yaml, state/images (2)
    --- stderr
    ");
    let web = sandbox.read("state/images/web.yaml");
    assert!(web.contains("discoveryStatus: success\n"), "{web}");
    assert!(
        sandbox
            .read("state/base-images/python-3.12.yaml")
            .contains("fullImage:")
    );
}

/// B09.
#[test]
fn a_corrupt_state_file_is_isolated() {
    let sandbox = two_images();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let corrupt = "name: shop\nbaseImages: [node-22\n";
    sandbox.write("state/images/shop.yaml", corrupt);
    sandbox.write("shop/Dockerfile", "FROM node:24\n");
    sandbox.write("web/Dockerfile", "FROM python:3.13\n");
    assert_snapshot!(sandbox.run(&SYNC), @"
    exit 3
    --- stdout
    .  2 images: 2 built by us, 0 watched; 3 bases

      changed  image  web          now stands on python-3.13; no longer stands on python-3.12
      added    base   python-3.13  docker.io/library/python:3.13

    1 image failed; what was known is kept:
      failed  image  shop  state/images/shop.yaml cannot be used: this is not YAML: unclosed bracket '['

    Wrote 3 files: dist/image-factory.k8s.yaml, state/base-images/python-3.13.yaml, state/images/web.yaml
    --- stderr
    error[unreadable-state]: state/images/shop.yaml cannot be used: this is not YAML: unclosed bracket '['
     --> state/images/shop.yaml:2:13
      |
    2 | baseImages: [node-22
      |             ^
      |
      = help: mend or delete it; until then it is left as it is

    warning: image shop: while its state cannot be used, its manifests stay as dist/ has them
    ");
    assert_eq!(sandbox.read("state/images/shop.yaml"), corrupt);
    assert!(
        sandbox
            .read("state/images/web.yaml")
            .contains("- python-3.13\n")
    );
    // What it stood on may be needed again as soon as somebody mends the file.
    assert!(
        sandbox
            .read("state/base-images/node-22.yaml")
            .contains("fullImage:")
    );
}

/// B10.
#[test]
fn what_left_the_enrolment_leaves_the_manifests() {
    let sandbox = two_images();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    sandbox.write(
        "images.yaml",
        "- {name: web, repository: acme/web, source: {repo: acme/mono, dockerfile: web/Dockerfile}}\n",
    );
    assert_snapshot!(sandbox.run(&SYNC), @"
    exit 0
    --- stdout
    .  1 image: 1 built by us, 0 watched; 1 base

      archived  image  shop     managed -> archived: removed from the enrolment; kept in state/_archive/images/shop.yaml
      archived  base   node-22  base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/node-22.yaml

    Wrote 3 files: dist/image-factory.k8s.yaml, state/_archive/base-images/node-22.yaml, state/_archive/images/shop.yaml
    Removed 2 files: state/base-images/node-22.yaml, state/images/shop.yaml
    --- stderr
    ");
    let manifests = sandbox.read("dist/image-factory.k8s.yaml");
    assert!(
        !manifests.contains("shop") && !manifests.contains("node"),
        "{manifests}"
    );
    assert!(
        sandbox
            .read("state/_archive/images/shop.yaml")
            .contains("archivedReason:")
    );
}

/// B11.
#[test]
fn a_missing_dockerfile_fails_that_image_and_keeps_its_bases() {
    let mut sandbox = two_images();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    sandbox.edit("images.yaml", "shop/Dockerfile", "shop/Dockerfile.gone");
    sandbox.set_now("2026-12-01T00:00:00Z");
    assert_snapshot!(sandbox.run(&SYNC), @"
    exit 3
    --- stdout
    .  2 images: 2 built by us, 0 watched; 2 bases

      changed  image  shop  enrolment: source.dockerfile; discovery failed

    1 image failed; what was known is kept:
      failed  image  shop  shop/Dockerfile.gone: there is no such file in acme/mono

    Wrote 2 files: dist/image-factory.k8s.yaml, state/images/shop.yaml
    --- stderr
    ");
    let state = sandbox.read("state/images/shop.yaml");
    assert!(state.contains("discoveryStatus: failed\n"), "{state}");
    assert!(state.contains("baseImages:\n  - node-22\n"), "{state}");
}

/// B12.
#[test]
fn no_name_or_path_leads_out() {
    let sandbox = sandbox();
    for (entry, words) in [
        (
            "{name: ../../../pwned, repository: x/y}",
            "invalid image name",
        ),
        ("{name: a/b, repository: x/y}", "invalid image name"),
        (
            "{name: a, repository: x/y, source: {repo: acme/mono, dockerfile: ../x}}",
            "path",
        ),
        (
            "{name: a, repository: x/y, source: {repo: acme/mono, dockerfile: /etc/passwd}}",
            "path",
        ),
        (
            "{name: a, repository: x/y, source: {repo: acme/mono, dockerfile: a/../../x}}",
            "path",
        ),
    ] {
        sandbox.write("images.yaml", format!("- {entry}\n"));
        let before = sandbox.files();
        let outcome = sandbox.run(&SYNC);
        assert_eq!(outcome.code, 1, "{entry}: {outcome}");
        assert!(outcome.stderr.contains(words), "{entry}: {outcome}");
        assert!(
            outcome.stderr.contains("images.yaml:1:"),
            "{entry}: {outcome}"
        );
        assert_eq!(sandbox.files(), before);
    }
}

/// B13.
#[test]
fn a_path_of_another_repository_is_not_read_from_this_one() {
    let sandbox = two_images();
    sandbox.edit(
        "images.yaml",
        "{repo: acme/mono, dockerfile: shop",
        "{repo: other/project, dockerfile: shop",
    );
    assert_snapshot!(sandbox.run(&SYNC), @"
    exit 3
    --- stdout
    .  2 images: 2 built by us, 0 watched; 1 base

      added  image  shop
      added  image  web          stands on python-3.12
      added  base   python-3.12  docker.io/library/python:3.12

    1 image failed; what was known is kept:
      failed  image  shop  cannot read other/project on github.com: transport 'https' not allowed

    Wrote 4 files: dist/image-factory.k8s.yaml, state/base-images/python-3.12.yaml, state/images (2)
    --- stderr
    ");
    let state = sandbox.read("state/images/shop.yaml");
    assert!(state.contains("baseImages: []\n"), "{state}");
}

/// B14, B15: an option without effect would hide that nothing was recorded or pushed.
#[test]
fn an_option_that_is_not_known_is_refused() {
    let sandbox = two_images();
    let before = sandbox.files();
    for arguments in [
        ["analyze", "--tagg=9.9.9"],
        ["sync", "--pushh"],
        ["analyze", "no-such-image"],
    ] {
        let outcome = sandbox.run(&arguments);
        assert_eq!(outcome.code, 2, "{outcome}");
    }
    assert_eq!(sandbox.files(), before);
}

/// B19.
#[test]
fn a_reader_never_sees_half_a_file_while_runs_contend() {
    let sandbox = sandbox();
    let entries: String = (0..40)
        .map(|n| format!("- {{name: i{n}, repository: acme/i{n}, source: {{repo: acme/mono}}}}\n"))
        .collect();
    sandbox.write("images.yaml", entries);
    sandbox.write("Dockerfile", "FROM node:0\n");
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                for n in 0..40 {
                    let text = sandbox.read(&format!("state/images/i{n}.yaml"));
                    assert!(
                        text.starts_with("# Written by") && text.ends_with("lastBuilt: null\n"),
                        "half a file:\n{text}"
                    );
                    reads += 1;
                }
            }
            reads
        });
        for round in 1..6 {
            sandbox.write("Dockerfile", format!("FROM node:{round}\n"));
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| sandbox.run(&SYNC))).collect();
            let outcomes: Vec<_> = runs.into_iter().map(|run| run.join()).collect();
            for outcome in outcomes {
                match outcome {
                    Ok(outcome) if outcome.code == 0 => {}
                    Ok(outcome) => {
                        assert_eq!(outcome.code, 1, "{outcome}");
                        assert!(
                            outcome.stderr.contains("another run is at work"),
                            "{outcome}"
                        );
                    }
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        match reader.join() {
            Ok(reads) => assert!(reads > 0),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    assert_eq!(sandbox.run(&SYNC).code, 0);
    assert!(sandbox.read("state/images/i39.yaml").contains("- node-5\n"));
}

/// X12.
#[test]
fn a_template_dockerfile_fails_alone_in_every_run() {
    let sandbox = two_images();
    for text in [
        "FROM {{ base }}\n",
        "FROM @@BASE@@\n",
        "FROM `node`\n",
        "FROM ${BASE}\n",
    ] {
        sandbox.write("shop/Dockerfile", text);
        for _ in 0..2 {
            let outcome = sandbox.run(&SYNC);
            assert_eq!(outcome.code, 3, "{outcome}");
            assert!(
                outcome
                    .stdout
                    .contains("failed  image  shop  shop/Dockerfile:1:"),
                "{outcome}"
            );
        }
        assert_eq!(sandbox.run(&["check"]).code, 0, "the state can be read");
        assert!(
            sandbox
                .read("state/images/web.yaml")
                .contains("- python-3.12\n")
        );
    }
}
