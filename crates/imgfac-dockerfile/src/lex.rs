//! The shell-like lexer: quotes, escapes and variables of a word, and the words of a line.
//!
//! One lexer serves three ends, as it does in BuildKit: expanding an argument, finding heredocs
//! on a line, and reading a heredoc's name.

use std::borrow::Cow;

use crate::budget::{Budget, DEPTH_LIMIT, WORD_LIMIT};
use crate::glob::{self, GlobError};
use crate::lines::BOM;
use crate::text::{decode, head, is_space, tail};
use crate::variables::Variables;

/// What an expansion gave.
#[derive(Debug, Default)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// The variables that were looked up and had no value, in order of first use.
    pub(crate) unset: Vec<String>,
}

/// Why an expansion gave nothing.
#[derive(Debug)]
pub(crate) struct LexError {
    pub(crate) message: String,
    /// The variables without a value that were met before the mistake.
    pub(crate) unset: Vec<String>,
}

/// Whether the lexer changes the text at all, that is, whether it has anything to act on.
pub(crate) fn is_plain(text: &[u8], escape: u8) -> bool {
    !text
        .iter()
        .any(|&b| matches!(b, b'$' | b'\'' | b'"') || b == escape || b >= 0x80)
}

/// Expands the variables of a word and removes its quotes and escapes.
pub(crate) fn expand(
    word: &[u8],
    escape: u8,
    variables: &Variables<'_>,
    budget: &mut Budget,
) -> Result<Expanded, LexError> {
    let mut lexer = Lexer::new(word, escape, Some(variables), budget);
    match lexer.stop_on(None, false) {
        Ok((text, _)) => Ok(Expanded {
            text,
            unset: lexer.unset,
        }),
        Err(message) => Err(LexError {
            message: message.into_text(),
            unset: lexer.unset,
        }),
    }
}

/// How [`words`] treats what it reads.
#[derive(Clone, Copy, Default)]
pub(crate) struct Raw {
    /// Keep quotes.
    pub(crate) quotes: bool,
    /// Keep escape characters.
    pub(crate) escapes: bool,
}

/// Splits a line into words; the escape character is `\`, and variables stay as they are.
pub(crate) fn words(line: &[u8], raw: Raw, budget: &mut Budget) -> Result<Vec<String>, Message> {
    let mut lexer = Lexer::new(line, b'\\', None, budget);
    lexer.raw_quotes = raw.quotes;
    lexer.raw_escapes = raw.escapes;
    lexer.stop_on(None, raw.escapes).map(|(_, words)| words)
}

/// What is wrong with a text.
#[derive(Debug)]
pub(crate) enum Message {
    Fixed(&'static str),
    Text(String),
    /// It asks for too much, which says nothing about what it is.
    Limit(&'static str),
}

impl Message {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Fixed(text) | Self::Limit(text) => text.to_owned(),
            Self::Text(text) => text,
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

const TOO_LARGE: Message = Message::Limit("the expansion is too large");

struct Lexer<'a> {
    source: &'a [u8],
    position: usize,
    escape: char,
    raw_quotes: bool,
    raw_escapes: bool,
    /// `None`: only split words, and leave every variable as it is written.
    variables: Option<&'a Variables<'a>>,
    /// The word under construction. BuildKit shares it with nested expansions, which begin by
    /// clearing it; the words of a line depend on that.
    word: String,
    budget: &'a mut Budget,
    depth: usize,
    unset: Vec<String>,
}

/// The words of one level of nesting.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    inside: bool,
}

impl<'a> Lexer<'a> {
    fn new(
        source: &'a [u8],
        escape: u8,
        variables: Option<&'a Variables<'a>>,
        budget: &'a mut Budget,
    ) -> Self {
        // The scanner drops a byte order mark at the start of what it reads.
        let position = if source.starts_with(BOM) {
            BOM.len()
        } else {
            0
        };
        Self {
            source,
            position,
            escape: char::from(escape),
            raw_quotes: false,
            raw_escapes: false,
            variables,
            word: String::new(),
            budget,
            depth: 0,
            unset: Vec::new(),
        }
    }

    fn peek(&self) -> Option<char> {
        decode(tail(self.source, self.position)).map(|(c, _)| c)
    }

