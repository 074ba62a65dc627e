//! No text is too strange to be read or refused, with its place.

use imgfac_yaml::{DEPTH_LIMIT, NODE_LIMIT, Node, TEXT_LIMIT, parse, parse_bytes};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::nasty;

/// Whether a tree and all that is in it lie within the text.
fn lies_within(node: &Node, text: &str) {
    let range = node.span.clone();
    assert!(text.get(range.clone()).is_some(), "{range:?} of {text:?}");
    for item in node.items().unwrap_or_default() {
        lies_within(item, text);
    }
    for (key, value) in node.entries().unwrap_or_default() {
        lies_within(key, text);
        lies_within(value, text);
    }
}

fn check(text: &str) {
    match parse(text) {
        Ok(document) => {
            lies_within(&document.root, text);
            for twice in &document.duplicates {
                assert!(text.get(twice.first.clone()).is_some(), "{text:?}");
                assert!(text.get(twice.second.clone()).is_some(), "{text:?}");
            }
        }
        Err(error) => {
            assert!(
                text.get(error.span()).is_some(),
                "{:?} of {text:?}",
                error.span()
            );
            assert!(!error.to_string().is_empty());
        }
    }
}

proptest! {
    #[test]
    fn any_document_is_read_or_refused_at_a_place(text in nasty::document()) {
        check(&text);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place(text in nasty::text()) {
        check(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = parse_bytes(&bytes) {
            prop_assert!(error.span().end <= bytes.len());
        }
    }
}

/// Where and why a text is refused; `ok` when it is not.
fn refusal(text: &str) -> String {
    match parse(text) {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{:?} {error}", error.span()),
    }
}

#[test]
fn what_no_file_needs_is_refused() {
    assert_snapshot!(refusal("a: 1\n--- b\n"), @"5..8 a second document begins here; the file may have only one");
    assert_snapshot!(refusal("a: \u{0}\n"), @"3..4 a NUL byte has no place in YAML");
    assert_snapshot!(refusal("a: !!binary aGk=\n"), @"12..16 the tag !!binary is not one of YAML's own");
    assert_snapshot!(refusal("a: !ruby/object:X {}\n"), @"18..19 the tag !ruby/object:X is not one of YAML's own");
    assert_snapshot!(refusal("a:\n\tb: 1\n"), @"3..4 a tab indents this line; use spaces");
    assert_snapshot!(refusal("? [1, 2]\n: b\n"), @"2..7 a list or mapping stands where a key should be");
    assert_snapshot!(refusal("a: {? {b: c} : d}\n"), @"6..11 a list or mapping stands where a key should be");
    assert_snapshot!(refusal("a: &a [*a]\n"), @"7..9 an alias stands inside of what it stands for");
}

#[test]
fn a_merge_conflict_is_called_one() {
    let conflict = "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> theirs\n";
    assert_snapshot!(refusal(conflict), @"0..7 a merge conflict is left here");
    assert_snapshot!(refusal(&format!("b: 1\n{conflict}")), @"5..12 a merge conflict is left here");
    assert_eq!(refusal("a: |\n  <<<<<<< HEAD\n"), "ok");
}

#[test]
fn text_that_is_not_utf8_is_refused_where_it_stops() {
    let error = parse_bytes(b"a: b\nc: \xff\n").unwrap_err();
    assert_eq!(
        (error.span(), error.to_string().as_str()),
        (8..8, "the file stops being UTF-8 text here")
    );
    for bytes in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"\xc3"] {
        assert!(parse_bytes(bytes).is_err());
    }
}

#[test]
fn windows_files_and_byte_order_marks_are_read() {
    let document = parse("\u{feff}a: b\r\nc:\r\n  - d\r\n").unwrap();
    assert_eq!(document.root.get("a").unwrap().scalar_text(), Some("b"));
    assert_eq!(document.root.get("c").unwrap().items().unwrap().len(), 1);
}

#[test]
fn depth_is_limited() {
    assert_eq!(refusal(&format!("{}x", "- ".repeat(DEPTH_LIMIT))), "ok");
    assert_snapshot!(refusal(&format!("{}x", "- ".repeat(DEPTH_LIMIT + 1))), @"200..200 lists and mappings stand in each other deeper than the limit of 100");
    assert_snapshot!(refusal(&"{a: ".repeat(DEPTH_LIMIT + 1)), @"400..400 this is not YAML: unclosed bracket '{'");
}

/// Memory must not grow without bound from a small file.
#[test]
fn bombs_are_refused() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        laughs.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    assert_snapshot!(refusal(&laughs), @"314..317 there are more than 1000000 values, those that aliases repeat included");

    let long = format!(
        "- &a {}\n{}",
        "x".repeat(100_000),
        "- *a\n".repeat(TEXT_LIMIT / 100_000)
    );
    assert_snapshot!(refusal(&long), @"103358..103360 anchors and aliases repeat more than 67108864 bytes of text");

    let mut nested = String::new();
    for n in 0..90 {
        nested.push_str(&format!("{}- &a{n}\n", " ".repeat(n)));
    }
    let items = format!("{}- x\n", " ".repeat(90));
    nested.push_str(&items.repeat(NODE_LIMIT / 90 + 1));
    assert_snapshot!(refusal(&nested), @"15..1049152 there are more than 1000000 values, those that aliases repeat included");
}
