//! What the steps of a rebuild decide, by running them.

use std::collections::BTreeMap;

use imgfac_kargo::{Manifests, Resource, Stage, Step};
use imgfac_model::{Delay, Provider, WebUrl};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::fleet::{Owned, managed, published, stands_on};
use crate::kargo::{Cluster, Progress, Promotion};

/// The situation of `web`, which stands on node:22, alpine:3 and `parent`, and what it comes to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(flatten)]
    first: Situation,
    /// What is different at a later poll.
    then: Option<Json>,
    #[serde(default)]
    actor: String,
    #[serde(default = "promotion")]
    promotion: String,
    expect: String,
}

fn promotion() -> String {
    "rebuild-trigger-web.01kjqf7y00abcdefghjkmnpqrs.0123456".into()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Situation {
    now: String,
    /// The digests of each base and when they were first seen.
    #[serde(default)]
    seen: BTreeMap<String, Vec<(String, String)>>,
    /// The ConfigMap of what was built.
    #[serde(default)]
    built: BTreeMap<String, String>,
    /// What the Stage remembers.
    #[serde(default)]
    baselines: BTreeMap<String, String>,
    last: Option<String>,
    parent_dispatched: Option<String>,
    #[serde(rename = "override")]
    asked: Option<String>,
}

/// The situation as a cluster has it.
impl Situation {
    fn cluster(&self) -> Cluster {
        let key = |base: &str| match base {
            "parent" => "web.parent".to_owned(),
            base => format!("web.base-{base}"),
        };
        let mut cluster = Cluster {
            now: self.now.clone(),
            ..Cluster::default()
        };
        for (base, seen) in &self.seen {
            let history: Vec<_> = seen
                .iter()
                .map(|(digest, at)| json!({"digest": digest_of(digest), "at": at}))
                .collect();
            let stage = match base.as_str() {
                "parent" => "observe-image-parent".into(),
                base => format!("observe-{base}"),
            };
            cluster.stages.insert(stage, json!({"history": history}));
        }
        if let Some(at) = &self.parent_dispatched {
            cluster.stages.insert(
                "rebuild-trigger-parent".into(),
                json!({"lastDispatchAt": at}),
            );
        }
        let mut memory = serde_json::Map::new();
        if let Some(at) = &self.last {
            memory.insert("lastDispatchAt".into(), json!(at));
        }
        if !self.baselines.is_empty() {
            let baselines: Vec<_> = self
                .baselines
                .iter()
                .map(|(base, digest)| json!({"key": key(base), "digest": digest_of(digest)}))
                .collect();
            memory.insert("baselines".into(), json!(baselines));
        }
        if !memory.is_empty() {
            cluster
                .stages
                .insert("rebuild-trigger-web".into(), Json::Object(memory));
        }
        let built = self
            .built
            .iter()
            .map(|(base, digest)| (key(base), digest_of(digest)))
            .collect();
        cluster.maps.insert("imgfac-built".into(), built);
        if let Some(asked) = &self.asked {
            cluster.maps.insert(
                "imgfac-overrides".into(),
                BTreeMap::from([("web".into(), asked.clone())]),
            );
        }
        cluster
    }
}

fn digest_of(short: &str) -> String {
    format!("sha256:{}", short.repeat(64))
}

/// `web` on three bases, of which one is ours.
fn fleet(provider: Provider) -> Owned {
    let mut fleet = Owned::default();
    fleet.bases(&["node:22", "alpine:3"]);
    fleet
        .image(managed(
            "parent",
            "ghcr.io/acme/parent",
            "acme/parent",
            "Dockerfile",
        ))
        .1 = published("main");
    let web = fleet.image(managed(
        "web",
        "ghcr.io/acme/web",
        "acme/shop",
        "Dockerfile",
    ));
    web.1 = published("main");
    stands_on(web, &["alpine-3", "node-22"], &["parent"]);
    web.0.cascade_delay = Delay::new("0").ok();
    if let Some(source) = &mut web.0.source {
        source.provider = provider;
        source.cause_inputs = true;
        source.url = WebUrl::new("https://ci.example.com/hook").ok();
        for map in [&mut source.inputs, &mut source.variables] {
            map.insert("a \"b\" \\".into(), "${{ secret('x').y }}\n<é>".into());
            map.insert("bump".into(), "1.10".into());
        }
    }
    fleet
}

fn stage<'m>(manifests: &'m Manifests, name: &str) -> &'m Stage {
    let mut stages = manifests.resources().filter_map(|resource| match resource {
        Resource::Stage(stage) if stage.metadata.name == name => Some(stage),
        _ => None,
    });
    stages.next().unwrap()
}

