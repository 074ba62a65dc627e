//! Made-up fleets with the true answer, for tests and benchmarks.
//!
//! The same options give the same bytes. A fleet is a monorepo of multi-stage Dockerfiles with its
//! factory directory inside; further source repositories stand beside it as checkouts. The truth
//! is what the generator meant when it wrote a line, not what a reader made of it.

mod bases;
mod dockerfile;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::fleet::bases::{Base, popular_bases};
use crate::fleet::dockerfile::Dockerfile;
use crate::fleet::random::Random;

/// What a fleet is like.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// Managed images.
    pub images: usize,
    /// Everything that is left to chance follows from it.
    pub seed: u64,
    /// Different upstream images in plain syntax; hard syntax adds spellings and pins.
    pub bases: usize,
    /// Lines of a Dockerfile, about.
    pub lines: usize,
    /// Whether Dockerfiles use everything that BuildKit understands.
    pub hard: bool,
    /// Source repositories; the first is the monorepo.
    pub repositories: usize,
    /// Enrolled images without a source.
    pub external: usize,
    /// Of a hundred managed images, how many stand on another one of the fleet.
    pub chained: u8,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            images: 100,
            seed: 1,
            bases: 60,
            lines: 40,
            hard: false,
            repositories: 1,
            external: 0,
            chained: 10,
        }
    }
}

/// A fleet in memory.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Every file, by its path below the fleet's folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The truth about every managed image, by name.
    pub images: BTreeMap<String, Truth>,
}

/// What the Dockerfile of an image stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Its path below the fleet's folder.
    pub dockerfile: String,
    /// The canonical references that it names, and whether its target needs them.
    pub bases: BTreeMap<String, bool>,
    /// Those of them that are images of this fleet: reference and name.
    pub managed: BTreeMap<String, String>,
}

/// An image of the fleet that later ones may stand on.
struct Parent {
    name: String,
    repository: String,
}

const TEAMS: [&str; 10] = [
    "billing",
    "catalog",
    "checkout",
    "data",
    "edge",
    "identity",
    "logistics",
    "mobile",
    "platform",
    "risk",
];
const PARTS: [&str; 12] = [
    "admin", "api", "batch", "consumer", "cron", "frontend", "gateway", "importer", "mailer",
    "reports", "search", "worker",
];

impl Fleet {
    /// The factory directory, below the fleet's folder.
    pub const FACTORY: &'static str = "image-factory";

    /// Makes a fleet.
    #[must_use]
    pub fn generate(options: &FleetOptions) -> Self {
        let mut random = Random::new(options.seed);
        let bases = popular_bases(options.bases);
        let repositories = options.repositories.max(1);
        let mut fleet = Self {
            files: BTreeMap::new(),
            images: BTreeMap::new(),
        };
        let mut enrolment = String::from("# A made-up fleet.\n");
        let mut parents: Vec<Parent> = Vec::new();
        for number in 0..options.images {
            let team = TEAMS[number % TEAMS.len()];
            let name = format!("{}-{number}", PARTS[number / TEAMS.len() % PARTS.len()]);
            let repository = format!("ghcr.io/acme/{team}/{name}");
            let (repo, checkout) = match number % repositories {
                0 => ("acme/monorepo".to_owned(), String::new()),
                other => (
                    format!("acme/repo-{other}"),
                    format!("checkouts/repo-{other}/"),
                ),
            };
            let path = format!("apps/{team}/{name}/Dockerfile");
            // A few of the first are everybody's ground, so that chains are long and wide.
            let ground = parents.len().min(options.images.div_ceil(20));
            let parent = (ground > 0 && random.chance(options.chained))
                .then(|| &parents[random.below(ground)]);
            let file = Dockerfile::write(&mut random, options, &bases, parent.map(Parent::base));
            fleet.images.insert(
                name.clone(),
                Truth {
                    dockerfile: format!("{checkout}{path}"),
                    managed: file
                        .bases
                        .keys()
                        .filter_map(|base| Some((base.clone(), parent?.is_named_by(base)?)))
                        .collect(),
                    bases: file.bases,
                },
            );
            fleet.files.insert(format!("{checkout}{path}"), file.text);
            enrolment.push_str(&managed_entry(
                &mut random,
                &name,
                &repository,
                &repo,
                &path,
                &file.build_args,
                file.target,
            ));
            parents.push(Parent { name, repository });
        }
        for number in 0..options.external {
            // Writing to a string cannot fail.
            let _ = write!(
                enrolment,
                "- name: watched-{number}\n  registry: registry.acme.test\n  repository: mirror/part-{number}\n  \
                 allowTags: ^{}\\.[0-9]+$\n  imageSelectionStrategy: Lexical\n",
                number % 9
            );
        }
        let mut settings = String::from("workspaces:\n  acme/monorepo: ..\n");
        for other in 1..repositories {
            let _ = writeln!(settings, "  acme/repo-{other}: ../checkouts/repo-{other}");
        }
        let mut add = |name: &str, text: String| {
            fleet
                .files
                .insert(format!("{}/{name}", Self::FACTORY), text.into_bytes())
        };
        add("images.yaml", enrolment);
        add("imgfac.yaml", settings);
        fleet
    }

