//! What each instruction may look like.

use super::check;

#[test]
fn unknown_and_early_instructions_are_refused() {
    check("FOO b\n", "parse, line 1");
    check("FROM a\nFOO b\n", "parse, line 2");
    check("RUN x\nFROM a\n", "parse, line 1");
    check("ARG A=1\n", "parse");
    check("LABEL a=b\n", "parse, line 1");
    check("ARG A=a\nFROM $A\n", "a:latest");
    check("FROM a\nFROM\n", "parse, line 2");
    check("ONBUILD RUN x\nFROM a\n", "parse, line 1");
}

#[test]
fn from_has_one_or_three_arguments() {
    check("FROM\n", "parse, line 1");
    check("FROM a b\n", "parse, line 1");
    check("FROM a AS\n", "parse, line 1");
    check("FROM a AS b c\n", "parse, line 1");
    check("FROM a IS b\n", "parse, line 1");
    check("FROM a aS b\n", "a:latest");
    check("FROM a AS B\nFROM b\n", "a:latest");
    check("FROM a AS 1b\n", "parse, line 1");
    check("FROM a AS b/c\n", "parse, line 1");
    check("FROM a AS b-c_d.e\nFROM b-c_d.e\n", "a:latest");
    check("FROM ${A:-a b}\n", "parse, line 1");
    check("FROM --platform=linux/arm64 a\n", "a:latest");
    check("FROM --other=1 a\n", "parse, line 1");
    check("FROM --platform a\n", "parse, line 1");
}

#[test]
fn each_instruction_has_its_flags() {
    check(
        "FROM a\nCOPY --chown=1 --chmod=2 --link --parents --exclude=b --exclude=c d e\n",
        "a:latest",
    );
    check("FROM a\nCOPY --checksum=b c d\n", "parse, line 2");
    check("FROM a\nCOPY --from=b --from=c d e\n", "parse, line 2");
    check("FROM a\nCOPY --link=maybe b c\n", "parse, line 2");
    check("FROM a\nCOPY --link= b c\n", "parse, line 2");
    check("FROM a\nCOPY --link=FALSE b c\n", "a:latest");
    check("FROM a\nCOPY --chown b c\n", "parse, line 2");
    check(
        "FROM a\nADD --checksum=sha256:b --keep-git-dir=true --unpack --link c d\n",
        "a:latest",
    );
    check("FROM a\nADD --from=b c d\n", "parse, line 2");
    check(
        "FROM a\nRUN --network=none --security=insecure b\n",
        "a:latest",
    );
    check("FROM a\nRUN --network=other b\n", "parse, line 2");
    check("FROM a\nRUN --security=other b\n", "parse, line 2");
    check("FROM a\nRUN --device=b,required c\n", "a:latest");
    check("FROM a\nRUN --device=name=b,other c\n", "parse, line 2");
    check(
        "FROM a\nRUN --mount=type=bind --mount=type=bind b\n",
        "a:latest",
    );
    check("FROM a\nRUN --from=b c\n", "parse, line 2");
    check(
        "FROM a\nHEALTHCHECK --interval=1s --timeout=1m --start-period=1h --start-interval=1ms --retries=3 CMD b\n",
        "a:latest",
    );
    check("FROM a\nHEALTHCHECK --interval=1 CMD b\n", "parse, line 2");
    check("FROM a\nHEALTHCHECK --retries=-1 CMD b\n", "parse, line 2");
    check("FROM a\nHEALTHCHECK --other=1 NONE\n", "a:latest");
    check("FROM a\nCMD --a b\n", "parse, line 2");
    check("FROM a\nENV --a=b c=d\n", "parse, line 2");
    check("FROM a\nUSER --a b\n", "parse, line 2");
    check("FROM a\nSTOPSIGNAL --a b\n", "a:latest");
    check("FROM a\nWORKDIR --a=b c\n", "parse, line 2");
    check("FROM a\nARG --a b\n", "a:latest");
}

#[test]
fn each_instruction_has_its_number_of_arguments() {
    check("FROM a\nCOPY b\n", "parse, line 2");
    check("FROM a\nCOPY\n", "parse, line 2");
    check("FROM a\nADD b\n", "parse, line 2");
    check("FROM a\nRUN\n", "a:latest");
    check("FROM a\nCMD\n", "a:latest");
    check("FROM a\nENTRYPOINT\n", "a:latest");
    check("FROM a\nARG\n", "parse, line 2");
    check("FROM a\nEXPOSE\n", "parse, line 2");
    check("FROM a\nEXPOSE 1 2\n", "a:latest");
    check("FROM a\nVOLUME\n", "parse, line 2");
    check("FROM a\nONBUILD\n", "parse, line 2");
    check("FROM a\nENV\n", "parse, line 2");
    check("FROM a\nENV A\n", "parse, line 2");
    check("FROM a\nENV A=1 B\n", "parse, line 2");
    check("FROM a\nENV =1\n", "parse, line 2");
    check("FROM a\nLABEL\n", "parse, line 2");
    check("FROM a\nLABEL a\n", "parse, line 2");
    check("FROM a\nARG =b\n", "parse, line 2");
    check("FROM a\nARG b =c\n", "parse, line 2");
    check("FROM a\nUSER\n", "parse, line 2");
    check("FROM a\nUSER b c\n", "a:latest");
    check("FROM a\nWORKDIR\n", "parse, line 2");
    check("FROM a\nWORKDIR b c\n", "a:latest");
    check("FROM a\nSTOPSIGNAL\n", "parse, line 2");
    check("FROM a\nMAINTAINER\n", "parse, line 2");
    check("FROM a\nMAINTAINER b c\n", "a:latest");
    check("FROM a\nSHELL\n", "parse, line 2");
    check("FROM a\nHEALTHCHECK\n", "parse, line 2");
    check("FROM a\nHEALTHCHECK NONE\n", "a:latest");
    check("FROM a\nHEALTHCHECK NONE b\n", "parse, line 2");
    check("FROM a\nHEALTHCHECK CMD\n", "parse, line 2");
    check("FROM a\nHEALTHCHECK b\n", "parse, line 2");
    check("FROM a\nVOLUME \u{A0}\n", "parse, line 2");
}

#[test]
fn some_triggers_are_refused() {
    check("FROM a\nONBUILD FROM b\n", "parse, line 2");
    check("FROM a\nONBUILD MAINTAINER b\n", "parse, line 2");
    check("FROM a\nonbuild onbuild RUN b\n", "parse, line 2");
    check("FROM a\nONBUILD FOO\n", "a:latest");
    check("FROM a\nONBUILD COPY b\n", "a:latest");
    check("FROM a\nONBUILD ENV A\n", "parse, line 2");
    check("FROM a AS b\nONBUILD FOO\nFROM b\n", "resolve");
    check(
        "FROM a AS b\nONBUILD COPY c\nFROM b\nFROM d\n",
        "~a:latest d:latest",
    );
}
