//! Connections that break, at any moment of a fetch and of a push.

use std::process::Command;

use imgfac_tests::{Break, BrokenNetwork, GitServer, Outcome, Sandbox, TOKEN, Towards};
use insta::assert_snapshot;

/// Moments at which a connection breaks, spread over a run.
const MOMENTS: usize = 8;

struct Scene {
    sandbox: Sandbox,
    network: BrokenNetwork,
    _server: GitServer,
}

impl Scene {
    /// A state repository and a source on a server; the Dockerfile is large enough to be sent in
    /// many pieces.
    fn new() -> Option<Self> {
        let sandbox = crate::sandbox();
        sandbox.redirect_github();
        let images = "- {name: web, registry: ghcr.io, repository: acme/web, source: {provider: github, repo: acme/shop, dockerfile: Dockerfile}}\n";
        sandbox.remote("acme/state", &[("factory/images.yaml", images)]);
        sandbox.remote(
            "acme/shop",
            &[("Dockerfile", &dockerfile("node:22", 2_000))],
        );
        let server = GitServer::start(&sandbox)?;
        let network = BrokenNetwork::to(server.port());
        let url = format!("http://127.0.0.1:{}/git/", network.port());
        sandbox.write(
            ".gitconfig",
            format!("[user]\n\tname = Person\n\temail = person@example.com\n[url \"{url}\"]\n\tinsteadOf = https://github.com/\n"),
        );
        std::fs::create_dir(sandbox.path().join("temporary")).unwrap();
        Some(Self {
            sandbox,
            network,
            _server: server,
        })
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command: Command = self.sandbox.command(arguments);
        command
            .env(
                "GITHUB_SERVER_URL",
                format!("http://127.0.0.1:{}", self.network.port()),
            )
            .env("GITHUB_TOKEN", TOKEN)
            .env("TMPDIR", self.sandbox.path().join("temporary"));
        self.sandbox.run_command(&mut command)
    }

    fn cache(&self) -> String {
        self.sandbox.path().join("cache").display().to_string()
    }

    fn remote(&self, arguments: &[&str]) -> String {
        self.sandbox.git("remotes/acme/state.git", arguments)
    }

    fn nothing_is_left(&self) {
        let left = std::fs::read_dir(self.sandbox.path().join("temporary")).unwrap();
        assert_eq!(left.count(), 0, "temporary folders stay");
    }
}

/// It does not compress well.
pub(crate) fn dockerfile(base: &str, lines: usize) -> String {
    let mut text = format!("FROM {base}\n");
    let mut number: u64 = 1;
    for _ in 0..lines {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        text.push_str(&format!("# {number:x}\n"));
    }
    text
}

/// Every way in which a connection breaks, at moments spread over a run that moves so many bytes.
fn breaks(network: &BrokenNetwork) -> Vec<(Towards, usize, Break)> {
    let mut all = Vec::new();
    for towards in [Towards::Client, Towards::Server] {
        let passed = network.passed(towards);
        assert!(passed > 0);
        for moment in 0..MOMENTS {
            let how = [Break::Close, Break::Reset][moment % 2];
            all.push((towards, passed * moment / MOMENTS, how));
        }
    }
    all
}

fn job<'a>(tag: &'a str, cache: &'a str) -> [&'a str; 11] {
    [
        "analyze",
        "--push",
        "--git-repo=https://github.com/acme/state.git",
        "--image-factory-dir=factory",
        "--image=web",
        "--tag",
        tag,
        "--digest=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "--cache-dir",
        cache,
        "-q",
    ]
}

#[test]
fn a_push_over_a_connection_that_breaks_is_made_once() {
    let Some(scene) = Scene::new() else { return };
    let cache = scene.cache();
    scene.network.heal();
    assert_eq!(scene.run(&job("1.0.0", &cache)).code, 0);
    for (number, (towards, after, how)) in breaks(&scene.network).into_iter().enumerate() {
        // Nothing is known of the source.
        let _ = std::fs::remove_dir_all(&cache);
        let before = scene.remote(&["rev-list", "--count", "main"]);
        let tag = format!("1.1.{number}");
        scene.network.break_after(towards, after, how, 1);
        let outcome = scene.run(&job(&tag, &cache));
        let at = format!("{towards:?} {after} {how:?}");
        assert_eq!(scene.network.breaks(), 1, "{at}");
        assert_eq!(outcome.code, 0, "{at}: {outcome}");
        let state = scene.remote(&["show", "main:factory/state/images/web.yaml"]);
        assert!(state.contains(&tag), "{at}: {state}");
        assert!(state.contains("discoveryStatus: success"), "{at}: {state}");
        let after: u32 = scene
            .remote(&["rev-list", "--count", "main"])
            .parse()
            .unwrap();
        assert_eq!(after, before.parse::<u32>().unwrap() + 1, "{at}");
    }
    scene.remote(&["fsck", "--strict"]);
    scene.nothing_is_left();
}

/// A network that never gets better: the words are the same wherever it breaks, nothing is half
/// written, and the next run uses what this one left in the cache.
#[test]
fn a_connection_that_always_breaks_is_given_up() {
    let Some(scene) = Scene::new() else { return };
    let cache = scene.cache();
    let analyze = ["analyze", "--cache-dir", &cache];
    scene.sandbox.write(
        "images.yaml",
        scene.remote(&["show", "main:factory/images.yaml"]),
    );
    let before = scene.remote(&["rev-parse", "main"]);
    scene.network.heal();
    assert_eq!(scene.run(&analyze).code, 0);
    let all = scene.network.passed(Towards::Client);

    // The answer to the first request, the list of branches, and the middle of the file.
    for (number, after) in [0, 1_000, all / 2].into_iter().enumerate() {
        std::fs::remove_dir_all(&cache).unwrap();
        let how = [Break::Close, Break::Reset][number % 2];
        scene
            .network
            .break_after(Towards::Client, after, how, usize::MAX);
        let outcome = scene.run(&analyze);
        assert_eq!(outcome.code, 3, "{after}: {outcome}");
        assert!(
            outcome.stdout.contains(
                "failed  image  web  cannot read acme/shop on github.com: the connection breaks\n"
            ),
            "{after}: {outcome}"
        );
        if number > 0 {
            assert!(outcome.stdout.contains("Nothing changed"), "{outcome}");
        }
    }
    scene.network.heal();
    let outcome = scene.run(&analyze);
    assert_eq!(outcome.code, 0, "{outcome}");

    scene
        .network
        .break_after(Towards::Client, 0, Break::Close, usize::MAX);
    let mut arguments = job("1.0.0", &cache).to_vec();
    arguments.push("--push-timeout=1ms");
    let outcome = scene.run(&arguments).to_string();
    let port = scene.network.port().to_string();
    assert_snapshot!(outcome.replace(&port, "PORT"), @"
    exit 1
    --- stdout
    --- stderr
    error: git fetch in https://github.com/acme/state.git: unable to access 'http://127.0.0.1:PORT/git/acme/state.git/': Empty reply from server
    ");
    scene.network.heal();
    assert_eq!(scene.remote(&["rev-parse", "main"]), before);
    scene.nothing_is_left();
}
