//! What an earlier run made of an image, for as long as its state cannot be read.

use std::collections::BTreeMap;

use imgfac_model::{Enrolment, ImageName, Settings};
use imgfac_yaml::read_documents;

use crate::built::BUILT;
use crate::expression::Template;
use crate::names::{Purpose, resource_name};
use crate::resources::{Resource, Stage, Subscription, Warehouse};

/// An image whose manifests stay as they were.
///
/// Left out, they would be deleted by tools that prune, with all that Stages remember. Made anew
/// without state, they would be those of an image that was never published.
#[derive(Clone, Debug)]
pub struct Kept<'a> {
    /// What is enrolled.
    pub enrolment: &'a Enrolment,
    warehouse: Warehouse,
    stages: Vec<Stage>,
    /// What the ConfigMaps said of the digests that it was built on.
    built: BTreeMap<String, String>,
    /// Whether each Stage acts by itself, as far as the project said so.
    acting: BTreeMap<String, bool>,
}

impl<'a> Kept<'a> {
    /// Finds an image in the manifests of earlier runs, each the text of a file. `None` when its
    /// Warehouse is not there, or what is there cannot be read.
    #[must_use]
    pub fn find<'t>(
        settings: &Settings,
        enrolment: &'a Enrolment,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Option<Self> {
        let name = &enrolment.name;
        let label = format!("\n    imgfac.dev/image: {name}\n");
        let (mut warehouse, mut stages) = (None, Vec::new());
        let (mut built, mut acting) = (BTreeMap::new(), BTreeMap::new());
        for document in texts.into_iter().flat_map(|text| text.split("\n---\n")) {
            // Files may be very large; only these are worth reading.
            let wanted = document.contains(&label)
                || document.contains("\nkind: ConfigMap\n")
                || document.contains("\nkind: ProjectConfig\n");
            if !wanted {
                continue;
            }
            for resource in read_documents::<Resource>(document).ok()? {
                let metadata = resource.metadata();
                if metadata.namespace.as_deref() != Some(settings.namespace.as_str()) {
                    continue;
                }
                let own = metadata.labels.get("imgfac.dev/image") == Some(&name.to_string());
                match resource {
                    Resource::Warehouse(it) if own => warehouse = Some(it),
                    Resource::Stage(it) if own => stages.push(it),
                    Resource::ConfigMap(map) if map.metadata.name.starts_with(BUILT) => {
                        let prefix = format!("{name}.");
                        let data = map.data.unwrap_or_default().into_iter();
                        built.extend(data.filter(|(key, _)| key.starts_with(&prefix)));
                    }
                    Resource::ProjectConfig(config) => {
                        let policies = config.spec.promotion_policies.into_iter();
                        acting.extend(
                            policies.map(|it| (it.stage_selector.name, it.auto_promotion_enabled)),
                        );
                    }
                    _ => {}
                }
            }
        }
        Some(Self {
            enrolment,
            warehouse: warehouse?,
            stages,
            built,
            acting,
        })
    }

    pub(crate) fn name(&self) -> &'a ImageName {
        &self.enrolment.name
    }

    /// What the image was built on, by the key of the ConfigMap.
    pub(crate) fn built(&self) -> &BTreeMap<String, String> {
        &self.built
    }

    /// Whether digests of it are noted, so that others can stand on it.
    pub(crate) fn is_observed(&self) -> bool {
        let observe = resource_name(Purpose::ObserveImageStage, self.name().as_str());
        self.stages
            .iter()
            .any(|stage| stage.metadata.name == observe)
    }

    /// The images that its Warehouse watches.
    pub(crate) fn repo_urls(&self) -> impl Iterator<Item = &str> {
        let subscriptions = self.warehouse.spec.subscriptions.iter();
        subscriptions.filter_map(|subscription| match subscription {
            Subscription::Image(image) => Some(image.repo_url.as_str()),
            Subscription::Git(_) => None,
        })
    }

    /// The Stages that its own wait for.
    pub(crate) fn observed(&self) -> impl Iterator<Item = &str> {
        let requested = self.stages.iter().flat_map(|it| &it.spec.requested_freight);
        requested
            .flat_map(|requested| &requested.sources.stages)
            .map(String::as_str)
    }

    /// The Stage that rebuilds it, and whether it does so by itself.
    pub(crate) fn trigger(&self) -> Option<(String, bool)> {
        let name = resource_name(Purpose::TriggerStage, self.name().as_str());
        let mut stages = self.stages.iter();
        stages.find(|stage| stage.metadata.name == name)?;
        let auto = self.acting.get(&name).copied().unwrap_or_default();
        Some((name, auto))
    }

    pub(crate) fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }

    /// Its Stages, with another place for what it was built on.
    pub(crate) fn stages(&self, built: &str) -> Vec<Stage> {
        let mut stages = self.stages.clone();
        for stage in &mut stages {
            let vars = stage.spec.promotion_template.spec.vars.iter_mut();
            for var in vars.filter(|var| var.name == "built") {
                var.value = Some(Template::text(built));
            }
        }
        stages
    }

    /// The Stages that write to consumers; they act by themselves.
    pub(crate) fn updates(&self) -> impl Iterator<Item = &str> {
        let names = self.stages.iter().map(|stage| stage.metadata.name.as_str());
        names.filter(|name| name.starts_with(Purpose::UpdateStage.prefix()))
    }
}
