//! What a build is told about its reason, in the words that the cluster uses.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::BuildRequest;

/// An update that the rebuild carries.
#[derive(Debug, Serialize)]
pub(super) struct Cause {
    base: String,
    /// Empty when it is not known.
    from: String,
    to: String,
    since: Timestamp,
}

/// A base and its digest now.
#[derive(Debug, Serialize)]
pub(super) struct Base {
    base: String,
    digest: String,
}

pub(super) fn causes(request: &BuildRequest<'_>) -> Vec<Cause> {
    let causes = request.causes.iter().map(|cause| Cause {
        base: cause.base.to_string(),
        from: cause
            .from
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        to: cause.to.to_string(),
        since: cause.first_seen,
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
pub(super) fn passed(
    request: &BuildRequest<'_>,
    names: [&str; 4],
) -> Result<BTreeMap<String, String>, serde_json::Error> {
    let mut all = BTreeMap::new();
    if request.source.cause_inputs {
        let ours = [
            request.reason.to_owned(),
            serde_json::to_string(&causes(request))?,
            serde_json::to_string(&bases(request))?,
            request.identity.to_owned(),
        ];
        all.extend(names.map(str::to_owned).into_iter().zip(ours));
    }
    all.extend(request.source.passed());
    Ok(all)
}
