//! The process's environment, files, commands and secret store, as the config check reads them.
//!
//! What was read stays known: while a source is away, its last good value is used, and [`System::away`] says so.

mod command;

use lockgate_config::{Command, Sources};
use lockgate_secrets::{FileStore, Opener, Store};
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// The most bytes of a key or certificate file.
const MOST_BYTES: u64 = 1 << 20;
/// A command that failed is run again after so long, or after its time to live where that is shorter.
const RETRY_AFTER: Duration = Duration::from_secs(10);

type Value = Zeroizing<Vec<u8>>;

/// The real environment and file system, and what they gave so far.
pub(crate) struct System {
    /// Why there is none, where its settings contradict each other.
    store: Result<Box<dyn Store>, String>,
    /// Whether the last check asked the store for something.
    stored: AtomicBool,
    kept: Mutex<HashMap<Source, Kept>>,
}

/// A source that is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Away {
    /// Its name.
    pub(crate) source: String,
    /// Why, without anything that it said but plain words.
    pub(crate) reason: String,
    /// Unix seconds.
    pub(crate) since_unix: u64,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    File(String),
    Command(Command),
    Secret(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file '{path}'"),
            Self::Command(command) => write!(f, "the command '{}'", command.name()),
            Self::Secret(name) => write!(f, "the secret '{name}'"),
        }
    }
}

/// The last good value of a source.
struct Kept {
    value: Value,
    /// When the source was last asked.
    asked: Instant,
    /// Why it gave nothing when it was last asked, and since when.
    away: Option<(String, u64)>,
    /// Whether the check under way asked for it.
    used: bool,
    /// Whether it is asked again however young the value is.
    expired: bool,
}

impl System {
    /// For a config at this place, or for the built-in one.
    pub(crate) fn new(config: Option<&Path>) -> Self {
        let path = lockgate_secrets::location(std::env::var_os(lockgate_secrets::FILE), config);
        let opener = Opener::from_environment(|name| std::env::var(name).ok());
        let store = opener.map(|opener| Box::new(FileStore::new(path, opener)) as Box<dyn Store>);
        let store = store.map_err(|problem| problem.to_string());
        Self { store, stored: AtomicBool::default(), kept: Mutex::default() }
    }

    /// A check begins.
    pub(crate) fn begin(&self) {
        self.stored.store(false, Ordering::Relaxed);
        self.kept().values_mut().for_each(|kept| kept.used = false);
    }

    /// A check has ended well: what it did not ask for is forgotten.
    pub(crate) fn settle(&self) {
        self.kept().retain(|_, kept| kept.used);
    }

    /// Has every command run again, however young its output is.
    pub(crate) fn expire(&self) {
        self.kept().values_mut().for_each(|kept| kept.expired = true);
    }

    /// Sources whose last good value is used, by name.
    pub(crate) fn away(&self) -> Vec<Away> {
        let kept = self.kept();
        let away = kept.iter().filter_map(|(source, kept)| {
            let (reason, since_unix) = kept.away.clone()?;
            Some(Away { source: source.to_string(), reason, since_unix })
        });
        let mut away: Vec<_> = away.collect();
        away.sort_by(|a, b| a.source.cmp(&b.source));
        away
    }

    /// Files of the store, if the last check asked it for something.
    pub(crate) fn store_files(&self) -> Vec<PathBuf> {
        let used = self.stored.load(Ordering::Relaxed);
        self.store.as_ref().ok().filter(|_| used).map(|store| store.files()).unwrap_or_default()
    }

    /// Keeps what a source gave, or takes what it last gave in its place.
    fn settled(&self, source: Source, given: io::Result<Value>) -> io::Result<Vec<u8>> {
        let mut kept = self.kept();
        let asked = Instant::now();
        match given {
            Ok(value) => {
                let given = value.to_vec();
                kept.insert(source, Kept { value, asked, away: None, used: true, expired: false });
                Ok(given)
            }
            Err(error) => {
                let Some(last) = kept.get_mut(&source) else { return Err(error) };
                let since = last.away.take().map_or_else(unix_now, |(_, since)| since);
                last.away = Some((error.to_string(), since));
                (last.asked, last.used, last.expired) = (asked, true, false);
                Ok(last.value.to_vec())
            }
        }
    }

    /// A command's output while it is good.
    fn fresh(&self, command: &Command) -> Option<Vec<u8>> {
        let mut kept = self.kept();
        let last = kept.get_mut(&Source::Command(command.clone()))?;
        let life = if last.away.is_some() { command.ttl.min(RETRY_AFTER) } else { command.ttl };
        if last.expired || last.asked.elapsed() >= life {
            return None;
        }
        last.used = true;
        Some(last.value.to_vec())
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Source, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sources for System {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let source = Source::File(path.to_owned());
        let is_file = self.is_file(path);
        // A literal key is tried as a path first; whatever cannot be one is no file (MLflow 2.5 to 2.20 failed on keys
        // that are longer than a file name may be, and printed them). One that was there and is gone is missed, not
        // taken for a key.
        if !is_file && !self.kept().contains_key(&source) {
            return Ok(None);
        }
        self.settled(source, if is_file { read(path) } else { Err(io::ErrorKind::NotFound.into()) }).map(Some)
    }

    fn is_file(&self, path: &str) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
    }

    fn command(&self, command: &Command) -> io::Result<Vec<u8>> {
        match self.fresh(command) {
            Some(output) => Ok(output),
            None => self.settled(Source::Command(command.clone()), command::run(command)),
        }
    }

