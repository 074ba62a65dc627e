//! `imgfac init`: a factory directory to begin with.

use clap::Args;
use imgfac_model::exit;
use imgfac_state::{FileChange, Store};

use crate::context::Context;
use crate::error::CliError;
use crate::render::{BOLD, GOOD};

/// Make a new factory directory with a commented example
///
/// Writes images.yaml, imgfac.yaml and the schemas that editors check them with, into ./image-factory
/// or the folder that -C names. Never overwrites a file.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {}

const IMAGES: &str = include_str!("../../templates/images.yaml");
const SETTINGS: &str = include_str!("../../templates/imgfac.yaml");

pub(crate) fn run(context: &mut Context<'_>, _args: InitArgs) -> Result<u8, CliError> {
    let directory = context.directory();
    std::fs::create_dir_all(&directory).map_err(|error| {
        CliError::failed(format!("cannot make {}: {error}", directory.display()))
    })?;
    let store = Store::open(&directory)?;
    let _lock = store.lock()?;
    let mut files = vec![
        ("images.yaml".to_owned(), IMAGES.to_owned()),
        ("imgfac.yaml".to_owned(), SETTINGS.to_owned()),
    ];
    files.extend(
        crate::schemas()
            .into_iter()
            .map(|(name, text)| (format!("schema/{name}.schema.json"), text)),
    );
    for (path, _) in &files {
        if store.read(path)?.is_some() {
            return Err(CliError::failed(format!(
                "{} has a file {path} already",
                directory.display()
            ))
            .with_hint(
                "nothing was changed; imgfac check tells what is wrong with it, if anything",
            ));
        }
    }
    let changes: Vec<FileChange> = files
        .into_iter()
        .map(|(path, text)| FileChange::Write { path, text })
        .collect();
    store.commit(&changes)?;
    if !context.quiet {
        let directory = directory.display();
        writeln!(
            context.out,
            "{GOOD}Made{GOOD:#} {directory} with {} files.",
            changes.len()
        )?;
        writeln!(context.out, "\nNext:")?;
        writeln!(
            context.out,
            "  1. list your images in {BOLD}{directory}/images.yaml{BOLD:#}"
        )?;
        writeln!(
            context.out,
            "  2. {BOLD}imgfac -C {directory} check{BOLD:#}"
        )?;
        writeln!(context.out, "  3. {BOLD}imgfac -C {directory} sync{BOLD:#}")?;
    }
    Ok(exit::DONE)
}
