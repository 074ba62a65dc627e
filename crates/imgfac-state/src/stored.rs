//! State files as they are read: what we know by type, and everything else as it was.

use std::collections::{BTreeMap, BTreeSet};

use imgfac_model::{
    BaseName, BaseState, BaseUse, ImageName, ImageState, ManagedBase, Reference, Repository,
};
use imgfac_yaml::{Node, Value};

use crate::doubt::Doubt;
use crate::lifecycle;

/// The content of a state file.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T> {
    /// The fields that the program works with.
    pub state: T,
    /// All others, in the order of the file: fields of the predecessor, of later versions, of
    /// people. They survive every rewrite.
    pub rest: Fields,
}

impl Stored<ImageState> {
    /// Where the image was published when its state was written; `None` when the file does not
    /// say so.
    #[must_use]
    pub fn repository(&self) -> Option<Repository> {
        let enrolled = self.rest.get("enrollment")?;
        let text = |key| match lifecycle::entry(enrolled, key)? {
            Value::Text(text) | Value::Plain(text) => Some(text.as_str()),
            _ => None,
        };
        Repository::new(text("registry")?, text("repository")?).ok()
    }
}

impl<T> Stored<T> {
    /// A state without further fields.
    pub fn new(state: T) -> Self {
        Self {
            state,
            rest: Fields::default(),
        }
    }
}

/// Keys and values in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// Gives a key a value; a key that is there keeps its place.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Takes a key out, and gives its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// The items of a list, to be changed; `None` when the key has none.
    pub(crate) fn list_mut(&mut self, key: &str) -> Option<&mut Vec<Value>> {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, Value::List(items))) => Some(items),
            _ => None,
        }
    }

    /// Adds an item to the list of a key. Something that is there and is no list becomes the first
    /// item, so that nothing is lost.
    pub fn append(&mut self, key: &str, item: Value) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, Value::List(items))) => items.push(item),
            Some((_, old @ Value::Null)) => *old = Value::List(vec![item]),
            Some((_, old)) => {
                let first = std::mem::replace(old, Value::Null);
                *old = Value::List(vec![first, item]);
            }
            None => self.0.push((key.to_owned(), Value::List(vec![item]))),
        }
    }

    /// The entries of a mapping; of anything else there are none.
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Map(entries) => Self(entries.clone()),
            _ => Self::default(),
        }
    }

    /// All of them as a mapping.
    pub(crate) fn into_value(self) -> Value {
        Value::Map(self.0)
    }

    /// Every key and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

/// Why a state file cannot be used: one line, and the bytes it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong.
    pub reason: String,
    /// Where.
    pub span: std::ops::Range<usize>,
}

impl Unusable {
    fn new(node: &Node, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            span: node.span.clone(),
        }
    }
}

/// Reads the state of an image; the name is that of the file.
///
/// # Errors
/// When the text is not a mapping, or a field that the program works with has another shape: a
/// rewrite would lose what was meant. And when there is doubt about a value.
pub(crate) fn read_image(
    text: &[u8],
    doubt: Option<Doubt>,
) -> Result<Stored<ImageState>, Unusable> {
    let mut state = ImageState::default();
    let mut rest = Fields::default();
    for_each_field(text, |key, node| {
        if let Some(doubt) = doubt {
            doubt.image_field(key, node)?;
        }
        match key {
            // The file's name is the image's name.
            "name" => {}
            "enrolledAt" => state.enrolled_at = text_or_null(key, node)?,
            "lastDiscovery" => state.last_discovery = text_or_null(key, node)?,
            "sourceCommit" => state.source_commit = text_or_null(key, node)?,
            // A word that is not ours is as good as none: the next discovery writes its own.
            "discoveryStatus" => {
                state.discovery_status = text_or_null(key, node)?.and_then(|text| text.parse().ok())
            }
            "discoveryError" => state.discovery_error = text_or_null(key, node)?,
            "baseImages" => state.base_images = list(key, node, base_name)?,
            "managedBases" => state.managed_bases = list(key, node, managed_base)?,
            "unusedBases" => state.unused_bases = list(key, node, reference)?,
            "baseUses" => state.base_uses = base_uses(key, node)?,
            "currentVersion" => state.current_version = text_or_null(key, node)?,
            "currentDigest" => state.current_digest = text_or_null(key, node)?,
            "lastBuilt" => state.last_built = text_or_null(key, node)?,
            "builtOn" => state.built_on = text_map(key, node)?,
            _ => rest.set(key, node.to_value()),
        }
        Ok(())
    })?;
    Ok(Stored { state, rest })
}

