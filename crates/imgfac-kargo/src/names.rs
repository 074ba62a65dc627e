//! Names of resources.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// What a resource is for; together with the name of an image or a base it makes its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The Warehouse of an enrolled image.
    ImageWarehouse,
    /// The Warehouse of a base.
    BaseWarehouse,
    /// The Stage that reads an image's Dockerfile again.
    AnalyzeStage,
    /// The Stage that notes when a digest of a base was first seen.
    ObserveStage,
    /// The same of an image of ours that others stand on.
    ObserveImageStage,
    /// The Stage that records a digest of a base in the state repository.
    RecordStage,
    /// The Stage that rebuilds an image.
    TriggerStage,
    /// The Stage that keeps a consumer of an image current.
    UpdateStage,
    /// The credentials of a host and owner.
    GitSecret,
    /// The credentials of a registry.
    RegistrySecret,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 10] = [
        Self::ImageWarehouse,
        Self::BaseWarehouse,
        Self::AnalyzeStage,
        Self::ObserveStage,
        Self::ObserveImageStage,
        Self::RecordStage,
        Self::TriggerStage,
        Self::UpdateStage,
        Self::GitSecret,
        Self::RegistrySecret,
    ];

    /// What its names begin with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ImageWarehouse => "",
            Self::BaseWarehouse => "base-",
            Self::AnalyzeStage => "analyze-dockerfile-",
            Self::ObserveStage => "observe-",
            Self::ObserveImageStage => "observe-image-",
            Self::RecordStage => "record-",
            Self::TriggerStage => "rebuild-trigger-",
            Self::UpdateStage => "update-",
            Self::GitSecret => "git-",
            Self::RegistrySecret => "registry-",
        }
    }

    /// The kind of its resources; names are unique within a kind.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::ImageWarehouse | Self::BaseWarehouse => "Warehouse",
            Self::AnalyzeStage
            | Self::ObserveStage
            | Self::ObserveImageStage
            | Self::RecordStage
            | Self::TriggerStage
            | Self::UpdateStage => "Stage",
            Self::GitSecret | Self::RegistrySecret => "Secret",
        }
    }
}

/// The longest name: Stage names become values of labels, which hold 63 characters.
const LIMIT: usize = 63;

/// Hexadecimal digits of a hash suffix. Ten are rare at the end of a natural name, unlike the eight
/// of a date or the twelve of a shortened digest.
const HASH_DIGITS: usize = 10;

