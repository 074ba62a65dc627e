//! Objects of ours that the manifests no longer have.

use std::collections::BTreeSet;

use kube::core::params::{DeleteParams, Preconditions};

use crate::catalog::Kind;
use crate::error::{Error, RequestError};
use crate::object::{OVERRIDES, Object, ObjectKey, rank};
use crate::report::Outcome;
use crate::request::Repeat;
use crate::run::Run;

/// The kinds that a factory makes in its namespace and that images come and go with. The project's
/// own (Namespace, Project, ProjectConfig) are never deleted, and Secrets are not ours.
const KINDS: &[(&str, &str)] = &[
    ("argoproj.io/v1alpha1", "AnalysisTemplate"),
    ("kargo.akuity.io/v1alpha1", "PromotionTask"),
    ("kargo.akuity.io/v1alpha1", "Stage"),
    ("kargo.akuity.io/v1alpha1", "Warehouse"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("v1", "ConfigMap"),
    ("v1", "ServiceAccount"),
];

/// The kinds to look for.
pub(crate) fn pruned_kinds(objects: &[Object]) -> BTreeSet<Kind> {
    let never = ["Namespace", "Project", "ProjectConfig", "Secret"];
    let emitted = objects
        .iter()
        .map(|object| {
            (
                object.key().api_version.as_str(),
                object.key().kind.as_str(),
            )
        })
        .filter(|(_, kind)| !never.contains(kind));
    KINDS
        .iter()
        .copied()
        .chain(emitted)
        .map(|(api_version, kind)| (api_version.to_owned(), kind.to_owned()))
        .collect()
}

/// Refuses manifests of a part of a factory.
pub(crate) fn check_complete(objects: &[Object], namespace: &str) -> Result<(), Error> {
    let complete = objects
        .iter()
        .any(|object| object.key().kind == "Project" && object.key().name == namespace);
    if complete {
        return Ok(());
    }
    Err(Error::NotComplete(namespace.to_owned()))
}

impl Run<'_> {
    /// What would be pruned, Stages before the Warehouses that they take from.
    pub(crate) fn prunable(&self, objects: &[Object], namespace: &str) -> Vec<ObjectKey> {
        let kinds = pruned_kinds(objects);
        let wanted: BTreeSet<&ObjectKey> = objects.iter().map(Object::key).collect();
        let mut gone: Vec<ObjectKey> = self
            .live
            .objects
            .iter()
            .filter(|(key, object)| {
                key.namespace.as_deref() == Some(namespace)
                    && kinds.contains(&(key.api_version.clone(), key.kind.clone()))
                    && !(key.kind == "ConfigMap" && key.name == OVERRIDES)
                    && !wanted.contains(key)
                    && !object.owned_or_going
            })
            .map(|(key, _)| key.clone())
            .collect();
        gone.sort_by(|a, b| rank(b).cmp(&rank(a)).then_with(|| a.cmp(b)));
        gone
    }

    /// Deletes an object, unless another of its name has taken its place meanwhile.
    pub(crate) async fn delete(&self, key: &ObjectKey, dry_run: bool) -> Outcome {
        if let Some(reason) = self.ended() {
            return Outcome::NotAttempted(reason);
        }
        match self.try_delete(key, dry_run).await {
            Ok(()) => Outcome::Pruned,
            Err(error) if error.is_not_found() => Outcome::Pruned,
            Err(error) => {
                self.note(&error);
                Outcome::Failed(error)
            }
        }
    }

    async fn try_delete(&self, key: &ObjectKey, dry_run: bool) -> Result<(), RequestError> {
        let resource = self.catalog.of(key)?;
        let parameters = DeleteParams {
            dry_run,
            preconditions: Some(Preconditions {
                uid: self.live.objects.get(key).and_then(|live| live.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let namespace = key.namespace.as_deref();
        let request = resource.requests(namespace).delete(&key.name, &parameters);
        let asked = resource.asked("delete", namespace);
        self.cluster
            .send(request, &asked, Repeat::Harmless, self.stop)
            .await?;
        Ok(())
    }
}
