//! The variables that `FROM` sees: the predefined ones and the `ARG`s before the first `FROM`.

use std::collections::BTreeSet;

use crate::analysis::Options;
use crate::budget::Budget;
use crate::error::START;
use crate::faults::{Fault, Faults, Step};
use crate::file::File;
use crate::lex;
use crate::platform::Platform;
use crate::text::{lower, shown};
use crate::variables::{Predefined, Variables};

/// The one variable whose value BuildKit itself reads.
const DATE: &str = "SOURCE_DATE_EPOCH";

/// The variables of a file, and which of its `ARG`s were declared.
pub(crate) struct Globals<'a> {
    pub(crate) values: Variables<'a>,
    declared: BTreeSet<&'a str>,
}

impl<'a> Globals<'a> {
    /// Evaluates the `ARG`s of a file. A value that cannot be expanded leaves its name unset.
    pub(crate) fn new(
        file: &'a File,
        options: &'a Options,
        budget: &mut Budget,
        faults: &mut Faults,
    ) -> Self {
        let mut values = Variables::new(predefined(file, options));
        let mut declared = BTreeSet::new();
        for arg in &file.args {
            declared.insert(arg.name.as_str());
            if let Some(value) = options.build_args.get(&arg.name) {
                values.set(&arg.name, value.clone());
                continue;
            }
            let Some(value) = &arg.value else {
                continue;
            };
            match lex::expand(value.as_bytes(), file.escape, &values, budget) {
                Ok(expanded) => values.set(&arg.name, expanded.text),
                Err(error) => {
                    values.unset(&arg.name);
                    let message = format!(
                        "failed to process {:?}: {}",
                        shown(value),
                        shown(&error.message)
                    );
                    faults.push(Fault::new(Step::Args, message, &arg.place));
                }
            }
        }
        if let Some(value) = bad_date(&values, file, options) {
            let place = file.args.iter().rfind(|arg| arg.name == DATE);
            let place = place.map_or(&START, |arg| &arg.place);
            let message = format!("invalid {DATE}: {}", shown(value));
            faults.push(Fault::new(Step::Args, message, place));
        }
        Self { values, declared }
    }

    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.declared.contains(name)
    }

    /// Says of names without a value what would give them one; empty when there are none.
    pub(crate) fn advice(&self, unset: &[String], file: &File) -> String {
        unset
            .iter()
            .map(|name| {
                let name = shown(name);
                if self.declared.contains(name.as_ref()) {
                    format!(
                        "; ARG {name} has no default and no value was given: \
                         pass one with --build-arg {name}=VALUE, or in buildArgs"
                    )
                } else if file.stage_args.contains(name.as_ref()) {
                    format!(
                        "; ARG {name} stands after the first FROM, where no FROM sees it: \
                         declare it before the first FROM, then give it a default, \
                         or a value with --build-arg or in buildArgs"
                    )
                } else {
                    format!(
                        "; no ARG {name} is declared before the first FROM: declare it there, \
                         then give it a default, or a value with --build-arg or in buildArgs"
                    )
                }
            })
            .collect()
    }
}

/// The date to build with, when it is none: not a number, not `context`, and not a stage.
fn bad_date<'a>(values: &'a Variables<'_>, file: &File, options: &'a Options) -> Option<&'a str> {
    let given = options.build_args.get(DATE).map(String::as_str);
    let value = given.or_else(|| values.get(DATE))?;
    let is_stage = |name: &String| lower(name) == lower(value);
    let names = || file.stages.iter().filter_map(|stage| stage.name.as_ref());
    let good = value.is_empty()
        || value.parse::<i64>().is_ok()
        || value == "context"
        || names().any(is_stage);
    (!good).then_some(value)
}

fn predefined<'a>(file: &'a File, options: &'a Options) -> Predefined<'a> {
    let last_stage = file.stages.last().and_then(|stage| stage.name.as_deref());
    let target_stage = options
        .target
        .as_deref()
        .filter(|name| !name.is_empty())
        .or(last_stage)
        .unwrap_or("default");
    let target = options.platform.as_deref().and_then(Platform::parse);
    Predefined::new(target, target_stage, &options.build_args)
}
