//! Stages that note when a digest was first seen, and that write it down in Git.

use std::collections::BTreeMap;

use imgfac_model::{BaseName, ImageName, Settings, StateRepository};

use crate::analysis::OBSERVE_TEMPLATE;
use crate::expression::Template;
use crate::labels::metadata;
use crate::names::{Purpose, resource_name};
use crate::resources::{
    FreightSources, MetadataKind, MetadataUpdate, SetMetadata, Stage, Step, Uses, Variable,
};
use crate::stage::{Wanted, container_text, image_from, stage, verification};

/// The Stage that notes the digests of a base.
pub(crate) fn observe_base(settings: &Settings, name: &BaseName, repo_url: &str) -> Stage {
    observe(
        settings,
        resource_name(Purpose::ObserveStage, name.as_str()),
        resource_name(Purpose::BaseWarehouse, name.as_str()),
        None,
        repo_url,
    )
}

/// The Stage that notes the digests of an image of ours that others stand on.
pub(crate) fn observe_image(settings: &Settings, name: &ImageName, repo_url: &str) -> Stage {
    observe(
        settings,
        resource_name(Purpose::ObserveImageStage, name.as_str()),
        resource_name(Purpose::ImageWarehouse, name.as_str()),
        Some(name),
        repo_url,
    )
}

/// The last fifty digests with the times of their first sight are kept on the Stage: so many must
/// a tag move within one delay before the oldest update is forgotten. A digest that comes again
/// with other Freight, because a commit was pushed and no image, keeps its time; so does one whose
/// step runs again after the controller was restarted.
fn observe(
    settings: &Settings,
    name: String,
    warehouse: String,
    image: Option<&ImageName>,
    repo_url: &str,
) -> Stage {
    let var = |name, expression| Variable::new(name, Template::ours(expression));
    let text = |key: &str, expression| (key.to_owned(), Template::ours(expression));
    let step = Step::new(Uses::SetMetadata(SetMetadata {
        updates: vec![
            MetadataUpdate {
                kind: MetadataKind::Freight,
                name: Template::ours("ctx.targetFreight.name"),
                values: BTreeMap::from([
                    text("digest", "quote(vars.digest)"),
                    text("observedAt", "vars.at"),
                ]),
            },
            MetadataUpdate {
                kind: MetadataKind::Stage,
                name: Template::ours("ctx.stage"),
                values: BTreeMap::from([text(
                    "history",
                    r#"len(vars.history) > 0 && vars.history[-1].digest == vars.digest ? vars.history : concat(vars.history, [{"digest": vars.digest, "at": vars.at}])[-50:]"#,
                )]),
            },
        ],
    }))
    .named("note")
    .with_retry(10, None)
    .with_vars([
        Variable::new("digest", image_from(repo_url, "Digest")),
        var("history", "stageMetadata(ctx.stage)?.history ?? []"),
        var(
            "at",
            "freightMetadata(ctx.targetFreight.name)?.observedAt ?? (len(vars.history) > 0 && vars.history[-1].digest == vars.digest ? vars.history[-1].at : now())",
        ),
    ]);
    stage(
        metadata(settings, name, "observe", image),
        vec![Wanted {
            warehouse,
            sources: FreightSources::direct(),
        }],
        Vec::new(),
        vec![step],
        None,
    )
}

/// The Stage that records the digests of a base in the state repository.
///
/// It stands beside the Stage that notes them, not before the rebuilds: a job that fails is seen,
/// and holds nothing up.
pub(crate) fn record_base(
    settings: &Settings,
    state: &StateRepository,
    name: &BaseName,
    repo_url: &str,
) -> Stage {
    let show = Step::new(Uses::ComposeOutput(BTreeMap::from([(
        "digest".to_owned(),
        image_from(repo_url, "Digest"),
    )])))
    .named("freight");
    stage(
        metadata(
            settings,
            resource_name(Purpose::RecordStage, name.as_str()),
            "record",
            None,
        ),
        vec![Wanted {
            warehouse: resource_name(Purpose::BaseWarehouse, name.as_str()),
            sources: FreightSources::direct(),
        }],
        Vec::new(),
        vec![show],
        Some(verification(
            OBSERVE_TEMPLATE,
            [
                ("base", container_text(name.as_str())),
                ("digest", image_from(repo_url, "Digest")),
                ("git-repo", container_text(state.url.as_str())),
                ("git-branch", container_text(state.branch.as_str())),
                ("image-factory-dir", container_text(state.path.as_str())),
            ],
        )),
    )
}
