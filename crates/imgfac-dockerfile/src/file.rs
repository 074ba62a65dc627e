//! The parts of a Dockerfile that decide which images it needs.

use std::collections::BTreeSet;

use crate::budget::{Budget, COUNT_LIMIT};
use crate::directives;
use crate::error::{Place, START};
use crate::instruction::{self, Instruction, Word};
use crate::node::trigger_text;
use crate::parse::{self, Failure, Statement};
use crate::text::lossy;

/// A stage as it is written.
pub(crate) struct StageText {
    pub(crate) name: Option<String>,
    pub(crate) base: String,
    pub(crate) base_place: Place,
    pub(crate) platform: Option<String>,
    /// The whole `FROM` instruction.
    pub(crate) place: Place,
    pub(crate) sources: Vec<SourceText>,
    pub(crate) triggers: Vec<Trigger>,
}

/// The `from` of a `COPY` or of a mount, as it is written.
#[derive(Clone, Debug)]
pub(crate) struct SourceText {
    pub(crate) is_copy: bool,
    /// Empty when there is none.
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// An `ONBUILD` instruction: what it brings to the stages built on this one, or why it cannot.
pub(crate) struct Trigger {
    pub(crate) parsed: Result<Vec<SourceText>, String>,
}

/// An `ARG` before the first stage.
pub(crate) struct GlobalArg {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) place: Place,
}

/// A Dockerfile that was read.
pub(crate) struct File {
    pub(crate) escape: u8,
    pub(crate) args: Vec<GlobalArg>,
    pub(crate) stages: Vec<StageText>,
    /// The names of `ARG`s inside stages; they explain why a `FROM` has no value for a name.
    pub(crate) stage_args: BTreeSet<String>,
}

/// Reads a Dockerfile.
pub(crate) fn read(text: &[u8], budget: &mut Budget) -> Result<File, Failure> {
    let at_start = |message: String| Failure {
        message,
        place: START,
    };
    if text.is_empty() {
        return Err(at_start("the Dockerfile cannot be empty".to_owned()));
    }
    directives::check_options(text).map_err(at_start)?;
    let mut reader = Reader {
        text,
        args: Vec::new(),
        stages: Vec::new(),
        stage_args: BTreeSet::new(),
        failure: None,
    };
    let escape = parse::parse(text, budget, &mut |statement, _, budget| {
        reader.statement(statement, budget);
    })?;
    if let Some(failure) = reader.failure {
        return Err(failure);
    }
    if reader.stages.is_empty() {
        return Err(at_start(
            "dockerfile contains no stages to build".to_owned(),
        ));
    }
    Ok(File {
        escape,
        args: reader.args,
        stages: reader.stages,
        stage_args: reader.stage_args,
    })
}

struct Reader<'a> {
    text: &'a [u8],
    args: Vec<GlobalArg>,
    stages: Vec<StageText>,
    stage_args: BTreeSet<String>,
    /// The first mistake in what an instruction means. BuildKit looks for these only after it has
    /// split the whole file into instructions, so a later mistake of that kind goes first.
    failure: Option<Failure>,
}

impl Reader<'_> {
    fn statement(&mut self, statement: &Statement<'_>, budget: &mut Budget) {
        if self.failure.is_some() {
            return;
        }
        match instruction::check(&statement.node, statement.line, budget) {
            Ok(instruction) => self.instruction(instruction, statement, budget),
            Err((message, span)) => {
                let place = match span {
                    Some(span) => statement.place(&span),
                    None => statement.whole(),
                };
                self.fail(message, place);
            }
        }
    }

    fn fail(&mut self, message: String, place: Place) {
        let message = format!("dockerfile parse error on line {}: {message}", place.line);
        self.failure = Some(Failure { message, place });
    }

    fn instruction(
        &mut self,
        instruction: Instruction,
        statement: &Statement<'_>,
        budget: &mut Budget,
    ) {
        if let Instruction::From {
            base,
            name,
            platform,
        } = instruction
        {
            if self.stages.len() >= COUNT_LIMIT {
                self.fail(format!("more than {COUNT_LIMIT} stages"), statement.whole());
                return;
            }
            self.stages.push(StageText {
                name,
                base: lossy(statement.line.get(base.clone()).unwrap_or_default()),
                base_place: statement.place(&base),
                platform,
                place: statement.whole(),
                sources: Vec::new(),
                triggers: Vec::new(),
            });
            return;
        }
        let Some(stage) = self.stages.last_mut() else {
            if let Instruction::Arg(pairs) = instruction {
                let place = statement.whole();
                if self.args.len() + pairs.len() > COUNT_LIMIT {
                    self.fail(format!("more than {COUNT_LIMIT} ARGs"), place);
                    return;
                }
                self.args
                    .extend(pairs.into_iter().map(|(name, value)| GlobalArg {
                        name,
                        value,
                        place: place.clone(),
                    }));
            } else {
                self.fail(
                    "no build stage in current context".to_owned(),
                    statement.whole(),
                );
            }
            return;
        };
        match instruction {
            Instruction::Arg(pairs) => {
                self.stage_args
                    .extend(pairs.into_iter().map(|(name, _)| name));
            }
            Instruction::OnBuild => stage.triggers.push(trigger(self.text, statement, budget)),
            other => stage.sources.extend(sources(other, statement)),
        }
    }
}

fn sources(instruction: Instruction, statement: &Statement<'_>) -> Vec<SourceText> {
    let source = |is_copy: bool, word: Word| SourceText {
        is_copy,
        text: word.text,
        place: statement.place(&word.span),
    };
    match instruction {
        // A COPY with an empty `--from` copies from the build context.
        Instruction::Copy { from: Some(word) } if !word.text.is_empty() => {
            vec![source(true, word)]
        }
        Instruction::Run { mounts } => mounts.into_iter().map(|w| source(false, w)).collect(),
        _ => Vec::new(),
    }
}

/// Reads the instruction of a trigger, which is a Dockerfile of its own: the escape directive
/// does not reach it.
fn trigger(file: &[u8], statement: &Statement<'_>, budget: &mut Budget) -> Trigger {
    let mut text = trigger_text(statement.line).to_vec();
    for (body, name) in &statement.heredocs {
        text.push(b'\n');
        text.extend_from_slice(file.get(body.clone()).unwrap_or_default());
        text.extend_from_slice(name.as_bytes());
    }
    let mut count = 0;
    let mut found = Ok(Vec::new());
    let place = statement.whole();
    let parsed = parse::parse(&text, budget, &mut |inner, _, budget| {
        count += 1;
        if count > 1 {
            return;
        }
        found = match instruction::check(&inner.node, inner.line, budget) {
            Ok(Instruction::From { .. }) => {
                Err(format!("{} is not a command type", lossy(inner.node.word)))
            }
            Ok(instruction) => Ok(sources(instruction, inner)),
            Err((message, _)) => Err(message),
        };
    });
    let parsed = match parsed {
        Err(failure) => Err(failure.message),
        Ok(_) if count != 1 => Err("onbuild trigger should be a single expression".to_owned()),
        Ok(_) => found,
    };
    Trigger {
        parsed: parsed.map(|mut sources| {
            for source in &mut sources {
                source.place = place.clone();
            }
            sources
        }),
    }
}
