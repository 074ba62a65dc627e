//! Something is wrong in a user's file: diagnostics are values, not errors.

use std::ops::Range;

/// Which file a position is in: an index into the [`SourceFiles`] of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub usize);

/// The text files of a run, so that positions can be shown.
#[derive(Clone, Debug, Default)]
pub struct SourceFiles {
    files: Vec<SourceFile>,
}

#[derive(Clone, Debug)]
struct SourceFile {
    name: String,
    text: String,
    /// Where each line begins, in bytes: a list of many mistakes asks for many places.
    lines: Vec<usize>,
}

impl SourceFiles {
    /// Adds a file, by the name that people know it by.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let text = text.into();
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        self.files.push(SourceFile {
            name: name.into(),
            text,
            lines,
        });
        FileId(self.files.len() - 1)
    }

    /// Puts stars in the place of bytes that are not to be shown; positions stay.
    pub fn hide(&mut self, file: FileId, range: Range<usize>) {
        let Some(file) = self.files.get_mut(file.0) else {
            return;
        };
        let hidden = |at: usize, c: char| match range.contains(&at) && c != '\n' {
            true => "*".repeat(c.len_utf8()),
            false => c.into(),
        };
        let shown = file.text.char_indices().map(|(at, c)| hidden(at, c));
        file.text = shown.collect();
    }

    /// The name of a file.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.files.get(file.0).map_or("?", |file| &file.name)
    }

    /// The text of a file.
    #[must_use]
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0).map_or("", |file| &file.text)
    }

    /// Line and column of a byte, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self, file: FileId, offset: usize) -> (usize, usize) {
        let Some(SourceFile { text, lines, .. }) = self.files.get(file.0) else {
            return (1, 1);
        };
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        // The first line begins at 0, so there is always one at or before the offset.
        let line = lines.partition_point(|start| *start <= offset);
        let start = lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, text[start..offset].chars().count() + 1)
    }
}

/// A stretch of bytes in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The bytes.
    pub range: Range<usize>,
}

/// A marked stretch of a file, with a word on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What to say there; may be empty.
    pub text: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is changed while it stands.
    Error,
    /// Works, but probably not as meant.
    Warning,
}

/// What kind of mistake: stable names for machines and documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The file is not YAML, or not text.
    InvalidYaml,
    /// A key stands twice in one mapping.
    DuplicateKey,
    /// A key that nothing reads.
    UnknownKey,
    /// A required key is absent.
    MissingKey,
    /// A list where a text belongs, and the like.
    WrongType,
    /// The text breaks the rule of its field.
    InvalidValue,
    /// Two images of one name.
    DuplicateName,
    /// Two images published at one place.
    DuplicateRepository,
    /// A key that has no effect in this place.
    UnusedKey,
    /// A key of the predecessor: kept, without effect.
    LegacyKey,
    /// A state file that cannot be read.
    UnreadableState,
    /// Managed images that stand on each other in a circle.
    DependencyCycle,
    /// A state in the archive that a new image does not go on with.
    ArchivedState,
    /// An image that is gone and a new one that may be the same.
    PossibleRename,
}

impl Code {
    /// Its written form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidYaml => "invalid-yaml",
            Self::DuplicateKey => "duplicate-key",
            Self::UnknownKey => "unknown-key",
            Self::MissingKey => "missing-key",
            Self::WrongType => "wrong-type",
            Self::InvalidValue => "invalid-value",
            Self::DuplicateName => "duplicate-name",
            Self::DuplicateRepository => "duplicate-repository",
            Self::UnusedKey => "unused-key",
            Self::LegacyKey => "legacy-key",
            Self::UnreadableState => "unreadable-state",
            Self::DependencyCycle => "dependency-cycle",
            Self::ArchivedState => "archived-state",
            Self::PossibleRename => "possible-rename",
        }
    }
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind of mistake.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where: the first is the place itself, the others are related.
    pub labels: Vec<Label>,
    /// What would be right.
    pub help: Option<String>,
    /// Text that would mend the first label's stretch.
    pub suggestion: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(
        code: Code,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![Label {
                span,
                text: label.into(),
            }],
            help: None,
            suggestion: None,
        }
    }

    /// A warning at a place.
    pub fn warning(
        code: Code,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message, span, label)
        }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a related place.
    #[must_use]
    pub fn with_related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds a text that would mend it.
    #[must_use]
    pub fn with_suggestion(mut self, replacement: impl Into<String>) -> Self {
        self.suggestion = Some(replacement.into());
        self
    }
}

/// The candidate that a misspelt word was probably meant to be.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .iter()
        .map(|candidate| {
            (
                distance(&word.to_lowercase(), &candidate.to_lowercase()),
                *candidate,
            )
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance in which two swapped neighbours count once (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    const LONG: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (
        a.chars().take(LONG).collect(),
        b.chars().take(LONG).collect(),
    );
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i.max(j)
            } else {
                let swap = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
                    .min(rows[i - 1][j - 1] + swap);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_nonsense_is_not() {
        let keys = [
            "name",
            "registry",
            "repository",
            "rebuildDelay",
            "autoRebuild",
        ];
        for (word, near) in [
            ("registery", Some("registry")),
            ("rebuild_delay", Some("rebuildDelay")),
            ("autorebuild", Some("autoRebuild")),
            ("nmae", Some("name")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, &keys), near, "{word}");
        }
    }

    #[test]
    fn positions_count_characters_from_one() {
        let mut files = SourceFiles::default();
        let file = files.add("x", "a\nü: b\n");
        assert_eq!(files.line_column(file, 4), (2, 2));
        assert_eq!(files.line_column(file, 99), (3, 1));
    }
}
