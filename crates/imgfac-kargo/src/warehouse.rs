//! Warehouses of images and bases.

use imgfac_model::{
    BaseName, BaseState, Enrolment, ImageState, Repository, SelectionStrategy, Settings, Source,
};
use sha2::{Digest as _, Sha256};

use crate::labels::metadata;
use crate::names::{Purpose, resource_name};
use crate::paths::watched_paths;
use crate::resources::{
    CommitSelectionStrategy, FreightCreationPolicy, GitSubscription, ImageSubscription,
    Subscription, Warehouse, WarehouseSpec,
};
use crate::selection::{ANY_TAG, Selection};

/// How often what we build is looked at. A webhook is faster; this is the net below it.
const OWN_INTERVAL: &str = "10m0s";

/// Polls of others' images are this far apart at least: each is a pull in the eyes of Docker Hub.
const FOREIGN_HOURS: u32 = 24;

/// And up to so many seconds more, a different number for each, so that polls that start together
/// when the manifests are first applied drift apart.
const SPREAD_SECONDS: u32 = 7_200;

/// What a managed image's Warehouse has to offer to the Stages after it: the addresses that
/// `imageFrom()` and `commitFrom()` must be called with.
pub(crate) struct Artifacts {
    /// How the current one of its tags is found.
    pub(crate) strategy: SelectionStrategy,
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
    entry: Option<&str>,
) -> Result<(Warehouse, Artifacts), String> {
    // Both are made for an unpublished image too: a problem is better found early.
    let repo_url = kargo_repository(&enrolment.repository)?;
    let selection = Selection::of(enrolment, state)?;
    let published = state.is_some_and(is_published);
    let artifacts = Artifacts {
        strategy: selection.strategy,
        image: published.then(|| repo_url.clone()),
        commit: source.clone_url(),
    };
    let mut subscriptions = Vec::with_capacity(2);
    if published {
        subscriptions.push(image_subscription(repo_url, selection));
    }
    subscriptions.push(git_subscription(settings, source, entry));
    let name = resource_name(Purpose::ImageWarehouse, enrolment.name.as_str());
    let warehouse = Warehouse::new(
        metadata(settings, name, "managed", Some(&enrolment.name)),
        spec(OWN_INTERVAL.to_owned(), subscriptions),
    );
    Ok((warehouse, artifacts))
}

/// The Warehouse of an image that is only watched, the address that `imageFrom()` must be called
/// with, and how the current one of its tags is found.
pub(crate) fn external_warehouse(
    settings: &Settings,
    enrolment: &Enrolment,
) -> Result<(Warehouse, String, SelectionStrategy), String> {
    let repo_url = polled(settings, &enrolment.repository)?;
    let selection = Selection::of(enrolment, None)?;
    let strategy = selection.strategy;
    let name = resource_name(Purpose::ImageWarehouse, enrolment.name.as_str());
    let warehouse = Warehouse::new(
        metadata(settings, name, "external", Some(&enrolment.name)),
        spec(
            foreign_interval(&enrolment.repository.to_string()),
            vec![image_subscription(repo_url.clone(), selection)],
        ),
    );
    Ok((warehouse, repo_url, strategy))
}

/// The Warehouse of a base, which watches the digest of its tag, and the address that `imageFrom()`
/// must be called with. Without a tag nothing can change.
pub(crate) fn base_warehouse(
    settings: &Settings,
    name: &BaseName,
    state: &BaseState,
) -> Result<Option<(Warehouse, String)>, String> {
    let Some(tag) = state.reference.tag() else {
        return Ok(None);
    };
    let repo_url = polled(settings, state.reference.repository())?;
    let reference = state.reference.to_string();
    let spec = spec(
        foreign_interval(&reference),
        vec![image_subscription(
            repo_url.clone(),
            Selection::tag(tag.as_str()),
        )],
    );
    let name = resource_name(Purpose::BaseWarehouse, name.as_str());
    let mut metadata = metadata(settings, name, "base", None);
    metadata
        .annotations
        .insert("imgfac.dev/reference".into(), reference);
    Ok(Some((Warehouse::new(metadata, spec), repo_url)))
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

/// Tags that stand for what is attached to a digest, such as its signature, where a registry knows no
/// referrers. As text they come after all versions, and they are pushed last.
const ATTACHED: &str = "^sha(256|384|512)-";

fn image_subscription(repo_url: String, selection: Selection) -> Subscription {
    let any = selection.allow_tags.as_deref() == Some(ANY_TAG);
    Subscription::Image(ImageSubscription {
        ignore_tags_regexes: any.then(|| ATTACHED.to_owned()).into_iter().collect(),
        repo_url,
        image_selection_strategy: selection.strategy,
        constraint: selection.constraint,
        allow_tags_regexes: selection.allow_tags.into_iter().collect(),
        discovery_limit: 1,
        strict_semvers: selection.strict,
    })
}

fn git_subscription(settings: &Settings, source: &Source, entry: Option<&str>) -> Subscription {
    let paths = watched_paths(source, settings, entry);
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
    let seconds = FOREIGN_HOURS * 3_600 + number % SPREAD_SECONDS;
    format!(
        "{}h{}m{}s",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// The address that an image of others is asked for at: that of a mirror of its registry, if the
/// settings name one.
fn polled(settings: &Settings, repository: &Repository) -> Result<String, String> {
    let registry = settings.registries.get(repository.registry());
    let Some(mirror) = registry.and_then(|registry| registry.mirror.as_ref()) else {
        return kargo_repository(repository);
    };
    let text = format!("{mirror}/{}", repository.path());
    match Repository::parse(&text) {
        Ok(mirrored) => kargo_repository(&mirrored),
        Err(error) => Err(format!("its mirror {text} is no repository: {error}")),
    }
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
    use imgfac_model::{Reference, Registry};

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
        assert!(distinct.len() > 285, "{}", distinct.len());
        assert!(
            hours
                .iter()
                .all(|text| text.starts_with("24h") || text.starts_with("25h"))
        );
        assert_eq!(hours[22], "24h1m4s", "the same on every machine");
    }

    #[test]
    fn a_mirror_is_asked_in_place_of_its_registry() {
        let mut settings = Settings::default();
        settings.registries.insert(
            "docker.io".into(),
            Registry {
                mirror: Some("mirror.example.com:5000/hub".into()),
                ..Registry::default()
            },
        );
        let polled = |text| polled(&settings, &Repository::parse(text).unwrap());
        assert_eq!(
            polled("node"),
            Ok("mirror.example.com:5000/hub/library/node".into())
        );
        assert_eq!(polled("ghcr.io/acme/x"), Ok("ghcr.io/acme/x".into()));
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
