//! A folder and an environment in which the program runs, the same on every machine.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A temporary folder; the program runs in it.
#[derive(Debug)]
pub struct Sandbox {
    folder: tempfile::TempDir,
    cache: tempfile::TempDir,
    program: PathBuf,
    now: String,
}

/// What a run left: exit code and output, with the sandbox's own path replaced by `$DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code; 255 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl std::fmt::Display for Outcome {
    /// Everything in one text, for snapshots.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit {}\n--- stdout\n{}--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl Sandbox {
    /// An empty folder for a program, which a test names by `env!("CARGO_BIN_EXE_imgfac-under-test")`.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    #[must_use]
    pub fn new(program: &str) -> Self {
        let folder = || tempfile::tempdir().expect("a temporary folder can be made");
        Self {
            folder: folder(),
            cache: folder(),
            program: program.into(),
            now: "2026-11-23T12:00:00Z".into(),
        }
    }

    /// Sets the clock of the runs that follow, RFC 3339.
    pub fn set_now(&mut self, now: &str) {
        now.clone_into(&mut self.now);
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and the folders above it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("the folder can be made");
        }
        fs::write(path, content).expect("the file can be written");
    }

    /// Reads a text file.
    ///
    /// # Panics
    /// When it is missing or is not UTF-8.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path))
            .unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
    }

    /// Replaces a part of a text file.
    ///
    /// # Panics
    /// When the part is not in it.
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert!(text.contains(old), "{path} does not have {old:?}:\n{text}");
        self.write(path, text.replace(old, new));
    }

    /// Copies a folder of the repository, but for some of the names right below it.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn copy(&self, from: &Path, to: &str, without: &[&str]) {
        copy(from, &self.path().join(to), without);
    }

    /// All files and links below the folder, with content and inode: equal before and after a
    /// run that wrote nothing, not even the same text again.
    ///
    /// # Panics
    /// When one cannot be read.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, (u64, String)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("the folder can be listed") {
                let entry = entry.expect("the folder can be listed");
                let kind = entry.file_type().expect("the file has a type");
                let path = entry.path();
                let name = path
                    .strip_prefix(self.path())
                    .expect("it is below the folder");
                let content = if kind.is_dir() {
                    folders.push(path);
                    continue;
                } else if kind.is_file() {
                    let bytes = fs::read(&path).expect("the file can be read");
                    String::from_utf8_lossy(&bytes).into_owned()
                } else {
                    format!("{kind:?}")
                };
                let inode = entry.metadata().expect("the file has metadata").ino();
                found.insert(name.to_string_lossy().into_owned(), (inode, content));
            }
        }
        found
    }

    /// The command, in the sandbox's environment, for runs that need more than [`Sandbox::run`].
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            // A checkout above the temporary folder is none of the test's business.
            .env("GIT_CEILING_DIRECTORIES", self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            // Remote sources: from this machine only, through a cache that is not part of the
            // folder.
            .env("GIT_ALLOW_PROTOCOL", "file:http")
            .env("IMGFAC_CACHE_DIR", self.cache.path())
            .env("IMGFAC_OFFLINE", "1")
            .env("IMGFAC_NOW", &self.now);
        command
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_command(&mut self.command(arguments))
    }

    /// Runs a command that [`Sandbox::command`] made.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run_command(&self, command: &mut Command) -> Outcome {
        self.try_command(command)
            .expect("the program can be started")
    }

    /// Runs a command that may not be allowed to start.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn try_command(&self, command: &mut Command) -> io::Result<Outcome> {
        let output = command.output()?;
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes).replace(&self.path().display().to_string(), "$DIR")
        };
        Ok(Outcome {
            code: output.status.code().unwrap_or(255),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }
}

fn copy(from: &Path, to: &Path, without: &[&str]) {
    fs::create_dir_all(to).expect("the folder can be made");
    for entry in fs::read_dir(from).expect("the folder can be listed") {
        let entry = entry.expect("the folder can be listed");
        let name = entry.file_name();
        if without.iter().any(|other| name == *other) {
            continue;
        }
        let to = to.join(&name);
        if entry.file_type().expect("the file has a type").is_dir() {
            copy(&entry.path(), &to, &[]);
        } else {
            fs::copy(entry.path(), to).expect("the file can be copied");
        }
    }
}
