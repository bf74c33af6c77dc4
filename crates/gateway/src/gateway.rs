//! What all workers share.

use crate::limits::Windows;
use crate::reload::Refused;
use crate::snapshot::Snapshot;
use crate::sources::Away;
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

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
