//! When a tag was made to point at what it points at, as far as its registry says so.
//!
//! The API of OCI has no such time. These are what some registries have beside it, each with the page
//! that describes it. What a registry says of another digest than the one that was seen is no answer.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use imgfac_model::{Digest, PushTimes, Tag};
use jiff::Timestamp;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::ask::{Failure, What};
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::registry::Registry;

/// What is said of one tag may be this long, in bytes.
const TAG_LIMIT: u64 = 1 << 20;
/// What is said of all tags of a repository may be this long, in bytes.
const LIST_LIMIT: u64 = 16 << 20;

/// What a registry that everybody knows is asked.
pub(crate) fn usual(host: &str) -> PushTimes {
    match host {
        "docker.io" => PushTimes::DockerHub,
        "quay.io" => PushTimes::Quay,
        "gcr.io" => PushTimes::Google,
        _ if host.ends_with(".gcr.io") || host.ends_with("-docker.pkg.dev") => PushTimes::Google,
        _ => PushTimes::None,
    }
}

impl Registry {
    /// When a tag was made to point at a digest; `None` where the registry does not say so, or says
    /// it of another digest. It is asked once, and no more in this run where that went wrong: the
    /// time is good to have and worth no wait.
    ///
    /// # Errors
    ///
    /// When it cannot be asked, or gives an answer that is none.
    pub fn pushed(
        &self,
        kind: PushTimes,
        repository: &str,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<Option<Timestamp>, RegistryError> {
        if self.tells_no_times.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let found = match kind {
            PushTimes::None => Ok(None),
            PushTimes::DockerHub => self.at_docker_hub(repository, tag, digest),
            PushTimes::Google => self.at_google(repository, tag, digest),
            PushTimes::Harbor => self.at_harbor(repository, tag, digest),
            PushTimes::Quay => self.at_quay(repository, tag, digest),
        };
        found.map_err(|failure| {
            let (Failure::Final(error) | Failure::Again { error, .. }) = failure;
            if error.ends_it() || matches!(error, RegistryError::Refused { .. }) {
                self.tells_no_times.store(true, Ordering::Relaxed);
            }
            error
        })
    }

    /// <https://docs.docker.com/reference/api/hub/latest/operations/GetRepositoryTag.md>. Its schema
    /// does not list `digest`, which is there all the same; where it is not, nothing is believed.
    fn at_docker_hub(&self, repository: &str, tag: &Tag, digest: &Digest) -> Answer {
        let Some((namespace, name)) = repository.split_once('/') else {
            return Ok(None);
        };
        let path = ["v2", "namespaces", namespace, "repositories", name, "tags"];
        let url = match self.host.as_str() {
            "docker.io" => Url::parse("https://hub.docker.com/").ok(),
            _ => Some(self.base.clone()),
        };
        let url = url.and_then(|url| at(url, path.into_iter().chain([tag.as_str()])));
        self.ask_about(url, repository, tag, false, |text| docker_hub(text, digest))
    }

    /// The list of tags, which has all manifests of the repository here: no page of Google describes
    /// that, its own client reads it
    /// (<https://github.com/google/go-containerregistry/blob/main/pkg/v1/google/list.go>).
    fn at_google(&self, repository: &str, tag: &Tag, digest: &Digest) -> Answer {
        self.spend(&self.pages).map_err(Failure::Final)?;
        let what = What::Tags("");
        let answer = self.attempt(&Method::GET, repository, what, None)?;
        let text = self.body(answer, LIST_LIMIT, repository, what);
        let found = google(&text.map_err(Failure::Final)?, tag, digest);
        found.map_err(|problem| Failure::Final(self.unusable(repository, what, &problem)))
    }

    /// `getArtifact` of <https://github.com/goharbor/harbor/blob/main/api/v2.0/swagger.yaml>: the name
    /// of a repository is escaped twice. It takes the password that the registry takes.
    fn at_harbor(&self, repository: &str, tag: &Tag, digest: &Digest) -> Answer {
        let Some((project, name)) = repository.split_once('/') else {
            return Ok(None);
        };
        let name = name.replace('/', "%2F");
        let project = ["api", "v2.0", "projects", project, "repositories", &name];
        let path = project.into_iter().chain(["artifacts", tag.as_str()]);
        let url = at(self.base.clone(), path);
        self.ask_about(url, repository, tag, true, |text| harbor(text, tag, digest))
    }

    /// <https://docs.redhat.com/en/documentation/red_hat_quay/3/html/use_red_hat_quay/viewing-tag-history-v2-api>.
    /// Only what everybody may read: it takes no password, but tokens of its own.
    fn at_quay(&self, repository: &str, tag: &Tag, digest: &Digest) -> Answer {
        let path = ["api", "v1", "repository"].into_iter();
        let path = path.chain(repository.split('/')).chain(["tag", ""]);
        let url = at(self.base.clone(), path).map(|mut url| {
            url.query_pairs_mut()
                .append_pair("specificTag", tag.as_str())
                .append_pair("onlyActiveTags", "true");
            url
        });
        self.ask_about(url, repository, tag, false, |text| quay(text, tag, digest))
    }

    /// Asks once about a tag, first without a password.
    fn ask_about(
        &self,
        url: Option<Url>,
        repository: &str,
        tag: &Tag,
        with_password: bool,
        read: impl Fn(&[u8]) -> Result<Option<Timestamp>, String>,
    ) -> Answer {
        let what = What::Tag(tag);
        let unusable = |problem: &str| Failure::Final(self.unusable(repository, what, problem));
        let url = url.ok_or_else(|| unusable("its name is no address"))?;
        let request = || {
            self.http
                .get(url.clone())
                .header("accept", "application/json")
        };
        let mut answer = self.send(request(), repository, what)?;
        if with_password && answer.status() == 401 {
            let credentials = self.credentials().map_err(Failure::Final)?;
            if let Credentials::Password { user, password } = credentials {
                let request = request().basic_auth(user, Some(password.expose()));
                answer = self.send(request, repository, what)?;
            }
        }
        let answer = self.judge(answer, repository, what)?;
        let text = self.body(answer, TAG_LIMIT, repository, what);
        read(&text.map_err(Failure::Final)?).map_err(|problem| unusable(&problem))
    }
}

type Answer = Result<Option<Timestamp>, Failure>;

/// An address on the same server.
fn at<'p>(mut url: Url, path: impl Iterator<Item = &'p str>) -> Option<Url> {
    url.path_segments_mut().ok()?.clear().extend(path);
    Some(url)
}

