//! Errors, as Google's APIs say them (google.rpc.Status in JSON).

use crate::canonical::{Class, Failure, UpstreamError};
use crate::dialect::ErrorReply;
use crate::raw::to_bytes;
use serde_json::{Value, json};
use std::time::Duration;

/// Reads a provider's error. A key that is not valid and a prompt that is too long are said under status 400, and how
/// long to wait stands in the body.
pub(crate) fn decode(status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
    let mut error = UpstreamError::read(status, content_type, body);
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let value = value.get(0).unwrap_or(&value);
    for detail in value.pointer("/error/details").and_then(Value::as_array).into_iter().flatten() {
        if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
            error.code = Some(reason.to_owned());
        }
        let delay = detail.get("retryDelay").and_then(Value::as_str).and_then(seconds);
        error.retry_after = error.retry_after.or(delay);
    }
    if error.message.contains("exceeds the maximum number of tokens") {
        error.code = Some("context_length_exceeded".to_owned());
    }
    error
}

/// Reads an error that stands in a stream. Its code is the status that it would have had outside.
pub(super) fn in_stream(frame: &[u8]) -> UpstreamError {
    let error = UpstreamError::of_frame(frame);
    let status = error.code.as_deref().and_then(|code| code.parse().ok()).unwrap_or(0);
    let told = decode(status, None, frame);
    UpstreamError { status, code: told.code, retry_after: told.retry_after, ..error }
}

/// A duration in ProtoJSON: seconds, perhaps with a fraction, and an `s`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Says a failure as Google's servers do.
pub(crate) fn encode(failure: &Failure) -> ErrorReply {
    ErrorReply { status: failure.class.status(), body: to_bytes(&body_of(failure)) }
}

/// The JSON of a failure, as an answer's body and as a stream's last answer.
pub(crate) fn body_of(failure: &Failure) -> Value {
    let status = failure.class.status();
    let mut error = json!({
        "code": status,
        "message": failure.sentence(),
        "status": word(failure.class),
    });
    let details = details(failure);
    if !details.is_empty() {
        error["details"] = details.into();
    }
    json!({ "error": error })
}

fn details(failure: &Failure) -> Vec<Value> {
    let mut details = Vec::new();
    if let Some(field) = &failure.param {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{ "field": field, "description": failure.sentence() }],
        }));
    }
    if let Some(wait) = failure.retry_after {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}s", wait.as_secs_f64()),
        }));
    }
    details
}

/// The code of google.rpc.Code that says a class.
fn word(class: Class) -> &'static str {
    match class {
        Class::InvalidRequest
        | Class::RefusedParameter(_)
        | Class::TooLarge
        | Class::UnsupportedMedia
        | Class::ContextWindow
        | Class::ContentPolicy
        | Class::MethodNotAllowed
        | Class::WrongOperation
        | Class::UpstreamRefused => "INVALID_ARGUMENT",
        Class::Authentication => "UNAUTHENTICATED",
        Class::Permission => "PERMISSION_DENIED",
        Class::PathNotFound | Class::RouteNotFound | Class::UpstreamModelNotFound => "NOT_FOUND",
        Class::RateLimited | Class::UpstreamRateLimited => "RESOURCE_EXHAUSTED",
        Class::RequestTimeout | Class::UpstreamTimeout => "DEADLINE_EXCEEDED",
        Class::NotImplemented { .. } | Class::ProviderUnavailable => "UNIMPLEMENTED",
        Class::UpstreamOverloaded | Class::UpstreamUnreachable | Class::StreamTruncated | Class::Draining => {
            "UNAVAILABLE"
        }
        Class::UpstreamCredentials | Class::UpstreamError | Class::Internal => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_valid_and_the_time_to_wait_are_found_in_the_body() {
        let body =
            br#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[
            {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}}]"#;
        let error = decode(400, Some("application/json"), body);
        assert_eq!(
            (error.message.as_str(), error.kind.as_deref()),
            ("API key not valid.", Some("INVALID_ARGUMENT"))
        );
        assert_eq!(error.code.as_deref(), Some("API_KEY_INVALID"));
        assert_eq!(error.retry_after, Some(Duration::from_millis(34_400)));
        let long = r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8)."}}"#;
        assert_eq!(decode(400, None, long.as_bytes()).class(), Class::ContextWindow);
        for odd in ["", "{", "[]", r#"{"error":{"details":[{"retryDelay":"soon"},{"retryDelay":"-1s"},7]}}"#]
        {
            assert_eq!(decode(500, None, odd.as_bytes()).retry_after, None, "{odd}");
        }
    }

    #[test]
    fn errors_bear_googles_words() {
        for (class, status, word) in [
            (Class::InvalidRequest, 400, "INVALID_ARGUMENT"),
            (Class::Authentication, 401, "UNAUTHENTICATED"),
            (Class::RouteNotFound, 404, "NOT_FOUND"),
            (Class::UpstreamRateLimited, 429, "RESOURCE_EXHAUSTED"),
            (Class::UpstreamOverloaded, 503, "UNAVAILABLE"),
            (Class::UpstreamTimeout, 504, "DEADLINE_EXCEEDED"),
        ] {
            let reply = encode(&Failure::new(class, "m"));
            assert_eq!(reply.status, status);
            let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
            assert_eq!(body, json!({"error": {"code": status, "message": "m", "status": word}}));
        }
    }

    #[test]
    fn the_wrong_field_and_the_time_to_wait_stand_in_the_details() {
        let failure =
            Failure { retry_after: Some(Duration::from_millis(1500)), ..Failure::invalid("contents", "m") };
        let details = body_of(&failure)["error"]["details"].clone();
        assert_eq!(details[0]["fieldViolations"][0]["field"], "contents");
        assert_eq!(details[1]["retryDelay"], "1.5s");
    }
}
