//! From a kubeconfig, or from inside a pod, to a cluster.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError};
use kube::{Client, Config};

use crate::cluster::{Cluster, Options};
use crate::request::credentials;

/// How long the server may take to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may be silent in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Where to find the credentials of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Kubeconfig files; the first that sets a value wins, and those that are missing are skipped.
    pub files: Vec<PathBuf>,
    /// The context; `None` is the current one of the files.
    pub context: Option<String>,
    /// Whether this is a pod: then its service account is used when there are no files.
    pub in_pod: bool,
}

impl Access {
    /// As kubectl finds them: `KUBECONFIG`, else `~/.kube/config`, else the pod's own.
    #[must_use]
    pub fn from_environment(context: Option<String>) -> Self {
        let files = match env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty()) {
            Some(paths) => env::split_paths(&paths)
                .filter(|path| !path.as_os_str().is_empty())
                .collect(),
            None => env::home_dir()
                .map(|home| home.join(".kube/config"))
                .filter(|path| path.is_file())
                .into_iter()
                .collect(),
        };
        Self {
            files,
            context,
            in_pod: env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }
}

/// There is no way to the cluster yet. No message repeats anything secret.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing says where a cluster is.
    #[error(
        "no cluster is configured: KUBECONFIG is not set, there is no ~/.kube/config, and this is no pod"
    )]
    Nowhere,
    /// None of the named files is there.
    #[error("there is no kubeconfig {0}")]
    NoFile(Files),
    /// A file cannot be read.
    #[error("cannot read the kubeconfig {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no kubeconfig.
    #[error("{} is no kubeconfig{}", path.display(), at(*line))]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line of the mistake, if it is known. Its text may be a token.
        line: Option<u64>,
    },
    /// The context is not in the files.
    #[error("the kubeconfig {files} has no context {context:?}")]
    NoContext {
        /// The files.
        files: Files,
        /// The context.
        context: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The files name no current context, and none was chosen.
    #[error("the kubeconfig {files} has no current context")]
    NoCurrentContext {
        /// The files.
        files: Files,
        /// Those that there are.
        known: Vec<String>,
    },
    /// What the context points to cannot be used.
    #[error("cannot use context {context:?} of the kubeconfig {files}: {reason}")]
    Context {
        /// The files.
        files: Files,
        /// The context.
        context: String,
        /// Why.
        reason: String,
    },
    /// The pod's service account cannot be used.
    #[error("cannot use the service account of this pod: {0}")]
    Pod(#[source] InClusterError),
    /// As [`ConnectError::Context`], in a pod.
    #[error("cannot use the service account of this pod: {0}")]
    PodClient(String),
}

impl ConnectError {
    /// What the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let known = |known: &[String]| match known {
            [] => "it has none at all; is KUBECONFIG the right file?".to_owned(),
            known => format!("choose one with --context: {}", known.join(", ")),
        };
        Some(match self {
            Self::Nowhere => "name a kubeconfig with KUBECONFIG=FILE".into(),
            Self::NoFile(_) => "KUBECONFIG should name an existing file".into(),
            Self::Read { .. } | Self::Parse { .. } => {
                "KUBECONFIG should name a file that kubectl can read".into()
            }
            Self::NoContext { known: names, .. } | Self::NoCurrentContext { known: names, .. } => {
                known(names)
            }
            Self::Context { .. } => "kubectl with the same --context shows whether it works".into(),
            Self::Pod(_) | Self::PodClient(_) => {
                "the pod needs a service account whose token is mounted".into()
            }
        })
    }
}

/// Files of one configuration, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files(Vec<PathBuf>);

impl std::fmt::Display for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self
            .0
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        f.write_str(&names.join(", "))
    }
}

fn at(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(": line {line}"))
}

/// Reads credentials and makes a client. Nothing is sent yet, but a plugin that the kubeconfig names
/// for logging in is run.
///
/// # Errors
/// When there are no credentials, or such that cannot be used.
pub async fn connect(access: &Access, options: Options) -> Result<Cluster, ConnectError> {
    let (client, place) = if access.files.is_empty() {
        if !access.in_pod {
            return Err(ConnectError::Nowhere);
        }
        let config = Config::incluster().map_err(ConnectError::Pod)?;
        let place = server(&config);
        (client(config).map_err(ConnectError::PodClient)?, place)
    } else {
        from_files(access).await?
    };
    Ok(Cluster::new(client, options).at(place))
}

