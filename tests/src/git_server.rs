//! The Git repositories of a sandbox over HTTP, behind a password.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

/// `lighttpd` with Git's own back end; it ends when this is dropped.
#[derive(Debug)]
pub struct GitServer {
    server: Child,
    port: u16,
}

/// What the server wants to hear.
pub const TOKEN: &str = "s3cret-t0ken";

impl GitServer {
    /// Serves the sandbox's `remotes/`; `None`, and a word on standard error, where the parts for
    /// it are not installed.
    ///
    /// # Panics
    /// When they are, and do not start.
    #[must_use]
    pub fn start(sandbox: &Sandbox) -> Option<Self> {
        let backend = sandbox.git(".", &["--exec-path"]) + "/git-http-backend";
        let lighttpd = [
            "/usr/sbin/lighttpd",
            "/usr/bin/lighttpd",
            "/usr/local/sbin/lighttpd",
        ]
        .into_iter()
        .find(|path| Path::new(path).exists());
        let (Some(lighttpd), true) = (lighttpd, Path::new(&backend).exists()) else {
            skipped("lighttpd or git-http-backend is not installed");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port is free")
            .port();
        let root = sandbox.path().display();
        sandbox.write("server/users", format!("x-access-token:{TOKEN}\n"));
        sandbox.write(
            "server/lighttpd.conf",
            format!(
                r#"server.modules = ("mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_cgi")
server.document-root = "{root}/server"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{root}/server/errors"
auth.backend = "plain"
auth.backend.plain.userfile = "{root}/server/users"
auth.require = ("/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
alias.url = ("/git" => "{backend}")
cgi.assign = ("" => "")
setenv.add-environment = ("GIT_PROJECT_ROOT" => "{root}/remotes", "GIT_HTTP_EXPORT_ALL" => "1")
"#
            ),
        );
        let server = Command::new(lighttpd)
            .arg("-D")
            .arg("-f")
            .arg(sandbox.path().join("server/lighttpd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("lighttpd can be started");
        let server = Self { server, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "lighttpd does not answer");
            std::thread::yield_now();
        }
        Some(server)
    }

    /// The address of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a repository.
    #[must_use]
    pub fn repository(&self, name: &str) -> String {
        format!("{}/git/{name}.git", self.url())
    }

    /// Lets a command have the token for this server.
    pub fn authorise(&self, command: &mut Command) {
        command
            .env("GITHUB_SERVER_URL", self.url())
            .env("GITHUB_TOKEN", TOKEN);
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a test that is skipped must say so, and why"
)]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
