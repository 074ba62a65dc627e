//! Builds at a GitHub and a GitLab that keep runs: each request makes one run at most, which is
//! found again whatever went wrong.
//!
//! What GitHub is asked and answers is held against its own description of its interface.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgfac_model::{Branch, Host, ImageName, Provider, RelativePath, RepoPath, Source};
use imgfac_providers::ci::{
    BuildRequest, Ci, CiError, CiSettings, Found, GitHubIdentity, GitHubServer, GitLabServer,
    RunRef, RunStatus,
};
use imgfac_providers::{Clock, Secret};
use imgfac_tests::{
    APP, APP_SLUG, Contract, FakeGitHub, FakeGitLab, LOGIN, TOKEN, TRIGGER, Trouble,
};
use jiff::Timestamp;

const INPUTS: [&str; 4] = [
    "imgfac_reason",
    "imgfac_causes",
    "imgfac_bases",
    "imgfac_rebuild",
];

fn identity(letter: &str) -> String {
    letter.repeat(64)
}

fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// A clock that moves when somebody waits, and tells the servers.
#[derive(Debug)]
struct Moving {
    now: Mutex<Timestamp>,
    github: Option<FakeGitHub>,
}

impl Clock for Moving {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, wait: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(wait).unwrap();
        if let Some(github) = &self.github {
            github.set_now(*now);
        }
    }
}

fn source(provider: Provider, host: &str) -> Source {
    Source {
        provider,
        host: Host::new(host).ok(),
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
        url: None,
    }
}

fn request<'r>(image: &'r ImageName, source: &'r Source, identity: &'r str) -> BuildRequest<'r> {
    static NOTHING: BTreeMap<imgfac_model::Reference, imgfac_model::Digest> = BTreeMap::new();
    BuildRequest {
        image,
        source,
        identity,
        attempt: "0f1e2d3c4b5a6978",
        reason: "base-update",
        causes: &[],
        bases: &NOTHING,
    }
}

/// A GitHub with a workflow for the image `web`, and who asks it.
struct Hub {
    github: FakeGitHub,
    settings: CiSettings,
    source: Source,
    image: ImageName,
}

impl Hub {
    /// With a workflow that has our inputs, and perhaps a name for its runs.
    fn new(run_name: Option<&str>) -> Self {
        let github = FakeGitHub::start(Contract::load(Path::new(env!("CARGO_TARGET_TMPDIR"))));
        github.set_now(noon());
        github.add_workflow("acme/shop", "web.yml", &INPUTS, run_name);
        let settings = CiSettings {
            github: BTreeMap::from([(
                github.host().to_owned(),
                GitHubServer {
                    api: Some(github.api()),
                    identity: GitHubIdentity::Token(Secret::new(TOKEN)),
                },
            )]),
            timeout: Duration::from_secs(5),
            clock: Arc::new(Moving {
                now: Mutex::new(noon()),
                github: Some(github.clone()),
            }),
            ..CiSettings::default()
        };
        Self {
            source: Source {
                cause_inputs: true,
                ..source(Provider::GitHub, github.host())
            },
            github,
            settings,
            image: ImageName::new("web").unwrap(),
        }
    }

    fn named() -> Self {
        Self::new(Some("web {imgfac_rebuild}"))
    }

    fn ci(&self) -> Ci {
        Ci::new(self.settings.clone()).unwrap()
    }

    fn start(&self, identity: &str) -> Result<Option<RunRef>, CiError> {
        let request = request(&self.image, &self.source, identity);
        self.ci().start(&request)
    }

    fn find(&self, identity: &str) -> Found {
        let request = request(&self.image, &self.source, identity);
        self.ci().find(&request, noon()).unwrap()
    }

    /// Nothing that was asked or answered is other than GitHub describes.
    fn fits(&self) {
        assert_eq!(self.github.violations(), [""; 0]);
    }
}

fn found(run: &RunRef) -> Found {
    Found::Run(run.clone())
}

