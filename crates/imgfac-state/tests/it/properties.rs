//! The invariants of state, for fleets and state files of all kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imgfac_model::{BaseName, ImageName, Reference};
use imgfac_state::{Configuration, Discovery, Fleet, FoundBase, Store, Update};
use imgfac_yaml::{Emitter, Value};
use proptest::prelude::*;

use crate::factory::Factory;

const NAMES: &[&str] = &["a", "b", "on", "null", "10", "x-1"];
const REFERENCES: &[&str] = &[
    "node:22",
    "node-22:latest",
    "node:22-slim",
    "node-22:slim",
    "ghcr.io/acme/x:1",
    "ghcr.io/acme/a:1",
    "ghcr.io/acme/b:2",
    "quay.io/acme/x:1",
    "acme/x:1.example",
    "acme/x:1",
    "localhost:5000/x:0.10",
    "debian@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
];
const LATER: &str = "2027-01-01T00:00:00Z";

/// Texts that are hard to keep.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "",
            "~",
            "null",
            "true",
            "on",
            "0.10",
            "1e3",
            "0x10",
            "12:30:00",
            "2024-05-01",
            "- a",
            "a: b",
            "# a",
            "'",
            "\"",
            "[",
            "*a",
            "&a",
            "a\nb\n",
            "\n",
            " a ",
            "\t",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{1b}[31m",
            "${{ x }}",
            "{{ base }}",
            "<<",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[a-z0-9.:/-]{1,12}",
        "k{1100}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        proptest::sample::select(vec!["true", "0.10", "0x10", "2024-05-01", "1_000"])
            .prop_map(|plain| Value::Plain(plain.into())),
        text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            proptest::collection::btree_map(text(), inner, 0..3)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

/// Fields that no type of ours names: those of the predecessor, of later versions, of people.
fn fields() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let key = prop_oneof![
        proptest::sample::select(vec![
            "metadata",
            "updateHistory",
            "rebuildHistory",
            "pendingRebuild",
            "digests",
            "notes",
            "rebuildEligibleAt",
            "lifecycle",
        ])
        .prop_map(str::to_owned),
        text().prop_map(|text| format!("x{text}")),
    ];
    proptest::collection::btree_map(key, value(), 0..5)
}

/// Fields that the program names and never decides.
fn runtime() -> impl Strategy<Value = BTreeMap<String, Value>> {
    // The predecessor's word for nothing is the one text that does not stay.
    let text = text().prop_filter("None is null", |text| text != "None");
    let key = proptest::sample::select(vec!["currentDigest", "currentVersion", "lastBuilt"]);
    proptest::collection::btree_map(
        key.prop_map(str::to_owned),
        text.prop_map(Value::Text),
        0..4,
    )
}

/// What is wrong with an image, or the references of its Dockerfile and whether they are needed.
type Found = Result<Vec<(usize, bool)>, String>;

#[derive(Clone, Debug)]
struct Image {
    name: &'static str,
    is_managed: bool,
    build_arg: String,
    found: Found,
}

fn fleet() -> impl Strategy<Value = Vec<Image>> {
    let found = prop_oneof![
        4 => proptest::collection::vec((0..REFERENCES.len(), any::<bool>()), 0..4).prop_map(Ok),
        1 => text().prop_map(Err),
    ];
    let image = (any::<bool>(), text(), found);
    proptest::collection::btree_map(proptest::sample::select(NAMES), image, 0..5).prop_map(
        |images| {
            let image = |(name, (is_managed, build_arg, found))| Image {
                name,
                is_managed,
                build_arg,
                found,
            };
            images.into_iter().map(image).collect()
        },
    )
}

fn write_images(factory: &Factory, images: &[Image]) {
    let entry = |image: &Image| {
        let text = |text: &str| Value::Text(text.into());
        let mut entry = vec![
            ("name".to_owned(), text(image.name)),
            ("registry".to_owned(), text("ghcr.io")),
            (
                "repository".to_owned(),
                text(&format!("acme/{}", image.name)),
            ),
        ];
        if image.is_managed {
            let argument = image.build_arg.replace('\0', "");
            let source = vec![
                ("repo".to_owned(), text("acme/mono")),
                (
                    "buildArgs".to_owned(),
                    Value::Map(vec![("A".into(), text(&argument))]),
                ),
            ];
            entry.push(("source".to_owned(), Value::Map(source)));
        }
        let mut emitter = Emitter::new();
        emitter.entry("x", &Value::List(vec![Value::Map(entry)]));
        emitter.finish().replacen("x:\n", "", 1)
    };
    let entries: String = images.iter().map(entry).collect();
    factory.write(
        "images.yaml",
        if entries.is_empty() { "[]\n" } else { &entries },
    );
}

