//! Texts of others, made fit for one line of a message.

use imgfac_model::is_harmful;

/// One line that commands nothing: newlines become blanks, control characters and those that
/// reverse the direction of text go, and what is longer than `limit` characters is cut.
pub(crate) fn line(text: &str, limit: usize) -> String {
    let plain = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        c if is_harmful(c) => None,
        c => Some(c),
    };
    let plain: String = text.chars().filter_map(plain).collect();
    cut(plain.trim(), limit)
}

/// At most so many characters, with `…` where some are left out.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => {
            let kept = text.chars().take(limit.saturating_sub(1));
            kept.chain(['…']).collect()
        }
    }
}

/// As many items as a person reads, separated by commas.
pub(crate) fn some_of(items: &[String]) -> Option<String> {
    const SHOWN: usize = 10;
    let shown = items.get(..SHOWN).unwrap_or(items).join(", ");
    match items.len().saturating_sub(SHOWN) {
        _ if items.is_empty() => None,
        0 => Some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_and_harmless() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a\r\nSubject: b\n", "a  Subject: b"),
            ("\u{1b}[2Jx\0\u{202e}y\u{feff}", "[2Jxy"),
            ("a\u{2028}b\u{85}c", "a b c"),
            ("äöü€x", "äöü€x"),
            ("äöü€xy", "äöü€…"),
        ] {
            assert_eq!(
                line(text, if text.starts_with('ä') { 5 } else { 50 }),
                expected
            );
        }
    }

    #[test]
    fn long_lists_are_counted() {
        let items = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(some_of(&[]), None);
        assert_eq!(some_of(&items(2)).unwrap(), "0, 1");
        assert_eq!(
            some_of(&items(12)).unwrap(),
            "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
        );
    }
}
