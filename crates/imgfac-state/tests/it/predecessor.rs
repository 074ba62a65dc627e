//! What the predecessor got wrong in state files, each as the behaviour that is right.
//!
//! The letters and numbers are those of the list of its faults.

use insta::assert_snapshot;

use crate::factory::{Factory, NOW};

const APP: &str = "\
- name: app
  repository: acme/app
  source: {repo: acme/app}
";
const LATER: &str = "2027-01-01T00:00:00Z";

/// The lines of a file that begin with one of these keys, at any depth.
fn lines(text: &str, keys: &[&str]) -> String {
    let begins = |line: &&str| {
        let line = line.trim_start().trim_start_matches("- ");
        keys.iter()
            .any(|key| line.split_once(':').is_some_and(|(found, _)| found == *key))
    };
    text.lines().filter(begins).collect::<Vec<_>>().join("\n")
}

/// A factory with one image that stands on one base; `state` is added to the file that it finds.
fn app_with_state(state: &str) -> Factory {
    let factory = Factory::new(APP);
    factory.update(NOW, &[("app", Ok(&["node:22"]))]);
    let path = "state/images/app.yaml";
    let kept: String = factory
        .read(path)
        .lines()
        .filter(|line| {
            !state
                .lines()
                .any(|new| key(new).is_some() && key(new) == key(line))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    factory.write(path, &format!("{kept}{state}"));
    factory
}

fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(':')?;
    (!key.starts_with([' ', '#', '-'])).then_some(key)
}

/// B01.
#[test]
fn no_time_moves_when_nothing_is_new() {
    let factory = Factory::new(APP);
    factory.update(NOW, &[("app", Ok(&["node:22"]))]);
    assert_eq!(factory.update(LATER, &[("app", Ok(&["node:22"]))]), "");
}

/// B02.
#[test]
fn history_metadata_eligibility_and_unknown_fields_of_a_base_survive() {
    let factory = Factory::new(APP);
    factory.update(NOW, &[("app", Ok(&["node:22"]))]);
    let path = "state/base-images/node-22.yaml";
    factory.write(
        path,
        "\
name: node-22
fullImage: docker.io/library/node:22
firstDiscovered: '2024-01-01T00:00:00Z'
lastChecked: '2024-06-01T00:00:00Z'
currentDigest: sha256:new
lastUpdated: '2024-05-01T00:00:00Z'
previousDigest: sha256:old
rebuildEligibleAt: {default: '2024-05-08T00:00:00Z'}
metadata: {cves: [{id: CVE-2024-1, severity: high}]}
updateHistory: [{digest: sha256:old, at: '2024-01-01T00:00:00Z'}]
notes: ask the platform team
dependentImages: [app]
custom: {a: {b: [1, 2]}}
",
    );
    // The fleet changes; what is known of this base stays.
    factory.update(LATER, &[("app", Ok(&["node:22", "redis:7"]))]);
    assert_snapshot!(factory.read(path), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: node-22
    fullImage: docker.io/library/node:22
    registry: docker.io
    repository: library/node
    tag: "22"

    # Monitoring: the one tag that is followed
    allowTags: ^22$
    imageSelectionStrategy: Digest
    repoURL: docker.io/library/node

    # Discovery
    firstDiscovered: "2024-01-01T00:00:00Z"
    lastChecked: "2024-06-01T00:00:00Z"

    # Current state: what the tag points at
    currentDigest: sha256:new
    lastUpdated: "2024-05-01T00:00:00Z"
    previousDigest: sha256:old

    # Eligibility: when dependents may be rebuilt
    rebuildEligibleAt:
      default: "2024-05-08T00:00:00Z"

    # Metadata
    metadata:
      cves:
        - id: CVE-2024-1
          severity: high

    # History
    updateHistory:
      - digest: sha256:old
        at: "2024-01-01T00:00:00Z"

    # Other fields, kept as they were found
    notes: ask the platform team
    dependentImages:
      - app
    custom:
      a:
        b:
          - 1
          - 2
    "#);
}

/// B02.
#[test]
fn runtime_and_unknown_fields_of_an_image_survive() {
    let factory = app_with_state(
        "\
discoveryStatus: success
currentVersion: 1.2.3
currentDigest: sha256:abc
lastBuilt: '2024-05-01T00:00:00Z'
builtOn: {node-22: sha256:abc}
pendingRebuild: {since: '2024-05-02T00:00:00Z', bases: [node-22]}
rebuildHistory: [{run: 17, outcome: success}]
lifecycle: [{from: external, to: managed}]
notes: ask the platform team
custom: {a: {b: [1, 2]}}
",
    );
    factory.update(LATER, &[("app", Ok(&["node:20"]))]);
    assert_snapshot!(factory.read("state/images/app.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: app

    # Enrolment: what images.yaml says
    enrolledAt: "2026-11-23T12:00:00Z"
    enrollment:
      registry: docker.io
      repository: acme/app
      source:
        provider: github
        repo: acme/app
        branch: main
        dockerfile: Dockerfile
      rebuildDelay: 7d
      autoRebuild: true
      criticality: normal

    # Discovery: the images that its Dockerfile stands on
    lastDiscovery: "2027-01-01T00:00:00Z"
    discoveryStatus: success
    baseImages:
      - node-20

    # Current state: the last build that was recorded
    currentVersion: "1.2.3"
    currentDigest: sha256:abc
    lastBuilt: "2024-05-01T00:00:00Z"
    builtOn:
      node-22: sha256:abc

    # Eligibility: what waits to be rebuilt
    pendingRebuild:
      since: "2024-05-02T00:00:00Z"
      bases:
        - node-22

    # History
    rebuildHistory:
      - run: 17
        outcome: success
    lifecycle:
      - from: external
        to: managed

    # Other fields, kept as they were found
    notes: ask the platform team
    custom:
      a:
        b:
          - 1
          - 2
    "#);
}

/// B03.
#[test]
fn every_key_of_an_entry_is_in_its_enrollment() {
    let factory = Factory::new(
        "\
- name: app
  owner: team-a
  local: {dir: x, patchFiles: [a, b]}
  repository: acme/app
  source: {repo: acme/app, pipeline: build}
  updates:
    - {repo: acme/deploy, path: values.yaml, type: yaml-update, key: image.tag}
",
    );
    factory.update(NOW, &[("app", Ok(&[]))]);
    assert_snapshot!(factory.read("state/images/app.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: app

    # Enrolment: what images.yaml says
    enrolledAt: "2026-11-23T12:00:00Z"
    enrollment:
      registry: docker.io
      repository: acme/app
      source:
        provider: github
        repo: acme/app
        branch: main
        dockerfile: Dockerfile
        pipeline: build
      rebuildDelay: 7d
      autoRebuild: true
      criticality: normal
      updates:
        - repo: acme/deploy
          branch: main
          path: values.yaml
          type: yaml-update
          key: image.tag
      local:
        dir: x
        patchFiles:
          - a
          - b
      owner: team-a

    # Discovery: the images that its Dockerfile stands on
    lastDiscovery: "2026-11-23T12:00:00Z"
    discoveryStatus: success
    baseImages: []

    # Current state: the last build that was recorded
    currentVersion: null
    currentDigest: null
    lastBuilt: null
    "#);
}

/// B04.
#[test]
fn nothing_is_null_and_never_the_word_none() {
    let factory = app_with_state(
        "lastDiscovery: None\ncurrentVersion: 'None'\ncurrentDigest: ~\nlastBuilt:\n",
    );
    factory.write(
        "images.yaml",
        "- {name: app, repository: acme/app, source: {repo: acme/app, branch: , target: ~}}\n",
    );
    factory.update(LATER, &[("app", Ok(&["node:22"]))]);
    let text = factory.read("state/images/app.yaml");
    assert!(!text.contains("None"), "{text}");
    assert_snapshot!(lines(&text, &["branch", "target", "currentVersion", "currentDigest", "lastBuilt"]), @"
        branch: main
    currentVersion: null
    currentDigest: null
    lastBuilt: null
    ");
}

/// B05.
#[test]
fn versions_that_look_like_numbers_stay_text() {
    for version in [
        "0.10",
        "12:30:00",
        "on",
        "0x10",
        "1e3",
        "1_000",
        "2024-05-01",
        "~",
        "null",
    ] {
        let factory = app_with_state(&format!("currentVersion: \"{version}\"\n"));
        for now in [NOW, LATER] {
            factory.update(now, &[("app", Ok(&["node:22", "redis:7"]))]);
            assert_eq!(
                lines(&factory.read("state/images/app.yaml"), &["currentVersion"]),
                format!("currentVersion: \"{version}\"")
            );
        }
    }
}

/// B05b, B05c.
#[test]
fn branches_and_tags_that_look_like_numbers_stay_text() {
    let factory = Factory::new(
        "- {name: app, repository: acme/app, source: {repo: acme/app, branch: \"1.0\"}}\n",
    );
    factory.update(
        NOW,
        &[(
            "app",
            Ok(&[
                "alpine:3.20",
                "ubuntu:22.04",
                "node:22",
                "img:on",
                "img:1e3",
            ]),
        )],
    );
    let mut found = lines(&factory.read("state/images/app.yaml"), &["branch"]);
    for base in [
        "alpine-3.20",
        "ubuntu-22.04",
        "node-22",
        "img-on",
        "img-1e3",
    ] {
        let text = factory.read(&format!("state/base-images/{base}.yaml"));
        found.push('\n');
        found.push_str(&lines(&text, &["name", "tag"]));
    }
    assert_snapshot!(found, @r#"
        branch: "1.0"
    name: alpine-3.20
    tag: "3.20"
    name: ubuntu-22.04
    tag: "22.04"
    name: node-22
    tag: "22"
    name: img-on
    tag: "on"
    name: img-1e3
    tag: "1e3"
    "#);
}

/// B05d, X14.
#[test]
fn images_may_be_called_like_other_kinds_of_values() {
    let names = ["on", "null", "true", "0x10", "1e5", "10", "y"];
    let entries: String = names
        .iter()
        .map(|name| format!("- {{name: \"{name}\", repository: acme/i{name}}}\n"))
        .collect();
    let factory = Factory::new(&entries);
    factory.update(NOW, &[]);
    assert_eq!(
        factory.update(LATER, &[]),
        "",
        "they are the same in the next run"
    );
    for name in names {
        assert_eq!(
            lines(
                &factory.read(&format!("state/images/{name}.yaml")),
                &["name"]
            ),
            format!("name: \"{name}\"")
        );
    }
}

/// B06, X05.
#[test]
fn a_single_word_is_one_line() {
    let factory =
        app_with_state("lastBuilt: yesterday\nmetadata: word\ncurrentVersion: 2024-05-01\n");
    factory.update(LATER, &[("app", Ok(&["redis:7"]))]);
    let text = factory.read("state/images/app.yaml");
    assert!(!text.contains("..."), "{text}");
    assert_snapshot!(lines(&text, &["lastBuilt", "metadata", "currentVersion"]), @r#"
    currentVersion: "2024-05-01"
    lastBuilt: yesterday
    metadata: word
    "#);
}

/// B07.
#[test]
fn expressions_with_signs_of_yaml_come_back_the_same() {
    for tags in [
        "[0-9]+",
        "^a: b$",
        "^v1 # stable$",
        "a{1,2}",
        "- 7d",
        "'x",
        "\"",
        "& *",
    ] {
        let quoted = tags.replace('\'', "''");
        let factory = Factory::new(&format!(
            "- {{name: app, repository: acme/app, allowTags: '{quoted}'}}\n"
        ));
        factory.update(NOW, &[]);
        assert_eq!(factory.update(LATER, &[]), "", "{tags}");
        let text = factory.read("state/images/app.yaml");
        let document = imgfac_yaml::parse(&text).unwrap();
        let read = document.root.get("allowTags").unwrap();
        assert_eq!(read.scalar_text(), Some(tags));
    }
}

/// B10.
#[test]
fn an_image_that_left_is_in_the_archive_with_all_its_fields() {
    let factory = app_with_state("currentVersion: 1.2.3\nnotes: kept\n");
    factory.write("images.yaml", "[]\n");
    assert_snapshot!(factory.update(LATER, &[]), @r#"
    Image("app") archived: managed -> archived: removed from the enrolment; kept in state/_archive/images/app.yaml
    Base("node-22") archived: base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/node-22.yaml
    + state/_archive/base-images/node-22.yaml
    + state/_archive/images/app.yaml
    - state/base-images/node-22.yaml
    - state/images/app.yaml
    "#);
    let text = factory.read("state/_archive/images/app.yaml");
    assert_snapshot!(lines(&text, &["name", "currentVersion", "notes", "archivedAt", "archivedReason", "archivedFrom"]), @r#"
    name: app
    currentVersion: "1.2.3"
    archivedAt: "2027-01-01T00:00:00Z"
    archivedReason: removed from the enrolment
    archivedFrom: state/images/app.yaml
    notes: kept
    "#);
}

/// B11.
#[test]
fn a_missing_dockerfile_wipes_nothing() {
    let factory = Factory::new(APP);
    factory.update(NOW, &[("app", Ok(&["node:22"]))]);
    factory.update(LATER, &[("app", Err("Dockerfile: there is no such file"))]);
    let text = factory.read("state/images/app.yaml");
    assert!(text.contains("baseImages:\n  - node-22\n"), "{text}");
    assert!(text.contains("discoveryStatus: failed\n"), "{text}");
}

/// B18.
#[test]
fn a_registry_with_a_port_is_kept() {
    let factory =
        Factory::new("- {name: app, registry: \"localhost:5000\", repository: team/app}\n");
    factory.update(NOW, &[]);
    assert_snapshot!(lines(&factory.read("state/images/app.yaml"), &["registry", "repository", "repoURL"]), @"
      registry: localhost:5000
      repository: team/app
    repoURL: localhost:5000/team/app
    ");
}

/// X12: a file that the predecessor wrote for `FROM {{ base }}`.
#[test]
fn an_unreadable_file_stops_neither_this_run_nor_the_next() {
    let factory = Factory::new(APP);
    factory.write(
        "state/base-images/{{ base }}.yaml",
        "name: {{ base }}\nfullImage: {{ base }}\n",
    );
    let broken = factory.read("state/base-images/{{ base }}.yaml");
    assert_snapshot!(factory.update(NOW, &[("app", Ok(&["node:22"]))]), @r#"
    Image("app") added: stands on node-22
    Base("node-22") added: docker.io/library/node:22
    + state/images/app.yaml
    + state/base-images/node-22.yaml
    "#);
    assert_eq!(factory.update(LATER, &[("app", Ok(&["node:22"]))]), "");
    assert_eq!(factory.read("state/base-images/{{ base }}.yaml"), broken);
}
