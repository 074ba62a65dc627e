//! Lists of tags, and when they were built.

use std::sync::Arc;

use imgfac_providers::{Options, Registry, RegistryError};

use crate::fake::{Asked, Fake, Standing, answer, digest_of, options, registry, tag};

/// The tags that a list leads to.
fn tags(fake: &Fake) -> Result<String, RegistryError> {
    let tags = registry(fake).0.tags("acme/x")?;
    let tags: Vec<&str> = tags.iter().map(|tag| tag.as_str()).collect();
    Ok(tags.join(" "))
}

/// Which page is asked for: what follows `last=`.
fn page(asked: &Asked) -> &str {
    asked.line.split_once("last=").map_or("", |(_, page)| page)
}

#[test]
fn pages_are_read_to_the_last() {
    let fake = Fake::start(|asked, _| {
        match page(asked) {
        "" => answer(200)
            .with("Link", "</v2/acme/x/tags/list?n=2&last=2>; rel=\"next\"")
            .body(r#"{"name": "acme/x", "tags": ["2", "1"]}"#),
        // An address in whole, and another relation before it.
        "2" => answer(200)
            .with("Link", "<https://elsewhere.invalid/>; rel=prev, <https://elsewhere.invalid/v2/y/tags/list?last=3>; rel=next")
            .body(r#"{"tags": ["3"]}"#),
        _ => answer(200).body(r#"{"tags": null}"#),
    }
    });
    assert_eq!(tags(&fake).unwrap(), "1 2 3");
    assert_eq!(
        fake.lines(),
        [
            "GET /v2/acme/x/tags/list?n=1000",
            "GET /v2/acme/x/tags/list?n=2&last=2",
            "GET /v2/acme/x/tags/list?last=3",
        ]
    );
}

#[test]
fn signatures_and_what_is_no_tag_are_left_out() {
    let fake = Fake::start(|_, _| {
        answer(200).body(
            r#"{"tags": ["1", "1", "sha256-abc.sig", "sha512-abc", "../x", "a b", "a\u0000", "", "latest"]}"#,
        )
    });
    assert_eq!(tags(&fake).unwrap(), "1 latest");
}

#[test]
fn lists_without_an_end_are_given_up() {
    let fake = Fake::start(|_, before| {
        answer(200)
            .with("Link", format!("<?last={before}>; rel=\"next\""))
            .body(format!(r#"{{"tags": ["t{before}"]}}"#))
    });
    assert!(matches!(
        tags(&fake),
        Err(RegistryError::TooManyTags { .. })
    ));
    assert_eq!(fake.lines().len(), 30);
    let names: Vec<String> = (0..30_001).map(|n| format!("\"{n}\"")).collect();
    let text = format!(r#"{{"tags": [{}]}}"#, names.join(","));
    let fake = Fake::start(move |_, _| answer(200).body(text.clone()));
    assert!(matches!(
        tags(&fake),
        Err(RegistryError::TooManyTags { .. })
    ));
}

#[test]
fn what_is_no_list_is_refused() {
    for text in ["<html>", "[]", r#"{"tags": "1"}"#, r#"{"tags": [1]}"#] {
        let fake = Fake::start(move |_, _| answer(200).body(text));
        let error = tags(&fake).unwrap_err();
        assert!(matches!(error, RegistryError::Unusable { .. }), "{error}");
    }
    let fake = Fake::start(|_, _| answer(404));
    let told = tags(&fake).unwrap_err().to_string();
    assert_eq!(told, format!("{} has no tags of acme/x", fake.host));
}

const CONFIGURATION: &str = r#"{"created": "2026-11-20T08:00:00.5Z"}"#;

#[test]
fn an_image_says_when_it_was_built() {
    let image = format!(
        r#"{{"schemaVersion": 2, "config": {{"digest": "{}"}}, "layers": []}}"#,
        digest_of(CONFIGURATION).as_str()
    );
    let other = r#"{"schemaVersion": 2, "layers": []}"#;
    let entry = |text: &str, platform: &str| {
        let (os, architecture) = platform.split_once('/').unwrap();
        format!(
            r#"{{"digest": "{}", "platform": {{"os": "{os}", "architecture": "{architecture}"}}}}"#,
            digest_of(text).as_str()
        )
    };
    let index = format!(
        r#"{{"schemaVersion": 2, "manifests": [{}, {}]}}"#,
        entry(other, "linux/arm64"),
        entry(&image, "linux/amd64")
    );
    let created = |top: &str| {
        let known = [top, &image, other, CONFIGURATION].map(str::to_owned);
        let fake = Fake::start(move |asked, _| {
            let name = asked.line.rsplit('/').next().unwrap_or_default();
            let found = known.iter().find(|text| digest_of(text).as_str() == name);
            let text = found.unwrap_or(&known[0]);
            answer(200)
                .with("Docker-Content-Digest", digest_of(text).as_str())
                .body(text.clone())
        });
        let created = registry(&fake).0.created("acme/x", &tag()).unwrap();
        created.map(|time| time.to_string())
    };
    let time = Some("2026-11-20T08:00:00.5Z".to_owned());
    assert_eq!(created(&image), time);
    assert_eq!(created(&index), time);
    assert_eq!(created(other), None);
}

#[test]
fn lists_are_bounded_and_cost_no_downloads() {
    let endless = Fake::start(|_, before| {
        answer(200)
            .with("Link", format!("<?last={before}>; rel=\"next\""))
            .body(r#"{"tags": []}"#)
    });
    let clock = Arc::new(Standing::default());
    let options = Options {
        budget: Some(0),
        ..options(&[&endless], &clock)
    };
    let registry = Registry::new(&endless.host, options).unwrap();
    let mut errors: Vec<RegistryError> = (0..70)
        .map(|n| registry.tags(&format!("acme/{n}")).unwrap_err())
        .collect();
    assert!(matches!(
        errors.remove(0),
        RegistryError::TooManyTags { .. }
    ));
    assert!(matches!(errors.pop(), Some(RegistryError::Budget { .. })));
    assert_eq!(endless.lines().len(), 2_000);
}
