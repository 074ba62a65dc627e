//! The patterns of `${name#pattern}`, `%` and `/`: `*`, `?` and literal characters.
//!
//! BuildKit turns a pattern into a regular expression. This matcher follows all possible
//! positions in the pattern at once, so that no pattern makes it backtrack.

use crate::budget::Budget;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`: one character.
    Any,
    /// `*`: any number of characters.
    Star,
}

/// A pattern that was read.
pub(crate) struct Glob {
    tokens: Vec<Token>,
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GlobError {
    /// A `\` that escapes a character which needs no escape.
    Escape(Option<char>),
    /// The file asks for too much work.
    Limit,
}

impl Glob {
    pub(crate) fn new(pattern: impl Iterator<Item = char>) -> Result<Self, GlobError> {
        let mut tokens = Vec::new();
        let mut chars = pattern.peekable();
        // A byte order mark at the start is not part of the text to BuildKit's scanner.
        chars.next_if_eq(&'\u{FEFF}');
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => match chars.peek() {
                    // These two are escaped for the sake of `${}`, not of the pattern.
                    Some('}' | '/') => continue,
                    _ => match chars.next() {
                        Some(c @ ('*' | '?' | '\\')) => Token::Literal(c),
                        other => return Err(GlobError::Escape(other)),
                    },
                },
                c => Token::Literal(c),
            });
        }
        // Several stars in a row match what one does.
        tokens.dedup_by(|a, b| *a == Token::Star && *b == Token::Star);
        Ok(Self { tokens })
    }

    /// The end of the match that begins at `start`, the longest or the shortest.
    fn end_from(
        &self,
        text: &[char],
        start: usize,
        longest: bool,
        budget: &mut Budget,
    ) -> Result<Option<usize>, GlobError> {
        // `active[i]`: the tokens before `i` match what was read so far.
        let count = self.tokens.len();
        let mut active = vec![0_usize];
        let mut next = Vec::new();
        let mut position = start;
        let mut end = None;
        loop {
            // A star also matches nothing. The list is sorted and its last entries are the
            // farthest, so entries are appended in order.
            let mut closed: Vec<usize> = Vec::with_capacity(active.len() + 1);
            for &state in &active {
                let mut state = state;
                loop {
                    if closed.last().is_none_or(|&last| last < state) {
                        closed.push(state);
                    }
                    if self.tokens.get(state) != Some(&Token::Star) {
                        break;
                    }
                    state += 1;
                }
            }
            if !budget.spend(closed.len() + 1) {
                return Err(GlobError::Limit);
            }
            if closed.last() == Some(&count) {
                end = Some(position);
                if !longest {
                    return Ok(end);
                }
            }
            let Some(&c) = text.get(position) else {
                return Ok(end);
            };
            next.clear();
            let mut push = |state: usize| {
                if next.last().is_none_or(|&last| last < state) {
                    next.push(state);
                }
            };
            for &state in &closed {
                match self.tokens.get(state) {
                    Some(Token::Star) if c != '\n' => push(state),
                    Some(Token::Any) if c != '\n' => push(state + 1),
                    Some(&Token::Literal(wanted)) if c == wanted => push(state + 1),
                    _ => {}
                }
            }
            if next.is_empty() {
                return Ok(end);
            }
            std::mem::swap(&mut active, &mut next);
            position += 1;
        }
    }

    /// How many characters at the start of the text match.
    fn prefix(
        &self,
        text: &[char],
        longest: bool,
        budget: &mut Budget,
    ) -> Result<Option<usize>, GlobError> {
        self.end_from(text, 0, longest, budget)
    }

    /// The first match at or after `from`; it is as long as possible.
    fn find(
        &self,
        text: &[char],
        from: usize,
        budget: &mut Budget,
    ) -> Result<Option<(usize, usize)>, GlobError> {
        for start in from..=text.len() {
            if let Some(end) = self.end_from(text, start, true, budget)? {
                return Ok(Some((start, end)));
            }
        }
        Ok(None)
    }
}

/// `${value#pattern}`, and `##` when `longest`.
pub(crate) fn trim_prefix(
    pattern: &str,
    value: &str,
    longest: bool,
    budget: &mut Budget,
) -> Result<String, GlobError> {
    let text: Vec<char> = value.chars().collect();
    let cut = Glob::new(pattern.chars())?.prefix(&text, longest, budget)?;
    Ok(text
        .get(cut.unwrap_or(0)..)
        .unwrap_or_default()
        .iter()
        .collect())
}

/// `${value%pattern}`, and `%%` when `longest`: the same, read from the end.
pub(crate) fn trim_suffix(
    pattern: &str,
    value: &str,
    longest: bool,
    budget: &mut Budget,
) -> Result<String, GlobError> {
    let pattern = reverse_pattern(pattern);
    let text: Vec<char> = value.chars().rev().collect();
    let cut = Glob::new(pattern.into_iter())?.prefix(&text, longest, budget)?;
    let kept = text.get(cut.unwrap_or(0)..).unwrap_or_default();
    Ok(kept.iter().rev().collect())
}

/// Reverses a pattern, but keeps each `\` before the character that it escapes.
fn reverse_pattern(pattern: &str) -> Vec<char> {
    let mut parts: Vec<[Option<char>; 2]> = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\'
            && let Some(escaped) = chars.next()
        {
            parts.push([Some(c), Some(escaped)]);
        } else {
            parts.push([Some(c), None]);
        }
    }
    parts.into_iter().rev().flatten().flatten().collect()
}

