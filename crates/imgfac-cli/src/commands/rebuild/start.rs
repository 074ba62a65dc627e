//! Rebuilds through CI: recorded before they are asked for, and confirmed after.
//!
//! A run that is killed leaves an attempt that is recorded and not confirmed. The next run looks for
//! it at CI before anything else is decided, so no crash makes a rebuild happen twice.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use imgfac_model::{ImageName, RebuildThrough, Source};
use imgfac_providers::Clock as _;
use imgfac_providers::ci::{Ci, CiError, RunRef};
use imgfac_rebuild::{Decision, Identity, Plan};
use imgfac_state::{
    Attempt, Change, Configuration, Files, Fleet, Rebuild, RebuildCause, RebuildEnd,
    RebuildOutcome, rebuilds,
};

use super::emergency;
use super::follow::{Followed, News, Outcome, Told};
use super::plan::{ours, plan, to_time};
use super::proof;
use super::shown::Shown;
use super::which::{MANUAL, Which};
use crate::clock::ProgramClock;
use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::CommitReport;

/// A request that was recorded so long ago is not sent any more: another run may have found it, and
/// decided that it never was.
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(300);

/// First half: what became of earlier rebuilds, and which ones are to be asked for now.
pub(super) struct Begin<'a> {
    pub(super) publish: &'a PublishArgs,
    pub(super) ci: &'a Ci,
    pub(super) which: Which<'a>,
    /// What a person saw, which must not have changed.
    pub(super) shown: Option<&'a Shown>,
    pub(super) followed: Followed,
    /// [`Rebuild::ticket`] of this run.
    pub(super) ticket: String,
    /// [`Rebuild::before`] of the images that were looked at.
    pub(super) before: proof::Before,
    pub(super) begun: &'a mut Option<Begun>,
}

/// What the first half came to.
pub(super) struct Begun {
    pub(super) plan: Plan,
    pub(super) requests: Vec<Request>,
    /// What cannot be asked for, as is known without asking: it is not recorded.
    pub(super) unable: Vec<(Request, Answer)>,
    pub(super) refused: Vec<(ImageName, String)>,
    pub(super) news: News,
    /// How many state files cannot be used.
    pub(super) unreadable: usize,
    pub(super) commit: Option<CommitReport>,
    /// How many emergencies there were before the one that is asked for.
    pub(super) emergencies: Option<usize>,
    /// Whether anybody is to be told what happened.
    pub(super) tells: bool,
    recorded: Instant,
}

/// A rebuild that is recorded and to be asked for.
pub(super) struct Request {
    pub(super) image: ImageName,
    pub(super) source: Source,
    pub(super) rebuild: Rebuild,
}

impl Request {
    pub(super) fn attempt(&self) -> Attempt {
        Attempt {
            image: self.image.to_string(),
            identity: self.rebuild.identity.clone(),
            requested_at: self.rebuild.requested_at.clone(),
        }
    }
}

