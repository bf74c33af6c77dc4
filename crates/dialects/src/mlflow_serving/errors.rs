//! Errors, as MLflow's scoring server says them.

use crate::canonical::{Class, Failure};
use crate::dialect::ErrorReply;
use crate::raw::to_bytes;

/// Says a failure.
pub(super) fn encode(failure: &Failure) -> ErrorReply {
    let status = failure.class.status();
    let code = match failure.class {
        Class::InvalidRequest | Class::RefusedParameter(_) => "INVALID_PARAMETER_VALUE",
        Class::PathNotFound | Class::RouteNotFound | Class::UpstreamModelNotFound => {
            "RESOURCE_DOES_NOT_EXIST"
        }
        Class::Authentication => "UNAUTHENTICATED",
        Class::Permission => "PERMISSION_DENIED",
        Class::RateLimited | Class::UpstreamRateLimited => "REQUEST_LIMIT_EXCEEDED",
        Class::NotImplemented { .. } => "NOT_IMPLEMENTED",
        Class::UpstreamOverloaded | Class::Draining => "TEMPORARILY_UNAVAILABLE",
        _ if status < 500 => "BAD_REQUEST",
        _ => "INTERNAL_ERROR",
    };
    let body = serde_json::json!({ "error_code": code, "message": failure.sentence() });
    ErrorReply { status, body: to_bytes(&body) }
}
