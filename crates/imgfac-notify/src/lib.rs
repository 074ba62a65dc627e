//! From what happened to what people are told.
//!
//! An [`Event`] is something that happened, with a key that says when two are the same.
//! [`concerned`] finds out which target is to hear of which; what they were told already is kept by
//! whoever keeps state. [`deliveries`] words the rest: a [`Message`] has the very text that goes to
//! Slack, to a mail server or to a webhook. Texts of others are made harmless on the way.
//!
//! Nothing is sent here, and nothing can fail: this crate has no input, output, clock or
//! environment.
//!
//! ```
//! use imgfac_model::{Channel, NotificationTarget, TargetName};
//! use imgfac_notify::{Event, concerned, deliveries};
//!
//! let target = NotificationTarget {
//!     name: TargetName::new("ops")?,
//!     channel: Channel::Webhook { url: "https://ops.example.com/hook".parse()?, secret: None },
//!     events: NotificationTarget::usual_events(),
//!     images: Vec::new(),
//!     title: None,
//!     text: None,
//! };
//! let events = [Event::failed("web", "3f2a", 2, "2026-11-23T12:00:00Z")];
//! let news = concerned(std::slice::from_ref(&target), &events);
//! assert!(news["ops"].contains("failed/web/3f2a/2"));
//! assert_eq!(deliveries(&[target], &events, &news)[0].messages.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod delivery;
mod event;
mod harmless;
mod json;
mod message;
mod slack;
mod wording;

pub use crate::{
    delivery::{DIGEST_ABOVE, Delivery, Keys, concerned, deliveries},
    event::{Cause, Event, UNREACHABLE_AFTER_HOURS},
    message::{Content, Message},
};