/// The name of a resource: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 63 characters.
///
/// It is the purpose's prefix and the name, as long as nothing had to be changed or cut. Otherwise it
/// ends in `-` and ten digits of the SHA-256 of purpose and name. A name that would read as one with
/// a hash, or as one of another purpose, gets a hash too: so two inputs of one kind never meet in a
/// plain name, and meet in a hash with a probability of 2^-40 ([`synthesize`](crate::synthesize)
/// looks for it all the same).
///
/// ```
/// use imgfac_kargo::{Purpose, resource_name};
///
/// assert_eq!(resource_name(Purpose::BaseWarehouse, "node-22-slim"), "base-node-22-slim");
/// assert_eq!(resource_name(Purpose::BaseWarehouse, "python-3.12"), "base-python-3-12-4c86b619b8");
/// ```
#[must_use]
pub fn resource_name(purpose: Purpose, name: &str) -> String {
    let prefix = purpose.prefix();
    if is_plain(purpose, name) {
        return format!("{prefix}{name}");
    }
    let room = LIMIT - prefix.len() - HASH_DIGITS - 1;
    let mut out = String::from(prefix);
    for c in name.chars() {
        if out.len() >= prefix.len() + room {
            break;
        }
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => out.push(c),
            _ if out.len() > prefix.len() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    if !(out.is_empty() || out.ends_with('-')) {
        out.push('-');
    }
    let hash = Sha256::new()
        .chain_update(purpose.kind())
        .chain_update("/")
        .chain_update(prefix)
        .chain_update("/")
        .chain_update(name)
        .finalize();
    for byte in hash.iter().take(HASH_DIGITS / 2) {
        // Writing to a text cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn is_plain(purpose: Purpose, name: &str) -> bool {
    let legal = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    !name.is_empty()
        && purpose.prefix().len() + name.len() <= LIMIT
        && name.chars().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !ends_in_hash(name)
        && Purpose::ALL.iter().all(|other| {
            // A longer prefix of the same kind would claim the name.
            other.kind() != purpose.kind()
                || other
                    .prefix()
                    .strip_prefix(purpose.prefix())
                    .is_none_or(|rest| rest.is_empty() || !name.starts_with(rest))
        })
}

fn ends_in_hash(name: &str) -> bool {
    let digits = name.rsplit_once('-').map_or(name, |(_, last)| last);
    digits.len() == HASH_DIGITS && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn is_label(name: &str) -> bool {
        (1..=63).contains(&name.len())
            && name
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
            && !name.starts_with('-')
            && !name.ends_with('-')
    }

    #[test]
    fn good_names_stay_and_others_get_a_hash() {
        let names: Vec<String> = [
            (Purpose::ImageWarehouse, "backstage"),
            (Purpose::ImageWarehouse, "base-image"),
            (Purpose::ImageWarehouse, "x-0123456789"),
            (Purpose::BaseWarehouse, "base-image"),
            (Purpose::BaseWarehouse, "ubuntu-jammy-20240111"),
            (Purpose::BaseWarehouse, "ghcr.io-acme-x-1"),
            (Purpose::BaseWarehouse, "owner-My_Image-RC_1"),
            (Purpose::BaseWarehouse, "${BASE}"),
            (Purpose::BaseWarehouse, "äöü"),
            (Purpose::AnalyzeStage, "backstage"),
            (Purpose::ObserveStage, "image-x"),
            (Purpose::ObserveImageStage, "x"),
            (
                Purpose::AnalyzeStage,
                "an-image-with-the-longest-name-that-one-can-enrol",
            ),
        ]
        .into_iter()
        .map(|(purpose, name)| resource_name(purpose, name))
        .collect();
        insta::assert_snapshot!(names.join("\n"), @"
        backstage
        base-image-e1bd75220c
        x-0123456789-0acf77ddb5
        base-base-image
        base-ubuntu-jammy-20240111
        base-ghcr-io-acme-x-1-f7be0ffa22
        base-owner-my-image-rc-1-e652dd1f46
        base-base-7246d22757
        base-304c1fa84f
        analyze-dockerfile-backstage
        observe-image-x-d28b278887
        observe-image-x
        analyze-dockerfile-an-image-with-the-longest-name-th-37f5ef0c3a
        ");
    }

    proptest! {
        #[test]
        fn names_are_labels_and_never_meet(
            names in proptest::collection::btree_set(
                prop_oneof![
                    "[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?",
                    "(base-|image-|analyze-dockerfile-)?[ab]([-._AB]?[ab]){0,3}(-[0-9a]{10})?",
                    "[a-zA-Z0-9._${} -]{1,80}",
                    "\\PC{1,20}",
                ],
                1..40,
            )
        ) {
            let mut seen = BTreeMap::new();
            for purpose in Purpose::ALL {
                for name in &names {
                    let made = resource_name(purpose, name);
                    prop_assert!(is_label(&made), "{made:?}");
                    prop_assert!(made.starts_with(purpose.prefix()));
                    let other = seen.insert((purpose.kind(), made.clone()), (purpose, name));
                    prop_assert!(other.is_none(), "{made}: {purpose:?} {name:?} and {other:?}");
                }
            }
        }

        #[test]
        fn a_made_name_is_no_way_to_meet_another(name in "[a-z]{1,8}[._A-Z][a-z]{1,8}") {
            for purpose in Purpose::ALL {
                let made = resource_name(purpose, &name);
                for other in Purpose::ALL {
                    let again = made.strip_prefix(other.prefix()).unwrap_or(&made);
                    if other.kind() == purpose.kind() {
                        prop_assert_ne!(&resource_name(other, again), &made);
                    }
                }
            }
        }
    }
}
