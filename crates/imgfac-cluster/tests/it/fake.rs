//! An API server in memory: as much of one as these tests stand on.
//!
//! It stores objects, counts resource versions, lists by label in pages, deletes by precondition,
//! and does server-side apply with owners of fields: every leaf of an applied object (a scalar or
//! a whole list) belongs to the manager that applied it; another manager that applies another
//! value gets a conflict or, by force, the field; and a field that its last owner no longer
//! applies goes away. Of Kargo it plays the admission that needs a labelled namespace, the
//! controller that makes a project ready, and the webhook that names Promotions.
//!
//! It knows no schemas and merges no lists by key.

#![allow(
    dead_code,
    reason = "two test programs share this file, and each uses a part of it"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Group and version, kind, plural, namespaced.
const KINDS: &[(&str, &str, &str, bool)] = &[
    ("v1", "Namespace", "namespaces", false),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rolebindings",
        true,
    ),
    ("kargo.akuity.io/v1alpha1", "Project", "projects", false),
    (
        "kargo.akuity.io/v1alpha1",
        "ProjectConfig",
        "projectconfigs",
        true,
    ),
    ("kargo.akuity.io/v1alpha1", "Promotion", "promotions", true),
    (
        "kargo.akuity.io/v1alpha1",
        "PromotionTask",
        "promotiontasks",
        true,
    ),
    ("kargo.akuity.io/v1alpha1", "Stage", "stages", true),
    ("kargo.akuity.io/v1alpha1", "Warehouse", "warehouses", true),
    (
        "argoproj.io/v1alpha1",
        "AnalysisTemplate",
        "analysistemplates",
        true,
    ),
];

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// Takes the target of a request line apart.
    pub(crate) fn new(method: &str, target: &str, content_type: &str, body: Vec<u8>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self {
            method: method.into(),
            path: path.into(),
            query: pairs
                .map(|(key, value)| (decode(key), decode(value)))
                .collect(),
            content_type: content_type.into(),
            body,
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn is_dry(&self) -> bool {
        let all = json!(["All"]);
        self.query.get("dryRun").is_some_and(|value| value == "All")
            || (self.method == "DELETE" && self.json()["dryRun"] == all)
    }

    fn manager(&self) -> String {
        self.query
            .get("fieldManager")
            .cloned()
            .unwrap_or_else(|| "unknown".into())
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self {
            code: 200,
            retry_after: None,
            body,
        }
    }

    /// A failure as the API server words it.
    pub(crate) fn status(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            retry_after: None,
            body: json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "reason": reason, "message": message.into(), "code": code,
            }),
        }
    }
}

/// What answers instead of the server.
pub(crate) enum Trouble {
    Answer(Answer),
    /// The connection is lost before an answer.
    Lost,
}

struct Rule {
    method: &'static str,
    /// How the path must end; empty fits all.
    path: &'static str,
    times: usize,
    trouble: Box<dyn Fn() -> Trouble + Send>,
}

#[derive(Clone, Debug)]
struct Stored {
    value: Value,
    /// The leaves that each manager owns.
    owners: BTreeMap<String, BTreeSet<Vec<String>>>,
}

/// Where an object is: the path of its collection, and its name.
type Place = (String, String);

/// What happens after a request, by its method and path.
type After = Box<dyn FnMut(&mut FakeApi, &str) + Send>;

/// The server.
#[derive(Default)]
pub(crate) struct FakeApi {
    objects: BTreeMap<Place, Stored>,
    version: u64,
    rules: Vec<Rule>,
    /// Method and path of every request.
    pub(crate) log: Vec<String>,
    /// Groups that are not installed.
    pub(crate) missing: BTreeSet<&'static str>,
    /// How many looks a project needs to be ready; without a number it never is.
    pub(crate) ready_after: Option<usize>,
    /// Warehouses without freight.
    pub(crate) without_freight: BTreeSet<&'static str>,
    /// How many objects a page of a list has at most.
    pub(crate) page: Option<usize>,
    after: Option<After>,
}

