//! The flags by which the job in a cluster says which image was just built.

use clap::Args;
use clap::builder::FalseyValueParser;
use imgfac_git::RemoteUrl;
use imgfac_model::{Branch, Digest, ImageName, RelativePath, Source, Tag};
use imgfac_state::{Build, Configuration};

use crate::commands::analyze::unknown_image;
use crate::commands::publish::PublishArgs;
use crate::error::CliError;
use crate::render;

/// The image that was just built; empty values count as absent
#[derive(Debug, Args)]
#[command(next_help_heading = "Build that is recorded")]
pub(crate) struct JobArgs {
    /// Analyse this image only, and record its build
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// The version that was built; goes with --digest
    #[arg(long, value_name = "TAG", requires = "image")]
    tag: Option<String>,
    /// The digest that was published; goes with --tag
    #[arg(long, value_name = "DIGEST", requires = "image")]
    digest: Option<String>,
    /// Fail unless this is the image's Dockerfile
    #[arg(long, value_name = "PATH", requires = "image")]
    dockerfile: Option<String>,
    /// Fail unless this is the image's repository
    #[arg(long, value_name = "OWNER/NAME", requires = "image")]
    source_repo: Option<String>,
    /// Fail unless this is who builds the image
    #[arg(long, value_name = "PROVIDER", requires = "image")]
    source_provider: Option<String>,
    /// Do not ask the registry what the build stood on; the current digests of its bases count
    #[arg(long, env = "IMGFAC_OFFLINE", value_parser = FalseyValueParser::new())]
    offline: bool,
}

/// An argument that says something.
pub(super) fn given(argument: &Option<String>) -> Option<&str> {
    argument
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

impl JobArgs {
    /// Whether registries are not asked.
    pub(crate) fn offline(&self) -> bool {
        self.offline
    }

    /// The image and what is to be recorded of it; `None` when no image is named.
    ///
    /// Where the job was set up for something else than what images.yaml says now, nothing is
    /// recorded: it would be the build of another image.
    pub(crate) fn build(
        &self,
        configuration: &Configuration,
        publish: &PublishArgs,
    ) -> Result<Option<(ImageName, Build)>, CliError> {
        let published = self.published()?;
        let Some(name) = given(&self.image) else {
            return Ok(None);
        };
        let Some((name, image)) = configuration.images.get_key_value(name) else {
            let mut error = unknown_image(&configuration.images, name);
            error.code = imgfac_model::exit::FAILED;
            return Err(error);
        };
        let Some(source) = &image.enrolment.source else {
            return Err(CliError::failed(format!(
                "{name} is watched, not built by us: there is no build to record"
            )));
        };
        let mut wrong = Vec::new();
        for (what, said, enrolled) in [
            ("repository", &self.source_repo, source.repo.as_str()),
            ("provider", &self.source_provider, source.provider.as_str()),
        ] {
            if let Some(said) = given(said).filter(|said| !said.eq_ignore_ascii_case(enrolled)) {
                wrong.push((what, said, enrolled));
            }
        }
        if let Some(said) = given(&self.dockerfile) {
            let path = RelativePath::new(said).map_err(CliError::failed)?;
            if path != source.dockerfile {
                wrong.push(("Dockerfile", said, source.dockerfile.as_str()));
            }
        }
        if !wrong.is_empty() {
            return Err(mismatch(name, &wrong));
        }
        self.branch_fits(name, source, configuration, publish)?;
        let (tag, digest) = published.unzip();
        let tag = tag.map(Tag::parse).transpose();
        let digest = digest.map(Digest::parse).transpose();
        let build = Build {
            version: tag
                .map_err(CliError::failed)?
                .map(|tag| tag.as_str().to_owned()),
            digest: digest
                .map_err(CliError::failed)?
                .map(|digest| digest.as_str().to_owned()),
            ..Build::default()
        };
        Ok(Some((name.clone(), build)))
    }

    /// The tag and the digest of what was built. Both are there, or none before the first build:
    /// half of them is not a build, and state would hold the other half of an older one.
    fn published(&self) -> Result<Option<(&str, &str)>, CliError> {
        let about_a_build = [
            ("--tag", &self.tag),
            ("--digest", &self.digest),
            ("--dockerfile", &self.dockerfile),
            ("--source-repo", &self.source_repo),
            ("--source-provider", &self.source_provider),
        ];
        if given(&self.image).is_none()
            && let Some((flag, _)) = about_a_build
                .iter()
                .find(|(_, value)| given(value).is_some())
        {
            return Err(CliError::usage(format!("{flag} is given without an image"))
                .with_hint("name the image with --image"));
        }
        let half = |said: &str, missing: &str| {
            Err(CliError::usage(format!(
                "{said} is given without {missing}: that is half a build; nothing was changed"
            ))
            .with_hint("pass both of what was published, or none to analyse only"))
        };
        match (given(&self.tag), given(&self.digest)) {
            (Some(tag), Some(digest)) => Ok(Some((tag, digest))),
            (None, None) => Ok(None),
            (Some(_), None) => half("--tag", "--digest"),
            (None, Some(_)) => half("--digest", "--tag"),
        }
    }

    /// The branch that the job writes to: that of the state repository in the settings; where
    /// there is none, state lives beside the source, on the source's branch.
    fn branch_fits(
        &self,
        name: &ImageName,
        source: &Source,
        configuration: &Configuration,
        publish: &PublishArgs,
    ) -> Result<(), CliError> {
        let (Some(repo), Some(said)) = (publish.git_repo(), publish.git_branch()) else {
            return Ok(());
        };
        let expected: Option<&Branch> = match &configuration.settings.state_repository {
            Some(state) => Some(&state.branch),
            None => RemoteUrl::parse(repo)
                .is_some_and(|url| url.names(source.host(), source.repo.as_str()))
                .then_some(&source.branch),
        };
        match expected {
            Some(expected) if expected.as_str() != said => {
                Err(mismatch(name, &[("branch", said, expected.as_str())]))
            }
            _ => Ok(()),
        }
    }
}

/// What the job says and what is enrolled differ; each is named by what it is about.
fn mismatch(name: &ImageName, wrong: &[(&str, &str, &str)]) -> CliError {
    let differences: Vec<String> = (wrong.iter())
        .map(|(what, said, enrolled)| {
            let said = render::clean(said);
            format!("the job says {what} {said}, images.yaml says {enrolled}")
        })
        .collect();
    CliError::failed(format!(
        "{name}: {}; nothing was changed",
        differences.join("; ")
    ))
    .with_hint("generate the manifests anew with imgfac synth, and apply them")
}
