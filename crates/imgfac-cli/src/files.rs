//! Files that users name, by an argument or a variable.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a regular file: a pipe could be waited for, and a device be read, for ever.
///
/// # Errors
///
/// When it cannot be read, is something else than a file, or has more than `limit` bytes.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Before it is opened: that of a pipe waits for a writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("this is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::other(format!(
            "larger than the limit of {limit} bytes"
        ))),
        false => Ok(bytes),
    }
}
