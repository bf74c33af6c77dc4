//! What operators see: one record per call, told once, to metrics and to the access log.

mod access_log;
mod metrics;
mod series;

pub(crate) use metrics::{CONTENT_TYPE as METRICS_CONTENT_TYPE, InFlight, Metrics};

use crate::limits::Kind;
use lockgate_dialects::canonical::Usage;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known of a call when it ends.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) request_id: String,
    pub(crate) client: IpAddr,
    pub(crate) method: http::Method,
    /// The path without its query, which may hold secrets.
    pub(crate) path: String,
    /// Whose key was sent, where keys are asked for.
    pub(crate) caller: Option<Arc<crate::callers::Caller>>,
    /// Set once the call is identified.
    pub(crate) route: Option<Arc<crate::snapshot::Route>>,
    /// Set once a target is chosen.
    pub(crate) target: Option<Arc<crate::snapshot::Target>>,
    /// What the client was told.
    pub(crate) status: u16,
    /// Whether the answer was a stream.
    pub(crate) streamed: bool,
    pub(crate) usage: Usage,
    pub(crate) started: Instant,
    /// From the request's arrival to the first byte of the answer's content.
    pub(crate) ttft: Option<Duration>,
    /// How the answer ended.
    pub(crate) outcome: Outcome,
    /// Things that a translation could not carry.
    pub(crate) losses: usize,
    /// For failures: the class and message, without secrets.
    pub(crate) failure: Option<String>,
    /// The limit that refused the call, and what it is of.
    pub(crate) limit: Option<(Kind, &'static str)>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Whole.
    Done,
    /// With an error, before or inside the stream.
    Failed,
    /// The client went away first.
    HungUp,
}

/// Tells that a key was refused: who sent it, for what. Never the key.
pub(crate) fn tell_refused_key(record: &Record, reason: &str) {
    access_log::refused_key(record, reason);
}

/// Tells a finished call, once.
pub(crate) fn tell(record: &Record, metrics: &Metrics) {
    let took = record.started.elapsed();
    metrics.called(record, took);
    access_log::write(record, took);
}
