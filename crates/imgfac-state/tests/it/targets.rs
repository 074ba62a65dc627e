//! `notifications` of imgfac.yaml.

use imgfac_model::{Channel, MailTls};
use imgfac_state::Configuration;
use insta::assert_snapshot;

use crate::configuration::check;

#[test]
fn complete_targets_are_read() {
    let text = "\
notifications:
  - name: platform
    type: slack
    secret: PLATFORM_SLACK
    events: [started, failed]
    images: [shop-*, web]
    title: '{subject}: {what}'
    text: |
      <!here> {reason}
      Run: {run}
  - {name: mail, type: email, server: 'smtp.example.com:587', from: imgfac@example.com, to: [platform@example.com], username: imgfac, secret: SMTP_PASSWORD}
  - {name: local, type: email, server: localhost, tls: none, from: a@b, to: [c@d, e@f]}
  - {name: ops, type: webhook, url: 'https://ops.example.com/hook', secret: OPS_HOOK_SECRET}
  - {name: open, type: webhook, url: 'http://ops.internal/hook'}
staleAfter: 30d
";
    let configuration =
        Configuration::from_texts([("imgfac.yaml".to_owned(), text.as_bytes().to_vec())]);
    assert_eq!(configuration.diagnostics, []);
    let settings = configuration.settings;
    assert_eq!(settings.stale_after.unwrap().to_string(), "30d");
    let [platform, mail, local, ops, open] = settings.notifications.try_into().unwrap();
    assert!(
        matches!(&platform.channel, Channel::Slack { secret } if secret.as_str() == "PLATFORM_SLACK")
    );
    assert_eq!(platform.events.len(), 2);
    assert!(platform.images[0].matches("shop-api"));
    assert_eq!(mail.events.len(), 5);
    let Channel::Email(mail) = mail.channel else {
        panic!()
    };
    assert_eq!(
        (mail.host_and_port(), mail.tls),
        (("smtp.example.com", 587), MailTls::StartTls)
    );
    assert_eq!(mail.login.unwrap().username, "imgfac");
    let Channel::Email(local) = local.channel else {
        panic!()
    };
    assert_eq!((local.to.len(), local.login), (2, None));
    assert!(matches!(
        &ops.channel,
        Channel::Webhook {
            secret: Some(_),
            ..
        }
    ));
    assert!(matches!(
        &open.channel,
        Channel::Webhook { secret: None, .. }
    ));
}

