//! Running the `git` program: a clean environment, no questions, an end in time.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::credentials::Credential;
use crate::error::{Error, reason};
use crate::interrupt::{Running, wait_if_ending};

/// How Git is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tokens; for every other server Git's own credential helpers are asked.
    pub credentials: Vec<Credential>,
    /// The longest that one call of Git may take, with all that the network does to it.
    pub time_limit: Duration,
    /// Who is named in commits; `None` leaves it to Git's configuration.
    pub author: Option<Author>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            credentials: Vec::new(),
            time_limit: Duration::from_secs(300),
            author: None,
        }
    }
}

/// Who is named in commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// The `git` program, as this crate runs it.
#[derive(Clone, Debug)]
pub struct Git {
    settings: Arc<Settings>,
    own_ssh: Arc<OnceLock<bool>>,
}

/// What every call is told, whatever the user's configuration says.
const ALWAYS: &[&str] = &[
    // `ext::` runs a command and `git://` trusts anybody; both can hide behind an address.
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.http.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
    // A connection that stalls is given up; the time limit ends what trickles on.
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
    // Nothing of the repository's may run, and nothing may outlive the call.
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.prune=false",
    "fetch.writeCommitGraph=false",
    "push.followTags=false",
    "push.recurseSubmodules=no",
    "core.quotePath=false",
];

/// Inside a hook, or a shell of another tool, these point at another repository than ours.
const LOCAL: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

