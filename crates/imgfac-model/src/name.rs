//! Names of images and of bases.

use std::collections::{BTreeMap, BTreeSet};

use crate::reference::Reference;
use crate::text::{InvalidValue, shown, text_newtype};

text_newtype! {
    /// The name of an enrolled image: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 50 characters.
    ///
    /// It names files and Kubernetes objects, so it is a DNS label with room for prefixes.
    ImageName, check_image_name
}

/// The longest [`ImageName`], in characters.
pub const IMAGE_NAME_LIMIT: usize = 50;

fn check_image_name(text: &str) -> Result<String, InvalidValue> {
    let error = |problem: String| InvalidValue {
        what: "image name",
        problem,
        expected: "1 to 50 lower-case letters, digits and \"-\", with a letter or digit at both ends",
    };
    if text.is_empty() {
        return Err(error("it is empty".into()));
    }
    if let Some(bad) = text
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-'))
    {
        return Err(error(format!(
            "{} has {}",
            shown(text),
            shown(&bad.to_string())
        )));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(error(format!("{} starts or ends with \"-\"", shown(text))));
    }
    if text.len() > IMAGE_NAME_LIMIT {
        return Err(error(format!("it has {} characters", text.len())));
    }
    Ok(text.to_owned())
}

text_newtype! {
    /// The name of a base image: the stem of its state file.
    ///
    /// New names come from [`assign_base_names`]; names that an existing factory directory uses
    /// are taken as they are, as long as they name one file and nothing else.
    BaseName, check_base_name
}

fn check_base_name(text: &str) -> Result<String, InvalidValue> {
    let error = |problem: String| InvalidValue {
        what: "base name",
        problem,
        expected: "the name of one file, without \"/\", control characters or a leading \".\"",
    };
    if text.is_empty() || text.len() > 250 {
        return Err(error(format!("it has {} bytes", text.len())));
    }
    if text.starts_with('.')
        || text
            .chars()
            .any(|c| c == '/' || c == '\\' || c.is_control())
    {
        return Err(error(shown(text)));
    }
    Ok(text.to_owned())
}

/// The longest plain slug; longer ones are cut and always carry a hash.
const SLUG_LIMIT: usize = 120;

/// The readable, not necessarily unique, part of a base's name.
///
/// `docker.io/library/node:22` is `node-22`, `docker.io/acme/x:1` is `acme-x-1`; other registries
/// keep theirs: `ghcr.io-acme-x-1`. A digest adds its first twelve digits.
#[must_use]
pub fn base_slug(reference: &Reference) -> String {
    let repository = reference.repository();
    let mut text = match (repository.registry(), repository.path()) {
        ("docker.io", path) => path.strip_prefix("library/").unwrap_or(path).to_owned(),
        (registry, path) => format!("{registry}/{path}"),
    };
    if let Some(tag) = reference.tag() {
        text.push('-');
        text.push_str(tag.as_str());
    }
    if let Some(digest) = reference.digest() {
        text.push('-');
        text.extend(
            digest
                .as_str()
                .chars()
                .take_while(|c| *c != ':')
                .chain(['-']),
        );
        text.extend(
            digest
                .as_str()
                .chars()
                .skip_while(|c| *c != ':')
                .skip(1)
                .take(12),
        );
    }
    let slug: String = text
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '.' | '-') => c,
            _ => '-',
        })
        .collect();
    // An address of IPv6 begins with a bracket; a file that begins with "-" reads as an option.
    slug.trim_start_matches('-').to_owned()
}

/// Gives every reference of `wanted` a name.
///
/// A reference that already has a name (`existing`) keeps it. A new one gets its plain slug if no
/// other reference has it, else the slug, `-` and six or more hexadecimal digits of the SHA-256 of
/// the reference. Among new references that contend for a slug the smallest, as text, gets the plain one.
/// Names are compared without regard to case, since some file systems do so.
#[must_use]
pub fn assign_base_names(
    existing: &BTreeMap<Reference, BaseName>,
    taken: &BTreeSet<BaseName>,
    wanted: &BTreeSet<Reference>,
) -> BTreeMap<Reference, BaseName> {
    let mut used: BTreeSet<String> = taken
        .iter()
        .chain(existing.values())
        .map(|name| name.as_str().to_lowercase())
        .collect();
    let mut names = BTreeMap::new();
    let mut wanted: Vec<&Reference> = wanted.iter().collect();
    wanted.sort_by_cached_key(|reference| reference.to_string());
    for reference in wanted {
        if let Some(name) = existing.get(reference) {
            names.insert(reference.clone(), name.clone());
            continue;
        }
        let name = free_name(reference, &used);
        used.insert(name.clone());
        names.insert(reference.clone(), BaseName(name));
    }
    names
}

