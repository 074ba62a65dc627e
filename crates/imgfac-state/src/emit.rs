//! State files as they are written: fixed order, short comments, every scalar quoted right.

use std::collections::BTreeMap;

use imgfac_model::{
    BaseName, BaseState, BaseUse, DelayClock, DigestSelection, DiscoveryStatus, Enrolment,
    ImageState, Reference, SelectionStrategy, Source, UpdateTarget,
};
use imgfac_yaml::{Emitter, Value};

use crate::emergency::EMERGENCY;
use crate::enrolment::Enrolled;
use crate::former;
use crate::observation;
use crate::runs;
use crate::stored::{Fields, Stored};
use crate::tags;

const HEADER: &str = "Written by `imgfac analyze`. Do not edit: images.yaml is where people write.";

const ARCHIVE: &str = "Archive: when and why it left the fleet";
pub(crate) const ARCHIVE_KEYS: &[&str] =
    &["archivedAt", "archivedReason", "archivedFrom", ENROLLED_IN];
/// The field of an archived image that has the file which had its entry.
pub(crate) const ENROLLED_IN: &str = "enrolledIn";

/// The text of an image's state file.
#[must_use]
pub(crate) fn image(name: &str, stored: &Stored<ImageState>) -> String {
    let Stored { state, rest } = stored;
    let mut file = File::new(rest);
    file.section("Identity");
    file.entry("name", text(name));
    file.section("Enrolment: what images.yaml says");
    file.entry("enrolledAt", optional(&state.enrolled_at));
    file.kept(&["enrollment"]);
    file.section_of(
        "Monitoring: which of the image's tags are followed",
        &["allowTags", "imageSelectionStrategy", "repoURL"],
    );
    file.section("Discovery: the images that its Dockerfile stands on");
    file.entry("lastDiscovery", optional(&state.last_discovery));
    if let Some(commit) = &state.source_commit {
        file.entry("sourceCommit", text(commit));
    }
    file.entry(
        "discoveryStatus",
        state
            .discovery_status
            .map_or(Value::Null, |status| text(status.as_str())),
    );
    if let Some(error) = &state.discovery_error {
        file.entry("discoveryError", text(error));
    }
    file.entry(
        "baseImages",
        list(&state.base_images, |name| text(name.as_str())),
    );
    if !state.managed_bases.is_empty() {
        file.entry(
            "managedBases",
            list(&state.managed_bases, |base| {
                map([
                    ("name", text(base.name.as_str())),
                    ("reference", reference(&base.reference)),
                ])
            }),
        );
    }
    if !state.unused_bases.is_empty() {
        file.entry("unusedBases", list(&state.unused_bases, reference));
    }
    if !state.base_uses.is_empty() {
        let uses = state.base_uses.iter();
        let uses = uses.map(|(image, uses)| (image.to_string(), list(uses, base_use)));
        file.entry("baseUses", Value::Map(uses.collect()));
    }
    file.section(match state.discovery_status {
        Some(DiscoveryStatus::External) => "Current state: the tag that is tracked",
        _ => "Current state: the last build that was recorded",
    });
    file.entry("currentVersion", optional(&state.current_version));
    file.entry("currentDigest", optional(&state.current_digest));
    file.entry("lastBuilt", optional(&state.last_built));
    if !state.built_on.is_empty() {
        file.entry("builtOn", text_map(&state.built_on));
    }
    file.section_of(
        "What its tags were seen to point at, with the times of it",
        &[observation::LAST_ERROR, tags::OBSERVED_TAGS],
    );
    file.section_of(
        "Versions that are newer than the one that is tracked, newest first",
        &[tags::AVAILABLE],
    );
    file.section_of(
        "Eligibility: what waits to be rebuilt",
        &[runs::PENDING, EMERGENCY],
    );
    file.section_of("History", &["rebuildHistory", "lifecycle"]);
    file.section_of(
        "The bases whose place it took, as they were",
        &[former::BASES],
    );
    file.section_of(ARCHIVE, ARCHIVE_KEYS);
    file.finish()
}

