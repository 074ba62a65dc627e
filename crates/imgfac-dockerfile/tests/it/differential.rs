//! Two other parsers read what we read: where they accept a file, they must agree with us about
//! its stages and flags.
//!
//! Neither follows BuildKit everywhere, so files with what it is known to read otherwise are left
//! out, each with its reason.

use dockerfile_parser::Dockerfile;
use imgfac_dockerfile::{Analysis, Error, ErrorKind, Options, Role, analyze};
use parse_dockerfile::Instruction;
use proptest::prelude::*;

use crate::generate::dockerfile;

/// A stage as all parsers see it: the base and the name as they are written.
type Stage = (String, Option<String>);

/// Compares an analysis with what the others say; returns how many of them accepted the file.
pub(crate) fn compare(text: &str, analysis: &Analysis) -> usize {
    let ours: Vec<Stage> = analysis
        .stages
        .iter()
        .map(|stage| (stage.base_raw.clone(), stage.name.clone()))
        .collect();
    let mut count = 0;
    if !is_beyond_dockerfile_parser(text)
        && let Ok(file) = Dockerfile::parse(text)
        && !has_unread_stage(&file)
    {
        let theirs: Vec<Stage> = stages_of_dockerfile_parser(&file);
        assert_eq!(ours, theirs, "dockerfile-parser: {text:?}");
        count += 1;
    }
    if !is_beyond_parse_dockerfile(text)
        && let Ok(file) = parse_dockerfile::parse(text)
    {
        let theirs: Vec<Stage> = stages_of_parse_dockerfile(&file);
        assert_eq!(ours, theirs, "parse-dockerfile: {text:?}");
        compare_flags(text, &file, analysis);
        count += 1;
    }
    count
}

fn is_beyond_dockerfile_parser(text: &str) -> bool {
    // It knows neither heredocs nor the escape directive, and takes the last of several escape
    // characters for one that continues the line.
    text.contains("<<") || text.contains("escape") || text.contains("\\\\\n")
}

/// It keeps a `FROM` that it cannot read, for its quotes say, as an unknown instruction.
fn has_unread_stage(file: &Dockerfile) -> bool {
    let is_from = |name: &str| name.eq_ignore_ascii_case("from");
    let mut unknown = file.instructions.iter().filter_map(|i| i.as_misc());
    unknown.any(|instruction| is_from(&instruction.instruction.content))
}

fn is_beyond_parse_dockerfile(text: &str) -> bool {
    // It too lets the last of several escape characters continue the line.
    text.contains("\\\\\n")
}

fn stages_of_dockerfile_parser(file: &Dockerfile) -> Vec<Stage> {
    file.instructions
        .iter()
        .filter_map(|instruction| instruction.as_from())
        .map(|from| {
            let name = from.alias.as_ref().map(|name| name.content.to_lowercase());
            (from.image.content.clone(), name)
        })
        .collect()
}

fn stages_of_parse_dockerfile(file: &parse_dockerfile::Dockerfile<'_>) -> Vec<Stage> {
    file.stages()
        .map(|stage| {
            let name = stage.from.as_.as_ref();
            let name = name.map(|(_, name)| name.value.to_lowercase());
            (stage.from.image.value.to_string(), name)
        })
        .collect()
}

/// Every image that we find in a `COPY` or `RUN` is in a flag of one, and platforms are the same.
fn compare_flags(text: &str, file: &parse_dockerfile::Dockerfile<'_>, analysis: &Analysis) {
    let mut flags: Vec<(Role, String)> = Vec::new();
    for instruction in &file.instructions {
        let (role, options) = match instruction {
            Instruction::Copy(copy) => (Role::Copy, &copy.options),
            Instruction::Run(run) => (Role::Mount, &run.options),
            _ => continue,
        };
        for flag in options {
            if let Some(value) = &flag.value
                && matches!(bare(&flag.name.value).as_str(), "from" | "mount")
            {
                flags.push((role, bare(&value.value)));
            }
        }
    }
    let platforms = file.stages().map(|stage| {
        let mut options = stage.from.options.iter();
        let flag = options.find(|flag| flag.name.value == "platform")?;
        Some(flag.value.as_ref()?.value.to_string())
    });
    for (stage, theirs) in analysis.stages.iter().zip(platforms) {
        assert_eq!(stage.platform, theirs, "platform: {text:?}");
    }
    let uses = analysis.images.iter().flat_map(|image| image.uses());
    for used in uses.filter(|used| used.role != Role::From && !used.on_build) {
        let in_flag = |(_, value): &(Role, String)| {
            // It leaves quotes and escapes in a flag as they are.
            let value: String = value.replace(['"', '\'', '\\', '`'], "");
            value.contains(&used.raw)
        };
        assert!(
            flags
                .iter()
                .any(|flag| flag.0 == used.role && in_flag(flag)),
            "{used:?} is in no flag of {text:?}"
        );
    }
}

/// It leaves quotes and escapes in a flag as they are.
fn bare(text: &str) -> String {
    text.replace(['"', '\'', '\\', '`'], "")
}

#[test]
fn usual_files_are_read_by_all() {
    let check = |text: &str| {
        let analysis = analyze(text.as_bytes(), &Options::default());
        assert_eq!(compare(text, &analysis), 2, "{text}");
    };
    check("FROM a\n");
    check("ARG A=1\nFROM --platform=$BUILDPLATFORM a:$A AS b\nRUN x \\\n  # y\n  z\nFROM b\n");
    check("FROM a AS b\nFROM scratch\nCOPY --from=b --chown=1:1 c d\nCOPY --from=e:1 f g\n");
    check("FROM a\nRUN --mount=type=bind,from=b:2,target=/c d\nCMD [\"e\"]\n");
}

proptest! {
    #[test]
    fn generated_files_are_read_alike(text in dockerfile()) {
        let analysis = analyze(text.as_bytes(), &Options::default());
        let is_text = |error: &Error| error.kind == ErrorKind::Parse;
        if !analysis.error.as_ref().is_some_and(is_text) {
            compare(&text, &analysis);
        }
    }
}
