//! Whole manifests of a small fleet.

use imgfac_kargo::Resource;
use imgfac_model::Branch;

use crate::fleet::{Owned, external, managed, small};

#[test]
fn a_small_fleet() {
    let manifests = small().synthesize();
    assert_eq!(manifests.problems, []);
    insta::assert_snapshot!(manifests.to_yaml().unwrap());
}

#[test]
fn an_empty_fleet_has_a_project() {
    insta::assert_snapshot!(Owned::default().synthesize().to_yaml().unwrap());
}

#[test]
fn the_parts_of_a_split_are_the_whole() {
    let manifests = small().synthesize();
    let whole = manifests.to_yaml().unwrap();
    let files: Vec<_> = manifests.split().map(Result::unwrap).collect();
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    insta::assert_snapshot!(names.join("\n"), @"
    common.k8s.yaml
    image-base-job.k8s.yaml
    image-hook.k8s.yaml
    image-postgres.k8s.yaml
    image-redis.k8s.yaml
    image-tools.k8s.yaml
    image-web.k8s.yaml
    base-debian-12-slim-sha256-0123456789ab.k8s.yaml
    base-ghcr-io-acme-private-base-1-2a0579b492.k8s.yaml
    base-localhost-5000-tools-go-1-22-696a6d6c6f.k8s.yaml
    base-node-22-bookworm-slim.k8s.yaml
    base-python-3-12-slim-d991e3fac3.k8s.yaml
    ");
    let header = whole.find("---\n").unwrap();
    let parts: String = files.iter().map(|file| &file.text[header..]).collect();
    assert_eq!(format!("{}{parts}", &whole[..header]), whole);
}

#[test]
fn one_bad_image_leaves_the_others_alone() {
    let mut fleet = small();
    let good = fleet.synthesize();
    fleet.image(external("odd", "acme/a--b"));
    fleet.image(managed("odd-too", "[::1]:5000/x", "acme/x", "Dockerfile"));
    fleet.image(external("range", "acme/x")).0.constraint = Some("latest".into());
    fleet.image(external("twice", "acme/one"));
    fleet.image(external("twice", "acme/two"));
    fleet.base("node-22", "acme/c--d:1");
    let manifests = fleet.synthesize();
    assert_eq!(manifests.groups, good.groups);
    let problems: Vec<_> = manifests.problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    image odd: Kargo cannot watch docker.io/acme/a--b: it takes letters, digits and "_", joined by a single "." or "-"
    image odd-too: Kargo cannot watch [::1]:5000/x: it takes letters, digits and "_", joined by a single "." or "-"
    image range: constraint "latest" is not a range of versions such as ">=16" or "^1.2"
    image twice: the name is enrolled more than once
    base node-22: Kargo cannot watch docker.io/acme/c--d: it takes letters, digits and "_", joined by a single "." or "-"
    "#);
}

#[test]
fn bad_settings_leave_the_analysis_out() {
    let mut fleet = small();
    fleet.settings.analysis.image = "{{args.image}}".into();
    let manifests = fleet.synthesize();
    assert_eq!(manifests.problems.len(), 1, "{:?}", manifests.problems);
    let kinds: Vec<_> = manifests.resources().map(|it| it.kind()).collect();
    assert!(!kinds.contains(&"AnalysisTemplate"));
    assert!(kinds.contains(&"Warehouse") && kinds.contains(&"PromotionTask"));
    let jobs = manifests
        .resources()
        .filter(|it| matches!(it, Resource::Stage(stage) if stage.spec.verification.is_some()));
    assert_eq!(jobs.count(), 0);
}

#[test]
fn the_enrolment_decides_and_not_what_was_known_d05() {
    let mut fleet = Owned::default();
    let web = fleet.image(managed("web", "ghcr.io/acme/web", "acme/new", "Dockerfile"));
    if let Some(source) = &mut web.0.source {
        source.branch = Branch::new("2.x").unwrap();
    }
    let text = fleet.synthesize().to_yaml().unwrap();
    assert!(text.contains("https://github.com/acme/new.git"), "{text}");
    assert!(
        text.contains("branch: 2.x") || text.contains("branch: \"2.x\""),
        "{text}"
    );
}
