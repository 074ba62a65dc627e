//! The archive and what comes back from it, renamings and moves, and by hand.

use std::fs;
use std::os::unix::fs::symlink;

use imgfac_model::ImageName;
use imgfac_state::{Archived, Configuration, FileChange, Fleet, Kind, Moment, Store, Update};
use insta::assert_snapshot;

use crate::factory::{Factory, NOW, discovery, files};

const LATER: &str = "2027-01-01T00:00:00Z";
const X: &str = "- {name: x, registry: ghcr.io, repository: acme/x, source: {repo: acme/x}}\n";
const Y: &str = "- {name: y, repository: acme/y, source: {repo: acme/y}}\n";
const DEBIAN: Result<&[&str], &str> = Ok(&["debian:12"]);

impl Factory {
    /// The warnings of a run about all images that finds Dockerfiles `FROM debian:12`.
    fn warnings(&self, renames: &[(&str, &str)]) -> String {
        let (fleet, _) = self.run(NOW, renames, None);
        let text = |warning: &imgfac_model::Diagnostic| {
            let help = warning.help.as_deref().unwrap_or("-");
            format!("{}: {}\n  {help}\n", warning.code.as_str(), warning.message)
        };
        fleet.warnings.iter().map(text).collect()
    }

    /// Runs, writes, and gives the fleet and what changed.
    fn run(&self, now: &str, renames: &[(&str, &str)], scope: Option<&str>) -> (Fleet, String) {
        let store = Store::open(self.0.path()).unwrap();
        let configuration = Configuration::read(&store).unwrap();
        assert!(
            !configuration.has_errors(),
            "{:?}",
            configuration.diagnostics
        );
        let mut fleet = Fleet::read(&store).unwrap();
        let managed =
            (configuration.images.iter()).filter(|(_, image)| image.enrolment.is_managed());
        let update = Update {
            scope: scope.map(|name| [ImageName::new(name).unwrap()].into()),
            discoveries: managed
                .map(|(name, _)| (name.clone(), discovery(DEBIAN).into()))
                .collect(),
            renames: (renames.iter())
                .map(|(old, new)| (ImageName::new(new).unwrap(), (*old).to_owned()))
                .collect(),
            commit: Some("c0ffee".into()),
            ..Update::new(&configuration, now)
        };
        fleet.recall(&store, &update).unwrap();
        let mut out = String::new();
        for change in fleet.apply(&update) {
            let details = change.details.join("; ");
            out.push_str(&format!(
                "{:?} {}: {details}\n",
                change.subject,
                change.kind.as_str()
            ));
        }
        let mut again = fleet.clone();
        assert_eq!(
            again.apply(&update),
            [],
            "applying it twice changes nothing"
        );
        store.commit(&fleet.changes()).unwrap();
        (fleet, out)
    }

    fn add(&self, path: &str, text: &str) {
        self.write(path, &format!("{}{text}", self.read(path)));
    }

    fn archive(&self) -> Vec<String> {
        files(&self.0.path().join("state/_archive/images"))
    }
}

/// `x` enrolled with a history, then removed.
fn with_x_archived() -> Factory {
    let factory = Factory::new(&format!("{X}{Y}"));
    factory.run(NOW, &[], None);
    factory.add("state/images/x.yaml", "notes: the first\n");
    factory.write("images.yaml", Y);
    factory.run(NOW, &[], None);
    factory
}

