//! Domain types of Image Factory: the words of the product as values that cannot be illegal.
//!
//! Everything here is data. A value is checked once, where it enters, and is then what it says:
//! an [`ImageName`] names a file and a Kubernetes object, a [`Reference`] is canonical, a
//! [`RelativePath`] stays inside its repository. What is wrong in a user's file is a
//! [`Diagnostic`]; there is no input, output, clock or environment in this crate.
//!
//! ```
//! use imgfac_model::{Delay, ImageName, Reference};
//!
//! let reference: Reference = "node:22".parse()?;
//! assert_eq!(reference.to_string(), "docker.io/library/node:22");
//! assert_eq!(Delay::new("1d12h")?.to_go(), "36h0m0s");
//! assert!(ImageName::new("../pwned").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod delay;
mod diagnostic;
mod end_of_life;
mod enrolment;
pub mod exit;
mod glob;
mod name;
mod newer;
mod notification;
mod path;
mod policy;
mod reference;
mod semver;
mod settings;
mod source;
mod state;
mod template;
mod text;
mod version_range;

pub use crate::{
    delay::Delay,
    diagnostic::{Code, Diagnostic, FileId, Label, Severity, SourceFiles, Span, nearest},
    end_of_life::{Day, EndOfLife, ImagePattern},
    enrolment::{Defaults, Enrolment, UpdateTarget},
    name::{BaseName, IMAGE_NAME_LIMIT, ImageName, assign_base_names, base_slug},
    newer::{has_newer_tags, newer_tags},
    notification::{
        Channel, Email, EnvName, MailAddress, MailLogin, MailTls, NamePattern, NotificationEvent,
        NotificationTarget, TargetKind, TargetName,
    },
    path::RelativePath,
    policy::{
        BaseRole, Criticality, DelayClock, DigestSelection, DiscoveryStatus, Provider, PushTimes,
        RebuildThrough, ReceiverKind, SelectionStrategy, UpdateKind,
    },
    reference::{Digest, DigestError, Reference, ReferenceError, Repository, Tag, TagError},
    semver::{Version, is_strict_version},
    settings::{
        Analysis, Namespace, Rebuilds, Registry, SecretName, Settings, StateRepository,
        WebhookReceiver, Workspace,
    },
    source::{Branch, Host, Platform, RepoPath, Source, StageName, WebUrl, WorkflowFile, api_of},
    state::{BaseState, BaseUse, ImageState, ManagedBase, exact_tag},
    template::{Placeholder, Template},
    text::{InvalidValue, is_harmful, mask_passwords},
    version_range::{VersionRange, is_version_range},
};
