//! `imgfac status`: the fleet, its bases, or one of either.

use std::collections::BTreeMap;

use clap::Args;
use imgfac_graph::Graph;
use imgfac_model::{BaseName, DiscoveryStatus, ImageState, exit};
use imgfac_state::{
    Enrolled, Fleet, Passage, available_versions, last_error, seen_tags, tag_errors,
};
use serde::Serialize;

use crate::args::{Format, FormatArg};
use crate::base_status::{self, BaseStatus, Seen};
use crate::commands::rebuild;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::{Access, Factory};
use crate::fleet_graph;
use crate::rebuild_status::{self, RebuildStatus};
use crate::render::{self, BOLD, DIM};

/// Show the fleet, its bases, or one of either
///
/// For each image: whether its Dockerfile is understood, what it stands on, which version was
/// built last, and the wave in which it would be rebuilt. For an image without source: the version
/// that is followed, and the newest of those that are newer, as far as observe --all has seen. Where
/// rebuilds are under way or failed, how often in a row, a column says so.
///
/// With a name also the last rebuilds of an image, with where to find them, an emergency that is open,
/// and what imgfac rebuild --explain says of it now.
///
/// For each base: what its tag points at and since when, how many images name it, and why it could
/// not be found out.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only this image or base, with everything that is known of it
    ///
    /// Of an image and a base with one name it is the image.
    name: Option<String>,
    /// Bases instead of images
    #[arg(long)]
    bases: bool,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageStatus {
    name: String,
    kind: &'static str,
    image: String,
    discovery_status: &'static str,
    discovery_error: Option<String>,
    base_images: Vec<Base>,
    managed_bases: Vec<Base>,
    wave: Option<usize>,
    /// The images that it stands on in a circle, itself among them; empty without one.
    circle: Vec<String>,
    current_version: Option<String>,
    current_digest: Option<String>,
    /// Versions that are newer than the one that is tracked, newest first.
    available_versions: Vec<String>,
    /// Why the last look at it failed.
    last_error: Option<String>,
    /// What its tags were seen to point at: those that others stand on, or the one that is tracked.
    observed_tags: BTreeMap<String, Vec<Seen>>,
    last_built: Option<String>,
    rebuild_delay: String,
    auto_rebuild: bool,
    criticality: &'static str,
    source: Option<String>,
    enrolled_at: Option<String>,
    last_discovery: Option<String>,
    lifecycle: Vec<Passed>,
    /// Its rebuilds, and what is decided about it now; `null` for an image that others build.
    rebuild: Option<RebuildStatus>,
}

/// What became of the image at a time.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Passed {
    time: Option<String>,
    from: String,
    to: String,
    says: Vec<String>,
    commit: Option<String>,
}

