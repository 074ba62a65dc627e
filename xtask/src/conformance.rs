//! Manifests against the schemas and rules of a release of Kargo; `docs/conformance.md` is about it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use imgfac_conformance::{Checker, File, Report, Schemas, Severity, Sources};
use serde::Serialize;

/// Set for a process of this program that shall be `imgfac` instead: so the task needs no second
/// program, and what it checks is what this very code makes.
pub(crate) const AS_IMGFAC: &str = "XTASK_AS_IMGFAC";

#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// A folder with the schemas of a release
    #[arg(long, value_name = "DIR")]
    schemas: PathBuf,
    /// A resource that the manifests may name without having it; can be repeated
    #[arg(long, value_name = "KIND/NAME")]
    external: Vec<String>,
    /// How to write what was found
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Manifests that belong together; - is standard input. Without any, those of examples/fleet
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// Checks, writes what was found to standard output, and tells whether there is no error.
pub(crate) fn run(args: &ConformanceArgs) -> Result<bool> {
    let schemas = Sources::read(&args.schemas).and_then(|sources| Schemas::compile(&sources))?;
    let checker = args
        .external
        .iter()
        .fold(Checker::new(schemas), |checker, resource| {
            checker.with_external(resource)
        });
    let files = if args.files.is_empty() {
        vec![example()?]
    } else {
        args.files
            .iter()
            .map(|path| read(path))
            .collect::<Result<_>>()?
    };
    let report = checker.check(&files);
    if report.documents == 0 && report.findings.is_empty() {
        bail!("the manifests have no documents");
    }
    match args.format {
        Format::Human => print!("{}", human(&report)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&Json::from(&report))?),
    }
    Ok(report.count(Severity::Error) == 0)
}

fn read(path: &Path) -> Result<File> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        text
    } else {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    Ok(File {
        name: path.display().to_string(),
        text,
    })
}

/// The manifests of a copy of `examples/fleet`, so that nothing is written there.
fn example() -> Result<File> {
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    copy(&crate::root().join("examples/fleet"), folder.path())?;
    let itself = std::env::current_exe().context("cannot find this program")?;
    let output = Command::new(itself)
        .args(["sync", "-C"])
        .arg(folder.path())
        .env(AS_IMGFAC, "1")
        .output()
        .context("cannot run imgfac")?;
    if !output.status.success() {
        bail!("imgfac sync: {}", String::from_utf8_lossy(&output.stderr));
    }
    let name = "dist/image-factory.k8s.yaml";
    let text = fs::read_to_string(folder.path().join(name))
        .with_context(|| format!("imgfac sync has not written {name}"))?;
    Ok(File {
        name: format!("examples/fleet/{name}"),
        text,
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_name().to_str() {
            // What an earlier run has made here.
            Some("state" | "dist") => {}
            _ if from.is_dir() => copy(&from, &to)?,
            _ => drop(fs::copy(&from, &to)?),
        }
    }
    Ok(())
}

/// Two lines for each finding, and one for all.
fn human(report: &Report) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        out.push_str(&format!("{finding}\n    from: {}\n", finding.source));
    }
    let count = |number: usize, what: &str| {
        format!("{number} {what}{}", if number == 1 { "" } else { "s" })
    };
    out.push_str(&format!(
        "{}, {}, {}\n",
        count(report.documents, "document"),
        count(report.count(Severity::Error), "error"),
        count(report.count(Severity::Warning), "warning")
    ));
    out
}

/// What machines read. New fields may come; those that are here stay.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    schema_version: u32,
    documents: usize,
    errors: usize,
    warnings: usize,
    findings: Vec<JsonFinding<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonFinding<'a> {
    severity: &'static str,
    rule: &'static str,
    file: &'a str,
    /// From 0, without documents that have no content.
    document: usize,
    kind: &'a str,
    name: &'a str,
    /// A JSON pointer.
    path: &'a str,
    message: &'a str,
    source: &'a str,
}

impl<'a> From<&'a Report> for Json<'a> {
    fn from(report: &'a Report) -> Self {
        Self {
            schema_version: 1,
            documents: report.documents,
            errors: report.count(Severity::Error),
            warnings: report.count(Severity::Warning),
            findings: report
                .findings
                .iter()
                .map(|finding| JsonFinding {
                    severity: finding.severity().name(),
                    rule: finding.rule.name(),
                    file: &finding.file,
                    document: finding.document,
                    kind: &finding.kind,
                    name: &finding.name,
                    path: &finding.path,
                    message: &finding.message,
                    source: &finding.source,
                })
                .collect(),
        }
    }
}
