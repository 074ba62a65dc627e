//! From a fleet to its manifests.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{
    BaseName, BaseState, Enrolment, ImageName, ImageState, Provider, SelectionStrategy, Settings,
    Source,
};

use crate::analysis::{self, SERVICE_ACCOUNT, analyze_template, observe_template};
use crate::built::{Built, overrides};
use crate::consumers::update_stage;
use crate::credentials::{registry_of, stubs};
use crate::edges::{Edge, Ground};
use crate::emergency::account;
use crate::kept::Kept;
use crate::labels::{cluster_metadata, metadata};
use crate::manifests::{Group, Manifests};
use crate::names::{Purpose, resource_name};
use crate::observe::{observe_base, observe_image, record_base};
use crate::problem::{Problem, Subject};
use crate::project::project_config;
use crate::rebuild::trigger_stage;
use crate::resources::{Namespace, Project, Resource, ServiceAccount, Stage, Warehouse};
use crate::stage::analyze_stage;
use crate::task::task;
use crate::warehouse::{Artifacts, base_warehouse, external_warehouse, managed_warehouse};

/// All that the manifests depend on.
#[derive(Clone, Debug)]
pub struct Fleet<'a> {
    /// The settings of the factory.
    pub settings: &'a Settings,
    /// The enrolled images, in any order.
    pub images: Vec<Image<'a>>,
    /// The bases that their Dockerfiles name, without those that are enrolled images themselves.
    pub bases: &'a BTreeMap<BaseName, BaseState>,
    /// Enrolled images whose state cannot be read, so that their manifests stay as they were. They
    /// are not among the images.
    pub kept: Vec<Kept<'a>>,
}

/// An enrolled image and what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// What is enrolled; it decides.
    pub enrolment: &'a Enrolment,
    /// What is known: whether it was ever published and under what name, and what it stands on.
    pub state: Option<&'a ImageState>,
    /// The file that enrols it, below the factory directory, if that is known.
    pub entry: Option<&'a str>,
}

/// Makes the manifests of a fleet.
///
/// They depend on the fleet alone: not on the order of its images, nor on when or where this runs.
/// Resources come in the order namespace, project, its settings, accounts, what Promotions look up,
/// templates and tasks; then by image; then by base. What Kargo would refuse, or take and silently
/// do wrong, is left out and told in [`Manifests::problems`]. Images that stand on each other in a
/// circle are rebuilt by people only; naming the circle is left to who knows where it is written.
#[must_use]
pub fn synthesize(fleet: &Fleet<'_>) -> Manifests {
    Synth::new(fleet).run()
}

/// What is made of an image.
struct Made<'a> {
    image: Image<'a>,
    warehouse: Warehouse,
    /// The address to ask for the image with, once there is one.
    repo_url: Option<String>,
    strategy: SelectionStrategy,
    managed: Option<(&'a Source, Artifacts)>,
}

/// What is made of a base that is watched.
struct Watched {
    warehouse: Warehouse,
    repo_url: String,
}

struct Synth<'a> {
    fleet: &'a Fleet<'a>,
    settings: &'a Settings,
    problems: Vec<Problem>,
    /// Kind and name of what was made so far.
    taken: BTreeSet<(&'static str, String)>,
    /// The Stages that act on the world outside, and whether they do it by themselves.
    acting: BTreeMap<String, bool>,
}

impl<'a> Synth<'a> {
    fn new(fleet: &'a Fleet<'a>) -> Self {
        Self {
            fleet,
            settings: fleet.settings,
            problems: Vec::new(),
            taken: BTreeSet::new(),
            acting: BTreeMap::new(),
        }
    }