    fn next(&mut self) -> Option<char> {
        let (c, length) = decode(tail(self.source, self.position))?;
        self.position += length;
        Some(c)
    }

    fn splits(&self) -> bool {
        self.variables.is_none()
    }

    fn spend(&mut self, size: usize) -> Result<(), Message> {
        if size > WORD_LIMIT && !self.splits() || !self.budget.spend(size) {
            return Err(TOO_LARGE);
        }
        Ok(())
    }

    fn add_char(&mut self, words: &mut Words, c: char) {
        if !self.splits() {
            return;
        }
        if !is_space(c) {
            self.word.push(c);
            words.inside = true;
        } else if words.inside && !self.word.is_empty() {
            words.done.push(std::mem::take(&mut self.word));
            words.inside = false;
        }
    }

    fn add_raw(&mut self, words: &mut Words, text: &str) {
        if self.splits() {
            self.word.push_str(text);
            words.inside = true;
        }
    }

    fn add_raw_char(&mut self, words: &mut Words, c: char) {
        self.add_raw(words, c.encode_utf8(&mut [0; 4]));
    }

    fn finish(&mut self, words: &mut Words) -> Vec<String> {
        if !self.word.is_empty() {
            words.done.push(std::mem::take(&mut self.word));
        }
        std::mem::take(&mut words.done)
    }

