//! The least that any program can do: read and hash every input file once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

/// Reads and hashes the files that a list names, one a line, and prints a hash of all, so that
/// no compiler can leave anything out.
pub(crate) fn floor(list: &Path) -> Result<()> {
    let list = fs::read_to_string(list).context("cannot read the list")?;
    let mut all = Sha256::new();
    for path in list.lines() {
        let bytes = fs::read(path).with_context(|| format!("cannot read {path}"))?;
        all.update(Sha256::digest(&bytes));
    }
    let digits: String = all
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("{digits}");
    Ok(())
}
