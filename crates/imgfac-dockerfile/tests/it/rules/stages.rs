//! Stages, sources and triggers.

use super::{check, check_with};

#[test]
fn a_base_must_not_be_blank() {
    check("FROM $A\n", "resolve, line 1");
    check("FROM ''\n", "resolve, line 1");
    check("FROM ${A:-}\nFROM b\n", "resolve, line 1");
    check("FROM --platform=$A b\n", "resolve, line 1");
    check("FROM --platform= b\n", "b:latest");
    check("FROM --platform=x b\n", "resolve, line 1");
    check("FROM --platform=linux/amd64/v1/x b\n", "resolve, line 1");
    check("FROM --platform=${TARGETOS}/${TARGETARCH} b\n", "b:latest");
    check("FROM --platform=arm64 b\n", "b:latest");
    check(
        "FROM --platform=$BUILDPLATFORM b AS c\nFROM c\n",
        "b:latest",
    );
}

#[test]
fn a_base_is_an_earlier_stage() {
    check("FROM a AS b\nFROM b\n", "a:latest");
    check("FROM b\nFROM a AS b\n", "~b:latest a:latest");
    check("FROM a AS b\nFROM c AS b\nFROM b\n", "~a:latest c:latest");
    check("FROM a AS B\nFROM B\n", "resolve");
    check("FROM a AS B\nFROM b\n", "a:latest");
    check("FROM a AS b\nFROM b:latest\n", "~a:latest b:latest");
    check("FROM a\nFROM 0\n", "~a:latest 0:latest");
    check("ARG B=b\nFROM a AS b\nFROM $B\n", "a:latest");
    check("FROM a AS a\nFROM a\n", "a:latest");
    check("FROM a AS scratch\nFROM scratch\n", "a:latest");
}

#[test]
fn scratch_is_no_image() {
    check("FROM scratch\n", "");
    check("FROM scratch:latest\n", "scratch:latest");
    check("FROM docker.io/library/scratch\n", "scratch:latest");
    check("FROM Scratch\n", "resolve");
    check("FROM ${A:-scratch}\n", "");
    check(
        "FROM scratch\nCOPY --from=scratch a b\nRUN --mount=from=scratch,target=/x y\n",
        "",
    );
}

#[test]
fn a_copy_names_a_stage_or_an_image() {
    check(
        "FROM a AS b\nFROM c\nCOPY --from=b d e\n",
        "a:latest c:latest",
    );
    check(
        "FROM a AS b\nFROM c\nCOPY --from=B d e\n",
        "a:latest c:latest",
    );
    check("FROM a\nCOPY --from=b:1 d e\n", "a:latest b:1");
    check("FROM a\nCOPY --from= d e\n", "a:latest");
    check("FROM a\nCOPY --from=$B d e\n", "resolve");
    check("FROM a\nCOPY --from=b\\\\c d e\n", "resolve");
    check("FROM a\nCOPY --from='\"b\"' d e\n", "resolve");
    check("FROM a\nCOPY --from=B d e\n", "resolve");
    check(
        "FROM a AS b\nFROM c AS b\nFROM d\nCOPY --from=b e f\n",
        "~a:latest c:latest d:latest",
    );
    check("FROM a\nCOPY --from=b$ d e\n", "resolve");
}

#[test]
fn a_copy_may_count_stages() {
    check("FROM a\nFROM b\nCOPY --from=0 c d\n", "a:latest b:latest");
    check("FROM a\nFROM b\nCOPY --from=+00 c d\n", "a:latest b:latest");
    check("FROM a\nFROM b\nCOPY --from=2 c d\n", "resolve");
    check("FROM a\nFROM b\nCOPY --from=-1 c d\n", "resolve");
    check(
        "FROM a AS x\nFROM b\nCOPY --from=99999999999999999999 c d\n",
        "~a:latest b:latest 99999999999999999999:latest",
    );
    check(
        "FROM a\nCOPY --from=x c d\nCOPY --from=1 c d\n",
        "a:latest x:latest",
    );
    check(
        "FROM a\nCOPY --from=x c d\nCOPY --from=1 c d\nCOPY --from=2 c d\n",
        "a:latest x:latest",
    );
    check(
        "FROM a\nRUN x\nRUN --mount=type=cache,target=/x y\nCOPY --from=1 c d\n",
        "a:latest",
    );
}

#[test]
fn a_later_stage_cannot_be_a_source() {
    check(
        "FROM a\nCOPY --from=b c d\nFROM e AS b\nFROM f\n",
        "~a:latest ~e:latest f:latest",
    );
    check(
        "FROM a AS x\nCOPY --from=b c d\nFROM e AS b\nFROM x\n",
        "resolve, line 2",
    );
    check(
        "FROM a AS x\nRUN --mount=from=b,target=/c d\nFROM e AS b\nFROM x\n",
        "resolve, line 2",
    );
    check("FROM a AS b\nCOPY --from=b c d\n", "resolve");
    check(
        "FROM a AS b\nCOPY --from=c d e\nFROM f AS c\nCOPY --from=b d e\n",
        "resolve",
    );
    check("FROM a AS b\nCOPY --from=0 c d\nFROM e\n", "resolve");
    check(
        "FROM a AS x\nCOPY --from=1 c d\nFROM x\n",
        "resolve, line 2",
    );
    check("FROM a\nCOPY --from=1 c d\nFROM x\n", "~a:latest x:latest");
}

