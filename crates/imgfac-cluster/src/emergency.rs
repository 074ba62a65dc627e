//! A rebuild that waits for nothing.

use imgfac_model::{ImageName, Namespace};
use jiff::Timestamp;
use kube::core::params::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::catalog::{Catalog, Resource};
use crate::cluster::Cluster;
use crate::error::{Error, RequestError};
use crate::object::{MANAGED_BY, MANAGER, OVERRIDES};
use crate::request::Repeat;
use crate::stop::Stop;

/// Who should be rebuilt at once, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// The factory's namespace.
    pub namespace: Namespace,
    /// The image.
    pub image: ImageName,
    /// The Stage that triggers its rebuilds.
    pub stage: String,
    /// The Warehouses whose freight the Stage takes, one a base, best first.
    pub warehouses: Vec<String>,
    /// Why; it stays on the Promotion as an annotation.
    pub reason: String,
    /// When it was decided. Never in the future: Kargo would then wait for it.
    pub now: Timestamp,
}

/// What an emergency set in motion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promoted {
    /// The name that Kargo gave the Promotion.
    pub promotion: String,
    /// The Warehouse whose freight is promoted.
    pub warehouse: String,
}

const KARGO: &str = "kargo.akuity.io/v1alpha1";

impl Cluster {
    /// Overrules the delay of an image and starts its rebuild.
    ///
    /// The ConfigMap `imgfac-overrides` gets the time under the image's name, which releases a
    /// Promotion that waits at its next look, within ten minutes. A new Promotion covers the case
    /// that none waits; if one did, the second finds itself covered and does nothing. A Promotion
    /// is never created twice for one call: when the answer to its creation is lost, that is the
    /// error.
    ///
    /// The first Warehouse that has freight is taken, since a rebuild takes up all bases anyway.
    ///
    /// It needs no more rights than `create` and `patch` on the ConfigMap, `create` on promotions,
    /// and Kargo's `promote` on the Stage.
    ///
    /// # Errors
    /// When no Warehouse is named, when the ConfigMap cannot be written, or
    /// ([`Error::NotPromoted`]) when the delay is overruled but no Promotion was accepted: the
    /// Stage is missing, or no base has freight.
    pub async fn emergency(&self, emergency: &Emergency, stop: &Stop) -> Result<Promoted, Error> {
        let call = Call {
            catalog: self.emergency_kinds(stop).await?,
            dry_run: false,
            stop,
        };
        self.start(emergency, &call).await
    }

    /// The same for many images, one after the other in the order given.
    ///
    /// There is one answer for each image that was attempted. One's failure stops no other, but
    /// when the cluster cannot be reached, does not take the credentials, or the run is stopped,
    /// the rest is not attempted. With `dry_run` the server, and Kargo's admission, check
    /// everything and keep nothing.
    ///
    /// # Errors
    /// When not even the first could be attempted.
    pub async fn emergencies(
        &self,
        emergencies: &[Emergency],
        dry_run: bool,
        stop: &Stop,
    ) -> Result<Vec<Result<Promoted, Error>>, Error> {
        let call = Call {
            catalog: self.emergency_kinds(stop).await?,
            dry_run,
            stop,
        };
        let mut answers = Vec::with_capacity(emergencies.len());
        for emergency in emergencies {
            let answer = self.start(emergency, &call).await;
            let last = answer.as_ref().is_err_and(Error::is_fatal) || stop.is_requested();
            answers.push(answer);
            if last {
                break;
            }
        }
        Ok(answers)
    }

    async fn emergency_kinds(&self, stop: &Stop) -> Result<Catalog, RequestError> {
        let kinds = [("v1", "ConfigMap"), (KARGO, "Promotion")]
            .map(|(api_version, kind)| (api_version.to_owned(), kind.to_owned()));
        self.catalog(&kinds.into(), stop).await
    }

