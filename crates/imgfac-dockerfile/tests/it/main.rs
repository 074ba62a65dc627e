//! What the crate says about whole files.

mod rules;
mod shared_cases;
