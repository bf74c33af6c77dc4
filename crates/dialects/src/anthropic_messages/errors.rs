//! Errors, as both of Anthropic's APIs say them.

use crate::canonical::{Class, Failure};
use crate::dialect::ErrorReply;
use crate::raw::to_bytes;

/// Says a failure as Anthropic's servers do.
pub(crate) fn encode(failure: &Failure, request_id: &str) -> ErrorReply {
    let (status, _) = status_and_type(failure.class);
    ErrorReply { status, body: to_bytes(&body_of(failure, request_id)) }
}

/// The JSON of a failure, as an answer's body and as a stream's last event.
pub(crate) fn body_of(failure: &Failure, request_id: &str) -> serde_json::Value {
    let (_, kind) = status_and_type(failure.class);
    serde_json::json!({
        "type": "error",
        "error": { "type": kind, "message": failure.sentence() },
        "request_id": request_id,
    })
}

/// Anthropic's status and word for a class, after its list of errors; 529 says overload.
fn status_and_type(class: Class) -> (u16, &'static str) {
    let kind = match class {
        Class::InvalidRequest
        | Class::RefusedParameter(_)
        | Class::UnsupportedMedia
        | Class::ContextWindow
        | Class::ContentPolicy
        | Class::MethodNotAllowed
        | Class::WrongOperation
        | Class::UpstreamRefused => "invalid_request_error",
        Class::Authentication => "authentication_error",
        Class::Permission => "permission_error",
        Class::PathNotFound | Class::RouteNotFound | Class::UpstreamModelNotFound => "not_found_error",
        Class::TooLarge => "request_too_large",
        Class::RateLimited | Class::UpstreamRateLimited => "rate_limit_error",
        Class::RequestTimeout | Class::UpstreamTimeout => "timeout_error",
        Class::UpstreamOverloaded => return (529, "overloaded_error"),
        Class::Draining => "overloaded_error",
        Class::NotImplemented { .. }
        | Class::ProviderUnavailable
        | Class::UpstreamCredentials
        | Class::UpstreamError
        | Class::UpstreamUnreachable
        | Class::StreamTruncated
        | Class::Internal => "api_error",
    };
    (class.status(), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_bear_anthropics_words_and_the_requests_id() {
        for (class, status, kind) in [
            (Class::InvalidRequest, 400, "invalid_request_error"),
            (Class::Authentication, 401, "authentication_error"),
            (Class::RouteNotFound, 404, "not_found_error"),
            (Class::TooLarge, 413, "request_too_large"),
            (Class::UpstreamRateLimited, 429, "rate_limit_error"),
            (Class::UpstreamCredentials, 502, "api_error"),
            (Class::UpstreamTimeout, 504, "timeout_error"),
            (Class::UpstreamOverloaded, 529, "overloaded_error"),
        ] {
            let reply = encode(&Failure::new(class, "m"), "req_1");
            assert_eq!(reply.status, status);
            let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
            let wanted = serde_json::json!({"type": "error", "error": {"type": kind, "message": "m"},
                "request_id": "req_1"});
            assert_eq!(body, wanted);
        }
    }
}
