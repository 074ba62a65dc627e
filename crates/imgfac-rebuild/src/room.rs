//! How many rebuilds may run at the same time, and how many do.

use std::collections::BTreeMap;

use crate::fleet::{Fleet, Image};
use crate::plan::Plan;
use crate::policy::{Caps, Policy};
use crate::status::{Cap, Status};

/// The room that caps leave for rebuilds.
#[derive(Clone, Debug)]
pub struct Room<'a> {
    caps: &'a Caps,
    total: usize,
    repositories: BTreeMap<&'a str, usize>,
    registries: BTreeMap<&'a str, usize>,
}

impl<'a> Room<'a> {
    /// Room while nothing runs.
    pub(crate) fn new(caps: &'a Caps) -> Self {
        Self {
            caps,
            total: 0,
            repositories: BTreeMap::new(),
            registries: BTreeMap::new(),
        }
    }

    /// The room beside the rebuilds that a plan found under way.
    #[must_use]
    pub fn beside(fleet: &'a Fleet, policy: &'a Policy, plan: &Plan) -> Self {
        let mut room = Self::new(&policy.caps);
        let running = plan.images.iter();
        let running = running.filter(|it| matches!(it.status, Status::InFlight { .. }));
        for image in running.filter_map(|it| fleet.images.get(&it.name)) {
            room.occupy(image);
        }
        room
    }

    /// Takes the place of one more rebuild.
    ///
    /// # Errors
    ///
    /// The cap that leaves none.
    pub fn take(&mut self, image: &'a Image) -> Result<(), Cap> {
        let of = |counts: &BTreeMap<&str, usize>, key: &str| counts.get(key).copied();
        let full = |cap: Option<usize>, running: Option<usize>| {
            cap.filter(|cap| running.unwrap_or_default() >= *cap)
        };
        let repository = of(&self.repositories, &image.repository);
        let registry = of(&self.registries, &image.registry);
        let cap = full(self.caps.total, Some(self.total))
            .map(Cap::Total)
            .or_else(|| full(self.caps.per_repository, repository).map(Cap::Repository))
            .or_else(|| full(self.caps.per_registry, registry).map(Cap::Registry));
        match cap {
            Some(cap) => Err(cap),
            None => {
                self.occupy(image);
                Ok(())
            }
        }
    }

    /// Counts a rebuild that runs, whatever the caps say.
    pub(crate) fn occupy(&mut self, image: &'a Image) {
        self.total += 1;
        *self.repositories.entry(&image.repository).or_default() += 1;
        *self.registries.entry(&image.registry).or_default() += 1;
    }
}
