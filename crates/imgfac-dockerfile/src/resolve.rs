//! From stages and sources as they are written to images.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::Reference;

use crate::analysis::{Analysis, Base, Options, Role, Stage, Syntax, UndefinedArg, Use};
use crate::budget::{Budget, ERROR_LIMIT, TRIGGER_LIMIT};
use crate::directives;
use crate::error::{Place, START};
use crate::faults::{Fault, Faults, Step};
use crate::file::{self, File, SourceText, StageText};
use crate::graph::Graph;
use crate::images::ImageList;
use crate::lex;
use crate::platform::Platform;
use crate::scope::Globals;
use crate::text::{lower, shown};
use crate::variables::Variables;

const SCRATCH: &str = "scratch";

/// Finds the external images of a Dockerfile.
///
/// Any bytes are an answer: what cannot be read or resolved is in [`Analysis::error`].
#[must_use]
pub fn analyze(text: &[u8], options: &Options) -> Analysis {
    let syntax = directives::syntax(text).map(Syntax::new);
    let mut budget = Budget::new(text.len());
    match file::read(text, &mut budget) {
        Ok(file) => {
            let mut resolver = Resolver::new(text, &file, options, budget);
            resolver.run();
            resolver.finish(syntax)
        }
        Err(failure) => {
            let mut faults = Faults::default();
            faults.push(Fault::new(
                Step::Text,
                shown(&failure.message),
                &failure.place,
            ));
            Analysis {
                syntax,
                error: faults.into_errors(text).pop(),
                ..Analysis::default()
            }
        }
    }
}

/// What a source, or a number in `COPY --from`, stands for.
#[derive(Clone, Copy)]
enum Target {
    Stage(usize),
    /// An index into the images.
    Image(usize),
    /// `scratch`, or a name that is wrong.
    Nothing,
}

struct Resolver<'a> {
    text: &'a [u8],
    file: &'a File,
    options: &'a Options,
    budget: Budget,
    globals: Globals<'a>,
    stages: Vec<Stage>,
    /// The last stage of each name. A stage sees what is there before it is added.
    names: BTreeMap<&'a str, usize>,
    images: ImageList,
    /// What `COPY --from=N` counts: the stages, then each source that is no stage.
    numbered: Vec<Target>,
    graph: Graph,
    /// For each edge of [`Graph::sources`] and then of [`Graph::triggered`], its source.
    edges: Vec<Vec<Edge<'a>>>,
    undefined: Vec<UndefinedArg>,
    undefined_names: BTreeSet<String>,
    faults: Faults,
}

#[derive(Clone, Copy)]
struct Edge<'a> {
    to: usize,
    source: &'a SourceText,
}

/// Where a word is used.
struct Origin<'a> {
    raw: &'a str,
    expanded: &'a str,
    role: Role,
    stage: usize,
    place: &'a Place,
    on_build: bool,
}

impl<'a> Resolver<'a> {
    fn new(text: &'a [u8], file: &'a File, options: &'a Options, mut budget: Budget) -> Self {
        let mut faults = Faults::default();
        let globals = Globals::new(file, options, &mut budget, &mut faults);
        let count = file.stages.len();
        Self {
            text,
            file,
            options,
            budget,
            globals,
            stages: Vec::with_capacity(count),
            names: BTreeMap::new(),
            images: ImageList::default(),
            numbered: (0..count).map(Target::Stage).collect(),
            graph: Graph::new(count),
            edges: vec![Vec::new(); count],
            undefined: Vec::new(),
            undefined_names: BTreeSet::new(),
            faults,
        }
    }

    fn run(&mut self) {
        let file = self.file;
        self.build_platform();
        for (index, stage) in file.stages.iter().enumerate() {
            self.base(index, stage);
        }
        let target = self.target();
        for (index, stage) in file.stages.iter().enumerate() {
            for source in &stage.sources {
                if let Some(to) = self.source(index, source, false) {
                    self.connect(index, to, source, false);
                }
            }
        }
        if let Some((stage, position)) = self.graph.circle() {
            let edge = self.edges.get(stage).and_then(|edges| edges.get(position));
            if let Some(Edge { source, .. }) = edge.copied() {
                let message = format!(
                    "circular dependency detected on stage: {}",
                    self.stage_label(stage)
                );
                self.error(Step::Circles, message, &source.place);
            }
        }
        let trigger_faults = self.triggers(&self.graph.reachable(target));
        let reachable = self.graph.reachable(target);
        let is_reachable = |stage: usize| reachable.get(stage).copied().unwrap_or(false);
        for (stage, fault) in trigger_faults {
            if is_reachable(stage) {
                self.faults.push(fault);
            }
        }
        self.order(&is_reachable);
        for (stage, reached) in self.stages.iter_mut().zip(&reachable) {
            stage.reachable = *reached;
        }
    }

