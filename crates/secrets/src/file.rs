//! The encrypted file as a store, and what the command line does to it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::document::{Document, folder};
use crate::key::{Lock, Opener};
use crate::seal::Key;
use crate::{Problem, Store, Value};

/// Secrets in an encrypted file.
///
/// Each is sealed with a data key of its own, and the data keys with one key that a passphrase or a key file gives.
/// Names and dates can be read without it. The file is read each time, so that a change counts at once.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    opener: Option<Opener>,
    /// A key that was derived from the passphrase, which takes its time, and the lock that it opens.
    derived: Mutex<Option<(Lock, Derived)>>,
}

struct Derived(Key);

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

/// A secret as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// When it was first set, in Unix seconds.
    pub created: u64,
    /// When it was last set, in Unix seconds.
    pub changed: u64,
}

impl Store for FileStore {
    fn secret(&self, name: &str) -> Result<Option<Value>, Problem> {
        let document = Document::read(&self.path)?;
        let key = self.key(&document)?;
        document.get(&key, name)
    }

    fn files(&self) -> Vec<PathBuf> {
        let key_file = match &self.opener {
            Some(Opener::KeyFile(path)) => Some(path.clone()),
            _ => None,
        };
        std::iter::once(self.path.clone()).chain(key_file).collect()
    }
}

