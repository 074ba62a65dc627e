//! When a tag was pushed: what is asked for, with which password, and what goes wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgfac_model::{PushTimes, Reference};
use imgfac_providers::{Credentials, Options, Registries, RegistryError};
use jiff::Timestamp;

use crate::fake::{Answer, Asked, Fake, Standing, answer, digest, options, password};

/// What a server says that is asked about `PATH:1` and digest b.
fn ask(
    fake: &Fake,
    kind: Option<PushTimes>,
    path: &str,
    credentials: Credentials,
) -> (Registries, Result<Option<Timestamp>, RegistryError>) {
    let options = Options {
        credentials: Arc::new(move |_| Ok(credentials.clone())),
        ..options(&[fake], &Arc::new(Standing::default()))
    };
    let settings = imgfac_model::Registry {
        insecure: true,
        push_times: kind,
        ..imgfac_model::Registry::default()
    };
    let settings = BTreeMap::from([(fake.host.clone(), settings)]);
    let registries = Registries::new(&settings, options);
    let answer = again(&registries, fake, path);
    (registries, answer)
}

fn again(
    registries: &Registries,
    fake: &Fake,
    path: &str,
) -> Result<Option<Timestamp>, RegistryError> {
    let reference = Reference::parse(&format!("{}/{path}:1", fake.host)).unwrap();
    registries.pushed(&reference, &digest("b"), false)
}

fn json(text: &str) -> Answer {
    answer(200).body(text.replace("\"B\"", &format!("{:?}", digest("b").as_str())))
}

#[test]
fn each_kind_of_registry_is_asked_in_its_way() {
    for (kind, path, line, text) in [
        (
            PushTimes::DockerHub,
            "library/node",
            "GET /v2/namespaces/library/repositories/node/tags/1",
            r#"{"digest": "B", "tag_last_pushed": "2026-11-01T00:00:00.0Z"}"#,
        ),
        (
            PushTimes::Google,
            "p/r/node",
            "GET /v2/p/r/node/tags/list?",
            r#"{"manifest": {"B": {"tag": ["1"], "timeUploadedMs": "1793491200000"}}}"#,
        ),
        (
            PushTimes::Harbor,
            "p/r/node",
            "GET /api/v2.0/projects/p/repositories/r%252Fnode/artifacts/1",
            r#"{"digest": "B", "tags": [{"name": "1", "push_time": "2026-11-01T00:00:00.000Z"}]}"#,
        ),
        (
            PushTimes::Quay,
            "acme/node",
            "GET /api/v1/repository/acme/node/tag/?specificTag=1&onlyActiveTags=true",
            r#"{"tags": [{"name": "1", "manifest_digest": "B", "start_ts": 1793491200}]}"#,
        ),
    ] {
        let fake = Fake::start(move |_, _| json(text));
        let (_, found) = ask(&fake, Some(kind), path, password());
        assert_eq!(found, Ok("2026-11-01T00:00:00Z".parse().ok()), "{kind}");
        assert_eq!(fake.lines(), [line]);
    }
}

#[test]
fn what_has_no_time_is_not_asked() {
    let fake = Fake::start(|_, _| answer(500));
    for (kind, path) in [
        (None, "acme/node"),
        (Some(PushTimes::None), "acme/node"),
        // Names that these registries do not have.
        (Some(PushTimes::Harbor), "node"),
        (Some(PushTimes::DockerHub), "node"),
    ] {
        let (_, found) = ask(&fake, kind, path, password());
        assert_eq!(found, Ok(None), "{kind:?}");
    }
    assert_eq!(fake.lines(), [""; 0]);
}

/// The password goes to Harbor where it asks who we are, and to nobody else.
#[test]
fn passwords_go_to_harbor_when_it_wants_them() {
    let closed = |asked: &Asked, _: usize| match asked.header("authorization") {
        Some(_) => {
            json(r#"{"digest": "B", "tags": [{"name": "1", "push_time": "2026-11-01T00:00:00Z"}]}"#)
        }
        None => answer(401),
    };
    let fake = Fake::start(closed);
    let (_, found) = ask(&fake, Some(PushTimes::Harbor), "p/node", password());
    assert!(matches!(found, Ok(Some(_))), "{found:?}");
    let sent: Vec<bool> = fake
        .requests()
        .iter()
        .map(|it| it.header("authorization").is_some())
        .collect();
    assert_eq!(sent, [false, true]);
    for kind in [PushTimes::Quay, PushTimes::DockerHub] {
        let fake = Fake::start(closed);
        let (_, found) = ask(&fake, Some(kind), "p/node", password());
        assert!(
            matches!(found, Err(RegistryError::Denied { .. })),
            "{found:?}"
        );
        assert_eq!(fake.lines().len(), 1, "{kind}");
    }
    let fake = Fake::start(closed);
    let (_, found) = ask(
        &fake,
        Some(PushTimes::Harbor),
        "p/node",
        Credentials::Anonymous,
    );
    assert!(
        matches!(found, Err(RegistryError::Denied { .. })),
        "{found:?}"
    );
}

#[test]
fn it_is_not_asked_again_where_that_goes_wrong() {
    for (reply, asks) in [
        (answer(503), 1),
        (answer(429), 1),
        // What is missing or closed says nothing of others.
        (answer(404), 2),
        (answer(403), 2),
        (answer(200).body("<html>"), 2),
        (answer(200).with("content-length", "99999999"), 2),
    ] {
        let shown = format!("{reply:?}");
        let fake = Fake::start(move |_, _| reply.clone());
        let (registries, found) = ask(&fake, Some(PushTimes::Harbor), "p/node", password());
        assert!(found.is_err(), "{shown}");
        let _ = again(&registries, &fake, "p/other");
        assert_eq!(fake.lines().len(), asks, "{shown}");
    }
}

#[test]
fn a_mirror_is_not_asked_for_its_times() {
    let (mirror, origin) = (
        Fake::start(|_, _| answer(404)),
        Fake::start(|_, _| answer(404)),
    );
    let options = options(&[&mirror, &origin], &Arc::new(Standing::default()));
    let registry = imgfac_model::Registry {
        mirror: Some(mirror.host.clone()),
        ..imgfac_model::Registry::default()
    };
    let settings = |push_times| {
        let registry = imgfac_model::Registry {
            push_times,
            ..registry.clone()
        };
        BTreeMap::from([(origin.host.clone(), registry)])
    };
    let registries = Registries::new(&settings(None), options.clone());
    assert_eq!(again(&registries, &origin, "acme/node"), Ok(None));
    // Unless its origin may be.
    let registries = Registries::new(&settings(Some(PushTimes::Quay)), options);
    assert!(again(&registries, &origin, "acme/node").is_err());
    assert_eq!((mirror.lines().len(), origin.lines().len()), (0, 1));
}