    fn finish(self, syntax: Option<Syntax>) -> Analysis {
        let is_reachable = |stage: usize| self.stages.get(stage).is_some_and(|s| s.reachable);
        let on_build_images = self.on_build_images().finish(is_reachable);
        let images = self.images.finish(is_reachable);
        let mut errors = self.faults.into_errors(self.text).into_iter();
        Analysis {
            images,
            stages: self.stages,
            syntax,
            on_build_images,
            undefined_args: self.undefined,
            error: errors.next(),
            more_errors: errors.collect(),
        }
    }

    fn error(&mut self, step: Step, message: String, place: &Place) {
        self.faults.push(Fault::new(step, message, place));
    }

    /// Checks the platform that is asked for.
    fn build_platform(&mut self) {
        if let Some(platform) = self.options.platform.as_deref()
            && !platform.is_empty()
            && Platform::parse(platform).is_none()
        {
            let message = format!(
                "failed to parse target platform {}: it is not os/arch or os/arch/variant",
                shown(platform)
            );
            self.error(Step::Platform, message, &START);
        }
    }

    /// Resolves the base of a stage and checks its platform.
    fn base(&mut self, index: usize, written: &'a StageText) {
        let base_raw = written.base.as_str();
        let mut base = Base::Unknown;
        let mut expanded = String::new();
        let (result, unset) = self.expand(base_raw, &written.base_place);
        match result {
            Err(message) => {
                let message = format!(
                    "failed to process {:?}: {}{}",
                    shown(base_raw),
                    shown(&message),
                    self.advice(&unset)
                );
                self.error(Step::Bases, message, &written.base_place);
            }
            Ok(text) if text.is_empty() => {
                let message = format!(
                    "base name ({}) should not be blank{}",
                    shown(base_raw),
                    self.advice(&unset)
                );
                self.error(Step::Bases, message, &written.base_place);
            }
            Ok(text) => {
                if let Some(&stage) = self.names.get(text.as_str()) {
                    base = Base::Stage(stage);
                    if let Some(edge) = self.graph.bases.get_mut(index) {
                        *edge = Some(stage);
                    }
                } else if text == SCRATCH {
                    base = Base::Scratch;
                } else {
                    let origin = Origin {
                        raw: base_raw,
                        expanded: &text,
                        role: Role::From,
                        stage: index,
                        place: &written.base_place,
                        on_build: false,
                    };
                    match self.image(&origin, &unset) {
                        Ok(image) => base = Base::Image(image),
                        Err(fault) => self.faults.push(fault),
                    }
                }
                expanded = text;
            }
        }
        if let Some(platform) = written.platform.as_deref().filter(|p| !p.is_empty()) {
            self.platform(platform, &written.place);
        }
        self.stages.push(Stage {
            name: written.name.clone(),
            line: written.place.line,
            span: written.place.span.clone(),
            base_raw: base_raw.to_owned(),
            base_expanded: expanded,
            base,
            platform: written.platform.clone(),
            reachable: false,
        });
        if let Some(name) = &written.name {
            self.names.insert(name, index);
        }
    }

    fn platform(&mut self, platform: &str, place: &Place) {
        let (result, unset) = self.expand(platform, place);
        let advice = self.advice(&unset);
        let message = match result {
            Ok(text) if Platform::parse(&text).is_some() => return,
            Ok(text) if text.is_empty() => {
                format!(
                    "empty platform value from expression {}{advice}",
                    shown(platform)
                )
            }
            Ok(text) => format!(
                "failed to parse platform {}: {:?} is not os/arch or os/arch/variant{advice}",
                shown(platform),
                shown(&text)
            ),
            Err(message) => format!(
                "failed to process arguments for platform {}: {}{advice}",
                shown(platform),
                shown(&message)
            ),
        };
        self.error(Step::Bases, message, place);
    }

    /// Expands a word of a `FROM`; besides the result this gives the names without a value.
    fn expand(&mut self, word: &str, place: &Place) -> (Result<String, String>, Vec<String>) {
        if lex::is_plain(word.as_bytes(), self.file.escape) {
            return (Ok(word.to_owned()), Vec::new());
        }
        let values = &self.globals.values;
        let (result, unset) =
            match lex::expand(word.as_bytes(), self.file.escape, values, &mut self.budget) {
                Ok(expanded) => (Ok(expanded.text), expanded.unset),
                Err(error) => (Err(error.message), error.unset),
            };
        for name in &unset {
            if !self.undefined_names.contains(name) {
                self.undefined_names.insert(name.clone());
                self.undefined.push(UndefinedArg {
                    name: name.clone(),
                    line: place.line,
                    declared: self.globals.is_declared(name),
                });
            }
        }
        (result, unset)
    }

