//! Made-up Dockerfiles, from usual ones to nonsense.

use proptest::prelude::*;
use proptest::sample::select;

/// Words that mean something somewhere.
const WORDS: &[&str] = &[
    "a",
    "b:1",
    "c",
    "ghcr.io/x/y",
    "scratch",
    "$A",
    "${A:-b}",
    "${B#*.}",
    "${A/a/b}",
    "A=a",
    "B=1.2",
    "'q'",
    "\"r s\"",
    "0",
    "AS",
    "<<E",
    "<<-E",
    "E",
    "\\",
    "#",
    "[\"a\",\"b\"]",
    "é",
];

const FLAGS: &[&str] = &[
    "--from=a",
    "--from=b:1",
    "--from=0",
    "--from=x",
    "--link",
    "--platform=$BUILDPLATFORM",
    "--mount=from=c,target=/x",
    "--mount=type=cache,target=/y",
    "--chown=1:1",
    "--bad",
    "--",
];

const KEYWORDS: &[&str] = &[
    "FROM",
    "ARG",
    "COPY",
    "RUN",
    "ADD",
    "ENV",
    "LABEL",
    "ONBUILD RUN",
    "ONBUILD COPY",
    "CMD",
    "from",
    "HEALTHCHECK CMD",
    "USER",
    "NOTHING",
];

fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned)
}

/// An instruction that is legal on its own, on one line, without heredocs.
pub(crate) fn legal_instruction() -> impl Strategy<Value = String> {
    prop_oneof![
        (name(), name()).prop_map(|(base, name)| format!("FROM {base} AS {name}")),
        (name(), name()).prop_map(|(base, tag)| format!("FROM {base}:{tag}")),
        name().prop_map(|base| format!("FROM --platform=linux/arm64 img-${{{base}:-x}}")),
        (name(), name()).prop_map(|(from, to)| format!("COPY --from={from} x {to}")),
        (0..5_u8).prop_map(|from| format!("COPY --from={from} x y")),
        name().prop_map(|from| format!("RUN --mount=from={from},target=/x y")),
        name().prop_map(|from| format!("ONBUILD COPY --from={from} x y")),
        (name(), name()).prop_map(|(key, value)| format!("ENV {key}={value}")),
        (name(), name()).prop_map(|(key, value)| format!("ARG {key}={value}")),
        Just("RUN [\"x\", \"y\"]".to_owned()),
    ]
}

/// Lines that BuildKit reads, one instruction each; images and stages may be wrong.
pub(crate) fn legal_lines() -> impl Strategy<Value = Vec<String>> {
    let args = prop::collection::vec((name(), name()), 0..3);
    let args = args.prop_map(|args| {
        let line = |(key, value)| format!("ARG {key}={value}");
        args.into_iter().map(line).collect::<Vec<_>>()
    });
    let rest = prop::collection::vec(legal_instruction(), 0..12);
    (args, name(), rest).prop_map(|(mut lines, first, rest)| {
        lines.push(format!("FROM {first}"));
        lines.extend(rest);
        lines
    })
}

/// A file that may be anything from good to senseless.
pub(crate) fn dockerfile() -> impl Strategy<Value = String> {
    let word = prop_oneof![4 => select(WORDS), 1 => select(FLAGS)];
    let gap = select(vec![
        " ",
        " ",
        " ",
        "  ",
        "\t",
        " \\\n",
        "\\\n",
        " \\\n# c\n",
    ]);
    let words = prop::collection::vec((gap, word), 0..5);
    let line = (select(KEYWORDS), words).prop_map(|(keyword, words)| {
        let mut line = keyword.to_owned();
        for (gap, word) in words {
            line += gap;
            line += word;
        }
        line
    });
    let loose = select(vec!["", "# c", "E", "\tE", "# escape=`", "x"]).prop_map(str::to_owned);
    let line = prop_oneof![6 => legal_instruction(), 4 => line, 1 => loose];
    let end = select(vec!["\n", "\n", "\n", "\r\n", " \n"]);
    prop::collection::vec((line, end), 0..12).prop_map(|lines| {
        let lines = lines.into_iter().map(|(line, end)| line + end);
        lines.collect()
    })
}
