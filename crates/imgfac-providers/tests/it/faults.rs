//! Registries that are slow, broken, or mean harm.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use imgfac_providers::{Options, Registry, RegistryError};
use insta::assert_snapshot;

use crate::fake::{
    Answer, Asked, Fake, MANIFEST, Standing, answer, digest, digest_of, options, password,
    registry, tag,
};

fn good() -> Answer {
    answer(200).with("Docker-Content-Digest", digest("a").as_str())
}

/// The error for a digest, with the address of the server as HOST, and how long was waited.
fn error(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> String {
    let fake = Fake::start(script);
    let (registry, clock) = registry(&fake);
    let error = registry.digest_of("acme/x", &tag(), None).unwrap_err();
    let requests = fake.lines().len();
    let text = format!("{error}; {}", error.remedy()).replace(&fake.host, "HOST");
    format!(
        "{text} | requests: {requests}, waits: {}",
        clock.waits().len()
    )
}

#[test]
fn what_passes_is_tried_again() {
    for status in [429, 500, 502, 503, 504] {
        let fake = Fake::start(move |_, before| match before {
            0 | 1 => answer(status),
            _ => good(),
        });
        let (registry, clock) = registry(&fake);
        assert_eq!(registry.digest_of("x", &tag(), None), Ok(digest("a")));
        assert_eq!(clock.waits().len(), 2, "{status}");
    }
}

#[test]
fn a_registry_says_how_long_to_wait() {
    for after in ["17", "Mon, 23 Nov 2026 12:00:17 GMT"] {
        let fake = Fake::start(move |_, before| match before {
            0 => answer(429).with("Retry-After", after),
            _ => good(),
        });
        let (registry, clock) = registry(&fake);
        assert_eq!(registry.digest_of("x", &tag(), None), Ok(digest("a")));
        assert_eq!(clock.waits(), [17]);
    }
}

#[test]
fn a_registry_that_asks_for_too_long_a_wait_is_left_alone() {
    let fake = Fake::start(|_, _| answer(429).with("Retry-After", "21600"));
    let (registry, clock) = registry(&fake);
    for _ in 0..3 {
        let error = registry.digest_of("x", &tag(), None).unwrap_err();
        let wait = Some(Duration::from_secs(21_600));
        assert!(
            matches!(&error, RegistryError::Limited { wait: asked, .. } if *asked == wait),
            "{error}"
        );
    }
    assert_eq!(fake.lines().len(), 1);
    assert_eq!(clock.waits(), [0; 0]);
}

#[test]
fn all_waits_for_a_registry_have_one_budget() {
    let fake = Fake::start(|_, _| answer(503).with("Retry-After", "50"));
    let (registry, clock) = registry(&fake);
    for _ in 0..5 {
        registry.digest_of("x", &tag(), None).unwrap_err();
    }
    assert_eq!(clock.waits(), [50, 50]);
    assert_eq!(fake.lines().len(), 7);
}

#[test]
fn refusals_say_what_and_what_to_do() {
    let refusal = |status, body: &'static str| error(move |_, _| answer(status).body(body));
    let code = r#"{"errors": [{"code": "DENIED", "message": "hunter2"}]}"#;
    assert_snapshot!(refusal(404, ""), @"HOST has no tag 1 of acme/x; was it deleted or renamed? Dockerfiles that name it do not build any more | requests: 1, waits: 0");
    assert_snapshot!(refusal(403, code), @"HOST does not let us read acme/x (403, asked without credentials); docker login HOST, or is the name of the image right? | requests: 1, waits: 0");
    assert_snapshot!(refusal(429, ""), @"HOST has a limit of requests, and it is reached; try again later; docker login HOST, or a mirror under registries: of imgfac.yaml, gives more | requests: 4, waits: 3");
    assert_snapshot!(refusal(418, "hunter2"), @"HOST answered 418 when asked for tag 1 of acme/x; is a proxy in the way, or is this no registry? | requests: 1, waits: 0");
    assert_snapshot!(refusal(500, "hunter2"), @"HOST answered 500 when asked for tag 1 of acme/x; is a proxy in the way, or is this no registry? | requests: 4, waits: 3");
}

#[test]
fn the_code_of_a_refusal_is_told_and_its_words_are_not() {
    let told = |body: &'static str| {
        let fake = Fake::start(move |_, _| answer(403).body(body));
        let (registry, _) = registry(&fake);
        let error = registry.manifest("x", &digest("a")).unwrap_err();
        error.to_string().replace(&fake.host, "HOST")
    };
    let code = r#"{"errors": [{"code": "DENIED", "message": "hunter2"}]}"#;
    assert_snapshot!(told(code), @"HOST does not let us read x (403 DENIED, asked without credentials)");
    for other in [
        r#"{"errors": [{"code": "hunter2\u001b[2J"}]}"#,
        r#"{"errors": []}"#,
        "<html>hunter2",
    ] {
        assert_eq!(
            told(other),
            "HOST does not let us read x (403, asked without credentials)"
        );
    }
}

