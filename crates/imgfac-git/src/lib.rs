//! Every Git call of Image Factory, behind plain types.
//!
//! - [`Checkout`] is the working tree that a folder lies in.
//! - [`Sources`] reads files of many remote repositories through a cache, each repository with one
//!   shallow fetch.
//! - [`Repository`] fetches a branch, writes a commit without touching a working tree, and pushes
//!   it if nobody was faster; [`Tree`] is a folder of a commit, out of which nothing leads.
//!
//! All of it is done by the `git` program (2.31 or newer), which brings credential helpers,
//! proxies, ssh and every server's quirks as users know them. [`Git`] runs it with a clean
//! environment, without questions, and with an end in time; [`end_with_the_program`] lets Ctrl-C
//! reach it. Nothing of a repository is run or checked out: no hooks, no filters, no submodules.

mod address;
mod checkout;
mod credentials;
mod diff;
mod error;
mod interrupt;
mod objects;
mod process;
mod remote;
mod repository;
mod sources;
mod tree;

pub use crate::{
    address::{Address, InvalidAddress},
    checkout::{Advance, Checkout},
    credentials::{Credential, Token},
    error::Error,
    interrupt::end_with_the_program,
    process::{Author, Git, Settings},
    remote::RemoteUrl,
    repository::{Content, Draft, Edit, Entry, Pushed, Repository},
    sources::{Fetched, Sources, Wanted},
    tree::{FileError, Tree},
};
