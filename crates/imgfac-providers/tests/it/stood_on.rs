//! What an image says that it was built on.

use std::collections::BTreeMap;

use imgfac_model::Platform;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::fake::{Fake, answer, digest, digest_of, registry};

/// Content by its digest.
#[derive(Default)]
struct Shelf(BTreeMap<String, String>);

impl Shelf {
    fn put(&mut self, content: &Value) -> String {
        let text = content.to_string();
        let digest = digest_of(&text).to_string();
        self.0.insert(digest.clone(), text);
        digest
    }

    /// An image, with annotations that name a base.
    fn image(&mut self, base: Option<(&str, &str)>, layers: &Value) -> String {
        let annotations = base.map(|(name, letter)| annotations(name, letter));
        self.put(&json!({"schemaVersion": 2, "layers": layers, "annotations": annotations}))
    }

    /// An attestation with a statement.
    fn attestation(&mut self, statement: &Value) -> String {
        let statement = self.put(statement);
        self.image(
            None,
            &json!([
                {"digest": digest("f").as_str(), "annotations": {"in-toto.io/predicate-type": "https://spdx.dev/Document"}},
                {"digest": statement, "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}}
            ]),
        )
    }

    fn stood_on(self, image: &str, platforms: &[&str]) -> String {
        let fake = Fake::start(move |asked, _| {
            let digest = asked.line.rsplit('/').next().unwrap_or_default();
            match self.0.get(digest) {
                Some(text) => answer(200).body(text.as_str()),
                None => answer(404),
            }
        });
        let (registry, _) = registry(&fake);
        let platforms: Vec<Platform> = platforms
            .iter()
            .map(|one| Platform::new(one).unwrap())
            .collect();
        let digest = imgfac_model::Digest::parse(image).unwrap();
        match registry.stood_on("acme/x", &digest, &platforms) {
            Ok(found) => found
                .iter()
                .map(|(reference, digest)| format!("{reference} {}", &digest.hex()[..4]))
                .collect::<Vec<_>>()
                .join("\n"),
            Err(error) => error.to_string().replace(&fake.host, "HOST"),
        }
    }
}

fn annotations(name: &str, letter: &str) -> Value {
    json!({
        "org.opencontainers.image.base.name": name,
        "org.opencontainers.image.base.digest": digest(letter).as_str(),
    })
}

fn provenance(images: &[(&str, &str)]) -> Value {
    let materials: Vec<Value> = images
        .iter()
        .map(|(purl, letter)| json!({"uri": purl, "digest": {"sha256": letter.repeat(64)}}))
        .collect();
    json!({"predicate": {"materials": materials}})
}

fn entry(image: &str, platform: &str) -> Value {
    let (os, architecture) = platform.split_once('/').unwrap();
    json!({"digest": image, "platform": {"os": os, "architecture": architecture}})
}

fn attests(attestation: &str, image: &str) -> Value {
    json!({
        "digest": attestation,
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image,
        }
    })
}

#[test]
fn a_plain_image_has_its_annotations() {
    let mut shelf = Shelf::default();
    let image = shelf.image(Some(("node:22", "a")), &json!([]));
    assert_snapshot!(shelf.stood_on(&image, &[]), @"docker.io/library/node:22 aaaa");
    let mut shelf = Shelf::default();
    let image = shelf.image(None, &json!([]));
    assert_snapshot!(shelf.stood_on(&image, &[]), @"");
    let mut shelf = Shelf::default();
    let image = shelf.image(Some(("Not A Name", "a")), &json!([]));
    assert_snapshot!(shelf.stood_on(&image, &[]), @"");
}

#[test]
fn the_provenance_of_the_platform_counts() {
    let index = |shelf: &mut Shelf| {
        let amd = shelf.image(None, &json!([{"digest": digest("1").as_str()}]));
        let arm = shelf.image(None, &json!([{"digest": digest("2").as_str()}]));
        let of_amd = shelf.attestation(&provenance(&[
            ("pkg:docker/node@22?platform=linux%2Famd64", "a"),
            ("pkg:docker/ghcr.io/acme/base@1", "b"),
        ]));
        let of_arm = shelf.attestation(&provenance(&[("pkg:docker/node@22", "c")]));
        shelf.put(&json!({"schemaVersion": 2, "manifests": [
            attests(&of_amd, &amd), attests(&of_arm, &arm), entry(&amd, "linux/amd64"), entry(&arm, "linux/arm64"),
        ]}))
    };
    let stood_on = |platforms: &[&str]| {
        let mut shelf = Shelf::default();
        let image = index(&mut shelf);
        shelf.stood_on(&image, platforms)
    };
    assert_snapshot!(stood_on(&[]), @"
    docker.io/library/node:22 aaaa
    ghcr.io/acme/base:1 bbbb
    ");
    assert_snapshot!(stood_on(&["linux/s390x", "linux/arm64"]), @"docker.io/library/node:22 cccc");
}

#[test]
fn an_index_or_its_image_may_have_the_annotations() {
    let stood_on = |on_index: bool, on_entry: bool, on_image: bool| {
        let mut shelf = Shelf::default();
        let image = shelf.image(on_image.then_some(("node:22", "c")), &json!([]));
        let mut entry = entry(&image, "linux/amd64");
        if on_entry {
            entry["annotations"] = annotations("node:22", "b");
        }
        let index = json!({
            "schemaVersion": 2,
            "manifests": [entry],
            "annotations": on_index.then(|| annotations("node:22", "a")),
        });
        let index = shelf.put(&index);
        shelf.stood_on(&index, &[])
    };
    assert_snapshot!(stood_on(true, false, true), @"docker.io/library/node:22 aaaa");
    assert_snapshot!(stood_on(true, true, true), @"docker.io/library/node:22 bbbb");
    assert_snapshot!(stood_on(false, false, true), @"docker.io/library/node:22 cccc");
    assert_snapshot!(stood_on(false, false, false), @"");
}

#[test]
fn what_is_broken_is_told() {
    let mut shelf = Shelf::default();
    let image = shelf.image(None, &json!([]));
    let attestation = shelf.attestation(&json!({"predicate": []}));
    let index = shelf.put(&json!({"schemaVersion": 2, "manifests": [
        entry(&image, "linux/amd64"), attests(&attestation, &image),
    ]}));
    let told = shelf.stood_on(&index, &[]);
    assert!(told.contains("this is no provenance"), "{told}");
    let told = Shelf::default().stood_on(digest("a").as_str(), &[]);
    assert_snapshot!(told, @"HOST has no sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa of acme/x");
}
