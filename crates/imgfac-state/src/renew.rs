//! Every image brought up to date with its entry and its Dockerfile.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{
    BaseName, DiscoveryStatus, ImageName, ImageState, ManagedBase, Reference, SelectionStrategy,
};
use imgfac_yaml::Value;

use crate::builds::{follow_edges, restart};
use crate::change::{ChangeKind, differences};
use crate::emit;
use crate::enrolment::{ENTRY_KEYS, Enrolled, LEGACY_ENTRY_KEYS, LEGACY_SOURCE_KEYS, SOURCE_KEYS};
use crate::fleet::{Fleet, Subject};
use crate::lifecycle::{Kind, entry};
use crate::observation::LAST_ERROR;
use crate::passage::Passage;
use crate::stored::Stored;
use crate::tags::AVAILABLE;
use crate::update::{Bases, Run, uses};

impl Fleet {
    pub(crate) fn renew_image<'u>(
        &mut self,
        name: &'u ImageName,
        enrolled: &Enrolled,
        bases: &Bases,
        names: &BTreeMap<Reference, BaseName>,
        known_as: &BTreeMap<Reference, BTreeSet<BaseName>>,
        run: &mut Run<'u>,
    ) {
        let update = run.update;
        let now = update.now.as_str();
        let discovery = update.discovery(name);
        let before = self.images.get(name.as_str());
        let mut after = before.cloned().unwrap_or_else(|| {
            Stored::new(ImageState {
                enrolled_at: Some(now.to_owned()),
                ..ImageState::default()
            })
        });
        enrol(&mut after, enrolled);
        let known = &after.state;
        let mut lists = Lists {
            // A name whose own file cannot be used is kept until discovery says otherwise.
            base_images: match discovery {
                Some(Ok(_)) => BTreeSet::new(),
                _ if !enrolled.enrolment.is_managed() => BTreeSet::new(),
                _ => known
                    .base_images
                    .iter()
                    .filter(|name| !self.bases.contains_key(*name))
                    .cloned()
                    .collect(),
            },
            ..Lists::default()
        };
        for (reference, reachable) in bases {
            if let Some(parent) = run.managed.get(reference.repository()) {
                lists.managed_bases.insert(ManagedBase {
                    name: (*parent).clone(),
                    reference: reference.clone(),
                });
            } else if let Some(name) = names.get(reference) {
                lists.base_images.insert(name.clone());
            }
            if !reachable {
                lists.unused_bases.push(reference.clone());
            }
        }
        let state = &mut after.state;
        state.base_images = lists.base_images.into_iter().collect();
        state.managed_bases = lists.managed_bases.into_iter().collect();
        state.unused_bases = lists.unused_bases;
        if let Some(Ok(found)) = discovery {
            state.base_uses = uses(found);
        }
        (state.base_uses).retain(|reference, _| bases.contains_key(reference));
        follow_edges(&mut state.built_on, bases, names, known_as, &run.managed);
        (state.discovery_status, state.discovery_error) = match discovery {
            _ if !enrolled.enrolment.is_managed() => (Some(DiscoveryStatus::External), None),
            Some(Ok(_)) => (Some(DiscoveryStatus::Success), None),
            Some(Err(error)) => (Some(DiscoveryStatus::Failed), Some(error.clone())),
            // What was said of it when it was only watched is no outcome of a discovery.
            None => (
                (state
                    .discovery_status
                    .filter(|status| *status != DiscoveryStatus::External))
                .or(Some(DiscoveryStatus::Pending)),
                state.discovery_error.take(),
            ),
        };
        let mut told = Vec::new();
        match before {
            None => run.started.push(name),
            Some(before) if !run.passed.contains(name.as_str()) => {
                if let Some(mut passage) = passage(before, enrolled, run) {
                    if passage.has_moved() {
                        restart(&mut after, &mut passage);
                    }
                    passage.record(&mut after.rest);
                    told = passage.sentences();
                    run.passed.insert(name.to_string());
                }
            }
            Some(_) => {}
        }
        if let Some(build) = update.builds.get(name) {
            self.record_build(&mut after, build, now);
        }
        let until_now = before.and_then(|before| before.state.current_digest.clone());
        let until_now = until_now.filter(|old| after.state.current_digest.as_ref() != Some(old));
        let change = differences(name, before, &after);
        if discovery.is_some()
            && before.is_none_or(|before| discovered(before) != discovered(&after))
        {
            after.state.last_discovery = Some(now.to_owned());
            if let Some(Ok(_)) = discovery {
                after.state.source_commit = update.commits.get(name).cloned();
            }
        }
        self.images.insert(name.to_string(), after);
        if let Some(until_now) = until_now {
            self.others_stood_on(name, &until_now);
        }
        let subject = Subject::Image(name.to_string());
        if !told.is_empty() {
            run.changes.add(subject.clone(), ChangeKind::Changed, told);
        }
        if let Some(change) = change {
            run.changes.add(subject, change.kind, change.details);
        }
    }
}