    /// Writes every file below a folder.
    ///
    /// # Errors
    /// When a folder or a file cannot be made.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, bytes)?;
        }
        Ok(())
    }

    /// Every canonical reference that some Dockerfile names and that is no image of the fleet.
    #[must_use]
    pub fn upstream(&self) -> BTreeSet<&str> {
        self.images
            .values()
            .flat_map(|truth| {
                truth
                    .bases
                    .keys()
                    .filter(|reference| !truth.managed.contains_key(*reference))
            })
            .map(String::as_str)
            .collect()
    }
}

impl Parent {
    fn base(&self) -> Base {
        Base::new(&self.repository, "1.4")
    }

    /// Its name, if a canonical reference is one of it: the Dockerfile may pin it, or name
    /// something else after all.
    fn is_named_by(&self, reference: &str) -> Option<String> {
        let rest = reference.strip_prefix(&self.repository)?;
        rest.starts_with([':', '@']).then(|| self.name.clone())
    }
}

fn managed_entry(
    random: &mut Random,
    name: &str,
    repository: &str,
    repo: &str,
    dockerfile: &str,
    build_args: &BTreeMap<String, String>,
    target: Option<&str>,
) -> String {
    let (registry, path) = repository.split_once('/').unwrap_or(("", repository));
    let mut text = format!(
        "- name: {name}\n  registry: {registry}\n  repository: {path}\n  source:\n    provider: github\n    \
         repo: {repo}\n    branch: main\n    dockerfile: {dockerfile}\n    workflow: {name}.yml\n"
    );
    if let Some(target) = target {
        let _ = writeln!(text, "    target: {target}");
    }
    if !build_args.is_empty() {
        text.push_str("    buildArgs:\n");
        for (key, value) in build_args {
            let _ = writeln!(text, "      {key}: \"{value}\"");
        }
    }
    let delay = random.pick(&["7d", "7d", "14d", "1d12h", "30m"]);
    let _ = writeln!(text, "  rebuildDelay: {delay}");
    let _ = writeln!(text, "  autoRebuild: {}", !random.chance(10));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hard(images: usize) -> FleetOptions {
        FleetOptions {
            images,
            hard: true,
            repositories: 3,
            external: 2,
            ..FleetOptions::default()
        }
    }

    #[test]
    fn the_same_options_give_the_same_bytes_and_another_seed_others() {
        let (one, two) = (Fleet::generate(&hard(50)), Fleet::generate(&hard(50)));
        assert_eq!(one.files, two.files);
        assert_eq!(one.images, two.images);
        let other = Fleet::generate(&FleetOptions {
            seed: 2,
            ..hard(50)
        });
        assert_ne!(one.files, other.files);
    }

    #[test]
    fn options_decide_what_a_fleet_is_like() {
        let plain = Fleet::generate(&FleetOptions {
            images: 500,
            ..FleetOptions::default()
        });
        assert_eq!(plain.images.len(), 500);
        assert!((55..=60).contains(&plain.upstream().len()));
        let chained = plain
            .images
            .values()
            .filter(|truth| !truth.managed.is_empty());
        assert!((25..100).contains(&chained.count()));
        let lines: usize = plain
            .files
            .values()
            .map(|bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
            .sum();
        let enrolment = plain.files["image-factory/images.yaml"]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        assert!((35..45).contains(&((lines - enrolment) / 500)));
        let repositories = Fleet::generate(&hard(9));
        let beside = |part: &str| {
            repositories
                .images
                .values()
                .filter(|truth| truth.dockerfile.starts_with(part))
                .count()
        };
        assert_eq!((beside("apps/"), beside("checkouts/repo-2/")), (3, 3));
    }

    #[test]
    fn hard_fleets_have_every_kind_of_syntax() {
        let fleet = Fleet::generate(&hard(500));
        let texts: Vec<String> = fleet
            .images
            .values()
            .map(|truth| String::from_utf8_lossy(&fleet.files[&truth.dockerfile]).into_owned())
            .collect();
        for syntax in [
            "FROM ${",
            "FROM --platform=$BUILDPLATFORM ",
            "@sha256:",
            ":5000/",
            "FROM ubuntu AS",
            "\nfrom ",
            "FROM \\\n",
            "<<EOF\n",
            "<<-'END' ",
            "AS test\n",
            "COPY --from=ghcr.io/",
            "COPY --from=0 ",
            "RUN --mount=type=bind,from=",
            "\r\n",
            "\n# FROM ",
            "# escape=`",
            "FROM `\n",
            ":-",
        ] {
            assert!(
                texts.iter().any(|text| text.contains(syntax)),
                "no Dockerfile has {syntax:?}"
            );
        }
        let enrolment = String::from_utf8_lossy(&fleet.files["image-factory/images.yaml"]);
        for key in ["buildArgs:", "target: runtime"] {
            assert!(enrolment.contains(key), "no image has {key}");
        }
        let unneeded = fleet
            .images
            .values()
            .filter(|truth| truth.bases.values().any(|needed| !needed));
        assert!(unneeded.count() > 20);
    }
}
