//! `imgfac synth`: state to Kargo manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use imgfac_kargo::{Image, Manifests, synthesize};
use imgfac_model::{BaseName, BaseState, exit};
use imgfac_state::{FileChange, Files, Fleet};

use crate::context::Context;
use crate::error::CliError;
use crate::factory::{Access, Factory};
use crate::fleet_graph;
use crate::render;

/// Write the Kargo manifests
///
/// They follow from images.yaml, imgfac.yaml and state/ alone: the same input gives the same
/// bytes, and a file is only rewritten when it differs.
#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// Where to write instead of dist/; - is standard output
    #[arg(short, long, value_name = "FILE|-", conflicts_with = "split")]
    output: Option<PathBuf>,
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Write nothing; exit with 4 if something would be written
    #[arg(long, conflicts_with = "output")]
    check: bool,
}

/// Options of everything that writes manifests
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// One file for each image and base instead of one for all
    #[arg(long)]
    split: bool,
    /// Add an empty Secret for each that is needed, with a comment on how it is filled
    #[arg(long)]
    with_secret_stubs: bool,
}

/// Manifests that are to be written.
pub(crate) struct Synthesised {
    /// The files below `dist/` that differ from what they should be.
    pub(crate) changes: Vec<FileChange>,
    /// Whether something could not be made, which has been told.
    pub(crate) partly: bool,
}

const ALL: &str = "dist/image-factory.k8s.yaml";
const SECRETS: &str = "dist/secrets.k8s.yaml";

pub(crate) fn run(context: &mut Context<'_>, args: SynthArgs) -> Result<u8, CliError> {
    let access = if args.check || args.output.is_some() {
        Access::Read
    } else {
        Access::Write
    };
    let mut factory = Factory::open(context, access)?;
    let fleet = factory.fleet()?;
    let unreadable = factory.tell_unreadable(context, &fleet)?;
    let circles = fleet_graph::tell_cycles(context, &factory, &fleet)?;
    let code = |manifests_partly: bool| {
        if unreadable.is_empty() && !circles && !manifests_partly {
            exit::DONE
        } else {
            exit::PARTLY
        }
    };
    if let Some(output) = args.output {
        let manifests = manifests(context, &factory, &fleet)?;
        let text = whole(&manifests, args.manifests.with_secret_stubs)?;
        if output.as_os_str() == "-" {
            context.out.write_all(text.as_bytes())?;
        } else {
            std::fs::write(&output, text).map_err(|error| {
                CliError::failed(format!("cannot write {}: {error}", output.display()))
            })?;
        }
        return Ok(code(!manifests.problems.is_empty()));
    }
    let Synthesised { changes, partly } =
        manifest_changes(context, &factory, &fleet, &args.manifests)?;
    if !args.check {
        factory.store.commit(&changes)?;
    }
    if !context.quiet {
        let (wrote, removed) = if args.check {
            ("Would write", "Would remove")
        } else {
            ("Wrote", "Removed")
        };
        for change in &changes {
            match change {
                FileChange::Write { path, .. } => {
                    writeln!(context.out, "{wrote} {}", render::clean(path))?
                }
                FileChange::Remove { path } => {
                    writeln!(context.out, "{removed} {}", render::clean(path))?
                }
            }
        }
        if changes.is_empty() {
            writeln!(context.out, "Nothing changed, nothing written.")?;
        }
    }
    Ok(match code(partly) {
        exit::DONE if args.check && !changes.is_empty() => exit::DIFFERENT,
        code => code,
    })
}

fn whole(manifests: &Manifests, with_secret_stubs: bool) -> Result<String, CliError> {
    let mut text = manifests.to_yaml().map_err(CliError::failed)?;
    if with_secret_stubs {
        text.push_str(&manifests.secrets_to_yaml().map_err(CliError::failed)?);
    }
    Ok(text)
}

/// Makes the manifests and compares them with the files below `dist/`.
pub(crate) fn manifest_changes<F: Files>(
    context: &mut Context<'_>,
    factory: &Factory<F>,
    fleet: &Fleet,
    args: &ManifestArgs,
) -> Result<Synthesised, CliError> {
    let manifests = manifests(context, factory, fleet)?;
    let files: Vec<(String, String)> = if args.split {
        let mut files = manifests
            .split()
            .map(|file| file.map(|file| (format!("dist/{}", file.name), file.text)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(CliError::failed)?;
        if args.with_secret_stubs {
            let text = manifests.secrets_to_yaml().map_err(CliError::failed)?;
            files.push((SECRETS.to_owned(), text));
        }
        files
    } else {
        vec![(ALL.to_owned(), whole(&manifests, args.with_secret_stubs)?)]
    };
    let wanted: BTreeSet<String> = files.iter().map(|(path, _)| path.clone()).collect();
    let mut changes = Vec::new();
    for (path, text) in files {
        if factory.store.read(&path)?.as_deref() != Some(text.as_bytes()) {
            changes.push(FileChange::Write { path, text });
        }
    }
    // Manifests of images that are gone would be applied for ever; files that are not ours stay.
    for name in factory.store.yaml_files("dist")? {
        let path = format!("dist/{name}");
        if !wanted.contains(&path)
            && factory
                .store
                .read(&path)?
                .is_some_and(|text| text.starts_with(b"# Generated by `imgfac synth`"))
        {
            changes.push(FileChange::Remove { path });
        }
    }
    Ok(Synthesised {
        changes,
        partly: !manifests.problems.is_empty(),
    })
}

/// The manifests of a factory; what was left out is told.
pub(crate) fn manifests<F: Files>(
    context: &mut Context<'_>,
    factory: &Factory<F>,
    fleet: &Fleet,
) -> Result<Manifests, CliError> {
    let configuration = &factory.configuration;
    let images = configuration
        .images
        .values()
        // What is unreadable has been told; taken for absent, it would undo what was published.
        .filter(|image| {
            fleet
                .unreadable_image(image.enrolment.name.as_str())
                .is_none()
        })
        .map(|image| Image {
            enrolment: &image.enrolment,
            entry: Some(configuration.files.name(image.at.file)),
            state: fleet
                .images
                .get(image.enrolment.name.as_str())
                .map(|stored| &stored.state),
        })
        .collect();
    let bases: BTreeMap<BaseName, BaseState> = fleet
        .bases
        .iter()
        .map(|(name, stored)| (name.clone(), stored.state.clone()))
        .collect();
    let manifests = synthesize(&imgfac_kargo::Fleet {
        settings: &configuration.settings,
        images,
        bases: &bases,
    });
    for problem in &manifests.problems {
        writeln!(
            context.err,
            "{warning}warning:{warning:#} {}",
            render::clean(&problem.to_string()),
            warning = render::WARNING
        )?;
    }
    Ok(manifests)
}
