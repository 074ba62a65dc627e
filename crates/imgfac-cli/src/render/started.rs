//! What a run of `imgfac rebuild` started, and what became of earlier runs: for people, and as
//! JSON, version 1.
//!
//! One object: `started` (each with `image`, `identity`, `reason`, `bases`, `run`, `url`, `error`,
//! `remedy`, `unclear`), `refused` (`image`, `why`), `ended` (`image`, `outcome`, `url`,
//! `durationSeconds`, `digest`, `problem`), `unknown` (`image`, `why`), `commit`, `plan`, `wakesAt`,
//! and of an emergency `emergenciesBefore` (in thirty days). Keys are only ever added.

use std::collections::BTreeSet;
use std::io::{self, Write};

use imgfac_model::Reference;
use imgfac_rebuild::{Plan, Status};
use serde::Serialize;

use super::rebuild::emergencies_before;
use super::style::{BOLD, DIM, ERROR, GOOD, WARNING, clean, count};
use super::summary::CommitReport;

/// A rebuild that CI was asked for.
#[derive(Serialize)]
pub(crate) struct Started<'a> {
    pub(crate) image: &'a str,
    pub(crate) identity: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) bases: Vec<&'a str>,
    pub(crate) run: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
    pub(crate) remedy: Option<&'a str>,
    /// It may have started in spite of the error.
    pub(crate) unclear: bool,
}

/// A run that ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndedRun {
    pub(crate) image: String,
    pub(crate) outcome: &'static str,
    pub(crate) url: Option<String>,
    pub(crate) duration_seconds: Option<u64>,
    pub(crate) digest: Option<String>,
    pub(crate) problem: Option<String>,
}

/// An image, and why nothing came of it.
#[derive(Serialize)]
pub(crate) struct Why<'a> {
    pub(crate) image: &'a str,
    pub(crate) why: &'a str,
}

/// What a run did.
pub(crate) struct StartedReport<'a> {
    pub(crate) started: Vec<Started<'a>>,
    /// Images that were named and are not rebuilt.
    pub(crate) refused: Vec<Why<'a>>,
    pub(crate) ended: Vec<EndedRun>,
    /// Images of whose runs nothing could be found out.
    pub(crate) unknown: Vec<Why<'a>>,
    pub(crate) commit: Option<&'a CommitReport>,
    /// Of an emergency: how many there were before.
    pub(crate) emergencies: Option<usize>,
    /// How many runs still were under way when the wait for them ended; `None`: nobody waited.
    pub(crate) open: Option<usize>,
    pub(crate) plan: &'a Plan,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonStarted<'a> {
    started: &'a [Started<'a>],
    refused: &'a [Why<'a>],
    ended: &'a [EndedRun],
    unknown: &'a [Why<'a>],
    commit: Option<&'a str>,
    plan: String,
    wakes_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergencies_before: Option<usize>,
}

impl StartedReport<'_> {
    pub(crate) fn to_json(&self) -> JsonStarted<'_> {
        JsonStarted {
            started: &self.started,
            refused: &self.refused,
            ended: &self.ended,
            unknown: &self.unknown,
            commit: self.commit.map(|commit| commit.id.as_str()),
            plan: self.plan.id().to_string(),
            wakes_at: self.plan.wakes_at.map(|at| at.to_string()),
            emergencies_before: self.emergencies,
        }
    }

    /// Whether everything that was asked for was done.
    pub(crate) fn is_well(&self) -> bool {
        self.started.iter().all(|it| it.error.is_none())
            && self.refused.is_empty()
            && self.unknown.is_empty()
            && self.open.unwrap_or_default() == 0
            && self.ended.iter().all(|it| it.outcome == "success")
    }
}

