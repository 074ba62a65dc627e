//! Events to messages, for every kind of target.

use imgfac_model::{
    Channel, Email, EnvName, Host, MailAddress, MailTls, NamePattern, NotificationEvent,
    TargetKind, TargetName, Template,
};
use insta::assert_snapshot;

use super::*;
use crate::event::Cause;
use crate::message::Content;

const NOW: &str = "2026-11-23T12:00:00Z";

fn target(kind: TargetKind) -> NotificationTarget {
    NotificationTarget {
        name: TargetName::new(kind.as_str()).unwrap(),
        channel: match kind {
            TargetKind::Slack => Channel::Slack {
                secret: EnvName::new("SLACK").unwrap(),
            },
            TargetKind::Webhook => Channel::Webhook {
                url: "https://ops.example.com/hook".parse().unwrap(),
                secret: None,
            },
            TargetKind::Email => Channel::Email(Box::new(Email {
                server: Host::new("smtp.example.com").unwrap(),
                tls: MailTls::StartTls,
                from: MailAddress::new("a@b").unwrap(),
                to: vec![MailAddress::new("c@d").unwrap()],
                login: None,
            })),
        },
        events: NotificationEvent::EACH.into(),
        images: Vec::new(),
        title: None,
        text: None,
    }
}

fn failure() -> Event {
    Event {
        reason: Some("the workflow ended with failure".into()),
        causes: vec![Cause {
            base: "node-22".into(),
            from: Some(format!("sha256:{}", "a".repeat(64))),
            to: Some(format!("sha256:{}", "b".repeat(64))),
        }],
        run: Some("https://github.com/acme/shop/actions/runs/1?a=1&b=2".into()),
        next_try: Some("2026-11-23T13:00:00Z".into()),
        ..Event::failed("web", "3f2a91c4d5e6f7", 2, NOW)
    }
}

/// The messages about events that are all news, as one text.
fn told(target: NotificationTarget, events: &[Event]) -> String {
    let targets = [target];
    let news = concerned(&targets, events);
    let deliveries = deliveries(&targets, events, &news);
    let messages = deliveries.iter().flat_map(|delivery| &delivery.messages);
    let texts: Vec<String> = messages
        .map(|message| match &message.content {
            Content::Slack(json) | Content::Webhook(json) => {
                let value: serde_json::Value = serde_json::from_str(json).unwrap();
                format!("{value:#}")
            }
            Content::Mail { subject, text } => format!("Subject: {subject}\n\n{text}"),
        })
        .collect();
    texts.join("\n---\n")
}