#[test]
fn a_run_is_started_followed_and_found_again() {
    let hub = Hub::named();
    let run = hub.start(&identity("a")).unwrap().unwrap();
    let started = &hub.github.runs()[0];
    assert_eq!(run.id, started.id.to_string());
    assert_eq!(
        run.url,
        Some(format!(
            "{}/acme/shop/actions/runs/{}",
            hub.github.url(),
            run.id
        ))
    );
    assert_eq!(started.inputs["imgfac_rebuild"], identity("a"));
    assert_eq!(hub.find(&identity("a")), found(&run));
    assert_eq!(hub.find(&identity("b")), Found::Absent);

    let ci = hub.ci();
    let look = || ci.look(&hub.source, &run).unwrap();
    assert_eq!(look().status, RunStatus::Queued);
    hub.github.begin(started.id);
    assert_eq!((look().status, look().ended), (RunStatus::Running, None));
    hub.github.finish(started.id, "success");
    let ended = look();
    assert_eq!(
        (ended.status, ended.ended),
        (RunStatus::Succeeded, Some(noon()))
    );
    assert_eq!((ended.started, ended.url), (Some(noon()), run.url.clone()));
    hub.github.finish(started.id, "cancelled");
    let conclusion = "cancelled".to_owned();
    assert_eq!(look().status, RunStatus::Failed { conclusion });
    hub.fits();
}

/// Where a server has no field for it, or an answer is lost, there is one run all the same, and it is
/// the one that is found.
#[test]
fn whatever_becomes_of_the_answer_there_is_one_run_and_it_is_found() {
    let troubles = [
        Trouble::NoDetails,
        Trouble::Lost { done: true },
        Trouble::Fails {
            status: 502,
            done: true,
        },
        Trouble::Fails {
            status: 500,
            done: true,
        },
    ];
    for run_name in [Some("web {imgfac_rebuild}"), None] {
        for trouble in troubles {
            let hub = Hub::new(run_name);
            hub.github.trouble_start(trouble);
            let run = hub.start(&identity("a")).unwrap().unwrap();
            assert_eq!(hub.github.runs().len(), 1, "{trouble:?}");
            assert_eq!(run.id, hub.github.runs()[0].id.to_string());
            hub.fits();
        }
    }
}

#[test]
fn a_request_that_was_not_done_is_not_sent_again_unless_that_is_certain() {
    for trouble in [
        Trouble::Lost { done: false },
        Trouble::Fails {
            status: 503,
            done: false,
        },
    ] {
        let hub = Hub::named();
        hub.github.trouble_start(trouble);
        let error = hub.start(&identity("a")).unwrap_err();
        assert!(error.may_have_started(), "{trouble:?}: {error}");
        assert_eq!(hub.github.runs(), []);
        assert_eq!(hub.find(&identity("a")), Found::Absent);
    }
    for trouble in [
        Trouble::Limited {
            retry_after: Some(20),
        },
        Trouble::Limited { retry_after: None },
        Trouble::Exhausted {
            reset: noon().as_second() + 30,
        },
    ] {
        let hub = Hub::named();
        hub.github.trouble_start(trouble);
        hub.start(&identity("a")).unwrap().unwrap();
        assert_eq!(hub.github.runs().len(), 1, "{trouble:?}");
    }
    let hub = Hub::named();
    hub.github.trouble_start(Trouble::Denied);
    let error = hub.start(&identity("a")).unwrap_err();
    assert!(!error.may_have_started(), "{error}");
    assert_eq!(hub.github.runs(), []);
}

#[test]
fn a_server_that_says_nothing_is_given_up_and_its_run_found() {
    let mut hub = Hub::named();
    hub.settings.timeout = Duration::from_millis(300);
    hub.github.trouble_start(Trouble::Silent { done: true });
    // A machine that is busy may be too slow for the questions that follow, too.
    hub.settings.retry.attempts = 20;
    hub.settings.retry.budget = Duration::from_secs(3600);
    let run = hub.start(&identity("a")).unwrap().unwrap();
    assert_eq!(hub.github.runs().len(), 1);
    assert_eq!(run.id, hub.github.runs()[0].id.to_string());
}

