//! Dependencies that nothing names, and such that nobody has explained.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Package, Workspace};

/// A dependency is used when the package's own Rust files name it.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for package in &workspace.packages {
        let text = rust_text(package)?;
        for dependency in &package.dependencies {
            used.insert(dependency.name.as_str());
            if !names(&text, &dependency.name.replace('-', "_")) {
                let kind = dependency.kind.as_deref().unwrap_or("normal");
                wrong.push(format!(
                    "{} has the {kind} dependency {} and does not use it",
                    package.name, dependency.name
                ));
            }
        }
    }
    let manifest = fs::read_to_string(crate::root().join("Cargo.toml"))?;
    let explained = fs::read_to_string(crate::root().join("docs/dependencies.md"))
        .context("docs/dependencies.md says why each dependency is used")?;
    for name in table(&manifest) {
        if !used.contains(name) {
            wrong.push(format!("no package uses {name} of the workspace's table"));
        }
        if !name.starts_with("imgfac-") && !explained.contains(&format!("`{name}`")) {
            wrong.push(format!(
                "docs/dependencies.md does not say why {name} is used"
            ));
        }
    }
    Ok(wrong)
}

/// The names in `[workspace.dependencies]`, one a line.
fn table(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0.trim()))
}

/// Whether a text has a word.
fn names(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

/// The code of a package, without comments, in which a word may be an accident.
fn rust_text(package: &Package) -> Result<String> {
    let mut text = String::new();
    // Not the whole folder: the packages of a workspace may stand in each other.
    for folder in ["src", "tests", "it", "examples", "benches"] {
        append(&package.folder().join(folder), &mut text)?;
    }
    Ok(text)
}

fn append(folder: &Path, text: &mut String) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            append(&path, text)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let code = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            for line in code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
            {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_and_tables_end() {
        assert!(names("use clap::Parser;", "clap"));
        assert!(!names("use clap_complete::Shell;", "clap"));
        let manifest = "[workspace.dependencies]\n# data\nserde = \"1\"\ngix   = {}\n\n[workspace.lints]\nx = 1\n";
        assert_eq!(table(manifest).collect::<Vec<_>>(), ["serde", "gix"]);
    }
}
