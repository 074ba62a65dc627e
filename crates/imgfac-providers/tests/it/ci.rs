//! Builds: what is sent, how often, and what the answers of servers are taken for.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use imgfac_model::{
    Branch, Digest, Host, ImageName, Provider, Reference, RelativePath, RepoPath, Source, WebUrl,
};
use imgfac_providers::ci::{
    BuildRequest, CauseOfBuild, Ci, CiError, CiSettings, Found, GitHubIdentity, GitHubServer,
    GitLabServer, RunRef,
};
use imgfac_providers::{Clock, Secret};
use insta::assert_snapshot;

use crate::fake::{Answer, Asked, Fake, Standing, answer, digest};

/// The identity of the rebuild.
const IDENTITY: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

/// A factory with one image, and a server that builds it.
struct Shop {
    fake: Fake,
    clock: Arc<Standing>,
    image: ImageName,
    source: Source,
    causes: Vec<CauseOfBuild>,
    bases: BTreeMap<Reference, Digest>,
    settings: CiSettings,
}

impl Shop {
    fn new(
        provider: Provider,
        script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::at(Fake::start(script), provider)
    }

    fn at(fake: Fake, provider: Provider) -> Self {
        let clock = Arc::new(Standing::default());
        let node = Reference::parse("node:22").unwrap();
        let source = Source {
            provider,
            host: Host::new(&fake.host).ok(),
            repo: RepoPath::new("acme/shop").unwrap(),
            branch: Branch::default(),
            dockerfile: RelativePath::new("Dockerfile").unwrap(),
            context: None,
            build_args: BTreeMap::new(),
            target: None,
            platforms: Vec::new(),
            workflow: None,
            inputs: BTreeMap::new(),
            cause_inputs: false,
            job: None,
            variables: BTreeMap::new(),
            url: WebUrl::new(&fake.url("/hook")).ok(),
        };
        let mut settings = CiSettings {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..CiSettings::default()
        };
        settings.github.insert(
            fake.host.clone(),
            GitHubServer {
                api: Some(fake.url("/api/v3")),
                identity: GitHubIdentity::Token(Secret::new("hunter2")),
            },
        );
        settings.gitlab.insert(
            fake.host.clone(),
            GitLabServer {
                api: Some(fake.url("/api/v4")),
                trigger: None,
                access: Some(Secret::new("hunter2")),
            },
        );
        let cause = CauseOfBuild {
            base: node.clone(),
            from: Some(digest("a")),
            to: digest("b"),
            first_seen: "2026-11-20T08:00:00Z".parse().unwrap(),
        };
        Self {
            fake,
            clock,
            image: ImageName::new("web").unwrap(),
            source,
            causes: vec![cause],
            bases: BTreeMap::from([(node, digest("b"))]),
            settings,
        }
    }

    fn ci(&self) -> Ci {
        Ci::new(self.settings.clone()).unwrap()
    }

    fn request(&self) -> BuildRequest<'_> {
        BuildRequest {
            image: &self.image,
            source: &self.source,
            identity: IDENTITY,
            attempt: "0f1e2d3c4b5a6978",
            reason: "base-update",
            causes: &self.causes,
            bases: &self.bases,
        }
    }

    fn start(&self) -> Result<Option<RunRef>, CiError> {
        self.ci().start(&self.request())
    }

    /// What `start` gives, what was sent, and how often was waited, in a few lines.
    fn told(&self) -> String {
        let outcome = match self.start() {
            Ok(None) => "accepted".to_owned(),
            Ok(Some(run)) => format!("run {}", run.id),
            Err(error) => {
                let sure = if error.may_have_started() {
                    "perhaps"
                } else {
                    "no"
                };
                format!("{sure}: {error}; {}", error.remedy())
            }
        };
        let text = format!(
            "{outcome}\nasked: {}; waits: {}",
            self.asked(),
            self.clock.waits().len()
        );
        assert!(!text.contains("hunter2"), "{text}");
        self.clean(&text)
    }

    /// How often builds were asked for, and questions.
    fn asked(&self) -> String {
        let lines = self.fake.lines();
        let posts = lines.iter().filter(|line| line.starts_with("POST")).count();
        format!("{posts} POST, {} GET", lines.len() - posts)
    }

    fn clean(&self, text: &str) -> String {
        text.replace(&self.fake.host, "HOST")
    }

    /// Everything that was sent, but for what only matters to HTTP.
    fn sent(&self) -> String {
        let mut text = String::new();
        for asked in self.fake.requests() {
            text += &format!("{}\n", asked.line);
            for name in [
                "accept",
                "authorization",
                "content-type",
                "idempotency-key",
                "private-token",
                "user-agent",
                "x-github-api-version",
                "x-imgfac-signature-256",
            ] {
                if let Some(value) = asked.header(name).filter(|value| *value != "*/*") {
                    text += &format!("{name}: {value}\n");
                }
            }
            if !asked.body.is_empty() {
                text += &format!("{}\n", asked.body);
            }
        }
        text.replace(
            concat!("imgfac/", env!("CARGO_PKG_VERSION")),
            "imgfac/VERSION",
        )
        .replace(&"a".repeat(64), "aa..")
        .replace(&"b".repeat(64), "bb..")
    }
}