impl FakeApi {
    pub(crate) fn new() -> Self {
        Self {
            ready_after: Some(0),
            ..Self::default()
        }
    }

    /// Makes the next requests of a kind fail.
    pub(crate) fn trouble(
        &mut self,
        method: &'static str,
        path: &'static str,
        times: usize,
        trouble: impl Fn() -> Trouble + Send + 'static,
    ) {
        self.rules.push(Rule {
            method,
            path,
            times,
            trouble: Box::new(trouble),
        });
    }

    /// Does something after each request.
    pub(crate) fn after_with(&mut self, after: impl FnMut(&mut Self, &str) + Send + 'static) {
        self.after = Some(Box::new(after));
    }

    /// How many requests there were of a method to paths that end so.
    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        let fits = |line: &&String| line.starts_with(&format!("{method} ")) && line.ends_with(path);
        self.log.iter().filter(fits).count()
    }

    /// An object as it is stored: `get("Stage", "web")`.
    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects
            .values()
            .map(|stored| &stored.value)
            .find(|value| value["kind"] == kind && value["metadata"]["name"] == name)
    }

    /// `Kind name` of all objects, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .objects
            .values()
            .map(|stored| {
                let (kind, name) = (&stored.value["kind"], &stored.value["metadata"]["name"]);
                format!("{} {}", kind.as_str().unwrap(), name.as_str().unwrap())
            })
            .collect();
        names.sort();
        names
    }

    /// Stores an object as somebody else would by applying it.
    pub(crate) fn put(&mut self, manager: &str, object: &Value) {
        let (_, _, plural, namespaced) = kind_of(object);
        let api_version = object["apiVersion"].as_str().unwrap();
        let root = if api_version == "v1" { "/api" } else { "/apis" };
        let namespace = match namespaced {
            true => format!(
                "/namespaces/{}",
                object["metadata"]["namespace"].as_str().unwrap()
            ),
            false => String::new(),
        };
        let name = object["metadata"]["name"].as_str().unwrap();
        let target = format!(
            "{root}/{api_version}{namespace}/{plural}/{name}?fieldManager={manager}&force=true"
        );
        let answer = self.serve(&Call::new(
            "PATCH",
            &target,
            "application/apply-patch+yaml",
            object.to_string().into_bytes(),
        ));
        assert!(answer.code < 300, "{}", answer.body);
    }

    /// Changes an object as a controller would, owning nothing.
    pub(crate) fn touch(&mut self, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let stored = self
            .objects
            .values_mut()
            .find(|stored| stored.value["kind"] == kind && stored.value["metadata"]["name"] == name)
            .unwrap();
        change(&mut stored.value);
        self.version += 1;
        stored.value["metadata"]["resourceVersion"] = self.version.to_string().into();
    }

    /// Answers a request; an error is a lost connection.
    pub(crate) fn answer(&mut self, call: &Call) -> Result<Answer, std::io::Error> {
        let line = format!("{} {}", call.method, call.path);
        self.log.push(line.clone());
        let rule = self.rules.iter_mut().find(|rule| {
            rule.times > 0 && rule.method == call.method && call.path.ends_with(rule.path)
        });
        let answer = match rule.map(|rule| {
            rule.times -= 1;
            (rule.trouble)()
        }) {
            Some(Trouble::Answer(answer)) => answer,
            Some(Trouble::Lost) => {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::ConnectionReset,
                    "connection reset by peer",
                ));
            }
            None => self.serve(call),
        };
        if let Some(mut after) = self.after.take() {
            after(self, &line);
            self.after = Some(after);
        }
        Ok(answer)
    }

    fn serve(&mut self, call: &Call) -> Answer {
        let parts: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
        let (api_version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return Answer::status(404, "NotFound", "no such path"),
        };
        if self.missing.contains(api_version.as_str())
            || !KINDS.iter().any(|kind| kind.0 == api_version)
        {
            return Answer::status(
                404,
                "NotFound",
                "the server could not find the requested resource",
            );
        }
        let (namespace, plural, name) = match rest {
            [] => return Answer::ok(resources(&api_version)),
            ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
            [plural] => (None, *plural, None),
            [plural, name] => (None, *plural, Some(*name)),
            _ => return Answer::status(404, "NotFound", "no such path"),
        };
        let Some(kind) = KINDS
            .iter()
            .find(|kind| kind.0 == api_version && kind.2 == plural)
        else {
            return Answer::status(
                404,
                "NotFound",
                "the server could not find the requested resource",
            );
        };
        let collection = match name {
            Some(name) => call
                .path
                .trim_end_matches(name)
                .trim_end_matches('/')
                .to_owned(),
            None => call.path.clone(),
        };
        match (call.method.as_str(), name) {
            ("GET", None) => self.list(call, &collection),
            ("GET", Some(name)) => self.read(kind.1, &(collection, name.to_owned())),
            ("POST", None) => self.create(call, kind.1, namespace, collection),
            ("DELETE", Some(name)) => self.delete(call, &(collection, name.to_owned())),
            ("PATCH", Some(name)) => {
                let place = (collection, name.to_owned());
                if call.content_type.starts_with("application/apply-patch") {
                    self.apply(call, kind.1, namespace, place)
                } else {
                    self.merge(call, &place)
                }
            }
            _ => Answer::status(405, "MethodNotAllowed", "not here"),
        }
    }

    fn list(&self, call: &Call, collection: &str) -> Answer {
        let selector = call
            .query
            .get("labelSelector")
            .and_then(|text| text.split_once('='));
        let found: Vec<Value> = self
            .objects
            .iter()
            .filter(|((place, _), _)| place == collection)
            .map(|(_, stored)| stored.value.clone())
            .filter(|value| {
                selector.is_none_or(|(label, wanted)| value["metadata"]["labels"][label] == wanted)
            })
            .collect();
        let asked: usize = call
            .query
            .get("limit")
            .map_or(usize::MAX, |limit| limit.parse().unwrap());
        let size = self.page.unwrap_or(usize::MAX).min(asked);
        let start: usize = call
            .query
            .get("continue")
            .map_or(0, |token| token.parse().unwrap());
        let end = start.saturating_add(size).min(found.len());
        let mut items = found[start..end].to_vec();
        for item in &mut items {
            // Lists do not repeat what their items are.
            let item = item.as_object_mut().unwrap();
            item.remove("kind");
            item.remove("apiVersion");
        }
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if end < found.len() {
            metadata["continue"] = end.to_string().into();
        }
        Answer::ok(
            json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}),
        )
    }

    fn read(&mut self, kind: &str, place: &Place) -> Answer {
        if kind == "Project" {
            self.reconcile(place);
        }
        match self.objects.get(place) {
            Some(stored) => Answer::ok(stored.value.clone()),
            None => not_found(place),
        }
    }

    /// Kargo's controller looks at a project.
    fn reconcile(&mut self, place: &Place) {
        let ready = self.ready_after == Some(0);
        self.ready_after = self.ready_after.map(|looks| looks.saturating_sub(1));
        if let Some(stored) = self.objects.get_mut(place) {
            stored.value["status"] = json!({"conditions": [{
                "type": "Ready",
                "status": if ready { "True" } else { "False" },
                "reason": if ready { "Synced" } else { "NamespaceNotReady" },
                "message": if ready { "" } else { "the namespace is being made" },
            }]});
        }
    }

    /// What stands in the way of an object in a namespace.
    fn admit(&self, kind: &str, namespace: Option<&str>) -> Option<Answer> {
        let namespace = namespace?;
        let place = ("/api/v1/namespaces".to_owned(), namespace.to_owned());
        let Some(stored) = self.objects.get(&place) else {
            return Some(Answer::status(
                404,
                "NotFound",
                format!("namespaces {namespace:?} not found"),
            ));
        };
        let kargo = KINDS
            .iter()
            .any(|it| it.1 == kind && it.0.starts_with("kargo"));
        let labelled = stored.value["metadata"]["labels"]["kargo.akuity.io/project"] == "true";
        (kargo && !labelled).then(|| {
            Answer::status(
                403,
                "Forbidden",
                format!("admission webhook denied the request: {namespace} is no project"),
            )
        })
    }

    fn create(
        &mut self,
        call: &Call,
        kind: &str,
        namespace: Option<&str>,
        collection: String,
    ) -> Answer {
        if let Some(refusal) = self.admit(kind, namespace) {
            return refusal;
        }
        let mut object = call.json();
        if kind == "Promotion" {
            let origin = object["spec"]["origin"]["name"]
                .as_str()
                .unwrap()
                .to_owned();
            if self.without_freight.contains(origin.as_str()) {
                return Answer::status(
                    403,
                    "Forbidden",
                    format!(
                        "admission webhook denied the request: no candidate for Warehouse/{origin}"
                    ),
                );
            }
            let stage = object["spec"]["stage"].as_str().unwrap().to_owned();
            if self.get("Stage", &stage).is_none() {
                return Answer::status(
                    404,
                    "NotFound",
                    format!("admission webhook denied the request: there is no Stage {stage:?}"),
                );
            }
            object["metadata"]["name"] = format!("{stage}.{:026}.abc1234", self.version).into();
        }
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let place = (collection, name);
        if self.objects.contains_key(&place) {
            return Answer::status(409, "AlreadyExists", format!("{} already exists", place.1));
        }
        let owners = BTreeMap::from([(call.manager(), leaves(&object))]);
        self.store(call, place, object, owners, 201)
    }

    fn delete(&mut self, call: &Call, place: &Place) -> Answer {
        let Some(stored) = self.objects.get(place) else {
            return not_found(place);
        };
        let wanted = &call.json()["preconditions"]["uid"];
        if !wanted.is_null() && *wanted != stored.value["metadata"]["uid"] {
            return Answer::status(409, "Conflict", "the UID in the precondition is another");
        }
        if !call.is_dry() {
            self.objects.remove(place);
        }
        Answer::ok(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
    }

    fn merge(&mut self, call: &Call, place: &Place) -> Answer {
        let Some(stored) = self.objects.get(place) else {
            return not_found(place);
        };
        let (mut object, mut owners) = (stored.value.clone(), stored.owners.clone());
        let patch = call.json();
        owners
            .entry(call.manager())
            .or_default()
            .extend(leaves(&patch));
        merge(&mut object, &patch);
        self.store(call, place.clone(), object, owners, 200)
    }

    fn apply(&mut self, call: &Call, kind: &str, namespace: Option<&str>, place: Place) -> Answer {
        if let Some(refusal) = self.admit(kind, namespace) {
            return refusal;
        }
        let manager = call.manager();
        let applied = call.json();
        let mine = leaves(&applied);
        let Some(stored) = self.objects.get(&place) else {
            let owners = BTreeMap::from([(manager, mine)]);
            return self.store(call, place, applied, owners, 201);
        };
        let (mut object, mut owners) = (stored.value.clone(), stored.owners.clone());
        let force = call.query.get("force").is_some_and(|force| force == "true");
        let mut conflicts = Vec::new();
        for (other, fields) in owners.iter_mut().filter(|(other, _)| **other != manager) {
            let taken: Vec<_> = mine
                .iter()
                .filter(|path| fields.contains(*path) && at(&object, path) != at(&applied, path))
                .cloned()
                .collect();
            for path in taken {
                if force {
                    fields.remove(&path);
                } else {
                    conflicts.push(json!({
                        "reason": "FieldManagerConflict",
                        "message": format!("conflict with {other:?} using v1"),
                        "field": format!(".{}", path.join(".")),
                    }));
                }
            }
        }
        if !conflicts.is_empty() {
            let mut answer = Answer::status(409, "Conflict", "Apply failed with conflicts");
            answer.body["details"] = json!({"causes": conflicts});
            return answer;
        }
        let before = owners.insert(manager, mine.clone()).unwrap_or_default();
        for path in before.difference(&mine) {
            if !owners.values().any(|fields| fields.contains(path)) {
                remove(&mut object, path);
            }
        }
        for path in &mine {
            set(&mut object, path, at(&applied, path).cloned().unwrap());
        }
        self.store(call, place, object, owners, 200)
    }

    /// Stores what changed, unless the request is dry, and answers with the object.
    fn store(
        &mut self,
        call: &Call,
        place: Place,
        mut value: Value,
        owners: BTreeMap<String, BTreeSet<Vec<String>>>,
        code: u16,
    ) -> Answer {
        let managed: Vec<Value> = owners
            .keys()
            .map(|manager| json!({"manager": manager, "operation": "Apply"}))
            .collect();
        value["metadata"]["managedFields"] = managed.into();
        let before = self.objects.get(&place);
        let same = before.is_some_and(|before| before.value == value && before.owners == owners);
        if !same && !call.is_dry() {
            self.version += 1;
            value["metadata"]["resourceVersion"] = self.version.to_string().into();
            if before.is_none() {
                value["metadata"]["uid"] = format!("uid-{}", self.version).into();
                value["metadata"]["creationTimestamp"] = "2026-11-23T12:00:00Z".into();
            }
            let generation = before.map_or(0, |it| {
                it.value["metadata"]["generation"].as_u64().unwrap_or(0)
            });
            value["metadata"]["generation"] = (generation + 1).into();
            let stored = Stored {
                value: value.clone(),
                owners,
            };
            self.objects.insert(place, stored);
        }
        Answer {
            code,
            retry_after: None,
            body: value,
        }
    }
}

