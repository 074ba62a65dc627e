//! Every mistake in the files that people write, with its place and its remedy.

use imgfac_model::{Delay, PushTimes};
use imgfac_state::Configuration;
use insta::assert_snapshot;

/// One line for each diagnostic: place, severity, code, message, label, help.
pub(crate) fn check(files: &[(&str, &str)]) -> String {
    let texts = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    let configuration = Configuration::from_texts(texts);
    let files = &configuration.files;
    let place = |span: &imgfac_model::Span| {
        let (line, column) = files.line_column(span.file, span.range.start);
        format!("{}:{line}:{column}", files.name(span.file))
    };
    let mut out = String::new();
    for diagnostic in &configuration.diagnostics {
        let first = &diagnostic.labels[0];
        out.push_str(&format!(
            "{} {} {}",
            place(&first.span),
            diagnostic.code.as_str(),
            diagnostic.message
        ));
        if !first.text.is_empty() {
            out.push_str(&format!(" | {}", first.text));
        }
        for label in &diagnostic.labels[1..] {
            out.push_str(&format!(" | {} {}", place(&label.span), label.text));
        }
        if let Some(help) = &diagnostic.help {
            out.push_str(&format!(" | help: {help}"));
        }
        out.push('\n');
    }
    let names: Vec<String> = configuration
        .images
        .keys()
        .map(ToString::to_string)
        .collect();
    format!("{out}images: {}", names.join(" "))
}

fn images(text: &str) -> String {
    check(&[("images.yaml", text)])
}

#[test]
fn a_complete_entry_is_read() {
    let text = "\
- name: shop
  registry: ghcr.io
  repository: acme/shop
  source:
    provider: github
    host: github.example.com
    repo: acme/shop
    branch: \"1.0\"
    dockerfile: ./apps/shop/Dockerfile
    buildArgs: {NODE_VERSION: 22, DEBUG: true, EMPTY: }
    target: runtime
    platforms: [linux/amd64, linux/arm64]
    workflow: shop.yml
    inputs: {version_bump: patch}
    causeInputs: true
  rebuildDelay: 1d12h
  cascadeDelay: 1h
  coordinationWindow: 0
  autoRebuild: no
  criticality: high
  updates:
    - {repo: acme/deploy, path: overlays/prod, type: kustomize-set-image}
    - {repo: acme/deploy, path: v.yaml, type: yaml-update, key: image.tag, pullRequest: true}
- name: postgres
  repository: postgres
  allowTags: ^16\\.[0-9]+$
";
    assert_snapshot!(images(text), @"images: postgres shop");
    let configuration =
        Configuration::from_texts([("images.yaml".to_owned(), text.as_bytes().to_vec())]);
    let shop = &configuration.images["shop"].enrolment;
    let source = shop.source.as_ref().unwrap();
    assert_eq!(source.branch.as_str(), "1.0");
    assert_eq!(source.dockerfile.as_str(), "apps/shop/Dockerfile");
    assert_eq!(source.build_args["NODE_VERSION"], "22");
    assert_eq!(source.build_args["DEBUG"], "true");
    assert_eq!(source.build_args["EMPTY"], "");
    assert_eq!(
        (shop.auto_rebuild, shop.rebuild_delay.to_string().as_str()),
        (false, "1d12h")
    );
    let delay = |delay: &Option<Delay>| delay.as_ref().map(Delay::as_millis);
    assert_eq!(delay(&shop.cascade_delay), Some(3_600_000));
    assert_eq!(delay(&shop.coordination_window), Some(0));
    assert!(source.cause_inputs && shop.updates[1].pull_request);
    assert!(!shop.updates[0].pull_request);
    assert_eq!(
        configuration.images["postgres"]
            .enrolment
            .repository
            .to_string(),
        "docker.io/library/postgres"
    );
}

