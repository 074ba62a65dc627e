//! When an image was built.

use imgfac_model::{Platform, Tag};
use jiff::Timestamp;
use serde::Deserialize;

use crate::ask::What;
use crate::error::RegistryError;
use crate::manifest::Content;
use crate::registry::Registry;
use crate::stood_on::chosen;

/// The configuration of an image may be this long, in bytes.
const CONFIGURATION_LIMIT: u64 = 4 << 20;

#[derive(Deserialize)]
struct WireConfiguration {
    created: Option<String>,
}

impl Registry {
    /// When the image of a tag was built, as it says itself; of an index, the one for linux/amd64
    /// or else its first. `None` when it does not say so. Costs up to two downloads.
    ///
    /// # Errors
    ///
    /// When there is no such tag, or the registry cannot be asked.
    pub fn created(&self, repository: &str, tag: &Tag) -> Result<Option<Timestamp>, RegistryError> {
        let digest = self.digest_of(repository, tag, None)?;
        let mut manifest = self.manifest(repository, &digest)?;
        if let Content::Index(entries) = &manifest.content {
            let usual: Vec<Platform> = Platform::new("linux/amd64").into_iter().collect();
            let Some(image) = chosen(entries, &usual) else {
                return Ok(None);
            };
            manifest = self.manifest(repository, &image.digest)?;
        }
        let Some(configuration) = manifest.configuration else {
            return Ok(None);
        };
        let text = self.blob(repository, &configuration, CONFIGURATION_LIMIT)?;
        let read: WireConfiguration = serde_json::from_slice(&text).map_err(|_| {
            let what = What::Blob(&configuration);
            self.unusable(repository, what, "it is no configuration of an image")
        })?;
        Ok(read.created.and_then(|time| time.parse().ok()))
    }
}
