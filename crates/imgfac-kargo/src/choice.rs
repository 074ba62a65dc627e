//! Which tag of an image its Warehouse would take, for those who watch without a cluster.

use imgfac_model::{Enrolment, ImageState, SelectionStrategy, Version, VersionRange};
use regex::Regex;

use crate::selection::Selection;

/// How one of the tags of an image is chosen.
#[derive(Debug)]
pub struct Choice {
    selection: Selection,
    allowed: Option<Regex>,
    range: Option<VersionRange>,
}

/// What the names of tags say about the one that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen<'t> {
    /// It is this one.
    Tag(&'t str),
    /// None fits.
    Nothing,
    /// It is the one of these that was built last: their names do not say which.
    NewestOf(Vec<&'t str>),
}

impl Choice {
    /// How the Warehouse of an image chooses. `state` is that of an image of ours, of which the next
    /// build is called in the manner of the last.
    ///
    /// # Errors
    /// In one line, when the enrolment is none that can be followed.
    pub fn of(enrolment: &Enrolment, state: Option<&ImageState>) -> Result<Self, String> {
        let selection = Selection::of(enrolment, state)?;
        let allowed = selection.allow_tags.as_deref().map(Regex::new).transpose();
        let allowed = allowed.map_err(|_| "allowTags is no regular expression".to_owned())?;
        let range = match (selection.strategy, selection.constraint.as_deref()) {
            (SelectionStrategy::SemVer, Some(range)) => VersionRange::parse(range),
            _ => None,
        };
        Ok(Self {
            selection,
            allowed,
            range,
        })
    }

    /// The one tag that is followed, where it follows from the enrolment alone.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        match self.selection.strategy {
            SelectionStrategy::Digest => self.selection.constraint.as_deref(),
            _ => None,
        }
    }

    /// Chooses one of the tags that there are.
    #[must_use]
    pub fn among<'t>(&self, tags: &[&'t str]) -> Chosen<'t> {
        let allows = |tag: &str| {
            let allowed = self.allowed.as_ref();
            allowed.is_none_or(|allowed| allowed.is_match(tag))
        };
        let mut tags = tags.iter().copied().filter(|tag| allows(tag));
        let one = match self.selection.strategy {
            SelectionStrategy::Digest => tags.find(|tag| Some(*tag) == self.only()),
            SelectionStrategy::Lexical => tags.max(),
            SelectionStrategy::SemVer => {
                // Of 1.0 and 1.0.0 the higher text, as in Kargo.
                let versions = tags.filter_map(|tag| Some((self.version(tag)?, tag)));
                versions.max().map(|(_, tag)| tag)
            }
            SelectionStrategy::NewestBuild => {
                let tags: Vec<&str> = tags.collect();
                match tags.as_slice() {
                    [] => None,
                    [tag] => Some(*tag),
                    _ => return Chosen::NewestOf(tags),
                }
            }
        };
        one.map_or(Chosen::Nothing, Chosen::Tag)
    }

    fn version(&self, tag: &str) -> Option<Version> {
        let version = Version::parse(tag, self.selection.strict)?;
        let range = self.range.as_ref();
        range
            .is_none_or(|range| range.allows(&version))
            .then_some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::external;

    const TAGS: &str = "15.9 16 16.4 16.10-alpine 16.9 16.10 16.4-alpine 16.9-alpine 17.1 \
                        7.4.0 7.4.2 7.4.2-rc.1 7.5.0 1234567 latest nightly";

    /// `STRATEGY CONSTRAINT ALLOWED`, each may be `-`.
    fn check(enrolled: &str, expected: &str) {
        let mut enrolment = external("postgres");
        let mut words = enrolled
            .split_whitespace()
            .map(|word| (word != "-").then(|| word.replace('_', " ")));
        enrolment.image_selection_strategy =
            words.next().flatten().map(|word| word.parse().unwrap());
        enrolment.constraint = words.next().flatten();
        enrolment.allow_tags = words.next().flatten();
        let tags: Vec<&str> = TAGS.split_whitespace().collect();
        let text = match Choice::of(&enrolment, None) {
            Err(problem) => problem,
            Ok(choice) => match choice.among(&tags) {
                Chosen::Tag(tag) => tag.to_owned(),
                Chosen::Nothing => "nothing".to_owned(),
                Chosen::NewestOf(tags) => format!("newest of {}", tags.join(" ")),
            },
        };
        assert_eq!(text, expected, "{enrolled}");
    }

    #[test]
    fn a_tag_is_chosen_as_kargo_does() {
        check("- - -", "nightly");
        check("Lexical - ^16\\.[0-9]+$", "16.9");
        check("Lexical - ^18", "nothing");
        check("Digest 16 -", "16");
        check("Digest 18 -", "nothing");
        check(
            "Digest - -",
            "Digest follows one tag: name it in `constraint`",
        );
        check("SemVer - -", "7.5.0");
        check("SemVer ~7.4.0 -", "7.4.2");
        // Versions have three numbers, unless the entry says which tags are versions.
        check("SemVer 16.x -", "nothing");
        check("SemVer 16.x ^.*$", "nothing");
        check("SemVer 16.x ^16\\.[0-9]+$", "16.10");
        check("SemVer - ^[0-9.]+$", "1234567");
        check("SemVer 16.x -alpine$", "nothing");
        check("SemVer >=16.0-0_<17.0-0 -alpine$", "16.10-alpine");
        check("NewestBuild - ^17", "17.1");
        check("NewestBuild - ^18", "nothing");
        check("NewestBuild - ^16\\.[0-9]+$", "newest of 16.4 16.9 16.10");
        check("Lexical - (", "allowTags is no regular expression");
    }
}
