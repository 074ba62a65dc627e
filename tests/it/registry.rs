//! Registries that are asked: by `observe --all`, and by the job that records a build.

use imgfac_tests::{FakeRegistry, Layout, Outcome, Proof, Pushed, RegistryServer, Sandbox, TOKEN};
use insta::assert_snapshot;

/// A factory whose image stands on these, and may speak HTTP with the registry.
fn factory(sandbox: &Sandbox, host: &str, dockerfile: &str) {
    sandbox.write(
        "images.yaml",
        format!("- {{name: web, registry: '{host}', repository: acme/web, source: {{provider: github, repo: acme/web, dockerfile: Dockerfile}}}}\n"),
    );
    sandbox.write(
        "imgfac.yaml",
        format!("registries: {{'{host}': {{insecure: true}}}}\nworkspaces: [web]\n"),
    );
    sandbox.write("web/Dockerfile", dockerfile);
    let analysed = sandbox.run(&["analyze"]);
    assert_eq!(analysed.code, 0, "{analysed}");
}

/// A run that may ask the registry, which is called HOST in its output; digests are shortened.
fn run(sandbox: &Sandbox, registry: &RegistryServer, arguments: &[&str]) -> Outcome {
    let mut command = sandbox.command(arguments);
    command.env_remove("IMGFAC_OFFLINE");
    registry.authorise(sandbox, &mut command);
    let mut outcome = sandbox.run_command(&mut command);
    for text in [&mut outcome.stdout, &mut outcome.stderr] {
        assert!(!text.contains(TOKEN), "{text}");
        *text = shown(text, registry);
    }
    outcome
}

fn shown(text: &str, registry: &RegistryServer) -> String {
    let mut text = text
        .replace(&registry.host(), "HOST")
        .replace(&registry.host().replace(':', "-"), "HOST");
    while let Some(at) = text.find("sha256:") {
        let end = (at + 7 + 64).min(text.len());
        text.replace_range(at..end, "DIGEST");
    }
    text
}

fn push(sandbox: &Sandbox, registry: &RegistryServer, image: &str, says: &str) -> String {
    let layout = Layout::new(sandbox, "layout");
    layout.finish(&layout.image(says, "", ""));
    registry.push(&layout, image)
}

fn base_state(sandbox: &Sandbox, registry: &RegistryServer, tag: &str) -> String {
    let host = registry.host().replace(':', "-");
    sandbox.read(&format!("state/base-images/{host}-acme-base-{tag}.yaml"))
}

#[test]
fn a_tag_that_moves_is_noticed() {
    let mut sandbox = crate::sandbox();
    let Some(registry) = RegistryServer::start(&sandbox) else {
        return;
    };
    let host = registry.host();
    factory(&sandbox, &host, &format!("FROM {host}/acme/base:1\n"));
    let first = push(&sandbox, &registry, "acme/base:1", "first");
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all"]), @"
    exit 0
    --- stdout
      changed  base  HOST-acme-base-1  first seen at DIGEST

    Wrote 1 file: state/base-images/HOST-acme-base-1.yaml
    --- stderr
    ");
    assert!(base_state(&sandbox, &registry, "1").contains(&format!("currentDigest: {first}\n")));
    let before = sandbox.files();
    sandbox.set_now("2026-11-24T12:00:00Z");
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all"]), @"
    exit 0
    --- stdout
    Nothing changed, nothing written.
    --- stderr
    ");
    assert_eq!(sandbox.files(), before);
    let second = push(&sandbox, &registry, "acme/base:1", "second");
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all", "--check"]), @"
    exit 4
    --- stdout
      changed  base  HOST-acme-base-1  moved from DIGEST to DIGEST; images that count as built on the old one: 1

    Would write 2 files: state/base-images/HOST-acme-base-1.yaml, state/images/web.yaml
    --- stderr
    ");
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "bases": 1,
      "tags": 0,
      "external": 0,
      "failures": [],
      "changes": [
        {
          "kind": "base",
          "name": "HOST-acme-base-1",
          "change": "changed",
          "details": [
            "moved from DIGEST to DIGEST",
            "images that count as built on the old one: 1"
          ]
        }
      ],
      "files": {
        "written": [
          "state/images/web.yaml",
          "state/base-images/HOST-acme-base-1.yaml"
        ],
        "removed": []
      },
      "check": false,
      "commit": null
    }
    --- stderr
    "#);
    let state = base_state(&sandbox, &registry, "1");
    assert!(
        state.contains(&format!("currentDigest: {second}\n")),
        "{state}"
    );
    assert!(
        state.contains(&format!("previousDigest: {first}\n")),
        "{state}"
    );
}

