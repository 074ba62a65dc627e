//! What the crate says about whole files.

mod differential;
mod generate;
mod hostile;
mod properties;
mod rules;
mod shared_cases;
