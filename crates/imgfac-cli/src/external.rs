//! What there is of an image that is watched and not built by us.

use imgfac_kargo::{Choice, Chosen};
use imgfac_model::{Digest, Enrolment, Reference, Repository, Tag, has_newer_tags, newer_tags};
use imgfac_providers::{Registries, RegistryError};
use imgfac_state::Sighting;

/// When so many tags might be the one that was built last, their registry is asked about each; it
/// costs up to two downloads for one.
const BUILDS: usize = 10;

/// Why nothing could be found out, and what a person can do about it.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Self {
        Self {
            remedy: error.remedy(),
            reason: error.to_string(),
        }
    }
}

/// Finds out which tag of an external image is followed, what it points at, and which tags are
/// newer. `known` is the tag that was followed last, and what it pointed at.
pub(crate) fn look(
    registries: &Registries,
    enrolment: &Enrolment,
    known: Option<(&str, Digest)>,
) -> Result<Sighting, Failed> {
    let repository = &enrolment.repository;
    let choice = Choice::of(enrolment, None).map_err(|problem| Failed {
        reason: problem,
        remedy: "mend its entry in images.yaml".into(),
    })?;
    let listed = || {
        let tags = registries.tags(repository, false)?;
        Ok::<Vec<String>, RegistryError>(tags.iter().map(Tag::to_string).collect())
    };
    let (tag, tags) = match choice.only() {
        Some(tag) => {
            let tags = match has_newer_tags(tag) {
                true => listed(),
                // Nothing is newer than `latest`.
                false => Ok(Vec::new()),
            };
            // The one tag can be followed without the list.
            let tags = tags.inspect_err(|error| {
                tracing::info!(image = %enrolment.name, %error, "it is not known what is newer");
            });
            (tag.to_owned(), tags.ok())
        }
        None => {
            let tags = listed()?;
            (chosen(registries, repository, &choice, &tags)?, Some(tags))
        }
    };
    let reference = Reference::parse(&format!("{repository}:{tag}")).map_err(|error| Failed {
        reason: format!("{tag:?} is no tag: {error}"),
        remedy: "mend its entry in images.yaml".into(),
    })?;
    let known = known.filter(|(last, _)| *last == tag);
    let digest = registries.digest_of(&reference, known.map(|(_, digest)| digest).as_ref())?;
    let newer = tags.map(|tags| {
        let newer = newer_tags(&tag, tags.iter().map(String::as_str));
        newer.into_iter().map(str::to_owned).collect()
    });
    Ok(Sighting { tag, digest, newer })
}

/// The tag that is followed, of those that there are.
fn chosen(
    registries: &Registries,
    repository: &Repository,
    choice: &Choice,
    tags: &[String],
) -> Result<String, Failed> {
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    let among = match choice.among(&names) {
        Chosen::Tag(tag) => return Ok(tag.to_owned()),
        Chosen::Nothing => {
            return Err(Failed {
                reason: format!("none of the tags of {repository} fits"),
                remedy:
                    "allowTags, imageSelectionStrategy and constraint of its entry say which do; \
                     without allowTags a version has three numbers, and what follows them, such as \
                     -alpine, is a pre-release, which only a range such as \">=16.0-0 <17.0-0\" has"
                        .into(),
            });
        }
        Chosen::NewestOf(among) if among.len() > BUILDS => {
            return Err(Failed {
                reason: format!(
                    "more than {BUILDS} tags of {repository} fit, and NewestBuild would have to ask \
                     about each"
                ),
                remedy: "let allowTags fit fewer, or follow versions with SemVer".into(),
            });
        }
        Chosen::NewestOf(among) => among,
    };
    let mut newest = None;
    for name in among {
        let Ok(tag) = Tag::parse(name) else { continue };
        let built = registries.created(repository, &tag)?;
        newest = newest.max(Some((built, name)));
    }
    match newest {
        Some((Some(_), name)) => Ok(name.to_owned()),
        _ => Err(Failed {
            reason: format!("the images of {repository} do not say when they were built"),
            remedy: "follow versions with SemVer, or one tag with Digest".into(),
        }),
    }
}