/// `${value/pattern/replacement}`, and `//` when `all`.
pub(crate) fn replace(
    pattern: &str,
    replacement: &str,
    value: &str,
    all: bool,
    budget: &mut Budget,
) -> Result<String, GlobError> {
    let glob = Glob::new(pattern.chars())?;
    let text: Vec<char> = value.chars().collect();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default().iter();
    let mut out = String::new();
    if !all {
        return Ok(match glob.find(&text, 0, budget)? {
            Some((start, end)) => {
                out.extend(part(0, start));
                out.push_str(replacement);
                out.extend(part(end, text.len()));
                out
            }
            None => value.to_owned(),
        });
    }
    let mut search = 0;
    let mut last_end = 0;
    while search <= text.len() {
        let Some((start, end)) = glob.find(&text, search, budget)? else {
            break;
        };
        out.extend(part(last_end, start));
        // Nothing is put for an empty match right after another match.
        if end > last_end || start == 0 {
            let matched: String = part(start, end).collect();
            if !expand_template(replacement, &matched, &mut out, budget) {
                return Err(GlobError::Limit);
            }
        }
        last_end = end;
        search = end.max(search + 1);
    }
    out.extend(part(last_end, text.len()));
    Ok(out)
}

/// Puts a replacement as Go's `Regexp.Expand` does: `$0` is the match, other names are empty.
fn expand_template(template: &str, matched: &str, out: &mut String, budget: &mut Budget) -> bool {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{');
        let inner = braced.unwrap_or(rest);
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
        let (name, mut after) = inner.split_at_checked(length).unwrap_or((inner, ""));
        let mut valid = !name.is_empty();
        if braced.is_some() {
            match after.strip_prefix('}') {
                Some(more) => after = more,
                None => valid = false,
            }
        }
        if !valid {
            out.push('$');
            continue;
        }
        if name == "0" {
            out.push_str(matched);
        }
        rest = after;
        if !budget.spend(matched.len() + before.len()) || out.len() > crate::budget::WORD_LIMIT {
            return false;
        }
    }
    out.push_str(rest);
    budget.spend(rest.len()) && out.len() <= crate::budget::WORD_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::new(0)
    }

    #[test]
    fn prefixes_are_cut() {
        let check = |pattern: &str, value: &str, shortest: &str, longest: &str| {
            let cut = |longest| trim_prefix(pattern, value, longest, &mut budget());
            assert_eq!(cut(false).as_deref(), Ok(shortest), "#{pattern}");
            assert_eq!(cut(true).as_deref(), Ok(longest), "##{pattern}");
        };
        check("v", "v1.2", "1.2", "1.2");
        check("x", "v1.2", "v1.2", "v1.2");
        check("*.", "1.2.3", "2.3", "3");
        check("*", "abc", "abc", "");
        check("?", "abc", "bc", "bc");
        check("", "abc", "abc", "abc");
        check("[a]", "[a]b", "b", "b");
        check("\\*", "*a", "a", "a");
        check("\\/", "/a", "a", "a");
        check("é", "éa", "a", "a");
    }

    #[test]
    fn suffixes_are_cut() {
        let check = |pattern: &str, value: &str, shortest: &str, longest: &str| {
            let cut = |longest| trim_suffix(pattern, value, longest, &mut budget());
            assert_eq!(cut(false).as_deref(), Ok(shortest), "%{pattern}");
            assert_eq!(cut(true).as_deref(), Ok(longest), "%%{pattern}");
        };
        check(".*", "1.2.3", "1.2", "1");
        check("*", "abc", "abc", "");
        check("c", "abc", "ab", "ab");
        check("\\*c", "ab*c", "ab", "ab");
        check("b", "abc", "abc", "abc");
        check("-*-", "a-b-c-", "a-b-c-".strip_suffix("-c-").unwrap(), "a");
    }

    #[test]
    fn matches_are_replaced() {
        let check = |pattern: &str, with: &str, value: &str, first: &str, all: &str| {
            let put = |all| replace(pattern, with, value, all, &mut budget());
            assert_eq!(put(false).as_deref(), Ok(first), "/{pattern}/{with}");
            assert_eq!(put(true).as_deref(), Ok(all), "//{pattern}/{with}");
        };
        check(".", "-", "1.2.3", "1-2.3", "1-2-3");
        check("*", "x", "abc", "x", "x");
        check("?", "x", "abc", "xbc", "xxx");
        check("", "x", "ab", "xab", "xaxbx");
        check("b*", "", "abcb", "a", "a");
        check("a", "$0$$", "bab", "b$0$$b", "ba$b");
        check("a", "$1.${x}$ ", "a", "$1.${x}$ ", ".$ ");
        check("z", "x", "ab", "ab", "ab");
        check("x", "y", "", "", "");
        check("*", "y", "", "y", "y");
    }

    #[test]
    fn other_escapes_are_refused() {
        let new = |pattern: &str| Glob::new(pattern.chars()).err();
        assert_eq!(new("\\a"), Some(GlobError::Escape(Some('a'))));
        assert_eq!(new("a\\"), Some(GlobError::Escape(None)));
        assert_eq!(new("\\\\"), None);
    }

    #[test]
    fn work_is_bounded() {
        let pattern = "*a".repeat(20_000) + "b";
        let value = "a".repeat(100_000);
        let found = replace(&pattern, "", &value, true, &mut budget());
        assert_eq!(found, Err(GlobError::Limit));
    }
}
