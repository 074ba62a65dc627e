//! Addresses that Git may be given.

use std::fmt;
use std::path::Path;

use crate::error::redact;

/// The address of a remote repository, or the name of a remote of a checkout.
///
/// It can be neither an option nor a command, and it holds no password: what Git is given may end
/// up in its configuration and in the list of processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

/// An address that Git is not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid address of a repository {text}: {problem}")]
pub struct InvalidAddress {
    /// The address, without its password.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Address {
    /// Takes `https://`, `http://`, `ssh://` and `file://` addresses, `user@host:path`, and
    /// absolute paths.
    ///
    /// # Errors
    /// When it is anything else, or carries a password.
    pub fn new(text: &str) -> Result<Self, InvalidAddress> {
        let wrong = |problem| InvalidAddress {
            text: redact(text, &[]),
            problem,
        };
        if text.is_empty() || text.len() > 2_048 {
            return Err(wrong("it is empty or too long"));
        }
        if text.starts_with('-') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("it has a space, or begins with \"-\""));
        }
        if text.contains("::") {
            return Err(wrong("transport helpers are not used"));
        }
        if Path::new(text).is_absolute() {
            return Ok(Self(text.to_owned()));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            // The short form of ssh; a "/" before the ":" makes it a relative path.
            return match text.split_once(':') {
                Some((host, path))
                    if !host.contains('/') && !path.is_empty() && !part_is_option(host) =>
                {
                    Ok(Self(text.to_owned()))
                }
                _ => Err(wrong("it is neither an address nor an absolute path")),
            };
        };
        let authority = rest.split('/').next().unwrap_or_default();
        match scheme {
            "https" | "http" if authority.contains('@') => Err(wrong(
                "it carries a user name or password; pass a token as GITHUB_TOKEN or GITLAB_TOKEN, or by a credential helper of Git",
            )),
            "ssh"
                if authority
                    .rsplit_once('@')
                    .is_some_and(|(user, _)| user.contains(':')) =>
            {
                Err(wrong("it carries a password; use a key"))
            }
            "ssh" if part_is_option(authority) => Err(wrong("its host begins with \"-\"")),
            "https" | "http" | "ssh" if authority.is_empty() => Err(wrong("it has no host")),
            "https" | "http" | "ssh" | "file" => Ok(Self(text.to_owned())),
            _ => Err(wrong("only https, http, ssh and file are used")),
        }
    }

    /// The name of a remote of a checkout; it comes from that checkout's configuration.
    pub(crate) fn remote(name: &str) -> Option<Self> {
        let good = !name.is_empty()
            && !name.starts_with('-')
            && !name.contains("::")
            && !name.chars().any(|c| c.is_control() || c.is_whitespace());
        good.then(|| Self(name.to_owned()))
    }

    pub(crate) fn for_git(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0, &[]))
    }
}

fn part_is_option(host: &str) -> bool {
    host.rsplit('@').any(|part| part.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_neither_options_nor_commands() {
        for good in [
            "https://github.com/acme/shop.git",
            "http://127.0.0.1:8080/acme/shop.git",
            "ssh://git@git.corp:2222/acme/shop",
            "git@github.com:acme/shop.git",
            "file:///srv/git/shop.git",
            "/srv/git/shop.git",
        ] {
            assert!(Address::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "--upload-pack=touch /x",
            "ext::sh -c touch% /x",
            "ext::x",
            "git://host/x",
            "ssh://-oProxyCommand=x/y",
            "-oProxyCommand=x:y",
            "git@-oProxyCommand=x:y",
            "../shop",
            "shop",
            "https:///x",
            "https://host/a b",
        ] {
            assert!(Address::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for address in [
            "https://me:s3cret@host/x",
            "https://s3cret@host/x",
            "ssh://me:s3cret@host/x",
        ] {
            let error = Address::new(address).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
