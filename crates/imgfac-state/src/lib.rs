//! The files of a factory directory: what people wrote, and what the factory knows.
//!
//! [`Configuration`] is `imgfac.yaml`, `images.yaml` and `images.d/`, with every mistake as a
//! diagnostic that points at its place. [`Fleet`] is the state of all images and bases. An
//! [`Update`] says what a run found out; [`Fleet::apply`] brings the state up to date and
//! [`Fleet::changes`] gives the files that differ. Only [`Store`] and [`ConfinedDir`] touch a
//! disk, and never outside the folder that they were opened with; [`CommittedFiles`] are those of a
//! commit. Both are [`Files`].
//!
//! ```no_run
//! use imgfac_state::{Configuration, Fleet, Store, Update};
//!
//! let store = Store::open("image-factory".as_ref())?;
//! let _lock = store.lock()?;
//! let configuration = Configuration::read(&store)?;
//! let mut fleet = Fleet::read(&store)?;
//! let update = Update::new(&configuration, "2026-11-23T12:00:00Z");
//! fleet.recall(&store, &update)?;
//! fleet.apply(&update);
//! store.commit(&fleet.changes())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod arrive;
mod builds;
mod by_hand;
mod change;
mod committed;
mod configuration;
mod confined;
mod decode;
mod doubt;
mod emergency;
mod emit;
mod enrolment;
mod fleet;
mod former;
mod identity;
mod leave;
mod lifecycle;
mod listing;
mod observation;
mod passage;
mod rebuilds;
mod rename;
mod renew;
mod runs;
mod schema;
mod settings;
mod store;
mod stored;
mod tags;
mod targets;
mod told;
mod track;
mod update;

pub use crate::{
    archive::{Archived, ArchivedState, UnusableArchive},
    builds::Build,
    by_hand::{ArchiveError, REPLACED, Restored},
    change::{Change, ChangeKind},
    committed::CommittedFiles,
    configuration::{Configuration, ConfigurationError},
    confined::{ConfinedDir, ReadError},
    emergency::{AUDIT, AskedEmergency, asked_emergency},
    enrolment::Enrolled,
    fleet::{Fleet, Subject, Unreadable},
    lifecycle::{Event, Kind, TRANSITIONS, Transition},
    listing::{Listed, ListingError},
    observation::{About, LastError, ObserveError, SeenDigest, last_error, seen_digests},
    passage::{Moment, Passage},
    rebuilds::usual_build_seconds,
    rename::RenameError,
    runs::{
        Attempt, Rebuild, RebuildCause, RebuildEnd, RebuildOutcome, pending_since, rebuilds,
        timed_rebuilds,
    },
    schema::schemas,
    store::{FILE_LIMIT, FileChange, Files, Lock, Store, StoreError},
    stored::{Fields, Stored, Unusable},
    tags::{OwnTag, Sighting, available_versions, seen_tags, tag_errors},
    told::{Keys, Telling, Told},
    update::{Discovery, FoundBase, Update},
};
