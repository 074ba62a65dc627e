//! Why Git could not do its work, in words that carry no secret.

use std::io;
use std::path::{Path, PathBuf};

/// Git could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `git` to run; the user's machine lacks it.
    #[error("cannot run git: {0}")]
    NoGit(#[source] io::Error),
    /// Git, or the server behind it, refused.
    #[error("git {what} in {place}: {message}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The folder or repository.
        place: String,
        /// Git's and the server's own words, on one line.
        message: String,
    },
    /// Git did not end in time, and was stopped with all that it had started.
    #[error("git {what} in {place}: no end after {seconds} s; it was stopped")]
    TimedOut {
        /// What was asked for.
        what: &'static str,
        /// The folder or repository.
        place: String,
        /// The limit.
        seconds: u64,
    },
    /// A file or folder that the program needs beside the repository cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Git answered with something that is not what it documents; the repository is damaged.
    #[error("git {what} in {place}: cannot understand its answer: {answer}")]
    Answer {
        /// What was asked for.
        what: &'static str,
        /// The folder or repository.
        place: String,
        /// The beginning of the answer.
        answer: String,
    },
}

/// A server that has too much to do.
const BUSY: &[&str] = &["returned error: 429", "returned error: 50"];

impl Error {
    /// Whether the same may well work in a moment: the network or the server failed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        const SIGNS: &[&str] = &[
            "Could not resolve host",
            "Connection refused",
            "Connection timed out",
            "Failed to connect",
            "Operation too slow",
            "not our ref",
        ];
        match self {
            Self::Refused { message, .. } => {
                self.is_interruption() || SIGNS.iter().any(|sign| message.contains(sign))
            }
            Self::TimedOut { .. } => true,
            _ => false,
        }
    }

    /// Whether a server that was there broke off, or has too much to do: the least that a network
    /// does, and most often over at once.
    pub(crate) fn is_interruption(&self) -> bool {
        self.is_lost_connection()
            || matches!(self, Self::Refused { message, .. } if BUSY.iter().any(|sign| message.contains(sign)))
    }

    /// Whether the connection was lost, in the words of curl, its TLS libraries, ssh and Git.
    pub(crate) fn is_lost_connection(&self) -> bool {
        const SIGNS: &[&str] = &[
            "Connection reset",
            "Connection closed",
            "Empty reply",
            "RPC failed",
            "SSL_ERROR_SYSCALL",
            "TLS connection was non-properly terminated",
            "bad pack header",
            "early EOF",
            "hung up unexpectedly",
            "transfer closed",
            "unexpected disconnect",
            "unexpected eof while reading",
            "was not closed cleanly",
        ];
        // With an answer of the server, or a disk that takes no more, it is something else.
        const OTHERS: &[&str] = &["returned error:", "No space left", "File too large"];
        let Self::Refused { message, .. } = self else {
            return false;
        };
        let has = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
        has(SIGNS) && !has(OTHERS)
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// The longest message that is passed on, in bytes; servers may greet at length.
const LIMIT: usize = 600;

/// What went wrong, from what Git wrote to standard error: the server's lines (`remote: …`) and
/// Git's own, on one line, without passwords and control characters.
pub(crate) fn reason(stderr: &[u8], secrets: &[String]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut parts: Vec<String> = Vec::new();
    for line in text.split(['\n', '\r']) {
        let line = line.trim();
        let said = ["remote:", "fatal:", "error:", "ERROR:"]
            .iter()
            .find_map(|prefix| line.strip_prefix(prefix))
            .or_else(|| line.starts_with("ssh: ").then_some(line))
            .map(str::trim);
        if let Some(said) = said.filter(|said| is_news(said)) {
            let said = said.trim_end_matches('.').to_owned();
            if !parts.contains(&said) {
                parts.push(said);
            }
        }
    }
    if parts.is_empty() {
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        parts.push(last.unwrap_or("no reason given").to_owned());
    }
    redact(&parts.join("; "), secrets)
}

/// Lines that say nothing about why.
fn is_news(line: &str) -> bool {
    const NOISE: &[&str] = &[
        "failed to push some refs",
        "Please make sure you have the correct access rights",
        "and the repository exists",
        "the remote end hung up unexpectedly",
        "Enumerating objects",
        "Counting objects",
        "Compressing objects",
        "Total ",
        "Resolving deltas",
    ];
    !line.is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise))
}

