//! Heredocs.

use super::check;

#[test]
fn only_some_instructions_have_heredocs() {
    check("FROM a\nRUN <<E\nFROM x\nE\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nCOPY <<E /f\nFROM x\nE\n", "a:latest");
    check("FROM a\nADD <<E /f\nFROM x\nE\n", "a:latest");
    check("FROM a\nONBUILD RUN <<E\nFROM x\nE\n", "a:latest");
    check("FROM a\nCMD <<E\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nENV A=<<E\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN [\"<<E\"]\nFROM b\n", "~a:latest b:latest");
    check(
        "FROM a\nCOPY [\"<<E\", \"/\"]\nFROM b\n",
        "~a:latest b:latest",
    );
    check("FROM a\nONBUILD CMD <<E\nFROM b\n", "~a:latest b:latest");
}

#[test]
fn any_word_may_open_one() {
    check("FROM a\nRUN cat <<E > f\nFROM x\nE\n", "a:latest");
    check(
        "FROM a\nRUN --mount=from=b x <<E y\nFROM x\nE\n",
        "a:latest b:latest",
    );
    check(
        "FROM a\nRUN <<A 3<<B\nFROM x\nB\nA\nFROM y\nB\n",
        "a:latest",
    );
    check("FROM a\nRUN << E\nFROM x\nE\n", "a:latest");
    check("FROM a\nRUN <<- E\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN \"<<E\"\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN x <<<E\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN x<<E\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN echo $((1 << 3))\nFROM b\n", "parse, line 2");
    check("FROM a\nRUN it's <<E\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN \\\n  x \\\n  <<E\nFROM x\nE\n", "a:latest");
    check("FROM a\nRUN \\<<E\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN <<$E\nFROM x\n$E\n", "a:latest");
    check("FROM a\nRUN <<E;\nFROM x\nE;\n", "a:latest");
    check("# escape=`\nFROM a\nRUN <<\\E\nFROM x\nE\n", "a:latest");
}

#[test]
fn a_heredoc_ends_with_its_name() {
    check(
        "FROM a\nRUN <<E\n\tE\n E\nE \nE\r\nFROM b\n",
        "~a:latest b:latest",
    );
    check("FROM a\nRUN <<-E\n\t\tE\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN <<-E\n E\nFROM b\n", "parse, line 2");
    check(
        "FROM a\nRUN <<'E F'\nE\nE F\nFROM b\n",
        "~a:latest b:latest",
    );
    check("FROM a\nRUN <<E\n", "parse, line 2");
    check("FROM a\nRUN <<E\nx \\\nE\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN <<#E\n# c\n#E\nFROM b\n", "~a:latest b:latest");
    check("FROM a\nRUN <<E'F'G\nEFG\nFROM b\n", "~a:latest b:latest");
}

#[test]
fn a_destination_is_no_heredoc() {
    check("FROM a\nCOPY b <<E\nE\n", "parse, line 2");
    check("FROM a\nADD [\"b\", \"<<E\"]\n", "parse, line 2");
    check("FROM a\nCOPY <<E b <<F\nE\nF\n", "parse, line 2");
}
