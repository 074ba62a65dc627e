//! From text to a tree.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::error::{Error, Problem};
use crate::node::{Document, DuplicateKey, Kind, Node};

/// The longest text that is read, in bytes.
pub const TEXT_LIMIT: usize = 64 << 20;
/// The most values that a document may have, those that anchors and aliases repeat included.
pub const NODE_LIMIT: usize = 1_000_000;
/// The deepest that lists and mappings may stand in each other.
pub const DEPTH_LIMIT: usize = 100;

/// Reads a document from bytes that should be UTF-8.
///
/// # Errors
/// As [`parse`], and when the bytes are not UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Document, Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(error) => {
            // The offset is that of the text with replacement characters, which is what can be shown.
            let valid = error.valid_up_to();
            Err(Error::new(Problem::NotUtf8, valid..valid))
        }
    }
}

/// Reads a document. No content at all is a null.
///
/// # Errors
/// When the text is not YAML, has more than one document, or is larger or deeper than the limits.
pub fn parse(text: &str) -> Result<Document, Error> {
    if text.len() > TEXT_LIMIT {
        return Err(Error::new(Problem::TooLong { limit: TEXT_LIMIT }, 0..0));
    }
    if let Some(at) = text.find('\0') {
        return Err(Error::new(Problem::Nul, at..at + 1));
    }
    Reader {
        text,
        nodes: 0,
        repeated: 0,
        anchors: HashMap::new(),
        duplicates: Vec::new(),
    }
    .document()
}

struct Reader<'t> {
    text: &'t str,
    nodes: usize,
    /// Bytes of text that anchors and aliases repeat.
    repeated: usize,
    anchors: HashMap<usize, Node>,
    duplicates: Vec<DuplicateKey>,
}

/// A collection that is being read.
enum Open {
    Sequence {
        start: usize,
        anchor: usize,
        items: Vec<Node>,
    },
    Mapping {
        start: usize,
        anchor: usize,
        entries: Vec<(Node, Node)>,
        key: Option<Node>,
    },
}

