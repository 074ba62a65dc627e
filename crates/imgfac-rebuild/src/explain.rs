//! A decision in sentences.

use std::fmt::Write as _;

use imgfac_model::{DelayClock, Digest, ImageName, Reference};
use jiff::SignedDuration;

use crate::pending::{Cause, Wait};
use crate::plan::{Decision, Plan};
use crate::policy::STRIKES;
use crate::status::{Block, Due, Status, UpToDate};

impl Plan {
    /// Tells in sentences what is decided about an image and why; `None` when there is no such
    /// image. Text that people or servers wrote is quoted with its control characters escaped.
    #[must_use]
    pub fn explain(&self, name: &str) -> Option<String> {
        let it = self.image(name)?;
        let mut text = self.verdict_of(it);
        for cause in &it.causes {
            tell_cause(&mut text, cause);
        }
        self.tell_rest(&mut text, it);
        Some(text)
    }

    fn verdict_of(&self, it: &Decision) -> String {
        let name = &it.name;
        match &it.status {
            Status::UpToDate(UpToDate::Current) => format!(
                "{name} is up to date: all that it stands on still has the digest that it was built on."
            ),
            Status::UpToDate(UpToDate::NoBases) => {
                format!("{name} is up to date: it stands on nothing that could move.")
            }
            Status::UpToDate(UpToDate::ParentPending) => format!(
                "{name} is up to date, but an image below it is going to be rebuilt, and it will follow."
            ),
            Status::Waiting { until, .. } => {
                let left = length(until.duration_since(self.now));
                format!("{name} waits until {until}, which is {left} from now.")
            }
            Status::Due { attempt, why } => match why {
                Due::BaseUpdate => format!("{name} is due: it is to be rebuilt now."),
                Due::Retry => {
                    let before = attempt.saturating_sub(1);
                    format!(
                        "{name} is due: it is to be rebuilt now, after {}.",
                        count(before, "failed attempt")
                    )
                }
                Due::Emergency => {
                    format!("{name} is due: an emergency rebuild waits for no delay.")
                }
            },
            Status::Blocked(block) => format!("{name} is blocked: {}", self.blocked(block)),
            Status::InFlight { run, started } => {
                let link = run.as_ref().map(|run| format!(" ({run:?})"));
                format!(
                    "{name} is being rebuilt since {started}{}.",
                    link.unwrap_or_default()
                )
            }
            Status::Failed { attempt, next_try } => {
                let times = count(*attempt, "attempt");
                format!(
                    "{name} failed: {times} did not succeed, the next one follows at {next_try}."
                )
            }
            Status::Manual => {
                format!("{name} lacks updates and waits for a person: its autoRebuild is false.")
            }
            Status::Pinned { behind } if behind.is_empty() => format!(
                "{name} is pinned: it stands on digests, and is rebuilt by nobody until its Dockerfile names others."
            ),
            Status::Pinned { behind } => {
                let mut text = format!("{name} is pinned:");
                for it in behind {
                    let digests = count(it.digests, "digest");
                    let _ = write!(
                        text,
                        " {} is {digests} behind its tag, since {}.",
                        short_reference(&it.base),
                        it.since
                    );
                }
                text
            }
        }
    }

    fn blocked(&self, block: &Block) -> String {
        match block {
            Block::Parents(names) => {
                let parents: Vec<String> = names.iter().map(|it| self.parent(it)).collect();
                format!(
                    "it is built after {}, since their push would rebuild it again.",
                    parents.join(", ")
                )
            }
            Block::Cap(cap) => format!("{cap}."),
            Block::Quarantined { base, digest } => format!(
                "it would be built on {} of {}, which is in quarantine; a later digest takes its place.",
                short(digest),
                short_reference(base)
            ),
            Block::Circle => "it lacks updates of images only that it stands on in a circle, whose rebuilds would never end.".into(),
            Block::NoEffect => "a rebuild on these very digests has succeeded, and it still counts as built on the old ones. Its build does not take its bases from their tags, or nobody recorded what it was built on.".into(),
            Block::Unobserved(bases) => {
                let bases: Vec<String> = bases.iter().map(short_reference).collect();
                format!("nobody has seen yet what {} points at.", bases.join(", "))
            }
            Block::Unknown(why) => format!("it is not known what it stands on: {why:?}."),
        }
    }

    fn parent(&self, name: &ImageName) -> String {
        match self.image(name.as_str()) {
            Some(parent) => format!("{name} ({})", parent.status.code()),
            None => name.to_string(),
        }
    }

