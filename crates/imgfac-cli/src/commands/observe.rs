//! `imgfac observe`: digests to state.

use std::collections::BTreeMap;

use clap::{ArgGroup, Args};
use imgfac_model::{BaseName, Digest, Registry, exit, nearest};
use imgfac_providers::{Options, Question, Registries, RegistryError};
use imgfac_state::{Change, Files, Fleet, ObserveError, Subject};

use crate::args::{Format, FormatArg};
use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::{self, CommitReport, Done, JsonDone, JsonObserved};

/// Record what the tags of base images point at
///
/// With --all the registries are asked, a few requests at a time and within their limits; see
/// docs/registries.md. With --base and --digest nobody is asked: the jobs in a cluster run this for
/// every digest that Kargo finds. The digest, when it was first seen and the one before go into
/// state/base-images/NAME.yaml, with the last ten kept. The first digest of a base is no update.
/// What is known already changes nothing.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("bases").required(true).args(["all", "base"]),
    after_help = "Examples:\n  imgfac observe --all --push\n  imgfac observe --base node-22 --digest sha256:… --push"
)]
pub(crate) struct ObserveArgs {
    /// Ask the registries about all bases
    ///
    /// A base that could not be asked about keeps what was known of it, has the reason as lastError
    /// in its state, and makes the run end with 3.
    #[arg(long)]
    all: bool,
    /// The base, by its name in state/base-images
    #[arg(
        long,
        value_name = "NAME",
        value_parser = BaseName::new,
        requires = "digest"
    )]
    base: Option<BaseName>,
    /// What its tag points at now
    #[arg(long, value_name = "DIGEST", value_parser = Digest::parse, requires = "base")]
    digest: Option<Digest>,
    /// Write nothing; exit with 4 if something would be written
    #[arg(long, conflicts_with_all = ["commit", "push"])]
    check: bool,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: ObserveArgs) -> Result<u8, CliError> {
    let request = Request {
        args: &args,
        answers: BTreeMap::new(),
    };
    operation::run(context, request)
}

/// What a run is asked for, and what it was told so far.
struct Request<'r> {
    args: &'r ObserveArgs,
    answers: BTreeMap<BaseName, (Question, Result<Digest, RegistryError>)>,
}

/// What was found out.
struct Observed {
    /// How many bases there are.
    bases: usize,
    failures: Vec<(Subject, String)>,
}

impl Operation for Request<'_> {
    type Outcome = Observed;

    fn command(&self) -> &'static str {
        "observe"
    }

    fn publish(&self) -> &PublishArgs {
        &self.args.publish
    }

    fn check(&self) -> bool {
        self.args.check
    }

    fn apply<F: Files>(
        &mut self,
        context: &mut Context<'_>,
        factory: &mut Factory<F>,
        _: Round<'_>,
    ) -> Result<Applied<Observed>, CliError> {
        let now = Context::now()?;
        let mut fleet = factory.fleet()?;
        let (changes, failures) = match (&self.args.base, &self.args.digest) {
            (Some(base), Some(digest)) => {
                let changes = fleet.observe(base, digest, &now);
                let changes = changes.map_err(|error| failed(error, &fleet))?;
                (changes, Vec::new())
            }
            _ => {
                let settings = &factory.configuration.settings.registries;
                self.ask(settings, &fleet, context.progress);
                self.record(&mut fleet, &now)
            }
        };
        Ok(Applied {
            outcome: Observed {
                bases: fleet.bases.len(),
                failures,
            },
            changes,
            files: fleet.changes(),
        })
    }

    fn finish<F: Files>(
        self,
        context: &mut Context<'_>,
        _: &Factory<F>,
        applied: Applied<Observed>,
        commit: Option<CommitReport>,
    ) -> Result<u8, CliError> {
        let Observed { bases, failures } = applied.outcome;
        let done = Done::new(applied.changes, applied.files, self.args.check, commit);
        match self.args.format.format {
            Format::Json if self.args.all => {
                render::json(context.out, &JsonObserved::new(bases, &failures, &done))?;
            }
            Format::Json => render::json(context.out, &JsonDone::new(&done))?,
            Format::Text if context.quiet && failures.is_empty() => {}
            Format::Text => render::observed(context.out, &done, &failures)?,
        }
        Ok(match (failures.is_empty(), self.args.check) {
            (false, _) => exit::PARTLY,
            (true, true) if !done.is_empty() => exit::DIFFERENT,
            (true, _) => exit::DONE,
        })
    }
}

impl Request<'_> {
    /// Asks about the bases that were not asked about yet.
    fn ask(&mut self, settings: &BTreeMap<String, Registry>, fleet: &Fleet, progress: bool) {
        let mut names = Vec::new();
        let mut questions = Vec::new();
        for (name, stored) in &fleet.bases {
            let reference = &stored.state.reference;
            let asked = self.answers.get(name);
            if fleet.unreadable_base(name.as_str()).is_some() {
                continue;
            }
            if asked.is_some_and(|(question, _)| question.reference == *reference) {
                continue;
            }
            let known = stored.state.current_digest.as_deref();
            names.push(name.clone());
            questions.push(Question {
                reference: reference.clone(),
                known: known.and_then(|known| Digest::parse(known).ok()),
            });
        }
        let bar = render::progress_bar("Asking registries", questions.len(), progress);
        let registries = Registries::new(settings, Options::default());
        let answers = registries.digests_of(&questions, &|| bar.inc(1));
        bar.finish_and_clear();
        let answers = questions.into_iter().zip(answers);
        self.answers.extend(names.into_iter().zip(answers));
    }

    /// Brings the answers into state.
    fn record(&self, fleet: &mut Fleet, now: &str) -> (Vec<Change>, Vec<(Subject, String)>) {
        let names: Vec<BaseName> = fleet.bases.keys().cloned().collect();
        let mut changes = Vec::new();
        let mut failures: Vec<(Subject, String)> = (fleet.unreadable.iter())
            .filter(|file| matches!(file.subject, Subject::Base(_)))
            .map(|file| {
                let error = format!("{} cannot be used: {}", file.path, file.problem.reason);
                (file.subject.clone(), error)
            })
            .collect();
        for name in names {
            let Some((question, answer)) = self.answers.get(&name) else {
                continue;
            };
            let subject = Subject::Base(name.to_string());
            let recorded = match answer {
                // A digest without a tag never moves: that it is there is all.
                Ok(_) if question.reference.tag().is_none() => fleet.observe_reached(&name),
                Ok(digest) => fleet.observe(&name, digest, now),
                Err(error) => {
                    failures.push((subject.clone(), format!("{error}; {}", error.remedy())));
                    fleet.observe_failed(&name, &error.to_string(), now)
                }
            };
            match recorded {
                Ok(recorded) => changes.extend(recorded),
                Err(error) => failures.push((subject, error.to_string())),
            }
        }
        failures.sort();
        (changes, failures)
    }
}

fn failed(error: ObserveError, fleet: &Fleet) -> CliError {
    let failed = CliError::failed(&error);
    match error {
        ObserveError::Unknown { name } => {
            let known: Vec<&str> = fleet.bases.keys().map(BaseName::as_str).collect();
            match nearest(name.as_str(), &known) {
                Some(near) => failed.with_hint(format!("did you mean \"{near}\"?")),
                None => failed.with_hint("imgfac status lists them; imgfac analyze finds new ones"),
            }
        }
        ObserveError::Unreadable { .. } => failed.with_hint("mend or delete it"),
    }
}
