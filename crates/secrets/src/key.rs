//! What opens a store: a passphrase, or a key in a file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use zeroize::Zeroizing;

use crate::Problem;
use crate::seal::Key;

/// Characters of the shortest passphrase that closes a store.
const SHORTEST: usize = 12;
/// Bytes of the longest key file that is looked at.
const LONGEST_FILE: u64 = 1 << 10;
/// RFC 9106, section 4, the second recommended option.
const COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 4 };
/// What a file may ask for at most: it may be hostile.
const MOST: Cost = Cost { memory_kib: 1 << 20, passes: 16, lanes: 16 };

/// What opens a store.
#[derive(Clone)]
pub enum Opener {
    /// Something that a person can remember.
    Passphrase(Zeroizing<String>),
    /// A file with 32 random bytes, raw or in base64; read each time that it is needed.
    KeyFile(PathBuf),
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// How the key of a file's keys is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", deny_unknown_fields)]
pub(crate) enum Lock {
    /// Argon2id of a passphrase.
    Passphrase {
        /// In base64.
        salt: String,
        cost: Cost,
    },
    /// The content of a key file.
    KeyFile {},
}

/// What a guess costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Opener {
    /// What the variables say: [`crate::PASSPHRASE`] and [`crate::KEY_FILE`], where an empty one is as good as none.
    ///
    /// # Errors
    /// When both are set.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Problem> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        match (set(crate::PASSPHRASE), set(crate::KEY_FILE)) {
            (Some(_), Some(_)) => Err(Problem::Both),
            (Some(passphrase), None) => Ok(Some(Self::Passphrase(Zeroizing::new(passphrase)))),
            (None, Some(path)) => Ok(Some(Self::KeyFile(PathBuf::from(path)))),
            (None, None) => Ok(None),
        }
    }

    /// A new lock that this opens, and its key.
    pub(crate) fn close(&self) -> Result<(Lock, Key), Problem> {
        let lock = match self {
            Self::Passphrase(passphrase) if passphrase.chars().count() < SHORTEST => {
                return Err(Problem::ShortPassphrase);
            }
            Self::Passphrase(_) => {
                let mut salt = [0; 16];
                getrandom::fill(&mut salt).map_err(|_| Problem::Random)?;
                Lock::Passphrase { salt: STANDARD.encode(salt), cost: COST }
            }
            Self::KeyFile(_) => Lock::KeyFile {},
        };
        let key = self.open(&lock)?;
        Ok((lock, key))
    }

    /// The key behind a lock, right or wrong.
    pub(crate) fn open(&self, lock: &Lock) -> Result<Key, Problem> {
        match (self, lock) {
            (Self::Passphrase(passphrase), Lock::Passphrase { salt, cost }) => {
                derive(passphrase, salt, *cost)
            }
            (Self::KeyFile(path), Lock::KeyFile {}) => read(path),
            (Self::Passphrase(_), Lock::KeyFile {}) => {
                Err(Problem::OtherKind { wants: "key file", given: self.kind() })
            }
            (Self::KeyFile(_), Lock::Passphrase { .. }) => {
                Err(Problem::OtherKind { wants: "passphrase", given: self.kind() })
            }
        }
    }

    /// What it is, in messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "passphrase",
            Self::KeyFile(_) => "key file",
        }
    }
}

fn derive(passphrase: &str, salt: &str, cost: Cost) -> Result<Key, Problem> {
    let Cost { memory_kib, passes, lanes } = cost;
    // A lock that nobody here has made opens as little as one of another passphrase.
    let wrong = || Problem::WrongKey("passphrase");
    if memory_kib > MOST.memory_kib || passes > MOST.passes || lanes > MOST.lanes {
        return Err(wrong());
    }
    let salt = STANDARD.decode(salt).map_err(|_| wrong())?;
    let params = argon2::Params::new(memory_kib, passes, lanes, None).map_err(|_| wrong())?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut key = Key::default();
    argon2.hash_password_into(passphrase.as_bytes(), &salt, key.as_mut_slice()).map_err(|_| wrong())?;
    Ok(key)
}

