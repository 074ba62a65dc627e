//! Files, their order, and what lies outside of them.

use std::fs;

use imgfac_conformance::{SchemaError, Schemas, Severity, Sources};

use crate::small::{MANIFEST, check, checker, file, sources};

fn messages(report: &imgfac_conformance::Report) -> String {
    let lines: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn resources_of_one_file_may_name_those_of_another() {
    let documents: Vec<&str> = MANIFEST.split("---\n").collect();
    let (first, second) = documents.split_at(6);
    let files = [
        file("a.yaml", &first.join("---\n")),
        file("b.yaml", &second.join("---\n")),
    ];
    let report = checker().check(&files);
    assert_eq!((report.documents, messages(&report)), (13, String::new()));
}

#[test]
fn one_broken_file_hides_no_other() {
    let files = [
        file("a.yaml", "a: ["),
        file("b.yaml", "# nothing\n---\n---\nkind: Stage\n"),
    ];
    let report = checker().check(&files);
    assert_eq!(report.documents, 1);
    let places: Vec<_> = report
        .findings
        .iter()
        .map(|it| (it.file.as_str(), it.document, it.rule.name()))
        .collect();
    assert_eq!(
        places,
        [
            ("a.yaml", 0, "yaml"),
            ("b.yaml", 0, "document"),
            ("b.yaml", 0, "document"),
        ]
    );
}

#[test]
fn what_is_declared_as_external_need_not_be_there() {
    let text = MANIFEST
        .replace("secret('hook')", "secret('elsewhere')")
        .replace("configMap(\"overrides\")", "configMap(\"elsewhere\")");
    let findings = check(&text).findings;
    let found: Vec<_> = findings.iter().map(|it| it.severity()).collect();
    assert_eq!(found, [Severity::Warning, Severity::Error]);
    let checker = checker()
        .with_external("Secret/elsewhere")
        .with_external("ConfigMap/elsewhere");
    assert_eq!(messages(&checker.check(&[file("m.yaml", &text)])), "");
}

#[test]
fn hostile_text_stays_on_one_line_and_ends() {
    let name = "\\e[31m\\n".repeat(400);
    let report = check(&format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: \"{name}\"}}\n"
    ));
    let text = messages(&report);
    assert!(!text.is_empty() && text.len() < 1_000, "{text}");
    assert!(!text.contains(|c: char| c.is_control()), "{text}");
}

#[test]
fn schemas_are_read_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let all = sources();
    let sorts = [&all.definitions, &all.steps, &all.subscriptions];
    for (name, text) in sorts.into_iter().flatten() {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(folder.path().join("crds/README.md"), "no schema").unwrap();
    let read = Sources::read(folder.path()).unwrap();
    assert_eq!(read.definitions, all.definitions);
    assert_eq!(read.steps, all.steps);
    assert_eq!(read.subscriptions, all.subscriptions);
    fs::remove_dir_all(folder.path().join("step-schemas")).unwrap();
    assert!(matches!(
        Sources::read(folder.path()),
        Err(SchemaError::Missing { .. })
    ));
}

#[test]
fn a_schema_that_cannot_be_used_is_an_error() {
    let broken = |change: fn(&mut Sources)| {
        let mut sources = sources();
        change(&mut sources);
        Schemas::compile(&sources).unwrap_err().to_string()
    };
    let mut lines = vec![
        broken(|it| drop(it.definitions.insert("crds/a.yaml".into(), "[".into()))),
        broken(|it| {
            let text = "kind: CustomResourceDefinition\nspec: {group: a}";
            it.definitions.insert("crds/a.yaml".into(), text.into());
        }),
        broken(|it| drop(it.steps.insert("a-config.json".into(), "{".into()))),
        broken(|it| {
            let text = r#"{"$ref": "b.json#/a"}"#;
            it.steps.insert("s/a-config.json".into(), text.into());
        }),
        broken(|it| {
            drop(
                it.subscriptions
                    .insert("a.json".into(), r#"{"type": 1}"#.into()),
            )
        }),
    ];
    for line in &mut lines {
        line.truncate(70);
    }
    insta::assert_snapshot!(lines.join("\n"), @"
    crds/a.yaml: line 1 column 1: unclosed bracket '['
    crds/a.yaml: no spec.names.kind
    a-config.json: EOF while parsing an object at line 1 column 1
    schemas: Resource 'schema:///s/b.json' is not present in a registry an
    a.json: 1 is not valid under any of the schemas listed in the 'anyOf'
    ");
}
