//! What all workers share.

use crate::limits::Windows;
use crate::reload::Refused;
use crate::run_time::Change;
use crate::snapshot::Snapshot;
use crate::sources::Away;
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use lockgate_config::NotServed;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;
use tokio::sync::mpsc;

/// The state of the process that outlives a config.
pub(crate) struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    pub(crate) limits: Windows,
    /// Refused keys per client.
    pub(crate) tries: Windows,
    pub(crate) metrics: Metrics,
    draining: AtomicBool,
    refused: Mutex<Option<Arc<Refused>>>,
    away: ArcSwap<Vec<Away>>,
    not_served: ArcSwap<NotServed>,
    changes: OnceLock<mpsc::Sender<Change>>,
    pub(crate) started: Instant,
}

impl Gateway {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        let metrics = Metrics::new();
        metrics.config_accepted(&snapshot);
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            limits: Windows::default(),
            tries: Windows::default(),
            metrics,
            draining: AtomicBool::new(false),
            refused: Mutex::new(None),
            away: ArcSwap::default(),
            not_served: ArcSwap::default(),
            changes: OnceLock::new(),
            started: Instant::now(),
        }
    }

    /// The generation that serves now. A request loads it once and keeps it.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts a new generation in place of the old one; requests under way keep theirs.
    pub(crate) fn swap(&self, snapshot: Snapshot) {
        self.metrics.config_accepted(&snapshot);
        self.snapshot.store(Arc::new(snapshot));
        *self.refused_slot() = None;
    }

    /// Notes that the file on disk is refused; the generation in place goes on.
    pub(crate) fn refuse(&self, refused: Refused) {
        self.metrics.config_refused();
        *self.refused_slot() = Some(Arc::new(refused));
    }

    /// Notes that the file on disk is what serves.
    pub(crate) fn confirm(&self) {
        self.metrics.config_confirmed();
        *self.refused_slot() = None;
    }

    /// Why the file on disk is refused, if it is.
    pub(crate) fn refused(&self) -> Option<Arc<Refused>> {
        self.refused_slot().clone()
    }

    /// Notes which sources of credentials are away.
    pub(crate) fn set_away(&self, away: Vec<Away>) {
        self.metrics.credentials_stale(away.len());
        self.away.store(Arc::new(away));
    }

    /// Sources of credentials whose last good value is used.
    pub(crate) fn away(&self) -> Arc<Vec<Away>> {
        self.away.load_full()
    }

    /// Notes which routes that were made at run time do not serve; what was noted before.
    pub(crate) fn set_not_served(&self, not_served: NotServed) -> Arc<NotServed> {
        self.not_served.swap(Arc::new(not_served))
    }

    /// Routes that were made at run time and do not serve.
    pub(crate) fn not_served(&self) -> Arc<NotServed> {
        self.not_served.load_full()
    }

    /// Sends changes of routes there from now on.
    pub(crate) fn take_changes(&self, changes: mpsc::Sender<Change>) {
        let _ = self.changes.set(changes);
    }

    /// Asks for a change of a route; false when too many wait already.
    pub(crate) fn ask_change(&self, change: Change) -> bool {
        self.changes.get().is_some_and(|changes| changes.try_send(change).is_ok())
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    fn refused_slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Refused>>> {
        self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
