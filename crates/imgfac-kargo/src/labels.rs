//! Names and labels that all resources share.

use std::collections::BTreeMap;

use imgfac_model::{ImageName, Settings};

use crate::resources::Metadata;

/// The label by which Kubernetes tools tell whose a resource is.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Metadata of a resource of the whole cluster.
pub(crate) fn cluster_metadata(name: impl Into<String>) -> Metadata {
    Metadata {
        name: name.into(),
        namespace: None,
        labels: BTreeMap::from([(MANAGED_BY.into(), "imgfac".into())]),
        annotations: BTreeMap::new(),
    }
}

/// Metadata of a resource in the factory's namespace.
pub(crate) fn metadata(
    settings: &Settings,
    name: impl Into<String>,
    role: &str,
    image: Option<&ImageName>,
) -> Metadata {
    let mut metadata = cluster_metadata(name);
    metadata.namespace = Some(settings.namespace.to_string());
    metadata
        .labels
        .insert("imgfac.dev/role".into(), role.into());
    if let Some(image) = image {
        metadata
            .labels
            .insert("imgfac.dev/image".into(), image.to_string());
    }
    metadata
}
