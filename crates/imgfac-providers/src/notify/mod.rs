//! Telling people: messages to Slack, to mail servers and to webhooks.
//!
//! [`send_all`] tries every target and says for each what came of it; it never panics, and nothing
//! that it says has a secret in it. A message is sent at least once: where a connection breaks
//! before the answer, it is sent again.

mod email;
mod error;
mod http;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use imgfac_model::{Channel, EnvName, NotificationTarget};
use imgfac_notify::{Content, Delivery, Keys, Message};
use imgfac_retry::{Budget, Retry};

pub use self::error::NotifyError;
use crate::clock::{Clock, SystemClock};
use crate::credentials::Secret;

/// Three attempts within a few seconds: whoever waits for a message can wait for the next run.
pub const NOTIFY_RETRY: Retry = Retry {
    attempts: 3,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(10),
    budget: Duration::from_secs(30),
};

/// Finds the secret that a target names.
pub type FindSecret = Arc<dyn Fn(&EnvName) -> Option<Secret> + Send + Sync>;

/// How messages are sent.
#[derive(Clone)]
pub struct NotifyOptions {
    /// How often to try; each target has a budget of its own.
    pub retry: Retry,
    /// How long one attempt at one message may take.
    pub timeout: Duration,
    /// Finds secrets.
    pub secret: FindSecret,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for NotifyOptions {
    /// Secrets are those of the environment, without a newline at their end.
    fn default() -> Self {
        Self {
            retry: NOTIFY_RETRY,
            timeout: Duration::from_secs(20),
            secret: Arc::new(of_environment),
            clock: Arc::new(SystemClock),
        }
    }
}

impl std::fmt::Debug for NotifyOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotifyOptions")
            .field("retry", &self.retry)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// An empty variable counts as unset: build systems set those that they have no value for.
fn of_environment(name: &EnvName) -> Option<Secret> {
    let text = std::env::var(name.as_str()).ok()?;
    let text = text.trim_end_matches(['\r', '\n']);
    (!text.is_empty()).then(|| Secret::new(text))
}

/// What came of the messages for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The target, by name.
    pub target: String,
    /// How many messages were sent.
    pub sent: usize,
    /// The keys of the events in them.
    pub keys: Vec<String>,
    /// Why the others were not.
    pub error: Option<NotifyError>,
}

impl Delivered {
    /// What targets heard of, for state.
    #[must_use]
    pub fn keys_of(told: &[Self]) -> Keys {
        let told = told.iter().filter(|told| !told.keys.is_empty());
        told.map(|told| (told.target.clone(), told.keys.iter().cloned().collect()))
            .collect()
    }
}

/// Sends all messages, to all targets at a time; the answers are in the order of the deliveries.
///
/// The first message that cannot be sent ends the matter for its target, and only for that.
#[must_use]
pub fn send_all(deliveries: &[Delivery<'_>], options: &NotifyOptions) -> Vec<Delivered> {
    thread::scope(|scope| {
        let threads: Vec<_> = deliveries
            .iter()
            .map(|delivery| scope.spawn(|| deliver(delivery, options)))
            .collect();
        let told = threads.into_iter().zip(deliveries);
        told.map(|(thread, delivery)| {
            thread.join().unwrap_or_else(|_| Delivered {
                target: delivery.target.name.to_string(),
                sent: 0,
                keys: Vec::new(),
                error: Some(NotifyError::Broken),
            })
        })
        .collect()
    })
}

fn deliver(delivery: &Delivery<'_>, options: &NotifyOptions) -> Delivered {
    let mut told = Delivered {
        target: delivery.target.name.to_string(),
        sent: 0,
        keys: Vec::new(),
        error: None,
    };
    let way = match Way::of(delivery.target, options) {
        Ok(way) => way,
        Err(error) => {
            told.error = Some(error);
            return told;
        }
    };
    let budget = Budget::new(&options.retry);
    for message in &delivery.messages {
        match repeat(&told.target, options, &budget, || {
            way.send(message, options)
        }) {
            Ok(()) => {
                told.sent += 1;
                told.keys.extend(message.keys.iter().cloned());
            }
            Err(error) => {
                told.error = Some(error);
                break;
            }
        }
    }
    told
}

/// A target that can be spoken to.
enum Way<'t> {
    Http(http::Receiver),
    Mail(email::Mailer<'t>),
}

impl<'t> Way<'t> {
    fn of(target: &'t NotificationTarget, options: &NotifyOptions) -> Result<Self, NotifyError> {
        let secret = |name: &EnvName| {
            (options.secret)(name).ok_or_else(|| NotifyError::NoSecret {
                variable: name.clone(),
            })
        };
        Ok(match &target.channel {
            Channel::Slack { secret: name } => {
                Self::Http(http::Receiver::slack(name, &secret(name)?, options)?)
            }
            Channel::Webhook { url, secret: name } => {
                let secret = name.as_ref().map(secret).transpose()?;
                Self::Http(http::Receiver::webhook(url, secret, options)?)
            }
            Channel::Email(email) => {
                let login = email.login.as_ref();
                let password = login.map(|login| secret(&login.secret)).transpose()?;
                Self::Mail(email::Mailer::new(email, password, options.clock.now()))
            }
        })
    }

    fn send(&self, message: &Message, options: &NotifyOptions) -> Result<(), Failure> {
        match (self, &message.content) {
            (Self::Http(receiver), Content::Slack(body) | Content::Webhook(body)) => {
                receiver.send(body, options)
            }
            (Self::Mail(mailer), Content::Mail { subject, text }) => {
                mailer.send(subject, text, options)
            }
            // Messages are worded for their target.
            (Self::Http(_), Content::Mail { .. }) | (Self::Mail(_), _) => {
                Err(Failure::Final(NotifyError::Broken))
            }
        }
    }
}

/// Why one attempt came to nothing.
enum Failure {
    /// It would come to nothing again.
    Final(NotifyError),
    /// It may go well the next time.
    Again {
        after: Option<Duration>,
        error: NotifyError,
    },
}

/// Tries until it goes well or there is no hope.
fn repeat(
    target: &str,
    options: &NotifyOptions,
    budget: &Budget,
    mut attempt: impl FnMut() -> Result<(), Failure>,
) -> Result<(), NotifyError> {
    let mut waits = options.retry.waits();
    loop {
        let (after, error) = match attempt() {
            Ok(()) => return Ok(()),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Again { after, error }) => (after, error),
        };
        let wait = waits
            .next()
            .map(|wait| after.map_or(wait, |after| after.max(wait)));
        let Some(wait) = wait.filter(|wait| budget.spend(*wait)) else {
            return Err(error);
        };
        tracing::info!(target, %error, wait = wait.as_millis(), "telling again");
        options.clock.sleep(wait);
    }
}
