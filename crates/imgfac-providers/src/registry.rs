//! One registry: requests, their repetitions, and what the answers mean.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use imgfac_model::{Digest, Tag};
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, StatusCode, Url, redirect};

use crate::challenge::challenge;
use crate::clock::{Clock, SystemClock};
use crate::credentials::{Credentials, docker_config};
use crate::error::RegistryError;
use crate::manifest::{ACCEPTED, Manifest, digest_like};
use crate::retry::{self, Budget, DEFAULT_RETRY, Retry};
use crate::tags::ALL_PAGES;

/// A manifest may be this long, in bytes: registries take no longer ones.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// Redirects that are followed for one request.
const REDIRECTS: usize = 5;

/// Finds the credentials for a host, or says why it cannot.
pub type FindCredentials = Arc<dyn Fn(&str) -> Result<Credentials, String> + Send + Sync>;

/// How registries are asked.
#[derive(Clone)]
pub struct Options {
    /// Hosts that are spoken to over plain HTTP.
    pub insecure: BTreeSet<String>,
    /// How often to try.
    pub retry: Retry,
    /// How long one request may take, with its answer.
    pub timeout: Duration,
    /// How many manifests may be downloaded from one registry; `None`: any number.
    pub budget: Option<u32>,
    /// Finds the credentials for a host, when it wants some.
    pub credentials: FindCredentials,
    /// Folders with a folder for each host, in which files `*.crt` are authorities to trust.
    pub authorities: Vec<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    /// HTTPS, the credentials of Docker and Podman, and the authorities that these know.
    fn default() -> Self {
        Self {
            insecure: BTreeSet::new(),
            retry: DEFAULT_RETRY,
            timeout: Duration::from_secs(30),
            budget: None,
            credentials: Arc::new(docker_config),
            authorities: vec![
                "/etc/docker/certs.d".into(),
                "/etc/containers/certs.d".into(),
            ],
            clock: Arc::new(SystemClock),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            insecure,
            retry,
            timeout,
            budget,
            ..
        } = self;
        f.debug_struct("Options")
            .field("insecure", insecure)
            .field("retry", retry)
            .field("timeout", timeout)
            .field("budget", budget)
            .finish_non_exhaustive()
    }
}

/// A registry.
#[derive(Debug)]
pub struct Registry {
    pub(crate) host: String,
    pub(crate) http: Client,
    pub(crate) base: Url,
    pub(crate) options: Options,
    credentials: OnceLock<Result<Credentials, String>>,
    /// The header that a repository was last read with.
    logins: Mutex<HashMap<String, HeaderValue>>,
    waits: Budget,
    /// How many manifests may still be downloaded,
    downloads: AtomicU32,
    /// and pages of tags.
    pub(crate) pages: AtomicU32,
    /// Why it is not asked any more.
    closed: Mutex<Option<RegistryError>>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'w> {
    Tag(&'w Tag),
    Digest(&'w Digest),
    Blob(&'w Digest),
    /// A page of the list of tags, by its query.
    Tags(&'w str),
}

impl What<'_> {
    fn path(self) -> String {
        match self {
            Self::Tag(tag) => format!("manifests/{tag}"),
            Self::Digest(digest) => format!("manifests/{}", digest.as_str()),
            Self::Blob(digest) => format!("blobs/{}", digest.as_str()),
            Self::Tags(query) => format!("tags/list?{query}"),
        }
    }
}

impl std::fmt::Display for What<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Digest(digest) | Self::Blob(digest) => f.write_str(digest.as_str()),
            Self::Tags(_) => f.write_str("tags"),
        }
    }
}

/// Why one attempt came to nothing.
pub(crate) enum Failure {
    /// It would come to nothing again.
    Final(RegistryError),
    /// It may go well the next time.
    Again {
        after: Option<Duration>,
        error: RegistryError,
    },
}

