//! Manifests against the schemas and rules of Kargo, and in the eyes of another reader of YAML.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use imgfac_conformance::{Checker, File, Finding, Rule, Schemas, Severity, Sources};
use imgfac_model::{ReceiverKind, Registry, RelativePath, SecretName, WebUrl, WebhookReceiver};
use proptest::prelude::*;

use crate::fleet::{Owned, external, managed, published, small};
use crate::properties;

/// A checker for the release whose schemas lie beside the checkout, if they do.
fn checker() -> Option<&'static Checker> {
    static CHECKER: OnceLock<Option<Checker>> = OnceLock::new();
    let checker = CHECKER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kargo");
        if !folder.exists() {
            return None;
        }
        let sources = Sources::read(&folder).unwrap();
        Some(Checker::new(Schemas::compile(&sources).unwrap()))
    });
    if checker.is_none() {
        eprintln!("skipped: no schemas of Kargo in ../shared/kargo beside the checkout");
    }
    checker.as_ref()
}

/// What breaks rules in the manifests of a fleet. Warnings are about what lies outside of them.
fn errors(fleet: &Owned, checker: &Checker) -> Vec<Finding> {
    let manifests = fleet.synthesize();
    let report = checker.check(&[File {
        name: "manifests.yaml".into(),
        text: manifests.to_yaml().unwrap(),
    }]);
    assert_eq!(report.documents, manifests.resources().count());
    let mut findings = report.findings;
    findings.retain(|it| it.severity() == Severity::Error);
    findings
}

fn lines(findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Checks a fleet whose texts are all such as people write.
#[track_caller]
fn check(fleet: &Owned) {
    if let Some(checker) = checker() {
        assert_eq!(lines(&errors(fleet, checker)), "");
    }
}

/// Checks a fleet that breaks a rule and no other, because its input does.
#[track_caller]
fn check_except(fleet: &Owned, broken: Rule) {
    if let Some(checker) = checker() {
        let (expected, others): (Vec<_>, Vec<_>) = errors(fleet, checker)
            .into_iter()
            .partition(|it| it.rule == broken);
        assert_eq!(lines(&others), "");
        assert!(!expected.is_empty(), "nothing breaks {broken}");
    }
}

/// Compares the YAML with the same resources as JSON, in the eyes of a reader of YAML 1.1, which
/// takes `yes` for a boolean and `12:30` for a number as `kubectl` does.
fn check_reading(fleet: &Owned) {
    const SCRIPT: &str = "\
import json, sys, yaml
read, meant = list(yaml.safe_load_all(open(sys.argv[1]))), json.load(open(sys.argv[2]))
print(len(meant), [(a, b) for a, b in zip(read, meant) if a != b], len(read))
";
    let manifests = fleet.synthesize();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("script.py"), SCRIPT).unwrap();
    std::fs::write(path("read.yaml"), manifests.to_yaml().unwrap()).unwrap();
    let resources: Vec<_> = manifests.resources().collect();
    let json = serde_json::to_string(&resources).unwrap();
    std::fs::write(path("meant.json"), json).unwrap();
    if let Some(output) = python(&[&path("script.py"), &path("read.yaml"), &path("meant.json")]) {
        assert_eq!(output, format!("{0} [] {0}\n", resources.len()));
    }
}

