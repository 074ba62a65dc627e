//! From parsed arguments to an exit code.

use std::io::IsTerminal;

use imgfac_model::exit;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{Cli, Color, Command, LogFormat};
use crate::commands;
use crate::context::Context;
use crate::error::CliError;
use crate::render;

pub(crate) fn run(cli: Cli) -> u8 {
    let choice = match cli.global.color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    log_to_stderr(cli.global.verbose, cli.global.log_format);

    // These run no Git, and tell what they did before they end.
    let ends_by_itself = matches!(
        cli.command,
        Command::Apply(_) | Command::Diff(_) | Command::Rebuild(_)
    );
    if !ends_by_itself && let Err(error) = imgfac_git::end_with_the_program() {
        tracing::warn!(%error, "Git will not be told of Ctrl-C");
    }
    let mut out = anstream::stdout();
    let mut err = anstream::stderr();
    let directory = match cli.global.directory() {
        Ok(directory) => directory,
        Err(error) => {
            let _ = render::error(&mut err, &error);
            return error.code;
        }
    };
    let mut context = Context {
        directory,
        quiet: cli.global.quiet,
        progress: !cli.global.quiet && cli.global.verbose == 0 && std::io::stderr().is_terminal(),
        wrote: false,
        out: &mut out,
        err: &mut err,
    };
    let result = match cli.command {
        Command::Init(args) => commands::init::run(&mut context, args),
        Command::Check(args) => commands::check::run(&mut context, args),
        Command::Deps(args) => commands::deps::run(&mut context, args),
        Command::Analyze(args) => commands::analyze::run(&mut context, args),
        Command::Synth(args) => commands::synth::run(&mut context, args),
        Command::Sync(args) => commands::sync::run(&mut context, args),
        Command::Observe(args) => commands::observe::run(&mut context, args),
        Command::Notify(args) => commands::notify::run(&mut context, args),
        Command::Graph(args) => commands::graph::run(&mut context, args),
        Command::Apply(args) => commands::apply::run(&mut context, args),
        Command::Diff(args) => commands::diff::run(&mut context, args),
        Command::Rebuild(args) => commands::rebuild::run(&mut context, args),
        Command::Archive(args) => commands::archive::run(&mut context, args),
        Command::Restore(args) => commands::restore::run(&mut context, args),
        Command::Cleanup(args) => commands::cleanup::run(&mut context, args),
        Command::Status(args) => commands::status::run(&mut context, args),
        Command::Schema(args) => commands::schema::run(&mut context, args),
        Command::Completions(args) => commands::completions::run(&mut context, args),
    };
    let result = result.and_then(|code| {
        context.out.flush()?;
        Ok(code)
    });
    let result = match context.wrote {
        true => result.map_err(CliError::after_the_work),
        false => result,
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            if error.code != exit::DONE {
                // Standard error is the last resort: nothing is left to tell about its failure.
                let _ = render::error(context.err, &error);
            }
            error.code
        }
    }
}

fn log_to_stderr(verbose: u8, format: LogFormat) {
    let level = match verbose {
        0 => return,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    // Libraries write addresses with the passwords that somebody put into them.
    let ours = Targets::new().with_target("imgfac", level);
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_target(false)
        // What cannot be logged is not worth a panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // Only fails when a program that embeds this one has its own subscriber, which then wins.
    let _ = match format {
        LogFormat::Text => builder.without_time().finish().with(ours).try_init(),
        LogFormat::Json => (builder.json().flatten_event(true).finish())
            .with(ours)
            .try_init(),
    };
}
