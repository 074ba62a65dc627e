//! What is wrong, and where.

use std::fmt;

use crate::at::At;
use crate::document::Document;
use crate::rule::{Rule, Severity};

/// Something wrong in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Which of the files that were given, from 0.
    pub file_index: usize,
    /// Which document of the file, from 0; documents without content do not count.
    pub document: usize,
    /// Where in the document: a JSON pointer, empty for the whole.
    pub path: String,
    /// The rule that it breaks.
    pub rule: Rule,
    /// What is wrong and what would be right.
    pub message: String,
    /// The name of the file.
    pub file: String,
    /// The kind, empty if the document has none.
    pub kind: String,
    /// The name, empty if the document has none.
    pub name: String,
    /// Who made the rule.
    pub source: String,
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.rule.severity()
    }
}

impl fmt::Display for Finding {
    /// `error[name]: manifest.yaml, document 3, Stage/web, /spec/vars/0: what`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}[{}]: {}, document {}",
            self.severity().name(),
            self.rule,
            self.file,
            self.document + 1
        )?;
        if !self.kind.is_empty() {
            write!(f, ", {}/{}", self.kind, self.name)?;
        }
        if !self.path.is_empty() {
            write!(f, ", {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Where checks put what they find.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    findings: Vec<Finding>,
}

impl Sink {
    /// Adds a finding at a place of a document.
    pub(crate) fn add(
        &mut self,
        document: &Document,
        at: &At<'_>,
        rule: Rule,
        message: impl Into<String>,
    ) {
        self.at_path(document, &at.path, rule, rule.source(), message);
    }

    /// Adds a finding whose place is only known as a pointer, or whose source is a file.
    pub(crate) fn at_path(
        &mut self,
        document: &Document,
        path: &str,
        rule: Rule,
        source: &str,
        message: impl Into<String>,
    ) {
        self.findings.push(Finding {
            file_index: document.file_index,
            document: document.index,
            path: path.into(),
            rule,
            message: printable(&message.into()),
            file: document.file.clone(),
            kind: printable(&document.kind),
            name: printable(&document.name),
            source: source.into(),
        });
    }

    /// All findings in the order of files, documents, places and rules.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.findings.sort();
        self.findings.dedup();
        self.findings
    }
}

/// One line without control characters, and not endless: messages may quote what a document says.
fn printable(text: &str) -> String {
    const LIMIT: usize = 400;
    let mut out = String::new();
    for c in text.chars().take(LIMIT) {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if text.chars().nth(LIMIT).is_some() {
        out.push('…');
    }
    out
}
