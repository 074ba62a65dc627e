//! What holds for any fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use imgfac_kargo::{Action, Group, Manifests, Resource, Subject, Subscription};
use imgfac_model::{
    BaseName, BaseState, Branch, Enrolment, Host, ImageName, ImageState, ManagedBase, Provider,
    Reference, RelativePath, RepoPath, StateRepository, WebUrl,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fleet::{Owned, external, small, source, update};

/// Text that wants to be something else: an expression, a pattern, YAML of another type.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "${{ secret('x').token }}",
            "${% secret('x').token %}",
            "$(GITHUB_TOKEN)",
            "{{args.image}}",
            "a\nb: c",
            "\n---\nkind: Pod\n",
            "- x\n- y",
            "'\"",
            "\"${{ 1 }}\"",
            "# x",
            "x #y",
            "yes",
            "0x10",
            "1.10",
            "1e3",
            "12:30",
            "2024-01-11",
            "~",
            "",
            " ",
            "*a",
            "&a b",
            "!!int 1",
            "%TAG",
            "`",
            "\u{feff}x",
            "\u{85}\u{2028}",
            "\u{0}\u{7f}",
        ])
        .prop_map(str::to_owned),
        r#"([${}%"':#&*!|>\[\] a1\n\t\\-]|\PC){0,30}"#,
    ]
}

fn path() -> impl Strategy<Value = RelativePath> {
    prop_oneof![
        Just("Dockerfile".to_owned()),
        Just(".".to_owned()),
        "(glob:|regex:|image-factory/)?[a-z.]{1,6}(/[a-z.$(){} ]{1,12}){0,2}",
        hostile(),
    ]
    .prop_filter_map("a path", |text| RelativePath::new(&text).ok())
}

fn enrolment() -> impl Strategy<Value = Enrolment> {
    let name = prop_oneof![
        "[a-c]{1,2}",
        "base-[a-c]",
        "[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?",
        "[a-b]-[0-9a-f]{10}",
    ];
    let repository = select(vec![
        "node",
        "ghcr.io/acme/x",
        "localhost:5000/a/b",
        "acme/a--b",
        "[::1]/x",
    ]);
    let strategy = select(vec!["SemVer", "Lexical", "NewestBuild", "Digest", ""]);
    let tags = (
        strategy,
        option::of(prop_oneof![
            Just(">=1".into()),
            Just("1.2".into()),
            hostile()
        ]),
        option::of(prop_oneof![Just("^v1$".into()), hostile()]),
    );
    let from = (
        path(),
        option::of(path()),
        select(vec![Provider::GitHub, Provider::GitLab, Provider::Webhook]),
        option::of(Just("git.example.com:8443")),
        select(vec!["main", "1.0", "true", "release/0x1"]),
    );
    let hostile = (hostile(), hostile());
    (name, repository, tags, option::of(from), hostile).prop_map(
        |(name, repository, (strategy, constraint, allow_tags), from, hostile)| {
            let mut it = external(&name, "acme/x");
            it.repository = repository.parse().unwrap();
            it.image_selection_strategy = strategy.parse().ok();
            it.constraint = constraint;
            it.allow_tags = allow_tags;
            it.source = from.map(|(dockerfile, context, provider, host, branch)| {
                let mut source = source("acme/shop", "Dockerfile");
                source.dockerfile = dockerfile;
                source.context = context;
                source.provider = provider;
                source.host = host.map(|host| Host::new(host).unwrap());
                source.branch = Branch::new(branch).unwrap();
                source.repo = RepoPath::new("acme/0.1").unwrap();
                source
                    .build_args
                    .insert(hostile.0.clone(), hostile.1.clone());
                source.inputs.insert(hostile.1.clone(), hostile.0.clone());
                source
                    .variables
                    .insert(hostile.0.clone(), hostile.0.clone());
                source.job = Some(hostile.1.clone());
                source.cause_inputs = hostile.0.len() % 2 == 0;
                source.url = WebUrl::new("https://ci.example.com/a%22b?x={}")
                    .ok()
                    .or_else(|| WebUrl::new("https://ci.example.com/a%22b?x=%7B%7B").ok());
                source
            });
            it.auto_rebuild = hostile.1.len() % 2 == 0;
            it.updates = vec![
                update("kustomize-set-image", ".", None, false),
                update("yaml-update", "x/y.yaml", Some(&hostile.0), true),
                update("helm-update-image", "x/y.yaml", None, false),
                update("helm-update-image", "x/y.yaml", None, false),
            ];
            if let Ok(path) = RelativePath::new(&hostile.1) {
                it.updates[0].path = path;
            }
            it
        },
    )
}

