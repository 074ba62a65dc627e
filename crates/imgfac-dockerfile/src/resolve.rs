//! From stages and sources as they are written to images.

use std::collections::BTreeMap;

use imgfac_model::Reference;

use crate::analysis::{Analysis, Base, Image, Options, Role, Stage, Syntax, UndefinedArg, Use};
use crate::budget::{Budget, ERROR_LIMIT, TRIGGER_LIMIT};
use crate::directives;
use crate::error::{Error, ErrorKind, Place, START};
use crate::file::{self, File, SourceText, StageText};
use crate::graph::Graph;
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
        Err(failure) => Analysis {
            syntax,
            error: Some(Error::new(
                text,
                ErrorKind::Parse,
                failure.message,
                &failure.place,
            )),
            ..Analysis::default()
        },
    }
}

/// The steps of a build, in order: the mistake of an earlier step is reported first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Platform,
    Args,
    Bases,
    Target,
    Sources,
    Circles,
    References,
    Triggers,
    Order,
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
    undefined_names: BTreeMap<String, usize>,
    errors: Vec<(Step, Error)>,
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

/// Images, each once.
#[derive(Default)]
struct ImageList {
    images: Vec<Image>,
    known: BTreeMap<Reference, usize>,
}

impl ImageList {
    /// Records a use of an image; returns the image's index.
    fn add(&mut self, reference: Reference, used: Use) -> usize {
        if let Some(&known) = self.known.get(&reference) {
            self.reuse(known, used);
            return known;
        }
        let index = self.images.len();
        self.known.insert(reference.clone(), index);
        self.images.push(Image {
            reference,
            first: used,
            more: Vec::new(),
            reachable: false,
        });
        index
    }

    fn reuse(&mut self, image: usize, used: Use) {
        if let Some(image) = self.images.get_mut(image) {
            image.more.push(used);
        }
    }

    /// Notes which uses, and so which images, the target needs.
    fn mark(&mut self, is_reachable: &dyn Fn(usize) -> bool) {
        for image in &mut self.images {
            for used in std::iter::once(&mut image.first).chain(&mut image.more) {
                used.reachable = is_reachable(used.stage);
                image.reachable |= used.reachable;
            }
        }
    }
}

impl<'a> Resolver<'a> {
    fn new(text: &'a [u8], file: &'a File, options: &'a Options, mut budget: Budget) -> Self {
        let mut arg_errors = Vec::new();
        let globals = Globals::new(text, file, options, &mut budget, &mut arg_errors);
        arg_errors.truncate(ERROR_LIMIT);
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
            undefined_names: BTreeMap::new(),
            errors: arg_errors.into_iter().map(|e| (Step::Args, e)).collect(),
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
        let trigger_errors = self.triggers();
        let reachable = self.graph.reachable(target);
        let is_reachable = |stage: usize| reachable.get(stage).copied().unwrap_or(false);
        for (stage, step, error) in trigger_errors {
            if is_reachable(stage) {
                self.push(step, error);
            }
        }
        self.order(&is_reachable);
        for (stage, reached) in self.stages.iter_mut().zip(&reachable) {
            stage.reachable = *reached;
        }
        self.images.mark(&is_reachable);
    }

    fn finish(mut self, syntax: Option<Syntax>) -> Analysis {
        let on_build_images = self.on_build_images();
        self.errors.sort_by_key(|(step, _)| *step);
        let mut errors = self.errors.into_iter().map(|(_, error)| error);
        Analysis {
            images: self.images.images,
            stages: self.stages,
            syntax,
            on_build_images,
            undefined_args: self.undefined,
            error: errors.next(),
            more_errors: errors.collect(),
        }
    }

    fn make_error(&self, step: Step, message: impl Into<String>, place: &Place) -> Error {
        let kind = if step == Step::Args {
            ErrorKind::Arg
        } else {
            ErrorKind::Resolve
        };
        Error::new(self.text, kind, message, place)
    }

    fn error(&mut self, step: Step, message: impl Into<String>, place: &Place) {
        if self.errors.len() < ERROR_LIMIT {
            let error = self.make_error(step, message, place);
            self.push(step, error);
        }
    }

