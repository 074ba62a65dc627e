//! Files to documents.

use serde_json::Value;

use crate::at::At;

/// A file of a manifest.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name in findings.
    pub name: String,
    /// YAML documents.
    pub text: String,
}

/// A document.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) file: String,
    pub(crate) file_index: usize,
    pub(crate) index: usize,
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) value: Value,
}

impl Document {
    fn new(file: &File, file_index: usize, index: usize, value: Value) -> Self {
        let root = At::root(&value);
        let text = |keys: &[&str]| root.dig(keys).text().map(str::to_owned);
        Self {
            file: file.name.clone(),
            file_index,
            index,
            api_version: text(&["apiVersion"]).unwrap_or_default(),
            kind: text(&["kind"]).unwrap_or_default(),
            name: text(&["metadata", "name"])
                .or_else(|| text(&["metadata", "generateName"]))
                .unwrap_or_default(),
            namespace: text(&["metadata", "namespace"]),
            value,
        }
    }

    /// A document that stands for a file nobody can read.
    pub(crate) fn unreadable(file: &File, file_index: usize) -> Self {
        Self::new(file, file_index, 0, Value::Null)
    }

    pub(crate) fn root(&self) -> At<'_> {
        At::root(&self.value)
    }

    /// The group of the kind, empty for the core group.
    pub(crate) fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |it| it.0)
    }

    pub(crate) fn is_kargo(&self, kind: &str) -> bool {
        self.group() == "kargo.akuity.io" && self.kind == kind
    }

    pub(crate) fn is_core(&self, kind: &str) -> bool {
        self.api_version == "v1" && self.kind == kind
    }

    /// The steps of a promotion: those of a stage's template, of a task, of a promotion.
    pub(crate) fn steps(&self) -> At<'_> {
        let keys: &[&str] = match (self.group(), self.kind.as_str()) {
            ("kargo.akuity.io", "Stage") => &["spec", "promotionTemplate", "spec", "steps"],
            ("kargo.akuity.io", "PromotionTask" | "ClusterPromotionTask" | "Promotion") => {
                &["spec", "steps"]
            }
            _ => &["no steps"],
        };
        self.root().dig(keys)
    }

    /// Whether it is a task that stages use.
    pub(crate) fn is_task(&self) -> bool {
        self.is_kargo("PromotionTask") || self.is_kargo("ClusterPromotionTask")
    }
}

/// Reads the documents of a file; such without content are left out.
pub(crate) fn read(file: &File, file_index: usize) -> Result<Vec<Document>, String> {
    let values = values(&file.text)?;
    Ok(values
        .into_iter()
        .filter(|value| !value.is_null())
        .enumerate()
        .map(|(index, value)| Document::new(file, file_index, index, value))
        .collect())
}

/// The values of a stream of YAML. Large fleets have many documents, so the limits are wide.
pub(crate) fn values(text: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1_000_000,
            max_events: 50_000_000,
            max_nodes: 50_000_000,
        },
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        // The first line has the place and the problem; an excerpt of the text follows.
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        line.strip_prefix("error: ").unwrap_or(line).to_owned()
    })
}
