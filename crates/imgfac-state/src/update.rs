//! What a run found out, applied to the state of the fleet.
//!
//! An [`Update`] says what happened, not what files look like. It can be applied again to a newer
//! state, for instance after another writer was faster, and applying it twice changes nothing.
//!
//! The order of its steps is that of a life: what has another name or comes back is there before
//! anything looks for it (`rename.rs`, `arrive.rs`, `track.rs`), then every image is brought up to
//! date (`renew.rs`), and what nobody needs any more leaves last (`leave.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imgfac_model::{BaseName, BaseUse, ImageName, Reference, Repository, assign_base_names};

use crate::builds::Build;
use crate::change::{Change, Changes};
use crate::configuration::Configuration;
use crate::enrolment::Enrolled;
use crate::fleet::{Fleet, Subject};
use crate::passage::Moment;
use crate::stored::Stored;

/// What a run found out.
#[derive(Clone, Debug)]
pub struct Update<'c> {
    /// The configuration that the run worked with.
    pub configuration: &'c Configuration,
    /// The images that the run is about; `None` is all, and only then does anything leave the
    /// fleet.
    pub scope: Option<BTreeSet<ImageName>>,
    /// What discovery found, by image.
    pub discoveries: BTreeMap<ImageName, Arc<Discovery>>,
    /// The commit at which each Dockerfile was read, where it was read from one.
    pub commits: BTreeMap<ImageName, String>,
    /// The builds that are to be recorded.
    pub builds: BTreeMap<ImageName, Build>,
    /// The images that go on under a new name: the old one, by the new one.
    pub renames: BTreeMap<ImageName, String>,
    /// When, RFC 3339.
    pub now: String,
    /// The commit of the state repository that the run works on, where it works on one.
    pub commit: Option<String>,
}

impl<'c> Update<'c> {
    /// An update of all images by a run that found nothing out; `now` is RFC 3339.
    #[must_use]
    pub fn new(configuration: &'c Configuration, now: impl Into<String>) -> Self {
        Self {
            configuration,
            scope: None,
            discoveries: BTreeMap::new(),
            commits: BTreeMap::new(),
            builds: BTreeMap::new(),
            renames: BTreeMap::new(),
            now: now.into(),
            commit: None,
        }
    }

    pub(crate) fn discovery(&self, name: &ImageName) -> Option<&Discovery> {
        self.discoveries.get(name).map(Arc::as_ref)
    }

    pub(crate) fn moment(&self) -> Moment<'_> {
        Moment {
            time: &self.now,
            commit: self.commit.as_deref(),
        }
    }

    /// The entries that the run is about.
    pub(crate) fn images(&self) -> impl Iterator<Item = (&'c ImageName, &'c Enrolled)> {
        let images = self.configuration.images.iter();
        images.filter(|(name, _)| {
            self.scope
                .as_ref()
                .is_none_or(|scope| scope.contains(*name))
        })
    }
}

/// The outcome of discovery: the images that a Dockerfile names, or why they are not known. One
/// may be there more than once; it is reachable if it is so anywhere.
pub type Discovery = Result<Vec<FoundBase>, String>;

/// What the images that a Dockerfile names are needed for, without those of which there is nothing
/// to say: the `FROM` of the built stage alone.
pub(crate) fn uses(found: &[FoundBase]) -> BTreeMap<Reference, Vec<BaseUse>> {
    let mut uses: BTreeMap<&Reference, BTreeSet<&BaseUse>> = BTreeMap::new();
    for base in found {
        uses.entry(&base.reference).or_default().extend(&base.uses);
    }
    uses.into_iter()
        .map(|(reference, uses)| (reference.clone(), uses.into_iter().cloned().collect()))
        .filter(|(_, uses): &(_, Vec<_>)| !uses.is_empty() && uses != &[BaseUse::PLAIN])
        .collect()
}

/// An image that a Dockerfile names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBase {
    /// The image.
    pub reference: Reference,
    /// Whether the built target needs it.
    pub reachable: bool,
    /// What it is needed for.
    pub uses: Vec<BaseUse>,
}

/// The images that one image stands on, whether its target needs them.
pub(crate) type Bases = BTreeMap<Reference, bool>;

/// One application of an update.
pub(crate) struct Run<'u> {
    pub(crate) update: &'u Update<'u>,
    /// The managed image that is published at a place.
    pub(crate) managed: BTreeMap<&'u Repository, &'u ImageName>,
    pub(crate) changes: Changes,
    /// The images whose passage from one kind to another is told.
    pub(crate) passed: BTreeSet<String>,
    /// The images that start with nothing behind them.
    pub(crate) started: Vec<&'u ImageName>,
    /// The images that went to the archive, and where they were published.
    pub(crate) left: Vec<(String, Option<Repository>)>,
}

/// What an update is about.
pub(crate) struct Plan<'c> {
    /// The images, with what they stand on.
    pub(crate) images: Vec<(&'c ImageName, &'c Enrolled, Bases)>,
    /// The bases that must stay for the sake of images that the update does not touch.
    pub(crate) others: BTreeSet<BaseName>,
    /// All bases that are needed.
    pub(crate) wanted: BTreeSet<Reference>,
}