/// The text of a base's state file.
#[must_use]
pub(crate) fn base(name: &BaseName, stored: &Stored<BaseState>) -> String {
    let Stored { state, rest } = stored;
    let repository = state.reference.repository();
    let mut file = File::new(rest);
    file.section("Identity");
    file.entry("name", text(name.as_str()));
    file.entry("fullImage", reference(&state.reference));
    file.entry("registry", text(repository.registry()));
    file.entry("repository", text(repository.path()));
    file.entry(
        "tag",
        state
            .reference
            .tag()
            .map_or(Value::Null, |tag| text(tag.as_str())),
    );
    if let Some(digest) = state.pinned_digest() {
        file.entry("pinnedDigest", text(digest.as_str()));
    }
    file.section("Monitoring: the one tag that is followed");
    file.entry("allowTags", optional(&state.allow_tags()));
    file.entry(
        "imageSelectionStrategy",
        text(SelectionStrategy::Digest.as_str()),
    );
    file.entry("repoURL", text(&repository.to_string()));
    file.section("Discovery");
    file.entry("firstDiscovered", optional(&state.first_discovered));
    file.kept(&["lastDiscovery"]);
    file.entry("lastChecked", optional(&state.last_checked));
    file.kept(&[observation::LAST_ERROR]);
    file.section("Current state: what the tag points at");
    file.entry("currentDigest", optional(&state.current_digest));
    file.entry("lastUpdated", optional(&state.last_updated));
    file.entry("previousDigest", optional(&state.previous_digest));
    file.section_of(
        "Digests that were seen, with the times of it",
        &[observation::DIGESTS],
    );
    file.section_of(
        "Eligibility: when dependents may be rebuilt",
        &["rebuildEligibleAt"],
    );
    file.section_of("Metadata", &["metadata"]);
    file.section_of("History", &["updateHistory", "lifecycle"]);
    file.section_of(
        "The images that it was when they were enrolled",
        &[former::IMAGES],
    );
    file.section_of(ARCHIVE, ARCHIVE_KEYS);
    file.finish()
}

/// The `enrollment` block of an image's state: what images.yaml says, defaults filled in.
#[must_use]
pub(crate) fn enrollment(enrolled: &Enrolled) -> Value {
    let Enrolment {
        name: _,
        repository,
        source,
        rebuild_delay,
        cascade_delay,
        coordination_window,
        digest_selection,
        delay_clock,
        auto_rebuild,
        criticality,
        allow_tags,
        image_selection_strategy,
        constraint,
        updates,
    } = &enrolled.enrolment;
    let mut entries = vec![
        ("registry", text(repository.registry())),
        ("repository", text(repository.path())),
    ];
    if let Some(source) = source {
        entries.push(("source", self::source(source, &enrolled.legacy_source)));
    }
    entries.push(("rebuildDelay", text(&rebuild_delay.to_string())));
    for (key, delay) in [
        ("cascadeDelay", cascade_delay),
        ("coordinationWindow", coordination_window),
    ] {
        entries.extend(delay.as_ref().map(|delay| (key, text(&delay.to_string()))));
    }
    // What hardly anybody chooses is left out.
    if *digest_selection != DigestSelection::default() {
        entries.push(("digestSelection", text(digest_selection.as_str())));
    }
    if *delay_clock != DelayClock::default() {
        entries.push(("delayClock", text(delay_clock.as_str())));
    }
    entries.push(("autoRebuild", Value::Plain(auto_rebuild.to_string())));
    entries.push(("criticality", text(criticality.as_str())));
    // Of an external image these stand at the top of the file, where the predecessor put them.
    if source.is_some() {
        entries.extend(allow_tags.as_deref().map(|tags| ("allowTags", text(tags))));
        entries.extend(
            image_selection_strategy
                .map(|strategy| ("imageSelectionStrategy", text(strategy.as_str()))),
        );
    }
    entries.extend(
        constraint
            .as_deref()
            .map(|constraint| ("constraint", text(constraint))),
    );
    if !updates.is_empty() {
        entries.push(("updates", list(updates, update)));
    }
    let mut value = pairs(entries);
    if let Value::Map(entries) = &mut value {
        entries.extend(enrolled.legacy.iter().cloned());
    }
    value
}

