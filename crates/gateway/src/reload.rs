//! Hot reload: the file and its keys are watched, checked whole, and swapped in whole. A bad file changes nothing.

use crate::gateway::Gateway;
use crate::server::{Settings, connector};
use crate::snapshot::Snapshot;
use crate::sources::System;
use crate::upstream::Connector;
use lockgate_config::{Config, Mistakes, Options, check};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
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

/// Reads and checks the config that `settings` name, or the built-in demo.
///
/// # Errors
/// Why it cannot serve, for the operator.
pub fn load(settings: &Settings) -> Result<Config, LoadError> {
    load_from(settings, &System::default())
}

fn load_from(settings: &Settings, system: &System) -> Result<Config, LoadError> {
    let (text, name) = match &settings.config_path {
        Some(path) => (read(path)?, path.display().to_string()),
        None => (lockgate_config::DEMO.to_owned(), "the built-in demo config".to_owned()),
    };
    let config = check(&text, &name, system, Options { strict: settings.strict }).map_err(LoadError::Bad)?;
    connector(&config).map_err(|error| LoadError::Unservable(error.to_string()))?;
    Snapshot::of(config.clone(), 0).map_err(|error| LoadError::Unservable(error.to_string()))?;
    Ok(config)
}

fn read(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => LoadError::Missing(path.to_owned()),
        _ => LoadError::Unreadable(path.to_owned()),
    })
}

/// Watches the config and the files that it was read from, until the returned value is dropped. Without a config file
/// there is nothing to watch.
pub(crate) fn watch(
    settings: &Settings,
    known: Vec<PathBuf>,
    gateway: Arc<Gateway>,
    connectors: watch::Sender<Connector>,
) -> Option<impl Drop + use<>> {
    let path = settings.config_path.clone()?;
    let reloader = Reloader { settings: settings.clone(), path, known, gateway, connectors };
    Some(AbortOnDrop(tokio::task::spawn(reloader.run())))
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
    /// Files that the config at start was read from.
    known: Vec<PathBuf>,
    gateway: Arc<Gateway>,
    connectors: watch::Sender<Connector>,
}

impl Reloader {
    async fn run(self) {
        // One note is enough to look again, so further ones may be dropped.
        let (note, mut noted) = mpsc::channel(1);
        let mut watching = Watching::start(note, &self.path);
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            tracing::error!("SIGHUP cannot be heard; the file is watched all the same");
            return;
        };
        let mut last_refused = None;
        let mut known = self.known.clone();
        watching.follow(&self.path, &known);
        loop {
            tokio::select! {
                _ = noted.recv() => {}
                _ = hangup.recv() => tracing::info!("SIGHUP: reading the config again"),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            tokio::time::sleep(SETTLE).await;
            while noted.try_recv().is_ok() {}
            let (settings, system) = (self.settings.clone(), System { known: known.clone() });
            // A large config is work: the acceptor goes on meanwhile.
            let loading = tokio::task::spawn_blocking(move || load_from(&settings, &system));
            let Ok(loaded) = loading.await else { continue };
            let taken = loaded.map_err(|error| error.to_string()).and_then(|config| {
                known.clone_from(&config.watched);
                watching.follow(&self.path, &known);
                self.take(config)
            });
            match taken {
                Ok(()) => last_refused = None,
                Err(why) => self.refuse(why, &mut last_refused),
            }
        }
    }

    /// Serves `config` from now on, unless it is what serves already. The error says why it cannot.
    fn take(&self, config: Config) -> Result<(), String> {
        let serving = self.gateway.snapshot();
        if config.hash == serving.hash {
            self.gateway.confirm();
            return Ok(());
        }
        let connector = connector(&config).map_err(|error| error.to_string())?;
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

/// The directories that are watched: a file's directory, since a rename or a symlink swap is no event of the file.
struct Watching {
    watcher: Option<RecommendedWatcher>,
    directories: BTreeSet<PathBuf>,
}

impl Watching {
    fn start(note: mpsc::Sender<()>, path: &Path) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = note.try_send(());
            }
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "changes cannot be watched; the file is looked at every few seconds");
        }
        let mut watching = Self { watcher: watcher.ok(), directories: BTreeSet::new() };
        watching.follow(path, &[]);
        watching
    }

    /// Watches the directories of the config and of the files that it names, and no others.
    fn follow(&mut self, path: &Path, files: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: BTreeSet<PathBuf> =
            files.iter().map(PathBuf::as_path).chain([path]).filter_map(directory).collect();
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

fn directory(file: &Path) -> Option<PathBuf> {
    let file = std::path::absolute(file).ok()?;
    file.parent().map(Path::to_owned)
}
