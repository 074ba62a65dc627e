//! What makes two rebuilds the same.

use std::collections::BTreeMap;
use std::fmt;

use imgfac_model::{Digest, ImageName, Reference};
use sha2::{Digest as _, Sha256};

/// The identity of a rebuild: 64 hexadecimal digits of the SHA-256 of the image, its source commit
/// and what it will stand on.
///
/// Two rebuilds of the same identity make the same image, so it is a key to skip repeats with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

impl Identity {
    /// The identity of a rebuild of `image` at `commit` on `bases`. A base whose digest is not
    /// known is left out.
    #[must_use]
    pub fn new(
        image: &ImageName,
        commit: Option<&str>,
        bases: &BTreeMap<Reference, Digest>,
    ) -> Self {
        let mut hash = Hash::new("rebuild");
        hash.field(image.as_str());
        hash.field(commit.unwrap_or_default());
        for (reference, digest) in bases {
            hash.field(&reference.to_string());
            hash.field(digest.as_str());
        }
        Self(hash.finish())
    }

    /// An identity that was written down.
    #[must_use]
    pub fn recorded(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 of fields, each with its length: no two lists of fields read the same.
pub(crate) struct Hash(Sha256);

impl Hash {
    pub(crate) fn new(of: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.field(of);
        hash
    }

    pub(crate) fn field(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    pub(crate) fn finish(self) -> String {
        let bytes = self.0.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