impl Operation for Begin<'_> {
    type Outcome = Begun;

    fn command(&self) -> &'static str {
        "rebuild"
    }

    fn publish(&self) -> &PublishArgs {
        self.publish
    }

    fn apply<F: Files>(
        &mut self,
        context: &mut Context<'_>,
        factory: &mut Factory<F>,
        _: Round<'_>,
    ) -> Result<Applied<Begun>, CliError> {
        let text = Context::now()?;
        let now = to_time(&text)?;
        let mut fleet = factory.fleet()?;
        let unreadable = factory.tell_unreadable(context, &fleet)?.len();
        let configuration = &factory.configuration;
        match &self.which {
            Which::Named(names) => ours(configuration, names)?,
            Which::Emergency(asked, _) => {
                emergency::may_ask(asked, &configuration.settings.rebuilds)?;
            }
            Which::Due
                if configuration.settings.rebuilds.through == Some(RebuildThrough::Kargo) =>
            {
                return Err(CliError::failed(
                    "this factory rebuilds through Kargo: two that start rebuilds would start them twice",
                )
                .with_hint("imgfac.yaml says so: rebuilds.through"));
            }
            _ => {}
        }
        let mut news = News::default();
        if let Some(shown) = self.shown {
            shown.still_holds(&plan(configuration, &fleet, now))?;
        } else {
            know(self.ci, configuration, &fleet);
            self.followed.ask(self.ci, configuration, &fleet, now);
            news = self.followed.record(configuration, &mut fleet, &text);
        }
        know(self.ci, configuration, &fleet);
        let mut changes = std::mem::take(&mut news.changes);
        let mut files = Vec::new();
        let mut emergencies = None;
        if let Which::Emergency(asked, images) = &self.which {
            emergencies = Some(emergency::before(&factory.store, &asked.asked_at));
            let names: Vec<&str> = images.iter().map(|name| name.as_str()).collect();
            for name in &names {
                let enrolled = configuration.images.get(*name);
                if enrolled.is_some_and(|it| it.enrolment.is_managed()) {
                    changes.extend(fleet.emergency_asked(name, asked));
                }
            }
            files.push(asked.record(&names));
        }
        let plan = plan(configuration, &fleet, now);
        let chosen = self
            .which
            .choose(self.ci, configuration, &fleet, &plan, self.shown.is_some());
        let wanted = chosen.wanted.iter().map(|(decision, _)| &decision.name);
        proof::look_before(configuration, &fleet, wanted, &mut self.before);
        let request = |(decision, reason): &(Decision, &str), fleet: &Fleet| {
            let enrolled = &configuration.images[&decision.name];
            Some(Request {
                image: decision.name.clone(),
                source: enrolled.enrolment.source.clone()?,
                rebuild: Rebuild {
                    ticket: self.ticket.clone(),
                    before: self.before.get(&decision.name).cloned().unwrap_or_default(),
                    ..rebuild(decision, reason, fleet, &text)
                },
            })
        };
        let mut requests = Vec::new();
        for wanted in &chosen.wanted {
            let Some(request) = request(wanted, &fleet) else {
                continue;
            };
            if let Some(change) = fleet.rebuild_requested(request.image.as_str(), &request.rebuild)
            {
                changes.push(change);
                requests.push(request);
            }
        }
        let unable = chosen.unable.into_iter().filter_map(|(wanted, error)| {
            let answer = Answer::Refused {
                why: error.to_string(),
                remedy: error.remedy(),
            };
            Some((request(&wanted, &fleet)?, answer))
        });
        let unable = unable.collect();
        files.extend(fleet.changes());
        Ok(Applied {
            outcome: Begun {
                plan,
                requests,
                unable,
                refused: chosen.refused,
                news,
                unreadable,
                commit: None,
                emergencies,
                tells: !configuration.settings.notifications.is_empty(),
                recorded: Instant::now(),
            },
            changes: merged(changes),
            files,
        })
    }

    fn finish<F: Files>(
        self,
        _: &mut Context<'_>,
        _: &Factory<F>,
        applied: Applied<Begun>,
        commit: Option<CommitReport>,
    ) -> Result<u8, CliError> {
        *self.begun = Some(Begun {
            commit,
            ..applied.outcome
        });
        Ok(imgfac_model::exit::DONE)
    }
}

/// Tells which runs are recorded, so that none of them is taken for one that is asked for now.
fn know(ci: &Ci, configuration: &Configuration, fleet: &Fleet) {
    for (name, enrolled) in &configuration.images {
        let source = enrolled.enrolment.source.as_ref();
        let stored = fleet.images.get(name.as_str());
        let (Some(source), Some(stored)) = (source, stored) else {
            continue;
        };
        let runs = rebuilds(&stored.rest).into_iter().filter_map(|it| it.run);
        runs.for_each(|run| ci.know(source, &run));
    }
}

/// A word that no other run has.
pub(super) fn ticket() -> String {
    // The keys of a new hasher are random.
    let random = RandomState::new().build_hasher().finish();
    format!("{random:016x}")
}

fn rebuild(decision: &Decision, reason: &str, fleet: &Fleet, now: &str) -> Rebuild {
    let state = fleet.images.get(decision.name.as_str());
    let source_commit = state.and_then(|stored| stored.state.source_commit.clone());
    let identity = decision.identity.clone();
    let identity = identity.unwrap_or_else(|| {
        Identity::new(&decision.name, source_commit.as_deref(), &decision.bases)
    });
    let bases = decision.bases.iter();
    Rebuild {
        identity: identity.to_string(),
        reason: reason.to_owned(),
        requested_at: now.to_owned(),
        ticket: String::new(),
        source_commit,
        bases: bases
            .map(|(base, digest)| (base.to_string(), digest.to_string()))
            .collect(),
        before: BTreeMap::new(),
        causes: (decision.causes.iter())
            .map(|cause| RebuildCause {
                base: cause.base.to_string(),
                from: cause.from.to_string(),
                to: cause.to.to_string(),
                first_seen: cause.first_seen.to_string(),
            })
            .collect(),
        run: None,
        url: None,
        outcome: RebuildOutcome::Requested,
        ended_at: None,
        digest: None,
        problem: None,
    }
}

/// One change for each image, with all that is told of it.
fn merged(changes: Vec<Change>) -> Vec<Change> {
    let mut merged: Vec<Change> = Vec::new();
    for change in changes {
        match merged.iter_mut().find(|it| it.subject == change.subject) {
            Some(known) => known.details.extend(change.details),
            None => merged.push(change),
        }
    }
    merged
}

/// What became of a request.
pub(super) enum Answer {
    /// CI took it; the run may not be known yet.
    Started(Option<RunRef>),
    /// CI did not take it.
    Refused { why: String, remedy: String },
    /// It never reached CI, for a reason that will pass and is none of the build: it counts as nothing.
    PutOff { why: String, remedy: String },
    /// Nobody knows: the next run looks for it.
    Unclear { why: String, remedy: String },
}