#[test]
fn answers_of_no_registry_are_refused() {
    let page = |body: &'static str| error(move |_, _| answer(200).body(body));
    assert_snapshot!(page("<html>log in</html>"), @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: this is no manifest: line 1, column 1; is a proxy in the way, or is this no registry? | requests: 2, waits: 0");
    let lie = error(|asked, _| match asked.line.starts_with("HEAD") {
        true => answer(200),
        false => good().body(MANIFEST),
    });
    assert_snapshot!(lie, @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: its content has another digest than it should; is a proxy in the way, or is this no registry? | requests: 2, waits: 0");
    assert_snapshot!(error(|_, _| answer(304)), @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: nothing was known before; is a proxy in the way, or is this no registry? | requests: 2, waits: 0");
    let junk = error(|_, _| answer(200).with("Docker-Content-Digest", "sha256:../../etc"));
    assert_snapshot!(junk, @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: this is no manifest: line 1, column 0; is a proxy in the way, or is this no registry? | requests: 2, waits: 0");
}

#[test]
fn huge_answers_are_not_read() {
    let announced = error(|_, _| answer(200).with("content-length", 1u64 << 40));
    assert_snapshot!(announced, @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: it is longer than 4194304 bytes; is a proxy in the way, or is this no registry? | requests: 2, waits: 0");
    let endless = error(|_, _| {
        let mut body = b"7fffffff\r\n".to_vec();
        body.resize(6 << 20, b' ');
        answer(200).with("transfer-encoding", "chunked").body(body)
    });
    assert_snapshot!(endless, @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: it is longer than 4194304 bytes; is a proxy in the way, or is this no registry? | requests: 2, waits: 0");
}

#[test]
fn a_registry_that_is_gone_is_asked_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let clock = Arc::new(Standing::default());
    let options = Options {
        insecure: [host.clone()].into(),
        ..options(&[], &clock)
    };
    let registry = Registry::new(&host, options).unwrap();
    for _ in 0..5 {
        let error = registry.digest_of("x", &tag(), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{host} cannot be reached: Connection refused (os error 111)")
        );
    }
    assert_eq!(clock.waits().len(), 3);
}

#[test]
fn redirects_end() {
    let circle = error(|asked, _| {
        let path = asked.line.split(' ').nth(1).unwrap_or_default();
        answer(307).with("location", path)
    });
    assert_snapshot!(circle, @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: it leads in a circle, or too far; is a proxy in the way, or is this no registry? | requests: 6, waits: 0");
    let plain = error(|_, _| answer(307).with("location", "http://plain.example.com/x"));
    assert_snapshot!(plain, @r#"HOST leads to plain.example.com without encryption; if that is meant: registries: {"plain.example.com": {insecure: true}} of imgfac.yaml | requests: 1, waits: 0"#);
    let file = error(|_, _| answer(307).with("location", "file:///etc/passwd"));
    assert_snapshot!(file, @"HOST answered 307 when asked for tag 1 of acme/x; is a proxy in the way, or is this no registry? | requests: 1, waits: 0");
}

#[test]
fn credentials_stay_at_their_host() {
    let elsewhere = Fake::start(|_, _| answer(200).body(MANIFEST));
    let target = elsewhere.url("/blob");
    let fake = Fake::start(move |asked, _| match asked.header("authorization") {
        None => answer(401).with("WWW-Authenticate", "Basic realm=\"x\""),
        Some(_) => answer(307).with("location", &target),
    });
    let clock = Arc::new(Standing::default());
    let options = Options {
        credentials: Arc::new(|_| Ok(password())),
        ..options(&[&fake, &elsewhere], &clock)
    };
    let registry = Registry::new(&fake.host, options).unwrap();
    registry.manifest("x", &digest_of(MANIFEST)).unwrap();
    let basic = fake.requests()[1]
        .header("authorization")
        .map(str::to_owned);
    assert_eq!(basic.as_deref(), Some("Basic YWRhOmh1bnRlcjI="));
    let led = elsewhere.requests();
    assert_eq!(led.len(), 1);
    assert_eq!(led[0].header("authorization"), None);
    assert_eq!(led[0].header("referer"), None);
}

#[test]
fn plain_http_is_not_spoken_unless_allowed() {
    let fake = Fake::start(|_, _| good());
    let clock = Arc::new(Standing::default());
    let registry = Registry::new(&fake.host, options(&[], &clock)).unwrap();
    let error = registry.digest_of("x", &tag(), None).unwrap_err();
    assert!(
        matches!(error, RegistryError::Unreachable { .. }),
        "{error}"
    );
    assert!(
        fake.lines().iter().all(|line| !line.contains("/v2/")),
        "{:?}",
        fake.lines()
    );
}
