//! Compares with answers of BuildKit, where they lie beside the checkout.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use imgfac_dockerfile::{Analysis, Base, ErrorKind, Options, Role, analyze};
use serde_json::Value;

#[test]
fn answers_are_buildkits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/dockerfile/cases");
    let Ok(truth) = fs::read_to_string(folder.join("truth.jsonl")) else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: there are no recorded answers beside this checkout"
        );
        return;
    };
    let mut count = 0;
    for line in truth.lines() {
        let expected: Value = serde_json::from_str(line).unwrap();
        let file = expected["file"].as_str().unwrap();
        let text = fs::read(folder.join(file)).unwrap();
        let analysis = analyze(&text, &Options::default());
        check(file, &analysis, &expected);
        count += 1;
    }
    assert!(count > 0, "the list of answers is empty");
}

fn check(file: &str, analysis: &Analysis, expected: &Value) {
    let stages = list(&expected["stages"]);
    assert_eq!(analysis.stages.len(), stages.len(), "{file}: stages");
    for (stage, expected) in analysis.stages.iter().zip(stages) {
        assert_eq!(
            stage.name.as_deref(),
            expected["name"].as_str(),
            "{file}: name"
        );
        assert_eq!(
            Some(stage.line as u64),
            expected["line"].as_u64(),
            "{file}: line"
        );
        assert_eq!(
            Some(stage.base_raw.as_str()),
            expected["baseRaw"].as_str(),
            "{file}"
        );
        if let Some(resolved) = expected["baseResolved"].as_str() {
            assert_eq!(stage.base_expanded, resolved, "{file}");
        }
        let (kind, full, parent) = match &stage.base {
            Base::Image(image) => (
                Some("image"),
                analysis.images.get(*image).map(|i| i.reference.to_string()),
                None,
            ),
            Base::Stage(parent) => (Some("stage"), None, Some(*parent as u64)),
            Base::Scratch => (Some("scratch"), None, None),
            Base::Unknown => (None, None, None),
        };
        if kind.is_some() {
            assert_eq!(kind, expected["baseKind"].as_str(), "{file}: kind");
        }
        assert_eq!(full.as_deref(), expected["baseFull"].as_str(), "{file}");
        assert_eq!(parent, expected["baseStage"].as_u64(), "{file}");
        assert_eq!(
            Some(stage.reachable),
            expected["reachable"].as_bool(),
            "{file}"
        );
    }

    let images = list(&expected["externalImages"]);
    assert_eq!(analysis.images.len(), images.len(), "{file}: images");
    for (image, expected) in analysis.images.iter().zip(images) {
        let full = image.reference.to_string();
        assert_eq!(
            Some(full.as_str()),
            expected["full"].as_str(),
            "{file}: image"
        );
        let familiar = image.reference.familiar();
        assert_eq!(
            Some(familiar.as_str()),
            expected["familiar"].as_str(),
            "{file}: short"
        );
        assert_eq!(
            Some(image.first.expanded.as_str()),
            expected["raw"].as_str(),
            "{file}: expanded"
        );
        let mut via: Vec<&str> = image.uses().map(|u| role(u.role)).collect();
        via.dedup();
        assert_eq!(via, texts(&expected["via"]), "{file}: via");
    }

    let needed = analysis.images.iter().filter(|image| image.reachable);
    let needed: BTreeSet<String> = needed.map(|image| image.reference.to_string()).collect();
    let wanted = texts(&expected["targetImages"]);
    let wanted: BTreeSet<String> = wanted.into_iter().map(ToOwned::to_owned).collect();
    assert_eq!(needed, wanted, "{file}: images of the target");

    let error = analysis.error.as_ref();
    assert_eq!(
        error.is_some(),
        expected["error"].is_string(),
        "{file}: {error:?}"
    );
    let kind = error.map(|error| match error.kind {
        ErrorKind::Parse => "parse",
        ErrorKind::Arg => "arg",
        ErrorKind::Resolve => "resolve",
    });
    assert_eq!(kind, expected["errorKind"].as_str(), "{file}: {error:?}");

    let syntax = analysis.syntax.as_ref();
    let wanted = &expected["syntax"];
    assert_eq!(
        syntax.map(|s| s.raw.as_str()),
        wanted["raw"].as_str(),
        "{file}: syntax"
    );
    let full = syntax.map(ToString::to_string);
    assert_eq!(full.as_deref(), wanted["full"].as_str(), "{file}: syntax");

    let found: Vec<&str> = analysis
        .on_build_images
        .iter()
        .map(|image| image.first.expanded.as_str())
        .collect();
    assert_eq!(
        found,
        texts(&expected["onbuildImages"]),
        "{file}: images of triggers"
    );
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}

fn role(role: Role) -> &'static str {
    match role {
        Role::From => "from",
        Role::Copy => "copy",
        Role::Mount => "mount",
    }
}
