//! Crates that have no input, output, clock or environment.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::Workspace;

/// These work on values alone, so they cannot fail for outside reasons and need no stand-ins.
const PURE: &[&str] = &[
    "imgfac-model",
    "imgfac-yaml",
    "imgfac-dockerfile",
    "imgfac-graph",
    "imgfac-rebuild",
    "imgfac-kargo",
    "imgfac-notify",
];

/// What reaches outside.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "println!",
    "eprintln!",
];

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for package in workspace
        .packages
        .iter()
        .filter(|package| PURE.contains(&package.name.as_str()))
    {
        look(&package.folder().join("src"), &mut wrong)?;
    }
    Ok(wrong)
}

fn look(folder: &Path, wrong: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            look(&path, wrong)?;
            continue;
        }
        let code = fs::read_to_string(&path)?;
        // Tests may read files; they stand at the end.
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.trim_start();
            if let Some(word) = IMPURE.iter().find(|word| line.contains(**word))
                && !line.starts_with("//")
            {
                let path = path.strip_prefix(crate::root()).unwrap_or(&path);
                wrong.push(format!(
                    "{}:{}: {word} in a crate that has no input and output",
                    path.display(),
                    number + 1
                ));
            }
        }
    }
    Ok(())
}
