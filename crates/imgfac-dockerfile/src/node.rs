//! One instruction as text: its keyword, its flags and its arguments.
//!
//! This is the part of the reading that BuildKit does for the whole file before it looks at what
//! any instruction means, so its mistakes come first.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::{self, Array};
use crate::text::{
    head, is_blank, is_latin1_space, is_regex_space, lossy, lower, offset, tail, trim,
};
use crate::words::QuotedWords;

/// The instructions of a Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    OnBuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
}

const KEYWORDS: &[(&str, Keyword)] = &[
    ("RUN", Keyword::Run),
    ("COPY", Keyword::Copy),
    ("FROM", Keyword::From),
    ("ENV", Keyword::Env),
    ("ARG", Keyword::Arg),
    ("LABEL", Keyword::Label),
    ("WORKDIR", Keyword::Workdir),
    ("CMD", Keyword::Cmd),
    ("ENTRYPOINT", Keyword::Entrypoint),
    ("ADD", Keyword::Add),
    ("USER", Keyword::User),
    ("EXPOSE", Keyword::Expose),
    ("VOLUME", Keyword::Volume),
    ("SHELL", Keyword::Shell),
    ("HEALTHCHECK", Keyword::Healthcheck),
    ("ONBUILD", Keyword::OnBuild),
    ("STOPSIGNAL", Keyword::StopSignal),
    ("MAINTAINER", Keyword::Maintainer),
];

impl Keyword {
    fn new(word: &[u8]) -> Option<Self> {
        if !word.is_ascii() {
            let word = lower(std::str::from_utf8(word).ok()?);
            return word.is_ascii().then(|| Self::new(word.as_bytes()))?;
        }
        KEYWORDS
            .iter()
            .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word))
            .map(|(_, keyword)| *keyword)
    }

    /// The name in capitals.
    pub(crate) fn name(self) -> &'static str {
        KEYWORDS
            .iter()
            .find(|(_, keyword)| *keyword == self)
            .map_or("", |(name, _)| name)
    }
}

/// A word that starts with `--`, without its quotes and escapes.
#[derive(Debug)]
pub(crate) struct Flag<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Where it stands in the instruction.
    pub(crate) span: Range<usize>,
}

/// An instruction that is split into its parts.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// `None` for a word that is no instruction.
    pub(crate) keyword: Option<Keyword>,
    pub(crate) word: &'a [u8],
    pub(crate) flags: Vec<Flag<'a>>,
    /// The arguments after the flags, without white space around them.
    pub(crate) rest: &'a [u8],
    /// The arguments as a JSON list.
    pub(crate) list: Option<Vec<String>>,
    /// The words of `ARG`.
    pub(crate) words: Vec<&'a [u8]>,
    /// Whether `ENV` and `LABEL` name nothing, or something without a name.
    pub(crate) names: Names,
    /// The instruction of `ONBUILD`.
    pub(crate) child: Option<Box<Node<'a>>>,
}

/// What the names of `ENV` and `LABEL` are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Missing,
    Blank,
    Good,
}

impl<'a> Node<'a> {
    /// Splits an instruction.
    pub(crate) fn read(line: &'a [u8], escape: u8) -> Result<Self, String> {
        let mut node = Self::split(line, line, escape)?;
        if let Some(text) = node.trigger() {
            let child = Self::split(line, text, escape)?;
            let mut inner = child.trigger();
            node.child = Some(Box::new(child));
            // A trigger that is itself ONBUILD is refused later; mistakes within it come first.
            while let Some(text) = inner {
                inner = Self::split(line, text, escape)?.trigger();
            }
        }
        Ok(node)
    }

