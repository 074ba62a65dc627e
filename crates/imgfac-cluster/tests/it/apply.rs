//! Manifests into a cluster.

use std::time::Duration;

use imgfac_cluster::{Applied, ApplyOptions, Error, Object, Options, Outcome, RequestError, Stop};
use insta::assert_snapshot;
use serde_json::json;
use tokio::sync::oneshot;

use crate::cluster::{Server, factory, namespace, object, ours, overrides, run, stage, warehouse};
use crate::fake::FakeApi;

/// One line an object.
pub(crate) fn told(applied: &Applied) -> String {
    let mut lines: Vec<String> = applied
        .outcomes
        .iter()
        .map(|(key, outcome)| match outcome {
            Outcome::Failed(error) => format!("{key}: failed: {error}"),
            Outcome::NotAttempted(reason) => format!("{key}: not attempted: {reason}"),
            other => format!("{key}: {other:?}").to_lowercase(),
        })
        .collect();
    lines.extend(
        applied
            .not_pruned
            .clone()
            .map(|why| format!("not pruned: {why}")),
    );
    lines.extend(applied.stopped.then(|| "stopped".to_owned()));
    lines.join("\n")
}

pub(crate) fn apply_to(server: &Server, objects: &[Object], options: &ApplyOptions) -> Applied {
    server.apply(objects, options).unwrap()
}

fn apply(server: &Server, objects: &[Object]) -> Applied {
    apply_to(server, objects, &ApplyOptions::default())
}

#[test]
fn a_fresh_cluster_gets_everything_in_order() {
    let server = Server::new(FakeApi::new());
    assert_snapshot!(told(&apply(&server, &factory())), @"
    namespace imgfac: created
    project imgfac: created
    projectconfig imgfac: created
    warehouse web: created
    configmap imgfac-overrides: created
    stage analyze-web: created
    ");
    let writes: Vec<String> = server
        .api()
        .log
        .iter()
        .filter(|line| !line.starts_with("GET"))
        .cloned()
        .collect();
    assert_snapshot!(writes.join("\n"), @"
    PATCH /api/v1/namespaces/imgfac
    PATCH /apis/kargo.akuity.io/v1alpha1/projects/imgfac
    PATCH /apis/kargo.akuity.io/v1alpha1/namespaces/imgfac/projectconfigs/imgfac
    PATCH /apis/kargo.akuity.io/v1alpha1/namespaces/imgfac/warehouses/web
    POST /api/v1/namespaces/imgfac/configmaps
    PATCH /apis/kargo.akuity.io/v1alpha1/namespaces/imgfac/stages/analyze-web
    ");
}

#[test]
fn a_second_run_changes_nothing() {
    let server = Server::new(FakeApi::new());
    apply(&server, &factory());
    let before = server.api().get("Warehouse", "web").cloned();
    let second = apply(&server, &factory());
    assert_eq!(second.counts().unchanged, 6, "{}", told(&second));
    assert_eq!(second.counts().done(), 6);
    assert_eq!(server.api().get("Warehouse", "web").cloned(), before);
}

#[test]
fn what_controllers_write_is_no_change() {
    let server = Server::new(FakeApi::new());
    apply(&server, &factory());
    server.api().touch("Warehouse", "web", |value| {
        value["status"] = json!({"observedGeneration": 4});
        value["metadata"]["generation"] = 9.into();
    });
    assert_eq!(apply(&server, &factory()).counts().unchanged, 6);
}

#[test]
fn a_changed_manifest_changes_one_object() {
    let server = Server::new(FakeApi::new());
    apply(&server, &factory());
    let mut objects = factory();
    objects[1] = warehouse("web", "5m0s");
    let applied = apply(&server, &objects);
    assert_eq!(
        (applied.counts().changed, applied.counts().unchanged),
        (1, 5)
    );
    let api = server.api();
    let live = api.get("Warehouse", "web").unwrap();
    assert_eq!(live["spec"]["interval"], "5m0s");
}

#[test]
fn a_field_that_the_manifest_drops_goes_away() {
    let server = Server::new(FakeApi::new());
    let with = |spec| {
        ours(
            "kargo.akuity.io/v1alpha1",
            "Warehouse",
            "web",
            json!({"spec": spec}),
        )
    };
    apply(
        &server,
        &[namespace(), with(json!({"interval": "1m", "shard": "a"}))],
    );
    let applied = apply(&server, &[namespace(), with(json!({"interval": "1m"}))]);
    assert_eq!(applied.counts().changed, 1);
    let api = server.api();
    assert_eq!(
        api.get("Warehouse", "web").unwrap()["spec"],
        json!({"interval": "1m"})
    );
}

#[test]
fn an_object_without_our_label_is_taken_in() {
    let server = Server::new(FakeApi::new());
    let bare = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "imgfac"}});
    server.api().put("kubectl", &bare);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "imgfac-analyzer", "namespace": "imgfac"}});
    server.api().put("kubectl", &account);
    let objects = [
        namespace(),
        ours("v1", "ServiceAccount", "imgfac-analyzer", json!({})),
    ];
    assert_eq!(apply(&server, &objects).counts().changed, 2);
    assert_eq!(apply(&server, &objects).counts().unchanged, 2);
}