impl Registry {
    /// A registry by its host, as references have it. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// When the host is none, or the authorities that belong to it cannot be read.
    pub fn new(host: &str, options: Options) -> Result<Self, RegistryError> {
        let wrong = |problem: String| RegistryError::Settings {
            registry: host.to_owned(),
            problem,
        };
        let address = match host {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let scheme = match options.insecure.contains(host) {
            true => "http",
            false => "https",
        };
        let base = Url::parse(&format!("{scheme}://{address}/v2/"))
            .map_err(|error| wrong(format!("its name is no host: {error}")))?;
        let insecure = options.insecure.clone();
        let mut http = Client::builder()
            .user_agent(concat!("imgfac/", env!("CARGO_PKG_VERSION")))
            .timeout(options.timeout)
            .connect_timeout(options.timeout.min(Duration::from_secs(10)))
            .referer(false)
            // reqwest takes credentials out of a request that is led to another host or port.
            .redirect(redirect::Policy::custom(move |attempt| {
                if attempt.previous().len() > REDIRECTS {
                    attempt.error("too many redirects")
                } else if encrypted_or_allowed(attempt.url(), &insecure) {
                    attempt.follow()
                } else {
                    let host = host_of(attempt.url());
                    attempt.error(Plain(host))
                }
            }));
        for folder in &options.authorities {
            for file in authorities(&folder.join(host)) {
                let pem = std::fs::read(&file)
                    .map_err(|error| wrong(format!("{}: {error}", file.display())))?;
                let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                    .map_err(|_| wrong(format!("{} is no certificate", file.display())))?;
                http = http.tls_certs_merge(certificates);
            }
        }
        let http = http
            .build()
            .map_err(|error| wrong(format!("no client can be made: {}", chain(&error))))?;
        Ok(Self {
            host: host.to_owned(),
            http,
            base,
            credentials: OnceLock::new(),
            logins: Mutex::default(),
            waits: Budget::new(&options.retry),
            downloads: AtomicU32::new(options.budget.unwrap_or(u32::MAX)),
            pages: AtomicU32::new(ALL_PAGES),
            closed: Mutex::default(),
            options,
        })
    }

    /// What a tag points at. Where the registry does not say it in a header, the manifest is
    /// downloaded and hashed, unless it is still the one with the digest that is `known`.
    ///
    /// # Errors
    ///
    /// When there is no such tag, or the registry cannot be asked.
    pub fn digest_of(
        &self,
        repository: &str,
        tag: &Tag,
        known: Option<&Digest>,
    ) -> Result<Digest, RegistryError> {
        let what = What::Tag(tag);
        let head = self.ask(Method::HEAD, repository, what, None)?;
        if let Some(digest) = content_digest(head.headers()) {
            return Ok(digest);
        }
        let answer = self.download(repository, what, known)?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return known
                .cloned()
                .ok_or_else(|| self.unusable(repository, what, "nothing was known before"));
        }
        let said = content_digest(answer.headers());
        let text = self.body(answer, MANIFEST_LIMIT, repository, what)?;
        let digest = self.check(said.as_ref(), &text, repository, what)?;
        // A page of a proxy has a hash, too.
        Manifest::read(digest.clone(), &text)
            .map_err(|problem| self.unusable(repository, what, &problem))?;
        Ok(digest)
    }

    /// Whether a digest is there.
    ///
    /// # Errors
    ///
    /// When it is not, or the registry cannot be asked.
    pub fn has(&self, repository: &str, digest: &Digest) -> Result<(), RegistryError> {
        let what = What::Digest(digest);
        self.ask(Method::HEAD, repository, what, None).map(|_| ())
    }

    /// Downloads a manifest; its content is that of the digest.
    ///
    /// # Errors
    ///
    /// When it is not there, is something else, or the registry cannot be asked.
    pub fn manifest(&self, repository: &str, digest: &Digest) -> Result<Manifest, RegistryError> {
        let what = What::Digest(digest);
        let answer = self.download(repository, what, None)?;
        let text = self.body(answer, MANIFEST_LIMIT, repository, what)?;
        let digest = self.check(Some(digest), &text, repository, what)?;
        Manifest::read(digest, &text).map_err(|problem| self.unusable(repository, what, &problem))
    }

    /// Downloads something that a manifest lists, of at most `limit` bytes.
    pub(crate) fn blob(
        &self,
        repository: &str,
        digest: &Digest,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let what = What::Blob(digest);
        let answer = self.ask(Method::GET, repository, what, None)?;
        let bytes = self.body(answer, limit, repository, what)?;
        self.check(Some(digest), &bytes, repository, what)?;
        Ok(bytes)
    }

    fn download(
        &self,
        repository: &str,
        what: What<'_>,
        known: Option<&Digest>,
    ) -> Result<Response, RegistryError> {
        self.spend(&self.downloads)?;
        self.ask(Method::GET, repository, what, known)
    }

    /// Takes one off what may still be asked for.
    pub(crate) fn spend(&self, left: &AtomicU32) -> Result<(), RegistryError> {
        let one_less = |left: u32| left.checked_sub(1);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .map_err(|_| RegistryError::Budget {
                registry: self.host.clone(),
            })?;
        Ok(())
    }

