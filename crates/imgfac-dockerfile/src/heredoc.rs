//! Heredocs: which words of a line open one, and by what name it ends.

use crate::budget::Budget;
use crate::lex::{self, Message, Raw};
use crate::text::{decode, is_regex_space, tail};

/// A heredoc that a line opens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heredoc {
    pub(crate) name: String,
    /// `<<-`: leading tabs do not count when a line is compared with the name.
    pub(crate) cut_tabs: bool,
}

impl Heredoc {
    /// Whether the body ends with this line.
    pub(crate) fn ends_with(&self, line: &[u8]) -> bool {
        let mut line = line;
        if self.cut_tabs {
            while let [b'\t', rest @ ..] = line {
                line = rest;
            }
        }
        line == self.name.as_bytes()
    }
}

/// The heredocs that a whole instruction opens, in order.
pub(crate) fn of_line(line: &[u8], budget: &mut Budget) -> Result<Vec<Heredoc>, String> {
    let raw = Raw {
        quotes: true,
        escapes: true,
    };
    // A line that is no proper shell text opens none.
    let words = match lex::words(line, raw, budget) {
        Err(Message::Limit(text)) => return Err(text.to_owned()),
        words => words.unwrap_or_default(),
    };
    let mut found = Vec::new();
    for word in words {
        found.extend(of_word(word.as_bytes(), budget)?);
    }
    Ok(found)
}

/// The heredoc that a word opens: `<<NAME`, with a file descriptor in front and a `-` after `<<`.
pub(crate) fn of_word(word: &[u8], budget: &mut Budget) -> Result<Option<Heredoc>, String> {
    let digits = word.iter().take_while(|b| b.is_ascii_digit()).count();
    let Some(rest) = tail(word, digits).strip_prefix(b"<<") else {
        return Ok(None);
    };
    let cut_tabs = rest.first() == Some(&b'-');
    let mut rest = tail(rest, usize::from(cut_tabs));
    while let [b, more @ ..] = rest
        && is_regex_space(*b)
    {
        rest = more;
    }
    if rest.is_empty() || rest.contains(&b'<') || decode(rest).is_none() {
        return Ok(None);
    }
    let names = lex::words(rest, Raw::default(), budget);
    let mut names = names.map_err(Message::into_text)?.into_iter();
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(Some(Heredoc { name, cut_tabs })),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` are the names, with a `-` in front where tabs are cut.
    fn check(line: &str, expected: &[&str]) {
        let found: Vec<String> = of_line(line.as_bytes(), &mut Budget::new(0))
            .unwrap()
            .into_iter()
            .map(|h| format!("{}{}", if h.cut_tabs { "-" } else { "" }, h.name))
            .collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn any_word_may_open_one() {
        check("RUN <<EOF", &["EOF"]);
        check("RUN cat <<EOF > f", &["EOF"]);
        check("RUN --mount=type=cache,target=/x <<EOF sh", &["EOF"]);
        check("COPY <<a.txt <<-b.txt /", &["a.txt", "-b.txt"]);
        check("RUN 3<<EOF cat", &["EOF"]);
        check("RUN cat << EOF", &["EOF"]);
        check("RUN cat <<\t\rEOF", &["EOF"]);
        check("RUN cat <<'EOF' <<\"E O\"", &["EOF", "E O"]);
        check("RUN cat <<E\\OF", &["EOF"]);
        check("RUN cat <<$X <<${Y}", &["$X", "${Y}"]);
        check("RUN cat <<EOF;", &["EOF;"]);
        check("RUN echo $((1 << 3))", &["3))"]);
    }

    #[test]
    fn other_words_do_not() {
        check("RUN cat \"<<EOF\" '<<EOF'", &[]);
        check("RUN cat <<<word", &[]);
        check("RUN cat<<EOF", &[]);
        check("RUN cat \\<<EOF", &[]);
        check("RUN cat <<EOF<x", &[]);
        check("RUN cat <<", &[]);
        check("RUN cat <<- EOF", &[]);
        check("RUN cat <<\u{A0}EOF <<\x0BEOF", &[]);
        check("RUN cat <<\"\"", &[]);
        check("RUN (<<EOF)", &[]);
        check("RUN echo \"a <<EOF", &[]);
        check("RUN echo it's <<EOF", &[]);
        check("RUN echo ${} <<EOF", &[]);
    }

    #[test]
    fn a_nested_substitution_loses_what_stood_before_it() {
        check("RUN cat <<EOF${X:-y}", &[]);
        check("RUN cat <<${X:-y}", &[]);
        check("RUN echo ${X:-y} <<EOF", &["EOF"]);
    }
}
