//! A plan as JSON, for programs. Keys may be added; those that are there keep their meaning.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::{Decision, Plan};
use crate::status::{Block, Status};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    now: String,
    plan: String,
    wakes_at: Option<String>,
    images: Vec<Image<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Image<'a> {
    name: &'a str,
    status: &'static str,
    reason: &'static str,
    eligible_at: Option<String>,
    wave: Option<usize>,
    identity: Option<&'a str>,
    causes: Vec<Cause<'a>>,
    /// Its place among those that may start.
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<usize>,
    /// What a rebuild stands on; only when there is one to come.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    bases: BTreeMap<String, &'a str>,
    /// The build has to be told `bases`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bound: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocked_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    /// How often it failed in a row.
    #[serde(skip_serializing_if = "is_zero")]
    failures: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    behind: Vec<Behind>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cause<'a> {
    base: String,
    from: &'a str,
    to: &'a str,
    first_seen: String,
    clock: &'static str,
}

#[derive(Serialize)]
struct Behind {
    base: String,
    digests: usize,
    since: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A plan as JSON, with those images that are wanted. Its identity is that of the whole plan.
///
/// # Errors
/// Never for a plan: all of it is text and numbers.
pub fn json(plan: &Plan, wanted: impl Fn(&Decision) -> bool) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Document {
        now: plan.now.to_string(),
        plan: plan.id().to_string(),
        wakes_at: plan.wakes_at.map(|at| at.to_string()),
        images: plan
            .images
            .iter()
            .filter(|it| wanted(it))
            .map(image)
            .collect(),
    })
}

fn image(it: &Decision) -> Image<'_> {
    let wanted = it.identity.is_some();
    let mut image = Image {
        name: it.name.as_str(),
        status: it.status.code(),
        reason: it.status.reason(),
        eligible_at: it.eligible_at.map(|at| at.to_string()),
        wave: it.wave,
        identity: it.identity.as_ref().map(|it| it.as_str()),
        causes: it.causes.iter().map(cause).collect(),
        rank: it.rank,
        bases: it
            .bases
            .iter()
            .filter(|_| wanted)
            .map(|(base, digest)| (base.to_string(), digest.as_str()))
            .collect(),
        bound: wanted && it.bound,
        blocked_by: Vec::new(),
        run: None,
        failures: it.failures,
        behind: Vec::new(),
    };
    match &it.status {
        Status::Blocked(block) => {
            image.blocked_by = match block {
                Block::Parents(names) => names.iter().map(ToString::to_string).collect(),
                Block::Quarantined { digest, .. } => vec![digest.to_string()],
                Block::Unobserved(bases) => bases.iter().map(ToString::to_string).collect(),
                Block::Unknown(why) => vec![why.clone()],
                Block::Cap(_) | Block::Circle | Block::NoEffect => Vec::new(),
            }
        }
        Status::InFlight { run, .. } => image.run = run.as_deref(),
        Status::Pinned { behind } => {
            image.behind = behind
                .iter()
                .map(|it| Behind {
                    base: it.base.to_string(),
                    digests: it.digests,
                    since: it.since.to_string(),
                })
                .collect();
        }
        _ => {}
    }
    image
}

fn cause(it: &crate::pending::Cause) -> Cause<'_> {
    Cause {
        base: it.base.to_string(),
        from: it.from.as_str(),
        to: it.to.as_str(),
        first_seen: it.first_seen.to_string(),
        clock: it.clock.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, world};
    use crate::plan::plan;

    #[test]
    fn a_plan_is_written_with_all_that_it_says() {
        let (fleet, policy) = world(
            "tag node:22 = a@0 b@1d
             tag low:1 = a@0
             image app : node:22=a low:1=a
             image low : node:22=a
             image pin : node:22@a
             run low 8d..8d1h failed node:22=b",
        );
        let json = json(&plan(&fleet, &policy, at("8d2h")), |_| true).unwrap();
        insta::assert_snapshot!(json, @r#"
        {
          "now": "2026-01-09T02:00:00Z",
          "plan": "ea568e777d1f749cccf987957b2e0a107f467aa0d8c423b7dbe6156c4f42acb6",
          "wakesAt": null,
          "images": [
            {
              "name": "app",
              "status": "blocked",
              "reason": "parents-first",
              "eligibleAt": "2026-01-09T00:00:00Z",
              "wave": 2,
              "identity": "be8fa9ffaa1e3c0759331cdb078b9c275507f2e3d26144add6815ec87ed7f9fc",
              "causes": [
                {
                  "base": "docker.io/library/node:22",
                  "from": "sha256:6100000000000000000000000000000000000000000000000000000000000000",
                  "to": "sha256:6200000000000000000000000000000000000000000000000000000000000000",
                  "firstSeen": "2026-01-02T00:00:00Z",
                  "clock": "first-seen"
                }
              ],
              "bases": {
                "docker.io/library/low:1": "sha256:6100000000000000000000000000000000000000000000000000000000000000",
                "docker.io/library/node:22": "sha256:6200000000000000000000000000000000000000000000000000000000000000"
              },
              "blockedBy": [
                "low"
              ]
            },
            {
              "name": "low",
              "status": "due",
              "reason": "retry",
              "eligibleAt": "2026-01-09T01:00:00Z",
              "wave": 1,
              "identity": "f99e30de4fa719f605eeb59fec015e7f31a8531ad848dd01da2a7bfb85b728c0",
              "causes": [
                {
                  "base": "docker.io/library/node:22",
                  "from": "sha256:6100000000000000000000000000000000000000000000000000000000000000",
                  "to": "sha256:6200000000000000000000000000000000000000000000000000000000000000",
                  "firstSeen": "2026-01-02T00:00:00Z",
                  "clock": "first-seen"
                }
              ],
              "rank": 0,
              "bases": {
                "docker.io/library/node:22": "sha256:6200000000000000000000000000000000000000000000000000000000000000"
              },
              "failures": 1
            },
            {
              "name": "pin",
              "status": "pinned",
              "reason": "digest-pinned",
              "eligibleAt": null,
              "wave": null,
              "identity": null,
              "causes": [],
              "behind": [
                {
                  "base": "docker.io/library/node:22@sha256:6100000000000000000000000000000000000000000000000000000000000000",
                  "digests": 1,
                  "since": "2026-01-02T00:00:00Z"
                }
              ]
            }
          ]
        }
        "#);
    }
}
