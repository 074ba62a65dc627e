//! What is written is read again as the same.

use std::collections::BTreeMap;

use imgfac_yaml::{Emitter, Node, Scalar, Value, parse, to_string};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::nasty;

/// A file with one entry.
fn file(key: &str, value: &Value) -> String {
    let mut emitter = Emitter::new();
    emitter.comment("a file");
    emitter.entry(key, value);
    emitter.finish()
}

/// The only entry of a file, read again.
fn read(text: &str) -> (String, Node) {
    let document = parse(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    assert!(document.duplicates.is_empty(), "{text}");
    let entries = document.root.entries().unwrap();
    assert_eq!(entries.len(), 1, "{text}");
    let (key, value) = entries[0].clone();
    (key.scalar_text().unwrap().to_owned(), value)
}

fn check(text: &str) {
    let value = Value::Text(text.to_owned());
    for value in [
        value.clone(),
        Value::List(vec![value.clone(), Value::List(vec![value.clone()])]),
        Value::Map(vec![(text.to_owned(), value.clone())]),
        Value::List(vec![Value::Map(vec![(text.to_owned(), value)])]),
    ] {
        for key in ["key", text] {
            let written = file(key, &value);
            let (found, node) = read(&written);
            assert_eq!(found, key, "{written}");
            assert_eq!(node.to_value(), value, "{written}");
        }
    }
    let written = file("key", &Value::Text(text.to_owned()));
    assert_eq!(read(&written).1.resolve(), Some(Scalar::Str), "{written}");
}

#[test]
fn every_word_survives() {
    for word in nasty::WORDS {
        check(word);
    }
}

#[test]
fn a_long_key_survives() {
    check(&"k".repeat(5_000));
    check(&"\u{1b}".repeat(500));
}

#[test]
fn plain_scalars_stay_as_they_were_written() {
    for text in [
        "true",
        "0.10",
        "0x10",
        "12:30:00",
        "1_000",
        "2024-05-01",
        "on",
        "~x",
        "1.2.3",
    ] {
        let source = format!("key: {text}\n");
        let (_, node) = read(&source);
        assert_eq!(
            file("key", &node.to_value()),
            format!("# a file\n{source}"),
            "{text}"
        );
    }
}

#[test]
fn values_have_one_form() {
    let text = |text: &str| Value::Text(text.into());
    let list = Value::List(vec![
        text("a"),
        Value::List(vec![text("b"), Value::List(vec![])]),
        Value::Map(vec![
            ("c".into(), text("on")),
            ("d".into(), Value::List(vec![text("e")])),
            ("f".into(), Value::Map(vec![])),
        ]),
        Value::Null,
    ]);
    assert_snapshot!(file("key", &list), @r#"
    # a file
    key:
      - a
      - - b
        - []
      - c: "on"
        d:
          - e
        f: {}
      - null
    "#);
}

#[test]
fn a_comment_cannot_begin_a_value() {
    let mut emitter = Emitter::new();
    emitter.comment("one\nkey: two\r\nthree\u{85}four\u{2028}five\u{0}");
    emitter.entry("key", &Value::Null);
    let written = emitter.finish();
    assert_eq!(read(&written).0, "key");
    assert_snapshot!(written.escape_debug().to_string().replace("\\n", "\n"), @r"
    # one
    # key: two
    # threefour\u{2028}five
    key: null
    ");
}

proptest! {
    #[test]
    fn any_text_survives(text in nasty::text()) {
        check(&text);
    }

    #[test]
    fn any_value_survives(value in nasty::value()) {
        let written = file("key", &value);
        let (_, node) = read(&written);
        prop_assert_eq!(node.to_value(), value, "{}", written);
    }

    /// The path of the manifests.
    #[test]
    fn any_typed_text_survives(text in nasty::text()) {
        let map = BTreeMap::from([("key", vec![&text])]);
        let written = to_string(&map).unwrap();
        let (_, node) = read(&written);
        let item = &node.items().unwrap()[0];
        prop_assert_eq!(item.scalar_text(), Some(text.as_str()), "{}", written);
        prop_assert_eq!(item.resolve(), Some(Scalar::Str), "{}", written);
    }

    #[test]
    fn what_was_read_is_written_so_that_it_reads_the_same(text in nasty::document()) {
        if let Ok(document) = parse(&text)
            && document.duplicates.is_empty()
        {
            let value = document.root.to_value();
            let written = file("key", &value);
            let (_, node) = read(&written);
            prop_assert_eq!(node.to_value(), value, "{}", written);
            prop_assert_eq!(file("key", &node.to_value()), written);
        }
    }
}
