//! Git as the environment wants it: tokens, author, time limit, cache.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use imgfac_git::{Author, Credential, Git, Settings, Token};

use crate::error::CliError;

/// The longest that one call of Git takes, unless `IMGFAC_GIT_TIMEOUT` says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Git with what the environment says.
///
/// A token is for the one server that issued it: `GITHUB_TOKEN` for `GH_HOST`, else
/// `GITHUB_SERVER_URL` (which GitHub's runners set), else github.com; `GITLAB_TOKEN` likewise for
/// `GITLAB_HOST`, `CI_SERVER_URL`, gitlab.com. What people write into images.yaml never says where
/// a token goes.
pub(crate) fn from_environment() -> Result<Git, CliError> {
    let mut credentials = Vec::new();
    if let Some(token) = variable("GITHUB_TOKEN").as_deref().and_then(Token::new) {
        let server = first(&["GH_HOST", "GITHUB_SERVER_URL"], "https://github.com");
        credentials.push(Credential::github(&server, token));
    }
    if let Some(token) = variable("GITLAB_TOKEN").as_deref().and_then(Token::new) {
        let server = first(&["GITLAB_HOST", "CI_SERVER_URL"], "https://gitlab.com");
        credentials.push(Credential::gitlab(&server, token));
    }
    let time_limit = match variable("IMGFAC_GIT_TIMEOUT") {
        None => TIME_LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| (1..=86_400).contains(seconds))
            .map(Duration::from_secs)
            .ok_or_else(|| {
                CliError::usage("IMGFAC_GIT_TIMEOUT is not a number of seconds from 1 to 86400")
            })?,
    };
    let author = match (
        variable("IMGFAC_GIT_AUTHOR_NAME"),
        variable("IMGFAC_GIT_AUTHOR_EMAIL"),
    ) {
        (Some(name), Some(email)) => Some(Author { name, email }),
        (None, None) => None,
        _ => {
            return Err(CliError::usage(
                "IMGFAC_GIT_AUTHOR_NAME and IMGFAC_GIT_AUTHOR_EMAIL go together",
            ));
        }
    };
    Ok(Git::new(Settings {
        credentials,
        time_limit,
        author,
    }))
}

/// How many repositories are fetched side by side: servers limit the connections of one client.
const PARALLEL_FETCHES: usize = 8;

/// Remote sources, kept between runs where it was asked for, else as the XDG base directories have
/// it. Without a home that can be written to they are kept for this run only: a name in a
/// folder of everybody's could be somebody else's.
pub(crate) fn sources(git: &Git, asked: Option<&PathBuf>) -> Result<imgfac_git::Sources, CliError> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || {
        let cache = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))?
            .join("imgfac/sources");
        std::fs::create_dir_all(&cache).is_ok().then_some(cache)
    };
    match asked.cloned().or_else(home) {
        Some(cache) => Ok(imgfac_git::Sources::new(git, cache, PARALLEL_FETCHES)),
        None => Ok(imgfac_git::Sources::temporary(git, PARALLEL_FETCHES)?),
    }
}

pub(crate) fn first(names: &[&str], default: &str) -> String {
    names
        .iter()
        .find_map(|name| variable(name))
        .unwrap_or_else(|| default.to_owned())
}

/// The host of a server, which is written with or without its scheme.
pub(crate) fn host_of(server: &str) -> String {
    let rest = server.trim_start_matches("https://");
    let rest = rest.trim_start_matches("http://");
    rest.trim_end_matches('/').to_owned()
}

/// A variable that is set and not empty: CI systems set absent secrets to nothing.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
