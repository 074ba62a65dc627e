//! Image references, read and normalised the way Docker does it.
//!
//! The grammar is that of the `distribution/reference` library:
//! `[registry/]path[:tag][@digest]`. The text before the first `/` is a registry when it is
//! `localhost`, has a `.` or a `:`, or has an upper-case letter; all else lives on `docker.io`,
//! where a path of one part gets `library/` in front. A reference with neither tag nor digest means
//! `latest`. Two references name the same image if and only if they are equal here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const HUB: &str = "docker.io";
const LEGACY_HUB: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
const DEFAULT_TAG: &str = "latest";

/// The longest path of a repository, in bytes.
const PATH_LIMIT: usize = 255;
/// The longest tag, in bytes.
const TAG_LIMIT: usize = 128;

/// A canonical image reference: a repository with a tag, a digest, or both.
///
/// `Display` writes the canonical form, `docker.io/library/node:22@sha256:…`; parsing that text
/// gives an equal value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads and normalises a reference as a person would write it.
    ///
    /// # Errors
    /// When Docker would refuse the text as an image name.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if is_image_id(text) {
            return Err(ReferenceError::ImageId);
        }
        let (registry, rest) = split_registry(text);
        let name_end = rest.find([':', '@']).unwrap_or(rest.len());
        let (path, suffix) = rest.split_at_checked(name_end).unwrap_or((rest, ""));
        let repository = Repository::checked(registry, path)?;
        let (tag, digest) = match suffix.split_once('@') {
            Some((tag, digest)) => (tag, Some(Digest::parse(digest)?)),
            None => (suffix, None),
        };
        let tag = match tag.strip_prefix(':') {
            Some(tag) => Some(Tag::parse(tag)?),
            None if digest.is_none() => Some(Tag(DEFAULT_TAG.to_owned())),
            None => None,
        };
        Ok(Self {
            repository,
            tag,
            digest,
        })
    }

    /// Where the image lives, without tag and digest.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag; absent only when there is a digest.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if the reference is pinned to one.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The short form that Docker shows: `node:22` for `docker.io/library/node:22`.
    #[must_use]
    pub fn familiar(&self) -> String {
        let mut text = self.repository.familiar().to_owned();
        // A path on another registry keeps its registry, which is not one slice with it.
        if self.repository.registry != HUB {
            text = self.repository.to_string();
        }
        self.push_suffix(&mut text);
        text
    }

    fn push_suffix(&self, text: &mut String) {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(&tag.0);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.0);
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Where an image lives: a registry and a path on it, both canonical.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// Builds a repository from its two parts, as an enrolment states them.
    ///
    /// `docker.io` and `postgres` give `docker.io/library/postgres`.
    ///
    /// # Errors
    /// When the registry is not a host with an optional port that Docker would know for one (it
    /// needs a `.`, a `:`, an upper-case letter, or to be `localhost`), or the path is not legal.
    pub fn new(registry: &str, path: &str) -> Result<Self, ReferenceError> {
        let bad_registry = || ReferenceError::Registry {
            registry: registry.to_owned(),
        };
        if registry.contains('/') {
            return Err(bad_registry());
        }
        let text = format!("{registry}/{path}");
        if split_registry(&text).0.is_none() {
            return Err(bad_registry());
        }
        Self::parse(&text)
    }

    /// Reads a repository written as one text, `ghcr.io/acme/x` or `node`.
    ///
    /// # Errors
    /// When Docker would refuse the text, or when it has a tag or a digest.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if is_image_id(text) {
            return Err(ReferenceError::ImageId);
        }
        let (registry, path) = split_registry(text);
        Self::checked(registry, path)
    }

    /// The registry's host and port, such as `docker.io` or `registry.example:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path on the registry, such as `library/node`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path as Docker shows it for the Hub: without `library/`, unless more parts follow.
    fn familiar(&self) -> &str {
        match self.path.strip_prefix(OFFICIAL) {
            Some(rest) if !rest.contains('/') => rest,
            _ => &self.path,
        }
    }

    fn checked(registry: Option<&str>, path: &str) -> Result<Self, ReferenceError> {
        if path.chars().any(char::is_uppercase) {
            return Err(ReferenceError::UpperCase {
                path: path.to_owned(),
            });
        }
        if !path.split('/').all(is_path_part) {
            return Err(ReferenceError::Format);
        }
        let registry = match registry {
            None | Some(LEGACY_HUB) => HUB,
            Some(registry) => registry,
        };
        let path = if registry == HUB && !path.contains('/') {
            format!("{OFFICIAL}{path}")
        } else {
            path.to_owned()
        };
        let counted = if is_host(registry) {
            path.len()
        } else if is_path_part(registry) {
            // `my_host.example/app`: no legal host, but Docker takes the whole for a path, and
            // so counts all of it. Printed, both readings are the same text.
            registry.len() + 1 + path.len()
        } else {
            return Err(ReferenceError::Registry {
                registry: registry.to_owned(),
            });
        };
        if counted > PATH_LIMIT {
            return Err(ReferenceError::TooLong { length: counted });
        }
        Ok(Self {
            registry: registry.to_owned(),
            path,
        })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

/// A tag: 1 to 128 letters, digits, `_`, `.` and `-`, the first neither `.` nor `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// Checks and takes a tag.
    ///
    /// # Errors
    /// When the text is empty, too long, or has a character that tags do not have.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        if text.is_empty() {
            return Err(TagError::Empty);
        }
        if text.starts_with(['.', '-']) {
            return Err(TagError::Start);
        }
        if let Some(found) = text
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.' | '-'))
        {
            return Err(TagError::Character { found });
        }
        if text.len() > TAG_LIMIT {
            return Err(TagError::TooLong { length: text.len() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A content digest: `sha256:`, `sha384:` or `sha512:` and lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Checks and takes a digest.
    ///
    /// # Errors
    /// When the algorithm is unknown, or the digits are too few, too many, or not lower-case.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let Some((algorithm, hex)) = text.split_once(':') else {
            return Err(DigestError::Format);
        };
        let expected = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => {
                return Err(DigestError::Algorithm {
                    algorithm: algorithm.to_owned(),
                });
            }
        };
        if !hex.bytes().all(is_lower_hex) {
            return Err(DigestError::Hex);
        }
        if hex.len() != expected {
            return Err(DigestError::Length {
                algorithm: algorithm.to_owned(),
                expected,
                found: hex.len(),
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The digest as text, `sha256:…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm, such as `sha256`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.0
            .split_once(':')
            .map_or("", |(algorithm, _)| algorithm)
    }

    /// The hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }
}

/// The text is not an image reference, or not a repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The name does not have the form `[registry/]path[:tag][@digest]`.
    #[error("not an image name: expected [registry/]path[:tag][@digest]")]
    Format,
    /// The path has an upper-case letter; only a registry may.
    #[error("repository {path:?} must be lower-case")]
    UpperCase {
        /// The path as written.
        path: String,
    },
    /// The name is 64 hexadecimal digits, which is the form of an image id.
    #[error("64 hexadecimal digits are an image id, not an image name")]
    ImageId,
    /// The registry is not a host with an optional port.
    #[error(
        "{registry:?} is not a registry: expected a host name with a dot or a port, or localhost"
    )]
    Registry {
        /// The registry as written.
        registry: String,
    },
    /// The repository's path is longer than 255 bytes.
    #[error("the repository's path has {length} bytes, at most {PATH_LIMIT} are allowed")]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// The tag is not legal.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// The digest is not legal.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// The text is not a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing follows the colon.
    #[error("the tag is empty")]
    Empty,
    /// The tag begins with `.` or `-`.
    #[error("a tag must not start with \".\" or \"-\"")]
    Start,
    /// A character that tags do not have.
    #[error("a tag must not have {found:?}")]
    Character {
        /// The first such character.
        found: char,
    },
    /// The tag is longer than 128 characters.
    #[error("the tag has {length} characters, at most {TAG_LIMIT} are allowed")]
    TooLong {
        /// How many characters it has.
        length: usize,
    },
}

/// The text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no colon.
    #[error("not a digest: expected an algorithm, \":\" and hexadecimal digits")]
    Format,
    /// The algorithm is not one that registries use.
    #[error("unknown digest algorithm {algorithm:?}: expected sha256, sha384 or sha512")]
    Algorithm {
        /// The algorithm as written.
        algorithm: String,
    },
    /// A character that is not a lower-case hexadecimal digit.
    #[error("a digest has only lower-case hexadecimal digits")]
    Hex,
    /// Too few or too many digits for the algorithm.
    #[error("a {algorithm} digest has {expected} hexadecimal digits, found {found}")]
    Length {
        /// The algorithm.
        algorithm: String,
        /// How many digits it takes.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}

/// The registry as written, if the text names one, and what follows it.
fn split_registry(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.chars().any(char::is_uppercase) =>
        {
            (Some(first), rest)
        }
        _ => (None, text),
    }
}

fn is_image_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(is_lower_hex)
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut bytes = part.bytes().peekable();
    if !bytes.peek().copied().is_some_and(is_word) {
        return false;
    }
    while let Some(byte) = bytes.next() {
        if is_word(byte) {
            continue;
        }
        match byte {
            b'.' => {}
            b'_' => {
                bytes.next_if_eq(&b'_');
            }
            b'-' => while bytes.next_if_eq(&b'-').is_some() {},
            _ => return false,
        }
        if !bytes.peek().copied().is_some_and(is_word) {
            return false;
        }
    }
    true
}

/// A host name, IPv4 address or bracketed IPv6 address, with an optional port.
fn is_host(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            !address.is_empty()
                && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    port.is_none_or(is_port)
        && name.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Conversions that all of these types share: from text, through the check, and back.
macro_rules! as_text {
    ($name:ident, $error:ident) => {
        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

as_text!(Reference, ReferenceError);
as_text!(Repository, ReferenceError);
as_text!(Tag, TagError);
as_text!(Digest, DigestError);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX64: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// `expected` is the canonical text, or `error: ` and the message.
    fn check(text: &str, expected: &str) {
        let found = match Reference::parse(text) {
            Ok(reference) => {
                let canonical = reference.to_string();
                assert_eq!(Reference::parse(&canonical).as_ref(), Ok(&reference));
                assert_eq!(
                    Reference::parse(&reference.familiar()).as_ref(),
                    Ok(&reference),
                    "{text}: the short form names another image"
                );
                canonical
            }
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(found, expected, "{text}");
    }

    fn check_error(text: &str) {
        assert!(Reference::parse(text).is_err(), "{text} must be refused");
    }

    #[test]
    fn names_without_a_registry_live_on_the_hub() {
        check("node", "docker.io/library/node:latest");
        check("node:22", "docker.io/library/node:22");
        check("acme/app", "docker.io/acme/app:latest");
        check("library/node", "docker.io/library/node:latest");
        check("a/b/c:1", "docker.io/a/b/c:1");
        check("localhost:5000", "docker.io/library/localhost:5000");
        check("example.com:5000", "docker.io/library/example.com:5000");
    }

    #[test]
    fn all_spellings_of_the_hub_are_one() {
        check("docker.io/node", "docker.io/library/node:latest");
        check("index.docker.io/node:1", "docker.io/library/node:1");
        check("docker.io/library/node", "docker.io/library/node:latest");
        check("index.docker.io/acme/app", "docker.io/acme/app:latest");
        check("Docker.io/node", "Docker.io/node:latest");
        check(
            "registry-1.docker.io/library/node",
            "registry-1.docker.io/library/node:latest",
        );
    }

    #[test]
    fn registries_are_known_by_dot_colon_localhost_or_upper_case() {
        check("ghcr.io/acme/app:1", "ghcr.io/acme/app:1");
        check("ghcr.io/app", "ghcr.io/app:latest");
        check("localhost/app", "localhost/app:latest");
        check("localhost:5000/app:2", "localhost:5000/app:2");
        check("box:5000/app", "box:5000/app:latest");
        check("Box/app", "Box/app:latest");
        check("Box:80/app", "Box:80/app:latest");
        check("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest");
        check("[::1]/app", "[::1]/app:latest");
        check("[2001:db8::1]:5000/app:1", "[2001:db8::1]:5000/app:1");
        check(
            "a..b/app",
            "error: \"a..b\" is not a registry: expected a host name with a dot or a port, or localhost",
        );
        check_error("-a.example/app");
        check_error("a-.example/app");
        check_error("host:/app");
        check_error("host:5a/app");
        check_error("[::1/app");
        check_error("[]:1/app");
        check_error("[abc]/app");
        check_error("Box_1/app");
        check_error("/app");
        check_error(".io/app");
    }

    #[test]
    fn a_host_that_is_only_legal_as_a_path_is_kept() {
        check("my_box.example/app:1", "my_box.example/app:1");
        check(
            "my_box:5000/app",
            "error: \"my_box:5000\" is not a registry: expected a host name with a dot or a port, or localhost",
        );
    }

    #[test]
    fn digests_are_kept_with_and_without_a_tag() {
        let digest = format!("sha256:{HEX64}");
        check(
            &format!("node@{digest}"),
            &format!("docker.io/library/node@{digest}"),
        );
        check(
            &format!("node:22@{digest}"),
            &format!("docker.io/library/node:22@{digest}"),
        );
        check(
            &format!("ghcr.io/a/b:latest@{digest}"),
            &format!("ghcr.io/a/b:latest@{digest}"),
        );
        let long = format!("a@sha384:{}", "0".repeat(96));
        check(&long, &format!("docker.io/library/{long}"));
        let long = format!("a@sha512:{}", "f".repeat(128));
        check(&long, &format!("docker.io/library/{long}"));
    }

    #[test]
    fn bad_digests_are_refused() {
        check(
            "a@sha256:12",
            "error: a sha256 digest has 64 hexadecimal digits, found 2",
        );
        check(
            "a@md5:12",
            "error: unknown digest algorithm \"md5\": expected sha256, sha384 or sha512",
        );
        check(
            "a@",
            "error: not a digest: expected an algorithm, \":\" and hexadecimal digits",
        );
        check_error(&format!("a@sha256:{}", HEX64.to_uppercase()));
        check_error(&format!("a@sha512:{HEX64}"));
        check_error(&format!("a@sha256:{HEX64}:1"));
        check_error(&format!("a@sha256:{HEX64}@sha256:{HEX64}"));
        check_error(&format!("@sha256:{HEX64}"));
        check_error(&format!("sha256:{HEX64}@"));
    }

    #[test]
    fn tags_follow_their_rule() {
        check("a:_1.2-x", "docker.io/library/a:_1.2-x");
        check("a:B", "docker.io/library/a:B");
        check(
            &format!("a:{}", "x".repeat(128)),
            &format!("docker.io/library/a:{}", "x".repeat(128)),
        );
        check(
            &format!("a:{}", "x".repeat(129)),
            "error: the tag has 129 characters, at most 128 are allowed",
        );
        check("a:", "error: the tag is empty");
        check("a:.x", "error: a tag must not start with \".\" or \"-\"");
        check("a:1:2", "error: a tag must not have ':'");
        check("a:1/b", "a:1/b:latest");
        check_error("a:é");
        check_error("a:1 ");
        check_error("a:1\n");
    }

    #[test]
    fn paths_follow_their_rule() {
        check("a__b/c--d/e.f", "docker.io/a__b/c--d/e.f:latest");
        check("a---b", "docker.io/library/a---b:latest");
        check("Acme", "error: repository \"Acme\" must be lower-case");
        check(
            "ghcr.io/Acme/x",
            "error: repository \"Acme/x\" must be lower-case",
        );
        for text in [
            "",
            " ",
            "a b",
            "a/",
            "a//b",
            "a_",
            "_a",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a._b",
            "a_.b",
            "a-_b",
            "a$b",
            "é",
            "É",
            "a/.",
            "ghcr.io/",
            "ghcr.io//a",
            "docker.io/",
            "${X}",
            "a@b@c",
        ] {
            check_error(text);
        }
    }

    #[test]
    fn image_ids_are_refused() {
        check(
            HEX64,
            "error: 64 hexadecimal digits are an image id, not an image name",
        );
        check(
            &format!("{HEX64}:1"),
            &format!("docker.io/library/{HEX64}:1"),
        );
        check(
            &HEX64[1..],
            &format!("docker.io/library/{}:latest", &HEX64[1..]),
        );
    }

    #[test]
    fn paths_have_at_most_255_bytes() {
        let path = format!("a/{}", "b".repeat(253));
        check(&path, &format!("docker.io/{path}:latest"));
        check(
            &format!("{path}b"),
            "error: the repository's path has 256 bytes, at most 255 are allowed",
        );
        check(
            &format!("ghcr.io/{path}"),
            &format!("ghcr.io/{path}:latest"),
        );
        check_error(&"b".repeat(248));
        check(
            &"b".repeat(247),
            &format!("docker.io/library/{}:latest", "b".repeat(247)),
        );
    }

    #[test]
    fn the_short_form_is_dockers() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Reference::parse(text).unwrap().familiar(), expected);
        };
        check("docker.io/library/node:22", "node:22");
        check("docker.io/library/a/b", "library/a/b:latest");
        check("acme/app", "acme/app:latest");
        check("ghcr.io/library/node", "ghcr.io/library/node:latest");
    }

    #[test]
    fn repositories_are_built_from_two_parts() {
        let check = |registry: &str, path: &str, expected: &str| {
            let found = match Repository::new(registry, path) {
                Ok(repository) => repository.to_string(),
                Err(error) => format!("error: {error}"),
            };
            assert_eq!(found, expected, "{registry} {path}");
        };
        check("docker.io", "postgres", "docker.io/library/postgres");
        check("index.docker.io", "acme/x", "docker.io/acme/x");
        check("ghcr.io", "acme/x", "ghcr.io/acme/x");
        check("localhost:5000", "x", "localhost:5000/x");
        check(
            "",
            "x",
            "error: \"\" is not a registry: expected a host name with a dot or a port, or localhost",
        );
        check(
            "ghcr",
            "x",
            "error: \"ghcr\" is not a registry: expected a host name with a dot or a port, or localhost",
        );
        check(
            "ghcr.io/acme",
            "x",
            "error: \"ghcr.io/acme\" is not a registry: expected a host name with a dot or a port, or localhost",
        );
        check("ghcr.io", "X", "error: repository \"X\" must be lower-case");
        for path in ["", "x:1", "x@y", "/x", "x/", "x y"] {
            check(
                "ghcr.io",
                path,
                "error: not an image name: expected [registry/]path[:tag][@digest]",
            );
        }
    }

    #[test]
    fn the_parts_can_be_read() {
        let text = format!("ghcr.io/acme/x:1@sha256:{HEX64}");
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.repository().registry(), "ghcr.io");
        assert_eq!(reference.repository().path(), "acme/x");
        assert_eq!(reference.tag().map(Tag::as_str), Some("1"));
        let digest = reference.digest().unwrap();
        assert_eq!((digest.algorithm(), digest.hex()), ("sha256", HEX64));
        assert_eq!(String::from(reference), text);
    }
}
