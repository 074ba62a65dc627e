//! What the parts of one run share.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use futures_util::stream::{self, StreamExt as _};
use kube::core::params::{Patch, PatchParams};

use crate::catalog::Catalog;
use crate::cluster::Cluster;
use crate::error::{Error, RequestError};
use crate::live::{Live, LiveObject};
use crate::object::{MANAGER, Object, check_distinct, rank};
use crate::prune::{check_complete, pruned_kinds};
use crate::request::{Repeat, Reply};
use crate::stop::Stop;

/// A run over manifests.
pub(crate) struct Run<'r> {
    pub(crate) cluster: &'r Cluster,
    pub(crate) catalog: Catalog,
    pub(crate) live: Live,
    pub(crate) stop: &'r Stop,
    /// Namespaces and projects that the manifests make and the cluster does not have yet. What
    /// lies in them cannot be checked by a server that is only asked.
    pub(crate) coming: BTreeSet<String>,
    /// Why no further request has a chance.
    lost: OnceLock<RequestError>,
}

impl<'r> Run<'r> {
    /// Learns kinds and live objects. Fails when the cluster cannot be talked to.
    pub(crate) async fn start(
        cluster: &'r Cluster,
        objects: &[Object],
        prune: Option<&str>,
        stop: &'r Stop,
    ) -> Result<Self, Error> {
        check_distinct(objects)?;
        let pruned = match prune {
            Some(namespace) => {
                check_complete(objects, namespace)?;
                pruned_kinds(objects)
            }
            None => BTreeSet::new(),
        };
        let mut kinds = pruned.clone();
        kinds.extend(objects.iter().map(|object| {
            let key = object.key();
            (key.api_version.clone(), key.kind.clone())
        }));
        let catalog = cluster.catalog(&kinds, stop).await?;
        let live = cluster
            .live(&catalog, objects, &pruned, prune, stop)
            .await?;
        Ok(Self {
            cluster,
            catalog,
            live,
            stop,
            coming: BTreeSet::new(),
            lost: OnceLock::new(),
        })
    }

    /// Finds out which namespaces and projects are still to come.
    pub(crate) async fn find_coming(&mut self, objects: &[Object]) -> Result<(), RequestError> {
        for object in objects.iter().filter(|object| rank(object.key()) < 2) {
            // A cluster without Kargo has no projects; a user who may not look takes it as there.
            let there = match self.catalog.of(object.key()) {
                Err(_) => false,
                Ok(resource) => match self.cluster.get(resource, object.key(), self.stop).await {
                    Ok(found) => found.is_some(),
                    Err(error) if error.is_fatal() => return Err(error),
                    Err(_) => true,
                },
            };
            if !there {
                self.coming.insert(object.key().name.clone());
            }
        }
        Ok(())
    }

    /// Whether an object lies in a namespace or project that is still to come.
    pub(crate) fn is_coming(&self, object: &Object) -> bool {
        object
            .key()
            .namespace
            .as_ref()
            .is_some_and(|namespace| self.coming.contains(namespace))
    }

    /// Does something for each item, some at a time, with the results in order.
    pub(crate) async fn each<T, R>(&self, items: Vec<T>, work: impl AsyncFn(T) -> R) -> Vec<R> {
        stream::iter(items)
            .map(|item| work(item))
            .buffered(self.cluster.concurrency())
            .collect()
            .await
    }

    /// Why nothing more should be sent, if so.
    pub(crate) fn ended(&self) -> Option<String> {
        if self.stop.is_requested() {
            return Some("the run was stopped".into());
        }
        self.lost.get().map(ToString::to_string)
    }

    /// Remembers a failure after which nothing more has a chance.
    pub(crate) fn note(&self, error: &RequestError) {
        if error.is_fatal() {
            let _ = self.lost.set(error.clone());
        }
    }

    /// The live object, by the lists if they would have it and otherwise by a request of its own.
    pub(crate) async fn before(&self, object: &Object) -> Result<Option<LiveObject>, RequestError> {
        let key = object.key();
        if let Some(found) = self.live.objects.get(key) {
            return Ok(Some(found.clone()));
        }
        let resource = self.catalog.of(key)?;
        let found = self.cluster.get(resource, key, self.stop).await?;
        Ok(found.map(LiveObject::new))
    }

    /// Server-side apply.
    pub(crate) async fn patch(
        &self,
        object: &Object,
        dry_run: bool,
        force: bool,
    ) -> Result<Reply, RequestError> {
        let key = object.key();
        let resource = self.catalog.of(key)?;
        // A field that the cluster does not know would be dropped silently.
        let mut parameters = PatchParams::apply(MANAGER).validation_strict();
        parameters.dry_run = dry_run;
        parameters.force = force;
        let namespace = key.namespace.as_deref();
        let request = resource.requests(namespace).patch(
            &key.name,
            &parameters,
            &Patch::Apply(object.value()),
        );
        let asked = resource.asked("patch", namespace);
        self.cluster
            .send(request, &asked, Repeat::Harmless, self.stop)
            .await
    }
}