/// Reads who was told of what, and when.
///
/// # Errors
/// When the text is not a mapping of names to mappings of keys to times.
pub(crate) fn read_told(
    text: &[u8],
) -> Result<BTreeMap<String, BTreeMap<String, String>>, Unusable> {
    let mut told = BTreeMap::new();
    for_each_field(text, |key, node| {
        told.insert(key.to_owned(), text_map(key, node)?);
        Ok(())
    })?;
    Ok(told)
}

/// Keys of a base's file that follow from its reference.
const DERIVED: &[&str] = &[
    "name",
    "registry",
    "repository",
    "tag",
    "pinnedDigest",
    "allowTags",
    "imageSelectionStrategy",
    "repoURL",
];

/// Reads the state of a base.
///
/// # Errors
/// As [`read_image`], and when the file does not say which image it is about.
pub(crate) fn read_base(text: &[u8], doubt: Option<Doubt>) -> Result<Stored<BaseState>, Unusable> {
    let mut full_image = None;
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    let (mut first_discovered, mut last_checked, mut current_digest) = (None, None, None);
    let (mut last_updated, mut previous_digest) = (None, None);
    let mut rest = Fields::default();
    for_each_field(text, |key, node| {
        if let Some(doubt) = doubt {
            doubt.base_field(key, node)?;
        }
        match key {
            "fullImage" => full_image = Some(reference(node)?),
            "firstDiscovered" => first_discovered = text_or_null(key, node)?,
            "lastChecked" => last_checked = text_or_null(key, node)?,
            "currentDigest" => current_digest = text_or_null(key, node)?,
            "lastUpdated" => last_updated = text_or_null(key, node)?,
            "previousDigest" => previous_digest = text_or_null(key, node)?,
            _ if DERIVED.contains(&key) => {
                if let Some(text) = text_or_null(key, node)? {
                    parts.insert(key.to_owned(), text);
                }
            }
            _ => rest.set(key, node.to_value()),
        }
        Ok(())
    })?;
    let reference = full_image
        .or_else(|| from_parts(&parts))
        .ok_or_else(|| Unusable {
            reason: "it has no fullImage: which image is it about?".into(),
            span: 0..0,
        })?;
    let state = BaseState {
        reference,
        first_discovered,
        last_checked,
        current_digest,
        last_updated,
        previous_digest,
    };
    Ok(Stored { state, rest })
}

/// What can stand for a base whose file cannot be used: which image it is about, if all lines that
/// say so agree. A conflict of two writers, a key that stands twice or a cut end leave that line.
pub(crate) fn salvage_base(text: &[u8]) -> Option<BaseState> {
    let text = String::from_utf8_lossy(text);
    let said = text
        .lines()
        .filter_map(|line| line.strip_prefix("fullImage:"))
        .map(|value| value.trim().trim_matches(['"', '\'']))
        .map(|value| Reference::parse(value).ok());
    let references = said.collect::<Option<BTreeSet<Reference>>>()?;
    let mut references = references.into_iter();
    let state = BaseState::new(references.next()?, "");
    references.next().is_none().then_some(state)
}

fn from_parts(parts: &BTreeMap<String, String>) -> Option<Reference> {
    let (registry, repository, tag) = (
        parts.get("registry")?,
        parts.get("repository")?,
        parts.get("tag")?,
    );
    Reference::parse(&format!("{registry}/{repository}:{tag}")).ok()
}

