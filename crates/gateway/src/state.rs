//! The file in `--state-dir` that holds the routes which were made at run time.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const FILE: &str = "routes.yaml";
/// Bytes; the check reads no longer text.
const LONGEST: u64 = 4 << 20;
/// How long a change waits for that of another process with the same directory.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The file, which several processes may share.
#[derive(Debug)]
pub(crate) struct StateFile {
    folder: PathBuf,
    path: PathBuf,
    /// What stood in it when it was last good: it serves on while the file is damaged.
    last_good: Mutex<Option<String>>,
}

impl StateFile {
    /// The file in `folder`, which is made where it is not there yet, for its owner alone.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let folder = std::path::absolute(folder)?;
        Ok(Self { path: folder.join(FILE), folder, last_good: Mutex::default() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it; `None` where there is no file yet.
    pub(crate) fn read(&self) -> io::Result<Option<String>> {
        let mut text = String::new();
        match File::open(&self.path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text)) {
            Ok(_) => Ok(Some(text)),
            // A directory that is gone, since it is not mounted perhaps, tells nothing about the routes.
            Err(error) if error.kind() == ErrorKind::NotFound && self.folder.is_dir() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a new text in place of the old one, whole or not at all, for its owner's eyes only. It is on the disk when
    /// this returns.
    pub(crate) fn write(&self, text: &str) -> io::Result<()> {
        // Made with mode 0600.
        let mut new = tempfile::NamedTempFile::new_in(&self.folder)?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(&self.path).map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Keeps other processes from changing the file until the returned one is closed. The directory is what is locked:
    /// the file itself is replaced.
    pub(crate) fn alone(&self) -> io::Result<File> {
        let folder = File::open(&self.folder)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(folder),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(io::Error::new(ErrorKind::TimedOut, "another process is changing it"));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// What stood in it when it was last good.
    pub(crate) fn last_good(&self) -> Option<String> {
        self.last_good.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that this text, or no file, was good.
    pub(crate) fn was_good(&self, text: Option<String>) {
        *self.last_good.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    #[test]
    fn it_is_replaced_whole_and_for_its_owner_alone() {
        let place = TempDir::new().expect("a directory");
        let folder = place.path().join("a/state");
        let file = StateFile::open(&folder).expect("the directory is made");
        assert_eq!(file.read().expect("no file"), None);
        file.write("routes: []\n").expect("it is written");
        std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o644)).expect("it is ours");
        file.write("routes: [ ]\n").expect("it is written again");
        assert_eq!(file.read().expect("a file").as_deref(), Some("routes: [ ]\n"));
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(file.path())), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&folder).expect("the directory").count(), 1, "nothing is left behind");
        std::fs::remove_dir_all(&folder).expect("it is ours");
        assert!(file.read().is_err(), "a directory that is gone is not one without routes");
    }

    #[test]
    fn two_processes_change_it_one_after_the_other() {
        let place = TempDir::new().expect("a directory");
        let files = [(); 2].map(|()| StateFile::open(place.path()).expect("a directory"));
        files[0].write("0").expect("it is written");
        std::thread::scope(|scope| {
            for file in &files {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _alone = file.alone().expect("the other one goes on");
                        let text = file.read().expect("it reads").expect("a file");
                        let number: u32 = text.parse().expect("a whole number, never half of it");
                        file.write(&(number + 1).to_string()).expect("it is written");
                    }
                });
            }
        });
        assert_eq!(files[0].read().expect("it reads").as_deref(), Some("100"));
    }
}
