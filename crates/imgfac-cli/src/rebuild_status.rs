//! What became of the rebuilds of an image, and what is decided about it now.

use imgfac_rebuild::Plan;
use imgfac_state::{AskedEmergency, Fields, asked_emergency, timed_rebuilds};
use serde::Serialize;

use crate::base_status;
use crate::context::Context;
use crate::error::CliError;
use crate::render::clean;

/// So many rebuilds are shown, the newest ones; as JSON there are all that state has.
const SHOWN: usize = 5;

/// The rebuilds of an image, and what the plan says of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RebuildStatus {
    /// The state that it has in the plan, and why: docs/rebuild.md.
    status: &'static str,
    reason: &'static str,
    /// The same in a sentence.
    says: String,
    /// How many rebuilds failed since the last that did not.
    failures: usize,
    /// Whether so many failed that somebody should look at it.
    alarming: bool,
    /// The emergency that no rebuild has served yet.
    emergency: Option<OpenEmergency>,
    /// Those that state has, newest first.
    history: Vec<Rebuilt>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenEmergency {
    asked_at: String,
    actor: Option<String>,
    reason: String,
    cves: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rebuilt {
    requested_at: String,
    reason: String,
    /// The bases whose updates it carries.
    bases: Vec<String>,
    outcome: &'static str,
    ended_at: Option<String>,
    duration_seconds: Option<u64>,
    run: Option<String>,
    url: Option<String>,
    digest: Option<String>,
    problem: Option<String>,
}

/// Of an image that we build; `None` of any other.
pub(crate) fn of(plan: &Plan, name: &str, rest: Option<&Fields>) -> Option<RebuildStatus> {
    let decision = plan.image(name)?;
    let verdict = decision.verdict();
    let history = rest.map(timed_rebuilds).unwrap_or_default().into_iter();
    let history = history.rev().map(|(it, duration_seconds)| Rebuilt {
        bases: it.causes.into_iter().map(|cause| cause.base).collect(),
        requested_at: it.requested_at,
        reason: it.reason,
        outcome: it.outcome.as_str(),
        ended_at: it.ended_at,
        duration_seconds,
        run: it.run,
        url: it.url,
        digest: it.digest,
        problem: it.problem,
    });
    let asked = decision.emergency.as_ref().and(rest);
    Some(RebuildStatus {
        status: verdict.status,
        reason: verdict.reason,
        says: sentence(&plan.explain(name).unwrap_or_default()),
        failures: decision.failures,
        alarming: decision.is_alarming(),
        emergency: asked.and_then(asked_emergency).map(OpenEmergency::from),
        history: history.collect(),
    })
}

impl From<AskedEmergency> for OpenEmergency {
    fn from(asked: AskedEmergency) -> Self {
        Self {
            asked_at: asked.asked_at,
            actor: Some(asked.actor).filter(|actor| !actor.is_empty()),
            reason: asked.reason,
            cves: asked.vulnerabilities,
        }
    }
}

/// The first sentence, which says what is decided.
fn sentence(text: &str) -> String {
    match text.find(". ") {
        Some(at) => text[..=at].to_owned(),
        None => text.trim_end().to_owned(),
    }
}

impl RebuildStatus {
    /// What the list of images has to say of it; nothing as long as all is well.
    pub(crate) fn mark(&self) -> Option<String> {
        match (self.status, self.failures) {
            ("in-flight", 0) => Some("under way".to_owned()),
            ("in-flight", failures) => Some(format!("under way, failed {}", times(failures))),
            (_, 0) => None,
            (_, failures) => Some(format!("failed {}", times(failures))),
        }
    }

    /// What is said beside the other facts.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("now", self.says.clone())];
        if self.failures > 0 {
            let alarm = match self.alarming {
                true => ", which somebody should look at",
                false => "",
            };
            let text = format!("{} in a row{alarm}", times(self.failures));
            rows.push(("failures", text));
        }
        if let Some(it) = &self.emergency {
            let by = it.actor.as_ref().map(|actor| format!(" by {actor}"));
            let cves = match it.cves.is_empty() {
                true => String::new(),
                false => format!(" ({})", it.cves.join(", ")),
            };
            let text = format!(
                "asked for at {}{}: {}{cves}",
                it.asked_at,
                by.unwrap_or_default(),
                it.reason
            );
            rows.push(("emergency", text));
        }
        rows
    }

    /// The last rebuilds, newest first.
    pub(crate) fn show(&self, context: &mut Context<'_>) -> Result<(), CliError> {
        if self.history.is_empty() {
            return Ok(());
        }
        writeln!(context.out, "\nRebuilds, newest first")?;
        let shown = self.history.iter().take(SHOWN);
        base_status::lines(context, &shown.map(Rebuilt::row).collect::<Vec<_>>())?;
        if let Some(more @ 1..) = self.history.len().checked_sub(SHOWN) {
            writeln!(context.out, "  and {more} more, with --format json")?;
        }
        Ok(())
    }
}

impl Rebuilt {
    fn row(&self) -> Vec<String> {
        let bases: Vec<String> = self.bases.iter().map(|base| familiar(base)).collect();
        let why = match bases.is_empty() {
            true => self.reason.clone(),
            false => format!("{}: {}", self.reason, bases.join(", ")),
        };
        let took = self.duration_seconds.map(took);
        let place = self.url.clone().or_else(|| self.run.clone());
        [
            self.requested_at.clone(),
            self.outcome.to_owned(),
            took.unwrap_or_else(|| "-".to_owned()),
            why,
            place.unwrap_or_else(|| "-".to_owned()),
            self.problem.clone().unwrap_or_default(),
        ]
        .iter()
        .map(|cell| clean(cell))
        .collect()
    }
}

fn familiar(base: &str) -> String {
    match imgfac_model::Reference::parse(base) {
        Ok(reference) => reference.familiar(),
        Err(_) => base.to_owned(),
    }
}

fn took(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

fn times(number: usize) -> String {
    match number {
        1 => "once".to_owned(),
        _ => format!("{number} times"),
    }
}
