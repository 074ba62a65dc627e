//! Transitions: every pair of them in both orders, and what each of them does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use proptest::prelude::*;

use crate::factory::{Factory, NOW, files};

const LATER: &str = "2027-01-01T00:00:00Z";

const MANAGED: &str =
    "- {name: x, registry: ghcr.io, repository: acme/x, source: {repo: acme/x}}\n";
const EXTERNAL: &str = "- {name: x, registry: ghcr.io, repository: acme/x, allowTags: ^1$}\n";
const OTHER: &str = "- {name: y, repository: acme/y, source: {repo: acme/y}}\n";

/// What `x` is: its entry, and whether `y` stands on `ghcr.io/acme/x:1`.
type Situation = (&'static str, &'static str, bool);

const SITUATIONS: &[Situation] = &[
    ("unknown", "", false),
    ("managed", MANAGED, false),
    ("external", EXTERNAL, false),
    ("base", "", true),
    ("managed, needed", MANAGED, true),
    ("external, needed", EXTERNAL, true),
];

fn enter(factory: &Factory, (_, entry, needed): Situation) -> String {
    factory.write("images.yaml", &format!("{OTHER}{entry}"));
    let y: &[&str] = match needed {
        true => &["ghcr.io/acme/x:1", "node:22"],
        false => &["node:22"],
    };
    let said = factory.update(NOW, &[("x", Ok(&["debian:12"])), ("y", Ok(y))]);
    let found = [("x", Ok(&["debian:12"][..])), ("y", Ok(y))];
    assert_eq!(
        factory.update(LATER, &found),
        "",
        "a second run has no news"
    );
    said
}

/// Every state file, by path.
pub(crate) fn state(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for kind in [
        "images",
        "base-images",
        "_archive/images",
        "_archive/base-images",
    ] {
        for name in files(&folder.join("state").join(kind)) {
            let path = format!("state/{kind}/{name}");
            let text = fs::read_to_string(folder.join(&path)).unwrap();
            found.insert(path, text);
        }
    }
    found
}