    fn push(&mut self, step: Step, error: Error) {
        if self.errors.len() < ERROR_LIMIT {
            self.errors.push((step, error));
        }
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
        match self.expand(base_raw, &written.base_place) {
            Err((message, advice)) => {
                let message = format!(
                    "failed to process {:?}: {}{advice}",
                    shown(base_raw),
                    shown(&message)
                );
                self.error(Step::Bases, message, &written.base_place);
            }
            Ok((text, advice)) if text.is_empty() => {
                let message = format!(
                    "base name ({}) should not be blank{advice}",
                    shown(base_raw)
                );
                self.error(Step::Bases, message, &written.base_place);
            }
            Ok((text, advice)) => {
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
                    match self.image(&origin, &advice) {
                        Ok(image) => base = Base::Image(image),
                        Err(error) => self.push(Step::References, error),
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
        let message = match self.expand(platform, place) {
            Err((message, advice)) => format!(
                "failed to process arguments for platform {}: {}{advice}",
                shown(platform),
                shown(&message)
            ),
            Ok((text, advice)) if text.is_empty() => {
                format!(
                    "empty platform value from expression {}{advice}",
                    shown(platform)
                )
            }
            Ok((text, _)) if Platform::parse(&text).is_some() => return,
            Ok((text, advice)) => format!(
                "failed to parse platform {}: {:?} is not os/arch or os/arch/variant{advice}",
                shown(platform),
                shown(&text)
            ),
        };
        self.error(Step::Bases, message, place);
    }

    /// Expands a word of a `FROM`; both results carry advice about names without a value.
    fn expand(&mut self, word: &str, place: &Place) -> Result<(String, String), (String, String)> {
        if lex::is_plain(word.as_bytes(), self.file.escape) {
            return Ok((word.to_owned(), String::new()));
        }
        let values = &self.globals.values;
        let (result, unset) =
            match lex::expand(word.as_bytes(), self.file.escape, values, &mut self.budget) {
                Ok(expanded) => (Ok(expanded.text), expanded.unset),
                Err(error) => (Err(error.message), error.unset),
            };
        for name in &unset {
            if !self.undefined_names.contains_key(name) {
                self.undefined_names
                    .insert(name.clone(), self.undefined.len());
                self.undefined.push(UndefinedArg {
                    name: name.clone(),
                    line: place.line,
                    declared: self.globals.is_declared(name),
                });
            }
        }
        let advice = self.globals.advice(&unset, self.file);
        match result {
            Ok(text) => Ok((text, advice)),
            Err(message) => Err((message, advice)),
        }
    }

    /// Records a use of an image.
    fn image(&mut self, origin: &Origin<'_>, advice: &str) -> Result<usize, Error> {
        let reference = match Reference::parse(origin.expanded) {
            Ok(reference) => reference,
            Err(reason) => {
                let message = format!(
                    "failed to parse stage name {:?}: invalid reference format: {}{advice}",
                    shown(origin.expanded),
                    shown(&reason.to_string())
                );
                return Err(self.make_error(Step::References, message, origin.place));
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
            Err((step, error)) => {
                self.push(step, error);
                None
            }
        }
    }

    fn find(
        &mut self,
        stage: usize,
        source: &'a SourceText,
        on_build: bool,
    ) -> Result<Target, (Step, Error)> {
        let name = match source.text.as_str() {
            "" => SCRATCH,
            name => name,
        };
        if source.is_copy {
            if let Some(message) = self.variable(name) {
                let error = self.make_error(Step::Sources, message, &source.place);
                return Err((Step::Sources, error));
            }
            if let Ok(number) = name.parse::<i64>() {
                let found = usize::try_from(number)
                    .ok()
                    .and_then(|number| self.numbered.get(number).copied());
                let Some(target) = found else {
                    let message = format!("invalid stage index {number}");
                    let error = self.make_error(Step::Sources, message, &source.place);
                    return Err((Step::Sources, error));
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
            match self.image(&origin(stage, source, on_build), "") {
                Ok(image) => target = Target::Image(image),
                Err(error) => result = Err((Step::References, error)),
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

    /// Fires the triggers of each stage in the stages that are built on it.
    fn triggers(&mut self) -> Vec<(usize, Step, Error)> {
        let file = self.file;
        let mut failed = Vec::new();
        let mut left = TRIGGER_LIMIT;
        for child in 0..file.stages.len() {
            let Some(parent) = self.graph.bases.get(child).copied().flatten() else {
                continue;
            };
            let Some(parent) = file.stages.get(parent) else {
                continue;
            };
            let place = |n: usize| {
                file.stages
                    .get(n)
                    .map(|s| s.place.clone())
                    .unwrap_or_default()
            };
            for trigger in &parent.triggers {
                let sources = trigger.parsed.as_deref();
                // A trigger without sources takes a step too.
                let Some(rest) = left.checked_sub(1 + sources.map_or(0, <[_]>::len)) else {
                    let message = format!("more than {TRIGGER_LIMIT} triggers fire");
                    let error = self.make_error(Step::Triggers, message, &place(child));
                    failed.push((child, Step::Triggers, error));
                    return failed;
                };
                left = rest;
                let sources = match sources {
                    Ok(sources) => sources,
                    Err(message) => {
                        if failed.len() < ERROR_LIMIT {
                            let message = format!("onbuild trigger: {}", shown(message));
                            let error = self.make_error(Step::Triggers, message, &place(child));
                            failed.push((child, Step::Triggers, error));
                        }
                        continue;
                    }
                };
                for source in sources {
                    match self.find(child, source, true) {
                        Ok(to) => self.connect(child, to, source, true),
                        Err((_, error)) if failed.len() < ERROR_LIMIT => {
                            failed.push((child, Step::Triggers, error));
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
    fn on_build_images(&self) -> Vec<Image> {
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
        found.mark(&|stage| self.stages.get(stage).is_some_and(|s| s.reachable));
        found.images
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
