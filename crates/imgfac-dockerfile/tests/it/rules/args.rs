//! The variables that a `FROM` sees.

use super::{check, check_with};

#[test]
fn some_variables_are_there_already() {
    check(
        "FROM a:$TARGETARCH-$TARGETOS-$BUILDARCH-$BUILDOS\n",
        "a:amd64-linux-amd64-linux",
    );
    check(
        "FROM a:x$TARGETVARIANT$BUILDVARIANT$TARGETOSVERSION$BUILDOSVERSION\n",
        "a:x",
    );
    check("FROM $TARGETPLATFORM\n", "linux/amd64:latest");
    check("FROM $BUILDPLATFORM\n", "linux/amd64:latest");
    check("FROM a:${TARGETVARIANT-unset}x\n", "a:x");
    check("FROM a:$TARGETSTAGE\n", "a:default");
    check("FROM a:$TARGETSTAGE\nFROM b AS c\n", "~a:c b:latest");
    check_with(
        "FROM a:$TARGETSTAGE AS x\nFROM b AS c\n",
        &[],
        Some("X"),
        None,
        "a:X ~b:latest",
    );
    check_with(
        "FROM a:$TARGETSTAGE AS x\nFROM b AS c\n",
        &[],
        Some(""),
        None,
        "~a:c b:latest",
    );
    check_with(
        "FROM a:$TARGETARCH$TARGETVARIANT-$BUILDARCH\n",
        &[],
        None,
        Some("linux/arm/v7"),
        "a:armv7-amd64",
    );
    check_with(
        "FROM $TARGETPLATFORM\n",
        &[],
        None,
        Some("linux/aarch64"),
        "linux/arm64:latest",
    );
    check_with(
        "FROM a:$TARGETOS-$TARGETOSVERSION\n",
        &[],
        None,
        Some("windows(10.0.1)/amd64"),
        "a:windows-10.0.1",
    );
    check_with("FROM a\n", &[], None, Some("linux/a/b/c"), "resolve");
    check("ARG SOURCE_DATE_EPOCH=1\nFROM a\n", "a:latest");
    check("ARG SOURCE_DATE_EPOCH=x\nFROM a\n", "arg");
    check_with("FROM a\n", &[("SOURCE_DATE_EPOCH", "x")], None, None, "arg");
}

#[test]
fn args_are_evaluated_in_order() {
    check("ARG A=1\nARG B=$A\nARG A=2\nFROM a:$A-$B\n", "a:2-1");
    check("ARG B=x$A\nARG A=1\nFROM a:$B\n", "a:x");
    check("ARG A=1\nARG A\nFROM a:$A\n", "a:1");
    check("ARG A\nFROM a:x$A\n", "a:x");
    check("ARG A=1 B=${A}2\nFROM a:$B\n", "a:12");
    check("ARG TARGETARCH=x\nFROM a:$TARGETARCH\n", "a:x");
    check("ARG TARGETARCH\nFROM a:$TARGETARCH\n", "a:amd64");
    check("ARG A=1\nARG A=${A}2\nFROM a:$A\n", "a:12");
    check("ARG A=b\nFROM $A\nARG A=c\nFROM $A\n", "b:latest");
}

#[test]
fn no_stage_changes_what_from_sees() {
    check("FROM a\nARG B=c\nFROM $B\n", "resolve, line 3");
    check(
        "ARG B=c\nFROM a\nARG B=d\nENV B=e\nFROM $B\n",
        "~a:latest c:latest",
    );
    check("FROM a\nENV B=c\nFROM x:${B:-d}\n", "~a:latest x:d");
}

#[test]
fn build_arguments_replace_defaults() {
    check_with("ARG A=1\nFROM a:$A\n", &[("A", "2")], None, None, "a:2");
    check_with("ARG A\nFROM a:$A\n", &[("A", "2")], None, None, "a:2");
    check_with("FROM a:x$A\n", &[("A", "2")], None, None, "a:x");
    check_with("ARG A=1\nFROM a:x$A\n", &[("A", "")], None, None, "a:x");
    check_with(
        "ARG A=1\nFROM a:$A\n",
        &[("A", "$B")],
        None,
        None,
        "resolve",
    );
    check_with(
        "FROM a:$TARGETARCH\n",
        &[("TARGETARCH", "x")],
        None,
        None,
        "a:x",
    );
    check_with(
        "ARG TARGETARCH=y\nFROM a:$TARGETARCH\n",
        &[("TARGETARCH", "x")],
        None,
        None,
        "a:x",
    );
    check_with("ARG A=$\nFROM a:$A\n", &[("A", "1")], None, None, "a:1");
    check_with("ARG A=${\nFROM a\n", &[("A", "1")], None, None, "a:latest");
    check("ARG A=${\nFROM a\n", "arg, line 1");
    check("ARG A='\nFROM a\n", "arg, line 1");
}
