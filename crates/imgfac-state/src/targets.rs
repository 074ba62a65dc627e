//! `notifications` of `imgfac.yaml`: who is told of what.

use std::collections::BTreeSet;
use std::str::FromStr;

use imgfac_model::{
    Channel, Code, Diagnostic, Email, EnvName, InvalidValue, MailAddress, MailLogin, MailTls,
    NamePattern, NotificationEvent, NotificationTarget, TargetKind, TargetName, Template,
};
use imgfac_yaml::Node;

use crate::decode::{Decoder, Fields};

/// The keys of a target, whatever its type.
pub(crate) const TARGET_KEYS: &[&str] = &[
    "name", "type", "events", "images", "title", "text", "secret", "url", "server", "tls", "from",
    "to", "username",
];
/// Those that only some types take.
const OF_SLACK: &[&str] = &["secret"];
const OF_WEBHOOK: &[&str] = &["secret", "url"];
const OF_EMAIL: &[&str] = &["secret", "server", "tls", "from", "to", "username"];
/// Those that every type takes.
const OF_ALL: usize = 6;

/// Reads the targets, reporting every mistake; one with a mistake is left out.
pub(crate) fn read(node: &Node, decoder: &mut Decoder<'_>) -> Vec<NotificationTarget> {
    let mut targets: Vec<NotificationTarget> = Vec::new();
    for item in decoder.items(node, "notifications").unwrap_or_default() {
        let Some(mut keys) = decoder.fields(item, "this notification") else {
            continue;
        };
        let target = target(&mut keys, decoder);
        // What somebody took for the key of a secret is shown nowhere.
        for key in keys
            .entries
            .iter()
            .filter(|key| !TARGET_KEYS.contains(&key.key))
        {
            decoder.hide(key.value);
        }
        let named = keys.get("name");
        keys.finish(decoder, TARGET_KEYS);
        let Some(target) = target else { continue };
        if targets.iter().any(|other| other.name == target.name) {
            decoder.error(
                Code::DuplicateName,
                named.unwrap_or(item),
                format!("two notifications are called \"{}\"", target.name),
                "give it a name of its own",
            );
            continue;
        }
        targets.push(target);
    }
    targets
}

fn target(keys: &mut Fields<'_>, decoder: &mut Decoder<'_>) -> Option<NotificationTarget> {
    let name: Option<TargetName> = required(keys, decoder, "name", "platform");
    let events = keys.get("events").map_or_else(
        || Some(NotificationTarget::usual_events()),
        |node| events(node, decoder),
    );
    let images: Option<Vec<NamePattern>> = match keys.get("images") {
        Some(node) => list(node, "images", decoder),
        None => Some(Vec::new()),
    };
    let title = match keys.get("title") {
        Some(node) => title(node, decoder).map(Some),
        None => Some(None),
    };
    let text: Option<Option<Template>> = match keys.get("text") {
        Some(node) => decoder.value(node, "text", &[]).map(Some),
        None => Some(None),
    };
    let kind = match keys.get("type") {
        Some(node) => decoder.value::<TargetKind>(node, "type", TargetKind::ALL),
        None => {
            keys.missing(decoder, "type", "slack");
            None
        }
    };
    let channel = kind.and_then(|kind| channel(kind, keys, decoder));
    // What has no type is a mistake already.
    for key in TARGET_KEYS {
        keys.raw(key);
    }
    Some(NotificationTarget {
        name: name?,
        channel: channel?,
        events: events?,
        images: images?,
        title: title?,
        text: text?,
    })
}

fn title(node: &Node, decoder: &mut Decoder<'_>) -> Option<Template> {
    let title: Template = decoder.value(node, "title", &[])?;
    if title.has_lines() {
        decoder.error(
            Code::InvalidValue,
            node,
            "the title has more than one line",
            "expected one line; what else there is to say belongs into text",
        );
        return None;
    }
    Some(title)
}

