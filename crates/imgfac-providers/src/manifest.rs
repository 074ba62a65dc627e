//! Manifests and indexes, as far as anything here reads them.
//!
//! These are a few fields of the image specification. The crate `oci-spec` has them all, costs 17
//! more crates, most of them macros, and refuses a whole index for one entry that it does not know.

use std::collections::BTreeMap;

use imgfac_model::{Digest, Platform};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The types that are asked for.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// What a digest stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its own digest.
    pub digest: Digest,
    /// What its makers noted.
    pub annotations: BTreeMap<String, String>,
    /// What it lists.
    pub content: Content,
    /// The configuration of an image, where it has one.
    pub configuration: Option<Digest>,
}

/// What a manifest lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An index: manifests, for platforms and beside them.
    Index(Vec<Descriptor>),
    /// An image: layers.
    Image(Vec<Descriptor>),
}

/// Something that a manifest lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its digest.
    pub digest: Digest,
    /// Its type.
    pub media_type: String,
    /// The platform of an image; `None` for what is not for one, such as an attestation.
    pub platform: Option<Platform>,
    /// What its makers noted.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireManifest {
    schema_version: u32,
    manifests: Option<Vec<WireDescriptor>>,
    layers: Option<Vec<WireDescriptor>>,
    config: Option<WireDescriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDescriptor {
    digest: String,
    #[serde(default)]
    media_type: String,
    platform: Option<WirePlatform>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct WirePlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl Manifest {
    /// Reads a manifest or index.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(crate) fn read(digest: Digest, text: &[u8]) -> Result<Self, String> {
        let wire: WireManifest = serde_json::from_slice(text)
            .map_err(|error| format!("this is no manifest: {}", place(&error)))?;
        if wire.schema_version != 2 {
            return Err("this is no manifest of schema version 2".into());
        }
        let descriptors = |entries: Vec<WireDescriptor>| {
            let entries = entries.into_iter().map(Descriptor::new);
            entries.collect::<Result<Vec<_>, _>>()
        };
        let content = match (wire.manifests, wire.layers) {
            (Some(manifests), None) => Content::Index(descriptors(manifests)?),
            (None, Some(layers)) => Content::Image(descriptors(layers)?),
            // Both would be read as one by us and as the other by somebody else.
            _ => return Err("this is neither an index nor an image".into()),
        };
        let configuration = wire.config.map(Descriptor::new).transpose()?;
        Ok(Self {
            digest,
            annotations: wire.annotations.unwrap_or_default(),
            content,
            configuration: configuration.map(|it| it.digest),
        })
    }
}

/// So many platforms of an index are told.
const PLATFORMS: usize = 32;

impl Manifest {
    /// The images of an index by their platforms, 32 at most; `None` when it is no index, or names
    /// no platform. One that is there more than once, as Windows has several of, is left out: its
    /// image is not one.
    #[must_use]
    pub fn platforms(&self) -> Option<BTreeMap<String, Digest>> {
        let Content::Index(entries) = &self.content else {
            return None;
        };
        let mut platforms: BTreeMap<String, Option<Digest>> = BTreeMap::new();
        for entry in entries {
            let Some(platform) = &entry.platform else {
                continue;
            };
            platforms
                .entry(platform.to_string())
                .and_modify(|image| {
                    // The same one twice is still one.
                    image.take_if(|image| *image != entry.digest);
                })
                .or_insert_with(|| Some(entry.digest.clone()));
        }
        let once = platforms.into_iter();
        let once = once.filter_map(|(platform, image)| Some((platform, image?)));
        let once: BTreeMap<String, Digest> = once.take(PLATFORMS).collect();
        (!once.is_empty()).then_some(once)
    }
}

impl Descriptor {
    fn new(wire: WireDescriptor) -> Result<Self, String> {
        let digest = Digest::parse(&wire.digest)
            .map_err(|error| format!("it lists something without a digest: {error}"))?;
        let platform = wire.platform.and_then(|platform| {
            let variant = platform.variant.filter(|variant| !variant.is_empty());
            let name = [Some(platform.os), Some(platform.architecture), variant];
            let name: Vec<String> = name.into_iter().flatten().collect();
            // Attestations have unknown/unknown.
            let known = |platform: &Platform| platform.as_str() != "unknown/unknown";
            Platform::new(&name.join("/")).ok().filter(known)
        });
        Ok(Self {
            digest,
            media_type: wire.media_type,
            platform,
            annotations: wire.annotations.unwrap_or_default(),
        })
    }
}

