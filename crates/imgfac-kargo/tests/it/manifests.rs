//! Whole manifests of a small fleet.

use imgfac_kargo::{Action, Earlier, Fleet, Image, Resource, Uses, synthesize};
use imgfac_model::{
    Branch, Criticality, Delay, ReceiverKind, Reference, SecretName, WebhookReceiver,
};

use crate::fleet::{Owned, external, managed, published, small, stands_on, update};

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
fn the_policies_of_a_very_large_fleet_fit_into_one_object() {
    let mut fleet = Owned::default();
    for n in 0..6_001 {
        let image = managed(&format!("i-{n}"), "acme/x", "acme/x", "Dockerfile");
        fleet.image(image).1 = published("1.0.0");
    }
    let manifests = fleet.synthesize();
    let policies = manifests.resources().find_map(|resource| match resource {
        Resource::ProjectConfig(config) => Some(&config.spec.promotion_policies),
        _ => None,
    });
    let names: Vec<&str> = policies
        .unwrap()
        .iter()
        .map(|policy| policy.stage_selector.name.as_str())
        .collect();
    assert_eq!(names, ["glob:analyze-dockerfile-*"]);
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

/// `images` stand on each other as named; all are published but those that begin with `new`.
fn cascade(images: &[(&str, &[&str])]) -> Owned {
    let mut fleet = Owned::default();
    fleet.bases(&["node:22"]);
    for (name, parents) in images {
        let it = fleet.image(managed(
            name,
            &format!("ghcr.io/acme/{name}"),
            "acme/x",
            "Dockerfile",
        ));
        if !name.starts_with("new") {
            it.1 = published("main");
        }
        stands_on(it, &["node-22"], parents);
    }
    fleet
}

/// The rebuilds of a fleet: image, bases with delay and hold, and what is wrong.
fn rebuilds(fleet: &Owned) -> String {
    let manifests = fleet.synthesize();
    let mut lines = Vec::new();
    for resource in manifests.resources() {
        let Resource::Stage(stage) = resource else {
            continue;
        };
        let vars = &stage.spec.promotion_template.spec.vars;
        let Some(bases) = vars.iter().find(|var| var.name == "bases") else {
            continue;
        };
        let bases: Vec<serde_json::Value> =
            serde_json::from_str(bases.value.as_ref().unwrap().as_str()).unwrap();
        let bases: Vec<_> = bases
            .iter()
            .map(|base| {
                let text = |key: &str| base[key].as_str().unwrap_or("-").to_owned();
                format!("{}+{} by {}", text("delay"), text("hold"), text("stage"))
            })
            .collect();
        lines.push(format!("{}: {}", stage.metadata.name, bases.join(", ")));
    }
    lines.extend(manifests.problems.iter().map(|it| format!("! {it}")));
    lines.join("\n")
}

#[test]
fn children_come_after_their_parents() {
    let mut fleet = cascade(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])]);
    fleet.images[1].0.criticality = Criticality::Critical;
    fleet.images[2].0.cascade_delay = Delay::new("2h").ok();
    insta::assert_snapshot!(rebuilds(&fleet), @"
    rebuild-trigger-a: 168h0m0s+20m by observe-node-22
    rebuild-trigger-b: 0h30m0s+0m by observe-image-a, 168h0m0s+40m by observe-node-22
    rebuild-trigger-c: 2h0m0s+20m by observe-image-a, 2h0m0s+0m by observe-image-b, 168h0m0s+60m by observe-node-22
    ");
}

