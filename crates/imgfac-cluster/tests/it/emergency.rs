//! Rebuilds that wait for nothing.

use imgfac_cluster::{ApplyOptions, Emergency, Error, Promoted, RequestError, Stop};
use imgfac_model::{ImageName, Namespace};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::apply::apply_to;
use crate::cluster::{Server, factory, overrides, run, stage};
use crate::fake::{Answer, FakeApi, Trouble};

const NOW: &str = "2026-11-23T12:00:00Z";
const PROMOTIONS: &str = "/promotions";

fn emergency_of(image: &str) -> Emergency {
    Emergency {
        namespace: Namespace::new("imgfac").unwrap(),
        image: ImageName::new(image).unwrap(),
        stage: "rebuild-trigger-web".into(),
        warehouses: vec!["base-node-22".into(), "base-alpine-3-20".into()],
        reason: "CVE-2026-1".into(),
        now: NOW.parse().unwrap(),
    }
}

fn emergency(server: &Server) -> Result<Promoted, Error> {
    let emergency = emergency_of("web");
    run(async { server.cluster().emergency(&emergency, &Stop::never()).await })
}

fn filled(data: Value) -> Server {
    let server = Server::new(FakeApi::new());
    let mut objects = factory();
    objects[2] = overrides(data);
    objects.push(stage(
        "rebuild-trigger-web",
        &["base-node-22", "base-alpine-3-20"],
    ));
    apply_to(&server, &objects, &ApplyOptions::default());
    server
}

fn data(server: &Server) -> Value {
    let api = server.api();
    api.get("ConfigMap", "imgfac-overrides").unwrap()["data"].clone()
}

#[test]
fn the_delay_is_overruled_and_a_promotion_made() {
    let server = filled(json!({"other": "2026-01-01T00:00:00Z"}));
    let promoted = emergency(&server).unwrap();
    assert_eq!(promoted.warehouse, "base-node-22");
    assert_eq!(
        data(&server),
        json!({"other": "2026-01-01T00:00:00Z", "web": NOW})
    );
    let api = server.api();
    let promotion = api.get("Promotion", &promoted.promotion).unwrap();
    assert_eq!(
        promotion["spec"],
        json!({
            "stage": "rebuild-trigger-web",
            "origin": {"kind": "Warehouse", "name": "base-node-22"},
        })
    );
    assert_eq!(promotion["metadata"]["generateName"], "imgfac-");
    assert_eq!(
        promotion["metadata"]["annotations"]["imgfac.dev/reason"],
        "CVE-2026-1"
    );
}

#[test]
fn overrides_are_made_when_they_are_missing() {
    let server = filled(json!({}));
    let place = "/api/v1/namespaces/imgfac/configmaps/imgfac-overrides";
    let delete = crate::fake::Call::new("DELETE", place, "", b"{}".to_vec());
    assert_eq!(server.api().answer(&delete).unwrap().code, 200);
    emergency(&server).unwrap();
    assert_eq!(data(&server), json!({"web": NOW}));
}

#[test]
fn a_base_without_freight_is_passed_over() {
    let server = filled(json!({}));
    server.api().without_freight.insert("base-node-22");
    assert_eq!(emergency(&server).unwrap().warehouse, "base-alpine-3-20");
}

#[test]
fn without_any_freight_the_delay_is_overruled_all_the_same() {
    let server = filled(json!({}));
    for base in ["base-node-22", "base-alpine-3-20"] {
        server.api().without_freight.insert(base);
    }
    let error = emergency(&server).unwrap_err();
    assert!(matches!(error, Error::NotPromoted { .. }), "{error}");
    assert_eq!(data(&server), json!({"web": NOW}));
}

#[test]
fn a_promotion_is_never_made_twice() {
    let server = filled(json!({}));
    server
        .api()
        .trouble("POST", PROMOTIONS, 1, || Trouble::Lost);
    let error = emergency(&server).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::NotPromoted {
                source: RequestError::Connection { attempts: 1, .. },
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(server.api().count("POST", PROMOTIONS), 1);
}

#[test]
fn a_busy_server_did_nothing_and_is_asked_again() {
    let server = filled(json!({}));
    server.api().trouble("POST", PROMOTIONS, 2, || {
        Trouble::Answer(Answer::status(429, "TooManyRequests", "slow down"))
    });
    emergency(&server).unwrap();
    assert_eq!(server.api().count("POST", PROMOTIONS), 3);
}

#[test]
fn a_stage_that_the_cluster_does_not_have_is_named() {
    let server = Server::new(FakeApi::new());
    apply_to(&server, &factory(), &ApplyOptions::default());
    let error = emergency(&server).unwrap_err();
    assert_snapshot!(error, @r#"the delay of web is overruled, but no rebuild could be started: refused (404): admission webhook denied the request: there is no Stage "rebuild-trigger-web""#);
    assert_eq!(server.api().count("POST", PROMOTIONS), 2);
}

#[test]
fn the_rights_of_the_rebuilder_are_enough() {
    let server = filled(json!({}));
    server.api().log.clear();
    emergency(&server).unwrap();
    assert_snapshot!(server.api().log.join("\n"), @"
    GET /apis/kargo.akuity.io/v1alpha1
    GET /api/v1
    PATCH /api/v1/namespaces/imgfac/configmaps/imgfac-overrides
    POST /apis/kargo.akuity.io/v1alpha1/namespaces/imgfac/promotions
    ");
}

fn emergencies(server: &Server, dry_run: bool) -> Vec<Result<Promoted, Error>> {
    let many = ["web", "api", "site"].map(emergency_of);
    run(async {
        let cluster = server.cluster();
        cluster.emergencies(&many, dry_run, &Stop::never()).await
    })
    .unwrap()
}

#[test]
fn one_failure_stops_no_other_image() {
    let server = filled(json!({}));
    server.api().trouble("POST", PROMOTIONS, 2, || {
        Trouble::Answer(Answer::status(409, "AlreadyExists", "already exists"))
    });
    let answers = emergencies(&server, false);
    let good: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(good, [false, true, true]);
    assert_eq!(data(&server), json!({"web": NOW, "api": NOW, "site": NOW}));
}

#[test]
fn nothing_is_attempted_after_credentials_are_refused() {
    let server = filled(json!({}));
    server.api().trouble("POST", PROMOTIONS, 1, || {
        Trouble::Answer(Answer::status(401, "Unauthorized", "expired"))
    });
    let answers = emergencies(&server, false);
    assert_eq!(answers.len(), 1);
    assert!(answers[0].is_err());
    assert_eq!(data(&server), json!({"web": NOW}));
}

#[test]
fn a_dry_run_is_checked_and_leaves_nothing() {
    let server = filled(json!({}));
    let before = server.api().names();
    assert!(emergencies(&server, true).iter().all(Result::is_ok));
    assert_eq!(server.api().names(), before);
    assert_eq!(data(&server), json!({}));
}