/// What became of an image that stays enrolled: it may be of another kind, or at another place.
fn passage(before: &Stored<ImageState>, enrolled: &Enrolled, run: &Run<'_>) -> Option<Passage> {
    let from = Kind::of_state(before)?;
    let to = Kind::of(&enrolled.enrolment);
    let mut passage = Passage::new(run.update.moment(), from, to);
    let place = &enrolled.enrolment.repository;
    match before.repository() {
        Some(old) if old != *place => passage.moved(&old, place),
        _ if from == to => return None,
        _ => {}
    }
    Some(passage)
}

#[derive(Default)]
struct Lists {
    base_images: BTreeSet<BaseName>,
    managed_bases: BTreeSet<ManagedBase>,
    unused_bases: Vec<Reference>,
}

/// What discovery is about: when it changes, `lastDiscovery` moves.
fn discovered(stored: &Stored<ImageState>) -> impl PartialEq + '_ {
    let ImageState {
        base_images,
        managed_bases,
        unused_bases,
        base_uses,
        discovery_status,
        discovery_error,
        ..
    } = &stored.state;
    (
        base_images,
        managed_bases,
        unused_bases,
        base_uses,
        discovery_status,
        discovery_error,
    )
}

/// Takes over what images.yaml says.
fn enrol(stored: &mut Stored<ImageState>, enrolled: &Enrolled) {
    let mut value = emit::enrollment(enrolled);
    if let Some(old) = stored.rest.get("enrollment") {
        keep_unknown(&mut value, old, &[ENTRY_KEYS, LEGACY_ENTRY_KEYS]);
        let (new_source, old_source) = (entry_mut(&mut value, "source"), entry(old, "source"));
        if let (Some(new), Some(old)) = (new_source, old_source) {
            keep_unknown(new, old, &[SOURCE_KEYS, LEGACY_SOURCE_KEYS]);
        }
    }
    stored.rest.set("enrollment", value);
    let enrolment = &enrolled.enrolment;
    if enrolment.is_managed() {
        // What was seen upstream is not about what we build.
        for key in [
            "allowTags",
            "imageSelectionStrategy",
            "repoURL",
            AVAILABLE,
            LAST_ERROR,
        ] {
            stored.rest.remove(key);
        }
    } else {
        let strategy = enrolment
            .image_selection_strategy
            .unwrap_or(SelectionStrategy::Lexical);
        let tags = enrolment
            .allow_tags
            .clone()
            .unwrap_or_else(|| "^.*$".into());
        stored.rest.set("allowTags", Value::Text(tags));
        stored
            .rest
            .set("imageSelectionStrategy", Value::Text(strategy.to_string()));
        stored
            .rest
            .set("repoURL", Value::Text(enrolment.repository.to_string()));
    }
}

/// Keeps the entries of an old mapping that no key of the configuration stands for.
fn keep_unknown(new: &mut Value, old: &Value, known: &[&[&str]]) {
    if let (Value::Map(new), Value::Map(old)) = (new, old) {
        for (key, value) in old {
            if !known.iter().any(|keys| keys.contains(&key.as_str()))
                && !new.iter().any(|(name, _)| name == key)
            {
                new.push((key.clone(), value.clone()));
            }
        }
    }
}

fn entry_mut<'v>(value: &'v mut Value, key: &str) -> Option<&'v mut Value> {
    let Value::Map(entries) = value else {
        return None;
    };
    entries
        .iter_mut()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}
