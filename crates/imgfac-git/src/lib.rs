//! Every Git call of Image Factory.
//!
//! So far that is one question: which checkout does a folder lie in, and of which remote
//! repository is it? [`Checkout::containing`] answers it by the `git` program, which knows
//! worktrees, submodules, included configuration and `insteadOf` better than a second reader of
//! `.git/config` would.

mod checkout;
mod remote;

pub use crate::{
    checkout::{Checkout, Error},
    remote::RemoteUrl,
};
