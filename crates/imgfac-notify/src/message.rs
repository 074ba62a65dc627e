//! Messages as they are sent.

use imgfac_model::{Channel, NotificationTarget};

use crate::event::Event;
use crate::wording::{self, Wording};
use crate::{json, slack};

/// Something that is sent to a target at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The keys of the events in it; none in a test.
    pub keys: Vec<String>,
    /// What is sent.
    pub content: Content,
}

/// What is sent, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The JSON for an incoming webhook of Slack.
    Slack(String),
    /// A mail.
    Mail {
        /// Its subject, one line.
        subject: String,
        /// Its body.
        text: String,
    },
    /// The JSON for a webhook.
    Webhook(String),
}

impl Message {
    /// What a target is told of one event.
    pub(crate) fn of_event(target: &NotificationTarget, event: &Event) -> Self {
        let wording = wording::of_event(target, event, escape(target));
        Self::new(target, &wording, &[event])
    }

    /// What a target is told of many events.
    pub(crate) fn digest(target: &NotificationTarget, events: &[&Event]) -> Self {
        let wording = wording::of_many(target, events, escape(target));
        Self::new(target, &wording, events)
    }

    /// What a target is told to find out whether it hears us.
    #[must_use]
    pub fn test(target: &NotificationTarget) -> Self {
        Self::new(target, &wording::of_test(target), &[])
    }

    fn new(target: &NotificationTarget, wording: &Wording, events: &[&Event]) -> Self {
        Self {
            keys: events.iter().map(|event| event.key()).collect(),
            content: match target.channel {
                Channel::Slack { .. } => Content::Slack(slack::body(wording)),
                Channel::Email(_) => Content::Mail {
                    subject: wording.short_title(),
                    text: format!("{}\n", wording.text),
                },
                Channel::Webhook { .. } => Content::Webhook(json::body(wording, events)),
            },
        }
    }
}

fn escape(target: &NotificationTarget) -> wording::Escape {
    match target.channel {
        Channel::Slack { .. } => slack::escape,
        Channel::Email(_) | Channel::Webhook { .. } => wording::plain,
    }
}
