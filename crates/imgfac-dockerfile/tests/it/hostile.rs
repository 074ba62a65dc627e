//! Files of many megabytes that are made to be slow: each would take hours if anything in the
//! crate took time in the square of the length, or grew what a file can multiply.

use imgfac_dockerfile::{Options, analyze};

const SIZE: usize = 10_000_000;

/// Repeats a part until it fills `size` bytes.
fn fill(part: &str, size: usize) -> String {
    part.repeat(size / part.len() + 1)
}

/// `expected` are the numbers of stages and images, and the first mistake.
fn check(name: &str, text: &str, expected: (usize, usize, Option<&str>)) {
    let analysis = analyze(text.as_bytes(), &Options::default());
    let error = analysis.error.as_ref().map(|error| error.message.as_str());
    let found = (analysis.stages.len(), analysis.images.len(), error);
    assert_eq!(found, expected, "{name}");
    assert!(analysis.more_errors.len() < 1_000, "{name}");
    for error in analysis.error.iter().chain(&analysis.more_errors) {
        assert!(error.message.len() < 5_000, "{name}: a long message");
    }
}

#[test]
fn long_instructions() {
    let x = |part: &str| format!("FROM a\nRUN x {}\n", fill(part, SIZE));
    check("continuations", &x("\\\n a"), (1, 1, None));
    check("comments", &x("\\\n# c\n\n"), (1, 1, None));
    check("spaces", &x(&(" ".repeat(60_000) + "\\\n")), (1, 1, None));
    check(
        "wide spaces",
        &x(&("\u{3000}".repeat(20_000) + "\\\n")),
        (1, 1, None),
    );
    check(
        "ENV",
        &format!("FROM a\nENV {}\n", fill("a=\"b\" \\\n", SIZE)),
        (1, 1, None),
    );
    check(
        "flags",
        &format!("FROM a\nCOPY {} b c\n", fill("--exclude=a \\\n", SIZE)),
        (1, 1, None),
    );
    check(
        "JSON",
        &format!("FROM a\nCMD {}", fill("[\\\n", SIZE)),
        (1, 1, None),
    );
    let nested = format!("FROM a\n{}RUN x\n", fill("ONBUILD \\\n", SIZE));
    let message = "dockerfile parse error on line 2: \
                   Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed";
    check("ONBUILD", &nested, (0, 0, Some(message)));
}

#[test]
fn one_long_line() {
    let text = format!("FROM a\nRUN {}", fill("a", SIZE));
    let message = "dockerfile line greater than max allowed size of 65535";
    check("a line", &text, (0, 0, Some(message)));
}

#[test]
fn many_instructions() {
    let message = "dockerfile parse error on line 100001: more than 100000 stages";
    check("stages", &fill("FROM a\n", SIZE), (0, 0, Some(message)));
    let message = "dockerfile parse error on line 100001: more than 100000 ARGs";
    check("ARGs", &fill("ARG A=$A\n", SIZE), (0, 0, Some(message)));
    check(
        "comments",
        &fill("# a\n", SIZE),
        (0, 0, Some("file with no instructions")),
    );
    let copies = fill("COPY --from=x b c\nCOPY --from=1 b c\n", SIZE);
    check("numbers", &format!("FROM a\n{copies}"), (1, 2, None));
    let chain: String = (1..100_000)
        .map(|n| format!("FROM s{} AS s{n}\nCOPY --from={} a b\n", n - 1, n - 1))
        .collect();
    check(
        "a chain",
        &format!("FROM a AS s0\n{chain}"),
        (100_000, 1, None),
    );
}

