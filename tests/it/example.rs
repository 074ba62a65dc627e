//! The example fleet: what a new user tries first, and the whole of what comes out.

use std::path::Path;

use imgfac_tests::Sandbox;
use insta::assert_snapshot;

use crate::sandbox;

/// The example as a user finds it: without `state/` and `dist/`.
fn example() -> Sandbox {
    let sandbox = sandbox();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/fleet");
    sandbox.copy(&example, "fleet", &["state", "dist"]);
    sandbox
}

#[test]
fn a_first_sync_says_what_it_found_and_writes_everything() {
    let sandbox = example();
    assert_snapshot!("summary", sandbox.run(&["-C", "fleet", "sync"]));
    assert_snapshot!(
        "manifests",
        sandbox.read("fleet/dist/image-factory.k8s.yaml")
    );
    assert_snapshot!(
        "image_state",
        sandbox.read("fleet/state/images/storefront.yaml")
    );
    assert_snapshot!(
        "base_state",
        sandbox.read("fleet/state/base-images/debian-bookworm-slim-sha256-7d3f6c1e0b9a.yaml")
    );
}

#[test]
fn a_second_sync_writes_nothing_whenever_it_runs() {
    let mut sandbox = example();
    assert_eq!(sandbox.run(&["-C", "fleet", "sync"]).code, 0);
    let before = sandbox.files();
    sandbox.set_now("2031-01-01T00:00:00Z");
    assert_snapshot!(sandbox.run(&["-C", "fleet", "sync"]), @"
    exit 0
    --- stdout
    fleet  16 images: 14 built by us, 2 watched; 20 bases; 4 on images of our own

    Nothing changed, nothing written.
    --- stderr
    ");
    assert_eq!(
        sandbox.files(),
        before,
        "not even a file of the same content is new"
    );
}

#[test]
fn a_check_after_a_sync_finds_nothing_until_somebody_edits() {
    let sandbox = example();
    let check = ["-C", "fleet", "sync", "--check"];
    let before = sandbox.files();
    assert_eq!(sandbox.run(&check).code, 4, "nothing is written yet");
    assert_eq!(sandbox.files(), before, "--check writes nothing");

    assert_eq!(sandbox.run(&["-C", "fleet", "sync"]).code, 0);
    assert_snapshot!(sandbox.run(&check), @"
    exit 0
    --- stdout
    fleet  16 images: 14 built by us, 2 watched; 20 bases; 4 on images of our own

    Nothing changed, nothing written.
    --- stderr
    ");

    sandbox.edit(
        "fleet/images.yaml",
        "rebuildDelay: 2d12h",
        "rebuildDelay: 5d",
    );
    let before = sandbox.files();
    assert_snapshot!(sandbox.run(&check), @"
    exit 4
    --- stdout
    fleet  16 images: 14 built by us, 2 watched; 20 bases; 4 on images of our own

      changed  image  storefront  enrolment: rebuildDelay

    Would write 2 files: dist/image-factory.k8s.yaml, state/images/storefront.yaml
    --- stderr
    ");
    assert_eq!(sandbox.files(), before, "--check writes nothing");

    sandbox.edit(
        "fleet/checkouts/shop/services/catalog/Dockerfile",
        "JAVA_VERSION=21",
        "JAVA_VERSION=25",
    );
    assert_snapshot!(sandbox.run(&check), @"
    exit 4
    --- stdout
    fleet  16 images: 14 built by us, 2 watched; 20 bases; 4 on images of our own

      changed   image  catalog                       now stands on eclipse-temurin-25-jre; now stands on maven-3.9-eclipse-temurin-25; no longer stands on eclipse-temurin-21-jre; no longer stands on maven-3.9-eclipse-temurin-21
      changed   image  storefront                    enrolment: rebuildDelay
      archived  base   eclipse-temurin-21-jre        base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/eclipse-temurin-21-jre.yaml
      added     base   eclipse-temurin-25-jre        docker.io/library/eclipse-temurin:25-jre
      archived  base   maven-3.9-eclipse-temurin-21  base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/maven-3.9-eclipse-temurin-21.yaml
      added     base   maven-3.9-eclipse-temurin-25  docker.io/library/maven:3.9-eclipse-temurin-25

    Would write 7 files: dist/image-factory.k8s.yaml, state/_archive/base-images (2), state/base-images (2), state/images (2)
    Would remove 2 files: state/base-images (2)
    --- stderr
    ");
}

#[test]
fn a_manifest_that_somebody_edited_is_made_again() {
    let sandbox = example();
    assert_eq!(sandbox.run(&["-C", "fleet", "sync"]).code, 0);
    let path = "fleet/dist/image-factory.k8s.yaml";
    let text = sandbox.read(path);
    sandbox.edit(path, "kind: Namespace", "kind: NameSpace");
    assert_eq!(sandbox.run(&["-C", "fleet", "sync", "--check"]).code, 4);
    assert_snapshot!(sandbox.run(&["-C", "fleet", "sync"]), @"
    exit 0
    --- stdout
    fleet  16 images: 14 built by us, 2 watched; 20 bases; 4 on images of our own

    Wrote 1 file: dist/image-factory.k8s.yaml
    --- stderr
    ");
    assert_eq!(sandbox.read(path), text);
}

#[test]
fn split_manifests_hold_the_same_documents() {
    let sandbox = example();
    assert_eq!(sandbox.run(&["-C", "fleet", "sync"]).code, 0);
    let whole = documents(&sandbox.read("fleet/dist/image-factory.k8s.yaml"));
    assert_snapshot!("split", sandbox.run(&["-C", "fleet", "synth", "--split"]));
    let mut parts: Vec<String> = sandbox
        .files()
        .into_keys()
        .filter(|path| path.starts_with("fleet/dist/"))
        .flat_map(|path| documents(&sandbox.read(&path)))
        .collect();
    let mut whole = whole;
    whole.sort();
    parts.sort();
    assert_eq!(parts, whole);
}

/// The documents of a manifest, without the comments before them.
fn documents(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines
        .join("\n")
        .split("---\n")
        .map(|document| document.trim().to_owned())
        .filter(|document| !document.is_empty())
        .collect()
}
