//! Provenance by SLSA, as BuildKit writes it: the images that a build read, and their digests.

use std::collections::BTreeMap;

use imgfac_model::{Digest, Reference};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::manifest::place;

#[derive(Deserialize)]
struct Statement {
    predicate: Predicate,
}

/// Of the versions 0.2 and 1, which BuildKit writes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    #[serde(default)]
    materials: Vec<Material>,
    build_definition: Option<BuildDefinition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    #[serde(default)]
    resolved_dependencies: Vec<Material>,
}

#[derive(Deserialize)]
struct Material {
    #[serde(default)]
    uri: String,
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

/// The images that a statement says were read. What else was, such as Git repositories, and what
/// has no digest, is left out.
pub(crate) fn images(statement: &[u8]) -> Result<BTreeMap<Reference, Digest>, String> {
    let statement: Statement = serde_json::from_slice(statement)
        .map_err(|error| format!("this is no provenance: {}", place(&error)))?;
    let predicate = statement.predicate;
    let definition = predicate.build_definition.into_iter();
    let materials = (predicate.materials.into_iter())
        .chain(definition.flat_map(|definition| definition.resolved_dependencies));
    Ok(materials
        .filter_map(|material| {
            let reference = image(&material.uri)?;
            let digest = material
                .digest
                .iter()
                .find_map(|(algorithm, hex)| Digest::parse(&format!("{algorithm}:{hex}")).ok());
            // An image that is named by its digest may have no other.
            let digest = digest.or_else(|| reference.digest().cloned())?;
            Some((reference, digest))
        })
        .collect())
}

/// `pkg:docker/ghcr.io/acme/base@1.2?platform=linux%2Famd64`, as a reference.
fn image(purl: &str) -> Option<Reference> {
    let rest = purl.strip_prefix("pkg:docker/")?;
    let rest = rest.split('#').next()?;
    let (path, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    let (path, version) = match path.rsplit_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (path, None),
    };
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().ok()?;
        Some(text.into_owned())
    };
    let mut reference = decoded(path)?;
    if let Some(version) = version.filter(|version| !version.is_empty()) {
        reference.extend([":".to_owned(), decoded(version)?]);
    }
    let digest = qualifiers
        .split('&')
        .find_map(|pair| pair.strip_prefix("digest="));
    if let Some(digest) = digest {
        reference.extend(["@".to_owned(), decoded(digest)?]);
    }
    Reference::parse(&reference).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn package_urls_are_references() {
        let check = |purl: &str, expected: Option<&str>| {
            let expected = expected.map(str::to_owned);
            assert_eq!(image(purl).map(|one| one.to_string()), expected, "{purl}");
        };
        check(
            "pkg:docker/node@22?platform=linux%2Famd64",
            Some("docker.io/library/node:22"),
        );
        check(
            "pkg:docker/ghcr.io/acme/base@1.2",
            Some("ghcr.io/acme/base:1.2"),
        );
        check(
            "pkg:docker/localhost%3A5000/x@latest#sub",
            Some("localhost:5000/x:latest"),
        );
        check(
            &format!(
                "pkg:docker/node@22?digest={}&platform=x",
                A.replace(':', "%3A")
            ),
            Some(&format!("docker.io/library/node:22@{A}")),
        );
        check(
            &format!("pkg:docker/node?digest={A}"),
            Some(&format!("docker.io/library/node@{A}")),
        );
        for nothing in [
            "",
            "pkg:docker/",
            "pkg:github/acme/x@1",
            "https://github.com/acme/x.git",
            "pkg:docker/../../etc@1",
            "pkg:docker/a%00b@1",
            "pkg:docker/%ff@1",
            "pkg:docker/node@22%0Ainjected",
        ] {
            check(nothing, None);
        }
    }

    #[test]
    fn both_versions_are_read() {
        let hex = "b".repeat(64);
        let material = format!(
            r#"[{{"uri": "pkg:docker/node@22", "digest": {{"gitCommit": "x", "sha256": "{hex}"}}}},
                {{"uri": "https://github.com/acme/x.git", "digest": {{"sha1": "y"}}}},
                {{"uri": "pkg:docker/alpine@3"}}, {{}}]"#
        );
        let old = format!(r#"{{"predicate": {{"materials": {material}}}}}"#);
        let new = format!(
            r#"{{"predicate": {{"buildDefinition": {{"resolvedDependencies": {material}}}}}}}"#
        );
        for text in [old, new] {
            let found: Vec<String> = images(text.as_bytes())
                .unwrap()
                .into_iter()
                .map(|(reference, digest)| format!("{reference} {digest}"))
                .collect();
            assert_eq!(found, [format!("docker.io/library/node:22 sha256:{hex}")]);
        }
        assert_eq!(images(br#"{"predicate": {}}"#), Ok(BTreeMap::new()));
        for nonsense in ["", "{}", "[]", r#"{"predicate": {"materials": 1}}"#] {
            assert!(images(nonsense.as_bytes()).is_err(), "{nonsense}");
        }
    }
}
