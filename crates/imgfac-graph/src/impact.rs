//! Which images stand on a digest, and which have moved on since.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::node::Kind;

/// What is recorded of the digests of an image or a base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What each tag of it was seen to point at, oldest first: the last is what it points at now.
    pub seen: Vec<Vec<String>>,
    /// Builds of an image of ours, oldest first: the last is what it is now.
    pub builds: Vec<Built>,
}

/// A build of an image, as far as it is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Built {
    /// What it published.
    pub digest: Option<String>,
    /// What it stood on.
    pub on: Vec<(NodeIndex, String)>,
}

/// What a digest means for a fleet. All lists are in the order of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impact {
    /// What has the digest, or had it, and whether it has it now.
    pub origins: Vec<(NodeIndex, bool)>,
    /// The images that stand on it now.
    pub on_it: Vec<OnIt>,
    /// The images that do not, but are recorded as having stood on it, or stand on what the same tag
    /// pointed at later.
    pub moved: Vec<Moved>,
    /// The images of which it is not recorded whether they stand on it.
    pub unknown: Vec<NodeIndex>,
}

/// An image that stands on a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnIt {
    /// The image.
    pub image: NodeIndex,
    /// What has the digest, where it stands on that directly.
    pub directly: BTreeSet<NodeIndex>,
    /// The images that it stands on which stand on the digest themselves.
    pub through: BTreeSet<NodeIndex>,
}

/// An image that stands on a digest no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The image.
    pub image: NodeIndex,
    /// What it stood on.
    pub base: NodeIndex,
    /// The digest of that now, if it is recorded.
    pub now: Option<String>,
}

/// What a build has to do with the digest.
#[derive(Clone, Debug, Default)]
struct Standing {
    directly: BTreeSet<NodeIndex>,
    through: BTreeSet<NodeIndex>,
    unknown: bool,
}

impl Standing {
    fn is_on_it(&self) -> bool {
        !self.directly.is_empty() || !self.through.is_empty()
    }
}

impl Record {
    /// Whether a tag moved from one of the digests to another one.
    fn left(&self, digests: &BTreeSet<String>, now: &str) -> bool {
        let builds = self.builds.iter().filter_map(|build| build.digest.clone());
        let builds: Vec<String> = builds.collect();
        self.seen.iter().chain([&builds]).any(|seen| {
            let asked = seen.iter().rposition(|digest| digests.contains(digest));
            asked.is_some() && seen.iter().rposition(|digest| digest == now) > asked
        })
    }

    /// The build that published a digest.
    fn build_of(&self, digest: &str) -> Option<usize> {
        let published = |build: &Built| build.digest.as_deref() == Some(digest);
        let last = self.builds.len().checked_sub(1)?;
        self.builds.iter().rposition(published).or_else(|| {
            let is_now = (self.seen.iter()).any(|seen| seen.last().is_some_and(|it| it == digest));
            (self.builds[last].digest.is_none() && is_now).then_some(last)
        })
    }
}

/// What is known while images are looked at, parents first.
struct Search<'a> {
    graph: &'a Graph,
    records: &'a BTreeMap<NodeIndex, Record>,
    digests: &'a BTreeSet<String>,
    /// What had the digest, and all that stands on that: nothing else can have to do with it.
    touched: BTreeSet<NodeIndex>,
    /// Of every build of an image.
    standings: BTreeMap<NodeIndex, Vec<Standing>>,
}

impl Graph {
    /// Finds the images that stand on one of some digests, which are one image to who asks.
    ///
    /// What a build stood on is taken from the records. It is not known where they have nothing of a
    /// base that had the digest, or of the build of a parent that somebody stands on.
    #[must_use]
    pub fn impact(
        &self,
        records: &BTreeMap<NodeIndex, Record>,
        digests: &BTreeSet<String>,
    ) -> Impact {
        let mut impact = Impact::default();
        for (node, record) in records {
            let seen = || record.seen.iter();
            let has = |digest: &String| digests.contains(digest);
            let built = |build: &Built| build.digest.as_ref().is_some_and(has);
            let now = seen().filter_map(|seen| seen.last()).any(has)
                || record.builds.last().is_some_and(built);
            if now || seen().flatten().any(has) || record.builds.iter().any(built) {
                impact.origins.push((*node, now));
            }
        }
        let origins = || impact.origins.iter().map(|(origin, _)| *origin);
        let stood = records.iter().filter(|(_, record)| {
            let mut on = record.builds.iter().flat_map(|build| &build.on);
            on.any(|(_, digest)| digests.contains(digest))
        });
        let start: BTreeSet<NodeIndex> = origins().chain(stood.map(|(image, _)| *image)).collect();
        let mut search = Search {
            graph: self,
            records,
            digests,
            touched: self.with_descendants(start),
            standings: BTreeMap::new(),
        };
        for image in self.order().waves().into_iter().flatten() {
            if search.touched.contains(&image) {
                search.look_at(image, &mut impact);
            }
        }
        impact.on_it.sort_by_key(|it| it.image);
        impact.moved.sort_by_key(|it| it.image);
        impact.unknown.sort();
        impact
    }
}

