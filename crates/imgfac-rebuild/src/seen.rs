//! What an image sees of a tag: digests that are the same to it are one.

use std::collections::BTreeMap;

use imgfac_model::{Digest, Platform, Reference};
use jiff::Timestamp;

use crate::fleet::{Fleet, Sighting};
use crate::policy::Policy;

/// Digests in a row that are the same to an image.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    /// When the first of them was first seen.
    pub(crate) first_seen: Timestamp,
    /// When it was pushed, if its registry says so.
    pub(crate) pushed: Option<Timestamp>,
    /// Never empty.
    digests: Vec<&'a Sighting>,
}

impl Seen<'_> {
    /// The last of the digests, which a build would find.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digests[self.digests.len() - 1].digest
    }

    /// Whether a digest is one of them.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.digests.iter().any(|it| it.digest == *digest)
    }

    /// What of it is in quarantine: the digest itself, or that of the image for one of the platforms;
    /// none are all.
    pub(crate) fn quarantined(&self, policy: &Policy, platforms: &[Platform]) -> Option<&Digest> {
        let last = self.digests.last()?;
        let mut parts: Vec<&Digest> = vec![&last.digest];
        if platforms.is_empty() {
            parts.extend(last.platforms.values());
        }
        parts.extend(platforms.iter().filter_map(|it| of(&last.platforms, it)));
        parts.into_iter().find(|it| policy.quarantine.contains(*it))
    }
}

impl Fleet {
    /// What a tag was seen to point at, oldest first, as it looks on the platforms of an image; none
    /// are all. An index that changed elsewhere is no other one.
    pub(crate) fn seen(&self, tag: &Reference, platforms: &[Platform]) -> Vec<Seen<'_>> {
        let mut all: Vec<Seen<'_>> = Vec::new();
        for sighting in self.tags.get(tag).into_iter().flatten() {
            match all.last_mut() {
                Some(last) if same(last.digests[last.digests.len() - 1], sighting, platforms) => {
                    last.digests.push(sighting);
                }
                _ => all.push(Seen {
                    first_seen: sighting.first_seen,
                    pushed: sighting.pushed,
                    digests: vec![sighting],
                }),
            }
        }
        all
    }
}

/// Whether two digests are the same to an image. What is not known counts as different.
fn same(one: &Sighting, other: &Sighting, platforms: &[Platform]) -> bool {
    if one.digest == other.digest {
        return true;
    }
    if platforms.is_empty() {
        return !one.platforms.is_empty() && one.platforms == other.platforms;
    }
    platforms.iter().all(|platform| {
        let found = of(&one.platforms, platform);
        found.is_some() && found == of(&other.platforms, platform)
    })
}

/// The image of a platform. `arm64` and `arm64/v8` are the same
/// (<https://github.com/containerd/platforms>).
fn of<'d>(digests: &'d BTreeMap<Platform, Digest>, platform: &Platform) -> Option<&'d Digest> {
    let text = platform.as_str();
    let other = match text.strip_suffix("/arm64/v8") {
        Some(os) => format!("{os}/arm64"),
        None if text.ends_with("/arm64") => format!("{text}/v8"),
        None => return digests.get(platform),
    };
    let other = Platform::new(&other).ok();
    digests.get(platform).or_else(|| digests.get(&other?))
}