fn task(manifests: &Manifests) -> Vec<Step> {
    let mut tasks = manifests.resources().filter_map(|resource| match resource {
        Resource::PromotionTask(task) => Some(task.spec.steps.clone()),
        _ => None,
    });
    tasks.next().unwrap()
}

/// Runs a case and says what happened, in the words of the file.
fn outcome(manifests: &Manifests, case: &Case) -> Result<String, String> {
    let stage = stage(manifests, "rebuild-trigger-web");
    let mut promotion = Promotion::new(stage, &task(manifests), &case.promotion, &case.actor, "f1");
    let mut cluster = case.first.cluster();
    let (mut sent, ok) = (Vec::new(), json!({"status": 204, "body": {}}));
    let before = cluster.stages.get("rebuild-trigger-web").cloned();
    let mut words = Vec::new();
    let mut progress = promotion.run(&mut cluster, &ok, &mut sent)?;
    let after = cluster.stages.get("rebuild-trigger-web").cloned();
    if before != after && sent.is_empty() {
        let baselines = &after.unwrap_or_default()["baselines"];
        let mut known: Vec<_> = baselines
            .as_array()
            .unwrap()
            .iter()
            .map(|it| format!("{}={}", short(&it["key"]), short(&it["digest"])))
            .collect();
        known.sort();
        words.push(format!("remembers {}", known.join(" ")));
    }
    if progress == Progress::Waits {
        words.push("waits".into());
        if let Some(then) = &case.then {
            let mut later = case.first_as_json();
            for (key, value) in then.as_object().unwrap() {
                later[key] = value.clone();
            }
            let later: Situation = serde_json::from_value(later).unwrap();
            cluster = later.cluster();
            progress = promotion.run(&mut cluster, &ok, &mut sent)?;
            words.push("then".into());
        }
    }
    if progress == Progress::Ended {
        match sent.as_slice() {
            [] => words.push("nothing".into()),
            [request] => {
                let inputs = &request["body"]["inputs"];
                let causes: Vec<Json> =
                    serde_json::from_str(inputs["imgfac_causes"].as_str().unwrap()).unwrap();
                let causes: Vec<_> = causes
                    .iter()
                    .map(|cause| {
                        format!(
                            "{} {}->{}",
                            short(&cause["base"]),
                            short(&cause["from"]),
                            short(&cause["to"])
                        )
                    })
                    .collect();
                words.push(format!(
                    "rebuilds for {}: {}",
                    inputs["imgfac_reason"].as_str().unwrap(),
                    causes.join(", ")
                ));
                let memory = &cluster.stages["rebuild-trigger-web"];
                assert_eq!(
                    memory["lastDispatchAt"],
                    json!(cluster.now),
                    "{}",
                    case.name
                );
            }
            more => return Err(format!("{} requests", more.len())),
        }
    }
    Ok(words.join("; ").replace("then; ", "then "))
}

impl Case {
    fn first_as_json(&self) -> Json {
        let it = &self.first;
        json!({
            "now": it.now, "seen": it.seen, "built": it.built, "baselines": it.baselines,
            "last": it.last, "parentDispatched": it.parent_dispatched, "override": it.asked,
        })
    }
}

/// The first digit of a digest, or the short name of a base.
fn short(value: &Json) -> String {
    let text = value.as_str().unwrap_or("?");
    if let Some(digits) = text.strip_prefix("sha256:") {
        return digits.chars().take(1).collect();
    }
    let name = text.trim_start_matches("web.").trim_start_matches("base-");
    match name {
        "docker.io/library/node:22" => "node-22",
        "docker.io/library/alpine:3" => "alpine-3",
        "ghcr.io/acme/parent:latest" => "parent",
        other => other,
    }
    .to_owned()
}

#[test]
fn a_rebuild_comes_when_it_should() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("decisions.json")).unwrap();
    let manifests = fleet(Provider::GitHub).synthesize();
    assert_eq!(manifests.problems, []);
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let outcome =
                outcome(&manifests, case).unwrap_or_else(|error| format!("error: {error}"));
            (outcome != case.expect)
                .then(|| format!("{}: {outcome}, not: {}", case.name, case.expect))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() > 25);
}

