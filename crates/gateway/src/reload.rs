//! Hot reload: the file and its keys are watched, checked whole, and swapped in whole. A bad file changes nothing.

use crate::gateway::Gateway;
use crate::server::{Settings, connector};
use crate::snapshot::Snapshot;
use crate::sources::{Away, System};
use crate::upstream::Connector;
use lockgate_config::{Config, Mistakes, Options, check};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Editors and Kubernetes write in several steps; what follows within this time belongs to the same change.
const SETTLE: Duration = Duration::from_millis(100);
/// Some file systems (network mounts, some containers) tell no changes: the file is looked at this often anyway.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a config could not be loaded, in MLflow's words.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// It is a directory, not text, or may not be read.
    #[error("The file at {} is not a valid yaml file", .0.display())]
    Unreadable(PathBuf),
    /// It has mistakes.
    #[error("{0}")]
    Bad(Mistakes),
    /// It cannot be served; the text names the route and the fix.
    #[error("{0}")]
    Unservable(String),
}

/// The file on disk is refused; the generation before it serves.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    /// Why, with file, line and caret.
    pub(crate) message: String,
    /// Unix seconds.
    pub(crate) since_unix: u64,
}

/// A config that can serve, and the sources of its credentials.
pub struct Loaded {
    /// The config.
    pub config: Config,
    pub(crate) system: System,
}

/// Reads and checks the config that `settings` name, or the built-in demo.
///
/// # Errors
/// Why it cannot serve, for the operator.
pub fn load(settings: &Settings) -> Result<Loaded, LoadError> {
    let system = System::new(settings.config_path.as_deref());
    Ok(Loaded { config: load_from(settings, &system)?, system })
}

fn load_from(settings: &Settings, system: &System) -> Result<Config, LoadError> {
    system.begin();
    let (text, name) = match &settings.config_path {
        Some(path) => (read(path)?, path.display().to_string()),
        None => (lockgate_config::DEMO.to_owned(), "the built-in demo config".to_owned()),
    };
    let config = check(&text, &name, system, Options { strict: settings.strict }).map_err(LoadError::Bad)?;
    connector(&config).map_err(|error| LoadError::Unservable(error.to_string()))?;
    Snapshot::of(config.clone(), 0).map_err(|error| LoadError::Unservable(error.to_string()))?;
    system.settle();
    Ok(config)
}

fn read(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => LoadError::Missing(path.to_owned()),
        _ => LoadError::Unreadable(path.to_owned()),
    })
}

/// What is to be watched.
pub(crate) struct Watched {
    /// Files that the config was read from.
    pub(crate) files: Vec<PathBuf>,
    /// How long the config is good at most.
    pub(crate) refresh: Option<Duration>,
    /// Where its credentials come from.
    pub(crate) system: System,
}

