//! Which of the runs that a server lists is the one that was asked for.

use std::time::Duration;

use jiff::Timestamp;

use super::{Found, RunRef};

/// The clocks of server and caller may differ by this much more than is known.
pub(super) const SKEW: Duration = Duration::from_secs(60);
/// Names of runs may have so many digits of an identity, at least.
const SHORT: usize = 12;

/// A run that was started in the way that ours are, on our branch.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) run: RunRef,
    pub(super) created: Timestamp,
    /// What people see of it, which may have the identity of the rebuild.
    pub(super) titles: Vec<String>,
    /// Whether it is known to be that of another rebuild, or of another attempt at the same one.
    pub(super) taken: bool,
}

/// The earliest time at which a run that was asked for at `since` may have been made.
pub(super) fn earliest(since: Timestamp) -> Timestamp {
    since.checked_sub(SKEW).unwrap_or(since)
}

/// Chooses: the newest run with the identity in its name, else the only one there is.
///
/// `named` says whether runs can have the identity in their name, since it is sent.
pub(super) fn choose(
    candidates: &[Candidate],
    identity: &str,
    since: Timestamp,
    named: bool,
) -> Found {
    let young = candidates
        .iter()
        .filter(|candidate| candidate.created >= earliest(since) && !candidate.taken);
    let ours = young
        .clone()
        .filter(|candidate| named && candidate.names(identity))
        .max_by_key(|candidate| candidate.created);
    if let Some(ours) = ours {
        return Found::Run(ours.run.clone());
    }
    let rest: Vec<_> = young
        // The name of another rebuild.
        .filter(|candidate| !(named && candidate.has_word(identity.len().max(SHORT + 1))))
        .collect();
    match rest.as_slice() {
        [] => Found::Absent,
        // It may be another rebuild's name, or that of a commit.
        [only] if named && only.has_word(SHORT) => Found::CannotTell,
        [only] => Found::Run(only.run.clone()),
        _ => Found::CannotTell,
    }
}

impl Candidate {
    pub(super) fn names(&self, identity: &str) -> bool {
        let start = identity.get(..SHORT).unwrap_or(identity);
        !start.is_empty() && self.titles.iter().any(|title| title.contains(start))
    }

    /// Whether a word of the title is a hexadecimal number of so many digits.
    fn has_word(&self, digits: usize) -> bool {
        let word = |word: &str| {
            word.len() == digits && word.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        };
        self.titles
            .iter()
            .any(|title| title.split(|c: char| !c.is_ascii_alphanumeric()).any(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, created: &str, title: &str) -> Candidate {
        Candidate {
            run: RunRef {
                id: id.into(),
                url: None,
            },
            created: format!("2026-11-23T{created}Z").parse().unwrap(),
            titles: vec![title.into()],
            taken: false,
        }
    }

    fn check(named: bool, candidates: &[Candidate], expected: &str) {
        let since = "2026-11-23T12:00:00Z".parse().unwrap();
        let found = match choose(candidates, &"ab".repeat(32), since, named) {
            Found::Run(run) => run.id,
            other => format!("{other:?}"),
        };
        assert_eq!(found, expected, "{candidates:?}");
    }

    #[test]
    fn a_run_with_the_identity_in_its_name_is_ours() {
        let long = format!("Build {}", "ab".repeat(32));
        let runs = [
            run("1", "12:00:05", "Build"),
            run("2", "12:00:04", &long),
            run("3", "12:00:03", "web (abababababab)"),
        ];
        check(true, &runs, "2");
        check(true, &runs[2..], "3");
        check(false, &runs, "CannotTell");
    }

    #[test]
    fn else_the_only_run_of_the_time_is() {
        check(true, &[], "Absent");
        check(true, &[run("1", "12:00:05", "Build")], "1");
        check(false, &[run("1", "11:59:00", "Build")], "1");
        check(false, &[run("1", "11:58:59", "Build")], "Absent");
        let two = [run("1", "12:00:05", "Build"), run("2", "12:00:06", "Build")];
        check(true, &two, "CannotTell");
    }

    #[test]
    fn the_run_of_another_rebuild_is_not_taken() {
        let long = run("1", "12:00:05", &"cd".repeat(32));
        check(true, std::slice::from_ref(&long), "Absent");
        check(true, &[long.clone(), run("2", "12:00:06", "Build")], "2");
        // Without our inputs, a name has nothing to do with us.
        check(false, &[long], "1");
        check(true, &[run("1", "12:00:05", "cdcdcdcdcdcd")], "CannotTell");
        let taken = Candidate {
            taken: true,
            ..run("1", "12:00:05", "Build")
        };
        check(false, std::slice::from_ref(&taken), "Absent");
        check(false, &[taken, run("2", "12:00:06", "Build")], "2");
    }

    #[test]
    fn the_run_of_another_attempt_is_not_taken() {
        let title = "ab".repeat(32);
        let taken = Candidate {
            taken: true,
            ..run("1", "12:00:05", &title)
        };
        check(true, std::slice::from_ref(&taken), "Absent");
        check(true, &[taken, run("2", "12:00:04", &title)], "2");
    }
}
