//! What became of emergency rebuilds: for people, and as JSON, version 1.
//!
//! One object: `images` (each with `image`, `outcome`, `stage`, `warehouse`, `promotion`, `error`,
//! `remedy`), `counts`, `reason`, `dryRun`, `emergenciesBefore` (in thirty days). Keys are only ever
//! added.

use std::collections::BTreeSet;
use std::io::{self, Write};

use imgfac_cluster::{Error, Promoted};
use imgfac_model::ImageName;
use serde::Serialize;

use super::style::{DIM, ERROR, GOOD, clean, count};

/// Emergencies of so many days are counted.
pub(crate) const EMERGENCY_DAYS: i64 = 30;

/// Says how many emergencies there were before one, if there were any.
pub(crate) fn emergencies_before(number: usize) -> Option<String> {
    let number = (number > 0).then(|| count(number, "emergency"))?;
    let number = number.replace("emergencys", "emergencies");
    Some(format!("{number} before it in {EMERGENCY_DAYS} days"))
}

/// What became of one image.
pub(crate) enum RebuildOutcome {
    /// Kargo took the Promotion.
    Started { stage: String, promoted: Promoted },
    /// Nothing on the cluster rebuilds it; the text says why.
    Impossible(String),
    /// The cluster did not do it.
    Failed(Error),
    /// Nothing was sent for it, since nothing could be expected after the one before.
    NotAttempted,
}

/// What became of all.
pub(crate) struct RebuildReport {
    pub(crate) images: Vec<(ImageName, RebuildOutcome)>,
    pub(crate) reason: String,
    /// How many emergencies there were before.
    pub(crate) before: usize,
    pub(crate) dry_run: bool,
}

impl RebuildReport {
    pub(crate) fn started(&self) -> usize {
        self.counts().started
    }

    /// Why the cluster did not do it. A dry run overrules nothing, so it is not said to.
    fn error(&self, error: &Error) -> String {
        match error {
            Error::NotPromoted { source, .. } if self.dry_run => source.to_string(),
            error => error.to_string(),
        }
    }

    fn counts(&self) -> JsonCounts {
        let mut counts = JsonCounts::default();
        for (_, outcome) in &self.images {
            let count = match outcome {
                RebuildOutcome::Started { .. } => &mut counts.started,
                RebuildOutcome::Impossible(_) | RebuildOutcome::Failed(_) => &mut counts.failed,
                RebuildOutcome::NotAttempted => &mut counts.not_attempted,
            };
            *count += 1;
        }
        counts
    }

    pub(crate) fn to_json(&self) -> JsonRebuilds<'_> {
        let images = self.images.iter().map(|(image, outcome)| {
            let mut json = JsonRebuild {
                image: image.as_str(),
                outcome: "started",
                stage: None,
                warehouse: None,
                promotion: None,
                error: None,
                remedy: None,
            };
            match outcome {
                RebuildOutcome::Started { stage, promoted } => {
                    json.stage = Some(stage);
                    json.warehouse = Some(&promoted.warehouse);
                    // In a dry run the server gives none that stays.
                    json.promotion = (!self.dry_run).then_some(&promoted.promotion);
                }
                RebuildOutcome::Impossible(why) => {
                    json.outcome = "failed";
                    json.error = Some(why.clone());
                }
                RebuildOutcome::Failed(error) => {
                    json.outcome = "failed";
                    json.error = Some(self.error(error));
                    json.remedy = error.remedy();
                }
                RebuildOutcome::NotAttempted => json.outcome = "notAttempted",
            }
            json
        });
        JsonRebuilds {
            images: images.collect(),
            counts: self.counts(),
            reason: &self.reason,
            dry_run: self.dry_run,
            emergencies_before: self.before,
        }
    }
}

/// Writes what became of each image, and each remedy once.
pub(crate) fn rebuilds(out: &mut dyn Write, report: &RebuildReport, quiet: bool) -> io::Result<()> {
    let mut remedies = BTreeSet::new();
    for (image, outcome) in &report.images {
        match outcome {
            RebuildOutcome::Started { .. } if quiet => {}
            RebuildOutcome::Started { promoted, .. } if report.dry_run => writeln!(
                out,
                "  {GOOD}would start{GOOD:#}  {image}, with freight of {}",
                clean(&promoted.warehouse)
            )?,
            RebuildOutcome::Started { promoted, .. } => writeln!(
                out,
                "  {GOOD}started{GOOD:#}  {image}: {}",
                clean(&promoted.promotion)
            )?,
            RebuildOutcome::Impossible(why) => {
                writeln!(out, "  {ERROR}failed{ERROR:#}   {image}: {}", clean(why))?;
            }
            RebuildOutcome::Failed(error) => {
                let text = clean(&report.error(error));
                writeln!(out, "  {ERROR}failed{ERROR:#}   {image}: {text}")?;
                remedies.extend(error.remedy());
            }
            RebuildOutcome::NotAttempted => {
                writeln!(out, "  {ERROR}not attempted{ERROR:#}  {image}")?;
            }
        }
    }
    for remedy in remedies {
        writeln!(out, "  {DIM}hint:{DIM:#} {}", clean(&remedy))?;
    }
    if quiet {
        return Ok(());
    }
    let counts = report.counts();
    let words: Vec<String> = [
        (counts.started, "started"),
        (counts.failed, "failed"),
        (counts.not_attempted, "not attempted"),
    ]
    .into_iter()
    .filter(|(count, word)| *count > 0 || *word == "started")
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    let prefix = if report.dry_run { "Dry run: " } else { "" };
    writeln!(out, "{prefix}{}", words.join(", "))?;
    if let Some(before) = emergencies_before(report.before) {
        writeln!(out, "{DIM}{before}{DIM:#}")?;
    }
    Ok(())
}

/// What became of all images.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonRebuilds<'r> {
    images: Vec<JsonRebuild<'r>>,
    counts: JsonCounts,
    reason: &'r str,
    dry_run: bool,
    emergencies_before: usize,
}

#[derive(Serialize)]
struct JsonRebuild<'r> {
    image: &'r str,
    outcome: &'static str,
    stage: Option<&'r str>,
    warehouse: Option<&'r str>,
    promotion: Option<&'r str>,
    error: Option<String>,
    remedy: Option<String>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonCounts {
    started: usize,
    failed: usize,
    not_attempted: usize,
}