/// A file without the record of its life, which goes on, and without what it has taken in since.
fn without_record(text: &str) -> String {
    const GROWING: [&str; 3] = ["lifecycle:", "formerBases:", "formerImages:"];
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        inside = GROWING.contains(&line) || inside && line.starts_with(' ');
        if !inside && !line.starts_with('#') && !line.is_empty() {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The kinds that a record goes through, or that it is broken.
fn record(text: &str) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    let lines = text.lines().skip_while(|line| *line != "lifecycle:");
    for line in lines.skip(1).take_while(|line| line.starts_with(' ')) {
        if let Some(from) = line.trim().strip_prefix("from: ") {
            match kinds.last() {
                Some(last) if *last != from => return format!("broken at {from}: {text}"),
                Some(_) => {}
                None => kinds.push(from),
            }
        } else if let Some(to) = line.trim().strip_prefix("to: ") {
            kinds.push(to);
        }
    }
    kinds.join(" > ")
}

#[test]
fn every_pair_of_situations_in_both_orders_gives_back_what_there_was() {
    const IMAGE: &str = "state/images/x.yaml";
    const BASE: &str = "state/base-images/ghcr.io-acme-x-1.yaml";
    let mut table = String::new();
    for first in SITUATIONS {
        for second in SITUATIONS.iter().filter(|second| *second != first) {
            let pair = format!("{} / {}", first.0, second.0);
            let factory = Factory::new("[]\n");
            enter(&factory, *first);
            // What nothing but these files knows.
            let mut tokens = Vec::new();
            for (path, digest) in [(IMAGE, "sha256:new"), (BASE, "sha256:seen")] {
                let text = factory.read(path);
                if text.starts_with('#') {
                    let token = format!("only in {path}");
                    // Images of others were not built by us.
                    let text = match path == IMAGE && first.1 == EXTERNAL {
                        true => text,
                        false => text
                            .replace("currentVersion: null", "currentVersion: \"1\"")
                            .replace("currentDigest: null", &format!("currentDigest: {digest}")),
                    };
                    factory.write(
                        path,
                        &format!("{text}notes: {token}\nrebuildHistory: [{digest}]\n"),
                    );
                    tokens.push(token);
                }
            }
            let y = "state/images/y.yaml";
            let ours = first.1 == MANAGED;
            let key = if ours {
                "ghcr.io/acme/x:1"
            } else {
                "ghcr.io-acme-x-1"
            };
            if first.2 {
                let text = factory.read(y);
                factory.write(
                    y,
                    &format!("{text}builtOn: {{{key}: sha256:old, node-22: sha256:n}}\n"),
                );
            }
            enter(&factory, *first);
            let before = state(factory.0.path());

            enter(&factory, *second);
            let between = state(factory.0.path());
            for token in &tokens {
                let holders: Vec<&String> = (between.iter())
                    .filter(|(_, text)| text.contains(token.as_str()))
                    .map(|(path, _)| path)
                    .collect();
                assert_eq!(holders.len(), 1, "{pair}: {token} is in {holders:?}");
            }
            if first.2 && second.2 {
                let ours = second.1 == MANAGED;
                let key = if ours {
                    "ghcr.io/acme/x:1"
                } else {
                    "ghcr.io-acme-x-1"
                };
                let line = format!("  {key}: sha256:old\n");
                assert!(between[y].contains(&line), "{pair}: {}", between[y]);
            }

            enter(&factory, *first);
            let after = state(factory.0.path());
            for (path, text) in &before {
                let mut now = after.get(path).map(|text| without_record(text));
                if path == IMAGE && first.1 == EXTERNAL {
                    // That of the base, taken when it was managed, and knowledge all the same.
                    now = now.map(|text| text.replace("Digest: sha256:seen", "Digest: null"));
                }
                assert_eq!(now, Some(without_record(text)), "{pair}: {path}");
            }
            let _ = writeln!(table, "{pair}");
            for path in [IMAGE, BASE] {
                if let Some(text) = after.get(path) {
                    let _ = writeln!(table, "  {}: {}", &path[6..], record(text));
                }
            }
        }
    }
    assert_snapshot!(table, @"
    unknown / managed
    unknown / external
    unknown / base
    unknown / managed, needed
    unknown / external, needed
    managed / unknown
      images/x.yaml: managed > archived > managed
    managed / external
      images/x.yaml: managed > external > managed
    managed / base
      images/x.yaml: managed > base > managed
    managed / managed, needed
      images/x.yaml: 
    managed / external, needed
      images/x.yaml: managed > external > managed
    external / unknown
      images/x.yaml: external > archived > external
    external / managed
      images/x.yaml: external > managed > external
    external / base
      images/x.yaml: external > base > external
    external / managed, needed
      images/x.yaml: external > managed > external
    external / external, needed
      images/x.yaml: 
    base / unknown
      base-images/ghcr.io-acme-x-1.yaml: base > archived > base
    base / managed
      base-images/ghcr.io-acme-x-1.yaml: base > managed > base
    base / external
      base-images/ghcr.io-acme-x-1.yaml: base > archived > base
    base / managed, needed
      base-images/ghcr.io-acme-x-1.yaml: base > managed > base
    base / external, needed
      base-images/ghcr.io-acme-x-1.yaml: 
    managed, needed / unknown
      images/x.yaml: managed > archived > managed
    managed, needed / managed
      images/x.yaml: 
    managed, needed / external
      images/x.yaml: managed > external > managed
    managed, needed / base
      images/x.yaml: managed > base > managed
    managed, needed / external, needed
      images/x.yaml: managed > external > managed
    external, needed / unknown
      images/x.yaml: external > archived > external
      base-images/ghcr.io-acme-x-1.yaml: base > archived > base
    external, needed / managed
      images/x.yaml: external > managed > external
      base-images/ghcr.io-acme-x-1.yaml: base > managed > base
    external, needed / external
      images/x.yaml: 
      base-images/ghcr.io-acme-x-1.yaml: base > archived > base
    external, needed / base
      images/x.yaml: external > base > external
      base-images/ghcr.io-acme-x-1.yaml: 
    external, needed / managed, needed
      images/x.yaml: external > managed > external
      base-images/ghcr.io-acme-x-1.yaml: base > managed > base
    ");
}

/// An image of a random fleet.
#[derive(Clone, Debug)]
struct Random {
    is_managed: bool,
    place: usize,
    /// What its Dockerfile names, or that it cannot be read.
    found: Option<Vec<&'static str>>,
}

const PLACES: [&str; 2] = ["p", "q"];
const NEEDED: &[&str] = &[
    "ghcr.io/acme/p:1",
    "ghcr.io/acme/p:2",
    "ghcr.io/acme/q:1",
    "node:22",
];

fn configuration() -> impl Strategy<Value = BTreeMap<&'static str, Random>> {
    let needs = proptest::sample::subsequence(NEEDED, 0..=NEEDED.len());
    let found = prop_oneof![4 => needs.prop_map(Some), 1 => Just(None)];
    let image =
        (any::<bool>(), 0..PLACES.len(), found).prop_map(|(is_managed, place, found)| Random {
            is_managed,
            place,
            found,
        });
    proptest::collection::btree_map(proptest::sample::select(vec!["a", "b", "c"]), image, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Invariant: any path of transitions keeps history, every step is done once, and every
    /// record of a life is without a gap.
    #[test]
    fn any_path_keeps_history(steps in proptest::collection::vec(configuration(), 2..7)) {
        let factory = Factory::new("[]\n");
        let mut tokens: Vec<String> = Vec::new();
        for step in &steps {
            let entry = |(name, image): (&&str, &Random)| {
                let source = if image.is_managed { ", source: {repo: acme/mono}" } else { "" };
                let place = PLACES[image.place];
                format!("- {{name: {name}, registry: ghcr.io, repository: acme/{place}{source}}}\n")
            };
            let entries: String = step.iter().map(entry).collect();
            factory.write("images.yaml", if entries.is_empty() { "[]\n" } else { &entries });
            let found: Vec<(&str, Result<&[&str], &str>)> = (step.iter())
                .filter(|(_, image)| image.is_managed)
                .map(|(name, image)| (*name, image.found.as_deref().ok_or("no such file")))
                .collect();
            factory.update(NOW, &found);
            prop_assert_eq!(factory.update(LATER, &found), "");
            let all = state(factory.0.path());
            for token in &tokens {
                let count: usize = all.values().map(|text| text.matches(token.as_str()).count()).sum();
                let least = usize::from(!token.starts_with("note")) ;
                prop_assert!(count == 1 || least == 1 && count > 0, "{} times {}: {:#?}", count, token, all);
            }
            for (path, text) in all {
                prop_assert!(!record(&text).starts_with("broken"), "{}: {}", path, record(&text));
                if path.starts_with("state/_archive") {
                    continue;
                }
                let number = tokens.len();
                let (note, digest) = (format!("note{number}."), format!("sha256:d{number}."));
                let text = text.replace("\ncurrentDigest: null", &format!("\ncurrentDigest: {digest}"));
                if text.contains(&digest) {
                    tokens.push(digest);
                }
                factory.write(&path, &format!("{text}x{note}: 1\n"));
                tokens.push(note);
            }
        }
    }
}
