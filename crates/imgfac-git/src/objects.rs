//! Objects of a repository, read as they are: no checkout, no filter, and never by the network.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::interrupt::TemporaryFolder;
use crate::process::{Call, Conversation, Git};

/// Requests that are sent before their answers are read; together they fit into a pipe, so that
/// neither side waits for the other.
const BATCH: usize = 500;

/// A view of a repository's objects that knows nothing else of the repository.
///
/// Git fetches what a partial clone lacks whenever it looks, one object at a time; a view lacks
/// the configuration for that, so that what is missing is simply missing and can be fetched all at
/// once. References that are made in a view vanish with it.
pub(crate) struct Objects {
    git: Git,
    view: TemporaryFolder,
    store: PathBuf,
    place: String,
    reader: Mutex<Option<Conversation>>,
    trees: Mutex<HashMap<String, Arc<Entries>>>,
}

/// The entries of a tree, by name.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Link,
    Folder,
    /// The commit of a submodule.
    Other,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Found { kind: String, bytes: Vec<u8> },
    TooLarge { size: u64 },
    Missing,
}

impl Objects {
    /// The objects below a folder such as `.git/objects`; `format` is `sha1` or `sha256`.
    pub(crate) fn open(
        git: &Git,
        store: PathBuf,
        format: &str,
        place: &str,
    ) -> Result<Self, Error> {
        let view = TemporaryFolder::new().map_err(Error::io(&std::env::temp_dir()))?;
        let write = |path: &str, text: &str| {
            let path = view.path().join(path);
            fs::write(&path, text).map_err(Error::io(&path))
        };
        for folder in ["objects", "refs"] {
            let path = view.path().join(folder);
            fs::create_dir(&path).map_err(Error::io(&path))?;
        }
        write("HEAD", "ref: refs/heads/none\n")?;
        if format != "sha1" {
            write(
                "config",
                &format!(
                    "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = {format}\n"
                ),
            )?;
        }
        Ok(Self {
            git: git.clone(),
            view,
            store,
            place: place.to_owned(),
            reader: Mutex::new(None),
            trees: Mutex::default(),
        })
    }

