//! Quotes, escapes and variables.

use super::check;

#[test]
fn quotes_and_escapes_go() {
    check("FROM 'a'\"b\"\\c\n", "abc:latest");
    check("ARG A=1\nFROM 'a'\\$A\n", "resolve");
    check("ARG A=1\nFROM a:\"$A\"\n", "a:1");
    check("ARG A=1\nFROM a:'$A'\n", "resolve");
    check("ARG A=1\nFROM a:\"\\$A\"\n", "resolve");
    check("ARG A=\"b\\c\"\nFROM a:$A\n", "resolve");
    check("ARG A=\"\\\"\"\nFROM a$A\n", "resolve");
    check("FROM a'b\n", "resolve, line 1");
    check("FROM a\"b\n", "resolve, line 1");
    check("FROM \"a\\\"\n", "resolve, line 1");
    check("FROM a\\\\b\n", "resolve");
    check("# escape=`\nARG A=1\nFROM a:`$A\n", "resolve");
    check("# escape=`\nARG A=b`c\nFROM $A\n", "bc:latest");
    check("FROM a\\ \n", "a:latest");
    check("FROM \u{FEFF}a\n", "a:latest");
}

#[test]
fn names_are_letters_digits_and_underscores() {
    check("ARG TAG=1 TAG_1=2\nFROM a:$TAG_1\n", "a:2");
    check("ARG TAG=1\nFROM a:$TAG.1\n", "a:1.1");
    check("ARG TAG=1\nFROM a:$TAG-x\n", "a:1-x");
    check("ARG 1=2 12=3 1a=4\nFROM x:$1a\n", "x:2a");
    check("ARG 1=2 12=3\nFROM x:$12\n", "x:3");
    check("ARG é=1\nFROM x:$é\n", "x:1");
    check("FROM a$\n", "resolve");
    check("FROM a$$b\n", "ab:latest");
    check("FROM a$@b$*c$#d$?e$!f\n", "abcdef:latest");
    check("FROM a$-b\n", "ab:latest");
    check("ARG _=1\nFROM x:$_\n", "x:1");
}

#[test]
fn braces_take_a_name() {
    check("ARG A=1\nFROM a:${A}\n", "a:1");
    check("FROM a${B}\n", "a:latest");
    check("FROM a${}\n", "resolve, line 1");
    check("FROM a${:b}\n", "resolve, line 1");
    check("FROM a${{b}}\n", "resolve, line 1");
    check("FROM a${\n", "resolve, line 1");
    check("ARG A=1\nFROM a:${A\n", "resolve, line 2");
    check("ARG A=1\nFROM a:${A:=2}\n", "resolve, line 2");
    check("ARG A=1\nFROM a:${A^}\n", "resolve, line 2");
    check("ARG A=1\nFROM a:${A:x}\n", "resolve, line 2");
    check("ARG A=1\nFROM a:${A x}\n", "parse, line 2");
    check("ARG A=1\nFROM a:${é-2}\n", "a:2");
    check("ARG A=1\nFROM a:${-b}\n", "resolve, line 2");
}

#[test]
fn defaults_and_alternatives() {
    check("ARG A=1\nFROM a:${A:-2}\n", "a:1");
    check("ARG A=\nFROM a:${A:-2}\n", "a:2");
    check("ARG A=\nFROM a:x${A-2}\n", "a:x");
    check("ARG A\nFROM a:${A-2}\n", "a:2");
    check("ARG A=1\nFROM a:x${A:+2}\n", "a:x2");
    check("ARG A=\nFROM a:x${A:+2}\n", "a:x");
    check("ARG A=\nFROM a:x${A+2}\n", "a:x2");
    check("ARG A\nFROM a:x${A+2}\n", "a:x");
    check("ARG A=1\nFROM a:${A:?no}\n", "a:1");
    check("ARG A=\nFROM a:${A:?no}\n", "resolve, line 2");
    check("ARG A=\nFROM a:x${A?no}\n", "a:x");
    check("ARG A\nFROM a:${A?no}\n", "resolve, line 2");
    check("ARG A\nFROM a:${A:-${B:-${C:-3}}}\n", "a:3");
    check("ARG A=1\nFROM a:${B:-$A}\n", "a:1");
    check("ARG A\nFROM a:${A:-\"b\"'c'\\d}\n", "a:bcd");
    check("ARG A\nFROM a:${A:-\\}}\n", "resolve");
    check("ARG A\nFROM a:${A:-x\n", "resolve, line 2");
    check("ARG A=1\nFROM a:${A:+${B}x}\n", "a:x");
}

