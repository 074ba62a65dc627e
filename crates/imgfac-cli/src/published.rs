//! What an image that was just built stood on, as its registry knows.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use imgfac_model::{Digest, Enrolment, Reference, Registry};
use imgfac_providers::{DEFAULT_RETRY, Options, Registries, RegistryError, Retry};
use imgfac_state::{Fleet, seen_digests, seen_tags};

use crate::clock::ProgramClock;

/// A job waits so long for it: what is recorded without it is good enough.
const DEADLINE: Duration = Duration::from_secs(10);

/// The digests that a reference is known to have had, the current one first.
type Known = BTreeMap<Reference, Vec<Digest>>;

/// Why it is not known what an image was built on.
pub(crate) struct Unknown {
    pub(crate) why: String,
    /// Whether it may be otherwise the next time.
    pub(crate) passes: bool,
}

/// What the published image says that it was built on, in the digests that state works with.
///
/// # Errors
///
/// Why it is not known.
pub(crate) fn stood_on(
    settings: &BTreeMap<String, Registry>,
    image: &Enrolment,
    digest: &Digest,
    fleet: &Fleet,
) -> Result<BTreeMap<Reference, Digest>, Unknown> {
    let registries = Registries::new(settings, options());
    let known = known(fleet);
    let (image, digest) = (image.clone(), digest.clone());
    in_time(move || ask(&registries, &image, &digest, &known))
}

/// Lets a question be answered in time, or goes on without the answer.
///
/// # Errors
///
/// Why there is none.
pub(crate) fn in_time<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, Unknown> {
    let (sender, answer) = mpsc::channel();
    // Neither a resolver of names nor a credential helper can be told to hurry.
    thread::spawn(move || sender.send(ask()));
    match answer.recv_timeout(DEADLINE) {
        Ok(found) => found.map_err(|error| Unknown {
            why: format!("{error}; {}", error.remedy()),
            passes: error.may_pass(),
        }),
        Err(_) => Err(Unknown {
            why: format!("no answer within {} s", DEADLINE.as_secs()),
            passes: true,
        }),
    }
}

/// How registries are asked about what was just published: soon, or not at all.
pub(crate) fn options() -> Options {
    Options {
        timeout: Duration::from_secs(5),
        retry: Retry {
            attempts: 2,
            budget: Duration::from_secs(4),
            ..DEFAULT_RETRY
        },
        clock: Arc::new(ProgramClock),
        ..Options::default()
    }
}

fn ask(
    registries: &Registries,
    image: &Enrolment,
    digest: &Digest,
    known: &Known,
) -> Result<BTreeMap<Reference, Digest>, RegistryError> {
    let source = image.source.as_ref();
    let platforms = source.map_or(&[][..], |source| &source.platforms);
    let found = registries.stood_on(&image.repository, digest, platforms)?;
    let in_digests_of_state = |(reference, digest): (Reference, Digest)| {
        let Some(known) = known
            .get(&reference)
            .filter(|known| !known.contains(&digest))
        else {
            return Some((reference, digest));
        };
        // Some builders note the image of their platform, and state knows that of the index. Where
        // that cannot be told, the build would seem to stand on something old for ever.
        let current = known.first()?;
        match registries.lists(reference.repository(), current, &digest) {
            Ok(true) => Some((reference, current.clone())),
            Ok(false) => Some((reference, digest)),
            Err(error) => {
                tracing::info!(%reference, %error, "it is not known what this digest is");
                None
            }
        }
    };
    Ok(found.into_iter().filter_map(in_digests_of_state).collect())
}

fn known(fleet: &Fleet) -> Known {
    let mut known = Known::new();
    let mut note = |reference: &Reference, digest: &str| {
        if let Ok(digest) = Digest::parse(digest) {
            known.entry(reference.clone()).or_default().push(digest);
        }
    };
    for stored in fleet.bases.values() {
        let reference = &stored.state.reference;
        let seen = seen_digests(&stored.rest)
            .into_iter()
            .map(|seen| seen.digest);
        for digest in stored.state.current_digest.iter().cloned().chain(seen) {
            note(reference, &digest);
        }
    }
    for stored in fleet.images.values() {
        for base in &stored.state.managed_bases {
            let Some(parent) = fleet.images.get(base.name.as_str()) else {
                continue;
            };
            let tag = base.reference.tag().map(|tag| tag.as_str());
            let mut seen = seen_tags(&parent.rest);
            let seen = tag.and_then(|tag| seen.remove(tag)).unwrap_or_default();
            let seen = seen.into_iter().rev().map(|seen| seen.digest);
            for digest in parent.state.current_digest.iter().cloned().chain(seen) {
                note(&base.reference, &digest);
            }
        }
    }
    known
}