fn json(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    answer(status)
        .with("content-type", "application/json")
        .body(body)
}

/// A script in which a dispatch has an answer, and no run is ever listed.
fn dispatched(
    answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Asked, usize) -> Answer + Send + Sync {
    move |asked, before| match asked.line.starts_with("POST") {
        true => answer(before),
        false if asked.line.ends_with("/user") => {
            json(200, r#"{"login": "ada", "username": "ada"}"#)
        }
        false if asked.line.contains("/pipelines") => json(200, "[]"),
        false => json(200, r#"{"total_count": 0, "workflow_runs": []}"#),
    }
}

/// An answer that never comes: the connection ends after a part of it.
fn cut() -> Answer {
    answer(200).with("content-length", 1000).body("{")
}

const RUN: &str =
    r#"{"workflow_run_id": 42, "run_url": "x", "html_url": "https://evil.example.com/"}"#;

#[test]
fn github_gets_what_the_cluster_sends() {
    let mut shop = Shop::new(Provider::GitHub, |_, _| json(200, RUN));
    shop.source.cause_inputs = true;
    shop.source
        .inputs
        .insert("version_bump".into(), "patch".into());
    let run = shop.start().unwrap().unwrap();
    // The page of a run is on the server of the run.
    assert_eq!((run.id.as_str(), run.url), ("42", None));
    assert_snapshot!(shop.sent(), @r#"
    POST /api/v3/repos/acme/shop/actions/workflows/web.yml/dispatches
    accept: application/vnd.github+json
    authorization: Bearer hunter2
    content-type: application/json
    user-agent: imgfac/VERSION
    x-github-api-version: 2022-11-28
    {"ref":"main","inputs":{"imgfac_bases":"[{\"base\":\"docker.io/library/node:22\",\"digest\":\"sha256:bb..\"}]","imgfac_causes":"[{\"base\":\"docker.io/library/node:22\",\"from\":\"sha256:aa..\",\"to\":\"sha256:bb..\",\"since\":\"2026-11-20T08:00:00Z\"}]","imgfac_reason":"base-update","imgfac_rebuild":"c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00","version_bump":"patch"},"return_run_details":true}
    "#);
}

#[test]
fn gitlab_gets_what_the_cluster_sends() {
    let mut shop = Shop::new(Provider::GitLab, |_, _| {
        json(201, r#"{"id": 7, "web_url": null}"#)
    });
    let server = shop.settings.gitlab.values_mut().next().unwrap();
    server.trigger = Some(Secret::new("trigger-t0ken"));
    shop.source.repo = RepoPath::new("group/sub/name").unwrap();
    shop.source.cause_inputs = true;
    shop.source.job = Some("build".into());
    assert_eq!(shop.start().unwrap().unwrap().id, "7");
    assert_snapshot!(shop.sent(), @r#"
    POST /api/v4/projects/group%2Fsub%2Fname/trigger/pipeline
    content-type: application/json
    user-agent: imgfac/VERSION
    {"token":"trigger-t0ken","ref":"main","variables":{"IMGFAC_BASES":"[{\"base\":\"docker.io/library/node:22\",\"digest\":\"sha256:bb..\"}]","IMGFAC_CAUSES":"[{\"base\":\"docker.io/library/node:22\",\"from\":\"sha256:aa..\",\"to\":\"sha256:bb..\",\"since\":\"2026-11-20T08:00:00Z\"}]","IMGFAC_JOB":"build","IMGFAC_REASON":"base-update","IMGFAC_REBUILD":"c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"}}
    "#);
}

#[test]
fn a_pipeline_is_started_with_an_access_token() {
    let mut shop = Shop::new(Provider::GitLab, |_, _| json(201, r#"{"id": 7}"#));
    shop.source.repo = RepoPath::new("group/sub/name").unwrap();
    shop.source.variables.insert("A".into(), "b".into());
    assert_eq!(shop.start().unwrap().unwrap().id, "7");
    assert_snapshot!(shop.sent(), @r#"
    POST /api/v4/projects/group%2Fsub%2Fname/pipeline
    content-type: application/json
    private-token: hunter2
    user-agent: imgfac/VERSION
    {"ref":"main","variables":[{"key":"A","value":"b"}]}
    "#);
}

#[test]
fn a_webhook_gets_what_the_cluster_sends_signed() {
    let mut shop = Shop::new(Provider::Webhook, |_, _| {
        json(
            202,
            r#"{"id": 5, "url": "https://ci.example.com/5", "statusUrl": "/status/5"}"#,
        )
    });
    shop.settings.webhook_secret = Some(Secret::new("Jefe"));
    shop.settings
        .webhooks
        .insert(shop.fake.url("/any"), Secret::new("hunter2"));
    let run = shop.start().unwrap().unwrap();
    assert_eq!(run.id, "/status/5");
    assert_eq!(run.url.as_deref(), Some("https://ci.example.com/5"));
    assert_snapshot!(shop.sent(), @r#"
    POST /hook
    authorization: Bearer hunter2
    content-type: application/json
    idempotency-key: c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00-0f1e2d3c4b5a6978
    user-agent: imgfac/VERSION
    x-imgfac-signature-256: sha256=ea98fa90d429ee376529871c686c583c8aa35d7984cb2fe7e6ca745e0a97c909
    {"event":"rebuild","image":"web","repository":"acme/shop","ref":"main","reason":"base-update","causes":[{"base":"docker.io/library/node:22","from":"sha256:aa..","to":"sha256:bb..","since":"2026-11-20T08:00:00Z"}],"bases":[{"base":"docker.io/library/node:22","digest":"sha256:bb.."}],"rebuild":"c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"}
    "#);
}

#[test]
fn a_users_input_wins_over_ours() {
    let mut shop = Shop::new(Provider::GitHub, |_, _| json(200, RUN));
    shop.source.cause_inputs = true;
    shop.source
        .inputs
        .insert("imgfac_reason".into(), "mine".into());
    shop.start().unwrap();
    let body: serde_json::Value = serde_json::from_str(&shop.fake.requests()[0].body).unwrap();
    assert_eq!(body["inputs"]["imgfac_reason"], "mine");
}

/// A build of an image with so many bases, all of which have moved.
fn with_bases(provider: Provider, number: usize) -> Shop {
    let mut shop = Shop::new(provider, |asked, _| match asked.line.contains("/api/v4") {
        true => json(201, r#"{"id": 7}"#),
        false => json(200, RUN),
    });
    shop.source.cause_inputs = true;
    let first = shop.causes[0].clone();
    shop.causes.clear();
    shop.bases.clear();
    for place in 0..number {
        let base = Reference::parse(&format!("registry.example.com/base-{place}:1")).unwrap();
        shop.bases.insert(base.clone(), first.to.clone());
        let first = first.clone();
        shop.causes.push(CauseOfBuild { base, ..first });
    }
    shop
}

/// The updates and the bases that a build was told.
fn causes_and_bases(shop: &Shop) -> [Vec<serde_json::Value>; 2] {
    let [request] = shop.fake.requests().try_into().unwrap();
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let list = |text: &serde_json::Value| serde_json::from_str(text.as_str().unwrap()).unwrap();
    match shop.source.provider {
        Provider::GitHub => {
            assert!(body["inputs"].to_string().len() <= 65_535);
            ["imgfac_causes", "imgfac_bases"].map(|key| list(&body["inputs"][key]))
        }
        Provider::GitLab => {
            let variables = body["variables"].as_array().unwrap();
            ["IMGFAC_CAUSES", "IMGFAC_BASES"].map(|key| {
                let variable = variables.iter().find(|it| it["key"] == key);
                list(&variable.unwrap()["value"])
            })
        }
        Provider::Webhook => ["causes", "bases"].map(|key| body[key].as_array().unwrap().clone()),
    }
}

#[test]
fn of_many_updates_the_first_are_told_and_how_many_more_there_are() {
    for (provider, bases, least, most) in [
        (Provider::GitHub, 1, 1, 1),
        (Provider::GitHub, 50, 50, 50),
        (Provider::GitHub, 51, 50, 50),
        (Provider::GitHub, 300, 50, 50),
        // The digests need the room.
        (Provider::GitHub, 400, 1, 49),
        (Provider::GitLab, 50, 50, 50),
        (Provider::GitLab, 900, 50, 50),
        (Provider::Webhook, 2_000, 50, 50),
    ] {
        let shop = with_bases(provider, bases);
        shop.start().unwrap();
        let [causes, told] = causes_and_bases(&shop);
        assert_eq!(told.len(), bases, "all bases are told");
        let number = causes.len();
        assert!((least..=most).contains(&number), "{bases}: {number}");
        for (place, cause) in causes.iter().enumerate() {
            assert_eq!(cause["base"], shop.causes[place].base.to_string());
            assert_eq!(cause["from"], digest("a").as_str());
            let last = place + 1 == number && number < bases;
            let omitted = last.then_some(bases - number);
            assert_eq!(cause.get("omitted"), omitted.map(Into::into).as_ref());
        }
    }
}

#[test]
fn bases_that_do_not_fit_are_not_cut() {
    for (provider, bases, expected) in [
        (
            Provider::GitHub,
            600,
            "no: workflow web.yml of acme/shop on main cannot be asked: what it would be told, with the digests of 600 bases, is more than HOST takes; pass less in images.yaml; with causeInputs: false a build is told of no bases\nasked: 0 POST, 0 GET; waits: 0",
        ),
        (
            Provider::GitLab,
            1_500,
            "no: pipeline of acme/shop on main cannot be asked: what it would be told, with the digests of 1500 bases, is more than HOST takes; pass less in images.yaml; with causeInputs: false a build is told of no bases\nasked: 0 POST, 0 GET; waits: 0",
        ),
    ] {
        let mut shop = with_bases(provider, bases);
        assert_eq!(shop.told(), expected);
        shop.source.cause_inputs = false;
        assert!(shop.start().is_ok());
    }
    let mut shop = with_bases(Provider::GitHub, 1);
    shop.source
        .inputs
        .insert("notes".into(), "x".repeat(66_000));
    for cause_inputs in [false, true] {
        shop.source.cause_inputs = cause_inputs;
        assert!(shop.told().starts_with("no: workflow web.yml"));
    }
}

#[test]
fn what_is_missing_is_known_before_anybody_is_asked() {
    for (provider, expected) in [
        (Provider::GitHub, "there is no token for HOST"),
        (Provider::GitLab, "there is no token for HOST"),
        (Provider::Webhook, ""),
    ] {
        let mut shop = Shop::new(provider, |_, _| answer(500));
        assert_eq!(shop.ci().ready(&shop.source), Ok(()));
        shop.settings.github.clear();
        let server = shop.settings.gitlab.values_mut().next().unwrap();
        server.access = None;
        let ready = |shop: &Shop| match shop.ci().ready(&shop.source) {
            Ok(()) => String::new(),
            Err(error) => shop.clean(&error.to_string()),
        };
        assert_eq!(ready(&shop), expected);
        shop.settings.gitlab.clear();
        assert_eq!(ready(&shop), expected);
        assert_eq!(shop.asked(), "0 POST, 0 GET");
    }
}

#[test]
fn what_a_server_may_have_done_is_not_sent_again() {
    let check = |answer: fn() -> Answer, provider| {
        Shop::new(provider, dispatched(move |_| answer())).told()
    };
    assert_snapshot!(check(|| answer(502), Provider::GitHub), @"
    perhaps: HOST may have started workflow web.yml of acme/shop on main or not: it answered 502, and no run can be told to be it; look at the runs of the last minutes before you start one by hand
    asked: 1 POST, 4 GET; waits: 3
    ");
    assert_snapshot!(check(cut, Provider::GitHub), @"
    perhaps: HOST may have started workflow web.yml of acme/shop on main or not: its answer cannot be used, the connection broke, and no run can be told to be it; look at the runs of the last minutes before you start one by hand
    asked: 1 POST, 4 GET; waits: 3
    ");
    assert_snapshot!(check(|| answer(200).body("<html>log in"), Provider::GitHub), @"
    perhaps: HOST may have started workflow web.yml of acme/shop on main or not: its answer cannot be used, it is not what was expected: line 1, column 1, and no run can be told to be it; look at the runs of the last minutes before you start one by hand
    asked: 1 POST, 4 GET; waits: 3
    ");
    assert_snapshot!(check(|| answer(408), Provider::GitHub), @"
    perhaps: HOST may have started workflow web.yml of acme/shop on main or not: it answered 408, and no run can be told to be it; look at the runs of the last minutes before you start one by hand
    asked: 1 POST, 4 GET; waits: 3
    ");
    assert_snapshot!(check(|| answer(500), Provider::GitLab), @"
    perhaps: HOST may have started pipeline of acme/shop on main or not: it answered 500, and no run can be told to be it; look at the runs of the last minutes before you start one by hand
    asked: 1 POST, 5 GET; waits: 3
    ");
    assert_snapshot!(check(|| answer(503), Provider::Webhook), @"
    perhaps: HOST may have started build of web or not: it answered 503, and no run can be told to be it; look at the runs of the last minutes before you start one by hand
    asked: 1 POST, 0 GET; waits: 0
    ");
    assert_snapshot!(check(|| answer(303).with("location", "/runs/1"), Provider::Webhook), @"
    perhaps: HOST may have started build of web or not: it answered 303, and no run can be told to be it; look at the runs of the last minutes before you start one by hand
    asked: 1 POST, 0 GET; waits: 0
    ");
}

#[test]
fn a_connection_that_breaks_before_the_answer_leaves_it_open() {
    let shop = Shop::new(Provider::Webhook, |_, _| answer(0));
    // No line of HTTP has this status, so the client gives up on the answer.
    assert!(shop.start().unwrap_err().may_have_started());
    assert_eq!(shop.asked(), "1 POST, 0 GET");
}

#[test]
fn what_a_server_refused_is_told_and_not_sent_again() {
    let check = |status: u16, body: &'static str| {
        Shop::new(Provider::GitHub, dispatched(move |_| json(status, body))).told()
    };
    assert_snapshot!(check(401, r#"{"message": "Bad credentials"}"#), @r#"
    no: HOST does not let us ask for workflow web.yml of acme/shop on main (401, "Bad credentials"); the token is wrong or too old: make a new one
    asked: 1 POST, 0 GET; waits: 0
    "#);
    assert_snapshot!(check(403, r#"{"message": "Resource not accessible by hunter2"}"#), @r#"
    no: HOST does not let us ask for workflow web.yml of acme/shop on main (403, "Resource not accessible by …"); the token needs the right to start builds there: "actions: write" at GitHub, the role Developer and the scope api at GitLab
    asked: 1 POST, 0 GET; waits: 0
    "#);
    assert_snapshot!(check(404, r#"{"message": "Not Found"}"#), @r#"
    no: HOST has no workflow web.yml of acme/shop on main ("Not Found"); is it right in images.yaml, on that branch, and may the token see the repository?
    asked: 1 POST, 0 GET; waits: 0
    "#);
    assert_snapshot!(check(422, r#"{"message": "Unexpected inputs provided: [\"imgfac_reason\"]"}"#), @r#"
    no: HOST refused workflow web.yml of acme/shop on main (422, "Unexpected inputs provided: [\"imgfac_reason\"]"); do the branch, the inputs and the trigger of the build fit? docs/ci.md says what is sent
    asked: 1 POST, 0 GET; waits: 0
    "#);
    assert_snapshot!(check(422, "{\"message\": \"\\u001b[2J\"}"), @r#"
    no: HOST refused workflow web.yml of acme/shop on main (422, "\u{1b}[2J"); do the branch, the inputs and the trigger of the build fit? docs/ci.md says what is sent
    asked: 1 POST, 0 GET; waits: 0
    "#);
    assert_snapshot!(check(307, ""), @"
    no: HOST says that workflow web.yml of acme/shop on main has moved; write its new name or address into images.yaml
    asked: 1 POST, 0 GET; waits: 0
    ");
}

#[test]
fn a_request_that_was_limited_is_sent_again_when_the_server_says() {
    let reset = "1795435216";
    let limits: [fn() -> Answer; 4] = [
        || answer(429).with("retry-after", 17),
        || answer(403).with("retry-after", 17),
        || {
            answer(403)
                .with("x-ratelimit-remaining", 0)
                .with("x-ratelimit-reset", "1795435216")
        },
        || {
            answer(429)
                .with("RateLimit-Remaining", 0)
                .with("RateLimit-Reset", "1795435216")
        },
    ];
    for limit in limits {
        let shop = Shop::new(Provider::GitHub, move |_, before| match before {
            0 => limit(),
            _ => json(200, RUN),
        });
        assert_eq!(shop.start().unwrap().unwrap().id, "42");
        assert_eq!(shop.clock.waits(), [17], "{reset}");
    }
    let secondary = Shop::new(Provider::GitHub, |_, before| match before {
        0 => json(
            403,
            r#"{"message": "You have exceeded a secondary rate limit."}"#,
        ),
        _ => json(200, RUN),
    });
    secondary.start().unwrap();
    assert_eq!(secondary.clock.waits(), [60]);
}

#[test]
fn a_limit_that_lasts_too_long_is_told_and_the_server_left_alone() {
    let shop = Shop::new(Provider::GitHub, |_, _| {
        answer(403)
            .with("x-ratelimit-remaining", 0)
            .with("x-ratelimit-reset", 1_795_438_800)
    });
    let ci = shop.ci();
    for _ in 0..3 {
        let error = ci.start(&shop.request()).unwrap_err();
        assert!(!error.may_have_started());
        assert_eq!(
            shop.clean(&error.to_string()),
            "HOST has a limit of requests, and it is reached until 2026-11-23T13:00:01Z"
        );
    }
    assert_eq!(shop.asked(), "1 POST, 0 GET");
    assert_eq!(shop.clock.waits(), [0; 0]);
}

#[test]
fn times_that_are_none_do_no_harm() {
    for reset in [
        "",
        "-1",
        "soon",
        "9223372036854775807",
        "99999999999999999999",
    ] {
        let shop = Shop::new(Provider::GitHub, move |_, _| {
            answer(429)
                .with("x-ratelimit-remaining", 0)
                .with("x-ratelimit-reset", reset)
        });
        let error = shop.start().unwrap_err();
        assert!(matches!(error, CiError::Limited { .. }), "{reset}: {error}");
    }
}

#[test]
fn a_server_that_is_not_there_is_tried_again_since_it_did_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    for provider in [Provider::GitHub, Provider::GitLab, Provider::Webhook] {
        let mut fake = Fake::start(|_, _| answer(500));
        fake.host.clone_from(&host);
        let shop = Shop::at(fake, provider);
        assert_eq!(
            shop.told(),
            "no: HOST cannot be reached: Connection refused (os error 111); is HOST right, and reachable from here? HTTPS_PROXY and SSL_CERT_FILE count\nasked: 0 POST, 0 GET; waits: 3"
        );
    }
}

#[test]
fn an_older_github_server_is_asked_without_details() {
    let shop = Shop::new(
        Provider::GitHub,
        dispatched(|before| match before {
            0 => json(
                422,
                r#"{"message": "Invalid request.\n\n\"return_run_details\" is not a permitted key."}"#,
            ),
            _ => answer(204),
        }),
    );
    let ci = shop.ci();
    assert_eq!(ci.start(&shop.request()), Ok(None));
    assert_eq!(ci.start(&shop.request()), Ok(None));
    let requests = shop.fake.requests();
    let posts = requests
        .iter()
        .filter(|asked| asked.line.starts_with("POST"));
    let details: Vec<bool> = posts
        .map(|asked| asked.body.contains("return_run_details"))
        .collect();
    assert_eq!(details, [true, false, false]);
}

#[test]
fn redirects_are_not_followed() {
    let thief = Fake::start(|_, _| json(200, RUN));
    for provider in [Provider::GitHub, Provider::GitLab, Provider::Webhook] {
        let target = thief.url("/x");
        let shop = Shop::new(provider, move |_, _| answer(307).with("location", &target));
        let error = shop.start().unwrap_err();
        assert!(matches!(error, CiError::Moved { .. }), "{error}");
        assert!(!error.may_have_started());
        let run = RunRef {
            id: if provider == Provider::Webhook {
                "/x".into()
            } else {
                "1".into()
            },
            url: None,
        };
        let error = shop.ci().look(&shop.source, &run).unwrap_err();
        assert!(matches!(error, CiError::Moved { .. }), "{error}");
    }
    assert_eq!(thief.lines(), [""; 0]);
}

#[test]
fn a_token_goes_to_its_own_server_only() {
    let other = Fake::start(|_, _| json(200, RUN));
    let mut shop = Shop::new(Provider::GitHub, |_, _| json(200, RUN));
    shop.source.host = Host::new(&other.host).ok();
    for provider in [Provider::GitHub, Provider::GitLab] {
        shop.source.provider = provider;
        let error = shop.start().unwrap_err();
        assert!(matches!(error, CiError::NoCredentials { .. }), "{error}");
    }
    // A webhook needs none, and gets none that is for another origin.
    shop.source.provider = Provider::Webhook;
    for origin in [shop.fake.url(""), format!("https://{}", other.host)] {
        shop.settings
            .webhooks
            .insert(origin, Secret::new("hunter2"));
    }
    shop.source.url = WebUrl::new(&other.url("/hook")).ok();
    shop.start().unwrap();
    assert_eq!(other.requests()[0].header("authorization"), None);
    assert_eq!(other.lines(), ["POST /hook"]);
}

#[test]
fn tokens_that_are_none_are_refused_before_anything_is_sent() {
    for token in ["", "a\nb", "a b", "ü"] {
        let check = |change: fn(&mut CiSettings, Secret)| {
            let mut settings = Shop::new(Provider::GitHub, |_, _| answer(200)).settings;
            change(&mut settings, Secret::new(token));
            let error = Ci::new(settings).unwrap_err();
            assert!(matches!(error, CiError::Settings { .. }), "{error}");
        };
        check(|settings, token| {
            let server = settings.github.values_mut().next().unwrap();
            server.identity = GitHubIdentity::Token(token);
        });
        check(|settings, token| {
            settings.gitlab.values_mut().next().unwrap().access = Some(token);
        });
        check(|settings, token| {
            settings.gitlab.values_mut().next().unwrap().trigger = Some(token);
        });
        check(|settings, token| {
            settings
                .webhooks
                .insert("https://ci.example.com".into(), token);
        });
        check(|settings, _| {
            settings
                .webhooks
                .insert("ci.example.com".into(), Secret::new("hunter2"));
        });
    }
    let mut shop = Shop::new(Provider::GitHub, |_, _| answer(200));
    server_key(&mut shop, "-----BEGIN hunter2");
    let error = Ci::new(shop.settings).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

fn server_key(shop: &mut Shop, key: &str) {
    let server = shop.settings.github.values_mut().next().unwrap();
    server.identity = GitHubIdentity::App {
        id: 1,
        key: Secret::new(key),
        installation: None,
    };
}

#[test]
fn settings_do_not_show_their_secrets() {
    let shop = Shop::new(Provider::GitHub, |_, _| answer(204));
    let shown = format!("{:?} {:?}", shop.settings, shop.ci());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn huge_and_endless_answers_are_not_read() {
    let endless = || {
        let mut body = b"7fffffff\r\n".to_vec();
        body.resize(9 << 20, b' ');
        answer(200).with("transfer-encoding", "chunked").body(body)
    };
    let shop = Shop::new(Provider::GitHub, move |_, _| endless());
    let run = RunRef {
        id: "1".into(),
        url: None,
    };
    let error = shop.ci().look(&shop.source, &run).unwrap_err();
    assert_eq!(
        shop.clean(&error.to_string()),
        "HOST gave an answer that cannot be used when asked for run 1 of acme/shop: it is too long"
    );
}

#[test]
fn identifiers_of_runs_are_checked_before_they_become_a_path() {
    for provider in [Provider::GitHub, Provider::GitLab] {
        let shop = Shop::new(provider, |_, _| json(200, "{}"));
        for id in [
            "",
            "../../user",
            "1/2",
            "1?x",
            "-1",
            "123456789012345678901",
            "١",
        ] {
            let run = RunRef {
                id: id.into(),
                url: None,
            };
            let error = shop.ci().look(&shop.source, &run).unwrap_err();
            assert!(matches!(error, CiError::Settings { .. }), "{error}");
        }
        assert_eq!(shop.fake.lines(), [""; 0]);
    }
}

/// How a run is doing by an answer.
fn state(provider: Provider, id: &str, body: &'static str) -> String {
    let shop = Shop::new(provider, move |_, _| json(200, body));
    let run = RunRef {
        id: id.into(),
        url: None,
    };
    match shop.ci().look(&shop.source, &run) {
        Ok(state) => format!(
            "{:?} {:?}",
            state.status,
            state.ended.map(|it| it.to_string())
        ),
        Err(error) => shop.clean(&error.to_string()),
    }
}

#[test]
fn runs_of_github_are_followed() {
    let state = |body| state(Provider::GitHub, "1", body);
    assert_snapshot!(state(r#"{"id": 1, "status": "queued", "conclusion": null}"#), @"Queued None");
    assert_snapshot!(state(r#"{"id": 1, "status": "in_progress", "updated_at": "2026-11-23T12:00:00Z"}"#), @"Running None");
    assert_snapshot!(state(r#"{"id": 1, "status": "completed", "conclusion": "success", "updated_at": "2026-11-23T12:00:00Z"}"#), @r#"Succeeded Some("2026-11-23T12:00:00Z")"#);
    assert_snapshot!(state(r#"{"id": 1, "status": "completed", "conclusion": "timed_out"}"#), @r#"Failed { conclusion: "timed_out" } None"#);
    assert_snapshot!(state(r#"{"id": 1, "status": "completed", "conclusion": "\u001b[2J"}"#), @"HOST gave an answer that cannot be used when asked for run 1 of acme/shop: it says no conclusion");
    assert_snapshot!(state(r#"{"id": 1, "status": "completed"}"#), @"HOST gave an answer that cannot be used when asked for run 1 of acme/shop: it says no conclusion");
    assert_snapshot!(state("[]"), @"HOST gave an answer that cannot be used when asked for run 1 of acme/shop: it is not what was expected: line 1, column 2");
    assert_snapshot!(state(r#"{"id": 2, "status": "completed", "conclusion": "success"}"#), @"HOST gave an answer that cannot be used when asked for run 1 of acme/shop: it is about another run");
}

#[test]
fn pipelines_of_gitlab_are_followed() {
    let state = |body| state(Provider::GitLab, "1", body);
    assert_snapshot!(state(r#"{"status": "waiting_for_resource"}"#), @"Queued None");
    assert_snapshot!(state(r#"{"status": "manual"}"#), @"Queued None");
    assert_snapshot!(state(r#"{"status": "running", "finished_at": "2026-11-23T12:00:00.123Z"}"#), @"Running None");
    assert_snapshot!(state(r#"{"status": "success", "finished_at": "2026-11-23T12:00:00.123Z"}"#), @r#"Succeeded Some("2026-11-23T12:00:00.123Z")"#);
    assert_snapshot!(state(r#"{"status": "canceled"}"#), @r#"Failed { conclusion: "canceled" } None"#);
    assert_snapshot!(state(r#"{"status": ""}"#), @"HOST gave an answer that cannot be used when asked for pipeline 1 of acme/shop: it says no status");
}

#[test]
fn runs_of_a_webhook_are_followed_where_it_says() {
    let status = |id, body| state(Provider::Webhook, id, body);
    assert_snapshot!(status("/s/1", r#"{"status": "running"}"#), @"Running None");
    assert_snapshot!(status("/s/1", r#"{"status": "success", "ended": "2026-11-23T12:00:00Z"}"#), @r#"Succeeded Some("2026-11-23T12:00:00Z")"#);
    assert_snapshot!(status("/s/1", r#"{"status": "failure", "conclusion": "cancelled"}"#), @r#"Failed { conclusion: "cancelled" } None"#);
    assert_snapshot!(status("/s/1", r#"{"status": "failure"}"#), @r#"Failed { conclusion: "failure" } None"#);
    assert_snapshot!(status("/s/1", r#"{"status": "ok"}"#), @"HOST gave an answer that cannot be used when asked for run /s/1 of acme/shop: its status is not queued, running, success or failure");
    assert_snapshot!(status("1", ""), @"run 1 of acme/shop cannot be followed: the reply of the webhook named no statusUrl on its own server");
    assert_snapshot!(status("//evil.example.com/", ""), @"run //evil.example.com/ of acme/shop cannot be asked: the path of its status is none");
}

#[test]
fn questions_are_asked_again() {
    for provider in [Provider::GitHub, Provider::GitLab] {
        let shop = Shop::new(provider, |_, before| match before {
            0 => answer(503),
            1 => cut(),
            _ => json(200, r#"{"id": 1, "status": "queued"}"#),
        });
        let run = RunRef {
            id: "1".into(),
            url: None,
        };
        shop.ci().look(&shop.source, &run).unwrap();
        assert_eq!(shop.fake.lines().len(), 3);
    }
}

#[test]
fn a_trigger_token_alone_cannot_follow() {
    let mut shop = Shop::new(Provider::GitLab, |_, _| answer(404));
    let server = shop.settings.gitlab.values_mut().next().unwrap();
    *server = GitLabServer {
        trigger: server.access.take(),
        ..server.clone()
    };
    let run = RunRef {
        id: "1".into(),
        url: None,
    };
    let error = shop.ci().look(&shop.source, &run).unwrap_err();
    assert!(matches!(error, CiError::NotFollowed { .. }), "{error}");
    let found = shop.ci().find(&shop.request(), shop.clock.now());
    assert_eq!(found, Ok(Found::CannotTell));
}
