//! Domain types of Image Factory.

mod reference;

pub use crate::reference::{
    Digest, DigestError, Reference, ReferenceError, Repository, Tag, TagError,
};