    /// Asks until there is an answer or no hope.
    pub(crate) fn ask(
        &self,
        method: Method,
        repository: &str,
        what: What<'_>,
        known: Option<&Digest>,
    ) -> Result<Response, RegistryError> {
        if let Some(error) = lock(&self.closed).clone() {
            return Err(error);
        }
        let mut waits = self.options.retry.waits();
        loop {
            let attempt = self.attempt(&method, repository, what, known);
            let (after, error) = match attempt {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(self.give_up(error)),
                Err(Failure::Again { after, error }) => (after, error),
            };
            // What the registry asks for is the least.
            let wait = waits
                .next()
                .map(|wait| after.map_or(wait, |after| after.max(wait)));
            let Some(wait) = wait.filter(|wait| self.waits.spend(*wait)) else {
                return Err(self.give_up(error));
            };
            tracing::info!(registry = self.host, %error, wait = wait.as_millis(), "asking again");
            self.options.clock.sleep(wait);
        }
    }

    fn give_up(&self, error: RegistryError) -> RegistryError {
        if error.ends_it() {
            lock(&self.closed).get_or_insert_with(|| error.clone());
        }
        error
    }

    fn attempt(
        &self,
        method: &Method,
        repository: &str,
        what: What<'_>,
        known: Option<&Digest>,
    ) -> Result<Response, Failure> {
        let Ok(url) = self.base.join(&format!("{repository}/{}", what.path())) else {
            return Err(Failure::Final(self.unusable(
                repository,
                what,
                "its name is no address",
            )));
        };
        let request = || {
            let request = self.http.request(method.clone(), url.clone());
            let request = request.header(
                ACCEPT,
                match what {
                    What::Blob(_) => "*/*",
                    What::Tags(_) => "application/json",
                    What::Tag(_) | What::Digest(_) => ACCEPTED,
                },
            );
            match known {
                Some(known) => request.header(IF_NONE_MATCH, format!("\"{}\"", known.as_str())),
                None => request,
            }
        };
        let login = lock(&self.logins).get(repository).cloned();
        let answer = self.send(with(request(), login), repository, what)?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return self.judge(answer, repository, what);
        }
        // The first time, or a token that is too old.
        let headers = answer.headers().get_all(reqwest::header::WWW_AUTHENTICATE);
        let Some(challenge) = challenge(headers.iter().filter_map(|one| one.to_str().ok())) else {
            return self.judge(answer, repository, what);
        };
        // The connection can be used again once the answer is gone.
        drop(answer);
        let login = self
            .login(&challenge, repository, what)?
            .ok_or_else(|| Failure::Final(self.denied(repository, 401, None)))?;
        lock(&self.logins).insert(repository.to_owned(), login.clone());
        let answer = self.send(with(request(), Some(login)), repository, what)?;
        self.judge(answer, repository, what)
    }

    /// What an answer means.
    pub(crate) fn judge(
        &self,
        answer: Response,
        repository: &str,
        what: What<'_>,
    ) -> Result<Response, Failure> {
        let headers = answer.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if text("ratelimit-remaining").and_then(retry::remaining) == Some(0) {
            self.downloads.store(0, Ordering::Relaxed);
        }
        let after = text("retry-after")
            .and_then(|header| retry::retry_after(header, self.options.clock.now()));
        let status = answer.status().as_u16();
        let registry = self.host.clone();
        let repository = repository.to_owned();
        match status {
            200 | 304 => Ok(answer),
            401 | 403 => {
                let code = code(answer);
                Err(Failure::Final(self.denied(&repository, status, code)))
            }
            404 => Err(Failure::Final(RegistryError::NotFound {
                registry,
                repository,
                what: what.to_string(),
            })),
            429 => Err(Failure::Again {
                after,
                error: RegistryError::Limited {
                    registry,
                    wait: after,
                },
            }),
            _ => {
                let error = RegistryError::Refused {
                    registry,
                    repository,
                    what: what.to_string(),
                    status,
                    code: code(answer),
                };
                match status {
                    500 | 502..=504 => Err(Failure::Again { after, error }),
                    _ => Err(Failure::Final(error)),
                }
            }
        }
    }

    /// Sends a request.
    pub(crate) fn send(
        &self,
        request: RequestBuilder,
        repository: &str,
        what: What<'_>,
    ) -> Result<Response, Failure> {
        request.send().map_err(|error| {
            if error.is_redirect() {
                return Failure::Final(match plain(&error) {
                    Some(host) => RegistryError::PlainHttp {
                        registry: self.host.clone(),
                        host,
                    },
                    None => self.unusable(repository, what, "it leads in a circle, or too far"),
                });
            }
            let reason = chain(&error);
            // A certificate that is not trusted now will not be trusted in a second.
            let hopeless = reason.contains("certificate") || error.is_builder();
            let error = RegistryError::Unreachable {
                registry: self.host.clone(),
                reason,
            };
            match hopeless {
                true => Failure::Final(error),
                false => Failure::Again { after: None, error },
            }
        })
    }

    /// The credentials for this registry, found when they are first needed.
    pub(crate) fn credentials(&self) -> Result<&Credentials, RegistryError> {
        let found = self
            .credentials
            .get_or_init(|| (self.options.credentials)(&self.host));
        found
            .as_ref()
            .map_err(|problem| RegistryError::Credentials {
                registry: self.host.clone(),
                problem: problem.clone(),
            })
    }

    pub(crate) fn denied(
        &self,
        repository: &str,
        status: u16,
        code: Option<String>,
    ) -> RegistryError {
        RegistryError::Denied {
            registry: self.host.clone(),
            repository: repository.to_owned(),
            status,
            code,
            anonymous: !matches!(
                self.credentials.get(),
                Some(Ok(
                    Credentials::Password { .. } | Credentials::IdentityToken(_)
                ))
            ),
        }
    }

    pub(crate) fn unusable(
        &self,
        repository: &str,
        what: What<'_>,
        problem: &str,
    ) -> RegistryError {
        RegistryError::Unusable {
            registry: self.host.clone(),
            repository: repository.to_owned(),
            what: what.to_string(),
            problem: problem.to_owned(),
        }
    }

    /// Reads an answer to its end, if that comes soon enough.
    pub(crate) fn body(
        &self,
        answer: Response,
        limit: u64,
        repository: &str,
        what: What<'_>,
    ) -> Result<Vec<u8>, RegistryError> {
        let too_long = || {
            let problem = format!("it is longer than {limit} bytes");
            self.unusable(repository, what, &problem)
        };
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        answer
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|_| RegistryError::Unreachable {
                registry: self.host.clone(),
                reason: "the connection broke".into(),
            })?;
        match u64::try_from(bytes.len()) {
            Ok(length) if length <= limit => Ok(bytes),
            _ => Err(too_long()),
        }
    }

    /// The digest of what came, which must be the one that was promised.
    fn check(
        &self,
        promised: Option<&Digest>,
        bytes: &[u8],
        repository: &str,
        what: What<'_>,
    ) -> Result<Digest, RegistryError> {
        let wrong = |problem: &str| self.unusable(repository, what, problem);
        let digest = digest_like(promised, bytes).map_err(|problem| wrong(&problem))?;
        match promised {
            Some(promised) if *promised != digest => {
                Err(wrong("its content has another digest than it should"))
            }
            _ => Ok(digest),
        }
    }
}

