//! All documents of a manifest, to be looked up.

use std::collections::BTreeSet;

use crate::document::Document;

/// What resources may refer to.
#[derive(Debug)]
pub(crate) struct Set<'a> {
    pub(crate) documents: &'a [Document],
    /// `Kind/name` of what exists elsewhere.
    pub(crate) external: &'a BTreeSet<String>,
}

impl<'a> Set<'a> {
    /// Resources of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &'a Document> {
        self.documents.iter().filter(move |it| it.kind == kind)
    }

    /// A resource that another one names, which lies in the same namespace or in none.
    pub(crate) fn find(&self, from: &Document, kind: &str, name: &str) -> Option<&'a Document> {
        self.of_kind(kind).find(|it| {
            it.name == name && (it.namespace.is_none() || it.namespace == from.namespace)
        })
    }

    /// Whether a resource that another one names is in the manifest or known to be elsewhere.
    pub(crate) fn exists(&self, from: &Document, kind: &str, name: &str) -> bool {
        self.find(from, kind, name).is_some() || self.is_external(kind, name)
    }

    pub(crate) fn is_external(&self, kind: &str, name: &str) -> bool {
        self.external.contains(&format!("{kind}/{name}"))
    }
}