#[test]
fn a_failure_as_mail() {
    assert_snapshot!(told(target(TargetKind::Email), &[failure()]), @"
    Subject: web: rebuild failed

    the workflow ended with failure
    Bases: node-22 (sha256:aaaaaaaaaaaa to sha256:bbbbbbbbbbbb)
    Attempt: 2
    Next attempt: 2026-11-23T13:00:00Z
    Run: https://github.com/acme/shop/actions/runs/1?a=1&b=2
    ");
}

#[test]
fn a_failure_on_slack() {
    assert_snapshot!(told(target(TargetKind::Slack), &[failure()]), @r#"
    {
      "text": "web: rebuild failed",
      "blocks": [
        {
          "type": "section",
          "text": {
            "type": "mrkdwn",
            "text": "*web: rebuild failed*\nthe workflow ended with failure\nBases: node-22 (sha256:aaaaaaaaaaaa to sha256:bbbbbbbbbbbb)\nAttempt: 2\nNext attempt: 2026-11-23T13:00:00Z\nRun: <https://github.com/acme/shop/actions/runs/1?a=1&amp;b=2>",
            "verbatim": true
          }
        }
      ],
      "link_names": false,
      "unfurl_links": false,
      "unfurl_media": false
    }
    "#);
}

#[test]
fn a_failure_as_json() {
    assert_snapshot!(told(target(TargetKind::Webhook), &[failure()]), @r#"
    {
      "version": 1,
      "title": "web: rebuild failed",
      "text": "the workflow ended with failure\nBases: node-22 (sha256:aaaaaaaaaaaa to sha256:bbbbbbbbbbbb)\nAttempt: 2\nNext attempt: 2026-11-23T13:00:00Z\nRun: https://github.com/acme/shop/actions/runs/1?a=1&b=2",
      "events": [
        {
          "event": "failed",
          "subject": "web",
          "key": "failed/web/3f2a91c4d5e6/2",
          "time": "2026-11-23T12:00:00Z",
          "reason": "the workflow ended with failure",
          "causes": [
            {
              "base": "node-22",
              "from": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
              "to": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
            }
          ],
          "run": "https://github.com/acme/shop/actions/runs/1?a=1&b=2",
          "attempt": 2,
          "nextTry": "2026-11-23T13:00:00Z"
        }
      ]
    }
    "#);
}

#[test]
fn every_kind_has_its_words() {
    let now = NOW.parse().unwrap();
    let since = "2026-10-01T08:30:00Z".parse().unwrap();
    let limit = imgfac_model::Delay::new("30d").unwrap();
    let events = [
        Event::started("web", "3f2a", 1, NOW),
        Event::three_strikes("web", "2026-11-20T00:00:00Z", NOW),
        Event {
            actor: Some("ada".into()),
            reason: Some("OpenSSL".into()),
            cves: vec!["CVE-2026-1".into(), "CVE-2026-2".into()],
            ..Event::emergency("web", NOW, NOW)
        },
        Event::stale("web", since, &limit, now).unwrap(),
        Event {
            images: vec!["web".into(), "api".into()],
            ..Event::unreachable("ghcr.io", since, now).unwrap()
        },
    ];
    assert_snapshot!(told(target(TargetKind::Email), &events), @"
    Subject: web: rebuild started

    Attempt: 1

    ---
    Subject: web: three rebuilds failed in a row

    Since: 2026-11-20T00:00:00Z

    ---
    Subject: web: emergency rebuild

    OpenSSL
    Asked for by: ada
    Vulnerabilities: CVE-2026-1, CVE-2026-2

    ---
    Subject: web: stale

    it lacks an update for longer than 30d
    Since: 2026-10-01T08:30:00Z

    ---
    Subject: ghcr.io: unreachable for more than a day

    Since: 2026-10-01T08:30:00Z
    Images: web, api
    ");
}

#[test]
fn many_are_one_message() {
    let events: Vec<Event> = (0..40)
        .map(|n| Event::failed(&format!("image-{n:02}"), "3f2a", 1, NOW))
        .chain([Event::three_strikes("web", NOW, NOW)])
        .collect();
    assert_snapshot!(told(target(TargetKind::Email), &events[20..27]), @"
    Subject: 7 events: 7 failed

    - image-20: rebuild failed
    - image-21: rebuild failed
    - image-22: rebuild failed
    - image-23: rebuild failed
    - image-24: rebuild failed
    - image-25: rebuild failed
    - image-26: rebuild failed
    ");
    let all = told(target(TargetKind::Email), &events);
    assert!(all.ends_with("and 16 more\n"), "{all}");
    let json = told(target(TargetKind::Webhook), &events);
    assert_eq!(json.matches("\"key\"").count(), 41);
    let five = told(target(TargetKind::Email), &events[..5]);
    assert_eq!(five.matches("Subject: ").count(), 5);
}

#[test]
fn people_choose_the_words() {
    let target = NotificationTarget {
        title: Some(Template::new("<!here> {subject}").unwrap()),
        text: Some(Template::new("{reason} {{{event}}}\nBy {actor}\n{run}").unwrap()),
        ..target(TargetKind::Slack)
    };
    let event = Event {
        reason: Some("<!channel> *boo*".into()),
        ..failure()
    };
    assert_snapshot!(told(target, &[event]), @r#"
    {
      "text": "<!here> web",
      "blocks": [
        {
          "type": "section",
          "text": {
            "type": "mrkdwn",
            "text": "*<!here> web*\n&lt;!channel&gt; ∗boo∗ {failed}\n<https://github.com/acme/shop/actions/runs/1?a=1&amp;b=2>",
            "verbatim": true
          }
        }
      ],
      "link_names": false,
      "unfurl_links": false,
      "unfurl_media": false
    }
    "#);
}

#[test]
fn a_title_is_never_empty() {
    let target = NotificationTarget {
        title: Some(Template::new("{actor}").unwrap()),
        ..target(TargetKind::Email)
    };
    let mail = told(target, &[failure()]);
    assert!(mail.starts_with("Subject: web: rebuild failed\n"), "{mail}");
}

#[test]
fn hostile_texts_stay_text() {
    let hostile = "a\r\nBcc: eve@evil\0\u{1b}]0;x\u{7}\u{202e}<script>\"}]";
    let event = Event {
        reason: Some(hostile.into()),
        run: Some(format!("https://x|{hostile}")),
        actor: Some("x".repeat(100_000)),
        cves: vec![hostile.into(); 1_000],
        images: vec![hostile.into(); 1_000],
        causes: vec![
            Cause {
                base: hostile.into(),
                from: Some(hostile.into()),
                to: None
            };
            1_000
        ],
        ..Event::failed(hostile, hostile, 1, hostile)
    };
    for kind in [TargetKind::Email, TargetKind::Slack, TargetKind::Webhook] {
        let events = [event.clone()];
        let targets = [target(kind)];
        let news = concerned(&targets, &events);
        for message in &deliveries(&targets, &events, &news)[0].messages {
            let (one_line, text) = match &message.content {
                Content::Mail { subject, text } => (subject, text),
                Content::Slack(json) | Content::Webhook(json) => (json, json),
            };
            assert!(!one_line.contains(char::is_control), "{kind}: {one_line}");
            let harmful = |c: char| imgfac_model::is_harmful(c) && c != '\u{2060}';
            assert!(!text.contains(harmful), "{kind}: {text}");
            if kind == TargetKind::Slack {
                assert!(!text.contains("<script>"), "{text}");
            }
            if kind == TargetKind::Email {
                assert!(!text.contains("\nBcc"), "{text}");
                assert!(text.len() < 10_000 && one_line.chars().count() <= 150);
            }
        }
    }
}

#[test]
fn targets_hear_of_what_they_asked_for() {
    let check = |events: &[NotificationEvent], images: &[&str], expected: &[&str]| {
        let target = NotificationTarget {
            events: events.iter().copied().collect(),
            images: (images.iter())
                .map(|name| NamePattern::new(name).unwrap())
                .collect(),
            ..target(TargetKind::Email)
        };
        let now = NOW.parse().unwrap();
        let since = "2026-10-01T08:30:00Z".parse().unwrap();
        let unreachable = Event::unreachable("ghcr.io", since, now).unwrap();
        let all = [
            Event::failed("shop-api", "1", 1, NOW),
            Event::failed("web", "1", 1, NOW),
            Event::started("shop-api", "1", 1, NOW),
            Event {
                images: vec!["web".into()],
                subject: "quay.io".into(),
                ..unreachable.clone()
            },
            unreachable,
        ];
        let keys = concerned(&[target], &all);
        let mut subjects: Vec<&str> = keys["email"]
            .iter()
            .map(|key| key.split('/').nth(1).unwrap())
            .collect();
        subjects.sort_unstable();
        assert_eq!(subjects, expected, "{events:?} {images:?}");
    };
    use NotificationEvent::{Failed, Stale, Started, Unreachable};
    check(&[Failed], &[], &["shop-api", "web"]);
    check(&[Failed], &["shop-*"], &["shop-api"]);
    check(&[Failed, Started], &["shop-*"], &["shop-api", "shop-api"]);
    check(&[Stale], &[], &[]);
    // Whose registry it is may not be known.
    check(&[Unreachable], &["shop-*"], &["ghcr.io"]);
    check(&[Unreachable], &["w*"], &["ghcr.io", "quay.io"]);
}

#[test]
fn what_is_no_news_is_not_told() {
    let targets = [target(TargetKind::Email), target(TargetKind::Slack)];
    let events = [failure(), failure(), Event::started("web", "3f2a", 1, NOW)];
    let news = Keys::from([
        ("email".into(), BTreeSet::from([failure().key()])),
        ("other".into(), BTreeSet::from([failure().key()])),
        ("slack".into(), BTreeSet::new()),
    ]);
    let deliveries = deliveries(&targets, &events, &news);
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0].target.name.as_str(), "email");
    assert_eq!(deliveries[0].messages.len(), 1);
    assert_eq!(deliveries[0].messages[0].keys, [failure().key()]);
}

#[test]
fn a_test_says_that_it_is_one() {
    let Content::Webhook(json) = Message::test(&target(TargetKind::Webhook)).content else {
        panic!("it is a webhook");
    };
    assert_snapshot!(json, @r#"{"version":1,"title":"Test of Image Factory","text":"This is what webhook would be told by. Nothing happened.","test":true,"events":[]}"#);
}
