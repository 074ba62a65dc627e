//! GitHub's own description of its interface, cut to what builds need.
//!
//! The description is fetched with npm, in one version whose content is known, and never kept in
//! Git. Where npm cannot have it, requests and replies go unchecked, which is said loudly.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::ci_server::{CiRequest, decoded, lock};
use crate::git_server::skipped;

const PACKAGE: &str = "@octokit/openapi@23.0.2";
const SHA256: &str = "71a18407dd5e8464f4e0525daf03deabbe65abd9287d6adc7b5d98f516cd0d0c";

/// What is cut out.
const PATHS: [&str; 7] = [
    "/app",
    "/app/installations/{installation_id}/access_tokens",
    "/repos/{owner}/{repo}/actions/runs/{run_id}",
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches",
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs",
    "/repos/{owner}/{repo}/installation",
    "/user",
];

/// The description, as far as builds need it.
#[derive(Debug)]
pub struct Contract {
    paths: Map<String, Value>,
    components: Value,
    /// Checkers by the place of their schema.
    checkers: Mutex<BTreeMap<String, Arc<Validator>>>,
}

impl Contract {
    /// The description out of a folder, where it is kept once it was fetched; `None`, and a word on
    /// standard error, when it cannot be had.
    ///
    /// # Panics
    /// When it is there, and is another than it should be.
    #[must_use]
    pub fn load(folder: &Path) -> Option<Arc<Self>> {
        static LOADED: OnceLock<Option<Arc<Contract>>> = OnceLock::new();
        LOADED
            .get_or_init(|| Self::read(folder).map(Arc::new))
            .clone()
    }

    fn read(folder: &Path) -> Option<Self> {
        let kept = folder.join(format!("github-{}.json", &SHA256[..12]));
        let text = match fs::read_to_string(&kept) {
            Ok(text) => text,
            Err(_) => {
                let Some(whole) = fetch(folder) else {
                    skipped(&format!(
                        "requests to GitHub are not checked against its description: npm cannot fetch {PACKAGE}"
                    ));
                    return None;
                };
                let text = cut(&whole).to_string();
                // Other processes may do the same at the same time.
                let own = folder.join(format!("github-{}.part", std::process::id()));
                fs::write(&own, &text).expect("the description can be kept");
                fs::rename(&own, &kept).expect("the description can be kept");
                text
            }
        };
        let mut description: Value = serde_json::from_str(&text).expect("we wrote it");
        Some(Self {
            components: description["components"].take(),
            paths: serde_json::from_value(description["paths"].take()).expect("we wrote it"),
            checkers: Mutex::default(),
        })
    }

    /// What is wrong with a request to a path below the interface.
    pub(crate) fn of_request(&self, path: &str, request: &CiRequest) -> Vec<String> {
        let method = request.method.to_lowercase();
        let line = format!("{} {path}", request.method);
        let Some((template, operation)) = self.operation(path, &method) else {
            return vec![format!("{line}: there is no such request")];
        };
        let mut wrong = Vec::new();
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let parameters: Vec<&Value> = parameters.iter().map(|it| self.resolved(it)).collect();
        for (name, value) in &request.query {
            let known = parameters
                .iter()
                .position(|it| it["name"] == **name && it["in"] == "query");
            let Some(at) = known else {
                wrong.push(format!("{line}: there is no parameter {name}"));
                continue;
            };
            let mut schema = self.resolved(&parameters[at]["schema"]).clone();
            // In an address everything is text.
            let value = match value.parse::<i64>() {
                Ok(number) if schema["type"] == "integer" => json!(number),
                _ => json!(value),
            };
            // A time may be a range, as in a search, which the description says in words only.
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("format");
            }
            let place = format!("{method} {template} ?{name}");
            wrong.extend(self.check(&place, &schema, &value, &line));
        }
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        match serde_json::from_str(&request.body) {
            Ok(body) if schema.is_object() => {
                let place = format!("{method} {template} body");
                wrong.extend(self.check(&place, &closed(schema), &body, &line));
            }
            Ok(_) => wrong.push(format!("{line}: it takes no content")),
            Err(_) if request.body.is_empty() => {}
            Err(error) => wrong.push(format!("{line}: {error}")),
        }
        if request
            .headers
            .get("user-agent")
            .is_none_or(String::is_empty)
        {
            wrong.push(format!("{line}: GitHub wants a User-Agent"));
        }
        wrong
    }

    /// What is wrong with a good answer.
    pub(crate) fn of_reply(
        &self,
        path: &str,
        method: &str,
        status: u16,
        body: Option<&Value>,
    ) -> Vec<String> {
        let method = method.to_lowercase();
        let line = format!("{status} to {method} {path}");
        let Some((template, operation)) = self.operation(path, &method) else {
            return Vec::new();
        };
        let response = self.resolved(&operation["responses"][status.to_string()]);
        if response.is_null() {
            return vec![format!("{line}: there is no such answer")];
        }
        let schema = &response["content"]["application/json"]["schema"];
        match (schema.is_object(), body) {
            (true, Some(body)) => {
                let place = format!("{method} {template} {status}");
                self.check(&place, schema, body, &line)
            }
            (false, None) => Vec::new(),
            (true, None) => vec![format!("{line}: it has no content")],
            (false, Some(_)) => vec![format!("{line}: it has content")],
        }
    }

    fn operation(&self, path: &str, method: &str) -> Option<(&str, &Value)> {
        let parts: Vec<String> = path.split('/').map(decoded).collect();
        let fits = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            template.len() == parts.len()
                && template
                    .iter()
                    .zip(&parts)
                    .all(|(want, have)| want.starts_with('{') && !have.is_empty() || want == have)
        };
        let (template, methods) = self.paths.iter().find(|(template, _)| fits(template))?;
        let operation = methods.get(method)?;
        Some((template, operation))
    }

    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        let Some(reference) = value["$ref"].as_str() else {
            return value;
        };
        let path = reference.trim_start_matches("#/components");
        self.components.pointer(path).unwrap_or(value)
    }

    fn check(&self, place: &str, schema: &Value, value: &Value, line: &str) -> Vec<String> {
        let checker = {
            let mut checkers = lock(&self.checkers);
            let make = || {
                // The references of a schema begin at the root.
                let whole = json!({"allOf": [schema], "components": self.components});
                let checker = jsonschema::options()
                    .with_draft(Draft::Draft202012)
                    .should_validate_formats(true)
                    .build(&whole)
                    .expect("GitHub's description is good");
                Arc::new(checker)
            };
            Arc::clone(checkers.entry(place.to_owned()).or_insert_with(make))
        };
        checker
            .iter_errors(value)
            .map(|error| format!("{line}: {}: {error}", error.instance_path()))
            .collect()
    }
}