#[test]
fn ends_are_cut() {
    check("ARG A=1.2.3\nFROM a:${A#*.}\n", "a:2.3");
    check("ARG A=1.2.3\nFROM a:${A##*.}\n", "a:3");
    check("ARG A=1.2.3\nFROM a:${A%.*}\n", "a:1.2");
    check("ARG A=1.2.3\nFROM a:${A%%.*}\n", "a:1");
    check("ARG A=v1\nFROM a:${A#v}\n", "a:1");
    check("ARG A=v1\nFROM a:${A#x}\n", "a:v1");
    check("ARG A=v1\nFROM a:${A#?}\n", "a:1");
    check("ARG A=[b]c\nFROM ${A#[b]}\n", "c:latest");
    check("ARG A=v1\nFROM a:${A#[v]}\n", "a:v1");
    check("ARG A=*b\nFROM ${A#\\*}\n", "b:latest");
    check("ARG A=a/b\nFROM ${A#a\\/}\n", "b:latest");
    check("ARG A=v1\nFROM a:${A:#v}\n", "resolve, line 2");
    check("ARG A=v1\nFROM a:${A#\\v}\n", "resolve, line 2");
    check("ARG A=v1 B=v\nFROM a:${A#$B}\n", "a:1");
    check("ARG A=v1 B=*\nFROM a:x${A##$B}\n", "a:x");
    check("ARG A=v1\nFROM a:${A#'v'}\n", "a:1");
    check("ARG A\nFROM a:x${A#v}\n", "a:x");
    check("ARG A=a-b-c\nFROM ${A%-?}\n", "a-b:latest");
    check("ARG A=éb\nFROM ${A#?}\n", "b:latest");
}

#[test]
fn text_is_replaced() {
    check("ARG A=1.2.3\nFROM a:${A/./-}\n", "a:1-2.3");
    check("ARG A=1.2.3\nFROM a:${A//./-}\n", "a:1-2-3");
    check("ARG A=abcb\nFROM ${A/b*}\n", "resolve, line 2");
    check("ARG A=abcb\nFROM ${A/b*/x}\n", "ax:latest");
    check("ARG A=abcb\nFROM ${A//b/}\n", "ac:latest");
    check("ARG A=a/b/c\nFROM ${A//\\//-}\n", "a-b-c:latest");
    check("ARG A=a/b/c\nFROM ${A/\\//-}\n", "a-b/c:latest");
    check("ARG A=abc\nFROM ${A/?/x}\n", "xbc:latest");
    check("ARG A=abc\nFROM ${A//?/x}\n", "xxx:latest");
    check("ARG A=abc\nFROM ${A//b/$0$0}\n", "ac:latest");
    check("ARG A=abc\nFROM ${A/b/$0}\n", "ac:latest");
    check("ARG A=abc\nFROM a${A//b/${1}}\n", "aac:latest");
    check("ARG A=abc\nFROM ${A/b\n", "resolve, line 2");
    check("ARG A=abc\nFROM ${A/b/c\n", "resolve, line 2");
    check("ARG A=abc\nFROM ${A/*/x}\n", "x:latest");
    check("ARG A=abc\nFROM ${A//*/x}\n", "x:latest");
    check("ARG A=abc\nFROM ${A///x}\n", "xaxbxcx:latest");
    check("ARG A=abc\nFROM a${A//b/\\}}\n", "resolve");
    check("ARG A=abc\nFROM ${A/\\b/x}\n", "resolve, line 2");
    check("ARG A\nFROM a${A/b/c}\n", "a:latest");
}

#[test]
fn the_result_is_neither_split_nor_expanded_again() {
    check("ARG A='b AS c'\nFROM $A\n", "resolve");
    check("ARG A='$B' B=1\nFROM a$A\n", "resolve");
    check("ARG A='b c'\nFROM $A AS d\n", "resolve");
    check("ARG A=\"'b'\"\nFROM $A\n", "resolve");
}
