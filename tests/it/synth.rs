//! `imgfac synth`.

use insta::assert_snapshot;

use crate::graph;
use crate::shop::shop;

#[test]
fn manifests_follow_from_state_and_nothing_is_written_twice() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&["-C", "factory", "analyze"]).code, 0);
    assert_eq!(sandbox.run(&["-C", "factory", "synth", "--check"]).code, 4);
    assert_snapshot!(sandbox.run(&["-C", "factory", "synth"]), @"
    exit 0
    --- stdout
    Wrote dist/image-factory.k8s.yaml
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["-C", "factory", "synth"]), @"
    exit 0
    --- stdout
    Nothing changed, nothing written.
    --- stderr
    ");
    assert_eq!(sandbox.run(&["-C", "factory", "synth", "--check"]).code, 0);
    assert_eq!(
        sandbox
            .run(&["-C", "factory", "synth", "--quiet", "--split"])
            .stdout,
        ""
    );
}

#[test]
fn an_image_that_was_never_analysed_is_watched_all_the_same() {
    let sandbox = shop();
    let outcome = sandbox.run(&["-C", "factory", "synth", "-o", "-"]);
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(
        outcome.stdout.contains("name: analyze-dockerfile-web\n"),
        "{outcome}"
    );
    assert!(outcome.stderr.is_empty(), "{outcome}");
}

#[test]
fn the_output_may_go_elsewhere() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&["-C", "factory", "sync"]).code, 0);
    let manifests = sandbox.read("factory/dist/image-factory.k8s.yaml");
    let outcome = sandbox.run(&["-C", "factory", "synth", "--output", "-"]);
    assert_eq!(
        (
            outcome.code,
            outcome.stdout.as_str(),
            outcome.stderr.as_str()
        ),
        (0, manifests.as_str(), "")
    );
    assert_eq!(
        sandbox
            .run(&["-C", "factory", "synth", "-o", "all.yaml"])
            .code,
        0
    );
    assert_eq!(sandbox.read("all.yaml"), manifests);
    assert_snapshot!(sandbox.run(&["-C", "factory", "synth", "-o", "no/such/folder.yaml"]), @"
    exit 1
    --- stdout
    --- stderr
    error: cannot write no/such/folder.yaml: No such file or directory (os error 2)
    ");
    assert_eq!(
        sandbox
            .run(&["-C", "factory", "synth", "-o", "x", "--split"])
            .code,
        2
    );
    assert_eq!(
        sandbox
            .run(&["-C", "factory", "synth", "-o", "x", "--check"])
            .code,
        2
    );
}

#[test]
fn files_of_others_stay_and_files_of_ours_go() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&["-C", "factory", "sync", "--split"]).code, 0);
    sandbox.write("factory/dist/mine.yaml", "kind: ConfigMap\n");
    sandbox.write("factory/dist/notes.txt", "mine\n");
    sandbox.write(
        "factory/images.yaml",
        "- {name: redis, repository: redis}\n",
    );
    assert_snapshot!(sandbox.run(&["-C", "factory", "sync", "--split"]), @"
    exit 0
    --- stdout
    factory  1 image: 0 built by us, 1 watched; 0 bases

      archived  image  base         managed -> archived: removed from the enrolment; kept in state/_archive/images/base.yaml
      changed   image  redis        enrolment: allowTags
      archived  image  web          managed -> archived: removed from the enrolment; kept in state/_archive/images/web.yaml
      archived  base   debian-12    base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/debian-12.yaml
      archived  base   golang-1.24  base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/golang-1.24.yaml
      archived  base   node-22      base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/node-22.yaml

    Wrote 8 files: dist (2), state/_archive/base-images (3), state/_archive/images (2), state/images/redis.yaml
    Removed 10 files: dist (5), state/base-images (3), state/images (2)
    --- stderr
    ");
    assert_eq!(sandbox.read("factory/dist/mine.yaml"), "kind: ConfigMap\n");
    assert_eq!(sandbox.read("factory/dist/notes.txt"), "mine\n");
}

#[test]
fn a_base_whose_state_cannot_be_used_keeps_its_name_and_its_manifests() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&["-C", "factory", "sync"]).code, 0);
    let path = "factory/state/base-images/debian-12.yaml";
    let twice = format!("{}previousDigest: null\n", sandbox.read(path));
    sandbox.write(path, &twice);
    assert_snapshot!(sandbox.run(&["-C", "factory", "synth", "--check"]), @r#"
    exit 3
    --- stdout
    Nothing changed, nothing written.
    --- stderr
    error[unreadable-state]: state/base-images/debian-12.yaml cannot be used: the key "previousDigest" stands twice
      --> factory/state/base-images/debian-12.yaml:33:1
       |
    33 | previousDigest: null
       | ^^^^^^^^^^^^^^
       |
       = help: mend or delete it; until then it is left as it is
    "#);
    // A new run of everything does not make a second base of it.
    assert_eq!(sandbox.run(&["-C", "factory", "sync", "--check"]).code, 3);
    let before = sandbox.files();
    assert_snapshot!(sandbox.run(&["-C", "factory", "sync", "-q"]), @r#"
    exit 3
    --- stdout
    factory  3 images: 2 built by us, 1 watched; 3 bases; 1 on images of our own

    1 base failed; what was known is kept:
      failed  base  debian-12  state/base-images/debian-12.yaml cannot be used: the key "previousDigest" stands twice

    Nothing changed, nothing written.
    --- stderr
    "#);
    assert_eq!(sandbox.files(), before);

    // Not even when the file says nothing: the Dockerfile does, and the name is that of its image.
    sandbox.write(path, "");
    let before = sandbox.files();
    assert_eq!(sandbox.run(&["-C", "factory", "sync"]).code, 3);
    assert_eq!(sandbox.files(), before);

    // Nobody names it any more: what cannot be used is not thrown away.
    sandbox.edit("shop/base/Dockerfile", "debian:12", "debian:13");
    let outcome = sandbox.run(&["-C", "factory", "sync"]);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert!(!outcome.stdout.contains("archived"), "{outcome}");
    assert_eq!(sandbox.read(path), "");
}

#[test]
fn a_circle_is_told_once_and_left_to_people() {
    let sandbox = graph::factory(true);
    for command in [
        &["-C", "f", "sync"][..],
        &["-C", "f", "sync", "--quiet"],
        &["-C", "f", "synth"],
    ] {
        let outcome = sandbox.run(command);
        assert_eq!(outcome.code, 3, "{outcome}");
        assert_eq!(
            outcome.stderr.matches("in a circle: one, two").count(),
            1,
            "{outcome}"
        );
    }
    let status = sandbox.run(&["-C", "f", "status", "two"]).stdout;
    for line in [
        "rebuild     7d after a base update, only by a person, criticality normal",
        "circle      of one, two",
    ] {
        assert!(status.contains(line), "{status}");
    }
}