#[test]
fn refusals_have_their_reason() {
    let check = |change: fn(&mut Hub), expected: &str| {
        let mut hub = Hub::named();
        change(&mut hub);
        let error = hub.start(&identity("a")).unwrap_err();
        let text = error.to_string().replace(hub.github.host(), "HOST");
        assert_eq!(text, expected);
        assert!(!error.may_have_started() && !error.remedy().is_empty());
        assert_eq!(hub.github.runs(), []);
        hub.fits();
    };
    check(
        |hub| hub.image = ImageName::new("other").unwrap(),
        r#"HOST has no workflow other.yml of acme/shop on main ("Not Found")"#,
    );
    check(
        |hub| hub.source.branch = Branch::new("gone").unwrap(),
        r#"HOST refused workflow web.yml of acme/shop on gone (422, "No ref found for: gone")"#,
    );
    check(
        |hub| {
            hub.source.inputs.insert("bump".into(), "patch".into());
        },
        r#"HOST refused workflow web.yml of acme/shop on main (422, "Unexpected inputs provided: [\"bump\"]")"#,
    );
    check(
        |hub| {
            let server = hub.settings.github.values_mut().next().unwrap();
            server.identity = GitHubIdentity::Token(Secret::new("wr0ng"));
        },
        r#"HOST does not let us ask for workflow web.yml of acme/shop on main (401, "Bad credentials")"#,
    );
}

#[test]
fn an_older_server_is_asked_without_the_new_field() {
    let hub = Hub::named();
    hub.github.set_old();
    let run = hub.start(&identity("a")).unwrap().unwrap();
    assert_eq!(hub.github.runs().len(), 1);
    assert_eq!(hub.find(&identity("a")), found(&run));
}

#[test]
fn without_a_name_the_only_run_of_ours_is_taken() {
    let hub = Hub::new(None);
    assert_eq!(hub.find(&identity("a")), Found::Absent);
    // By somebody else, of another branch, and of another workflow.
    hub.github.add_workflow("acme/shop", "other.yml", &[], None);
    let _ = hub
        .github
        .start_by_hand("acme/shop", "web.yml", "main", "grace");
    let _ = hub
        .github
        .start_by_hand("acme/shop", "web.yml", "dev", LOGIN);
    let _ = hub
        .github
        .start_by_hand("acme/shop", "other.yml", "main", LOGIN);
    assert_eq!(hub.find(&identity("a")), Found::Absent);
    let ours = hub
        .github
        .start_by_hand("acme/shop", "web.yml", "main", LOGIN);
    assert!(matches!(hub.find(&identity("a")), Found::Run(run) if run.id == ours.to_string()));
    let _ = hub
        .github
        .start_by_hand("acme/shop", "web.yml", "main", LOGIN);
    assert_eq!(hub.find(&identity("a")), Found::CannotTell);
    hub.fits();
}

#[test]
fn a_run_from_before_is_not_taken() {
    let hub = Hub::new(None);
    hub.github.set_now("2026-11-23T11:58:59Z".parse().unwrap());
    let _ = hub
        .github
        .start_by_hand("acme/shop", "web.yml", "main", LOGIN);
    assert_eq!(hub.find(&identity("a")), Found::Absent);
    hub.github.set_now("2026-11-23T11:59:00Z".parse().unwrap());
    let _ = hub
        .github
        .start_by_hand("acme/shop", "web.yml", "main", LOGIN);
    assert!(matches!(hub.find(&identity("a")), Found::Run(_)));
}

#[test]
fn images_that_share_a_workflow_are_kept_apart() {
    for run_name in [Some("{imgfac_rebuild}"), None] {
        let hub = Hub::new(run_name);
        let ci = hub.ci();
        let mut runs = Vec::new();
        for letter in ["a", "b", "c"] {
            hub.github.trouble_start(Trouble::NoDetails);
            let identity = identity(letter);
            let request = request(&hub.image, &hub.source, &identity);
            let run = ci.start(&request).unwrap().unwrap();
            assert_eq!(ci.find(&request, noon()).unwrap(), found(&run));
            runs.push(run.id);
        }
        assert_eq!(runs, ["1000", "1001", "1002"], "{run_name:?}");
    }
}