fn with(request: RequestBuilder, login: Option<HeaderValue>) -> RequestBuilder {
    match login {
        Some(login) => request.header(AUTHORIZATION, login),
        None => request,
    }
}

/// The digest that a registry says an answer has.
fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    let header = headers.get("docker-content-digest")?;
    Digest::parse(header.to_str().ok()?.trim()).ok()
}

/// The first code of an error of a registry, such as `MANIFEST_UNKNOWN`. Their messages are not
/// repeated: they may have anything in them.
fn code(answer: Response) -> Option<String> {
    let mut text = Vec::new();
    answer.take(64 << 10).read_to_end(&mut text).ok()?;
    let answer: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let code = answer.pointer("/errors/0/code")?.as_str()?;
    let plain = |c: char| c.is_ascii_uppercase() || c == '_';
    (code.len() <= 40 && !code.is_empty() && code.chars().all(plain)).then(|| code.to_owned())
}

/// Whether credentials may go there.
pub(crate) fn encrypted_or_allowed(url: &Url, insecure: &BTreeSet<String>) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && insecure.contains(&host_of(url)))
}

/// The host of an address, with the port if it names one.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// A redirect leads to this host, without encryption.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not encrypted")]
struct Plain(String);

fn plain(error: &reqwest::Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(Plain(host)) = error.downcast_ref() {
            return Some(host.clone());
        }
        source = error.source();
    }
    None
}

/// The innermost words of an error say what happened; no address, which stands in the message
/// around it.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".into();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match std::ptr::eq(innermost, error as &dyn std::error::Error) {
        true => "the request failed".into(),
        false => innermost.to_string(),
    }
}

/// The files of authorities in a folder, sorted; none when there is no such folder.
fn authorities(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "crt"))
        .collect();
    files.sort();
    files
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
