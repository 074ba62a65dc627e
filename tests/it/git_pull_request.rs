//! Branches that take no pushes: what waits for them in a branch of ours.

use std::os::unix::fs::PermissionsExt;

use imgfac_tests::{Outcome, Sandbox};
use insta::assert_snapshot;

const URL: &str = "https://github.com/acme/state.git";
const REMOTE: &str = "remotes/acme/state.git";
const HOOK: &str = "remotes/acme/state.git/hooks/pre-receive";
const OURS: &str = "imgfac/update-main";
const DIGEST: &str =
    "--digest=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Where the runs of a test work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// Without a checkout.
    Anywhere,
    /// In a checkout with all history.
    Checkout,
    /// In one with the newest commit only.
    Shallow,
}

const EVERYWHERE: [From; 3] = [From::Anywhere, From::Checkout, From::Shallow];

struct Scene {
    sandbox: Sandbox,
    from: From,
}

impl Scene {
    /// A state repository whose `main` is protected, with two images.
    fn new(from: From) -> Self {
        let sandbox = crate::sandbox();
        sandbox.redirect_github();
        let images: String = ["web", "api"]
            .map(|name| {
                format!("- {{name: {name}, registry: ghcr.io, repository: acme/{name}, source: {{provider: github, repo: acme/shop, dockerfile: {name}/Dockerfile}}}}\n")
            })
            .concat();
        sandbox.remote(
            "acme/state",
            &[("factory/images.yaml", &images), ("README.md", "one\n")],
        );
        sandbox.push_files("acme/state", "main", &[("README.md", "two\n")]);
        sandbox.remote(
            "acme/shop",
            &[
                ("web/Dockerfile", "FROM node:22\n"),
                ("api/Dockerfile", "FROM alpine:3\n"),
            ],
        );
        match from {
            From::Anywhere => {}
            From::Checkout => {
                sandbox.git(".", &["clone", "--quiet", URL, "work"]);
            }
            From::Shallow => {
                sandbox.git(".", &["clone", "--quiet", "--depth=1", URL, "work"]);
            }
        }
        let scene = Self { sandbox, from };
        scene.protect();
        scene
    }