/// One run; gives the paths that it wrote or removed.
fn run(factory: &Factory, images: &[Image], now: &str) -> Vec<String> {
    write_images(factory, images);
    let store = Store::open(factory.0.path()).unwrap();
    let configuration = Configuration::read(&store).unwrap();
    assert!(
        !configuration.has_errors(),
        "{:?}",
        configuration.diagnostics
    );
    let discovery = |found: &Found| -> Discovery {
        let bases = found.clone()?.into_iter().map(|(at, reachable)| FoundBase {
            reference: Reference::parse(REFERENCES[at]).unwrap(),
            reachable,
            uses: Vec::new(),
        });
        Ok(bases.collect())
    };
    let managed = images.iter().filter(|image| image.is_managed);
    let update = Update {
        discoveries: managed
            .map(|image| {
                (
                    ImageName::new(image.name).unwrap(),
                    Arc::new(discovery(&image.found)),
                )
            })
            .collect(),
        ..Update::new(&configuration, now)
    };
    let mut fleet = Fleet::read(&store).unwrap();
    assert!(fleet.unreadable.is_empty(), "{:?}", fleet.unreadable);
    fleet.recall(&store, &update).unwrap();
    fleet.apply(&update);
    let changes = fleet.changes();
    store.commit(&changes).unwrap();
    changes
        .iter()
        .map(|change| change.path().to_owned())
        .collect()
}

/// A state file with these fields, in any order and in another form than ours.
fn state_file(fields: &BTreeMap<String, Value>, last: &str) -> String {
    let mut emitter = Emitter::new();
    for (key, value) in fields {
        emitter.entry(key, value);
    }
    format!("{}{last}", emitter.finish())
}

/// The values of keys in a state file.
fn read(factory: &Factory, path: &str, keys: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let text = factory.read(path);
    let document = imgfac_yaml::parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let value = |key: &String| Some((key.clone(), document.root.get(key)?.to_value()));
    keys.keys().filter_map(value).collect()
}

/// Whether a list has all that was there before, be it a list or not.
fn goes_on(before: &Value, now: &Value) -> bool {
    match (before, now) {
        _ if before == now => true,
        (Value::Null, Value::List(_)) => true,
        (Value::List(before), Value::List(now)) => now.starts_with(before),
        (before, Value::List(now)) => now.first() == Some(before),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn analysing_twice_is_analysing_once(first in fleet(), second in fleet()) {
        let factory = Factory::new("[]\n");
        for images in [first, second] {
            run(&factory, &images, "2026-11-23T12:00:00Z");
            prop_assert_eq!(run(&factory, &images, LATER), Vec::<String>::new());
        }
    }

    #[test]
    fn what_was_written_is_written_again_the_same(images in fleet(), fields in fields()) {
        let factory = Factory::new("[]\n");
        for image in &images {
            factory.write(&format!("state/images/{}.yaml", image.name), &state_file(&fields, "name: x\n"));
        }
        run(&factory, &images, "2026-11-23T12:00:00Z");
        let store = Store::open(factory.0.path()).unwrap();
        let fleet = Fleet::read(&store).unwrap();
        prop_assert!(fleet.unreadable.is_empty(), "{:?}", fleet.unreadable);
        prop_assert_eq!(fleet.changes(), []);
    }

    #[test]
    fn a_merge_keeps_every_field(
        image in fleet(),
        unknown in fields(),
        runtime in runtime(),
        base_fields in fields(),
    ) {
        let factory = Factory::new("[]\n");
        let kept: BTreeMap<String, Value> = unknown.into_iter().chain(runtime).collect();
        for image in &image {
            factory.write(&format!("state/images/{}.yaml", image.name), &state_file(&kept, "name: x\n"));
        }
        let node = "fullImage: node:22\n";
        factory.write("state/base-images/mine.yaml", &state_file(&base_fields, node));
        run(&factory, &image, LATER);
        for image in &image {
            let path = format!("state/images/{}.yaml", image.name);
            prop_assert_eq!(read(&factory, &path, &kept), kept.clone());
        }
        let live = "state/base-images/mine.yaml";
        let path = match factory.0.path().join(live).exists() {
            true => live,
            false => "state/_archive/base-images/mine.yaml",
        };
        let mut found = read(&factory, path, &base_fields);
        // The record of its life goes on.
        if let Some(record) = base_fields.get("lifecycle") {
            let now = found.insert("lifecycle".into(), record.clone());
            prop_assert!(now.as_ref().is_some_and(|now| goes_on(record, now)), "{now:?}");
        }
        prop_assert_eq!(found, base_fields);
    }

    /// Whatever came before, two references never share a name, and a name once given stays.
    #[test]
    fn names_are_distinct_and_stay(first in fleet(), second in fleet()) {
        let factory = Factory::new("[]\n");
        let names = || -> BTreeMap<Reference, BaseName> {
            let store = Store::open(factory.0.path()).unwrap();
            let bases = Fleet::read(&store).unwrap().bases;
            let count = bases.len();
            let names: BTreeMap<_, _> = bases
                .into_iter()
                .map(|(name, stored)| (stored.state.reference, name))
                .collect();
            assert_eq!(names.len(), count, "a reference has two names");
            let folded: BTreeSet<String> =
                names.values().map(|name| name.as_str().to_lowercase()).collect();
            assert_eq!(folded.len(), count, "two names differ by case only");
            names
        };
        run(&factory, &first, LATER);
        let before = names();
        run(&factory, &second, LATER);
        for (reference, name) in names() {
            if let Some(old) = before.get(&reference) {
                prop_assert_eq!(&name, old);
            }
        }
    }
}
