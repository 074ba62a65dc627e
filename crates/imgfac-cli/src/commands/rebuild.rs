//! `imgfac rebuild`: which images are rebuilt, when and why; and their rebuilds.

mod cluster;
mod due;
mod emergency;
mod follow;
mod plan;
mod proof;
mod shown;
mod start;
mod which;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use imgfac_model::{RebuildThrough, Rebuilds};

use self::shown::Shown;
use crate::args::FormatArg;
use crate::cluster::ContextArg;
use crate::commands::publish::{PublishArgs, duration};
use crate::context::Context;
use crate::error::CliError;
use crate::render;

/// Show which images are rebuilt, when and why; or rebuild them
///
/// Without options it shows the plan: for each image whether it is up to date, waits, is due or
/// blocked, since when and because of what. State says what images stand on and what was seen of
/// that: imgfac analyze and imgfac observe --all keep it current.
///
/// With --due, or with names, it starts rebuilds through the GitHub workflow, GitLab pipeline or webhook
/// of each image. A rebuild is recorded in state before it is asked for, and confirmed after: a run
/// that is killed makes none twice. The same run records what became of those that were started
/// before. A schedule of `imgfac observe --all --push; imgfac rebuild --due --push` runs a whole
/// factory without a cluster; docs/rebuild.md has a workflow. The tokens are those of GITHUB_TOKEN and
/// GITLAB_TOKEN; see docs/ci.md.
///
/// With --emergency nothing waits for delays and windows; images with autoRebuild: false and images in a
/// circle are rebuilt, too, and later updates wait as always. Who asked, why and for what goes into
/// state/audit/. The most critical begin, and among them those that others stand on. One image's
/// failure stops no other. On a cluster with Kargo it writes the time of the emergency into the
/// ConfigMap imgfac-overrides, which ends a wait that runs within ten minutes, and makes a Promotion, for
/// the case that none does; without a cluster it starts the builds itself.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("mode").args(["plan", "explain", "emergency", "due"]),
    group = ArgGroup::new("which").args(["names", "base", "all_affected"]).multiple(true),
    after_help = "Examples:\n  imgfac rebuild                          what is due, what waits, and until when\n  imgfac rebuild --explain storefront     why\n  imgfac rebuild --due --push             start what is due, record it in Git\n  imgfac rebuild storefront --follow      start one, and wait for its end"
)]
pub(crate) struct RebuildArgs {
    /// The images to rebuild now, as far as nothing speaks against it; with --plan those to show
    ///
    /// An image that waits, is being rebuilt, comes after another one or would be built on a digest
    /// in quarantine is not rebuilt.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Show what is decided about every image; the default
    #[arg(long)]
    plan: bool,
    /// Tell in sentences what is decided about an image, and why
    #[arg(long, value_name = "NAME", conflicts_with = "names")]
    explain: Option<String>,
    /// Start what is due, and record what became of what was started before
    #[arg(long, conflicts_with = "names")]
    due: bool,
    /// With --due: only if the plan is still this one, as --plan shows it
    #[arg(long, value_name = "ID", requires = "due", value_parser = plan_id)]
    plan_id: Option<String>,
    /// The same, with the file that --plan --format json wrote; shows what differs
    #[arg(
        long,
        value_name = "FILE",
        requires = "due",
        conflicts_with = "plan_id"
    )]
    plan_file: Option<PathBuf>,
    /// Wait until the runs that are under way have ended; exit code 3 when some have not in time
    #[arg(long, conflicts_with_all = ["plan", "explain", "emergency"])]
    follow: bool,
    /// How long to wait with --follow
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    follow_timeout: Duration,
    /// With --emergency: all images that need this base, themselves or through others
    ///
    /// BASE is the name of an image, the name of a base as in state/base-images, or a reference
    /// such as node:22.
    #[arg(long, value_name = "BASE", requires = "emergency")]
    base: Option<String>,
    /// With --emergency: all images that lack an update of what they stand on
    #[arg(long, requires = "emergency")]
    all_affected: bool,
    /// Rebuild at once, whatever the delays say
    #[arg(long, requires = "reason", requires = "which")]
    emergency: bool,
    /// Why, in one line; it stays in state/audit, and on the Promotion as imgfac.dev/reason
    #[arg(long, value_name = "TEXT", value_parser = reason, requires = "emergency")]
    reason: Option<String>,
    /// A vulnerability that the rebuild is for, such as CVE-2026-12345 or GHSA-…; goes with the reason
    #[arg(long = "cve", value_name = "ID", value_delimiter = ',', value_parser = vulnerability, requires = "emergency")]
    vulnerabilities: Vec<String>,
    /// Who starts the builds: kargo on a cluster, or ci, which imgfac asks itself
    ///
    /// Default: what rebuilds.through in imgfac.yaml says, else kargo where a cluster is configured, and
    /// ci where none is.
    #[arg(long, value_name = "WHO", value_parser = through, requires = "emergency")]
    through: Option<RebuildThrough>,
    /// Do not ask
    #[arg(short, long, requires = "emergency")]
    yes: bool,
    /// Let the server check everything and change nothing
    #[arg(long, requires = "emergency")]
    dry_run: bool,
    #[command(flatten)]
    context: ContextArg,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    format: FormatArg,
}

fn through(text: &str) -> Result<RebuildThrough, String> {
    text.parse()
        .map_err(|error: imgfac_model::InvalidValue| error.to_string())
}

fn plan_id(text: &str) -> Result<String, String> {
    Shown::by_id(text)?;
    Ok(text.to_owned())
}

impl RebuildArgs {
    /// Who starts rebuilds: as the command or the settings say, else a cluster where there is one.
    fn through(&self, settings: &Rebuilds) -> RebuildThrough {
        self.through
            .or(settings.through)
            .unwrap_or_else(|| match self.context.is_configured() {
                true => RebuildThrough::Kargo,
                false => RebuildThrough::Ci,
            })
    }
}

pub(crate) use self::emergency::count_before as emergencies_before;
/// Decides about every image, as state is.
pub(crate) use self::plan::plan as plan_of;

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
        return emergency::run(context, &args, reason);
    }
    if args.due || args.follow || (!args.names.is_empty() && !args.plan) {
        return due::run(context, &args);
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
