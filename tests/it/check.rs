//! `imgfac check`.

use insta::assert_snapshot;

use crate::shop::shop;

const CHECK: [&str; 3] = ["-C", "factory", "check"];

#[test]
fn a_good_factory_is_ok() {
    let sandbox = shop();
    assert_snapshot!(sandbox.run(&CHECK), @"
    exit 0
    --- stdout
    ok: 3 images, no mistakes
    --- stderr
    ");
    assert_eq!(sandbox.run(&["-C", "factory", "check", "-q"]).stdout, "");
    assert_snapshot!(sandbox.run(&["-C", "factory", "check", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "images": 3,
      "errors": 0,
      "warnings": 0,
      "diagnostics": []
    }
    --- stderr
    "#);
}

#[test]
fn a_warning_does_not_fail_it() {
    let sandbox = shop();
    sandbox.edit(
        "factory/images.yaml",
        "  rebuildDelay: 1d\n",
        "  owner: team-a\n",
    );
    assert_snapshot!(sandbox.run(&CHECK), @r#"
    exit 0
    --- stdout
    ok: 3 images, no mistakes, 1 warning
    --- stderr
    warning[legacy-key]: "owner" is a key of the predecessor: it is kept in state, but has no effect
     --> factory/images.yaml:9:3
      |
    9 |   owner: team-a
      |   ^^^^^ no effect
    "#);
}

#[test]
fn mistakes_of_all_files_are_found_at_once() {
    let sandbox = shop();
    sandbox.edit(
        "factory/images.yaml",
        "rebuildDelay: 1d",
        "rebuildDelai: 1d",
    );
    sandbox.write(
        "factory/images.d/team.yaml",
        "- {name: web, repository: x/y}\n",
    );
    sandbox.write("factory/imgfac.yaml", "namespace: A\n");
    sandbox.write("factory/state/images/web.yaml", "baseImages: 1\n");
    assert_snapshot!(sandbox.run(&CHECK), @r#"
    exit 1
    --- stdout
    --- stderr
    error[invalid-value]: invalid namespace: "A"
     --> factory/imgfac.yaml:1:12
      |
    1 | namespace: A
      |            ^ expected 1 to 63 lower-case letters, digits and "-", with a letter or digit at both ends

    error[unknown-key]: unknown key "rebuildDelai" in this entry
     --> factory/images.yaml:9:3
      |
    9 |   rebuildDelai: 1d
      |   ^^^^^^^^^^^^ nothing reads this key
      |
      = help: did you mean "rebuildDelay"?

    error[duplicate-name]: two images are called "web"
     --> factory/images.d/team.yaml:1:10
      |
    1 | - {name: web, repository: x/y}
      |          ^^^ this name is taken
      |
     ::: factory/images.yaml:5:9
      |
    5 | - name: web
      |         --- first used here
      |
      = help: names are unique across images.yaml and images.d

    error[unreadable-state]: state/images/web.yaml cannot be used: baseImages is not a list
     --> factory/state/images/web.yaml:1:13
      |
    1 | baseImages: 1
      |             ^
      |
      = help: mend or delete it; until then it is left as it is

    error: 4 errors in factory
    "#);
    let json = sandbox.run(&["-C", "factory", "check", "--format", "json"]);
    assert_eq!((json.code, json.stderr.as_str()), (1, ""), "{json}");
    assert_snapshot!(json.stdout, @r#"
    {
      "images": 3,
      "errors": 4,
      "warnings": 0,
      "diagnostics": [
        {
          "code": "invalid-value",
          "severity": "error",
          "message": "invalid namespace: \"A\"",
          "file": "imgfac.yaml",
          "line": 1,
          "column": 12,
          "endLine": 1,
          "endColumn": 13,
          "expected": "expected 1 to 63 lower-case letters, digits and \"-\", with a letter or digit at both ends",
          "help": null,
          "suggestion": null,
          "related": []
        },
        {
          "code": "unknown-key",
          "severity": "error",
          "message": "unknown key \"rebuildDelai\" in this entry",
          "file": "images.yaml",
          "line": 9,
          "column": 3,
          "endLine": 9,
          "endColumn": 15,
          "expected": "nothing reads this key",
          "help": "did you mean \"rebuildDelay\"?",
          "suggestion": "rebuildDelay",
          "related": []
        },
        {
          "code": "duplicate-name",
          "severity": "error",
          "message": "two images are called \"web\"",
          "file": "images.d/team.yaml",
          "line": 1,
          "column": 10,
          "endLine": 1,
          "endColumn": 13,
          "expected": "this name is taken",
          "help": "names are unique across images.yaml and images.d",
          "suggestion": null,
          "related": [
            {
              "file": "images.yaml",
              "line": 5,
              "column": 9,
              "message": "first used here"
            }
          ]
        },
        {
          "code": "unreadable-state",
          "severity": "error",
          "message": "state/images/web.yaml cannot be used: baseImages is not a list",
          "file": "state/images/web.yaml",
          "line": 1,
          "column": 13,
          "endLine": 1,
          "endColumn": 14,
          "expected": "",
          "help": "mend or delete it; until then it is left as it is",
          "suggestion": null,
          "related": []
        }
      ]
    }
    "#);
}

#[test]
fn what_is_no_factory_is_refused() {
    let sandbox = shop();
    assert_snapshot!(sandbox.run(&["-C", "shop", "check"]), @"
    exit 1
    --- stdout
    --- stderr
    error: shop has no images.yaml: it is not a factory directory
    hint: name the factory directory with -C DIR, or make one with: imgfac init
    ");
    assert_snapshot!(sandbox.run(&["-C", "nowhere", "check"]), @"
    exit 1
    --- stdout
    --- stderr
    error: cannot open the factory directory nowhere: No such file or directory (os error 2)
    hint: name the factory directory with -C DIR, or make one with: imgfac init
    ");
    assert_snapshot!(sandbox.run(&["-C", "factory/images.yaml", "check"]), @"
    exit 1
    --- stdout
    --- stderr
    error: cannot open the factory directory factory/images.yaml: Not a directory (os error 20)
    hint: name the factory directory with -C DIR, or make one with: imgfac init
    ");
}

#[test]
fn a_list_of_what_was_told_that_cannot_be_used_is_a_warning() {
    let sandbox = crate::sandbox();
    sandbox.write("images.yaml", "[]\n");
    sandbox.write("state/notifications.yaml", "ops: told\n");
    assert_snapshot!(sandbox.run(&["check"]), @"
    exit 0
    --- stdout
    ok: 0 images, no mistakes, 1 warning
    --- stderr
    warning[unreadable-state]: state/notifications.yaml cannot be used: ops is not a mapping
     --> state/notifications.yaml:1:6
      |
    1 | ops: told
      |      ^^^^
      |
      = help: whatever is the case is told once more, and takes its place
    ");
}
