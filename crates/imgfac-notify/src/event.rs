//! What happened.

use imgfac_model::{Delay, NotificationEvent};
use jiff::{SignedDuration, Timestamp};

/// So many hours a registry may be unreachable before anybody is told.
pub const UNREACHABLE_AFTER_HOURS: i64 = 24;

/// Something that people may want to know.
///
/// What is not known about it is left empty. Texts may be anything: they are made harmless when
/// they are worded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is.
    pub kind: NotificationEvent,
    /// The image, by name, or the registry.
    pub subject: String,
    /// When it was noticed, RFC 3339.
    pub time: String,
    /// Why, in words.
    pub reason: Option<String>,
    /// The bases that moved.
    pub causes: Vec<Cause>,
    /// The address of the run.
    pub run: Option<String>,
    /// Which attempt it is, from 1.
    pub attempt: Option<u32>,
    /// Who asked for it.
    pub actor: Option<String>,
    /// When the next attempt follows, RFC 3339.
    pub next_try: Option<String>,
    /// Since when it has been so, RFC 3339.
    pub since: Option<String>,
    /// The vulnerabilities that it is for.
    pub cves: Vec<String>,
    /// Of an emergency: how many there were in the thirty days before it.
    pub before: Option<usize>,
    /// The images that are affected, where the subject is none.
    pub images: Vec<String>,
    /// What tells it from others of its kind and subject.
    pub same: String,
}

/// A base that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The base, by name.
    pub base: String,
    /// The digest that the image was built on.
    pub from: Option<String>,
    /// The digest that the base has now.
    pub to: Option<String>,
}

impl Event {
    /// A rebuild was started: once for each attempt at an identity.
    #[must_use]
    pub fn started(image: &str, identity: &str, attempt: u32, now: &str) -> Self {
        let same = format!("{}/{attempt}", short(identity));
        Self {
            attempt: Some(attempt),
            ..Self::new(NotificationEvent::Started, image, same, now)
        }
    }

    /// A rebuild failed: once for each attempt at an identity.
    #[must_use]
    pub fn failed(image: &str, identity: &str, attempt: u32, now: &str) -> Self {
        Self {
            kind: NotificationEvent::Failed,
            ..Self::started(image, identity, attempt, now)
        }
    }

    /// Three rebuilds or more failed in a row, the first of them at this time: once for each row.
    #[must_use]
    pub fn three_strikes(image: &str, first_failure: &str, now: &str) -> Self {
        Self {
            since: Some(first_failure.to_owned()),
            ..Self::new(NotificationEvent::ThreeStrikes, image, first_failure, now)
        }
    }

    /// Somebody asked at this time for a rebuild without waiting: once for each request.
    #[must_use]
    pub fn emergency(image: &str, requested_at: &str, now: &str) -> Self {
        Self::new(NotificationEvent::Emergency, image, requested_at, now)
    }

    /// The oldest update that an image lacks was first seen at this time: an event when that is
    /// longer ago than the limit, and once for each such update.
    #[must_use]
    pub fn stale(image: &str, since: Timestamp, limit: &Delay, now: Timestamp) -> Option<Self> {
        let age = now.duration_since(since).as_millis();
        if age <= i128::from(limit.as_millis()) {
            return None;
        }
        Some(Self {
            reason: Some(format!("it lacks an update for longer than {limit}")),
            since: Some(since.to_string()),
            ..Self::new(
                NotificationEvent::Stale,
                image,
                day(since),
                &now.to_string(),
            )
        })
    }

    /// A registry cannot be asked since this time: an event when that is more than a day ago, and
    /// once until it can be asked again.
    #[must_use]
    pub fn unreachable(registry: &str, since: Timestamp, now: Timestamp) -> Option<Self> {
        if now.duration_since(since) <= SignedDuration::from_hours(UNREACHABLE_AFTER_HOURS) {
            return None;
        }
        let kind = NotificationEvent::Unreachable;
        Some(Self {
            since: Some(since.to_string()),
            ..Self::new(kind, registry, day(since), &now.to_string())
        })
    }

    fn new(kind: NotificationEvent, subject: &str, same: impl Into<String>, now: &str) -> Self {
        Self {
            kind,
            subject: subject.to_owned(),
            time: now.to_owned(),
            reason: None,
            causes: Vec::new(),
            run: None,
            attempt: None,
            actor: None,
            next_try: None,
            since: None,
            cves: Vec::new(),
            before: None,
            images: Vec::new(),
            same: same.into(),
        }
    }

    /// What two events have in common that are the same: `KIND/SUBJECT/…`.
    ///
    /// Neither the time at which it was noticed nor what else is known of it is part of that.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.kind, self.subject, self.same)
    }

    /// The images that it is about; none where that is not known.
    pub(crate) fn about(&self) -> &[String] {
        match self.kind {
            NotificationEvent::Unreachable => &self.images,
            _ => std::slice::from_ref(&self.subject),
        }
    }
}

/// Identities are hashes, and twelve digits of one tell those of an image apart.
fn short(identity: &str) -> String {
    identity.chars().take(12).collect()
}

/// The day alone: the same outage may be dated to another second by another base.
fn day(time: Timestamp) -> String {
    time.strftime("%F").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-23T12:00:00Z";

    #[test]
    fn the_same_has_the_same_key() {
        let now: Timestamp = NOW.parse().unwrap();
        let since: Timestamp = "2026-10-01T08:30:00Z".parse().unwrap();
        let identity = "3f2a91c4d5e6f708192a3b4c";
        let check = |event: Event, key: &str| assert_eq!(event.key(), key);
        check(
            Event::started("web", identity, 1, NOW),
            "started/web/3f2a91c4d5e6/1",
        );
        check(
            Event::failed("web", identity, 2, NOW),
            "failed/web/3f2a91c4d5e6/2",
        );
        check(
            Event {
                reason: Some("another".into()),
                ..Event::failed("web", identity, 2, "2026-11-24T12:00:00Z")
            },
            "failed/web/3f2a91c4d5e6/2",
        );
        check(
            Event::three_strikes("web", "2026-11-20T00:00:00Z", NOW),
            "three-strikes/web/2026-11-20T00:00:00Z",
        );
        check(
            Event::emergency("web", "2026-11-20T00:00:00Z", NOW),
            "emergency/web/2026-11-20T00:00:00Z",
        );
        let limit = Delay::new("30d").unwrap();
        check(
            Event::stale("web", since, &limit, now).unwrap(),
            "stale/web/2026-10-01",
        );
        check(
            Event::unreachable("ghcr.io", since, now).unwrap(),
            "unreachable/ghcr.io/2026-10-01",
        );
    }

    #[test]
    fn limits_are_to_be_passed() {
        let now: Timestamp = NOW.parse().unwrap();
        let ago = |seconds: i64| now - SignedDuration::from_secs(seconds);
        let limit = Delay::new("30d").unwrap();
        let stale = |seconds| Event::stale("web", ago(seconds), &limit, now).is_some();
        assert_eq!([stale(30 * 86_400), stale(30 * 86_400 + 1)], [false, true]);
        let unreachable = |seconds| Event::unreachable("ghcr.io", ago(seconds), now).is_some();
        assert_eq!([unreachable(86_400), unreachable(86_401)], [false, true]);
        assert!(!unreachable(-5), "a clock that went back");
    }
}
