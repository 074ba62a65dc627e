//! Servers outside: container registries, and what builds images.
//!
//! [`Registries`] finds the registry of an image, or the mirror that settings name for it, and asks
//! many at once. A [`Registry`] is one of them: it logs in where that is asked for, waits where it
//! must, and gives up in time. What a registry sends is bounded and checked before it is believed.
//!
//! [`Ci`](ci::Ci) starts builds at GitHub, GitLab and webhooks, and follows them.
//!
//! Credentials are those of Docker and Podman ([`docker_config`]). They go to their own registry
//! and to the server that it names for tokens, never where a redirect leads, and are in no error.
//!
//! The rest is telling people: [`send_all`] brings messages to Slack, mail servers and webhooks.
//!
//! ```no_run
//! use imgfac_model::Reference;
//! use imgfac_providers::{Options, Registries};
//!
//! let registries = Registries::new(&Default::default(), Options::default());
//! let node = Reference::parse("node:22")?;
//! let digest = registries.digest_of(&node, None)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ask;
mod challenge;
pub mod ci;
mod clock;
mod content;
mod created;
mod credentials;
mod error;
mod manifest;
mod notify;
mod options;
mod provenance;
mod pushed;
mod registries;
mod registry;
mod retry;
mod signature;
mod stood_on;
mod tags;
mod token;

pub use crate::{
    clock::{Clock, SystemClock},
    credentials::{Credentials, Secret, docker_config},
    error::RegistryError,
    manifest::{Content, Descriptor, Manifest},
    notify::{Delivered, FindSecret, NOTIFY_RETRY, NotifyError, NotifyOptions, send_all},
    options::{FindCredentials, Options},
    registries::{Question, Registries},
    registry::Registry,
    retry::{DEFAULT_RETRY, Retry},
    signature::signature,
};
