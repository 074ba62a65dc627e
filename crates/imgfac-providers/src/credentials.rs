//! Who asks: the credentials of Docker and Podman.

use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use docker_credential::{
    CredentialRetrievalError as Problem, DockerCredential, get_credential, get_podman_credential,
};

/// A credential helper may take so long: it may ask a server, but nobody is there to type anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A password or token. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for a request.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a registry is told about who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    Anonymous,
    /// A user and a password or access token.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that is exchanged for others, as `docker login` keeps for some registries.
    IdentityToken(Secret),
}

/// The credentials that Docker or Podman has for a registry, from the configuration file or from a
/// credential helper that it names. Docker's come first.
///
/// # Errors
///
/// When credentials are configured and cannot be got, or not within 30 seconds. What a helper printed
/// is not repeated: it may be a secret.
pub fn docker_config(registry: &str) -> Result<Credentials, String> {
    let registry = registry.to_owned();
    in_time(PATIENCE, move || configured(&registry))
}

/// Lets a work end in time, or goes on without it. A helper that hangs is left behind: it belongs
/// to a library that gives no hold of it, and it ends when it notices that nobody reads its answer.
fn in_time<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    let late = |_| {
        let seconds = patience.as_secs();
        Err(format!(
            "the credential helper does not answer within {seconds} s"
        ))
    };
    answer.recv_timeout(patience).unwrap_or_else(late)
}

fn configured(registry: &str) -> Result<Credentials, String> {
    let key = match registry {
        // What `docker login` without an address writes.
        "docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    for found in [get_credential(key), get_podman_credential(registry)] {
        match found {
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                return Ok(Credentials::Password {
                    user,
                    password: Secret(password),
                });
            }
            Ok(DockerCredential::IdentityToken(token)) => {
                return Ok(Credentials::IdentityToken(Secret(token)));
            }
            Err(problem) => {
                if let Some(problem) = told(&problem) {
                    return Err(problem);
                }
            }
        }
    }
    Ok(Credentials::Anonymous)
}

/// What went wrong; `None` when there just are no credentials.
fn told(problem: &Problem) -> Option<String> {
    let said = match problem {
        // A file that is absent cannot be told from one that is broken, and Docker goes on, too.
        Problem::NoCredentialConfigured | Problem::ConfigNotFound | Problem::ConfigReadError => {
            return None;
        }
        // The words by which every helper of Docker says that it has none.
        Problem::HelperFailure { stdout, stderr, .. }
            if [stdout, stderr]
                .iter()
                .any(|said| said.contains("credentials not found in native keychain")) =>
        {
            return None;
        }
        Problem::HelperFailure { helper, .. } => {
            format!("the credential helper docker-credential-{helper} failed")
        }
        Problem::HelperCommunicationError => "the credential helper cannot be run".to_owned(),
        Problem::MalformedHelperResponse => {
            "the answer of the credential helper cannot be read".to_owned()
        }
        Problem::CredentialDecodingError | Problem::CredentialMismatchError => {
            "the credentials in the configuration file cannot be read".to_owned()
        }
    };
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let credentials = Credentials::Password {
            user: "ada".into(),
            password: Secret::new("hunter2"),
        };
        let shown = format!(
            "{credentials:?} {:?}",
            Credentials::IdentityToken(Secret::new("hunter2"))
        );
        assert!(
            shown.contains("ada") && !shown.contains("hunter2"),
            "{shown}"
        );
    }

    #[test]
    fn a_helper_that_hangs_is_not_waited_for() {
        let (end, hangs) = mpsc::channel::<()>();
        let work = move || hangs.recv().map_err(|_| "it ended".to_owned());
        assert_eq!(
            in_time(Duration::ZERO, work),
            Err("the credential helper does not answer within 0 s".to_owned())
        );
        drop(end);
        assert_eq!(in_time(PATIENCE, || Ok(1)), Ok(1));
    }

    #[test]
    fn what_a_helper_printed_is_not_repeated() {
        let failure = |stdout: &str, stderr: &str| {
            told(&Problem::HelperFailure {
                helper: "pass".into(),
                stdout: stdout.into(),
                stderr: stderr.into(),
            })
        };
        assert_eq!(
            failure("hunter2", "hunter2").as_deref(),
            Some("the credential helper docker-credential-pass failed")
        );
        assert_eq!(
            failure("credentials not found in native keychain\n", ""),
            None
        );
        assert_eq!(told(&Problem::NoCredentialConfigured), None);
    }
}
