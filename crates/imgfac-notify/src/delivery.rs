//! Who is told of which events, in how many messages.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::NotificationTarget;

use crate::event::Event;
use crate::message::Message;

/// More events than this for one target become one message.
pub const DIGEST_ABOVE: usize = 5;

/// Keys of events, by the name of the target.
pub type Keys = BTreeMap<String, BTreeSet<String>>;

/// The messages for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<'t> {
    /// Who gets them.
    pub target: &'t NotificationTarget,
    /// In this order.
    pub messages: Vec<Message>,
}

/// The keys of the events that each target wants to hear of, told or not.
///
/// Every target is in it, be it with no key: that says that nothing is the case any more.
#[must_use]
pub fn concerned(targets: &[NotificationTarget], events: &[Event]) -> Keys {
    let keys = |target: &NotificationTarget| {
        let wanted = events.iter().filter(|event| wants(target, event));
        wanted.map(Event::key).collect()
    };
    let targets = targets.iter();
    targets
        .map(|target| (target.name.to_string(), keys(target)))
        .collect()
}

/// The messages about those events that are news to a target. Targets without news are left out,
/// and of several events with one key the first counts.
#[must_use]
pub fn deliveries<'t>(
    targets: &'t [NotificationTarget],
    events: &[Event],
    news: &Keys,
) -> Vec<Delivery<'t>> {
    let mut deliveries = Vec::new();
    for target in targets {
        let Some(news) = news.get(target.name.as_str()) else {
            continue;
        };
        let mut seen = BTreeSet::new();
        let mut fresh: Vec<&Event> = events
            .iter()
            .filter(|event| wants(target, event) && news.contains(&event.key()))
            .filter(|event| seen.insert(event.key()))
            .collect();
        fresh.sort_by_cached_key(|event| (event.kind, event.key()));
        let messages = match fresh.len() {
            0 => continue,
            1..=DIGEST_ABOVE => (fresh.iter())
                .map(|event| Message::of_event(target, event))
                .collect(),
            _ => vec![Message::digest(target, &fresh)],
        };
        deliveries.push(Delivery { target, messages });
    }
    deliveries
}

fn wants(target: &NotificationTarget, event: &Event) -> bool {
    let about = event.about();
    target.events.contains(&event.kind)
        && (target.images.is_empty()
            || about.is_empty()
            || (about.iter()).any(|name| target.images.iter().any(|images| images.matches(name))))
}

#[cfg(test)]
mod tests;
