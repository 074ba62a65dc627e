//! The servers that build images, as the environment has them.

use std::io;
use std::sync::Arc;

use imgfac_providers::Secret;
use imgfac_providers::ci::{Ci, CiSettings, GitHubIdentity, GitHubServer, GitLabServer};

use crate::clock::ProgramClock;
use crate::error::CliError;
use crate::files::read_regular;
use crate::git::{first, host_of, variable};

/// CI with the tokens of the environment.
///
/// A token is for the one server that issued it, as [`crate::git::from_environment`] has it. What
/// people write into images.yaml never says where a token goes.
pub(crate) fn from_environment() -> Result<Ci, CliError> {
    let mut settings = CiSettings {
        clock: Arc::new(ProgramClock),
        ..CiSettings::default()
    };
    let server = first(&["GH_HOST", "GITHUB_SERVER_URL"], "https://github.com");
    let identity = match app()? {
        Some(app) => Some(app),
        None => variable("GITHUB_TOKEN").map(|token| GitHubIdentity::Token(Secret::new(token))),
    };
    if let Some(identity) = identity {
        // The address belongs to the server that a runner names.
        let api = variable("GITHUB_API_URL").filter(|_| variable("GH_HOST").is_none());
        let server = host_of(&server);
        settings
            .github
            .insert(server, GitHubServer { api, identity });
    }
    let server = first(&["GITLAB_HOST", "CI_SERVER_URL"], "https://gitlab.com");
    let secret = |name| variable(name).map(Secret::new);
    let (trigger, access) = (secret("GITLAB_TRIGGER_TOKEN"), secret("GITLAB_TOKEN"));
    if trigger.is_some() || access.is_some() {
        let server = host_of(&server);
        let api = variable("CI_API_V4_URL").filter(|_| variable("GITLAB_HOST").is_none());
        settings.gitlab.insert(
            server,
            GitLabServer {
                api,
                trigger,
                access,
            },
        );
    }
    settings.webhook_secret = secret("IMGFAC_WEBHOOK_SECRET");
    match (
        variable("IMGFAC_WEBHOOK_ORIGIN"),
        secret("IMGFAC_WEBHOOK_TOKEN"),
    ) {
        (Some(origin), Some(token)) => {
            let origin = origin.trim_end_matches('/').to_owned();
            settings.webhooks.insert(origin, token);
        }
        (None, None) => {}
        _ => {
            return Err(CliError::usage(
                "IMGFAC_WEBHOOK_ORIGIN and IMGFAC_WEBHOOK_TOKEN go together",
            )
            .with_hint("the token goes to that origin only, such as https://ci.example.com"));
        }
    }
    Ci::new(settings).map_err(|error| CliError::failed(&error).with_hint(error.remedy()))
}

/// A key is a few thousand bytes.
const KEY_LIMIT: u64 = 1 << 20;

/// The GitHub App that asks, if there is one.
fn app() -> Result<Option<GitHubIdentity>, CliError> {
    let (id, key) = match (
        variable("IMGFAC_GITHUB_APP_ID"),
        variable("IMGFAC_GITHUB_APP_PRIVATE_KEY"),
    ) {
        (None, None) => return Ok(None),
        (Some(id), Some(key)) => (id, key),
        _ => {
            return Err(CliError::usage(
                "IMGFAC_GITHUB_APP_ID and IMGFAC_GITHUB_APP_PRIVATE_KEY go together",
            ));
        }
    };
    let number = |name: &str, text: String| {
        text.parse().map_err(|_| {
            CliError::usage(format!("{name} is not a number"))
                .with_hint("it stands on the page of the app's settings")
        })
    };
    let key = match key.contains("PRIVATE KEY") {
        true => key,
        false => read_regular(key.as_ref(), KEY_LIMIT)
            .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
            .map_err(|error| {
                CliError::failed(format!(
                    "the file of IMGFAC_GITHUB_APP_PRIVATE_KEY cannot be read: {error}"
                ))
            })?,
    };
    let installation = variable("IMGFAC_GITHUB_APP_INSTALLATION_ID");
    Ok(Some(GitHubIdentity::App {
        id: number("IMGFAC_GITHUB_APP_ID", id)?,
        key: Secret::new(key),
        installation: installation
            .map(|text| number("IMGFAC_GITHUB_APP_INSTALLATION_ID", text))
            .transpose()?,
    }))
}
