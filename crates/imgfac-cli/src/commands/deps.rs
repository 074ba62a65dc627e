//! `imgfac deps`: the external images of Dockerfiles.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use imgfac_dockerfile::{Analysis, Options, Role};
use imgfac_model::{Platform, exit};
use imgfac_state::FILE_LIMIT;
use rayon::prelude::*;
use serde::Serialize;

use crate::args::{Format, FormatArg};
use crate::context::Context;
use crate::error::CliError;
use crate::render::{self, BOLD, DIM, ERROR};

/// List the external images that Dockerfiles stand on
///
/// Finds them as BuildKit would: all stages, ARG defaults and --build-arg values, COPY --from,
/// RUN --mount=from, heredocs, ONBUILD. A folder stands for the Dockerfiles below it. Needs no
/// factory directory.
#[derive(Debug, Args)]
pub(crate) struct DepsArgs {
    /// Dockerfiles, or folders to look for them; - is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The value of an ARG, as docker build takes it (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = build_arg)]
    build_arg: Vec<(String, String)>,
    /// The stage that is built [default: the last]
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// The platform that is built for
    #[arg(long, value_name = "OS/ARCH", default_value = "linux/amd64", value_parser = platform)]
    platform: Platform,
    #[command(flatten)]
    format: FormatArg,
}

/// As `docker build`: a name without a value takes it from the environment.
fn build_arg(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) => Err("the name before \"=\" is empty".into()),
        None => match std::env::var(text) {
            Ok(value) => Ok((text.to_owned(), value)),
            Err(_) => Err(format!(
                "write {text}=VALUE, or set {text} in the environment"
            )),
        },
    }
}

fn platform(text: &str) -> Result<Platform, String> {
    Platform::new(text).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct FileDeps {
    path: String,
    images: Vec<ImageDep>,
    syntax: Option<String>,
    error: Option<FileError>,
}

#[derive(Serialize)]
struct ImageDep {
    reference: String,
    raw: String,
    role: &'static str,
    line: usize,
    reachable: bool,
}

#[derive(Serialize)]
struct FileError {
    message: String,
    line: usize,
    column: usize,
}

pub(crate) fn run(context: &mut Context<'_>, args: DepsArgs) -> Result<u8, CliError> {
    let options = Options {
        build_args: args.build_arg.into_iter().collect::<BTreeMap<_, _>>(),
        target: args.target,
        platform: Some(args.platform.to_string()),
    };
    let mut paths = Vec::new();
    for path in args.paths {
        if path.is_dir() {
            dockerfiles(&path, &mut paths)
        } else {
            paths.push(path)
        }
    }
    let mut failed = false;
    // In portions, so that the first result does not wait for the last of many files.
    for portion in paths.chunks(256) {
        let results: Vec<FileDeps> = portion
            .par_iter()
            .map(|path| read(path, &options))
            .collect();
        for result in results {
            failed |= result.error.is_some();
            match args.format.format {
                Format::Json => {
                    let line = serde_json::to_string(&result).map_err(CliError::failed)?;
                    writeln!(context.out, "{}", render::clean_json(line))?;
                }
                Format::Text => text(context, &result)?,
            }
        }
    }
    if paths.is_empty() && !context.quiet {
        writeln!(context.err, "no Dockerfile found")?;
    }
    Ok(if failed { exit::PARTLY } else { exit::DONE })
}

fn read(path: &Path, options: &Options) -> FileDeps {
    let name = path.display().to_string();
    match bytes(path) {
        Ok(bytes) => describe(name, imgfac_dockerfile::analyze(&bytes, options)),
        Err(error) => FileDeps {
            path: name,
            images: Vec::new(),
            syntax: None,
            error: Some(FileError {
                message: error.to_string(),
                line: 0,
                column: 0,
            }),
        },
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::other(format!("larger than the limit of {FILE_LIMIT} bytes"));
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin()
            .lock()
            .take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)?
    } else {
        // A pipe or device may be named on purpose, as in `deps <(…)`.
        fs::File::open(path)?
            .take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)?
    };
    if read as u64 > FILE_LIMIT {
        Err(too_large())
    } else {
        Ok(bytes)
    }
}

fn describe(path: String, analysis: Analysis) -> FileDeps {
    let images = analysis.images.into_iter().map(|image| ImageDep {
        reference: image.reference.to_string(),
        raw: image.first.raw,
        role: match image.first.role {
            Role::From => "from",
            Role::Copy => "copy",
            Role::Mount => "mount",
        },
        line: image.first.line,
        reachable: image.reachable,
    });
    FileDeps {
        path,
        images: images.collect(),
        syntax: analysis.syntax.map(|reference| reference.to_string()),
        error: analysis.error.map(|error| FileError {
            message: error.message,
            line: error.line,
            column: error.column,
        }),
    }
}

fn text(context: &mut Context<'_>, file: &FileDeps) -> Result<(), CliError> {
    writeln!(context.out, "{BOLD}{}{BOLD:#}", render::clean(&file.path))?;
    let rows: Vec<Vec<String>> = file
        .images
        .iter()
        .map(|image| {
            let note = if image.reachable {
                ""
            } else {
                "not needed by the target"
            };
            vec![
                image.reference.clone(),
                image.role.to_owned(),
                format!("line {}", image.line),
                note.to_owned(),
            ]
        })
        .collect();
    for line in render::columns(&rows) {
        writeln!(context.out, "  {line}")?;
    }
    if let Some(FileError {
        message,
        line,
        column,
    }) = &file.error
    {
        let place = if *line > 0 {
            format!("line {line}, column {column}: ")
        } else {
            String::new()
        };
        writeln!(
            context.out,
            "  {ERROR}error:{ERROR:#} {place}{}",
            render::clean(message)
        )?;
    } else if rows.is_empty() {
        writeln!(context.out, "  {DIM}no external image{DIM:#}")?;
    }
    Ok(())
}

/// The Dockerfiles below a folder, by the names that people give them, sorted.
fn dockerfiles(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut folders = vec![folder.to_owned()];
    let start = found.len();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let (name, path) = (
                entry.file_name().to_string_lossy().to_lowercase(),
                entry.path(),
            );
            // Symbolic links are not followed: they could lead round in a circle.
            match entry.file_type() {
                Ok(kind)
                    if kind.is_dir()
                        && !matches!(name.as_str(), ".git" | "node_modules" | "target") =>
                {
                    folders.push(path);
                }
                Ok(kind) if kind.is_file() && is_dockerfile(&name) => found.push(path),
                _ => {}
            }
        }
    }
    if let Some(new) = found.get_mut(start..) {
        new.sort();
    }
}

fn is_dockerfile(name: &str) -> bool {
    let stems = ["dockerfile", "containerfile"];
    !name.ends_with(".dockerignore")
        && stems.iter().any(|stem| {
            name == *stem
                || name.starts_with(&format!("{stem}."))
                || name.ends_with(&format!(".{stem}"))
        })
}
