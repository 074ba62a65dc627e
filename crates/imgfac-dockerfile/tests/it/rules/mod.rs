//! The rules of BuildKit, each with files that show it and with BuildKit's own answers to them.

mod args;
mod expansion;
mod flags;
mod heredocs;
mod instructions;
mod lines;
mod references;
mod reports;
mod stages;

use std::collections::BTreeMap;

use imgfac_dockerfile::{Analysis, ErrorKind, Options, analyze};

/// Analyses a file with default options.
///
/// `expected` are the images as Docker shows them, `~` before those that the target does not need;
/// or the kind of the mistake, with its line where BuildKit always names the same one.
fn check(text: &str, expected: &str) {
    check_with(text, &[], None, None, expected);
}

fn check_with(
    text: &str,
    build_args: &[(&str, &str)],
    target: Option<&str>,
    platform: Option<&str>,
    expected: &str,
) {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let options = Options {
        build_args: build_args.iter().map(own).collect::<BTreeMap<_, _>>(),
        target: target.map(ToOwned::to_owned),
        platform: platform.map(ToOwned::to_owned),
    };
    let analysis = analyze(text.as_bytes(), &options);
    let is_read = |error: &imgfac_dockerfile::Error| error.kind != ErrorKind::Parse;
    if analysis.error.as_ref().is_none_or(is_read) {
        crate::differential::compare(text, &analysis);
    }
    let with_line = expected.contains(", line ");
    assert_eq!(
        answer(&analysis, with_line),
        expected,
        "{text:?}: {analysis:#?}"
    );
}

fn answer(analysis: &Analysis, with_line: bool) -> String {
    if let Some(error) = &analysis.error {
        let kind = match error.kind {
            ErrorKind::Parse => "parse",
            ErrorKind::Arg => "arg",
            ErrorKind::Resolve => "resolve",
        };
        if with_line {
            return format!("{kind}, line {}", error.line);
        }
        return kind.to_owned();
    }
    let shown = |image: &imgfac_dockerfile::Image| {
        let mark = if image.reachable { "" } else { "~" };
        format!("{mark}{}", image.reference.familiar())
    };
    let images: Vec<String> = analysis.images.iter().map(shown).collect();
    images.join(" ")
}
