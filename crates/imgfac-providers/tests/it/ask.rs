//! Digests and manifests of a registry that answers well.

use std::sync::Arc;

use imgfac_providers::{Content, Options, Registry, RegistryError};

use crate::fake::{Fake, MANIFEST, Standing, answer, digest, digest_of, options, registry, tag};

#[test]
fn a_digest_costs_one_request_without_a_body() {
    let fake = Fake::start(|_, _| answer(200).with("Docker-Content-Digest", digest("a").as_str()));
    let (registry, _) = registry(&fake);
    assert_eq!(registry.digest_of("acme/x", &tag(), None), Ok(digest("a")));
    assert_eq!(fake.lines(), ["HEAD /v2/acme/x/manifests/1"]);
    let asked = &fake.requests()[0];
    assert!(
        asked
            .header("accept")
            .unwrap()
            .contains("application/vnd.oci.image.index.v1+json")
    );
    assert_eq!(asked.header("authorization"), None);
}

#[test]
fn a_manifest_is_hashed_where_the_header_is_missing() {
    let fake = Fake::start(|asked, _| {
        let same =
            asked.header("if-none-match") == Some(&format!("\"{}\"", digest_of(MANIFEST).as_str()));
        match same {
            true => answer(304),
            false => answer(200).body(MANIFEST),
        }
    });
    let (registry, _) = registry(&fake);
    let manifest = digest_of(MANIFEST);
    for known in [None, Some(&digest("a")), Some(&manifest)] {
        assert_eq!(
            registry.digest_of("x", &tag(), known),
            Ok(manifest.clone()),
            "{known:?}"
        );
    }
    assert_eq!(
        fake.lines(),
        ["HEAD /v2/x/manifests/1", "GET /v2/x/manifests/1"].repeat(3)
    );
}

#[test]
fn a_manifest_is_what_its_digest_says() {
    let fake = Fake::start(|_, _| answer(200).body(MANIFEST));
    let (registry, _) = registry(&fake);
    let manifest = registry.manifest("x", &digest_of(MANIFEST)).unwrap();
    assert_eq!(manifest.content, Content::Image(Vec::new()));
    let error = registry.manifest("x", &digest("a")).unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unusable { problem, .. } if problem.contains("another digest")),
        "{error}"
    );
}

#[test]
fn no_more_manifests_are_downloaded_than_allowed() {
    let fake = Fake::start(|_, _| answer(200).body(MANIFEST));
    let clock = Arc::new(Standing::default());
    let options = Options {
        budget: Some(2),
        ..options(&[&fake], &clock)
    };
    let registry = Registry::new(&fake.host, options).unwrap();
    let digests = [(); 3].map(|()| registry.digest_of("x", &tag(), None));
    let downloads = fake
        .lines()
        .iter()
        .filter(|line| line.starts_with("GET"))
        .count();
    assert_eq!(downloads, 2);
    assert!(matches!(
        digests,
        [Ok(_), Ok(_), Err(RegistryError::Budget { .. })]
    ));
}

#[test]
fn a_registry_that_says_that_nothing_remains_is_not_asked_for_manifests() {
    let fake = Fake::start(|_, _| {
        answer(200)
            .with("RateLimit-Limit", "100;w=21600")
            .with("RateLimit-Remaining", "0;w=21600")
    });
    let (registry, _) = registry(&fake);
    let error = registry.digest_of("x", &tag(), None).unwrap_err();
    assert!(matches!(error, RegistryError::Budget { .. }), "{error}");
    assert_eq!(fake.lines(), ["HEAD /v2/x/manifests/1"]);
}