    fn run(mut self) -> Manifests {
        let (fleet, settings) = (self.fleet, self.settings);
        let jobs = match analysis::check(settings) {
            Ok(()) => true,
            Err(message) => {
                self.problem(Subject::Factory, message);
                false
            }
        };
        let images = self.images();
        let bases = self.bases();
        let kept: Vec<_> = fleet
            .kept
            .iter()
            .filter(|kept| self.claim(&kept.warehouse().metadata.name).is_ok())
            .cloned()
            .collect();
        let ground = Ground::new(
            fleet,
            bases.keys().copied().collect(),
            images
                .iter()
                .filter(|(_, made)| made.managed.is_some())
                .map(|(name, made)| (*name, made.repo_url.is_some()))
                .chain(kept.iter().map(|kept| (kept.name(), kept.is_observed())))
                .collect(),
        );
        let edges = self.edges(&images, &ground);
        let parents: BTreeSet<&str> = edges
            .values()
            .flatten()
            .map(|edge| edge.observe.as_str())
            .chain(kept.iter().flat_map(Kept::observed))
            .collect();
        let built = Built::new(&edges, &kept);

        let mut groups = Vec::with_capacity(1 + images.len() + bases.len());
        let mut providers = BTreeSet::new();
        for (name, made) in &images {
            let mut stages = Vec::new();
            let observe = resource_name(Purpose::ObserveImageStage, name.as_str());
            if let Some(repo_url) = made
                .repo_url
                .as_ref()
                .filter(|_| parents.contains(observe.as_str()))
            {
                stages.push(observe_image(settings, name, repo_url));
            }
            if let Some((source, artifacts)) = &made.managed {
                if jobs {
                    stages.push(analyze_stage(
                        settings,
                        made.image.enrolment,
                        source,
                        artifacts,
                    ));
                }
                if let Some(edges) = edges.get(name).filter(|edges| !edges.is_empty()) {
                    let auto = made.image.enrolment.auto_rebuild && !ground.in_circle(name);
                    stages.extend(self.trigger(made.image, source, edges, &built, auto));
                    providers.insert(source.provider);
                }
            }
            stages.extend(self.updates(made));
            self.add(
                &mut groups,
                Subject::Image((*name).clone()),
                &made.warehouse,
                stages,
            );
        }
        for kept in &kept {
            let updates = kept.updates().map(|name| (name.to_owned(), true));
            self.acting.extend(updates);
            if let Some((trigger, auto)) = kept.trigger() {
                self.acting.insert(trigger, auto);
                providers.extend(kept.enrolment.source.as_ref().map(|it| it.provider));
            }
            let subject = Subject::Image(kept.name().clone());
            let stages = kept.stages(&built.name(kept.name()));
            self.add(&mut groups, subject, kept.warehouse(), stages);
        }
        groups.sort_by(|a, b| a.subject.cmp(&b.subject));
        for (name, watched) in &bases {
            let mut stages = vec![observe_base(settings, name, &watched.repo_url)];
            if let Some(state) = settings.state_repository.as_ref().filter(|_| jobs) {
                stages.push(record_base(settings, state, name, &watched.repo_url));
            }
            self.add(
                &mut groups,
                Subject::Base((*name).clone()),
                &watched.warehouse,
                stages,
            );
        }
        let common = self.common(&groups, built, &providers);
        groups.insert(
            0,
            Group {
                subject: Subject::Factory,
                resources: common,
            },
        );
        let secrets = self.secrets(&images, &bases);
        self.problems.sort();
        Manifests {
            groups,
            secrets,
            problems: self.problems,
        }
    }

    fn problem(&mut self, subject: Subject, message: impl Into<String>) {
        self.problems.push(Problem::new(subject, message));
    }

    /// The images with a Warehouse.
    fn images(&mut self) -> BTreeMap<&'a ImageName, Made<'a>> {
        let mut by_name = BTreeMap::<_, Vec<_>>::new();
        for image in &self.fleet.images {
            by_name
                .entry(&image.enrolment.name)
                .or_default()
                .push(*image);
        }
        let mut made = BTreeMap::new();
        for (name, images) in by_name {
            let result = match images.as_slice() {
                [image] => self.image(*image),
                _ => Err("the name is enrolled more than once".into()),
            };
            let result = result.and_then(|made| {
                self.claim(&made.warehouse.metadata.name)?;
                Ok(made)
            });
            match result {
                Ok(image) => {
                    made.insert(name, image);
                }
                Err(message) => self.problem(Subject::Image(name.clone()), message),
            }
        }
        made
    }

    fn image(&self, image: Image<'a>) -> Result<Made<'a>, String> {
        let enrolment = image.enrolment;
        let Some(source) = &enrolment.source else {
            let (warehouse, repo_url, strategy) = external_warehouse(self.settings, enrolment)?;
            return Ok(Made {
                image,
                warehouse,
                repo_url: Some(repo_url),
                strategy,
                managed: None,
            });
        };
        let (warehouse, artifacts) =
            managed_warehouse(self.settings, enrolment, source, image.state, image.entry)?;
        Ok(Made {
            image,
            warehouse,
            repo_url: artifacts.image.clone(),
            strategy: artifacts.strategy,
            managed: Some((source, artifacts)),
        })
    }

    /// The bases with a Warehouse.
    fn bases(&mut self) -> BTreeMap<&'a BaseName, Watched> {
        let mut watched = BTreeMap::new();
        for (name, state) in self.fleet.bases {
            let made = base_warehouse(self.settings, name, state).and_then(|made| {
                if let Some((warehouse, _)) = &made {
                    self.claim(&warehouse.metadata.name)?;
                }
                Ok(made)
            });
            match made {
                Ok(Some((warehouse, repo_url))) => {
                    watched.insert(
                        name,
                        Watched {
                            warehouse,
                            repo_url,
                        },
                    );
                }
                Ok(None) => {}
                Err(message) => self.problem(Subject::Base(name.clone()), message),
            }
        }
        watched
    }

    /// Takes the name of a Warehouse, unless another has it.
    fn claim(&mut self, name: &str) -> Result<(), String> {
        if self.taken.insert(("Warehouse", name.to_owned())) {
            Ok(())
        } else {
            Err(format!(
                "its Warehouse would be called {name}, as another is"
            ))
        }
    }

