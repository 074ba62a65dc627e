//! Fleets that own their parts.

use std::collections::BTreeMap;

use imgfac_kargo::{Fleet, Image, Manifests, synthesize};
use imgfac_model::{
    BaseName, BaseState, Branch, Criticality, Defaults, Delay, Enrolment, Host, ImageName,
    ImageState, ManagedBase, Provider, Reference, RelativePath, RepoPath, Repository, Settings,
    Source, StateRepository, UpdateTarget, WebUrl, assign_base_names,
};

/// What a fleet borrows from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owned {
    pub(crate) settings: Settings,
    pub(crate) images: Vec<(Enrolment, Option<ImageState>)>,
    pub(crate) bases: BTreeMap<BaseName, BaseState>,
}

impl Owned {
    pub(crate) fn synthesize(&self) -> Manifests {
        synthesize(&Fleet {
            settings: &self.settings,
            images: self
                .images
                .iter()
                .map(|(enrolment, state)| Image {
                    enrolment,
                    state: state.as_ref(),
                    entry: Some("images.yaml"),
                })
                .collect(),
            bases: &self.bases,
            kept: Vec::new(),
        })
    }

    /// Adds an image that was never published, and returns it for changes.
    pub(crate) fn image(&mut self, enrolment: Enrolment) -> &mut (Enrolment, Option<ImageState>) {
        self.images.push((enrolment, None));
        self.images.last_mut().unwrap()
    }

    /// Adds bases under the names that a run would give them.
    pub(crate) fn bases(&mut self, references: &[&str]) {
        let wanted = references
            .iter()
            .map(|text| Reference::parse(text).unwrap())
            .collect();
        for (reference, name) in assign_base_names(&BTreeMap::new(), &Default::default(), &wanted) {
            self.bases.insert(name, BaseState::new(reference, ""));
        }
    }

    /// Adds a base under a name that an older factory gave it.
    pub(crate) fn base(&mut self, name: &str, reference: &str) {
        self.bases.insert(
            BaseName::new(name).unwrap(),
            BaseState::new(Reference::parse(reference).unwrap(), ""),
        );
    }
}

pub(crate) fn external(name: &str, repository: &str) -> Enrolment {
    let defaults = Defaults::default();
    Enrolment {
        name: ImageName::new(name).unwrap(),
        repository: Repository::parse(repository).unwrap(),
        source: None,
        rebuild_delay: defaults.rebuild_delay,
        cascade_delay: None,
        coordination_window: None,
        digest_selection: Default::default(),
        delay_clock: Default::default(),
        auto_rebuild: defaults.auto_rebuild,
        criticality: defaults.criticality,
        allow_tags: None,
        image_selection_strategy: None,
        constraint: None,
        updates: Vec::new(),
    }
}

pub(crate) fn managed(name: &str, repository: &str, repo: &str, dockerfile: &str) -> Enrolment {
    Enrolment {
        source: Some(source(repo, dockerfile)),
        ..external(name, repository)
    }
}

pub(crate) fn source(repo: &str, dockerfile: &str) -> Source {
    Source {
        provider: Provider::GitHub,
        host: None,
        repo: RepoPath::new(repo).unwrap(),
        branch: Branch::default(),
        dockerfile: RelativePath::new(dockerfile).unwrap(),
        context: None,
        build_args: BTreeMap::new(),
        target: None,
        platforms: Vec::new(),
        workflow: None,
        inputs: BTreeMap::new(),
        cause_inputs: false,
        job: None,
        variables: BTreeMap::new(),
        url: None,
    }
}

pub(crate) fn published(version: &str) -> Option<ImageState> {
    Some(ImageState {
        current_version: Some(version.to_owned()),
        ..ImageState::default()
    })
}

pub(crate) fn update(
    kind: &str,
    path: &str,
    key: Option<&str>,
    pull_request: bool,
) -> UpdateTarget {
    UpdateTarget {
        repo: RepoPath::new("acme/deploy").unwrap(),
        branch: Branch::default(),
        path: RelativePath::new(path).unwrap(),
        kind: kind.parse().unwrap(),
        key: key.map(str::to_owned),
        pull_request,
    }
}

