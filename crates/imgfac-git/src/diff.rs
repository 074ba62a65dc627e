//! What differs between two commits, as Git tells it in its raw format.

use crate::error::Error;
use crate::process::Call;

/// An entry that two trees do not have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) old: Side,
    pub(crate) new: Side,
    /// As Git has it, which need not be UTF-8.
    pub(crate) path: Vec<u8>,
}

/// What one of the trees has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// Git's mode, such as `100644`; `000000` is nothing.
    pub(crate) mode: String,
    pub(crate) id: String,
}

impl Side {
    pub(crate) fn is_nothing(&self) -> bool {
        self.mode == "000000"
    }
}

/// The entries of the root folders that differ, or with `-r` the files.
pub(crate) fn between(
    call: Call<'_>,
    options: &[&str],
    old: &str,
    new: &str,
) -> Result<Vec<Difference>, Error> {
    let raw = call
        .args(["diff-tree", "-z", "--no-renames", "--raw"])
        .args(options)
        .args([old, new])
        .output()?;
    Ok(parse(&raw))
}

/// `:mode mode id id letter NUL path NUL`, again and again.
fn parse(raw: &[u8]) -> Vec<Difference> {
    let mut fields = raw.split(|byte| *byte == 0);
    let mut found = Vec::new();
    while let (Some(header), Some(path)) = (fields.next(), fields.next()) {
        let header = String::from_utf8_lossy(header);
        let words: Vec<&str> = header.trim_start_matches(':').split(' ').collect();
        let [old_mode, new_mode, old_id, new_id, _] = words.as_slice() else {
            break;
        };
        let side = |mode: &str, id: &str| Side {
            mode: mode.to_owned(),
            id: id.to_owned(),
        };
        found.push(Difference {
            old: side(old_mode, old_id),
            new: side(new_mode, new_id),
            path: path.to_owned(),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_read_as_it_is() {
        let raw =
            b":100644 000000 aa 00 D\0a b\0:000000 120000 00 bb A\0\xff\n:\0:040000 040000 c d M\0x\0";
        let found: Vec<String> = parse(raw)
            .iter()
            .map(|found| {
                let path = found.path.escape_ascii();
                let new = if found.new.is_nothing() {
                    "-"
                } else {
                    &found.new.id
                };
                format!("{path} {} {new}", found.old.id)
            })
            .collect();
        assert_eq!(found, ["a b aa -", r"\xff\n: 00 bb", "x c d"]);
        assert_eq!(parse(b""), []);
    }
}