    /// The instruction after ONBUILD.
    fn trigger(&self) -> Option<&'a [u8]> {
        (self.keyword == Some(Keyword::OnBuild) && !self.rest.is_empty()).then_some(self.rest)
    }

    /// Splits the instruction `text`, which is a part of `line`.
    fn split(line: &'a [u8], text: &'a [u8], escape: u8) -> Result<Self, String> {
        let text = trim(text);
        let length = text.iter().position(|&b| is_blank(b)).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(length).unwrap_or((text, &[]));
        let blanks = rest.iter().take_while(|&&b| is_blank(b)).count();
        let rest = tail(rest, blanks);
        let mut node = Self {
            keyword: Keyword::new(word),
            word,
            flags: Vec::new(),
            rest,
            list: None,
            words: Vec::new(),
            names: Names::Missing,
            child: None,
        };
        if rest.starts_with(b"-") || rest.first().is_some_and(|&b| is_latin1_space(b)) {
            let taken = flags(rest, offset(line, rest), escape, &mut node.flags);
            node.rest = tail(rest, taken);
        }
        node.rest = trim(node.rest);
        match node.keyword {
            Some(
                Keyword::Run
                | Keyword::Cmd
                | Keyword::Entrypoint
                | Keyword::Shell
                | Keyword::Copy
                | Keyword::Add
                | Keyword::Volume,
            ) => node.list = list(node.rest)?,
            Some(Keyword::Healthcheck) => node.list = list(node.health().1)?,
            Some(Keyword::Env) => node.names = names(node.rest, "ENV", escape)?,
            Some(Keyword::Label) => node.names = names(node.rest, "LABEL", escape)?,
            Some(Keyword::Arg) => node.words = QuotedWords::new(node.rest, escape).collect(),
            _ => {}
        }
        Ok(node)
    }

    /// The type of `HEALTHCHECK` and its command.
    pub(crate) fn health(&self) -> (&'a [u8], &'a [u8]) {
        let end = self
            .rest
            .iter()
            .position(|&b| is_latin1_space(b))
            .unwrap_or(self.rest.len());
        let (kind, command) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        let blanks = command.iter().take_while(|&&b| is_latin1_space(b)).count();
        (kind, tail(command, blanks))
    }

    /// Whether heredocs may follow.
    pub(crate) fn takes_heredocs(&self) -> bool {
        let node = match (&self.keyword, &self.child) {
            (Some(Keyword::OnBuild), Some(child)) => child,
            _ => self,
        };
        matches!(
            node.keyword,
            Some(Keyword::Run | Keyword::Copy | Keyword::Add)
        ) && node.list.is_none()
    }
}

fn list(rest: &[u8]) -> Result<Option<Vec<String>>, String> {
    match json::array(rest) {
        Array::Strings(list) => Ok(Some(list)),
        Array::None => Ok(None),
        Array::NotStrings => {
            Err("when using JSON array syntax, arrays must be comprised of strings only".to_owned())
        }
    }
}

/// Checks the pairs of `ENV` and `LABEL`: `name=value …`, or the old `name value`.
fn names(rest: &[u8], keyword: &str, escape: u8) -> Result<Names, String> {
    let mut words = QuotedWords::new(rest, escape);
    let Some(first) = words.next() else {
        return Ok(Names::Missing);
    };
    if !first.contains(&b'=') {
        if !rest.iter().any(|&b| is_blank(b)) {
            return Err(format!("{keyword} must have two arguments"));
        }
        return Ok(Names::Good);
    }
    let mut names = Names::Good;
    for word in std::iter::once(first).chain(words) {
        match word.iter().position(|&b| b == b'=') {
            None => {
                return Err(format!(
                    "Syntax error - can't find = in {:?}. Must be of the form: name=value",
                    lossy(word)
                ));
            }
            Some(0) => names = Names::Blank,
            Some(_) => {}
        }
    }
    Ok(names)
}

/// Reads the flags at the start of `text` and says how many bytes they take.
///
/// BuildKit takes each byte for a character here, so bytes beyond ASCII come out as Latin-1.
fn flags<'a>(text: &'a [u8], base: usize, escape: u8, found: &mut Vec<Flag<'a>>) -> usize {
    let mut position = 0;
    loop {
        let blanks = tail(text, position)
            .iter()
            .take_while(|&&b| is_latin1_space(b))
            .count();
        position += blanks;
        if !tail(text, position).starts_with(b"--") {
            return position;
        }
        let start = position;
        let word = match plain_flag(tail(text, start), escape) {
            Some(word) => {
                position += word.len();
                Cow::Borrowed(word)
            }
            None => Cow::Owned(quoted_flag(text, &mut position, escape)),
        };
        if word == "--" {
            return position;
        }
        found.push(Flag {
            text: word,
            span: base + start..base + position,
        });
    }
}

/// The first word, if it is nothing but ASCII without quotes and escapes.
fn plain_flag(text: &[u8], escape: u8) -> Option<&str> {
    let is_end = |b: &u8| is_latin1_space(*b) || matches!(b, b'\'' | b'"') || *b == escape;
    let end = text.iter().position(|b| is_end(b) || *b >= 0x80);
    let whole = end.is_none_or(|end| text.get(end).is_some_and(|&b| is_latin1_space(b)));
    let word = std::str::from_utf8(head(text, end.unwrap_or(text.len()))).ok()?;
    whole.then_some(word)
}

