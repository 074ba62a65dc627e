//! Flags, JSON arrays and words.

use super::check;

#[test]
fn flags_lose_quotes_and_escapes() {
    check("FROM a\nCOPY --from=\"b:1\" c d\n", "a:latest b:1");
    check("FROM a\nCOPY --fr'om=b' c d\n", "a:latest b:latest");
    check("FROM a\nCOPY --from=b\\:1 c d\n", "a:latest b:1");
    check("FROM a\nCOPY --from=\"b c d\n", "parse, line 2");
    check("FROM a\nCOPY -- --from=b c\n", "a:latest");
    check("FROM a\nCOPY --link --from=b c d\n", "a:latest b:latest");
    check("FROM a\nCOPY c --from=b d\n", "a:latest");
    check("FROM a\nCOPY --from=b -- --from=c d\n", "a:latest b:latest");
    check("# escape=`\nFROM a\nCOPY --from=b`:1 c d\n", "a:latest b:1");
    check("FROM a\nRUN - --mount=from=b x\n", "a:latest");
}

#[test]
fn arguments_split_before_anything_else() {
    check("FROM 'a b'\n", "parse, line 1");
    check("FROM a\" \"b\n", "parse, line 1");
    check("FROM a\x0BAS\x0Cb\n", "a:latest");
    check("FROM a AS\u{A0}b\n", "parse, line 1");
    check("FROM \"a\" AS b\n", "a:latest");
    check("FROM 'a'\n", "a:latest");
}

#[test]
fn json_arguments_hold_strings() {
    check(
        "FROM a\nCOPY --from=b [\"c\", \"d\"]\n",
        "a:latest b:latest",
    );
    check("FROM a\nCOPY [\"c\", 1]\n", "parse, line 2");
    check("FROM a\nCOPY [\"c\"]\n", "parse, line 2");
    check("FROM a\nCOPY [\"c\", \"d\"\n", "a:latest");
    check("FROM a\nRUN [1]\n", "parse, line 2");
    check("FROM a\nRUN [1\n", "a:latest");
    check("FROM a\nENTRYPOINT []\nCMD []\n", "a:latest");
    check("FROM a\nSHELL [\"x\"]\n", "a:latest");
    check("FROM a\nSHELL x\n", "parse, line 2");
    check("FROM a\nSHELL []\n", "parse, line 2");
    check("FROM a\nVOLUME []\n", "parse, line 2");
    check("FROM a\nVOLUME [\"\"]\n", "parse, line 2");
    check("FROM a\nCMD [null]\n", "parse, line 2");
    check("FROM a\nLABEL [1]=2\n", "a:latest");
}

#[test]
fn words_of_arg_env_and_label_keep_quotes_together() {
    check("ARG A=b C=\"d\" E\nFROM $A:$C\n", "b:d");
    check("ARG A='b:1 c'\nFROM x$A\n", "resolve");
    check("ARG A=b\\ c B=1\nFROM x:$B\n", "x:1");
    check("ARG \"A=b\"\nFROM $A\n", "arg, line 1");
    check("FROM a\nENV A=\"b c\" D=e\n", "a:latest");
    check("FROM a\nENV A=b c\n", "parse, line 2");
    check("FROM a\nLABEL a b\n", "a:latest");
    check("ARG A=b\u{A0}B=c\nFROM $B\n", "c:latest");
}