#[test]
fn a_parent_that_was_never_published_breaks_nothing() {
    insta::assert_snapshot!(rebuilds(&cascade(&[("new-a", &[]), ("b", &["new-a"])])), @"
    rebuild-trigger-b: 168h0m0s+40m by observe-node-22
    rebuild-trigger-new-a: 168h0m0s+20m by observe-node-22
    ");
}

#[test]
fn images_in_a_circle_are_rebuilt_by_people_only() {
    let fleet = cascade(&[("a", &["b"]), ("b", &["a"]), ("c", &["a"]), ("d", &["d"])]);
    insta::assert_snapshot!(rebuilds(&fleet), @"
    rebuild-trigger-a: 0h30m0s+0m by observe-image-b, 168h0m0s+20m by observe-node-22
    rebuild-trigger-b: 0h30m0s+0m by observe-image-a, 168h0m0s+40m by observe-node-22
    rebuild-trigger-c: 0h30m0s+0m by observe-image-a, 168h0m0s+40m by observe-node-22
    rebuild-trigger-d: 168h0m0s+20m by observe-node-22, 0h30m0s+0m by observe-image-d
    ");
    let text = fleet.synthesize().to_yaml().unwrap();
    for (image, auto) in [("a", false), ("b", false), ("c", true), ("d", false)] {
        let policy = format!("name: rebuild-trigger-{image}\n    autoPromotionEnabled: {auto}\n");
        assert!(text.contains(&policy), "{policy}");
    }
}

#[test]
fn a_base_and_an_image_of_one_name_are_told_apart() {
    let mut fleet = cascade(&[
        ("node-22", &[]),
        ("base-node-22", &[]),
        ("a", &["node-22", "base-node-22"]),
    ]);
    let state = fleet.images[2].1.as_mut().unwrap();
    let built_on = [
        ("node-22", "sha256:base"),
        ("ghcr.io/acme/node-22:latest", "sha256:image"),
        ("ghcr.io/acme/base-node-22:latest", "sha256:other"),
    ];
    state.built_on = built_on
        .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
        .into();
    let manifests = fleet.synthesize();
    let built = manifests.resources().find_map(|resource| match resource {
        Resource::ConfigMap(map) if map.metadata.name == "imgfac-built" => map.data.as_ref(),
        _ => None,
    });
    insta::assert_json_snapshot!(built, @r#"
    {
      "a.base-node-22": "sha256:base",
      "a.base-node-22-3cdd131e6f": "sha256:other",
      "a.node-22": "sha256:image"
    }
    "#);
}

#[test]
fn what_is_pinned_or_not_needed_rebuilds_nothing() {
    let mut fleet = cascade(&[("a", &[]), ("b", &["a"])]);
    let digest = format!("debian:12@sha256:{}", "0".repeat(64));
    fleet.bases(&[&digest, "alpine:3"]);
    let state = fleet.images[1].1.as_mut().unwrap();
    state.base_images = fleet.bases.keys().cloned().collect();
    state.unused_bases = vec![Reference::parse("alpine:3").unwrap()];
    state.managed_bases[0].reference =
        Reference::parse(&format!("ghcr.io/acme/a@sha256:{}", "1".repeat(64))).unwrap();
    insta::assert_snapshot!(rebuilds(&fleet), @"
    rebuild-trigger-a: 168h0m0s+20m by observe-node-22
    rebuild-trigger-b: 168h0m0s+20m by observe-node-22
    ");
    // All bases are watched and noted all the same.
    let text = fleet.synthesize().to_yaml().unwrap();
    for stage in ["observe-alpine-3", "observe-debian-12-sha256-000000000000"] {
        assert!(text.contains(&format!("name: {stage}\n")), "{stage}");
    }
}

#[test]
fn what_is_missing_is_told_and_the_rest_is_there() {
    let mut fleet = cascade(&[("a", &["gone"]), ("b", &[])]);
    stands_on(&mut fleet.images[1], &["node-22", "lost"], &[]);
    insta::assert_snapshot!(rebuilds(&fleet), @"
    rebuild-trigger-a: 168h0m0s+20m by observe-node-22
    rebuild-trigger-b: 168h0m0s+20m by observe-node-22
    ! image a: it stands on gone, which is not among the images that are watched: its pushes do not rebuild it
    ! image b: it stands on lost, of which there is no usable state: its updates do not rebuild it
    ");
}

#[test]
fn secrets_have_a_place_and_no_value() {
    let mut fleet = small();
    fleet.settings.webhook_receivers = vec![WebhookReceiver {
        name: SecretName::new("github").unwrap(),
        kind: ReceiverKind::GitHub,
        secret: SecretName::new("github-webhook").unwrap(),
    }];
    let manifests = fleet.synthesize();
    let text = manifests.secrets_to_yaml().unwrap();
    assert!(!text.contains("\ndata:") && !text.contains("\nstringData:"));
    insta::assert_snapshot!(text);
    let config = manifests.to_yaml().unwrap();
    assert!(config.contains("  webhookReceivers:\n  - name: github\n    github:\n      secretRef:\n        name: github-webhook\n"));
}

#[test]
fn consumers_get_a_tag_or_a_digest() {
    let mut fleet = Owned::default();
    for (name, version) in [("tag", "1.2.3"), ("moves", "main")] {
        let it = fleet.image(managed(
            name,
            &format!("ghcr.io/acme/{name}"),
            "acme/x",
            "Dockerfile",
        ));
        it.1 = published(version);
        it.0.updates = vec![
            update("kustomize-set-image", "k", None, false),
            update("helm-update-image", "h.yaml", None, false),
            update("yaml-update", "y.yaml", Some("a.b.imageDigest"), false),
            update("yaml-update", "y.yaml", Some("web.image"), false),
            update("yaml-update", "y.yaml", Some("version"), true),
        ];
    }
    fleet
        .image(managed("new", "ghcr.io/acme/new", "acme/x", "Dockerfile"))
        .0
        .updates = vec![update("kustomize-set-image", "k", None, false)];
    let manifests = fleet.synthesize();
    assert_eq!(manifests.problems, []);
    let mut lines = Vec::new();
    for resource in manifests.resources() {
        let Resource::Stage(stage) = resource else {
            continue;
        };
        for step in &stage.spec.promotion_template.spec.steps {
            let line = match &step.action {
                Action::Uses(Uses::KustomizeSetImage(it)) => {
                    let image = &it.images[0];
                    let value = image.tag.as_ref().or(image.digest.as_ref()).unwrap();
                    format!("{} {}", it.path.as_str(), value.as_str())
                }
                Action::Uses(Uses::YamlUpdate(it)) => {
                    let set = &it.updates[0];
                    format!(
                        "{} {} {}",
                        it.path.as_str(),
                        set.key.as_str(),
                        set.value.as_str()
                    )
                }
                _ => continue,
            };
            lines.push(line);
        }
    }
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    ./out/h.yaml image.tag ${{ quote(imageFrom("ghcr.io/acme/moves").Tag + "@" + imageFrom("ghcr.io/acme/moves").Digest) }}
    ./out/h.yaml image.tag ${{ quote(imageFrom("ghcr.io/acme/tag").Tag) }}
    ./out/k ${{ quote(imageFrom("ghcr.io/acme/moves").Digest) }}
    ./out/k ${{ quote(imageFrom("ghcr.io/acme/tag").Tag) }}
    ./out/y.yaml a.b.imageDigest ${{ quote(imageFrom("ghcr.io/acme/moves").Digest) }}
    ./out/y.yaml a.b.imageDigest ${{ quote(imageFrom("ghcr.io/acme/tag").Digest) }}
    ./out/y.yaml version ${{ quote(imageFrom("ghcr.io/acme/moves").Tag + "@" + imageFrom("ghcr.io/acme/moves").Digest) }}
    ./out/y.yaml version ${{ quote(imageFrom("ghcr.io/acme/tag").Tag) }}
    ./out/y.yaml web.image ${{ quote("ghcr.io/acme/moves" + ":" + imageFrom("ghcr.io/acme/moves").Tag + "@" + imageFrom("ghcr.io/acme/moves").Digest) }}
    ./out/y.yaml web.image ${{ quote("ghcr.io/acme/tag" + ":" + imageFrom("ghcr.io/acme/tag").Tag + "@" + imageFrom("ghcr.io/acme/tag").Digest) }}
    "#);
}

/// The manifests of a fleet in which the state of one image cannot be read.
fn without_state_of(fleet: &Owned, image: &str, earlier: &str) -> Option<String> {
    let (lost, images): (Vec<_>, Vec<_>) = fleet
        .images
        .iter()
        .partition(|(enrolment, _)| enrolment.name.as_str() == image);
    let kept = Earlier::new(&fleet.settings, [earlier]).keep(&lost[0].0)?;
    let images = images.into_iter().map(|(enrolment, state)| Image {
        enrolment,
        state: state.as_ref(),
        entry: Some("images.yaml"),
    });
    let manifests = synthesize(&Fleet {
        settings: &fleet.settings,
        images: images.collect(),
        bases: &fleet.bases,
        kept: vec![kept],
    });
    let whole = fleet.synthesize();
    assert_eq!(manifests.problems, whole.problems);
    assert_eq!(manifests.secrets, whole.secrets);
    Some(manifests.to_yaml().unwrap())
}

#[test]
fn what_is_kept_is_as_it_was() {
    let mut circle = cascade(&[("a", &["b"]), ("b", &["a"]), ("c", &["a"])]);
    circle.images[2].0.auto_rebuild = false;
    let digits = cascade(&[("1", &[])]);
    let state = circle.images[2].1.as_mut().unwrap();
    state.built_on.insert("node-22".into(), "sha256:1".into());
    for (fleet, names) in [
        (&small(), &["web", "tools", "hook"][..]),
        (&circle, &["c"]),
        (&digits, &["1"]),
    ] {
        let whole = fleet.synthesize().to_yaml().unwrap();
        for name in names {
            let text = without_state_of(fleet, name, &whole).unwrap();
            let differences = whole.lines().zip(text.lines()).filter(|(a, b)| a != b);
            assert_eq!(differences.take(3).collect::<Vec<_>>(), [], "{name}");
            assert_eq!(text.len(), whole.len());
        }
    }
    // What a parent waits for is not known without its state, so its children may come earlier.
    let fleet = small();
    let whole = fleet.synthesize().to_yaml().unwrap();
    let text = without_state_of(&fleet, "base-job", &whole).unwrap();
    let differences = whole.lines().zip(text.lines()).filter(|(a, b)| a != b);
    assert!(
        differences
            .map(|(a, b)| (a, b.replace(r#""40m\""#, r#""60m\""#)))
            .all(|(a, b)| a == b)
    );
    // A circle cannot be seen without one of its images, but it was, and still holds that one.
    let whole = circle.synthesize().to_yaml().unwrap();
    let text = without_state_of(&circle, "a", &whole).unwrap();
    assert!(text.contains("name: rebuild-trigger-a\n    autoPromotionEnabled: false\n"));
}

#[test]
fn what_is_not_ours_is_not_kept() {
    let fleet = small();
    let whole = fleet.synthesize().to_yaml().unwrap();
    let elsewhere = whole.replace("namespace: imgfac\n", "namespace: other\n");
    let odd = whole.replace("kind: Warehouse\n", "kind: Shed\n");
    for text in ["", "kind: [", &elsewhere, &odd] {
        assert_eq!(without_state_of(&fleet, "web", text), None);
    }
}
