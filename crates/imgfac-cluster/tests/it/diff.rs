//! How a cluster differs.

use imgfac_cluster::{ApplyOptions, Difference, Differences, Object, RequestError};
use insta::assert_snapshot;
use serde_json::json;

use crate::apply::apply_to;
use crate::cluster::{Server, factory, namespace, object, ours, overrides, stage, warehouse};
use crate::fake::{Answer, FakeApi, Trouble};

fn diff(server: &Server, objects: &[Object]) -> Differences {
    server.diff(objects, None).unwrap()
}

fn told(found: &Differences) -> String {
    let lines = found
        .objects
        .iter()
        .map(|(key, difference)| match difference {
            Difference::New => format!("{key}: new"),
            Difference::Gone => format!("{key}: gone"),
            Difference::Failed(error) => format!("{key}: {error}"),
            Difference::Changed {
                live,
                wanted,
                conflicts,
            } => format!("{key}:\n- {live}\n+ {wanted}\n{conflicts:?}"),
        });
    lines
        .chain([format!("{} same", found.same)])
        .collect::<Vec<_>>()
        .join("\n")
}

fn filled() -> Server {
    let server = Server::new(FakeApi::new());
    apply_to(&server, &factory(), &ApplyOptions::default());
    server
}

#[test]
fn an_empty_cluster_lacks_everything() {
    let server = Server::new(FakeApi::new());
    assert_snapshot!(told(&diff(&server, &factory())), @"
    Stage analyze-web: new
    Warehouse web: new
    ConfigMap imgfac-overrides: new
    ProjectConfig imgfac: new
    Project imgfac: new
    Namespace imgfac: new
    0 same
    ");
}

#[test]
fn what_was_applied_does_not_differ() {
    let server = filled();
    server.api().touch("Warehouse", "web", |value| {
        value["status"] = json!({"observedGeneration": 4});
    });
    let before = server.api().get("Warehouse", "web").cloned();
    assert_eq!(told(&diff(&server, &factory())), "6 same");
    let api = server.api();
    assert_eq!(api.get("Warehouse", "web").cloned(), before);
}

#[test]
fn a_difference_has_both_sides_and_no_noise() {
    let server = filled();
    let mut objects = factory();
    objects[1] = warehouse("web", "5m0s");
    objects.push(stage("new", &["web"]));
    assert_snapshot!(told(&diff(&server, &objects)), @r#"
    Warehouse web:
    - {"apiVersion":"kargo.akuity.io/v1alpha1","kind":"Warehouse","metadata":{"labels":{"app.kubernetes.io/managed-by":"imgfac"},"name":"web","namespace":"imgfac"},"spec":{"interval":"10m0s"}}
    + {"apiVersion":"kargo.akuity.io/v1alpha1","kind":"Warehouse","metadata":{"labels":{"app.kubernetes.io/managed-by":"imgfac"},"name":"web","namespace":"imgfac"},"spec":{"interval":"5m0s"}}
    []
    Stage new: new
    5 same
    "#);
}

#[test]
fn fields_of_others_are_named() {
    let server = filled();
    server
        .api()
        .put("kubectl-edit", warehouse("web", "1h").value());
    let found = diff(&server, &factory());
    let Difference::Changed { conflicts, .. } = &found.objects[0].1 else {
        panic!("{found:?}");
    };
    let conflicts: Vec<String> = conflicts
        .iter()
        .map(|it| format!("{} {}", it.manager, it.field))
        .collect();
    assert_eq!(conflicts, ["kubectl-edit .spec.interval"]);
}

#[test]
fn overrides_are_not_compared() {
    let server = filled();
    let mut objects = factory();
    objects[2] = overrides(json!({"web": "2026-09-01T10:00:00Z"}));
    assert_eq!(told(&diff(&server, &objects)), "6 same");
}

#[test]
fn secrets_are_hidden() {
    let server = filled();
    let secret = |token: &str| {
        ours(
            "v1",
            "Secret",
            "git",
            json!({"data": {"token": token, "user": "Y2k="}}),
        )
    };
    server.api().put("kubectl", secret("aHVudGVyMg==").value());
    let found = diff(&server, &[namespace(), secret("aHVudGVyMw==")]);
    assert_snapshot!(told(&found), @r#"
    Secret git:
    - {"apiVersion":"v1","data":{"token":"(hidden, before)","user":"(hidden)"},"kind":"Secret","metadata":{"labels":{"app.kubernetes.io/managed-by":"imgfac"},"name":"git","namespace":"imgfac"}}
    + {"apiVersion":"v1","data":{"token":"(hidden, after)","user":"(hidden)"},"kind":"Secret","metadata":{"labels":{"app.kubernetes.io/managed-by":"imgfac"},"name":"git","namespace":"imgfac"}}
    [FieldConflict { manager: "kubectl", field: ".data.token" }]
    1 same
    "#);
    assert!(!format!("{found:?}").contains("aHVudGVy"));
}

#[test]
fn what_cannot_be_compared_says_why_and_the_rest_goes_on() {
    let server = filled();
    server.api().trouble("PATCH", "/warehouses/web", 1, || {
        Trouble::Answer(Answer::status(
            422,
            "Invalid",
            "spec.interval: Invalid value",
        ))
    });
    let found = diff(&server, &factory());
    assert_eq!(found.same, 5);
    assert_eq!(
        found.objects[0].1,
        Difference::Failed(RequestError::Refused {
            code: 422,
            message: "spec.interval: Invalid value".into()
        })
    );
}

#[test]
fn an_object_that_somebody_made_without_our_label_is_found() {
    let server = filled();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "a", "namespace": "imgfac"}});
    server.api().put("kubectl", &account);
    let found = diff(&server, &[object(account)]);
    assert_eq!(found.same, 1);
    let found = diff(&server, &[ours("v1", "ServiceAccount", "a", json!({}))]);
    assert!(
        matches!(found.objects[0].1, Difference::Changed { .. }),
        "{found:?}"
    );
}