/// Reads an answer; what is wrong with it is not repeated.
fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|_| "it does not say when a tag was pushed".to_owned())
}

#[derive(Deserialize)]
struct HubTag {
    digest: Option<String>,
    tag_last_pushed: Option<String>,
}

fn docker_hub(text: &[u8], digest: &Digest) -> Result<Option<Timestamp>, String> {
    let tag: HubTag = read(text)?;
    let ours = tag.digest.as_deref() == Some(digest.as_str());
    let pushed = tag.tag_last_pushed.filter(|_| ours);
    Ok(pushed.and_then(|time| time.parse().ok()))
}

#[derive(Deserialize)]
struct GoogleTags {
    manifest: BTreeMap<String, GoogleManifest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GoogleManifest {
    #[serde(default)]
    tag: Vec<String>,
    /// Milliseconds: text in Container Registry, a number in Artifact Registry.
    time_uploaded_ms: Option<serde_json::Value>,
}

fn google(text: &[u8], tag: &Tag, digest: &Digest) -> Result<Option<Timestamp>, String> {
    let tags: GoogleTags = read(text)?;
    let manifest = tags.manifest.get(digest.as_str());
    let manifest = manifest.filter(|it| it.tag.iter().any(|it| it == tag.as_str()));
    let uploaded = manifest.and_then(|it| it.time_uploaded_ms.as_ref());
    let milliseconds = uploaded.and_then(|it| match it.as_str() {
        Some(text) => text.parse().ok(),
        None => it.as_i64(),
    });
    Ok(milliseconds.and_then(|it| Timestamp::from_millisecond(it).ok()))
}

#[derive(Deserialize)]
struct HarborArtifact {
    digest: String,
    // `null` for one without tags.
    tags: Option<Vec<HarborTag>>,
}

#[derive(Deserialize)]
struct HarborTag {
    name: String,
    push_time: Option<String>,
}

fn harbor(text: &[u8], tag: &Tag, digest: &Digest) -> Result<Option<Timestamp>, String> {
    let artifact: HarborArtifact = read(text)?;
    let tags = artifact.tags.filter(|_| artifact.digest == digest.as_str());
    let ours = tags
        .into_iter()
        .flatten()
        .find(|it| it.name == tag.as_str());
    Ok(ours.and_then(|it| it.push_time?.parse().ok()))
}

#[derive(Deserialize)]
struct QuayTags {
    tags: Vec<QuayTag>,
}

#[derive(Deserialize)]
struct QuayTag {
    name: String,
    manifest_digest: Option<String>,
    /// Seconds.
    start_ts: Option<i64>,
}

fn quay(text: &[u8], tag: &Tag, digest: &Digest) -> Result<Option<Timestamp>, String> {
    let tags: QuayTags = read(text)?;
    let is_ours = |it: &QuayTag| {
        it.name == tag.as_str() && it.manifest_digest.as_deref() == Some(digest.as_str())
    };
    let ours = tags.tags.into_iter().filter(is_ours);
    let since = ours.filter_map(|it| it.start_ts).max();
    Ok(since.and_then(|it| Timestamp::from_second(it).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an answer says of tag `1` and the digest of letters `a`, which stands for `A` in it.
    fn check(
        read: impl Fn(&[u8], &Tag, &Digest) -> Result<Option<Timestamp>, String>,
        text: &str,
        expected: &str,
    ) {
        let digest = format!("sha256:{}", "a".repeat(64));
        let text = text.replace("\"A\"", &format!("{digest:?}"));
        let (tag, digest) = (Tag::parse("1").unwrap(), Digest::parse(&digest).unwrap());
        let found = match read(text.as_bytes(), &tag, &digest) {
            Ok(Some(time)) => time.to_string(),
            Ok(None) => "-".to_owned(),
            Err(problem) => problem,
        };
        assert_eq!(found, expected, "{text}");
    }

    const NOTHING: &str = "it does not say when a tag was pushed";

    #[test]
    fn docker_hub_says_when_a_tag_was_pushed() {
        let check =
            |text, expected| check(|text, _, digest| docker_hub(text, digest), text, expected);
        check(
            r#"{"name": "1", "digest": "A", "tag_last_pushed": "2021-01-05T21:06:53.506400Z", "images": []}"#,
            "2021-01-05T21:06:53.5064Z",
        );
        for other in [
            r#"{"digest": "sha256:b", "tag_last_pushed": "2021-01-05T21:06:53Z"}"#,
            r#"{"tag_last_pushed": "2021-01-05T21:06:53Z"}"#,
            r#"{"digest": "A", "tag_last_pushed": null}"#,
            r#"{"digest": "A", "tag_last_pushed": "yesterday"}"#,
            "{}",
        ] {
            check(other, "-");
        }
        check("<html>", NOTHING);
        check(r#"{"digest": ["A"]}"#, NOTHING);
    }

    #[test]
    fn google_says_when_a_manifest_was_uploaded() {
        let check = |text: &str, expected: &str| check(google, text, expected);
        let both = r#"{"child": [], "manifest": {"A": {"tag": ["x", "1"], "timeCreatedMs": "1", "timeUploadedMs": "1597767277119"}, "sha256:b": {"tag": []}}, "tags": ["1"]}"#;
        check(both, "2020-08-18T16:14:37.119Z");
        check(
            &both.replace("\"1597767277119\"", "1597767277119"),
            "2020-08-18T16:14:37.119Z",
        );
        check(
            &both.replace("\"1\"]}", "\"2\"]}"),
            "2020-08-18T16:14:37.119Z",
        );
        check(&both.replace("[\"x\", \"1\"]", "[\"x\"]"), "-");
        check(&both.replace("\"A\"", "\"sha256:c\""), "-");
        check(&both.replace("1597767277119", "99999999999999999999"), "-");
        check(&both.replace("\"1597767277119\"", "[1]"), "-");
        check(r#"{"name": "x", "tags": ["1"]}"#, NOTHING);
    }

    #[test]
    fn harbor_says_when_a_tag_was_pushed() {
        let check = |text: &str, expected: &str| check(harbor, text, expected);
        let both = r#"{"digest": "A", "push_time": "2025-01-01T00:00:00.000Z", "tags": [{"name": "0", "push_time": "2025-01-02T00:00:00.000Z"}, {"name": "1", "push_time": "2025-01-03T00:00:00.000Z"}]}"#;
        check(both, "2025-01-03T00:00:00Z");
        check(&both.replace("\"A\"", "\"sha256:b\""), "-");
        check(&both.replace("\"1\"", "\"2\""), "-");
        check(
            r#"{"digest": "A", "push_time": "2025-01-01T00:00:00Z", "tags": null}"#,
            "-",
        );
        check(r#"{"errors": [{"code": "NOT_FOUND"}]}"#, NOTHING);
    }

    #[test]
    fn quay_says_since_when_a_tag_is_what_it_is() {
        let check = |text: &str, expected: &str| check(quay, text, expected);
        let tag =
            r#"{"name": "1", "reversion": false, "start_ts": 1717680780, "manifest_digest": "A"}"#;
        let list =
            |tags: &str| format!(r#"{{"tags": [{tags}], "page": 1, "has_additional": false}}"#);
        check(&list(tag), "2024-06-06T13:33:00Z");
        check(
            &list(&format!("{}, {tag}", tag.replace("680780", "680378"))),
            "2024-06-06T13:33:00Z",
        );
        check(&list(&tag.replace("\"1\"", "\"2\"")), "-");
        check(&list(&tag.replace("\"A\"", "\"sha256:b\"")), "-");
        check(
            &list(&tag.replace("1717680780", "9223372036854775807")),
            "-",
        );
        check(&list(""), "-");
        check("[]", NOTHING);
    }

    #[test]
    fn registries_that_everybody_knows_need_no_setting() {
        for (host, expected) in [
            ("docker.io", PushTimes::DockerHub),
            ("quay.io", PushTimes::Quay),
            ("gcr.io", PushTimes::Google),
            ("eu.gcr.io", PushTimes::Google),
            ("europe-west1-docker.pkg.dev", PushTimes::Google),
            ("ghcr.io", PushTimes::None),
            ("notgcr.io", PushTimes::None),
            ("gcr.io.example.com", PushTimes::None),
        ] {
            assert_eq!(usual(host), expected, "{host}");
        }
    }
}
