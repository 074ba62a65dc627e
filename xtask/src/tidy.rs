//! What no compiler checks.

mod directions;
mod purity;
mod unused;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Command;

/// Runs every check and fails with all that is wrong.
pub(crate) fn run() -> Result<()> {
    let workspace = workspace()?;
    let mut wrong = directions::check(&workspace);
    wrong.extend(unused::check(&workspace)?);
    wrong.extend(purity::check(&workspace)?);
    if let Err(error) = crate::codegen::check() {
        wrong.push(format!("{error:#}"));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\nerror: "));
    }
    println!("tidy: {} packages", workspace.packages.len());
    Ok(())
}

/// The part of `cargo metadata` that the checks need.
#[derive(Debug, Deserialize)]
struct Workspace {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
}

impl Package {
    fn folder(&self) -> PathBuf {
        self.manifest_path
            .parent()
            .map(PathBuf::from)
            .unwrap_or_default()
    }
}

fn workspace() -> Result<Workspace> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(crate::root())
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata printed")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_is_tidy() {
        super::run().unwrap();
    }
}