fn kind_of(object: &Value) -> (&str, &str, &str, bool) {
    *KINDS
        .iter()
        .find(|kind| object["apiVersion"] == kind.0 && object["kind"] == kind.1)
        .unwrap()
}

fn resources(api_version: &str) -> Value {
    let resources: Vec<Value> = KINDS
        .iter()
        .filter(|kind| kind.0 == api_version)
        .flat_map(|(_, kind, plural, namespaced)| {
            ["", "/status"].map(|sub| {
                json!({
                    "name": format!("{plural}{sub}"), "singularName": "", "kind": kind,
                    "namespaced": namespaced, "verbs": ["get", "list", "patch"],
                })
            })
        })
        .collect();
    json!({"kind": "APIResourceList", "groupVersion": api_version, "resources": resources})
}

fn not_found(place: &Place) -> Answer {
    Answer::status(404, "NotFound", format!("{:?} not found", place.1))
}

/// The paths of all scalars and lists, without those that name the object.
fn leaves(value: &Value) -> BTreeSet<Vec<String>> {
    fn walk(value: &Value, path: &mut Vec<String>, found: &mut BTreeSet<Vec<String>>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    path.push(key.clone());
                    walk(value, path, found);
                    path.pop();
                }
            }
            _ => {
                found.insert(path.clone());
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(value, &mut Vec::new(), &mut found);
    let naming = ["apiVersion", "kind", "metadata.name", "metadata.namespace"];
    found.retain(|path| !naming.contains(&path.join(".").as_str()));
    found
}

fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn set(value: &mut Value, path: &[String], new: Value) {
    match path {
        [] => *value = new,
        [key, rest @ ..] => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            set(&mut value[key.as_str()], rest, new);
        }
    }
}

fn remove(value: &mut Value, path: &[String]) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let parent = parents
        .iter()
        .try_fold(value, |value, key| value.get_mut(key));
    if let Some(Value::Object(parent)) = parent {
        parent.remove(last);
    }
}

/// JSON merge patch, RFC 7396.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    for (key, patch) in patch {
        if patch.is_null() {
            value.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut value[key.as_str()], patch);
        }
    }
}