#[test]
fn many_builds_are_started_at_once() {
    let hub = Hub::named();
    let ci = hub.ci();
    let start = |letter: &str| {
        let identity = identity(letter);
        let request = request(&hub.image, &hub.source, &identity);
        let run = ci.start(&request).unwrap().unwrap();
        assert_eq!(ci.find(&request, noon()).unwrap(), found(&run));
        run.id
    };
    let letters = ["a", "b", "c", "d", "e", "f", "1", "2", "3", "4", "5", "6"];
    let mut ids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = letters
            .map(|letter| scope.spawn(move || start(letter)))
            .into();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), letters.len());
    hub.fits();
}

#[test]
fn a_run_is_found_among_hundreds() {
    let hub = Hub::named();
    let run = hub.start(&identity("a")).unwrap().unwrap();
    for _ in 0..250 {
        let _ = hub
            .github
            .start_by_hand("acme/shop", "web.yml", "main", "grace");
    }
    assert_eq!(hub.find(&identity("a")), found(&run));
    hub.fits();
}

#[test]
fn questions_are_asked_again_and_a_limit_waited_for() {
    let hub = Hub::named();
    let run = hub.start(&identity("a")).unwrap().unwrap();
    for trouble in [
        Trouble::Fails {
            status: 502,
            done: false,
        },
        Trouble::Lost { done: false },
        Trouble::Exhausted {
            reset: noon().as_second() + 20,
        },
    ] {
        hub.github.trouble_read(trouble);
    }
    let state = hub.ci().look(&hub.source, &run).unwrap();
    assert_eq!(state.status, RunStatus::Queued);
}

#[test]
fn an_app_gets_a_token_for_each_repository() {
    let mut hub = Hub::new(None);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let server = hub.settings.github.values_mut().next().unwrap();
    server.identity = GitHubIdentity::App {
        id: APP,
        key: Secret::new(key.serialize_pem()),
        installation: None,
    };
    let ci = hub.ci();
    let shown = format!("{ci:?}{:?}", hub.settings);
    let secret = key.serialize_pem();
    let line = secret.lines().nth(1).unwrap();
    assert!(!shown.contains(line), "{shown}");

    hub.github.trouble_start(Trouble::NoDetails);
    let (a, b) = (identity("a"), identity("b"));
    let run = ci
        .start(&request(&hub.image, &hub.source, &a))
        .unwrap()
        .unwrap();
    assert_eq!(hub.github.runs()[0].actor, format!("{APP_SLUG}[bot]"));
    assert_eq!(
        ci.look(&hub.source, &run).unwrap().status,
        RunStatus::Queued
    );
    // The same token is used again; another repository needs its own.
    ci.start(&request(&hub.image, &hub.source, &b))
        .unwrap()
        .unwrap();
    hub.github
        .add_workflow("acme/other", "web.yml", &INPUTS, None);
    let other = Source {
        repo: RepoPath::new("acme/other").unwrap(),
        ..hub.source.clone()
    };
    ci.start(&request(&hub.image, &other, &a)).unwrap().unwrap();
    let tokens = hub.github.requests();
    let tokens: Vec<&str> = tokens
        .iter()
        .filter(|it| it.path.ends_with("/access_tokens"))
        .map(|it| it.body.as_str())
        .collect();
    assert_eq!(
        tokens,
        [
            r#"{"repositories":["shop"],"permissions":{"actions":"write"}}"#,
            r#"{"repositories":["other"],"permissions":{"actions":"write"}}"#,
        ]
    );
    hub.fits();
}

