//! Rules that no schema holds, a file for each sort of resource.

pub(crate) mod analysis;
pub(crate) mod core;
pub(crate) mod expressions;
pub(crate) mod identity;
pub(crate) mod policies;
pub(crate) mod roles;
pub(crate) mod secrets;
pub(crate) mod stages;
pub(crate) mod steps;
pub(crate) mod warehouses;
