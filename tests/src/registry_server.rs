//! A registry of the sandbox, behind a password.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::git_server::{TOKEN, skipped};
use crate::sandbox::Sandbox;
use crate::token_server::TokenServer;

/// `docker-registry`, with `skopeo` to push to it; it ends when this is dropped.
#[derive(Debug)]
pub struct RegistryServer {
    server: Child,
    port: u16,
    /// The host of the server of tokens, where it has one.
    tokens: Option<String>,
}

/// [`TOKEN`] as `htpasswd -B` writes it.
const USERS: &str = "ada:$2b$04$5RB054VzNmdfTfF0xGUsbu7ZoX2mlDAolL2vOtd0uCFjuotFd7UVO\n";

impl RegistryServer {
    /// Serves images from a folder of the sandbox; `None`, and a word on standard error, where the
    /// parts for it are not installed.
    ///
    /// # Panics
    /// When they are, and do not start.
    #[must_use]
    pub fn start(sandbox: &Sandbox) -> Option<Self> {
        Self::start_with(sandbox, None)
    }

    /// The same, which takes no password but tokens of a server that has the password: as Docker Hub
    /// and GHCR do.
    ///
    /// # Panics
    /// When the parts are installed, and do not start.
    #[must_use]
    pub fn start_with_tokens(sandbox: &Sandbox) -> Option<Self> {
        let tokens = TokenServer::start(sandbox)?;
        Self::start_with(sandbox, Some(tokens))
    }

    fn start_with(sandbox: &Sandbox, tokens: Option<TokenServer>) -> Option<Self> {
        let installed = |name: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(name).exists())
        };
        if !installed("docker-registry") || !installed("skopeo") {
            skipped("docker-registry or skopeo is not installed");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port is free")
            .port();
        let root = sandbox.path().display();
        sandbox.write("registry/users", USERS);
        let auth = match &tokens {
            Some(tokens) => tokens.settings(sandbox),
            None => format!("htpasswd: {{realm: images, path: {root}/registry/users}}"),
        };
        sandbox.write(
            "registry/config.yml",
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {root}/registry/images}}\n  delete: {{enabled: true}}\nhttp: {{addr: '127.0.0.1:{port}'}}\nauth:\n  {auth}\n"
            ),
        );
        let server = Command::new("docker-registry")
            .arg("serve")
            .arg(sandbox.path().join("registry/config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry can be started");
        let tokens = tokens.map(|tokens| tokens.host);
        let server = Self {
            server,
            port,
            tokens,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "docker-registry does not answer");
            std::thread::yield_now();
        }
        Some(server)
    }

    /// Its host and port.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// All hosts that who uses it speaks to.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let own = [self.host()];
        own.into_iter().chain(self.tokens.clone()).collect()
    }

    /// Lets a command use the registry: with a configuration of Docker that has the password.
    pub fn authorise(&self, sandbox: &Sandbox, command: &mut Command) {
        let text = format!(
            r#"{{"auths": {{"{}": {{"username": "ada", "password": "{TOKEN}"}}}}}}"#,
            self.host()
        );
        sandbox.write("docker/config.json", text);
        command.env("DOCKER_CONFIG", sandbox.path().join("docker"));
    }

    /// Pushes what a layout has, with everything that an index lists, and gives its digest.
    ///
    /// # Panics
    /// When it cannot be pushed.
    #[must_use]
    pub fn push(&self, layout: &Layout<'_>, image: &str) -> String {
        let folder = layout.sandbox.path().join(layout.folder);
        let digest = layout.sandbox.path().join("pushed");
        let output = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--all", "--quiet"])
            .args(["--dest-tls-verify=false", "--dest-creds"])
            .arg(format!("ada:{TOKEN}"))
            .arg("--digestfile")
            .arg(&digest)
            .arg(format!("oci:{}", folder.display()))
            .arg(format!("docker://{}/{image}", self.host()))
            .output()
            .expect("skopeo can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        layout.sandbox.read("pushed").trim().to_owned()
    }

    /// Takes a manifest away, as a registry does that cleans up.
    ///
    /// # Panics
    /// When that fails.
    pub fn delete(&self, repository: &str, digest: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        // `ada:` and the token in base64.
        let login = "YWRhOnMzY3JldC10MGtlbg==";
        write!(
            stream,
            "DELETE /v2/{repository}/manifests/{digest} HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {login}\r\n\r\n",
            self.host()
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.contains(" 202 "), "{answer}");
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// An image or index as files (<https://github.com/opencontainers/image-spec/blob/main/image-layout.md>).
#[derive(Debug)]
pub struct Layout<'s> {
    sandbox: &'s Sandbox,
    folder: &'s str,
}

impl<'s> Layout<'s> {
    /// A layout in a folder of the sandbox, in which nothing is yet.
    #[must_use]
    pub fn new(sandbox: &'s Sandbox, folder: &'s str) -> Self {
        Self { sandbox, folder }
    }

    /// Adds some content, and gives the descriptor of it.
    #[must_use]
    pub fn blob(&self, media_type: &str, content: &str) -> String {
        let hash: String = Sha256::digest(content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = Path::new(self.folder).join("blobs/sha256").join(&hash);
        self.sandbox.write(&path.to_string_lossy(), content);
        format!(
            r#""mediaType": "{media_type}", "digest": "sha256:{hash}", "size": {}"#,
            content.len()
        )
    }

    /// Adds an image with this content in its configuration, and layers and annotations as JSON.
    #[must_use]
    pub fn image(&self, says: &str, layers: &str, annotations: &str) -> String {
        let config = self.blob(
            "application/vnd.oci.image.config.v1+json",
            &format!(
                r#"{{"architecture": "amd64", "os": "linux", "author": "{says}", "rootfs": {{"type": "layers", "diff_ids": []}}}}"#
            ),
        );
        self.blob(
            "application/vnd.oci.image.manifest.v1+json",
            &format!(
                r#"{{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {{{config}}}, "layers": [{layers}], "annotations": {{{annotations}}}}}"#
            ),
        )
    }

    /// Says what is pushed: one descriptor.
    pub fn finish(&self, descriptor: &str) {
        let file = |name: &str| format!("{}/{name}", self.folder);
        let version = r#"{"imageLayoutVersion": "1.0.0"}"#;
        self.sandbox.write(&file("oci-layout"), version);
        let index = format!(r#"{{"schemaVersion": 2, "manifests": [{{{descriptor}}}]}}"#);
        self.sandbox.write(&file("index.json"), index);
    }
}