fn state() -> impl Strategy<Value = ImageState> {
    let version = option::of(prop_oneof![
        Just("1.2.3".into()),
        Just("main".into()),
        Just("2024-01-11".into()),
        hostile()
    ]);
    let stands_on = (
        vec(select(vec!["a", "b", "base-a", "c-A0"]), 0..3),
        vec(select(vec!["a", "b", "c", "base-a", "gone"]), 0..3),
        vec(hostile(), 0..2),
        any::<bool>(),
    );
    (version, option::of(hostile()), stands_on).prop_map(
        |(current_version, current_digest, (bases, parents, built, pinned))| ImageState {
            current_version,
            current_digest,
            base_images: bases
                .iter()
                .map(|name| BaseName::new(name).unwrap())
                .collect(),
            managed_bases: parents
                .iter()
                .map(|name| ManagedBase {
                    name: ImageName::new(name).unwrap(),
                    reference: Reference::parse(&if pinned {
                        format!("acme/{name}@sha256:{}", "0".repeat(64))
                    } else {
                        format!("acme/{name}:1")
                    })
                    .unwrap(),
                })
                .collect(),
            built_on: bases
                .iter()
                .map(|name| (*name).to_owned())
                .zip(built)
                .collect(),
            ..ImageState::default()
        },
    )
}

fn base() -> impl Strategy<Value = (BaseName, BaseState)> {
    let name = prop_oneof![
        "(base-)?[a-c]{1,2}([-._][A-C0-9]{1,2}){0,2}",
        "[a-z${}. ]{1,250}",
        hostile(),
    ];
    let reference = prop_oneof![
        "[a-c]{1,2}(-{1,2}[a-c])?:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,8}",
        select(vec![
            "node:yes".into(),
            "node:1e3".into(),
            "node:0".into(),
            "node:0x1".into()
        ]),
        "[a-c]@sha256:[0-9a-f]{64}",
        "[a-c]:1@sha256:[0-9a-f]{64}",
    ];
    (name, reference).prop_filter_map("a base", |(name, reference)| {
        let reference = Reference::parse(&reference).ok()?;
        Some((BaseName::new(&name).ok()?, BaseState::new(reference, "")))
    })
}

pub(crate) fn fleet() -> impl Strategy<Value = Owned> {
    let image = (enrolment(), option::of(state()));
    let repository = option::of(("(main|1\\.0)", path())).prop_map(|it| {
        it.map(|(branch, path)| StateRepository {
            url: WebUrl::new("https://github.com/acme/0.1.git").unwrap(),
            branch: Branch::new(&branch).unwrap(),
            path,
        })
    });
    (repository, vec(image, 0..8), vec(base(), 0..8)).prop_map(|(repository, images, bases)| {
        let mut fleet = Owned {
            images,
            bases: bases.into_iter().collect(),
            ..Owned::default()
        };
        fleet.settings.state_repository = repository;
        fleet
    })
}

fn names<'a>(manifests: &'a Manifests, kind: &str) -> BTreeSet<&'a str> {
    manifests
        .resources()
        .filter(|it| it.kind() == kind)
        .map(|it| it.metadata().name.as_str())
        .collect()
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .chars()
            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Every text of the manifests, with those that stand in them.
