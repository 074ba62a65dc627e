//! All rules on all documents.

use std::collections::BTreeSet;

use crate::document::{self, Document, File};
use crate::finding::{Finding, Sink};
use crate::fits;
use crate::rule::{Rule, Severity};
use crate::rules::{
    analysis, core, expressions, identity, policies, roles, secrets, stages, steps, warehouses,
};
use crate::schemas::Schemas;
use crate::set::Set;

/// Checks manifests against a release.
#[derive(Debug)]
pub struct Checker {
    schemas: Schemas,
    external: BTreeSet<String>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many documents were looked at.
    pub documents: usize,
    /// What is wrong, in the order of files, documents, places and rules.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many findings have a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let of = |finding: &&Finding| finding.severity() == severity;
        self.findings.iter().filter(of).count()
    }
}

impl Checker {
    /// A checker for a release.
    #[must_use]
    pub fn new(schemas: Schemas) -> Self {
        Self {
            schemas,
            external: BTreeSet::new(),
        }
    }

    /// Adds a resource that manifests may refer to without having it, as `Kind/name`.
    #[must_use]
    pub fn with_external(mut self, resource: impl Into<String>) -> Self {
        self.external.insert(resource.into());
        self
    }

    /// Checks files that belong together: resources of one may refer to those of another.
    #[must_use]
    pub fn check(&self, files: &[File]) -> Report {
        let mut sink = Sink::default();
        let mut documents = Vec::new();
        for (index, file) in files.iter().enumerate() {
            match document::read(file, index) {
                Ok(read) => documents.extend(read),
                Err(problem) => {
                    let whole = Document::unreadable(file, index);
                    sink.add(&whole, &whole.root(), Rule::Yaml, problem);
                }
            }
        }
        let set = Set {
            documents: &documents,
            external: &self.external,
        };
        identity::duplicates(&set, &mut sink);
        let rules = kube_cel::Validator::new();
        for document in &documents {
            if has_head(document, &mut sink) {
                self.document(document, &set, &rules, &mut sink);
            }
        }
        Report {
            documents: documents.len(),
            findings: sink.finish(),
        }
    }

    fn document(
        &self,
        document: &Document,
        set: &Set<'_>,
        rules: &kube_cel::Validator,
        sink: &mut Sink,
    ) {
        let kind = self.schemas.kind(&document.api_version, &document.kind);
        let of_core = core::is_in_namespace(document);
        match kind {
            Some(kind) => fits::custom_resource(document, kind, rules, sink),
            None if matches!(document.group(), "kargo.akuity.io" | "argoproj.io") => {
                let message = format!("{} has no such kind in this release", document.api_version);
                sink.add(document, &document.root().get("kind"), Rule::Kind, message);
            }
            None if of_core.is_none() => {
                let message = format!(
                    "{} is of no kind that is checked here",
                    document.api_version
                );
                sink.add(
                    document,
                    &document.root().get("kind"),
                    Rule::UncheckedKind,
                    message,
                );
            }
            None => core::check(document, sink),
        }
        core::metadata(document, sink);
        let inside = kind.map(|kind| !kind.of_cluster).or(of_core);
        identity::check(document, set, inside, sink);
        secrets::check(document, sink);
        if document.is_kargo("Warehouse") {
            fits::subscriptions(document, &self.schemas, sink);
        }
        warehouses::check(document, sink);
        steps::check(document, set, &self.schemas, sink);
        expressions::check(document, set, sink);
        stages::check(document, set, sink);
        analysis::check(document, set, sink);
        policies::check(document, set, sink);
        roles::check(document, set, &self.schemas, sink);
    }
}

/// Whether a document says what it is; nothing else can be checked without.
fn has_head(document: &Document, sink: &mut Sink) -> bool {
    let mut complete = true;
    let root = document.root();
    for keys in [&["apiVersion"][..], &["kind"], &["metadata", "name"]] {
        let at = root.dig(keys);
        let generated = keys.len() == 2 && root.dig(&["metadata", "generateName"]).text().is_some();
        if at.text().is_none_or(str::is_empty) && !generated {
            sink.add(
                document,
                &at,
                Rule::Document,
                format!("{} is missing", keys.join(".")),
            );
            complete = false;
        }
    }
    complete
}
