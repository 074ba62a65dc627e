//! The schemas of a release of Kargo, ready for use.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jsonschema::{PatternOptions, Registry, Validator};
use serde_json::Value;

use crate::at::At;
use crate::document::values;
use crate::strict::strict;

/// Schemas as texts.
///
/// In a folder, [`Sources::read`] looks for these; `docs/conformance.md` says where each comes from.
///
/// | files | what they are |
/// |---|---|
/// | `crds/*.yaml`, `argo-rollouts/*.yaml` | custom resource definitions |
/// | `step-schemas/STEP-config.json` | the configuration of a step |
/// | `step-schemas/*.json` | what these refer to |
/// | `subscription-schemas/KEY.json` | a subscription of a warehouse |
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// File name to custom resource definitions in YAML.
    pub definitions: BTreeMap<String, String>,
    /// File name to JSON Schema.
    pub steps: BTreeMap<String, String>,
    /// File name to JSON Schema.
    pub subscriptions: BTreeMap<String, String>,
}

/// Schemas cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A folder has nothing of a sort, so that nothing would be checked.
    #[error("{folder} has no {what}")]
    Missing {
        /// The folder.
        folder: String,
        /// What was looked for.
        what: &'static str,
    },
    /// A file is not what it should be.
    #[error("{file}: {problem}")]
    Broken {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Sources {
    /// Reads a folder.
    ///
    /// # Errors
    /// When a file cannot be read, or when there is nothing of a sort.
    pub fn read(folder: &Path) -> Result<Self, SchemaError> {
        let mut sources = Self::default();
        for name in ["crds", "argo-rollouts"] {
            read_files(folder, name, "yaml", &mut sources.definitions)?;
        }
        read_files(folder, "step-schemas", "json", &mut sources.steps)?;
        read_files(
            folder,
            "subscription-schemas",
            "json",
            &mut sources.subscriptions,
        )?;
        for (files, what) in [
            (&sources.definitions, "crds/*.yaml"),
            (&sources.steps, "step-schemas/*-config.json"),
            (&sources.subscriptions, "subscription-schemas/*.json"),
        ] {
            if files.is_empty() {
                return Err(SchemaError::Missing {
                    folder: folder.display().to_string(),
                    what,
                });
            }
        }
        Ok(sources)
    }
}

fn read_files(
    folder: &Path,
    name: &str,
    extension: &str,
    out: &mut BTreeMap<String, String>,
) -> Result<(), SchemaError> {
    let error = |path: &Path, source| SchemaError::Read {
        path: path.display().to_string(),
        source,
    };
    let below = folder.join(name);
    if !below.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&below).map_err(|source| error(&below, source))? {
        let path = entry.map_err(|source| error(&below, source))?.path();
        if path.extension().is_some_and(|it| it == extension) {
            let text = fs::read_to_string(&path).map_err(|source| error(&path, source))?;
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            out.insert(format!("{name}/{file}"), text);
        }
    }
    Ok(())
}

/// Compiled schemas.
#[derive(Debug)]
pub struct Schemas {
    /// By `apiVersion` and kind.
    pub(crate) kinds: BTreeMap<(String, String), Kind>,
    pub(crate) steps: BTreeMap<String, Schema>,
    pub(crate) subscriptions: BTreeMap<String, Schema>,
}

/// A custom resource.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) schema: Schema,
    /// The schema as it was, with the rules in CEL.
    pub(crate) rules: kube_cel::CompiledSchema,
    /// Whether its objects belong to no namespace.
    pub(crate) of_cluster: bool,
    /// The name in paths and roles.
    pub(crate) plural: String,
}

/// A schema and where it comes from.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) file: String,
    pub(crate) original: Value,
    pub(crate) validator: Validator,
}

impl Schemas {
    /// Compiles schemas.
    ///
    /// # Errors
    /// When a text is no schema.
    pub fn compile(sources: &Sources) -> Result<Self, SchemaError> {
        let mut kinds = BTreeMap::new();
        for (file, text) in &sources.definitions {
            compile_definitions(file, text, &mut kinds)?;
        }
        Ok(Self {
            kinds,
            steps: compile_all(&sources.steps, "-config.json")?,
            subscriptions: compile_all(&sources.subscriptions, ".json")?,
        })
    }

    /// The kind of an object.
    pub(crate) fn kind(&self, api_version: &str, kind: &str) -> Option<&Kind> {
        self.kinds.get(&(api_version.to_owned(), kind.to_owned()))
    }
}

