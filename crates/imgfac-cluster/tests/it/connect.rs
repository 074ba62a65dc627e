//! Kubeconfigs.

use std::fs;
use std::path::{Path, PathBuf};

use imgfac_cluster::{Access, Options, connect};
use insta::assert_snapshot;

const TOKEN: &str = "s3cr3t-t0ken";

fn kubeconfig(current: &str, user: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: {current}
clusters:
- name: east
  cluster: {{server: 'https://127.0.0.1:1'}}
- name: odd
  cluster: {{server: 'https://127.0.0.1:1', certificate-authority: missing.pem}}
contexts:
- name: prod
  context: {{cluster: east, user: ci}}
- name: odd
  context: {{cluster: odd, user: ci}}
- name: nowhere
  context: {{cluster: west, user: ci}}
users:
- name: ci
  user: {user}
"
    )
}

/// Connects with some files; gives the error and its remedy, without the folder's name.
fn check(files: &[(&str, String)], context: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    for (name, text) in files {
        fs::write(path(name), text).unwrap();
    }
    let access = Access {
        files: files.iter().map(|(name, _)| path(name)).collect(),
        context: context.map(str::to_owned),
        in_pod: false,
    };
    let told = told(&access);
    hide(&told, folder.path())
}

fn told(access: &Access) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let told = match runtime.block_on(connect(access, Options::default())) {
        Ok(_) => "connected".to_owned(),
        Err(error) => {
            let told = format!("{error}\nhint: {}", error.remedy().unwrap_or_default());
            assert!(!format!("{error:?}").contains(TOKEN), "{error:?}");
            told
        }
    };
    assert!(!told.contains(TOKEN), "{told}");
    told
}

fn hide(text: &str, folder: &Path) -> String {
    text.replace(&folder.display().to_string(), "$DIR")
}

fn one(current: &str, user: &str) -> [(&'static str, String); 1] {
    [("config", kubeconfig(current, user))]
}

fn token() -> String {
    format!("{{token: {TOKEN}}}")
}

#[test]
fn the_current_context_and_the_chosen_one_are_used() {
    assert_eq!(check(&one("prod", &token()), None), "connected");
    assert_eq!(check(&one("''", &token()), Some("prod")), "connected");
}

#[test]
fn a_missing_context_is_named_with_those_there_are() {
    assert_snapshot!(check(&one("prod", &token()), Some("staging")), @r#"
    the kubeconfig $DIR/config has no context "staging"
    hint: choose one with --context: prod, odd, nowhere
    "#);
    assert_snapshot!(check(&one("''", &token()), None), @"
    the kubeconfig $DIR/config has no current context
    hint: choose one with --context: prod, odd, nowhere
    ");
}

#[test]
fn what_a_context_points_to_is_checked() {
    assert_snapshot!(check(&one("nowhere", &token()), None), @r#"
    cannot use context "nowhere" of the kubeconfig $DIR/config: there is no cluster "west"
    hint: kubectl with the same --context shows whether it works
    "#);
    assert_snapshot!(check(&one("odd", &token()), None), @r#"
    cannot use context "odd" of the kubeconfig $DIR/config: the certificate authority cannot be read from $DIR/missing.pem: No such file or directory (os error 2)
    hint: kubectl with the same --context shows whether it works
    "#);
}

#[test]
fn a_file_that_is_no_kubeconfig_is_named_without_its_text() {
    let broken =
        format!("apiVersion: v1\nusers:\n- name: ci\n  user: {{token: {TOKEN}\n  x: [{TOKEN}");
    assert_snapshot!(check(&[("config", broken)], None), @"
    $DIR/config is no kubeconfig: line 5
    hint: KUBECONFIG should name a file that kubectl can read
    ");
    let typed = format!("apiVersion: v1\nclusters: {TOKEN}\n");
    assert_snapshot!(check(&[("config", typed)], None), @"
    $DIR/config is no kubeconfig: line 2
    hint: KUBECONFIG should name a file that kubectl can read
    ");
}

#[test]
#[cfg(unix)]
fn a_device_without_an_end_is_not_read() {
    let access = Access {
        files: vec!["/dev/zero".into()],
        ..Access::default()
    };
    assert_snapshot!(told(&access), @r#"
    cannot read the kubeconfig /dev/zero: this is no regular file
    hint: KUBECONFIG should name a file that kubectl can read
    "#);
}

#[test]
fn files_are_merged_and_missing_ones_skipped() {
    let [(_, text)] = one("prod", &token());
    let users = format!(
        "apiVersion: v1\nkind: Config\nusers:\n- name: ci\n  user: {}\n",
        token()
    );
    let without = text.split("users:").next().unwrap().to_owned();
    assert_eq!(check(&[("a", without), ("b", users)], None), "connected");
    let access = Access {
        files: vec!["/nonexistent/a".into(), "/nonexistent/b".into()],
        ..Access::default()
    };
    assert_snapshot!(told(&access), @"
    there is no kubeconfig /nonexistent/a, /nonexistent/b
    hint: KUBECONFIG should name an existing file
    ");
}

#[test]
fn without_any_cluster_the_ways_are_named() {
    assert_snapshot!(told(&Access::default()), @"
    no cluster is configured: KUBECONFIG is not set, there is no ~/.kube/config, and this is no pod
    hint: name a kubeconfig with KUBECONFIG=FILE
    ");
}

#[test]
fn the_output_of_a_plugin_is_not_repeated() {
    let exec = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never, args: [-c, 'echo {TOKEN}; exit 3']}}}}"
    );
    assert_snapshot!(check(&one("prod", &exec), None), @r#"
    cannot use context "prod" of the kubeconfig $DIR/config: the login plugin failed: exit status: 3
    hint: kubectl with the same --context shows whether it works
    "#);
    let nonsense = exec.replace("exit 3", "exit 0");
    assert_snapshot!(check(&one("prod", &nonsense), None), @r#"
    cannot use context "prod" of the kubeconfig $DIR/config: the answer of the login plugin cannot be read
    hint: kubectl with the same --context shows whether it works
    "#);
    let missing = exec.replace("command: sh", "command: no-such-plugin");
    assert_snapshot!(check(&one("prod", &missing), None), @r#"
    cannot use context "prod" of the kubeconfig $DIR/config: the login plugin cannot be started: No such file or directory (os error 2)
    hint: kubectl with the same --context shows whether it works
    "#);
}

#[test]
fn a_token_file_that_is_missing_is_named() {
    assert_snapshot!(check(&one("prod", "{tokenFile: /nonexistent/token}"), None), @r#"
    cannot use context "prod" of the kubeconfig $DIR/config: cannot read /nonexistent/token: No such file or directory (os error 2)
    hint: kubectl with the same --context shows whether it works
    "#);
}
