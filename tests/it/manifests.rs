//! Manifests.

use imgfac_tests::Sandbox;
use insta::assert_snapshot;

const IMAGES: &str = "\
- name: web
  registry: ghcr.io
  repository: acme/web
  source: {repo: acme/shop}
- name: api
  registry: ghcr.io
  repository: acme/api
  source: {repo: acme/shop, dockerfile: api/Dockerfile}
";

fn factory() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_imgfac-under-test"));
    sandbox.write("f/images.yaml", IMAGES);
    for name in ["web", "api"] {
        sandbox.write(
            &format!("f/state/images/{name}.yaml"),
            format!(
                "name: {name}\ndiscoveryStatus: success\nbaseImages: [node-22]\ncurrentVersion: main\n"
            ),
        );
    }
    sandbox.write(
        "f/state/base-images/node-22.yaml",
        "name: node-22\nfullImage: docker.io/library/node:22\n",
    );
    sandbox
}

#[test]
fn the_same_input_writes_nothing_twice() {
    let sandbox = factory();
    assert_snapshot!(sandbox.run(&["synth", "-C", "f"]), @"
    exit 0
    --- stdout
    Wrote dist/image-factory.k8s.yaml
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["synth", "-C", "f"]), @"
    exit 0
    --- stdout
    Nothing changed, nothing written.
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["synth", "-C", "f", "--check"]), @"
    exit 0
    --- stdout
    Nothing changed, nothing written.
    --- stderr
    ");
}

#[test]
fn split_files_take_the_place_of_the_one_and_only_what_differs_is_written() {
    let sandbox = factory();
    assert_eq!(sandbox.run(&["synth", "-C", "f"]).code, 0);
    assert_snapshot!(sandbox.run(&["synth", "-C", "f", "--split", "--with-secret-stubs"]), @"
    exit 0
    --- stdout
    Wrote dist/common.k8s.yaml
    Wrote dist/image-api.k8s.yaml
    Wrote dist/image-web.k8s.yaml
    Wrote dist/base-node-22.k8s.yaml
    Wrote dist/secrets.k8s.yaml
    Removed dist/image-factory.k8s.yaml
    --- stderr
    ");
    sandbox.write("f/images.yaml", IMAGES.replace("acme/api", "acme/api2"));
    assert_snapshot!(sandbox.run(&["synth", "-C", "f", "--split", "--with-secret-stubs"]), @"
    exit 0
    --- stdout
    Wrote dist/image-api.k8s.yaml
    --- stderr
    ");
}

#[test]
fn a_base_without_state_is_told_and_the_rest_is_written() {
    let sandbox = factory();
    std::fs::remove_file(sandbox.path().join("f/state/base-images/node-22.yaml")).unwrap();
    assert_snapshot!(sandbox.run(&["synth", "-C", "f"]), @"
    exit 3
    --- stdout
    Wrote dist/image-factory.k8s.yaml
    --- stderr
    warning: image api: it stands on node-22, of which there is no usable state: its updates do not rebuild it
    warning: image web: it stands on node-22, of which there is no usable state: its updates do not rebuild it
    ");
    let text = sandbox.read("f/dist/image-factory.k8s.yaml");
    assert!(text.contains("name: analyze-dockerfile-web\n"));
    assert!(!text.contains("rebuild-trigger-"));
}

#[test]
fn an_unreadable_state_leaves_its_image_out() {
    let sandbox = factory();
    sandbox.write("f/state/images/web.yaml", "name: [web\n");
    assert_snapshot!(sandbox.run(&["synth", "-C", "f"]), @"
    exit 3
    --- stdout
    Wrote dist/image-factory.k8s.yaml
    --- stderr
    error[unreadable-state]: state/images/web.yaml cannot be used: this is not YAML: unclosed bracket '['
     --> f/state/images/web.yaml:1:7
      |
    1 | name: [web
      |       ^
      |
      = help: mend or delete it; until then it is left as it is
    ");
    let text = sandbox.read("f/dist/image-factory.k8s.yaml");
    assert!(text.contains("name: rebuild-trigger-api\n"));
    assert!(!text.contains("-web\n"));
}

#[test]
fn what_kargo_cannot_watch_ends_with_three() {
    let sandbox = factory();
    sandbox.write(
        "f/images.d/odd.yaml",
        "- {name: odd, repository: acme/a--b}\n",
    );
    let outcome = sandbox.run(&["synth", "-C", "f", "-o", "-"]);
    assert_eq!(outcome.code, 3);
    assert_snapshot!(outcome.stderr, @r#"warning: image odd: Kargo cannot watch docker.io/acme/a--b: it takes letters, digits and "_", joined by a single "." or "-""#);
    assert_eq!(sandbox.run(&["synth", "-C", "f", "--check"]).code, 3);
    assert_eq!(sandbox.run(&["sync", "-C", "f"]).code, 3);
}

#[test]
fn secrets_are_no_part_of_the_manifests_unless_asked_for() {
    let sandbox = factory();
    let plain = sandbox.run(&["synth", "-C", "f", "-o", "-"]);
    assert!(!plain.stdout.contains("kind: Secret"));
    let stubs = sandbox.run(&["synth", "-C", "f", "-o", "-", "--with-secret-stubs"]);
    assert!(stubs.stdout.starts_with(&plain.stdout));
    let names: Vec<_> = stubs.stdout[plain.stdout.len()..]
        .lines()
        .filter(|line| line.starts_with("  name: "))
        .collect();
    assert_snapshot!(names.join("\n"), @"
    name: git-github-com-acme-639f80106b
    name: imgfac-dispatch-github
    name: imgfac-git
    name: registry-docker-io-5f381b7f1b
    name: registry-ghcr-io-128ad5dcdc
    ");
}