impl FileStore {
    /// The store at `path`. Without an opener only lists and removals work.
    pub fn new(path: impl Into<PathBuf>, opener: Option<Opener>) -> Self {
        Self { path: path.into(), opener, derived: Mutex::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a passphrase opens it, and not a key file; `None` when it is still to be made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn takes_passphrase(&self) -> Result<Option<bool>, Problem> {
        match Document::read(&self.path) {
            Ok(document) => Ok(Some(matches!(document.lock, Lock::Passphrase { .. }))),
            Err(Problem::Missing(_)) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Puts a secret in; a store that is not there yet is made.
    ///
    /// # Errors
    /// When the store cannot be opened or written, or cannot hold the secret.
    pub fn set(&self, name: &str, value: &[u8]) -> Result<(), Problem> {
        let _alone = self.alone()?;
        let (mut document, key) = match Document::read(&self.path) {
            Ok(document) => {
                let key = self.key(&document)?;
                (document, key)
            }
            Err(Problem::Missing(_)) => Document::new(self.opener()?)?,
            Err(problem) => return Err(problem),
        };
        document.set(&key, name, value, now())?;
        document.write(&self.path)
    }

    /// Takes a secret out; whether there was one.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn remove(&self, name: &str) -> Result<bool, Problem> {
        let _alone = self.alone()?;
        let mut document = Document::read(&self.path)?;
        if document.secrets.remove(name).is_none() {
            return Ok(false);
        }
        document.write(&self.path)?;
        Ok(true)
    }

    /// All secrets by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, Problem> {
        let secrets = Document::read(&self.path)?.secrets.into_iter();
        Ok(secrets
            .map(|(name, entry)| Listed { name, created: entry.created, changed: entry.changed })
            .collect())
    }

    /// Closes the store with another passphrase or key file.
    ///
    /// # Errors
    /// When it cannot be opened, closed anew or written; it stays as it was.
    pub fn rotate(&self, new: &Opener) -> Result<(), Problem> {
        let _alone = self.alone()?;
        let document = Document::read(&self.path)?;
        let key = self.key(&document)?;
        document.rotated(&key, new)?.write(&self.path)
    }

    /// The key that opens the document.
    fn key(&self, document: &Document) -> Result<Key, Problem> {
        let opener = self.opener()?;
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((lock, key)) = &*derived
            && *lock == document.lock
            && matches!(lock, Lock::Passphrase { .. })
        {
            return Ok(key.0.clone());
        }
        let key = opener.open(&document.lock)?;
        document.verify(&key, opener)?;
        *derived = Some((document.lock.clone(), Derived(key.clone())));
        Ok(key)
    }

    fn opener(&self) -> Result<&Opener, Problem> {
        self.opener.as_ref().ok_or(Problem::Locked)
    }

    /// Keeps other commands from changing the store until the returned file is closed. The directory is what is
    /// locked: the file itself is replaced.
    fn alone(&self) -> Result<File, Problem> {
        let failed = |why| Problem::File { path: self.path.clone(), doing: "written", why };
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = File::open(folder(&path)).map_err(failed)?;
        folder.lock().map_err(failed)?;
        Ok(folder)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;
    use zeroize::Zeroizing;

    fn passphrase(text: &str) -> Opener {
        Opener::Passphrase(Zeroizing::new(text.to_owned()))
    }

    fn key_file(folder: &TempDir, name: &str) -> Opener {
        let path = folder.path().join(name);
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("random");
        std::fs::write(&path, key).expect("a file");
        Opener::KeyFile(path)
    }

    fn store(folder: &TempDir, opener: &Opener) -> FileStore {
        FileStore::new(folder.path().join("secrets.json"), Some(opener.clone()))
    }

    fn secret(store: &FileStore, name: &str) -> Option<String> {
        let value = store.secret(name).expect("the store opens")?;
        Some(String::from_utf8(value.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn a_secret_comes_back_as_it_was_set_and_stands_nowhere_in_the_file() {
        let folder = TempDir::new().expect("a directory");
        let opener = passphrase("correct horse battery");
        store(&folder, &opener).set("openai", b"sk-canary-1").expect("it is set");
        store(&folder, &opener).set("cohere", b"co-canary-2").expect("it is set");
        store(&folder, &opener).set("openai", b"sk-canary-3").expect("it is set again");
        let store = store(&folder, &opener);
        assert_eq!(secret(&store, "openai").as_deref(), Some("sk-canary-3"));
        assert_eq!(secret(&store, "cohere").as_deref(), Some("co-canary-2"));
        assert_eq!(secret(&store, "other"), None);
        let text = std::fs::read_to_string(store.path()).expect("the file");
        assert!(text.contains("openai") && !text.contains("canary"), "{text}");
        assert!(!format!("{store:?}").contains("horse"), "{store:?}");
        let mode = std::fs::metadata(store.path()).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let left = std::fs::read_dir(folder.path()).expect("the directory").count();
        assert_eq!(left, 1, "nothing but the store is left behind");
    }

    #[test]
    fn a_list_and_a_removal_need_no_key() {
        let folder = TempDir::new().expect("a directory");
        let opener = key_file(&folder, "key");
        store(&folder, &opener).set("a", b"1").expect("it is set");
        store(&folder, &opener).set("b", b"2").expect("it is set");
        let locked = FileStore::new(folder.path().join("secrets.json"), None);
        let names: Vec<_> = locked.list().expect("a list").into_iter().map(|listed| listed.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(matches!(locked.secret("a"), Err(Problem::Locked)));
        assert!(matches!(locked.takes_passphrase(), Ok(Some(false))));
        assert!(locked.remove("a").expect("it is removed"));
        assert!(!locked.remove("a").expect("there is none"));
        assert_eq!(secret(&store(&folder, &opener), "b").as_deref(), Some("2"));
    }

    #[test]
    fn a_wrong_passphrase_is_called_one_and_changes_nothing() {
        let folder = TempDir::new().expect("a directory");
        let opener = passphrase("correct horse battery");
        store(&folder, &opener).set("a", b"1").expect("it is set");
        let wrong = store(&folder, &passphrase("another horse battery"));
        let problem = wrong.secret("a").expect_err("it does not open");
        assert_eq!(problem.to_string(), "wrong passphrase: the store does not open");
        assert!(matches!(wrong.set("a", b"2"), Err(Problem::WrongKey(_))));
        assert!(matches!(wrong.rotate(&opener), Err(Problem::WrongKey(_))));
        let other_kind = store(&folder, &key_file(&folder, "key"));
        assert!(matches!(other_kind.secret("a"), Err(Problem::OtherKind { .. })));
        assert_eq!(secret(&store(&folder, &opener), "a").as_deref(), Some("1"));
    }

    #[test]
    fn a_rotated_store_opens_with_its_new_key_only() {
        let folder = TempDir::new().expect("a directory");
        let (old, new) = (key_file(&folder, "old"), key_file(&folder, "new"));
        for (name, value) in [("a", "1"), ("b", "2")] {
            store(&folder, &old).set(name, value.as_bytes()).expect("it is set");
        }
        let before = store(&folder, &old).list().expect("a list");
        store(&folder, &old).rotate(&new).expect("it rotates");
        assert_eq!(secret(&store(&folder, &new), "a").as_deref(), Some("1"));
        assert_eq!(secret(&store(&folder, &new), "b").as_deref(), Some("2"));
        assert!(matches!(store(&folder, &old).secret("a"), Err(Problem::WrongKey("key file"))));
        assert_eq!(store(&folder, &new).list().expect("a list"), before);
        let passphrase = passphrase("correct horse battery");
        store(&folder, &new).rotate(&passphrase).expect("it rotates");
        assert_eq!(secret(&store(&folder, &passphrase), "a").as_deref(), Some("1"));
    }

    #[test]
    fn a_passphrase_that_changed_is_noticed_by_a_store_that_is_open() {
        let folder = TempDir::new().expect("a directory");
        let (old, new) = (passphrase("correct horse battery"), passphrase("another horse battery"));
        let open = store(&folder, &old);
        open.set("a", b"1").expect("it is set");
        assert_eq!(secret(&open, "a").as_deref(), Some("1"));
        store(&folder, &old).rotate(&new).expect("it rotates");
        assert!(matches!(open.secret("a"), Err(Problem::WrongKey("passphrase"))));
    }

    #[test]
    fn an_entry_under_another_name_does_not_open() {
        let folder = TempDir::new().expect("a directory");
        let store = store(&folder, &key_file(&folder, "key"));
        store.set("cheap", b"1").expect("it is set");
        let text = std::fs::read_to_string(store.path()).expect("the file");
        std::fs::write(store.path(), text.replace("\"cheap\"", "\"dear\"")).expect("the file");
        let problem = store.secret("dear").expect_err("it was renamed");
        assert_eq!(problem.to_string(), "the secret 'dear' in the store is damaged");
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_and_left_alone() {
        let folder = TempDir::new().expect("a directory");
        let store = store(&folder, &key_file(&folder, "key"));
        assert!(matches!(store.secret("a"), Err(Problem::Missing(_))));
        store.set("a", b"1").expect("it is set");
        let good = std::fs::read_to_string(store.path()).expect("the file");
        let later = good.replace("\"version\": 1", "\"version\": 2");
        let odd = good.replace("\"a\"", "\"a b\"");
        for text in ["", "[]", "{}", "canary", later.as_str(), odd.as_str(), &good[..good.len() / 2]] {
            std::fs::write(store.path(), text).expect("the file");
            let problem = store.set("a", b"2").expect_err(text);
            assert!(matches!(problem, Problem::Unreadable { .. }), "{problem}");
            assert_eq!(std::fs::read_to_string(store.path()).expect("the file"), text);
        }
    }

    #[test]
    fn what_no_secret_can_be_is_refused() {
        let folder = TempDir::new().expect("a directory");
        let store = store(&folder, &key_file(&folder, "key"));
        for name in ["", "a b", "../a", "ä", &"a".repeat(65)] {
            assert!(matches!(store.set(name, b"1"), Err(Problem::Name)), "{name}");
        }
        assert!(matches!(store.set("a", b""), Err(Problem::Length)));
        assert!(matches!(store.set("a", &vec![b'a'; (64 << 10) + 1]), Err(Problem::Length)));
    }

    #[test]
    fn two_commands_at_once_lose_nothing() {
        let folder = TempDir::new().expect("a directory");
        let opener = key_file(&folder, "key");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let store = store(&folder, &opener);
                scope.spawn(move || store.set(&format!("s{number}"), b"1").expect("it is set"));
            }
        });
        assert_eq!(store(&folder, &opener).list().expect("a list").len(), 8);
    }
}