    /// What would give a value to names without one. With many mistakes, only the first ones say.
    fn advice(&self, unset: &[String]) -> String {
        if unset.is_empty() || self.faults.is_full() {
            return String::new();
        }
        self.globals.advice(unset, self.file)
    }

    /// Records a use of an image.
    fn image(&mut self, origin: &Origin<'_>, unset: &[String]) -> Result<usize, Fault> {
        let reference = match Reference::parse(origin.expanded) {
            Ok(reference) => reference,
            Err(reason) => {
                let message = format!(
                    "failed to parse stage name {:?}: invalid reference format: {}{}",
                    shown(origin.expanded),
                    shown(&reason.to_string()),
                    self.advice(unset)
                );
                return Err(Fault::new(Step::References, message, origin.place));
            }
        };
        Ok(self.images.add(reference, new_use(origin)))
    }

    fn target(&mut self) -> Option<usize> {
        let name = match self.options.target.as_deref() {
            None | Some("") => return self.stages.len().checked_sub(1),
            Some(name) => name,
        };
        let found = self.names.get(lower(name).as_ref()).copied();
        if found.is_none() {
            let message = format!("target stage {:?} could not be found", shown(name));
            self.error(Step::Target, message, &START);
        }
        found
    }

    /// Resolves a source. An error of a trigger is returned with the others only if it fires.
    fn source(&mut self, stage: usize, source: &'a SourceText, on_build: bool) -> Option<Target> {
        match self.find(stage, source, on_build) {
            Ok(target) => Some(target),
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    fn find(
        &mut self,
        stage: usize,
        source: &'a SourceText,
        on_build: bool,
    ) -> Result<Target, Fault> {
        let name = match source.text.as_str() {
            "" => SCRATCH,
            name => name,
        };
        if source.is_copy {
            if let Some(message) = self.variable(name) {
                return Err(Fault::new(Step::Sources, message, &source.place));
            }
            if let Ok(number) = name.parse::<i64>() {
                let found = usize::try_from(number)
                    .ok()
                    .and_then(|number| self.numbered.get(number).copied());
                let Some(target) = found else {
                    let message = format!("invalid stage index {number}");
                    return Err(Fault::new(Step::Sources, message, &source.place));
                };
                if !matches!(target, Target::Stage(_)) {
                    // Each use of a source takes a number, also one by a number.
                    self.numbered.push(target);
                }
                if let Target::Image(image) = target {
                    self.images
                        .reuse(image, new_use(&origin(stage, source, on_build)));
                }
                return Ok(target);
            }
        }
        if let Some(&found) = self.names.get(lower(name).as_ref()) {
            return Ok(Target::Stage(found));
        }
        let mut target = Target::Nothing;
        let mut result = Ok(());
        if name != SCRATCH {
            match self.image(&origin(stage, source, on_build), &[]) {
                Ok(image) => target = Target::Image(image),
                Err(fault) => result = Err(fault),
            }
        }
        self.numbered.push(target);
        result.map(|()| target)
    }

    /// Why a `COPY --from` is refused: it must stay the same when it is expanded.
    fn variable(&mut self, name: &str) -> Option<String> {
        if lex::is_plain(name.as_bytes(), self.file.escape) {
            return None;
        }
        let none = Variables::default();
        match lex::expand(name.as_bytes(), self.file.escape, &none, &mut self.budget) {
            Ok(expanded) if expanded.text == name => None,
            Ok(_) => Some(
                "variable expansion is not supported for --from, define a new stage with FROM \
                 using ARG from global scope as a workaround"
                    .to_owned(),
            ),
            Err(error) => Some(format!(
                "failed to process {:?}: {}",
                shown(name),
                shown(&error.message)
            )),
        }
    }

    fn connect(&mut self, stage: usize, to: Target, source: &'a SourceText, on_build: bool) {
        let Target::Stage(to) = to else {
            return;
        };
        let edges = if on_build {
            &mut self.graph.triggered
        } else {
            &mut self.graph.sources
        };
        if let (Some(list), Some(edges)) = (edges.get_mut(stage), self.edges.get_mut(stage)) {
            list.push(to);
            edges.push(Edge { to, source });
        }
    }

    /// Fires the triggers of each stage in the stages that are built on it. A mistake counts only
    /// if the target needs the stage. What it needs comes first: BuildKit fires nothing else, so
    /// the numbers for `COPY --from=N` are those without the rest.
    fn triggers(&mut self, needed: &[bool]) -> Vec<(usize, Fault)> {
        let file = self.file;
        let mut failed = Vec::new();
        let mut left = TRIGGER_LIMIT;
        let is_needed = |child: &usize| needed.get(*child) == Some(&true);
        let (first, rest): (Vec<usize>, Vec<usize>) = (0..file.stages.len()).partition(is_needed);
        for child in first.into_iter().chain(rest) {
            let Some(stage) = file.stages.get(child) else {
                continue;
            };
            let parent = self.graph.bases.get(child).copied().flatten();
            let Some(parent) = parent.and_then(|parent| file.stages.get(parent)) else {
                continue;
            };
            let fault = |message: String| Fault::new(Step::Triggers, message, &stage.place);
            for trigger in &parent.triggers {
                let sources = trigger.parsed.as_deref();
                let count = sources.map_or(0, <[_]>::len);
                let size = sources.iter().flat_map(|s| *s).map(|s| s.text.len()).sum();
                // A trigger without sources takes a step too.
                match left.checked_sub(1 + count) {
                    Some(rest) if self.budget.spend(size) => left = rest,
                    _ => {
                        failed.push((child, fault("too many triggers fire".to_owned())));
                        return failed;
                    }
                }
                // Of each stage one mistake is kept, whatever the others have.
                let has_room = |failed: &Vec<(usize, Fault)>| {
                    failed.len() < ERROR_LIMIT || failed.last().is_none_or(|last| last.0 != child)
                };
                let sources = match sources {
                    Ok(sources) => sources,
                    Err(message) => {
                        if has_room(&failed) {
                            let message = format!("onbuild trigger: {}", shown(message));
                            failed.push((child, fault(message)));
                        }
                        continue;
                    }
                };
                for source in sources {
                    match self.find(child, source, true) {
                        Ok(to) => self.connect(child, to, source, true),
                        Err(fault) if has_room(&failed) => {
                            failed.push((child, fault.in_step(Step::Triggers)));
                        }
                        Err(_) => {}
                    }
                }
            }
        }
        failed
    }

    /// A stage that is needed must not copy from a later one.
    fn order(&mut self, is_reachable: &dyn Fn(usize) -> bool) {
        for stage in (0..self.edges.len()).filter(|&stage| is_reachable(stage)) {
            let edges = self
                .edges
                .get_mut(stage)
                .map(std::mem::take)
                .unwrap_or_default();
            // A mount without `from` has the build context, even if a stage is called `scratch`.
            let named = |edge: &Edge<'_>| !edge.source.text.is_empty();
            for Edge { to, source } in edges
                .into_iter()
                .filter(|edge| edge.to > stage && named(edge))
            {
                let verb = if source.is_copy { "copy" } else { "mount" };
                let message = format!(
                    "cannot {verb} from stage {:?}, it needs to be defined before current stage {:?}",
                    self.stage_label(to),
                    self.stage_label(stage)
                );
                self.error(Step::Order, message, &source.place);
            }
        }
    }

    fn stage_label(&self, stage: usize) -> String {
        self.stages
            .get(stage)
            .and_then(|stage| stage.name.clone())
            .unwrap_or_else(|| format!("stage-{stage}"))
    }

    /// The images of triggers in stages that no stage is built on.
    fn on_build_images(&self) -> ImageList {
        let mut has_child = vec![false; self.stages.len()];
        for base in self.graph.bases.iter().flatten() {
            if let Some(known) = has_child.get_mut(*base) {
                *known = true;
            }
        }
        let mut found = ImageList::default();
        for (index, stage) in self.file.stages.iter().enumerate() {
            if has_child.get(index) == Some(&true) {
                continue;
            }
            for source in stage
                .triggers
                .iter()
                .flat_map(|t| t.parsed.iter().flatten())
            {
                let name = source.text.as_str();
                let names_no_image = name.is_empty()
                    || name == SCRATCH
                    || self.names.contains_key(lower(name).as_ref())
                    || source.is_copy && name.parse::<i64>().is_ok();
                if names_no_image {
                    continue;
                }
                if let Ok(reference) = Reference::parse(name) {
                    found.add(reference, new_use(&origin(index, source, true)));
                }
            }
        }
        found
    }
}

fn origin(stage: usize, source: &SourceText, on_build: bool) -> Origin<'_> {
    Origin {
        raw: &source.text,
        expanded: &source.text,
        role: if source.is_copy {
            Role::Copy
        } else {
            Role::Mount
        },
        stage,
        place: &source.place,
        on_build,
    }
}

fn new_use(origin: &Origin<'_>) -> Use {
    Use {
        raw: origin.raw.to_owned(),
        expanded: origin.expanded.to_owned(),
        role: origin.role,
        stage: origin.stage,
        line: origin.place.line,
        span: origin.place.span.clone(),
        reachable: false,
        on_build: origin.on_build,
    }
}