    /// Reads up to `stop`, or to the end of the text when there is none.
    fn stop_on(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
    ) -> Result<(String, Vec<String>), Message> {
        if self.depth >= DEPTH_LIMIT {
            return Err(Message::Limit("substitutions are nested too deeply"));
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        let result = self.stop_on_inner(stop);
        self.raw_escapes = outer;
        self.depth -= 1;
        result
    }

    fn stop_on_inner(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), Message> {
        let left = self.source.len().saturating_sub(self.position);
        let mut result = String::with_capacity(left.min(64));
        let mut words = Words::default();
        self.word.clear();
        while let Some(c) = self.peek() {
            if stop == Some(c) {
                self.next();
                self.spend(result.len())?;
                return Ok((result, self.finish(&mut words)));
            }
            match c {
                '\'' => {
                    let from = result.len();
                    self.single_quoted(&mut result)?;
                    self.add_raw(&mut words, result.get(from..).unwrap_or_default());
                }
                '"' => {
                    let text = self.double_quoted()?;
                    result.push_str(&text);
                    self.add_raw(&mut words, &text);
                }
                '$' => {
                    let text = self.dollar()?;
                    result.push_str(&text);
                    if self.splits() {
                        for c in text.chars() {
                            self.add_char(&mut words, c);
                        }
                    }
                    if result.len() > WORD_LIMIT {
                        self.spend(result.len())?;
                    }
                }
                '<' if self.splits() => {
                    let text = self.redirection();
                    result.push_str(&text);
                    self.add_raw(&mut words, &text);
                }
                _ if self.is_ordinary(c, stop) => {
                    let text = self.ordinary(stop);
                    self.add_raw(&mut words, text);
                    result.push_str(text);
                }
                _ => {
                    self.next();
                    if c == self.escape {
                        if self.raw_escapes {
                            self.add_raw_char(&mut words, c);
                            result.push(c);
                        }
                        // An escape character at the very end escapes nothing.
                        let Some(escaped) = self.next() else {
                            break;
                        };
                        self.add_raw_char(&mut words, escaped);
                        result.push(escaped);
                    } else {
                        self.add_char(&mut words, c);
                        result.push(c);
                    }
                }
            }
        }
        self.spend(result.len())?;
        if let Some(stop) = stop {
            return Err(Message::Text(format!(
                "unexpected end of statement while looking for matching {stop}"
            )));
        }
        Ok((result, self.finish(&mut words)))
    }

    /// Whether a character is an ASCII one that stands for itself.
    fn is_ordinary(&self, c: char, stop: Option<char>) -> bool {
        c.is_ascii_graphic()
            && !matches!(c, '\'' | '"' | '$' | '<')
            && c != self.escape
            && Some(c) != stop
    }

    /// The text up to the next character that is not ordinary.
    fn ordinary(&mut self, stop: Option<char>) -> &'a str {
        let rest = tail(self.source, self.position);
        let length = rest
            .iter()
            .position(|&b| !self.is_ordinary(char::from(b), stop));
        let text = head(rest, length.unwrap_or(rest.len()));
        self.position += text.len();
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// `<<` takes the blanks after it into the word, so that `<< EOF` is one; `<<- EOF` is two.
    fn redirection(&mut self) -> String {
        let mut text = String::from("<");
        self.next();
        if self.peek() == Some('<') {
            self.next();
            text.push('<');
            while let Some(c @ ('\t' | '\r' | ' ')) = self.peek() {
                self.next();
                text.push(c);
            }
        }
        text
    }

    fn single_quoted(&mut self, out: &mut String) -> Result<(), Message> {
        self.next();
        if self.raw_quotes {
            out.push('\'');
        }
        loop {
            match self.next() {
                None => {
                    return Err(Message::Fixed(
                        "unexpected end of statement while looking for matching single-quote",
                    ));
                }
                Some('\'') => {
                    if self.raw_quotes {
                        out.push('\'');
                    }
                    return Ok(());
                }
                Some(c) => out.push(c),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String, Message> {
        let mut out = String::new();
        self.next();
        if self.raw_quotes {
            out.push('"');
        }
        loop {
            match self.peek() {
                None => {
                    return Err(Message::Fixed(
                        "unexpected end of statement while looking for matching double-quote",
                    ));
                }
                Some('"') => {
                    self.next();
                    if self.raw_quotes {
                        out.push('"');
                    }
                    self.spend(out.len())?;
                    return Ok(out);
                }
                Some('$') => {
                    let text = self.dollar()?;
                    out.push_str(&text);
                    if out.len() > WORD_LIMIT {
                        self.spend(out.len())?;
                    }
                }
                Some(mut c) => {
                    self.next();
                    if c == self.escape {
                        if self.raw_escapes {
                            out.push(c);
                        }
                        match self.peek() {
                            None => continue,
                            Some(escaped)
                                if escaped == '"' || escaped == '$' || escaped == self.escape =>
                            {
                                self.next();
                                c = escaped;
                            }
                            Some(_) => {}
                        }
                    }
                    out.push(c);
                }
            }
        }
    }

    /// A `$` and what belongs to it.
    fn dollar(&mut self) -> Result<Cow<'a, str>, Message> {
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok(Cow::Borrowed("$"));
            }
            return self.plain_variable(name, false);
        }
        self.next();
        match self.peek() {
            None => return Err(Message::Fixed("syntax error: missing '}'")),
            Some('{' | '}' | ':') => return Err(Message::Fixed("syntax error: bad substitution")),
            Some(_) => {}
        }
        let name = self.name();
        let mut modifier = String::new();
        let mut operator = self.next();
        modifier.extend(operator);
        match operator {
            // BuildKit names a modifier here that is not in the text.
            None => return Err(Message::Fixed("syntax error: missing '}'")),
            Some('}') => return self.plain_variable(name, true),
            Some('/') => return self.replacement(name).map(Cow::Owned),
            _ => {}
        }
        let empty_is_unset = operator == Some(':');
        if empty_is_unset {
            operator = self.next();
            modifier.extend(operator);
        }
        let raw_escapes = matches!(operator, Some('#' | '%'));
        if !empty_is_unset && !matches!(operator, Some('+' | '-' | '?' | '#' | '%'))
            || empty_is_unset && raw_escapes
        {
            return Err(unsupported(&modifier));
        }
        let (word, _) = self
            .stop_on(Some('}'), raw_escapes)
            .map_err(|error| self.missing(error, "syntax error: missing '}'"))?;
        let Some(value) = self.lookup(name)? else {
            return Ok(Cow::Owned(format!("${{{name}{modifier}{word}}}")));
        };
        let present = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match operator {
            Some('-') => Ok(present.map_or(Cow::Owned(word), Cow::Borrowed)),
            Some('+') => Ok(present.map_or(Cow::Borrowed(""), |_| Cow::Owned(word))),
            Some('?') if present.is_some() => Ok(Cow::Borrowed(present.unwrap_or_default())),
            Some('?') => Err(Message::Text(match (word.as_str(), value) {
                ("", None) => format!("{name}: is not allowed to be unset"),
                ("", Some(_)) => format!("{name}: is not allowed to be empty"),
                (word, _) => format!("{name}: {word}"),
            })),
            Some(sign @ ('#' | '%')) => {
                let value = value.unwrap_or_default();
                let longest = word.strip_prefix(sign);
                let pattern = longest.unwrap_or(&word);
                let cut = if sign == '#' {
                    glob::trim_prefix
                } else {
                    glob::trim_suffix
                };
                cut(pattern, value, longest.is_some(), self.budget)
                    .map(Cow::Owned)
                    .map_err(|error| glob_message(&error, pattern))
            }
            _ => Err(unsupported(&modifier)),
        }
    }

    /// `${name/pattern/replacement}`, after the first `/`.
    fn replacement(&mut self, name: &str) -> Result<String, Message> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let (pattern, _) = self
            .stop_on(Some('/'), true)
            .map_err(|error| self.missing(error, "syntax error: missing '/' in ${}"))?;
        let (replacement, _) = self
            .stop_on(Some('}'), true)
            .map_err(|error| self.missing(error, "syntax error: missing '}'"))?;
        let Some(value) = self.lookup(name)? else {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        };
        let value = value.unwrap_or_default();
        let text = glob::replace(&pattern, &replacement, value, all, self.budget)
            .map_err(|error| glob_message(&error, &pattern))?;
        self.spend(text.len())?;
        Ok(text)
    }

