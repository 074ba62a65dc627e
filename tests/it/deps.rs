//! `imgfac deps`.

use std::io::Write;
use std::process::Stdio;

use imgfac_tests::Sandbox;
use insta::assert_snapshot;

use crate::sandbox;
use crate::shop::shop;

#[test]
fn the_images_of_a_dockerfile_are_listed() {
    let sandbox = shop();
    assert_snapshot!(sandbox.run(&["deps", "shop/web/Dockerfile"]), @"
    exit 0
    --- stdout
    shop/web/Dockerfile
      docker.io/library/node:20      from  line 2
      docker.io/library/golang:1.24  from  line 3  not needed by the target
      ghcr.io/acme/base:1            from  line 4
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["deps", "shop/web/Dockerfile", "--build-arg", "NODE=24", "--target", "build", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {"path":"shop/web/Dockerfile","images":[{"reference":"docker.io/library/node:24","raw":"node:${NODE}","role":"from","line":2,"reachable":true},{"reference":"docker.io/library/golang:1.24","raw":"golang:1.24","role":"from","line":3,"reachable":false},{"reference":"ghcr.io/acme/base:1","raw":"ghcr.io/acme/base:1","role":"from","line":4,"reachable":false}],"syntax":null,"error":null}
    --- stderr
    "#);
}

#[test]
fn a_folder_stands_for_the_dockerfiles_below_it() {
    let sandbox = shop();
    sandbox.write("shop/api.Dockerfile", "FROM scratch\n");
    sandbox.write("shop/web/Dockerfile.dockerignore", "*\n");
    sandbox.write("shop/node_modules/x/Dockerfile", "FROM never:1\n");
    assert_snapshot!(sandbox.run(&["deps", "shop"]), @"
    exit 0
    --- stdout
    shop/api.Dockerfile
      no external image
    shop/base/Dockerfile
      docker.io/library/debian:12  from  line 1
    shop/web/Dockerfile
      docker.io/library/node:20      from  line 2
      docker.io/library/golang:1.24  from  line 3  not needed by the target
      ghcr.io/acme/base:1            from  line 4
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["deps", "factory"]), @"
    exit 0
    --- stdout
    --- stderr
    no Dockerfile found
    ");
}

#[test]
fn one_file_that_fails_does_not_stop_the_others() {
    let sandbox = sandbox();
    sandbox.write("a", "FROM node:22\n");
    sandbox.write("b", "FROM\n");
    assert_snapshot!(sandbox.run(&["deps", "a", "b", "missing"]), @"
    exit 3
    --- stdout
    a
      docker.io/library/node:22  from  line 1
    b
      error: line 1, column 1: dockerfile parse error on line 1: FROM requires either one or three arguments
    missing
      error: No such file or directory (os error 2)
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["deps", "--format", "json", "b", "missing", "a"]), @r#"
    exit 3
    --- stdout
    {"path":"b","images":[],"syntax":null,"error":{"message":"dockerfile parse error on line 1: FROM requires either one or three arguments","line":1,"column":1}}
    {"path":"missing","images":[],"syntax":null,"error":{"message":"No such file or directory (os error 2)","line":0,"column":0}}
    {"path":"a","images":[{"reference":"docker.io/library/node:22","raw":"node:22","role":"from","line":1,"reachable":true}],"syntax":null,"error":null}
    --- stderr
    "#);
}

#[test]
fn standard_input_is_a_dockerfile_too() {
    let sandbox = sandbox();
    assert_snapshot!(pipe(&sandbox, "FROM --platform=$TARGETPLATFORM node-$TARGETARCH:22\n", &["deps", "-", "--platform", "linux/arm64"]), @"
    -
      docker.io/library/node-arm64:22  from  line 1
    ");
}

fn pipe(sandbox: &Sandbox, input: &str, arguments: &[&str]) -> String {
    let mut child = sandbox
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut stdin = child.stdin.take().expect("it has an input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn build_arguments_may_come_from_the_environment() {
    let sandbox = sandbox();
    sandbox.write("a", "ARG V\nFROM node:$V\n");
    let arguments = ["deps", "a", "--build-arg", "V"];
    assert_snapshot!(sandbox.run(&arguments), @"
    exit 2
    --- stdout
    --- stderr
    error: invalid value 'V' for '--build-arg <KEY=VALUE>': write V=VALUE, or set V in the environment

    For more information, try '--help'.
    ");
    let outcome = sandbox.run_command(sandbox.command(&arguments).env("V", "22"));
    assert_snapshot!(outcome, @"
    exit 0
    --- stdout
    a
      docker.io/library/node:22  from  line 2
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["deps", "a", "--platform", "x"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: invalid value 'x' for '--platform <OS/ARCH>': invalid platform: "x"; expected os/arch or os/arch/variant, such as linux/amd64 or linux/arm/v7

    For more information, try '--help'.
    "#);
    assert_snapshot!(sandbox.run(&["deps"]), @"
    exit 2
    --- stdout
    --- stderr
    error: the following required arguments were not provided:
      <PATH>...

    Usage: imgfac-under-test deps <PATH>...

    For more information, try '--help'.
    ");
}