#[test]
fn an_image_that_is_enrolled_again_has_its_state_back() {
    let factory = with_x_archived();
    assert_snapshot!(factory.read("state/_archive/images/x.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: x

    # Enrolment: what images.yaml says
    enrolledAt: "2026-11-23T12:00:00Z"
    enrollment:
      registry: ghcr.io
      repository: acme/x
      source:
        provider: github
        repo: acme/x
        branch: main
        dockerfile: Dockerfile
      rebuildDelay: 7d
      autoRebuild: true
      criticality: normal

    # Discovery: the images that its Dockerfile stands on
    lastDiscovery: "2026-11-23T12:00:00Z"
    discoveryStatus: success
    baseImages:
      - debian-12

    # Current state: the last build that was recorded
    currentVersion: null
    currentDigest: null
    lastBuilt: null

    # History
    lifecycle:
      - time: "2026-11-23T12:00:00Z"
        from: managed
        to: archived
        reason: removed from the enrolment
        commit: c0ffee

    # Archive: when and why it left the fleet
    archivedAt: "2026-11-23T12:00:00Z"
    archivedReason: removed from the enrolment
    archivedFrom: state/images/x.yaml

    # Other fields, kept as they were found
    notes: the first
    "#);
    factory.write("images.yaml", &format!("{X}{Y}"));
    let (_, said) = factory.run(LATER, &[], None);
    assert_snapshot!(said, @r#"Image("x") restored: archived -> managed: its state is back from the archive; from state/_archive/images/x.yaml"#);
    assert_eq!(factory.archive(), [""; 0]);
    assert_snapshot!(factory.read("state/images/x.yaml"), @r#"
    # Written by `imgfac analyze`. Do not edit: images.yaml is where people write.

    # Identity
    name: x

    # Enrolment: what images.yaml says
    enrolledAt: "2026-11-23T12:00:00Z"
    enrollment:
      registry: ghcr.io
      repository: acme/x
      source:
        provider: github
        repo: acme/x
        branch: main
        dockerfile: Dockerfile
      rebuildDelay: 7d
      autoRebuild: true
      criticality: normal

    # Discovery: the images that its Dockerfile stands on
    lastDiscovery: "2026-11-23T12:00:00Z"
    discoveryStatus: success
    baseImages:
      - debian-12

    # Current state: the last build that was recorded
    currentVersion: null
    currentDigest: null
    lastBuilt: null

    # History
    lifecycle:
      - time: "2026-11-23T12:00:00Z"
        from: managed
        to: archived
        reason: removed from the enrolment
        commit: c0ffee
      - time: "2027-01-01T00:00:00Z"
        from: archived
        to: managed
        commit: c0ffee

    # Other fields, kept as they were found
    notes: the first
    "#);
}

#[test]
fn another_image_of_the_name_starts_anew_and_says_why() {
    for (entry, warning) in [
        (
            X.replace("acme/x, source", "acme/z, source"),
            "state/_archive/images/x.yaml has the state of another \"x\" than this one: it was published as ghcr.io/acme/x, now ghcr.io/acme/z",
        ),
        (
            X.replace("ghcr.io", "quay.io"),
            "state/_archive/images/x.yaml has the state of another \"x\" than this one: it was published as ghcr.io/acme/x, now quay.io/acme/x",
        ),
        (
            X.replace("{repo: acme/x}", "{repo: acme/z}"),
            "state/_archive/images/x.yaml has the state of another \"x\" than this one: it was built from github.com/acme/x, now from github.com/acme/z",
        ),
        (
            X.replace(
                "{repo: acme/x}",
                "{repo: acme/x, provider: gitlab, job: build}",
            ),
            "state/_archive/images/x.yaml has the state of another \"x\" than this one: it was built from github.com/acme/x, now from gitlab.com/acme/x",
        ),
    ] {
        let factory = with_x_archived();
        let archived = factory.read("state/_archive/images/x.yaml");
        factory.write("images.yaml", &format!("{entry}{Y}"));
        assert_eq!(
            factory.warnings(&[]),
            format!(
                "archived-state: {warning}\n  if it is the same image all the same: imgfac restore x\n"
            )
        );
        assert_eq!(factory.read("state/_archive/images/x.yaml"), archived);
        assert!(!factory.read("state/images/x.yaml").contains("the first"));
        assert_eq!(factory.warnings(&[]), "", "it is said once");

        // The second goes beside the first, and the first fits again what it was.
        factory.write("images.yaml", Y);
        factory.run(LATER, &[], None);
        assert_eq!(factory.archive(), ["x.2.yaml", "x.yaml"]);
        factory.write("images.yaml", &format!("{X}{Y}"));
        assert_eq!(factory.warnings(&[]), "");
        assert!(factory.read("state/images/x.yaml").contains("the first"));
        assert_eq!(factory.archive(), ["x.2.yaml"]);
    }
}

#[test]
fn of_an_image_that_is_only_watched_the_place_is_enough() {
    let factory = with_x_archived();
    let external = X.replace(", source: {repo: acme/x}", "");
    factory.write("images.yaml", &format!("{external}{Y}"));
    let (_, said) = factory.run(LATER, &[], None);
    assert_snapshot!(said, @r#"Image("x") restored: archived -> external: its state is back from the archive; from state/_archive/images/x.yaml; enrolment: source; no longer stands on debian-12"#);
}

#[test]
fn a_file_of_the_archive_that_cannot_be_used_stays_and_is_told() {
    let path = "state/_archive/images/x.yaml";
    type Spoil = fn(&Factory);
    let cases: [(Spoil, &str); 4] = [
        (
            |factory| factory.write("state/_archive/images/x.yaml", "name: [\n"),
            "this is not YAML: unclosed bracket '['",
        ),
        (
            |factory| {
                let path = factory.0.path().join("state/_archive/images/x.yaml");
                fs::write(path, b"name: \xff\n").unwrap();
            },
            "the file stops being UTF-8 text here",
        ),
        (
            |factory| {
                let path = factory.0.path().join("state/_archive/images/x.yaml");
                fs::remove_file(&path).unwrap();
                symlink("/etc/hostname", path).unwrap();
            },
            "state/_archive/images/x.yaml: leads outside of DIR",
        ),
        (
            |factory| {
                let path = factory.0.path().join("state/_archive/images/x.yaml");
                fs::remove_file(&path).unwrap();
                fs::create_dir(path).unwrap();
            },
            "state/_archive/images/x.yaml: not a regular file",
        ),
    ];
    for (spoil, reason) in cases {
        let factory = with_x_archived();
        spoil(&factory);
        factory.write("images.yaml", &format!("{X}{Y}"));
        let folder = factory.0.path().display().to_string();
        assert_eq!(
            factory.warnings(&[]).replace(&folder, "DIR"),
            format!(
                "archived-state: {path} cannot be used, so x starts with a new state: {reason}\n  the file stays as it is\n"
            )
        );
        assert!(factory.0.path().join(path).symlink_metadata().is_ok());
        // It is never replaced either.
        factory.write("images.yaml", Y);
        factory.run(LATER, &[], None);
        assert_eq!(factory.archive(), ["x.2.yaml", "x.yaml"]);
    }
}

/// Files that are written first and removed last, in every transition that moves a state.
#[test]
fn a_run_that_was_killed_half_way_leaves_nothing_twice() {
    let with_y = |needed: bool| {
        if needed {
            &["ghcr.io/acme/x:1"][..]
        } else {
            &[][..]
        }
    };
    for (before, needed, after, needs) in [
        (X, false, "", false),
        (X, true, "", true),
        ("", true, "", false),
        ("", true, X, true),
    ] {
        let run = |factory: &Factory, now, entry: &str, needed| {
            factory.write("images.yaml", &format!("{entry}{Y}"));
            let found = [("x", DEBIAN), ("y", Ok(with_y(needed)))];
            factory.update(now, &found)
        };
        let factory = Factory::new("[]\n");
        run(&factory, NOW, before, needed);
        let gone: Vec<(&str, String)> = [
            "state/images/x.yaml",
            "state/base-images/ghcr.io-acme-x-1.yaml",
        ]
        .into_iter()
        .map(|path| (path, factory.read(path)))
        .filter(|(_, text)| text.starts_with('#'))
        .collect();
        run(&factory, NOW, after, needs);
        let whole = crate::lifecycle::state(factory.0.path());
        for (path, text) in &gone {
            if !factory.0.path().join(path).exists() {
                factory.write(path, text);
            }
        }
        run(&factory, LATER, after, needs);
        let now = crate::lifecycle::state(factory.0.path());
        let names = |files: &std::collections::BTreeMap<String, String>| -> Vec<String> {
            files.keys().cloned().collect()
        };
        assert_eq!(names(&now), names(&whole));
        for (path, text) in now {
            let parts = |text: &str| text.matches("\n  - name:").count();
            assert_eq!(parts(&text), parts(&whole[&path]), "{path}: {text}");
        }
    }
}

#[test]
fn a_renaming_is_proposed_and_done_on_request() {
    let new = X.replace("name: x", "name: z");
    let enrolled = || {
        let factory = Factory::new(&format!("{X}{Y}"));
        factory.run(NOW, &[], None);
        factory.add("state/images/x.yaml", "notes: the first\n");
        factory.write("images.yaml", &format!("{new}{Y}"));
        factory
    };
    let factory = enrolled();
    assert_snapshot!(factory.warnings(&[]), @r#"
    possible-rename: "x" is gone, and "z" is new: both are ghcr.io/acme/x
      if it was renamed: imgfac restore x --as z gives it the state that it had; next time run with --rename x=z
    "#);
    assert_eq!(factory.archive(), ["x.yaml"]);

    let factory = enrolled();
    let (fleet, said) = factory.run(LATER, &[("x", "z")], None);
    assert_eq!(fleet.warnings, []);
    assert_snapshot!(said, @r#"Image("z") renamed: renamed x -> z: its whole state goes on under the new name"#);
    assert_eq!(factory.archive(), [""; 0]);
    let text = factory.read("state/images/z.yaml");
    assert!(text.contains("notes: the first\n"), "{text}");
    assert_snapshot!(text.split("# History\n").nth(1).unwrap(), @r#"
    lifecycle:
      - time: "2027-01-01T00:00:00Z"
        from: managed
        to: managed
        fromName: x
        toName: z
        commit: c0ffee

    # Other fields, kept as they were found
    notes: the first
    "#);
    // Again, as after a lost answer to a push.
    assert_eq!(factory.run(LATER, &[("x", "z")], None).1, "");
}

#[test]
fn a_renaming_that_is_none_is_refused() {
    let factory = with_x_archived();
    let other = "- {name: other, repository: acme/other}\n";
    factory.write("images.yaml", &format!("{Y}{other}"));
    let store = Store::open(factory.0.path()).unwrap();
    let configuration = Configuration::read(&store).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    // `gone` is in state and not enrolled.
    fleet
        .images
        .insert("gone".into(), fleet.images["y"].clone());
    let check = |old: &str, new: &str| {
        let new = ImageName::new(new).unwrap();
        match fleet.can_rename(&configuration, old, &new) {
            Ok(renames) => renames.to_string(),
            Err(error) => error.to_string(),
        }
    };
    for (old, new, says) in [
        ("x", "other", "state has no image \"x\""),
        ("y", "other", "\"y\" is still enrolled"),
        ("gone", "nobody", "no image is called \"nobody\""),
        ("gone", "y", "\"y\" has a state already"),
        (
            "gone",
            "other",
            "\"gone\" was published as docker.io/acme/y, \"other\" is as docker.io/acme/other",
        ),
    ] {
        assert_eq!(check(old, new), says, "{old}={new}");
    }
}

#[test]
fn a_renamed_image_keeps_those_that_stand_on_it() {
    let new = X.replace("name: x", "name: z");
    let factory = Factory::new(&format!("{X}{Y}"));
    let found: &[(&str, Result<&[&str], &str>)] =
        &[("x", DEBIAN), ("y", Ok(&["ghcr.io/acme/x:1"]))];
    factory.update(NOW, found);
    factory.write("images.yaml", &format!("{new}{Y}"));
    // A run about the new image alone.
    let (_, said) = factory.run(NOW, &[("x", "z")], Some("z"));
    assert_snapshot!(said, @r#"
    Image("y") changed: stands on z (ours), which was x
    Image("z") renamed: renamed x -> z: its whole state goes on under the new name
    "#);
    let found: &[(&str, Result<&[&str], &str>)] =
        &[("z", DEBIAN), ("y", Ok(&["ghcr.io/acme/x:1"]))];
    assert_eq!(factory.update(NOW, found), "");
}

#[test]
fn an_image_that_moves_starts_anew_there() {
    let factory = Factory::new(&format!("{X}{Y}"));
    factory.run(NOW, &[], None);
    let path = "state/images/x.yaml";
    let text = factory
        .read(path)
        .replace("currentVersion: null", "currentVersion: \"1\"")
        .replace("currentDigest: null", "currentDigest: sha256:x1")
        .replace("lastBuilt: null", "lastBuilt: \"2026-01-01T00:00:00Z\"\nbuiltOn: {debian-12: sha256:d}\nrebuildHistory: [one]\npendingRebuild: {since: now}");
    factory.write(path, &text);
    factory.write(
        "images.yaml",
        &format!("{}{Y}", X.replace("acme/x, ", "acme/new, ")),
    );
    let (_, said) = factory.run(LATER, &[], None);
    assert_snapshot!(said, @r#"Image("x") changed: moved ghcr.io/acme/x -> ghcr.io/acme/new: digests start anew, history stays; enrolment: repository"#);
    let text = factory.read(path);
    assert_snapshot!(text.split("# Current state").nth(1).unwrap(), @r#"
    : the last build that was recorded
    currentVersion: null
    currentDigest: null
    lastBuilt: null

    # History
    rebuildHistory:
      - one
    lifecycle:
      - time: "2027-01-01T00:00:00Z"
        from: managed
        to: managed
        fromRepository: ghcr.io/acme/x
        toRepository: ghcr.io/acme/new
        currentVersion: "1"
        currentDigest: sha256:x1
        lastBuilt: "2026-01-01T00:00:00Z"
        builtOn:
          debian-12: sha256:d
        pendingRebuild:
          since: now
        commit: c0ffee
    "#);
}

#[test]
fn two_images_that_change_places_both_start_anew() {
    let entries = |x: &str, z: &str| {
        let entry = |name: &str, place: &str| {
            format!("- {{name: {name}, repository: acme/{place}, source: {{repo: acme/mono}}}}\n")
        };
        format!("{}{}", entry("x", x), entry("z", z))
    };
    let factory = Factory::new(&entries("p", "q"));
    factory.run(NOW, &[], None);
    for name in ["x", "z"] {
        let path = format!("state/images/{name}.yaml");
        let digest = format!("currentDigest: sha256:{name}");
        factory.write(
            &path,
            &factory.read(&path).replace("currentDigest: null", &digest),
        );
    }
    factory.write("images.yaml", &entries("q", "p"));
    let (_, said) = factory.run(LATER, &[], None);
    assert_snapshot!(said, @r#"
    Image("x") changed: moved docker.io/acme/p -> docker.io/acme/q: digests start anew, history stays; enrolment: repository
    Image("z") changed: moved docker.io/acme/q -> docker.io/acme/p: digests start anew, history stays; enrolment: repository
    "#);
    let text = factory.read("state/images/x.yaml");
    assert!(text.contains("\ncurrentDigest: null\n"), "{text}");
    assert!(text.contains("\n    currentDigest: sha256:x\n"), "{text}");
}

#[test]
fn a_run_about_one_image_lets_nothing_leave() {
    let factory = with_x_archived();
    let found: &[(&str, Result<&[&str], &str>)] = &[("y", Ok(&["ghcr.io/acme/x:1", "debian:12"]))];
    factory.update(NOW, found);
    factory.write(
        "images.yaml",
        &format!("{}{Y}", X.replace("acme/x}}", "acme/new}}")),
    );
    let (fleet, said) = factory.run(LATER, &[], Some("x"));
    assert_eq!(fleet.warnings.len(), 1, "{:?}", fleet.warnings);
    assert_snapshot!(said, @r#"Image("x") added: stands on debian-12"#);
    // The base goes on with the next run about all.
    let found: &[(&str, Result<&[&str], &str>)] =
        &[("x", DEBIAN), ("y", Ok(&["ghcr.io/acme/x:1", "debian:12"]))];
    assert_snapshot!(factory.update(LATER, found), @r#"
    Image("x") changed: base -> managed: built by us from now on, no longer watched as a base
    Image("y") changed: now stands on x (ours); no longer stands on ghcr.io-acme-x-1
    Base("ghcr.io-acme-x-1") became: base -> managed: built by us from now on, no longer watched as a base; kept in state/images/x.yaml
    + state/images/x.yaml
    + state/images/y.yaml
    - state/base-images/ghcr.io-acme-x-1.yaml
    "#);
}

#[test]
fn a_base_hands_its_digest_on_and_gets_the_newest() {
    let factory = Factory::new(Y);
    let y: &[(&str, Result<&[&str], &str>)] = &[("y", Ok(&["ghcr.io/acme/x:1"]))];
    let both: &[(&str, Result<&[&str], &str>)] = &[("x", DEBIAN), y[0]];
    factory.update(NOW, y);
    let (base, image) = (
        "state/base-images/ghcr.io-acme-x-1.yaml",
        "state/images/x.yaml",
    );
    let digest = |path: &str| {
        let text = factory.read(path);
        let lines = text
            .lines()
            .filter(|line| line.contains("Digest: ") && !line.starts_with(' '));
        lines.collect::<Vec<_>>().join(", ")
    };
    factory.write(
        base,
        &factory
            .read(base)
            .replace("currentDigest: null", "currentDigest: sha256:a"),
    );
    factory.write("images.yaml", &format!("{X}{Y}"));
    factory.update(NOW, both);
    assert_eq!(digest(image), "currentDigest: sha256:a");
    // It comes back as it was while nothing newer was built.
    factory.write("images.yaml", Y);
    factory.update(NOW, y);
    assert_eq!(
        digest(base),
        "currentDigest: sha256:a, previousDigest: null"
    );
    // A build of the same tag is what the tag points at, one of another tag is not.
    for (version, digest_of_base) in [
        ("1", "currentDigest: sha256:b, previousDigest: sha256:a"),
        ("2", "currentDigest: null, previousDigest: sha256:b"),
    ] {
        factory.write("images.yaml", &format!("{X}{Y}"));
        factory.update(NOW, both);
        let text: String = (factory.read(image).lines())
            .map(|line| match line.split_once(": ") {
                Some(("currentVersion", _)) => format!("currentVersion: \"{version}\"\n"),
                Some(("currentDigest", _)) => {
                    let digest = if version == "1" { "b" } else { "c" };
                    format!("currentDigest: sha256:{digest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        factory.write(image, &text);
        factory.write("images.yaml", Y);
        factory.update(NOW, y);
        assert_eq!(digest(base), digest_of_base, "{version}");
    }
}

#[test]
fn what_was_seen_of_a_base_is_known_of_the_image_that_comes_back() {
    let factory = Factory::new(&format!("{X}{Y}"));
    let y: &[(&str, Result<&[&str], &str>)] = &[("y", Ok(&["ghcr.io/acme/x:1"]))];
    let both: &[(&str, Result<&[&str], &str>)] = &[("x", DEBIAN), y[0]];
    factory.update(NOW, both);
    let edit = |path: &str, old: &str, new: &str| {
        let text = factory.read(path);
        assert!(text.contains(old), "{text}");
        factory.write(path, &text.replacen(old, new, 1));
    };
    let (image, base) = (
        "state/images/x.yaml",
        "state/base-images/ghcr.io-acme-x-1.yaml",
    );
    edit(image, "currentVersion: null", "currentVersion: \"1\"");
    edit(image, "currentDigest: null", "currentDigest: sha256:a");
    factory.add(
        "state/images/y.yaml",
        "builtOn: {ghcr.io/acme/x:1: sha256:a}\n",
    );
    factory.write("images.yaml", Y);
    factory.update(NOW, y);
    edit(base, "currentDigest: sha256:a", "currentDigest: sha256:d");
    factory.write("images.yaml", &format!("{X}{Y}"));
    factory.update(NOW, both);
    assert!(factory.read(image).contains("\ncurrentDigest: sha256:d\n"));

    // What was built on it is still known when all of them were in the archive meanwhile.
    factory.write("images.yaml", Y);
    factory.update(NOW, y);
    let text = factory.read("state/images/y.yaml");
    assert!(text.contains("  ghcr.io-acme-x-1: sha256:a\n"), "{text}");
    factory.write("images.yaml", "[]\n");
    factory.update(NOW, &[]);
    factory.write("images.yaml", &format!("{X}{Y}"));
    factory.update(NOW, both);
    let text = factory.read("state/images/y.yaml");
    assert!(text.contains("  ghcr.io/acme/x:1: sha256:a\n"), "{text}");
}

/// A state that is as deep as a file may be does not fit into another file.
#[test]
fn a_state_that_no_other_file_can_hold_goes_to_the_archive() {
    let factory = Factory::new(&format!("{X}{Y}"));
    let both: &[(&str, Result<&[&str], &str>)] = &[("x", DEBIAN), ("y", Ok(&["ghcr.io/acme/x:1"]))];
    factory.update(NOW, both);
    let deep = format!("notes: {}{}\n", "[".repeat(98), "]".repeat(98));
    factory.add("state/images/x.yaml", &deep);
    factory.update(NOW, both);
    factory.write("images.yaml", Y);
    factory.update(NOW, &both[1..]);
    assert_eq!(factory.archive(), ["x.yaml"]);
    let store = Store::open(factory.0.path()).unwrap();
    assert_eq!(Fleet::read(&store).unwrap().unreadable, []);
}

fn archived(fleet: &Fleet, store: &Store) -> Vec<Archived> {
    fleet.read_archive(store).unwrap().0
}

#[test]
fn the_archive_is_listed_restored_by_hand_and_pruned() {
    let factory = with_x_archived();
    factory.write("state/_archive/base-images/bad.yaml", "- x\n");
    factory.write(
        "images.yaml",
        &format!("{}{Y}", X.replace("repo: acme/x", "repo: acme/z")),
    );
    factory.run(NOW, &[], None);
    let store = Store::open(factory.0.path()).unwrap();
    let configuration = Configuration::read(&store).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let (all, unusable) = fleet.read_archive(&store).unwrap();
    let [x] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert_eq!(x.kind(), Kind::Managed);
    assert_eq!(x.reference().as_deref(), Some("ghcr.io/acme/x"));
    assert_eq!(
        (
            x.name.as_str(),
            x.path.as_str(),
            x.archived_at.as_deref(),
            x.reason.as_deref()
        ),
        (
            "x",
            "state/_archive/images/x.yaml",
            Some(NOW),
            Some("removed from the enrolment")
        )
    );
    assert_eq!(unusable.len(), 1, "{unusable:?}");

    let moment = Moment {
        time: LATER,
        commit: None,
    };
    let name = ImageName::new("x").unwrap();
    let restored = fleet
        .restore_image(x, &name, &configuration, moment)
        .unwrap();
    assert_eq!(
        restored.differences,
        ["it was built from github.com/acme/x, now from github.com/acme/z"]
    );
    store.commit(&fleet.changes()).unwrap();
    assert!(
        factory
            .read("state/images/x.yaml")
            .contains("notes: the first\n")
    );
    // The state that it had meanwhile is kept, too.
    let fleet = Fleet::read(&store).unwrap();
    let now = archived(&fleet, &store);
    assert_eq!(now.len(), 1, "{now:?}");
    assert_eq!(
        now[0].reason.as_deref(),
        Some("state/_archive/images/x.yaml was restored in its place")
    );
    let (_, said) = factory.run(LATER, &[], None);
    assert_snapshot!(said, @r#"Image("x") changed: enrolment: source.repo"#);

    let mut fleet = Fleet::read(&store).unwrap();
    fleet.remove_archived(&now[0]);
    let path = now[0].path.clone();
    assert_eq!(fleet.changes(), [FileChange::Remove { path }]);
}

#[test]
fn an_image_is_archived_by_hand_unless_others_stand_on_it() {
    let factory = Factory::new(&format!("{X}{Y}"));
    factory.update(NOW, &[("x", DEBIAN), ("y", Ok(&["ghcr.io/acme/x:1"]))]);
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let moment = Moment {
        time: LATER,
        commit: Some("c1"),
    };
    let archive =
        |fleet: &mut Fleet, name: &str| match fleet.archive_image(name, None, "by hand", moment) {
            Ok(changes) => changes[0].details.join("; "),
            Err(error) => error.to_string(),
        };
    assert_eq!(archive(&mut fleet, "x"), "x is still needed by y");
    assert_eq!(archive(&mut fleet, "z"), "state has no image \"z\"");
    assert_eq!(
        archive(&mut fleet, "y"),
        "managed -> archived: by hand; kept in state/_archive/images/y.yaml"
    );
}

/// An external image and a base of one place are two states; both are needed while the base is.
#[test]
fn a_watched_image_that_is_a_base_too_is_needed() {
    let redis = "- {name: redis, repository: redis}\n";
    let factory = Factory::new(&format!("{redis}{Y}"));
    factory.update(NOW, &[("y", Ok(&["redis:7"]))]);
    let store = Store::open(factory.0.path()).unwrap();
    let mut fleet = Fleet::read(&store).unwrap();
    let moment = Moment {
        time: LATER,
        commit: None,
    };
    let error = fleet
        .archive_image("redis", None, "by hand", moment)
        .unwrap_err();
    assert_eq!(error.to_string(), "redis is still needed by y");
}

#[test]
fn a_state_that_a_base_of_another_place_carries_is_told() {
    let factory = Factory::new(&format!("{X}{Y}"));
    let y: (&str, Result<&[&str], &str>) = ("y", Ok(&["ghcr.io/acme/x:1"]));
    factory.update(NOW, &[("x", DEBIAN), y]);
    factory.write("images.yaml", Y);
    factory.update(NOW, &[y]);
    let elsewhere = X.replace("acme/x, source", "acme/z, source");
    factory.write("images.yaml", &format!("{elsewhere}{Y}"));
    assert_snapshot!(factory.warnings(&[]), @r#"
    archived-state: state/base-images/ghcr.io-acme-x-1.yaml has the state of another "x" than this one: it was published as ghcr.io/acme/x, now ghcr.io/acme/z
      if it is the same image all the same: enrol it at its old place, run, and move it then
    "#);
}
