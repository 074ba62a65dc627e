//! `WWW-Authenticate`: how a registry wants us to log in.

use std::collections::BTreeMap;

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token of another server.
    Bearer {
        /// The address of that server.
        realm: String,
        /// What the registry is called there.
        service: Option<String>,
    },
    /// User and password.
    Basic,
}

/// The challenge of some headers that we can answer; a token is preferred, as Docker does.
pub(crate) fn challenge<'h>(headers: impl IntoIterator<Item = &'h str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        let (scheme, parameters) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let mut parameters = self::parameters(parameters);
            if let Some(realm) = parameters.remove("realm") {
                let service = parameters.remove("service");
                return Some(Challenge::Bearer { realm, service });
            }
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

/// `key="value", key=value`; what is no such pair ends it.
fn parameters(mut text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while let Some((key, rest)) = text.split_once('=') {
        let key = key.trim_matches([' ', ',', '\t']).to_ascii_lowercase();
        let mut value = String::new();
        let rest = rest.trim_start();
        text = if let Some(quoted) = rest.strip_prefix('"') {
            let mut characters = quoted.char_indices();
            let end = loop {
                match characters.next() {
                    Some((at, '"')) => break at + 1,
                    Some((_, '\\')) => value.extend(characters.next().map(|(_, one)| one)),
                    Some((_, one)) => value.push(one),
                    None => break quoted.len(),
                }
            };
            quoted.get(end..).unwrap_or_default()
        } else {
            let (plain, rest) = rest.split_once(',').unwrap_or((rest, ""));
            value.push_str(plain.trim());
            rest
        };
        found.entry(key).or_insert(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.into(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let check = |headers: &[&str], expected: Option<Challenge>| {
            assert_eq!(challenge(headers.iter().copied()), expected, "{headers:?}");
        };
        check(
            &[
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/node:pull""#,
            ],
            bearer("https://auth.docker.io/token", Some("registry.docker.io")),
        );
        check(
            &[r#"bearer  Service = "a,b=c" , REALM="https://x/\"y""#],
            bearer("https://x/\"y", Some("a,b=c")),
        );
        check(
            &["Bearer realm=https://x/t,service=s"],
            bearer("https://x/t", Some("s")),
        );
        check(
            &[r#"Basic realm="x""#, r#"Bearer realm="https://x/t""#],
            bearer("https://x/t", None),
        );
        check(&[r#"Basic realm="Registry""#], Some(Challenge::Basic));
        check(&["basic"], Some(Challenge::Basic));
        check(
            &[r#"Bearer realm="https://x/t"#],
            bearer("https://x/t", None),
        );
        for nothing in [
            "",
            "Bearer",
            "Bearer ===",
            "Negotiate",
            "Bearer service=\"s\"",
            "Bearer \"\\",
        ] {
            check(&[nothing], None);
        }
        check(&[], None);
    }
}
