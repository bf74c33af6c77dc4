//! Why a store cannot be used, for the person who can mend it. No text holds a secret.

use std::io;
use std::path::PathBuf;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is no such file.
    #[error("there is no secret store at {}; `lockgate secrets set` makes one", .0.display())]
    Missing(PathBuf),
    /// A file cannot be read or written.
    #[error("{} cannot be {doing}: {}", .path.display(), .why.kind())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// Why not.
        why: io::Error,
    },
    /// The file is no store, or one of a later version.
    #[error("{} is no secret store that this version can read: {what}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Nobody said how to open it.
    #[error("the store is locked: set LOCKGATE_SECRETS_PASSPHRASE or LOCKGATE_SECRETS_KEY_FILE")]
    Locked,
    /// Both ways to open it are given.
    #[error(
        "LOCKGATE_SECRETS_PASSPHRASE and LOCKGATE_SECRETS_KEY_FILE are both set; a store has one of them"
    )]
    Both,
    /// It was closed with the other kind of key.
    #[error("the store is opened by a {wants}, not by a {given}")]
    OtherKind {
        /// What opens it.
        wants: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// It was closed with another key.
    #[error("wrong {0}: the store does not open")]
    WrongKey(&'static str),
    /// An entry was changed by somebody without the key.
    #[error("the secret '{0}' in the store is damaged")]
    Damaged(String),
    /// No secret can be called so.
    #[error("the name of a secret has 1 to 64 letters, digits, `_`, `-` and `.`")]
    Name,
    /// Too long, or empty.
    #[error("a secret has from 1 byte to 64 KiB")]
    Length,
    /// The store is full.
    #[error("the store holds {0} secrets, and that is the most")]
    Full(usize),
    /// A passphrase that can be guessed.
    #[error("a passphrase has at least 12 characters")]
    ShortPassphrase,
    /// A key file that holds no key.
    #[error(
        "the key file {} does not hold 32 random bytes, raw or in base64; make one with: \
         (umask 077 && head -c 32 /dev/urandom | base64 > FILE)", .0.display()
    )]
    KeyFile(PathBuf),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}
