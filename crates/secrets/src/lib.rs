//! Where credentials are kept. The one store here is an encrypted file; others implement [`Store`].

mod document;
mod file;
mod key;
mod problem;
mod seal;

pub use file::{FileStore, Listed};
pub use key::Opener;
pub use problem::Problem;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The variable that names the encrypted file.
pub const FILE: &str = "LOCKGATE_SECRETS_FILE";
/// The variable that holds the passphrase.
pub const PASSPHRASE: &str = "LOCKGATE_SECRETS_PASSPHRASE";
/// The variable that names the key file.
pub const KEY_FILE: &str = "LOCKGATE_SECRETS_KEY_FILE";
/// The variable that holds the passphrase that a store is to be closed with from now on.
pub const NEW_PASSPHRASE: &str = "LOCKGATE_SECRETS_NEW_PASSPHRASE";

/// A secret's bytes, cleared when dropped.
pub type Value = Zeroizing<Vec<u8>>;

/// Somewhere that keeps secrets by name.
pub trait Store: fmt::Debug + Send + Sync {
    /// The secret called `name`; `None` when there is none of this name.
    ///
    /// # Errors
    /// Why the store cannot be asked, for the operator.
    fn secret(&self, name: &str) -> Result<Option<Value>, Problem>;

    /// Files whose change may change secrets.
    fn files(&self) -> Vec<PathBuf>;
}

/// Where the encrypted file is: what [`FILE`] says (`variable`; an empty one is as good as none), else `secrets.json`
/// beside the config, else in the current directory.
pub fn location(variable: Option<OsString>, config: Option<&Path>) -> PathBuf {
    let beside = || config.and_then(Path::parent).unwrap_or(Path::new("")).join("secrets.json");
    variable.filter(|path| !path.is_empty()).map_or_else(beside, PathBuf::from)
}

/// Whether a secret can have this name: 1 to 64 ASCII letters, digits, `_`, `-` and `.`.
pub fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_lies_beside_the_config_unless_a_variable_says_otherwise() {
        let config = Some(Path::new("/etc/lockgate/config.yaml"));
        assert_eq!(location(None, config), Path::new("/etc/lockgate/secrets.json"));
        assert_eq!(location(Some("".into()), config), Path::new("/etc/lockgate/secrets.json"));
        assert_eq!(location(Some("/s.json".into()), config), Path::new("/s.json"));
        assert_eq!(location(None, Some(Path::new("config.yaml"))), Path::new("secrets.json"));
        assert_eq!(location(None, None), Path::new("secrets.json"));
    }
}
