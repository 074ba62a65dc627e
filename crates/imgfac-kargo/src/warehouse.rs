//! Warehouses of images and bases.

use imgfac_model::{BaseName, BaseState, Enrolment, ImageState, Repository, Settings, Source};
use sha2::{Digest as _, Sha256};

use crate::labels::metadata;
use crate::names::{Role, resource_name};
use crate::paths::watched_paths;
use crate::resources::{
    CommitSelectionStrategy, FreightCreationPolicy, GitSubscription, ImageSubscription,
    Subscription, Warehouse, WarehouseSpec,
};
use crate::selection::Selection;

/// How often what we build is looked at. A webhook is faster; this is the net below it.
const OWN_INTERVAL: &str = "10m0s";

/// Polls of others' images are this far apart at least: each is a pull in the eyes of Docker Hub.
const FOREIGN_HOURS: u32 = 24;

/// And up to so many minutes more, a different number for each, so that polls that start together
/// when the controller does drift apart.
const SPREAD_MINUTES: u32 = 120;

/// What a managed image's Warehouse has to offer to the Stages after it: the addresses that
/// `imageFrom()` and `commitFrom()` must be called with.
pub(crate) struct Artifacts {
    pub(crate) image: Option<String>,
    pub(crate) commit: String,
}

/// The Warehouse of an image that we build: its source, and once there is one, the image.
///
/// A Warehouse makes no Freight until each subscription has found something, so one that waited
/// for an image that was never pushed would never analyse it either.
pub(crate) fn managed_warehouse(
    settings: &Settings,
    enrolment: &Enrolment,
    source: &Source,
    state: Option<&ImageState>,
) -> Result<(Warehouse, Artifacts), String> {
    // Both are made for an unpublished image too: a problem is better found early.
    let repo_url = kargo_repository(&enrolment.repository)?;
    let selection = Selection::of(enrolment, state)?;
    let published = state.is_some_and(is_published);
    let artifacts = Artifacts {
        image: published.then(|| repo_url.clone()),
        commit: source.clone_url(),
    };
    let mut subscriptions = Vec::with_capacity(2);
    if published {
        subscriptions.push(image_subscription(repo_url, selection));
    }
    subscriptions.push(git_subscription(settings, source));
    let name = resource_name(Role::ImageWarehouse, enrolment.name.as_str());
    let warehouse = Warehouse::new(
        metadata(settings, name, "managed", Some(&enrolment.name)),
        spec(OWN_INTERVAL.to_owned(), subscriptions),
    );
    Ok((warehouse, artifacts))
}

/// The Warehouse of an image that is only watched.
pub(crate) fn external_warehouse(
    settings: &Settings,
    enrolment: &Enrolment,
) -> Result<Warehouse, String> {
    let repo_url = kargo_repository(&enrolment.repository)?;
    let selection = Selection::of(enrolment, None)?;
    let name = resource_name(Role::ImageWarehouse, enrolment.name.as_str());
    Ok(Warehouse::new(
        metadata(settings, name, "external", Some(&enrolment.name)),
        spec(
            foreign_interval(&enrolment.repository.to_string()),
            vec![image_subscription(repo_url, selection)],
        ),
    ))
}

/// The Warehouse of a base: the digest of its tag. Without a tag nothing can change.
pub(crate) fn base_warehouse(
    settings: &Settings,
    name: &BaseName,
    state: &BaseState,
) -> Result<Option<Warehouse>, String> {
    let Some(tag) = state.reference.tag() else {
        return Ok(None);
    };
    let repo_url = kargo_repository(state.reference.repository())?;
    let reference = state.reference.to_string();
    let spec = spec(
        foreign_interval(&reference),
        vec![image_subscription(repo_url, Selection::tag(tag.as_str()))],
    );
    let name = resource_name(Role::BaseWarehouse, name.as_str());
    let mut metadata = metadata(settings, name, "base", None);
    metadata
        .annotations
        .insert("imgfac.dev/reference".into(), reference);
    Ok(Some(Warehouse::new(metadata, spec)))
}

