//! A registry in memory, whose images say what they stand on as BuildKit and Buildah do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::ci_server::{CiRequest, Reply, lock, serve};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The server; it ends with the process. It takes no pushes by HTTP: a test puts images there.
#[derive(Clone, Debug)]
pub struct FakeRegistry {
    host: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    content: BTreeMap<String, (String, &'static str)>,
    /// What `repository:tag` points at.
    tags: BTreeMap<String, String>,
    closed: bool,
    broken: bool,
    /// When `repository:tag` was pushed.
    pushed: BTreeMap<String, String>,
    asked: Vec<String>,
}

/// What an image says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pushed<'p> {
    /// What its only layer has: two images with the same have the same layers.
    pub layer: &'p str,
    /// What makes two images with the same layer differ, such as the time of their builds, which it
    /// is said to be.
    pub built: &'p str,
    /// A base, as `host/repository:tag`, with its digest, and where that stands.
    pub on: Option<(&'p str, &'p str, Proof)>,
}

/// Where an image says what it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// In the annotations `org.opencontainers.image.base.*`.
    Annotations,
    /// In the provenance that BuildKit attaches.
    Provenance,
}

impl FakeRegistry {
    /// A registry without images.
    #[must_use]
    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let host = serve(move |request| {
            let mut state = lock(&shared);
            let asked = format!("{} {}", request.method, request.path);
            state.asked.push(asked);
            state.answer(request)
        });
        Self { host, state }
    }

    /// What it was asked since the last time, as `METHOD /path`, sorted.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut lock(&self.state).asked);
        asked.sort();
        asked
    }

    /// Lets it say, as Harbor and Docker Hub do, when `repository:tag` was pushed.
    pub fn tell_pushed(&self, image: &str, time: &str) {
        let mut state = lock(&self.state);
        state.pushed.insert(image.to_owned(), time.to_owned());
    }

    /// Its host and port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Lets nobody in from now on, or everybody again.
    pub fn set_closed(&self, closed: bool) {
        lock(&self.state).closed = closed;
    }

    /// Answers nothing but errors from now on, or is well again.
    pub fn set_broken(&self, broken: bool) {
        lock(&self.state).broken = broken;
    }

    /// Puts an image there as `repository:tag`, and gives its digest.
    pub fn push(&self, image: &str, pushed: &Pushed<'_>) -> String {
        let mut state = lock(&self.state);
        let digest = state.image(pushed);
        state.tags.insert(image.to_owned(), digest.clone());
        digest
    }
}

impl State {
    fn put(&mut self, content: &Value, kind: &'static str) -> String {
        let text = content.to_string();
        let hash = Sha256::digest(&text);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = format!("sha256:{hash}");
        self.content.insert(digest.clone(), (text, kind));
        digest
    }

    /// A descriptor of content that is put there.
    fn described(&mut self, content: &Value, kind: &'static str) -> Value {
        let digest = self.put(content, kind);
        json!({"mediaType": kind, "digest": digest, "size": content.to_string().len()})
    }

    fn image(&mut self, pushed: &Pushed<'_>) -> String {
        let config = json!({"architecture": "amd64", "os": "linux", "author": pushed.built, "created": pushed.built});
        let config = self.described(&config, "application/vnd.oci.image.config.v1+json");
        let layer = json!(pushed.layer);
        let layer = self.described(&layer, "application/vnd.oci.image.layer.v1.tar");
        let mut manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let Some((base, digest, proof)) = pushed.on else {
            return self.put(&manifest, MANIFEST);
        };
        if proof == Proof::Annotations {
            manifest["annotations"] = json!({
                "org.opencontainers.image.base.name": base,
                "org.opencontainers.image.base.digest": digest,
            });
            return self.put(&manifest, MANIFEST);
        }
        let mut image = self.described(&manifest, MANIFEST);
        image["platform"] = json!({"os": "linux", "architecture": "amd64"});
        let (name, tag) = base.rsplit_once(':').unwrap_or((base, "latest"));
        let kind = "https://slsa.dev/provenance/v0.2";
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind,
            "predicate": {"materials": [{
                "uri": format!("pkg:docker/{}@{tag}?platform=linux%2Famd64", name.replace(':', "%3A")),
                "digest": {"sha256": digest.trim_start_matches("sha256:")},
            }]},
        });
        let mut statement = self.described(&statement, "application/vnd.in-toto+json");
        statement["annotations"] = json!({"in-toto.io/predicate-type": kind});
        let attestation = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": statement, "layers": [statement]});
        let mut attestation = self.described(&attestation, MANIFEST);
        attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        attestation["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image["digest"],
        });
        let index =
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image, attestation]});
        self.put(&index, INDEX)
    }

    fn answer(&self, request: &CiRequest) -> Reply {
        if self.broken {
            return Reply::refusal(503, "denied");
        }
        if self.closed {
            return Reply::refusal(403, "denied");
        }
        let missing = || Reply::refusal(404, "not here");
        if let Some(reply) = self.when_pushed(&request.path) {
            return reply;
        }
        let Some(path) = request.path.strip_prefix("/v2/") else {
            return missing();
        };
        if let Some(repository) = path.strip_suffix("/tags/list") {
            let prefix = format!("{repository}:");
            let tags = self.tags.keys().filter_map(|tag| tag.strip_prefix(&prefix));
            return Reply::Json(
                200,
                json!({"name": repository, "tags": tags.collect::<Vec<_>>()}),
            );
        }
        let parts = (path.split_once("/manifests/")).or_else(|| path.split_once("/blobs/"));
        let Some((repository, name)) = parts else {
            return Reply::Json(200, json!({}));
        };
        let tag = self.tags.get(&format!("{repository}:{name}"));
        let digest = tag.map_or(name, String::as_str);
        let Some((text, kind)) = self.content.get(digest) else {
            return missing();
        };
        let headers = vec![
            ("Docker-Content-Digest", digest.to_owned()),
            ("Content-Type", (*kind).to_owned()),
        ];
        Reply::Text(200, headers, text.clone())
    }

    /// The answer to a question that only Harbor and Docker Hub know.
    fn when_pushed(&self, path: &str) -> Option<Reply> {
        let harbor = path.strip_prefix("/api/v2.0/projects/");
        let path = harbor.or_else(|| path.strip_prefix("/v2/namespaces/"))?;
        let (namespace, rest) = path.split_once("/repositories/")?;
        let (name, tag) = (rest.split_once("/artifacts/")).or_else(|| rest.split_once("/tags/"))?;
        let image = format!("{namespace}/{name}:{tag}");
        let time = self.pushed.get(&image);
        Some(match (self.tags.get(&image), harbor) {
            (None, _) => Reply::refusal(404, "not here"),
            (Some(digest), Some(_)) => {
                let tag = json!({"name": tag, "push_time": time});
                Reply::Json(200, json!({"digest": digest, "tags": [tag]}))
            }
            (Some(digest), None) => Reply::Json(
                200,
                json!({"name": tag, "digest": digest, "tag_last_pushed": time}),
            ),
        })
    }
}
