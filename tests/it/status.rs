//! `imgfac status`.

use insta::assert_snapshot;

use crate::shop::shop;

#[test]
fn the_fleet_is_a_table() {
    let sandbox = shop();
    assert_snapshot!(sandbox.run(&["-C", "factory", "status"]), @"
    exit 0
    --- stdout
    IMAGE  KIND      DISCOVERY  WAVE  VERSION  DELAY  STANDS ON
    base   managed   pending    1     -        7d
    redis  external  pending    -     -        7d
    web    managed   pending    1     -        1d
    --- stderr
    ");
    assert_eq!(sandbox.run(&["-C", "factory", "sync"]).code, 0);
    assert_snapshot!(sandbox.run(&["-C", "factory", "status"]), @"
    exit 0
    --- stdout
    IMAGE  KIND      DISCOVERY  WAVE  VERSION  DELAY  STANDS ON
    base   managed   success    1     -        7d     debian-12
    redis  external  external   -     -        7d
    web    managed   success    2     -        1d     base (ours), golang-1.24, node-22
    --- stderr
    ");
}

#[test]
fn one_image_is_shown_with_all_that_is_known() {
    let sandbox = shop();
    assert_eq!(sandbox.run(&["-C", "factory", "sync"]).code, 0);
    assert_snapshot!(sandbox.run(&["-C", "factory", "status", "web"]), @"
    exit 0
    --- stdout
    web  ghcr.io/acme/web
      kind        managed
      source      github.com/acme/shop main web/Dockerfile
      enrolled    2026-11-23T12:00:00Z
      discovery   success
      discovered  2026-11-23T12:00:00Z
      version     not known
      digest      not known
      built       not known
      rebuild     1d after a base update, by itself, criticality normal
      wave        2
      now         web is blocked: nobody has seen yet what node:22, ghcr.io/acme/base:1 points at.

    Stands on
      base         ours      ghcr.io/acme/base:1            digest not yet observed
      golang-1.24  upstream  docker.io/library/golang:1.24  digest not yet observed  not needed by its target
      node-22      upstream  docker.io/library/node:22      digest not yet observed
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["-C", "factory", "status", "web", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "name": "web",
      "kind": "managed",
      "image": "ghcr.io/acme/web",
      "discoveryStatus": "success",
      "discoveryError": null,
      "baseImages": [
        {
          "name": "golang-1.24",
          "reference": "docker.io/library/golang:1.24",
          "currentDigest": null,
          "lastError": null,
          "needed": false
        },
        {
          "name": "node-22",
          "reference": "docker.io/library/node:22",
          "currentDigest": null,
          "lastError": null,
          "needed": true
        }
      ],
      "managedBases": [
        {
          "name": "base",
          "reference": "ghcr.io/acme/base:1",
          "currentDigest": null,
          "lastError": null,
          "needed": true
        }
      ],
      "wave": 2,
      "circle": [],
      "currentVersion": null,
      "currentDigest": null,
      "availableVersions": [],
      "lastError": null,
      "observedTags": {},
      "lastBuilt": null,
      "rebuildDelay": "1d",
      "autoRebuild": true,
      "criticality": "normal",
      "source": "github.com/acme/shop main web/Dockerfile",
      "enrolledAt": "2026-11-23T12:00:00Z",
      "lastDiscovery": "2026-11-23T12:00:00Z",
      "lifecycle": [],
      "rebuild": {
        "status": "blocked",
        "reason": "not-observed",
        "says": "web is blocked: nobody has seen yet what node:22, ghcr.io/acme/base:1 points at.",
        "failures": 0,
        "alarming": false,
        "emergency": null,
        "history": []
      }
    }
    --- stderr
    "#);
    assert_snapshot!(sandbox.run(&["-C", "factory", "status", "redis"]), @"
    exit 0
    --- stdout
    redis  docker.io/library/redis
      kind       external
      enrolled   2026-11-23T12:00:00Z
      discovery  external
      version    not known
      digest     not known
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["-C", "factory", "status", "wab"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no image or base is called "wab"
    hint: did you mean "web"?
    "#);
}

#[test]
fn bases_are_shown_too() {
    let mut sandbox = shop();
    assert_eq!(sandbox.run(&["-C", "factory", "sync"]).code, 0);
    for (day, letter) in [("24", "a"), ("25", "b")] {
        sandbox.set_now(&format!("2026-11-{day}T12:00:00Z"));
        let digest = format!("sha256:{}", letter.repeat(64));
        let arguments = ["-C", "factory", "observe", "--base=node-22", "--digest"];
        let observed = sandbox.run(&[&arguments[..], &[&digest]].concat());
        assert_eq!(observed.code, 0, "{observed}");
    }
    let status = |arguments: &[&str]| {
        let outcome = sandbox.run(&[&["-C", "factory", "status"], arguments].concat());
        let mut text = outcome.to_string();
        for letter in ["a", "b"] {
            text = text.replace(&letter.repeat(64), letter);
        }
        text
    };
    assert_snapshot!(status(&["--bases"]), @"
    exit 0
    --- stdout
    BASE         IMAGE                          DIGEST                                                                   SINCE                 IMAGES  PROBLEM
    debian-12    docker.io/library/debian:12    -                                                                        -                     1
    golang-1.24  docker.io/library/golang:1.24  -                                                                        -                     1
    node-22      docker.io/library/node:22      sha256:b  2026-11-25T12:00:00Z  1
    --- stderr
    ");
    assert_snapshot!(status(&["node-22"]), @"
    exit 0
    --- stdout
    node-22  docker.io/library/node:22
      kind        base
      discovered  2026-11-23T12:00:00Z
      digest      sha256:b
      before      sha256:a
      changed     2026-11-25T12:00:00Z

    Images that stand on it
      web  built on sha256:a

    Digests, oldest first
      sha256:a  2026-11-24T12:00:00Z to 2026-11-25T12:00:00Z
      sha256:b  2026-11-25T12:00:00Z to 2026-11-25T12:00:00Z
    --- stderr
    ");
    assert_snapshot!(status(&["golang-1.24"]), @"
    exit 0
    --- stdout
    golang-1.24  docker.io/library/golang:1.24
      kind        base
      discovered  2026-11-23T12:00:00Z
      digest      not yet observed
      before      none is known
      changed     never seen to

    Images that stand on it
      web  not needed by its target
    --- stderr
    ");
    assert_snapshot!(status(&["node-22", "--format=json"]), @r#"
    exit 0
    --- stdout
    {
      "name": "node-22",
      "kind": "base",
      "image": "docker.io/library/node:22",
      "pinnedDigest": null,
      "currentDigest": "sha256:b",
      "previousDigest": "sha256:a",
      "firstDiscovered": "2026-11-23T12:00:00Z",
      "lastChecked": "2026-11-25T12:00:00Z",
      "lastUpdated": "2026-11-25T12:00:00Z",
      "lastError": null,
      "digests": [
        {
          "digest": "sha256:a",
          "firstSeen": "2026-11-24T12:00:00Z",
          "lastSeen": "2026-11-25T12:00:00Z",
          "pushed": null,
          "platforms": {}
        },
        {
          "digest": "sha256:b",
          "firstSeen": "2026-11-25T12:00:00Z",
          "lastSeen": "2026-11-25T12:00:00Z",
          "pushed": null,
          "platforms": {}
        }
      ],
      "dependents": [
        {
          "name": "web",
          "needed": true,
          "builtOn": "sha256:a"
        }
      ],
      "readable": true
    }
    --- stderr
    "#);
    assert!(status(&["--bases", "--format=json"]).contains("\"name\": \"debian-12\""));
    assert_snapshot!(status(&["--bases", "web"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no base is called "web"
    hint: imgfac status --bases lists them
    "#);
    assert_snapshot!(status(&["node-2"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no image or base is called "node-2"
    hint: did you mean "node-22"?
    "#);
    sandbox.write(
        "factory/state/base-images/node-22.yaml",
        "fullImage: node:22\nx: [\n",
    );
    assert_snapshot!(status(&["--bases"]).split("--- stderr").next().unwrap(), @"
    exit 3
    --- stdout
    BASE         IMAGE                          DIGEST  SINCE  IMAGES  PROBLEM
    debian-12    docker.io/library/debian:12    -       -      1
    golang-1.24  docker.io/library/golang:1.24  -       -      1
    node-22      docker.io/library/node:22      -       -      1       its state file cannot be used
    ");
}

#[test]
fn the_fleet_is_also_json() {
    let sandbox = shop();
    let outcome = sandbox.run(&["-C", "factory", "status", "--format", "json"]);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, ""),
        "{outcome}"
    );
    assert_eq!(
        outcome
            .stdout
            .matches("\"discoveryStatus\": \"pending\"")
            .count(),
        3,
        "{outcome}"
    );
    assert!(
        outcome.stdout.starts_with('[') && outcome.stdout.ends_with("]\n"),
        "{outcome}"
    );
}

#[test]
fn a_state_that_cannot_be_used_is_shown_as_such() {
    let sandbox = shop();
    sandbox.write("factory/state/images/web.yaml", "- a list\n");
    assert_snapshot!(sandbox.run(&["-C", "factory", "status"]), @"
    exit 3
    --- stdout
    IMAGE  KIND      DISCOVERY   WAVE  VERSION  DELAY  STANDS ON
    base   managed   pending     1     -        7d
    redis  external  pending     -     -        7d
    web    managed   unreadable  1     -        1d
    --- stderr
    error[unreadable-state]: state/images/web.yaml cannot be used: it is not a mapping of keys and values
     --> factory/state/images/web.yaml:1:1
      |
    1 | - a list
      | ^^^^^^^^
      |
      = help: mend or delete it; until then it is left as it is
    ");
}

/// An image on node, whose update has waited long enough.
fn due() -> imgfac_tests::Plant {
    let image = imgfac_tests::Built {
        name: "web",
        dockerfile: "FROM REGISTRY/lib/node:22\n",
        ..imgfac_tests::Built::default()
    };
    let mut plant = crate::plant(false, &[image], "");
    plant.moves("lib/node:22", "first");
    plant.moves("lib/node:22", "second");
    plant.pass("7d");
    plant
}

#[test]
fn rebuilds_are_shown_with_what_became_of_them() {
    let mut plant = due();
    plant.good(&["rebuild", "--due"]);
    assert_snapshot!(plant.run(&["status"]).stdout, @"
    IMAGE  KIND     DISCOVERY  WAVE  VERSION  DELAY  REBUILD    STANDS ON
    web    managed  success    1     -        7d     under way  REGISTRY-lib-node-22
    ");
    assert_snapshot!(plant.run(&["status", "web"]).stdout, @r#"
    web  REGISTRY/acme/web
      kind        managed
      source      GITHUB/acme/shop main web/Dockerfile
      enrolled    2026-11-01T00:00:00Z
      discovery   success
      discovered  2026-11-01T00:00:00Z
      version     not known
      digest      not known
      built       not known
      rebuild     7d after a base update, by itself, criticality normal
      wave        1
      now         web is being rebuilt since 2026-11-08T00:00:00Z ("http://GITHUB/acme/shop/actions/runs/1000").

    Stands on
      REGISTRY-lib-node-22  upstream  REGISTRY/lib/node:22  DIGEST

    Rebuilds, newest first
      2026-11-08T00:00:00Z  running  -  base-update: REGISTRY/lib/node:22  http://GITHUB/acme/shop/actions/runs/1000
    "#);
    for wait in ["10m", "10m", "1m"] {
        plant.ends("web", "failure");
        plant.pass(wait);
        assert_eq!(plant.due().code, 3);
    }
    assert_snapshot!(plant.run(&["status"]).stdout, @"
    IMAGE  KIND     DISCOVERY  WAVE  VERSION  DELAY  REBUILD         STANDS ON
    web    managed  success    1     -        7d     failed 3 times  REGISTRY-lib-node-22
    ");
    let asked = [
        "rebuild",
        "web",
        "--emergency",
        "--reason=RCE",
        "--cve=CVE-2026-12345",
        "--yes",
    ];
    plant.good(&asked);
    assert_snapshot!(plant.run(&["status", "web"]).stdout, @r#"
    web  REGISTRY/acme/web
      kind        managed
      source      GITHUB/acme/shop main web/Dockerfile
      enrolled    2026-11-01T00:00:00Z
      discovery   success
      discovered  2026-11-01T00:00:00Z
      version     not known
      digest      not known
      built       not known
      rebuild     7d after a base update, by itself, criticality normal
      wave        1
      now         web is being rebuilt since 2026-11-08T00:21:00Z ("http://GITHUB/acme/shop/actions/runs/1003").
      failures    3 times in a row, which somebody should look at
      emergency   asked for at 2026-11-08T00:21:00Z: RCE (CVE-2026-12345)

    Stands on
      REGISTRY-lib-node-22  upstream  REGISTRY/lib/node:22  DIGEST

    Rebuilds, newest first
      2026-11-08T00:21:00Z  running  -   emergency: REGISTRY/lib/node:22    http://GITHUB/acme/shop/actions/runs/1003
      2026-11-08T00:20:00Z  failure  0s  retry: REGISTRY/lib/node:22        http://GITHUB/acme/shop/actions/runs/1002  its run ended with failure
      2026-11-08T00:10:00Z  failure  0s  retry: REGISTRY/lib/node:22        http://GITHUB/acme/shop/actions/runs/1001  its run ended with failure
      2026-11-08T00:00:00Z  failure  0s  base-update: REGISTRY/lib/node:22  http://GITHUB/acme/shop/actions/runs/1000  its run ended with failure
    "#);
    let json = plant.run(&["status", "web", "--format", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rebuild = &json["rebuild"];
    assert_eq!(rebuild["emergency"]["reason"], "RCE");
    assert_eq!(
        (&rebuild["failures"], &rebuild["alarming"]),
        (&3.into(), &true.into())
    );
    let outcomes = rebuild["history"].as_array().unwrap().iter();
    let outcomes: Vec<_> = outcomes.map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["running", "failure", "failure", "failure"]);
}
