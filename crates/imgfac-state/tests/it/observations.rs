//! Digests that were seen.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{BaseName, Digest};
use imgfac_state::{
    About, Fleet, ObserveError, OwnTag, Sighting, Store, available_versions, last_error,
    seen_digests, seen_tags, tag_errors,
};
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

const FAMILY: &str = "\
- {name: base, registry: ghcr.io, repository: acme/base, source: {provider: github, repo: acme/base, dockerfile: Dockerfile}}
- {name: web, repository: acme/web, source: {provider: github, repo: acme/web, dockerfile: Dockerfile}}
- {name: api, repository: acme/api, source: {provider: github, repo: acme/api, dockerfile: Dockerfile}}
";

/// `web` stands on tag 1.10 of `base`, which is ours; `api` names it and a digest.
fn family() -> Factory {
    let factory = Factory::new(FAMILY);
    let pinned = format!("ghcr.io/acme/base:2@{}", digest('c'));
    factory.update(
        "2026-11-01T00:00:00Z",
        &[
            ("base", Ok(&["node:22"])),
            ("web", Ok(&["ghcr.io/acme/base:1.10"])),
            ("api", Ok(&["-ghcr.io/acme/base:1.10", &pinned])),
        ],
    );
    factory
}

fn own_tags(factory: &Factory) -> Vec<OwnTag> {
    let store = Store::open(factory.0.path()).unwrap();
    Fleet::read(&store).unwrap().own_tags()
}

/// One run on a day of the month: what it records of tags of `base`, and that it drops what is not
/// watched. Gives what it told, and the files that it wrote.
fn look(factory: &Factory, day: u32, answers: &[(&str, Result<char, &str>)]) -> String {
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let now = format!("2026-11-{day:02}T00:00:00Z");
    let mut changes = Vec::new();
    for (tag, answer) in answers {
        let recorded = match answer {
            Ok(letter) => fleet.observe_tag("base", tag, &digest(*letter), &now),
            Err(reason) => fleet.observe_tag_failed("base", tag, reason, &now),
        };
        changes.extend(recorded.unwrap());
    }
    let mut watched: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for own in fleet.own_tags() {
        watched.entry(own.image).or_default().insert(own.tag);
    }
    changes.extend(fleet.forget_tags(&watched));
    let files = fleet.changes();
    store.commit(&files).unwrap();
    let told = changes.iter().flat_map(|change| &change.details);
    let told = told.map(|line| format!("{line}\n"));
    let written = files.iter().map(|file| format!("+ {}\n", file.path()));
    let mut out: String = told.chain(written).collect();
    for letter in ['a', 'b', 'c'] {
        out = out.replace(digest(letter).as_str(), &letter.to_string());
    }
    out
}

#[test]
fn the_tags_that_others_stand_on_are_known() {
    let factory = family();
    let names: Vec<String> = (own_tags(&factory).into_iter())
        .map(|own| format!("{} {}", own.image, own.reference))
        .collect();
    assert_eq!(
        names,
        [
            "base ghcr.io/acme/base:1.10".to_owned(),
            "base ghcr.io/acme/base:2".to_owned(),
            format!("base ghcr.io/acme/base@{}", digest('c')),
        ]
    );
    // What the state of the parent says of another place is not about this one.
    let path = "state/images/base.yaml";
    let moved = factory.read(path).replace("acme/base\n", "acme/other\n");
    factory.write(path, &moved);
    assert_eq!(own_tags(&factory), []);
    factory.write(path, "fullImage: [");
    assert_eq!(own_tags(&factory), []);
}

