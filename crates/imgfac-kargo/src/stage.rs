//! Stages: how they are put together, and the one that analyses an image.

use std::collections::BTreeMap;

use imgfac_model::{Enrolment, Settings, Source};

use crate::analysis::ANALYZE_TEMPLATE;
use crate::expression::{Expression, Template};
use crate::labels::metadata;
use crate::names::{Purpose, resource_name};
use crate::paths::FACTORY_DIRECTORY;
use crate::resources::{
    AnalysisTemplateReference, FreightOrigin, FreightSources, Metadata, PromotionTemplate,
    PromotionTemplateSpec, RequestedFreight, Stage, StageSpec, Step, Uses, Variable, Verification,
    VerificationArg,
};
use crate::warehouse::Artifacts;

/// Freight that a Stage takes.
pub(crate) struct Wanted {
    pub(crate) warehouse: String,
    pub(crate) sources: FreightSources,
}

/// A Stage of its parts.
pub(crate) fn stage(
    metadata: Metadata,
    wanted: Vec<Wanted>,
    vars: Vec<Variable>,
    steps: Vec<Step>,
    verification: Option<Verification>,
) -> Stage {
    Stage::new(
        metadata,
        StageSpec {
            requested_freight: wanted
                .into_iter()
                .map(|wanted| RequestedFreight {
                    origin: FreightOrigin::warehouse(wanted.warehouse),
                    sources: wanted.sources,
                })
                .collect(),
            promotion_template: PromotionTemplate {
                spec: PromotionTemplateSpec { vars, steps },
            },
            verification,
        },
    )
}

/// A verification by one template.
pub(crate) fn verification<'a>(
    template: &str,
    args: impl IntoIterator<Item = (&'a str, Template)>,
) -> Verification {
    Verification {
        analysis_templates: vec![AnalysisTemplateReference {
            name: template.to_owned(),
        }],
        args: args
            .into_iter()
            .map(|(name, value)| VerificationArg {
                name: name.to_owned(),
                value,
            })
            .collect(),
    }
}

/// A field of the image of a repository, in the Freight that is promoted.
pub(crate) fn image_expression(repo_url: &str, field: &'static str) -> Expression {
    Expression::call("imageFrom", &[Expression::text(repo_url)]).field(field)
}

/// Its value, as text.
pub(crate) fn image_from(repo_url: &str, field: &'static str) -> Template {
    Template::string(image_expression(repo_url, field))
}

/// The Stage that analyses an image whenever its source or the image itself changed.
pub(crate) fn analyze_stage(
    settings: &Settings,
    enrolment: &Enrolment,
    source: &Source,
    artifacts: &Artifacts,
) -> Stage {
    let image = enrolment.name.as_str();
    stage(
        metadata(
            settings,
            resource_name(Purpose::AnalyzeStage, image),
            "analyze",
            Some(&enrolment.name),
        ),
        vec![Wanted {
            warehouse: resource_name(Purpose::ImageWarehouse, image),
            sources: FreightSources::direct(),
        }],
        Vec::new(),
        vec![show_freight(artifacts)],
        Some(verification(
            ANALYZE_TEMPLATE,
            args(settings, enrolment, source, artifacts),
        )),
    )
}

/// A Stage needs a step for its verification to run at all; this one shows what is analysed.
fn show_freight(artifacts: &Artifacts) -> Step {
    let commit = Expression::call("commitFrom", &[Expression::text(&artifacts.commit)]);
    let mut config = BTreeMap::from([("commit".into(), Template::string(commit.field("ID")))]);
    if let Some(image) = &artifacts.image {
        config.insert("digest".into(), image_from(image, "Digest"));
    }
    Step::new(Uses::ComposeOutput(config)).named("freight")
}

/// The arguments of the template, in the order of its flags. Those that are left out keep the
/// value that the template gives them, which is empty.
fn args(
    settings: &Settings,
    enrolment: &Enrolment,
    source: &Source,
    artifacts: &Artifacts,
) -> Vec<(&'static str, Template)> {
    let (git_repo, git_branch, directory) = match &settings.state_repository {
        Some(state) => (state.url.to_string(), &state.branch, state.path.as_str()),
        None => (source.clone_url(), &source.branch, FACTORY_DIRECTORY),
    };
    let mut args = Vec::with_capacity(9);
    let mut add = |name, value| args.push((name, value));
    add("image", container_text(enrolment.name.as_str()));
    if let Some(image) = &artifacts.image {
        add("tag", image_from(image, "Tag"));
        add("digest", image_from(image, "Digest"));
    }
    add("dockerfile", container_text(source.dockerfile.as_str()));
    add("source-repo", container_text(source.repo.as_str()));
    add("source-provider", container_text(source.provider.as_str()));
    add("git-repo", container_text(&git_repo));
    add("git-branch", container_text(git_branch.as_str()));
    add("image-factory-dir", container_text(directory));
    args
}

/// Text that reaches the arguments of a container as it is.
///
/// Kubernetes replaces `$(NAME)` there by a variable of the container's environment, where the
/// tokens are; `$$` stands for `$`.
pub(crate) fn container_text(text: &str) -> Template {
    if text.contains('$') {
        Template::text(&text.replace('$', "$$"))
    } else {
        Template::text(text)
    }
}

#[cfg(test)]
mod tests {
    use imgfac_model::RelativePath;

    use super::*;
    use crate::fixture::managed;

    fn values(dockerfile: &str, image: Option<&str>) -> Vec<String> {
        let mut enrolment = managed("web");
        if let Some(source) = &mut enrolment.source {
            source.dockerfile = RelativePath::new(dockerfile).unwrap();
        }
        let source = enrolment.source.as_ref().unwrap();
        let artifacts = Artifacts {
            strategy: imgfac_model::SelectionStrategy::Digest,
            image: image.map(str::to_owned),
            commit: source.clone_url(),
        };
        args(&Settings::default(), &enrolment, source, &artifacts)
            .into_iter()
            .map(|(name, value)| format!("{name}={}", value.as_str()))
            .collect()
    }

    #[test]
    fn the_job_is_told_what_to_analyse_and_where_the_state_is() {
        insta::assert_snapshot!(values("Dockerfile", Some("ghcr.io/acme/web")).join("\n"), @r#"
        image=web
        tag=${{ quote(imageFrom("ghcr.io/acme/web").Tag) }}
        digest=${{ quote(imageFrom("ghcr.io/acme/web").Digest) }}
        dockerfile=Dockerfile
        source-repo=acme/shop
        source-provider=github
        git-repo=https://github.com/acme/shop.git
        git-branch=main
        image-factory-dir=image-factory
        "#);
    }

    #[test]
    fn an_unpublished_image_has_neither_tag_nor_digest() {
        insta::assert_snapshot!(values("Dockerfile", None).join("\n"), @r"
        image=web
        dockerfile=Dockerfile
        source-repo=acme/shop
        source-provider=github
        git-repo=https://github.com/acme/shop.git
        git-branch=main
        image-factory-dir=image-factory
        ");
    }

    #[test]
    fn a_path_is_neither_an_expression_nor_a_variable() {
        let dockerfile = |path| values(path, None)[1].clone();
        assert_eq!(
            dockerfile("$(GITHUB_TOKEN)/D"),
            "dockerfile=$$(GITHUB_TOKEN)/D"
        );
        assert_eq!(
            dockerfile("${{ secret('x').y }}/D"),
            "dockerfile=\"$${{ \"$\" }}{{ secret('x').y }}/D\""
        );
    }
}
