//! `imgfac init`.

use insta::assert_snapshot;

use crate::sandbox;

#[test]
fn a_new_factory_is_made_and_is_without_mistakes() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.run(&["init"]), @"
    exit 0
    --- stdout
    Made image-factory with 7 files.

    Next:
      1. list your images in image-factory/images.yaml
      2. imgfac -C image-factory check
      3. imgfac -C image-factory sync
    --- stderr
    ");
    let files: Vec<String> = sandbox.files().into_keys().collect();
    assert_snapshot!(files.join("\n"), @"
    image-factory/images.yaml
    image-factory/imgfac.yaml
    image-factory/schema/base-state.schema.json
    image-factory/schema/image-state.schema.json
    image-factory/schema/images.schema.json
    image-factory/schema/notifications-state.schema.json
    image-factory/schema/settings.schema.json
    ");
    assert_snapshot!(sandbox.run(&["check"]), @"
    exit 0
    --- stdout
    ok: 0 images, no mistakes
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["sync"]), @"
    exit 0
    --- stdout
    image-factory  0 images: 0 built by us, 0 watched; 0 bases

    Wrote 1 file: dist/image-factory.k8s.yaml
    --- stderr
    ");
    assert_eq!(sandbox.run(&["sync", "--check"]).code, 0);
}

#[test]
fn another_folder_may_be_named() {
    let sandbox = sandbox();
    let outcome = sandbox.run(&["init", "-C", "a/b", "--quiet"]);
    assert_eq!(
        (
            outcome.code,
            outcome.stdout.as_str(),
            outcome.stderr.as_str()
        ),
        (0, "", "")
    );
    assert!(
        sandbox
            .read("a/b/images.yaml")
            .contains("yaml-language-server")
    );
}

#[test]
fn nothing_is_overwritten() {
    let sandbox = sandbox();
    sandbox.write("image-factory/imgfac.yaml", "namespace: mine\n");
    let before = sandbox.files();
    assert_snapshot!(sandbox.run(&["init"]), @"
    exit 1
    --- stdout
    --- stderr
    error: image-factory has a file imgfac.yaml already
    hint: nothing was changed; imgfac check tells what is wrong with it, if anything
    ");
    assert_eq!(sandbox.files(), before);
    sandbox.write("file", "");
    assert_snapshot!(sandbox.run(&["init", "-C", "file"]), @"
    exit 1
    --- stdout
    --- stderr
    error: cannot make file: File exists (os error 17)
    ");
}

/// Every line of the example works when its mark is taken away.
#[test]
fn the_examples_of_the_templates_are_without_mistakes() {
    let sandbox = sandbox();
    assert_eq!(sandbox.run(&["init"]).code, 0);
    for file in ["images.yaml", "imgfac.yaml"] {
        let path = format!("image-factory/{file}");
        let text = sandbox.read(&path);
        let entry = |line: &&str| {
            let line = line.trim_start_matches("# ");
            line.starts_with("- ")
                || line.starts_with("  ")
                || line
                    .split_once(':')
                    .is_some_and(|(key, _)| !key.contains(' '))
        };
        let lines: Vec<&str> = text
            .lines()
            .skip(1)
            .filter(entry)
            .map(|line| line.strip_prefix("# ").unwrap_or(line))
            .collect();
        assert!(lines.len() > 10, "{lines:?}");
        sandbox.write(&path, lines.join("\n"));
    }
    let outcome = sandbox.run(&["check"]);
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(outcome.stdout.contains("2 images"), "{outcome}");
}
