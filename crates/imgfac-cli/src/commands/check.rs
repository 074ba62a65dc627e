//! `imgfac check`: every mistake, at once.

use clap::Args;
use imgfac_model::{Severity, exit};
use serde::Serialize;

use crate::args::{Format, FormatArg};
use crate::context::Context;
use crate::error::CliError;
use crate::factory::{Access, Factory};
use crate::render::{self, GOOD, JsonDiagnostic};

/// Find every mistake in images.yaml, images.d, imgfac.yaml and state
///
/// Changes nothing and needs no network. Warnings do not fail it.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Serialize)]
struct Checked {
    images: usize,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<JsonDiagnostic>,
}

pub(crate) fn run(context: &mut Context<'_>, args: CheckArgs) -> Result<u8, CliError> {
    let mut factory = Factory::open_unchecked(context, Access::Read)?;
    let fleet = factory.fleet()?;
    let mut state = factory.unreadable_state(&fleet);
    state.extend(factory.unusable_told(&fleet));
    let mut diagnostics = factory.configuration.diagnostics.clone();
    diagnostics.extend(state);
    let files = &factory.configuration.files;
    let errors = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .count();
    match args.format.format {
        Format::Json => render::json(
            context.out,
            &Checked {
                images: factory.configuration.images.len(),
                errors,
                warnings: diagnostics.len() - errors,
                diagnostics: diagnostics
                    .iter()
                    .map(|one| JsonDiagnostic::new(files, one))
                    .collect(),
            },
        )?,
        Format::Text => {
            render::diagnostics(context.err, factory.store.path(), files, &diagnostics)?;
            if errors > 0 {
                let count = render::count_errors(&diagnostics);
                return Err(CliError::failed(format!(
                    "{count} in {}",
                    factory.store.path().display()
                )));
            }
            if !context.quiet {
                let images = render::count(factory.configuration.images.len(), "image");
                match diagnostics.len() {
                    0 => writeln!(context.out, "{GOOD}ok{GOOD:#}: {images}, no mistakes")?,
                    warnings => writeln!(
                        context.out,
                        "{GOOD}ok{GOOD:#}: {images}, no mistakes, {}",
                        render::count(warnings, "warning")
                    )?,
                }
            }
        }
    }
    Ok(if errors > 0 { exit::FAILED } else { exit::DONE })
}
