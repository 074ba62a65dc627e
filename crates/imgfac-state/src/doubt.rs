//! Values that rebuilds are decided from, and that cannot be what somebody meant. A file that has one
//! cannot be used: were the value passed over, an image could be built twice, too early or never.

use std::time::Duration;

use imgfac_model::Digest;
use imgfac_yaml::Node;
use jiff::Timestamp;

use crate::emergency::EMERGENCY;
use crate::observation::DIGESTS;
use crate::runs::{HISTORY, PENDING, RebuildOutcome};
use crate::stored::Unusable;
use crate::tags::OBSERVED_TAGS;

/// So much later than now may be what another clock wrote.
const CLOCKS_DIFFER: Duration = Duration::from_secs(3600);

/// What values are held against, where something is decided from them. What is only kept, such as in
/// the archive, is not doubted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubt {
    /// No time can be later than this.
    latest: Timestamp,
}

impl Doubt {
    /// For a file that is read at a time.
    pub(crate) fn at(now: Timestamp) -> Self {
        let latest = now.checked_add(CLOCKS_DIFFER);
        Self {
            latest: latest.unwrap_or(Timestamp::MAX),
        }
    }

    /// Checks a field of an image.
    ///
    /// # Errors
    /// When it has a value that cannot be meant.
    pub(crate) fn image_field(self, key: &str, node: &Node) -> Result<(), Unusable> {
        match key {
            "currentDigest" => digest(key, node),
            "builtOn" => values(node, |value| digest(key, value)),
            // The predecessor wrote times in more than one form.
            "lastBuilt" => self.not_later(key, node),
            PENDING => values(node, |value| self.time(key, value)),
            OBSERVED_TAGS => values(node, |record| match record.get(DIGESTS) {
                Some(seen) => self.seen(seen),
                None => Ok(()),
            }),
            HISTORY => items(node, |item| self.rebuild(item)),
            EMERGENCY => self.own(node, "askedAt", Self::needed_time),
            _ => Ok(()),
        }
    }

    /// Checks a field of a base.
    ///
    /// # Errors
    /// As [`Doubt::image_field`].
    pub(crate) fn base_field(self, key: &str, node: &Node) -> Result<(), Unusable> {
        match key {
            "currentDigest" | "previousDigest" => digest(key, node),
            "lastUpdated" => self.time(key, node),
            "firstDiscovered" => self.not_later(key, node),
            DIGESTS => self.seen(node),
            _ => Ok(()),
        }
    }

    /// What a tag was seen to point at.
    fn seen(self, node: &Node) -> Result<(), Unusable> {
        items(node, |item| {
            match item.get("digest") {
                Some(node) if !nothing(node) => digest("digest", node)?,
                _ => return Err(wrong(item, "an item of digests has no digest")),
            }
            for key in ["firstSeen", "lastSeen"] {
                self.own(item, key, Self::time)?;
            }
            match item.get("platforms") {
                Some(platforms) => values(platforms, |value| digest("platforms", value)),
                None => Ok(()),
            }
        })
    }

    /// A rebuild that was asked for; other writers have entries without an identity.
    fn rebuild(self, item: &Node) -> Result<(), Unusable> {
        let Some(identity) = item.get("identity") else {
            return Ok(());
        };
        if nothing(identity) {
            return Err(wrong(
                identity,
                "an item of rebuildHistory has no text as identity",
            ));
        }
        match item.get("requestedAt") {
            Some(node) => self.needed_time("requestedAt", node)?,
            None => return Err(wrong(item, "an item of rebuildHistory has no requestedAt")),
        }
        let outcome = item.get("outcome").unwrap_or(item);
        let word = outcome.scalar_text().unwrap_or_default();
        if RebuildOutcome::parse(word).is_none() {
            return Err(wrong(
                outcome,
                format!(
                    "the outcome of an item of rebuildHistory is {}: expected requested, running, success or failure",
                    shown(word)
                ),
            ));
        }
        self.own(item, "endedAt", Self::time)?;
        self.own(item, "digest", |_, key, node| digest(key, node))?;
        match item.get("bases") {
            Some(bases) => values(bases, |value| digest("bases", value)),
            None => Ok(()),
        }
    }

    /// Checks the value of a key, if there is one.
    fn own(
        self,
        node: &Node,
        key: &str,
        check: impl Fn(Self, &str, &Node) -> Result<(), Unusable>,
    ) -> Result<(), Unusable> {
        match node.get(key) {
            Some(value) => check(self, key, value),
            None => Ok(()),
        }
    }

