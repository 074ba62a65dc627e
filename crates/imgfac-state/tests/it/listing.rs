//! Entries that leave images.yaml and come back.

use imgfac_model::ImageName;
use imgfac_state::{Configuration, FileChange, Fleet, ListingError, Store};
use insta::assert_snapshot;

use crate::factory::Factory;

const IMAGES: &str = "\
# All of ours.

- name: web
  registry: ghcr.io
  repository: acme/web
  source: {provider: github, repo: acme/web, dockerfile: Dockerfile, buildArgs: {A: \"1\"}}
  updates:
    - {repo: acme/deploy, path: prod, type: kustomize-set-image}

# Watched.
- {name: postgres, repository: library/postgres, allowTags: '^16', constraint: '>=16'}
";

fn name(name: &str) -> ImageName {
    ImageName::new(name).unwrap()
}

fn text(change: FileChange) -> String {
    match change {
        FileChange::Write { path, text } => format!("{path}\n{text}"),
        FileChange::Remove { path } => format!("removed {path}"),
    }
}

#[test]
fn an_entry_leaves_and_comes_back() {
    let factory = Factory::new(IMAGES);
    factory.update("2026-11-01T00:00:00Z", &[("web", Ok(&["node:22"]))]);
    let store = Store::open(factory.0.path()).unwrap();
    let before = Configuration::read(&store).unwrap();
    let fleet = Fleet::read(&store).unwrap();

    for image in ["web", "postgres"] {
        let image = name(image);
        let left = before.without_entry(&store, &image).unwrap().unwrap();
        store.commit(&[left]).unwrap();
        let without = Configuration::read(&store).unwrap();
        assert!(!without.has_errors() && !without.images.contains_key(image.as_str()));
        let stored = &fleet.images[image.as_str()];
        store
            .commit(&[without.with_entry(&store, &image, stored).unwrap().file])
            .unwrap();
        let after = Configuration::read(&store).unwrap();
        let (old, new) = (
            &before.images[image.as_str()],
            &after.images[image.as_str()],
        );
        assert_eq!(old.enrolment, new.enrolment);
    }
    assert_snapshot!(factory.read("images.yaml"), @r#"
    # All of ours.

    # Watched.
    - name: web
      registry: ghcr.io
      repository: acme/web
      source:
        provider: github
        repo: acme/web
        branch: main
        dockerfile: Dockerfile
        buildArgs:
          A: "1"
      updates:
        - repo: acme/deploy
          branch: main
          path: prod
          type: kustomize-set-image
    - name: postgres
      registry: docker.io
      repository: library/postgres
      constraint: ">=16"
      allowTags: ^16
    "#);
    assert_eq!(before.without_entry(&store, &name("api")).unwrap(), None);
}

#[test]
fn a_team_s_file_is_changed_where_the_entry_is() {
    let factory = Factory::new(IMAGES);
    factory.write(
        "images.d/team.yaml",
        "- {name: api, repository: acme/api}\n",
    );
    let store = Store::open(factory.0.path()).unwrap();
    let configuration = Configuration::read(&store).unwrap();
    let left = configuration
        .without_entry(&store, &name("api"))
        .unwrap()
        .unwrap();
    assert_snapshot!(text(left), @"
    images.d/team.yaml
    []
    ");
}

#[test]
fn an_entry_comes_back_to_the_file_that_had_it() {
    let factory = Factory::new("[]\n");
    let api = "- {name: api, repository: acme/api}\n";
    factory.write("images.d/team.yaml", api);
    factory.update("2026-11-01T00:00:00Z", &[]);
    factory.write("images.d/team.yaml", "[]\r\n");
    factory.write("images.d/link.txt", "[]\n");
    let store = Store::open(factory.0.path()).unwrap();
    let configuration = Configuration::read(&store).unwrap();
    let mut stored = Fleet::read(&store).unwrap().images["api"].clone();
    for (enrolled_in, path, gone) in [
        (Some("images.d/team.yaml"), "images.d/team.yaml", None),
        (Some("images.yaml"), "images.yaml", None),
        (None, "images.yaml", None),
        (
            Some("images.d/other.yaml"),
            "images.yaml",
            Some("images.d/other.yaml"),
        ),
        (
            Some("images.d/link.txt"),
            "images.yaml",
            Some("images.d/link.txt"),
        ),
        (
            Some("images.d/../imgfac.yaml"),
            "images.yaml",
            Some("images.d/../imgfac.yaml"),
        ),
        (
            Some("../images.yaml"),
            "images.yaml",
            Some("../images.yaml"),
        ),
        (Some("/etc/passwd"), "images.yaml", Some("/etc/passwd")),
    ] {
        if let Some(file) = enrolled_in {
            let file = imgfac_yaml::Value::Text(file.into());
            stored.rest.set("enrolledIn", file);
        } else {
            stored.rest.remove("enrolledIn");
        }
        let listed = configuration.with_entry(&store, &name("api"), &stored);
        let listed = listed.unwrap();
        assert_eq!(listed.gone.as_deref(), gone);
        let end = if path == "images.yaml" { "\n" } else { "\r\n" };
        let entry = [
            "- name: api",
            "  registry: docker.io",
            "  repository: acme/api",
            "",
        ];
        assert_eq!(text(listed.file), format!("{path}\n{}", entry.join(end)));
    }
}

#[test]
fn what_cannot_be_listed_is_told() {
    let factory = Factory::new("[{name: web, repository: acme/web}]\n");
    factory.update("2026-11-01T00:00:00Z", &[]);
    let store = Store::open(factory.0.path()).unwrap();
    let configuration = Configuration::read(&store).unwrap();
    let refused = configuration
        .without_entry(&store, &name("web"))
        .unwrap_err();
    assert_snapshot!(refused, @"images.yaml cannot be changed: its list is written in a way that only a person can change");

    let mut stored = Fleet::read(&store).unwrap().images["web"].clone();
    stored.rest.set(
        "enrollment",
        imgfac_yaml::Value::Map(vec![(
            "repository".into(),
            imgfac_yaml::Value::Text("UP".into()),
        )]),
    );
    factory.write("images.yaml", "[]\n");
    let configuration = Configuration::read(&store).unwrap();
    let invalid = configuration
        .with_entry(&store, &name("web"), &stored)
        .unwrap_err();
    assert_snapshot!(invalid, @r#"what the state of "web" says is no valid entry: invalid repository: repository "UP" must be lower-case"#);
    stored.rest.remove("enrollment");
    let nothing = configuration
        .with_entry(&store, &name("web"), &stored)
        .unwrap_err();
    assert!(matches!(nothing, ListingError::NoEnrolment(_)));
}
