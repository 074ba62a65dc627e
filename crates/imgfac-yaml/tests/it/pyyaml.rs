//! A reader of YAML 1.1 takes what we write as the same text.
//!
//! PyYAML is what the predecessor and many a script of its users read our files with. Where it is
//! not installed, its words are checked against its rules.

use std::io::Write;
use std::process::{Command, Stdio};

use imgfac_yaml::{Emitter, Value};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::nasty;

const READ: &str = "\
import sys, yaml
for key, values in yaml.safe_load(sys.stdin.buffer.read().decode('utf-8')).items():
    for value in values:
        for text in list(value.items())[0] if isinstance(value, dict) else [value]:
            assert isinstance(text, str), repr(text)
            print(text.encode('utf-8').hex())
";

#[test]
fn a_reader_of_yaml_1_1_reads_the_same_texts() {
    if !has_pyyaml() {
        eprintln!("skipped: python3 with PyYAML is not installed");
        return;
    }
    let mut runner = TestRunner::deterministic();
    let strategy = nasty::text();
    let generated = (0..2_000).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let texts: Vec<String> = nasty::WORDS
        .iter()
        .map(|word| (*word).to_owned())
        .chain(generated)
        .collect();
    let mut values = Vec::new();
    let mut expected = String::new();
    for text in &texts {
        values.push(Value::Text(text.clone()));
        expected.push_str(&hex(text));
        values.push(Value::Map(vec![(text.clone(), Value::Text(text.clone()))]));
        expected.push_str(&hex(text));
        expected.push_str(&hex(text));
    }
    let mut emitter = Emitter::new();
    emitter.entry("texts", &Value::List(values));
    let read = python(READ, &emitter.finish());
    for (at, (read, expected)) in read.lines().zip(expected.lines()).enumerate() {
        assert_eq!(read, expected, "line {at}");
    }
    assert_eq!(read.lines().count(), expected.lines().count());
}

fn hex(text: &str) -> String {
    let mut hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    hex.push('\n');
    hex
}

fn has_pyyaml() -> bool {
    Command::new("python3")
        .args(["-c", "import yaml"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn python(script: &str, input: &str) -> String {
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "PyYAML refused the file");
    String::from_utf8(output.stdout).unwrap()
}

/// Words that PyYAML resolves to something else than text, by the expressions of its resolver,
/// <https://github.com/yaml/pyyaml/blob/main/lib/yaml/resolver.py>: they all get quotes.
#[test]
fn words_of_yaml_1_1_get_quotes() {
    for word in [
        "yes",
        "Yes",
        "YES",
        "no",
        "No",
        "NO",
        "true",
        "True",
        "TRUE",
        "false",
        "False",
        "FALSE",
        "on",
        "On",
        "ON",
        "off",
        "Off",
        "OFF",
        "y",
        "Y",
        "n",
        "N",
        "~",
        "null",
        "Null",
        "NULL",
        "",
        "0b1010",
        "017",
        "0x1F",
        "-0x1f",
        "1_000",
        "1:30",
        "-1:30:05",
        "685_230.15",
        ".5",
        "1.",
        "6.8523015e+5",
        "190:20:30.15",
        ".inf",
        "-.INF",
        ".NaN",
        "2024-05-01",
        "2001-12-14t21:59:43.10-05:00",
        "2001-12-14 21:59:43.10 -5",
        "<<",
        "=",
    ] {
        let mut emitter = Emitter::new();
        emitter.entry("key", &Value::Text(word.into()));
        assert_eq!(emitter.finish(), format!("key: \"{word}\"\n"));
    }
}
