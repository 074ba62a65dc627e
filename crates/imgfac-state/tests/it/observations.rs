//! Digests that were seen.

use imgfac_model::{BaseName, Digest};
use imgfac_state::{Fleet, ObserveError, Store, last_error, seen_digests};
use insta::assert_snapshot;

use crate::factory::Factory;

const IMAGES: &str = "\
- {name: web, repository: acme/web, source: {provider: github, repo: acme/web, dockerfile: Dockerfile}}
- {name: api, repository: acme/api, source: {provider: github, repo: acme/api, dockerfile: Dockerfile}}
";

fn factory() -> Factory {
    let factory = Factory::new(IMAGES);
    factory.update(
        "2026-11-01T00:00:00Z",
        &[
            ("web", Ok(&["node:22", "alpine:3"])),
            ("api", Ok(&["-node:22", "alpine:3"])),
        ],
    );
    factory
}

fn digest(letter: char) -> Digest {
    Digest::parse(&format!("sha256:{}", letter.to_string().repeat(64))).unwrap()
}

/// Records digests, one a day from the second of the month on, and gives what each changed and
/// the files that differ in the end. Digests are shortened to one letter.
fn observe(factory: &Factory, digests: &str) -> String {
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let base = BaseName::new("node-22").unwrap();
    let mut out = String::new();
    for (day, letter) in digests.chars().enumerate() {
        let now = format!("2026-11-{:02}T00:00:00Z", day + 2);
        for change in fleet.observe(&base, &digest(letter), &now).unwrap() {
            out.push_str(&format!(
                "{:?}: {}\n",
                change.subject,
                change.details.join("; ")
            ));
        }
    }
    store.commit(&fleet.changes()).unwrap();
    for change in fleet.changes() {
        out.push_str(&format!("+ {}\n", change.path()));
    }
    for letter in ['a', 'b', 'c'] {
        out = out.replace(digest(letter).as_str(), &letter.to_string());
    }
    out
}

fn read(factory: &Factory, path: &str, first: &str) -> String {
    let mut text = factory.read(path);
    for letter in ['a', 'b', 'c'] {
        text = text.replace(digest(letter).as_str(), &letter.to_string());
    }
    text.split_once(first)
        .map_or(String::new(), |(_, rest)| rest.to_owned())
}

