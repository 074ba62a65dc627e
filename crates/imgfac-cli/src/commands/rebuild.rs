//! `imgfac rebuild`: which images are rebuilt, when and why; and their rebuilds.

mod cluster;
mod plan;

use clap::{ArgGroup, Args};

use crate::args::FormatArg;
use crate::cluster::ContextArg;
use crate::context::Context;
use crate::error::CliError;
use crate::render;

/// Show which images are rebuilt, when and why; or rebuild them
///
/// Without options it shows the plan: for each image whether it is up to date, waits, is due or
/// blocked, since when and because of what. State says what images stand on and what was seen of
/// that: imgfac analyze and imgfac observe keep it current.
///
/// With --emergency, on a cluster with Kargo: writes the time of the emergency into the ConfigMap
/// imgfac-overrides, which ends a wait that runs within ten minutes, and makes a Promotion, for the
/// case that none does. The build is then told as always, with `emergency` as its reason, and later
/// updates wait as always. Images with autoRebuild: false and images in a circle are rebuilt, too.
/// The most critical begin, and among them those that others stand on. One image's failure stops no
/// other.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("mode").args(["plan", "explain", "emergency"]),
    group = ArgGroup::new("which").args(["names", "base"]).multiple(true)
)]
pub(crate) struct RebuildArgs {
    /// The images; with --plan only these are shown
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Show what is decided about every image; the default
    #[arg(long)]
    plan: bool,
    /// Tell in sentences what is decided about an image, and why
    #[arg(long, value_name = "NAME", conflicts_with = "names")]
    explain: Option<String>,
    /// With --emergency: all images that need this base, themselves or through others
    ///
    /// BASE is the name of an image, the name of a base as in state/base-images, or a reference
    /// such as node:22.
    #[arg(long, value_name = "BASE", requires = "emergency")]
    base: Option<String>,
    /// Rebuild at once, whatever the delays say
    #[arg(long, requires = "reason", requires = "which")]
    emergency: bool,
    /// Why, in one line; it stays on the Promotion as the annotation imgfac.dev/reason
    #[arg(long, value_name = "TEXT", value_parser = reason, requires = "emergency")]
    reason: Option<String>,
    /// A vulnerability that the rebuild is for, such as CVE-2026-12345 or GHSA-…; goes with the reason
    #[arg(long = "cve", value_name = "ID", value_delimiter = ',', value_parser = vulnerability, requires = "emergency")]
    vulnerabilities: Vec<String>,
    /// Do not ask
    #[arg(short, long, requires = "emergency")]
    yes: bool,
    /// Let the server check everything and change nothing
    #[arg(long, requires = "emergency")]
    dry_run: bool,
    #[command(flatten)]
    context: ContextArg,
    #[command(flatten)]
    format: FormatArg,
}

/// What somebody says who asks for an emergency.
struct Asked<'a> {
    reason: &'a str,
    vulnerabilities: &'a [String],
}

impl Asked<'_> {
    /// The reason, with the vulnerabilities.
    fn full_reason(&self) -> String {
        match self.vulnerabilities {
            [] => self.reason.to_owned(),
            ids => format!("{} ({})", self.reason, ids.join(", ")),
        }
    }
}

/// The longest reason, in characters: it is an annotation, and people read it in a list.
const REASON_LIMIT: usize = 1_000;

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("say why: it is what people find later".into());
    }
    if text.chars().any(char::is_control) || render::clean(text) != text {
        return Err("it must be one line without control characters".into());
    }
    if text.chars().count() > REASON_LIMIT {
        return Err(format!("it is longer than {REASON_LIMIT} characters"));
    }
    Ok(text.to_owned())
}

/// `CVE-YEAR-NUMBER` with four digits or more, or `GHSA-` and three groups of four.
fn vulnerability(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = upper.split('-').collect();
    match parts.as_slice() {
        ["CVE", year, number]
            if year.len() == 4
                && digits(year)
                && (4..=19).contains(&number.len())
                && digits(number) =>
        {
            Ok(upper)
        }
        ["GHSA", rest @ ..]
            if rest.len() == 3
                && rest.iter().all(|part| {
                    part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
                }) =>
        {
            // GitHub writes them in lower case.
            Ok(format!("GHSA-{}", rest.join("-").to_ascii_lowercase()))
        }
        _ => Err("it is no CVE-2026-12345 and no GHSA-xxxx-xxxx-xxxx".into()),
    }
}

pub(crate) fn run(context: &mut Context<'_>, args: RebuildArgs) -> Result<u8, CliError> {
    let format = args.format.format;
    if let Some(name) = &args.explain {
        return plan::explain(context, name, format);
    }
    if let (true, Some(reason)) = (args.emergency, &args.reason) {
        let asked = Asked {
            reason,
            vulnerabilities: &args.vulnerabilities,
        };
        return cluster::run(context, &args, &asked);
    }
    plan::show(context, &args.names, format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(reason("  CVE in zlib ").as_deref(), Ok("CVE in zlib"));
        for bad in ["", " \t", "a\nb", "a\u{1b}[31m", "a\u{202e}b", "a\0"] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
        assert!(reason(&"ä".repeat(REASON_LIMIT)).is_ok());
        assert!(reason(&"ä".repeat(REASON_LIMIT + 1)).is_err());
    }

    #[test]
    fn vulnerabilities_have_the_form_of_their_list() {
        for (text, expected) in [
            ("CVE-2026-1234", "CVE-2026-1234"),
            ("cve-2026-1234567", "CVE-2026-1234567"),
            ("ghsa-JFH8-c2jp-5v3q", "GHSA-jfh8-c2jp-5v3q"),
        ] {
            assert_eq!(vulnerability(text).as_deref(), Ok(expected));
        }
        for bad in [
            "",
            "CVE-2026-123",
            "CVE-26-1234",
            "CVE-2026-12x4",
            "CVE-2026-1234-5",
            "2026-1234",
            "GHSA-jfh8-c2jp",
            "GHSA-jfh8-c2jp-5v3ä",
            "CVE-2026-1234\n",
            "CVE-2026-٣٣٣٣",
        ] {
            assert!(vulnerability(bad).is_err(), "{bad:?}");
        }
    }
}