impl Search<'_> {
    fn look_at(&mut self, image: NodeIndex, impact: &mut Impact) {
        let nothing = [Built::default()];
        let builds = match self.records.get(&image).map(|record| &record.builds) {
            Some(builds) if !builds.is_empty() => builds.as_slice(),
            _ => &nothing,
        };
        let mut standings: Vec<Standing> =
            builds.iter().map(|build| self.standing(build)).collect();
        let (Some(now), Some(standing)) = (builds.last(), standings.last_mut()) else {
            return;
        };
        standing.unknown |= self.lacks(image, now);
        if standing.is_on_it() {
            impact.on_it.push(OnIt {
                image,
                directly: standing.directly.clone(),
                through: standing.through.clone(),
            });
        } else if standing.unknown {
            impact.unknown.push(image);
        } else if let Some(base) = self.moved_from(now, &standings) {
            let on = now.on.iter().find(|(other, _)| *other == base);
            impact.moved.push(Moved {
                image,
                base,
                now: on.map(|(_, digest)| digest.clone()),
            });
        }
        self.standings.insert(image, standings);
    }

    /// What a build that is recorded stood on.
    fn standing(&self, build: &Built) -> Standing {
        let mut standing = Standing::default();
        for (base, digest) in &build.on {
            if self.digests.contains(digest) {
                standing.directly.insert(*base);
                continue;
            }
            if self.graph.node(*base).kind != Kind::Managed || !self.touched.contains(base) {
                continue;
            }
            let build = self.records.get(base).and_then(|it| it.build_of(digest));
            let parent = build.and_then(|build| self.standings.get(base)?.get(build));
            match parent {
                Some(parent) if parent.is_on_it() => drop(standing.through.insert(*base)),
                Some(parent) => standing.unknown |= parent.unknown,
                // An older build of it, or one in a circle.
                None => standing.unknown = true,
            }
        }
        standing
    }

    /// Whether it is not recorded what an image stands on now, where that matters.
    fn lacks(&self, image: NodeIndex, now: &Built) -> bool {
        let bases = self.graph.bases_of(image).into_iter();
        let mut bases = bases.filter(|(_, edge)| edge.needed).map(|(base, _)| base);
        bases.any(|base| {
            let recorded = now.on.iter().any(|(other, _)| *other == base);
            let parent = self.standings.get(&base).and_then(|builds| builds.last());
            let parent = parent.is_none_or(|parent| parent.is_on_it() || parent.unknown);
            !recorded && self.touched.contains(&base) && (parent || self.had_it(base))
        })
    }

    fn had_it(&self, base: NodeIndex) -> bool {
        let seen = self.records.get(&base).map(|record| &record.seen);
        let mut seen = seen.into_iter().flatten().flatten();
        seen.any(|digest| self.digests.contains(digest))
    }

    /// What an image stood on before.
    fn moved_from(&self, now: &Built, standings: &[Standing]) -> Option<NodeIndex> {
        let left = now.on.iter().find(|(base, digest)| {
            let record = self.records.get(base);
            // Or a build of it that came before was on the digest.
            let builds =
                record.and_then(|it| self.standings.get(base)?.get(..it.build_of(digest)?));
            let before = builds.is_some_and(|builds| builds.iter().any(Standing::is_on_it));
            before || record.is_some_and(|record| record.left(self.digests, digest))
        });
        let before = || {
            let mut before = standings.iter().rev();
            before.find_map(|it| it.directly.iter().chain(&it.through).next().copied())
        };
        left.map(|(base, _)| *base).or_else(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{graph, labels};

    /// `seen` has lines such as `node:22: a b`, what its tag pointed at; `builds` lines such as
    /// `app=x: node:22=a`, the digest of a build and what it stood on, oldest first.
    fn check(lines: &str, seen: &str, builds: &str, asked: &str, expected: &[&str]) {
        let graph = graph(lines);
        let index = |name: &str| graph.find(name).unwrap();
        let mut records: BTreeMap<NodeIndex, Record> = BTreeMap::new();
        let trimmed = |text: &str| -> Vec<String> {
            let lines = text.lines().map(|line| line.trim().to_owned());
            lines.filter(|line| !line.is_empty()).collect()
        };
        for line in trimmed(seen) {
            let (base, digests) = line.rsplit_once(':').unwrap();
            let digests = digests.split_whitespace().map(str::to_owned).collect();
            records.entry(index(base)).or_default().seen.push(digests);
        }
        for line in trimmed(builds) {
            let (head, on) = line.split_once(':').unwrap();
            let (image, digest) = head.split_once('=').unwrap_or((head, ""));
            let on = on.split_whitespace().map(|word| {
                let (base, digest) = word.split_once('=').unwrap();
                (index(base), digest.to_owned())
            });
            records.entry(index(image)).or_default().builds.push(Built {
                digest: (!digest.is_empty()).then(|| digest.to_owned()),
                on: on.collect(),
            });
        }
        let impact = graph.impact(&records, &BTreeSet::from([asked.to_owned()]));
        let name = |node: NodeIndex| labels(&graph, [node]);
        let origins = impact.origins.iter();
        let mut found: Vec<String> = origins
            .map(|(node, now)| format!("{} {}", if *now { "is" } else { "was" }, name(*node)))
            .collect();
        for it in &impact.on_it {
            let directly = labels(&graph, it.directly.clone());
            let through = labels(&graph, it.through.clone());
            let line = format!("on {}: {directly} / {through}", name(it.image));
            found.push(line.trim_end().to_owned());
        }
        for it in &impact.moved {
            let now = it.now.as_deref().unwrap_or("-");
            found.push(format!("moved {}: {} {now}", name(it.image), name(it.base)));
        }
        let unknown = impact.unknown.iter();
        found.extend(unknown.map(|image| format!("unknown {}", name(*image))));
        assert_eq!(found, expected);
    }

    #[test]
    fn images_stand_on_a_digest_directly_and_through_others() {
        check(
            "low: node:22\nmid: low node:22\ntop: mid\nother: node:20\nout: low",
            "node:22: a b",
            "low=l1: node:22=a
             low=l2: node:22=b
             mid=m1: low=l1 node:22=b
             top=t1: mid=m1
             other=o1: node:20=c
             out=x: low=l2",
            "a",
            &[
                "was node:22",
                "on mid:  / low",
                "on top:  / mid",
                "moved low: node:22 b",
                "moved out: low l2",
            ],
        );
    }

    #[test]
    fn an_image_of_ours_is_asked_about_like_a_base() {
        check(
            "low: node:22\napp: low\naway: low",
            "",
            "low=l1: node:22=a\nlow=l2: node:22=a\napp: low=l1\naway: low=l1\naway: low=l2",
            "l1",
            &["was low", "on app: low /", "moved away: low l2"],
        );
    }

    #[test]
    fn what_is_not_recorded_is_no_answer() {
        check(
            "never: node:22\nlow: node:22\nold: low\nupon: never\nunused: ~node:22\naside: node:20\nbefore: node:22",
            "node:22: z a\nnode:20: q",
            "low=l2: node:22=a\nold: low=l1\nbefore: node:22=z",
            "a",
            &[
                "is node:22",
                "on low: node:22 /",
                "unknown never",
                "unknown old",
                "unknown upon",
            ],
        );
    }

    #[test]
    fn a_build_without_digest_is_what_the_tag_of_the_image_points_at() {
        let lines = "low: node:22\napp: low\nold: low";
        let builds = "low: node:22=a\napp: low=l9\nold: low=l8";
        check(
            lines,
            "low: l8 l9",
            builds,
            "a",
            &["on app:  / low", "on low: node:22 /", "unknown old"],
        );
    }

    #[test]
    fn circles_end_and_unknown_digests_touch_nothing() {
        let lines = "a: b node:22\nb: a\nc: a";
        let builds = "a=x: b=y node:22=n\nb=y: a=x\nc: a=x";
        check(
            lines,
            "node:22: n",
            builds,
            "n",
            &["is node:22", "on a: node:22 /", "on b:  / a", "on c:  / a"],
        );
        check(lines, "node:22: n", builds, "other", &[]);
    }

    #[test]
    fn a_tag_that_came_back_is_left_only_for_what_came_last() {
        let lines = "one: node:22\ntwo: node:22";
        let builds = "one: node:22=a\ntwo: node:22=b";
        for (seen, asked, expected) in [
            (
                "node:22: a b a",
                "a",
                &["is node:22", "on one: node:22 /"] as &[&str],
            ),
            (
                "node:22: a b a",
                "b",
                &["was node:22", "on two: node:22 /", "moved one: node:22 a"],
            ),
        ] {
            check(lines, seen, builds, asked, expected);
        }
    }
}
