//! Small fleets for the tests.

use imgfac_model::{
    Branch, Defaults, Enrolment, ImageName, Provider, RelativePath, RepoPath, Repository, Source,
};

/// An external image of that name on Docker Hub.
pub(crate) fn external(name: &str) -> Enrolment {
    let defaults = Defaults::default();
    Enrolment {
        name: ImageName::new(name).unwrap(),
        repository: Repository::new("docker.io", name).unwrap(),
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

/// A managed image of that name, built from `apps/NAME/Dockerfile` in `acme/shop`.
pub(crate) fn managed(name: &str) -> Enrolment {
    Enrolment {
        repository: Repository::new("ghcr.io", &format!("acme/{name}")).unwrap(),
        source: Some(Source {
            provider: Provider::GitHub,
            host: None,
            repo: RepoPath::new("acme/shop").unwrap(),
            branch: Branch::default(),
            dockerfile: RelativePath::new(&format!("apps/{name}/Dockerfile")).unwrap(),
            context: None,
            build_args: Default::default(),
            target: None,
            platforms: Vec::new(),
            workflow: None,
            inputs: Default::default(),
            cause_inputs: false,
            job: None,
            variables: Default::default(),
            url: None,
        }),
        ..external(name)
    }
}
