//! The forms of response that pages have.

use bytes::Bytes;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// A JSON body.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    of(status, "application/json", Bytes::from(body.to_string()))
}

/// `{"detail": …}`, as MLflow says everything that is wrong.
pub(super) fn detail(status: StatusCode, text: impl Into<String>) -> Response<Bytes> {
    json(status, &json!({ "detail": text.into() }))
}

/// A page for people. `policy` says what it may load.
pub(super) fn html(body: String, policy: &'static str) -> Response<Bytes> {
    let mut reply = of(StatusCode::OK, "text/html; charset=utf-8", Bytes::from(body));
    set(&mut reply, CONTENT_SECURITY_POLICY, policy);
    set(&mut reply, X_FRAME_OPTIONS, "DENY");
    set(&mut reply, REFERRER_POLICY, "no-referrer");
    reply
}

/// Sends the client elsewhere on this server, with the same method.
pub(super) fn redirect(to: &'static str) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    set(&mut reply, LOCATION, to);
    reply
}

/// A body of any type.
pub(super) fn of(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    set(&mut reply, CONTENT_TYPE, content_type);
    if !content_type.starts_with("application/json") {
        set(&mut reply, X_CONTENT_TYPE_OPTIONS, "nosniff");
    }
    reply
}

pub(super) fn set(reply: &mut Response<Bytes>, name: HeaderName, value: &'static str) {
    reply.headers_mut().insert(name, HeaderValue::from_static(value));
}