fn source(source: &Source, legacy: &[(String, Value)]) -> Value {
    let mut entries = vec![("provider", text(source.provider.as_str()))];
    let mut add = |key, value: Option<Value>| entries.extend(value.map(|value| (key, value)));
    add("host", source.host.as_ref().map(|host| text(host.as_str())));
    add("repo", Some(text(source.repo.as_str())));
    add("branch", Some(text(source.branch.as_str())));
    add("dockerfile", Some(text(source.dockerfile.as_str())));
    add(
        "context",
        source.context.as_ref().map(|path| text(path.as_str())),
    );
    add("buildArgs", filled_map(&source.build_args));
    add(
        "target",
        source.target.as_ref().map(|target| text(target.as_str())),
    );
    add(
        "platforms",
        (!source.platforms.is_empty())
            .then(|| list(&source.platforms, |platform| text(platform.as_str()))),
    );
    add(
        "workflow",
        source.workflow.as_ref().map(|file| text(file.as_str())),
    );
    add("inputs", filled_map(&source.inputs));
    add(
        "causeInputs",
        source.cause_inputs.then(|| Value::Plain("true".into())),
    );
    add("job", source.job.as_deref().map(text));
    add("variables", filled_map(&source.variables));
    add("url", source.url.as_ref().map(|url| text(url.as_str())));
    let mut value = pairs(entries);
    if let Value::Map(entries) = &mut value {
        entries.extend(legacy.iter().cloned());
    }
    value
}

fn update(target: &UpdateTarget) -> Value {
    let mut entries = vec![
        ("repo", text(target.repo.as_str())),
        ("branch", text(target.branch.as_str())),
        ("path", text(target.path.as_str())),
        ("type", text(target.kind.as_str())),
    ];
    entries.extend(target.key.as_deref().map(|key| ("key", text(key))));
    entries.extend(
        target
            .pull_request
            .then(|| ("pullRequest", Value::Plain("true".into()))),
    );
    pairs(entries)
}

/// A state file in the making: sections in order, the rest at its end.
struct File<'r> {
    out: Emitter,
    rest: &'r Fields,
    placed: Vec<&'r str>,
}

impl<'r> File<'r> {
    fn new(rest: &'r Fields) -> Self {
        let mut out = Emitter::new();
        out.comment(HEADER);
        Self {
            out,
            rest,
            placed: Vec::new(),
        }
    }

    fn section(&mut self, comment: &str) {
        self.out.blank();
        self.out.comment(comment);
    }

    fn entry(&mut self, key: &str, value: Value) {
        self.out.entry(key, &value);
    }

    /// Writes those of the kept fields that are there.
    fn kept(&mut self, keys: &[&str]) {
        for (key, value) in self.rest.iter().filter(|(key, _)| keys.contains(key)) {
            self.out.entry(key, value);
            self.placed.push(key);
        }
    }

    /// A section that is only there when one of its fields is.
    fn section_of(&mut self, comment: &str, keys: &[&str]) {
        if keys.iter().any(|key| self.rest.get(key).is_some()) {
            self.section(comment);
            self.kept(keys);
        }
    }

    fn finish(mut self) -> String {
        let others: Vec<&str> = self
            .rest
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !self.placed.contains(key))
            .collect();
        self.section_of("Other fields, kept as they were found", &others);
        self.out.finish()
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn optional(value: &Option<String>) -> Value {
    value.as_deref().map_or(Value::Null, text)
}

fn reference(value: &Reference) -> Value {
    Value::Text(value.to_string())
}

fn base_use(base_use: &BaseUse) -> Value {
    let mut fields = vec![("role", text(base_use.role.as_str()))];
    fields.extend(
        base_use
            .stage
            .as_deref()
            .map(|stage| ("stage", text(stage))),
    );
    pairs(fields)
}

fn list<T>(items: &[T], value: impl Fn(&T) -> Value) -> Value {
    Value::List(items.iter().map(value).collect())
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    pairs(entries.into())
}

fn pairs(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn text_map(values: &BTreeMap<String, String>) -> Value {
    Value::Map(
        values
            .iter()
            .map(|(key, value)| (key.clone(), text(value)))
            .collect(),
    )
}

fn filled_map(values: &BTreeMap<String, String>) -> Option<Value> {
    (!values.is_empty()).then(|| text_map(values))
}