/// What a Python program prints, if this machine has Python and its reader of YAML.
fn python(arguments: &[&Path]) -> Option<String> {
    let probe = Command::new("python3").args(["-c", "import yaml"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no python3 with yaml");
        return None;
    }
    let output = Command::new("python3").args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(!output.stdout.is_empty(), "{}", text(&output.stderr));
    Some(text(&output.stdout))
}

#[test]
fn an_empty_fleet_fits() {
    check(&Owned::default());
}

#[test]
fn a_small_fleet_fits() {
    check(&small());
}

#[test]
fn settings_of_every_kind_fit() {
    let mut fleet = small();
    fleet.settings.webhook_receivers = ReceiverKind::ALL
        .iter()
        .map(|kind| WebhookReceiver {
            name: SecretName::new(kind).unwrap(),
            kind: kind.parse().unwrap(),
            secret: SecretName::new(&format!("{kind}-webhook")).unwrap(),
        })
        .collect();
    fleet.settings.probe = WebUrl::new("https://probe.example.com").ok();
    let mirror = Registry {
        mirror: Some("mirror.example.com:5000/hub".into()),
        ..Registry::default()
    };
    fleet.settings.registries.insert("docker.io".into(), mirror);
    check(&fleet);
    let text = fleet.synthesize().to_yaml().unwrap();
    assert!(text.contains("repoURL: mirror.example.com:5000/hub/library/node\n"));
    assert!(!text.contains("insecureSkipTLSVerify"));
}

#[test]
fn every_strategy_fits() {
    let mut fleet = Owned::default();
    for (n, strategy) in ["SemVer", "Lexical", "NewestBuild", "Digest"]
        .into_iter()
        .enumerate()
    {
        for (m, (constraint, allow_tags)) in [
            (None, None),
            (Some("16"), None),
            (None, Some("^v1$")),
            (Some("1.2"), Some("'\" #:\n${{ secret('x') }}")),
        ]
        .into_iter()
        .enumerate()
        {
            for mut it in [
                external(&format!("external-{n}-{m}"), "acme/x"),
                managed(
                    &format!("managed-{n}-{m}"),
                    "acme/x",
                    "acme/x",
                    "Dockerfile",
                ),
            ] {
                it.image_selection_strategy = strategy.parse().ok();
                it.constraint = constraint.map(str::to_owned);
                it.allow_tags = allow_tags.map(str::to_owned);
                fleet.image(it).1 = published("1.2.3");
            }
        }
    }
    check(&fleet);
}

#[test]
fn awkward_names_and_paths_fit() {
    let mut fleet = Owned::default();
    for name in [
        "a",
        "123",
        "true",
        "base-node",
        "x-0123456789",
        &"n".repeat(50),
    ] {
        let it = fleet.image(managed(
            name,
            "acme/x",
            "acme/x",
            "glob:${{ 1 }}/$(HOME)/{{args.x}}",
        ));
        it.1 = published("latest");
        if let Some(source) = &mut it.0.source {
            source.context = Some(RelativePath::new("regex:(").unwrap());
        }
    }
    for name in [
        "node",
        "owner-My_Image-RC_1",
        "${BASE}",
        "ghcr.io-acme-x-1",
        "äöü",
        "a: b #c",
    ] {
        fleet.base(name, "node:22");
    }
    fleet.base(&"x".repeat(250), "node:1.10");
    check(&fleet);
}

#[test]
fn text_is_read_as_text() {
    let mut fleet = small();
    let texts = [
        "yes",
        "on",
        "n",
        "null",
        "~",
        "true",
        "0",
        "012",
        "0x10",
        "0o7",
        "1_000",
        "1e3",
        "1.10",
        ".5",
        "12:30",
        "2024-01-11",
        "=",
        "<<",
        "-",
        "- x",
        "? x",
        ": x",
        "x: y",
        "x #y",
        "#",
        "'",
        "\"",
        "\\",
        "a\nb",
        "\n---\n",
        " x ",
        "\t",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "ä",
        "😀",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "[a",
        "{a",
        "${{ secret('x') }}",
        "${% 1 %}",
        "{{args.image}}",
        "$(HOME)",
        ".inf",
        ".nan",
        "",
    ];
    for (n, text) in texts.iter().enumerate() {
        let it = fleet.image(external(&format!("tags-{n}"), "acme/x"));
        it.0.allow_tags = Some((*text).into());
        if let Ok(path) = RelativePath::new(text) {
            let it = fleet.image(managed(
                &format!("path-{n}"),
                "acme/x",
                "acme/x",
                path.as_str(),
            ));
            it.1 = published(text);
        }
        fleet.base(&format!("base-{n}"), &format!("acme/x:{n}"));
        if let Ok(reference) = imgfac_model::Reference::parse(&format!("acme/x:{text}")) {
            fleet.base(&format!("text-{n}"), &reference.to_string());
        }
    }
    assert_eq!(fleet.synthesize().problems, []);
    // Some of the texts are no regular expressions, which `imgfac check` says before it comes here.
    check_except(&fleet, Rule::Regexp);
    check_reading(&fleet);
}

#[test]
fn any_fleet_fits() {
    let Some(checker) = checker() else {
        return;
    };
    proptest!(ProptestConfig::with_cases(32), |(fleet in properties::fleet())| {
        let mut findings = errors(&fleet, checker);
        findings.retain(|it| it.rule != Rule::Regexp);
        prop_assert_eq!(lines(&findings), "");
    });
}