    fn tell_rest(&self, text: &mut String, it: &Decision) {
        // Writing to a text cannot fail.
        if let Some(emergency) = &it.emergency {
            let _ = write!(
                text,
                " The emergency was asked for at {}: {:?}.",
                emergency.asked, emergency.reason
            );
        }
        let at_rest = matches!(it.status, Status::Due { .. } | Status::InFlight { .. });
        if let (Some(eligible), false) = (it.eligible_at, at_rest)
            && eligible <= self.now
        {
            let _ = write!(text, " Time has allowed a rebuild since {eligible}.");
        }
        if let Some(wave) = it.wave.filter(|wave| *wave > 1) {
            let _ = write!(text, " Its place in the cascade is wave {wave}.");
        }
        if it.bound && it.identity.is_some() {
            let _ = write!(text, " The build is told the digests to stand on.");
        }
        if it.failures >= STRIKES {
            let _ = write!(
                text,
                " Its last {} rebuilds all failed: somebody should look at it.",
                it.failures
            );
        }
    }
}

fn tell_cause(text: &mut String, cause: &Cause) {
    let (from, to) = (short(&cause.from), short(&cause.to));
    let clock = match cause.clock {
        DelayClock::FirstSeen => "was first seen at",
        DelayClock::Registry => "was pushed, as its registry says, at",
    };
    let length = length(cause.eligible_at.duration_since(cause.first_seen));
    let held = match cause.wait {
        Wait::Delay => format!("rebuildDelay holds it back for {length}"),
        Wait::CascadeDelay => format!("cascadeDelay holds it back for {length}"),
        Wait::Window => format!("coordinationWindow holds it back for {length}"),
        Wait::Settling => format!("it has to stay on its tag for {length}"),
    };
    let _ = write!(
        text,
        " {} moved from {from} to {to}. The oldest update of it that the image lacks {clock} {}; {held}.",
        short_reference(&cause.base),
        cause.first_seen
    );
}

/// The twelve first digits of a digest.
fn short(digest: &Digest) -> String {
    let hex: String = digest.hex().chars().take(12).collect();
    format!("{}:{hex}", digest.algorithm())
}

/// A reference as people write it, its digest shortened.
fn short_reference(reference: &Reference) -> String {
    let text = reference.familiar();
    match (reference.digest(), text.split_once('@')) {
        (Some(digest), Some((name, _))) => format!("{name}@{}", short(digest)),
        _ => text,
    }
}

fn count(number: usize, of: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {of}{ending}")
}