#[test]
fn every_mistake_is_reported_at_once() {
    assert_snapshot!(images("\
- name: Back_End
  registery: ghcr.io
  repository: acme/Backend
  source:
    provider: gihub
    repo: ../..
    branch: --upload-pack=touch ;
    dockerfile: ../../etc/passwd
    workflow: ../x.yml
  rebuildDelay: whenever
  autoRebuild: maybe
  criticality: hihg
- repository: a/b
- just text
- name: ok
  repository: acme/ok
"), @r#"
    images.yaml:1:9 invalid-value invalid image name: "Back_End" has "B" | expected 1 to 50 lower-case letters, digits and "-", with a letter or digit at both ends
    images.yaml:2:3 unknown-key unknown key "registery" in this entry | nothing reads this key | help: did you mean "registry"?
    images.yaml:3:15 invalid-value invalid repository: repository "acme/Backend" must be lower-case | expected the name of an image without registry and tag, such as acme/storefront
    images.yaml:5:15 invalid-value invalid provider: "gihub" | expected one of github gitlab webhook | help: did you mean "github"?
    images.yaml:6:11 invalid-value invalid repository: "../.." | expected owner/name, or group/sub/name on GitLab, without host or ".git"
    images.yaml:10:17 invalid-value invalid delay: "whenever" lacks a number before "whenever" | expected numbers with units ms, s, m, h, d or w, such as 7d, 24h or 1d12h, at most ten years
    images.yaml:11:16 wrong-type autoRebuild is text | expected true or false
    images.yaml:12:16 invalid-value invalid criticality: "hihg" | expected one of critical high normal low | help: did you mean "high"?
    images.yaml:13:3 missing-key this entry has no name | name is required | help: write for example: name: storefront
    images.yaml:14:3 wrong-type this entry is text | expected a mapping of keys and values
    images: ok
    "#);
}

#[test]
fn a_broken_source_is_not_an_external_image() {
    assert_snapshot!(images("\
- name: a
  repository: x/a
  source:
- name: b
  repository: x/b
  source: acme/shop
- name: c
  repository: x/c
  source: {branch: main}
- name: d
  repository: x/d
  source: {repo: acme/shop, dockerfile: 5}
"), @"
    images.yaml:3:3 missing-key source has no value | expected the keys of a source below it | help: remove the key if this is an external image, which is watched but never rebuilt
    images.yaml:6:11 wrong-type source is text | expected a mapping of keys and values
    images.yaml:9:11 missing-key source has no repo | repo is required | help: write for example: repo: acme/shop
    images: d
    ");
}

#[test]
fn a_list_is_expected() {
    assert_snapshot!(images("images:\n  - name: a\n"), @r#"
    images.yaml:1:1 wrong-type the file is a mapping | expected a list of entries: each begins with "- name: …"
    images:
    "#);
    assert_snapshot!(images("just text\n"), @r#"
    images.yaml:1:1 wrong-type the file is text | expected a list of entries: each begins with "- name: …"
    images:
    "#);
    assert_snapshot!(images(""), @"images: ");
    assert_snapshot!(images("# only a comment\n"), @"images: ");
    assert_snapshot!(images("- name: a\n  repository: x/a\n---\n- name: b\n"), @"
    images.yaml:3:1 invalid-yaml a second document begins here; the file may have only one
    images:
    ");
}

#[test]
fn names_and_keys_are_unique() {
    assert_snapshot!(check(&[
        ("images.yaml", "- name: a\n  name: b\n  repository: x/a\n- name: c\n  repository: x/c\n"),
        ("images.d/team.yaml", "- name: c\n  repository: x/d\n"),
    ]), @r#"
    images.yaml:2:3 duplicate-key the key "name" stands twice | stands here again | images.yaml:1:3 first here | help: remove one of the two
    images.d/team.yaml:1:9 duplicate-name two images are called "c" | this name is taken | images.yaml:4:9 first used here | help: names are unique across images.yaml and images.d
    images: b c
    "#);
}

#[test]
fn what_only_one_provider_uses_is_said() {
    assert_snapshot!(images("\
- name: a
  repository: x/a
  source: {provider: gitlab, repo: group/sub/a, workflow: a.yml}
- name: b
  repository: x/b
  source: {provider: webhook, repo: x/b}
- name: c
  repository: x/c
  source: {provider: github, repo: x/y/c}
"), @"
    images.yaml:3:49 unused-key workflow has no effect with provider gitlab | not used
    images.yaml:6:11 missing-key source has no url | url is required | help: write for example: url: https://ci.example.com/hooks/rebuild
    images.yaml:9:36 invalid-value a GitHub repository has an owner and a name | expected owner/name
    images: a
    ");
}

#[test]
fn settled_digests_are_for_builds_that_are_told_them() {
    let entry = |name: &str, keys: &str, source: &str| {
        format!("- {{name: {name}, repository: x/{name}, {keys}source: {{repo: x/y, {source}}}}}\n")
    };
    let own = "digestSelection: settled, ";
    let list = [
        entry("a", own, ""),
        entry("b", own, "provider: gitlab"),
        entry("c", own, "causeInputs: true"),
        entry(
            "d",
            own,
            "provider: webhook, url: 'https://ci.example.com/'",
        ),
        entry("e", "digestSelection: newest, ", ""),
        entry("f", "", ""),
        entry("g", "", "causeInputs: true"),
        entry("h", "", ""),
    ]
    .concat();
    let settings = "defaults: {digestSelection: settled}\n";
    assert_snapshot!(check(&[("imgfac.yaml", settings), ("images.yaml", &list)]), @r#"
    imgfac.yaml:1:29 unused-key "digestSelection: settled" is not heeded without "causeInputs: true" | images whose builds are not told which digests those are: 2 | help: set causeInputs: true in source, and let the build stand on the digests of imgfac_bases (docs/kargo.md)
    images.yaml:1:30 unused-key "digestSelection: settled" is not heeded without "causeInputs: true" | its build is not told which digests those are | help: set causeInputs: true in source, and let the build stand on the digests of imgfac_bases (docs/kargo.md)
    images.yaml:2:30 unused-key "digestSelection: settled" is not heeded without "causeInputs: true" | its build is not told which digests those are | help: set causeInputs: true in source, and let the build stand on the digests of imgfac_bases (docs/kargo.md)
    images: a b c d e f g h
    "#);
    assert_snapshot!(images(&list[list.find("- {name: e").unwrap()..]), @"images: e f g h");
}

#[test]
fn selection_is_checked() {
    assert_snapshot!(images("\
- name: a
  repository: a
  allowTags: '*'
- name: b
  repository: b
  imageSelectionStrategy: Digest
- name: c
  repository: c
  imageSelectionStrategy: semver
"), @r#"
    images.yaml:3:14 invalid-value invalid regular expression: repetition operator missing expression | expected a regular expression such as ^16-alpine$
    images.yaml:4:3 missing-key this entry has no constraint | constraint is required | help: write for example: constraint: "16-alpine"   # the tag that moves
    images.yaml:9:27 invalid-value invalid image selection strategy: "semver" | expected one of SemVer Lexical NewestBuild Digest | help: did you mean "SemVer"?
    images: a b c
    "#);
}

#[test]
fn a_broken_entry_takes_its_name_all_the_same() {
    assert_snapshot!(images("\
- {name: web, repository: acme/web, source: {repo: shop}}
- {name: web, repository: acme/other}
"), @r#"
    images.yaml:1:52 invalid-value invalid repository: "shop" | expected owner/name, or group/sub/name on GitLab, without host or ".git"
    images.yaml:2:10 duplicate-name two images are called "web" | this name is taken | images.yaml:1:10 first used here | help: names are unique across images.yaml and images.d
    images:
    "#);
}

#[test]
fn keys_of_the_predecessor_are_kept() {
    assert_snapshot!(images("\
- name: a
  owner: team-a
  local: {dir: x, patchFiles: [a, b]}
  enrollment:
    registry: ghcr.io
    repository: acme/a
    source: {repo: acme/a, pipeline: build}
- name: b
  repoURL: docker.io/library/redis
"), @r#"
    images.yaml:2:3 legacy-key "owner" is a key of the predecessor: it is kept in state, but has no effect | no effect
    images.yaml:3:3 legacy-key "local" is a key of the predecessor: it is kept in state, but has no effect | no effect
    images.yaml:4:3 legacy-key "enrollment" is a form of the predecessor | still read | help: move its keys one level up, into the entry itself
    images.yaml:7:28 legacy-key "pipeline" is a key of the predecessor: it is kept in state, but has no effect | no effect
    images: a b
    "#);
}

#[test]
fn merge_keys_and_aliases_are_read() {
    assert_snapshot!(images("\
- &a
  name: a
  repository: x/a
  rebuildDelay: 3d
- <<: *a
  name: b
"), @"images: a b");
}

#[test]
fn settings_are_checked() {
    assert_snapshot!(check(&[("imgfac.yaml", "\
namespace: Imgfac
default: {}
defaults: {rebuildDelay: 5, registry: 'https://x', branch: '-x'}
workspaces: [acme/shop=../shop, 'a=b', '']
stateRepository: {url: 'https://user:pw@host/x'}
analysis: {image: 'X:Y:Z', gitSecret: a_b, githubHost: 'https://x', gitlabHost: 'u@h'}
")]), @r#"
    imgfac.yaml:1:12 invalid-value invalid namespace: "Imgfac" | expected 1 to 63 lower-case letters, digits and "-", with a letter or digit at both ends
    imgfac.yaml:2:1 unknown-key unknown key "default" in the settings | nothing reads this key | help: did you mean "defaults"?
    imgfac.yaml:3:26 invalid-value invalid delay: "5" lacks a unit | expected numbers with units ms, s, m, h, d or w, such as 7d, 24h or 1d12h, at most ten years
    imgfac.yaml:3:39 invalid-value invalid registry | expected a host name such as ghcr.io
    imgfac.yaml:3:60 invalid-value invalid branch: "-x" | expected the name of a branch, such as main or release/1.2
    imgfac.yaml:4:33 invalid-value invalid repository: "a" | expected owner/name, or group/sub/name on GitLab, without host or ".git"
    imgfac.yaml:4:40 invalid-value invalid workspace: it names no folder | expected DIR, or OWNER/NAME=DIR for the checkout of one repository
    imgfac.yaml:5:24 invalid-value invalid address: "https://*******@host/x" | expected https://host/path, without user name and password
    imgfac.yaml:6:19 invalid-value invalid image: repository "X" must be lower-case | expected a container image such as ghcr.io/acme/imgfac:v1
    imgfac.yaml:6:39 invalid-value invalid Kubernetes name: "a_b" | expected lower-case letters, digits, "-" and "."
    imgfac.yaml:6:56 invalid-value invalid host: "https://x" | expected a host name such as github.example.com, without scheme or path
    imgfac.yaml:6:81 invalid-value invalid host: "u@h" | expected a host name such as github.example.com, without scheme or path
    images:
    "#);
    assert_snapshot!(check(&[("imgfac.yaml", "workspaces: {acme/shop: ../shop}\n")]), @"images: ");
}

#[test]
fn registries_and_receivers_are_checked() {
    assert_snapshot!(check(&[("imgfac.yaml", "\
registries:
  index.docker.io: {mirror: mirror.example.com/hub/}
  quay.io: {mirror: 'https://x'}
  ghcr.io: {insecure: maybe, budget: -1, speed: 9, pushTimes: harbour}
  a b: {mirror: m.example.com}
webhookReceivers:
  - {type: github, secret: github-webhook}
  - {type: github, secret: other}
  - {type: githb, secret: A}
  - {secret: x}
probe: ftp://x
")]), @r#"
    imgfac.yaml:3:21 invalid-value invalid mirror | expected a host with or without a path, such as mirror.example.com/docker-hub
    imgfac.yaml:4:23 wrong-type insecure is text | expected true or false
    imgfac.yaml:4:38 invalid-value invalid budget | expected how many manifests a run may download, such as 50
    imgfac.yaml:4:42 unknown-key unknown key "speed" in ghcr.io | nothing reads this key | help: known keys: mirror, insecure, budget, pushTimes
    imgfac.yaml:4:63 invalid-value invalid source of push times: "harbour" | expected one of docker-hub google harbor quay none | help: did you mean "harbor"?
    imgfac.yaml:5:8 invalid-value invalid registry: "a b" is not a registry: expected a host name with a dot or a port, or localhost | expected the host name of a registry, such as docker.io, before it
    imgfac.yaml:8:5 duplicate-name two receivers are called "github" | give it a name of its own; without one it is called like its type
    imgfac.yaml:9:12 invalid-value invalid kind of webhook receiver: "githb" | expected one of artifactory azure bitbucket dockerhub gitea github gitlab harbor quay | help: did you mean "github"?
    imgfac.yaml:9:27 invalid-value invalid Kubernetes name: "A" | expected lower-case letters, digits, "-" and "."
    imgfac.yaml:10:5 missing-key this receiver has no type | type is required | help: write for example: type: github
    imgfac.yaml:11:8 invalid-value invalid address: "ftp://x" | expected https://host/path, without user name and password
    images:
    "#);
    let text = "registries: {index.docker.io: {mirror: mirror.example.com/hub/, budget: 7}, 'localhost:5000': {insecure: true, pushTimes: harbor}}\nwebhookReceivers: [{type: harbor, secret: s}]\n";
    let configuration =
        Configuration::from_texts([("imgfac.yaml".to_owned(), text.as_bytes().to_vec())]);
    assert_eq!(configuration.diagnostics, []);
    let settings = configuration.settings;
    assert_eq!(
        settings.registries["docker.io"].mirror.as_deref(),
        Some("mirror.example.com/hub")
    );
    assert_eq!(settings.registries["docker.io"].budget, Some(7));
    let local = &settings.registries["localhost:5000"];
    assert!(local.insecure);
    assert_eq!(local.push_times, Some(PushTimes::Harbor));
    assert_eq!(settings.webhook_receivers[0].name.as_str(), "harbor");
}

#[test]
fn ends_of_life_are_checked() {
    assert_snapshot!(check(&[("imgfac.yaml", "\
endOfLife:
  node:16*: 2023-09-11
  docker.io/library/node:16*: 2024-09-11
  'Node:18': 2025-04-30
  ../x: 2025-04-30
  debian@sha256:1: 2025-04-30
  golang:1.20: soon
  golang:1.21: 2024-02-30
  golang:1.22: [2024-02-01]
  golang:1.23:
")]), @r#"
    imgfac.yaml:3:3 duplicate-key docker.io/library/node:16* has two days in endOfLife | names the same images as a line above
    imgfac.yaml:4:3 invalid-value invalid image in endOfLife: repository "Node" must be lower-case | expected an image without digest, such as node:16 or docker.io/library/node:16*; "*" may stand in the tag
    imgfac.yaml:5:3 invalid-value invalid image in endOfLife: ".." is not a registry: expected a host name with a dot or a port, or localhost | expected an image without digest, such as node:16 or docker.io/library/node:16*; "*" may stand in the tag
    imgfac.yaml:6:3 invalid-value invalid image in endOfLife: "debian@sha256:1" has a digest | expected an image without digest, such as node:16 or docker.io/library/node:16*; "*" may stand in the tag
    imgfac.yaml:7:16 invalid-value invalid day: "soon" | expected a day of the calendar as YYYY-MM-DD, such as 2026-04-30
    imgfac.yaml:8:16 invalid-value invalid day: "2024-02-30" | expected a day of the calendar as YYYY-MM-DD, such as 2026-04-30
    imgfac.yaml:9:16 wrong-type endOfLife is a list | expected text
    imgfac.yaml:10:14 wrong-type endOfLife is empty | expected text
    images:
    "#);
    assert_snapshot!(check(&[("imgfac.yaml", "endOfLife: [node:16]\n")]), @"
    imgfac.yaml:1:12 wrong-type endOfLife is a list | expected a mapping of keys and values
    images:
    ");
    let text = "endOfLife: {node:16*: 2023-09-11, 'debian': \"2030-01-01\"}\n";
    let configuration =
        Configuration::from_texts([("imgfac.yaml".to_owned(), text.as_bytes().to_vec())]);
    assert_eq!(configuration.diagnostics, []);
    let settings = serde_json::to_string(&configuration.settings.end_of_life).unwrap();
    assert_snapshot!(settings, @r#"{"docker.io/library/debian:latest":"2030-01-01","docker.io/library/node:16*":"2023-09-11"}"#);
}

#[test]
fn broken_yaml_is_shown_at_its_place() {
    assert_snapshot!(images("- name: a\n\trepository: x\n"), @"
    images.yaml:2:1 invalid-yaml a tab indents this line; use spaces
    images:
    ");
    assert_snapshot!(images("- name: \"a\n  repository: x\n"), @"
    images.yaml:1:9 invalid-yaml this is not YAML: unclosed quote
    images:
    ");
    assert_snapshot!(images("- name: a\n   repository: x\n  source: y\n"), @"
    images.yaml:2:14 invalid-yaml this is not YAML: mapping values are not allowed in this context
    images:
    ");
    assert_snapshot!(images("- name: !!python/object:os.system a\n"), @"
    images.yaml:1:35 invalid-yaml the tag !!python/object:os.system is not one of YAML's own
    images:
    ");
    assert_snapshot!(images("- name: *nothing\n"), @"
    images.yaml:1:9 invalid-yaml this is not YAML: while parsing node, found unknown anchor
    images:
    ");
    assert_snapshot!(images("- name: a\0b\n"), @"
    images.yaml:1:10 invalid-yaml a NUL byte has no place in YAML
    images:
    ");
}

#[test]
fn bombs_are_refused() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let refs = vec![format!("*a{}", n - 1); 10].join(", ");
        laughs.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
    }
    assert_snapshot!(images(&laughs), @"
    images.yaml:6:40 invalid-yaml there are more than 1000000 values, those that aliases repeat included
    images:
    ");
    assert_snapshot!(images(&"[".repeat(20_000)), @"
    images.yaml:1:256 invalid-yaml this is not YAML: recursion limit exceeded
    images:
    ");
    assert_snapshot!(images(&"- ".repeat(20_000)), @"
    images.yaml:1:201 invalid-yaml lists and mappings stand in each other deeper than the limit of 100
    images:
    ");
}

#[test]
fn values_cannot_break_out() {
    assert_snapshot!(images("\
- name: a
  repository: x/a
  rebuildDelay: \"30d\\n  source:\\n    repo: evil/repo\"
- name: b
  repository: \"x/b\\n\"
  source: {repo: x/b, branch: \"main\\n- run: evil\", dockerfile: \"a\\nb\", job: \"a\\nb\"}
"), @r#"
    images.yaml:3:17 invalid-value invalid delay: "30d\n  source:\n    repo: evil/repo" has the unknown unit "d\n  source:\n    repo: evil/repo" | expected numbers with units ms, s, m, h, d or w, such as 7d, 24h or 1d12h, at most ten years
    images.yaml:5:15 invalid-value invalid repository: not an image name: expected [registry/]path[:tag][@digest] | expected the name of an image without registry and tag, such as acme/storefront
    images.yaml:6:31 invalid-value invalid branch: "main\n- run: evil" | expected the name of a branch, such as main or release/1.2
    images.yaml:6:64 invalid-value invalid path: "a\nb" has a control character or a backslash | expected a path below the repository's root, such as apps/web/Dockerfile
    images.yaml:6:72 unused-key job has no effect with provider github | not used
    images.yaml:6:77 invalid-value invalid job | expected one line of 1 to 1,024 characters
    images: a
    "#);
}
