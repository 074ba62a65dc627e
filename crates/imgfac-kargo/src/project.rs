//! The settings of the Kargo project.

use std::collections::BTreeMap;

use imgfac_model::Settings;

use crate::labels::metadata;
use crate::manifests::Group;
use crate::names::Purpose;
use crate::resources::{
    ProjectConfig, ProjectConfigSpec, PromotionPolicy, Receiver, ReceiverSecret, Resource,
    SecretReference, StageSelector,
};

/// With more Stages than this, those that only look share a pattern: a policy takes a hundred
/// bytes, and the API server takes objects of 1.5 MB, which some thousand images would exceed.
const POLICY_LIMIT: usize = 6_000;

/// The settings of the project: which Stages act by themselves, and who sends webhooks.
///
/// Every Stage has a policy of its own name: whoever may create Stages cannot make one that acts by
/// choosing a name. In a very large fleet that holds for those that act on the world outside,
/// because they start builds or write to other repositories; one pattern a kind serves the others.
pub(crate) fn project_config(
    settings: &Settings,
    groups: &[Group],
    acting: &BTreeMap<String, bool>,
) -> ProjectConfig {
    let policy = |name: String, auto_promotion_enabled| PromotionPolicy {
        stage_selector: StageSelector { name },
        auto_promotion_enabled,
    };
    let looking = [
        Purpose::AnalyzeStage,
        // Its pattern covers those of images, whose names begin alike.
        Purpose::ObserveStage,
        Purpose::RecordStage,
    ];
    let stages = || {
        let resources = groups.iter().flat_map(|group| &group.resources);
        resources.filter_map(|resource| match resource {
            Resource::Stage(stage) => Some(stage.metadata.name.as_str()),
            _ => None,
        })
    };
    let by_name = stages().count() <= POLICY_LIMIT;
    let mut policies: Vec<_> = stages()
        .filter_map(|name| {
            let looks = by_name.then_some(&true);
            Some(policy(name.to_owned(), *acting.get(name).or(looks)?))
        })
        .collect();
    policies.sort_by(|a, b| a.stage_selector.name.cmp(&b.stage_selector.name));
    policies.extend(
        looking
            .into_iter()
            .map(Purpose::prefix)
            .filter(|prefix| !by_name && stages().any(|name| name.starts_with(prefix)))
            .map(|prefix| policy(format!("glob:{prefix}*"), true)),
    );
    ProjectConfig::new(
        metadata(settings, settings.namespace.as_str(), "project", None),
        ProjectConfigSpec {
            promotion_policies: policies,
            webhook_receivers: settings
                .webhook_receivers
                .iter()
                .map(|receiver| Receiver {
                    name: receiver.name.to_string(),
                    sender: BTreeMap::from([(
                        receiver.kind.to_string(),
                        ReceiverSecret {
                            secret_ref: SecretReference {
                                name: receiver.secret.to_string(),
                            },
                        },
                    )]),
                })
                .collect(),
        },
    )
}
