//! Digests that a cluster saw, recorded by `observe`.

use imgfac_tests::Sandbox;
use insta::assert_snapshot;

const IMAGES: &str = "- {name: web, registry: ghcr.io, repository: acme/web, source: {provider: github, repo: acme/state, dockerfile: web/Dockerfile}}\n";
const SETTINGS: &str =
    "stateRepository: {url: https://github.com/acme/state.git, branch: main, path: factory}\n";

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

/// A remote `acme/state` with a factory that has been analysed.
fn sandbox() -> Sandbox {
    let sandbox = crate::sandbox();
    sandbox.redirect_github();
    sandbox.remote(
        "acme/state",
        &[
            ("factory/images.yaml", IMAGES),
            ("factory/imgfac.yaml", SETTINGS),
            ("web/Dockerfile", "FROM node:22\n"),
        ],
    );
    let address = "https://github.com/acme/state.git";
    sandbox.git(".", &["clone", "--quiet", address, "work"]);
    let synced = sandbox.run(&["sync", "-C", "work/factory", "--push"]);
    assert_eq!(synced.code, 0, "{synced}");
    sandbox
}

/// The arguments of the job that the manifests start for a base, as Argo Rollouts fills them in.
fn job(sandbox: &Sandbox, base: &str, digest: &str) -> Vec<String> {
    let manifests = sandbox.read("work/factory/dist/image-factory.k8s.yaml");
    let document = |what: &[&str]| {
        let found = |document: &&str| what.iter().all(|line| document.contains(line));
        manifests.split("\n---\n").find(found).unwrap().to_owned()
    };
    let template = document(&["kind: AnalysisTemplate", "name: imgfac-observe\n"]);
    let stage = document(&["kind: Stage", &format!("name: record-{base}\n")]);
    let values: Vec<(&str, &str)> = stage
        .split_once("verification:")
        .unwrap()
        .1
        .split("- name: ")
        .skip(2)
        .filter_map(|argument| argument.trim().split_once('\n'))
        .map(|(name, value)| (name, value.trim().trim_start_matches("value: ")))
        .collect();
    let arguments = template
        .lines()
        .skip_while(|line| {
            !line.trim().starts_with("args:") || !line.starts_with("                ")
        })
        .skip(1)
        .map_while(|line| line.trim().strip_prefix("- "));
    arguments
        .map(|argument| {
            let argument = argument.trim_matches(['"', '\'']);
            let Some((flag, _)) = argument.split_once('=') else {
                return argument.to_owned();
            };
            let name = flag.trim_start_matches('-');
            let (_, value) = values.iter().find(|(known, _)| *known == name).unwrap();
            // The expressions of Kargo: a quoted text, and the digest of the Freight.
            let value = match name {
                "digest" => digest,
                _ => value.split('"').nth(1).unwrap_or(value),
            };
            format!("{flag}={value}")
        })
        .collect()
}

#[test]
fn the_job_of_the_manifests_records_digests() {
    let sandbox = sandbox();
    let record = |letter: &str| {
        let arguments = job(&sandbox, "node-22", &digest(letter));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let outcome = crate::git::shortened(sandbox.run(&arguments));
        format!("{}\n{outcome}", arguments.join(" "))
    };
    assert_snapshot!(record("a"), @"
    observe --commit --push --base=node-22 --digest=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --git-repo=https://github.com/acme/state.git --git-branch=main --image-factory-dir=factory
    exit 0
    --- stdout
      changed  base  node-22  first seen at sha256:COMMIT

    Wrote 1 file: state/base-images/node-22.yaml
    Pushed COMMIT to main of https://github.com/acme/state.git
    --- stderr
    ");
    assert_snapshot!(record("a"), @"
    observe --commit --push --base=node-22 --digest=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --git-repo=https://github.com/acme/state.git --git-branch=main --image-factory-dir=factory
    exit 0
    --- stdout
    Nothing changed, nothing written.
    --- stderr
    ");
    assert_snapshot!(record("b"), @"
    observe --commit --push --base=node-22 --digest=sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb --git-repo=https://github.com/acme/state.git --git-branch=main --image-factory-dir=factory
    exit 0
    --- stdout
      changed  base  node-22  moved from sha256:COMMIT to sha256:COMMIT; images that count as built on the old one: 1

    Wrote 2 files: state/base-images/node-22.yaml, state/images/web.yaml
    Pushed COMMIT to main of https://github.com/acme/state.git
    --- stderr
    ");
    sandbox.git("work", &["pull", "--quiet"]);
    let state = sandbox.read("work/factory/state/base-images/node-22.yaml");
    assert!(
        state.contains(&format!("previousDigest: {}\n", digest("a"))),
        "{state}"
    );
    let message = sandbox.git("work", &["log", "-1", "--format=%B"]);
    assert_snapshot!(message.replace(&digest("a"), "a").replace(&digest("b"), "b"), @"
    imgfac: node-22 moved from a to b

    - base node-22: changed; moved from a to b; images that count as built on the old one: 1

    Imgfac-Command: observe
    Imgfac-Version: 0.1.0
    ");
}

#[test]
fn what_cannot_be_recorded_is_told() {
    let sandbox = sandbox();
    let observe = |base: &str, digest: &str| {
        let arguments = [
            "observe",
            "-C",
            "work/factory",
            "--base",
            base,
            "--digest",
            digest,
        ];
        sandbox.run(&arguments).to_string()
    };
    assert_snapshot!(observe("node-2", &digest("a")), @r#"
    exit 1
    --- stdout
    --- stderr
    error: no base is called "node-2"
    hint: did you mean "node-22"?
    "#);
    assert_snapshot!(observe("../x", &digest("a")), @r#"
    exit 2
    --- stdout
    --- stderr
    error: invalid value '../x' for '--base <NAME>': invalid base name: "../x"; expected the name of one file, without "/", control characters or a leading "."

    For more information, try '--help'.
    "#);
    assert_snapshot!(observe("node-22", "latest"), @r#"
    exit 2
    --- stdout
    --- stderr
    error: invalid value 'latest' for '--digest <DIGEST>': not a digest: expected an algorithm, ":" and hexadecimal digits

    For more information, try '--help'.
    "#);
    sandbox.write(
        "work/factory/state/base-images/node-22.yaml",
        "fullImage: [",
    );
    assert_snapshot!(observe("node-22", &digest("a")), @"
    exit 1
    --- stdout
    --- stderr
    error: state/base-images/node-22.yaml cannot be used: this is not YAML: unclosed bracket '['
    hint: mend or delete it
    ");
    assert_eq!(
        sandbox.read("work/factory/state/base-images/node-22.yaml"),
        "fullImage: ["
    );
}
