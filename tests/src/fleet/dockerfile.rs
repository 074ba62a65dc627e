//! One Dockerfile of three stages, and what it stands on.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::FleetOptions;
use crate::fleet::bases::{Base, canonical_repository};
use crate::fleet::random::Random;

/// A Dockerfile that was written, and how it is built.
pub(crate) struct Dockerfile {
    pub(crate) text: Vec<u8>,
    /// The canonical references that it names, and whether the target needs them.
    pub(crate) bases: BTreeMap<String, bool>,
    pub(crate) build_args: BTreeMap<String, String>,
    /// `None` builds the last stage.
    pub(crate) target: Option<&'static str>,
}

/// What a stage stands on and takes from.
#[derive(Default)]
struct Stage {
    images: BTreeSet<String>,
    stages: BTreeSet<usize>,
}

/// A Dockerfile in the making.
struct Writer<'a> {
    random: &'a mut Random,
    hard: bool,
    /// Directives and arguments before the first stage.
    head: Vec<String>,
    lines: Vec<String>,
    stages: Vec<Stage>,
    build_args: BTreeMap<String, String>,
}

impl Dockerfile {
    /// Writes a Dockerfile whose last stage stands on `parent`, if there is one.
    pub(crate) fn write(
        random: &mut Random,
        options: &FleetOptions,
        bases: &[Base],
        parent: Option<Base>,
    ) -> Self {
        let per_stage = options.lines.saturating_sub(10).max(9) / 3;
        let mut file = Writer {
            random,
            hard: options.hard,
            head: Vec::new(),
            lines: Vec::new(),
            stages: Vec::new(),
            build_args: BTreeMap::new(),
        };
        let build = file.name(
            "build",
            &["build", "Compile", "stage-with-a-rather-long-name"],
        );
        let tools = file.name("tools", &["tools", "tools", "Tools.Linux"]);

        let base = file.random.pick_popular(bases).clone();
        file.stage_on_image(base, build);
        file.body(per_stage);
        let base = file.random.pick_popular(bases).clone();
        file.stage_on_image(base, tools);
        file.body(per_stage);
        if file.hard {
            file.distractions();
            if file.random.chance(15) {
                file.stage_on_stage(0, build, "test");
                file.lines.push("RUN make test".into());
            }
        }
        let runtime = file.stages.len();
        let base = match parent {
            Some(parent) => parent,
            None => file.random.pick_popular(bases).clone(),
        };
        file.stage_on_image(base, "runtime");
        file.body(per_stage);
        file.copy_from_stage(0, build, "/src/out /srv/app");
        // Where the tools are not copied, their stage and what it stands on are not needed.
        if !(file.hard && file.random.chance(25)) {
            file.copy_from_stage(1, tools, "/usr/bin/tool /usr/bin/tool");
        }
        if file.hard {
            file.other_images();
        }
        file.lines.push("USER 10001".into());
        file.lines.push("ENTRYPOINT [\"/srv/app/run\"]".into());

        let mut target = None;
        if file.hard && file.random.chance(10) {
            // A stage behind the target, which the target does not need.
            target = Some("runtime");
            let base = file.random.pick_popular(bases).clone();
            file.stage_on_image(base, "debug");
            file.lines.push("RUN echo debug".into());
        }
        let built = target.map_or(file.stages.len() - 1, |_| runtime);
        Self {
            bases: file.truth(built),
            text: file.text(),
            build_args: file.build_args,
            target,
        }
    }
}

