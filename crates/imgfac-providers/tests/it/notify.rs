//! Messages for Slack and webhooks; mail is tested with the program.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use imgfac_model::{Channel, Email, EnvName, MailTls, NotificationTarget, TargetName};
use imgfac_notify::{Delivery, Event, Message, concerned, deliveries};
use imgfac_providers::{Clock, Delivered, NotifyError, NotifyOptions, Secret, send_all, signature};

use crate::fake::{Answer, Asked, Fake, Standing, answer};

const NOW: &str = "2026-11-23T12:00:00Z";

fn target(name: &str, channel: Channel) -> NotificationTarget {
    NotificationTarget {
        name: TargetName::new(name).unwrap(),
        channel,
        events: NotificationTarget::usual_events(),
        images: Vec::new(),
        title: None,
        text: None,
    }
}

fn slack(name: &str, variable: &str) -> NotificationTarget {
    let secret = EnvName::new(variable).unwrap();
    target(name, Channel::Slack { secret })
}

fn webhook(name: &str, url: &str, variable: Option<&str>) -> NotificationTarget {
    let url = url.parse().unwrap();
    let secret = variable.map(|name| EnvName::new(name).unwrap());
    target(name, Channel::Webhook { url, secret })
}

/// Sends what happened, with secrets by the names of their variables; gives what came of it and the
/// waits.
fn send(
    targets: &[NotificationTarget],
    events: &[Event],
    secrets: &[(&str, &str)],
) -> (Vec<Delivered>, Vec<u64>) {
    let news = concerned(targets, events);
    let deliveries: Vec<Delivery<'_>> = deliveries(targets, events, &news);
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    let secrets: BTreeMap<String, String> = secrets.iter().map(owned).collect();
    let clock = Arc::new(Standing::default());
    let options = NotifyOptions {
        secret: Arc::new(move |name| secrets.get(name.as_str()).map(Secret::new)),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..NotifyOptions::default()
    };
    let delivered = send_all(&deliveries, &options);
    let said = format!("{delivered:?} {options:?}");
    assert!(!said.contains("hunter2"), "{said}");
    (delivered, clock.waits())
}

fn failures(count: usize) -> Vec<Event> {
    let failure = |n| Event::failed(&format!("image-{n}"), "3f2a", 1, NOW);
    (0..count).map(failure).collect()
}

/// What one target says of one failure, and how often it is asked.
fn error_of(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> (String, usize) {
    let fake = Fake::start(script);
    let targets = [slack("ops", "SLACK")];
    let secret = fake.url("/services/hunter2");
    let (delivered, _) = send(&targets, &failures(1), &[("SLACK", &secret)]);
    let error = delivered[0].error.as_ref().map(|error| {
        let remedy = error.remedy();
        assert!(!remedy.contains("hunter2"), "{remedy}");
        error.to_string().replace(&fake.host, "HOST")
    });
    (error.unwrap_or_default(), fake.lines().len())
}

#[test]
fn a_webhook_gets_json_with_a_signature() {
    let fake = Fake::start(|_, _| answer(204));
    let targets = [webhook("ops", &fake.url("/hook?x=1"), Some("HOOK"))];
    let (delivered, _) = send(&targets, &failures(1), &[("HOOK", "hunter2")]);
    assert_eq!(delivered[0].error, None);
    assert_eq!(delivered[0].keys, ["failed/image-0/3f2a/1"]);
    let [asked] = fake.requests().try_into().unwrap();
    assert_eq!(asked.line, "POST /hook?x=1");
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let expected = signature(&Secret::new("hunter2"), asked.body.as_bytes());
    assert_eq!(
        asked.header("x-imgfac-signature-256"),
        Some(expected.as_str())
    );
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body["version"], 1);
    assert_eq!(body["events"][0]["event"], "failed");
}

#[test]
fn a_webhook_without_a_secret_is_not_signed() {
    let fake = Fake::start(|_, _| answer(200));
    let targets = [webhook("ops", &fake.url("/hook"), None)];
    assert_eq!(send(&targets, &failures(1), &[]).0[0].error, None);
    assert_eq!(fake.requests()[0].header("x-imgfac-signature-256"), None);
}

