//! Which images are rebuilt: those that are due, that a person named, or that cannot wait.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::ImageName;
use imgfac_providers::ci::{Ci, CiError};
use imgfac_rebuild::{Block, Decision, Plan, Room, Status};
use imgfac_state::{AskedEmergency, Configuration, Fleet};

use super::plan::plan_without;
use crate::rebuild_fleet;

/// The reason of a rebuild that only a person wanted.
pub(super) const MANUAL: &str = "manual";

/// What is to be rebuilt.
pub(super) enum Which<'a> {
    /// What the plan says.
    Due,
    /// What a person named, as far as nothing speaks against it.
    Named(&'a [String]),
    /// What cannot wait.
    Emergency(&'a AskedEmergency, &'a BTreeSet<ImageName>),
    /// Nothing: runs are followed only.
    Nothing,
}

/// A decision to rebuild, with the reason that the build is told.
pub(super) type Wanted = (Decision, &'static str);

/// What is to be asked for, and what is not.
#[derive(Default)]
pub(super) struct Chosen {
    /// First things first.
    pub(super) wanted: Vec<Wanted>,
    /// What nobody can be asked for, since we lack what is needed for that.
    pub(super) unable: Vec<(Wanted, CiError)>,
    /// What something speaks against, in a sentence.
    pub(super) refused: Vec<(ImageName, String)>,
}

impl Which<'_> {
    /// Chooses by a plan. An image that CI cannot be asked for takes nobody's place: others are
    /// decided as if a person had to rebuild it, unless the plan is one that was `shown`.
    pub(super) fn choose(
        &self,
        ci: &Ci,
        configuration: &Configuration,
        fleet: &Fleet,
        plan: &Plan,
        shown: bool,
    ) -> Chosen {
        if matches!(self, Self::Nothing) {
            return Chosen::default();
        }
        let sources = configuration.images.iter();
        let sources = sources.filter_map(|(name, it)| Some((name, it.enrolment.source.as_ref()?)));
        let unready: BTreeMap<&ImageName, CiError> = sources
            .filter_map(|(name, source)| Some((name, ci.ready(source).err()?)))
            .collect();
        let is_ready = |name: &ImageName| !unready.contains_key(name);
        let mut chosen = Chosen::default();
        let (wanted, refused) = self.wanted(plan);
        for it in wanted {
            match unready.get(&it.0.name) {
                Some(error) => chosen.unable.push((it, error.clone())),
                None => chosen.wanted.push(it),
            }
        }
        chosen.refused = refused;
        if let Which::Named(_) = self {
            keep_within_caps(configuration, fleet, plan, &mut chosen);
        }
        if !(unready.is_empty() || shown) {
            let without = plan_without(configuration, fleet, plan.now, |it| !is_ready(it));
            let (wanted, refused) = self.wanted(&without);
            chosen.wanted = wanted;
            chosen.wanted.retain(|(it, _)| is_ready(&it.name));
            chosen.refused.retain(|(name, _)| !is_ready(name));
            let refused = refused.into_iter().filter(|(name, _)| is_ready(name));
            chosen.refused.extend(refused);
        }
        chosen
    }

    /// What is wanted, first things first, and what is not, and why.
    fn wanted(&self, plan: &Plan) -> (Vec<Wanted>, Vec<(ImageName, String)>) {
        let due = |name: &dyn Fn(&ImageName) -> bool| {
            let due = plan.due().into_iter().filter(|it| name(&it.name));
            due.map(|it| (it.clone(), it.status.reason())).collect()
        };
        match self {
            Which::Nothing => Default::default(),
            Which::Due => (due(&|_| true), Vec::new()),
            Which::Emergency(_, images) => {
                let refused = images.iter().filter_map(|name| {
                    let Some(decision) = plan.image(name.as_str()) else {
                        let why = format!("{name} has no source, so others build it.");
                        return Some((name.clone(), why));
                    };
                    // It follows as soon as its parents are rebuilt: the emergency stays until then.
                    let goes_well = match &decision.status {
                        Status::Due { .. } => true,
                        Status::Blocked(Block::Parents(_)) => decision.emergency.is_some(),
                        _ => false,
                    };
                    (!goes_well).then(|| (name.clone(), told(plan, name)))
                });
                (due(&|name| images.contains(name)), refused.collect())
            }
            Which::Named(names) => {
                let mut wanted = Vec::new();
                let mut refused = Vec::new();
                let names: BTreeSet<&String> = names.iter().collect();
                for decision in names.into_iter().filter_map(|name| plan.image(name)) {
                    let reason = match &decision.status {
                        Status::Due { .. } => decision.status.reason(),
                        Status::UpToDate(_)
                        | Status::Manual
                        | Status::Pinned { .. }
                        | Status::Failed { .. }
                        | Status::Blocked(
                            Block::Circle
                            | Block::NoEffect
                            | Block::Unobserved(_)
                            | Block::Unknown(_),
                        ) => MANUAL,
                        Status::Waiting { .. } | Status::InFlight { .. } | Status::Blocked(_) => {
                            let why = told(plan, &decision.name);
                            refused.push((decision.name.clone(), why));
                            continue;
                        }
                    };
                    wanted.push((decision.clone(), reason));
                }
                (wanted, refused)
            }
        }
    }
}

/// Refuses what the caps have no room for: the plan has room for what is due only.
fn keep_within_caps(
    configuration: &Configuration,
    state: &Fleet,
    plan: &Plan,
    chosen: &mut Chosen,
) {
    let fleet = rebuild_fleet::fleet(configuration, state);
    let policy = rebuild_fleet::policy(&configuration.settings.rebuilds);
    let mut room = Room::beside(&fleet, &policy, plan);
    chosen.wanted.retain(|(decision, _)| {
        let Some(image) = fleet.images.get(&decision.name) else {
            return true;
        };
        match room.take(image) {
            Ok(()) => true,
            Err(cap) => {
                let why = format!("{}: {cap}.", decision.name);
                chosen.refused.push((decision.name.clone(), why));
                false
            }
        }
    });
}

/// The verdict about an image, in one sentence.
fn told(plan: &Plan, name: &ImageName) -> String {
    let text = plan.explain(name.as_str()).unwrap_or_default();
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}
