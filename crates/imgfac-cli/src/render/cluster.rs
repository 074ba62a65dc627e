//! What became of a cluster, and how it differs: for people, and as JSON, version 1.
//!
//! `apply` prints one object: `objects` (each with `kind`, `apiVersion`, `namespace`, `name`,
//! `outcome`, `error`, `remedy`), `counts`, `notPruned`, `stopped`, `dryRun`. `diff` prints
//! `objects` (each with `difference`, `live`, `wanted`, `conflicts`, `error`, `remedy`), `same`,
//! `stopped`. Keys are only ever added.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use imgfac_cluster::{
    Applied, Counts, Difference, Differences, FieldConflict, ObjectKey, Outcome, RequestError,
};
use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::style::{BOLD, DIM, ERROR, GOOD, WARNING, clean};

/// More lines of one kind than this are counted, not shown.
const SHOWN: usize = 40;

/// Writes what `apply` did.
pub(crate) fn applied(
    out: &mut dyn Write,
    applied: &Applied,
    dry_run: bool,
    quiet: bool,
) -> io::Result<()> {
    let changes: Vec<_> = applied
        .outcomes
        .iter()
        .filter_map(|(key, outcome)| {
            let (style, word) = match outcome {
                Outcome::Created => (GOOD, "created"),
                Outcome::Changed => (WARNING, "changed"),
                Outcome::Pruned => (DIM, "pruned"),
                Outcome::Unchanged | Outcome::Failed(_) | Outcome::NotAttempted(_) => return None,
            };
            Some((style, word, key))
        })
        .collect();
    if !quiet {
        for (style, word, key) in changes.iter().take(SHOWN) {
            writeln!(
                out,
                "  {style}{word:<7}{style:#}  {}",
                clean(&key.to_string())
            )?;
        }
        if changes.len() > SHOWN {
            writeln!(out, "  … and {} more", changes.len() - SHOWN)?;
        }
    }
    let failures = applied
        .outcomes
        .iter()
        .filter_map(|(key, outcome)| match outcome {
            Outcome::Failed(error) => Some((key, error)),
            _ => None,
        });
    failed(out, failures)?;
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, outcome) in &applied.outcomes {
        if let Outcome::NotAttempted(reason) = outcome {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    for (reason, count) in reasons {
        let objects = super::count(count, "object");
        writeln!(
            out,
            "  {ERROR}not attempted{ERROR:#}  {objects}: {}",
            clean(reason)
        )?;
    }
    if let Some(reason) = &applied.not_pruned {
        writeln!(out, "  {ERROR}not pruned{ERROR:#}     {}", clean(reason))?;
    }
    if !quiet {
        writeln!(out, "{}", summary(&applied.counts(), dry_run))?;
    }
    Ok(())
}

/// `2 created, 1 failed`; unchanged objects always count.
fn summary(counts: &Counts, dry_run: bool) -> String {
    let parts = [
        (counts.created, "created"),
        (counts.changed, "changed"),
        (counts.unchanged, "unchanged"),
        (counts.pruned, "pruned"),
        (counts.failed, "failed"),
        (counts.not_attempted, "not attempted"),
    ];
    let words: Vec<String> = parts
        .into_iter()
        .filter(|(count, word)| *count > 0 || *word == "unchanged")
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let prefix = if dry_run { "Dry run: " } else { "" };
    format!("{prefix}{}", words.join(", "))
}

/// Failures, one a line, and each remedy once.
fn failed<'f>(
    out: &mut dyn Write,
    failures: impl Iterator<Item = (&'f ObjectKey, &'f RequestError)>,
) -> io::Result<()> {
    let failures: Vec<_> = failures.collect();
    for (key, error) in failures.iter().take(SHOWN) {
        writeln!(
            out,
            "  {ERROR}failed {ERROR:#}  {}: {}",
            clean(&key.to_string()),
            clean(&error.to_string())
        )?;
    }
    if failures.len() > SHOWN {
        writeln!(
            out,
            "  … and {} more failures; --format json has all",
            failures.len() - SHOWN
        )?;
    }
    let remedies: BTreeSet<String> = failures
        .iter()
        .filter_map(|(_, error)| error.remedy())
        .collect();
    for remedy in remedies {
        writeln!(out, "  {DIM}hint:{DIM:#} {}", clean(&remedy))?;
    }
    Ok(())
}

/// Writes what `diff` found.
pub(crate) fn differences(out: &mut dyn Write, found: &Differences, quiet: bool) -> io::Result<()> {
    let (mut new, mut changed, mut gone) = (0, 0, 0);
    for (key, difference) in &found.objects {
        let name = clean(&key.to_string());
        match difference {
            Difference::New => {
                new += 1;
                writeln!(out, "{GOOD}new{GOOD:#}      {name}")?;
            }
            Difference::Gone => {
                gone += 1;
                writeln!(
                    out,
                    "{ERROR}gone{ERROR:#}     {name}; imgfac apply --prune deletes it"
                )?;
            }
            Difference::Changed {
                live,
                wanted,
                conflicts,
            } => {
                changed += 1;
                writeln!(out, "{WARNING}changed{WARNING:#}  {name}")?;
                unified(out, live, wanted)?;
                owners(out, conflicts)?;
            }
            Difference::Failed(_) => {}
        }
    }
    let failures: Vec<_> = found
        .objects
        .iter()
        .filter_map(|(key, difference)| match difference {
            Difference::Failed(error) => Some((key, error)),
            _ => None,
        })
        .collect();
    let failures_count = failures.len();
    failed(out, failures.into_iter())?;
    if !quiet {
        let parts = [
            (new, "new"),
            (changed, "changed"),
            (gone, "gone"),
            (failures_count, "failed"),
        ];
        let words = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}, "));
        writeln!(
            out,
            "{BOLD}{}{} as in the manifests{BOLD:#}",
            words.collect::<String>(),
            found.same
        )?;
    }
    Ok(())
}