impl Reader<'_> {
    fn document(mut self) -> Result<Document, Error> {
        let mut options = granit_parser::Options::default();
        options.set_emit_comments(false);
        let mut parser = Parser::new_from_str_with_options(self.text, options);
        let mut stack: Vec<Open> = Vec::new();
        let mut root = None;
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            let range = self.range(&span);
            let (node, anchor) = match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Error::new(Problem::SecondDocument, range));
                    }
                    continue;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.check_tag(tag.as_deref(), &range)?;
                    self.open(&stack, &range)?;
                    stack.push(Open::Sequence {
                        start: range.start,
                        anchor,
                        items: Vec::new(),
                    });
                    continue;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.check_tag(tag.as_deref(), &range)?;
                    self.open(&stack, &range)?;
                    stack.push(Open::Mapping {
                        start: range.start,
                        anchor,
                        entries: Vec::new(),
                        key: None,
                    });
                    continue;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let plain =
                        style == ScalarStyle::Plain && !self.check_tag(tag.as_deref(), &range)?;
                    self.count(1, &range)?;
                    (
                        Node {
                            span: range,
                            kind: Kind::Scalar {
                                text: text.into_owned(),
                                plain,
                            },
                        },
                        anchor,
                    )
                }
                Event::Alias(id) => (self.alias(id, &range)?, 0),
                Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                    Some(open) => self.close(open, range.start),
                    None => continue,
                },
                _ => continue,
            };
            if anchor != 0 {
                let copy = self.copy(&node, &node.span)?;
                self.anchors.insert(anchor, copy);
            }
            match stack.last_mut() {
                Some(Open::Sequence { items, .. }) => items.push(node),
                Some(Open::Mapping { entries, key, .. }) => match key.take() {
                    Some(key) => entries.push((key, node)),
                    None if node.scalar_text().is_none() => {
                        return Err(Error::new(Problem::Key, node.span));
                    }
                    None => *key = Some(node),
                },
                None => root = Some(node),
            }
        }
        let root = root.unwrap_or(Node {
            span: 0..0,
            kind: Kind::Scalar {
                text: String::new(),
                plain: true,
            },
        });
        self.duplicates.sort_by_key(|twice| twice.second.start);
        Ok(Document {
            root,
            duplicates: self.duplicates,
        })
    }

    fn close(&mut self, open: Open, end: usize) -> (Node, usize) {
        match open {
            Open::Sequence {
                start,
                anchor,
                items,
            } => {
                let end = items.last().map_or(end, |last| last.span.end).max(start);
                (
                    Node {
                        span: start..end,
                        kind: Kind::Sequence(items),
                    },
                    anchor,
                )
            }
            Open::Mapping {
                start,
                anchor,
                entries,
                ..
            } => {
                let end = entries
                    .last()
                    .map_or(end, |(_, last)| last.span.end)
                    .max(start);
                self.find_duplicates(&entries);
                let entries = merge(entries);
                (
                    Node {
                        span: start..end,
                        kind: Kind::Mapping(entries),
                    },
                    anchor,
                )
            }
        }
    }

    fn find_duplicates(&mut self, entries: &[(Node, Node)]) {
        let mut keys: Vec<(&str, &Node)> = entries
            .iter()
            .filter_map(|(key, _)| Some((key.scalar_text()?, key)))
            .collect();
        // Equal keys stay in the order of the text.
        keys.sort_by_key(|(text, _)| *text);
        for group in keys.chunk_by(|(one, _), (other, _)| one == other) {
            let [(text, first), again @ ..] = group else {
                continue;
            };
            self.duplicates
                .extend(again.iter().map(|(_, second)| DuplicateKey {
                    key: (*text).to_owned(),
                    first: first.span.clone(),
                    second: second.span.clone(),
                }));
        }
    }

    fn alias(&mut self, id: usize, range: &Range<usize>) -> Result<Node, Error> {
        let node = self
            .anchors
            .remove(&id)
            .ok_or_else(|| Error::new(Problem::AliasInItself, range.clone()))?;
        let copy = self.copy(&node, range)?;
        self.anchors.insert(id, node);
        Ok(copy)
    }

    /// A copy within the budgets: a few lines of anchors and aliases can stand for any number of
    /// values and any amount of text.
    fn copy(&mut self, node: &Node, range: &Range<usize>) -> Result<Node, Error> {
        let (nodes, bytes) = size(node);
        self.count(nodes, range)?;
        self.repeated += bytes;
        if self.repeated > TEXT_LIMIT {
            return Err(Error::new(
                Problem::TooMuchRepeated { limit: TEXT_LIMIT },
                range.clone(),
            ));
        }
        Ok(node.clone())
    }

    fn open(&mut self, stack: &[Open], range: &Range<usize>) -> Result<(), Error> {
        if stack.len() >= DEPTH_LIMIT {
            return Err(Error::new(
                Problem::TooDeep { limit: DEPTH_LIMIT },
                range.clone(),
            ));
        }
        self.count(1, range)
    }

    fn count(&mut self, nodes: usize, range: &Range<usize>) -> Result<(), Error> {
        self.nodes += nodes;
        if self.nodes > NODE_LIMIT {
            return Err(Error::new(
                Problem::TooMany { limit: NODE_LIMIT },
                range.clone(),
            ));
        }
        Ok(())
    }

    /// Whether a tag makes a scalar text. Tags of programs are refused: they are how other readers
    /// are made to run code.
    fn check_tag(&self, tag: Option<&Tag>, range: &Range<usize>) -> Result<bool, Error> {
        match tag {
            None => Ok(false),
            Some(tag) => match tag.core_suffix() {
                Some("str") => Ok(true),
                Some("int" | "float" | "bool" | "null" | "seq" | "map") => Ok(false),
                _ if tag.original() == "!" => Ok(true),
                _ => Err(Error::new(Problem::Tag(tag.original()), range.clone())),
            },
        }
    }

    fn syntax(&self, error: &granit_parser::ScanError) -> Error {
        let at = error
            .marker()
            .byte_offset()
            .unwrap_or(0)
            .min(self.text.len());
        if let Some(conflict) = self.conflict() {
            return Error::new(Problem::Conflict, conflict);
        }
        match self.tab_in_indentation(at) {
            Some(tab) if error.info().contains("tab") => Error::new(Problem::Tab, tab..tab + 1),
            _ => Error::new(Problem::Syntax(error.info()), at..at),
        }
    }

    /// The first line that Git marks a conflict with: our files live in Git.
    fn conflict(&self) -> Option<Range<usize>> {
        let mark = "<<<<<<< ";
        let start = if self.text.starts_with(mark) {
            0
        } else {
            self.text.find(&format!("\n{mark}"))? + 1
        };
        Some(start..start + mark.len() - 1)
    }

    /// The first tab that indents the line of an offset or the one after it: the library points
    /// at the end of the value before a tab, or at the tab's neighbour.
    fn tab_in_indentation(&self, offset: usize) -> Option<usize> {
        let start = self.text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
        let mut line_start = start;
        for line in self.text.get(start..)?.split_inclusive('\n').take(2) {
            let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = line.get(..indentation).and_then(|text| text.find('\t')) {
                return Some(line_start + tab);
            }
            line_start += line.len();
        }
        None
    }

    fn range(&self, span: &Span) -> Range<usize> {
        span.byte_range().unwrap_or(0..0)
    }
}

/// The values in a tree, itself included, and the bytes of their texts.
fn size(node: &Node) -> (usize, usize) {
    let sum = |nodes: &mut dyn Iterator<Item = &Node>| {
        nodes
            .map(size)
            .fold((1, 0), |sum, node| (sum.0 + node.0, sum.1 + node.1))
    };
    match &node.kind {
        Kind::Scalar { text, .. } => (1, text.len()),
        Kind::Sequence(items) => sum(&mut items.iter()),
        Kind::Mapping(entries) => sum(&mut entries.iter().flat_map(|(key, value)| [key, value])),
    }
}

/// Applies merge keys (`<<: *defaults`, YAML 1.1), which users of the predecessor have: the
/// mapping's own keys win.
fn merge(entries: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let is_merge = |key: &Node| key.is_plain() && key.scalar_text() == Some("<<");
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return entries;
    }
    let (merges, mut own): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| is_merge(key));
    for (_, value) in merges {
        let mappings = match value.kind {
            Kind::Mapping(entries) => vec![entries],
            Kind::Sequence(items) => items
                .into_iter()
                .filter_map(|item| match item.kind {
                    Kind::Mapping(entries) => Some(entries),
                    _ => None,
                })
                .collect(),
            Kind::Scalar { .. } => continue,
        };
        for (key, value) in mappings.into_iter().flatten() {
            if !own
                .iter()
                .any(|(name, _)| name.scalar_text() == key.scalar_text())
            {
                own.push((key, value));
            }
        }
    }
    own
}
