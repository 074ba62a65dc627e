//! Whether two images have the same content, whatever their digests are.

use std::collections::BTreeMap;

use imgfac_model::{Digest, Platform, Repository};

use crate::error::RegistryError;
use crate::manifest::{Content, Descriptor};
use crate::registries::Registries;
use crate::registry::Registry;

/// The layers of an image, for each of its platforms.
type Layers = BTreeMap<Option<Platform>, Vec<Digest>>;

impl Registries {
    /// Whether two images of ours have the same layers, on the same platforms. What is beside the
    /// layers, such as the time of the build, and attestations do not count.
    ///
    /// # Errors
    ///
    /// When one of them is not there, or the registry cannot be asked.
    pub fn same_content(
        &self,
        repository: &Repository,
        one: &Digest,
        other: &Digest,
    ) -> Result<bool, RegistryError> {
        let (registry, path) = self.place(repository, true)?;
        let one = layers(&registry, &path, one)?;
        Ok(!one.is_empty() && one == layers(&registry, &path, other)?)
    }
}

fn layers(registry: &Registry, path: &str, digest: &Digest) -> Result<Layers, RegistryError> {
    let digests = |layers: Vec<Descriptor>| layers.into_iter().map(|it| it.digest).collect();
    let entries = match registry.manifest(path, digest)?.content {
        Content::Image(layers) => return Ok(Layers::from([(None, digests(layers))])),
        Content::Index(entries) => entries,
    };
    let mut found = Layers::new();
    for entry in entries.into_iter().filter(|it| it.platform.is_some()) {
        // An index of indexes is nothing that builds make.
        if let Content::Image(layers) = registry.manifest(path, &entry.digest)?.content {
            found.insert(entry.platform, digests(layers));
        }
    }
    Ok(found)
}