#[test]
fn a_tag_of_ours_that_others_stand_on_is_noticed() {
    let sandbox = crate::sandbox();
    let Some(registry) = RegistryServer::start(&sandbox) else {
        return;
    };
    let host = registry.host();
    let old = push(&sandbox, &registry, "acme/base:1", "old");
    sandbox.write(
        "images.yaml",
        format!(
            "- {{name: base, registry: '{host}', repository: acme/base, source: {{provider: github, repo: acme/base, dockerfile: base/Dockerfile}}}}
- {{name: web, registry: '{host}', repository: acme/web, source: {{provider: github, repo: acme/web, dockerfile: web/Dockerfile}}}}\n"
        ),
    );
    // A mirror of our own registry may be late; it is not asked.
    sandbox.write(
        "imgfac.yaml",
        format!("registries: {{'{host}': {{insecure: true, mirror: mirror.invalid}}}}\nworkspaces: [all]\n"),
    );
    sandbox.write("all/base/Dockerfile", "FROM scratch\n");
    sandbox.write(
        "all/web/Dockerfile",
        format!(
            "FROM {host}/acme/base:1 AS a\nFROM {host}/acme/base:2@{old}\nCOPY --from=a /x /x\n"
        ),
    );
    let analysed = sandbox.run(&["analyze"]);
    assert_eq!(analysed.code, 0, "{analysed}");
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all"]), @"
    exit 3
    --- stdout
    1 image failed; what was known is kept:
      failed  image  base  HOST has no tag 2 of acme/base; was it deleted or renamed? Dockerfiles that name it do not build any more

      changed  image  base  tag 1 first seen at DIGEST; tag 2: HOST has no tag 2 of acme/base

    Wrote 1 file: state/images/base.yaml
    --- stderr
    ");
    push(&sandbox, &registry, "acme/base:1", "new");
    push(&sandbox, &registry, "acme/base:2", "two");
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all"]), @"
    exit 0
    --- stdout
      changed  image  base  tag 1 moved from DIGEST to DIGEST; images that count as built on the old one: 1; tag 2 first seen at DIGEST

    Wrote 2 files: state/images (2)
    --- stderr
    ");
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all"]), @"
    exit 0
    --- stdout
    Nothing changed, nothing written.
    --- stderr
    ");
    let status = shown(&sandbox.run(&["status", "base"]).stdout, &registry);
    let (_, observed) = status.split_once("\n\nTags").unwrap();
    assert_snapshot!(observed, @"
    that were observed, oldest digest first
     1  DIGEST  2026-11-23T12:00:00Z to 2026-11-23T12:00:00Z
     1  DIGEST  2026-11-23T12:00:00Z to 2026-11-23T12:00:00Z
     2  DIGEST  2026-11-23T12:00:00Z to 2026-11-23T12:00:00Z
    ");
    let status = shown(&sandbox.run(&["status", "web"]).stdout, &registry);
    let (_, stands_on) = status.split_once("Stands on\n").unwrap();
    assert_snapshot!(stands_on, @"
    base  ours  HOST/acme/base:1                                                                          DIGEST
    base  ours  HOST/acme/base:2@DIGEST  DIGEST
    ");
    let state = shown(&sandbox.read("state/images/base.yaml"), &registry);
    let (_, tags) = state.split_once("observedTags:").unwrap();
    assert_snapshot!(tags, @r#"

    "1":
      digests:
        - digest: DIGEST
          firstSeen: "2026-11-23T12:00:00Z"
          lastSeen: "2026-11-23T12:00:00Z"
        - digest: DIGEST
          firstSeen: "2026-11-23T12:00:00Z"
          lastSeen: "2026-11-23T12:00:00Z"
    "2":
      digests:
        - digest: DIGEST
          firstSeen: "2026-11-23T12:00:00Z"
          lastSeen: "2026-11-23T12:00:00Z"
    "#);
    let state = shown(&sandbox.read("state/images/web.yaml"), &registry);
    let (_, built_on) = state.split_once("builtOn:").unwrap();
    assert_snapshot!(built_on, @"

    HOST/acme/base:1: DIGEST
    ");
}

#[test]
fn external_images_show_what_is_newer() {
    let mut sandbox = crate::sandbox();
    let Some(registry) = RegistryServer::start(&sandbox) else {
        return;
    };
    let host = registry.host();
    let entry = |name: &str, rest: &str| {
        format!("- {{name: {name}, registry: '{host}', repository: x/{name}, {rest}}}\n")
    };
    sandbox.write(
        "images.yaml",
        [
            entry("postgres", r"imageSelectionStrategy: SemVer, constraint: '>=16.0-0 <17.0-0', allowTags: '^[0-9]+\.[0-9]+-alpine$'"),
            entry("nginx", "imageSelectionStrategy: Digest, constraint: 1.29-alpine"),
            entry("builds", "imageSelectionStrategy: NewestBuild"),
            entry("dated", "imageSelectionStrategy: NewestBuild"),
            entry("none", "imageSelectionStrategy: SemVer, constraint: 3.x"),
            entry("gone", "{}").replace(", {}", ""),
        ]
        .concat(),
    );
    sandbox.write(
        "imgfac.yaml",
        format!("registries: {{'{host}': {{insecure: true}}}}\n"),
    );
    let analysed = sandbox.run(&["analyze"]);
    assert_eq!(analysed.code, 0, "{analysed}");
    let signature = format!("x/postgres:sha256-{}.sig", "a".repeat(64));
    for image in [
        "x/postgres:16.3-alpine",
        "x/postgres:16.4-alpine",
        "x/postgres:17.2-alpine",
        "x/postgres:18.0-rc1-alpine",
        "x/postgres:18.0",
        &signature,
        "x/nginx:1.29-alpine",
        "x/nginx:1.30-alpine",
        "x/builds:a",
        "x/builds:b",
        "x/none:3.1",
    ] {
        push(&sandbox, &registry, image, "first");
    }
    for (image, time) in [("x/dated:b", "2026-11-02"), ("x/dated:a", "2026-11-03")] {
        // What goes between the quotes of the author.
        let says = format!(r#"x", "created": "{time}T08:00:00Z"#);
        push(&sandbox, &registry, image, &says);
    }
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all"]), @r#"
    exit 3
    --- stdout
    3 images failed; what was known is kept:
      failed  image  builds  the images of HOST/x/builds do not say when they were built; follow versions with SemVer, or one tag with Digest
      failed  image  gone    HOST has no tags of x/gone; was it deleted or renamed? Dockerfiles that name it do not build any more
      failed  image  none    none of the tags of HOST/x/none fits; allowTags, imageSelectionStrategy and constraint of its entry say which do; without allowTags a version has three numbers, and what follows them, such as -alpine, is a pre-release, which only a range such as ">=16.0-0 <17.0-0" has

      changed  image  builds    the images of HOST/x/builds do not say when they were built
      changed  image  dated     follows a; tag a first seen at DIGEST
      changed  image  gone      HOST has no tags of x/gone
      changed  image  nginx     follows 1.29-alpine; tag 1.29-alpine first seen at DIGEST; newer: 1.30-alpine
      changed  image  none      none of the tags of HOST/x/none fits
      changed  image  postgres  follows 16.4-alpine; tag 16.4-alpine first seen at DIGEST; newer: 17.2-alpine

    Wrote 6 files: state/images (6)
    --- stderr
    "#);
    let state = shown(&sandbox.read("state/images/postgres.yaml"), &registry);
    let (_, current) = state.split_once("# Current").unwrap();
    assert_snapshot!(current, @r#"
     state: the tag that is tracked
    currentVersion: 16.4-alpine
    currentDigest: DIGEST
    lastBuilt: null

    # What its tags were seen to point at, with the times of it
    observedTags:
      16.4-alpine:
        digests:
          - digest: DIGEST
            firstSeen: "2026-11-23T12:00:00Z"
            lastSeen: "2026-11-23T12:00:00Z"

    # Versions that are newer than the one that is tracked, newest first
    availableVersions:
      - 17.2-alpine
    "#);
    assert_snapshot!(sandbox.run(&["status"]), @"
    exit 0
    --- stdout
    IMAGE     KIND      DISCOVERY  WAVE  VERSION                          DELAY  STANDS ON
    builds    external  external   -     -                                7d
    dated     external  external   -     a                                7d
    gone      external  external   -     -                                7d
    nginx     external  external   -     1.29-alpine, newer: 1.30-alpine  7d
    none      external  external   -     -                                7d
    postgres  external  external   -     16.4-alpine, newer: 17.2-alpine  7d
    --- stderr
    ");
    assert_snapshot!(shown(&sandbox.run(&["status", "none"]).to_string(), &registry), @"
    exit 0
    --- stdout
    none  HOST/x/none
      kind       external
      enrolled   2026-11-23T12:00:00Z
      discovery  external
      version    not known
      digest     not known
      observed   not known since 2026-11-23T12:00:00Z: none of the tags of HOST/x/none fits
    --- stderr
    ");
    let before = sandbox.files();
    sandbox.set_now("2026-11-24T12:00:00Z");
    let again = run(&sandbox, &registry, &["observe", "--all", "--quiet"]);
    assert!(
        again
            .stdout
            .ends_with("Nothing changed, nothing written.\n"),
        "{again}"
    );
    assert_eq!(sandbox.files(), before);
    push(&sandbox, &registry, "x/postgres:16.10-alpine", "second");
    push(&sandbox, &registry, "x/nginx:1.29-alpine", "second");
    let moved = run(&sandbox, &registry, &["observe", "--all"]).stdout;
    assert_snapshot!(moved.split_once("\n\n").unwrap().1, @"
      changed  image  nginx     tag 1.29-alpine moved from DIGEST to DIGEST
      changed  image  postgres  now follows 16.10-alpine, before 16.4-alpine; tag 16.10-alpine first seen at DIGEST; tag 16.4-alpine is no longer watched

    Wrote 2 files: state/images (2)
    ");
    let json = sandbox
        .run(&["status", "postgres", "--format", "json"])
        .stdout;
    assert!(
        json.contains("\"availableVersions\": [\n    \"17.2-alpine\"\n  ]"),
        "{json}"
    );
}

/// An index with an image for each platform, which says what stands behind it, and an attestation.
fn push_index(
    sandbox: &Sandbox,
    registry: &RegistryServer,
    image: &str,
    platforms: &[(&str, &str)],
) {
    let layout = Layout::new(sandbox, "index");
    let entry = |(platform, says): &(&str, &str)| {
        let (os, architecture) = platform.split_once('/').unwrap();
        format!(
            r#"{{{}, "platform": {{"os": "{os}", "architecture": "{architecture}"}}}}"#,
            layout.image(says, "", "")
        )
    };
    let entries: Vec<String> = platforms
        .iter()
        .chain(&[("unknown/unknown", "attestation")])
        .map(entry)
        .collect();
    let index = layout.blob(
        "application/vnd.oci.image.index.v1+json",
        &format!(
            r#"{{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{}]}}"#,
            entries.join(", ")
        ),
    );
    layout.finish(&index);
    let _ = registry.push(&layout, image);
}

#[test]
fn the_platforms_of_a_digest_are_recorded_when_it_is_new() {
    let sandbox = crate::sandbox();
    let Some(registry) = RegistryServer::start(&sandbox) else {
        return;
    };
    let host = registry.host();
    factory(&sandbox, &host, &format!("FROM {host}/acme/base:1\n"));
    let observe = |arm64: &str| {
        let platforms = [("linux/amd64", "same"), ("linux/arm64", arm64)];
        push_index(&sandbox, &registry, "acme/base:1", &platforms);
        let observed = run(&sandbox, &registry, &["observe", "--all"]);
        assert_eq!(observed.code, 0, "{observed}");
    };
    observe("first");
    observe("second");
    let before = sandbox.files();
    observe("second");
    assert_eq!(sandbox.files(), before);
    // What costs too much is left out.
    let settings = sandbox.read("imgfac.yaml");
    let without = settings.replace("insecure: true", "insecure: true, budget: 0");
    sandbox.write("imgfac.yaml", &without);
    observe("third");
    let state = base_state(&sandbox, &registry, "1");
    let (_, digests) = state.split_once("digests:\n").unwrap();
    let digests = digests.split_once("\n\n").unwrap().0;
    let platforms = |entry: &str| {
        let lines = entry.lines().filter(|line| line.contains("linux/"));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let entries: Vec<Vec<String>> = digests.split("- digest:").skip(1).map(platforms).collect();
    let [first, second, third] = entries.as_slice() else {
        panic!("{digests}");
    };
    assert_eq!(
        (first.len(), second.len(), third.len()),
        (2, 2, 0),
        "{digests}"
    );
    // Only that of arm64 is another one.
    assert_eq!(first[0], second[0]);
    assert!(first[0].starts_with("linux/amd64: sha256:"), "{digests}");
    assert_ne!(first[1], second[1]);
}

#[test]
fn what_cannot_be_asked_is_an_error_with_its_age() {
    let mut sandbox = crate::sandbox();
    let Some(registry) = RegistryServer::start(&sandbox) else {
        return;
    };
    let host = registry.host();
    let pinned = push(&sandbox, &registry, "acme/base:3", "pinned");
    push(&sandbox, &registry, "acme/base:2", "there");
    factory(
        &sandbox,
        &host,
        &format!(
            "FROM {host}/acme/base:1\nFROM {host}/acme/base:2\nFROM {host}/acme/base:3@{pinned}\n"
        ),
    );
    registry.delete("acme/base", &pinned);
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all"]), @"
    exit 3
    --- stdout
    2 bases failed; what was known is kept:
      failed  base  HOST-acme-base-1                      HOST has no tag 1 of acme/base; was it deleted or renamed? Dockerfiles that name it do not build any more
      failed  base  HOST-acme-base-3-sha256-d80aef0b0a3e  DIGEST of acme/base vanished from HOST; was it deleted or renamed? Dockerfiles that name it do not build any more

      changed  base  HOST-acme-base-1                      HOST has no tag 1 of acme/base
      changed  base  HOST-acme-base-2                      first seen at DIGEST
      changed  base  HOST-acme-base-3-sha256-d80aef0b0a3e  DIGEST of acme/base vanished from HOST

    Wrote 3 files: state/base-images (3)
    --- stderr
    ");
    sandbox.set_now("2026-11-24T12:00:00Z");
    assert_snapshot!(run(&sandbox, &registry, &["observe", "--all", "--quiet"]), @"
    exit 3
    --- stdout
    2 bases failed; what was known is kept:
      failed  base  HOST-acme-base-1                      HOST has no tag 1 of acme/base; was it deleted or renamed? Dockerfiles that name it do not build any more
      failed  base  HOST-acme-base-3-sha256-d80aef0b0a3e  DIGEST of acme/base vanished from HOST; was it deleted or renamed? Dockerfiles that name it do not build any more

    Nothing changed, nothing written.
    --- stderr
    ");
    let status = run(&sandbox, &registry, &["status", "web"]).stdout;
    let (_, stands_on) = status.split_once("Stands on").unwrap();
    assert_snapshot!(stands_on, @"

    HOST-acme-base-1                      upstream  HOST/acme/base:1                                                                          digest not yet observed                                                  not needed by its target
    HOST-acme-base-2                      upstream  HOST/acme/base:2                                                                          DIGEST  not needed by its target
    HOST-acme-base-3-sha256-d80aef0b0a3e  upstream  HOST/acme/base:3@DIGEST  digest not yet observed                                                  not known since 2026-11-23T12:00:00Z: DIGEST of acme/base vanished from HOST
    ");
    // Nobody is logged in.
    let mut command = sandbox.command(&["observe", "--all"]);
    let denied = sandbox.run_command(&mut command).stdout;
    assert_snapshot!(shown(&denied, &registry), @"
    3 bases failed; what was known is kept:
      failed  base  HOST-acme-base-1                      HOST does not let us read acme/base (401, asked without credentials); docker login HOST, or is the name of the image right?
      failed  base  HOST-acme-base-2                      HOST does not let us read acme/base (401, asked without credentials); docker login HOST, or is the name of the image right?
      failed  base  HOST-acme-base-3-sha256-d80aef0b0a3e  HOST does not let us read acme/base (401, asked without credentials); docker login HOST, or is the name of the image right?

      changed  base  HOST-acme-base-1                      HOST does not let us read acme/base (401, asked without credentials)
      changed  base  HOST-acme-base-2                      HOST does not let us read acme/base (401, asked without credentials)
      changed  base  HOST-acme-base-3-sha256-d80aef0b0a3e  HOST does not let us read acme/base (401, asked without credentials)

    Wrote 3 files: state/base-images (3)
    ");
    let state = base_state(&sandbox, &registry, "2");
    let (_, known) = state.split_once("currentDigest: ").unwrap();
    // A tag that was there once is not one that never was.
    registry.delete("acme/base", known.split_once('\n').unwrap().0);
    let vanished = run(&sandbox, &registry, &["observe", "--all"]).stdout;
    let told: Vec<&str> = vanished
        .lines()
        .filter(|line| line.contains("base-2"))
        .collect();
    assert_snapshot!(told.join("\n"), @"
    failed  base  HOST-acme-base-2                      tag 2 of acme/base vanished from HOST; was it deleted or renamed? Dockerfiles that name it do not build any more
    changed  base  HOST-acme-base-2                      tag 2 of acme/base vanished from HOST
    ");
    assert!(base_state(&sandbox, &registry, "2").contains("currentDigest: sha256:"));
}

/// Records a build of `web`, and gives `builtOn` and what was told.
fn build(
    sandbox: &Sandbox,
    registry: &RegistryServer,
    digest: &str,
    version: &str,
    more: &[&str],
) -> String {
    let mut arguments = vec![
        "analyze",
        "--image=web",
        "--tag",
        version,
        "--digest",
        digest,
    ];
    arguments.extend(more);
    let outcome = run(sandbox, registry, &arguments);
    let state = sandbox.read("state/images/web.yaml");
    let built_on = state.split_once("builtOn:\n").map_or("", |(_, rest)| rest);
    let built_on: String = built_on
        .lines()
        .take_while(|line| line.starts_with("  "))
        .map(|line| format!("{line}\n"))
        .collect();
    format!(
        "exit {}\n{}{}",
        outcome.code,
        outcome.stderr,
        built_on.replace(&registry.host().replace(':', "-"), "HOST")
    )
}

#[test]
fn a_build_says_what_it_stood_on() {
    let sandbox = crate::sandbox();
    let Some(registry) = RegistryServer::start(&sandbox) else {
        return;
    };
    let host = registry.host();
    factory(
        &sandbox,
        &host,
        &format!(
            "FROM {host}/acme/base:2 AS tools\nFROM {host}/acme/base:1\nCOPY --from=tools /x /x\n"
        ),
    );
    let old = push(&sandbox, &registry, "acme/base:1", "old");
    let tools = push(&sandbox, &registry, "acme/base:2", "tools");
    let new = push(&sandbox, &registry, "acme/base:1", "new");
    let observed = run(&sandbox, &registry, &["observe", "--all"]);
    assert_eq!(observed.code, 0, "{observed}");
    let named = |text: String| {
        text.replace(&old, "OLD")
            .replace(&new, "NEW")
            .replace(&tools, "TOOLS")
    };

    // Nothing is said: the current digests.
    let silent = push(&sandbox, &registry, "acme/web:1.0", "web");
    assert_snapshot!(named(build(&sandbox, &registry, &silent, "1.0", &[])), @"
    exit 0
      HOST-acme-base-1: NEW
      HOST-acme-base-2: TOOLS
    ");

    // An annotation, as Buildah writes it.
    let layout = Layout::new(&sandbox, "annotated");
    let annotations = format!(
        r#""org.opencontainers.image.base.name": "{host}/acme/base:1", "org.opencontainers.image.base.digest": "{old}""#
    );
    layout.finish(&layout.image("annotated", "", &annotations));
    let annotated = registry.push(&layout, "acme/web:1.1");
    assert_snapshot!(named(build(&sandbox, &registry, &annotated, "1.1", &[])), @"
    exit 0
      HOST-acme-base-1: OLD
      HOST-acme-base-2: TOOLS
    ");

    // Provenance, as BuildKit attaches it.
    let layout = Layout::new(&sandbox, "attested");
    let image = layout.image("attested", "", "");
    let digest = image.split('"').nth(7).unwrap();
    let statement = format!(
        r#"{{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2", "predicate": {{"materials": [{{"uri": "pkg:docker/{}/acme/base@1?platform=linux%2Famd64", "digest": {{"sha256": "{}"}}}}]}}}}"#,
        host.replace(':', "%3A"),
        old.trim_start_matches("sha256:"),
    );
    let statement = layout.blob("application/vnd.in-toto+json", &statement);
    let attestation = layout.image(
        "attestation",
        &format!(r#"{{{statement}, "annotations": {{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}}}}"#),
        "",
    );
    let index = layout.blob(
        "application/vnd.oci.image.index.v1+json",
        &format!(
            r#"{{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
                {{{image}, "platform": {{"os": "linux", "architecture": "amd64"}}}},
                {{{attestation}, "platform": {{"os": "unknown", "architecture": "unknown"}}, "annotations": {{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": "{digest}"}}}}]}}"#
        ),
    );
    layout.finish(&index);
    let attested = registry.push(&layout, "acme/web:1.2");
    let offline = build(&sandbox, &registry, &attested, "1.2", &["--offline"]);
    assert_snapshot!(named(offline), @"
    exit 0
      HOST-acme-base-1: NEW
      HOST-acme-base-2: TOOLS
    ");
    // Another version of the same, so that it is a new build.
    let again = build(&sandbox, &registry, &attested, "1.3", &[]);
    assert_snapshot!(named(again), @"
    exit 0
      HOST-acme-base-1: OLD
      HOST-acme-base-2: TOOLS
    ");

    // It is not there: a note, and the current digests.
    let nowhere = format!("sha256:{}", "0".repeat(64));
    assert_snapshot!(named(build(&sandbox, &registry, &nowhere, "1.4", &[])), @"
    exit 0
    note: what web was built on is not known from its registry, so the current digests of its bases count: HOST has no DIGEST of acme/web; was it deleted or renamed? Dockerfiles that name it do not build any more
      HOST-acme-base-1: NEW
      HOST-acme-base-2: TOOLS
    ");
}

/// A run that may ask a registry in memory.
fn online(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    let mut command = sandbox.command(arguments);
    command.env_remove("IMGFAC_OFFLINE");
    sandbox.run_command(&mut command)
}

/// A base, a tag of ours and external images: what is known is not downloaded again.
#[test]
fn a_second_look_asks_only_what_tags_point_at() {
    let sandbox = crate::sandbox();
    let registry = FakeRegistry::start();
    let host = registry.host();
    for image in [
        "lib/node:22",
        "acme/base:1",
        "x/postgres:16.4",
        "x/postgres:16.3",
        "x/nginx:1.29",
    ] {
        registry.push(image, &Pushed::default());
    }
    for (image, built) in [
        ("x/dated:a", "2026-11-02T08:00:00Z"),
        ("x/dated:b", "2026-11-03T08:00:00Z"),
    ] {
        let layer = "";
        registry.push(
            image,
            &Pushed {
                layer,
                built,
                on: None,
            },
        );
    }
    let entry = |name: &str, rest: &str| {
        format!("- {{name: {name}, registry: '{host}', repository: {rest}}}\n")
    };
    let source = "source: {provider: github, repo: acme/all, dockerfile";
    sandbox.write(
        "images.yaml",
        [
            entry("base", &format!("acme/base, {source}: base/Dockerfile}}")),
            entry("web", &format!("acme/web, {source}: web/Dockerfile}}")),
            entry(
                "postgres",
                "x/postgres, constraint: '>=16.0-0', allowTags: '^[0-9.]+$'",
            ),
            entry(
                "nginx",
                "x/nginx, imageSelectionStrategy: Digest, constraint: '1.29'",
            ),
            entry("dated", "x/dated, imageSelectionStrategy: NewestBuild"),
        ]
        .concat(),
    );
    sandbox.write(
        "imgfac.yaml",
        format!("registries: {{'{host}': {{insecure: true}}}}\nworkspaces: [all]\n"),
    );
    sandbox.write("all/base/Dockerfile", format!("FROM {host}/lib/node:22\n"));
    sandbox.write("all/web/Dockerfile", format!("FROM {host}/acme/base:1\n"));
    assert_eq!(sandbox.run(&["analyze"]).code, 0);
    let look = || {
        let _ = registry.asked();
        let observed = online(&sandbox, &["observe", "--all", "--quiet"]);
        assert_eq!(observed.code, 0, "{observed}");
        let is_download = |line: &String| line.starts_with("GET ") && !line.ends_with("/tags/list");
        registry
            .asked()
            .into_iter()
            .partition::<Vec<_>, _>(is_download)
    };
    let (downloads, _) = look();
    assert!(!downloads.is_empty());
    let (downloads, mut others) = look();
    // State does not have when the tags were built of which one is followed.
    others.retain(|line| !line.contains("/x/dated/"));
    let of_builds = |line: &String| line.contains("/x/dated/");
    assert!(downloads.iter().all(of_builds), "{downloads:?}");
    assert_eq!(downloads.len(), 4);
    assert_snapshot!(others.join("\n"), @"
    GET /v2/x/nginx/tags/list
    GET /v2/x/postgres/tags/list
    HEAD /v2/acme/base/manifests/1
    HEAD /v2/lib/node/manifests/22
    HEAD /v2/x/nginx/manifests/1.29
    HEAD /v2/x/postgres/manifests/16.4
    ");
}

#[test]
fn the_job_of_a_cluster_records_platforms_where_it_can() {
    let sandbox = crate::sandbox();
    let registry = FakeRegistry::start();
    let host = registry.host();
    factory(&sandbox, host, &format!("FROM {host}/acme/base:1\n"));
    let base = format!("{}-acme-base-1", host.replace(':', "-"));
    let push = |built: &str| {
        let on = ("example.com/x:1", "sha256:0", Proof::Provenance);
        registry.push(
            "acme/base:1",
            &Pushed {
                built,
                on: Some(on),
                ..Pushed::default()
            },
        )
    };
    let observe = |digest: &str, more: &[&str]| {
        let _ = registry.asked();
        let arguments = [&["observe", "--base", &base, "--digest", digest], more].concat();
        let outcome = online(&sandbox, &arguments);
        assert_eq!(outcome.code, 0, "{outcome}");
        outcome
            .stderr
            .replace(host, "HOST")
            .replace(digest, "DIGEST")
    };
    let platforms = || {
        let state = sandbox.read(&format!("state/base-images/{base}.yaml"));
        state.matches("linux/amd64: sha256:").count()
    };
    let first = push("first");
    assert_eq!(observe(&first, &[]), "");
    assert_eq!(
        registry.asked(),
        [format!("GET /v2/acme/base/manifests/{first}")]
    );
    assert_eq!(platforms(), 1);
    // What is known is not asked.
    assert_eq!(observe(&first, &[]), "");
    assert_eq!(registry.asked(), [""; 0]);
    // A registry that says nothing costs a note.
    registry.set_closed(true);
    assert_snapshot!(observe(&push("second"), &[]), @"note: the platforms of DIGEST are not known from its registry, so all count as changed: HOST does not let us read acme/base (403, asked without credentials); docker login HOST, or is the name of the image right?");
    registry.set_closed(false);
    assert_eq!(observe(&push("third"), &["--offline"]), "");
    assert_eq!(registry.asked(), [""; 0]);
    assert_eq!(platforms(), 1);
    observe(&push("fourth"), &[]);
    assert_eq!(platforms(), 2);
}

/// The flow of Docker Hub and GHCR: no password for the registry, but tokens for each image.
#[test]
fn a_tag_that_moves_is_noticed_where_tokens_are_wanted() {
    let sandbox = crate::sandbox();
    let Some(registry) = RegistryServer::start_with_tokens(&sandbox) else {
        return;
    };
    let host = registry.host();
    factory(&sandbox, &host, &format!("FROM {host}/acme/base:1\n"));
    let tokens = registry.hosts().pop().unwrap();
    let settings = |hosts: &[&String]| {
        let hosts: Vec<String> = (hosts.iter())
            .map(|host| format!("'{host}': {{insecure: true}}"))
            .collect();
        let settings = format!("registries: {{{}}}\nworkspaces: [web]\n", hosts.join(", "));
        sandbox.write("imgfac.yaml", settings);
    };
    let observe = || {
        let outcome = run(&sandbox, &registry, &["observe", "--all"]);
        outcome.to_string().replace(&tokens, "TOKENS")
    };
    let first = push(&sandbox, &registry, "acme/base:1", "first");
    // The password goes nowhere in plain text without leave.
    settings(&[&host]);
    assert_snapshot!(observe(), @r#"
    exit 3
    --- stdout
    1 base failed; what was known is kept:
      failed  base  HOST-acme-base-1  HOST leads to TOKENS without encryption; if that is meant: registries: {"TOKENS": {insecure: true}} of imgfac.yaml

      changed  base  HOST-acme-base-1  HOST leads to TOKENS without encryption

    Wrote 1 file: state/base-images/HOST-acme-base-1.yaml
    --- stderr
    "#);
    settings(&[&host, &tokens]);
    assert_snapshot!(observe(), @"
    exit 0
    --- stdout
      changed  base  HOST-acme-base-1  first seen at DIGEST

    Wrote 1 file: state/base-images/HOST-acme-base-1.yaml
    --- stderr
    ");
    assert!(base_state(&sandbox, &registry, "1").contains(&first));
    let second = push(&sandbox, &registry, "acme/base:1", "second");
    assert_snapshot!(observe(), @"
    exit 0
    --- stdout
      changed  base  HOST-acme-base-1  moved from DIGEST to DIGEST; images that count as built on the old one: 1

    Wrote 2 files: state/base-images/HOST-acme-base-1.yaml, state/images/web.yaml
    --- stderr
    ");
    let state = base_state(&sandbox, &registry, "1");
    assert!(
        state.contains(&format!("currentDigest: {second}\n")),
        "{state}"
    );
    assert!(
        state.contains(&format!("previousDigest: {first}\n")),
        "{state}"
    );
}
