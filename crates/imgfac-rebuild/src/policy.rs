//! What holds for the whole factory.

use std::collections::BTreeSet;

use imgfac_model::Digest;
use jiff::SignedDuration;

/// What holds for the whole factory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many rebuilds may run at the same time.
    pub caps: Caps,
    /// Digests that nothing is built on.
    pub quarantine: BTreeSet<Digest>,
    /// How long a run may take; one that has not ended by then counts as failed. So long is a push
    /// waited for after its run has succeeded, too.
    pub run_limit: SignedDuration,
}

impl Default for Policy {
    /// No caps, no quarantine, and six hours for a run, which is what GitHub gives a job.
    fn default() -> Self {
        Self {
            caps: Caps::default(),
            quarantine: BTreeSet::new(),
            run_limit: SignedDuration::from_hours(6),
        }
    }
}

/// How many rebuilds may run at the same time; `None` is no limit, and 0 starts none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// In the factory.
    pub total: Option<usize>,
    /// From one source repository.
    pub per_repository: Option<usize>,
    /// To one registry.
    pub per_registry: Option<usize>,
}

/// How many hours after a failure the next attempt follows: after the first, the second, and so
/// on. After that it is always the last number.
const BACK_OFF_HOURS: [i64; 8] = [0, 0, 1, 2, 4, 8, 16, 32];

/// So many failures in a row, whatever of, are worth an alert.
pub(crate) const STRIKES: usize = 3;

/// How long after its last failure an image is tried again, which failed so often for one cause.
#[must_use]
pub fn back_off(failures: usize) -> SignedDuration {
    let index = failures.clamp(1, BACK_OFF_HOURS.len()) - 1;
    SignedDuration::from_hours(BACK_OFF_HOURS[index])
}