/// Writes what was started, what ended and what did not work, each remedy once.
pub(crate) fn started(
    out: &mut dyn Write,
    report: &StartedReport<'_>,
    quiet: bool,
) -> io::Result<()> {
    let mut remedies = BTreeSet::new();
    for it in &report.started {
        let Some(error) = it.error else {
            if !quiet {
                let place = it.url.or(it.run).map(clean);
                let place = place.unwrap_or_else(|| "its run is not known".to_owned());
                let image = it.image;
                writeln!(
                    out,
                    "  {GOOD}started{GOOD:#}  {image}  {}  {place}",
                    carries(it)
                )?;
            }
            continue;
        };
        remedies.extend(it.remedy);
        let word = match it.unclear {
            true => "not clear",
            false => "not started",
        };
        writeln!(
            out,
            "  {ERROR}{word}{ERROR:#}  {}: {}",
            it.image,
            clean(error)
        )?;
    }
    for it in &report.refused {
        writeln!(out, "  {WARNING}not started{WARNING:#}  {}", clean(it.why))?;
    }
    for it in &report.ended {
        let problem = it.problem.as_deref().map(clean).unwrap_or_default();
        if it.outcome != "success" {
            let url = it.url.as_deref().map(clean).unwrap_or_default();
            writeln!(
                out,
                "  {ERROR}failed{ERROR:#}  {}: {problem}  {url}",
                it.image
            )?;
        } else if !quiet {
            let digest = it.digest.as_deref().map(clean).unwrap_or_default();
            let told = [digest, problem];
            let told: Vec<String> = told.into_iter().filter(|it| !it.is_empty()).collect();
            writeln!(
                out,
                "  {GOOD}rebuilt{GOOD:#}  {}  {}",
                it.image,
                told.join(", ")
            )?;
        }
    }
    for it in &report.unknown {
        let (image, why) = (it.image, clean(it.why));
        writeln!(out, "  {ERROR}not known{ERROR:#}  {image}: {why}")?;
    }
    for remedy in remedies {
        writeln!(out, "{DIM}hint:{DIM:#} {}", clean(remedy))?;
    }
    if quiet {
        return Ok(());
    }
    writeln!(out, "{}", summary(report))?;
    let before = report.emergencies.and_then(emergencies_before);
    if let Some(before) = before {
        writeln!(out, "{DIM}{before}{DIM:#}")?;
    }
    if let Some(commit) = report.commit {
        super::summary::committed(out, commit)?;
    }
    Ok(())
}

/// What a rebuild carries: the reason, and the bases.
fn carries(it: &Started<'_>) -> String {
    let bases = it.bases.iter().map(|base| match Reference::parse(base) {
        Ok(reference) => reference.familiar(),
        Err(_) => clean(base),
    });
    let bases: Vec<String> = bases.collect();
    match bases.is_empty() {
        true => it.reason.to_owned(),
        false => format!("{}: {}", it.reason, bases.join(", ")),
    }
}

/// What happened and what is next, in one line.
fn summary(report: &StartedReport<'_>) -> String {
    let asked = |what: fn(&Started<'_>) -> bool| {
        let asked = report.started.iter();
        asked.filter(|it| what(it)).count()
    };
    let started = asked(|it| it.error.is_none());
    let unclear = asked(|it| it.error.is_some() && it.unclear);
    let not_started = asked(|it| it.error.is_some() && !it.unclear) + report.refused.len();
    let mut parts = Vec::new();
    if started > 0 {
        parts.push(format!(
            "{BOLD}{} started{BOLD:#}",
            count(started, "rebuild")
        ));
    }
    for (number, word) in [(not_started, "not started"), (unclear, "not clear")] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    if !report.ended.is_empty() {
        parts.push(format!("{} ended", count(report.ended.len(), "run")));
    }
    let running = report.plan.images.iter();
    let running = running.filter(|it| matches!(it.status, Status::InFlight { .. }));
    let running = report.open.unwrap_or_else(|| running.count());
    if running > 0 {
        parts.push(format!("{running} under way"));
    }
    if parts.is_empty() {
        // Runs may have been asked about only.
        parts.push(match report.plan.due().len() {
            0 => "Nothing is due".to_owned(),
            due => format!("{due} due, and none of these was asked for"),
        });
    }
    let next = match report.plan.wakes_at {
        Some(at) => format!("; time alone changes nothing before {at}"),
        None => String::new(),
    };
    format!("{}{next}.", parts.join(", "))
}
