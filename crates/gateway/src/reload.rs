//! Hot reload: the file and its keys are watched, checked whole, and swapped in whole. A bad file changes nothing. Changes
//! of routes at run time go the same way, one after the other.

use crate::gateway::Gateway;
use crate::run_time::{self, Change, Refusal};
use crate::server::{Settings, connector};
use crate::snapshot::{Route, Snapshot, Unservable};
use crate::sources::{Away, System};
use crate::state::StateFile;
use crate::upstream::Connector;
use lockgate_config::{Config, Mistakes, NotServed, Options, Refused as SetAside, RunTime, check_both};
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
/// Changes of routes that may wait; further ones are turned away.
const MOST_CHANGES: usize = 64;

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
    /// The directory for routes that are made at run time is none, and cannot be made.
    #[error("{} cannot be used: {why}", .folder.display())]
    StateDir {
        /// As it was given.
        folder: PathBuf,
        /// Why.
        why: std::io::Error,
    },
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
    pub(crate) state: Option<StateFile>,
}

/// Reads and checks the config that `settings` name, or the built-in demo.
///
/// # Errors
/// Why it cannot serve, for the operator.
pub fn load(settings: &Settings) -> Result<Loaded, LoadError> {
    let system = System::new(settings.config_path.as_deref());
    let open = |folder: &PathBuf| {
        StateFile::open(folder).map_err(|why| LoadError::StateDir { folder: folder.clone(), why })
    };
    let state = settings.state_dir.as_ref().map(open).transpose()?;
    Ok(Loaded { config: load_from(settings, &system, state.as_ref())?, system, state })
}

/// Reads and checks the config and the routes that were made at run time. While the file of those is damaged, they
/// serve as they last were.
fn load_from(settings: &Settings, system: &System, state: Option<&StateFile>) -> Result<Config, LoadError> {
    let Some(state) = state else { return load_with(settings, system, None) };
    let file_name = state.path().display().to_string();
    let load = |text: Option<&str>| {
        load_with(settings, system, text.map(|text| RunTime { text, file_name: &file_name }))
    };
    let (text, damage) = match state.read() {
        Ok(text) => (text, None),
        Err(error) => (None, Some(format!("{file_name} cannot be read: {error}"))),
    };
    let config = load(text.as_deref())?;
    let Some(damage) = damage.or_else(|| config.not_served.damaged.clone()) else {
        state.was_good(text);
        return Ok(config);
    };
    let mut config = match state.last_good() {
        Some(text) => load(Some(&text))?,
        None => config,
    };
    config.not_served.damaged = Some(damage);
    Ok(config)
}

/// Reads and checks the config, with these routes beside it. Those of them that cannot serve are set aside.
pub(crate) fn load_with(
    settings: &Settings,
    system: &System,
    run_time: Option<RunTime<'_>>,
) -> Result<Config, LoadError> {
    system.begin();
    let (text, name) = match &settings.config_path {
        Some(path) => (read(path)?, path.display().to_string()),
        None => (lockgate_config::DEMO.to_owned(), "the built-in demo config".to_owned()),
    };
    let options = Options { strict: settings.strict };
    let mut config = check_both(&text, &name, run_time, system, options).map_err(LoadError::Bad)?;
    connector(&config).map_err(|error| LoadError::Unservable(error.to_string()))?;
    while let Err(error) = Snapshot::of(config.clone(), 0) {
        set_aside(&mut config, error)?;
    }
    system.settle();
    Ok(config)
}

/// Takes out the route that cannot serve, if it was made at run time.
fn set_aside(config: &mut Config, error: Unservable) -> Result<(), LoadError> {
    let why = error.to_string();
    let Unservable::Route { route: name, problem } = error else { return Err(LoadError::Unservable(why)) };
    let made = config.routes.iter().position(|route| route.run_time && route.name == name);
    let Some(at) = made else { return Err(LoadError::Unservable(why)) };
    config.routes.remove(at);
    config.not_served.refused.push(SetAside { name, why, short: problem });
    Ok(())
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
    /// Where routes are kept that are made at run time.
    pub(crate) state: Option<StateFile>,
}