    /// A call of Git in the view.
    pub(crate) fn call(&self, what: &'static str) -> Call<'_> {
        self.git
            .call(what, self.place.clone())
            .env("GIT_DIR", self.view.path())
            .env("GIT_OBJECT_DIRECTORY", &self.store)
    }

    /// Reads many objects; those of more than `limit` bytes are only measured.
    pub(crate) fn read(&self, ids: &[String], limit: u64) -> Result<Vec<Object>, Error> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let mut conversation = self.conversation(&mut reader)?;
            let answers = self.ask(&mut conversation, batch, limit)?;
            found.extend(answers.into_iter().map(|(_, object)| object));
            *reader = Some(conversation);
        }
        Ok(found)
    }

    /// The object that a name of the view stands for.
    pub(crate) fn id_of(&self, name: &str) -> Result<String, Error> {
        // More than its size is not wanted, but its identity comes with it.
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut conversation = self.conversation(&mut reader)?;
        let answers = self.ask(&mut conversation, &[name.to_owned()], 0)?;
        *reader = Some(conversation);
        match answers.into_iter().next() {
            Some((id, Object::Found { .. } | Object::TooLarge { .. })) => Ok(id),
            _ => Err(self.damaged(&format!("{name} is missing"))),
        }
    }

    /// The process that answers; one that failed is not asked again.
    fn conversation(&self, reader: &mut Option<Conversation>) -> Result<Conversation, Error> {
        match reader.take() {
            Some(conversation) => Ok(conversation),
            None => self
                .call("cat-file")
                .args(["cat-file", "--batch"])
                .converse(),
        }
    }

    fn damaged(&self, answer: &str) -> Error {
        Error::Answer {
            what: "cat-file",
            place: self.place.clone(),
            answer: answer.chars().take(200).collect(),
        }
    }

    fn ask(
        &self,
        conversation: &mut Conversation,
        ids: &[String],
        limit: u64,
    ) -> Result<Vec<(String, Object)>, Error> {
        let failed = |source| Error::Io {
            path: self.store.clone(),
            source,
        };
        let mut request = String::new();
        for id in ids {
            request.push_str(id);
            request.push('\n');
        }
        if let Some(stdin) = &mut conversation.stdin {
            stdin.write_all(request.as_bytes()).map_err(failed)?;
            stdin.flush().map_err(failed)?;
        }
        let out = &mut conversation.stdout;
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            let mut header = String::new();
            out.read_line(&mut header).map_err(failed)?;
            let words: Vec<&str> = header.split_whitespace().collect();
            match words.as_slice() {
                [id, "missing"] => answers.push(((*id).to_owned(), Object::Missing)),
                [id, kind, size] if size.parse::<u64>().is_ok() => {
                    let size: u64 = size.parse().unwrap_or_default();
                    if size > limit {
                        std::io::copy(&mut out.take(size + 1), &mut std::io::sink())
                            .map_err(failed)?;
                        answers.push(((*id).to_owned(), Object::TooLarge { size }));
                        continue;
                    }
                    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
                    out.read_exact(&mut bytes).map_err(failed)?;
                    out.read_exact(&mut [0]).map_err(failed)?;
                    let kind = (*kind).to_owned();
                    answers.push(((*id).to_owned(), Object::Found { kind, bytes }));
                }
                _ => {
                    return Err(self.damaged(&format!("{id}: {header}")));
                }
            }
        }
        Ok(answers)
    }

    /// The tree of a commit.
    pub(crate) fn tree_of(&self, commit: &str) -> Result<String, Error> {
        self.id_of(&format!("{commit}^{{tree}}"))
    }

    /// The entries of a tree; each tree is read once.
    pub(crate) fn tree(&self, id: &str) -> Result<Arc<Entries>, Error> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = trees.get(id) {
            return Ok(Arc::clone(tree));
        }
        let objects = self.read(&[id.to_owned()], 1 << 30)?;
        let entries = match objects.as_slice() {
            [Object::Found { kind, bytes }] if kind == "tree" => parse_tree(bytes, id.len() / 2),
            _ => None,
        };
        let entries = Arc::new(entries.ok_or_else(|| self.damaged(&format!("{id} is no tree")))?);
        trees.insert(id.to_owned(), Arc::clone(&entries));
        Ok(entries)
    }
}

/// `mode SP name NUL id`, again and again; the id is binary.
fn parse_tree(mut bytes: &[u8], id_length: usize) -> Option<Entries> {
    let mut entries = Entries::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|b| *b == b' ')?;
        let end = bytes.iter().position(|b| *b == 0)?;
        let id = bytes.get(end + 1..end + 1 + id_length)?;
        let kind = match bytes.get(..space)? {
            b"40000" => Kind::Folder,
            b"120000" => Kind::Link,
            b"100644" | b"100755" | b"100664" => Kind::File,
            _ => Kind::Other,
        };
        // Names that are not UTF-8 are nobody's: no path that we take can name them.
        if let Ok(name) = std::str::from_utf8(bytes.get(space + 1..end)?) {
            let id = hex(id);
            entries.insert(name.to_owned(), Entry { kind, id });
        }
        bytes = bytes.get(end + 1 + id_length..)?;
    }
    Some(entries)
}

/// Folders have ten thousand entries, so no byte is formatted for itself.
fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| {
        char::from(if four < 10 {
            b'0' + four
        } else {
            b'a' + four - 10
        })
    };
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_and_a_broken_one_is_not() {
        let mut bytes = b"100644 a b\0".to_vec();
        bytes.extend([0xab; 20]);
        bytes.extend(b"40000 dir\0");
        bytes.extend([1; 20]);
        let entries = parse_tree(&bytes, 20).unwrap();
        assert_eq!(
            entries
                .iter()
                .map(|(name, entry)| (entry.kind, name.as_str(), &entry.id[..4]))
                .collect::<Vec<_>>(),
            [(Kind::File, "a b", "abab"), (Kind::Folder, "dir", "0101")]
        );
        assert!(parse_tree(&bytes[..bytes.len() - 1], 20).is_none());
        assert!(parse_tree(b"100644", 20).is_none());
    }
}