#[test]
fn a_tag_of_an_image_of_ours_is_recorded_as_a_base_is() {
    let factory = family();
    assert_snapshot!(look(&factory, 2, &[("1.10", Ok('a'))]), @"
    tag 1.10 first seen at a
    + state/images/base.yaml
    ");
    assert_snapshot!(look(&factory, 3, &[("1.10", Ok('a'))]), @"");
    assert_snapshot!(look(&factory, 4, &[("1.10", Ok('b')), ("2", Ok('a'))]), @"
    tag 1.10 moved from a to b
    images that count as built on the old one: 1
    tag 2 first seen at a
    + state/images/base.yaml
    + state/images/web.yaml
    ");
    assert_snapshot!(look(&factory, 5, &[("1.10", Ok('a')), ("2", Err("gone"))]), @"
    tag 1.10 moved from b to a
    tag 2: gone
    + state/images/base.yaml
    ");
    assert_snapshot!(look(&factory, 6, &[("1.10", Ok('a')), ("2", Err("gone"))]), @"");
    assert_snapshot!(read(&factory, "state/images/base.yaml", "# Current state"), @r#"
    : the last build that was recorded
    currentVersion: null
    currentDigest: null
    lastBuilt: null

    # What its tags were seen to point at, with the times of it
    observedTags:
      "1.10":
        digests:
          - digest: a
            firstSeen: "2026-11-02T00:00:00Z"
            lastSeen: "2026-11-04T00:00:00Z"
          - digest: b
            firstSeen: "2026-11-04T00:00:00Z"
            lastSeen: "2026-11-05T00:00:00Z"
          - digest: a
            firstSeen: "2026-11-05T00:00:00Z"
            lastSeen: "2026-11-05T00:00:00Z"
      "2":
        digests:
          - digest: a
            firstSeen: "2026-11-04T00:00:00Z"
            lastSeen: "2026-11-04T00:00:00Z"
        lastError:
          reason: gone
          since: "2026-11-05T00:00:00Z"
    "#);
    assert_snapshot!(read(&factory, "state/images/web.yaml", "lastBuilt"), @r"
    : null
    builtOn:
      ghcr.io/acme/base:1.10: a
    ");
    assert_snapshot!(read(&factory, "state/images/api.yaml", "lastBuilt"), @": null");
    let fleet = Fleet::read(&Store::open(factory.0.path()).unwrap()).unwrap();
    let base = &fleet.images["base"];
    let seen = seen_tags(&base.rest);
    let digests: Vec<&str> = seen["1.10"].iter().map(|it| it.digest.as_str()).collect();
    assert_eq!(
        digests,
        [digest('a'), digest('b'), digest('a')]
            .each_ref()
            .map(Digest::as_str)
    );
    assert_eq!(tag_errors(&base.rest)["2"].reason, "gone");
    assert_snapshot!(look(&factory, 7, &[("2", Ok('a'))]), @"
    tag 2: its registry answers again
    + state/images/base.yaml
    ");
}

#[test]
fn tags_that_nothing_stands_on_are_dropped() {
    let factory = family();
    look(&factory, 2, &[("1.10", Ok('a')), ("2", Ok('b'))]);
    factory.update("2026-11-03T00:00:00Z", &[("api", Ok(&["alpine:3"]))]);
    // Whether the broken one needs it is not known.
    let whole = factory.read("state/images/api.yaml");
    factory.write("state/images/api.yaml", "baseImages: [");
    assert_snapshot!(look(&factory, 4, &[("1.10", Ok('a'))]), @"");
    factory.write("state/images/api.yaml", &whole);
    assert_snapshot!(look(&factory, 4, &[("1.10", Ok('a'))]), @"
    tag 2 is no longer watched
    + state/images/base.yaml
    ");
    factory.update("2026-11-05T00:00:00Z", &[("web", Ok(&["alpine:3"]))]);
    look(&factory, 6, &[]);
    assert!(
        !factory
            .read("state/images/base.yaml")
            .contains("observedTags")
    );
}

#[test]
fn at_another_place_tags_start_anew() {
    let factory = family();
    look(&factory, 2, &[("1.10", Ok('a'))]);
    factory.write(
        "images.yaml",
        &FAMILY.replace("acme/base, source", "acme/moved, source"),
    );
    factory.update("2026-11-03T00:00:00Z", &[]);
    let text = factory.read("state/images/base.yaml");
    let (now, history) = text.split_once("lifecycle:").unwrap();
    assert!(
        !now.contains("observedTags") && history.contains("observedTags"),
        "{text}"
    );
}

#[test]
fn a_base_goes_on_from_what_the_tag_of_the_image_pointed_at() {
    let factory = family();
    let base = factory.read("state/images/base.yaml");
    let built = base
        .replace("currentVersion: null", "currentVersion: \"3.0\"")
        .replace(
            "currentDigest: null",
            &format!("currentDigest: {}", digest('c')),
        );
    factory.write("state/images/base.yaml", &built);
    look(&factory, 2, &[("1.10", Ok('a')), ("2", Ok('b'))]);
    let (_, others) = FAMILY.split_once('\n').unwrap();
    factory.write("images.yaml", others);
    factory.update("2026-11-03T00:00:00Z", &[]);
    let state = "state/base-images/ghcr.io-acme-base-1.10.yaml";
    assert!(
        factory.read(state).contains(&format!(
            "currentDigest: {}\nlastUpdated: \"2026-11-02T00:00:00Z\"\n",
            digest('a')
        )),
        "{}",
        factory.read(state)
    );
}

#[test]
fn only_tags_of_known_images_are_recorded() {
    let factory = family();
    factory.write("state/images/broken.yaml", "fullImage: [");
    let mut fleet = Fleet::read(&Store::open(factory.0.path()).unwrap()).unwrap();
    let mut record = |image: &str| {
        let now = "2026-11-02T00:00:00Z";
        fleet
            .observe_tag(image, "1", &digest('a'), now)
            .unwrap_err()
    };
    assert!(matches!(
        record("nobody"),
        ObserveError::UnknownImage { .. }
    ));
    assert!(matches!(record("broken"), ObserveError::Unreadable { .. }));
    assert_eq!(fleet.changes(), []);
}

const EXTERNAL: &str = "- {name: postgres, repository: library/postgres, imageSelectionStrategy: SemVer, constraint: 16.x, allowTags: '^16'}\n";

/// One look at `postgres`: the tag, the letter of its digest, newer tags or `?`; or why it failed.
fn look_at_external(factory: &Factory, day: u32, seen: Result<&str, &str>) -> String {
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let now = format!("2026-11-{day:02}T00:00:00Z");
    let changes = match seen {
        Err(reason) => fleet.observe_external_failed("postgres", reason, &now),
        Ok(seen) => {
            let mut words = seen.split_whitespace();
            let mut word = || words.next().unwrap();
            let sighting = Sighting {
                tag: word().to_owned(),
                digest: digest(word().parse().unwrap()),
                newer: match word() {
                    "?" => None,
                    newer => Some(
                        newer
                            .split(',')
                            .filter(|it| !it.is_empty() && *it != "-")
                            .map(str::to_owned)
                            .collect(),
                    ),
                },
            };
            fleet.observe_external("postgres", &sighting, &now)
        }
    };
    let kept = seen_tags(&fleet.images["postgres"].rest).into_keys();
    let current = fleet.images["postgres"].state.current_version.clone();
    let watched = kept.filter(|tag| Some(tag) == current.as_ref()).collect();
    let mut changes = changes.unwrap();
    changes.extend(fleet.forget_tags(&BTreeMap::from([("postgres".to_owned(), watched)])));
    store.commit(&fleet.changes()).unwrap();
    let told = changes.iter().flat_map(|change| &change.details);
    let told = told.cloned().collect::<Vec<_>>().join("; ");
    told.replace(digest('a').as_str(), "a")
        .replace(digest('b').as_str(), "b")
}

#[test]
fn an_external_image_has_the_tag_that_is_tracked_and_what_is_newer() {
    let factory = Factory::new(EXTERNAL);
    factory.update("2026-11-01T00:00:00Z", &[]);
    let look = |day, seen| look_at_external(&factory, day, seen);
    assert_snapshot!(look(2, Ok("16.4 a 17.2,17.1")), @"follows 16.4; tag 16.4 first seen at a; newer: 17.2, 17.1");
    assert_snapshot!(look(3, Ok("16.4 a 17.2,17.1")), @"");
    assert_snapshot!(look(4, Ok("16.4 b ?")), @"tag 16.4 moved from a to b");
    assert_snapshot!(look(5, Err("no tag fits")), @"no tag fits");
    assert_snapshot!(look(6, Err("no tag fits")), @"");
    assert_snapshot!(read(&factory, "state/images/postgres.yaml", "# Current state"), @r#"
    : the tag that is tracked
    currentVersion: "16.4"
    currentDigest: b
    lastBuilt: null

    # What its tags were seen to point at, with the times of it
    observedTags:
      "16.4":
        digests:
          - digest: a
            firstSeen: "2026-11-02T00:00:00Z"
            lastSeen: "2026-11-04T00:00:00Z"
          - digest: b
            firstSeen: "2026-11-04T00:00:00Z"
            lastSeen: "2026-11-04T00:00:00Z"
    lastError:
      reason: no tag fits
      since: "2026-11-05T00:00:00Z"

    # Versions that are newer than the one that is tracked, newest first
    availableVersions:
      - "17.2"
      - "17.1"
    "#);
    assert_snapshot!(look(7, Ok("16.5 b -")), @"now follows 16.5, before 16.4; its registry answers again; tag 16.5 first seen at b; nothing newer is there any more; tag 16.4 is no longer watched");
    let many: Vec<String> = (17..40).rev().map(|n| format!("{n}.0")).collect();
    look(8, Ok(&format!("16.5 b {}", many.join(","))));
    let fleet = Fleet::read(&Store::open(factory.0.path()).unwrap()).unwrap();
    let newer = available_versions(&fleet.images["postgres"].rest);
    assert_eq!(newer, many[..10]);

    // Once it is built by us, what there is upstream says nothing.
    factory.write("images.yaml", "- {name: postgres, repository: library/postgres, source: {provider: github, repo: a/b, dockerfile: Dockerfile}}\n");
    factory.update("2026-11-09T00:00:00Z", &[]);
    assert!(
        !factory
            .read("state/images/postgres.yaml")
            .contains("availableVersions")
    );
}

#[test]
fn a_digest_has_what_is_said_of_it_beside_it() {
    let factory = factory();
    let store = Store::open(factory.0.path()).unwrap();
    let base = BaseName::new("node-22").unwrap();
    let about = |words: &str| {
        let words = words.split_whitespace();
        let mut about = About::default();
        for (key, value) in words.map(|word| word.split_once('=').unwrap()) {
            match key {
                "pushed" => about.pushed = Some(value.to_owned()),
                _ => drop(
                    about
                        .platforms
                        .insert(key.to_owned(), digest(value.parse().unwrap())),
                ),
            }
        }
        about
    };
    let record = |day: u32, letter: char, words: &str| {
        let mut fleet = Fleet::read(&store).unwrap();
        let now = format!("2026-11-{day:02}T00:00:00Z");
        fleet.observe(&base, &digest(letter), &now).unwrap();
        // Of another digest than the last there is nothing to note.
        let other = digest('c');
        let unknown = about("linux/s390x=c pushed=2026-11-01T00:00:00Z");
        fleet.observe_about(&base, &other, &unknown).unwrap();
        let known = about(words);
        fleet.observe_about(&base, &digest(letter), &known).unwrap();
        store.commit(&fleet.changes()).unwrap();
        fleet.changes().len()
    };
    record(2, 'a', "linux/amd64=b linux/arm64=c");
    // What is known already stays.
    assert_eq!(record(3, 'a', "linux/amd64=c"), 0);
    record(4, 'b', "pushed=2026-11-03T08:00:00Z");
    record(5, 'a', "linux/amd64=b");
    let text = read(&factory, "state/base-images/node-22.yaml", "times of it\n");
    assert_snapshot!(text.split_once("\n\n").unwrap().0, @r#"
    digests:
      - digest: a
        firstSeen: "2026-11-02T00:00:00Z"
        lastSeen: "2026-11-04T00:00:00Z"
        platforms:
          linux/amd64: b
          linux/arm64: c
      - digest: b
        firstSeen: "2026-11-04T00:00:00Z"
        lastSeen: "2026-11-05T00:00:00Z"
        pushed: "2026-11-03T08:00:00Z"
      - digest: a
        firstSeen: "2026-11-05T00:00:00Z"
        lastSeen: "2026-11-05T00:00:00Z"
        platforms:
          linux/amd64: b
    "#);
    let fleet = Fleet::read(&store).unwrap();
    let seen = seen_digests(&fleet.bases[&base].rest);
    let counts: Vec<usize> = seen.iter().map(|seen| seen.platforms.len()).collect();
    assert_eq!(counts, [2, 0, 1]);
    assert_eq!(seen[0].platforms["linux/arm64"], digest('c').as_str());
    let pushed = seen.iter().map(|seen| seen.pushed.as_deref());
    assert_eq!(
        pushed.collect::<Vec<_>>(),
        [None, Some("2026-11-03T08:00:00Z"), None]
    );

    let factory = family();
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let (a, known) = (digest('a'), about("linux/amd64=b"));
    fleet
        .observe_tag("base", "2", &a, "2026-11-02T00:00:00Z")
        .unwrap();
    fleet.observe_tag_about("base", "2", &a, &known).unwrap();
    let seen = &seen_tags(&fleet.images["base"].rest)["2"][0];
    assert_eq!(seen.platforms["linux/amd64"], digest('b').as_str());
}
