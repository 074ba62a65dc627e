//! Git repositories inside a sandbox: `https://github.com/` leads to its folder `remotes/`.

use std::process::{Command, Output};

use crate::sandbox::Sandbox;

impl Sandbox {
    /// Lets addresses of github.com lead into the sandbox, and gives Git a name to commit with.
    pub fn redirect_github(&self) {
        let remotes = self.path().join("remotes").display().to_string();
        self.write(
            ".gitconfig",
            format!(
                "[user]\n\tname = Person\n\temail = person@example.com\n[init]\n\tdefaultBranch = main\n[url \"file://{remotes}/\"]\n\tinsteadOf = https://github.com/\n"
            ),
        );
    }

    /// Runs Git in a folder of the sandbox and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let output = self.try_git(folder, arguments);
        assert!(
            output.status.success(),
            "git {arguments:?} in {folder}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// As [`Sandbox::git`], however it ends.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn try_git(&self, folder: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(&[]);
        let mut git = Command::new("git");
        git.env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .args(arguments)
            .current_dir(self.path().join(folder));
        command.env_clear();
        git.output().expect("git can be started")
    }

    /// A bare repository `remotes/NAME.git` whose branch `main` has these files.
    pub fn remote(&self, name: &str, files: &[(&str, &str)]) {
        self.remote_in("sha1", name, files);
    }

    /// As [`Sandbox::remote`], with objects that are named by `sha1` or `sha256`.
    pub fn remote_in(&self, format: &str, name: &str, files: &[(&str, &str)]) {
        let bare = format!("remotes/{name}.git");
        self.write(&format!("{bare}/.keep"), "");
        let format = format!("--object-format={format}");
        self.git(&bare, &["init", "--quiet", "--bare", &format]);
        for setting in [
            "uploadpack.allowFilter",
            "uploadpack.allowAnySHA1InWant",
            "http.receivepack",
        ] {
            self.git(&bare, &["config", setting, "true"]);
        }
        self.push_files(name, "main", files);
    }

    /// Commits files on top of a branch of a remote and gives the commit.
    pub fn push_files(&self, name: &str, branch: &str, files: &[(&str, &str)]) -> String {
        let bare = format!("remotes/{name}.git");
        let work = tempfile::tempdir_in(self.path()).expect("a temporary folder can be made");
        let folder = work.path().display().to_string();
        let succeeds = |arguments: &[&str]| self.try_git(&bare, arguments).status.success();
        if !succeeds(&["rev-parse", "--verify", "--quiet", "HEAD"]) {
            // Git does not clone an empty repository in the format that it has.
            let format = self.git(&bare, &["rev-parse", "--show-object-format"]);
            let format = format!("--object-format={format}");
            self.git(&folder, &["init", "--quiet", &format]);
            let bare = self.path().join(&bare).display().to_string();
            self.git(&folder, &["remote", "add", "origin", &bare]);
        } else if !succeeds(&["clone", "--quiet", "--branch", branch, ".", &folder]) {
            self.git(&bare, &["clone", "--quiet", ".", &folder]);
        }
        for (path, text) in files {
            let path = work.path().join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).expect("the folder can be made");
            }
            std::fs::write(path, text).expect("the file can be written");
        }
        self.git(&folder, &["add", "--all"]);
        self.git(
            &folder,
            &["commit", "--quiet", "--allow-empty", "--message=files"],
        );
        self.git(
            &folder,
            &[
                "push",
                "--quiet",
                "origin",
                &format!("HEAD:refs/heads/{branch}"),
            ],
        );
        self.git(&folder, &["rev-parse", "HEAD"])
    }
}
