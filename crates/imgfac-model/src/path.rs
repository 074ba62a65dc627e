//! Paths inside a repository.

use crate::text::{InvalidValue, shown, text_newtype};

text_newtype! {
    /// A path below the root of a repository, with `/` between its parts; the root itself is `.`.
    ///
    /// It never leads out: no `..`, no absolute path, no control characters. `./a//b/` is `a/b`.
    RelativePath, check_path
}

fn check_path(text: &str) -> Result<String, InvalidValue> {
    let error = |problem: String| InvalidValue {
        what: "path",
        problem,
        expected: "a path below the repository's root, such as apps/web/Dockerfile",
    };
    if text.is_empty() {
        return Err(error("it is empty".into()));
    }
    if text.len() > 1_024 {
        return Err(error(format!("it has {} bytes", text.len())));
    }
    if text.starts_with('/') {
        return Err(error(format!("{} is absolute", shown(text))));
    }
    if text.chars().any(|c| c.is_control() || c == '\\') {
        return Err(error(format!(
            "{} has a control character or a backslash",
            shown(text)
        )));
    }
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(error(format!("{} leads out by \"..\"", shown(text)))),
            _ => parts.push(part),
        }
    }
    Ok(if parts.is_empty() {
        ".".into()
    } else {
        parts.join("/")
    })
}

impl RelativePath {
    /// The root of the repository.
    #[must_use]
    pub fn root() -> Self {
        Self(".".into())
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "."
    }

    /// The folder that holds it; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        match self.0.rsplit_once('/') {
            Some((parent, _)) => Self(parent.to_owned()),
            None => Self::root(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_and_are_normalised() {
        for (text, path, parent) in [
            ("apps/web/Dockerfile", "apps/web/Dockerfile", "apps/web"),
            ("./a//b/", "a/b", "a"),
            ("Dockerfile", "Dockerfile", "."),
            (".", ".", "."),
            ("a/..b", "a/..b", "a"),
        ] {
            let read = RelativePath::new(text).unwrap();
            assert_eq!((read.as_str(), read.parent().as_str()), (path, parent));
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a\0b",
            "a\\b",
            "..",
            &"x".repeat(1_025),
        ] {
            assert!(RelativePath::new(bad).is_err(), "{bad:?}");
        }
    }
}