/// The lines that differ, with some around them: `-` is the cluster, `+` the manifests.
fn unified(out: &mut dyn Write, live: &Value, wanted: &Value) -> io::Result<()> {
    let (live, wanted) = (yaml(live), yaml(wanted));
    let diff = TextDiff::from_lines(&live, &wanted);
    for (number, group) in diff.grouped_ops(3).iter().enumerate() {
        if number > 0 {
            writeln!(out, "    {DIM}…{DIM:#}")?;
        }
        for change in group
            .iter()
            .flat_map(|operation| diff.iter_changes(operation))
        {
            let line = clean(change.value().trim_end_matches('\n'));
            match change.tag() {
                ChangeTag::Equal => writeln!(out, "      {line}")?,
                ChangeTag::Delete => writeln!(out, "    {ERROR}- {line}{ERROR:#}")?,
                ChangeTag::Insert => writeln!(out, "    {GOOD}+ {line}{GOOD:#}")?,
            }
        }
    }
    Ok(())
}

fn yaml(value: &Value) -> String {
    // JSON has a form in YAML, so this does not fail.
    imgfac_yaml::to_string(value).unwrap_or_else(|error| error.to_string())
}

fn owners(out: &mut dyn Write, conflicts: &[FieldConflict]) -> io::Result<()> {
    if conflicts.is_empty() {
        return Ok(());
    }
    let conflict = RequestError::Conflict(conflicts.to_vec()).to_string();
    writeln!(
        out,
        "    {WARNING}conflict:{WARNING:#} {}; apply needs --force-conflicts",
        clean(&conflict)
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonKey<'r> {
    kind: &'r str,
    api_version: &'r str,
    namespace: Option<&'r str>,
    name: &'r str,
}

impl<'r> JsonKey<'r> {
    fn new(key: &'r ObjectKey) -> Self {
        Self {
            kind: &key.kind,
            api_version: &key.api_version,
            namespace: key.namespace.as_deref(),
            name: &key.name,
        }
    }
}

/// What `apply` did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsonApplied<'r> {
    objects: Vec<JsonOutcome<'r>>,
    counts: JsonCounts,
    not_pruned: Option<&'r str>,
    stopped: bool,
    dry_run: bool,
}

#[derive(Serialize)]
struct JsonOutcome<'r> {
    #[serde(flatten)]
    key: JsonKey<'r>,
    outcome: &'static str,
    error: Option<String>,
    remedy: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonCounts {
    created: usize,
    changed: usize,
    unchanged: usize,
    pruned: usize,
    failed: usize,
    not_attempted: usize,
}

impl<'r> JsonApplied<'r> {
    pub(crate) fn new(applied: &'r Applied, dry_run: bool) -> Self {
        let counts = applied.counts();
        let objects = applied.outcomes.iter().map(|(key, outcome)| {
            let (word, error, remedy) = match outcome {
                Outcome::Created => ("created", None, None),
                Outcome::Changed => ("changed", None, None),
                Outcome::Unchanged => ("unchanged", None, None),
                Outcome::Pruned => ("pruned", None, None),
                Outcome::Failed(error) => ("failed", Some(error.to_string()), error.remedy()),
                Outcome::NotAttempted(reason) => ("notAttempted", Some(reason.clone()), None),
            };
            JsonOutcome {
                key: JsonKey::new(key),
                outcome: word,
                error,
                remedy,
            }
        });
        Self {
            objects: objects.collect(),
            counts: JsonCounts {
                created: counts.created,
                changed: counts.changed,
                unchanged: counts.unchanged,
                pruned: counts.pruned,
                failed: counts.failed,
                not_attempted: counts.not_attempted,
            },
            not_pruned: applied.not_pruned.as_deref(),
            stopped: applied.stopped,
            dry_run,
        }
    }
}

/// What `diff` found.
#[derive(Serialize)]
pub(crate) struct JsonDifferences<'r> {
    objects: Vec<JsonDifference<'r>>,
    same: usize,
    stopped: bool,
}

#[derive(Serialize)]
struct JsonDifference<'r> {
    #[serde(flatten)]
    key: JsonKey<'r>,
    difference: &'static str,
    live: Option<&'r Value>,
    wanted: Option<&'r Value>,
    conflicts: Vec<JsonConflict<'r>>,
    error: Option<String>,
    remedy: Option<String>,
}

#[derive(Serialize)]
struct JsonConflict<'r> {
    manager: &'r str,
    field: &'r str,
}

impl<'r> JsonDifferences<'r> {
    pub(crate) fn new(found: &'r Differences) -> Self {
        let objects = found.objects.iter().map(|(key, difference)| {
            let mut json = JsonDifference {
                key: JsonKey::new(key),
                difference: "new",
                live: None,
                wanted: None,
                conflicts: Vec::new(),
                error: None,
                remedy: None,
            };
            match difference {
                Difference::New => {}
                Difference::Gone => json.difference = "gone",
                Difference::Changed {
                    live,
                    wanted,
                    conflicts,
                } => {
                    json.difference = "changed";
                    json.live = Some(live);
                    json.wanted = Some(wanted);
                    json.conflicts = conflicts
                        .iter()
                        .map(|it| JsonConflict {
                            manager: &it.manager,
                            field: &it.field,
                        })
                        .collect();
                }
                Difference::Failed(error) => {
                    json.difference = "failed";
                    json.error = Some(error.to_string());
                    json.remedy = error.remedy();
                }
            }
            json
        });
        Self {
            objects: objects.collect(),
            same: found.same,
            stopped: found.stopped,
        }
    }
}