/// Takes secrets, passwords of addresses and control characters out of a text, and shortens it.
pub(crate) fn redact(text: &str, secrets: &[String]) -> String {
    let mut text = without_queries(&without_passwords(text));
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    let mut text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.len() > LIMIT {
        let end = (0..=LIMIT).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

/// `https://user:password@host` becomes `https://***@host`.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c == '/' || ends_address(c))
            .unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(user) => {
                out.push_str("***");
                rest = &after[user..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

/// `https://host/x?token=secret` becomes `https://host/x?token=***`: which of the values are
/// secret nobody can know.
fn without_queries(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(ends_address) {
        let query = word
            .find("://")
            .and_then(|at| Some(at + word[at..].find('?')?));
        let Some(query) = query else {
            out.push_str(word);
            continue;
        };
        let (address, end) = word.split_at(word.trim_end_matches(ends_address).len());
        out.push_str(&address[..query]);
        for (at, parameter) in address[query + 1..].split('&').enumerate() {
            out.push(if at == 0 { '?' } else { '&' });
            if let Some((name, _)) = parameter.split_once('=') {
                out.push_str(name);
                out.push('=');
            }
            out.push_str("***");
        }
        out.push_str(end);
    }
    out
}

fn ends_address(c: char) -> bool {
    c == '\'' || c == '"' || c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_server_and_of_git_are_kept() {
        for (stderr, expected) in [
            (
                "remote: Repository not found.\nfatal: repository 'https://github.com/a/b.git/' not found\n",
                "Repository not found; repository 'https://github.com/a/b.git/' not found",
            ),
            (
                "remote: error: GH006: Protected branch update failed for refs/heads/main.\nremote: \nerror: failed to push some refs to 'https://x/y'\n",
                "error: GH006: Protected branch update failed for refs/heads/main",
            ),
            ("something odd\n", "something odd"),
            ("", "no reason given"),
        ] {
            assert_eq!(reason(stderr.as_bytes(), &[]), expected);
        }
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for (message, interruption, transient) in [
            (
                "RPC failed; curl 56 Recv failure: Connection reset by peer",
                true,
                true,
            ),
            (
                "transfer closed with 130 bytes remaining to read",
                true,
                true,
            ),
            ("The requested URL returned error: 503", true, true),
            (
                "unable to access 'x': Could not resolve host: x",
                false,
                true,
            ),
            (
                "RPC failed; HTTP 413 curl 22 The requested URL returned error: 413",
                false,
                false,
            ),
            (
                "write error: No space left on device; early EOF",
                false,
                false,
            ),
            ("Repository not found", false, false),
        ] {
            let error = Error::Refused {
                what: "fetch",
                place: String::new(),
                message: message.into(),
            };
            let found = (error.is_interruption(), error.is_transient());
            assert_eq!(found, (interruption, transient), "{message}");
        }
    }

    #[test]
    fn no_secret_is_passed_on() {
        let said = reason(
            b"fatal: unable to access 'https://me:pa@ss@host/x': token s3cret\x1b[31m",
            &["s3cret".to_owned()],
        );
        assert_eq!(
            said,
            "unable to access 'https://***@host/x': token *** [31m"
        );
        for (address, shown) in [
            (
                "https://h/x?token=s3cret&access_token=s3cret/@b' and 'https://h/y?s3cret'",
                "https://h/x?token=***&access_token=***' and 'https://h/y?***'",
            ),
            ("https://me:a?b@h/x", "https://***@h/x"),
            ("https://a://b@c d://e?", "https://a://***@c d://e?***"),
            ("https://h/x.git?", "https://h/x.git?***"),
            ("why? a=b", "why? a=b"),
        ] {
            assert_eq!(redact(address, &[]), shown);
        }
        assert!(redact(&"x".repeat(5_000), &[]).len() < 700);
    }
}
