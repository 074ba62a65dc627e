//! Whole states inside of others: an image that became a base carries on in the file of the base,
//! and the bases that became an image of ours in the file of the image.

use imgfac_model::{BaseName, BaseState, ImageState, Reference};
use imgfac_yaml::{Emitter, Value};

use crate::emit;
use crate::lifecycle::entry;
use crate::passage::same_but_for_the_time;
use crate::stored::{Fields, Stored, read_base, read_image};

/// The field of a base that has the states of images.
pub(crate) const IMAGES: &str = "formerImages";
/// The field of an image that has the states of bases.
pub(crate) const BASES: &str = "formerBases";

/// An image's state as a value, with its name.
pub(crate) fn image(name: &str, stored: &Stored<ImageState>) -> Value {
    value(&emit::image(name, stored))
}

/// A base's state as a value, with its name.
pub(crate) fn base(name: &BaseName, stored: &Stored<BaseState>) -> Value {
    value(&emit::base(name, stored))
}

/// The value of a state file. What we write can be read, so the text itself only stands for what
/// should not happen: nothing is lost even then.
pub(crate) fn value(text: &str) -> Value {
    match imgfac_yaml::parse(text) {
        Ok(document) => document.root.to_value(),
        Err(_) => Value::Text(text.to_owned()),
    }
}

fn text(value: &Value) -> String {
    let mut out = Emitter::new();
    if let Value::Map(entries) = value {
        for (key, value) in entries {
            out.entry(key, value);
        }
    }
    out.finish()
}

fn items(rest: &Fields, field: &str) -> Vec<Value> {
    match rest.get(field) {
        Some(Value::List(items)) => items.clone(),
        _ => Vec::new(),
    }
}

fn named(item: &Value) -> Option<&str> {
    match entry(item, "name")? {
        Value::Text(name) | Value::Plain(name) => Some(name),
        _ => None,
    }
}

/// The images that a base carries, by name; items that cannot be used are left out.
pub(crate) fn images(rest: &Fields) -> Vec<(String, Stored<ImageState>)> {
    let read = |item: &Value| {
        let name = named(item)?.to_owned();
        Some((name, read_image(text(item).as_bytes(), None).ok()?))
    };
    items(rest, IMAGES).iter().filter_map(read).collect()
}

/// The bases that an image carries, by name; items that cannot be used are left out.
pub(crate) fn bases(rest: &Fields) -> Vec<(BaseName, Stored<BaseState>)> {
    let read = |item: &Value| {
        let name = BaseName::new(named(item)?).ok()?;
        Some((name, read_base(text(item).as_bytes(), None).ok()?))
    };
    items(rest, BASES).iter().filter_map(read).collect()
}

/// The references of the bases that an image carries, with their names.
pub(crate) fn base_references(rest: &Fields) -> Vec<(BaseName, Reference)> {
    let bases = bases(rest).into_iter();
    bases
        .map(|(name, stored)| (name, stored.state.reference))
        .collect()
}

/// Adds a state. The same one, left by a run that was killed half-way, is replaced.
pub(crate) fn put(rest: &mut Fields, field: &str, state: Value) {
    let mut all = items(rest, field);
    match all
        .iter_mut()
        .find(|old| same_but_for_the_time(old, &state))
    {
        Some(old) => {
            *old = state;
            rest.set(field, Value::List(all));
        }
        None => rest.append(field, state),
    }
}

/// Takes the state of a name out; the field goes with its last item.
pub(crate) fn take(rest: &mut Fields, field: &str, name: &str) {
    let mut all = items(rest, field);
    let Some(at) = all.iter().position(|item| named(item) == Some(name)) else {
        return;
    };
    all.remove(at);
    if all.is_empty() {
        rest.remove(field);
    } else {
        rest.set(field, Value::List(all));
    }
}
