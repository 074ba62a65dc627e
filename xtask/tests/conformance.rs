//! `cargo xtask conformance` as a person runs it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may panic, and say what they skip"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn conformance(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("conformance")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with schemas that know projects and nothing else.
fn small_schemas() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        (
            "crds/projects.yaml",
            "kind: CustomResourceDefinition
spec:
  group: kargo.akuity.io
  names: {kind: Project, plural: projects}
  scope: Cluster
  versions: [{name: v1alpha1, served: true, schema: {openAPIV3Schema: {type: object}}}]
",
        ),
        ("step-schemas/fail-config.json", "{}"),
        ("subscription-schemas/git.json", "{}"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn the_example_fleet_fits() {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/kargo");
    if !schemas.exists() {
        eprintln!("skipped: no schemas of Kargo in ../shared/kargo beside the checkout");
        return;
    }
    let output = conformance(&["--schemas", schemas.to_str().unwrap(), "--format", "json"]);
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["errors"], 0);
    // A namespace, a project, its configuration, and something that is watched.
    assert!(report["documents"].as_u64().unwrap() > 3, "{report}");
}

#[test]
fn errors_are_shown_and_end_with_1() {
    let folder = small_schemas();
    let schemas = folder.path().to_str().unwrap();
    let manifest: PathBuf = folder.path().join("manifest.yaml");
    fs::write(
        &manifest,
        "apiVersion: kargo.akuity.io/v1alpha1\nkind: Project\nmetadata: {name: a, namespace: a}\nspec: {}\n",
    )
    .unwrap();
    let manifest = manifest.to_str().unwrap();

    let output = conformance(&["--schemas", schemas, manifest]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(text(&output.stdout).replace(schemas, "."), @"
    error[schema]: ./manifest.yaml, document 1, Project/a: Additional properties are not allowed ('spec' was unexpected)
        from: crds/projects.yaml
    error[namespace]: ./manifest.yaml, document 1, Project/a, /metadata/namespace: objects of this kind belong to the cluster and to no namespace
        from: Kargo v1.11.2, pkg/webhook/kubernetes/project.go
    1 document, 2 errors, 0 warnings
    ");

    let output = conformance(&["--schemas", schemas, "--format", "json", manifest]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(text(&output.stdout).replace(schemas, "."), @r#"
    {
      "schemaVersion": 1,
      "documents": 1,
      "errors": 2,
      "warnings": 0,
      "findings": [
        {
          "severity": "error",
          "rule": "schema",
          "file": "./manifest.yaml",
          "document": 0,
          "kind": "Project",
          "name": "a",
          "path": "",
          "message": "Additional properties are not allowed ('spec' was unexpected)",
          "source": "crds/projects.yaml"
        },
        {
          "severity": "error",
          "rule": "namespace",
          "file": "./manifest.yaml",
          "document": 0,
          "kind": "Project",
          "name": "a",
          "path": "/metadata/namespace",
          "message": "objects of this kind belong to the cluster and to no namespace",
          "source": "Kargo v1.11.2, pkg/webhook/kubernetes/project.go"
        }
      ]
    }
    "#);

    fs::write(
        manifest,
        "apiVersion: kargo.akuity.io/v1alpha1\nkind: Project\nmetadata: {name: a}\n",
    )
    .unwrap();
    let output = conformance(&["--schemas", schemas, manifest]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(text(&output.stdout), @"1 document, 0 errors, 0 warnings");
}

#[test]
fn nothing_to_check_is_an_error() {
    let folder = small_schemas();
    let schemas = folder.path().to_str().unwrap();
    let empty = folder.path().join("empty.yaml");
    fs::write(&empty, "# nothing\n").unwrap();
    for arguments in [
        &["--schemas", schemas, empty.to_str().unwrap()][..],
        &["--schemas", schemas, "no such file"],
        &["--schemas", "no such folder", empty.to_str().unwrap()],
    ] {
        let output = conformance(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).starts_with("error: "));
    }
}
