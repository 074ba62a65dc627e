//! What is known of bases, for `imgfac status`.

use imgfac_model::BaseName;
use imgfac_state::{Fleet, SeenDigest, last_error, seen_digests};
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::render::{self, BOLD, DIM};

/// A base, as `--format json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BaseStatus {
    name: String,
    kind: &'static str,
    image: String,
    pinned_digest: Option<String>,
    current_digest: Option<String>,
    previous_digest: Option<String>,
    first_discovered: Option<String>,
    last_checked: Option<String>,
    last_updated: Option<String>,
    /// Why the last look at it failed.
    last_error: Option<String>,
    /// What the tag was seen to point at, oldest first.
    digests: Vec<Seen>,
    /// The images that name it.
    dependents: Vec<Dependent>,
    /// Whether its state file can be used.
    readable: bool,
}

/// A digest that a tag was seen to point at.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    digest: String,
    first_seen: Option<String>,
    last_seen: Option<String>,
    /// When it was pushed, as the registry says.
    pushed: Option<String>,
    platforms: std::collections::BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependent {
    name: String,
    /// Whether its target needs the base.
    needed: bool,
    /// The digest that its last build stood on, where it was recorded.
    built_on: Option<String>,
}

impl From<SeenDigest> for Seen {
    fn from(seen: SeenDigest) -> Self {
        let SeenDigest {
            digest,
            first_seen,
            last_seen,
            pushed,
            platforms,
        } = seen;
        Self {
            digest,
            first_seen,
            last_seen,
            pushed,
            platforms,
        }
    }
}

/// What is known of all bases, by name.
pub(crate) fn all(fleet: &Fleet) -> Vec<BaseStatus> {
    let names = fleet.bases.keys();
    names.filter_map(|name| of(fleet, name)).collect()
}

/// What is known of one.
pub(crate) fn of(fleet: &Fleet, name: &BaseName) -> Option<BaseStatus> {
    let stored = fleet.bases.get(name)?;
    let state = &stored.state;
    let dependents = fleet.images.iter().filter_map(|(image, stored)| {
        let names_it = stored.state.base_images.contains(name);
        names_it.then(|| Dependent {
            name: image.clone(),
            needed: !stored.state.unused_bases.contains(&state.reference),
            built_on: stored.state.built_on.get(name.as_str()).cloned(),
        })
    });
    Some(BaseStatus {
        name: name.to_string(),
        kind: "base",
        image: state.reference.to_string(),
        pinned_digest: state.pinned_digest().map(ToString::to_string),
        current_digest: state.current_digest.clone(),
        previous_digest: state.previous_digest.clone(),
        first_discovered: state.first_discovered.clone(),
        last_checked: state.last_checked.clone(),
        last_updated: state.last_updated.clone(),
        last_error: last_error(&stored.rest).map(render::not_known),
        digests: seen_digests(&stored.rest)
            .into_iter()
            .map(Seen::from)
            .collect(),
        dependents: dependents.collect(),
        readable: fleet.unreadable_base(name.as_str()).is_none(),
    })
}

/// Writes the bases as a table.
pub(crate) fn table(context: &mut Context<'_>, bases: &[BaseStatus]) -> Result<(), CliError> {
    let header = ["BASE", "IMAGE", "DIGEST", "SINCE", "IMAGES", "PROBLEM"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for base in bases {
        let since = base.digests.last().and_then(|seen| seen.first_seen.clone());
        let problem = match (&base.last_error, base.readable) {
            (_, false) => "its state file cannot be used",
            (Some(error), true) => error,
            (None, true) => "",
        };
        let row = [
            &base.name,
            &base.image,
            base.current_digest.as_deref().unwrap_or("-"),
            since.as_deref().unwrap_or("-"),
            &base.dependents.len().to_string(),
            problem,
        ];
        rows.push(row.map(render::clean).to_vec());
    }
    for (at, line) in render::columns(&rows).iter().enumerate() {
        match at {
            0 => writeln!(context.out, "{BOLD}{line}{BOLD:#}")?,
            _ => writeln!(context.out, "{line}")?,
        }
    }
    Ok(())
}

/// Writes everything that is known of one.
pub(crate) fn detail(context: &mut Context<'_>, base: &BaseStatus) -> Result<(), CliError> {
    let name = render::clean(&base.name);
    let image = render::clean(&base.image);
    writeln!(context.out, "{BOLD}{name}{BOLD:#}  {image}")?;
    let or = |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.to_owned());
    let mut rows = vec![
        ("kind", base.kind.to_owned()),
        ("discovered", or(&base.first_discovered, "not known")),
        ("digest", or(&base.current_digest, "not yet observed")),
        ("before", or(&base.previous_digest, "none is known")),
        ("changed", or(&base.last_updated, "never seen to")),
    ];
    if !base.readable {
        rows.push(("state", "its file cannot be used".to_owned()));
    }
    rows.extend(base.last_error.clone().map(|error| ("observed", error)));
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(key, value)| vec![key.to_owned(), value])
        .collect();
    lines(context, &rows)?;
    writeln!(context.out, "\nImages that stand on it")?;
    let rows: Vec<Vec<String>> = base.dependents.iter().map(Dependent::row).collect();
    match rows.is_empty() {
        true => writeln!(context.out, "  {DIM}none{DIM:#}")?,
        false => lines(context, &rows)?,
    }
    if !base.digests.is_empty() {
        writeln!(context.out, "\nDigests, oldest first")?;
        let rows: Vec<Vec<String>> = base.digests.iter().map(Seen::row).collect();
        lines(context, &rows)?;
    }
    Ok(())
}

impl Dependent {
    fn row(&self) -> Vec<String> {
        let built_on = match (&self.built_on, self.needed) {
            (_, false) => "not needed by its target".to_owned(),
            (Some(digest), true) => format!("built on {digest}"),
            (None, true) => "its build was not recorded".to_owned(),
        };
        vec![self.name.clone(), built_on]
    }
}

impl Seen {
    pub(crate) fn row(&self) -> Vec<String> {
        let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "not known".into());
        let platforms: Vec<&str> = self.platforms.keys().map(String::as_str).collect();
        vec![
            self.digest.clone(),
            format!("{} to {}", time(&self.first_seen), time(&self.last_seen)),
            platforms.join(", "),
        ]
    }
}

/// Writes rows as columns, a little to the right.
pub(crate) fn lines(context: &mut Context<'_>, rows: &[Vec<String>]) -> Result<(), CliError> {
    for line in render::columns(rows) {
        writeln!(context.out, "  {}", render::clean(&line))?;
    }
    Ok(())
}
