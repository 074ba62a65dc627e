//! Why a request, or a whole run, failed.

use std::fmt;

use crate::object::ObjectError;

/// The cluster did not do what one request asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Others own fields that the manifest sets: they applied or edited the object.
    #[error("{}", conflicts(.0))]
    Conflict(Vec<FieldConflict>),
    /// The user of the kubeconfig may not do it.
    #[error("not allowed to {0}")]
    Forbidden(Permission),
    /// The credentials are wrong or have expired.
    #[error("the cluster does not accept the credentials (401)")]
    Unauthorized,
    /// The server, or an admission webhook such as Kargo's, refuses the object as it is.
    #[error("refused ({code}): {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// The server's reason.
        message: String,
    },
    /// The server could not, not even after some attempts.
    #[error("the server failed ({code}), attempt {attempts}: {message}")]
    Server {
        /// The HTTP status.
        code: u16,
        /// The server's reason.
        message: String,
        /// How often it was asked.
        attempts: usize,
    },
    /// There was no answer, not even after some attempts.
    #[error("no connection, attempt {attempts}: {reason}")]
    Connection {
        /// What the network said.
        reason: String,
        /// How often it was tried.
        attempts: usize,
    },
    /// No credentials could be had: a plugin or a token file failed.
    #[error("cannot get credentials: {0}")]
    Credentials(String),
    /// The cluster has no such kind.
    #[error("the cluster has no kind {kind} in {api_version}")]
    UnknownKind {
        /// The kind.
        kind: String,
        /// Its group and version.
        api_version: String,
    },
    /// The answer is none of a Kubernetes API server.
    #[error("the answer is not that of a Kubernetes API server: {0}")]
    Answer(String),
    /// A name that cannot stand in an address.
    #[error("no request can be made: {0}")]
    Request(String),
    /// Somebody stopped the run while the request waited for its answer or its next attempt.
    #[error("stopped; the cluster may have done it or not")]
    Stopped,
}

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldConflict {
    /// Who: the name of a field manager, such as `kubectl-edit`.
    pub manager: String,
    /// The path of the field, as the server writes it: `.spec.interval`.
    pub field: String,
}

/// What a role would have to allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// `get`, `list`, `create`, `patch` or `delete`.
    pub verb: String,
    /// The resource with its group: `stages.kargo.akuity.io`.
    pub resource: String,
    /// `None` when it is needed in the whole cluster.
    pub namespace: Option<String>,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in the cluster"),
        }
    }
}

/// `"kubectl-edit" owns .spec.interval, .spec.shard`, manager by manager.
fn conflicts(conflicts: &[FieldConflict]) -> String {
    let mut managers: Vec<&str> = conflicts.iter().map(|it| it.manager.as_str()).collect();
    managers.sort_unstable();
    managers.dedup();
    let parts = managers.into_iter().map(|manager| {
        let fields: Vec<&str> = conflicts
            .iter()
            .filter(|it| it.manager == manager)
            .map(|it| it.field.as_str())
            .collect();
        format!("{manager:?} owns {}", fields.join(", "))
    });
    parts.collect::<Vec<_>>().join("; ")
}

impl RequestError {
    /// What the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let remedy = match self {
            Self::Conflict(_) => {
                "take these fields over with --force-conflicts, or leave them out of the manifests"
                    .into()
            }
            Self::Forbidden(needed) => {
                let kind = match needed.namespace {
                    Some(_) => "Role",
                    None => "ClusterRole",
                };
                format!(
                    "a {kind} with verb {:?} on {:?} allows it",
                    needed.verb, needed.resource
                )
            }
            Self::Unauthorized | Self::Credentials(_) => {
                "log in again, or choose another context with --context".into()
            }
            Self::UnknownKind { api_version, .. } => {
                match api_version.split('/').next().unwrap_or_default() {
                    "kargo.akuity.io" => "install Kargo 1.11 or newer in the cluster".into(),
                    "argoproj.io" => "install Argo Rollouts in the cluster".into(),
                    _ => return None,
                }
            }
            Self::Connection { reason, .. } if reason.contains("certificate") => {
                "the kubeconfig should name the authority that signs the cluster's certificate: certificate-authority-data".into()
            }
            Self::Connection { .. } => {
                "is this the right cluster? choose another with --context or KUBECONFIG".into()
            }
            Self::Refused { .. }
            | Self::Server { .. }
            | Self::Answer(_)
            | Self::Request(_)
            | Self::Stopped => return None,
        };
        Some(remedy)
    }

    /// Whether no other request would fare better.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized | Self::Connection { .. } | Self::Credentials(_)
        )
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }
}

/// Nothing could be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A document is no object.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The first requests failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Pruning by manifests that are not those of the whole factory would delete the others.
    #[error(
        "cannot prune: the manifests have no Project {0}, so they are not those of the whole factory"
    )]
    NotComplete(String),
    /// The Stage of an emergency takes freight of no Warehouse, so nothing can be promoted.
    #[error("Stage {0} takes freight of no Warehouse")]
    NoOrigin(String),
    /// No freight of any base could be promoted; the delay is overruled all the same.
    #[error("the delay of {image} is overruled, but no rebuild could be started: {source}")]
    NotPromoted {
        /// The image.
        image: String,
        /// Why the last attempt failed.
        source: RequestError,
    },
}

impl Error {
    /// Whether nothing else would fare better.
    pub(crate) fn is_fatal(&self) -> bool {
        match self {
            Self::Request(error) | Self::NotPromoted { source: error, .. } => {
                error.is_fatal() || matches!(error, RequestError::Stopped)
            }
            Self::Object(_) | Self::NotComplete(_) | Self::NoOrigin(_) => false,
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            // A Promotion of a Stage that is not there, or in no project.
            Self::NotPromoted {
                source: RequestError::Refused { code: 404, .. },
                ..
            } => Some(
                "the cluster lacks the Stage: bring the manifests into it, then ask again".into(),
            ),
            // The words of Kargo's webhook, which asks for a verb of its own.
            Self::NotPromoted {
                source: RequestError::Refused { code: 403, message },
                ..
            } if message.contains("is not permitted to") => Some(
                "Kargo asks for the verb \"promote\" on the Stage: the Role imgfac-rebuilder has it"
                    .into(),
            ),
            Self::Request(error) | Self::NotPromoted { source: error, .. } => error.remedy(),
            Self::NotComplete(_) => Some("leave --prune out, or give all manifests".into()),
            Self::Object(_) | Self::NoOrigin(_) => None,
        }
    }
}
