//! Texts that are hard to write, and texts that are hard to read.

use imgfac_yaml::Value;
use proptest::prelude::*;

/// What some reader of YAML 1.1 or 1.2 takes for something else than text, or that reads as
/// syntax.
pub(crate) const WORDS: &[&str] = &[
    "",
    "~",
    "null",
    "Null",
    "NULL",
    "true",
    "True",
    "TRUE",
    "false",
    "y",
    "Y",
    "n",
    "N",
    "yes",
    "Yes",
    "YES",
    "no",
    "on",
    "On",
    "ON",
    "off",
    "OFF",
    "none",
    "None",
    "0",
    "-0",
    "+1",
    "012",
    "0o17",
    "0x10",
    "0b11",
    "1_000",
    "0.10",
    "1.",
    ".5",
    "1e3",
    "1E+3",
    "1.5e-3",
    "6.02e23",
    ".inf",
    "-.inf",
    "+.Inf",
    ".nan",
    ".NaN",
    "1:30",
    "12:30:00",
    "190:20:30.15",
    "2024-05-01",
    "2024-05-01T10:00:00Z",
    "2024-5-1 10:00:00",
    "<<",
    "=",
    "-",
    "--",
    "---",
    "...",
    "- a",
    "-a",
    "?",
    "? a",
    "?a",
    ":",
    ": a",
    "a:",
    "a: b",
    "a:b",
    "::",
    "#",
    "# a",
    "a #b",
    "a#b",
    "&a",
    "*a",
    "!a",
    "!!str a",
    "|",
    "|-",
    ">",
    ">-",
    "%",
    "%YAML 1.1",
    "@a",
    "`a`",
    "'",
    "''",
    "\"",
    "\"\"",
    "'a",
    "\"a",
    "[",
    "]",
    "[a]",
    "{",
    "}",
    "{a: b}",
    ",",
    "a, b",
    "a]",
    "\\",
    "\\n",
    " ",
    "  ",
    " a",
    "a ",
    "\t",
    "\ta",
    "a\t",
    "a\tb",
    "\n",
    "\n\n",
    "a\n",
    "\na",
    "a\nb",
    "a\n b\n",
    "a\r",
    "a\r\nb",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\u{feff}a",
    "a\u{feff}",
    "\u{0}",
    "\u{7}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{9b}",
    "\u{200b}",
    "\u{202e}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{1f980}",
    "\u{e000}",
    "é",
    "日本",
    "${{ x }}",
    "${% if x %}",
    "{{ base }}",
    "@@BASE@@",
    "${BASE}",
    "a'b\"c",
    "key: |\n  text",
    "a: &x b",
];

/// Any text: words, signs of YAML, and everything else that Unicode has.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(WORDS).prop_map(str::to_owned),
        2 => proptest::sample::select(vec![
            " ", "\n", "\t", ":", "-", "#", "'", "\"", "\\", ",", "[", "]", "{", "}", "&", "*",
            "!", "|", ">", "%", "@", "`", "?", "=", "<", "0", "1", ".", "e", "x", "_", "a", "b",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z]{1,5}".prop_map(|word| word.repeat(300)),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// Any value that a file of ours may hold.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        4 => text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            entries(inner).prop_map(Value::Map),
        ]
    })
}

/// Keys and values of a mapping; every key stands once.
fn entries(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<(String, Value)>> {
    proptest::collection::btree_map(text(), value, 0..4)
        .prop_map(|entries| entries.into_iter().collect())
}

/// Text that is YAML, or nearly.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        3 => proptest::sample::select(WORDS).prop_map(str::to_owned),
        6 => proptest::sample::select(vec![
            "- ", "a: ", "b: ", "? ", ": ", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", "&a ",
            "*a", "*a ", "&b ", "*b", "<<: *a\n", "[", "]", "{", "}", ", ", "'", "\"", "|\n  ",
            ">-\n  ", "!!str ", "!!int ", "!x ", "--- ", "\n...\n", "#c\n", " ",
        ])
        .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(token, 0..16).prop_map(|tokens| tokens.concat())
}