#[test]
fn a_dry_run_stores_nothing_and_tells_what_it_would_do() {
    let dry = ApplyOptions {
        dry_run: true,
        ..ApplyOptions::default()
    };
    let server = Server::new(FakeApi::new());
    assert_eq!(apply_to(&server, &factory(), &dry).counts().created, 6);
    assert!(server.api().names().is_empty());

    apply(&server, &factory());
    let stored = server.api().names();
    let mut objects = factory();
    objects[1] = warehouse("web", "5m0s");
    objects.push(stage("new", &["web"]));
    let applied = apply_to(&server, &objects, &dry);
    let counts = applied.counts();
    assert_eq!(
        (counts.created, counts.changed, counts.unchanged),
        (1, 1, 5)
    );
    assert_eq!(server.api().names(), stored);
    let api = server.api();
    assert_eq!(
        api.get("Warehouse", "web").unwrap()["spec"]["interval"],
        "10m0s"
    );
}

#[test]
fn overrides_are_made_once_and_then_belong_to_people() {
    let server = Server::new(FakeApi::new());
    apply(&server, &factory());
    server
        .api()
        .touch("ConfigMap", "imgfac-overrides", |value| {
            value["data"] = json!({"web": "2026-09-01T10:00:00Z"});
        });
    let mut objects = factory();
    objects[2] = overrides(json!({"other": "x"}));
    let force = ApplyOptions {
        force_conflicts: true,
        ..ApplyOptions::default()
    };
    assert_eq!(apply_to(&server, &objects, &force).counts().unchanged, 6);
    let api = server.api();
    assert_eq!(
        api.get("ConfigMap", "imgfac-overrides").unwrap()["data"],
        json!({"web": "2026-09-01T10:00:00Z"})
    );
}

