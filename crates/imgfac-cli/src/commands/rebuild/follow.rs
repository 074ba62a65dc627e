//! What became of rebuilds: CI is asked about their runs, and of those that went well `proof.rs` asks
//! the registry what they pushed.

use std::collections::BTreeMap;

use imgfac_model::{Digest, ImageName, Reference, Source};
use imgfac_providers::ci::{
    BuildRequest, CauseOfBuild, Ci, CiError, Found, RunRef, RunState, RunStatus,
};
use imgfac_state::{
    Attempt, Change, Configuration, Fleet, Rebuild, RebuildEnd, RebuildOutcome, Stored, rebuilds,
    seen_tags,
};
use jiff::{SignedDuration, Timestamp};

use super::proof::{Built, Ended};
use crate::rebuild_fleet;

/// A request that was recorded and is not known to CI after so long was never sent: whoever
/// recorded it does not send it any more ([`super::start::SEND_WITHIN`]).
const NEVER_SENT: SignedDuration = SignedDuration::from_mins(15);
/// One that is known to have been sent, with an answer that got lost, has this long to show up: lists
/// of runs may be late.
const LOST: SignedDuration = SignedDuration::from_hours(1);

/// What was found out about attempts that are not known to have ended.
#[derive(Default)]
pub(super) struct Followed {
    answers: BTreeMap<Attempt, Answer>,
}

enum Answer {
    /// It runs; its run is known now.
    Runs(RunRef),
    /// It ended.
    Ended(Box<Ended>),
    /// Nothing is new.
    Open,
    /// CI could not be asked, or does not say.
    Unknown(String),
}

/// An attempt that ended, and how.
pub(super) struct Outcome {
    pub(super) attempt: Attempt,
    pub(super) url: Option<String>,
    pub(super) end: RebuildEnd,
}

/// What is new about attempts.
#[derive(Default)]
pub(super) struct News {
    pub(super) changes: Vec<Change>,
    pub(super) ended: Vec<Outcome>,
    /// Those about which nothing could be found out, and why.
    pub(super) unknown: Vec<(Attempt, String)>,
    /// How many still run.
    pub(super) open: usize,
}

impl Followed {
    /// Asks about the open attempts that were not asked about yet.
    pub(super) fn ask(
        &mut self,
        ci: &Ci,
        configuration: &Configuration,
        fleet: &Fleet,
        now: Timestamp,
    ) {
        for it in open(configuration, fleet) {
            let asked = || it.ask(ci, configuration, fleet, now);
            self.answers.entry(it.attempt.clone()).or_insert_with(asked);
        }
    }

    /// Brings the answers into state.
    pub(super) fn record(
        &self,
        configuration: &Configuration,
        fleet: &mut Fleet,
        now: &str,
    ) -> News {
        let mut news = News::default();
        let known: Vec<(Attempt, Option<String>)> = open(configuration, fleet)
            .map(|it| (it.attempt, it.rebuild.url))
            .collect();
        for (attempt, url) in known {
            match self.answers.get(&attempt) {
                Some(Answer::Runs(run)) => {
                    let change = fleet.rebuild_started(&attempt, Some(&run.id), run.url.as_deref());
                    news.changes.extend(change);
                    news.open += 1;
                }
                Some(Answer::Ended(ended)) => {
                    news.changes.extend(ended.record(fleet, &attempt, now));
                    news.ended.push(Outcome {
                        attempt,
                        url,
                        end: ended.end.clone(),
                    });
                }
                Some(Answer::Unknown(why)) => {
                    news.unknown.push((attempt, why.clone()));
                    news.open += 1;
                }
                Some(Answer::Open) | None => news.open += 1,
            }
        }
        news
    }
}

/// An attempt that is not known to have ended.
struct Open<'a> {
    name: &'a ImageName,
    source: &'a Source,
    attempt: Attempt,
    rebuild: Rebuild,
}

fn open<'a>(configuration: &'a Configuration, fleet: &'a Fleet) -> impl Iterator<Item = Open<'a>> {
    configuration.images.iter().flat_map(|(name, enrolled)| {
        let source = enrolled.enrolment.source.as_ref();
        let stored = fleet.images.get(name.as_str());
        let rebuilds = stored
            .map(|stored| rebuilds(&stored.rest))
            .unwrap_or_default();
        let open = rebuilds.into_iter().filter(|it| it.outcome.is_open());
        open.filter_map(move |rebuild| {
            Some(Open {
                name,
                source: source?,
                attempt: Attempt {
                    image: name.to_string(),
                    identity: rebuild.identity.clone(),
                    requested_at: rebuild.requested_at.clone(),
                },
                rebuild,
            })
        })
    })
}

/// A rebuild as CI is told it.
pub(super) struct Told {
    causes: Vec<CauseOfBuild>,
    bases: BTreeMap<Reference, Digest>,
}

impl Told {
    pub(super) fn new(rebuild: &Rebuild) -> Self {
        let causes = rebuild.causes.iter().filter_map(|cause| {
            Some(CauseOfBuild {
                base: Reference::parse(&cause.base).ok()?,
                from: Digest::parse(&cause.from).ok(),
                to: Digest::parse(&cause.to).ok()?,
                first_seen: cause.first_seen.parse().ok()?,
            })
        });
        let bases = rebuild.bases.iter().filter_map(|(base, digest)| {
            Some((Reference::parse(base).ok()?, Digest::parse(digest).ok()?))
        });
        Self {
            causes: causes.collect(),
            bases: bases.collect(),
        }
    }

    pub(super) fn request<'r>(
        &'r self,
        image: &'r ImageName,
        source: &'r Source,
        rebuild: &'r Rebuild,
    ) -> BuildRequest<'r> {
        BuildRequest {
            image,
            source,
            identity: &rebuild.identity,
            attempt: &rebuild.ticket,
            reason: &rebuild.reason,
            causes: &self.causes,
            bases: &self.bases,
        }
    }
}

