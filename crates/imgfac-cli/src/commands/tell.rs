//! Who is told of what the fleet needs to be looked at for, once.
//!
//! Events are read off state, not off the run that made them: what a run that was killed did not tell,
//! the next one does.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{NotificationEvent, Reference};
use imgfac_notify::{Cause, Event, concerned, deliveries};
use imgfac_providers::{Delivered, NotifyOptions, send_all};
use imgfac_rebuild::{Plan, Status};
use imgfac_state::{
    AUDIT, Files, Fleet, Rebuild, RebuildOutcome, Stored, Telling, asked_emergency, last_error,
    rebuilds, tag_errors,
};
use jiff::{SignedDuration, Timestamp};

use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::commands::rebuild;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::{CommitReport, WARNING, clean};

/// An emergency is news for so long.
const EMERGENCY_NEWS: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Tells whoever is to be told, and notes it in state. That it cannot be told is a warning, never a
/// failure.
pub(crate) fn tell(context: &mut Context<'_>, publish: &PublishArgs) {
    let mut failures = Vec::new();
    let tell = Tell {
        publish,
        told: None,
        failures: &mut failures,
    };
    let told = operation::run(context, tell);
    if let Err(error) = told {
        failures.push(format!(
            "who was told could not be noted: {}",
            error.message
        ));
    }
    for failure in failures {
        // Where even this cannot be written, nobody is left to be told.
        let _ = writeln!(
            context.err,
            "{WARNING}warning:{WARNING:#} {}",
            clean(&failure)
        );
    }
}

struct Tell<'a> {
    publish: &'a PublishArgs,
    /// What was sent, on the first look.
    told: Option<Telling>,
    failures: &'a mut Vec<String>,
}

