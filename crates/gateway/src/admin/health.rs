//! Whether the process lives, whether it takes new work, and what it counts.

use super::reply;
use crate::telemetry::{METRICS_CONTENT_TYPE, Metrics};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

/// The process answers: always OK, also while it drains or the file on disk is refused.
pub(super) fn health() -> Response<Bytes> {
    reply::json(StatusCode::OK, &json!({ "status": "OK" }))
}

/// Whether a load balancer should send new requests here.
pub(super) fn ready(draining: bool) -> Response<Bytes> {
    if draining {
        return reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "draining" }));
    }
    reply::json(StatusCode::OK, &json!({ "status": "OK" }))
}

pub(super) fn metrics(metrics: &Metrics) -> Response<Bytes> {
    reply::of(StatusCode::OK, METRICS_CONTENT_TYPE, Bytes::from(metrics.text()))
}