    /// A time, or nothing.
    fn time(self, key: &str, node: &Node) -> Result<(), Unusable> {
        match node.is_null() || node.scalar_text() == Some("None") {
            true => Ok(()),
            false => self.needed_time(key, node),
        }
    }

    fn needed_time(self, key: &str, node: &Node) -> Result<(), Unusable> {
        let text = node.scalar_text().unwrap_or_default();
        match text.parse::<Timestamp>() {
            Ok(_) => self.not_later(key, node),
            Err(_) => Err(wrong(
                node,
                format!(
                    "{key} is {}: expected a time, such as 2026-11-23T12:00:00Z",
                    shown(text)
                ),
            )),
        }
    }

    /// Whatever is a time is not in the future.
    fn not_later(self, key: &str, node: &Node) -> Result<(), Unusable> {
        match node.scalar_text().map(str::parse::<Timestamp>) {
            Some(Ok(time)) if time > self.latest => Err(wrong(
                node,
                format!("{key} is in the future: {time}; does a clock go wrong?"),
            )),
            _ => Ok(()),
        }
    }
}

/// A digest, or nothing.
fn digest(key: &str, node: &Node) -> Result<(), Unusable> {
    if node.is_null() || node.scalar_text() == Some("None") {
        return Ok(());
    }
    let text = node.scalar_text().unwrap_or_default();
    match Digest::parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(wrong(
            node,
            format!(
                "{key} is {}: expected a digest, such as sha256: and 64 of 0-9 and a-f",
                shown(text)
            ),
        )),
    }
}

/// Whether there is no text.
fn nothing(node: &Node) -> bool {
    node.is_null() || node.scalar_text().is_none_or(str::is_empty)
}

fn items(node: &Node, check: impl FnMut(&Node) -> Result<(), Unusable>) -> Result<(), Unusable> {
    node.items().unwrap_or_default().iter().try_for_each(check)
}

fn values(
    node: &Node,
    mut check: impl FnMut(&Node) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    let mut entries = node.entries().unwrap_or_default().iter();
    entries.try_for_each(|(_, value)| check(value))
}

fn wrong(node: &Node, reason: impl Into<String>) -> Unusable {
    Unusable {
        reason: reason.into(),
        span: node.span.clone(),
    }
}

