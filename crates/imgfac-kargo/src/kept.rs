//! What an earlier run made of an image, for as long as its state cannot be read.

use std::collections::BTreeMap;

use imgfac_model::{Enrolment, ImageName, Settings};
use imgfac_yaml::read_documents;

use crate::built::BUILT;
use crate::expression::Template;
use crate::names::{Purpose, resource_name};
use crate::resources::{Resource, Stage, Subscription, Warehouse};

/// The manifests that an earlier run wrote, for looking images up.
#[derive(Clone, Debug)]
pub struct Earlier<'t> {
    namespace: String,
    /// The documents of each image, by its name; not yet parsed, since files may be very large.
    documents: BTreeMap<&'t str, Vec<&'t str>>,
    /// What the ConfigMaps say of the digests that images were built on.
    built: BTreeMap<String, String>,
    /// Whether Stages act by themselves, as far as the project says so.
    acting: BTreeMap<String, bool>,
}

impl<'t> Earlier<'t> {
    /// Takes the texts of all files of one run. What cannot be read is as good as not there.
    #[must_use]
    pub fn new(settings: &Settings, texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut earlier = Self {
            namespace: settings.namespace.to_string(),
            documents: BTreeMap::new(),
            built: BTreeMap::new(),
            acting: BTreeMap::new(),
        };
        for document in texts.into_iter().flat_map(|text| text.split("\n---\n")) {
            let label = document
                .lines()
                .find_map(|line| line.strip_prefix("    imgfac.dev/image: "));
            // A name of digits is quoted.
            if let Some(name) = label.map(|name| name.trim_matches('"')) {
                earlier.documents.entry(name).or_default().push(document);
            } else if ["\nkind: ConfigMap\n", "\nkind: ProjectConfig\n"]
                .iter()
                .any(|kind| document.contains(kind))
            {
                earlier.common(document);
            }
        }
        earlier
    }

    fn common(&mut self, document: &str) {
        let resources = read_documents::<Resource>(document).unwrap_or_default();
        for resource in resources {
            if !self.is_ours(&resource) {
                continue;
            }
            match resource {
                Resource::ConfigMap(map) if map.metadata.name.starts_with(BUILT) => {
                    self.built.extend(map.data.unwrap_or_default());
                }
                Resource::ProjectConfig(config) => {
                    let policies = config.spec.promotion_policies.into_iter();
                    self.acting.extend(
                        policies.map(|it| (it.stage_selector.name, it.auto_promotion_enabled)),
                    );
                }
                _ => {}
            }
        }
    }

    fn is_ours(&self, resource: &Resource) -> bool {
        resource.metadata().namespace.as_ref() == Some(&self.namespace)
    }

    /// What there is of an image. `None` when its Warehouse is not there, or something of it cannot
    /// be read.
    #[must_use]
    pub fn keep<'a>(&self, enrolment: &'a Enrolment) -> Option<Kept<'a>> {
        let name = enrolment.name.as_str();
        let (mut warehouse, mut stages) = (None, Vec::new());
        for document in self.documents.get(name)? {
            for resource in read_documents::<Resource>(document).ok()? {
                let label = resource.metadata().labels.get("imgfac.dev/image");
                if !self.is_ours(&resource) || label.map(String::as_str) != Some(name) {
                    continue;
                }
                match resource {
                    Resource::Warehouse(it) => warehouse = Some(it),
                    Resource::Stage(it) => stages.push(it),
                    _ => {}
                }
            }
        }
        let prefix = format!("{name}.");
        let built = self.built.range(prefix.clone()..);
        let built = built.take_while(|(key, _)| key.starts_with(&prefix));
        let trigger = resource_name(Purpose::TriggerStage, name);
        Some(Kept {
            enrolment,
            warehouse: warehouse?,
            stages,
            built: built
                .map(|(key, digest)| (key.clone(), digest.clone()))
                .collect(),
            acts: self.acting.get(&trigger).copied().unwrap_or_default(),
        })
    }
}

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
    /// What it was built on, by the key of the ConfigMap.
    built: BTreeMap<String, String>,
    /// Whether it is rebuilt without a person.
    acts: bool,
}

impl<'a> Kept<'a> {
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
        Some((name, self.acts))
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
