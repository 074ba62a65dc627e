//! What the cluster has now.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kube::core::params::{GetParams, ListParams};
use serde_json::Value;

use crate::catalog::{Catalog, Kind, Resource};
use crate::cluster::Cluster;
use crate::error::RequestError;
use crate::noise::without_noise;
use crate::object::{MANAGED_BY, MANAGER, Object, ObjectKey};
use crate::request::Repeat;
use crate::stop::Stop;

/// Objects a page of a list: what kubectl asks for, too.
const PAGE: u32 = 500;

/// A live object.
#[derive(Clone, Debug)]
pub(crate) struct LiveObject {
    /// Without noise.
    pub(crate) value: Value,
    pub(crate) uid: Option<String>,
    /// Whether it is being deleted, or belongs to another object that is deleted with it.
    pub(crate) owned_or_going: bool,
}

impl LiveObject {
    pub(crate) fn new(value: Value) -> Self {
        let metadata = value.get("metadata");
        let field = |name: &str| metadata.and_then(|metadata| metadata.get(name));
        Self {
            uid: field("uid").and_then(Value::as_str).map(str::to_owned),
            owned_or_going: field("deletionTimestamp").is_some()
                || field("ownerReferences")
                    .and_then(Value::as_array)
                    .is_some_and(|owners| !owners.is_empty()),
            value: without_noise(value),
        }
    }
}

/// The objects of ours in the namespaces of a run, by one list a kind instead of one request an
/// object.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) objects: HashMap<ObjectKey, LiveObject>,
    /// Lists that failed.
    failed: BTreeMap<(Kind, String), RequestError>,
}

impl Live {
    /// Why the objects of a kind in a namespace are not known, if they are not.
    pub(crate) fn failure(&self, key: &ObjectKey) -> Option<&RequestError> {
        let kind = (key.api_version.clone(), key.kind.clone());
        self.failed.get(&(kind, key.namespace.clone()?))
    }

    /// The first list that failed, for those who need all.
    pub(crate) fn first_failure(&self) -> Option<&RequestError> {
        self.failed.values().next()
    }
}

impl Cluster {
    /// Lists the kinds that the manifests have in namespaces, and those that are pruned.
    ///
    /// A list that fails is kept for the objects that it concerns, unless nothing else would fare
    /// better.
    pub(crate) async fn live(
        &self,
        catalog: &Catalog,
        objects: &[Object],
        pruned: &BTreeSet<Kind>,
        namespace: Option<&str>,
        stop: &Stop,
    ) -> Result<Live, RequestError> {
        let mut places: BTreeSet<(Kind, String)> = BTreeSet::new();
        for object in objects.iter().filter(|object| object.is_ours()) {
            let key = object.key();
            if let Some(namespace) = &key.namespace {
                let kind = (key.api_version.clone(), key.kind.clone());
                places.insert((kind, namespace.clone()));
            }
        }
        if let Some(namespace) = namespace {
            places.extend(
                pruned
                    .iter()
                    .map(|kind| (kind.clone(), namespace.to_owned())),
            );
        }
        let mut live = Live::default();
        for (kind, namespace) in places {
            // A kind that the cluster does not know has no objects.
            let Ok(resource) = catalog.get(&kind.0, &kind.1) else {
                continue;
            };
            if !resource.namespaced {
                continue;
            }
            match self.list(resource, &kind, &namespace, stop).await {
                Ok(objects) => live.objects.extend(objects),
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    live.failed.insert((kind, namespace), error);
                }
            }
        }
        Ok(live)
    }

    async fn list(
        &self,
        resource: &Resource,
        (api_version, kind): &Kind,
        namespace: &str,
        stop: &Stop,
    ) -> Result<Vec<(ObjectKey, LiveObject)>, RequestError> {
        let asked = resource.asked("list", Some(namespace));
        let mut parameters = ListParams::default()
            .labels(&format!("{MANAGED_BY}={MANAGER}"))
            .limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let request = resource.requests(Some(namespace)).list(&parameters);
            let mut page = self
                .send(request, &asked, Repeat::Harmless, stop)
                .await?
                .value;
            let items = page.get_mut("items").map(Value::take).unwrap_or_default();
            let Value::Array(items) = items else {
                return Err(RequestError::Answer("a list has no items".into()));
            };
            for mut item in items {
                // The items of a list do not repeat what they are.
                item["apiVersion"] = api_version.clone().into();
                item["kind"] = kind.clone().into();
                if let Ok(object) = Object::new(item) {
                    let (key, value) = object.into_parts();
                    objects.push((key, LiveObject::new(value)));
                }
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => {
                    parameters = parameters.continue_token(token);
                }
                _ => return Ok(objects),
            }
        }
    }

    /// One object with all its fields; `None` when there is none.
    pub(crate) async fn get(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        stop: &Stop,
    ) -> Result<Option<Value>, RequestError> {
        let namespace = key.namespace.as_deref();
        let request = resource
            .requests(namespace)
            .get(&key.name, &GetParams::default());
        let asked = resource.asked("get", namespace);
        match self.send(request, &asked, Repeat::Harmless, stop).await {
            Ok(reply) => Ok(Some(reply.value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