/// A situation in which node:22 is due.
fn due() -> Situation {
    serde_json::from_value(json!({
        "now": "2026-03-09T01:00:00Z",
        "seen": {"node-22": [["1", "2026-03-01T00:00:00Z"], ["2", "2026-03-02T00:00:00Z"]]},
        "built": {"node-22": "1"},
    }))
    .unwrap()
}

/// The requests of a rebuild, answered as given.
fn requests(fleet: &Owned, answer: &Json) -> Result<(Progress, Vec<Json>), String> {
    requests_in(&due(), fleet, answer)
}

fn requests_in(
    situation: &Situation,
    fleet: &Owned,
    answer: &Json,
) -> Result<(Progress, Vec<Json>), String> {
    let manifests = fleet.synthesize();
    assert_eq!(manifests.problems, []);
    let mut cluster = situation.cluster();
    for (secret, key, token) in [
        ("imgfac-dispatch-github", "acme", "one\n"),
        ("imgfac-dispatch-github", "token", "two"),
        ("imgfac-dispatch-gitlab", "acme.shop", "three"),
        ("imgfac-dispatch-webhook", "other", "four"),
    ] {
        let keys = cluster.secrets.entry(secret.into()).or_default();
        keys.insert(key.into(), token.into());
    }
    let stage = stage(&manifests, "rebuild-trigger-web");
    let mut promotion = Promotion::new(stage, &task(&manifests), &promotion(), "", "f1");
    let mut sent = Vec::new();
    let progress = promotion.run(&mut cluster, answer, &mut sent)?;
    Ok((progress, sent))
}

fn request(provider: Provider, status: u16) -> String {
    let answer = json!({"status": status, "body": {"web_url": "https://x"}});
    let (_, sent) = requests(&fleet(provider), &answer).unwrap();
    assert_eq!(sent.len(), 1);
    serde_json::to_string_pretty(&sent[0]).unwrap()
}

#[test]
fn the_build_is_told_what_and_why() {
    insta::assert_snapshot!("github", request(Provider::GitHub, 204));
    insta::assert_snapshot!("gitlab", request(Provider::GitLab, 201));
    insta::assert_snapshot!("webhook", request(Provider::Webhook, 202));
}

#[test]
fn of_many_updates_the_first_are_told_and_how_many_more_there_are() {
    for (number, omitted) in [(1, None), (50, None), (51, Some(1)), (70, Some(20))] {
        let references: Vec<String> = (0..number).map(|at| format!("b{at}:1")).collect();
        let names: Vec<String> = (0..number).map(|at| format!("b{at}-1")).collect();
        let mut fleet = fleet(Provider::GitHub);
        fleet.bases(&references.iter().map(String::as_str).collect::<Vec<_>>());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        stands_on(&mut fleet.images[1], &names, &[]);
        let mut situation = due();
        let moved = situation.seen.remove("node-22").unwrap();
        let all = names.iter().map(|it| (*it).to_owned());
        situation.seen = all.clone().map(|it| (it, moved.clone())).collect();
        situation.built = all.map(|it| (it, "1".to_owned())).collect();
        let ok = json!({"status": 204, "body": {}});
        let (_, sent) = requests_in(&situation, &fleet, &ok).unwrap();
        let inputs = &sent[0]["body"]["inputs"];
        let list = |key: &str| -> Vec<Json> {
            serde_json::from_str(inputs[key].as_str().unwrap()).unwrap()
        };
        let causes = list("imgfac_causes");
        assert_eq!(list("imgfac_bases").len(), number);
        assert_eq!(causes.len(), number.min(50));
        for (at, cause) in causes.iter().enumerate() {
            for key in ["base", "from", "to", "since"] {
                assert!(cause[key].is_string(), "{cause}");
            }
            let last = omitted.filter(|_| at == 49).map(Json::from);
            assert_eq!(cause.get("omitted"), last.as_ref());
        }
    }
}

