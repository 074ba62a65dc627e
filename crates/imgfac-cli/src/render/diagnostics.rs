//! Diagnostics with the lines that they are about.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use imgfac_model::{Diagnostic, Severity, SourceFiles};

use super::style::{clean, count};

/// More of them would bury the first.
const SHOWN: usize = 50;

/// Writes diagnostics, each with file, line, column, the text and a caret.
///
/// The files are named as they are seen from the current folder, so that a terminal or editor
/// can open them; `directory` is the one that they lie in.
pub(crate) fn diagnostics(
    out: &mut dyn Write,
    directory: &Path,
    files: &SourceFiles,
    list: &[Diagnostic],
) -> io::Result<()> {
    // Errors first: there may be more warnings than anybody reads.
    let mut sorted: Vec<&Diagnostic> = list.iter().collect();
    sorted.sort_by_key(|diagnostic| diagnostic.severity);
    // Colours are taken out again by the stream when it is no terminal.
    let renderer = Renderer::styled();
    for diagnostic in sorted.iter().take(SHOWN) {
        writeln!(
            out,
            "{}\n",
            renderer.render(&report(directory, files, diagnostic))
        )?;
    }
    if sorted.len() > SHOWN {
        writeln!(
            out,
            "… and {} more; `imgfac check --format json` lists all\n",
            sorted.len() - SHOWN
        )?;
    }
    Ok(())
}

fn report<'a>(
    directory: &Path,
    files: &'a SourceFiles,
    diagnostic: &'a Diagnostic,
) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(
        level
            .primary_title(clean(&diagnostic.message))
            .id(diagnostic.code.as_str()),
    );
    for (at, label) in diagnostic.labels.iter().enumerate() {
        let text = files.text(label.span.file);
        let range = visible(text, &label.span.range);
        let kind = if at == 0 {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let annotation = kind.span(range).label(clean(&label.text));
        group = group.element(
            Snippet::source(harmless(text))
                .path(place(directory, files.name(label.span.file)))
                .annotation(annotation),
        );
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(clean(help)));
    }
    vec![group]
}

/// The renderer makes control characters visible, but for those that are two bytes long: some
/// terminals take them for the beginning of a command. Another of two bytes takes their place, so
/// that positions stay.
fn harmless(text: &str) -> Cow<'_, str> {
    let command = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
    if text.contains(command) {
        text.replace(command, "·").into()
    } else {
        text.into()
    }
}

/// A file of the factory directory, as it is seen from the current folder.
pub(crate) fn place(directory: &Path, name: &str) -> String {
    let path = directory.join(name);
    let path = path.strip_prefix(".").unwrap_or(&path);
    clean(&path.display().to_string())
}

/// The renderer wants character boundaries inside the text, and shows at most one line well.
fn visible(text: &str, range: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(range.start);
    let line = text[start..].find('\n').map_or(text.len(), |at| start + at);
    start..floor(range.end).clamp(start, line)
}

/// `2 errors`, or `1 error and 3 warnings`.
pub(crate) fn count_errors(list: &[Diagnostic]) -> String {
    let errors = list
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .count();
    match list.len() - errors {
        0 => count(errors, "error"),
        warnings => format!(
            "{} and {}",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    }
}