/// GitHub does not tell such a token whose it is.
#[test]
fn a_token_of_a_workflow_knows_its_runs_as_those_of_a_bot() {
    let mut hub = Hub::new(None);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let identities = [
        GitHubIdentity::App {
            id: APP,
            key: Secret::new(key.serialize_pem()),
            installation: Some(77),
        },
        // The token that the app got.
        GitHubIdentity::Token(Secret::new(format!("ghs_{TOKEN}0"))),
    ];
    for (identity_of_server, letter) in identities.into_iter().zip(["a", "b"]) {
        let server = hub.settings.github.values_mut().next().unwrap();
        server.identity = identity_of_server;
        hub.github.set_now(hub.settings.clock.now());
        let _ = hub
            .github
            .start_by_hand("acme/shop", "web.yml", "main", LOGIN);
        hub.github.trouble_start(Trouble::NoDetails);
        let run = hub.start(&identity(letter)).unwrap().unwrap();
        let newest = hub.github.runs().pop().unwrap();
        assert_eq!(run.id, newest.id.to_string());
        // Long enough for the next one to be another.
        hub.settings.clock.sleep(Duration::from_secs(600));
    }
    hub.fits();
}

#[test]
fn the_fake_notices_what_github_would_refuse() {
    let Some(contract) = Contract::load(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    let github = FakeGitHub::start(Some(contract));
    let send = |line: &str, body: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(github.host()).unwrap();
        let length = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nUser-Agent: x\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream.read_to_string(&mut String::new()).unwrap();
    };
    let before = github.violations().len();
    send("GET /api/v3/user", "");
    assert_eq!(github.violations().len(), before);
    for (line, body) in [
        ("GET /api/v3/users", ""),
        (
            "GET /api/v3/repos/a/b/actions/workflows/c.yml/runs?since=x",
            "",
        ),
        (
            "POST /api/v3/repos/a/b/actions/workflows/c.yml/dispatches",
            "{}",
        ),
        (
            "POST /api/v3/repos/a/b/actions/workflows/c.yml/dispatches",
            r#"{"ref": 1}"#,
        ),
        (
            "POST /api/v3/repos/a/b/actions/workflows/c.yml/dispatches",
            r#"{"ref": "a", "input": {}}"#,
        ),
    ] {
        let before = github.violations().len();
        send(line, body);
        assert!(github.violations().len() > before, "{line} {body}");
    }
}

/// A GitLab with a project, and who asks it.
struct Lab {
    gitlab: FakeGitLab,
    settings: CiSettings,
    source: Source,
    image: ImageName,
}

impl Lab {
    fn new(trigger: bool, access: bool) -> Self {
        let gitlab = FakeGitLab::start();
        gitlab.set_now(noon());
        gitlab.add_project("acme/shop");
        let secret = |wanted: bool, text: &str| wanted.then(|| Secret::new(text));
        let settings = CiSettings {
            gitlab: BTreeMap::from([(
                gitlab.host().to_owned(),
                GitLabServer {
                    api: Some(gitlab.api()),
                    trigger: secret(trigger, TRIGGER),
                    access: secret(access, TOKEN),
                },
            )]),
            clock: Arc::new(Moving {
                now: Mutex::new(noon()),
                github: None,
            }),
            ..CiSettings::default()
        };
        Self {
            source: Source {
                cause_inputs: true,
                job: Some("build".into()),
                ..source(Provider::GitLab, gitlab.host())
            },
            gitlab,
            settings,
            image: ImageName::new("web").unwrap(),
        }
    }

    fn ci(&self) -> Ci {
        Ci::new(self.settings.clone()).unwrap()
    }

    fn start(&self, identity: &str) -> Result<Option<RunRef>, CiError> {
        self.ci()
            .start(&request(&self.image, &self.source, identity))
    }

    fn find(&self, identity: &str) -> Found {
        let request = request(&self.image, &self.source, identity);
        self.ci().find(&request, noon()).unwrap()
    }
}

