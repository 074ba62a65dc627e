//! Real repositories: fetched, committed to, pushed to, by more than one writer.

#![expect(
    clippy::unwrap_used,
    reason = "a failed step of a test's set-up is a failed test"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use imgfac_git::{
    Address, Content, Draft, Edit, FileError, Git, Pushed, Repository, Settings, Sources, Wanted,
};

const TIME: &str = "2026-11-23T12:00:00Z";

/// A folder with a bare repository, and a checkout to fill it from.
struct Remote(tempfile::TempDir);

impl Remote {
    fn new() -> Self {
        let remote = Self(tempfile::tempdir().unwrap());
        remote.git(
            ".",
            &["init", "--quiet", "--bare", "--initial-branch=main", "bare"],
        );
        remote.git("bare", &["config", "uploadpack.allowFilter", "true"]);
        remote.git(".", &["init", "--quiet", "--initial-branch=main", "work"]);
        remote
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn address(&self) -> Address {
        Address::new(&format!("file://{}", self.path("bare").display())).unwrap()
    }

    fn git(&self, folder: &str, args: &[&str]) -> String {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.path(folder))
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?} {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path("work").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Commits what was written and pushes it.
    fn publish(&self, branch: &str) -> String {
        self.git("work", &["add", "--all"]);
        self.git(
            "work",
            &["commit", "--quiet", "--allow-empty", "--message=x"],
        );
        let bare = self.path("bare").display().to_string();
        self.git(
            "work",
            &[
                "push",
                "--quiet",
                "--force",
                &bare,
                &format!("HEAD:refs/heads/{branch}"),
            ],
        );
        self.git("work", &["rev-parse", "HEAD"])
    }

    fn wanted(&self, branch: &str, paths: &[&str]) -> Wanted {
        Wanted {
            host: "git.example.com".into(),
            repo: "acme/shop".into(),
            address: self.address(),
            branch: branch.into(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }
}

fn git() -> Git {
    Git::new(Settings::default())
}

fn text(result: &Result<Vec<u8>, FileError>) -> String {
    match result {
        Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Err(error) => format!("{error}"),
    }
}

#[test]
fn files_of_a_branch_are_read_and_links_stay_inside() {
    let remote = Remote::new();
    remote.write("apps/web/Dockerfile", "FROM node:22\n");
    remote.write("secret", "s");
    remote.write("large", &"x".repeat(2_000));
    let work = remote.path("work");
    for (target, link) in [
        ("web", "apps/alias"),
        ("../apps/web/Dockerfile", "apps/up"),
        ("../../outside", "apps/out"),
        ("/etc/hostname", "absolute"),
        ("circle", "circle"),
        ("web/Dockerfile", "apps/through"),
    ] {
        symlink(target, work.join(link)).unwrap();
    }
    let commit = remote.publish("main");
    let cache = tempfile::tempdir().unwrap();
    let sources = Sources::new(&git(), cache.path().to_owned(), 4);
    let cases = [
        ("apps/web/Dockerfile", "FROM node:22\n"),
        ("apps/alias/Dockerfile", "FROM node:22\n"),
        ("apps/through", "FROM node:22\n"),
        ("apps/up", "FROM node:22\n"),
        ("apps/../apps/web/Dockerfile", "FROM node:22\n"),
        ("apps/out", "leads outside"),
        ("absolute", "leads outside"),
        ("../x", "leads outside"),
        ("/etc/hostname", "leads outside"),
        ("circle", "not a regular file"),
        ("apps", "not a regular file"),
        ("none", "no such file"),
        ("secret/x", "no such file"),
        ("large", "2000 bytes is more than the limit of 1000"),
    ];
    let paths: Vec<&str> = cases.iter().map(|(path, _)| *path).collect();
    // The second time everything is in the cache.
    for _ in 0..2 {
        let read = sources.read(&[remote.wanted("main", &paths)], 1_000);
        let fetched = read[0].as_ref().unwrap();
        assert_eq!(fetched.commit, commit);
        for ((path, expected), file) in cases.iter().zip(&fetched.files) {
            assert_eq!(&text(file), expected, "{path}");
        }
    }
}

#[test]
fn each_branch_has_its_own_result_and_each_run_sees_the_newest() {
    let remote = Remote::new();
    remote.write("Dockerfile", "FROM one\n");
    remote.publish("main");
    remote.write("Dockerfile", "FROM two\n");
    remote.publish("release/1");
    let cache = tempfile::tempdir().unwrap();
    let sources = Sources::new(&git(), cache.path().to_owned(), 4);
    let read = || -> Vec<String> {
        let wanted =
            ["main", "release/1", "none"].map(|branch| remote.wanted(branch, &["Dockerfile"]));
        let read = sources.read(&wanted, 1_000);
        read.iter()
            .map(|result| match result {
                Ok(fetched) => text(&fetched.files[0]),
                Err(reason) => reason.clone(),
            })
            .collect()
    };
    let missing = "acme/shop on git.example.com has no branch none";
    assert_eq!(read(), ["FROM one\n", "FROM two\n", missing]);
    remote.write("Dockerfile", "FROM three\n");
    remote.publish("main");
    assert_eq!(read(), ["FROM three\n", "FROM two\n", missing]);

    // A broken cache is made anew.
    let repository = cache
        .path()
        .join("git.example.com/acme%2fshop/repository.git");
    fs::remove_dir_all(repository.join("objects")).unwrap();
    assert_eq!(read(), ["FROM three\n", "FROM two\n", missing]);
    fs::write(repository.join("config"), "[nonsense").unwrap();
    fs::write(repository.join("shallow.lock"), "").unwrap();
    assert_eq!(read(), ["FROM three\n", "FROM two\n", missing]);
}

#[test]
fn a_remote_that_is_not_there_has_the_words_of_git() {
    let remote = Remote::new();
    let cache = tempfile::tempdir().unwrap();
    let sources = Sources::new(&git(), cache.path().to_owned(), 4);
    let mut wanted = remote.wanted("main", &["Dockerfile"]);
    wanted.address = Address::new("/nowhere/shop.git").unwrap();
    let read = sources.read(&[wanted], 1_000);
    assert_eq!(
        read[0].as_ref().unwrap_err(),
        "cannot read acme/shop on git.example.com: 'git.example.com/acme/shop' does not appear to be a git repository; Could not read from remote repository"
    );
}

/// Commits one file on top of the remote's tip.
fn commit(repository: &Repository, tip: &str, path: &str, text: Option<&str>) -> Option<String> {
    let edits = [Edit {
        path: path.into(),
        content: text.map_or(Content::Removed, Content::Text),
    }];
    let draft = Draft {
        parent: tip,
        edits: &edits,
        message: "state: x\n\nImgfac-Run: x\n",
        time: TIME,
    };
    repository.commit(&draft).unwrap()
}

#[test]
fn a_push_wins_or_is_overtaken() {
    let remote = Remote::new();
    remote.write("state/images/a.yaml", "a\n");
    remote.write("other/file", "kept\n");
    remote.publish("main");
    let writer = || Repository::temporary(&git(), remote.address()).unwrap();
    let (first, second) = (writer(), writer());
    let (old, same) = (first.fetch("main").unwrap(), second.fetch("main").unwrap());
    assert_eq!(old, same);

    let odd = "state/images/a \"b\" ü.yaml";
    let one = commit(&first, &old, odd, Some("odd\n")).unwrap();
    let two = commit(&second, &old, "state/images/a.yaml", Some("two\n")).unwrap();
    assert_eq!(first.push(&one, "main", Some(&old)).unwrap(), Pushed::Done);
    let Pushed::Overtaken(_) = second.push(&two, "main", Some(&old)).unwrap() else {
        panic!("the first push would be lost");
    };
    let tip = second.fetch("main").unwrap();
    assert_eq!(tip, one);
    let two = commit(&second, &tip, "state/images/a.yaml", None).unwrap();
    assert_eq!(second.push(&two, "main", Some(&tip)).unwrap(), Pushed::Done);
    assert_eq!(commit(&second, &two, "none", None), None, "nothing changes");

    assert_eq!(
        remote.git(
            "bare",
            &[
                "-c",
                "core.quotePath=false",
                "ls-tree",
                "-r",
                "--name-only",
                "main"
            ]
        ),
        format!("other/file\n\"{}\"", odd.replace('"', "\\\""))
    );
    assert_eq!(remote.git("bare", &["rev-list", "--count", "main"]), "3");
    assert_eq!(
        remote.git("bare", &["rev-list", "--min-parents=2", "main"]),
        ""
    );
    remote.git("bare", &["fsck", "--strict"]);
    let message = remote.git("bare", &["log", "-1", "--format=%an <%ae> %aI %s", "main"]);
    assert!(message.ends_with("state: x"), "{message}");
}

#[test]
fn a_refusal_has_the_words_of_the_server() {
    use std::os::unix::fs::PermissionsExt;
    let remote = Remote::new();
    remote.publish("main");
    let hook = remote.path("bare/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(
        &hook,
        "#!/bin/sh\necho 'GH006: Protected branch' >&2\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let repository = Repository::temporary(&git(), remote.address()).unwrap();
    let tip = repository.fetch("main").unwrap();
    let new = commit(&repository, &tip, "x", Some("x")).unwrap();
    let Pushed::Refused(reason) = repository.push(&new, "main", Some(&tip)).unwrap() else {
        panic!("the hook said no");
    };
    assert_eq!(
        reason,
        "[remote rejected] (pre-receive hook declined): GH006: Protected branch"
    );
}

#[test]
fn only_the_wanted_blobs_of_a_large_repository_come() {
    let remote = Remote::new();
    for n in 0..50 {
        remote.write(&format!("files/{n}"), &format!("{n}\n"));
    }
    remote.write("Dockerfile", "FROM x\n");
    remote.publish("main");
    let cache = tempfile::tempdir().unwrap();
    let sources = Sources::new(&git(), cache.path().to_owned(), 1);
    let read = sources.read(&[remote.wanted("main", &["Dockerfile"])], 100);
    assert_eq!(text(&read[0].as_ref().unwrap().files[0]), "FROM x\n");
    let repository = cache
        .path()
        .join("git.example.com/acme%2fshop/repository.git");
    let count = blobs(&repository);
    assert_eq!(count, 1, "blobs in the cache");
}

fn blobs(repository: &Path) -> usize {
    let output = Command::new("git")
        .arg("--git-dir")
        .arg(repository)
        .args(["cat-file", "--batch-check", "--batch-all-objects"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| line.contains(" blob ")).count()
}

#[test]
fn a_commit_of_a_tree_is_read_back() {
    let remote = Remote::new();
    remote.write("factory/images.yaml", "[]\n");
    remote.write("factory/state/images/b.yaml", "b\n");
    remote.write("factory/state/images/a.yaml", "a\n");
    remote.publish("main");
    let repository = Arc::new(Repository::temporary(&git(), remote.address()).unwrap());
    let tip = repository.fetch("main").unwrap();
    let root = repository.tree(&tip).unwrap();
    assert!(root.folder("none").unwrap().is_none());
    let factory = root.folder("factory").unwrap().unwrap();
    assert_eq!(
        factory.names("state/images").unwrap().unwrap(),
        ["a.yaml", "b.yaml"]
    );
    assert!(factory.names("state/none").unwrap().unwrap().is_empty());
    let read = factory.read(&["images.yaml", "../x"], 100).unwrap();
    assert_eq!(
        read.iter().map(text).collect::<Vec<_>>(),
        ["[]\n", "leads outside"]
    );
}