#[test]
fn a_workflow_that_declares_nothing_gets_what_the_user_says() {
    let mut fleet = fleet(Provider::GitHub);
    if let Some(source) = &mut fleet.images[1].0.source {
        source.cause_inputs = false;
    }
    let (_, sent) = requests(&fleet, &json!({"status": 200, "body": {}})).unwrap();
    let inputs = sent[0]["body"]["inputs"].as_object().unwrap();
    let names: Vec<_> = inputs.keys().collect();
    assert_eq!(names, ["a \"b\" \\", "bump"]);
    assert_eq!(inputs["bump"], json!("1.10"), "a text, not a number");
}

#[test]
fn what_a_server_gets_over_is_asked_for_again_and_what_it_refuses_is_not() {
    let answers = |status: u16, headers: Json| {
        let answer = json!({"status": status, "headers": headers, "body": {"message": "no"}});
        requests(&fleet(Provider::GitHub), &answer).map(|(progress, _)| progress)
    };
    let failed = || Err("the request failed for good".to_owned());
    for (status, headers, expected) in [
        (200, json!({}), Ok(Progress::Ended)),
        (204, json!({}), Ok(Progress::Ended)),
        (401, json!({}), failed()),
        (403, json!({}), failed()),
        (403, json!({"Retry-After": "60"}), Ok(Progress::Waits)),
        (
            403,
            json!({"X-RateLimit-Remaining": "0"}),
            Ok(Progress::Waits),
        ),
        (404, json!({}), failed()),
        (422, json!({}), failed()),
        (429, json!({}), Ok(Progress::Waits)),
        (502, json!({}), Ok(Progress::Waits)),
    ] {
        assert_eq!(
            answers(status, headers.clone()),
            expected,
            "{status} {headers}"
        );
    }
}

#[test]
fn a_digest_keeps_the_time_of_its_first_sight() {
    let manifests = fleet(Provider::GitHub).synthesize();
    let mut cluster = Cluster::default();
    let mut observe = |freight: &str, digest: &str, now: &str| {
        cluster.now = now.into();
        let digest = digest.to_owned();
        cluster.images.insert("ghcr.io/acme/parent".into(), digest);
        let stage = stage(&manifests, "observe-image-parent");
        let mut promotion = Promotion::new(stage, &[], "observe.1.2", "", freight);
        let progress = promotion.run(&mut cluster, &Json::Null, &mut Vec::new());
        assert_eq!(progress, Ok(Progress::Ended));
        let history = &cluster.stages["observe-image-parent"]["history"];
        format!("{history} {}", cluster.freight[freight]["observedAt"])
    };
    let seen = [
        observe("f1", "a", "2026-03-01T00:00:00Z"),
        // A commit came, and no image.
        observe("f2", "a", "2026-03-02T00:00:00Z"),
        observe("f3", "b", "2026-03-03T00:00:00.5Z"),
        // The controller was restarted before the step was done.
        observe("f3", "b", "2026-03-04T00:00:00Z"),
    ];
    insta::assert_snapshot!(seen.join("\n"), @r#"
    [{"digest":"a","at":"2026-03-01T00:00:00Z"}] "2026-03-01T00:00:00Z"
    [{"digest":"a","at":"2026-03-01T00:00:00Z"}] "2026-03-01T00:00:00Z"
    [{"digest":"a","at":"2026-03-01T00:00:00Z"},{"digest":"b","at":"2026-03-03T00:00:00.5Z"}] "2026-03-03T00:00:00.5Z"
    [{"digest":"a","at":"2026-03-01T00:00:00Z"},{"digest":"b","at":"2026-03-03T00:00:00.5Z"}] "2026-03-03T00:00:00.5Z"
    "#);
    for n in 0..60 {
        observe(&format!("m{n}"), &format!("d{n}"), "2026-03-05T00:00:00Z");
    }
    let history = observe("last", "d59", "2026-03-06T00:00:00Z");
    assert_eq!(history.matches("digest").count(), 50);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_input_arrives_as_it_was_written(
        inputs in proptest::collection::btree_map(
            r#"([${}%"' a1\n\\]|\PC){1,12}"#,
            r#"([${}%"' a1\n\\]|\PC){0,12}"#,
            0..4,
        )
    ) {
        let mut fleet = fleet(Provider::GitHub);
        if let Some(source) = &mut fleet.images[1].0.source {
            source.cause_inputs = false;
            source.inputs = inputs.clone();
        }
        let (_, sent) = requests(&fleet, &json!({"status": 204, "body": {}})).unwrap();
        prop_assert_eq!(&sent[0]["body"]["inputs"], &json!(inputs));
    }
}
