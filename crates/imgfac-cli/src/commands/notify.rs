//! `imgfac notify --test`: whether the targets of notifications hear us.

use clap::Args;
use imgfac_model::{NotificationTarget, exit, nearest};
use imgfac_notify::{Delivery, Message};
use imgfac_providers::{Delivered, NotifyOptions, send_all};
use serde::Serialize;

use crate::args::{Format, FormatArg};
use crate::context::Context;
use crate::error::CliError;
use crate::factory::{Access, Factory};
use crate::render::{self, DIM, ERROR, GOOD, clean, columns};

/// Find out whether the notifications of imgfac.yaml arrive
///
/// Sends one message that says that it is a test. Secrets are read from the environment variables
/// that imgfac.yaml names. All targets are tried; if one cannot be told, the exit code is 1. See
/// docs/notifications.md.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  PLATFORM_SLACK=https://… imgfac notify --test platform")]
pub(crate) struct NotifyArgs {
    /// Send a test to each target, or to those that are named
    #[arg(long, required = true)]
    test: bool,
    /// Targets, by their names in imgfac.yaml
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Serialize)]
struct Tested {
    targets: Vec<Row>,
}

/// A target, and whether it heard us.
#[derive(Serialize)]
struct Row {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    sent: bool,
    error: Option<String>,
    remedy: Option<String>,
}

pub(crate) fn run(context: &mut Context<'_>, args: NotifyArgs) -> Result<u8, CliError> {
    let factory = Factory::open(context, Access::Read)?;
    let targets = chosen(&factory.configuration.settings.notifications, &args.names)?;
    let deliveries: Vec<Delivery<'_>> = targets
        .iter()
        .map(|target| Delivery {
            target,
            messages: vec![Message::test(target)],
        })
        .collect();
    let delivered = send_all(&deliveries, &NotifyOptions::default());
    let rows = targets.iter().zip(delivered);
    let rows: Vec<Row> = rows.map(|(target, came)| row(target, came)).collect();
    let failed = rows.iter().any(|row| !row.sent);
    match args.format.format {
        Format::Json => render::json(context.out, &Tested { targets: rows })?,
        Format::Text => text(context, &rows)?,
    }
    Ok(if failed { exit::FAILED } else { exit::DONE })
}

/// The targets that are named, or all.
fn chosen<'t>(
    targets: &'t [NotificationTarget],
    names: &[String],
) -> Result<Vec<&'t NotificationTarget>, CliError> {
    if targets.is_empty() {
        return Err(CliError::failed("imgfac.yaml names nobody to be told")
            .with_hint("notifications: of imgfac.yaml does; see docs/notifications.md"));
    }
    for name in names {
        if !targets.iter().any(|target| target.name.as_str() == name) {
            let known: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
            let hint = match nearest(name, &known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("imgfac.yaml has {}", known.join(", ")),
            };
            let error = CliError::failed(format!("imgfac.yaml has no notification \"{name}\""));
            return Err(error.with_hint(hint));
        }
    }
    let named = |target: &&NotificationTarget| {
        names.is_empty() || names.iter().any(|name| target.name.as_str() == name)
    };
    Ok(targets.iter().filter(named).collect())
}

fn row(target: &NotificationTarget, delivered: Delivered) -> Row {
    Row {
        name: target.name.to_string(),
        kind: target.kind().as_str(),
        sent: delivered.error.is_none(),
        remedy: delivered.error.as_ref().map(|error| error.remedy()),
        error: delivered.error.map(|error| error.to_string()),
    }
}

fn text(context: &mut Context<'_>, rows: &[Row]) -> Result<(), CliError> {
    let sent: Vec<Vec<String>> = (rows.iter())
        .filter(|row| row.sent && !context.quiet)
        .map(|row| vec![row.name.clone(), row.kind.to_owned()])
        .collect();
    for line in columns(&sent) {
        writeln!(context.out, "{GOOD}sent{GOOD:#}  {line}")?;
    }
    for row in rows {
        if let (Some(error), Some(remedy)) = (&row.error, &row.remedy) {
            let (name, error, remedy) = (&row.name, clean(error), clean(remedy));
            writeln!(
                context.err,
                "{ERROR}error:{ERROR:#} {name} was not told: {error}"
            )?;
            writeln!(context.err, "{DIM}hint:{DIM:#} {remedy}")?;
        }
    }
    Ok(())
}