    fn secret(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.stored.store(true, Ordering::Relaxed);
        let source = Source::Secret(name.to_owned());
        let store = self.store.as_ref().map_err(|why| io::Error::other(why.clone()))?;
        match store.secret(name) {
            Ok(Some(value)) => self.settled(source, Ok(value)).map(Some),
            // It was taken out on purpose.
            Ok(None) => {
                self.kept().remove(&source);
                Ok(None)
            }
            Err(problem) => self.settled(source, Err(io::Error::other(problem.to_string()))).map(Some),
        }
    }
}

fn read(path: &str) -> io::Result<Value> {
    let mut content = Value::default();
    std::fs::File::open(path)?.take(MOST_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_secrets::Problem;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use tempfile::TempDir;

    /// A store that does what it is told.
    #[derive(Debug, Default, Clone)]
    struct Fake {
        state: Arc<AtomicU32>,
    }

    const LOCKED: u32 = 1;
    const EMPTY: u32 = 2;

    impl Store for Fake {
        fn secret(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
            match self.state.load(Ordering::Relaxed) {
                LOCKED => Err(Problem::Locked),
                EMPTY => Ok(None),
                _ => Ok(Some(Zeroizing::new(format!("value of {name}").into_bytes()))),
            }
        }

        fn files(&self) -> Vec<PathBuf> {
            vec![PathBuf::from("store")]
        }
    }

    fn system() -> (System, Fake) {
        let fake = Fake::default();
        let store: Box<dyn Store> = Box::new(fake.clone());
        (System { store: Ok(store), stored: AtomicBool::default(), kept: Mutex::default() }, fake)
    }

    fn names(system: &System) -> Vec<String> {
        system.away().into_iter().map(|away| away.source).collect()
    }

    /// Prints a line more each time that it is run, into a file, and the number of lines.
    fn counting(folder: &TempDir, ttl: Duration) -> Command {
        let file = folder.path().join("runs");
        let script = format!("echo x >> {0}; wc -l < {0}; test ! -e {0}.fail", file.display());
        let argv = ["sh", "-c", &script].map(str::to_owned).to_vec();
        Command { argv, timeout: Duration::from_secs(60), ttl }
    }

    fn run(system: &System, command: &Command) -> String {
        let output = system.command(command).expect("a value");
        String::from_utf8(output).expect("UTF-8").trim().to_owned()
    }

    #[test]
    fn a_key_file_that_goes_away_serves_on_and_is_told() {
        let folder = TempDir::new().expect("a directory");
        let (path, (system, _)) = (folder.path().join("key"), system());
        let text = path.display().to_string();
        assert_eq!(system.file(&text).expect("no file"), None);
        std::fs::write(&path, "one").expect("a file");
        assert_eq!(system.file(&text).expect("a file").as_deref(), Some(b"one".as_slice()));
        std::fs::remove_file(&path).expect("it was there");
        assert_eq!(system.file(&text).expect("the last one").as_deref(), Some(b"one".as_slice()));
        assert_eq!(names(&system), [format!("the file '{text}'")]);
        std::fs::write(&path, "two").expect("a file");
        assert_eq!(system.file(&text).expect("a file").as_deref(), Some(b"two".as_slice()));
        assert_eq!(names(&system), Vec::<String>::new());
    }

    #[test]
    fn a_command_runs_once_in_its_time_to_live_and_when_told() {
        let (folder, (system, _)) = (TempDir::new().expect("a directory"), system());
        let command = counting(&folder, Duration::from_secs(3600));
        assert_eq!([run(&system, &command), run(&system, &command)], ["1", "1"]);
        system.expire();
        assert_eq!([run(&system, &command), run(&system, &command)], ["2", "2"]);
        let short = Command { ttl: Duration::ZERO, ..command };
        assert_eq!([run(&system, &short), run(&system, &short)], ["3", "4"]);
    }

    #[test]
    fn a_command_that_fails_keeps_its_last_output_and_is_not_asked_at_once_again() {
        let (folder, (system, _)) = (TempDir::new().expect("a directory"), system());
        let command = counting(&folder, Duration::from_secs(3600));
        assert_eq!(run(&system, &command), "1");
        std::fs::write(folder.path().join("runs.fail"), "").expect("a file");
        system.expire();
        assert_eq!([run(&system, &command), run(&system, &command)], ["1", "1"]);
        let away = system.away();
        assert_eq!(
            (away[0].source.as_str(), away[0].reason.as_str()),
            ("the command 'sh'", "exit status: 1")
        );
        std::fs::remove_file(folder.path().join("runs.fail")).expect("it was there");
        system.expire();
        // The second run failed, the look after it was spared.
        assert_eq!(run(&system, &command), "3");
        assert_eq!(system.away(), []);
    }

    #[test]
    fn a_store_that_is_locked_serves_on_and_one_without_the_secret_does_not() {
        let (system, fake) = system();
        assert_eq!(system.store_files(), Vec::<PathBuf>::new());
        let value = Some(b"value of a".to_vec());
        assert_eq!(system.secret("a").expect("a value"), value);
        assert_eq!(system.store_files(), [PathBuf::from("store")]);
        fake.state.store(LOCKED, Ordering::Relaxed);
        assert_eq!(system.secret("a").expect("the last value"), value);
        assert_eq!(names(&system), ["the secret 'a'"]);
        assert!(system.secret("b").is_err(), "it never had a value");
        fake.state.store(EMPTY, Ordering::Relaxed);
        assert_eq!(system.secret("a").expect("an answer"), None);
        assert_eq!(system.away(), []);
    }

    #[test]
    fn what_no_config_asks_for_any_more_is_forgotten() {
        let (system, fake) = system();
        system.begin();
        system.secret("a").expect("a value");
        system.secret("b").expect("a value");
        system.settle();
        system.begin();
        system.secret("b").expect("a value");
        system.settle();
        fake.state.store(LOCKED, Ordering::Relaxed);
        assert!(system.secret("a").is_err());
        assert!(system.secret("b").is_ok());
    }
}