fn compile_definitions(
    file: &str,
    text: &str,
    kinds: &mut BTreeMap<(String, String), Kind>,
) -> Result<(), SchemaError> {
    let broken = |problem: String| SchemaError::Broken {
        file: file.to_owned(),
        problem,
    };
    for value in values(text).map_err(broken)? {
        let root = At::root(&value);
        if root.get("kind").text() != Some("CustomResourceDefinition") {
            continue;
        }
        let text = |keys: &[&str]| {
            root.dig(keys)
                .text()
                .map(str::to_owned)
                .ok_or_else(|| broken(format!("no {}", keys.join("."))))
        };
        let group = text(&["spec", "group"])?;
        let kind = text(&["spec", "names", "kind"])?;
        let plural = text(&["spec", "names", "plural"])?;
        let scope = text(&["spec", "scope"])?;
        for version in root.dig(&["spec", "versions"]).items() {
            if version.get("served").value != &Value::Bool(true) {
                continue;
            }
            let name = version.get("name").text().unwrap_or_default();
            let original = version.dig(&["schema", "openAPIV3Schema"]).value.clone();
            let rules = kube_cel::compile_schema(&original);
            let validator =
                compile(&strict(&original), None, "").map_err(|error| broken(error.to_string()))?;
            let schema = Schema {
                file: file.to_owned(),
                original,
                validator,
            };
            kinds.insert(
                (format!("{group}/{name}"), kind.clone()),
                Kind {
                    schema,
                    rules,
                    of_cluster: scope == "Cluster",
                    plural: plural.clone(),
                },
            );
        }
    }
    Ok(())
}

/// Where schemas that refer to each other are thought to lie; nothing is ever fetched.
const BASE: &str = "schema:///";

fn compile_all(
    files: &BTreeMap<String, String>,
    suffix: &str,
) -> Result<BTreeMap<String, Schema>, SchemaError> {
    let broken = |file: &str, problem: String| SchemaError::Broken {
        file: file.to_owned(),
        problem,
    };
    let mut read = BTreeMap::new();
    for (file, text) in files {
        let value: Value =
            serde_json::from_str(text).map_err(|error| broken(file, error.to_string()))?;
        read.insert(file.as_str(), value);
    }
    let mut registry = Registry::new();
    for (file, value) in &read {
        registry = registry
            .add(format!("{BASE}{file}"), value)
            .map_err(|error| broken(file, error.to_string()))?;
    }
    let registry = registry
        .prepare()
        .map_err(|error| broken("schemas", error.to_string()))?;
    let mut out = BTreeMap::new();
    for (file, value) in &read {
        let name = file.rsplit('/').next().unwrap_or(file);
        let Some(name) = name.strip_suffix(suffix) else {
            continue;
        };
        let validator = compile(value, Some(&registry), file)
            .map_err(|error| broken(file, error.to_string()))?;
        let schema = Schema {
            file: (*file).to_owned(),
            original: inline(value, file, &read, 0),
            validator,
        };
        out.insert(name.to_owned(), schema);
    }
    Ok(out)
}

/// Patterns are Go's, of the same family as those of the `regex` crate, and formats count, as they
/// do for the API server and for Kargo.
fn compile(
    schema: &Value,
    registry: Option<&Registry<'_>>,
    file: &str,
) -> Result<Validator, jsonschema::ValidationError<'static>> {
    let options = jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .with_base_uri(format!("{BASE}{file}"))
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .offline();
    match registry {
        Some(registry) => options.with_registry(registry).build(schema),
        None => options.build(schema),
    }
}

/// A schema with its references replaced, as deep as schemas of configurations go.
fn inline(value: &Value, file: &str, files: &BTreeMap<&str, Value>, depth: usize) -> Value {
    const DEEPEST: usize = 16;
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str)
                && depth < DEEPEST
            {
                let (target, pointer) = reference.split_once('#').unwrap_or((reference, ""));
                let folder = file.rsplit_once('/').map_or("", |it| it.0);
                let target = match target {
                    "" => file.to_owned(),
                    name => format!("{folder}/{name}"),
                };
                if let Some(found) = files
                    .get(target.as_str())
                    .and_then(|it| it.pointer(pointer))
                {
                    return inline(found, &target, files, depth + 1);
                }
            }
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), inline(value, file, files, depth)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items
            .iter()
            .map(|item| inline(item, file, files, depth))
            .collect(),
        other => other.clone(),
    }
}