fn read(path: &PathBuf) -> Result<Key, Problem> {
    let mut content = Zeroizing::new(Vec::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_FILE).read_to_end(&mut content))
        .map_err(|why| Problem::File { path: path.clone(), doing: "read", why })?;
    // 32 letters are somebody's password: 32 random bytes never look like that.
    let raw = content.len() == 32 && !content.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    let decoded = || Some(Zeroizing::new(STANDARD.decode(content.trim_ascii()).ok()?));
    let bytes = if raw { Some(content.clone()) } else { decoded() };
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    key.map(Key::new).ok_or_else(|| Problem::KeyFile(path.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Opener {
        Opener::Passphrase(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn a_passphrase_gives_the_same_key_again_and_another_one_another() {
        let opener = passphrase("correct horse battery");
        let (lock, key) = opener.close().expect("it is long enough");
        assert_eq!(opener.open(&lock).expect("a key"), key);
        assert_ne!(passphrase("correct horse battery!").open(&lock).expect("a key"), key);
        let (another, _) = opener.close().expect("it is long enough");
        assert_ne!(lock, another, "each lock has a salt of its own");
    }

    #[test]
    fn a_short_passphrase_closes_nothing() {
        assert!(matches!(passphrase("hunter2").close(), Err(Problem::ShortPassphrase)));
    }

    #[test]
    fn a_hostile_file_cannot_ask_for_all_memory() {
        for cost in [
            Cost { memory_kib: u32::MAX, ..COST },
            Cost { passes: u32::MAX, ..COST },
            Cost { lanes: u32::MAX, ..COST },
            Cost { memory_kib: 0, passes: 0, lanes: 0 },
        ] {
            let lock = Lock::Passphrase { salt: STANDARD.encode([0; 16]), cost };
            let opened = passphrase("correct horse battery").open(&lock);
            assert!(matches!(opened, Err(Problem::WrongKey(_))), "{cost:?}");
        }
    }

    #[test]
    fn a_key_file_holds_random_bytes_and_no_password() {
        let folder = tempfile::TempDir::new().expect("a directory");
        let path = folder.path().join("key");
        let opener = Opener::KeyFile(path.clone());
        let key = |content: &[u8]| {
            std::fs::write(&path, content).expect("a file");
            opener.open(&Lock::KeyFile {})
        };
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8 * 7);
        assert_eq!(key(&bytes).expect("raw").as_slice(), bytes);
        assert_eq!(
            key(format!("{}\n", STANDARD.encode(bytes)).as_bytes()).expect("base64").as_slice(),
            bytes
        );
        for bad in ["", "short", "0123456789abcdef0123456789abcdef", &"A".repeat(2000)] {
            assert!(matches!(key(bad.as_bytes()), Err(Problem::KeyFile(_))), "{bad}");
        }
        assert!(matches!(
            opener.open(&Lock::Passphrase { salt: String::new(), cost: COST }),
            Err(Problem::OtherKind { .. })
        ));
    }

    #[test]
    fn two_ways_to_open_a_store_are_one_too_many() {
        let of = |passphrase: &'static str, file: &'static str| {
            Opener::from_environment(move |name| match name {
                crate::PASSPHRASE => Some(passphrase.to_owned()),
                crate::KEY_FILE => Some(file.to_owned()),
                _ => None,
            })
        };
        assert!(matches!(of("p", "f"), Err(Problem::Both)));
        assert!(matches!(of("p", ""), Ok(Some(Opener::Passphrase(_)))));
        assert!(matches!(of("", "f"), Ok(Some(Opener::KeyFile(_)))));
        assert!(matches!(of("", ""), Ok(None)));
        assert_eq!(format!("{:?}", of("canary", "")), "Ok(Some(passphrase))");
    }
}