/// Watches the config and what it was read from, until the returned value is dropped, and makes changes of routes.
/// Without a config file and a state directory there is nothing to do.
pub(crate) fn watch(
    settings: &Settings,
    watched: Watched,
    gateway: Arc<Gateway>,
    connectors: watch::Sender<Connector>,
) -> Option<impl Drop + use<>> {
    if settings.config_path.is_none() && settings.state_dir.is_none() {
        return None;
    }
    // One note is enough to look again, so further ones may be dropped.
    let (note, noted) = mpsc::channel(1);
    // Both begin here and not in the task, so that no change and no signal is missed once the process says it listens.
    let mut watching = Watching::start(note);
    let Watched { files, refresh, system, state } = watched;
    let hangups = signal(SignalKind::hangup());
    if let Err(error) = &hangups {
        tracing::error!(%error, "SIGHUP cannot be heard; the file is watched all the same");
    }
    let (asking, changes) = mpsc::channel(MOST_CHANGES);
    gateway.take_changes(asking);
    let (system, state) = (Arc::new(system), state.map(Arc::new));
    let reloader = Reloader { settings: settings.clone(), system, state, gateway, connectors };
    let now = Current { files, refresh, away: Vec::new(), last_refused: None };
    watching.follow(&reloader.watched(&now));
    let heard = Heard { noted, hangups: hangups.ok(), changes };
    Some(AbortOnDrop(tokio::task::spawn(reloader.run(now, watching, heard))))
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Reloader {
    settings: Settings,
    system: Arc<System>,
    state: Option<Arc<StateFile>>,
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

/// What a reloader listens to.
struct Heard {
    noted: mpsc::Receiver<()>,
    hangups: Option<Signal>,
    changes: mpsc::Receiver<Change>,
}

impl Reloader {
    async fn run(self, mut now: Current, mut watching: Watching, mut heard: Heard) {
        loop {
            let wait = now.refresh.map_or(LOOK_EVERY, |refresh| refresh.min(LOOK_EVERY));
            tokio::select! {
                Some(change) = heard.changes.recv() => {
                    self.change(change, &mut now).await;
                    watching.follow(&self.watched(&now));
                    continue;
                }
                _ = heard.noted.recv() => {}
                () = next(&mut heard.hangups) => {
                    tracing::info!("SIGHUP: reading the config again");
                    self.system.expire();
                }
                () = tokio::time::sleep(wait) => {}
            }
            tokio::time::sleep(SETTLE).await;
            while heard.noted.try_recv().is_ok() {}
            let (settings, system, state) = (self.settings.clone(), self.system.clone(), self.state.clone());
            // A large config is work, and commands take their time: the acceptor goes on meanwhile.
            let loading =
                tokio::task::spawn_blocking(move || load_from(&settings, &system, state.as_deref()));
            let Ok(loaded) = loading.await else { continue };
            match loaded.map_err(|error| error.to_string()).and_then(|config| self.take(config, &mut now)) {
                Ok(()) => now.last_refused = None,
                Err(why) => self.refuse(why, &mut now.last_refused),
            }
            self.tell_away(&mut now.away);
            watching.follow(&self.watched(&now));
        }
    }

    /// Makes a change of a route, and serves it before it is told.
    async fn change(&self, change: Change, now: &mut Current) {
        let (settings, system, state) = (self.settings.clone(), self.system.clone(), self.state.clone());
        let making = tokio::task::spawn_blocking(move || {
            let wanted = || !change.reply.is_closed();
            let made = run_time::apply(&settings, &system, state.as_deref(), &change.edit, wanted);
            (change, made)
        });
        let Ok((Change { edit, reply }, made)) = making.await else { return };
        let taken = made.and_then(|config| {
            self.take(config, now).map_err(|why| Refusal::unavailable("it cannot be served", why))
        });
        if taken.is_ok() {
            now.last_refused = None;
        }
        let served = || -> Option<Arc<Route>> {
            Some(self.gateway.snapshot().route(edit.name())?.1.clone()).filter(|route| route.run_time)
        };
        // Whoever hung up meanwhile sees it in the list.
        let _ = reply.send(taken.map(|()| served()));
    }

    /// Every file whose change counts.
    fn watched(&self, now: &Current) -> Vec<PathBuf> {
        let own = self.settings.config_path.iter().cloned();
        let state = self.state.iter().map(|state| state.path().to_owned());
        own.chain(state).chain(now.files.iter().cloned()).chain(self.system.store_files()).collect()
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
    fn take(&self, mut config: Config, now: &mut Current) -> Result<(), String> {
        now.files.clone_from(&config.watched);
        now.refresh = config.refresh;
        let not_served = std::mem::take(&mut config.not_served);
        tell_not_served(&self.gateway.set_not_served(not_served.clone()), &not_served);
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

/// Tells of routes that were made at run time and do not serve, once each.
pub(crate) fn tell_not_served(before: &NotServed, now: &NotServed) {
    if let Some(why) = now.damaged.as_ref().filter(|_| now.damaged != before.damaged) {
        tracing::error!(
            "The routes that were made at run time cannot be changed until their file is mended or taken away: {why}"
        );
    }
    if before.damaged.is_some() && now.damaged.is_none() {
        tracing::info!("the file of the routes that were made at run time is mended");
    }
    for refused in now.refused.iter().filter(|refused| !before.refused.contains(refused)) {
        let (route, why) = (&refused.name, &refused.why);
        tracing::warn!(route, "a route that was made at run time does not serve: {why}");
    }
    for route in now.shadowed.iter().filter(|route| !before.shadowed.contains(route)) {
        tracing::warn!(
            route,
            "a route that was made at run time does not serve: the config file defines '{route}', too, and its own serves"
        );
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
    fn start(note: mpsc::Sender<()>) -> Self {
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
        Self { watcher: watcher.ok(), directories: BTreeSet::new(), names }
    }

    /// Watches the directories of these files, and no others.
    fn follow(&mut self, files: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        let all = || files.iter().map(PathBuf::as_path);
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
