//! What the disk and other runs can do to a run: it changes everything or nothing, and says so.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use imgfac_tests::{Outcome, Sandbox};
use insta::assert_snapshot;

use crate::sandbox;

const SYNC: [&str; 5] = ["-C", "factory", "sync", "--workspace", "acme/shop=shop"];
const IMAGES: usize = 24;

/// A factory of many images with one Dockerfile.
fn many_images() -> Sandbox {
    let sandbox = sandbox();
    let entries: String = (0..IMAGES)
        .map(|n| format!("- {{name: i{n}, repository: acme/i{n}, source: {{repo: acme/shop}}}}\n"))
        .collect();
    sandbox.write("factory/images.yaml", entries);
    sandbox.write("shop/Dockerfile", "FROM node:22\nFROM debian:12\n");
    sandbox
}

/// The content of all files.
fn contents(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let files = sandbox.files().into_iter();
    files.map(|(path, (_, text))| (path, text)).collect()
}

#[test]
fn a_second_run_waits_for_nobody_and_changes_nothing() {
    let sandbox = many_images();
    let held = File::open(sandbox.path().join("factory")).expect("the folder can be opened");
    held.lock().expect("the folder can be locked");
    let before = sandbox.files();
    assert_snapshot!(sandbox.run(&SYNC), @"
    exit 1
    --- stdout
    --- stderr
    error: another run is at work in factory; wait for it to end, then try again
    ");
    assert_eq!(sandbox.run(&["-C", "factory", "init"]).code, 1);
    assert_eq!(sandbox.files(), before);
    // Reading needs no lock.
    assert_eq!(sandbox.run(&["-C", "factory", "check"]).code, 0);
    assert_eq!(sandbox.run(&["-C", "factory", "status"]).code, 0);
    let mut check = SYNC.to_vec();
    check.push("--check");
    assert_eq!(sandbox.run(&check).code, 4);
    drop(held);
    assert_eq!(sandbox.run(&SYNC).code, 0);
}

/// Runs the program as somebody who is not root, for whom permissions count.
fn run_as_nobody(sandbox: &Sandbox, arguments: &[&str]) -> Option<Outcome> {
    let mut command = sandbox.command(arguments);
    let is_root = fs::metadata("/proc/self")
        .map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
        .unwrap_or(false);
    if is_root {
        command.uid(65_534).gid(65_534);
        fs::set_permissions(sandbox.path(), Permissions::from_mode(0o755)).ok()?;
    }
    // The program itself may lie where only its owner can read.
    sandbox.try_command(&mut command).ok()
}

#[test]
fn a_folder_that_may_not_be_written_stays_as_it_is() {
    let sandbox = many_images();
    let factory = sandbox.path().join("factory");
    fs::set_permissions(&factory, Permissions::from_mode(0o555)).expect("it is ours");
    let before = sandbox.files();
    let Some(outcome) = run_as_nobody(&sandbox, &SYNC) else {
        eprintln!("skipped: nobody else than root can run the program here");
        return;
    };
    assert_snapshot!(outcome, @"
    exit 1
    --- stdout
    --- stderr
    error: cannot write state: Permission denied (os error 13)
    hint: nothing was changed
    ");
    assert_eq!(sandbox.files(), before);
    let status = run_as_nobody(&sandbox, &["-C", "factory", "status"]);
    // So that the sandbox can be removed by anybody.
    fs::set_permissions(&factory, Permissions::from_mode(0o755)).expect("it is ours");
    assert_eq!(
        status.map(|outcome| outcome.code),
        Some(0),
        "reading is allowed"
    );
}

/// With a limit on the size of files, writing fails as it does on a full disk.
#[test]
fn a_file_that_cannot_be_written_to_its_end_changes_nothing() {
    let sandbox = many_images();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    sandbox.write("shop/Dockerfile", "FROM node:24\nFROM debian:13\n");
    let before = sandbox.files();
    let mut command = sandbox.command(&SYNC);
    // The manifests of so many images are larger than the limit, state files smaller.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let program = command.get_program().to_owned();
    let mut limited = Command::new("sh");
    limited
        .args(["-c", script])
        .arg(program)
        .args(SYNC)
        .current_dir(sandbox.path());
    for (key, value) in command.get_envs() {
        limited.env(key, value.unwrap_or_default());
    }
    command = limited;
    assert_snapshot!(sandbox.run_command(&mut command), @"
    exit 1
    --- stdout
    --- stderr
    error: cannot write dist/image-factory.k8s.yaml: File too large (os error 27)
    hint: nothing was changed
    ");
    assert_eq!(sandbox.files(), before);
    assert_eq!(sandbox.run(&SYNC).code, 0, "and the next run does the work");
}

/// A file system of its own that goes away with it.
pub(crate) struct OwnDisk<'p>(&'p Path);

impl<'p> OwnDisk<'p> {
    pub(crate) fn mount(path: &'p Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(path))
    }
}

impl Drop for OwnDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    let sandbox = many_images();
    let factory = sandbox.path().join("small");
    fs::create_dir(&factory).expect("the folder can be made");
    let Some(_disk) = OwnDisk::mount(&factory, "size=64k") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    sandbox.write("small/images.yaml", sandbox.read("factory/images.yaml"));
    let before = sandbox.files();
    let outcome = sandbox.run(&["-C", "small", "sync", "--workspace", "acme/shop=shop"]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(
        outcome.stderr.contains("No space left on device"),
        "{outcome}"
    );
    assert_eq!(sandbox.files(), before);
}

/// Invariant: a killed run leaves every file whole, old or new, and the next one completes the
/// work. The run is killed when so many of its files are there, temporary ones included.
#[test]
fn a_killed_run_leaves_whole_files_and_the_next_completes_the_work() {
    let sandbox = many_images();
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let old = contents(&sandbox);
    sandbox.write("shop/Dockerfile", "FROM node:24\nFROM debian:13\n");
    assert_eq!(sandbox.run(&SYNC).code, 0);
    let new = contents(&sandbox);

    let mut killed = 0;
    for seed in 0..12 {
        let sandbox = sandbox_with(&old);
        sandbox.write("shop/Dockerfile", "FROM node:24\nFROM debian:13\n");
        let mut run = sandbox
            .command(&SYNC)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started");
        let state = sandbox.path().join("factory/state/images");
        let wanted = IMAGES + seed * 3;
        let status = loop {
            let there = fs::read_dir(&state).map(Iterator::count).unwrap_or(0);
            if there >= wanted || (seed >= 8 && is_new(&sandbox, &new)) {
                let _ = run.kill();
                break run.wait();
            }
            if let Ok(Some(status)) = run.try_wait() {
                break Ok(status);
            }
        };
        killed += usize::from(status.expect("it ended").code().is_none());

        for (path, text) in contents(&sandbox) {
            // A new folder is complete before it gets its name, too.
            if path.contains(".tmp") {
                continue;
            }
            assert!(
                old.get(&path) == Some(&text) || new.get(&path) == Some(&text),
                "seed {seed}: {path} is neither old nor new:\n{text}"
            );
        }
        let outcome = sandbox.run(&SYNC);
        assert_eq!(outcome.code, 0, "seed {seed}: {outcome}");
        assert_eq!(contents(&sandbox), new, "seed {seed}");
    }
    assert!(killed > 0, "no run was killed before its end");
}

fn is_new(sandbox: &Sandbox, new: &BTreeMap<String, String>) -> bool {
    let path = "factory/state/images/i0.yaml";
    new.get(path) == Some(&sandbox.read(path))
}

fn sandbox_with(files: &BTreeMap<String, String>) -> Sandbox {
    let sandbox = sandbox();
    for (path, text) in files {
        sandbox.write(path, text);
    }
    sandbox
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let sandbox = many_images();
    let full = || File::options().write(true).open("/dev/full");
    let Ok(full) = full() else {
        eprintln!("skipped: there is no /dev/full");
        return;
    };
    let outcome = sandbox
        .command(&["-C", "factory", "synth", "--output", "-"])
        .stdout(full)
        .output()
        .expect("the program can be started");
    assert_eq!(outcome.status.code(), Some(1));
    let words = String::from_utf8_lossy(&outcome.stderr);
    assert!(
        words.contains("error: cannot write output: No space left"),
        "{words}"
    );
}