/// A length in the units of a delay, without those that are nothing.
fn length(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number != 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() { "0".into() } else { text }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{at, world};
    use crate::plan::plan;

    fn explain(fleet: &str, now: &str) -> String {
        let (fleet, policy) = world(fleet);
        let plan = plan(&fleet, &policy, at(now));
        plan.explain("app").unwrap()
    }

    const FLEET: &str = "tag node:22 = a@0 b@1d c@2d
        tag low:1 = a@0
        image low : node:22=a
        image app : low:1=a node:22=a";

    #[test]
    fn a_wait_is_told_with_its_end_and_its_reason() {
        insta::assert_snapshot!(explain(FLEET, "6d12h"), @"app waits until 2026-01-09T00:00:00Z, which is 1d12h from now. node:22 moved from sha256:610000000000 to sha256:630000000000. The oldest update of it that the image lacks was first seen at 2026-01-02T00:00:00Z; rebuildDelay holds it back for 7d. Its place in the cascade is wave 2.");
        insta::assert_snapshot!(explain(FLEET, "8d"), @"app is blocked: it is built after low (due), since their push would rebuild it again. node:22 moved from sha256:610000000000 to sha256:630000000000. The oldest update of it that the image lacks was first seen at 2026-01-02T00:00:00Z; rebuildDelay holds it back for 7d. Time has allowed a rebuild since 2026-01-09T00:00:00Z. Its place in the cascade is wave 2.");
        insta::assert_snapshot!(
            explain("tag node:22 = a@0 b@1d^12h\nimage app clock=registry select=settled : node:22=a", "8d"),
            @"app is due: it is to be rebuilt now. node:22 moved from sha256:610000000000 to sha256:620000000000. The oldest update of it that the image lacks was pushed, as its registry says, at 2026-01-01T12:00:00Z; it has to stay on its tag for 7d. The build is told the digests to stand on."
        );
    }

    #[test]
    fn what_runs_and_what_failed_is_told() {
        let app = "tag node:22 = a@0 b@1d\nimage app : node:22=a";
        let run = |run: &str| explain(&format!("{app}\nrun app {run} node:22=b"), "9d");
        insta::assert_snapshot!(run("8d22h.. running"), @r#"app is being rebuilt since 2026-01-09T22:00:00Z ("17"). node:22 moved from sha256:610000000000 to sha256:620000000000. The oldest update of it that the image lacks was first seen at 2026-01-02T00:00:00Z; rebuildDelay holds it back for 7d."#);
        insta::assert_snapshot!(run("8d..8d1h failed"), @"app is due: it is to be rebuilt now, after 1 failed attempt. node:22 moved from sha256:610000000000 to sha256:620000000000. The oldest update of it that the image lacks was first seen at 2026-01-02T00:00:00Z; rebuildDelay holds it back for 7d.");
        insta::assert_snapshot!(run("8d..8d1h ok"), @"app is blocked: a rebuild on these very digests has succeeded, and it still counts as built on the old ones. Its build does not take its bases from their tags, or nobody recorded what it was built on. node:22 moved from sha256:610000000000 to sha256:620000000000. The oldest update of it that the image lacks was first seen at 2026-01-02T00:00:00Z; rebuildDelay holds it back for 7d. Time has allowed a rebuild since 2026-01-09T00:00:00Z.");
        let failed = "run app 8d20h..8d21h failed node:22=b\n".repeat(5);
        insta::assert_snapshot!(explain(&format!("{app}\n{failed}"), "9d"), @"app failed: 5 attempts did not succeed, the next one follows at 2026-01-10T01:00:00Z. node:22 moved from sha256:610000000000 to sha256:620000000000. The oldest update of it that the image lacks was first seen at 2026-01-02T00:00:00Z; rebuildDelay holds it back for 7d. Its last 5 rebuilds all failed: somebody should look at it.");
    }

    #[test]
    fn the_other_states_are_told() {
        let told = |image: &str, more: &str| {
            explain(
                &format!("tag node:22 = a@0 b@1d c@2d\nimage app {image}\n{more}"),
                "20d",
            )
        };
        insta::assert_snapshot!(told(": node:22=c", ""), @"app is up to date: all that it stands on still has the digest that it was built on.");
        insta::assert_snapshot!(told("", ""), @"app is up to date: it stands on nothing that could move.");
        insta::assert_snapshot!(told("auto=no : node:22=a", ""), @"app lacks updates and waits for a person: its autoRebuild is false. node:22 moved from sha256:610000000000 to sha256:630000000000. The oldest update of it that the image lacks was first seen at 2026-01-02T00:00:00Z; rebuildDelay holds it back for 7d. Time has allowed a rebuild since 2026-01-09T00:00:00Z.");
        insta::assert_snapshot!(told(": node:22@a", ""), @"app is pinned: node:22@sha256:610000000000 is 2 digests behind its tag, since 2026-01-02T00:00:00Z.");
        insta::assert_snapshot!(told(": go:1@a", ""), @"app is pinned: it stands on digests, and is rebuilt by nobody until its Dockerfile names others.");
        insta::assert_snapshot!(told(": go:1", ""), @"app is blocked: nobody has seen yet what go:1 points at.");
        insta::assert_snapshot!(told(": node:22=a", "cap 1\nimage run : node:22=a\nrun run 20d.. running node:22=c"), @"app is blocked: no more than 1 rebuild may run in the factory at the same time. node:22 moved from sha256:610000000000 to sha256:630000000000. The oldest update of it that the image lacks was first seen at 2026-01-02T00:00:00Z; rebuildDelay holds it back for 7d. Time has allowed a rebuild since 2026-01-09T00:00:00Z.");
        insta::assert_snapshot!(told(": node:22=a", "quarantine c"), @"app is blocked: it would be built on sha256:630000000000 of node:22, which is in quarantine; a later digest takes its place.");
        insta::assert_snapshot!(told(": app:1=a", "tag app:1 = a@0 b@1d"), @"app is blocked: it lacks updates of images only that it stands on in a circle, whose rebuilds would never end. app:1 moved from sha256:610000000000 to sha256:620000000000. The oldest update of it that the image lacks was first seen at 2026-01-02T00:00:00Z; coordinationWindow holds it back for 30m.");
        insta::assert_snapshot!(told("emergency=19d : node:22=c", ""), @r#"app is due: an emergency rebuild waits for no delay. The emergency was asked for at 2026-01-20T00:00:00Z: "CVE-2026-1"."#);
        // What servers and people wrote commands no terminal.
        insta::assert_snapshot!(told("unknown=\u{1b}[31m\u{202e}bad", ""), @r#"app is blocked: it is not known what it stands on: "\u{1b}[31m\u{202e}bad"."#);
    }

    #[test]
    fn nobody_explains_an_image_that_there_is_not() {
        let (fleet, policy) = world(FLEET);
        assert_eq!(plan(&fleet, &policy, at("1d")).explain("ap"), None);
    }
}
