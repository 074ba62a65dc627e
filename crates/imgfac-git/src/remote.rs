//! Addresses of remote repositories.

/// The host and path that a remote's address names.
///
/// User name, password, port and the ending `.git` are left out: they do not say which
/// repository it is, and a password must not travel on.
///
/// ```
/// use imgfac_git::RemoteUrl;
///
/// let url = RemoteUrl::parse("git@github.com:acme/shop.git").unwrap();
/// assert!(url.names("github.com", "acme/shop"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUrl {
    host: String,
    path: String,
}

impl RemoteUrl {
    /// Reads `https://`, `ssh://`, `git://` and `git@host:path` addresses; local paths are `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (authority, path) = match text.split_once("://") {
            Some(("file", _)) => return None,
            Some((_, rest)) => rest.split_once('/')?,
            // The short form of ssh; a "/" before the ":" makes it a local path.
            None => text
                .split_once(':')
                .filter(|(host, _)| !host.contains('/'))?,
        };
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        if host.is_empty() || path.is_empty() {
            return None;
        }
        Some(Self {
            host: host.to_lowercase(),
            path: path.to_owned(),
        })
    }

    /// Whether it is this repository of this host; a port of the host does not matter.
    #[must_use]
    pub fn names(&self, host: &str, repo: &str) -> bool {
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        self.host.eq_ignore_ascii_case(host) && self.path.eq_ignore_ascii_case(repo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<(&str, &str)>) {
        let read = RemoteUrl::parse(url);
        assert_eq!(
            read.as_ref().map(|u| (u.host.as_str(), u.path.as_str())),
            expected,
            "{url}"
        );
    }

    #[test]
    fn addresses_name_a_host_and_a_path() {
        check(
            "https://github.com/acme/shop.git",
            Some(("github.com", "acme/shop")),
        );
        check(
            "https://x-access-token:s3cret@GitHub.com/acme/shop",
            Some(("github.com", "acme/shop")),
        );
        check(
            "git@gitlab.com:group/sub/name.git",
            Some(("gitlab.com", "group/sub/name")),
        );
        check(
            "ssh://git@git.corp:2222/acme/shop/",
            Some(("git.corp", "acme/shop")),
        );
        check("/srv/git/shop.git", None);
        check("../shop", None);
        check("file:///srv/git/shop.git", None);
        check("./a:b", None);
        check("https://github.com", None);
        check("", None);
    }

    #[test]
    fn a_port_or_case_does_not_make_another_repository() {
        let url = RemoteUrl::parse("https://git.corp:8443/Acme/Shop.git").unwrap();
        assert!(url.names("git.corp:8443", "acme/shop"));
        assert!(!url.names("git.corp", "acme/shop2"));
    }
}
