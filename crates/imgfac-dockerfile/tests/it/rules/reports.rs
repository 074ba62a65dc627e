//! What is reported besides the images of the target.

use imgfac_dockerfile::{Options, Role, analyze};

/// `expected` is the image that `# syntax=` names, and whether Docker makes it.
fn check_syntax(text: &str, expected: Option<(&str, bool)>) {
    let syntax = analyze(text.as_bytes(), &Options::default()).syntax;
    let found = syntax.map(|syntax| (syntax.to_string(), syntax.is_docker()));
    let found = found
        .as_ref()
        .map(|(name, docker)| (name.as_str(), *docker));
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn the_frontend_is_named() {
    let docker = Some(("docker.io/docker/dockerfile:1", true));
    check_syntax("# syntax=docker/dockerfile:1\nFROM a\n", docker);
    check_syntax(
        "#!/usr/bin/env x\n#SYNTAX = docker/dockerfile:1 x\nFROM a\n",
        docker,
    );
    check_syntax("// syntax=docker/dockerfile:1\n", docker);
    check_syntax("{\"syntax\": \"docker/dockerfile:1\"}", docker);
    check_syntax("# escape=`\n# syntax=docker/dockerfile:1\nFROM a\n", docker);
    let other = Some(("ghcr.io/x/y:latest", false));
    check_syntax("# syntax=ghcr.io/x/y\nFROM a\n", other);
    check_syntax("# syntax=B:A:D\nFROM a\n", Some(("B:A:D", false)));
    check_syntax("# a\n# syntax=docker/dockerfile:1\nFROM a\n", None);
    check_syntax("FROM a\n", None);
}

/// `expected` are the images that triggers bring to other files.
fn check_on_build(text: &str, expected: &[&str]) {
    let analysis = analyze(text.as_bytes(), &Options::default());
    let images = analysis.on_build_images.iter();
    let found: Vec<String> = images.map(|image| image.reference.familiar()).collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn triggers_that_do_not_fire_are_told_apart() {
    check_on_build("FROM a\nONBUILD COPY --from=b c d\n", &["b:latest"]);
    check_on_build(
        "FROM a\nONBUILD RUN --mount=from=b,target=/c d\n",
        &["b:latest"],
    );
    check_on_build("FROM a AS x\nONBUILD COPY --from=b c d\nFROM x\n", &[]);
    check_on_build("FROM a AS x\nFROM b\nONBUILD COPY --from=x c d\n", &[]);
    check_on_build("FROM a\nONBUILD COPY --from=0 c d\n", &[]);
    check_on_build("FROM a\nONBUILD COPY --from=scratch c d\n", &[]);
    check_on_build("FROM a\nONBUILD COPY --from=$B c d\n", &[]);
    let twice = "FROM a\nONBUILD COPY --from=b c d\nONBUILD COPY --from=b:latest e f\n";
    check_on_build(twice, &["b:latest"]);
}

/// `expected` are the names without a value, `!` before those that an `ARG` declares.
fn check_undefined(text: &str, expected: &[&str]) {
    let analysis = analyze(text.as_bytes(), &Options::default());
    let found = analysis.undefined_args.iter().map(|arg| {
        let mark = if arg.declared { "!" } else { "" };
        format!("{mark}{}:{}", arg.name, arg.line)
    });
    assert_eq!(found.collect::<Vec<_>>(), expected, "{text:?}");
}

#[test]
fn names_without_a_value_are_listed() {
    check_undefined("ARG A\nFROM a:$A\nFROM b:$A$B\n", &["!A:2", "B:3"]);
    check_undefined("FROM a:${A:-1}\n", &["A:1"]);
    check_undefined("ARG A=1\nFROM a:$A$TARGETARCH\n", &[]);
    check_undefined("FROM --platform=$P a\n", &["P:1"]);
    check_undefined("ARG A=$B\nFROM a\n", &[]);
    check_undefined("FROM a\nCOPY $A /\n", &[]);
}

#[test]
fn uses_say_where_and_what_for() {
    let text = "ARG A=1\nFROM b:$A AS x\nRUN \\\n  --mount=from=c,target=/d e\n\
                COPY --from=b:1 f g\nFROM x\nONBUILD ADD h i\n";
    let analysis = analyze(text.as_bytes(), &Options::default());
    let found: Vec<_> = analysis
        .images
        .iter()
        .flat_map(|image| image.uses())
        .map(|used| {
            let span = text.get(used.span.clone()).unwrap_or_default();
            (
                used.role,
                used.stage,
                used.line,
                used.raw.as_str(),
                used.expanded.as_str(),
                span,
            )
        })
        .collect();
    let expected = [
        (Role::From, 0, 2, "b:$A", "b:1", "b:$A"),
        (Role::Copy, 0, 5, "b:1", "b:1", "--from=b:1"),
        (Role::Mount, 0, 3, "c", "c", "--mount=from=c,target=/d"),
    ];
    assert_eq!(found, expected);
}

/// Checks what the first mistake is and to which part of the text it points.
fn check_error(text: &str, place: (usize, usize), part: &str, message: &str) {
    let analysis = analyze(text.as_bytes(), &Options::default());
    let Some(error) = analysis.error else {
        panic!("{text:?} has no mistake");
    };
    assert_eq!((error.line, error.column), place, "{text:?}");
    assert_eq!(text.get(error.span.clone()), Some(part), "{text:?}");
    assert!(
        error.message.contains(message),
        "{text:?}: {}",
        error.message
    );
}

#[test]
fn mistakes_point_at_what_is_wrong() {
    check_error(
        "FROM a\nRUN x \\\n  && y\nFOO b\n",
        (4, 1),
        "FOO",
        "unknown instruction: FOO",
    );
    check_error("FROM \\\n  a:$B\n", (2, 3), "a:$B", "no ARG B is declared");
    check_error(
        "FROM é AS 1b\n",
        (1, 11),
        "1b",
        "invalid name for build stage",
    );
    check_error(
        "FROM a\nCOPY --bad b c\n",
        (2, 6),
        "--bad",
        "unknown flag: --bad",
    );
    check_error(
        "FROM a\nCOPY --from=$B c d\n",
        (2, 6),
        "--from=$B",
        "not supported for --from",
    );
    check_error("ARG A=${B\nFROM a\n", (1, 1), "ARG A=${B", "missing '}'");
    check_error(
        "FROM a\nRUN <<E\n",
        (2, 1),
        "RUN <<E",
        "unterminated heredoc",
    );
    check_error("\u{FEFF}FROM A\n", (1, 6), "A", "must be lower-case");
}