#[test]
fn a_first_sight_is_no_update() {
    let factory = factory();
    assert_snapshot!(observe(&factory, "aaa"), @r#"
    Base("node-22"): first seen at a
    + state/base-images/node-22.yaml
    "#);
    assert_snapshot!(read(&factory, "state/base-images/node-22.yaml", "# Discovery\n"), @r#"
    firstDiscovered: "2026-11-01T00:00:00Z"
    lastChecked: "2026-11-02T00:00:00Z"

    # Current state: what the tag points at
    currentDigest: a
    lastUpdated: null
    previousDigest: null

    # Digests that were seen, with the times of it
    digests:
      - digest: a
        firstSeen: "2026-11-02T00:00:00Z"
        lastSeen: "2026-11-02T00:00:00Z"

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
fn an_update_is_kept_with_what_was_before() {
    let factory = factory();
    assert_snapshot!(observe(&factory, "aabba"), @r#"
    Base("node-22"): first seen at a
    Base("node-22"): moved from a to b; images that count as built on the old one: 1
    Base("node-22"): moved from b to a
    + state/images/web.yaml
    + state/base-images/node-22.yaml
    "#);
    assert_snapshot!(read(&factory, "state/base-images/node-22.yaml", "# Discovery\n"), @r#"
    firstDiscovered: "2026-11-01T00:00:00Z"
    lastChecked: "2026-11-06T00:00:00Z"

    # Current state: what the tag points at
    currentDigest: a
    lastUpdated: "2026-11-06T00:00:00Z"
    previousDigest: b

    # Digests that were seen, with the times of it
    digests:
      - digest: a
        firstSeen: "2026-11-02T00:00:00Z"
        lastSeen: "2026-11-04T00:00:00Z"
      - digest: b
        firstSeen: "2026-11-04T00:00:00Z"
        lastSeen: "2026-11-06T00:00:00Z"
      - digest: a
        firstSeen: "2026-11-06T00:00:00Z"
        lastSeen: "2026-11-06T00:00:00Z"

    # Eligibility: when dependents may be rebuilt
    rebuildEligibleAt:
      default: null

    # Metadata
    metadata: {}

    # History
    updateHistory: []
    "#);
    // Of the two, one was built on it as far as is known; the other does not need it.
    assert_snapshot!(read(&factory, "state/images/web.yaml", "lastBuilt"), @"
    : null
    builtOn:
      node-22: a
    ");
    assert_snapshot!(read(&factory, "state/images/api.yaml", "lastBuilt"), @": null");
}

#[test]
fn history_is_bounded_and_keeps_what_others_wrote() {
    let factory = factory();
    let path = "state/base-images/node-22.yaml";
    let old = digest('c');
    let text = factory.read(path).replace(
        "currentDigest: null",
        &format!(
            "currentDigest: {old}\ndigests:\n  - digest: {old}\n    note: by hand\n  - broken"
        ),
    );
    factory.write(path, &text);
    observe(&factory, "a");
    let text = factory.read(path);
    assert!(
        text.contains("note: by hand") && text.contains("- broken"),
        "{text}"
    );

    observe(&factory, &"ab".repeat(10));
    let fleet = Fleet::read(&Store::open(factory.0.path()).unwrap()).unwrap();
    let base = &fleet.bases[&BaseName::new("node-22").unwrap()];
    let seen = seen_digests(&base.rest);
    assert_eq!(seen.len(), 10);
    assert_eq!(seen[9].digest, digest('b').as_str());
    assert_eq!(seen[8].last_seen, seen[9].first_seen);
}

#[test]
fn only_a_known_base_is_observed() {
    let factory = factory();
    factory.write("state/base-images/broken.yaml", "fullImage: [\n");
    let mut fleet = Fleet::read(&Store::open(factory.0.path()).unwrap()).unwrap();
    let mut observe = |name: &str| {
        let name = BaseName::new(name).unwrap();
        fleet
            .observe(&name, &digest('a'), "2026-11-02T00:00:00Z")
            .unwrap_err()
    };
    assert!(matches!(observe("node-24"), ObserveError::Unknown { .. }));
    assert!(matches!(observe("broken"), ObserveError::Unreadable { .. }));
    assert!(fleet.changes().is_empty());
}

#[test]
fn what_could_not_be_found_out_is_noted_until_it_can() {
    let factory = factory();
    let store = Store::open(factory.0.path()).unwrap();
    let base = BaseName::new("node-22").unwrap();
    let record = |day: u32, answer: Result<char, &str>| {
        let mut fleet = Fleet::read(&store).unwrap();
        let now = format!("2026-11-{day:02}T00:00:00Z");
        let changes = match answer {
            Ok(letter) => fleet.observe(&base, &digest(letter), &now),
            Err(reason) => fleet.observe_failed(&base, reason, &now),
        };
        let details = changes.unwrap().into_iter().flat_map(|one| one.details);
        let told = details.collect::<Vec<_>>().join("; ");
        store.commit(&fleet.changes()).unwrap();
        let error = last_error(&fleet.bases[&base].rest);
        let error = error.map(|error| format!("{} since {}", error.reason, error.since.unwrap()));
        format!(
            "{} | {}",
            told.replace(digest('a').as_str(), "a")
                .replace(digest('b').as_str(), "b"),
            error.unwrap_or_default()
        )
    };
    assert_snapshot!(record(2, Ok('a')), @"first seen at a |");
    assert_snapshot!(record(3, Err("gone")), @"gone | gone since 2026-11-03T00:00:00Z");
    assert_snapshot!(record(4, Err("gone")), @" | gone since 2026-11-03T00:00:00Z");
    assert_snapshot!(record(5, Err("limited")), @"limited | limited since 2026-11-03T00:00:00Z");
    let text = read(&factory, "state/base-images/node-22.yaml", "lastChecked");
    assert!(
        text.contains("lastError:\n  reason: limited\n  since: \"2026-11-03T00:00:00Z\"\n"),
        "{text}"
    );
    assert!(text.contains("currentDigest: a\n"), "{text}");
    assert_snapshot!(record(6, Ok('a')), @"its registry answers again |");
    assert_snapshot!(record(7, Err("gone")), @"gone | gone since 2026-11-07T00:00:00Z");
    assert_snapshot!(record(8, Ok('b')), @"moved from a to b; images that count as built on the old one: 1 |");
    assert!(
        !factory
            .read("state/base-images/node-22.yaml")
            .contains("lastError")
    );
    let unknown = BaseName::new("other").unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let error = fleet.observe_failed(&unknown, "gone", "2026-11-09T00:00:00Z");
    assert!(matches!(error, Err(ObserveError::Unknown { .. })));
}