#[test]
fn every_mistake_of_a_target_is_told() {
    assert_snapshot!(check(&[("imgfac.yaml", "\
notifications:
  - {name: Platform, type: slak, secret: hunter2}
  - {type: slack}
  - {name: a, type: slack, secret: A, url: https://hooks.slack.com/services/hunter2, server: x}
  - {name: a, type: webhook, url: ftp://x, secret: A}
  - {name: b, type: webhook, events: [failed, fail], images: ['Shop'], title: '{image}', text: ''}
  - {name: c, type: email, server: https://x, tls: ssl, from: a, to: [b], username: ada}
  - {name: d, type: email, server: x, from: a@b, to: [], secret: P}
  - {name: e, type: email, server: x, tls: none, from: a@b, to: [c@d], secret: P, username: ada}
  - {name: f, type: email, server: x, from: a@b, secret: P, username: \"a\\nb\", password: hunter2}
  - {name: a, type: webhook, url: https://x, title: \"a\\nb\", events: []}
  - {name: a, type: webhook, url: https://x, events: started}
  - {name: a, type: slack, secret: B}
staleAfter: long
")]), @r#"
    imgfac.yaml:2:12 invalid-value invalid name of a target: "Platform" | expected at most 50 lower-case letters, digits and "-", with a letter or digit at both ends
    imgfac.yaml:2:28 invalid-value invalid kind of notification: "slak" | expected one of slack email webhook | help: did you mean "slack"?
    imgfac.yaml:3:5 missing-key this notification has no name | name is required | help: write for example: name: platform
    imgfac.yaml:3:5 missing-key this notification has no secret | secret is required | help: write for example: secret: PLATFORM_SLACK
    imgfac.yaml:4:39 unused-key url has no effect with type slack | not used | help: the address is a secret: secret names the environment variable that holds it
    imgfac.yaml:4:86 unused-key server has no effect with type slack | not used
    imgfac.yaml:5:35 invalid-value invalid address: "ftp://x" | expected https://host/path, without user name and password
    imgfac.yaml:6:5 missing-key this notification has no url | url is required | help: write for example: url: https://ops.example.com/hook
    imgfac.yaml:6:47 invalid-value invalid event: "fail" | expected one of started failed three-strikes emergency stale unreachable
    imgfac.yaml:6:63 invalid-value invalid name of images: "Shop" | expected the name of an image, with "*" for any characters, such as shop-*
    imgfac.yaml:6:79 invalid-value invalid template: {image} stands for nothing | expected text with {event} {subject} {what} {reason} {causes} {run} {attempt} {actor} {nextTry} {since} {cves} {images} {time}, and {{ or }} for braces
    imgfac.yaml:6:96 invalid-value invalid template: it is empty | expected text with {event} {subject} {what} {reason} {causes} {run} {attempt} {actor} {nextTry} {since} {cves} {images} {time}, and {{ or }} for braces
    imgfac.yaml:7:5 missing-key this notification has no secret | secret is required | help: write for example: secret: SMTP_PASSWORD
    imgfac.yaml:7:36 invalid-value invalid host: "https://x" | expected a host name such as github.example.com, without scheme or path
    imgfac.yaml:7:52 invalid-value invalid tls: "ssl" | expected one of tls starttls none
    imgfac.yaml:7:63 invalid-value invalid mail address: "a" | expected an address such as platform@example.com, without a name before it
    imgfac.yaml:7:71 invalid-value invalid mail address: "b" | expected an address such as platform@example.com, without a name before it
    imgfac.yaml:8:5 missing-key this notification has no username | username is required | help: write for example: username: imgfac
    imgfac.yaml:8:54 invalid-value to is an empty list | expected at least one item
    imgfac.yaml:9:44 invalid-value the password would cross the network without encryption | expected starttls or tls, or neither username nor secret
    imgfac.yaml:10:5 missing-key this notification has no to | to is required | help: write for example: to: [platform@example.com]
    imgfac.yaml:10:71 invalid-value invalid username | expected 1 to 250 characters without control characters
    imgfac.yaml:10:79 unknown-key unknown key "password" in this notification | nothing reads this key | help: known keys: name, type, events, images, title, text, secret, url, server, tls, from, to, username
    imgfac.yaml:11:53 invalid-value the title has more than one line | expected one line; what else there is to say belongs into text
    imgfac.yaml:11:69 invalid-value events is an empty list | expected at least one item
    imgfac.yaml:12:54 wrong-type events is text | expected a list (items begin with "- ")
    imgfac.yaml:13:12 duplicate-name two notifications are called "a" | give it a name of its own
    imgfac.yaml:14:13 invalid-value invalid delay: "long" lacks a number before "long" | expected numbers with units ms, s, m, h, d or w, such as 7d, 24h or 1d12h, at most ten years
    images:
    "#);
    assert_snapshot!(check(&[("imgfac.yaml", "notifications: {name: a}\n")]), @r#"
    imgfac.yaml:1:16 wrong-type notifications is a mapping | expected a list (items begin with "- ")
    images:
    "#);
}

#[test]
fn what_may_be_a_secret_is_not_shown_around_a_mistake() {
    let text = "\
notifications:
  - {name: a, type: slack, secret: hunter2, more: x}
  - {name: b, type: slack, secret: B, url: 'https://hooks.slack.com/services/hunter2'}
  - {name: c, type: email, password: hunter2, token: {\"hunter2\": [hunter2]}}
";
    let configuration =
        Configuration::from_texts([("imgfac.yaml".to_owned(), text.as_bytes().to_vec())]);
    let files = &configuration.files;
    for diagnostic in &configuration.diagnostics {
        assert!(
            !format!("{diagnostic:?}").contains("hunter2"),
            "{diagnostic:?}"
        );
        let shown = files.text(diagnostic.labels[0].span.file);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.len(), text.len());
    }
    assert!(configuration.diagnostics.len() > 3);
}
