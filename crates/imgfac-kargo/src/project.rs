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

/// The settings of the project: which Stages act by themselves, and who sends webhooks.
///
/// A Stage that acts on the world outside, because it starts builds or writes to other
/// repositories, has a policy of its own name: whoever may create Stages cannot make one that acts
/// by choosing a name. For those that only look, one pattern a kind is enough; with a policy for
/// each, the settings of some thousand images would be too large for the API server.
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
    let mut policies: Vec<_> = stages()
        .filter_map(|name| Some(policy(name.to_owned(), *acting.get(name)?)))
        .collect();
    policies.sort_by(|a, b| a.stage_selector.name.cmp(&b.stage_selector.name));
    policies.extend(
        looking
            .into_iter()
            .map(Purpose::prefix)
            .filter(|prefix| stages().any(|name| name.starts_with(prefix)))
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
