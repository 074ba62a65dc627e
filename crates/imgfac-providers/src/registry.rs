//! One registry: what can be asked of it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use imgfac_model::{Digest, Tag};
use reqwest::blocking::{Client, Response};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url, redirect};

use crate::ask::{Plain, What};
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::manifest::{Manifest, digest_like};
use crate::options::Options;
use crate::retry::Budget;
use crate::tags::ALL_PAGES;

/// A manifest may be this long, in bytes: registries take no longer ones.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// Redirects that are followed for one request.
const REDIRECTS: usize = 5;

/// A registry.
#[derive(Debug)]
pub struct Registry {
    pub(crate) host: String,
    pub(crate) http: Client,
    pub(crate) base: Url,
    pub(crate) options: Options,
    pub(crate) credentials: OnceLock<Result<Credentials, String>>,
    /// The header that a repository was last read with.
    pub(crate) logins: Mutex<HashMap<String, HeaderValue>>,
    pub(crate) waits: Budget,
    /// How many manifests may still be downloaded,
    pub(crate) downloads: AtomicU32,
    /// and pages of tags.
    pub(crate) pages: AtomicU32,
    /// Whether it is asked no more when something was pushed.
    pub(crate) tells_no_times: AtomicBool,
    /// Why it is not asked any more.
    pub(crate) closed: Mutex<Option<RegistryError>>,
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
            tells_no_times: AtomicBool::new(false),
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

/// The digest that a registry says an answer has.
fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    let header = headers.get("docker-content-digest")?;
    Digest::parse(header.to_str().ok()?.trim()).ok()
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
