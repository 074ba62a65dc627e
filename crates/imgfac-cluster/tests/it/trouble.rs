//! Servers that fail, refuse, or go away.

use std::time::Duration;

use imgfac_cluster::{
    Applied, ApplyOptions, DEFAULT_RETRY, Error, Options, Outcome, RequestError, Retry, Stop,
};
use insta::assert_snapshot;
use tokio::time::Instant;

use crate::apply::told;
use crate::cluster::{Server, factory, ours, run};
use crate::fake::{Answer, FakeApi, Trouble};

const WEB: &str = "/warehouses/web";

/// Applies the factory; gives the report and the seconds that it waited.
fn apply(server: &Server, options: Options) -> (Applied, u64) {
    run(async {
        let start = Instant::now();
        let applied = server
            .cluster_with(options)
            .apply(&factory(), &ApplyOptions::default(), &Stop::never())
            .await
            .unwrap();
        (applied, start.elapsed().as_secs())
    })
}

fn failing(code: u16, retry_after: Option<u64>) -> impl Fn() -> Trouble + Send + 'static {
    move || {
        Trouble::Answer(Answer {
            retry_after,
            ..Answer::status(code, "ServiceUnavailable", "etcd has no leader")
        })
    }
}

/// A server on which the Warehouse has some trouble.
fn troubled(times: usize, trouble: impl Fn() -> Trouble + Send + 'static) -> Server {
    let mut api = FakeApi::new();
    api.trouble("PATCH", WEB, times, trouble);
    Server::new(api)
}

#[test]
fn a_server_that_recovers_is_asked_again() {
    for code in [429, 500, 502, 503, 504] {
        let server = troubled(3, failing(code, None));
        let (applied, waited) = apply(&server, Options::default());
        assert_eq!(applied.counts().created, 6, "{code}: {}", told(&applied));
        assert_eq!(server.api().count("PATCH", WEB), 4);
        assert!(
            (3..=7).contains(&waited),
            "0.5 + 1 + 2 s, and up to as much again: {waited}"
        );
    }
}

#[test]
fn a_lost_connection_is_made_again() {
    let server = troubled(2, || Trouble::Lost);
    let (applied, _) = apply(&server, Options::default());
    assert_eq!(applied.counts().created, 6, "{}", told(&applied));
    assert_eq!(server.api().count("PATCH", WEB), 3);
}

#[test]
fn an_object_that_a_controller_writes_meanwhile_is_applied_again() {
    let server = troubled(2, || {
        Trouble::Answer(Answer::status(
            409,
            "Conflict",
            "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version",
        ))
    });
    let (applied, _) = apply(&server, Options::default());
    assert_eq!(applied.counts().created, 6, "{}", told(&applied));
    assert_eq!(server.api().count("PATCH", WEB), 3);
}

#[test]
fn a_list_that_fails_concerns_its_kind_only() {
    let mut api = FakeApi::new();
    api.trouble("GET", "/warehouses", 9, failing(500, None));
    let server = Server::new(api);
    let (applied, _) = apply(&server, Options::default());
    assert_eq!((applied.counts().created, applied.counts().failed), (5, 1));
    assert_eq!(server.api().count("PATCH", WEB), 0);
}

#[test]
fn the_server_says_how_long_to_wait() {
    let server = troubled(2, failing(429, Some(40)));
    let (applied, waited) = apply(&server, Options::default());
    assert_eq!(applied.counts().created, 6);
    assert_eq!(waited, 80);
}

