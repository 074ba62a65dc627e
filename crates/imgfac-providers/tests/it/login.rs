//! Logging in, as registries ask for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgfac_providers::{Credentials, Options, Registry, RegistryError, Secret};
use insta::assert_snapshot;

use crate::fake::{
    Answer, Asked, Fake, Standing, answer, digest, options, password, registry, tag,
};

fn good() -> Answer {
    answer(200).with("Docker-Content-Digest", digest("a").as_str())
}

/// A registry that wants a token of the path `/token` beside it.
fn with_tokens(token: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Fake {
    Fake::start(move |asked, _| {
        if asked.line.contains("/token") {
            return token(asked);
        }
        let host = asked.header("host").unwrap_or_default();
        match asked.header("authorization") {
            Some("Bearer t0ken") => good(),
            _ => answer(401).with(
                "WWW-Authenticate",
                format!(
                    "Bearer realm=\"http://{host}/token?x=1\",service=\"a b\",scope=\"repository:secret/all:*\""
                ),
            ),
        }
    })
}

fn client(fake: &Fake, credentials: Credentials) -> Registry {
    let clock = Arc::new(Standing::default());
    let options = Options {
        credentials: Arc::new(move |_| Ok(credentials.clone())),
        ..options(&[fake], &clock)
    };
    Registry::new(&fake.host, options).unwrap()
}

#[test]
fn a_token_is_got_once_for_a_repository_and_only_to_read_it() {
    let fake = with_tokens(|_| answer(200).body(r#"{"token": "t0ken", "expires_in": 60}"#));
    let registry = client(&fake, password());
    for _ in 0..2 {
        assert_eq!(registry.digest_of("acme/x", &tag(), None), Ok(digest("a")));
    }
    assert_snapshot!(fake.lines().join("\n"), @"
    HEAD /v2/acme/x/manifests/1
    GET /token?x=1&service=a+b&scope=repository%3Aacme%2Fx%3Apull
    HEAD /v2/acme/x/manifests/1
    HEAD /v2/acme/x/manifests/1
    ");
    let basic = fake.requests()[1]
        .header("authorization")
        .map(str::to_owned);
    assert_eq!(basic.as_deref(), Some("Basic YWRhOmh1bnRlcjI="));
}

#[test]
fn the_public_gets_a_token_too() {
    let fake = with_tokens(|asked| {
        assert_eq!(asked.header("authorization"), None);
        answer(200).body(r#"{"access_token": "t0ken"}"#)
    });
    let registry = client(&fake, Credentials::Anonymous);
    assert_eq!(registry.digest_of("acme/x", &tag(), None), Ok(digest("a")));
}

#[test]
fn an_identity_token_is_exchanged() {
    let fake = with_tokens(|_| answer(200).body(r#"{"access_token": "t0ken"}"#));
    let registry = client(&fake, Credentials::IdentityToken(Secret::new("r&fresh")));
    assert_eq!(registry.digest_of("x", &tag(), None), Ok(digest("a")));
    let exchange = &fake.requests()[1];
    assert_eq!(exchange.line, "POST /token?x=1");
    assert_eq!(
        exchange.body,
        "service=a+b&scope=repository%3Ax%3Apull&grant_type=refresh_token&client_id=imgfac&refresh_token=r%26fresh"
    );
}

#[test]
fn a_token_that_is_too_old_is_replaced() {
    let number = AtomicUsize::new(0);
    let fake = Fake::start(move |asked, _| {
        let host = asked.header("host").unwrap_or_default();
        if asked.line.contains("/token") {
            let number = number.fetch_add(1, Ordering::Relaxed);
            return answer(200).body(format!(r#"{{"token": "{number}"}}"#));
        }
        // The first token is good for one request.
        match (asked.header("authorization"), asked.line.contains("/2")) {
            (Some("Bearer 0"), false) | (Some("Bearer 1"), _) => good(),
            _ => answer(401).with(
                "WWW-Authenticate",
                format!("Bearer realm=\"http://{host}/token\""),
            ),
        }
    });
    let registry = client(&fake, Credentials::Anonymous);
    let second = imgfac_model::Tag::parse("2").unwrap();
    assert_eq!(registry.digest_of("x", &tag(), None), Ok(digest("a")));
    assert_eq!(registry.digest_of("x", &second, None), Ok(digest("a")));
    let tokens = fake
        .lines()
        .iter()
        .filter(|line| line.contains("token"))
        .count();
    assert_eq!(tokens, 2);
}

#[test]
fn who_may_not_read_is_told_so_and_nothing_is_asked_twice() {
    let refused = |token: fn(&Asked) -> Answer, credentials: Credentials| {
        let fake = with_tokens(token);
        let error = client(&fake, credentials)
            .digest_of("acme/x", &tag(), None)
            .unwrap_err();
        let text = error.to_string().replace(&fake.host, "HOST");
        assert!(!format!("{error:?}{text}").contains("hunter2"));
        format!("{text} | requests: {}", fake.lines().len())
    };
    let wrong = |_: &Asked| answer(200).body(r#"{"token": "hunter2"}"#);
    assert_snapshot!(refused(wrong, password()), @"HOST does not let us read acme/x (401, with the credentials of the Docker configuration) | requests: 3");
    let no = |_: &Asked| {
        answer(401).body(r#"{"errors": [{"code": "UNAUTHORIZED", "message": "hunter2"}]}"#)
    };
    assert_snapshot!(refused(no, password()), @"HOST does not let us read acme/x (401 UNAUTHORIZED, with the credentials of the Docker configuration) | requests: 2");
    assert_snapshot!(refused(no, Credentials::Anonymous), @"HOST does not let us read acme/x (401 UNAUTHORIZED, asked without credentials) | requests: 2");
    let nothing = |_: &Asked| answer(200).body(r#"{"token": null}"#);
    assert_snapshot!(refused(nothing, password()), @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: it gave no token | requests: 2");
    let header = |_: &Asked| answer(200).body(r#"{"token": "a\r\nx-evil: hunter2"}"#);
    assert_snapshot!(refused(header, password()), @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: it gave no token | requests: 2");
    let huge = |_: &Asked| answer(200).body(vec![b'x'; 300 << 10]);
    assert_snapshot!(refused(huge, password()), @"HOST gave an answer that cannot be used when asked for tag 1 of acme/x: it is longer than 262144 bytes | requests: 2");
}

#[test]
fn a_password_is_not_sent_to_a_realm_without_encryption() {
    let thief = Fake::start(|_, _| answer(200).body(r#"{"token": "t0ken"}"#));
    let realm = thief.url("/token");
    let fake = Fake::start(move |_, _| {
        answer(401).with("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
    });
    let error = client(&fake, password())
        .digest_of("x", &tag(), None)
        .unwrap_err();
    assert!(
        matches!(&error, RegistryError::PlainHttp { host, .. } if *host == thief.host),
        "{error}"
    );
    assert!(thief.lines().is_empty());
}

#[test]
fn a_realm_that_is_no_address_is_refused() {
    for realm in ["", "/token", "file:///etc/passwd", "javascript:1"] {
        let fake = Fake::start(move |_, _| {
            answer(401).with("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
        });
        let (registry, _) = registry(&fake);
        let error = registry.digest_of("x", &tag(), None).unwrap_err();
        assert!(
            matches!(
                error,
                RegistryError::Unusable { .. } | RegistryError::PlainHttp { .. }
            ),
            "{realm}: {error}"
        );
    }
}

#[test]
fn a_registry_whose_credentials_cannot_be_got_is_not_asked_again() {
    let fake = with_tokens(|_| answer(200).body(r#"{"token": "t0ken"}"#));
    let clock = Arc::new(Standing::default());
    let options = Options {
        credentials: Arc::new(|_| Err("the credential helper cannot be run".into())),
        ..options(&[&fake], &clock)
    };
    let registry = Registry::new(&fake.host, options).unwrap();
    for _ in 0..2 {
        let error = registry.digest_of("x", &tag(), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "no credentials for {}: the credential helper cannot be run",
                fake.host
            )
        );
    }
    assert_eq!(fake.lines().len(), 1);
}
