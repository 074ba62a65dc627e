//! The page about the checker lists its rules.

use std::fs;
use std::path::Path;

use imgfac_conformance::Rule;

#[test]
fn the_page_has_a_row_for_each_rule() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rows) = page.split_once("## Rules\n").unwrap();
    let rows: Vec<&str> = rows.lines().filter(|it| it.starts_with("| `")).collect();
    let expected: Vec<String> = Rule::ALL
        .iter()
        .map(|rule| {
            let severity = rule.severity().name();
            format!("| `{rule}` | {severity} | {} |", rule.summary())
        })
        .collect();
    assert_eq!(rows.join("\n"), expected.join("\n"));
}
