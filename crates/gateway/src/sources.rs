//! The process's environment and files, as the config check reads them.

use lockgate_config::Sources;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The most bytes of a key or certificate file.
const MOST_BYTES: u64 = 1 << 20;

/// The real environment and file system.
#[derive(Default)]
pub(crate) struct System {
    /// Files that the config which serves was read from: one that is gone is missed, not taken for a literal key.
    pub(crate) known: Vec<PathBuf>,
}

impl Sources for System {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                let mut content = Vec::new();
                std::fs::File::open(path)?.take(MOST_BYTES).read_to_end(&mut content)?;
                Ok(Some(content))
            }
            // A literal key is tried as a path first; whatever cannot be one is no file (MLflow 2.5 to 2.20 failed on
            // keys that are longer than a file name may be, and printed them).
            Err(_) if self.known.iter().any(|known| known == Path::new(path)) => {
                Err(io::ErrorKind::NotFound.into())
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }
}