fn texts(manifests: &Manifests) -> Vec<String> {
    fn walk(value: &serde_json::Value, out: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => out.push(text.clone()),
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            serde_json::Value::Object(map) => map.values().for_each(|value| walk(value, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    for resource in manifests.resources() {
        // Kargo evaluates no metadata.
        let mut value = serde_json::to_value(resource).unwrap();
        value.as_object_mut().unwrap().remove("metadata");
        walk(&value, &mut out);
    }
    out
}

/// Every delimiter of Kargo's in a text opens one of our own expressions. Those of `${%` take
/// nothing from a fleet, so they are the same in every one.
fn only_our_expressions(value: &str, fixed: &BTreeSet<String>) -> bool {
    value.match_indices("${").all(|(at, _)| {
        let rest = &value[at..];
        if rest.starts_with("${%") {
            return fixed.contains(value);
        }
        !rest.starts_with("${{")
            || [
                "${{ \"$\" }}",
                "${{ quote(imageFrom(\"",
                "${{ quote(commitFrom(\"",
                // Of texts that have no way out of their quotes.
                "${{ quote(\"",
            ]
            .iter()
            .any(|ours| rest.starts_with(ours))
    })
}

fn texts_of(stage: &imgfac_kargo::Stage) -> Vec<String> {
    texts(&Manifests {
        groups: vec![Group {
            subject: Subject::Factory,
            resources: vec![stage.clone().into()],
        }],
        secrets: Vec::new(),
        problems: Vec::new(),
    })
}

static FIXED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut fixed: BTreeSet<_> = texts(&small().synthesize())
        .into_iter()
        .filter(|text| text.starts_with("${%"))
        .collect();
    // All four kinds of rebuild and of update are in the small fleet.
    assert!(fixed.len() > 40, "{}", fixed.len());
    fixed.retain(|text| text.ends_with("%}"));
    fixed
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn names_are_valid_and_distinct(fleet in fleet()) {
        let manifests = fleet.synthesize();
        let mut seen = BTreeSet::new();
        for resource in manifests.resources() {
            let name = &resource.metadata().name;
            prop_assert!(is_label(name), "{name:?}");
            prop_assert!(seen.insert((resource.kind(), name)), "{name} twice");
            let of_the_cluster = matches!(resource.kind(), "Namespace" | "Project");
            prop_assert_eq!(resource.metadata().namespace.is_none(), of_the_cluster);
        }
        let mut files = BTreeSet::new();
        for file in manifests.split() {
            let name = file.unwrap().name;
            prop_assert!(name.strip_suffix(".k8s.yaml").is_some_and(|stem| {
                stem.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
            }), "{name:?}");
            prop_assert!(files.insert(name.clone()), "{name} twice");
        }
    }

    #[test]
    fn no_text_of_a_user_is_evaluated(fleet in fleet()) {
        let manifests = fleet.synthesize();
        for resource in manifests.resources() {
            if let Resource::Warehouse(_) = resource {
                // Kargo evaluates nothing here, and tags are regular expressions.
                continue;
            }
            let one = Manifests {
                groups: vec![Group { subject: Subject::Factory, resources: vec![resource.clone()] }],
                secrets: Vec::new(),
                problems: Vec::new(),
            };
            for text in texts(&one) {
                prop_assert!(only_our_expressions(&text, &FIXED), "{text}");
            }
        }
    }

    #[test]
    fn every_reference_resolves(fleet in fleet()) {
        let manifests = fleet.synthesize();
        let (warehouses, templates, stages, tasks, maps) = (
            names(&manifests, "Warehouse"),
            names(&manifests, "AnalysisTemplate"),
            names(&manifests, "Stage"),
            names(&manifests, "PromotionTask"),
            names(&manifests, "ConfigMap"),
        );
        let mut subscribed = BTreeMap::new();
        let mut policies = Vec::new();
        for resource in manifests.resources() {
            match resource {
                Resource::Warehouse(it) => {
                    let urls: Vec<_> = it.spec.subscriptions.iter().map(|it| match it {
                        Subscription::Image(it) => format!("imageFrom({:?})", it.repo_url),
                        Subscription::Git(it) => format!("commitFrom({:?})", it.repo_url),
                    }).collect();
                    prop_assert!(!urls.is_empty());
                    subscribed.insert(it.metadata.name.as_str(), urls);
                }
                Resource::ProjectConfig(it) => policies.extend(
                    it.spec.promotion_policies.iter().map(|it| it.stage_selector.name.clone()),
                ),
                _ => {}
            }
        }
        let mut used = BTreeSet::new();
        for resource in manifests.resources() {
            let Resource::Stage(it) = resource else { continue };
            let stage = it.metadata.name.as_str();
            let mut calls = Vec::new();
            prop_assert!(!it.spec.requested_freight.is_empty());
            let mut origins = BTreeSet::new();
            for wanted in &it.spec.requested_freight {
                let origin = wanted.origin.name.as_str();
                prop_assert!(warehouses.contains(origin), "{origin}");
                prop_assert!(origins.insert(origin), "{origin} twice in {stage}");
                calls.extend(subscribed[origin].iter());
                prop_assert_eq!(wanted.sources.direct, wanted.sources.stages.is_empty());
                for before in &wanted.sources.stages {
                    prop_assert!(stages.contains(before.as_str()), "{before}");
                }
            }
            let spec = &it.spec.promotion_template.spec;
            prop_assert!(!spec.steps.is_empty());
            for step in &spec.steps {
                if let Action::Task { task } = &step.action {
                    prop_assert!(tasks.contains(task.name.as_str()));
                    used.insert(task.name.as_str());
                }
            }
            for var in &spec.vars {
                let value = var.value.as_ref().unwrap().as_str();
                prop_assert!(!value.is_empty(), "{} of {stage}", var.name);
                if var.name == "built" {
                    prop_assert!(maps.contains(value));
                }
                if var.name == "bases" {
                    let bases: Vec<BTreeMap<String, String>> = serde_json::from_str(value).unwrap();
                    prop_assert_eq!(bases.len(), it.spec.requested_freight.len());
                    for base in bases {
                        prop_assert!(stages.contains(base["stage"].as_str()));
                        prop_assert!(base["key"].len() <= 253);
                        // A parent may have no base of its own that rebuilds it, and so no Stage.
                        prop_assert!(base.get("parent").is_none_or(|it| is_label(it)));
                    }
                }
            }
            for text in texts_of(it) {
                for (at, _) in text.match_indices("From(\"") {
                    prop_assert!(calls.iter().any(|call| text.contains(*call)), "{text} at {at}");
                }
            }
            if let Some(verification) = &it.spec.verification {
                for template in &verification.analysis_templates {
                    prop_assert!(templates.contains(template.name.as_str()));
                }
                for arg in &verification.args {
                    let value = arg.value.as_str();
                    prop_assert!(!value.replace("$$", "").contains("$("), "{value}");
                }
            }
            let matching: Vec<_> = policies.iter().filter(|policy| match policy.strip_prefix("glob:") {
                Some(glob) => glob.strip_suffix('*').is_some_and(|prefix| stage.starts_with(prefix)),
                None => *policy == stage,
            }).collect();
            prop_assert_eq!(matching.len(), 1, "{} {:?}", stage, matching);
        }
        prop_assert_eq!(used, tasks);
        for policy in policies.iter().filter(|policy| !policy.starts_with("glob:")) {
            prop_assert!(stages.contains(policy.as_str()));
        }
    }

    #[test]
    fn order_of_input_does_not_matter(fleet in fleet(), turn in 0usize..8) {
        let mut turned = fleet.clone();
        if !turned.images.is_empty() {
            let turn = turn % turned.images.len();
            turned.images.rotate_left(turn);
        }
        prop_assert_eq!(fleet.synthesize(), turned.synthesize());
        turned.images.reverse();
        prop_assert_eq!(
            fleet.synthesize().to_yaml().unwrap(),
            turned.synthesize().to_yaml().unwrap()
        );
    }

    #[test]
    fn what_is_written_is_what_was_meant(fleet in fleet()) {
        let manifests = fleet.synthesize();
        let read: Vec<Resource> = serde_saphyr::from_multiple(&manifests.to_yaml().unwrap()).unwrap();
        prop_assert_eq!(read, manifests.resources().cloned().collect::<Vec<_>>());
    }

    #[test]
    fn every_image_is_there_or_has_a_problem(fleet in fleet()) {
        let manifests = fleet.synthesize();
        let told: BTreeSet<_> = manifests.problems.iter().map(|it| &it.subject).collect();
        let made: BTreeSet<_> = manifests.groups.iter().map(|it| &it.subject).collect();
        let images: BTreeSet<&ImageName> = fleet.images.iter().map(|(it, _)| &it.name).collect();
        let tagged = fleet.bases.values().filter(|it| it.reference.tag().is_some()).count();
        // Who has its place may have a problem all the same, with one of its bases.
        let all: BTreeSet<_> = told.union(&made).collect();
        prop_assert_eq!(all.len(), 1 + images.len() + tagged);
    }
}
