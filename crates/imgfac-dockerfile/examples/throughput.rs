//! Measures how fast Dockerfiles are read: `cargo run --release --example throughput [FILE...]`.
//!
//! Without files it reads made-up ones of usual shape and size, many times, on one thread. The
//! figure is that of the fastest of many short rounds, which a busy machine disturbs least.

use std::io::Write;
use std::time::{Duration, Instant};

use imgfac_dockerfile::{Options, analyze};

const SERVICE: &str = r#"# syntax=docker/dockerfile:1.7
ARG NODE_VERSION=22
ARG BASE=node:${NODE_VERSION}-slim

FROM --platform=$BUILDPLATFORM ${BASE} AS deps
WORKDIR /app
ENV NODE_ENV=production \
    PATH="/app/node_modules/.bin:${PATH}"
# Only what the package manager reads.
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    npm ci --no-audit --no-fund && \
    # keep the layer small
    rm -rf /tmp/*

FROM deps AS build
COPY . .
RUN npm run build
RUN <<EOF
set -e
find dist -name '*.map' -delete
EOF

FROM gcr.io/distroless/nodejs22-debian12:nonroot
LABEL org.opencontainers.image.title="app" org.opencontainers.image.vendor="Acme"
COPY --from=build --chown=65532:65532 /app/dist /app
COPY --from=ghcr.io/acme/tools:3 /bin/tool /bin/
EXPOSE 8080/tcp
USER 65532
HEALTHCHECK --interval=30s CMD ["/bin/tool", "probe"]
CMD ["/app/server.js"]
"#;

const TOOLBOX: &str = r#"# Everything that the nightly jobs need, on one image.
ARG DEBIAN_RELEASE=bookworm
ARG GO_VERSION=1.24
ARG REGISTRY=registry.example.com/mirror

FROM ${REGISTRY}/golang:${GO_VERSION}-${DEBIAN_RELEASE} AS tools
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY cmd cmd
COPY internal internal
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=${VERSION:-dev}" \
      -o /out/ ./cmd/...

FROM ${REGISTRY}/debian:${DEBIAN_RELEASE}-slim AS base
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
# One layer: the lists of packages would stay in an earlier one.
RUN set -eux; \
    apt-get update; \
    apt-get install --yes --no-install-recommends \
      ca-certificates curl git jq openssh-client postgresql-client \
      python3 python3-venv rsync \
    ; \
    rm -rf /var/lib/apt/lists/*; \
    useradd --uid 10001 --create-home --shell /usr/sbin/nologin runner

FROM base
COPY --from=tools /out/ /usr/local/bin/
COPY --chmod=755 <<-"EOF" /usr/local/bin/entrypoint
	#!/bin/sh
	set -eu
	exec "job-$1" "$@"
EOF
USER runner
WORKDIR /home/runner
ENTRYPOINT ["/usr/local/bin/entrypoint"]
"#;

fn main() -> std::io::Result<()> {
    let mut files = Vec::new();
    for path in std::env::args_os().skip(1) {
        files.push(std::fs::read(path)?);
    }
    if files.is_empty() {
        files = [SERVICE, TOOLBOX].map(|s| s.as_bytes().to_vec()).to_vec();
    }
    let options = Options::default();
    let bytes: usize = files.iter().map(Vec::len).sum();
    let passes = 1 + (1 << 20) / bytes.max(1);
    let mut images = 0;
    let mut best = Duration::MAX;
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        let start = Instant::now();
        for file in (0..passes).flat_map(|_| &files) {
            images += analyze(file, &options).images.len();
        }
        best = best.min(start.elapsed());
    }
    let seconds = best.as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{:.0} MB/s, {:.0} files/s, {images} images",
        (bytes * passes) as f64 / 1e6 / seconds,
        (files.len() * passes) as f64 / seconds,
    )
}