    async fn start(&self, emergency: &Emergency, call: &Call<'_>) -> Result<Promoted, Error> {
        if emergency.warehouses.is_empty() {
            return Err(Error::NoOrigin(emergency.stage.clone()));
        }
        self.overrule(emergency, call).await?;
        let mut refusal = None;
        for warehouse in &emergency.warehouses {
            match self.promote(emergency, warehouse, call).await {
                Ok(promotion) => {
                    return Ok(Promoted {
                        promotion,
                        warehouse: warehouse.clone(),
                    });
                }
                // Admission refuses an origin that has no freight yet.
                Err(error @ RequestError::Refused { .. }) => refusal = Some(error),
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        Err(Error::NotPromoted {
            image: emergency.image.to_string(),
            source: refusal.unwrap_or(RequestError::Stopped),
        })
    }

    /// Writes the time of the emergency. A merge patch leaves the keys of other images alone;
    /// server-side apply would drop those that the manager no longer names.
    async fn overrule(&self, emergency: &Emergency, call: &Call<'_>) -> Result<(), RequestError> {
        let time = emergency.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let data = json!({ emergency.image.as_str(): time });
        let resource = call.catalog.get("v1", "ConfigMap")?;
        let namespace = emergency.namespace.as_str();
        match self.patch_overrides(resource, namespace, &data, call).await {
            Err(error) if error.is_not_found() => {}
            patched => return patched,
        }
        let body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": OVERRIDES, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}},
            "data": data,
        });
        let request = resource
            .requests(Some(namespace))
            .create(&call.post(), body.to_string().into_bytes());
        let asked = resource.asked("create", Some(namespace));
        match self
            .send(request, &asked, Repeat::Harmless, call.stop)
            .await
        {
            Ok(_) => Ok(()),
            // Somebody made it meanwhile.
            Err(RequestError::Refused { code: 409, .. }) => {
                self.patch_overrides(resource, namespace, &data, call).await
            }
            Err(error) => Err(error),
        }
    }

    async fn patch_overrides(
        &self,
        resource: &Resource,
        namespace: &str,
        data: &Value,
        call: &Call<'_>,
    ) -> Result<(), RequestError> {
        let parameters = PatchParams {
            field_manager: Some(MANAGER.into()),
            dry_run: call.dry_run,
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({ "data": data }));
        let request = resource
            .requests(Some(namespace))
            .patch(OVERRIDES, &parameters, &patch);
        let asked = resource.asked("patch", Some(namespace));
        self.send(request, &asked, Repeat::Harmless, call.stop)
            .await?;
        Ok(())
    }

    async fn promote(
        &self,
        emergency: &Emergency,
        warehouse: &str,
        call: &Call<'_>,
    ) -> Result<String, RequestError> {
        let resource = call.catalog.get(KARGO, "Promotion")?;
        let namespace = Some(emergency.namespace.as_str());
        // Kargo's webhook fills in the rest and gives it a name.
        let body = json!({
            "apiVersion": KARGO,
            "kind": "Promotion",
            "metadata": {
                "generateName": "imgfac-",
                "namespace": namespace,
                "labels": {MANAGED_BY: MANAGER},
                "annotations": {"imgfac.dev/reason": emergency.reason},
            },
            "spec": {
                "stage": emergency.stage,
                "origin": {"kind": "Warehouse", "name": warehouse},
            },
        });
        let request = resource
            .requests(namespace)
            .create(&call.post(), body.to_string().into_bytes());
        let asked = resource.asked("create", namespace);
        let reply = self
            .send(request, &asked, Repeat::Doubles, call.stop)
            .await?;
        Ok(reply
            .value
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned())
    }
}

/// What all requests of a call have in common.
struct Call<'a> {
    catalog: Catalog,
    dry_run: bool,
    stop: &'a Stop,
}

impl Call<'_> {
    fn post(&self) -> PostParams {
        PostParams {
            dry_run: self.dry_run,
            field_manager: Some(MANAGER.into()),
        }
    }
}