impl Fleet {
    /// Applies an update and says what it changed.
    ///
    /// Configuration wins for what people decide, everything else survives. A failed discovery
    /// keeps the bases that were known. What [`Fleet::recall`] read of the archive comes back
    /// where it is needed; [`Fleet::warnings`] are those of this update.
    pub fn apply(&mut self, update: &Update<'_>) -> Vec<Change> {
        self.warnings.clear();
        let mut run = Run {
            update,
            managed: update.configuration.managed(),
            changes: Changes::default(),
            passed: BTreeSet::new(),
            started: Vec::new(),
            left: Vec::new(),
        };
        self.rename_images(&mut run);
        self.bring_images_back(&mut run);
        let plan = self.plan(update, &run.managed);
        self.stand_in(&plan.wanted);
        let names = assign_base_names(
            &self.known_names(&plan.wanted),
            &self.taken_names(&plan.wanted),
            &plan.wanted,
        );
        self.track(&names, &mut run);
        let known_as = self.known_as();
        for (name, enrolled, bases) in &plan.images {
            self.renew_image(name, enrolled, bases, &names, &known_as, &mut run);
        }
        if update.scope.is_none() {
            let kept: BTreeSet<&BaseName> = names.values().chain(&plan.others).collect();
            self.images_leave(&kept, &mut run);
            self.bases_become_images(&mut run);
            self.bases_leave(&kept, &mut run);
        }
        self.propose_renames(&run);
        run.changes.finish()
    }

    /// What an update is about, as things are now.
    pub(crate) fn plan<'c>(
        &self,
        update: &Update<'c>,
        managed: &BTreeMap<&Repository, &ImageName>,
    ) -> Plan<'c> {
        let images: Vec<(&ImageName, &Enrolled, Bases)> = update
            .images()
            .filter(|(name, _)| self.unreadable_image(name.as_str()).is_none())
            .map(|(name, enrolled)| {
                let bases = self.bases_of(enrolled, update.discovery(name));
                (name, enrolled, bases)
            })
            .collect();
        let others = self.bases_of_others(&images, update);
        let found = images
            .iter()
            .flat_map(|(_, _, bases)| bases.keys())
            .filter(|reference| !managed.contains_key(reference.repository()));
        let known = others
            .iter()
            .filter_map(|name| Some(&self.bases.get(name)?.state.reference));
        // Many images share few bases.
        let wanted: BTreeSet<&Reference> = found.chain(known).collect();
        let wanted = wanted.into_iter().cloned().collect();
        Plan {
            images,
            others,
            wanted,
        }
    }

    /// What an image stands on: as just found, else as known before.
    fn bases_of(&self, enrolled: &Enrolled, discovery: Option<&Discovery>) -> Bases {
        let mut bases = Bases::new();
        if !enrolled.enrolment.is_managed() {
            return bases;
        }
        if let Some(Ok(found)) = discovery {
            for base in found {
                *bases.entry(base.reference.clone()).or_default() |= base.reachable;
            }
            return bases;
        }
        let Some(Stored { state, .. }) = self.images.get(enrolled.enrolment.name.as_str()) else {
            return bases;
        };
        let upstream = state
            .base_images
            .iter()
            .filter_map(|name| match self.bases.get(name) {
                Some(base) => Some(&base.state.reference),
                // An image that is back from the archive may stand on bases that are there too.
                None => self.recalled.reference_of(name),
            });
        for reference in upstream.chain(state.managed_bases.iter().map(|base| &base.reference)) {
            bases.insert(reference.clone(), !state.unused_bases.contains(reference));
        }
        bases
    }

    /// The bases that must stay for the sake of images that this update does not touch.
    fn bases_of_others(
        &self,
        images: &[(&ImageName, &Enrolled, Bases)],
        update: &Update<'_>,
    ) -> BTreeSet<BaseName> {
        let touched: BTreeSet<&str> = images.iter().map(|(name, ..)| name.as_str()).collect();
        let others = self.images.iter().filter(|(name, _)| {
            !touched.contains(name.as_str())
                && (update.scope.is_some()
                    || update.configuration.images.contains_key(name.as_str()))
        });
        others
            .flat_map(|(_, stored)| stored.state.base_images.iter().cloned())
            .collect()
    }

    /// Names that a new base must not get, whatever is in their files.
    fn taken_names(&self, wanted: &BTreeSet<Reference>) -> BTreeSet<BaseName> {
        // A file of such a name would be a sample, which the next run does not read.
        let samples = wanted
            .iter()
            .map(imgfac_model::base_slug)
            .filter(|slug| slug.ends_with(".example"))
            .filter_map(|slug| BaseName::new(&slug).ok());
        let known = self.bases.keys().cloned();
        known
            .chain(self.unreadable_bases())
            .chain(samples)
            .collect()
    }

    pub(crate) fn unreadable_bases(&self) -> impl Iterator<Item = BaseName> {
        self.unreadable
            .iter()
            .filter_map(|file| match &file.subject {
                Subject::Base(name) => BaseName::new(name).ok(),
                Subject::Image(_) => None,
            })
    }
}
