//! What a run came to.

use crate::error::RequestError;
use crate::object::ObjectKey;

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It had other values.
    Changed,
    /// It was as it should be.
    Unchanged,
    /// It was deleted.
    Pruned,
    /// It is as it was.
    Failed(RequestError),
    /// Nothing was sent for it; the text says why.
    NotAttempted(String),
}

/// What [`Cluster::apply`](crate::Cluster::apply) did, object by object in the order of the work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Every object of the manifests, then those that were pruned.
    pub outcomes: Vec<(ObjectKey, Outcome)>,
    /// Why nothing was pruned although it was asked for.
    pub not_pruned: Option<String>,
    /// Whether somebody stopped the run.
    pub stopped: bool,
}

/// How many objects had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New objects.
    pub created: usize,
    /// Objects that had other values.
    pub changed: usize,
    /// Objects that were as they should be.
    pub unchanged: usize,
    /// Objects that were deleted.
    pub pruned: usize,
    /// Objects that the cluster refused.
    pub failed: usize,
    /// Objects for which nothing was sent.
    pub not_attempted: usize,
}

impl Applied {
    /// How many objects had which outcome.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, outcome) in &self.outcomes {
            let count = match outcome {
                Outcome::Created => &mut counts.created,
                Outcome::Changed => &mut counts.changed,
                Outcome::Unchanged => &mut counts.unchanged,
                Outcome::Pruned => &mut counts.pruned,
                Outcome::Failed(_) => &mut counts.failed,
                Outcome::NotAttempted(_) => &mut counts.not_attempted,
            };
            *count += 1;
        }
        counts
    }
}

impl Counts {
    /// Whether the cluster is as the manifests say.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.not_attempted == 0
    }

    /// How many objects are as they should be now.
    #[must_use]
    pub fn done(&self) -> usize {
        self.created + self.changed + self.unchanged + self.pruned
    }
}
