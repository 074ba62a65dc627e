//! Stages that keep the files of an image's consumers current.

use imgfac_model::{Enrolment, Provider, SelectionStrategy, Settings, UpdateKind, UpdateTarget};

use crate::expression::{Expression, Template};
use crate::labels::metadata;
use crate::names::{Purpose, resource_name};
use crate::resources::{
    Checkout, FreightSources, GitClone, GitCommit, GitOpenPr, GitPush, GitWaitForPr, KeyUpdate,
    KustomizeImage, KustomizeSetImage, Stage, Step, Uses, YamlUpdate,
};
use crate::stage::{Wanted, image_expression, image_from, stage};

/// Where a consumer is checked out.
const FOLDER: &str = "./out";

/// The Stage of one target.
///
/// It takes Freight straight from the Warehouse: an analysis or another consumer that fails does
/// not hold it up. A commit of the source makes Freight too, with the image as it was; then there
/// is nothing to commit, and the steps after it do not run.
///
/// # Errors
/// In one line, when the target lacks what its kind needs.
pub(crate) fn update_stage(
    settings: &Settings,
    enrolment: &Enrolment,
    target: &UpdateTarget,
    repo_url: &str,
    strategy: SelectionStrategy,
) -> Result<Stage, String> {
    let address = address(enrolment, target);
    let mut steps = vec![
        Step::new(Uses::GitClone(GitClone {
            repo_url: Template::text(&address),
            checkout: vec![Checkout {
                branch: Template::text(target.branch.as_str()),
                path: FOLDER.into(),
            }],
        }))
        .named("clone")
        .with_retry(5, Some("30m")),
        Step::new(edit(target, repo_url, strategy)?).named("edit"),
        Step::new(Uses::GitCommit(GitCommit {
            path: FOLDER.into(),
            message: message(enrolment, repo_url),
        }))
        .named("commit"),
        Step::new(Uses::GitPush(GitPush {
            path: FOLDER.into(),
            generate_target_branch: target.pull_request,
        }))
        .named("push")
        .only_if(Template::ours(
            r#"success() && status("commit") == "Succeeded""#,
        ))
        .with_retry(5, Some("30m")),
    ];
    if target.pull_request {
        steps.extend(pull_request(enrolment, target, &address, repo_url));
    }
    let mut metadata = metadata(
        settings,
        stage_name(enrolment, target),
        "update",
        Some(&enrolment.name),
    );
    metadata.annotations.insert(
        "imgfac.dev/target".into(),
        format!("{address} {}: {}", target.branch, target.path),
    );
    Ok(stage(
        metadata,
        vec![Wanted {
            warehouse: resource_name(Purpose::ImageWarehouse, enrolment.name.as_str()),
            sources: FreightSources::direct(),
        }],
        Vec::new(),
        steps,
        None,
    ))
}

/// The name of a target's Stage: of what the target is, not of its place in the list.
pub(crate) fn stage_name(enrolment: &Enrolment, target: &UpdateTarget) -> String {
    // The `/` make it end in a hash of the whole.
    let whole = [
        enrolment.name.as_str(),
        target.repo.as_str(),
        target.branch.as_str(),
        target.path.as_str(),
        target.kind.as_str(),
        target.key.as_deref().unwrap_or_default(),
    ]
    .join("/");
    resource_name(Purpose::UpdateStage, &whole)
}

/// A consumer is on the host of the image's source; that of an external image on GitHub.
pub(crate) fn address(enrolment: &Enrolment, target: &UpdateTarget) -> String {
    let host = enrolment
        .source
        .as_ref()
        .map_or("github.com", |source| source.host());
    format!("https://{host}/{}.git", target.repo)
}

/// What is written into the file.
///
/// A tag that moves says nothing about what runs, so the digest is written with it or in its place.
fn edit(
    target: &UpdateTarget,
    repo_url: &str,
    strategy: SelectionStrategy,
) -> Result<Uses, String> {
    let moves = strategy == SelectionStrategy::Digest;
    let path = |path: &str| Template::text(&format!("{FOLDER}/{path}"));
    if target.kind == UpdateKind::KustomizeSetImage {
        return Ok(Uses::KustomizeSetImage(KustomizeSetImage {
            path: path(target.path.as_str()),
            images: vec![KustomizeImage {
                image: Template::text(repo_url),
                tag: (!moves).then(|| image_from(repo_url, "Tag")),
                digest: moves.then(|| image_from(repo_url, "Digest")),
            }],
        }));
    }
    let key = match (
        target.kind,
        target.key.as_deref().filter(|key| !key.is_empty()),
    ) {
        (_, Some(key)) => key,
        // What the charts of the world call it.
        (UpdateKind::HelmUpdateImage, None) => "image.tag",
        _ => return Err(format!("its update of {} names no key", target.path)),
    };
    let last = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    let field = |field| image_expression(repo_url, field);
    let value = if last.ends_with("digest") {
        field("Digest")
    } else if last.ends_with("image") {
        Expression::concat(&[
            Expression::text(repo_url),
            Expression::text(":"),
            field("Tag"),
            Expression::text("@"),
            field("Digest"),
        ])
    } else if moves {
        Expression::concat(&[field("Tag"), Expression::text("@"), field("Digest")])
    } else {
        field("Tag")
    };
    Ok(Uses::YamlUpdate(YamlUpdate {
        path: path(target.path.as_str()),
        updates: vec![KeyUpdate {
            key: Template::text(key),
            value: Template::string(value),
        }],
    }))
}

/// One line that names image, version and digest.
fn message(enrolment: &Enrolment, repo_url: &str) -> Template {
    Template::string(Expression::concat(&[
        Expression::text(&format!("Update {} to {repo_url}:", enrolment.name)),
        image_expression(repo_url, "Tag"),
        Expression::text("@"),
        image_expression(repo_url, "Digest"),
    ]))
}

/// A Promotion waits for its pull request, so that there is one of them at a time; when it is
/// merged or closed, the newest image is next.
fn pull_request(
    enrolment: &Enrolment,
    target: &UpdateTarget,
    address: &str,
    repo_url: &str,
) -> [Step; 2] {
    let provider = match enrolment.source.as_ref().map(|source| source.provider) {
        Some(Provider::GitLab) => Some("gitlab".to_owned()),
        Some(Provider::GitHub) | None => Some("github".to_owned()),
        Some(Provider::Webhook) => None,
    };
    let title = Template::string(Expression::concat(&[
        Expression::text(&format!("Update {} to ", enrolment.name)),
        image_expression(repo_url, "Tag"),
    ]));
    [
        Step::new(Uses::GitOpenPr(GitOpenPr {
            repo_url: Template::text(address),
            provider: provider.clone(),
            source_branch: Template::ours("quote(outputs.push.branch)"),
            target_branch: Template::text(target.branch.as_str()),
            title,
            description: message(enrolment, repo_url),
        }))
        .named("open")
        .only_if(Template::ours(
            r#"success() && status("push") == "Succeeded""#,
        ))
        .with_retry(5, Some("30m")),
        Step::new(Uses::GitWaitForPr(GitWaitForPr {
            repo_url: Template::text(address),
            provider,
            pr_number: Template::ours("outputs.open.pr.id"),
            poll_interval: "5m".into(),
        }))
        .named("merge")
        .only_if(Template::ours(
            r#"success() && status("open") == "Succeeded""#,
        ))
        .with_retry(100, Some("336h")),
    ]
}
