//! Changes to files that people write: what is not changed stays as they wrote it.

use std::borrow::Cow;
use std::ops::Range;

use crate::emit::Emitter;
use crate::node::Node;
use crate::read::parse;
use crate::value::Value;

/// A text cannot be edited safely.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EditError {
    /// The text cannot be read.
    #[error(transparent)]
    Read(#[from] crate::Error),
    /// Its root is not a list with such an item.
    #[error("it is not a list with such an item")]
    NotThere,
    /// The list is written in a way that cannot be changed line by line.
    #[error("its list is written in a way that only a person can change")]
    Form,
}

/// A text whose root is a list, without one of its items. Comments directly above the item, and
/// those inside of it, go with it; everything else stays byte for byte.
///
/// # Errors
///
/// When the text is not such a list in block style, or other items would change, as when they
/// need an anchor of this one.
pub fn without_item(text: &str, index: usize) -> Result<String, EditError> {
    edit(text, |text| without(text, index))
}

/// A text whose root is a list, or nothing, with one more item at the end. It stands before the
/// mark of the end of the document, if there is one.
///
/// # Errors
///
/// When the text is not such a list in block style.
pub fn with_item(text: &str, value: &Value) -> Result<String, EditError> {
    edit(text, |text| with(text, value))
}

/// Changes what stands before the end of the document. Lines that all end as on Windows do so
/// afterwards. Lets only those texts out that say what they should: `change` gives the items.
fn edit(
    text: &str,
    change: impl Fn(&str) -> Result<(String, Vec<Value>), EditError>,
) -> Result<String, EditError> {
    let count = |what: &str| text.matches(what).count();
    let windows = count("\r\n") > 0 && count("\r\n") == count("\n") && count("\r\n") == count("\r");
    let text = match windows {
        true => Cow::Owned(text.replace("\r\n", "\n")),
        false => Cow::Borrowed(text),
    };
    let (document, rest) = text.split_at(end_of_document(&text));
    let (mut edited, wanted) = change(document)?;
    edited.push_str(rest);
    if windows {
        edited = edited.replace('\n', "\r\n");
    }
    let same = match parse(&edited) {
        Ok(document) => document.root.to_value() == Value::List(wanted),
        Err(_) => false,
    };
    same.then_some(edited).ok_or(EditError::Form)
}

/// Where the line `...` begins that ends a document, or the end of the text. No value can have such
/// a line: what is inside of one stands further to the right.
fn end_of_document(text: &str) -> usize {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let mark = line.strip_prefix("...");
        if mark.is_some_and(|after| after.is_empty() || after.starts_with(char::is_whitespace)) {
            return at;
        }
        at += line.len();
    }
    at
}

fn without(text: &str, index: usize) -> Result<(String, Vec<Value>), EditError> {
    let root = parse(text)?.root;
    let items = root.items().ok_or(EditError::NotThere)?;
    let item = items.get(index).ok_or(EditError::NotThere)?;
    let lines = lines_of(text, item, index)?;
    let mut edited = text[..lines.start].to_owned();
    if items.len() == 1 {
        edited.push_str("[]\n");
    }
    let rest = &text[lines.end..];
    // Of the blank lines before and after, those before stay.
    let separated = edited.is_empty() || edited.ends_with("\n\n");
    edited.push_str(if separated {
        rest.trim_start_matches('\n')
    } else {
        rest
    });
    let mut wanted: Vec<Value> = items.iter().map(Node::to_value).collect();
    wanted.remove(index);
    Ok((edited, wanted))
}

fn with(text: &str, value: &Value) -> Result<(String, Vec<Value>), EditError> {
    let root = parse(text)?.root;
    let items = match root.items() {
        Some(items) => items,
        None if root.is_null() => &[],
        None => return Err(EditError::NotThere),
    };
    let mut edited = text.to_owned();
    let mut column = 0;
    match items.last() {
        Some(last) => {
            column = dashes(text).ok_or(EditError::Form)?;
            let first = first_line(text, last, column).ok_or(EditError::Form)?;
            let separated = items.len() > 1 && text[..first].ends_with("\n\n");
            newline(&mut edited);
            if separated && !edited.ends_with("\n\n") {
                edited.push('\n');
            }
        }
        // Nothing, `[]` or `null`.
        None => {
            let empty = &text[root.span.start..];
            let end = match empty.find(']') {
                Some(bracket) if empty.starts_with('[') => root.span.start + bracket + 1,
                _ => root.span.end,
            };
            edited.replace_range(root.span.start..end, "");
            let kept = edited.trim_end().len();
            edited.truncate(kept);
            newline(&mut edited);
        }
    }
    edited.push_str(&Emitter::list_item(value, column));
    let mut wanted: Vec<Value> = items.iter().map(Node::to_value).collect();
    wanted.push(value.clone());
    Ok((edited, wanted))
}

fn newline(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The column of the dashes of a list in block style.
fn dashes(text: &str) -> Option<usize> {
    let first = text.lines().find(|line| {
        let line = line.trim();
        !(line.is_empty() || line.starts_with(['#', '%']) || line == "---")
    })?;
    let column = first.len() - first.trim_start_matches(' ').len();
    is_item(first, column).then_some(column)
}

/// Whether a line begins an item: what is inside of one stands further to the right.
fn is_item(line: &str, column: usize) -> bool {
    let after = line
        .get(column..)
        .and_then(|rest| rest.strip_prefix('-'))
        .filter(|_| line[..column].trim_matches(' ').is_empty());
    after.is_some_and(|after| after.is_empty() || after.starts_with([' ', '\n', '\r']))
}

/// Where the line with the dash of an item begins.
fn first_line(text: &str, item: &Node, column: usize) -> Option<usize> {
    let mut start = line_start(text, item.span.start);
    while !is_item(&text[start..], column) {
        start = line_start(text, start.checked_sub(1)?);
    }
    Some(start)
}

/// The lines that an item takes, with the comments directly above it. Above the first item may
/// stand what the file is about: that stays.
fn lines_of(text: &str, item: &Node, index: usize) -> Result<Range<usize>, EditError> {
    let column = dashes(text).ok_or(EditError::Form)?;
    let first = first_line(text, item, column).ok_or(EditError::Form)?;
    let mut start = first;
    while index > 0 && start > 0 {
        let above = line_start(text, start - 1);
        let comment = text[above..start].trim_start_matches(' ');
        // Further to the right it is part of the item before.
        let indent = start - above - comment.len();
        if !comment.starts_with('#') || indent > column {
            break;
        }
        start = above;
    }
    let mut end = first;
    let mut at = first;
    for line in text[first..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let blank = line.trim().is_empty();
        if at > first && !blank && indent <= column {
            break;
        }
        at += line.len();
        if !blank {
            end = at;
        }
    }
    Ok(start..end)
}
