//! Errors: a flat `message` beside an id.

use crate::canonical::Failure;
use crate::dialect::ErrorReply;
use crate::raw::to_bytes;

/// Says a failure as Cohere's servers do.
pub(super) fn encode(failure: &Failure, request_id: &str) -> ErrorReply {
    let body = serde_json::json!({ "id": request_id, "message": failure.sentence() });
    ErrorReply { status: failure.class.status(), body: to_bytes(&body) }
}