/// Asks CI for everything that was recorded, one after the other.
pub(super) fn send(ci: &Ci, begun: &Begun, progress: &dyn Fn()) -> Vec<Answer> {
    let send = |request: &Request| {
        // Nobody decides it again where only a person wanted it.
        let again = |remedy: String| match request.rebuild.reason.as_str() {
            MANUAL => "ask for it again then".to_owned(),
            _ => remedy,
        };
        if begun.recorded.elapsed() > SEND_WITHIN {
            return Answer::PutOff {
                why: "it was not sent in time".to_owned(),
                remedy: again("the next run sees to it".to_owned()),
            };
        }
        let told = Told::new(&request.rebuild);
        let asked = ci.start(&told.request(&request.image, &request.source, &request.rebuild));
        progress();
        let error = match asked {
            Ok(run) => return Answer::Started(run),
            Err(error) => error,
        };
        let (why, remedy) = (error.to_string(), error.remedy());
        match error {
            CiError::Limited { .. } | CiError::Unreachable { .. } => Answer::PutOff {
                why,
                remedy: again(remedy),
            },
            error if error.may_have_started() => Answer::Unclear { why, remedy },
            _ => Answer::Refused { why, remedy },
        }
    };
    begun.requests.iter().map(send).collect()
}

/// Second half: what CI said.
pub(super) struct Confirm<'a> {
    pub(super) publish: &'a PublishArgs,
    pub(super) answers: Vec<(&'a Request, &'a Answer)>,
}

impl Operation for Confirm<'_> {
    type Outcome = ();

    fn command(&self) -> &'static str {
        "rebuild"
    }

    fn publish(&self) -> &PublishArgs {
        self.publish
    }

    fn apply<F: Files>(
        &mut self,
        _: &mut Context<'_>,
        factory: &mut Factory<F>,
        _: Round<'_>,
    ) -> Result<Applied<()>, CliError> {
        let mut fleet = factory.fleet()?;
        let now = Context::now()?;
        let mut changes = Vec::new();
        for (request, answer) in &self.answers {
            let attempt = &request.attempt();
            // What was asked for stays on record, even if somebody has set the branch back since.
            if !(fleet.has_attempt(attempt) || matches!(answer, Answer::PutOff { .. })) {
                changes.extend(fleet.rebuild_requested(&attempt.image, &request.rebuild));
            }
            let change = match answer {
                Answer::Started(run) => {
                    let url = run.as_ref().and_then(|run| run.url.as_deref());
                    let id = run.as_ref().map(|run| run.id.as_str());
                    fleet.rebuild_started(attempt, id, url)
                }
                Answer::Refused { why, .. } => {
                    let end = RebuildEnd {
                        at: now.clone(),
                        failure: Some(why.clone()),
                        ..RebuildEnd::default()
                    };
                    fleet.rebuild_ended(attempt, &end)
                }
                Answer::PutOff { why, .. } => fleet.rebuild_withdrawn(attempt, why),
                Answer::Unclear { why, .. } => fleet.rebuild_unclear(attempt, why),
            };
            changes.extend(change);
        }
        Ok(Applied {
            outcome: (),
            changes: merged(changes),
            files: fleet.changes(),
        })
    }

    fn finish<F: Files>(
        self,
        _: &mut Context<'_>,
        _: &Factory<F>,
        _: Applied<()>,
        _: Option<CommitReport>,
    ) -> Result<u8, CliError> {
        Ok(imgfac_model::exit::DONE)
    }
}

/// What runs came to that were waited for.
#[derive(Default)]
pub(super) struct Awaited {
    pub(super) ended: Vec<Outcome>,
    /// Those about which nothing could be found out in the end, and why.
    pub(super) unknown: Vec<(Attempt, String)>,
    /// How many had not ended when the time was over.
    pub(super) open: usize,
    /// What is decided since.
    pub(super) plan: Option<Plan>,
}

/// Follows runs until all of them have ended, or for so long.
pub(super) fn follow(
    context: &mut Context<'_>,
    ci: &Ci,
    publish: &PublishArgs,
    limit: Duration,
) -> Result<Awaited, CliError> {
    let started = Instant::now();
    let mut waited = Duration::ZERO;
    let mut wait = Duration::from_secs(5);
    let mut ended = Vec::new();
    loop {
        let mut begun = None;
        let begin = Begin {
            publish,
            ci,
            which: Which::Nothing,
            shown: None,
            followed: Followed::default(),
            ticket: ticket(),
            before: proof::Before::new(),
            begun: &mut begun,
        };
        operation::run(context, begin)?;
        let (news, plan) = match begun {
            Some(begun) => (begun.news, Some(begun.plan)),
            None => Default::default(),
        };
        ended.extend(news.ended);
        if news.open == 0 || started.elapsed().max(waited) + wait > limit {
            return Ok(Awaited {
                ended,
                unknown: news.unknown,
                open: news.open,
                plan,
            });
        }
        tracing::info!(open = news.open, "waiting for runs to end");
        ProgramClock.sleep(wait);
        waited += wait;
        wait = (wait * 2).min(Duration::from_secs(60));
    }
}