fn free_name(reference: &Reference, used: &BTreeSet<String>) -> String {
    use sha2::Digest as _;

    let slug = base_slug(reference);
    if slug.len() <= SLUG_LIMIT && !used.contains(&slug) {
        return slug;
    }
    let hash: String = sha2::Sha256::digest(reference.to_string())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // The slug is ASCII, so every cut is a character boundary.
    let stem = slug.get(..SLUG_LIMIT).unwrap_or(&slug);
    let mut digits = 6;
    loop {
        let name = format!("{stem}-{}", hash.get(..digits).unwrap_or(&hash));
        if digits >= hash.len() || !used.contains(&name) {
            return name;
        }
        digits += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    fn assign(existing: &[(&str, &str)], wanted: &[&str]) -> Vec<(String, String)> {
        let existing = existing
            .iter()
            .map(|(r, n)| (reference(r), BaseName::new(n).unwrap()))
            .collect();
        let wanted = wanted.iter().map(|r| reference(r)).collect();
        let mut names: Vec<_> = assign_base_names(&existing, &BTreeSet::new(), &wanted)
            .into_iter()
            .map(|(r, n)| (r.familiar(), n.to_string()))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn image_names_are_dns_labels_of_fifty_characters() {
        for good in ["a", "0", "a-b", "backstage", &"x".repeat(50)] {
            assert!(ImageName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a/b",
            "../x",
            "a b",
            "a\n",
            "ä",
            &"x".repeat(51),
        ] {
            assert!(ImageName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn base_names_name_one_file() {
        for good in [
            "node-22",
            "ghcr.io-acme-x-1",
            "owner-My_Image-RC_1",
            "${BASE}",
        ] {
            assert!(BaseName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".x", "a/b", "a\\b", "a\0b", "a\nb"] {
            assert!(BaseName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn slugs_follow_the_reference() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        for (text, slug) in [
            ("node:22", "node-22"),
            ("acme/x:1", "acme-x-1"),
            ("ghcr.io/acme/x:1", "ghcr.io-acme-x-1"),
            (
                "localhost:5000/My_Image:RC_1".to_lowercase().as_str(),
                "localhost-5000-my-image-rc-1",
            ),
            ("node:RC_1", "node-rc-1"),
            ("[::1]:5000/v6:1", "1--5000-v6-1"),
            (&format!("node:22@{digest}"), "node-22-sha256-0123456789ab"),
            (&format!("node@{digest}"), "node-sha256-0123456789ab"),
        ] {
            assert_eq!(base_slug(&reference(text)), slug);
        }
    }

    #[test]
    fn contenders_get_a_hash_and_known_references_keep_their_name() {
        assert_eq!(
            assign(&[], &["node:22-slim", "node-22:slim"]),
            [
                ("node-22:slim".into(), "node-22-slim".into()),
                ("node:22-slim".into(), "node-22-slim-e07494".into()),
            ]
        );
        assert_eq!(
            assign(
                &[("node:22-slim", "node-22-slim")],
                &["node:22-slim", "node-22:slim"]
            )[1],
            ("node:22-slim".into(), "node-22-slim".into())
        );
        assert_eq!(
            assign(&[("node:22", "whatever")], &["node:22"]),
            [("node:22".into(), "whatever".into())]
        );
    }

    #[test]
    fn long_references_get_bounded_names() {
        let text = format!("ghcr.io/{}:{}", "a".repeat(200), "t".repeat(128));
        let names = assign(&[], &[&text]);
        assert!(names[0].1.len() <= SLUG_LIMIT + 7, "{}", names[0].1.len());
    }
}
