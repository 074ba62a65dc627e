//! The variables that `FROM` sees: the predefined ones and the `ARG`s before the first `FROM`.

use std::collections::HashSet;

use crate::analysis::Options;
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, START};
use crate::file::File;
use crate::lex::{self, Scope};
use crate::platform::Platform;
use crate::text::{lower, shown};

const BUILD_PLATFORM: &str = "linux/amd64";

/// The one variable whose value BuildKit itself reads.
const DATE: &str = "SOURCE_DATE_EPOCH";

/// The variables of a file, and which of its `ARG`s were declared.
pub(crate) struct Globals {
    pub(crate) values: Scope,
    declared: HashSet<String>,
}

impl Globals {
    /// Evaluates the `ARG`s of a file. A value that cannot be expanded leaves its name unset.
    pub(crate) fn new(
        text: &[u8],
        file: &File,
        options: &Options,
        budget: &mut Budget,
        errors: &mut Vec<Error>,
    ) -> Self {
        let mut values = predefined(file, options);
        let mut declared = HashSet::new();
        for arg in &file.args {
            declared.insert(arg.name.clone());
            if let Some(value) = options.build_args.get(&arg.name) {
                values.insert(arg.name.clone(), value.clone());
                continue;
            }
            let Some(value) = &arg.value else {
                continue;
            };
            match lex::expand(value.as_bytes(), file.escape, &values, budget) {
                Ok(expanded) => {
                    values.insert(arg.name.clone(), expanded.text);
                }
                Err(error) => {
                    values.remove(&arg.name);
                    let message = format!(
                        "failed to process {:?}: {}",
                        shown(value),
                        shown(&error.message)
                    );
                    errors.push(Error::new(text, ErrorKind::Arg, message, &arg.place));
                }
            }
        }
        if let Some(value) = bad_date(&values, file, options) {
            let place = file.args.iter().rfind(|arg| arg.name == DATE);
            let place = place.map_or(&START, |arg| &arg.place);
            let message = format!("invalid {DATE}: {}", shown(value));
            errors.push(Error::new(text, ErrorKind::Arg, message, place));
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
fn bad_date<'a>(values: &'a Scope, file: &File, options: &'a Options) -> Option<&'a str> {
    let value = options.build_args.get(DATE).or_else(|| values.get(DATE))?;
    let is_stage = |name: &String| lower(name) == lower(value);
    let names = || file.stages.iter().filter_map(|stage| stage.name.as_ref());
    let good = value.is_empty()
        || value.parse::<i64>().is_ok()
        || value == "context"
        || names().any(is_stage);
    (!good).then_some(value)
}

fn predefined(file: &File, options: &Options) -> Scope {
    let asked = options.platform.as_deref().and_then(Platform::parse);
    let build = Platform::parse(BUILD_PLATFORM);
    let last_stage = file.stages.last().and_then(|stage| stage.name.as_deref());
    let target_stage = options
        .target
        .as_deref()
        .filter(|name| !name.is_empty())
        .or(last_stage)
        .unwrap_or("default");
    let mut values = Scope::new();
    let mut set = |name: &str, value: &str| {
        let value = options.build_args.get(name).map_or(value, String::as_str);
        values.insert(name.to_owned(), value.to_owned());
    };
    for (prefix, platform) in [
        ("BUILD", build.as_ref()),
        ("TARGET", asked.as_ref().or(build.as_ref())),
    ] {
        if let Some(platform) = platform {
            set(&format!("{prefix}PLATFORM"), &platform.to_string());
            set(&format!("{prefix}OS"), &platform.system);
            set(&format!("{prefix}OSVERSION"), &platform.version);
            set(&format!("{prefix}ARCH"), &platform.architecture);
            set(&format!("{prefix}VARIANT"), &platform.variant);
        }
    }
    set("TARGETSTAGE", target_stage);
    values
}