#[test]
fn many_mistakes() {
    let mounts = fill("--mount=from=A \\\n", SIZE);
    let message = "failed to parse stage name \"A\": invalid reference format: \
                   repository \"A\" must be lower-case";
    let text = format!("FROM a\nRUN {mounts} x\n");
    let analysis = analyze(text.as_bytes(), &Options::default());
    assert_eq!(analysis.more_errors.len(), 999);
    assert_eq!(analysis.error.map(|e| e.line), Some(2));
    check(
        "stages",
        &"FROM A\n".repeat(100_000),
        (100_000, 0, Some(message)),
    );
    let circle: String = (0..50_000)
        .map(|n| format!("FROM a AS s{n}\nCOPY --from={} b c\n", (n + 1) % 50_000))
        .collect();
    let message = "circular dependency detected on stage: s49999";
    check("a circle", &circle, (50_000, 1, Some(message)));
}

#[test]
fn many_heredocs() {
    check(
        "instructions",
        &format!("FROM a\n{}", fill("RUN <<E\nx\nE\n", SIZE)),
        (1, 1, None),
    );
    let count = SIZE / 10;
    let words = format!(
        "FROM a\nRUN {}x\n{}",
        "<<E \\\n".repeat(count),
        "E\n".repeat(count)
    );
    check("words", &words, (1, 1, None));
    let quotes = format!("FROM a\nRUN <<E {}\nE\n", fill("\"'\" \\\n", SIZE) + "x");
    check("quotes", &quotes, (1, 1, None));
    let nested = "${a:-".repeat(60) + &"}".repeat(60) + " \\\n";
    let nested = format!("FROM a\nRUN <<E {}\nE\n", fill(&nested, SIZE));
    check(
        "substitutions",
        &nested,
        (0, 0, Some("the expansion is too large")),
    );
}

#[test]
fn large_expansions() {
    let deep = format!("ARG A={}\\\nx\nFROM a$A\n", fill("${a:-\\\n", SIZE));
    let kept = "${a:-".repeat(40);
    let message = format!("failed to process \"{kept}…\": substitutions are nested too deeply");
    check("deep", &deep, (1, 1, Some(&message)));
    let doubling: String = (1..1000)
        .map(|n| format!("ARG A{n}=$A{}$A{}\n", n - 1, n - 1))
        .collect();
    let message = "failed to process \"$A16$A16\": the expansion is too large";
    let doubling = format!("ARG A0=aaaaaaaaaaaa\n{doubling}FROM a\n");
    check("doubling", &doubling, (1, 1, Some(message)));
    let message = "failed to process \"${A##*a*a*a*a*b}\": the expansion is too large";
    let long = "a".repeat(60_000);
    let globs = "ARG B=${A##*a*a*a*a*b}\n".repeat(10_000);
    check(
        "globs",
        &format!("ARG A={long}\n{globs}FROM a\n"),
        (1, 1, Some(message)),
    );
    let message = "failed to process \"${A//a*b/c}\": the expansion is too large";
    let globs = "ARG B=${A//a*b/c}\n".repeat(10_000);
    check(
        "replacements",
        &format!("ARG A={long}\n{globs}FROM a\n"),
        (1, 1, Some(message)),
    );
    let message = "failed to process \"$A\": the expansion is too large";
    let long = "a/".repeat(30_000);
    let text = format!("ARG A={long}\n{}", "FROM $A\n".repeat(100_000));
    check("bases", &text, (100_000, 0, Some(message)));
}

#[test]
fn many_triggers() {
    // Each child fires every trigger; what that brings is bounded in number and in size.
    let children = "FROM a AS c\n".repeat(90_000);
    let triggers = "ONBUILD COPY --from=b c d\n".repeat(1_000);
    check_uses(&format!("FROM x AS a\n{triggers}{children}"));
    let long = "a".repeat(60_000);
    check_uses(&format!(
        "FROM x AS a\nONBUILD COPY --from={long}.b/c d e\n{children}"
    ));
}

fn check_uses(text: &str) {
    let analysis = analyze(text.as_bytes(), &Options::default());
    let uses = || analysis.images.iter().flat_map(|image| image.uses());
    assert!(uses().count() < 1_200_000);
    let bytes: usize = uses().map(|used| used.raw.len()).sum();
    assert!(bytes < 4 * text.len() + (1 << 24), "{bytes} bytes of names");
}
