//! Which kinds the cluster knows, and where they live.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::core::params::GetParams;
use kube::core::{ApiResource, DynamicObject, Request};

use crate::cluster::Cluster;
use crate::error::{Permission, RequestError};
use crate::object::ObjectKey;
use crate::request::{Asked, Repeat};
use crate::stop::Stop;

/// A kind, as the cluster serves it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    api: ApiResource,
    /// Whether its objects live in namespaces.
    pub(crate) namespaced: bool,
}

impl Resource {
    /// The builder of requests for its objects.
    pub(crate) fn requests(&self, namespace: Option<&str>) -> Request {
        let namespace = namespace.filter(|_| self.namespaced);
        Request::new(<DynamicObject as kube::Resource>::url_path(
            &self.api, namespace,
        ))
    }

    /// What a request asks for.
    pub(crate) fn asked(&self, verb: &str, namespace: Option<&str>) -> Asked {
        let resource = if self.api.group.is_empty() {
            self.api.plural.clone()
        } else {
            format!("{}.{}", self.api.plural, self.api.group)
        };
        Asked {
            permission: Permission {
                verb: verb.to_owned(),
                resource,
                namespace: namespace.filter(|_| self.namespaced).map(str::to_owned),
            },
            secret: self.api.kind == "Secret",
        }
    }
}

/// Group and version of a kind, and the kind.
pub(crate) type Kind = (String, String);

/// The kinds of a run.
#[derive(Debug, Default)]
pub(crate) struct Catalog(BTreeMap<Kind, Resource>);

impl Catalog {
    pub(crate) fn get(&self, api_version: &str, kind: &str) -> Result<&Resource, RequestError> {
        self.0
            .get(&(api_version.to_owned(), kind.to_owned()))
            .ok_or_else(|| RequestError::UnknownKind {
                kind: kind.to_owned(),
                api_version: api_version.to_owned(),
            })
    }

    /// The kind of an object, which must have a namespace if its kind lives in one.
    pub(crate) fn of(&self, key: &ObjectKey) -> Result<&Resource, RequestError> {
        let resource = self.get(&key.api_version, &key.kind)?;
        if resource.namespaced && key.namespace.is_none() {
            return Err(RequestError::Request(format!(
                "a {} needs metadata.namespace",
                key.kind
            )));
        }
        Ok(resource)
    }
}

impl Cluster {
    /// Asks the server for kinds: one request for each group and version.
    pub(crate) async fn catalog(
        &self,
        kinds: &BTreeSet<Kind>,
        stop: &Stop,
    ) -> Result<Catalog, RequestError> {
        let versions: BTreeSet<&str> = kinds
            .iter()
            .map(|(api_version, _)| api_version.as_str())
            .filter(|api_version| is_group_version(api_version))
            .collect();
        let mut catalog = Catalog::default();
        for api_version in versions {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let path = if group.is_empty() { "/api" } else { "/apis" };
            let asked = Asked {
                permission: Permission {
                    verb: "get".into(),
                    resource: format!("{path}/{api_version}"),
                    namespace: None,
                },
                secret: false,
            };
            let request = Request::new(path).get(api_version, &GetParams::default());
            let list = match self.send(request, &asked, Repeat::Harmless, stop).await {
                Ok(reply) => serde_json::from_value::<APIResourceList>(reply.value)
                    .map_err(|error| RequestError::Answer(error.to_string()))?,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error),
            };
            for resource in list.resources {
                let kind = (api_version.to_owned(), resource.kind.clone());
                // Subresources have the kind of what they belong to.
                if !resource.name.contains('/') && kinds.contains(&kind) {
                    let api = ApiResource {
                        group: group.to_owned(),
                        version: version.to_owned(),
                        api_version: api_version.to_owned(),
                        kind: resource.kind,
                        plural: resource.name,
                    };
                    let namespaced = resource.namespaced;
                    catalog.0.insert(kind, Resource { api, namespaced });
                }
            }
        }
        Ok(catalog)
    }
}

/// Whether a text of a file can stand in an address.
fn is_group_version(text: &str) -> bool {
    text.split('/').count() <= 2
        && text.split('/').all(|part| {
            !matches!(part, "" | "." | "..")
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        })
}