    fn protect(&self) {
        self.sandbox.write(
            HOOK,
            "#!/bin/sh\nwhile read old new name; do test $name != refs/heads/main || { echo 'GH006: Protected branch' >&2; exit 1; }; done\n",
        );
        let hook = self.sandbox.path().join(HOOK);
        std::fs::set_permissions(hook, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Lets a person work in a clone of the remote, who may push to `main`.
    fn person(&self, script: &[&[&str]]) {
        std::fs::remove_file(self.sandbox.path().join(HOOK)).unwrap();
        let _ = std::fs::remove_dir_all(self.sandbox.path().join("person"));
        self.sandbox.git(".", &["clone", "--quiet", URL, "person"]);
        for arguments in script {
            self.sandbox.git("person", arguments);
        }
        self.protect();
    }

    fn push_files(&self, files: &[(&str, &str)]) {
        std::fs::remove_file(self.sandbox.path().join(HOOK)).unwrap();
        self.sandbox.push_files("acme/state", "main", files);
        self.protect();
    }

    /// Records a build of an image.
    fn run(&self, image: &str, tag: &str) -> Outcome {
        let (image, tag) = (format!("--image={image}"), format!("--tag={tag}"));
        let mut arguments = vec!["analyze", "--push", "--pull-request", &image, &tag, DIGEST];
        let repo = format!("--git-repo={URL}");
        match self.from {
            From::Anywhere => arguments.extend([&repo, "--image-factory-dir=factory"]),
            From::Checkout | From::Shallow => arguments.extend(["-C", "work/factory"]),
        }
        self.sandbox.run(&arguments)
    }

    fn done(&self, image: &str, tag: &str) -> Outcome {
        let outcome = self.run(image, tag);
        assert_eq!(outcome.code, 0, "{:?}: {outcome}", self.from);
        outcome
    }

    fn remote(&self, arguments: &[&str]) -> String {
        self.sandbox.git(REMOTE, arguments)
    }

    /// What waits: the subjects of the commits beyond `main`, oldest first.
    fn waiting(&self) -> Vec<String> {
        let range = format!("main..{OURS}");
        assert_eq!(self.remote(&["rev-list", "--merges", &range]), "");
        let base = self.remote(&["merge-base", "main", OURS]);
        assert_eq!(base, self.remote(&["rev-parse", "main"]), "it is on top");
        let log = self.remote(&["log", "--reverse", "--format=%s", &range]);
        log.lines().map(str::to_owned).collect()
    }

    fn recorded(&self, image: &str) -> String {
        let state = self.remote(&["show", &format!("{OURS}:factory/state/images/{image}.yaml")]);
        let version = state
            .lines()
            .find_map(|line| line.strip_prefix("currentVersion: "));
        version.unwrap_or_default().to_owned()
    }

    /// A checkout stays at `main`, without edits.
    fn checkout_is_clean(&self) {
        if self.from != From::Anywhere {
            assert_eq!(self.sandbox.git("work", &["status", "--porcelain"]), "");
            let head = self.sandbox.git("work", &["rev-parse", "HEAD"]);
            assert_eq!(head, self.remote(&["rev-parse", "main"]));
        }
        self.remote(&["fsck", "--strict"]);
    }
}

#[test]
fn runs_stack_and_the_same_again_pushes_nothing() {
    for from in EVERYWHERE {
        let scene = Scene::new(from);
        let first = scene.done("web", "a1");
        assert!(first.stdout.contains(OURS), "{first}");
        assert_eq!(scene.waiting(), ["imgfac: 1 image and 1 base changed"]);
        scene.done("api", "a2");
        assert_eq!(scene.waiting().len(), 2);
        assert_eq!(
            (scene.recorded("web"), scene.recorded("api")),
            ("a1".into(), "a2".into())
        );
        scene.done("web", "a3");
        assert_eq!(scene.waiting()[2], "imgfac: web built a3");

        let tip = scene.remote(&["rev-parse", OURS]);
        for (image, tag) in [("web", "a3"), ("api", "a2")] {
            let again = scene.done(image, tag);
            assert!(again.stdout.contains("Nothing changed"), "{again}");
            assert!(
                again
                    .stderr
                    .contains("has it already, and waits for its pull request"),
                "{again}"
            );
        }
        assert_eq!(scene.remote(&["rev-parse", OURS]), tip);
        scene.checkout_is_clean();
    }
}

#[test]
fn what_waits_goes_on_top_of_a_branch_that_moved_on() {
    for from in EVERYWHERE {
        let scene = Scene::new(from);
        scene.done("web", "a1");
        scene.done("web", "a2");
        let range = format!("main..{OURS}");
        let body = || scene.remote(&["log", "-1", "--format=%b", &format!("{OURS}~1")]);
        for tag in ["a3", "a4"] {
            scene.push_files(&[("README.md", tag)]);
            scene.done("api", tag);
            assert_eq!(
                scene.waiting(),
                [
                    "imgfac: changes that wait for main".to_owned(),
                    match tag {
                        "a3" => "imgfac: 1 image and 1 base changed".to_owned(),
                        _ => format!("imgfac: api built {tag}"),
                    }
                ]
            );
            assert_eq!(
                (scene.recorded("web"), scene.recorded("api")),
                ("a2".into(), tag.into())
            );
            assert_eq!(scene.remote(&["show", &format!("{OURS}:README.md")]), tag);
        }
        if from == From::Anywhere {
            assert_snapshot!(body(), @"
            - image web: added; stands on node-22
            - base node-22: added; docker.io/library/node:22
            - image web: changed; built a2
            - image api: added; stands on alpine-3
            - base alpine-3: added; docker.io/library/alpine:3

            Imgfac-Version: 0.1.0
            ");
        }
        // A branch that moved on is no reason to push what is there already.
        scene.push_files(&[("README.md", "newest")]);
        let tip = scene.remote(&["rev-parse", OURS]);
        assert!(scene.done("web", "a2").stdout.contains("Nothing changed"));
        assert_eq!(scene.remote(&["rev-parse", OURS]), tip);
        assert_eq!(scene.remote(&["rev-list", "--merges", &range]), "");
        scene.checkout_is_clean();
    }
}

#[test]
fn after_a_merge_of_any_kind_a_run_starts_afresh() {
    let ours = format!("origin/{OURS}");
    let merges: [&[&[&str]]; 4] = [
        &[&["merge", "--quiet", "--ff-only", &ours]],
        &[&["merge", "--quiet", "--no-ff", "--message=merged", &ours]],
        &[
            &["commit", "--quiet", "--allow-empty", "--message=between"],
            &["cherry-pick", &format!("main..{ours}")],
        ],
        &[
            &["merge", "--quiet", "--squash", &ours],
            &["commit", "--quiet", "--message=squashed"],
        ],
    ];
    for from in EVERYWHERE {
        for merge in merges {
            let scene = Scene::new(from);
            scene.done("web", "a1");
            scene.done("web", "a2");
            let mut script = merge.to_vec();
            script.push(&["push", "--quiet", "origin", "main"]);
            scene.person(&script);
            let again = scene.done("web", "a2");
            assert!(!again.stderr.contains("waits"), "{again}");
            scene.done("api", "a3");
            assert_eq!(
                scene.waiting(),
                ["imgfac: 1 image and 1 base changed"],
                "{merge:?}"
            );
            assert_eq!(
                (scene.recorded("web"), scene.recorded("api")),
                ("a2".into(), "a3".into())
            );
            scene.checkout_is_clean();
        }
    }
}

/// What waits may be undone by a run that finds nothing new on the branch itself.
#[test]
fn a_run_goes_on_from_what_waits_even_without_news_for_the_branch() {
    let ours = format!("origin/{OURS}");
    for from in EVERYWHERE {
        let scene = Scene::new(from);
        scene.done("web", "a1");
        scene.person(&[
            &["merge", "--quiet", "--ff-only", &ours],
            &["push", "--quiet", "origin", "main"],
        ]);
        scene.done("web", "a2");
        scene.done("web", "a1");
        assert_eq!(scene.recorded("web"), "a1", "{from:?}");
        assert_eq!(scene.waiting().len(), 2, "{from:?}");
        scene.checkout_is_clean();
    }
}

#[test]
fn a_deleted_branch_is_made_anew() {
    for from in EVERYWHERE {
        let scene = Scene::new(from);
        scene.done("web", "a1");
        scene.remote(&["update-ref", "-d", &format!("refs/heads/{OURS}")]);
        scene.done("api", "a2");
        assert_eq!(scene.waiting(), ["imgfac: 1 image and 1 base changed"]);
        scene.checkout_is_clean();
    }
}

/// A person may have worked on the branch too, or brought it up to date.
#[test]
fn commits_of_people_stay_and_are_put_on_top() {
    let scene = Scene::new(From::Anywhere);
    scene.done("web", "a1");
    scene.push_files(&[("README.md", "newer")]);
    let ours = format!("HEAD:{OURS}");
    scene.person(&[
        &["checkout", "--quiet", OURS],
        &["merge", "--quiet", "--message=update", "origin/main"],
        &["rm", "--quiet", "README.md"],
        &["commit", "--quiet", "--message=no readme"],
        &["push", "--quiet", "origin", &ours],
    ]);
    let person = scene.remote(&["rev-parse", OURS]);
    scene.done("api", "a2");
    assert_eq!(scene.remote(&["rev-parse", &format!("{OURS}~1")]), person);

    scene.push_files(&[("other", "other")]);
    scene.done("api", "a3");
    assert_eq!(scene.waiting().len(), 2);
    assert_eq!(
        (scene.recorded("web"), scene.recorded("api")),
        ("a1".into(), "a3".into())
    );
    let files = scene.remote(&["ls-tree", "--name-only", OURS]);
    assert_eq!(files, "factory\nother");
}

#[test]
fn changes_of_the_same_file_are_left_to_people() {
    for from in EVERYWHERE {
        let scene = Scene::new(from);
        scene.done("web", "a1");
        scene.push_files(&[(
            "factory/state/images/web.yaml",
            "enrolledAt: \"2026-01-01T00:00:00Z\"\n",
        )]);
        let tip = scene.remote(&["rev-parse", OURS]);
        let outcome = scene.run("api", "a2");
        assert_eq!(outcome.code, 1, "{outcome}");
        if from == From::Anywhere {
            assert_snapshot!(outcome.stderr, @"
            error: imgfac/update-main and main have both changed factory/state/images/web.yaml; nothing was changed
            hint: merge or close the pull request, delete imgfac/update-main, and run it again
            ");
        }
        assert_eq!(scene.remote(&["rev-parse", OURS]), tip);
    }
}