/// The address of the server, without what may be secret in it.
fn server(config: &Config) -> String {
    let url = &config.cluster_url;
    let scheme = url.scheme_str().unwrap_or("https");
    let host = url.host().unwrap_or_default();
    match url.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// A client, and where it leads.
async fn from_files(access: &Access) -> Result<(Client, String), ConnectError> {
    let files = Files(access.files.clone());
    let mut merged: Option<Kubeconfig> = None;
    for path in &access.files {
        let Some(file) = read(path)? else {
            continue;
        };
        merged = Some(match merged {
            None => file,
            Some(before) => before.merge(file).map_err(|error| ConnectError::Context {
                files: files.clone(),
                context: access.context.clone().unwrap_or_default(),
                reason: reason(&error),
            })?,
        });
    }
    let kubeconfig = merged.ok_or_else(|| ConnectError::NoFile(files.clone()))?;
    let known: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let current = kubeconfig
        .current_context
        .clone()
        .filter(|name| !name.is_empty());
    let Some(context) = access.context.clone().or(current) else {
        return Err(ConnectError::NoCurrentContext { files, known });
    };
    if !known.contains(&context) {
        return Err(ConnectError::NoContext {
            files,
            context,
            known,
        });
    }
    let own_proxy = has_proxy(&kubeconfig, &context);
    let chosen = KubeConfigOptions {
        context: Some(context.clone()),
        ..KubeConfigOptions::default()
    };
    let unusable = |reason: String| ConnectError::Context {
        files: files.clone(),
        context: context.clone(),
        reason,
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &chosen)
        .await
        .map_err(|error| unusable(reason(&error)))?;
    // kube 5.0 compares NO_PROXY with the address of the proxy, not with that of the cluster.
    if !own_proxy && Matcher::from_env().intercept(&config.cluster_url).is_none() {
        config.proxy_url = None;
    }
    let place = format!("context {context:?} ({})", server(&config));
    Ok((client(config).map_err(unusable)?, place))
}

/// The largest kubeconfig that is read, in bytes.
const FILE_LIMIT: u64 = 64 << 20;

/// A file; `None` when it is not there.
fn read(path: &Path) -> Result<Option<Kubeconfig>, ConnectError> {
    // A pipe could be waited for, and a device be read, for ever. What cannot be looked at is told below.
    let refused = match path.metadata() {
        Ok(data) if !data.is_file() => Some("this is no regular file".to_owned()),
        Ok(data) if data.len() > FILE_LIMIT => {
            Some(format!("larger than the limit of {FILE_LIMIT} bytes"))
        }
        _ => None,
    };
    if let Some(reason) = refused {
        return Err(ConnectError::Read {
            path: path.to_owned(),
            source: std::io::Error::other(reason),
        });
    }
    match Kubeconfig::read_from(path) {
        Ok(file) => Ok(Some(file)),
        Err(KubeconfigError::ReadConfig(source, _))
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(KubeconfigError::ReadConfig(source, _)) => Err(ConnectError::Read {
            path: path.to_owned(),
            source,
        }),
        Err(KubeconfigError::Parse(error)) => Err(ConnectError::Parse {
            path: path.to_owned(),
            line: error.location().map(|place| place.line()),
        }),
        Err(_) => Err(ConnectError::Parse {
            path: path.to_owned(),
            line: None,
        }),
    }
}

/// Whether the cluster of a context names a proxy of its own.
fn has_proxy(kubeconfig: &Kubeconfig, context: &str) -> bool {
    let cluster = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == context)
        .and_then(|named| named.context.as_ref())
        .map(|context| &context.cluster);
    kubeconfig
        .clusters
        .iter()
        .filter(|named| Some(&named.name) == cluster)
        .any(|named| {
            named
                .cluster
                .as_ref()
                .and_then(|cluster| cluster.proxy_url.as_deref())
                .is_some_and(|proxy| !proxy.is_empty())
        })
}

fn client(mut config: Config) -> Result<Client, String> {
    // We have our own, which knows what must not be sent twice and when a run is stopped.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    Client::try_from(config).map_err(|error| match error {
        kube::Error::Auth(error) => credentials(&error),
        kube::Error::InferKubeconfig(error) => reason(&error),
        kube::Error::RustlsTls(error) => error.to_string(),
        // These have the address of the proxy in them, and it may have a password in it.
        kube::Error::ProxyProtocolUnsupported { .. }
        | kube::Error::ProxyProtocolDisabled { .. } => {
            "its proxy speaks neither http nor https".into()
        }
        _ => "no client can be made of it".into(),
    })
}

/// What is wrong with a kubeconfig, without anything of its text.
fn reason(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::LoadClusterOfContext(name) => format!("there is no cluster {name:?}"),
        KubeconfigError::MissingClusterUrl => "its cluster has no server".into(),
        KubeconfigError::ParseClusterUrl(_) => "the server of its cluster is no address".into(),
        KubeconfigError::ParseProxyUrl(_) => "its proxy is no address".into(),
        KubeconfigError::LoadCertificateAuthority(error) => {
            format!("the certificate authority {}", data(error))
        }
        KubeconfigError::LoadClientCertificate(error) => {
            format!("the client certificate {}", data(error))
        }
        KubeconfigError::LoadClientKey(error) => format!("the client key {}", data(error)),
        KubeconfigError::ParseCertificates(_) => "the certificate authority is no PEM".into(),
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            "its files are of different kinds".into()
        }
        _ => "it cannot be understood".into(),
    }
}

fn data(error: &LoadDataError) -> String {
    match error {
        LoadDataError::DecodeBase64(_) => "is not base64".into(),
        LoadDataError::ReadFile(source, path) => {
            format!("cannot be read from {}: {source}", path.display())
        }
        LoadDataError::NoBase64DataOrFile => "is missing".into(),
    }
}
