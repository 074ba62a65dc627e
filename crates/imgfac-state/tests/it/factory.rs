//! A factory directory on disk, and updates of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use imgfac_model::{ImageName, Reference};
use imgfac_state::{Configuration, Discovery, Fleet, FoundBase, Store, Update};

pub(crate) const NOW: &str = "2026-11-23T12:00:00Z";

/// A factory directory on disk.
pub(crate) struct Factory(pub(crate) tempfile::TempDir);

impl Factory {
    pub(crate) fn new(images: &str) -> Self {
        let factory = Self(tempfile::tempdir().unwrap());
        factory.write("images.yaml", images);
        factory
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path))
            .unwrap_or_else(|error| format!("{path}: {error}"))
    }

    /// Applies discoveries `image -> Ok(bases) | Err(reason)`; a base that begins with `-` is one
    /// that the target does not need. Gives the changes and the changed files.
    pub(crate) fn update(&self, now: &str, found: &[(&str, Result<&[&str], &str>)]) -> String {
        let store = Store::open(self.0.path()).unwrap();
        let configuration = Configuration::read(&store).unwrap();
        assert!(
            !configuration.has_errors(),
            "{:?}",
            configuration.diagnostics
        );
        let mut fleet = Fleet::read(&store).unwrap();
        let update = Update {
            discoveries: found
                .iter()
                .map(|(name, found)| (ImageName::new(name).unwrap(), Arc::new(discovery(*found))))
                .collect(),
            ..Update::new(&configuration, now)
        };
        fleet.recall(&store, &update).unwrap();
        let mut out = String::new();
        for change in fleet.apply(&update) {
            out.push_str(&format!(
                "{:?} {}: {}\n",
                change.subject,
                change.kind.as_str(),
                change.details.join("; ")
            ));
        }
        let changes = fleet.changes();
        let again = fleet.apply(&update);
        assert!(
            again.is_empty(),
            "applying it twice changes nothing: {again:?}"
        );
        store.commit(&changes).unwrap();
        for change in changes {
            out.push_str(&format!(
                "{} {}\n",
                if matches!(change, imgfac_state::FileChange::Remove { .. }) {
                    "-"
                } else {
                    "+"
                },
                change.path()
            ));
        }
        out
    }
}

pub(crate) fn discovery(found: Result<&[&str], &str>) -> Discovery {
    match found {
        Err(reason) => Err(reason.to_owned()),
        Ok(bases) => Ok(bases
            .iter()
            .map(|base| FoundBase {
                reference: Reference::parse(base.trim_start_matches('-')).unwrap(),
                reachable: !base.starts_with('-'),
                uses: Vec::new(),
            })
            .collect()),
    }
}

pub(crate) fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
