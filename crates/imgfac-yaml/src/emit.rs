//! YAML files with comments.

use crate::scalar::write_text;
use crate::value::Value;

/// Writes a mapping in block style, with comments and blank lines between its entries.
#[derive(Debug, Default)]
pub struct Emitter {
    out: String,
}

impl Emitter {
    /// An empty file.
    #[must_use]
    pub fn new() -> Self {
        Self {
            out: String::with_capacity(1_024),
        }
    }

    /// Writes a comment, a line for each line of it.
    pub fn comment(&mut self, text: &str) {
        for line in text.lines() {
            self.out.push_str("# ");
            for part in line.split(char::is_control) {
                self.out.push_str(part);
            }
            self.out.push('\n');
        }
    }

    /// Writes an empty line.
    pub fn blank(&mut self) {
        self.out.push('\n');
    }

    /// Writes a key and its value.
    pub fn entry(&mut self, key: &str, value: &Value) {
        self.pair(key, value, 0);
    }

    /// One item of a list whose dashes stand in this column.
    pub(crate) fn list_item(value: &Value, column: usize) -> String {
        let mut emitter = Self::new();
        emitter.list(std::slice::from_ref(value), column);
        emitter.out
    }

    /// The whole text.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    fn pair(&mut self, key: &str, value: &Value, indent: usize) {
        self.key(key, indent);
        self.out.push(':');
        match value {
            Value::List(items) if !items.is_empty() => {
                self.out.push('\n');
                self.list(items, indent + 2);
            }
            Value::Map(entries) if !entries.is_empty() => {
                self.out.push('\n');
                self.map(entries, indent + 2, false);
            }
            other => {
                self.out.push(' ');
                self.scalar(other);
            }
        }
    }

    /// Writes a key up to its colon. One of more than 1,024 characters has to be announced,
    /// <https://yaml.org/spec/1.2.2/#742-flow-mappings>.
    fn key(&mut self, key: &str, indent: usize) {
        let start = self.out.len();
        write_text(key, &mut self.out);
        if self.out.len() - start > 1_000 {
            self.out.insert_str(start, "? ");
            self.out.push('\n');
            self.indent(indent);
        }
    }

    fn map(&mut self, entries: &[(String, Value)], indent: usize, mut on_line: bool) {
        for (key, value) in entries {
            if !on_line {
                self.indent(indent);
            }
            on_line = false;
            self.pair(key, value, indent);
        }
    }

    fn list(&mut self, items: &[Value], indent: usize) {
        for item in items {
            self.indent(indent);
            self.item(item, indent);
        }
    }

    fn item(&mut self, item: &Value, indent: usize) {
        self.out.push_str("- ");
        match item {
            Value::List(items) if !items.is_empty() => {
                let mut rest = items.iter();
                if let Some(first) = rest.next() {
                    self.item(first, indent + 2);
                }
                for item in rest {
                    self.indent(indent + 2);
                    self.item(item, indent + 2);
                }
            }
            Value::Map(entries) if !entries.is_empty() => self.map(entries, indent + 2, true),
            other => self.scalar(other),
        }
    }

    fn scalar(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Plain(text) => self.out.push_str(text),
            Value::Text(text) => write_text(text, &mut self.out),
            Value::List(_) => self.out.push_str("[]"),
            Value::Map(_) => self.out.push_str("{}"),
        }
        self.out.push('\n');
    }

    fn indent(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
    }
}