/// A value in a message: its beginning, on one line.
fn shown(text: &str) -> String {
    let mut escaped = text.chars().flat_map(char::escape_debug);
    let start: String = escaped.by_ref().take(60).collect();
    match escaped.next() {
        Some(_) => format!("\"{start}…\""),
        None => format!("\"{start}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::{read_base, read_image};

    const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    fn check(is_image: bool, yaml: &str, expected: &str) {
        let doubt = Doubt::at("2026-11-23T12:00:00Z".parse().unwrap());
        let yaml = yaml.replace("D1", DIGEST);
        let read = match is_image {
            true => read_image(yaml.as_bytes(), Some(doubt)).map(drop),
            false => {
                let text = format!("fullImage: docker.io/library/node:22\n{yaml}");
                read_base(text.as_bytes(), Some(doubt)).map(drop)
            }
        };
        let told = match read {
            Ok(()) => "usable".to_owned(),
            Err(problem) => problem.reason,
        };
        assert!(told.starts_with(expected), "{yaml}\n{told}\n{expected}");
    }

    #[test]
    fn an_attempt_that_cannot_be_read_makes_its_file_unusable() {
        let attempt = "{identity: a, requestedAt: 2026-11-23T11:00:00Z, outcome: ";
        for (rest, expected) in [
            ("running}", "usable"),
            ("success, endedAt: null, more: [1]}", "usable"),
            (
                "success, digest: D1, bases: {docker.io/library/node:22: D1}}",
                "usable",
            ),
            (
                "Running}",
                "the outcome of an item of rebuildHistory is \"Running\": expected",
            ),
            (
                "' running'}",
                "the outcome of an item of rebuildHistory is \" running\"",
            ),
            (
                "\"\\e[31m\"}",
                "the outcome of an item of rebuildHistory is \"\\u{1b}[31m\"",
            ),
            ("[running]}", "the outcome of an item"),
            ("null}", "the outcome of an item"),
            ("success, endedAt: soon}", "endedAt is \"soon\""),
            (
                "failure, endedAt: 9998-01-01T00:00:00Z}",
                "endedAt is in the future: 9998",
            ),
            ("success, digest: sha256:1}", "digest is \"sha256:1\""),
            ("success, bases: {node: latest}}", "bases is \"latest\""),
        ] {
            check(
                true,
                &format!("name: a\nrebuildHistory: [{attempt}{rest}]\n"),
                expected,
            );
        }
        for (item, expected) in [
            (
                "{identity: a, requestedAt: garbage, outcome: running}",
                "requestedAt is \"garbage\": expected a time",
            ),
            (
                "{identity: a, requestedAt: null, outcome: running}",
                "requestedAt is",
            ),
            (
                "{identity: a, outcome: running}",
                "an item of rebuildHistory has no requestedAt",
            ),
            (
                "{identity: a, requestedAt: 2026-11-23T11:00:00Z}",
                "the outcome of an item",
            ),
            (
                "{identity: [a], requestedAt: 2026-11-23T11:00:00Z, outcome: running}",
                "an item of rebuildHistory has no text",
            ),
            (
                "{identity: a, requestedAt: 2026-11-23T13:00:00Z, outcome: running}",
                "usable",
            ),
            (
                "{identity: a, requestedAt: 2026-11-23T13:00:01Z, outcome: running}",
                "requestedAt is in the future",
            ),
            // Those of the predecessor and of others.
            ("{at: 2025-04-02, version: '0.10', outcome: fine}", "usable"),
            (
                "{run: 17, outcome: success, requestedAt: garbage}",
                "usable",
            ),
            ("text", "usable"),
        ] {
            check(
                true,
                &format!("name: a\nrebuildHistory: [{item}]\n"),
                expected,
            );
        }
    }

    #[test]
    fn digests_and_times_are_what_they_should_be() {
        for (is_image, yaml, expected) in [
            (false, "currentDigest: D1", "usable"),
            (false, "currentDigest: None", "usable"),
            (
                false,
                "currentDigest: latest",
                "currentDigest is \"latest\": expected a digest",
            ),
            (false, "currentDigest: ''", "currentDigest is \"\""),
            (
                false,
                "currentDigest: SHA256:1111",
                "currentDigest is \"SHA256:1111\"",
            ),
            (
                false,
                "previousDigest: sha256:22",
                "previousDigest is \"sha256:22\"",
            ),
            (
                false,
                "lastUpdated: yesterday",
                "lastUpdated is \"yesterday\"",
            ),
            (false, "digests: [{digest: D1}]", "usable"),
            (
                false,
                "digests: [{digest: D1, firstSeen: 2026-01-01T00:00:00Z, note: x}]",
                "usable",
            ),
            (
                false,
                "digests: [{firstSeen: 2026-01-01T00:00:00Z}]",
                "an item of digests has no digest",
            ),
            (
                false,
                "digests: [{digest: D1, firstSeen: garbage}]",
                "firstSeen is \"garbage\"",
            ),
            (
                false,
                "digests: [{digest: D1, firstSeen: ''}]",
                "firstSeen is \"\"",
            ),
            (
                false,
                "digests: [{digest: D1, firstSeen: 9999-12-01T00:00:00Z}]",
                "firstSeen is in the future",
            ),
            (
                false,
                "digests: [{digest: D1, lastSeen: [1]}]",
                "lastSeen is \"\"",
            ),
            (
                false,
                "digests: [{digest: D1, platforms: {linux/amd64: x}}]",
                "platforms is \"x\"",
            ),
            (true, "builtOn: {node-22: D1}", "usable"),
            (true, "builtOn: {node-22: x}", "builtOn is \"x\""),
            (
                true,
                "lastBuilt: '2025-01-01 10:00'\npendingRebuild: {a: 2026-01-01T00:00:00Z}",
                "usable",
            ),
            (
                true,
                "lastBuilt: 2027-01-01T00:00:00Z",
                "lastBuilt is in the future",
            ),
            (
                true,
                "pendingRebuild: {a: garbage}",
                "pendingRebuild is \"garbage\"",
            ),
            (true, "emergency: {askedAt: now}", "askedAt is \"now\""),
            (
                true,
                "observedTags: {latest: {digests: [{digest: D1, firstSeen: x}]}}",
                "firstSeen is \"x\"",
            ),
            (
                true,
                "observedTags: {latest: {lastError: {reason: x}}}",
                "usable",
            ),
        ] {
            check(is_image, yaml, expected);
        }
    }
}
