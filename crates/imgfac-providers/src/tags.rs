//! Which tags there are.

use std::collections::BTreeSet;

use imgfac_model::Tag;
use reqwest::Method;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;

use crate::ask::What;
use crate::error::RegistryError;
use crate::registry::Registry;

/// A page of tags may be this long, in bytes.
const PAGE_LIMIT: u64 = 4 << 20;
/// So many tags are asked for at once; a registry may give fewer.
const PAGE: &str = "n=1000";
/// So many pages are read of one registry, which is enough for some hundred of its largest images.
pub(crate) const ALL_PAGES: u32 = 2_000;
/// So many pages of one repository are read,
const PAGES: usize = 30;
/// and so many tags kept. Choosing among a part of them would be a guess.
const TAGS: usize = 30_000;

#[derive(Deserialize)]
struct WireTags {
    // Of a repository without tags some registries say `null`.
    tags: Option<Vec<String>>,
}

impl Registry {
    /// The tags of a repository, sorted, without those that stand for signatures and attestations.
    /// A list is no download: Docker Hub, for one, does not count it. So that it stays bounded all
    /// the same, so many pages may be read of one registry.
    ///
    /// # Errors
    ///
    /// When there is no such repository, it has too many tags, or the registry cannot be asked.
    pub fn tags(&self, repository: &str) -> Result<Vec<Tag>, RegistryError> {
        let mut tags = BTreeSet::new();
        let mut query = PAGE.to_owned();
        for _ in 0..PAGES {
            let what = What::Tags(&query);
            self.spend(&self.pages)?;
            let answer = self.ask(Method::GET, repository, what, None)?;
            let next = self.next_page(answer.headers());
            let text = self.body(answer, PAGE_LIMIT, repository, what)?;
            let page: WireTags = serde_json::from_slice(&text)
                .map_err(|_| self.unusable(repository, what, "this is no list of tags"))?;
            let page = page.tags.unwrap_or_default();
            // What cannot be a tag cannot be asked for either.
            let page = page.iter().filter_map(|tag| Tag::parse(tag).ok());
            tags.extend(page.filter(|tag| !stands_for_a_digest(tag.as_str())));
            if tags.len() > TAGS {
                break;
            }
            match next {
                Some(next) => query = next,
                None => return Ok(tags.into_iter().collect()),
            }
        }
        Err(RegistryError::TooManyTags {
            registry: self.host.clone(),
            repository: repository.to_owned(),
        })
    }

    /// What to ask for the next page with. Only that is taken from the address which the registry
    /// gives: no answer leads to another place.
    fn next_page(&self, headers: &HeaderMap) -> Option<String> {
        let links = headers.get_all(LINK).iter();
        let links = links.filter_map(|link| link.to_str().ok());
        let next = links.flat_map(|link| link.split(',')).find_map(|link| {
            let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
            let words = parameters.split(';').map(str::trim);
            let is_next = |word: &str| matches!(word, "rel=\"next\"" | "rel=next");
            words.into_iter().any(is_next).then(|| target.to_owned())
        })?;
        let url = self.base.join(&next).ok()?;
        url.query().map(str::to_owned)
    }
}

/// `sha256-….sig` and its like: what is attached to a digest, where the registry knows no referrers.
fn stands_for_a_digest(tag: &str) -> bool {
    ["sha256-", "sha384-", "sha512-"]
        .iter()
        .any(|algorithm| tag.starts_with(algorithm))
}