fn quoted_flag(text: &[u8], position: &mut usize, escape: u8) -> String {
    let mut word = String::new();
    let mut quote = None;
    while let Some(&byte) = text.get(*position) {
        if quote.is_none() && is_latin1_space(byte) {
            break;
        }
        *position += 1;
        if quote == Some(byte) {
            quote = None;
        } else if quote.is_none() && matches!(byte, b'\'' | b'"') {
            quote = Some(byte);
        } else if byte == escape {
            if let Some(&escaped) = text.get(*position) {
                *position += 1;
                word.push(char::from(escaped));
            }
        } else {
            word.push(char::from(byte));
        }
    }
    word
}

/// The text of a trigger: an `ONBUILD` instruction without its keyword.
pub(crate) fn trigger_text(line: &[u8]) -> &[u8] {
    let skip = |text: &'_ [u8]| text.iter().take_while(|&&b| is_regex_space(b)).count();
    let start = skip(line);
    let after = tail(line, start);
    let keyword = after.get(.."ONBUILD".len()).unwrap_or_default();
    if !keyword.eq_ignore_ascii_case(b"ONBUILD") {
        return line;
    }
    let rest = tail(after, keyword.len());
    tail(rest, skip(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: the flags, then `|` and the rest.
    fn check(line: &str, expected: &str) {
        check_escape(line, b'\\', expected);
    }

    fn check_escape(line: &str, escape: u8, expected: &str) {
        let found = match Node::read(line.as_bytes(), escape) {
            Ok(node) => {
                let flags: Vec<&str> = node.flags.iter().map(|f| f.text.as_ref()).collect();
                format!("{}|{}", flags.join(" "), lossy(node.rest))
            }
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn flags_come_first_and_lose_their_quotes() {
        check("RUN --a --b=c d --e", "--a --b=c|d --e");
        check("RUN --a=\"x y\" b", "--a=x y|b");
        check("RUN --a='x'\\ y b", "--a=x y|b");
        check("RUN --a='x\\'y' b", "--a=x'y|b");
        check("RUN -- --a", "|--a");
        check("RUN --a -- --b", "--a|--b");
        check("RUN --", "|");
        check("RUN - --a", "|- --a");
        check("RUN --a\\", "--a|");
        check("RUN --a=\"x", "--a=x|");
        check("RUN  \t--a\x0B b ", "--a|b");
        check("RUN --a=é b", "--a=Ã©|b");
        check("RUN", "|");
        check_escape("RUN --a=x` y --b=c\\ d", b'`', "--a=x y --b=c\\|d");
    }

    #[test]
    fn words_of_any_case_are_keywords() {
        let check = |word: &str, expected: Option<Keyword>| {
            assert_eq!(Keyword::new(word.as_bytes()), expected, "{word}");
        };
        check("from", Some(Keyword::From));
        check("FrOm", Some(Keyword::From));
        check("HEALTHCHEC\u{212A}", Some(Keyword::Healthcheck));
        check("FROMS", None);
        check("", None);
    }

    #[test]
    fn pairs_need_an_equals_sign() {
        check("ENV A", "error: ENV must have two arguments");
        check("ENV A b c", "|A b c");
        check("ENV A=1 B=2", "|A=1 B=2");
        check(
            "ENV A=1 B",
            "error: Syntax error - can't find = in \"B\". Must be of the form: name=value",
        );
        check("ENV A=\"1 B\" C=", "|A=\"1 B\" C=");
        check("LABEL a", "error: LABEL must have two arguments");
        check("ENV", "|");
    }

    #[test]
    fn lists_hold_strings() {
        check(
            "CMD [1]",
            "error: when using JSON array syntax, arrays must be comprised of strings only",
        );
        check(
            "ONBUILD CMD [1]",
            "error: when using JSON array syntax, arrays must be comprised of strings only",
        );
        check(
            "HEALTHCHECK CMD [1]",
            "error: when using JSON array syntax, arrays must be comprised of strings only",
        );
        check("FROM [1]", "|[1]");
        check("CMD [a]", "|[a]");
    }

    #[test]
    fn triggers_do_not_nest() {
        let deep = |inner: &str| "ONBUILD ".repeat(100_000) + inner;
        let line = deep("RUN x");
        let child = Node::read(line.as_bytes(), b'\\').unwrap().child.unwrap();
        assert_eq!(child.keyword, Some(Keyword::OnBuild));
        assert!(child.child.is_none());
        check(&deep("ENV A"), "error: ENV must have two arguments");
    }

    #[test]
    fn the_text_of_a_trigger_is_what_follows() {
        let check = |line: &str, expected: &str| {
            assert_eq!(lossy(trigger_text(line.as_bytes())), expected);
        };
        check("ONBUILD RUN x", "RUN x");
        check("onbuild\t RUN x ", "RUN x ");
        check("ONBUILD -- RUN x", "-- RUN x");
    }
}
