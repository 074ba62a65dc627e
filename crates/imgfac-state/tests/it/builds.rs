//! Builds and source commits, recorded once.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgfac_model::{Digest, ImageName, Reference};
use imgfac_state::{Build, Configuration, Fleet, Store, Update};

use crate::factory::{Factory, NOW, discovery};

const IMAGES: &str = "\
- name: base
  repository: acme/base
  registry: ghcr.io
  source: {provider: github, repo: acme/base, dockerfile: Dockerfile}
- name: web
  repository: acme/web
  source: {provider: github, repo: acme/web, dockerfile: Dockerfile}
";

const BASE: &str = "fullImage: docker.io/library/node:22\ncurrentDigest: sha256:n22\n";

/// Records a build of `web`, read at a commit, and gives the lines of its state that say so.
fn record(factory: &Factory, now: &str, commit: &str, build: Build) -> String {
    let store = Store::open(factory.0.path()).unwrap();
    let configuration = Configuration::read(&store).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let web = ImageName::new("web").unwrap();
    let bases: &[&str] = &["node:22", "-alpine:3", "ghcr.io/acme/base:1"];
    let update = Update {
        scope: Some([web.clone()].into()),
        discoveries: BTreeMap::from([(web.clone(), Arc::new(discovery(Ok(bases))))]),
        commits: BTreeMap::from([(web.clone(), commit.to_owned())]),
        builds: BTreeMap::from([(web, build)]),
        ..Update::new(&configuration, now)
    };
    fleet.apply(&update);
    let again = fleet.apply(&update);
    assert!(again.is_empty(), "{again:?}");
    store.commit(&fleet.changes()).unwrap();
    let text = factory.read("state/images/web.yaml");
    let keys = [
        "sourceCommit",
        "lastDiscovery",
        "currentVersion",
        "currentDigest",
        "lastBuilt",
        "builtOn",
        "  ",
    ];
    text.lines()
        .skip_while(|line| !line.starts_with("lastDiscovery"))
        .filter(|line| keys.iter().any(|key| line.starts_with(key)))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn build(version: &str, digest: &str) -> Build {
    Build {
        version: Some(version.into()),
        digest: Some(digest.into()),
        ..Build::default()
    }
}

#[test]
fn what_a_build_says_counts_before_what_is_current() {
    let factory = Factory::new(IMAGES);
    factory.write("state/base-images/node-22.yaml", BASE);
    let base = "name: base\ncurrentDigest: sha256:b1\n";
    factory.write("state/images/base.yaml", base);
    let digest = |letter: &str| Digest::parse(&format!("sha256:{}", letter.repeat(64))).unwrap();
    let said = [
        ("node:22", "a"),
        ("ghcr.io/acme/base:1", "b"),
        // Only a stage that is not built needs it.
        ("alpine:3", "c"),
        ("busybox:1", "d"),
    ];
    let build = Build {
        stood_on: said
            .iter()
            .map(|(name, letter)| (Reference::parse(name).unwrap(), digest(letter)))
            .collect(),
        ..build("1.0", "sha256:w1")
    };
    let recorded = record(&factory, NOW, "c1", build);
    let (_, built_on) = recorded.split_once("builtOn:\n").unwrap();
    let expected = format!(
        "  ghcr.io/acme/base:1: {}\n  node-22: {}\n",
        digest("b"),
        digest("a")
    );
    assert_eq!(built_on, expected);
}

#[test]
fn a_build_is_recorded_with_what_it_stood_on() {
    let factory = Factory::new(IMAGES);
    factory.write("state/base-images/node-22.yaml", BASE);
    factory.write(
        "state/images/base.yaml",
        "name: base\ncurrentDigest: sha256:b1\n",
    );
    let first = record(&factory, NOW, "c1", build("1.0", "sha256:w1"));
    insta::assert_snapshot!(first, @r#"
    lastDiscovery: "2026-11-23T12:00:00Z"
    sourceCommit: c1
      - alpine-3
      - node-22
      - name: base
        reference: ghcr.io/acme/base:1
      - docker.io/library/alpine:3
    currentVersion: "1.0"
    currentDigest: sha256:w1
    lastBuilt: "2026-11-23T12:00:00Z"
    builtOn:
      ghcr.io/acme/base:1: sha256:b1
      node-22: sha256:n22
    "#);
    // The same build again, seen later and at another commit with the same bases, is no news.
    let later = "2026-12-01T00:00:00Z";
    assert_eq!(
        record(&factory, later, "c2", build("1.0", "sha256:w1")),
        first
    );
    assert_eq!(record(&factory, later, "c2", Build::default()), first);
    let second = record(&factory, later, "c2", build("1.1", "sha256:w2"));
    assert!(
        second
            .contains("currentVersion: \"1.1\"\ncurrentDigest: sha256:w2\nlastBuilt: \"2026-12-01"),
        "{second}"
    );
    assert!(second.contains("sourceCommit: c1\n"), "{second}");
}