impl Open<'_> {
    fn ask(&self, ci: &Ci, configuration: &Configuration, fleet: &Fleet, now: Timestamp) -> Answer {
        let Ok(requested) = self.rebuild.requested_at.parse::<Timestamp>() else {
            return self.failed(now, "the time of the request cannot be read", None);
        };
        let limit = rebuild_fleet::policy(&configuration.settings.rebuilds).run_limit;
        let lost = now.duration_since(requested) >= limit;
        let (mut found, mut absent) = (None, false);
        let run = match &self.rebuild.run {
            Some(id) => Some(RunRef {
                id: id.clone(),
                url: self.rebuild.url.clone(),
            }),
            None => {
                let told = Told::new(&self.rebuild);
                let request = told.request(self.name, self.source, &self.rebuild);
                match ci.find(&request, requested) {
                    Ok(Found::Run(run)) => {
                        found = Some(run.clone());
                        Some(run)
                    }
                    Ok(Found::Absent) => {
                        absent = true;
                        // What is not known of it is that its answer got lost.
                        let patience = match &self.rebuild.problem {
                            Some(_) => LOST,
                            None => NEVER_SENT,
                        };
                        let waited = now.duration_since(requested) >= patience;
                        if waited && self.rebuild.outcome == RebuildOutcome::Requested {
                            return self.failed(now, "no run of it was found", None);
                        }
                        None
                    }
                    Ok(Found::CannotTell) => None,
                    Err(error) if !lost => return unknown(&error),
                    Err(_) => None,
                }
            }
        };
        let state = match &run {
            Some(run) => match ci.look(self.source, run) {
                Ok(state) => Some(state),
                Err(CiError::NotFollowed { .. }) => None,
                Err(error) if !lost => return unknown(&error),
                Err(error) => {
                    tracing::info!(image = %self.name, %error, "CI does not tell what became of a rebuild");
                    None
                }
            },
            None => None,
        };
        // A server may say any time.
        let within = |at: Timestamp| at.max(requested).min(now.max(requested));
        let state = state.map(|state| RunState {
            started: state.started.map(within),
            ended: state.ended.map(within),
            ..state
        });
        match state {
            Some(RunState {
                status: RunStatus::Failed { conclusion },
                started,
                ended,
                ..
            }) => {
                let seconds = seconds(started, ended);
                self.failed(
                    ended.unwrap_or(now),
                    &format!("its run ended with {conclusion}"),
                    seconds,
                )
            }
            Some(RunState {
                status: RunStatus::Succeeded,
                started,
                ended,
                ..
            }) => {
                let at = ended.unwrap_or(now);
                self.succeeded(configuration, fleet, at, seconds(started, ended), lost)
            }
            // Nobody can say how the run is doing, so what it pushes has to.
            None if !absent && self.was_built_since(configuration, fleet, requested) => {
                self.succeeded(configuration, fleet, now, None, lost)
            }
            _ if lost => self.failed(now, &format!("it did not end within {limit:#}"), None),
            _ => match found {
                Some(run) => Answer::Runs(run),
                None => Answer::Open,
            },
        }
    }

    fn failed(&self, at: Timestamp, why: &str, duration_seconds: Option<u64>) -> Answer {
        let end = RebuildEnd {
            at: to_seconds(at),
            failure: Some(why.to_owned()),
            duration_seconds,
            ..RebuildEnd::default()
        };
        Answer::Ended(Box::new(end.into()))
    }

    fn succeeded(
        &self,
        configuration: &Configuration,
        fleet: &Fleet,
        at: Timestamp,
        duration_seconds: Option<u64>,
        last: bool,
    ) -> Answer {
        let end = RebuildEnd {
            at: to_seconds(at),
            duration_seconds,
            ..RebuildEnd::default()
        };
        let settings = &configuration.settings.registries;
        let built = self.built(configuration, fleet);
        match built.prove(settings, end, last) {
            Ok(ended) => Answer::Ended(Box::new(ended)),
            Err(why) => Answer::Unknown(format!("what it pushed is not known yet: {why}")),
        }
    }

    fn built<'b>(&'b self, configuration: &'b Configuration, fleet: &'b Fleet) -> Built<'b> {
        Built {
            enrolment: &configuration.images[self.name].enrolment,
            rebuild: &self.rebuild,
            fleet,
        }
    }

    /// Whether there was a build after the request: one that recorded itself, or that who observes or
    /// the registry has seen.
    fn was_built_since(
        &self,
        configuration: &Configuration,
        fleet: &Fleet,
        requested: Timestamp,
    ) -> bool {
        let Some(Stored { state, rest }) = fleet.images.get(self.name.as_str()) else {
            return false;
        };
        let built = state.last_built.as_deref().and_then(|at| at.parse().ok());
        let seen = seen_tags(rest).into_values().filter_map(|mut seen| {
            // A first sight says nothing of when it was pushed.
            let last = seen.pop().filter(|_| !seen.is_empty())?;
            last.first_seen?.parse::<Timestamp>().ok()
        });
        let mut recorded = built.into_iter().chain(seen);
        recorded.any(|at: Timestamp| at > requested)
            || (self.built(configuration, fleet)).moved(&configuration.settings.registries)
    }
}

fn seconds(started: Option<Timestamp>, ended: Option<Timestamp>) -> Option<u64> {
    u64::try_from(ended?.duration_since(started?).as_secs()).ok()
}

/// As state has times.
fn to_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second())
        .unwrap_or(at)
        .to_string()
}

fn unknown(error: &CiError) -> Answer {
    Answer::Unknown(format!("{error}; {}", error.remedy()))
}
