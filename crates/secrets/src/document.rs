//! The file as it is written: versioned JSON in which only names and dates can be read.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::key::{Lock, Opener};
use crate::seal::{Key, Purpose, Sealed, new_key};
use crate::{Problem, Value, is_name};

const FORMAT: &str = "lockgate-secrets";
const VERSION: u32 = 1;
/// Bytes of the longest file that is read.
const LONGEST_FILE: u64 = 256 << 20;
/// Bytes of the longest secret: what a header can carry is far less.
const LONGEST_VALUE: usize = 64 << 10;
/// Secrets of a store.
const MOST: usize = 1_000;

/// A store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    format: String,
    version: u32,
    pub(crate) lock: Lock,
    /// Opens with the right key only, also while there are no secrets.
    check: Sealed,
    pub(crate) secrets: BTreeMap<String, Entry>,
}

/// A secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The key of the value, sealed with the store's.
    data_key: Sealed,
    value: Sealed,
    /// Unix seconds.
    pub(crate) created: u64,
    /// Unix seconds.
    pub(crate) changed: u64,
}

/// What tells a store of another version.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl Document {
    /// A store without secrets, and its key.
    pub(crate) fn new(opener: &Opener) -> Result<(Self, Key), Problem> {
        let (lock, key) = opener.close()?;
        let check = Sealed::new(&key, Purpose::Check, &[])?;
        let document =
            Self { format: FORMAT.to_owned(), version: VERSION, lock, check, secrets: BTreeMap::new() };
        Ok((document, key))
    }

    /// The store in a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
            .map_err(|why| match why.kind() {
                ErrorKind::NotFound => Problem::Missing(path.to_owned()),
                _ => Problem::File { path: path.to_owned(), doing: "read", why },
            })?;
        let unreadable = |what: String| Problem::Unreadable { path: path.to_owned(), what };
        let head: Head = serde_json::from_str(&text).map_err(|why| unreadable(place(&why)))?;
        if head.format != FORMAT || head.version != VERSION {
            return Err(unreadable(format!("its version is {}, and {VERSION} is known", head.version)));
        }
        let document: Self = serde_json::from_str(&text).map_err(|why| unreadable(place(&why)))?;
        if document.secrets.len() > MOST || document.secrets.keys().any(|name| !is_name(name)) {
            return Err(unreadable("it has names that no secret can have, or too many".to_owned()));
        }
        Ok(document)
    }

    /// Puts the store in place of the file, whole or not at all, for its owner's eyes only.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Problem> {
        let failed = |why| Problem::File { path: path.to_owned(), doing: "written", why };
        // A link stays one.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = folder(&path);
        // Made with mode 0600.
        let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).map_err(|why| failed(why.into()))?;
        new.write_all(text.as_bytes()).and_then(|()| new.write_all(b"\n")).map_err(failed)?;
        new.as_file().sync_all().map_err(failed)?;
        new.persist(&path).map_err(|error| failed(error.error))?;
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    /// Whether the key is the store's.
    pub(crate) fn verify(&self, key: &Key, opener: &Opener) -> Result<(), Problem> {
        self.check.open(key, Purpose::Check).map(drop).ok_or(Problem::WrongKey(opener.kind()))
    }

    /// The secret called `name`.
    pub(crate) fn get(&self, key: &Key, name: &str) -> Result<Option<Value>, Problem> {
        let Some(entry) = self.secrets.get(name) else { return Ok(None) };
        let data_key = entry.data_key.open_key(key, Purpose::DataKey(name));
        let value = data_key.and_then(|data_key| entry.value.open(&data_key, Purpose::Value(name)));
        value.map(Some).ok_or_else(|| Problem::Damaged(name.to_owned()))
    }

    /// Puts a secret in, under a data key of its own.
    pub(crate) fn set(&mut self, key: &Key, name: &str, value: &[u8], now: u64) -> Result<(), Problem> {
        if !is_name(name) {
            return Err(Problem::Name);
        }
        if value.is_empty() || value.len() > LONGEST_VALUE {
            return Err(Problem::Length);
        }
        if self.secrets.len() >= MOST && !self.secrets.contains_key(name) {
            return Err(Problem::Full(MOST));
        }
        let data_key = new_key()?;
        let entry = Entry {
            data_key: Sealed::new(key, Purpose::DataKey(name), data_key.as_slice())?,
            value: Sealed::new(&data_key, Purpose::Value(name), value)?,
            created: self.secrets.get(name).map_or(now, |entry| entry.created),
            changed: now,
        };
        self.secrets.insert(name.to_owned(), entry);
        Ok(())
    }

    /// The same secrets under another key: their data keys are sealed anew, the values stay as they are.
    pub(crate) fn rotated(self, key: &Key, new: &Opener) -> Result<Self, Problem> {
        let (mut document, new_key) = Self::new(new)?;
        for (name, entry) in self.secrets {
            let purpose = Purpose::DataKey(&name);
            let data_key =
                entry.data_key.open_key(key, purpose).ok_or_else(|| Problem::Damaged(name.clone()))?;
            let data_key = Sealed::new(&new_key, purpose, data_key.as_slice())?;
            document.secrets.insert(name, Entry { data_key, ..entry });
        }
        Ok(document)
    }
}

/// Where the text is wrong, and nothing of what stands there.
fn place(why: &serde_json::Error) -> String {
    format!("line {}, column {}", why.line(), why.column())
}

/// Where a file lies.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
