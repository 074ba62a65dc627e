//! The variables that `FROM` sees: the predefined ones and the `ARG`s before the first `FROM`.

use std::collections::HashSet;

use crate::analysis::Options;
use crate::budget::Budget;
use crate::error::{Error, ErrorKind};
use crate::file::File;
use crate::lex::{self, Scope};
use crate::text::shown;

const BUILD_PLATFORM: &str = "linux/amd64";

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

fn predefined(file: &File, options: &Options) -> Scope {
    let target = options.platform.as_deref().unwrap_or(BUILD_PLATFORM);
    let last_stage = file.stages.last().and_then(|stage| stage.name.as_deref());
    let target_stage = options
        .target
        .as_deref()
        .or(last_stage)
        .filter(|name| !name.is_empty())
        .unwrap_or("default");
    let mut values = Scope::new();
    let mut set = |name: &str, value: &str| {
        let value = options.build_args.get(name).map_or(value, String::as_str);
        values.insert(name.to_owned(), value.to_owned());
    };
    for (prefix, platform) in [("BUILD", BUILD_PLATFORM), ("TARGET", target)] {
        let mut parts = platform.splitn(3, '/');
        let mut part = || parts.next().unwrap_or_default();
        set(&format!("{prefix}PLATFORM"), platform);
        set(&format!("{prefix}OS"), part());
        set(&format!("{prefix}ARCH"), part());
        set(&format!("{prefix}VARIANT"), part());
        set(&format!("{prefix}OSVERSION"), "");
    }
    set("TARGETSTAGE", target_stage);
    values
}