fn for_each_field(
    text: &[u8],
    mut take: impl FnMut(&str, &Node) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    let document = imgfac_yaml::parse_bytes(text).map_err(|error| Unusable {
        reason: error.to_string(),
        span: error.span(),
    })?;
    if let Some(twice) = document.duplicates.first() {
        return Err(Unusable {
            reason: format!("the key \"{}\" stands twice", twice.key.escape_debug()),
            span: twice.second.clone(),
        });
    }
    if document.root.is_null() {
        return Err(Unusable::new(&document.root, "it is empty"));
    }
    let entries = document
        .root
        .entries()
        .ok_or_else(|| Unusable::new(&document.root, "it is not a mapping of keys and values"))?;
    for (key, value) in entries {
        let name = key
            .scalar_text()
            .ok_or_else(|| Unusable::new(key, "a key is not a plain word"))?;
        take(name, value)?;
    }
    Ok(())
}

/// The predecessor wrote Python's `None` where it had nothing.
fn text_or_null(key: &str, node: &Node) -> Result<Option<String>, Unusable> {
    match node.scalar_text() {
        _ if node.is_null() => Ok(None),
        Some("None") => Ok(None),
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Unusable::new(node, format!("{key} is not text"))),
    }
}

fn list<T>(
    key: &str,
    node: &Node,
    read: impl Fn(&Node) -> Result<T, Unusable>,
) -> Result<Vec<T>, Unusable> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    node.items()
        .ok_or_else(|| Unusable::new(node, format!("{key} is not a list")))?
        .iter()
        .map(read)
        .collect()
}

fn text_map(key: &str, node: &Node) -> Result<BTreeMap<String, String>, Unusable> {
    if node.is_null() {
        return Ok(BTreeMap::new());
    }
    let entries = node
        .entries()
        .ok_or_else(|| Unusable::new(node, format!("{key} is not a mapping")))?;
    entries
        .iter()
        .map(
            |(name, value)| match (name.scalar_text(), value.scalar_text()) {
                (Some(name), Some(value)) => Ok((name.to_owned(), value.to_owned())),
                _ => Err(Unusable::new(
                    value,
                    format!("{key} is not a mapping of names to texts"),
                )),
            },
        )
        .collect()
}

fn base_uses(key: &str, node: &Node) -> Result<BTreeMap<Reference, Vec<BaseUse>>, Unusable> {
    if node.is_null() {
        return Ok(BTreeMap::new());
    }
    let entries = node
        .entries()
        .ok_or_else(|| Unusable::new(node, format!("{key} is not a mapping")))?;
    entries
        .iter()
        .map(|(image, uses)| Ok((reference(image)?, list(key, uses, base_use)?)))
        .collect()
}

fn base_use(node: &Node) -> Result<BaseUse, Unusable> {
    let role = node
        .get("role")
        .ok_or_else(|| Unusable::new(node, "an item of baseUses has no role"))?;
    Ok(BaseUse {
        role: scalar(role, "a role")?
            .parse()
            .map_err(|error: imgfac_model::InvalidValue| Unusable::new(role, error.to_string()))?,
        stage: match node.get("stage") {
            Some(stage) => text_or_null("stage", stage)?,
            None => None,
        },
    })
}

fn base_name(node: &Node) -> Result<BaseName, Unusable> {
    scalar(node, "a base's name")?
        .parse()
        .map_err(|error: imgfac_model::InvalidValue| Unusable::new(node, error.to_string()))
}

fn reference(node: &Node) -> Result<Reference, Unusable> {
    Reference::parse(scalar(node, "an image")?)
        .map_err(|error| Unusable::new(node, format!("invalid image reference: {error}")))
}

fn managed_base(node: &Node) -> Result<ManagedBase, Unusable> {
    let (name, image) = (node.get("name"), node.get("reference"));
    let (Some(name), Some(image)) = (name, image) else {
        return Err(Unusable::new(
            node,
            "an item of managedBases has no name or no reference",
        ));
    };
    let name = ImageName::new(scalar(name, "a name")?)
        .map_err(|error| Unusable::new(name, error.to_string()))?;
    Ok(ManagedBase {
        name,
        reference: reference(image)?,
    })
}

fn scalar<'n>(node: &'n Node, what: &str) -> Result<&'n str, Unusable> {
    node.scalar_text()
        .ok_or_else(|| Unusable::new(node, format!("{what} is not text")))
}
