//! Which of an image's tags is followed.

use imgfac_model::{
    Enrolment, ImageState, SelectionStrategy, Tag, is_strict_version, is_version_range,
};

/// What `allowTags` is where nobody restricts it, as the predecessor wrote it.
pub(crate) const ANY_TAG: &str = "^.*$";

/// Which of an image's tags is followed, in the terms of an image subscription.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) strategy: SelectionStrategy,
    pub(crate) constraint: Option<String>,
    pub(crate) allow_tags: Option<String>,
    /// Whether only tags of three numbers are versions.
    pub(crate) strict: bool,
}

impl Selection {
    /// One tag that moves.
    pub(crate) fn tag(tag: &str) -> Self {
        Self {
            strategy: SelectionStrategy::Digest,
            constraint: Some(tag.to_owned()),
            allow_tags: None,
            strict: true,
        }
    }

    /// What an enrolment says, or what it leaves open.
    ///
    /// A strategy that is not enrolled follows from the rest: a `constraint` is a range of
    /// versions, `allowTags` are ordered as text. An external image with neither follows all its
    /// tags in that order; a managed one what its last build was called, or `latest`.
    ///
    /// # Errors
    /// In one line, when Kargo would refuse the subscription.
    pub(crate) fn of(enrolment: &Enrolment, state: Option<&ImageState>) -> Result<Self, String> {
        let constraint = enrolment
            .constraint
            .as_deref()
            .filter(|text| !text.is_empty());
        let allow_tags = enrolment.allow_tags.as_deref();
        let strategy = match (enrolment.image_selection_strategy, constraint, allow_tags) {
            (Some(strategy), _, _) => strategy,
            (None, Some(_), _) => SelectionStrategy::SemVer,
            (None, None, Some(_)) => SelectionStrategy::Lexical,
            (None, None, None) if enrolment.is_managed() => {
                return Ok(Self::like_last_build(enrolment, state));
            }
            (None, None, None) => SelectionStrategy::Lexical,
        };
        match strategy {
            SelectionStrategy::Digest => Self::one_tag(enrolment, constraint),
            SelectionStrategy::SemVer => match constraint {
                Some(range) if !is_version_range(range) => Err(format!(
                    "constraint {range:?} is not a range of versions such as \">=16\" or \"^1.2\""
                )),
                _ => Ok(Self {
                    strategy,
                    constraint: constraint.map(str::to_owned),
                    allow_tags: allow_tags.map(str::to_owned),
                    strict: enrolment.is_managed() || !allow_tags.is_some_and(picks),
                }),
            },
            SelectionStrategy::Lexical | SelectionStrategy::NewestBuild => Ok(Self {
                strategy,
                constraint: None,
                allow_tags: match allow_tags {
                    Some(allowed) => Some(allowed.to_owned()),
                    None if enrolment.is_managed() => None,
                    None => Some(ANY_TAG.to_owned()),
                },
                strict: true,
            }),
        }
    }

    fn one_tag(enrolment: &Enrolment, constraint: Option<&str>) -> Result<Self, String> {
        let tag = match (constraint, enrolment.allow_tags.as_deref()) {
            (Some(tag), _) => tag.to_owned(),
            (None, Some(allowed)) => only_tag(allowed).ok_or_else(|| {
                format!("Digest follows one tag: name it in `constraint`, allowTags {allowed:?} may match several")
            })?,
            (None, None) if enrolment.is_managed() => "latest".to_owned(),
            (None, None) => return Err("Digest follows one tag: name it in `constraint`".into()),
        };
        match Tag::parse(&tag) {
            Ok(tag) => Ok(Self::tag(tag.as_str())),
            Err(error) => Err(format!("constraint {tag:?} is not a tag: {error}")),
        }
    }

    /// The next build will be called in the manner of the last: a version, a tag that moves, or a
    /// new tag every time.
    fn like_last_build(enrolment: &Enrolment, state: Option<&ImageState>) -> Self {
        let branch = enrolment
            .source
            .as_ref()
            .map(|source| source.branch.as_str());
        let strategy = match state.and_then(|state| state.current_version.as_deref()) {
            Some(version) if is_strict_version(version) => SelectionStrategy::SemVer,
            Some(version) if Some(version) == branch => return Self::tag(version),
            Some(version) if version != "latest" && Tag::parse(version).is_ok() => {
                SelectionStrategy::NewestBuild
            }
            _ => return Self::tag("latest"),
        };
        Self {
            strategy,
            constraint: None,
            allow_tags: None,
            strict: true,
        }
    }
}

