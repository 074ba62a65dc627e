//! `imgfac rebuild --due` and `imgfac rebuild NAME`: the two halves of a run, and its report.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use imgfac_model::exit;
use imgfac_state::Attempt;

use super::RebuildArgs;
use super::follow::{Followed, Outcome};
use super::shown::Shown;
use super::start::{self, Answer, Awaited, Begin, Begun, Confirm};
use super::which::Which;
use crate::args::Format;
use crate::ci;
use crate::commands::operation;
use crate::commands::tell::tell;
use crate::context::Context;
use crate::error::CliError;
use crate::render::{self, EndedRun, Started, StartedReport, Why};

pub(super) fn run(context: &mut Context<'_>, args: &RebuildArgs) -> Result<u8, CliError> {
    let which = match (args.due, args.names.is_empty()) {
        (true, _) => Which::Due,
        (false, false) => Which::Named(&args.names),
        (false, true) => Which::Nothing,
    };
    begin(context, args, which)
}

/// Records, sends, confirms and tells.
pub(super) fn begin(
    context: &mut Context<'_>,
    args: &RebuildArgs,
    which: Which<'_>,
) -> Result<u8, CliError> {
    let ci = ci::from_environment()?;
    let shown = match (&args.plan_id, &args.plan_file) {
        (Some(id), _) => Some(Shown::by_id(id).map_err(CliError::usage)?),
        (None, Some(file)) => Some(Shown::by_file(file)?),
        (None, None) => None,
    };
    let mut begun = None;
    let request = Begin {
        publish: &args.publish,
        ci: &ci,
        which,
        shown: shown.as_ref(),
        followed: Followed::default(),
        ticket: start::ticket(),
        before: BTreeMap::new(),
        begun: &mut begun,
    };
    operation::run(context, request)?;
    let Some(begun) = begun else {
        return Ok(exit::DONE);
    };
    let bar = render::progress_bar("Starting builds", begun.requests.len(), context.progress);
    let answers = start::send(&ci, &begun, &|| bar.inc(1));
    bar.finish_and_clear();
    let confirmed = confirm(context, args, &begun, &answers);
    let followed = match (&confirmed, args.follow) {
        (Ok(()), true) => {
            let awaited = start::follow(context, &ci, &args.publish, args.follow_timeout)?;
            Some(awaited)
        }
        _ => None,
    };
    if begun.tells {
        tell(context, &args.publish);
    }
    let report = report(&begun, &answers, followed.as_ref());
    match args.format.format {
        Format::Json => render::json(context.out, &report.to_json())?,
        Format::Text => render::started(context.out, &report, context.quiet)?,
    }
    if let Err(mut error) = confirmed {
        if answers.is_empty() {
            return Err(error);
        }
        error.message = format!(
            "what CI answered could not be recorded: {}; the next run finds it out",
            error.message
        );
        error.code = exit::PARTLY;
        return Err(error);
    }
    Ok(match report.is_well() && begun.unreadable == 0 {
        true => exit::DONE,
        false => exit::PARTLY,
    })
}

fn confirm(
    context: &mut Context<'_>,
    args: &RebuildArgs,
    begun: &Begun,
    answers: &[Answer],
) -> Result<(), CliError> {
    if answers.is_empty() {
        return Ok(());
    }
    let started = Instant::now();
    loop {
        let confirm = Confirm {
            publish: &args.publish,
            answers: begun.requests.iter().zip(answers).collect(),
        };
        match operation::run(context, confirm) {
            // It cannot be asked for again, so it is worth a wait.
            Err(error) if error.busy && started.elapsed() < args.publish.patience() => {
                std::thread::sleep(Duration::from_millis(500));
            }
            done => return done.map(|_| ()),
        }
    }
}

fn report<'a>(
    begun: &'a Begun,
    answers: &'a [Answer],
    followed: Option<&'a Awaited>,
) -> StartedReport<'a> {
    let unable = begun.unable.iter().map(|(request, why)| (request, why));
    let asked = begun.requests.iter().zip(answers).chain(unable);
    let started = asked.map(|(request, answer)| {
        let rebuild = &request.rebuild;
        let (run, failure) = match answer {
            Answer::Started(run) => (run.as_ref(), None),
            Answer::Refused { why, remedy } | Answer::PutOff { why, remedy } => {
                (None, Some((why, remedy, false)))
            }
            Answer::Unclear { why, remedy } => (None, Some((why, remedy, true))),
        };
        Started {
            image: request.image.as_str(),
            identity: &rebuild.identity,
            reason: &rebuild.reason,
            bases: rebuild
                .causes
                .iter()
                .map(|cause| cause.base.as_str())
                .collect(),
            run: run.map(|run| run.id.as_str()),
            url: run.and_then(|run| run.url.as_deref()),
            error: failure.map(|(why, ..)| why.as_str()),
            remedy: failure.map(|(_, remedy, _)| remedy.as_str()),
            unclear: failure.is_some_and(|(.., unclear)| unclear),
        }
    });
    let before = begun.news.ended.iter().map(ended);
    let mut ended: Vec<EndedRun> = before.collect();
    let later = followed.iter().flat_map(|it| &it.ended);
    ended.extend(later.map(self::ended));
    // What was known last counts.
    let unknown = followed.map_or(&begun.news.unknown, |it| &it.unknown);
    StartedReport {
        started: started.collect(),
        refused: begun
            .refused
            .iter()
            .map(|(name, why)| Why {
                image: name.as_str(),
                why,
            })
            .collect(),
        ended,
        unknown: unknown
            .iter()
            .map(|(Attempt { image, .. }, why)| Why { image, why })
            .collect(),
        commit: begun.commit.as_ref(),
        emergencies: begun.emergencies,
        open: followed.map(|it| it.open),
        plan: (followed.and_then(|it| it.plan.as_ref())).unwrap_or(&begun.plan),
    }
}

fn ended(outcome: &Outcome) -> EndedRun {
    let Outcome { attempt, url, end } = outcome;
    EndedRun {
        image: attempt.image.clone(),
        outcome: match end.failure {
            Some(_) => "failure",
            None => "success",
        },
        url: url.clone(),
        duration_seconds: end.duration_seconds,
        digest: end.digest.clone(),
        problem: end.failure.clone().or_else(|| end.note.clone()),
    }
}