fn fetch(folder: &Path) -> Option<Value> {
    fs::create_dir_all(folder).ok()?;
    let folder = tempfile::tempdir_in(folder).ok()?;
    let done = Command::new("npm")
        .args([
            "pack",
            PACKAGE,
            "--silent",
            "--fetch-retries=1",
            "--fetch-timeout=60000",
        ])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let name = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    if !done.status.success() {
        return None;
    }
    let archive = folder.path().join(name);
    let hash: String = Sha256::digest(fs::read(&archive).ok()?)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hash, SHA256, "{PACKAGE} is another than it was");
    let file = Command::new("tar")
        .arg("-xOzf")
        .arg(&archive)
        .arg("package/generated/api.github.com.json")
        .output()
        .ok()?;
    serde_json::from_slice(&file.stdout).ok()
}

/// The paths that builds need, with everything that they refer to, as JSON Schema.
fn cut(whole: &Value) -> Value {
    let mut paths = Map::new();
    let mut wanted = Vec::new();
    for path in PATHS {
        refers(&whole["paths"][path], &mut wanted);
        paths.insert(path.into(), translated(&whole["paths"][path]));
    }
    let mut components: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    while let Some(reference) = wanted.pop() {
        let mut parts = reference.trim_start_matches("#/components/").split('/');
        let (Some(kind), Some(name)) = (parts.next(), parts.next()) else {
            continue;
        };
        let of_kind = components.entry(kind.into()).or_default();
        if !of_kind.contains_key(name) {
            let component = &whole["components"][kind][name];
            refers(component, &mut wanted);
            of_kind.insert(name.into(), translated(component));
        }
    }
    json!({"paths": paths, "components": components})
}

fn refers(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(
                fields
                    .get("$ref")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            fields.values().for_each(|it| refers(it, found));
        }
        Value::Array(items) => items.iter().for_each(|it| refers(it, found)),
        _ => {}
    }
}

/// `nullable` of OpenAPI 3.0 in the words of JSON Schema, and no examples.
fn translated(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut out: Map<String, Value> = fields
                .iter()
                // A property may have such a name, and is an object then.
                .filter(|(key, it)| {
                    !matches!(key.as_str(), "example" | "examples") || it.get("type").is_some()
                })
                .filter(|(key, it)| *key != "nullable" || !it.is_boolean())
                .map(|(key, it)| (key.clone(), translated(it)))
                .collect();
            if fields.get("nullable") != Some(&Value::Bool(true)) {
                return out.into();
            }
            if let Some(Value::Array(members)) = out.get_mut("enum") {
                members.push(Value::Null);
            }
            match out.get_mut("type") {
                Some(kind) => *kind = json!([kind.take(), "null"]),
                None => return json!({"anyOf": [out, {"type": "null"}]}),
            }
            out.into()
        }
        Value::Array(items) => items.iter().map(translated).collect(),
        other => other.clone(),
    }
}

/// A schema of a request in which unknown fields are wrong: a server may refuse them.
fn closed(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(fields) = schema.as_object_mut()
        && fields.contains_key("properties")
    {
        fields
            .entry("additionalProperties")
            .or_insert(Value::Bool(false));
    }
    schema
}
