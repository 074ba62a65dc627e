//! Colours, counts, and text that cannot command a terminal.

use anstyle::{AnsiColor, Style};
use imgfac_model::is_harmful;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();

/// Makes control characters, and those that reverse the direction of text, visible: names and
/// messages come from files that anybody may have written.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// As [`clean`] for JSON, which has its own escapes: what is read from it stays the same.
pub(crate) fn clean_json(text: String) -> String {
    if !text.contains(is_harmful) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// `1 image`, `2 images`.
pub(crate) fn count(number: usize, singular: &str) -> String {
    match number {
        1 => format!("1 {singular}"),
        _ => format!("{number} {singular}s"),
    }
}

/// Pads all but the last cell of every row to the width of its column. A cell has one line: text
/// of several could pass for lines of ours.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let one_line = |cell: &String| cell.replace('\n', "\\n");
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(one_line).collect())
        .collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(known) => *known = (*known).max(width),
                None => widths.push(width),
            }
        }
    }
    rows.iter()
        .map(|row| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_command_a_terminal() {
        assert_eq!(
            clean("a\u{1b}[2Jb\u{202e}c\0"),
            "a\\u{1b}[2Jb\\u{202e}c\\u{0}"
        );
        assert_eq!(clean("two\nlines"), "two\nlines");
        assert_eq!(
            clean_json("{\n\"a\u{9b}\u{202e}\"}".into()),
            "{\n\"a\\u009b\\u202e\"}"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| {
            cells
                .iter()
                .map(|cell| (*cell).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            columns(&[row(&["a", "bb", "c"]), row(&["ddd", "e", "ff"])]),
            ["a    bb  c", "ddd  e   ff"]
        );
        assert_eq!(columns(&[row(&["a\nb", "c"])]), ["a\\nb  c"]);
    }
}
