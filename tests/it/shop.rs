//! A small factory that the tests of single commands share.

use imgfac_tests::Sandbox;

use crate::sandbox;

const IMAGES: &str = "\
- name: base
  registry: ghcr.io
  repository: acme/base
  source: {repo: acme/shop, dockerfile: base/Dockerfile}
- name: web
  registry: ghcr.io
  repository: acme/web
  source: {repo: acme/shop, dockerfile: web/Dockerfile, buildArgs: {NODE: \"22\"}}
  rebuildDelay: 1d
- name: redis
  repository: library/redis
  allowTags: ^7\\.[0-9]+$
";

/// `factory/` with three images, and their sources in `shop/`, which the settings name.
pub(crate) fn shop() -> Sandbox {
    let sandbox = sandbox();
    sandbox.write("factory/images.yaml", IMAGES);
    sandbox.write("factory/imgfac.yaml", "workspaces: [acme/shop=../shop]\n");
    sandbox.write("shop/base/Dockerfile", "FROM debian:12\n");
    sandbox.write(
        "shop/web/Dockerfile",
        "ARG NODE=20\nFROM node:${NODE} AS build\nFROM golang:1.24 AS tools\nFROM ghcr.io/acme/base:1\nCOPY --from=build /app /app\n",
    );
    sandbox
}
