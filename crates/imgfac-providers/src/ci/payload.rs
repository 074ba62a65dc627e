//! What a build is told about its reason, in the words that the cluster uses.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::talk::Place;
use super::{BuildRequest, CiError};

/// A build is told so many updates at most; the cluster says no more, either.
const MOST: usize = 50;

/// An update that the rebuild carries.
#[derive(Debug, Serialize)]
pub(super) struct Cause {
    base: String,
    /// Empty when it is not known.
    from: String,
    to: String,
    since: Timestamp,
    /// Of the last one: how many more there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted: Option<usize>,
}

/// A base and its digest now.
#[derive(Debug, Serialize)]
pub(super) struct Base {
    base: String,
    digest: String,
}

pub(super) fn causes(request: &BuildRequest<'_>) -> Vec<Cause> {
    first(request, MOST)
}

/// So many of the updates; the last one says how many are left out.
fn first(request: &BuildRequest<'_>, number: usize) -> Vec<Cause> {
    let omitted = request.causes.len().saturating_sub(number);
    let causes = request.causes.iter().take(number).zip(1..);
    let causes = causes.map(|(cause, place)| Cause {
        base: cause.base.to_string(),
        from: cause
            .from
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        to: cause.to.to_string(),
        since: cause.first_seen,
        omitted: (omitted > 0 && place == number).then_some(omitted),
    });
    causes.collect()
}

pub(super) fn bases(request: &BuildRequest<'_>) -> Vec<Base> {
    let bases = request.bases.iter().map(|(base, digest)| Base {
        base: base.to_string(),
        digest: digest.to_string(),
    });
    bases.collect()
}

/// The inputs of a workflow, or the variables of a pipeline: the user's, and with `causeInputs` ours
/// under these names for reason, causes, bases and identity. A user's of the same name wins.
///
/// A server takes so much and no more, which `fits` says: of the updates as many are told as fit. The
/// digests of the bases are told all or not at all, since a build that knew only some would stand on
/// others than were decided.
///
/// # Errors
///
/// When it does not fit.
pub(super) fn passed(
    request: &BuildRequest<'_>,
    names: [&str; 4],
    place: &Place<'_>,
    fits: impl Fn(&BTreeMap<String, String>) -> bool,
) -> Result<BTreeMap<String, String>, CiError> {
    let source = request.source;
    let wrong = |error: serde_json::Error| place.unusable(error.to_string());
    let bases = serde_json::to_string(&bases(request)).map_err(wrong)?;
    for told in (0..=request.causes.len().min(MOST)).rev() {
        let mut all = BTreeMap::new();
        if source.cause_inputs {
            let causes = serde_json::to_string(&first(request, told)).map_err(wrong)?;
            let identity = request.identity.to_owned();
            let ours = [request.reason.to_owned(), causes, bases.clone(), identity];
            all.extend(names.map(str::to_owned).into_iter().zip(ours));
        }
        all.extend(source.passed());
        if fits(&all) {
            return Ok(all);
        }
        // Without any, nobody could say how many are left out.
        if told <= 1 {
            break;
        }
    }
    let with = match source.cause_inputs {
        true => format!(", with the digests of {} bases,", request.bases.len()),
        false => String::new(),
    };
    Err(CiError::Settings {
        what: place.what.clone(),
        problem: format!(
            "what it would be told{with} is more than {} takes",
            place.host
        ),
        remedy: "pass less in images.yaml; with causeInputs: false a build is told of no bases",
    })
}
