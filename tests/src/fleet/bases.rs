//! Upstream images that fleets stand on.

/// An image as a Dockerfile may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// Without tag, as people write it: `node`, `quay.io/acme/tool`.
    pub(crate) repository: String,
    pub(crate) tag: String,
    /// The whole reference in its one true form.
    pub(crate) canonical: String,
}

impl Base {
    pub(crate) fn new(repository: &str, tag: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            canonical: format!("{}:{tag}", canonical_repository(repository)),
        }
    }

    /// `REPOSITORY:TAG`.
    pub(crate) fn written(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }
}

/// The table below is written in two ways only: one word is an official image of Docker Hub, and
/// everything else names its registry.
pub(crate) fn canonical_repository(repository: &str) -> String {
    if repository.contains('/') {
        repository.to_owned()
    } else {
        format!("docker.io/library/{repository}")
    }
}

/// So many different upstream images, the most popular first.
pub(crate) fn popular_bases(count: usize) -> Vec<Base> {
    // Column by column, so that every repository comes before the second tag of any.
    let columns = TABLE.iter().map(|(_, tags)| tags.len()).max().unwrap_or(0);
    let known = (0..columns).flat_map(|column| {
        TABLE
            .iter()
            .filter_map(move |(repository, tags)| Some(Base::new(repository, tags.get(column)?)))
    });
    let invented = (0..).map(|n| {
        Base::new(
            &format!("ghcr.io/acme/layer-{n}"),
            &format!("{}.{}", n % 5, n % 17),
        )
    });
    known.chain(invented).take(count.max(1)).collect()
}

const TABLE: &[(&str, &[&str])] = &[
    (
        "node",
        &["22-bookworm-slim", "20-alpine", "22-alpine3.20", "18-slim"],
    ),
    (
        "python",
        &["3.12-slim", "3.13-slim-bookworm", "3.11-alpine3.19", "3.12"],
    ),
    ("golang", &["1.23-alpine3.20", "1.22-bookworm", "1.23"]),
    (
        "eclipse-temurin",
        &["21-jre-alpine", "17-jdk", "21-jdk-jammy"],
    ),
    ("debian", &["bookworm-slim", "12.7", "bullseye-slim"]),
    ("alpine", &["3.20", "3.19", "3.18.9"]),
    ("gcr.io/distroless/static-debian12", &["nonroot", "latest"]),
    ("mcr.microsoft.com/dotnet/aspnet", &["8.0", "9.0-alpine"]),
    ("mcr.microsoft.com/dotnet/sdk", &["8.0", "9.0"]),
    ("rust", &["1.81-slim", "1.80-bookworm"]),
    ("nginx", &["1.27-alpine", "stable", "1.26"]),
    ("ruby", &["3.3-slim", "3.2"]),
    ("php", &["8.3-fpm-alpine", "8.2-apache"]),
    ("maven", &["3.9-eclipse-temurin-21", "3.9"]),
    ("ubuntu", &["24.04", "22.04"]),
    ("gradle", &["8.10-jdk21"]),
    ("busybox", &["1.36", "1.36-musl"]),
    ("quay.io/keycloak/keycloak", &["25.0", "26.0"]),
    ("gcr.io/distroless/java21-debian12", &["nonroot"]),
    ("gcr.io/distroless/nodejs22-debian12", &["nonroot", "debug"]),
    ("public.ecr.aws/lambda/python", &["3.12", "3.13"]),
    ("ghcr.io/astral-sh/uv", &["0.4.18", "0.5.1"]),
    (
        "registry.access.redhat.com/ubi9/ubi-minimal",
        &["9.4", "9.5"],
    ),
    ("postgres", &["16-alpine", "17"]),
    ("redis", &["7.4-alpine"]),
    ("haproxy", &["3.0"]),
    ("httpd", &["2.4-alpine"]),
    ("elixir", &["1.17-slim"]),
    ("composer", &["2.8"]),
    ("mcr.microsoft.com/playwright", &["v1.47.0-jammy"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn bases_differ_however_many_there_are() {
        for count in [1, 60, 500] {
            let bases = popular_bases(count);
            let distinct: BTreeSet<&str> =
                bases.iter().map(|base| base.canonical.as_str()).collect();
            assert_eq!(distinct.len(), count);
        }
        assert_eq!(
            popular_bases(1)[0].canonical,
            "docker.io/library/node:22-bookworm-slim"
        );
    }
}