    fn edges(
        &mut self,
        images: &BTreeMap<&'a ImageName, Made<'a>>,
        ground: &Ground<'_>,
    ) -> BTreeMap<&'a ImageName, Vec<Edge>> {
        let mut all = BTreeMap::new();
        for (name, made) in images {
            let (Some(_), Some(state)) = (&made.managed, made.image.state) else {
                continue;
            };
            let (edges, problems) = ground.edges(self.fleet, made.image.enrolment, state);
            for message in problems {
                self.problem(Subject::Image((*name).clone()), message);
            }
            all.insert(*name, edges);
        }
        all
    }

    fn trigger(
        &mut self,
        image: Image<'_>,
        source: &Source,
        edges: &[Edge],
        built: &Built,
        auto: bool,
    ) -> Option<Stage> {
        let enrolment = image.enrolment;
        let built = built.name(&enrolment.name);
        match trigger_stage(self.settings, enrolment, source, edges, &built) {
            Ok(stage) => {
                let name = stage.metadata.name.clone();
                self.acting.insert(name, auto);
                Some(stage)
            }
            Err(message) => {
                self.problem(Subject::Image(enrolment.name.clone()), message);
                None
            }
        }
    }

    fn updates(&mut self, made: &Made<'_>) -> Vec<Stage> {
        let enrolment = made.image.enrolment;
        let Some(repo_url) = &made.repo_url else {
            return Vec::new();
        };
        let mut stages = BTreeMap::new();
        for target in &enrolment.updates {
            match update_stage(self.settings, enrolment, target, repo_url, made.strategy) {
                Ok(stage) => {
                    let name = stage.metadata.name.clone();
                    self.acting.insert(name.clone(), true);
                    stages.insert(name, stage);
                }
                Err(message) => self.problem(Subject::Image(enrolment.name.clone()), message),
            }
        }
        stages.into_values().collect()
    }

    /// Takes what was made for an image or a base. A Stage whose name another has is left out: the
    /// hashes in names make that as good as impossible.
    fn add(
        &mut self,
        groups: &mut Vec<Group>,
        subject: Subject,
        warehouse: &Warehouse,
        stages: Vec<Stage>,
    ) {
        let mut resources = vec![warehouse.clone().into()];
        for stage in stages {
            let name = stage.metadata.name.clone();
            if self.taken.insert(("Stage", name.clone())) {
                resources.push(stage.into());
            } else {
                let message = format!("its Stage would be called {name}, as another is");
                self.problem(subject.clone(), message);
            }
        }
        groups.push(Group { subject, resources });
    }

    fn common(
        &mut self,
        groups: &[Group],
        built: Built,
        providers: &BTreeSet<Provider>,
    ) -> Vec<Resource> {
        let settings = self.settings;
        let project = settings.namespace.as_str();
        let mut namespace = cluster_metadata(project);
        namespace
            .labels
            .insert("kargo.akuity.io/project".into(), "true".into());
        let stages = |purpose: Purpose| -> Vec<String> {
            let resources = groups.iter().flat_map(|group| &group.resources);
            let names = resources.filter_map(|resource| match resource {
                Resource::Stage(stage) => Some(&stage.metadata.name),
                _ => None,
            });
            names
                .filter(|name| name.starts_with(purpose.prefix()))
                .cloned()
                .collect()
        };
        let triggers = stages(Purpose::TriggerStage);
        let has = |purpose| !stages(purpose).is_empty();
        let (analyzes, records) = (has(Purpose::AnalyzeStage), has(Purpose::RecordStage));
        let mut common: Vec<Resource> = vec![
            Namespace::new(namespace).into(),
            Project::new(cluster_metadata(project)).into(),
            project_config(settings, groups, &self.acting).into(),
            ServiceAccount::new(metadata(settings, SERVICE_ACCOUNT, "analyze", None), false).into(),
        ];
        if !triggers.is_empty() {
            common.extend(account(settings, triggers));
            common.extend(built.config_maps(settings).into_iter().map(Resource::from));
            common.push(overrides(settings).into());
        }
        // Without a Stage to use it, a template would ask for an image and a Secret in vain.
        common.extend(analyzes.then(|| analyze_template(settings).into()));
        common.extend(records.then(|| observe_template(settings).into()));
        common.extend(
            providers
                .iter()
                .map(|provider| Resource::from(task(settings, *provider))),
        );
        common
    }

    fn secrets(
        &self,
        images: &BTreeMap<&ImageName, Made<'_>>,
        bases: &BTreeMap<&BaseName, Watched>,
    ) -> Vec<crate::credentials::SecretStub> {
        let kept = self.fleet.kept.iter().map(|kept| kept.enrolment);
        let enrolments = images.values().map(|made| made.image.enrolment);
        let enrolments: Vec<_> = enrolments.chain(kept).collect();
        let registries = images
            .values()
            .filter_map(|made| made.repo_url.as_deref())
            .chain(bases.values().map(|watched| watched.repo_url.as_str()))
            .chain(self.fleet.kept.iter().flat_map(Kept::repo_urls))
            .filter_map(registry_of)
            .collect();
        stubs(self.settings, &enrolments, &registries)
    }
}