    fn plain_variable(&mut self, name: &str, braced: bool) -> Result<Cow<'a, str>, Message> {
        Ok(match self.lookup(name)? {
            Some(value) => Cow::Borrowed(value.unwrap_or_default()),
            None if braced => Cow::Owned(format!("${{{name}}}")),
            None => Cow::Owned(format!("${name}")),
        })
    }

    /// The value of a variable; the outer `None` means that variables stay as they are.
    #[expect(
        clippy::option_option,
        reason = "unset and left alone are different answers"
    )]
    fn lookup(&mut self, name: &str) -> Result<Option<Option<&'a str>>, Message> {
        let Some(variables) = self.variables else {
            return Ok(None);
        };
        let Some(value) = variables.get(name) else {
            if !self.unset.iter().any(|known| known == name) && self.unset.len() < 16 {
                self.unset.push(name.to_owned());
            }
            return Ok(Some(None));
        };
        self.spend(value.len())?;
        Ok(Some(Some(value)))
    }

    /// At the end of the text the mistake is the missing sign, whatever was being read.
    fn missing(&self, error: Message, message: &'static str) -> Message {
        if self.peek().is_none() && !matches!(error, Message::Limit(_)) {
            return Message::Fixed(message);
        }
        error
    }

    fn name(&mut self) -> &'a str {
        let start = self.position;
        if self.peek().is_some_and(is_digit) {
            self.skip_while(is_digit);
        } else if let Some('@' | '*' | '#' | '?' | '-' | '$' | '!') = self.peek() {
            self.next();
        } else {
            self.skip_while(|c| c == '_' || c.is_alphabetic() || is_digit(c));
        }
        let name = self.source.get(start..self.position).unwrap_or_default();
        // Of such characters none stands for ill-formed text.
        std::str::from_utf8(name).unwrap_or_default()
    }

    fn skip_while(&mut self, accepted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&accepted) {
            self.next();
        }
    }
}

/// A decimal digit of the scripts that one may meet.
fn is_digit(c: char) -> bool {
    matches!(
        c,
        '0'..='9' | '\u{660}'..='\u{669}' | '\u{6F0}'..='\u{6F9}' | '\u{966}'..='\u{96F}'
            | '\u{FF10}'..='\u{FF19}'
    )
}

fn unsupported(modifier: &str) -> Message {
    Message::Text(format!("unsupported modifier ({modifier}) in substitution"))
}

fn glob_message(error: &GlobError, pattern: &str) -> Message {
    match error {
        GlobError::Limit => TOO_LARGE,
        GlobError::Escape(Some(c)) => Message::Text(format!(
            "invalid pattern ({pattern}) in substitution: invalid escape '\\{c}'"
        )),
        GlobError::Escape(None) => Message::Text(format!(
            "invalid pattern ({pattern}) in substitution: it ends with an escape"
        )),
    }
}
