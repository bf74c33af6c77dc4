//! Our one error type as the client's own dialect says it: the only place where a failure becomes a response.

use super::{Reply, ReplyBody};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{Class, Failure};
use std::time::Duration;

/// The response that tells `failure`.
pub(crate) fn say(failure: &Failure, dialect: &dyn Dialect, request_id: &str) -> Reply {
    let said = dialect.encode_error(failure, request_id);
    let mut reply = Response::new(ReplyBody::from(Bytes::from(said.body)));
    *reply.status_mut() = StatusCode::from_u16(said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(name) = dialect.error_kind_header() {
        let kind = HeaderValue::from_static(dialect.error_kind(failure));
        reply.headers_mut().insert(HeaderName::from_static(name), kind);
    }
    if failure.class == Class::Authentication {
        // A browser asks for a password, which is where a person enters a key.
        for challenge in ["Bearer realm=\"lockgate\"", "Basic realm=\"lockgate\", charset=\"UTF-8\""] {
            reply.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
    if let Some(after) = failure.retry_after {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(after)));
        // OpenAI's SDKs read the finer header first.
        let millis = HeaderValue::from(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        reply.headers_mut().insert(HeaderName::from_static("retry-after-ms"), millis);
    }
    reply
}

/// Whole seconds, rounded up: a client that waits them never comes too early.
fn seconds(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0)
}
