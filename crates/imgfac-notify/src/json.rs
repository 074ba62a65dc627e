//! The body of webhooks, version 1; `docs/notifications.md` describes it.
//!
//! Fields may be added within a version; what is not known is left out.

use serde::Serialize;

use crate::event::{Cause, Event};
use crate::harmless::line;
use crate::wording::Wording;

/// A field has at most so many characters.
const LIMIT: usize = 2_000;

#[derive(Serialize)]
struct Body {
    version: u32,
    title: String,
    text: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    events: Vec<JsonEvent>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonEvent {
    event: &'static str,
    subject: String,
    key: String,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<JsonCause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cves: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergencies_before: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<String>,
}

#[derive(Serialize)]
struct JsonCause {
    base: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

/// The request; without events it is a test.
pub(crate) fn body(wording: &Wording, events: &[&Event]) -> String {
    let body = Body {
        version: 1,
        title: wording.short_title(),
        text: wording.text.clone(),
        test: events.is_empty(),
        events: events.iter().map(|event| json_event(event)).collect(),
    };
    // Texts and numbers always have a form in JSON.
    serde_json::to_string(&body).unwrap_or_default()
}

fn json_event(event: &Event) -> JsonEvent {
    let optional = |text: &Option<String>| text.as_deref().map(one);
    JsonEvent {
        event: event.kind.as_str(),
        subject: one(&event.subject),
        key: one(&event.key()),
        time: one(&event.time),
        reason: optional(&event.reason),
        causes: event.causes.iter().map(json_cause).collect(),
        run: optional(&event.run),
        attempt: event.attempt,
        actor: optional(&event.actor),
        next_try: optional(&event.next_try),
        since: optional(&event.since),
        cves: event.cves.iter().map(|cve| one(cve)).collect(),
        emergencies_before: event.before,
        images: event.images.iter().map(|image| one(image)).collect(),
    }
}

fn json_cause(Cause { base, from, to }: &Cause) -> JsonCause {
    JsonCause {
        base: one(base),
        from: from.as_deref().map(one),
        to: to.as_deref().map(one),
    }
}

fn one(text: &str) -> String {
    line(text, LIMIT)
}
