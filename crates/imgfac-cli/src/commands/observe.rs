//! `imgfac observe`: digests to state.

use clap::builder::FalseyValueParser;
use clap::{ArgGroup, Args};
use imgfac_model::{BaseName, BaseState, Digest, exit, nearest};
use imgfac_state::{About, Configuration, Files, Fleet, ObserveError, Stored};

use crate::answers::{Answers, Asked, Observed};
use crate::args::{Format, FormatArg};
use crate::commands::operation::{self, Applied, Operation, Round};
use crate::commands::publish::PublishArgs;
use crate::commands::tell::tell;
use crate::context::Context;
use crate::error::CliError;
use crate::factory::Factory;
use crate::render::{self, CommitReport, Done, JsonDone, JsonObserved, WARNING};

/// Record what the tags that images stand on point at
///
/// With --all the registries are asked, a few requests at a time and within their limits; see
/// docs/registries.md. With --base and --digest the tag is not asked about: the jobs in a cluster run
/// this for every digest that Kargo finds; which platforms a new one has is asked, for ten seconds at
/// most. The digest, when it was first seen and the one before go into
/// state/base-images/NAME.yaml, with the last ten kept. What tags of images of ours point at, where
/// others stand on them, goes into observedTags of state/images/NAME.yaml. Of an image without
/// source, the tag that is followed is recorded there, and which versions are newer. The first
/// digest of a tag is no update. What is known already changes nothing.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("bases").required(true).args(["all", "base"]),
    after_help = "Examples:\n  imgfac observe --all --push\n  imgfac observe --base node-22 --digest sha256:… --push"
)]
pub(crate) struct ObserveArgs {
    /// Ask the registries about bases, tags of ours that others stand on, and external images
    ///
    /// A tag that could not be asked about keeps what was known of it, has the reason as lastError
    /// in state, and makes the run end with 3.
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
    /// With --digest: do not ask the registry which platforms it has; all count as changed
    #[arg(long, env = "IMGFAC_OFFLINE", value_parser = FalseyValueParser::new())]
    offline: bool,
    /// Write nothing; exit with 4 if something would be written
    #[arg(long, conflicts_with_all = ["commit", "push"])]
    check: bool,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    format: FormatArg,
}

pub(crate) fn run(context: &mut Context<'_>, args: ObserveArgs) -> Result<u8, CliError> {
    let mut tells = false;
    let request = Request {
        args: &args,
        answers: Answers::default(),
        about: None,
        tells: &mut tells,
    };
    let code = operation::run(context, request)?;
    if tells && args.all && !args.check {
        tell(context, &args.publish);
    }
    Ok(code)
}

/// What a run is asked for, and what it was told so far.
struct Request<'r> {
    args: &'r ObserveArgs,
    answers: Answers,
    /// What the registry says of the digest that was given.
    about: Option<About>,
    /// Whether anybody is to be told what is wrong.
    tells: &'r mut bool,
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
        *self.tells = !factory.configuration.settings.notifications.is_empty();
        let mut observed = Observed {
            bases: fleet.bases.len(),
            ..Observed::default()
        };
        let changes = match (&self.args.base, &self.args.digest) {
            (Some(base), Some(digest)) => {
                let about = self.about(context, &factory.configuration, &fleet, base, digest)?;
                let observed = fleet.observe(base, digest, &now).and_then(|changes| {
                    if !changes.is_empty() {
                        fleet.observe_about(base, digest, &about)?;
                    }
                    Ok(changes)
                });
                observed.map_err(|error| failed(error, &fleet))?
            }
            _ => {
                let configuration = &factory.configuration;
                let asked = Asked::of(configuration, &fleet);
                observed.tags = asked.tags.len();
                observed.external = asked.external.len();
                self.answers
                    .ask(configuration, &fleet, &asked, context.progress);
                let (changes, failures) = self.answers.record(&mut fleet, &asked, &now);
                observed.failures = failures;
                changes
            }
        };
        Ok(Applied {
            outcome: observed,
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
        let observed = applied.outcome;
        let failures = &observed.failures;
        let done = Done::new(applied.changes, applied.files, self.args.check, commit);
        match self.args.format.format {
            Format::Json if self.args.all => {
                render::json(context.out, &JsonObserved::new(&observed, &done))?;
            }
            Format::Json => render::json(context.out, &JsonDone::new(&done))?,
            Format::Text if context.quiet && failures.is_empty() => {}
            Format::Text => render::observed(context.out, &done, failures)?,
        }
        Ok(match (failures.is_empty(), self.args.check) {
            (false, _) => exit::PARTLY,
            (true, true) if !done.is_empty() => exit::DIFFERENT,
            (true, _) => exit::DONE,
        })
    }
}

impl Request<'_> {
    /// What the registry says of a digest that is new: nothing, and a note, where it does not
    /// answer in time. It is asked once.
    fn about(
        &mut self,
        context: &mut Context<'_>,
        configuration: &Configuration,
        fleet: &Fleet,
        base: &BaseName,
        digest: &Digest,
    ) -> Result<About, CliError> {
        let stored = fleet.bases.get(base).filter(|_| !self.args.offline);
        let is_news = |stored: &&Stored<BaseState>| {
            stored.state.current_digest.as_deref() != Some(digest.as_str())
                && fleet.unreadable_base(base.as_str()).is_none()
        };
        let Some(stored) = stored.filter(is_news) else {
            return Ok(About::default());
        };
        if self.about.is_none() {
            let found = Answers::about_new(configuration, fleet, &stored.state, digest);
            if let Err(reason) = &found
                && !context.quiet
            {
                writeln!(
                    context.err,
                    "{WARNING}note:{WARNING:#} the platforms of {digest} are not known from its registry, so all count as changed: {}",
                    render::clean(reason)
                )?;
            }
            self.about = Some(found.unwrap_or_default());
        }
        Ok(self.about.clone().unwrap_or_default())
    }
}

fn failed(error: ObserveError, fleet: &Fleet) -> CliError {
    let failed = CliError::failed(&error);
    match error {
        ObserveError::Unknown { name } => {
            let known: Vec<&str> = fleet.bases.keys().map(BaseName::as_str).collect();
            match nearest(name.as_str(), &known) {
                Some(near) => failed.with_hint(format!("did you mean \"{near}\"?")),
                None => failed
                    .with_hint("imgfac status --bases lists them; imgfac analyze finds new ones"),
            }
        }
        ObserveError::UnknownImage { .. } => failed,
        ObserveError::Unreadable { .. } => failed.with_hint("mend or delete it"),
    }
}
