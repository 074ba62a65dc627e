//! A factory without a cluster: images in a registry, built by a GitHub, a GitLab or a webhook, with
//! state in a folder or in a remote.

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use serde_json::Value;

use crate::fake_github::FakeGitHub;
use crate::fake_gitlab::FakeGitLab;
use crate::fake_hook::FakeHook;
use crate::fake_registry::{FakeRegistry, Pushed};
use crate::git_server::TOKEN;
use crate::openapi::Contract;
use crate::registry_server::RegistryServer;
use crate::sandbox::{Outcome, Sandbox};

/// The factory and its servers, all with the same time.
#[derive(Debug)]
pub struct Plant {
    /// Where the program runs: `shop/` has the sources, and `factory/` the factory unless it is in
    /// the remote `acme/state`.
    pub sandbox: Sandbox,
    /// The server of GitHub, which has a workflow for every image.
    pub github: FakeGitHub,
    /// The server of GitLab, with the project `acme/shop`.
    pub gitlab: FakeGitLab,
    /// The server of webhooks.
    pub hook: FakeHook,
    /// The registry of all images and bases,
    pub registry: FakeRegistry,
    /// or this one in its place.
    pub server: Option<RegistryServer>,
    push: bool,
    /// Whether the folder is a checkout, in which every change is a commit.
    commits: bool,
    now: Timestamp,
}

/// An image of a plant. In all texts `REGISTRY`, `GITHUB`, `GITLAB` and `HOOK` stand for the servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Built<'b> {
    /// Its name, which is that of its repository, too: `acme/NAME`.
    pub name: &'b str,
    /// Its Dockerfile.
    pub dockerfile: &'b str,
    /// Further keys of its entry, each with a comma after it.
    pub keys: &'b str,
    /// Its source, without braces and Dockerfile; by GitHub where it is empty.
    pub source: &'b str,
}

/// What goes into a workflow from us.
const INPUTS: [&str; 4] = [
    "imgfac_reason",
    "imgfac_causes",
    "imgfac_bases",
    "imgfac_rebuild",
];

impl Plant {
    /// A factory with these images, analysed, at `now`. With `push` its state is in a remote.
    /// `settings` are those of imgfac.yaml. What GitHub is asked and answers has to fit its
    /// description, which is kept in the folder `contract`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(
        sandbox: Sandbox,
        contract: &Path,
        push: bool,
        images: &[Built<'_>],
        settings: &str,
        now: &str,
    ) -> Self {
        Self::at_registry(None, sandbox, contract, push, images, settings, now)
    }

    /// The same, with its images in a registry that runs in the sandbox.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn at_registry(
        server: Option<RegistryServer>,
        sandbox: Sandbox,
        contract: &Path,
        push: bool,
        images: &[Built<'_>],
        settings: &str,
        now: &str,
    ) -> Self {
        let mut plant = Self {
            sandbox,
            github: FakeGitHub::start(Contract::load(contract)),
            gitlab: FakeGitLab::start(),
            hook: FakeHook::start(),
            registry: FakeRegistry::start(),
            server,
            push,
            commits: false,
            now: Timestamp::UNIX_EPOCH,
        };
        plant.at(now);
        plant.gitlab.add_project("acme/shop");
        plant.sandbox.redirect_github();
        let mut entries = String::new();
        for image in images {
            let (name, file) = (image.name, format!("shop/{}/Dockerfile", image.name));
            plant.sandbox.write(&file, plant.filled(image.dockerfile));
            let title = format!("{name} {{imgfac_rebuild}}");
            let workflow = format!("{name}.yml");
            let github = &plant.github;
            github.add_workflow("acme/shop", &workflow, &INPUTS, Some(&title));
            let source = match image.source {
                "" => "host: 'GITHUB', repo: acme/shop, causeInputs: true",
                source => source,
            };
            entries += &plant.filled(&format!(
                "- {{name: {name}, registry: 'REGISTRY', repository: acme/{name}, {}source: {{{source}, dockerfile: {name}/Dockerfile}}}}\n",
                image.keys
            ));
        }
        let settings = plant.settings(settings);
        if push {
            let files = [
                ("factory/images.yaml", entries.as_str()),
                ("factory/imgfac.yaml", &settings),
            ];
            plant.sandbox.remote("acme/state", &files);
        } else {
            plant.sandbox.write("factory/images.yaml", entries);
            plant.sandbox.write("factory/imgfac.yaml", settings);
        }
        plant.good(&["analyze", "--workspace", "shop"]);
        plant
    }

