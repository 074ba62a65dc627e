//! Many questions to many registries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgfac_model::Reference;
use imgfac_providers::{Question, Registries, RegistryError};

use crate::fake::{Answer, Asked, Fake, Standing, answer, digest, options};

fn question(reference: &str) -> Question {
    Question {
        reference: Reference::parse(reference).unwrap(),
        known: None,
        ours: false,
    }
}

fn settings(
    host: &str,
    settings: imgfac_model::Registry,
) -> BTreeMap<String, imgfac_model::Registry> {
    BTreeMap::from([(host.to_owned(), settings)])
}

/// Every tag is there but `gone`, and every digest but that of `a`.
fn shelf(asked: &Asked, _: usize) -> Answer {
    let gone = asked.line.contains("gone") || asked.line.contains("sha256:aaaa");
    match gone {
        true => answer(404),
        false => answer(200).with("Docker-Content-Digest", digest("b").as_str()),
    }
}

#[test]
fn answers_come_in_the_order_of_the_questions() {
    let (one, two) = (Fake::start(shelf), Fake::start(shelf));
    let clock = Arc::new(Standing::default());
    let registries = Registries::new(&BTreeMap::new(), options(&[&one, &two], &clock));
    let questions: Vec<Question> = (0..40)
        .map(|number| {
            let host = [&one.host, &two.host][number % 2];
            let tag = if number % 5 == 0 { "gone" } else { "1" };
            question(&format!("{host}/acme/x{number}:{tag}"))
        })
        .collect();
    let answered = AtomicUsize::new(0);
    let answers = registries.digests_of(&questions, &|| {
        answered.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(answered.into_inner(), 40);
    assert_eq!(answers.len(), 40);
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Ok(found) => assert!(number % 5 != 0 && *found == digest("b")),
            Err(RegistryError::NotFound { repository, .. }) => {
                assert_eq!(*repository, format!("acme/x{number}"));
                assert_eq!(number % 5, 0);
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(registries.digests_of(&[], &|| ()), []);
}

#[test]
fn a_digest_that_vanished_is_told() {
    let fake = Fake::start(shelf);
    let clock = Arc::new(Standing::default());
    let registries = Registries::new(&BTreeMap::new(), options(&[&fake], &clock));
    let ask = |rest: String| {
        let reference = Reference::parse(&format!("{}/acme/x{rest}", fake.host)).unwrap();
        registries.digest_of(&reference, None)
    };
    for tag in ["", ":1"] {
        let error = ask(format!("{tag}@{}", digest("a").as_str())).unwrap_err();
        assert!(matches!(error, RegistryError::Vanished { .. }), "{error}");
    }
    let tag = |known: Option<imgfac_model::Digest>| {
        let question = Question {
            known,
            ..question(&format!("{}/acme/x:gone", fake.host))
        };
        let mut answers = registries.digests_of(&[question], &|| ());
        answers.pop().unwrap().unwrap_err().to_string()
    };
    let host = &fake.host;
    assert_eq!(tag(None), format!("{host} has no tag gone of acme/x"));
    let known = tag(Some(digest("a")));
    assert_eq!(known, format!("tag gone of acme/x vanished from {host}"));
    assert_eq!(ask(format!("@{}", digest("c").as_str())), Ok(digest("c")));
    assert_eq!(ask(format!(":1@{}", digest("c").as_str())), Ok(digest("b")));
}

#[test]
fn a_mirror_is_asked_instead_and_never_gets_the_credentials_of_its_origin() {
    let fake = Fake::start(|asked, _| match asked.header("authorization") {
        None => answer(401).with("WWW-Authenticate", "Basic"),
        Some(_) => answer(200),
    });
    let clock = Arc::new(Standing::default());
    let asked_for = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked_for);
    let mut options = options(&[], &clock);
    options.credentials = Arc::new(move |host| {
        noted.lock().unwrap().push(host.to_owned());
        Ok(imgfac_providers::Credentials::Anonymous)
    });
    let mut settings = settings(
        "docker.io",
        imgfac_model::Registry {
            mirror: Some(format!("{}/hub", fake.host)),
            ..Default::default()
        },
    );
    settings.insert(
        fake.host.clone(),
        imgfac_model::Registry {
            insecure: true,
            ..Default::default()
        },
    );
    let registries = Registries::new(&settings, options);
    let node = Reference::parse("node:22").unwrap();
    registries.digest_of(&node, None).unwrap_err();
    assert_eq!(fake.lines(), ["HEAD /v2/hub/library/node/manifests/22"]);
    assert_eq!(
        asked_for.lock().unwrap().as_slice(),
        std::slice::from_ref(&fake.host)
    );
    // What we push ourselves is at its origin before it is at a mirror.
    let origin = Fake::start(shelf);
    let mut settings = BTreeMap::from([(
        origin.host.clone(),
        imgfac_model::Registry {
            mirror: Some(fake.host.clone()),
            insecure: true,
            ..Default::default()
        },
    )]);
    settings.entry(fake.host.clone()).or_default().insecure = true;
    let registries = Registries::new(&settings, self::options(&[], &clock));
    let ours = Question {
        ours: true,
        ..question(&format!("{}/acme/x:1", origin.host))
    };
    assert_eq!(registries.digests_of(&[ours], &|| ()), [Ok(digest("b"))]);
    assert_eq!(origin.lines(), ["HEAD /v2/acme/x/manifests/1"]);
}

#[test]
fn one_registry_that_is_limited_stops_no_other() {
    let limited = Fake::start(|_, _| answer(429).with("Retry-After", "9999"));
    let fine = Fake::start(shelf);
    let clock = Arc::new(Standing::default());
    let registries = Registries::new(&BTreeMap::new(), options(&[&limited, &fine], &clock));
    let questions: Vec<Question> = (0..20)
        .map(|number| {
            question(&format!(
                "{}/x{number}:1",
                [&limited, &fine][number % 2].host
            ))
        })
        .collect();
    let answers = registries.digests_of(&questions, &|| ());
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_ok(), number % 2 == 1, "{answer:?}");
    }
    // Those that were on their way, and no more.
    assert!(limited.lines().len() <= 4, "{:?}", limited.lines());
}
