//! `imgfac schema`: JSON Schemas for editors and other tools.

use clap::Args;
use imgfac_model::exit;

use crate::context::Context;
use crate::error::CliError;

/// Print the JSON Schema of a file
///
/// Editors check images.yaml as you type when its first line names the schema:
/// # yaml-language-server: $schema=schema/images.schema.json
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Which file: images, settings, image-state, base-state or notifications-state
    #[arg(value_parser = ["images", "settings", "image-state", "base-state", "notifications-state"])]
    name: String,
}

pub(crate) fn run(context: &mut Context<'_>, args: SchemaArgs) -> Result<u8, CliError> {
    for (name, text) in crate::schemas() {
        if name == args.name {
            context.out.write_all(text.as_bytes())?;
        }
    }
    Ok(exit::DONE)
}
