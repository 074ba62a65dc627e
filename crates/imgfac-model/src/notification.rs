//! Who is told of what: the targets of notifications.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::glob::matches;
use crate::policy::choice;
use crate::settings::is_label;
use crate::source::{Host, WebUrl};
use crate::template::Template;
use crate::text::{InvalidValue, shown, text_newtype};

choice! {
    /// What people are told of.
    NotificationEvent: "event" {
        /// A rebuild was started.
        Started = "started",
        /// A rebuild failed.
        Failed = "failed",
        /// Rebuilds of an image failed three times in a row.
        ThreeStrikes = "three-strikes",
        /// Somebody asked for a rebuild without waiting.
        Emergency = "emergency",
        /// An image lacks an update for longer than it may.
        Stale = "stale",
        /// A registry cannot be asked for more than a day.
        Unreachable = "unreachable",
    }
}

impl NotificationEvent {
    /// Every event.
    pub const EACH: [Self; 6] = [
        Self::Started,
        Self::Failed,
        Self::ThreeStrikes,
        Self::Emergency,
        Self::Stale,
        Self::Unreachable,
    ];
}

choice! {
    /// How a target is told.
    TargetKind: "kind of notification" {
        /// An incoming webhook of Slack.
        Slack = "slack",
        /// Mail by SMTP.
        Email = "email",
        /// JSON by HTTP.
        Webhook = "webhook",
    }
}

choice! {
    /// How a mail server is spoken to.
    MailTls: "tls" {
        /// TLS from the first byte on.
        Tls = "tls",
        /// In clear first, then TLS; never without.
        StartTls = "starttls",
        /// Without encryption.
        None = "none",
    }
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationTarget {
    /// Its name, unique among the targets.
    pub name: TargetName,
    /// How it is told.
    pub channel: Channel,
    /// Of what.
    pub events: BTreeSet<NotificationEvent>,
    /// Of which images; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<NamePattern>,
    /// The wording of titles, one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Template>,
    /// The wording of what stands below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Template>,
}

impl NotificationTarget {
    /// The events that a target is told of which does not say.
    #[must_use]
    pub fn usual_events() -> BTreeSet<NotificationEvent> {
        NotificationEvent::EACH
            .into_iter()
            .filter(|event| *event != NotificationEvent::Started)
            .collect()
    }

    /// How it is told.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        match self.channel {
            Channel::Slack { .. } => TargetKind::Slack,
            Channel::Email(_) => TargetKind::Email,
            Channel::Webhook { .. } => TargetKind::Webhook,
        }
    }
}

/// The way to a target. Secrets are named, and never here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Channel {
    /// An incoming webhook of Slack.
    Slack {
        /// The variable that has its address, which is a secret.
        secret: EnvName,
    },
    /// Mail.
    Email(Box<Email>),
    /// JSON by HTTP.
    Webhook {
        /// Where it goes.
        url: WebUrl,
        /// The variable that has what it is signed with; without one it is not signed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<EnvName>,
    },
}

/// How mail is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Email {
    /// The server, with a port where it is not the usual one.
    pub server: Host,
    /// How it is spoken to.
    pub tls: MailTls,
    /// Who sends.
    pub from: MailAddress,
    /// Who gets it, at least one.
    pub to: Vec<MailAddress>,
    /// Who logs in, and the variable that has the password; `None` does not log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<MailLogin>,
}

/// A login at a mail server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailLogin {
    /// The user.
    pub username: String,
    /// The variable that has the password.
    pub secret: EnvName,
}

impl Email {
    /// The name of the server, and its port: 587 for STARTTLS, 465 for TLS, 25 for neither, if
    /// none is written.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let usual = match self.tls {
            MailTls::StartTls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        };
        match self.server.as_str().split_once(':') {
            Some((host, port)) => (host, port.parse().unwrap_or(usual)),
            None => (self.server.as_str(), usual),
        }
    }

    /// Whether a password would cross a network in clear.
    #[must_use]
    pub fn bares_password(&self) -> bool {
        let (host, _) = self.host_and_port();
        let here = host == "localhost" || host == "127.0.0.1";
        self.login.is_some() && self.tls == MailTls::None && !here
    }
}

text_newtype! {
    /// The name of a target.
    TargetName, check_target_name
}

fn check_target_name(text: &str) -> Result<String, InvalidValue> {
    checked(
        text,
        text.len() <= 50 && is_label(text),
        "name of a target",
        "at most 50 lower-case letters, digits and \"-\", with a letter or digit at both ends",
    )
}

text_newtype! {
    /// The name of an environment variable that holds a secret.
    EnvName, check_env_name
}

