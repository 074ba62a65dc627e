//! What `imgfac graph` writes, in the programs that read it: Graphviz, Mermaid, a browser.
//!
//! Graphviz is used wherever `dot` is there. The others need Node, npm packages and Chromium, and
//! so run only with `IMGFAC_TEST_BROWSER=1`; then a missing part fails them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use imgfac_tests::Sandbox;

use crate::graph::factory;

/// A factory with a circle, and an image whose state is hostile wherever it can be.
fn hostile_factory() -> Sandbox {
    let sandbox = factory(true);
    sandbox.write(
        "f/imgfac.yaml",
        "workspaces: [../shop]\nendOfLife: {golang:1: 2025-08-01, node:22: 2027-04-30}\n",
    );
    sandbox.write(
        "f/images.d/hostile.yaml",
        "- name: hostile\n  registry: ghcr.io\n  repository: acme/hostile\n  source: {repo: acme/shop, dockerfile: 'a <b>\"&/Dockerfile'}\n",
    );
    sandbox.write(
        "f/state/images/hostile.yaml",
        r#"
discoveryStatus: failed
discoveryError: "\"]; a --> b </script><script>alert(1)</script> \u202e"
currentVersion: "<img src=x onerror=alert(1)>`%%{init: {}}%%"
lastBuilt: "1. {{x}}"
baseImages:
  - '1. "]<script>alert(1)<&amp;`%%{x}%%${BASE}'
"#,
    );
    sandbox
}

/// Writes the graph of a factory below the folder of these tests, and says where.
fn written(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut all = vec!["graph", "-C", "f", "-q", "-o", path.to_str().unwrap()];
    all.extend(arguments);
    let outcome = sandbox.run(&all);
    assert_eq!(outcome.code, 0, "{outcome}");
    path
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn graphviz_reads_every_node_and_edge() {
    let found = Command::new("dot").arg("-V").output();
    if found.is_err() {
        eprintln!("skipped: there is no dot on the PATH (Graphviz)");
        return;
    }
    let sandbox = hostile_factory();
    let dot = written(&sandbox, "graph.dot", &["--format", "dot"]);
    let output = Command::new("dot")
        .arg("-Tjson")
        .arg(&dot)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let drawn = json(&String::from_utf8(output.stdout).unwrap());
    let own = sandbox
        .run(&["graph", "-C", "f", "-q", "--format", "json"])
        .stdout;
    let own = json(&own);
    let ids = |value: &serde_json::Value, key: &str| -> BTreeSet<String> {
        let nodes = value.as_array().unwrap().iter();
        nodes
            .map(|node| node[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&drawn["objects"], "name"), ids(&own["nodes"], "id"));
    let edges = |value: &serde_json::Value| value.as_array().unwrap().len();
    assert_eq!(edges(&drawn["edges"]), edges(&own["edges"]));
}

/// The scripts of tests/page with their packages, or `None`, said loudly, when they are not wanted.
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn scripts() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        if env::var_os("IMGFAC_TEST_BROWSER").is_none_or(|value| value != "1") {
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
        fs::create_dir_all(&folder).unwrap();
        for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/page")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        let npm = Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(
            npm.status.success(),
            "{}",
            String::from_utf8_lossy(&npm.stderr)
        );
        Some(folder)
    });
    if folder.is_none() {
        eprintln!("skipped: set IMGFAC_TEST_BROWSER=1 to use Node, npm packages and Chromium");
    }
    folder.as_deref()
}

fn node(folder: &Path, script: &str, files: &[PathBuf]) -> String {
    let output = Command::new("node")
        .arg(script)
        .args(files)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn mermaid_draws_every_node_and_edge() {
    let Some(folder) = scripts() else { return };
    let sandbox = hostile_factory();
    let drawings = [
        ("all.mmd", &[][..]),
        ("around.mmd", &["--image", "low", "--depth", "1"]),
        (
            "cascade.mmd",
            &["--format", "mermaid", "--cascade", "node:22"],
        ),
        (
            "why.mmd",
            &["--format", "mermaid", "--why", "app", "node:22"],
        ),
    ];
    let files: Vec<PathBuf> = drawings
        .iter()
        .map(|(name, arguments)| written(&sandbox, name, arguments))
        .collect();
    let answers = node(folder, "mermaid.mjs", &files);
    let answers: Vec<serde_json::Value> = answers.lines().map(json).collect();
    assert_eq!(answers.len(), files.len());
    for (answer, file) in answers.iter().zip(&files) {
        assert_eq!(answer["wrong"], serde_json::json!([]), "{answer}");
        let text = fs::read_to_string(file).unwrap();
        let arrows = text
            .lines()
            .filter(|line| line.contains("-->") || line.contains("-.->") || line.contains(".->"));
        assert_eq!(answer["edges"], arrows.count(), "{answer}");
    }
    let texts: Vec<&str> = answers[0]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|node| node["text"].as_str())
        .collect();
    let hostile = "1. \"]<script>alert(1)<&amp;`%%{x}%%${BASE}no state";
    assert!(texts.contains(&hostile), "{texts:?}");
    assert!(
        texts.contains(&"debian:12@sha256:7d3f6c1e0b9a…pinned"),
        "{texts:?}"
    );
}

#[test]
fn people_can_use_the_page() {
    let Some(folder) = scripts() else { return };
    let page = written(&hostile_factory(), "graph.html", &["--format", "html"]);
    assert_eq!(node(folder, "page.mjs", &[page]).trim(), "ok");
}
