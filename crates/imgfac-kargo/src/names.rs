//! Names of resources.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// What a resource is for; together with the name of an image or a base it makes its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The Warehouse of an enrolled image.
    ImageWarehouse,
    /// The Warehouse of a base.
    BaseWarehouse,
    /// The Stage that reads an image's Dockerfile again.
    AnalyzeStage,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [
        Self::ImageWarehouse,
        Self::BaseWarehouse,
        Self::AnalyzeStage,
    ];

    /// What its names begin with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ImageWarehouse => "",
            Self::BaseWarehouse => "base-",
            Self::AnalyzeStage => "analyze-dockerfile-",
        }
    }

    /// The kind of its resources; names are unique within a kind.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::ImageWarehouse | Self::BaseWarehouse => "Warehouse",
            Self::AnalyzeStage => "Stage",
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
/// It is the role's prefix and the name, as long as nothing had to be changed or cut. Otherwise it
/// ends in `-` and ten digits of the SHA-256 of role and name. A name that would read as one with
/// a hash, or as one of another role, gets a hash too: so two inputs of one kind never meet in a
/// plain name, and meet in a hash with a probability of 2^-40 ([`synthesize`](crate::synthesize)
/// looks for it all the same).
///
/// ```
/// use imgfac_kargo::{Role, resource_name};
///
/// assert_eq!(resource_name(Role::BaseWarehouse, "node-22-slim"), "base-node-22-slim");
/// assert_eq!(resource_name(Role::BaseWarehouse, "python-3.12"), "base-python-3-12-4c86b619b8");
/// ```
#[must_use]
pub fn resource_name(role: Role, name: &str) -> String {
    let prefix = role.prefix();
    if is_plain(role, name) {
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
        .chain_update(role.kind())
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

fn is_plain(role: Role, name: &str) -> bool {
    let legal = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    !name.is_empty()
        && role.prefix().len() + name.len() <= LIMIT
        && name.chars().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !ends_in_hash(name)
        && (!role.prefix().is_empty()
            || Role::ALL.iter().all(|other| {
                other.kind() != role.kind()
                    || other.prefix().is_empty()
                    || !name.starts_with(other.prefix())
            }))
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
            (Role::ImageWarehouse, "backstage"),
            (Role::ImageWarehouse, "base-image"),
            (Role::ImageWarehouse, "x-0123456789"),
            (Role::BaseWarehouse, "base-image"),
            (Role::BaseWarehouse, "ubuntu-jammy-20240111"),
            (Role::BaseWarehouse, "ghcr.io-acme-x-1"),
            (Role::BaseWarehouse, "owner-My_Image-RC_1"),
            (Role::BaseWarehouse, "${BASE}"),
            (Role::BaseWarehouse, "äöü"),
            (Role::AnalyzeStage, "backstage"),
            (
                Role::AnalyzeStage,
                "an-image-with-the-longest-name-that-one-can-enrol",
            ),
        ]
        .into_iter()
        .map(|(role, name)| resource_name(role, name))
        .collect();
        insta::assert_snapshot!(names.join("\n"), @r"
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
        analyze-dockerfile-an-image-with-the-longest-name-th-37f5ef0c3a
        ");
    }

    proptest! {
        #[test]
        fn names_are_labels_and_never_meet(
            names in proptest::collection::btree_set(
                prop_oneof![
                    "[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?",
                    "(base-|analyze-dockerfile-)?[ab]([-._AB]?[ab]){0,3}(-[0-9a]{10})?",
                    "[a-zA-Z0-9._${} -]{1,80}",
                    "\\PC{1,20}",
                ],
                1..40,
            )
        ) {
            let mut seen = BTreeMap::new();
            for role in Role::ALL {
                for name in &names {
                    let made = resource_name(role, name);
                    prop_assert!(is_label(&made), "{made:?}");
                    prop_assert!(made.starts_with(role.prefix()));
                    let other = seen.insert((role.kind(), made.clone()), (role, name));
                    prop_assert!(other.is_none(), "{made}: {role:?} {name:?} and {other:?}");
                }
            }
        }

        #[test]
        fn a_made_name_is_no_way_to_meet_another(name in "[a-z]{1,8}[._A-Z][a-z]{1,8}") {
            for role in Role::ALL {
                let made = resource_name(role, &name);
                for other in Role::ALL {
                    let again = made.strip_prefix(other.prefix()).unwrap_or(&made);
                    if other.kind() == role.kind() {
                        prop_assert_ne!(&resource_name(other, again), &made);
                    }
                }
            }
        }
    }
}
