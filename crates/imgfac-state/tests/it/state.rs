//! State files: merged, written and read again, without losing anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgfac_model::ImageName;
use imgfac_state::{Configuration, Fleet, Store, Update};
use insta::assert_snapshot;

use crate::factory::{Factory, NOW, discovery, files};

const SHOP: &str = "\
- name: shop
  registry: ghcr.io
  repository: acme/shop
  source: {repo: acme/shop, branch: '1.0', dockerfile: Dockerfile, buildArgs: {V: '0.10'}}
";

#[test]
fn a_first_run_writes_commented_state() {
    let factory = Factory::new(SHOP);
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let pinned = format!("debian@{digest}");
    assert_snapshot!(factory.update(NOW, &[("shop", Ok(&["python:3.10", "-node:22", &pinned]))]), @r#"
    Image("shop") added: stands on debian-sha256-0123456789ab, node-22, python-3.10
    Base("debian-sha256-0123456789ab") added: docker.io/library/debian@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    Base("node-22") added: docker.io/library/node:22
    Base("python-3.10") added: docker.io/library/python:3.10
    + state/images/shop.yaml
    + state/base-images/debian-sha256-0123456789ab.yaml
    + state/base-images/node-22.yaml
    + state/base-images/python-3.10.yaml
    "#);
    assert_snapshot!(factory.read("state/images/shop.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: shop

    # Enrolment: what images.yaml says
    enrolledAt: "2026-11-23T12:00:00Z"
    enrollment:
      registry: ghcr.io
      repository: acme/shop
      source:
        provider: github
        repo: acme/shop
        branch: "1.0"
        dockerfile: Dockerfile
        buildArgs:
          V: "0.10"
      rebuildDelay: 7d
      autoRebuild: true
      criticality: normal

    # Discovery: the images that its Dockerfile stands on
    lastDiscovery: "2026-11-23T12:00:00Z"
    discoveryStatus: success
    baseImages:
      - debian-sha256-0123456789ab
      - node-22
      - python-3.10
    unusedBases:
      - docker.io/library/node:22

    # Current state: the last build that was recorded
    currentVersion: null
    currentDigest: null
    lastBuilt: null
    "#);
    assert_snapshot!(factory.read("state/base-images/python-3.10.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: python-3.10
    fullImage: docker.io/library/python:3.10
    registry: docker.io
    repository: library/python
    tag: "3.10"

    # Monitoring: the one tag that is followed
    allowTags: ^3\.10$
    imageSelectionStrategy: Digest
    repoURL: docker.io/library/python

    # Discovery
    firstDiscovered: "2026-11-23T12:00:00Z"
    lastChecked: null

    # Current state: what the tag points at
    currentDigest: null
    lastUpdated: null
    previousDigest: null

    # Eligibility: when dependents may be rebuilt
    rebuildEligibleAt:
      default: null

    # Metadata
    metadata: {}

    # History
    updateHistory: []
    "#);
    assert_snapshot!(factory.read("state/base-images/debian-sha256-0123456789ab.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: debian-sha256-0123456789ab
    fullImage: docker.io/library/debian@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    registry: docker.io
    repository: library/debian
    tag: null
    pinnedDigest: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

    # Monitoring: the one tag that is followed
    allowTags: null
    imageSelectionStrategy: Digest
    repoURL: docker.io/library/debian

    # Discovery
    firstDiscovered: "2026-11-23T12:00:00Z"
    lastChecked: null

    # Current state: what the tag points at
    currentDigest: null
    lastUpdated: null
    previousDigest: null

    # Eligibility: when dependents may be rebuilt
    rebuildEligibleAt:
      default: null

    # Metadata
    metadata: {}

    # History
    updateHistory: []
    "#);
}

#[test]
fn a_second_run_writes_nothing() {
    let factory = Factory::new(SHOP);
    factory.update(NOW, &[("shop", Ok(&["node:22"]))]);
    assert_eq!(
        factory.update("2027-01-01T00:00:00Z", &[("shop", Ok(&["node:22"]))]),
        ""
    );
}

#[test]
fn a_failure_keeps_what_was_known() {
    let factory = Factory::new(SHOP);
    factory.update(NOW, &[("shop", Ok(&["node:22", "-redis:7"]))]);
    let later = "2027-01-01T00:00:00Z";
    assert_snapshot!(factory.update(later, &[("shop", Err("Dockerfile: there is no such file in acme/shop"))]), @r#"
    Image("shop") changed: discovery failed
    + state/images/shop.yaml
    "#);
    let text = factory.read("state/images/shop.yaml");
    for line in [
        "discoveryStatus: failed\n",
        "discoveryError: \"Dockerfile: there is no such file in acme/shop\"\n",
        "  - node-22\n",
        "  - redis-7\n",
        "unusedBases:\n  - docker.io/library/redis:7\n",
        "lastDiscovery: \"2027-01-01T00:00:00Z\"\n",
    ] {
        assert!(text.contains(line), "{line:?} is missing in:\n{text}");
    }
    assert_eq!(
        factory.update(
            "2028-01-01T00:00:00Z",
            &[(
                "shop",
                Err("Dockerfile: there is no such file in acme/shop")
            )]
        ),
        ""
    );
    assert_snapshot!(factory.update(later, &[("shop", Ok(&["node:22", "-redis:7"]))]), @r#"
    Image("shop") changed: discovery works again
    + state/images/shop.yaml
    "#);
}

#[test]
fn a_managed_image_is_an_edge_and_no_upstream() {
    let factory = Factory::new(&format!(
        "{SHOP}- name: platform\n  registry: ghcr.io\n  repository: acme/platform\n  source: {{repo: acme/shop}}\n"
    ));
    let found: &[(&str, Result<&[&str], &str>)] = &[
        ("shop", Ok(&["ghcr.io/acme/platform:2", "node:22"])),
        ("platform", Ok(&["debian:12"])),
    ];
    assert_snapshot!(factory.update(NOW, found), @r#"
    Image("platform") added: stands on debian-12
    Image("shop") added: stands on node-22, platform (ours)
    Base("debian-12") added: docker.io/library/debian:12
    Base("node-22") added: docker.io/library/node:22
    + state/images/platform.yaml
    + state/images/shop.yaml
    + state/base-images/debian-12.yaml
    + state/base-images/node-22.yaml
    "#);
    assert!(
        factory.read("state/images/shop.yaml").contains(
            "managedBases:\n  - name: platform\n    reference: ghcr.io/acme/platform:2\n"
        )
    );

    // It leaves the enrolment but is still needed: it becomes a base.
    factory.write("images.yaml", SHOP);
    assert_snapshot!(factory.update(NOW, &found[..1]), @r#"
    Image("platform") became: managed -> base: no longer built by us, watched as a base from now on; kept in state/base-images/ghcr.io-acme-platform-2.yaml
    Image("shop") changed: now stands on ghcr.io-acme-platform-2; no longer stands on platform (ours)
    Base("debian-12") archived: base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/debian-12.yaml
    Base("ghcr.io-acme-platform-2") added: ghcr.io/acme/platform:2; managed -> base: no longer built by us, watched as a base from now on
    + state/images/shop.yaml
    + state/base-images/ghcr.io-acme-platform-2.yaml
    + state/_archive/base-images/debian-12.yaml
    - state/base-images/debian-12.yaml
    - state/images/platform.yaml
    "#);
    assert_eq!(
        files(&factory.0.path().join("state/_archive/images")),
        [""; 0]
    );
    assert_snapshot!(factory.read("state/base-images/ghcr.io-acme-platform-2.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: ghcr.io-acme-platform-2
    fullImage: ghcr.io/acme/platform:2
    registry: ghcr.io
    repository: acme/platform
    tag: "2"

    # Monitoring: the one tag that is followed
    allowTags: ^2$
    imageSelectionStrategy: Digest
    repoURL: ghcr.io/acme/platform

    # Discovery
    firstDiscovered: "2026-11-23T12:00:00Z"
    lastChecked: null

    # Current state: what the tag points at
    currentDigest: null
    lastUpdated: null
    previousDigest: null

    # Eligibility: when dependents may be rebuilt
    rebuildEligibleAt:
      default: null

    # Metadata
    metadata: {}

    # History
    updateHistory: []
    lifecycle:
      - time: "2026-11-23T12:00:00Z"
        from: managed
        to: base

    # The images that it was when they were enrolled
    formerImages:
      - name: platform
        enrolledAt: "2026-11-23T12:00:00Z"
        enrollment:
          registry: ghcr.io
          repository: acme/platform
          source:
            provider: github
            repo: acme/shop
            branch: main
            dockerfile: Dockerfile
          rebuildDelay: 7d
          autoRebuild: true
          criticality: normal
        lastDiscovery: "2026-11-23T12:00:00Z"
        discoveryStatus: success
        baseImages:
          - debian-12
        currentVersion: null
        currentDigest: null
        lastBuilt: null
        lifecycle:
          - time: "2026-11-23T12:00:00Z"
            from: managed
            to: base
    "#);
}

#[test]
fn what_leaves_goes_to_the_archive_and_comes_back() {
    let factory = Factory::new(SHOP);
    factory.update(NOW, &[("shop", Ok(&["node:20"]))]);
    assert_snapshot!(factory.update(NOW, &[("shop", Ok(&["node:22"]))]), @r#"
    Image("shop") changed: now stands on node-22; no longer stands on node-20
    Base("node-20") archived: base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/node-20.yaml
    Base("node-22") added: docker.io/library/node:22
    + state/images/shop.yaml
    + state/base-images/node-22.yaml
    + state/_archive/base-images/node-20.yaml
    - state/base-images/node-20.yaml
    "#);
    factory.update(NOW, &[("shop", Ok(&["node:20"]))]);
    factory.update(NOW, &[("shop", Ok(&["node:22"]))]);
    assert_eq!(
        files(&factory.0.path().join("state/_archive/base-images")),
        ["node-20.yaml"]
    );
    factory.write("images.yaml", "[]\n");
    assert_snapshot!(factory.update(NOW, &[]), @r#"
    Image("shop") archived: managed -> archived: removed from the enrolment; kept in state/_archive/images/shop.yaml
    Base("node-22") archived: base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/node-22.yaml
    + state/_archive/base-images/node-22.yaml
    + state/_archive/images/shop.yaml
    - state/base-images/node-22.yaml
    - state/images/shop.yaml
    "#);
}

#[test]
fn an_external_image_is_watched_and_may_become_managed() {
    let factory = Factory::new(
        "- name: redis\n  repository: redis\n  allowTags: '^7\\.[0-9]+$'\n  imageSelectionStrategy: SemVer\n",
    );
    factory.update(NOW, &[]);
    assert_snapshot!(factory.read("state/images/redis.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: redis

    # Enrolment: what images.yaml says
    enrolledAt: "2026-11-23T12:00:00Z"
    enrollment:
      registry: docker.io
      repository: library/redis
      rebuildDelay: 7d
      autoRebuild: true
      criticality: normal

    # Monitoring: which of the image's tags are followed
    allowTags: ^7\.[0-9]+$
    imageSelectionStrategy: SemVer
    repoURL: docker.io/library/redis

    # Discovery: the images that its Dockerfile stands on
    lastDiscovery: null
    discoveryStatus: external
    baseImages: []

    # Current state: the tag that is tracked
    currentVersion: null
    currentDigest: null
    lastBuilt: null
    "#);
    factory.write(
        "images.yaml",
        "- name: redis\n  repository: acme/redis\n  source: {repo: acme/redis}\n",
    );
    assert_snapshot!(factory.update(NOW, &[("redis", Ok(&["debian:12"]))]), @r#"
    Image("redis") changed: external -> managed: built by us from now on, no longer watched upstream; moved docker.io/library/redis -> docker.io/acme/redis: digests start anew, history stays; enrolment: repository, source; now stands on debian-12
    Base("debian-12") added: docker.io/library/debian:12
    + state/images/redis.yaml
    + state/base-images/debian-12.yaml
    "#);
    assert!(
        !factory
            .read("state/images/redis.yaml")
            .contains("allowTags")
    );
}

/// Faults B02 to B07: what the predecessor lost or broke.
#[test]
fn files_of_the_predecessor_are_upgraded_without_losing_a_field() {
    let factory = Factory::new(SHOP);
    factory.write(
        "state/images/shop.yaml",
        "# Application Image: shop\nname: shop\nenrolledAt: 2024-05-01T10:00:00Z\nlastDiscovery: 'None'\ndiscoveryStatus: success\nenrollment:\n  registry: ghcr.io\n  repository: acme/shop\n  source:\n    provider: github\n    repo: acme/shop\n    branch: None\n    note: 'kept'\n  rebuildDelay: 14d\n  autoRebuild: false\n  team: payments\nbaseImages:\n- node-twentytwo\n- gone-1\ncurrentVersion: \"0.10\"\ncurrentDigest: null\nlastBuilt: 2024-05-02\nnotes: 0x10\nrebuildHistory:\n- {at: 12:30:00, ok: on, version: '1.10'}\ncustom: |\n  two\n  lines\n",
    );
    factory.write(
        "state/base-images/node-twentytwo.yaml",
        "name: node-twentytwo\nfullImage: node:22\nregistry: docker.io\nrepository: library/node\ntag: 22\nallowTags: ^22$\nimageSelectionStrategy: Lexical\nrepoURL: docker.io/library/node\nfirstDiscovered: '2024-01-01T00:00:00Z'\nlastChecked: null\ncurrentDigest: sha256:aaa\nlastUpdated: None\npreviousDigest: null\nrebuildEligibleAt:\n  default: '2024-01-09T00:00:00Z'\nmetadata:\n  size: 1_000\nupdateHistory:\n- digest: sha256:bbb\n  at: 2024-01-02\ndependentImages: [shop]\n",
    );
    assert_snapshot!(factory.update(NOW, &[("shop", Ok(&["docker.io/library/node:22"]))]), @r#"
    Image("shop") changed: enrolment: autoRebuild, criticality, rebuildDelay, source.branch, source.buildArgs, source.dockerfile; no longer stands on gone-1
    + state/images/shop.yaml
    + state/base-images/node-twentytwo.yaml
    "#);
    assert_snapshot!(factory.read("state/images/shop.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: shop

    # Enrolment: what images.yaml says
    enrolledAt: "2024-05-01T10:00:00Z"
    enrollment:
      registry: ghcr.io
      repository: acme/shop
      source:
        provider: github
        repo: acme/shop
        branch: "1.0"
        dockerfile: Dockerfile
        buildArgs:
          V: "0.10"
        note: kept
      rebuildDelay: 7d
      autoRebuild: true
      criticality: normal
      team: payments

    # Discovery: the images that its Dockerfile stands on
    lastDiscovery: "2026-11-23T12:00:00Z"
    discoveryStatus: success
    baseImages:
      - node-twentytwo

    # Current state: the last build that was recorded
    currentVersion: "0.10"
    currentDigest: null
    lastBuilt: "2024-05-02"

    # History
    rebuildHistory:
      - at: 12:30:00
        ok: on
        version: "1.10"

    # Other fields, kept as they were found
    notes: 0x10
    custom: "two\nlines\n"
    "#);
    assert_snapshot!(factory.read("state/base-images/node-twentytwo.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: node-twentytwo
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
    lastChecked: null

    # Current state: what the tag points at
    currentDigest: sha256:aaa
    lastUpdated: null
    previousDigest: null

    # Eligibility: when dependents may be rebuilt
    rebuildEligibleAt:
      default: "2024-01-09T00:00:00Z"

    # Metadata
    metadata:
      size: 1_000

    # History
    updateHistory:
      - digest: sha256:bbb
        at: 2024-01-02

    # Other fields, kept as they were found
    dependentImages:
      - shop
    "#);
    assert_eq!(
        factory.update("2027-01-01T00:00:00Z", &[("shop", Ok(&["node:22"]))]),
        ""
    );
}

#[test]
fn an_unusable_file_is_left_alone() {
    let factory = Factory::new(SHOP);
    factory.update(NOW, &[("shop", Ok(&["node:22"]))]);
    factory.write(
        "state/base-images/${BASE}.yaml",
        "name: ${BASE}\nfullImage: ${BASE}\n",
    );
    factory.write("state/images/shop.yaml", "name: [\n");
    factory.write("state/base-images/cut-1.yaml", "");
    let store = Store::open(factory.0.path()).unwrap();
    let fleet = Fleet::read(&store).unwrap();
    let unusable: Vec<String> = fleet
        .unreadable
        .iter()
        .map(|file| format!("{}: {}", file.path, file.problem.reason))
        .collect();
    assert_snapshot!(unusable.join("\n"), @r#"
    state/images/shop.yaml: this is not YAML: unclosed bracket '['
    state/base-images/${BASE}.yaml: invalid image reference: repository "${BASE}" must be lower-case
    state/base-images/cut-1.yaml: it is empty
    "#);
    // Nothing is written in its place, and its bases do not leave the fleet.
    assert_eq!(factory.update(NOW, &[("shop", Ok(&["debian:12"]))]), "");
    assert_eq!(factory.read("state/images/shop.yaml"), "name: [\n");
}

#[test]
fn only_what_is_asked_for_changes() {
    let factory = Factory::new(&format!(
        "{SHOP}- name: web\n  repository: acme/web\n  source: {{repo: acme/web}}\n"
    ));
    factory.update(
        NOW,
        &[("shop", Ok(&["node:22"])), ("web", Ok(&["node:20"]))],
    );
    let store = Store::open(factory.0.path()).unwrap();
    let configuration = Configuration::read(&store).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let web = ImageName::new("web").unwrap();
    fleet.apply(&Update {
        scope: Some([web.clone()].into()),
        discoveries: BTreeMap::from([(web, Arc::new(discovery(Ok(&["node:18"]))))]),
        ..Update::new(&configuration, NOW)
    });
    let paths: Vec<String> = fleet
        .changes()
        .iter()
        .map(|change| change.path().to_owned())
        .collect();
    assert_eq!(
        paths,
        ["state/images/web.yaml", "state/base-images/node-18.yaml"]
    );
}

/// Files that end so are samples and never read, so no state may be kept in one.
#[test]
fn a_tag_that_ends_like_a_sample_file_is_known_in_the_next_run() {
    let factory = Factory::new(SHOP);
    assert_snapshot!(factory.update(NOW, &[("shop", Ok(&["acme/x:1.example"]))]), @r#"
    Image("shop") added: stands on acme-x-1.example-ded49c
    Base("acme-x-1.example-ded49c") added: docker.io/acme/x:1.example
    + state/images/shop.yaml
    + state/base-images/acme-x-1.example-ded49c.yaml
    "#);
    assert_eq!(
        factory.update(
            "2027-01-01T00:00:00Z",
            &[("shop", Ok(&["acme/x:1.example"]))]
        ),
        ""
    );
}

#[test]
fn a_change_says_what_is_other_than_before() {
    let redis = |rest: &str| format!("{SHOP}- {{name: redis, repository: redis{rest}}}\n");
    let factory = Factory::new(&redis(""));
    factory.update(NOW, &[("shop", Ok(&["node:22", "-golang:1.24"]))]);
    factory.write("images.yaml", &redis(", allowTags: ^7$"));
    assert_snapshot!(factory.update(NOW, &[("shop", Ok(&["node:22", "-golang:1.25"]))]), @r#"
    Image("redis") changed: enrolment: allowTags
    Image("shop") changed: now stands on golang-1.25; no longer stands on golang-1.24
    Base("golang-1.24") archived: base -> archived: no Dockerfile names it any more; kept in state/_archive/base-images/golang-1.24.yaml
    Base("golang-1.25") added: docker.io/library/golang:1.25
    + state/images/redis.yaml
    + state/images/shop.yaml
    + state/base-images/golang-1.25.yaml
    + state/_archive/base-images/golang-1.24.yaml
    - state/base-images/golang-1.24.yaml
    "#);
    assert_snapshot!(factory.update(NOW, &[("shop", Ok(&["node:22", "golang:1.25"]))]), @r#"
    Image("shop") changed: other stages are needed for its target
    + state/images/shop.yaml
    "#);
}