impl Git {
    /// Git with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            own_ssh: Arc::default(),
        }
    }

    /// Whether ssh is run by a command of ours, which asks nobody. The environment would win over
    /// the user's `core.sshCommand`, so that has to be looked for; once.
    fn own_ssh(&self) -> bool {
        let given = || {
            ["GIT_SSH_COMMAND", "GIT_SSH"]
                .iter()
                .any(|name| std::env::var_os(name).is_some())
        };
        let configured = || {
            self.call("config", "the configuration")
                .args(["config", "--get", "core.sshCommand"])
                .run()
                .is_ok_and(|output| output.status.success())
        };
        *self.own_ssh.get_or_init(|| !given() && !configured())
    }

    pub(crate) fn time_limit(&self) -> Duration {
        self.settings.time_limit
    }

    pub(crate) fn author(&self) -> Option<&Author> {
        self.settings.author.as_ref()
    }

    /// A call of Git; `what` and `place` are for messages.
    pub(crate) fn call(&self, what: &'static str, place: impl Into<String>) -> Call<'_> {
        let mut command = Command::new("git");
        command.arg("--no-pager");
        for setting in ALWAYS {
            command.args(["-c", setting]);
        }
        for name in LOCAL {
            command.env_remove(name);
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GCM_INTERACTIVE", "never")
            // Set and empty, it keeps Git from asking through any other program.
            .env("GIT_ASKPASS", "")
            .env("SSH_ASKPASS", "")
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .env("GIT_EDITOR", "false")
            .stdin(Stdio::null());
        Call {
            git: self,
            command,
            what,
            place: place.into(),
            input: None,
        }
    }

    pub(crate) fn secrets(&self) -> Vec<String> {
        self.settings
            .credentials
            .iter()
            .flat_map(Credential::secrets)
            .collect()
    }
}

/// One call of Git in the making.
pub(crate) struct Call<'g> {
    git: &'g Git,
    command: Command,
    what: &'static str,
    place: String,
    input: Option<Vec<u8>>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Call<'_> {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Lets the call reach a server, with the tokens.
    pub(crate) fn with_credentials(mut self) -> Self {
        if self.git.own_ssh() {
            self.command.env(
                "GIT_SSH_COMMAND",
                "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15",
            );
        }
        for (number, credential) in self.git.settings.credentials.iter().enumerate() {
            if let Some((settings, (variable, secret))) = credential.for_git(number) {
                for setting in settings {
                    self.command.args(["-c", &setting]);
                }
                self.command.env(variable, secret);
            }
        }
        self
    }

    /// Runs it to its end and gives what it wrote; a failure is an error.
    pub(crate) fn output(self) -> Result<Vec<u8>, Error> {
        let (git, what, place) = (self.git, self.what, self.place.clone());
        let output = self.run()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(Error::Refused {
            what,
            place,
            message: reason(&output.stderr, &git.secrets()),
        })
    }

    /// As [`Call::output`], as text without the last line break.
    pub(crate) fn text(self) -> Result<String, Error> {
        let bytes = self.output()?;
        Ok(String::from_utf8_lossy(&bytes)
            .trim_end_matches('\n')
            .to_owned())
    }

    /// Runs it to its end, however it ends.
    pub(crate) fn run(mut self) -> Result<Output, Error> {
        let limit = self.git.settings.time_limit;
        if self.input.is_some() {
            self.command.stdin(Stdio::piped());
        }
        let (mut child, running) = self.start(Stdio::piped())?;
        let deadline = Instant::now() + limit;
        let (done, ends) = mpsc::channel();
        let read = |pipe: Option<Box<dyn Read + Send>>, number: usize| {
            let done = done.clone();
            thread::spawn(move || {
                let mut bytes = Vec::new();
                if let Some(mut pipe) = pipe {
                    let _ = pipe.read_to_end(&mut bytes);
                }
                let _ = done.send((number, bytes));
            });
        };
        read(child.stdout.take().map(|pipe| Box::new(pipe) as Box<_>), 0);
        read(child.stderr.take().map(|pipe| Box::new(pipe) as Box<_>), 1);
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.input.take()) {
            // A process that ends early closes the pipe; its own words say why.
            thread::spawn(move || stdin.write_all(&input));
        }
        let mut pipes: [Vec<u8>; 2] = Default::default();
        let mut timed_out = false;
        for _ in 0..2 {
            let left = deadline.saturating_duration_since(Instant::now());
            match ends.recv_timeout(left) {
                Ok((number, bytes)) => pipes[number] = bytes,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    timed_out = true;
                    break;
                }
            }
        }
        let status = self.wait(&mut child, &running, deadline, &mut timed_out)?;
        drop(running);
        wait_if_ending();
        if timed_out {
            return Err(Error::TimedOut {
                what: self.what,
                place: self.place,
                seconds: limit.as_secs(),
            });
        }
        let [stdout, stderr] = pipes;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Waits for the process itself, which has closed its pipes or used up its time.
    fn wait(
        &self,
        child: &mut Child,
        running: &Running,
        deadline: Instant,
        timed_out: &mut bool,
    ) -> Result<ExitStatus, Error> {
        let failed = |source| Error::Io {
            path: "git".into(),
            source,
        };
        let mut pause = Duration::from_micros(100);
        while !*timed_out {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return Ok(status);
            }
            *timed_out = Instant::now() >= deadline;
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        running.terminate();
        let grace = Instant::now() + Duration::from_secs(2);
        while Instant::now() < grace {
            if let Some(status) = child.try_wait().map_err(failed)? {
                // What it had started may have stayed.
                running.kill();
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        running.kill();
        child.wait().map_err(failed)
    }

    /// Starts it with pipes at both ends, for a conversation.
    pub(crate) fn converse(mut self) -> Result<Conversation, Error> {
        self.command.stdin(Stdio::piped());
        // Nobody reads it during a conversation, and a full pipe would end that.
        let (mut child, running) = self.start(Stdio::null())?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = pipes else {
            return Err(Error::NoGit(io::Error::other("it has no pipes")));
        };
        Ok(Conversation {
            child,
            running,
            stdin: Some(stdin),
            stdout: io::BufReader::with_capacity(1 << 16, stdout),
        })
    }

    fn start(&mut self, stderr: Stdio) -> Result<(Child, Running), Error> {
        use std::os::unix::process::CommandExt;
        wait_if_ending();
        let child = self
            .command
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .map_err(Error::NoGit)?;
        let running = Running::new(child.id());
        Ok((child, running))
    }
}

/// A Git process that answers questions until it is dropped.
#[derive(Debug)]
pub(crate) struct Conversation {
    child: Child,
    running: Running,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: io::BufReader<ChildStdout>,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // It ends when nothing more can come.
        self.stdin = None;
        self.running.terminate();
        let _ = self.child.wait();
    }
}

/// `--git-dir=…`.
pub(crate) fn git_dir(dir: &Path) -> OsString {
    let mut argument = OsString::from("--git-dir=");
    argument.push(dir);
    argument
}