impl From<Passage> for Passed {
    fn from(passage: Passage) -> Self {
        Self {
            says: passage.sentences(),
            time: passage.time,
            from: passage.from,
            to: passage.to,
            commit: passage.commit,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Base {
    name: String,
    reference: Option<String>,
    current_digest: Option<String>,
    /// Why the last look at it failed.
    last_error: Option<String>,
    needed: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: StatusArgs) -> Result<u8, CliError> {
    let mut factory = Factory::open(context, Access::Read)?;
    let fleet = factory.fleet()?;
    let unreadable = factory.tell_unreadable(context, &fleet)?;
    let done = match unreadable.is_empty() {
        true => exit::DONE,
        false => exit::PARTLY,
    };
    let images = &factory.configuration.images;
    let is_image = |name: &String| images.keys().any(|it| it.as_str() == name);
    let is_base = !args.name.as_ref().is_some_and(is_image)
        && (args.name.as_ref()).is_some_and(|name| base(&fleet, name).is_some());
    if args.bases || is_base {
        return bases(context, &args, &fleet).map(|()| done);
    }
    let graph = fleet_graph::graph(&factory.configuration, &fleet);
    let wave = |name: &str| graph.order().wave(graph.image(name)?);
    let now = Context::now()?.parse().map_err(CliError::failed)?;
    let plan = rebuild::plan_of(&factory.configuration, &fleet, now);
    let rest = |name: &str| fleet.images.get(name).map(|stored| &stored.rest);
    let all: Vec<ImageStatus> = images
        .iter()
        .filter(|(name, _)| {
            args.name
                .as_ref()
                .is_none_or(|wanted| wanted == name.as_str())
        })
        .map(|(name, image)| ImageStatus {
            wave: wave(name.as_str()),
            circle: circle(&graph, name.as_str()),
            rebuild: rebuild_status::of(&plan, name.as_str(), rest(name.as_str())),
            ..status(image, &fleet)
        })
        .collect();
    if let (Some(name), true) = (&args.name, all.is_empty()) {
        let known = images.keys().map(|name| name.as_str());
        let known: Vec<&str> = known
            .chain(fleet.bases.keys().map(BaseName::as_str))
            .collect();
        let name = render::clean(name);
        let error = CliError::usage(format!("no image or base is called \"{name}\""));
        let last = fleet.last_states(&name);
        return Err(match imgfac_model::nearest(&name, &known) {
            _ if !last.is_empty() => error.with_hint(format!(
                "its last state is in {}",
                render::clean(&last.join(", "))
            )),
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error.with_hint("imgfac status lists them"),
        });
    }
    match (args.format.format, args.name) {
        (Format::Json, None) => render::json(context.out, &all)?,
        (Format::Json, Some(_)) => render::json(context.out, &all.first())?,
        (Format::Text, None) => table(context, &all)?,
        (Format::Text, Some(_)) => {
            for image in &all {
                detail(context, image)?;
            }
        }
    }
    Ok(done)
}

/// What is known of a base by its name.
fn base(fleet: &Fleet, name: &str) -> Option<BaseStatus> {
    base_status::of(fleet, &BaseName::new(name).ok()?)
}

/// Shows all bases, or one.
fn bases(context: &mut Context<'_>, args: &StatusArgs, fleet: &Fleet) -> Result<(), CliError> {
    let Some(name) = &args.name else {
        let all = base_status::all(fleet);
        return match args.format.format {
            Format::Json => Ok(render::json(context.out, &all)?),
            Format::Text => base_status::table(context, &all),
        };
    };
    let Some(base) = base(fleet, name) else {
        let known: Vec<&str> = fleet.bases.keys().map(BaseName::as_str).collect();
        let name = render::clean(name);
        let error = CliError::usage(format!("no base is called \"{name}\""));
        return Err(match imgfac_model::nearest(&name, &known) {
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error.with_hint("imgfac status --bases lists them"),
        });
    };
    match args.format.format {
        Format::Json => Ok(render::json(context.out, &base)?),
        Format::Text => base_status::detail(context, &base),
    }
}

/// The images of the circle that an image is part of.
fn circle(graph: &Graph, name: &str) -> Vec<String> {
    let Some(index) = graph.image(name) else {
        return Vec::new();
    };
    let cycle = graph.order().cycle_of(index);
    let members = cycle.into_iter().flat_map(|cycle| &cycle.members);
    members
        .map(|member| graph.node(*member).name.clone())
        .collect()
}

fn status(image: &Enrolled, fleet: &Fleet) -> ImageStatus {
    let enrolment = &image.enrolment;
    let unknown = ImageState::default();
    let stored = fleet.images.get(enrolment.name.as_str());
    let state = stored.map_or(&unknown, |stored| &stored.state);
    let base_images = state.base_images.iter().map(|name| {
        let stored = fleet.bases.get(name);
        let base = stored.map(|stored| &stored.state);
        let error = stored.and_then(|stored| last_error(&stored.rest));
        Base {
            last_error: error.map(render::not_known),
            name: name.to_string(),
            reference: base.map(|base| base.reference.to_string()),
            current_digest: base.and_then(|base| base.current_digest.clone()),
            needed: base.is_none_or(|base| !state.unused_bases.contains(&base.reference)),
        }
    });
    let managed_bases = state.managed_bases.iter().map(|base| {
        let parent = fleet.images.get(base.name.as_str());
        let tag = base.reference.tag().map(|tag| tag.as_str());
        let seen = parent.and_then(|parent| seen_tags(&parent.rest).remove(tag?)?.pop());
        let error = parent.and_then(|parent| {
            let mut errors = tag_errors(&parent.rest);
            let pinned = base.reference.digest().map(|digest| digest.as_str());
            [tag, pinned]
                .into_iter()
                .flatten()
                .find_map(|it| errors.remove(it))
        });
        Base {
            name: base.name.to_string(),
            reference: Some(base.reference.to_string()),
            current_digest: seen
                .map(|seen| seen.digest)
                .or_else(|| parent.and_then(|parent| parent.state.current_digest.clone())),
            last_error: error.map(render::not_known),
            needed: !state.unused_bases.contains(&base.reference),
        }
    });
    ImageStatus {
        name: enrolment.name.to_string(),
        kind: if enrolment.is_managed() {
            "managed"
        } else {
            "external"
        },
        image: enrolment.repository.to_string(),
        discovery_status: match (
            state.discovery_status,
            fleet.unreadable_image(enrolment.name.as_str()),
        ) {
            (_, Some(_)) => "unreadable",
            (Some(status), None) => status.as_str(),
            (None, None) => DiscoveryStatus::Pending.as_str(),
        },
        discovery_error: state.discovery_error.clone(),
        base_images: base_images.collect(),
        managed_bases: managed_bases.collect(),
        wave: None,
        circle: Vec::new(),
        current_version: state.current_version.clone(),
        current_digest: state.current_digest.clone(),
        available_versions: stored.map_or_else(Vec::new, |it| available_versions(&it.rest)),
        last_error: stored
            .and_then(|it| last_error(&it.rest))
            .map(render::not_known),
        observed_tags: stored
            .map(|stored| seen_tags(&stored.rest))
            .unwrap_or_default()
            .into_iter()
            .map(|(tag, seen)| (tag, seen.into_iter().map(Seen::from).collect()))
            .collect(),
        last_built: state.last_built.clone(),
        rebuild_delay: enrolment.rebuild_delay.to_string(),
        auto_rebuild: enrolment.auto_rebuild,
        criticality: enrolment.criticality.as_str(),
        source: enrolment.source.as_ref().map(|source| {
            format!(
                "{}/{} {} {}",
                source.host(),
                source.repo,
                source.branch,
                source.dockerfile
            )
        }),
        enrolled_at: state.enrolled_at.clone(),
        last_discovery: state.last_discovery.clone(),
        lifecycle: stored
            .map(|stored| Passage::all(&stored.rest))
            .unwrap_or_default()
            .into_iter()
            .map(Passed::from)
            .collect(),
        rebuild: None,
    }
}

fn table(context: &mut Context<'_>, images: &[ImageStatus]) -> Result<(), CliError> {
    let mut rows = vec![
        [
            "IMAGE",
            "KIND",
            "DISCOVERY",
            "WAVE",
            "VERSION",
            "DELAY",
            "REBUILD",
            "STANDS ON",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for image in images {
        let bases = image
            .managed_bases
            .iter()
            .map(|base| format!("{} (ours)", base.name));
        let bases: Vec<String> = bases
            .chain(image.base_images.iter().map(|base| base.name.clone()))
            .collect();
        let stands_on = match (&image.discovery_error, bases.is_empty()) {
            (Some(error), true) => format!("not known: {error}"),
            (Some(error), false) => format!("{}; as last known: {error}", bases.join(", ")),
            (None, true) if image.discovery_status == "success" => "no image".to_owned(),
            (None, _) => bases.join(", "),
        };
        rows.push(
            [
                image.name.clone(),
                image.kind.to_owned(),
                image.discovery_status.to_owned(),
                image
                    .wave
                    .map_or_else(|| "-".into(), |wave| wave.to_string()),
                version(image),
                image.rebuild_delay.clone(),
                mark(image).unwrap_or_else(|| "-".to_owned()),
                stands_on,
            ]
            .map(|cell| render::clean(&cell))
            .to_vec(),
        );
    }
    // Nobody needs a column in which all is well.
    if images.iter().all(|image| mark(image).is_none()) {
        for row in &mut rows {
            row.remove(6);
        }
    }
    for (at, line) in render::columns(&rows).iter().enumerate() {
        match at {
            0 => writeln!(context.out, "{BOLD}{line}{BOLD:#}")?,
            _ => writeln!(context.out, "{line}")?,
        }
    }
    Ok(())
}

/// What is to be said of its rebuilds.
fn mark(image: &ImageStatus) -> Option<String> {
    image.rebuild.as_ref().and_then(RebuildStatus::mark)
}

/// The version, and the newest of those that are newer.
fn version(image: &ImageStatus) -> String {
    let version = image.current_version.as_deref().unwrap_or("-");
    match image.available_versions.first() {
        Some(newer) => format!("{version}, newer: {newer}"),
        None => version.to_owned(),
    }
}

fn detail(context: &mut Context<'_>, image: &ImageStatus) -> Result<(), CliError> {
    writeln!(context.out, "{BOLD}{}{BOLD:#}  {}", image.name, image.image)?;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not known".into());
    let mut rows = vec![("kind", image.kind.to_owned())];
    rows.extend(image.source.clone().map(|source| ("source", source)));
    rows.extend([
        ("enrolled", text(&image.enrolled_at)),
        ("discovery", image.discovery_status.to_owned()),
    ]);
    rows.extend(image.discovery_error.clone().map(|error| ("failed", error)));
    let is_managed = image.kind == "managed";
    if is_managed {
        rows.push(("discovered", text(&image.last_discovery)));
    }
    rows.extend([
        ("version", text(&image.current_version)),
        ("digest", text(&image.current_digest)),
    ]);
    if !image.available_versions.is_empty() {
        rows.push(("newer", image.available_versions.join(", ")));
    }
    rows.extend(image.last_error.clone().map(|error| ("observed", error)));
    if is_managed {
        rows.push(("built", text(&image.last_built)));
        rows.push((
            "rebuild",
            format!(
                "{} after a base update, {}, criticality {}",
                image.rebuild_delay,
                if image.auto_rebuild && image.circle.is_empty() {
                    "by itself"
                } else {
                    "only by a person"
                },
                image.criticality
            ),
        ));
    }
    rows.extend(image.wave.map(|wave| ("wave", wave.to_string())));
    match image.circle.as_slice() {
        [] => {}
        [_] => rows.push(("circle", "it stands on itself".to_owned())),
        all => rows.push(("circle", format!("of {}", all.join(", ")))),
    }
    rows.extend(image.rebuild.iter().flat_map(RebuildStatus::rows));
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(key, value)| vec![key.to_owned(), render::clean(&value)])
        .collect();
    for line in render::columns(&rows) {
        writeln!(context.out, "  {line}")?;
    }
    if is_managed {
        writeln!(context.out, "\nStands on")?;
        let bases: Vec<Vec<String>> = image
            .managed_bases
            .iter()
            .map(|base| (base, "ours"))
            .chain(image.base_images.iter().map(|base| (base, "upstream")))
            .map(|(base, kind)| {
                vec![
                    base.name.clone(),
                    kind.to_owned(),
                    base.reference.clone().unwrap_or_default(),
                    base.current_digest
                        .clone()
                        .unwrap_or_else(|| "digest not yet observed".into()),
                    match (&base.last_error, base.needed) {
                        (_, false) => "not needed by its target".into(),
                        (Some(error), true) => render::clean(error),
                        (None, true) => String::new(),
                    },
                ]
            })
            .collect();
        if bases.is_empty() {
            let what = match image.discovery_status {
                "success" => "no image",
                _ => "not known",
            };
            writeln!(context.out, "  {DIM}{what}{DIM:#}")?;
        }
        for line in render::columns(&bases) {
            writeln!(context.out, "  {}", render::clean(&line))?;
        }
    }
    if let Some(rebuild) = &image.rebuild {
        rebuild.show(context)?;
    }
    if !image.observed_tags.is_empty() {
        writeln!(
            context.out,
            "\nTags that were observed, oldest digest first"
        )?;
        let rows = image.observed_tags.iter().flat_map(|(tag, seen)| {
            let row = |seen: &Seen| [vec![tag.clone()], seen.row()].concat();
            seen.iter().map(row)
        });
        base_status::lines(context, &rows.collect::<Vec<_>>())?;
    }
    lifecycle(context, &image.lifecycle)
}

/// What became of the image, oldest first.
fn lifecycle(context: &mut Context<'_>, passages: &[Passed]) -> Result<(), CliError> {
    if passages.is_empty() {
        return Ok(());
    }
    writeln!(context.out, "\nLifecycle")?;
    let rows: Vec<Vec<String>> = passages
        .iter()
        .map(|passed| {
            let time = passed.time.as_deref().unwrap_or("not known");
            let commit = passed.commit.as_deref().unwrap_or_default();
            let commit: String = commit.chars().take(12).collect();
            [time, &passed.says.join("; "), &commit]
                .map(render::clean)
                .to_vec()
        })
        .collect();
    for line in render::columns(&rows) {
        writeln!(context.out, "  {line}")?;
    }
    Ok(())
}
