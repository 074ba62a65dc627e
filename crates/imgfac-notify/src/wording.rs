//! Titles and texts.

use std::sync::LazyLock;

use imgfac_model::{NotificationEvent, NotificationTarget, Placeholder, Template};

use crate::event::{Cause, Event};
use crate::harmless::{cut, line, some_of};

/// A value has at most so many characters in a message.
const VALUE_LIMIT: usize = 500;
/// A title has at most so many.
pub(crate) const TITLE_LIMIT: usize = 150;

/// What is said of an event where a target does not say how.
static TITLE: LazyLock<Template> = LazyLock::new(|| ours("{subject}: {what}"));
static TEXT: LazyLock<Template> = LazyLock::new(|| {
    ours(
        "\
{reason}
Bases: {causes}
Attempt: {attempt}
Next attempt: {nextTry}
Since: {since}
Asked for by: {actor}
Vulnerabilities: {cves}
Images: {images}
Run: {run}",
    )
});

fn ours(text: &str) -> Template {
    Template::new(text).expect("our own templates are right")
}

/// A title, one line, and a text, perhaps of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wording {
    pub(crate) title: String,
    pub(crate) text: String,
}

/// How values become part of a text.
pub(crate) type Escape = fn(Placeholder, &str) -> String;

/// As they are.
pub(crate) fn plain(_: Placeholder, value: &str) -> String {
    value.to_owned()
}

/// Words an event as a target wants it.
pub(crate) fn of_event(target: &NotificationTarget, event: &Event, escape: Escape) -> Wording {
    let value = |placeholder| {
        let value = line(&value(event, placeholder)?, VALUE_LIMIT);
        (!value.is_empty()).then(|| escape(placeholder, &value))
    };
    let title = target.title.as_ref().map(|title| title.fill(value));
    Wording {
        // A title of values that this event does not have is none.
        title: (title.filter(|title| !title.is_empty())).unwrap_or_else(|| TITLE.fill(value)),
        text: target.text.as_ref().unwrap_or(&TEXT).fill(value),
    }
}

/// Words many events as one.
pub(crate) fn of_many(target: &NotificationTarget, events: &[&Event], escape: Escape) -> Wording {
    const SHOWN: usize = 25;
    let counts = NotificationEvent::EACH.into_iter().filter_map(|kind| {
        let count = events.iter().filter(|event| event.kind == kind).count();
        (count > 0).then(|| format!("{count} {kind}"))
    });
    let counts: Vec<String> = counts.collect();
    let mut lines: Vec<String> = (events.iter().take(SHOWN))
        .map(|event| of_event(target, event, escape).title)
        .map(|title| format!("- {title}"))
        .collect();
    if events.len() > SHOWN {
        lines.push(format!("and {} more", events.len() - SHOWN));
    }
    Wording {
        title: format!("{} events: {}", events.len(), counts.join(", ")),
        text: lines.join("\n"),
    }
}

/// What is said to find out whether a target hears us.
pub(crate) fn of_test(target: &NotificationTarget) -> Wording {
    Wording {
        title: "Test of Image Factory".into(),
        text: format!(
            "This is what {} would be told by. Nothing happened.",
            target.name
        ),
    }
}

impl Wording {
    /// With a title that fits.
    pub(crate) fn short_title(&self) -> String {
        cut(&self.title, TITLE_LIMIT)
    }
}

/// What happened, in words.
fn what(event: &Event) -> String {
    let words = match event.kind {
        NotificationEvent::Started => "rebuild started",
        NotificationEvent::Failed => "rebuild failed",
        NotificationEvent::ThreeStrikes => "three rebuilds failed in a row",
        NotificationEvent::Emergency => "emergency rebuild",
        NotificationEvent::Stale => "stale",
        NotificationEvent::Unreachable => "unreachable for more than a day",
    };
    match event.before.filter(|before| *before > 0) {
        Some(before) => format!("{words} ({before} before it in thirty days)"),
        None => words.to_owned(),
    }
}

fn value(event: &Event, placeholder: Placeholder) -> Option<String> {
    match placeholder {
        Placeholder::Event => Some(event.kind.to_string()),
        Placeholder::Subject => Some(event.subject.clone()),
        Placeholder::What => Some(what(event)),
        Placeholder::Reason => event.reason.clone(),
        Placeholder::Causes => {
            let causes: Vec<String> = event.causes.iter().map(cause).collect();
            some_of(&causes)
        }
        Placeholder::Run => event.run.clone(),
        Placeholder::Attempt => event.attempt.map(|attempt| attempt.to_string()),
        Placeholder::Actor => event.actor.clone(),
        Placeholder::NextTry => event.next_try.clone(),
        Placeholder::Since => event.since.clone(),
        Placeholder::Cves => some_of(&event.cves),
        Placeholder::Images => some_of(&event.images),
        Placeholder::Time => Some(event.time.clone()),
    }
}

fn cause(Cause { base, from, to }: &Cause) -> String {
    // As much of a digest as tells it apart.
    let short = |digest: &String| {
        digest
            .chars()
            .take("sha256:".len() + 12)
            .collect::<String>()
    };
    match (from.as_ref().map(short), to.as_ref().map(short)) {
        (Some(from), Some(to)) => format!("{base} ({from} to {to})"),
        (None, Some(to)) => format!("{base} ({to})"),
        (_, None) => base.clone(),
    }
}