/// Where JSON is wrong, without what stands there.
pub(crate) fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// The digest of some bytes, by the algorithm of another one.
pub(crate) fn digest_like(other: Option<&Digest>, bytes: &[u8]) -> Result<Digest, String> {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let algorithm = other.map_or("sha256", Digest::algorithm);
    let hash = match algorithm {
        "sha384" => hex(&Sha384::digest(bytes)),
        "sha512" => hex(&Sha512::digest(bytes)),
        _ => hex(&Sha256::digest(bytes)),
    };
    Digest::parse(&format!("{algorithm}:{hash}")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn read(text: &str) -> Result<Manifest, String> {
        Manifest::read(Digest::parse(A).unwrap(), text.as_bytes())
    }

    #[test]
    fn an_index_has_platforms_and_what_is_beside_them() {
        let text = format!(
            r#"{{"schemaVersion": 2, "annotations": {{"a": "b"}}, "later": [1], "manifests": [
                {{"digest": "{A}", "platform": {{"os": "linux", "architecture": "arm", "variant": "v7"}}}},
                {{"digest": "{A}", "platform": {{"os": "unknown", "architecture": "unknown"}}}},
                {{"digest": "{A}", "platform": {{"os": "Bad Name", "architecture": "x"}}}},
                {{"digest": "{A}", "platform": null, "annotations": null}}]}}"#
        );
        let manifest = read(&text).unwrap();
        assert_eq!(manifest.annotations["a"], "b");
        let Content::Index(entries) = manifest.content else {
            panic!("this is an index");
        };
        let platforms: Vec<Option<&str>> = entries
            .iter()
            .map(|entry| entry.platform.as_ref().map(Platform::as_str))
            .collect();
        assert_eq!(platforms, [Some("linux/arm/v7"), None, None, None]);
    }

    #[test]
    fn an_index_has_an_image_for_each_platform() {
        let check = |platforms: &str, expected: Option<&str>| {
            let entry = |word: &str| {
                let (platform, letter) = word.split_once('=').unwrap();
                let mut parts = platform.splitn(3, '/');
                let mut part = || parts.next().unwrap_or_default();
                format!(
                    r#"{{"digest": "sha256:{}", "platform": {{"os": "{}", "architecture": "{}", "variant": "{}"}}}}"#,
                    letter.repeat(64),
                    part(),
                    part(),
                    part()
                )
            };
            let entries: Vec<String> = platforms.split_whitespace().map(entry).collect();
            let text = format!(
                r#"{{"schemaVersion": 2, "manifests": [{}]}}"#,
                entries.join(",")
            );
            let found = read(&text).unwrap().platforms().map(|platforms| {
                let words = platforms
                    .iter()
                    .map(|(name, digest)| format!("{name}={}", &digest.hex()[..1]));
                words.collect::<Vec<_>>().join(" ")
            });
            assert_eq!(found.as_deref(), expected, "{platforms}");
        };
        check(
            "linux/arm/v7=b linux/amd64=a unknown/unknown=c",
            Some("linux/amd64=a linux/arm/v7=b"),
        );
        check(
            "windows/amd64=a linux/amd64=b windows/amd64=c windows/amd64=a",
            Some("linux/amd64=b"),
        );
        check("linux/amd64=a linux/amd64=a", Some("linux/amd64=a"));
        check("unknown/unknown=c", None);
        check("", None);
        let many: Vec<String> = (0..40).map(|n| format!("linux/a{n:02}=a")).collect();
        check(&many.join(" "), Some(&many[..32].join(" ")));
        let image = read(r#"{"schemaVersion": 2, "layers": []}"#).unwrap();
        assert_eq!(image.platforms(), None);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let check = |text: &str, expected: &str| {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        };
        check("<html>", "this is no manifest: line 1, column 1");
        check("", "this is no manifest: line 1, column 0");
        check("[]", "this is no manifest: line 1, column 2");
        let deep = "[".repeat(100_000);
        check(
            &format!(r#"{{"schemaVersion": 2, "layers": {deep}"#),
            "this is no manifest: line 1, column 33",
        );
        check(
            r#"{"schemaVersion": 1, "layers": []}"#,
            "this is no manifest of schema version 2",
        );
        check(
            r#"{"schemaVersion": 2}"#,
            "this is neither an index nor an image",
        );
        check(
            r#"{"schemaVersion": 2, "layers": [], "manifests": []}"#,
            "this is neither an index nor an image",
        );
        check(
            r#"{"schemaVersion": 2, "layers": [{"digest": "../x"}]}"#,
            "it lists something without a digest: not a digest: expected an algorithm, \":\" and hexadecimal digits",
        );
    }

    #[test]
    fn bytes_are_hashed_by_the_algorithm_that_is_asked_for() {
        let check = |like: Option<&str>, expected: &str| {
            let like = like.map(|like| Digest::parse(like).unwrap());
            let digest = digest_like(like.as_ref(), b"").unwrap();
            assert!(digest.as_str().starts_with(expected), "{digest:?}");
        };
        check(None, "sha256:e3b0c44298fc1c14");
        check(Some(A), "sha256:e3b0c44298fc1c14");
        let long = format!("sha512:{}", "a".repeat(128));
        check(Some(&long), "sha512:cf83e1357eefb8bd");
        let middle = format!("sha384:{}", "a".repeat(96));
        check(Some(&middle), "sha384:38b060a751ac9638");
    }
}