#[test]
fn a_field_of_another_manager_is_a_conflict_until_it_is_forced() {
    let server = Server::new(FakeApi::new());
    apply(&server, &factory());
    let mut edited = warehouse("web", "1h").value().clone();
    edited["spec"]["shard"] = "a".into();
    server.api().put("kubectl-edit", &edited);
    let applied = apply(&server, &factory());
    let (_, outcome) = applied
        .outcomes
        .iter()
        .find(|(key, _)| key.kind == "Warehouse")
        .unwrap();
    let Outcome::Failed(error) = outcome else {
        panic!("{outcome:?}");
    };
    assert_snapshot!(error, @r#""kubectl-edit" owns .spec.interval"#);
    assert_snapshot!(error.remedy().unwrap(), @"take these fields over with --force-conflicts, or leave them out of the manifests");
    assert_eq!(
        applied.counts().unchanged,
        5,
        "the others are applied all the same"
    );

    let force = ApplyOptions {
        force_conflicts: true,
        ..ApplyOptions::default()
    };
    assert_eq!(apply_to(&server, &factory(), &force).counts().changed, 1);
    let api = server.api();
    assert_eq!(
        api.get("Warehouse", "web").unwrap()["spec"],
        json!({"interval": "10m0s", "shard": "a"}),
        "only the field of the manifest is taken over"
    );
}

#[test]
fn the_rest_waits_until_the_project_is_ready() {
    let mut api = FakeApi::new();
    api.ready_after = Some(3);
    let server = Server::new(api);
    assert_eq!(apply(&server, &factory()).counts().created, 6);
    assert_eq!(
        server.api().count("GET", "/projects/imgfac"),
        4,
        "three looks, and one more that finds it ready"
    );
}

#[test]
fn a_project_that_never_gets_ready_ends_the_run() {
    let mut api = FakeApi::new();
    api.ready_after = None;
    let server = Server::new(api);
    let options = ApplyOptions {
        project_timeout: Duration::from_secs(5),
        ..ApplyOptions::default()
    };
    assert_snapshot!(told(&apply_to(&server, &factory(), &options)), @"
    namespace imgfac: created
    project imgfac: created
    ProjectConfig imgfac: not attempted: Project imgfac is not ready after 5 s: the namespace is being made
    Warehouse web: not attempted: Project imgfac is not ready after 5 s: the namespace is being made
    ConfigMap imgfac-overrides: not attempted: Project imgfac is not ready after 5 s: the namespace is being made
    Stage analyze-web: not attempted: Project imgfac is not ready after 5 s: the namespace is being made
    ");
}

#[test]
fn without_kargo_nothing_is_tried_in_vain() {
    let mut api = FakeApi::new();
    api.missing.insert("kargo.akuity.io/v1alpha1");
    let server = Server::new(api);
    let applied = apply(&server, &factory());
    assert_snapshot!(told(&applied), @"
    namespace imgfac: created
    Project imgfac: failed: the cluster has no kind Project in kargo.akuity.io/v1alpha1
    ProjectConfig imgfac: not attempted: there is no Project imgfac
    Warehouse web: not attempted: there is no Project imgfac
    ConfigMap imgfac-overrides: not attempted: there is no Project imgfac
    Stage analyze-web: not attempted: there is no Project imgfac
    ");
}

#[test]
fn a_kind_that_is_not_installed_concerns_its_objects_only() {
    let mut api = FakeApi::new();
    api.missing.insert("argoproj.io/v1alpha1");
    let server = Server::new(api);
    let mut objects = factory();
    let template = ours(
        "argoproj.io/v1alpha1",
        "AnalysisTemplate",
        "imgfac-analyze",
        json!({}),
    );
    objects.push(template);
    let applied = apply(&server, &objects);
    assert_eq!((applied.counts().created, applied.counts().failed), (6, 1));
    let failed = applied
        .outcomes
        .iter()
        .find_map(|(_, outcome)| match outcome {
            Outcome::Failed(error) => error.remedy(),
            _ => None,
        });
    assert_eq!(
        failed.as_deref(),
        Some("install Argo Rollouts in the cluster")
    );
}

#[test]
fn thousands_of_objects_take_few_requests_and_few_at_a_time() {
    let mut api = FakeApi::new();
    api.page = Some(100);
    let server = Server::new(api);
    let mut objects = factory();
    objects.extend((0..1_000).map(|number| warehouse(&format!("base-{number}"), "24h0m0s")));
    assert_eq!(apply(&server, &objects).counts().created, 1_006);
    server.api().log.clear();
    assert_eq!(apply(&server, &objects).counts().unchanged, 1_006);
    let api = server.api();
    assert_eq!(
        api.count("GET", "/warehouses"),
        11,
        "1,001 objects in pages of 100"
    );
    assert_eq!(api.log.len() - api.count("PATCH", ""), 19, "{:#?}", api.log);
    drop(api);
    assert_eq!(server.busiest(), 8);
}

#[test]
fn a_stopped_run_tells_what_it_did() {
    let server = Server::new(FakeApi::new());
    let (sender, receiver) = oneshot::channel::<()>();
    let mut sender = Some(sender);
    let mut patches = 0;
    server.api().after_with(move |_, line| {
        patches += usize::from(line.starts_with("PATCH"));
        if patches == 3
            && let Some(sender) = sender.take()
        {
            sender.send(()).unwrap();
        }
    });
    let one_by_one = Options {
        concurrency: 1,
        ..Options::default()
    };
    let applied = run(async {
        let stop = Stop::when(async {
            let _ = receiver.await;
        });
        let options = ApplyOptions {
            prune: Some("imgfac".into()),
            ..ApplyOptions::default()
        };
        server
            .cluster_with(one_by_one)
            .apply(&factory(), &options, &stop)
            .await
            .unwrap()
    });
    assert_snapshot!(told(&applied), @"
    namespace imgfac: created
    project imgfac: created
    projectconfig imgfac: created
    warehouse web: created
    ConfigMap imgfac-overrides: not attempted: the run was stopped
    Stage analyze-web: not attempted: the run was stopped
    not pruned: not everything could be applied
    stopped
    ");
}

#[test]
fn two_documents_for_one_object_are_refused() {
    let server = Server::new(FakeApi::new());
    let mut objects = factory();
    objects.push(warehouse("web", "1m0s"));
    let error = server
        .apply(&objects, &ApplyOptions::default())
        .unwrap_err();
    assert_eq!(error.to_string(), "Warehouse web stands there twice");
    assert!(server.api().log.is_empty());
}

#[test]
fn an_object_without_a_namespace_fails_by_itself() {
    let server = Server::new(FakeApi::new());
    let lost = object(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lost"},
    }));
    let applied = apply(&server, &[namespace(), lost]);
    assert_eq!(
        applied.outcomes[1].1,
        Outcome::Failed(RequestError::Request(
            "a ConfigMap needs metadata.namespace".into()
        ))
    );
}

#[test]
fn nothing_is_sent_to_a_cluster_that_does_not_accept_the_credentials() {
    use crate::fake::{Answer, Trouble};
    let mut api = FakeApi::new();
    api.trouble("GET", "", 9, || {
        Trouble::Answer(Answer::status(401, "Unauthorized", "Unauthorized"))
    });
    let server = Server::new(api);
    let error = server
        .apply(&factory(), &ApplyOptions::default())
        .unwrap_err();
    assert_eq!(error, Error::Request(RequestError::Unauthorized));
    assert_eq!(server.api().log.len(), 1);
}