    /// Makes a repository of the folder of the factory: commands that write commit from now on.
    pub fn commits(&mut self) {
        for arguments in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["add", "."],
            &["commit", "--quiet", "--message=factory"],
        ] {
            self.sandbox.git("factory", arguments);
        }
        self.commits = true;
    }

    /// The host of the images.
    fn host(&self) -> String {
        let server = self.server.as_ref().map(RegistryServer::host);
        server.unwrap_or_else(|| self.registry.host().to_owned())
    }

    /// Text with the hosts of the servers in it.
    #[must_use]
    pub fn filled(&self, text: &str) -> String {
        text.replace("REGISTRY", &self.host())
            .replace("GITHUB", self.github.host())
            .replace("GITLAB", self.gitlab.host())
            .replace("HOOK", self.hook.host())
    }

    /// Text in which the hosts of the servers have their names, and digests and identities are short.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (host, name) in [
            (self.host().as_str(), "REGISTRY"),
            (self.github.host(), "GITHUB"),
            (self.gitlab.host(), "GITLAB"),
            (self.hook.host(), "HOOK"),
        ] {
            text = text.replace(host, name);
            text = text.replace(&host.replace(['.', ':'], "-"), name);
            text = text.replace(&host.replace(':', "-"), name);
        }
        let mut rest = text.as_str();
        let mut short = String::new();
        while let Some(at) = rest.find("sha256:") {
            let end = at + "sha256:".len();
            short += &rest[..at];
            short += "DIGEST";
            rest = rest[end..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
        }
        short + rest
    }

    fn settings(&self, settings: &str) -> String {
        if settings.contains("registries:") {
            return self.filled(settings);
        }
        let hosts = self.server.as_ref().map(RegistryServer::hosts);
        let hosts = hosts.unwrap_or_else(|| vec![self.host()]);
        let hosts: Vec<String> = (hosts.iter())
            .map(|host| format!("'{host}': {{insecure: true}}"))
            .collect();
        let registries = format!("registries: {{{}}}\n", hosts.join(", "));
        self.filled(&format!("{registries}{settings}"))
    }

    /// Replaces the settings; those without registries get them.
    pub fn set_settings(&self, settings: &str) {
        let settings = self.settings(settings);
        if self.push {
            let files = [("factory/imgfac.yaml", settings.as_str())];
            self.sandbox.push_files("acme/state", "main", &files);
        } else {
            self.sandbox.write("factory/imgfac.yaml", settings);
        }
    }

    /// Sets the clocks of all sides.
    ///
    /// # Panics
    /// When it is no time.
    pub fn at(&mut self, now: &str) {
        self.set_now(now.parse().expect("it is a time"));
    }

    /// Lets time pass, such as `7d` or `20m`.
    ///
    /// # Panics
    /// When it is no span.
    pub fn pass(&mut self, span: &str) {
        let span: jiff::SignedDuration = match span.strip_suffix('d') {
            Some(days) => jiff::SignedDuration::from_hours(24 * days.parse::<i64>().expect("days")),
            None => span.parse().expect("it is a span"),
        };
        self.set_now(self.now + span);
    }

    fn set_now(&mut self, now: Timestamp) {
        self.now = now;
        self.sandbox.set_now(&now.to_string());
        self.github.set_now(now);
        self.gitlab.set_now(now);
    }

    /// The program with the tokens of the servers, in the factory. Commands that write push, where
    /// state is in a remote.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut arguments = arguments.to_vec();
        if self.push && arguments.contains(&"--emergency") {
            // A person works in a checkout.
            arguments.push("--push");
            let mut command = self.in_checkout(&arguments);
            self.authorise(&mut command);
            return command;
        }
        let reads = |it: &&str| matches!(*it, "status" | "check" | "--explain" | "--plan");
        let writes = !arguments.iter().any(reads) && arguments != ["rebuild"];
        if self.push && writes {
            arguments.extend([
                "--push",
                "--git-repo=https://github.com/acme/state.git",
                "--git-branch=main",
                "--image-factory-dir=factory",
            ]);
        } else if self.push {
            // What only reads has no clone of its own.
            let mut command = self.in_checkout(&arguments);
            self.authorise(&mut command);
            return command;
        }
        if self.commits && writes {
            arguments.push("--commit");
        }
        let mut command = self.sandbox.command(&arguments);
        self.authorise(&mut command);
        if !self.push {
            command.env("IMGFAC_DIRECTORY", "factory");
        }
        command
    }

    /// The program in a fresh checkout of the state, in the folder `read`.
    fn in_checkout(&self, arguments: &[&str]) -> Command {
        let _ = std::fs::remove_dir_all(self.sandbox.path().join("read"));
        let from = "https://github.com/acme/state.git";
        self.sandbox.git(".", &["clone", "--quiet", from, "read"]);
        let mut command = self.sandbox.command(arguments);
        command.env("IMGFAC_DIRECTORY", "read/factory");
        command
    }

    fn authorise(&self, command: &mut Command) {
        if let Some(server) = &self.server {
            server.authorise(&self.sandbox, command);
        }
        command
            .env_remove("IMGFAC_OFFLINE")
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_SERVER_URL", self.github.url())
            .env("GITHUB_API_URL", self.github.api())
            .env("GITLAB_TOKEN", TOKEN)
            .env("CI_SERVER_URL", format!("http://{}", self.gitlab.host()))
            .env(
                "CI_API_V4_URL",
                format!("http://{}/api/v4", self.gitlab.host()),
            );
    }

    /// Runs the program; what it says is [`Plant::shown`].
    ///
    /// # Panics
    /// When it tells the token, or GitHub was asked what it does not know.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_command(&mut self.command(arguments))
    }

    /// Runs a command that [`Plant::command`] made, as [`Plant::run`].
    ///
    /// # Panics
    /// As [`Plant::run`].
    #[must_use]
    pub fn run_command(&self, command: &mut Command) -> Outcome {
        let mut outcome = self.sandbox.run_command(command);
        for text in [&mut outcome.stdout, &mut outcome.stderr] {
            assert!(!text.contains(TOKEN), "{text}");
            *text = self.shown(text);
        }
        assert_eq!(self.github.violations(), [""; 0], "{outcome}");
        outcome
    }

    /// Runs the program, which has to do all that it was asked.
    ///
    /// # Panics
    /// When it does not.
    pub fn good(&self, arguments: &[&str]) -> Outcome {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, 0, "{arguments:?}: {outcome}");
        outcome
    }

    /// `imgfac rebuild --due`.
    #[must_use]
    pub fn due(&self) -> Outcome {
        self.run(&["rebuild", "--due"])
    }

    /// Puts another image at a tag, such as `lib/node:22`, and has all registries asked.
    pub fn moves(&self, image: &str, built: &str) -> String {
        let digest = self.registry.push(
            image,
            &Pushed {
                layer: built,
                built,
                on: None,
            },
        );
        self.good(&["observe", "--all"]);
        digest
    }

    /// What is decided of each image: its name and the reason.
    ///
    /// # Panics
    /// When there is no plan.
    #[must_use]
    pub fn reasons(&self) -> String {
        let images = self.plan()["images"].clone();
        let images = images.as_array().expect("there are images").iter();
        let text = |value: &Value| value.as_str().expect("it is text").to_owned();
        let of = |it: &Value| format!("{} {}", text(&it["name"]), text(&it["reason"]));
        images.map(of).collect::<Vec<_>>().join(", ")
    }

    /// The plan, as JSON, with the hosts and digests as they are.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn plan(&self) -> Value {
        let arguments = ["rebuild", "--plan", "--format=json"];
        let outcome = self.sandbox.run_command(&mut self.command(&arguments));
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome}"))
    }

    /// A file of the factory, as it is in the folder or on the branch.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        let shown = |repository: &str, path: &str| {
            let path = format!("main:{path}");
            self.sandbox.git(repository, &["show", &path])
        };
        match (self.push, self.commits) {
            (true, _) => shown("remotes/acme/state.git", &format!("factory/{path}")),
            (false, true) => shown("factory", path),
            (false, false) => self.sandbox.read(&format!("factory/{path}")),
        }
    }

    /// The state of an image.
    #[must_use]
    pub fn state(&self, image: &str) -> String {
        self.read(&format!("state/images/{image}.yaml"))
    }

    /// What became of the attempts at an image, the oldest first.
    #[must_use]
    pub fn outcomes(&self, image: &str) -> Vec<String> {
        let state = self.state(image);
        let lines = state.lines();
        lines
            .filter_map(|line| line.strip_prefix("    outcome: "))
            .map(str::to_owned)
            .collect()
    }

    /// The files of the folder with inodes, or the tip of the branch: equal before and after a run
    /// that wrote nothing.
    #[must_use]
    pub fn written(&self) -> String {
        let tip = |repository: &str| self.sandbox.git(repository, &["rev-parse", "main"]);
        match (self.push, self.commits) {
            (true, _) => tip("remotes/acme/state.git"),
            (false, true) => tip("factory"),
            (false, false) => format!("{:?}", self.sandbox.files()),
        }
    }

    /// The images whose workflows were started, in order.
    #[must_use]
    pub fn started(&self) -> Vec<String> {
        let runs = self.github.runs();
        let name = |file: &str| file.trim_end_matches(".yml").to_owned();
        runs.iter().map(|run| name(&run.workflow)).collect()
    }

    /// Lets the last run of a workflow push an image as `acme/NAME:1` and end well.
    ///
    /// # Panics
    /// When there is none.
    pub fn succeeds(&self, name: &str, pushed: &Pushed<'_>) -> String {
        let digest = self.registry.push(&format!("acme/{name}:1"), pushed);
        self.ends(name, "success");
        digest
    }

    /// Lets the last run of a workflow end.
    ///
    /// # Panics
    /// When there is none.
    pub fn ends(&self, name: &str, conclusion: &str) {
        let file = format!("{name}.yml");
        let runs = self.github.runs();
        let run = runs.iter().rfind(|run| run.workflow == file);
        self.github
            .finish(run.expect("it was started").id, conclusion);
    }
}