/// Whether an expression says which tags are versions, so that `16.4` can count as one. Without it
/// the hash of a commit that has no letters would be the highest version of all.
fn picks(allowed: &str) -> bool {
    !matches!(
        allowed,
        "" | "^" | "$" | "^$" | ".*" | ".+" | "^.*" | ".*$" | "^.*$" | "^.+$"
    )
}

/// The tag that an expression such as `^3\.12-slim$` stands for, if it stands for one.
fn only_tag(allowed: &str) -> Option<String> {
    let inner = allowed.strip_prefix('^')?.strip_suffix('$')?;
    // An unescaped dot matches more than a dot, but nobody writes it to mean anything else.
    let tag = inner.replace("\\.", ".");
    Tag::parse(&tag).is_ok().then_some(tag)
}

#[cfg(test)]
mod tests {
    use imgfac_model::Enrolment;

    use super::*;
    use crate::fixture::{external, managed};

    fn check(enrolment: Enrolment, version: Option<&str>, expected: &str) {
        let state = ImageState {
            current_version: version.map(str::to_owned),
            ..ImageState::default()
        };
        let text = match Selection::of(&enrolment, Some(&state)) {
            Ok(it) => format!(
                "{} {} {}{}",
                it.strategy,
                it.constraint.as_deref().unwrap_or("-"),
                it.allow_tags.as_deref().unwrap_or("-"),
                if it.strict { "" } else { ", any numbers" }
            ),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(text, expected);
    }

    fn with(
        mut enrolment: Enrolment,
        strategy: &str,
        constraint: Option<&str>,
        allow_tags: Option<&str>,
    ) -> Enrolment {
        enrolment.image_selection_strategy = strategy.parse().ok();
        enrolment.constraint = constraint.map(str::to_owned);
        enrolment.allow_tags = allow_tags.map(str::to_owned);
        enrolment
    }

    #[test]
    fn external_images_follow_what_is_enrolled() {
        let it = || external("postgres");
        check(it(), None, "Lexical - ^.*$");
        check(
            with(it(), "", None, Some("^16-alpine$")),
            None,
            "Lexical - ^16-alpine$",
        );
        check(
            with(it(), "NewestBuild", Some(">=1"), None),
            None,
            "NewestBuild - ^.*$",
        );
        check(
            with(it(), "SemVer", Some(">=16"), Some("-alpine$")),
            None,
            "SemVer >=16 -alpine$, any numbers",
        );
        check(with(it(), "", Some(">=16"), None), None, "SemVer >=16 -");
        check(
            with(it(), "", Some(">=16"), Some("^.*$")),
            None,
            "SemVer >=16 ^.*$",
        );
        check(
            with(it(), "Digest", Some("16-alpine"), Some("^x$")),
            None,
            "Digest 16-alpine -",
        );
        check(
            with(it(), "Digest", None, Some(r"^3\.12-slim$")),
            None,
            "Digest 3.12-slim -",
        );
    }

    #[test]
    fn managed_images_follow_their_last_build() {
        let it = || managed("web");
        check(it(), None, "Digest latest -");
        check(it(), Some("latest"), "Digest latest -");
        check(it(), Some("main"), "Digest main -");
        check(it(), Some("1.10.0"), "SemVer - -");
        check(it(), Some("main-abc123"), "NewestBuild - -");
        check(it(), Some("not a tag"), "Digest latest -");
        check(with(it(), "SemVer", None, Some("^1")), None, "SemVer - ^1");
        check(
            with(it(), "NewestBuild", None, None),
            None,
            "NewestBuild - -",
        );
        check(
            with(it(), "", None, Some("^v")),
            Some("1.2.3"),
            "Lexical - ^v",
        );
    }

    #[test]
    fn what_kargo_would_refuse_is_a_problem() {
        let it = || external("postgres");
        check(
            with(it(), "Digest", None, None),
            None,
            "error: Digest follows one tag: name it in `constraint`",
        );
        check(
            with(it(), "Digest", None, Some("^16")),
            None,
            "error: Digest follows one tag: name it in `constraint`, allowTags \"^16\" may match several",
        );
        check(
            with(it(), "SemVer", Some("latest"), None),
            None,
            "error: constraint \"latest\" is not a range of versions such as \">=16\" or \"^1.2\"",
        );
        let error = Tag::parse("a b").unwrap_err();
        check(
            with(it(), "Digest", Some("a b"), None),
            None,
            &format!("error: constraint \"a b\" is not a tag: {error}"),
        );
    }
}
