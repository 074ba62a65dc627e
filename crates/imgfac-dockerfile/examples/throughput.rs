//! Measures how fast Dockerfiles are read: `cargo run --release --example throughput [FILE...]`.
//!
//! Without files it reads a made-up one of usual shape, many times.

use std::io::Write;
use std::time::{Duration, Instant};

use imgfac_dockerfile::{Options, analyze};

const SAMPLE: &str = r#"# syntax=docker/dockerfile:1.7
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

fn main() -> std::io::Result<()> {
    let mut files = Vec::new();
    for path in std::env::args_os().skip(1) {
        files.push(std::fs::read(path)?);
    }
    if files.is_empty() {
        files.push(SAMPLE.as_bytes().to_vec());
    }
    let options = Options::default();
    let start = Instant::now();
    let (mut bytes, mut count, mut images) = (0_usize, 0_usize, 0_usize);
    while start.elapsed() < Duration::from_secs(2) {
        for file in &files {
            images += analyze(file, &options).images.len();
            bytes += file.len();
            count += 1;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{:.0} MB/s, {:.0} files/s, {images} images",
        bytes as f64 / 1e6 / seconds,
        count as f64 / seconds,
    )
}