impl Operation for Tell<'_> {
    type Outcome = ();

    fn command(&self) -> &'static str {
        "notify"
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
        let now = Context::now()?;
        let mut fleet = factory.fleet()?;
        let telling = match self.told.take() {
            Some(told) => told,
            None => self.send(factory, &fleet, &now)?,
        };
        fleet.tell(&telling, &now);
        self.told = Some(telling);
        Ok(Applied {
            outcome: (),
            changes: Vec::new(),
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

impl Tell<'_> {
    fn send<F: Files>(
        &mut self,
        factory: &Factory<F>,
        fleet: &Fleet,
        now: &str,
    ) -> Result<Telling, CliError> {
        let configuration = &factory.configuration;
        let settings = &configuration.settings;
        let looked_at = NotificationEvent::ALL.iter();
        let looked_at: BTreeSet<NotificationEvent> =
            looked_at.filter_map(|kind| kind.parse().ok()).collect();
        if settings.notifications.is_empty() {
            return Ok(Telling {
                looked_at,
                ..Telling::default()
            });
        }
        if let Some(problem) = &fleet.told.problem {
            self.failures.push(format!(
                "state/notifications.yaml cannot be used, so people may be told twice: {}",
                problem.reason
            ));
        }
        let time: Timestamp = now.parse().map_err(CliError::failed)?;
        let plan = rebuild::plan_of(configuration, fleet, time);
        let events = events(factory, fleet, &plan, time);
        let current = concerned(&settings.notifications, &events);
        let news = fleet.told.news(&current);
        let deliveries = deliveries(&settings.notifications, &events, &news);
        let delivered = send_all(&deliveries, &NotifyOptions::default());
        for it in &delivered {
            if let Some(error) = &it.error {
                let (target, remedy) = (&it.target, error.remedy());
                self.failures
                    .push(format!("{target} was not told: {error}; {remedy}"));
            }
        }
        Ok(Telling {
            looked_at,
            current,
            told: Delivered::keys_of(&delivered),
        })
    }
}

/// All that is the case.
fn events<F: Files>(
    factory: &Factory<F>,
    fleet: &Fleet,
    plan: &Plan,
    now: Timestamp,
) -> Vec<Event> {
    let configuration = &factory.configuration;
    let text = now.to_string();
    let audit = LazyCell::new(|| factory.store.yaml_files(AUDIT).unwrap_or_default());
    let mut events = Vec::new();
    for (name, enrolled) in &configuration.images {
        let Some(stored) = fleet.images.get(name.as_str()) else {
            continue;
        };
        if enrolled.enrolment.is_managed() {
            let rebuilds = rebuilds(&stored.rest);
            let next_try = plan
                .image(name.as_str())
                .and_then(|image| match &image.status {
                    Status::Failed { next_try, .. } => Some(next_try.to_string()),
                    _ => None,
                });
            let told = of_rebuilds(name.as_str(), &rebuilds, &text);
            events.extend(told.into_iter().map(|event| match event.kind {
                NotificationEvent::Started => event,
                _ => Event {
                    next_try: next_try.clone(),
                    ..event
                },
            }));
        }
        let emergency = asked_emergency(&stored.rest).filter(|asked| {
            let asked = asked.asked_at.parse::<Timestamp>();
            asked.is_ok_and(|at| now.duration_since(at) <= EMERGENCY_NEWS)
        });
        if let Some(asked) = emergency {
            // This one is on record, too.
            let before = rebuild::emergencies_before(&audit, &asked.asked_at).saturating_sub(1);
            events.push(Event {
                reason: Some(asked.reason),
                actor: Some(asked.actor).filter(|actor| !actor.is_empty()),
                cves: asked.vulnerabilities,
                before: Some(before),
                ..Event::emergency(name.as_str(), &asked.asked_at, &text)
            });
        }
    }
    if let Some(limit) = &configuration.settings.stale_after {
        let lacking = plan.images.iter().filter_map(|image| {
            let since = image.causes.iter().map(|cause| cause.first_seen).min()?;
            Event::stale(image.name.as_str(), since, limit, now)
        });
        events.extend(lacking);
    }
    let silent = silent_registries(fleet).into_iter();
    events.extend(silent.filter_map(|(registry, since)| Event::unreachable(&registry, since, now)));
    events
}

/// What the attempts at an image are worth telling: one that runs, and failures since the last that
/// went well.
fn of_rebuilds(image: &str, rebuilds: &[Rebuild], now: &str) -> Vec<Event> {
    let of_the_same = |attempts: &[Rebuild], identity: &str| {
        let number = attempts.iter().filter(|it| it.identity == identity).count();
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    // The key of an event has the number over all that is known: one that was told before a success
    // is another one than the first after it.
    let attempt = |at: usize| of_the_same(&rebuilds[..=at], &rebuilds[at].identity);
    // People are told which one in a row it is.
    let in_a_row = |at: usize| {
        let mut before = rebuilds[..at].iter();
        let well = before.rposition(|it| it.outcome == RebuildOutcome::Success);
        of_the_same(
            &rebuilds[well.map_or(0, |well| well + 1)..=at],
            &rebuilds[at].identity,
        )
    };
    let told = |event: Event, it: &Rebuild, at: usize| Event {
        attempt: event.attempt.map(|_| in_a_row(at)),
        reason: Some(it.reason.clone()),
        run: it.url.clone(),
        causes: it.causes.iter().map(cause).collect(),
        ..event
    };
    let mut events = Vec::new();
    let mut failed: Vec<usize> = Vec::new();
    for (at, it) in rebuilds.iter().enumerate() {
        match it.outcome {
            RebuildOutcome::Requested => {}
            RebuildOutcome::Running => {
                let event = Event::started(image, &it.identity, attempt(at), now);
                events.push(told(event, it, at));
            }
            RebuildOutcome::Failure => failed.push(at),
            RebuildOutcome::Success => failed.clear(),
        }
    }
    for at in &failed {
        let it = &rebuilds[*at];
        let event = Event::failed(image, &it.identity, attempt(*at), now);
        events.push(failure(told(event, it, *at), it));
    }
    if let [first, _, _, ..] = failed.as_slice() {
        let at = failed[failed.len() - 1];
        let (first, last) = (&rebuilds[*first], &rebuilds[at]);
        let since = first.ended_at.as_deref().unwrap_or(&first.requested_at);
        let event = Event::three_strikes(image, since, now);
        events.push(failure(told(event, last, at), last));
    }
    events
}

/// Of a failure the reason is why it failed.
fn failure(event: Event, rebuild: &Rebuild) -> Event {
    Event {
        reason: rebuild.problem.clone().or(event.reason),
        ..event
    }
}

fn cause(cause: &imgfac_state::RebuildCause) -> Cause {
    let base = Reference::parse(&cause.base);
    Cause {
        base: base.map_or_else(|_| cause.base.clone(), |base| base.familiar()),
        from: Some(cause.from.clone()),
        to: Some(cause.to.clone()),
    }
}

/// Registries of which nothing could be found out, and since when. One that answers about any of its
/// images is not silent: what fails there is the matter of an image.
fn silent_registries(fleet: &Fleet) -> Vec<(String, Timestamp)> {
    let mut silent: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
    let mut note = |registry: &str, since: Option<Option<String>>| {
        let since = since.map(|since| since.and_then(|since| since.parse::<Timestamp>().ok()));
        let known = silent
            .entry(registry.to_owned())
            .or_insert_with(|| since.flatten());
        *known = match (since, *known) {
            (Some(Some(since)), Some(known)) => Some(since.max(known)),
            _ => None,
        };
    };
    for Stored { state, rest } in fleet.bases.values() {
        let error = last_error(rest).map(|error| error.since);
        note(state.reference.repository().registry(), error);
    }
    for own in fleet.own_tags() {
        let errors = fleet.images.get(&own.image);
        let errors = errors.map(|stored| tag_errors(&stored.rest));
        let error = errors.and_then(|mut errors| errors.remove(&own.tag));
        let error = error.map(|error| error.since);
        note(own.reference.repository().registry(), error);
    }
    let silent = silent.into_iter();
    silent
        .filter_map(|(registry, since)| Some((registry, since?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebuild((at, (identity, outcome)): (usize, (&str, RebuildOutcome))) -> Rebuild {
        Rebuild {
            identity: identity.to_owned(),
            reason: "retry".to_owned(),
            requested_at: format!("2026-11-{:02}T00:00:00Z", at + 1),
            ticket: String::new(),
            source_commit: None,
            bases: BTreeMap::new(),
            before: BTreeMap::new(),
            causes: Vec::new(),
            run: None,
            url: None,
            outcome,
            ended_at: None,
            digest: None,
            problem: None,
        }
    }

    /// The kind, the attempt and the key of each event.
    fn told(outcomes: &[(&str, RebuildOutcome)]) -> Vec<String> {
        let rebuilds: Vec<Rebuild> = outcomes.iter().copied().enumerate().map(rebuild).collect();
        let events = of_rebuilds("web", &rebuilds, "2026-12-01T00:00:00Z").into_iter();
        let told = events.filter_map(|it| Some(format!("{} {}", it.key(), it.attempt?)));
        told.collect()
    }

    #[test]
    fn people_are_told_which_attempt_in_a_row_it_is() {
        use RebuildOutcome::{Failure, Running, Success};
        let rebuilds = [
            ("a", Failure),
            ("a", Failure),
            ("b", Success),
            ("a", Failure),
            ("b", Failure),
            ("a", Running),
        ];
        assert_eq!(
            told(&rebuilds[..2]),
            ["failed/web/a/1 1", "failed/web/a/2 2"]
        );
        // What was told before the success is not taken for what failed after it.
        assert_eq!(
            told(&rebuilds),
            ["started/web/a/4 2", "failed/web/a/3 1", "failed/web/b/2 1"]
        );
    }
}