fn is_published(state: &ImageState) -> bool {
    [&state.current_digest, &state.current_version]
        .into_iter()
        .flatten()
        .any(|text| !text.is_empty())
}

fn spec(interval: String, subscriptions: Vec<Subscription>) -> WarehouseSpec {
    WarehouseSpec {
        interval,
        freight_creation_policy: FreightCreationPolicy::Automatic,
        subscriptions,
    }
}

fn image_subscription(repo_url: String, selection: Selection) -> Subscription {
    Subscription::Image(ImageSubscription {
        repo_url,
        image_selection_strategy: selection.strategy,
        constraint: selection.constraint,
        allow_tags_regexes: selection.allow_tags.into_iter().collect(),
        discovery_limit: 1,
        strict_semvers: true,
    })
}

fn git_subscription(settings: &Settings, source: &Source) -> Subscription {
    let paths = watched_paths(source, settings);
    Subscription::Git(GitSubscription {
        repo_url: source.clone_url(),
        branch: source.branch.to_string(),
        commit_selection_strategy: CommitSelectionStrategy::NewestFromBranch,
        include_paths: paths.include,
        exclude_paths: paths.exclude,
        discovery_limit: 1,
        strict_semvers: true,
    })
}

/// A day and up to two hours, always the same for one text.
fn foreign_interval(text: &str) -> String {
    let hash = Sha256::digest(text);
    let number = hash
        .iter()
        .take(4)
        .fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
    let minutes = FOREIGN_HOURS * 60 + number % SPREAD_MINUTES;
    format!("{}h{}m0s", minutes / 60, minutes % 60)
}

/// The text of a repository, if Kargo takes it.
///
/// The pattern is `^(\w+([\.-]\w+)*(:[\d]+)?/)?(\w+([\.-]\w+)*)(/\w+([\.-]\w+)*)*$`, with Go's
/// `\w`: letters, digits and `_` of ASCII (`image.json` of the subscription schemas of Kargo 1.11).
/// Docker also takes several dashes in a row and IPv6 addresses.
fn kargo_repository(repository: &Repository) -> Result<String, String> {
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_part = |part: &str| part.split(['.', '-']).all(is_word);
    let text = repository.to_string();
    let (host, path) = text.split_once('/').unwrap_or(("", &text));
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let good = is_part(name)
        && !port.is_empty()
        && port.chars().all(|c| c.is_ascii_digit())
        && path.split('/').all(is_part);
    if good {
        Ok(text)
    } else {
        Err(format!(
            "Kargo cannot watch {text}: it takes letters, digits and \"_\", joined by a single \".\" or \"-\""
        ))
    }
}

#[cfg(test)]
mod tests {
    use imgfac_model::Reference;

    use super::*;

    #[test]
    fn repositories_that_kargo_refuses_are_told() {
        for good in [
            "node",
            "ghcr.io/acme/a_b__c/x.y-z",
            "localhost:5000/x",
            "REG.example:1/x",
        ] {
            let repository = Repository::parse(good).unwrap();
            assert_eq!(kargo_repository(&repository), Ok(repository.to_string()));
        }
        for bad in ["acme/a--b", "[::1]:5000/x"] {
            assert!(
                kargo_repository(&Repository::parse(bad).unwrap()).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn polls_are_a_day_apart_and_spread() {
        let hours: Vec<String> = (0..300)
            .map(|n| foreign_interval(&format!("docker.io/library/node:{n}")))
            .collect();
        let distinct: std::collections::BTreeSet<_> = hours.iter().collect();
        assert!(distinct.len() > 80, "{}", distinct.len());
        assert!(
            hours
                .iter()
                .all(|text| text.starts_with("24h") || text.starts_with("25h"))
        );
        assert_eq!(hours[22], "25h4m0s", "the same on every machine");
    }

    #[test]
    fn a_base_without_a_tag_has_nothing_to_watch() {
        let reference = format!("node@sha256:{}", "0".repeat(64));
        let state = BaseState::new(Reference::parse(&reference).unwrap(), "");
        let name = BaseName::new("node").unwrap();
        let made = base_warehouse(&Settings::default(), &name, &state);
        assert_eq!(made, Ok(None));
    }
}