impl Writer<'_> {
    /// The name of a stage.
    fn name(&mut self, plain: &'static str, choices: &[&'static str]) -> &'static str {
        if self.hard {
            self.random.pick::<&'static str>(choices)
        } else {
            plain
        }
    }

    /// A stage on an image.
    fn stage_on_image(&mut self, base: Base, name: &str) {
        let number = self.stages.len();
        let (platform, written, canonical) = if self.hard {
            self.hard_reference(number, base)
        } else {
            (String::new(), base.written(), base.canonical)
        };
        self.stages.push(Stage {
            images: BTreeSet::from([canonical]),
            stages: BTreeSet::new(),
        });
        let (keyword, space, joint) = if self.hard {
            (
                *self.random.pick(&[
                    "FROM", "FROM", "FROM", "FROM", "FROM", "FROM", "from", "From",
                ]),
                *self
                    .random
                    .pick(&[" ", " ", " ", " ", " ", " ", "  ", "\t", " \\\n    "]),
                *self.random.pick(&["AS", "AS", "AS", "as"]),
            )
        } else {
            ("FROM", " ", "AS")
        };
        self.lines.push(format!(
            "{keyword}{space}{platform}{written} {joint} {name}"
        ));
    }

    /// A platform with a space behind it, the reference as it stands in the line, and what it is.
    fn hard_reference(&mut self, number: usize, base: Base) -> (String, String, String) {
        let written = base.written();
        let Base {
            repository,
            tag,
            canonical,
        } = base;
        let bare = |written: String, canonical: String| (String::new(), written, canonical);
        match self.random.below(20) {
            0 => {
                self.head.push(format!("ARG BASE_{number}={written}"));
                bare(format!("${{BASE_{number}}}"), canonical)
            }
            1 => {
                self.head.push(format!("ARG BASE_{number}=\"{written}\""));
                bare(format!("$BASE_{number}"), canonical)
            }
            2 => {
                self.head.push(format!("ARG TAG_{number}={tag}"));
                bare(format!("{repository}:${{TAG_{number}}}"), canonical)
            }
            3 => {
                self.head.push(format!("ARG TAG_{number}"));
                bare(format!("{repository}:${{TAG_{number}:-{tag}}}"), canonical)
            }
            4 => {
                // What the build passes wins over the default.
                self.head.push(format!("ARG TAG_{number}=0-wrong"));
                self.build_args.insert(format!("TAG_{number}"), tag);
                bare(format!("{repository}:$TAG_{number}"), canonical)
            }
            5 => {
                self.head
                    .push(format!("ARG REGISTRY_{number}={repository}"));
                self.head
                    .push(format!("ARG IMAGE_{number}=${{REGISTRY_{number}}}:{tag}"));
                bare(format!("${{IMAGE_{number}}}"), canonical)
            }
            6 => ("--platform=$BUILDPLATFORM ".into(), written, canonical),
            7 => ("--platform=linux/amd64 ".into(), written, canonical),
            8 => ("--platform=${TARGETPLATFORM} ".into(), written, canonical),
            9 => {
                let digest = format!("@sha256:{}", self.random.hex(64));
                bare(format!("{written}{digest}"), format!("{canonical}{digest}"))
            }
            10 => {
                let digest = format!("@sha256:{}", self.random.hex(64));
                let canonical = format!("{}{digest}", canonical_repository(&repository));
                bare(format!("{repository}{digest}"), canonical)
            }
            11 => {
                let name = self.random.pick(&["ubuntu", "nginx", "debian", "alpine"]);
                bare(
                    (*name).to_owned(),
                    format!("docker.io/library/{name}:latest"),
                )
            }
            12 => {
                let minor = self.random.below(10);
                let image = format!("registry.acme.test:5000/base/jvm:{number}.{minor}");
                bare(image.clone(), image)
            }
            13 => {
                let name = self.random.pick(&["one", "two"]);
                let image = format!("localhost:5000/dev/{name}");
                bare(image.clone(), format!("{image}:latest"))
            }
            14 if !repository.contains('/') => {
                let prefix = self.random.pick(&[
                    "docker.io/library/",
                    "library/",
                    "docker.io/",
                    "index.docker.io/library/",
                ]);
                bare(format!("{prefix}{written}"), canonical)
            }
            _ => bare(written, canonical),
        }
    }

    /// A stage on an earlier stage, whose name is told by its letters and not by their case.
    fn stage_on_stage(&mut self, earlier: usize, earlier_name: &str, name: &str) {
        self.stages.push(Stage {
            images: BTreeSet::new(),
            stages: BTreeSet::from([earlier]),
        });
        self.lines
            .push(format!("FROM {} AS {name}", earlier_name.to_lowercase()));
    }

    fn copy_from_stage(&mut self, earlier: usize, name: &str, paths: &str) {
        let name = match (self.hard, self.random.below(4)) {
            (true, 0) => earlier.to_string(),
            (true, 1) => name.to_lowercase(),
            _ => name.to_owned(),
        };
        self.lines.push(format!("COPY --from={name} {paths}"));
        if let Some(stage) = self.stages.last_mut() {
            stage.stages.insert(earlier);
        }
    }

    /// Images that are no stage's ground.
    fn other_images(&mut self) {
        let mut used = Vec::new();
        if self.random.chance(10) {
            used.push("ghcr.io/astral-sh/uv:0.5.0");
            self.lines
                .push("COPY --from=ghcr.io/astral-sh/uv:0.5.0 /uv /usr/local/bin/uv".into());
        }
        if self.random.chance(10) {
            used.push("docker.io/library/golang:1.23");
            self.lines.push(
                "RUN --mount=type=bind,from=golang:1.23,source=/usr/local/go,target=/opt/go \\\n    \
                 --mount=type=cache,target=/root/.cache \\\n    /opt/go/bin/go version"
                    .into(),
            );
        }
        if let Some(stage) = self.stages.last_mut() {
            stage.images.extend(used.into_iter().map(String::from));
        }
    }

    /// What looks like an image and is none.
    fn distractions(&mut self) {
        let percent = 20;
        if self.random.chance(percent) {
            let text = "RUN <<EOF\necho start\nFROM not/an-image:1 in a here-document\nEOF";
            self.lines.push(text.into());
        }
        if self.random.chance(percent) {
            let text = "COPY <<-'END' /etc/motd\n\tFROM not/an-image:2 in a file\n\tEND";
            self.lines.push(text.into());
        }
        if self.random.chance(percent) {
            self.lines.push("# FROM not/an-image:3".into());
        }
        if self.random.chance(percent) {
            let text = "RUN echo one && \\\n# FROM not/an-image:4\n\n    echo FROM not/an-image:5";
            self.lines.push(text.into());
        }
    }

    /// So many lines, about, that name no image.
    fn body(&mut self, lines: usize) {
        let end = self.count_lines() + lines;
        while self.count_lines() < end {
            self.lines.push((*self.random.pick(BODY)).to_owned());
        }
    }

    fn count_lines(&self) -> usize {
        let more: usize = self
            .lines
            .iter()
            .map(|line| line.matches('\n').count())
            .sum();
        self.lines.len() + more
    }

    /// What is named, and whether the built stage needs it.
    fn truth(&self, built: usize) -> BTreeMap<String, bool> {
        let mut needed = BTreeSet::from([built]);
        // A stage only knows those before it.
        for number in (0..=built).rev() {
            if needed.contains(&number) {
                needed.extend(&self.stages[number].stages);
            }
        }
        let mut bases = BTreeMap::new();
        for (number, stage) in self.stages.iter().enumerate() {
            for image in &stage.images {
                *bases.entry(image.clone()).or_default() |= needed.contains(&number);
            }
        }
        bases
    }

    fn text(&mut self) -> Vec<u8> {
        let mut directives = vec!["# syntax=docker/dockerfile:1"];
        let backtick = self.hard && self.random.chance(4);
        if backtick {
            directives.push("# escape=`");
        }
        let mut text = String::new();
        for line in directives
            .into_iter()
            .chain(["# Built by the pipeline of its team."])
            .chain(self.head.iter().map(String::as_str))
            .chain(self.lines.iter().map(String::as_str))
        {
            text.push_str(line);
            text.push('\n');
        }
        if backtick {
            text = text.replace("\\\n", "`\n");
        }
        if self.hard && self.random.chance(5) {
            text = text.replace('\n', "\r\n");
        }
        text.into_bytes()
    }
}

const BODY: &[&str] = &[
    "WORKDIR /src",
    "COPY . .",
    "ENV LANG=C.UTF-8",
    "ENV APP_HOME=/srv/app PATH=\"/srv/app/bin:${PATH}\"",
    "LABEL org.opencontainers.image.vendor=\"Acme\"",
    "# Dependencies change less often than the code.",
    "COPY package.json package-lock.json ./",
    "RUN npm ci --no-audit --no-fund",
    "RUN make -j2 build",
    "ARG VERSION=0.0.0",
    "EXPOSE 8080",
    "RUN adduser --system --uid 10001 app",
    "HEALTHCHECK --interval=30s CMD [\"/srv/app/probe\"]",
    "RUN apt-get update && \\\n    apt-get install -y --no-install-recommends \\\n      ca-certificates curl && \\\n    rm -rf /var/lib/apt/lists/*",
    "RUN --mount=type=cache,target=/root/.cache \\\n    pip install --requirement requirements.txt",
];