/// Lets an image stand on bases and on images of ours.
pub(crate) fn stands_on(
    image: &mut (Enrolment, Option<ImageState>),
    bases: &[&str],
    managed: &[&str],
) {
    let state = image.1.get_or_insert_default();
    state.base_images = bases
        .iter()
        .map(|name| BaseName::new(name).unwrap())
        .collect();
    state.managed_bases = managed
        .iter()
        .map(|name| ManagedBase {
            name: ImageName::new(name).unwrap(),
            reference: Reference::parse(&format!("ghcr.io/acme/{name}")).unwrap(),
        })
        .collect();
}

/// A few images of every sort.
pub(crate) fn small() -> Owned {
    let mut fleet = Owned::default();
    // The default names the version of this project, which is no matter of these tests.
    fleet.settings.analysis.image = "ghcr.io/acme/imgfac:v1".into();
    fleet.settings.state_repository = Some(StateRepository {
        url: WebUrl::new("https://github.com/acme/factory.git").unwrap(),
        branch: Branch::default(),
        path: RelativePath::new("image-factory").unwrap(),
    });
    let web = fleet.image(managed(
        "web",
        "ghcr.io/acme/web",
        "acme/shop",
        "apps/web/Dockerfile",
    ));
    web.1 = published("1.10.0");
    stands_on(
        web,
        &["node-22-bookworm-slim", "python-3.12-slim"],
        &["base-job"],
    );
    web.0.criticality = Criticality::High;
    web.0.updates = vec![
        update("kustomize-set-image", "overlays/prod", None, false),
        update("yaml-update", "web/values.yaml", Some("image.tag"), true),
    ];
    if let Some(state) = &mut web.1 {
        state
            .built_on
            .insert("python-3.12-slim".into(), "sha256:1".into());
        // A stage that the target does not need.
        state.unused_bases = vec![Reference::parse("node:22-bookworm-slim").unwrap()];
    }
    if let Some(source) = &mut web.0.source {
        source.inputs.insert("bump".into(), "patch".into());
        source.cause_inputs = true;
    }
    // Never published, at the root of its repository, on a GitHub Enterprise server.
    let tools = fleet.image(managed(
        "tools",
        "reg.example.com:5000/acme/tools",
        "acme/tools",
        "Dockerfile",
    ));
    if let Some(source) = &mut tools.0.source {
        source.host = Some(Host::new("github.example.com").unwrap());
        source.branch = Branch::new("release/1.0").unwrap();
    }
    let job = fleet.image(managed(
        "base-job",
        "registry.gitlab.com/acme/group/job",
        "acme/group/job",
        "build/Dockerfile",
    ));
    if let Some(source) = &mut job.0.source {
        source.provider = Provider::GitLab;
        source.context = Some(RelativePath::new("src").unwrap());
    }
    job.1 = published("main");
    stands_on(
        job,
        &[
            "node-22-bookworm-slim",
            "debian-12-slim-sha256-0123456789ab",
        ],
        &["tools"],
    );
    job.0.auto_rebuild = false;
    job.0.updates = vec![update("helm-update-image", "values.yaml", None, false)];
    if let Some(source) = &mut job.0.source {
        source.variables.insert("FAST".into(), "1".into());
        source.job = Some("build".into());
    }
    let hook = fleet.image(managed(
        "hook",
        "ghcr.io/acme/hook",
        "acme/hook",
        "Dockerfile",
    ));
    hook.1 = published("2024-01-11");
    stands_on(hook, &["ghcr.io-acme-private-base-1"], &[]);
    hook.0.rebuild_delay = Delay::new("0").unwrap();
    if let Some(source) = &mut hook.0.source {
        source.provider = Provider::Webhook;
        source.url = WebUrl::new("https://ci.example.com/hook?x=1").ok();
    }
    let redis = fleet.image(external("redis", "redis"));
    redis.0.updates = vec![update("yaml-update", "redis.yaml", Some("image"), false)];
    let postgres = fleet.image(external("postgres", "postgres"));
    postgres.0.allow_tags = Some(r"^16\.\d+-alpine$".into());
    postgres.0.image_selection_strategy = "SemVer".parse().ok();
    postgres.0.constraint = Some(">=16 <17".into());
    let digest = format!("debian:12-slim@sha256:{}", "0123456789abcdef".repeat(4));
    let untagged = format!("alpine@sha256:{}", "fedcba9876543210".repeat(4));
    fleet.bases(&[
        "node:22-bookworm-slim",
        "python:3.12-slim",
        "ghcr.io/acme/private/base:1",
        "localhost:5000/tools/go:1.22",
        &digest,
        &untagged,
    ]);
    fleet
}
