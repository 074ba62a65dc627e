//! Every YAML call of Image Factory.

mod documents;
mod edit;
mod emit;
mod error;
mod node;
mod read;
mod scalar;
mod serialize;
mod value;

pub use crate::{
    documents::{DocumentError, read_documents},
    edit::{EditError, with_item, without_item},
    emit::Emitter,
    error::Error,
    node::{Document, DuplicateKey, Node},
    read::{DEPTH_LIMIT, NODE_LIMIT, TEXT_LIMIT, parse, parse_bytes},
    scalar::Scalar,
    serialize::{WriteError, to_string, write_document},
    value::Value,
};