/// Watches the config and what it was read from, until the returned value is dropped. Without a config file there is
/// nothing to watch.
pub(crate) fn watch(
    settings: &Settings,
    watched: Watched,
    gateway: Arc<Gateway>,
    connectors: watch::Sender<Connector>,
) -> Option<impl Drop + use<>> {
    let path = settings.config_path.clone()?;
    // One note is enough to look again, so further ones may be dropped.
    let (note, noted) = mpsc::channel(1);
    // Both begin here and not in the task, so that no change and no signal is missed once the process says it listens.
    let mut watching = Watching::start(note, &path);
    let Watched { mut files, refresh, system } = watched;
    files.extend(system.store_files());
    watching.follow(&path, &files);
    let hangups = signal(SignalKind::hangup());
    if let Err(error) = &hangups {
        tracing::error!(%error, "SIGHUP cannot be heard; the file is watched all the same");
    }
    let reloader =
        Reloader { settings: settings.clone(), path, system: Arc::new(system), gateway, connectors };
    let now = Current { files, refresh, away: Vec::new(), last_refused: None };
    Some(AbortOnDrop(tokio::task::spawn(reloader.run(now, watching, noted, hangups.ok()))))
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Reloader {
    settings: Settings,
    path: PathBuf,
    system: Arc<System>,
    gateway: Arc<Gateway>,
    connectors: watch::Sender<Connector>,
}

/// What is so now.
struct Current {
    files: Vec<PathBuf>,
    refresh: Option<Duration>,
    /// Sources that are away, told by now.
    away: Vec<Away>,
    last_refused: Option<String>,
}

impl Reloader {
    async fn run(
        self,
        mut now: Current,
        mut watching: Watching,
        mut noted: mpsc::Receiver<()>,
        mut hangups: Option<Signal>,
    ) {
        loop {
            let wait = now.refresh.map_or(LOOK_EVERY, |refresh| refresh.min(LOOK_EVERY));
            tokio::select! {
                _ = noted.recv() => {}
                () = next(&mut hangups) => {
                    tracing::info!("SIGHUP: reading the config again");
                    self.system.expire();
                }
                () = tokio::time::sleep(wait) => {}
            }
            tokio::time::sleep(SETTLE).await;
            while noted.try_recv().is_ok() {}
            let (settings, system) = (self.settings.clone(), self.system.clone());
            // A large config is work, and commands take their time: the acceptor goes on meanwhile.
            let loading = tokio::task::spawn_blocking(move || load_from(&settings, &system));
            let Ok(loaded) = loading.await else { continue };
            self.tell_away(&mut now.away);
            let taken = loaded.map_err(|error| error.to_string()).and_then(|config| {
                now.files.clone_from(&config.watched);
                now.refresh = config.refresh;
                self.take(config)
            });
            watching.follow(&self.path, &[now.files.clone(), self.system.store_files()].concat());
            match taken {
                Ok(()) => now.last_refused = None,
                Err(why) => self.refuse(why, &mut now.last_refused),
            }
        }
    }

    /// Tells of sources that went away or came back, once each.
    fn tell_away(&self, told: &mut Vec<Away>) {
        let away = self.system.away();
        let is_in = |list: &[Away], source: &str| list.iter().any(|away| away.source == source);
        for Away { source, reason, .. } in away.iter().filter(|away| !is_in(told, &away.source)) {
            tracing::warn!(source, reason, "a credential's source is away; its last good value is used");
        }
        for Away { source, .. } in told.iter().filter(|told| !is_in(&away, &told.source)) {
            tracing::info!(source, "a credential's source is no longer away");
        }
        self.gateway.set_away(away.clone());
        *told = away;
    }

    /// Serves `config` from now on, unless it is what serves already. The error says why it cannot.
    fn take(&self, config: Config) -> Result<(), String> {
        let serving = self.gateway.snapshot();
        if config.hash == serving.hash {
            self.gateway.confirm();
            return Ok(());
        }
        let connector = connector(&config).map_err(|error| error.to_string())?;
        if config.admin.as_ref().and_then(|admin| admin.listen.as_ref()) != serving.listen.as_ref() {
            tracing::warn!("'admin.listen' has changed; the address is taken at the next start");
        }
        let warnings = config.warnings.clone();
        let snapshot = Snapshot::of(config, serving.generation + 1).map_err(|error| error.to_string())?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let (generation, config, routes) =
            (snapshot.generation, snapshot.hash.clone(), snapshot.routes.len());
        self.connectors.send_replace(connector);
        self.gateway.swap(snapshot);
        // Told last: whoever reads it finds the new routes in place.
        tracing::info!(generation, config, routes, "configuration updated");
        Ok(())
    }

    /// Keeps what serves, and says why: once per reason, not at each look.
    fn refuse(&self, message: String, last: &mut Option<String>) {
        if last.as_deref() == Some(message.as_str()) {
            return;
        }
        let since_unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.gateway.refuse(Refused { message: message.clone(), since_unix });
        tracing::warn!("Invalid configuration: {message}");
        *last = Some(message);
    }
}

/// The next signal; never, where none can be heard.
async fn next(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => _ = signals.recv().await,
        None => std::future::pending().await,
    }
}

/// The directories that are watched: a file's directory, since a rename or a symlink swap is no event of the file.
struct Watching {
    watcher: Option<RecommendedWatcher>,
    directories: BTreeSet<PathBuf>,
    names: Names,
}

/// The names of the files that count, shared with the watcher's thread.
type Names = Arc<Mutex<BTreeSet<OsString>>>;

impl Watching {
    fn start(note: mpsc::Sender<()>, path: &Path) -> Self {
        let names = Names::default();
        let counting = names.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| counts(&event, &counting)) {
                let _ = note.try_send(());
            }
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "changes cannot be watched; the file is looked at every few seconds");
        }
        let mut watching = Self { watcher: watcher.ok(), directories: BTreeSet::new(), names };
        watching.follow(path, &[]);
        watching
    }

    /// Watches the directories of the config and of the files that it names, and no others.
    fn follow(&mut self, path: &Path, files: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        let all = || files.iter().map(PathBuf::as_path).chain([path]);
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) =
            all().filter_map(|file| file.file_name().map(OsString::from)).collect();
        let wanted: BTreeSet<PathBuf> = all().filter_map(directory).collect();
        for gone in self.directories.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        for new in wanted.difference(&self.directories) {
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, directory = %new.display(), "changes there cannot be watched");
            }
        }
        self.directories = wanted;
    }
}

/// Whether an event is of a file that counts, or one of Kubernetes' swaps (`..data`). Other files of the directory, a
/// log perhaps, may change all the time.
fn counts(event: &notify::Event, names: &Names) -> bool {
    let names = names.lock().unwrap_or_else(PoisonError::into_inner);
    let is_ours = |name: &OsStr| names.contains(name) || name.as_encoded_bytes().starts_with(b"..");
    !event.kind.is_access() && event.paths.iter().any(|path| path.file_name().is_some_and(is_ours))
}

fn directory(file: &Path) -> Option<PathBuf> {
    let file = std::path::absolute(file).ok()?;
    file.parent().map(Path::to_owned)
}