#[test]
fn slack_gets_blocks_at_its_secret_address() {
    let fake = Fake::start(|_, _| answer(200).body("ok"));
    let secret = fake.url("/services/T/B/hunter2");
    let (delivered, _) = send(
        &[slack("ops", "SLACK")],
        &failures(2),
        &[("SLACK", &secret)],
    );
    assert_eq!((delivered[0].sent, &delivered[0].error), (2, &None));
    assert_eq!(fake.lines(), ["POST /services/T/B/hunter2"; 2]);
    let body: serde_json::Value = serde_json::from_str(&fake.requests()[0].body).unwrap();
    assert_eq!(body["blocks"][0]["text"]["type"], "mrkdwn");
    assert_eq!(body["text"], "image-0: rebuild failed");
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_not() {
    assert_eq!(
        error_of(|_, before| answer(if before < 2 { 503 } else { 200 })),
        (String::new(), 3)
    );
    for (status, body, error, times) in [
        (500, "", "HOST answered 500", 3),
        (429, "", "HOST answered 429", 3),
        (
            400,
            "invalid_payload",
            "HOST answered 400 invalid_payload",
            1,
        ),
        (404, "no_service\n", "HOST answered 404 no_service", 1),
        (403, "token hunter2", "HOST answered 403", 1),
        (403, "\u{1b}[2J", "HOST answered 403", 1),
    ] {
        let answered = error_of(move |_, _| answer(status).body(body));
        assert_eq!(answered, (error.to_owned(), times));
    }
    let huge = error_of(|_, _| answer(400).body("x".repeat(5 << 20)));
    assert_eq!(huge, ("HOST answered 400".to_owned(), 1));
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Fake::start(|_, _| answer(200));
    let to = other.url("/elsewhere");
    for status in [301, 302, 307, 308] {
        let to = to.clone();
        let answered = error_of(move |_, _| answer(status).with("Location", &to));
        assert_eq!(answered, (format!("HOST leads elsewhere ({status})"), 1));
    }
    assert_eq!(other.lines(), [""; 0]);
}

#[test]
fn a_server_says_when_to_come_back() {
    let fake = Fake::start(|_, _| answer(429).with("Retry-After", 7));
    let secret = fake.url("/");
    let (_, waits) = send(
        &[slack("ops", "SLACK")],
        &failures(1),
        &[("SLACK", &secret)],
    );
    assert_eq!(waits, [7, 7]);
    // What would take too long is not waited for.
    let fake = Fake::start(|_, _| answer(429).with("Retry-After", 7_000));
    let secret = fake.url("/");
    let (_, waits) = send(
        &[slack("ops", "SLACK")],
        &failures(1),
        &[("SLACK", &secret)],
    );
    assert_eq!(waits.len(), 0);
}

#[test]
fn one_target_does_not_stop_another() {
    let broken = Fake::start(|_, before| answer(if before == 0 { 200 } else { 400 }));
    let good = Fake::start(|_, _| answer(200));
    let targets = [
        slack("unset", "UNSET"),
        slack("no-address", "TOKEN"),
        // Nobody listens there.
        webhook("closed", "http://127.0.0.1:1/", None),
        webhook("broken", &broken.url("/"), None),
        webhook("good", &good.url("/"), None),
    ];
    let (delivered, _) = send(&targets, &failures(3), &[("TOKEN", "hunter2")]);
    let of = |name: &str| delivered.iter().find(|one| one.target == name).unwrap();
    assert!(matches!(
        of("unset").error,
        Some(NotifyError::NoSecret { .. })
    ));
    assert!(matches!(
        of("no-address").error,
        Some(NotifyError::NoAddress { .. })
    ));
    assert!(matches!(
        of("closed").error,
        Some(NotifyError::Unreachable { .. })
    ));
    assert_eq!((of("broken").sent, broken.lines().len()), (1, 2));
    assert_eq!((of("good").sent, &of("good").error), (3, &None));
    let keys = Delivered::keys_of(&delivered);
    assert_eq!(keys.keys().collect::<Vec<_>>(), ["broken", "good"]);
    assert_eq!((keys["broken"].len(), keys["good"].len()), (1, 3));
}

#[test]
fn a_mail_server_that_says_nothing_is_not_waited_for() {
    // It takes the connection, and that is all.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    let address = |text: &str| text.parse().unwrap();
    let email = Email {
        server: server.parse().unwrap(),
        tls: MailTls::None,
        from: address("a@example.com"),
        to: vec![address("b@example.com")],
        login: None,
    };
    let target = target("mail", Channel::Email(Box::new(email)));
    let deliveries = [Delivery {
        target: &target,
        messages: vec![Message::test(&target)],
    }];
    let options = NotifyOptions {
        timeout: Duration::from_millis(200),
        ..NotifyOptions::default()
    };
    let [delivered] = send_all(&deliveries, &options).try_into().unwrap();
    let reason = "it does not answer in time".to_owned();
    let expected = NotifyError::Unreachable {
        host: server,
        reason,
    };
    assert_eq!(delivered.error, Some(expected));
}

#[test]
fn a_webhook_that_takes_the_message_and_says_nothing_is_told_once() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let target = webhook("ops", &format!("http://{host}/"), None);
    let deliveries = [Delivery {
        target: &target,
        messages: vec![Message::test(&target)],
    }];
    let options = NotifyOptions {
        timeout: Duration::from_millis(200),
        ..NotifyOptions::default()
    };
    let [delivered] = send_all(&deliveries, &options).try_into().unwrap();
    let reason = "it does not answer in time".to_owned();
    let expected = NotifyError::Unreachable { host, reason };
    assert_eq!(delivered.error, Some(expected));
    silent.set_nonblocking(true).unwrap();
    let connections = std::iter::from_fn(|| silent.accept().ok()).count();
    assert_eq!(connections, 1);
}

#[test]
fn a_secret_address_is_only_used_with_encryption() {
    for (address, safe) in [
        ("http://hooks.example.com/hunter2", false),
        ("ftp://127.0.0.1/hunter2", false),
        ("file:///hunter2", false),
        ("hunter2", false),
        ("", false),
        // These go on, and find nobody.
        ("https://127.0.0.1:1/hunter2", true),
        ("http://127.0.0.1:1/hunter2", true),
    ] {
        let (delivered, _) = send(&[slack("ops", "S")], &failures(1), &[("S", address)]);
        let error = delivered[0].error.clone().unwrap();
        let went_on = matches!(error, NotifyError::Unreachable { .. });
        assert_eq!(went_on, safe, "{address}: {error}");
    }
}
