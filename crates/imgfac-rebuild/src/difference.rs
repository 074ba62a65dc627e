//! What differs between two plans.

use std::fmt;

use imgfac_model::ImageName;

use crate::identity::Identity;
use crate::plan::{Decision, Plan};

/// An image about which two plans decide differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The image.
    pub name: ImageName,
    /// What the earlier plan says; `None` when it does not know the image.
    pub before: Option<Verdict>,
    /// What the later one says.
    pub after: Option<Verdict>,
}

/// What counts of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The state.
    pub status: &'static str,
    /// The reason.
    pub reason: &'static str,
    /// What would be built.
    pub identity: Option<Identity>,
}

impl Decision {
    /// What counts of it when plans are compared: not the time.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict {
            status: self.status.code(),
            reason: self.status.reason(),
            identity: self.identity.clone(),
        }
    }
}

impl Plan {
    /// What a later plan decides differently, by name. It is empty if and only if both have the
    /// same [`Plan::id`].
    #[must_use]
    pub fn differences(&self, later: &Self) -> Vec<Difference> {
        let mut names: Vec<&ImageName> = self.images.iter().map(|it| &it.name).collect();
        names.extend(later.images.iter().map(|it| &it.name));
        names.sort();
        names.dedup();
        let verdict = |plan: &Self, name: &ImageName| Some(plan.image(name.as_str())?.verdict());
        names
            .into_iter()
            .map(|name| Difference {
                name: name.clone(),
                before: verdict(self, name),
                after: verdict(later, name),
            })
            .filter(|it| it.before != it.after)
            .collect()
    }
}

impl fmt::Display for Difference {
    /// A line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if before.to_string() == after.to_string() => {
                write!(
                    f,
                    "{name}: still {after}, but it would build something else"
                )
            }
            (Some(before), Some(after)) => write!(f, "{name}: was {before}, is {after}"),
            (None, Some(after)) => write!(f, "{name}: is new, and {after}"),
            (Some(before), None) => write!(f, "{name}: was {before}, is gone"),
            (None, None) => write!(f, "{name}: is in neither plan"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.status, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{at, world};
    use crate::plan::{Plan, plan};

    fn planned(fleet: &str, now: &str) -> Plan {
        let (fleet, policy) = world(fleet);
        plan(&fleet, &policy, at(now))
    }

    fn check(before: (&str, &str), after: (&str, &str), expected: &[&str]) {
        let (before, after) = (planned(before.0, before.1), planned(after.0, after.1));
        let found: Vec<String> = before
            .differences(&after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected);
        assert_eq!(before.id() == after.id(), expected.is_empty());
    }

    const FLEET: &str = "tag node:22 = a@0 b@1d
        image app : node:22=a
        image old delay=6d : node:22=a";

    #[test]
    fn time_alone_is_no_difference() {
        check((FLEET, "2d"), (FLEET, "6d"), &[]);
        check((FLEET, "9d"), (FLEET, "90d"), &[]);
    }

    #[test]
    fn decisions_and_what_would_be_built_are() {
        let moved = FLEET.replace("b@1d", "b@1d c@2d").replace("old ", "new ");
        check(
            (FLEET, "7d"),
            (&moved, "8d"),
            &[
                "app: was waiting (delay), is due (base-update)",
                "new: is new, and due (base-update)",
                "old: was due (base-update), is gone",
            ],
        );
        check(
            (FLEET, "8d"),
            (&FLEET.replace("b@1d", "b@1d c@2d"), "8d"),
            &[
                "app: still due (base-update), but it would build something else",
                "old: still due (base-update), but it would build something else",
            ],
        );
    }
}
