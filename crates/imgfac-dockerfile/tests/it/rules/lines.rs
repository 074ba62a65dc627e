//! Lines, directives, comments and continuations.

use super::check;

#[test]
fn a_file_has_something_in_it() {
    check("", "parse");
    check("\n", "parse");
    check("# only a comment\n", "parse");
    check("\u{FEFF}", "parse");
    check("\u{FEFF}FROM a\n", "a:latest");
    check("FROM a", "a:latest");
    check("  \t\nFROM a\n", "a:latest");
    check("FROM a\n\u{FEFF}FROM b\n", "parse, line 2");
}

#[test]
fn line_ends_and_leading_white_space_do_not_matter() {
    check("FROM a\r\nFROM b\r\n", "~a:latest b:latest");
    check("FROM a\r\r\nFROM b", "~a:latest b:latest");
    check("\t FROM a\n", "a:latest");
    check("\u{A0}FROM a\n", "a:latest");
    check("FROM a\n \t COPY --from=b c d\n", "a:latest b:latest");
    check("FROM a \\\n   AS b\n FROM b\n", "a:latest");
    check("FROM a\\\n  b\n", "parse, line 1");
    check("\x0BFROM\x0Ba\x0B\n", "a:latest");
    check("FROM\x0Ca\n", "a:latest");
}

#[test]
fn directives_stand_at_the_top() {
    check("# escape=`\nFROM a`\n AS b\n", "a:latest");
    check("#ESCAPE = ` \nFROM a`\n AS b\n", "a:latest");
    check("# comment\n# escape=`\nFROM a`\n AS b\n", "parse, line 4");
    check("\n# escape=`\nFROM a`\n", "resolve");
    check("# escape=`\n# escape=`\nFROM a\n", "parse");
    check("# escape=x\nFROM a\n", "parse");
    check("# escape=\nFROM a\n", "a:latest");
    check(
        "# syntax=x\n# escape=`\n# check=skip=all\nFROM a`\n AS b\n",
        "a:latest",
    );
    check("# other=1\n# escape=`\nFROM a`\n AS b\n", "parse, line 4");
    check("# check=error=true\nFROM a\n", "a:latest");
    check("# check=nothing\nFROM a\n", "parse");
    check("# syntax=x\n# syntax=y\nFROM a\n", "parse");
}

#[test]
fn comments_and_blank_lines_vanish_inside_an_instruction() {
    check("FROM \\\n# FROM x\na\n", "a:latest");
    check(
        "FROM a\nCOPY --from=b \\\n  # a note \\\n  c d\n",
        "a:latest b:latest",
    );
    check(
        "FROM a\nRUN x \\\n\n  \n# y\n  z\nFROM b\n",
        "~a:latest b:latest",
    );
    check("# a \\\nFROM a\n", "a:latest");
    check("FROM a\nRUN x # FROM y \\\nFROM z\n", "a:latest");
    check("FROM a # b\n", "parse, line 1");
    check("FROM a\n#FROM b\n\t# FROM c\n", "a:latest");
}

#[test]
fn an_escape_character_continues_a_line() {
    check("FR\\\nOM a\n", "a:latest");
    check("FROM a\\\n", "a:latest");
    check("FROM a\\ \t\n AS b\n", "a:latest");
    check("FROM a\\\\\n AS b\n", "parse, line 2");
    check("FROM a\\\\\nFROM b\n", "resolve");
    check("FROM \\\n\\\n\\\na\n", "a:latest");
    check("FROM a\nRUN x \\\\\\\nFROM b\n", "~a:latest b:latest");
    check("FROM a\\\x0B\nFROM b\n", "~a:latest b:latest");
    check(
        "# escape=`\nFROM a\nRUN cd C:\\\nFROM b\n",
        "~a:latest b:latest",
    );
    check("# escape=`\nFROM a`\n`\n:1\n", "a:1");
}

#[test]
fn keywords_have_any_case() {
    check("from a as b\nFrOm b\ncOpY --FROM=c d e\n", "parse, line 3");
    check(
        "from a as b\nFrOm b\ncOpY --from=c d e\n",
        "a:latest c:latest",
    );
    check("FROMa\n", "parse, line 1");
    check("FROM\ta\n", "a:latest");
    check("FROM\u{A0}a\n", "parse, line 1");
}