#[test]
fn waiting_has_an_end() {
    let server = troubled(9, failing(503, None));
    let (applied, _) = apply(&server, Options::default());
    assert_eq!(server.api().count("PATCH", WEB), 5);
    assert_snapshot!(told(&applied), @"
    namespace imgfac: created
    project imgfac: created
    projectconfig imgfac: created
    Warehouse web: failed: the server failed (503), attempt 5: etcd has no leader
    configmap imgfac-overrides: created
    stage analyze-web: created
    ");
}

#[test]
fn all_waits_of_a_run_share_a_budget() {
    let server = troubled(9, failing(503, Some(40)));
    let options = Options {
        retry: Retry {
            budget: Duration::from_secs(100),
            ..DEFAULT_RETRY
        },
        ..Options::default()
    };
    let (applied, waited) = apply(&server, options);
    assert_eq!(applied.counts().failed, 1);
    assert_eq!(server.api().count("PATCH", WEB), 3);
    assert_eq!(waited, 80);
}

#[test]
fn a_cluster_that_goes_away_ends_the_run() {
    let server = troubled(99, || Trouble::Lost);
    let one_by_one = Options {
        concurrency: 1,
        ..Options::default()
    };
    let (applied, _) = apply(&server, one_by_one);
    assert_snapshot!(told(&applied), @"
    namespace imgfac: created
    project imgfac: created
    projectconfig imgfac: created
    Warehouse web: failed: no connection, attempt 5: connection reset by peer
    ConfigMap imgfac-overrides: not attempted: no connection, attempt 5: connection reset by peer
    Stage analyze-web: not attempted: no connection, attempt 5: connection reset by peer
    ");
}

#[test]
fn a_cluster_that_never_answers_is_an_error() {
    let mut api = FakeApi::new();
    api.trouble("GET", "", 99, || Trouble::Lost);
    let server = Server::new(api);
    let error = server
        .apply(&factory(), &ApplyOptions::default())
        .unwrap_err();
    assert_snapshot!(error, @"no connection, attempt 5: connection reset by peer");
    assert_snapshot!(error.remedy().unwrap(), @"is this the right cluster? choose another with --context or KUBECONFIG");
}

#[test]
fn a_missing_permission_is_named() {
    let server = troubled(9, || {
        Trouble::Answer(Answer::status(
            403,
            "Forbidden",
            r#"warehouses.kargo.akuity.io "web" is forbidden: User "ci" cannot create resource "warehouses" in API group "kargo.akuity.io" in the namespace "imgfac""#,
        ))
    });
    let (applied, _) = apply(&server, Options::default());
    assert_eq!(applied.counts().created, 5);
    let failed = applied
        .outcomes
        .iter()
        .find_map(|(_, outcome)| match outcome {
            Outcome::Failed(error) => Some(error),
            _ => None,
        });
    let error = failed.unwrap();
    assert_snapshot!(error, @"not allowed to create warehouses.kargo.akuity.io in namespace imgfac");
    assert_snapshot!(error.remedy().unwrap(), @r#"a Role with verb "create" on "warehouses.kargo.akuity.io" allows it"#);
    assert_eq!(
        server.api().count("PATCH", WEB),
        1,
        "asking again would not help"
    );
}

#[test]
fn admission_is_quoted() {
    let server = troubled(9, || {
        Trouble::Answer(Answer::status(
            403,
            "Forbidden",
            r#"admission webhook "warehouse.kargo.akuity.io" denied the request: bad constraint"#,
        ))
    });
    let (applied, _) = apply(&server, Options::default());
    assert_snapshot!(told(&applied), @r#"
    namespace imgfac: created
    project imgfac: created
    projectconfig imgfac: created
    Warehouse web: failed: refused (403): admission webhook "warehouse.kargo.akuity.io" denied the request: bad constraint
    configmap imgfac-overrides: created
    stage analyze-web: created
    "#);
}

#[test]
fn what_a_server_says_of_a_secret_is_not_repeated() {
    let mut api = FakeApi::new();
    api.trouble("PATCH", "/secrets/token", 1, || {
        Trouble::Answer(Answer::status(
            422,
            "Invalid",
            r#"data: Invalid value: "hunter2""#,
        ))
    });
    let server = Server::new(api);
    let mut objects = factory();
    objects.push(ours(
        "v1",
        "Secret",
        "token",
        serde_json::json!({"data": {"token": "hunter2"}}),
    ));
    let applied = crate::apply::apply_to(&server, &objects, &ApplyOptions::default());
    let told = told(&applied);
    assert!(
        told.contains("Secret token: failed: refused (422): Invalid"),
        "{told}"
    );
    assert!(!format!("{applied:?}").contains("hunter2"));
}

#[test]
fn an_answer_of_something_else_is_an_error() {
    let mut api = FakeApi::new();
    api.trouble("GET", "", 1, || {
        Trouble::Answer(Answer::ok("<html>".into()))
    });
    let server = Server::new(api);
    let error = server
        .apply(&factory(), &ApplyOptions::default())
        .unwrap_err();
    assert!(
        matches!(error, Error::Request(RequestError::Answer(_))),
        "{error}"
    );
}

#[test]
fn stopping_ends_a_wait() {
    let server = troubled(9, failing(503, Some(50)));
    let waited = run(async {
        let start = Instant::now();
        let stop = Stop::when(tokio::time::sleep(Duration::from_secs(3)));
        let applied = server
            .cluster()
            .apply(&factory(), &ApplyOptions::default(), &stop)
            .await
            .unwrap();
        assert!(applied.stopped);
        start.elapsed().as_secs()
    });
    assert_eq!(waited, 3);
}
