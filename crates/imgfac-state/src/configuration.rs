//! Everything that people wrote: settings and enrolment, with all that is wrong in them.

use std::collections::BTreeMap;

use imgfac_model::{
    Code, Diagnostic, FileId, ImageName, Repository, Settings, Severity, SourceFiles, Span,
    mask_passwords,
};
use imgfac_yaml::Document;

use crate::confined::ReadError;
use crate::decode::Decoder;
use crate::enrolment::{self, Enrolled, Entry};
use crate::settings;
use crate::store::Files;

/// The configuration of a factory.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// `imgfac.yaml`.
    pub settings: Settings,
    /// The entries of `images.yaml` and `images.d/`, by name.
    pub images: BTreeMap<ImageName, Enrolled>,
    /// Whether there is a list at all, be it an empty one: a file without any, or with comments
    /// alone, may also be what a failed edit left behind.
    pub listed: bool,
    /// The texts, for showing positions.
    pub files: SourceFiles,
    /// What is wrong. While there is an error, `images` lacks entries and nothing may be changed.
    pub diagnostics: Vec<Diagnostic>,
}

/// The configuration cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// There is no `images.yaml`.
    #[error("{0} has no images.yaml: it is not a factory directory")]
    NotAFactory(std::path::PathBuf),
    /// A file is there but cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Configuration {
    /// Reads and checks all files.
    ///
    /// # Errors
    /// When `images.yaml` is missing or a file cannot be read; what is wrong *inside* the files is
    /// in [`Configuration::diagnostics`].
    pub fn read(store: &dyn Files) -> Result<Self, ConfigurationError> {
        let mut texts = Vec::new();
        if let Some(bytes) = store.read("imgfac.yaml")? {
            texts.push(("imgfac.yaml".to_owned(), bytes));
        }
        let images = store
            .read("images.yaml")?
            .ok_or_else(|| ConfigurationError::NotAFactory(store.path().to_owned()))?;
        texts.push(("images.yaml".to_owned(), images));
        for name in store.yaml_files("images.d")? {
            let path = format!("images.d/{name}");
            if let Some(bytes) = store.read(&path)? {
                texts.push((path, bytes));
            }
        }
        Ok(Self::from_texts(texts))
    }

    /// Checks texts; the name `imgfac.yaml` is that of the settings, all others are enrolment.
    #[must_use]
    pub fn from_texts(texts: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut configuration = Self::default();
        let mut names = BTreeMap::new();
        let mut settled = None;
        let mut not_told = 0;
        for (name, bytes) in texts {
            // Texts are shown around mistakes, and the mistake may be a password in an address.
            let file = configuration
                .files
                .add(&name, mask_passwords(&String::from_utf8_lossy(&bytes)));
            let Some(document) = configuration.parse(file, &bytes) else {
                continue;
            };
            let mut decoder = Decoder::new(file, &mut configuration.diagnostics);
            if name == "imgfac.yaml" {
                let defaults = document.root.get("defaults");
                let node = defaults.and_then(|node| node.get("digestSelection"));
                settled = node.map(|node| decoder.span(node.span.clone()));
                configuration.settings = settings::read(&document.root, &mut decoder);
                for range in decoder.hidden {
                    configuration.files.hide(file, range);
                }
            } else {
                configuration.listed |= document.root.items().is_some();
                let entries = enrolment::read(
                    &document.root,
                    &mut decoder,
                    &configuration.settings.defaults,
                );
                not_told += entries.iter().filter(|entry| entry.not_told).count();
                configuration.enrol(entries, &mut names);
            }
        }
        if let (Some(at), 1..) = (settled, not_told) {
            let label =
                format!("images whose builds are not told which digests those are: {not_told}");
            let warning = enrolment::settled_in_vain(at, label);
            configuration.diagnostics.push(warning);
        }
        configuration.repositories_are_distinct();
        configuration.diagnostics.sort_by_key(|diagnostic| {
            diagnostic
                .labels
                .first()
                .map(|label| (label.span.file, label.span.range.start))
        });
        configuration
    }

    /// Whether anything is wrong enough that nothing may be changed.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The managed image that is published at a place, if it is one of ours.
    #[must_use]
    pub fn managed(&self) -> BTreeMap<&Repository, &ImageName> {
        let mut managed = BTreeMap::new();
        for (name, image) in &self.images {
            if image.enrolment.is_managed() {
                managed.entry(&image.enrolment.repository).or_insert(name);
            }
        }
        managed
    }

    fn parse(&mut self, file: FileId, bytes: &[u8]) -> Option<Document> {
        match imgfac_yaml::parse_bytes(bytes) {
            Ok(document) => {
                for twice in &document.duplicates {
                    let span = |range: &std::ops::Range<usize>| Span {
                        file,
                        range: range.clone(),
                    };
                    self.diagnostics.push(
                        Diagnostic::error(
                            Code::DuplicateKey,
                            format!("the key \"{}\" stands twice", twice.key.escape_debug()),
                            span(&twice.second),
                            "stands here again",
                        )
                        .with_related(span(&twice.first), "first here")
                        .with_help("remove one of the two"),
                    );
                }
                Some(document)
            }
            Err(error) => {
                let span = Span {
                    file,
                    range: error.span(),
                };
                self.diagnostics.push(Diagnostic::error(
                    Code::InvalidYaml,
                    error.to_string(),
                    span,
                    "",
                ));
                None
            }
        }
    }

    fn enrol(&mut self, entries: Vec<Entry>, names: &mut BTreeMap<ImageName, Span>) {
        for Entry { name, enrolled, .. } in entries {
            let Some((name, at)) = name else { continue };
            if let Some(first) = names.get(&name) {
                self.diagnostics.push(
                    Diagnostic::error(
                        Code::DuplicateName,
                        format!("two images are called \"{name}\""),
                        at,
                        "this name is taken",
                    )
                    .with_related(first.clone(), "first used here")
                    .with_help("names are unique across images.yaml and images.d"),
                );
                continue;
            }
            names.insert(name.clone(), at);
            self.images
                .extend(enrolled.map(|enrolled| (name, enrolled)));
        }
    }

    /// Two managed images at one place are allowed (they may differ by tag), but a Dockerfile
    /// that stands on that place stands on one of them only.
    fn repositories_are_distinct(&mut self) {
        let mut seen: BTreeMap<&Repository, &Enrolled> = BTreeMap::new();
        let mut found = Vec::new();
        for image in self
            .images
            .values()
            .filter(|image| image.enrolment.is_managed())
        {
            if let Some(first) = seen.get(&image.enrolment.repository) {
                found.push(
                    Diagnostic::warning(
                        Code::DuplicateRepository,
                        format!(
                            "\"{}\" and \"{}\" are both published as {}",
                            first.enrolment.name, image.enrolment.name, image.enrolment.repository
                        ),
                        image.at.clone(),
                        "published at the same place",
                    )
                    .with_related(
                        first.at.clone(),
                        "images that stand on it are taken to stand on this one",
                    ),
                );
            } else {
                seen.insert(&image.enrolment.repository, image);
            }
        }
        self.diagnostics.extend(found);
    }
}
