//! Objects that the manifests no longer have.

use imgfac_cluster::{ApplyOptions, Difference, Error, Object};
use insta::assert_snapshot;
use serde_json::json;

use crate::apply::{apply_to, told};
use crate::cluster::{Server, factory, namespace, stage, warehouse};
use crate::fake::{Answer, FakeApi, Trouble};

fn pruning() -> ApplyOptions {
    ApplyOptions {
        prune: Some("imgfac".into()),
        ..ApplyOptions::default()
    }
}

/// A cluster with the factory, an image that left it, and things of others.
fn crowded() -> Server {
    let server = Server::new(FakeApi::new());
    let mut objects = factory();
    objects.push(warehouse("old", "10m0s"));
    objects.push(stage("analyze-old", &["old"]));
    apply_to(&server, &objects, &ApplyOptions::default());
    let mut api = server.api();
    for object in [
        json!({"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Stage",
            "metadata": {"name": "by-hand", "namespace": "imgfac"}}),
        json!({"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Stage",
            "metadata": {"name": "of-argo", "namespace": "imgfac",
                "labels": {"app.kubernetes.io/managed-by": "argo"}}}),
        json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "imgfac-git", "namespace": "imgfac",
                "labels": {"app.kubernetes.io/managed-by": "imgfac"}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "owned", "namespace": "imgfac",
                "labels": {"app.kubernetes.io/managed-by": "imgfac"},
                "ownerReferences": [{"kind": "Stage", "name": "by-hand"}]}}),
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "other", "labels": {"kargo.akuity.io/project": "true",
                "app.kubernetes.io/managed-by": "imgfac"}}}),
        json!({"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Warehouse",
            "metadata": {"name": "elsewhere", "namespace": "other",
                "labels": {"app.kubernetes.io/managed-by": "imgfac"}}}),
    ] {
        api.put("kubectl", &object);
    }
    drop(api);
    server
}

#[test]
fn only_what_is_ours_in_our_namespace_goes() {
    let server = crowded();
    let before = server.api().names();
    let applied = apply_to(&server, &factory(), &pruning());
    assert_eq!(applied.counts().pruned, 2);
    let after = server.api().names();
    let gone: Vec<_> = before.iter().filter(|name| !after.contains(name)).collect();
    assert_eq!(gone, ["Stage analyze-old", "Warehouse old"]);
    let deletions: Vec<String> = server
        .api()
        .log
        .iter()
        .filter(|line| line.starts_with("DELETE"))
        .cloned()
        .collect();
    assert_snapshot!(deletions.join("\n"), @"
    DELETE /apis/kargo.akuity.io/v1alpha1/namespaces/imgfac/stages/analyze-old
    DELETE /apis/kargo.akuity.io/v1alpha1/namespaces/imgfac/warehouses/old
    ");
}

#[test]
fn nothing_goes_without_being_asked_for() {
    let server = crowded();
    let before = server.api().names();
    apply_to(&server, &factory(), &ApplyOptions::default());
    assert_eq!(server.api().names(), before);
}

#[test]
fn a_dry_run_only_tells_what_would_go() {
    let server = crowded();
    let before = server.api().names();
    let options = ApplyOptions {
        dry_run: true,
        ..pruning()
    };
    assert_eq!(apply_to(&server, &factory(), &options).counts().pruned, 2);
    assert_eq!(server.api().names(), before);
}

#[test]
fn overrides_stay_even_when_the_manifests_do_not_have_them() {
    let server = crowded();
    let objects: Vec<Object> = factory()
        .into_iter()
        .filter(|object| object.key().kind != "ConfigMap")
        .collect();
    apply_to(&server, &objects, &pruning());
    assert!(server.api().get("ConfigMap", "imgfac-overrides").is_some());
}

#[test]
fn a_part_of_the_manifests_prunes_nothing() {
    let server = crowded();
    let error = server
        .apply(&[namespace(), warehouse("web", "10m0s")], &pruning())
        .unwrap_err();
    assert_eq!(error, Error::NotComplete("imgfac".into()));
    assert!(server.api().get("Warehouse", "old").is_some());
}

#[test]
fn nothing_goes_while_something_failed() {
    let server = crowded();
    server.api().trouble("PATCH", "/warehouses/web", 1, || {
        Trouble::Answer(Answer::status(
            422,
            "Invalid",
            "spec.interval: Invalid value",
        ))
    });
    let applied = apply_to(&server, &factory(), &pruning());
    assert_snapshot!(told(&applied), @"
    namespace imgfac: unchanged
    project imgfac: unchanged
    projectconfig imgfac: unchanged
    Warehouse web: failed: refused (422): spec.interval: Invalid value
    configmap imgfac-overrides: unchanged
    stage analyze-web: unchanged
    not pruned: not everything could be applied
    ");
    assert!(server.api().get("Warehouse", "old").is_some());
}

#[test]
fn an_object_that_was_made_anew_meanwhile_stays() {
    let server = crowded();
    let mut listed = false;
    // After the list, somebody deletes the Warehouse and makes it again.
    server.api().after_with(move |api, line| {
        if !listed && line.ends_with("/namespaces/imgfac/warehouses") {
            listed = true;
            api.touch("Warehouse", "old", |value| {
                value["metadata"]["uid"] = "another".into();
            });
        }
    });
    let applied = apply_to(&server, &factory(), &pruning());
    assert_eq!((applied.counts().pruned, applied.counts().failed), (1, 1));
    assert!(server.api().get("Warehouse", "old").is_some());
}

#[test]
fn who_may_not_list_prunes_nothing() {
    let server = crowded();
    server.api().trouble("GET", "/roles", 1, || {
        Trouble::Answer(Answer::status(
            403,
            "Forbidden",
            r#"roles.rbac.authorization.k8s.io is forbidden: User "ci" cannot list resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "imgfac""#,
        ))
    });
    let applied = apply_to(&server, &factory(), &pruning());
    assert_eq!(
        applied.not_pruned.as_deref(),
        Some("not allowed to list roles.rbac.authorization.k8s.io in namespace imgfac")
    );
    assert!(server.api().get("Warehouse", "old").is_some());
}

#[test]
fn a_difference_tells_what_would_go() {
    let server = crowded();
    let found = server.diff(&factory(), Some("imgfac")).unwrap();
    let gone: Vec<String> = found
        .objects
        .iter()
        .filter(|(_, difference)| *difference == Difference::Gone)
        .map(|(key, _)| key.to_string())
        .collect();
    assert_eq!(gone, ["Stage analyze-old", "Warehouse old"]);
    assert_eq!((found.objects.len(), found.same), (2, 6));
}
