//! From a fleet to its manifests.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{BaseName, BaseState, Enrolment, ImageName, ImageState, Settings};

use crate::analysis::{SERVICE_ACCOUNT, analysis_template};
use crate::labels::{cluster_metadata, metadata};
use crate::manifests::{Group, Manifests};
use crate::names::Role;
use crate::problem::{Problem, Subject};
use crate::resources::{
    Namespace, Project, ProjectConfig, ProjectConfigSpec, PromotionPolicy, Resource,
    ServiceAccount, StageSelector,
};
use crate::stage::analyze_stage;
use crate::warehouse::{base_warehouse, external_warehouse, managed_warehouse};

/// All that the manifests depend on.
#[derive(Clone, Debug)]
pub struct Fleet<'a> {
    /// The settings of the factory.
    pub settings: &'a Settings,
    /// The enrolled images, in any order.
    pub images: Vec<Image<'a>>,
    /// The bases that their Dockerfiles name, without those that are enrolled images themselves.
    pub bases: &'a BTreeMap<BaseName, BaseState>,
}

/// An enrolled image and what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// What is enrolled; it decides.
    pub enrolment: &'a Enrolment,
    /// What is known: whether it was ever published, and under what name.
    pub state: Option<&'a ImageState>,
}

/// Makes the manifests of a fleet.
///
/// They depend on the fleet alone: not on the order of its images, nor on when or where this runs.
/// Resources come in the order namespace, project, its settings, account and template; then by
/// image; then by base. What Kargo would refuse, or take and silently do wrong, is left out and
/// told in [`Manifests::problems`].
#[must_use]
pub fn synthesize(fleet: &Fleet<'_>) -> Manifests {
    let mut synth = Synth {
        settings: fleet.settings,
        groups: Vec::with_capacity(1 + fleet.images.len() + fleet.bases.len()),
        problems: Vec::new(),
        policies: Vec::new(),
        taken: BTreeSet::new(),
    };
    let template = match analysis_template(fleet.settings) {
        Ok(template) => Some(template),
        Err(message) => {
            synth.problems.push(Problem::new(Subject::Factory, message));
            None
        }
    };
    for (name, images) in by_name(&fleet.images) {
        let made = match images.as_slice() {
            [image] => synth.image(*image, template.is_some()),
            _ => Err("the name is enrolled more than once".into()),
        };
        synth.add(Subject::Image(name.clone()), made);
    }
    for (name, state) in fleet.bases {
        let made = base_warehouse(fleet.settings, name, state)
            .map(|warehouse| warehouse.into_iter().map(Resource::from).collect());
        synth.add(Subject::Base(name.clone()), made);
    }
    // Without a Stage to use it, the template would ask for an image and a Secret in vain.
    let template = template.filter(|_| !synth.policies.is_empty());
    let mut common = common_resources(fleet.settings, synth.policies);
    common.extend(template.map(Resource::from));
    let mut groups = synth.groups;
    groups.insert(
        0,
        Group {
            subject: Subject::Factory,
            resources: common,
        },
    );
    synth.problems.sort();
    Manifests {
        groups,
        problems: synth.problems,
    }
}

struct Synth<'a> {
    settings: &'a Settings,
    groups: Vec<Group>,
    problems: Vec<Problem>,
    policies: Vec<PromotionPolicy>,
    /// Kind and name of what was made so far.
    taken: BTreeSet<(&'static str, String)>,
}

impl Synth<'_> {
    fn image(&self, image: Image<'_>, analyze: bool) -> Result<Vec<Resource>, String> {
        let enrolment = image.enrolment;
        let Some(source) = &enrolment.source else {
            let warehouse = external_warehouse(self.settings, enrolment)?;
            return Ok(vec![warehouse.into()]);
        };
        let (warehouse, artifacts) =
            managed_warehouse(self.settings, enrolment, source, image.state)?;
        let mut resources = vec![warehouse.into()];
        if analyze {
            resources.push(analyze_stage(self.settings, enrolment, source, &artifacts).into());
        }
        Ok(resources)
    }

    /// Takes what was made for an image or a base, all of it or nothing.
    fn add(&mut self, subject: Subject, made: Result<Vec<Resource>, String>) {
        let made = made.and_then(|resources| {
            let keys: Vec<_> = resources
                .iter()
                .map(|resource| (resource.kind(), resource.metadata().name.clone()))
                .collect();
            if let Some((kind, name)) = keys.iter().find(|key| self.taken.contains(key)) {
                return Err(format!("its {kind} would be called {name}, as another is"));
            }
            self.taken.extend(keys);
            Ok(resources)
        });
        match made {
            Ok(resources) if resources.is_empty() => {}
            Ok(resources) => {
                for resource in &resources {
                    if resource.kind() == Role::AnalyzeStage.kind() {
                        self.policies.push(PromotionPolicy {
                            stage_selector: StageSelector {
                                name: resource.metadata().name.clone(),
                            },
                            auto_promotion_enabled: true,
                        });
                    }
                }
                self.groups.push(Group { subject, resources });
            }
            Err(message) => self.problems.push(Problem::new(subject, message)),
        }
    }
}

fn by_name<'a>(images: &[Image<'a>]) -> BTreeMap<&'a ImageName, Vec<Image<'a>>> {
    let mut by_name = BTreeMap::<_, Vec<_>>::new();
    for image in images {
        by_name
            .entry(&image.enrolment.name)
            .or_default()
            .push(*image);
    }
    by_name
}

fn common_resources(settings: &Settings, policies: Vec<PromotionPolicy>) -> Vec<Resource> {
    let project = settings.namespace.as_str();
    let mut namespace = cluster_metadata(project);
    namespace
        .labels
        .insert("kargo.akuity.io/project".into(), "true".into());
    vec![
        Namespace::new(namespace).into(),
        Project::new(cluster_metadata(project)).into(),
        ProjectConfig::new(
            metadata(settings, project, "project", None),
            ProjectConfigSpec {
                promotion_policies: policies,
            },
        )
        .into(),
        ServiceAccount::new(metadata(settings, SERVICE_ACCOUNT, "analyze", None), false).into(),
    ]
}