#[test]
fn a_mount_names_a_stage_or_an_image() {
    check(
        "FROM a AS b\nFROM c\nRUN --mount=from=B,target=/x y\n",
        "a:latest c:latest",
    );
    check("FROM a\nRUN --mount=from=b:1,target=/x y\n", "a:latest b:1");
    check(
        "FROM a\nRUN --mount=from=0,target=/x y\n",
        "a:latest 0:latest",
    );
    check(
        "FROM a\nRUN --mount=type=cache,from=b,target=/x --mount=type=tmpfs,from=c,target=/y z\n",
        "a:latest b:latest c:latest",
    );
    check(
        "FROM a\nRUN --mount=\"from=b\",target=/x y\n",
        "a:latest b:latest",
    );
    check("FROM a\nRUN '--mount=\"from=b\",target=/x' y\n", "a:latest");
    check("FROM a\nRUN --mount=from=$B,target=/x y\n", "parse, line 2");
    check("FROM a\nRUN --mount=from=b$,target=/x y\n", "resolve");
    check(
        "FROM a\nRUN --mount=FROM=b,FROM=c,target=/x y\n",
        "a:latest c:latest",
    );
    check("FROM a\nRUN --mount=from=,target=/x y\n", "a:latest");
    check("FROM a\nRUN --mount=a\\\"b y\n", "parse, line 2");
    check("FROM a\nRUN --mount= y\n", "parse, line 2");
    check(
        "FROM a\nRUN --mount=target=/$B,from=c y\n",
        "a:latest c:latest",
    );
    check("FROM a\nRUN x --mount=from=b\n", "a:latest");
    check(
        "FROM a AS b\nRUN --mount=target=/x y\nFROM c AS scratch\nFROM b\n",
        "a:latest c:latest",
    );
    check("FROM a\nRUN --mount=from=B,target=/x y\n", "resolve");
}

#[test]
fn add_has_no_image() {
    check(
        "FROM a\nADD https://example.com/x /\nADD git@example.com:b/c.git /\nADD --checksum=sha256:b d e\n",
        "a:latest",
    );
}

#[test]
fn triggers_fire_in_direct_children() {
    check(
        "FROM a AS b\nONBUILD COPY --from=c d e\nFROM b\n",
        "a:latest c:latest",
    );
    check(
        "FROM a AS b\nONBUILD RUN --mount=from=c,target=/x y\nFROM b AS d\nFROM d\n",
        "a:latest c:latest",
    );
    check("FROM a AS b\nONBUILD COPY --from=c d e\n", "a:latest");
    check(
        "FROM a AS b\nONBUILD COPY --from=c d e\nFROM b AS d\nFROM f\n",
        "~a:latest f:latest ~c:latest",
    );
    check(
        "FROM a AS b\nONBUILD COPY --from=$C d e\nFROM b\n",
        "resolve",
    );
    check(
        "FROM a AS b\nONBUILD COPY --from=C d e\nFROM b\n",
        "resolve",
    );
    check(
        "FROM a AS b\nONBUILD COPY --from=z d e\nFROM b\nFROM x AS z\n",
        "~a:latest x:latest",
    );
    check(
        "FROM a AS b\nONBUILD COPY --from=z d e\nFROM b AS c\nFROM x AS z\nFROM c\n",
        "resolve",
    );
    check(
        "FROM x AS z\nFROM a AS b\nONBUILD COPY --from=z d e\nFROM b\n",
        "x:latest a:latest",
    );
    check(
        "FROM a AS b\nONBUILD COPY <<E --from=c /\nE\nFROM b\n",
        "a:latest",
    );
    check(
        "FROM a AS b\nONBUILD COPY --from=c <<E /\nE\nFROM b\n",
        "a:latest c:latest",
    );
    check(
        "# escape=`\nFROM a AS b\nONBUILD COPY --from=c`:1 d e\nFROM b\n",
        "resolve",
    );
    check(
        "FROM a AS b\nONBUILD COPY --from=b d e\nFROM b AS c\n",
        "a:latest",
    );
}

#[test]
fn only_what_the_target_needs_is_reachable() {
    check("FROM a AS x\nFROM b\n", "~a:latest b:latest");
    check(
        "FROM a AS x\nCOPY --from=c d e\nFROM b\nCOPY --from=x d e\n",
        "a:latest b:latest c:latest",
    );
    check(
        "FROM a AS x\nFROM b AS y\nCOPY --from=x d e\nFROM y\n",
        "a:latest b:latest",
    );
    check_with(
        "FROM a AS x\nFROM b\n",
        &[],
        Some("x"),
        None,
        "a:latest ~b:latest",
    );
    check_with(
        "FROM a AS x\nFROM b\n",
        &[],
        Some("X"),
        None,
        "a:latest ~b:latest",
    );
    check_with("FROM a AS x\nFROM b\n", &[], Some("y"), None, "resolve");
    check_with("FROM a AS x\nFROM b\n", &[], Some("0"), None, "resolve");
    check("FROM a AS x\nCOPY --from=C d e\nFROM b\n", "resolve");
    check(
        "FROM a\nCOPY --from=b d e\nRUN --mount=from=b,target=/x y\nFROM b\n",
        "~a:latest b:latest",
    );
}