fn check_env_name(text: &str) -> Result<String, InvalidValue> {
    let good = text.len() <= 100
        && text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && (text.chars()).all(|c| matches!(c, 'A'..='Z' | '0'..='9' | '_'));
    if good {
        return Ok(text.to_owned());
    }
    // Who mistook this for the place of the secret itself does not want to see it in a log.
    Err(InvalidValue {
        what: "name of an environment variable",
        problem: "it is not shown, since it may be the secret itself".into(),
        expected: "the name of the environment variable that holds the secret: A to Z, 0 to 9 and \"_\", such as SMTP_PASSWORD",
    })
}

text_newtype! {
    /// The name of images, with `*` for any characters.
    NamePattern, check_name_pattern
}

fn check_name_pattern(text: &str) -> Result<String, InvalidValue> {
    let legal = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '*');
    checked(
        text,
        (1..=100).contains(&text.len()) && text.chars().all(legal),
        "name of images",
        "the name of an image, with \"*\" for any characters, such as shop-*",
    )
}

impl NamePattern {
    /// Whether an image is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        matches(self.as_str(), name)
    }
}

text_newtype! {
    /// A mail address, without a name before it.
    MailAddress, check_mail_address
}

fn check_mail_address(text: &str) -> Result<String, InvalidValue> {
    let special = |c: char| "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let good = text.rsplit_once('@').is_some_and(|(user, host)| {
        (1..=64).contains(&user.len())
            && user
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || special(c))
            && !user.starts_with('.')
            && !user.ends_with('.')
            && !user.contains("..")
            && !host.contains(':')
            && Host::new(host).is_ok()
    });
    checked(
        text,
        good && text.len() <= 254,
        "mail address",
        "an address such as platform@example.com, without a name before it",
    )
}

fn checked(
    text: &str,
    good: bool,
    what: &'static str,
    expected: &'static str,
) -> Result<String, InvalidValue> {
    if good {
        return Ok(text.to_owned());
    }
    Err(InvalidValue {
        what,
        problem: shown(text),
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T>(new: impl Fn(&str) -> Result<T, InvalidValue>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(new(text).is_ok(), "{text}");
        }
        for text in bad {
            assert!(new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_and_addresses() {
        check(
            TargetName::new,
            &["ops", "team-a", "1"],
            &["", "Ops", "-a", "a-", "a b", "ä", &"x".repeat(51)],
        );
        check(
            EnvName::new,
            &["SLACK", "_X", "SMTP_PASSWORD_2"],
            &["", "slack", "2X", "A-B", "A B", "A=B", "A\0", "Ä"],
        );
        check(
            NamePattern::new,
            &["*", "shop-*", "*-api", "web"],
            &["", "Shop", "a?b", "a b", "../x"],
        );
        check(
            MailAddress::new,
            &["a@b", "first.last+tag@mail.example.com", "o'neil@x.org"],
            &[
                "",
                "a",
                "@b",
                "a@",
                "a b@c",
                "a@b@c",
                "a@b c",
                "Ada <a@b>",
                "a@b:25",
                "a\r\nX: y@b",
                "a..b@c",
                ".a@b",
                "a.@b",
                "a@-b",
                "\"a\"@b",
                "a@b,c@d",
                "ä@b",
            ],
        );
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        let error = EnvName::new("https://hooks.slack.com/services/hunter2").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn patterns_match_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            let pattern = NamePattern::new(pattern).unwrap();
            assert_eq!(pattern.matches(name), expected, "{pattern} {name}");
        };
        check("shop-*", "shop-api", true);
        check("shop-*", "shop", false);
        check("*", "anything", true);
        check("*api*", "shop-api-2", true);
        check("web", "web", true);
        check("web", "web2", false);
    }

    #[test]
    fn a_password_is_not_sent_in_clear() {
        let email = |server: &str, tls: MailTls| Email {
            server: Host::new(server).unwrap(),
            tls,
            from: MailAddress::new("a@b").unwrap(),
            to: vec![MailAddress::new("c@d").unwrap()],
            login: Some(MailLogin {
                username: "ada".into(),
                secret: EnvName::new("PASSWORD").unwrap(),
            }),
        };
        assert!(email("mail.example.com", MailTls::None).bares_password());
        assert!(!email("mail.example.com", MailTls::StartTls).bares_password());
        assert!(!email("127.0.0.1:2525", MailTls::None).bares_password());
        let ports = [MailTls::StartTls, MailTls::Tls, MailTls::None]
            .map(|tls| email("m", tls).host_and_port().1);
        assert_eq!(ports, [587, 465, 25]);
        assert_eq!(email("m:2525", MailTls::Tls).host_and_port(), ("m", 2525));
    }
}