fn channel(kind: TargetKind, keys: &mut Fields<'_>, decoder: &mut Decoder<'_>) -> Option<Channel> {
    let secret: Option<EnvName> = match keys.get("secret") {
        Some(node) => match decoder.value(node, "secret", &[]) {
            Some(secret) => Some(secret),
            // It may be the secret itself.
            None => {
                decoder.hide(node);
                return None;
            }
        },
        None => None,
    };
    let (taken, channel) = match kind {
        TargetKind::Slack => (OF_SLACK, slack(secret, keys, decoder)),
        TargetKind::Webhook => {
            let url = required(keys, decoder, "url", "https://ops.example.com/hook");
            (OF_WEBHOOK, url.map(|url| Channel::Webhook { url, secret }))
        }
        TargetKind::Email => (OF_EMAIL, email(secret, keys, decoder)),
    };
    for key in TARGET_KEYS
        .iter()
        .skip(OF_ALL)
        .filter(|key| !taken.contains(key))
    {
        let Some(at) = keys.key_span(key) else {
            continue;
        };
        let message = format!("{key} has no effect with type {kind}");
        let unused = Diagnostic::warning(Code::UnusedKey, message, decoder.span(at), "not used");
        decoder.push(match (kind, *key) {
            (TargetKind::Slack, "url") => unused.with_help(
                "the address is a secret: secret names the environment variable that holds it",
            ),
            _ => unused,
        });
    }
    channel
}

fn slack(
    secret: Option<EnvName>,
    keys: &mut Fields<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Channel> {
    if let Some(node) = keys.get("url") {
        decoder.hide(node);
    }
    if secret.is_none() {
        keys.missing(decoder, "secret", "PLATFORM_SLACK");
    }
    secret.map(|secret| Channel::Slack { secret })
}

fn email(
    secret: Option<EnvName>,
    keys: &mut Fields<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Channel> {
    let server = required(keys, decoder, "server", "smtp.example.com:587");
    let tls = match keys.get("tls") {
        Some(node) => decoder.value(node, "tls", MailTls::ALL),
        None => Some(MailTls::StartTls),
    };
    let from = required(keys, decoder, "from", "imgfac@example.com");
    let to: Option<Vec<MailAddress>> = match keys.get("to") {
        Some(node) => list(node, "to", decoder),
        None => {
            keys.missing(decoder, "to", "[platform@example.com]");
            None
        }
    };
    let username = keys.get("username");
    let login = match (username, secret) {
        (None, None) => None,
        (Some(node), Some(secret)) => Some(MailLogin {
            username: username_of(node, decoder)?,
            secret,
        }),
        (Some(_), None) => {
            keys.missing(decoder, "secret", "SMTP_PASSWORD");
            return None;
        }
        (None, Some(_)) => {
            keys.missing(decoder, "username", "imgfac");
            return None;
        }
    };
    let email = Email {
        server: server?,
        tls: tls?,
        from: from?,
        to: to?,
        login,
    };
    if let Some(node) = keys.get("tls").filter(|_| email.bares_password()) {
        decoder.error(
            Code::InvalidValue,
            node,
            "the password would cross the network without encryption",
            "expected starttls or tls, or neither username nor secret",
        );
        return None;
    }
    Some(Channel::Email(Box::new(email)))
}

fn username_of(node: &Node, decoder: &mut Decoder<'_>) -> Option<String> {
    let text = decoder.text(node, "username")?;
    if text.is_empty() || text.len() > 250 || text.contains(char::is_control) {
        decoder.error(
            Code::InvalidValue,
            node,
            "invalid username",
            "expected 1 to 250 characters without control characters",
        );
        return None;
    }
    Some(text.to_owned())
}

fn events(node: &Node, decoder: &mut Decoder<'_>) -> Option<BTreeSet<NotificationEvent>> {
    let items = filled(node, "events", decoder)?;
    let events: Vec<_> = items
        .iter()
        .map(|item| decoder.value(item, "event", NotificationEvent::ALL))
        .collect();
    events.into_iter().collect()
}

/// A list of values; `None` when one of them is wrong.
fn list<T: FromStr<Err = InvalidValue>>(
    node: &Node,
    what: &str,
    decoder: &mut Decoder<'_>,
) -> Option<Vec<T>> {
    let items = filled(node, what, decoder)?;
    let values: Vec<_> = items
        .iter()
        .map(|item| decoder.value(item, what, &[]))
        .collect();
    values.into_iter().collect()
}

/// The items of a list that has some.
fn filled<'n>(node: &'n Node, what: &str, decoder: &mut Decoder<'_>) -> Option<&'n [Node]> {
    let items = decoder.items(node, what)?;
    if items.is_empty() {
        let message = format!("{what} is an empty list");
        decoder.error(
            Code::InvalidValue,
            node,
            message,
            "expected at least one item",
        );
        return None;
    }
    Some(items)
}

fn required<T: FromStr<Err = InvalidValue>>(
    keys: &mut Fields<'_>,
    decoder: &mut Decoder<'_>,
    key: &str,
    example: &str,
) -> Option<T> {
    if keys.get(key).is_none() {
        keys.missing(decoder, key, example);
    }
    keys.value(decoder, key)
}