#[test]
fn pipelines_are_started_followed_and_found_again() {
    for (trigger, access) in [(true, true), (false, true)] {
        let lab = Lab::new(trigger, access);
        let run = lab.start(&identity("a")).unwrap().unwrap();
        let pipeline = &lab.gitlab.pipelines()[0];
        assert_eq!(pipeline.variables["IMGFAC_JOB"], "build");
        assert_eq!(pipeline.source, if trigger { "trigger" } else { "api" });
        assert_eq!(lab.find(&identity("a")), found(&run));
        assert_eq!(lab.find(&identity("b")), Found::Absent);
        let look = || lab.ci().look(&lab.source, &run).unwrap();
        assert_eq!(look().status, RunStatus::Queued);
        lab.gitlab.set_status(pipeline.id, "failed");
        let conclusion = "failed".to_owned();
        assert_eq!(look().status, RunStatus::Failed { conclusion });
        assert_eq!(look().ended, Some(noon()));
        let page = format!("{}/acme/shop/-/pipelines/{}", lab.gitlab.url(), run.id);
        assert_eq!(look().url, Some(page));
    }
}

#[test]
fn pipelines_are_found_by_their_variables_whatever_becomes_of_the_answer() {
    for trouble in [
        Trouble::Lost { done: true },
        Trouble::Fails {
            status: 502,
            done: true,
        },
    ] {
        let lab = Lab::new(true, true);
        lab.start(&identity("b")).unwrap();
        lab.gitlab.trouble_start(trouble);
        let run = lab.start(&identity("a")).unwrap().unwrap();
        assert_eq!(run.id, "501", "{trouble:?}");
        lab.start(&identity("c")).unwrap();
        assert_eq!(lab.find(&identity("a")), found(&run));
        assert_eq!(lab.gitlab.pipelines().len(), 3);
    }
}

#[test]
fn without_variables_time_decides() {
    let lab = Lab::new(true, true);
    lab.gitlab.hide_variables();
    lab.gitlab.trouble_start(Trouble::Lost { done: true });
    let run = lab.start(&identity("a")).unwrap().unwrap();
    assert_eq!(lab.find(&identity("a")), found(&run));
    lab.start(&identity("b")).unwrap();
    assert_eq!(lab.find(&identity("a")), Found::CannotTell);
}

#[test]
fn a_trigger_token_cannot_tell_what_became_of_a_lost_answer() {
    let lab = Lab::new(true, false);
    let run = lab.start(&identity("a")).unwrap().unwrap();
    assert_eq!(lab.find(&identity("a")), Found::CannotTell);
    let error = lab.ci().look(&lab.source, &run).unwrap_err();
    assert!(matches!(error, CiError::NotFollowed { .. }), "{error}");
    lab.gitlab.trouble_start(Trouble::Lost { done: true });
    assert!(lab.start(&identity("b")).unwrap_err().may_have_started());
    assert_eq!(lab.gitlab.pipelines().len(), 2);
}

#[test]
fn refusals_of_gitlab_have_their_reason() {
    let check = |change: fn(&mut Lab), expected: &str| {
        let mut lab = Lab::new(false, true);
        change(&mut lab);
        let error = lab.start(&identity("a")).unwrap_err();
        assert_eq!(
            error.to_string().replace(lab.gitlab.host(), "HOST"),
            expected
        );
        assert!(!error.may_have_started());
        assert_eq!(lab.gitlab.pipelines(), []);
    };
    check(
        |lab| lab.source.branch = Branch::new("gone").unwrap(),
        r#"HOST refused pipeline of acme/shop on gone (400, "{\"base\":[\"Reference not found\"]}")"#,
    );
    check(
        |lab| lab.source.repo = RepoPath::new("acme/other").unwrap(),
        r#"HOST has no pipeline of acme/other on main ("404 Project Not Found")"#,
    );
    check(
        |lab| {
            let server = lab.settings.gitlab.values_mut().next().unwrap();
            server.access = Some(Secret::new("wr0ng"));
        },
        r#"HOST does not let us ask for pipeline of acme/shop on main (401, "401 Unauthorized")"#,
    );
}
