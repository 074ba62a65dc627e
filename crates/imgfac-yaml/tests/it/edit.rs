//! Edits of lists that people write.

use imgfac_yaml::{Value, parse, with_item, without_item};
use insta::assert_snapshot;
use proptest::prelude::*;

const LIST: &str = "\
# Our images.

- name: web   # the shop
  source: {repo: acme/web}

# Behind the shop.
# By the payments team.
- name: api
  # why
  script: |
    # no comment
    run

- name: last
# the end
";

fn show(result: Result<String, imgfac_yaml::EditError>) -> String {
    result.unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn an_item_goes_with_its_comments() {
    assert_snapshot!(show(without_item(LIST, 0)), @"
    # Our images.

    # Behind the shop.
    # By the payments team.
    - name: api
      # why
      script: |
        # no comment
        run

    - name: last
    # the end
    ");
    assert_snapshot!(show(without_item(LIST, 1)), @"
    # Our images.

    - name: web   # the shop
      source: {repo: acme/web}

    - name: last
    # the end
    ");
    assert_snapshot!(show(without_item(LIST, 2)), @"
    # Our images.

    - name: web   # the shop
      source: {repo: acme/web}

    # Behind the shop.
    # By the payments team.
    - name: api
      # why
      script: |
        # no comment
        run

    # the end
    ");
    assert_snapshot!(show(without_item(LIST, 3)), @"error: it is not a list with such an item");
}

#[test]
fn an_item_comes_last() {
    let item = Value::Map(vec![
        ("name".into(), Value::Text("new: one".into())),
        ("list".into(), Value::List(vec![Value::Null])),
    ]);
    assert_snapshot!(show(with_item(LIST, &item)), @r#"
    # Our images.

    - name: web   # the shop
      source: {repo: acme/web}

    # Behind the shop.
    # By the payments team.
    - name: api
      # why
      script: |
        # no comment
        run

    - name: last
    # the end

    - name: "new: one"
      list:
        - null
    "#);
    for text in [
        "",
        "[]",
        "# none\n[]\n",
        "# none\n",
        "  - a\n  - b",
        "- a\n\n- b\n",
        "null\n",
    ] {
        let edited = show(with_item(text, &Value::Text("x".into())));
        insta::allow_duplicates! { assert!(edited.contains("- x\n"), "{edited}") };
    }
    assert_snapshot!(show(with_item("# none\n[]\n", &item)), @r#"
    # none
    - name: "new: one"
      list:
        - null
    "#);
    assert_snapshot!(show(with_item("  - a\n\n  - b", &item)), @r#"
    - a

    - b

    - name: "new: one"
      list:
        - null
    "#);
}

#[test]
fn what_cannot_be_edited_safely_is_refused() {
    for (text, index) in [
        ("[a, b]", 0),
        ("- &x {a: 1}\n- *x\n", 0),
        ("- - a\n  - b\n- c: [\n", 0),
        ("a: 1\n", 0),
        ("---\n- a\n- b\n...\n", 5),
    ] {
        assert!(without_item(text, index).is_err(), "{text}");
    }
    for text in ["[a]", "a: 1", "- [", "text"] {
        assert!(with_item(text, &Value::Null).is_err(), "{text}");
    }
}

/// An item more, and the first item less.
fn check_edits(text: &str, with: &str, without: &str) {
    let item = Value::Text("new".into());
    assert_eq!(show(with_item(text, &item)), with, "{text:?}");
    assert_eq!(show(without_item(text, 0)), without, "{text:?}");
}

#[test]
fn lines_end_as_they_did() {
    check_edits(
        "# a\r\n\r\n- a\r\n\r\n- b\r\n",
        "# a\r\n\r\n- a\r\n\r\n- b\r\n\r\n- new\r\n",
        "# a\r\n\r\n- b\r\n",
    );
    check_edits("- a\r\n- b", "- a\r\n- b\r\n- new\r\n", "- b");
    check_edits("- a\r\n", "- a\r\n- new\r\n", "[]\r\n");
    check_edits(
        "- |\r\n  a\r\n  b\r\n",
        "- |\r\n  a\r\n  b\r\n- new\r\n",
        "[]\r\n",
    );
    // Nobody can tell how the others are meant.
    check_edits("- a\r\n- b\n", "- a\r\n- b\n- new\n", "- b\n");
    let nothing = "error: it is not a list with such an item";
    check_edits("[]\r\n", "- new\r\n", nothing);
    check_edits("# none\r\n[]\r\n", "# none\r\n- new\r\n", nothing);
}

#[test]
fn the_end_of_the_document_stays_the_end() {
    for end in ["...\n", "...", "... # end\n", "...\n# more\n\n", "...\t\n"] {
        check_edits(
            &format!("---\n- a\n- b\n{end}"),
            &format!("---\n- a\n- b\n- new\n{end}"),
            &format!("---\n- b\n{end}"),
        );
        check_edits(
            &format!("- a\n{end}"),
            &format!("- a\n- new\n{end}"),
            &format!("[]\n{end}"),
        );
    }
    check_edits("- a\r\n...\r\n", "- a\r\n- new\r\n...\r\n", "[]\r\n...\r\n");
    check_edits("  - a\n...\n", "  - a\n  - new\n...\n", "[]\n...\n");
    // These are text.
    check_edits("- |\n  ...\n", "- |\n  ...\n- new\n", "[]\n");
    check_edits("- ...a\n- ...\n", "- ...a\n- ...\n- new\n", "- ...\n");
    // What comes after it is another document.
    let form = "error: its list is written in a way that only a person can change";
    check_edits("- a\n...\n- b\n", form, form);
    let nothing = "error: it is not a list with such an item";
    check_edits("[]\n...\n", "- new\n...\n", nothing);
}

fn list() -> impl Strategy<Value = String> {
    let item = prop_oneof![
        Just("- a: 1\n  b: 2\n"),
        Just("# about it\n- {a: 1}\n"),
        Just("-\n  - x\n"),
        Just("- |\n  text\n\n  # more\n"),
        Just("- plain\n  text\n"),
        Just("- \"quoted\n  # text\"\n"),
        Just("\n- x # y\n# z\n"),
    ];
    prop::collection::vec(item, 1..6).prop_map(|items| items.concat())
}

proptest! {
    /// What goes in at the end comes out again, and the rest is as it was.
    #[test]
    fn an_item_goes_in_and_out(text in list()) {
        let before = parse(&text).unwrap().root.to_value();
        let Value::List(items) = &before else { panic!("{before:?}") };
        let edited = with_item(&text, &Value::Text("new".into())).unwrap();
        prop_assert!(edited.starts_with(text.trim_end()), "{edited}");
        let back = without_item(&edited, items.len()).unwrap();
        prop_assert_eq!(parse(&back).unwrap().root.to_value(), before.clone());
        for index in 0..items.len() {
            let edited = without_item(&text, index).unwrap();
            let Value::List(left) = parse(&edited).unwrap().root.to_value() else {
                panic!("{edited}")
            };
            prop_assert_eq!(left.len(), items.len() - 1);
        }
    }
}
