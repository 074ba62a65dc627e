//! What an image was built on, as far as the image says so.

use std::collections::BTreeMap;

use imgfac_model::{Digest, Platform, Reference};

use crate::ask::What;
use crate::error::RegistryError;
use crate::manifest::{Content, Descriptor, Manifest};
use crate::provenance;
use crate::registry::Registry;

/// Provenance may be this long, in bytes: with `mode=max` it has the whole build in it.
const PROVENANCE_LIMIT: u64 = 16 << 20;

const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

impl Registry {
    /// The images that a published image was built on: from the provenance that BuildKit attached,
    /// and from the annotations `org.opencontainers.image.base.name` and `.base.digest`. Empty when
    /// it says nothing. Of an index the first of the platforms counts that it has, else its first.
    ///
    /// Nothing is signed here: this is what whoever pushed the image says.
    ///
    /// # Errors
    ///
    /// When the image is not there, or the registry cannot be asked.
    pub fn stood_on(
        &self,
        repository: &str,
        digest: &Digest,
        platforms: &[Platform],
    ) -> Result<BTreeMap<Reference, Digest>, RegistryError> {
        let manifest = self.manifest(repository, digest)?;
        let mut found = BTreeMap::from_iter(annotated(&manifest.annotations));
        let Content::Index(entries) = &manifest.content else {
            return Ok(found);
        };
        let Some(image) = chosen(entries, platforms) else {
            return Ok(found);
        };
        found.extend(annotated(&image.annotations));
        if found.is_empty() {
            let Manifest { annotations, .. } = self.manifest(repository, &image.digest)?;
            found.extend(annotated(&annotations));
        }
        let attests = |entry: &&Descriptor| {
            let note = |key: &str| entry.annotations.get(key).map(String::as_str);
            note("vnd.docker.reference.type") == Some("attestation-manifest")
                && note("vnd.docker.reference.digest") == Some(image.digest.as_str())
        };
        let Some(attestation) = entries.iter().find(attests) else {
            return Ok(found);
        };
        let attestation = self.manifest(repository, &attestation.digest)?;
        let Content::Image(statements) = attestation.content else {
            return Ok(found);
        };
        let is_provenance = |layer: &&Descriptor| {
            layer
                .annotations
                .get("in-toto.io/predicate-type")
                .is_some_and(|kind| kind.starts_with("https://slsa.dev/provenance/"))
        };
        if let Some(layer) = statements.iter().find(is_provenance) {
            let text = self.blob(repository, &layer.digest, PROVENANCE_LIMIT)?;
            let images = provenance::images(&text).map_err(|problem| {
                self.unusable(repository, What::Blob(&layer.digest), &problem)
            })?;
            // It names every stage's image, where the annotation has but one.
            found.extend(images);
        }
        Ok(found)
    }
}

/// The image of an index that is looked at.
pub(crate) fn chosen<'e>(
    entries: &'e [Descriptor],
    platforms: &[Platform],
) -> Option<&'e Descriptor> {
    let of = |platform: &Platform| {
        entries
            .iter()
            .find(|entry| entry.platform.as_ref() == Some(platform))
    };
    platforms
        .iter()
        .find_map(of)
        .or_else(|| entries.iter().find(|entry| entry.platform.is_some()))
}

fn annotated(annotations: &BTreeMap<String, String>) -> Option<(Reference, Digest)> {
    let name = Reference::parse(annotations.get(BASE_NAME)?).ok()?;
    let digest = Digest::parse(annotations.get(BASE_DIGEST)?).ok()?;
    Some((name, digest))
}
