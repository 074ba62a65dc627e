//! Tests against an API server in memory.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod api_server;
mod apply;
mod cluster;
mod connect;
mod diff;
mod emergency;
mod fake;
mod prune;
mod tls;
mod trouble;
