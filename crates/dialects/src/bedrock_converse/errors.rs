//! Errors: their kind stands in a header, or in the body's `__type`; inside a stream it is the message's own.

use crate::canonical::{Class, Failure, UpstreamError};
use crate::dialect::ErrorReply;
use crate::framing::eventstream;
use crate::raw::to_bytes;
use serde_json::Value;

/// The kinds of errors, with their statuses (Bedrock's API reference, Converse).
const KINDS: [(&str, u16); 10] = [
    ("AccessDeniedException", 403),
    ("ExpiredTokenException", 403),
    ("InternalServerException", 500),
    ("ModelErrorException", 424),
    ("ModelNotReadyException", 429),
    ("ModelTimeoutException", 408),
    ("ResourceNotFoundException", 404),
    ("ServiceUnavailableException", 503),
    ("ThrottlingException", 429),
    ("ValidationException", 400),
];

/// Reads a provider's error answer.
pub(super) fn decode(status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
    let mut error = UpstreamError::read(status, content_type, body);
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(kind) = body.get("__type").and_then(Value::as_str) {
        error.kind = Some(bare(kind).to_owned());
    }
    name_code(&mut error);
    error
}

/// A kind without the namespace before it and the address behind it.
fn bare(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or_default();
    kind.rsplit('#').next().unwrap_or_default()
}

/// Names what the models of several makers say about a prompt that is too long, as all APIs here do.
fn name_code(error: &mut UpstreamError) {
    const TOO_LONG: [&str; 6] = [
        "input is too long",
        "prompt is too long",
        "input tokens exceeded",
        "maximum context length",
        "exceed context limit",
        "too many input tokens",
    ];
    let message = error.message.to_ascii_lowercase();
    if error.status == 400 && TOO_LONG.iter().any(|words| message.contains(words)) {
        error.code = Some("context_length_exceeded".to_owned());
    }
}

/// Reads a message of a stream that tells an error.
pub(super) fn decode_message(message: &eventstream::Message<'_>) -> UpstreamError {
    let mut error = UpstreamError::of_frame(message.payload);
    if let Some(text) = message.text(":error-message") {
        text.clone_into(&mut error.message);
    }
    let kind = message.text(":exception-type").or_else(|| message.text(":error-code")).unwrap_or_default();
    let body: Value = serde_json::from_slice(message.payload).unwrap_or_default();
    let known = if kind.eq_ignore_ascii_case("modelStreamErrorException") {
        let original = body["originalStatusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        Some(original.filter(|status| (400..600).contains(status)).unwrap_or(424))
    } else {
        KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind)).map(|(_, status)| *status)
    };
    error.status = known.unwrap_or(0);
    error.kind = Some(kind.to_owned()).filter(|kind| !kind.is_empty());
    name_code(&mut error);
    error
}

/// Says a failure as Bedrock's servers do.
pub(super) fn encode(failure: &Failure) -> ErrorReply {
    let (kind, status) = kind_and_status(failure.class);
    let body = serde_json::json!({ "__type": kind, "message": failure.sentence() });
    ErrorReply { status, body: to_bytes(&body) }
}

/// Appends the message that ends a stream with a failure: only five kinds of errors may stand there.
pub(super) fn encode_message(failure: &Failure, out: &mut Vec<u8>) {
    let kind = match kind_and_status(failure.class).0 {
        "ThrottlingException" => "throttlingException",
        "ServiceUnavailableException" => "serviceUnavailableException",
        "ModelErrorException" | "ModelTimeoutException" => "modelStreamErrorException",
        "ValidationException" | "ResourceNotFoundException" => "validationException",
        _ => "internalServerException",
    };
    let payload = to_bytes(&serde_json::json!({ "message": failure.sentence() }));
    let headers =
        [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")];
    eventstream::write(&headers, &payload, out);
}

/// Bedrock's kind and status for a class. A status of another kind stays where it says more.
fn kind_and_status(class: Class) -> (&'static str, u16) {
    let kind = match class {
        Class::InvalidRequest
        | Class::RefusedParameter(_)
        | Class::UnsupportedMedia
        | Class::ContextWindow
        | Class::ContentPolicy
        | Class::WrongOperation
        | Class::UpstreamRefused
        | Class::TooLarge
        | Class::NotImplemented { .. } => "ValidationException",
        Class::Authentication | Class::Permission => "AccessDeniedException",
        Class::RouteNotFound | Class::UpstreamModelNotFound => "ResourceNotFoundException",
        Class::PathNotFound | Class::MethodNotAllowed => "UnknownOperationException",
        Class::RateLimited | Class::UpstreamRateLimited => "ThrottlingException",
        Class::UpstreamOverloaded | Class::Draining | Class::ProviderUnavailable => {
            "ServiceUnavailableException"
        }
        Class::RequestTimeout | Class::UpstreamTimeout => "ModelTimeoutException",
        Class::UpstreamError | Class::StreamTruncated => "ModelErrorException",
        Class::UpstreamCredentials | Class::UpstreamUnreachable | Class::Internal => {
            "InternalServerException"
        }
    };
    let usual = KINDS.iter().find(|(known, _)| *known == kind).map(|(_, status)| *status);
    let status = match class {
        Class::TooLarge
        | Class::UnsupportedMedia
        | Class::RefusedParameter(_)
        | Class::NotImplemented { .. } => class.status(),
        _ => usual.unwrap_or_else(|| class.status()),
    };
    (kind, status)
}

/// The kind of a failure, for the header in which Bedrock's servers say it.
pub(super) fn kind(failure: &Failure) -> &'static str {
    kind_and_status(failure.class).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Operation;
    use crate::framing::eventstream::MessageReader;

    #[test]
    fn errors_bear_bedrocks_kinds_and_statuses() {
        let streamed = Class::NotImplemented { operation: Operation::Chat, streamed: true };
        for (class, status, kind) in [
            (Class::InvalidRequest, 400, "ValidationException"),
            (Class::Authentication, 403, "AccessDeniedException"),
            (Class::RouteNotFound, 404, "ResourceNotFoundException"),
            (Class::PathNotFound, 404, "UnknownOperationException"),
            (Class::TooLarge, 413, "ValidationException"),
            (Class::RateLimited, 429, "ThrottlingException"),
            (Class::UpstreamTimeout, 408, "ModelTimeoutException"),
            (Class::UpstreamError, 424, "ModelErrorException"),
            (Class::UpstreamOverloaded, 503, "ServiceUnavailableException"),
            (Class::UpstreamCredentials, 500, "InternalServerException"),
            (streamed, 501, "ValidationException"),
        ] {
            let reply = encode(&Failure::new(class, "m"));
            let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
            assert_eq!((reply.status, body["__type"].as_str()), (status, Some(kind)), "{class:?}");
            let read = decode(reply.status, Some("application/json"), &reply.body);
            assert_eq!(read.kind.as_deref(), Some(kind));
        }
    }

    #[test]
    fn a_prompt_that_is_too_long_has_the_code_that_all_apis_have() {
        let body = br#"{"message":"The model returned the following errors: Input Tokens Exceeded: x"}"#;
        let error = decode(400, Some("application/json"), body);
        assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
        let other = decode(400, None, br#"{"__type":"a.b#ValidationException:http://x","Message":"no"}"#);
        assert_eq!((other.kind.as_deref(), other.message.as_str()), (Some("ValidationException"), "no"));
        assert_eq!(other.code, None);
    }

    #[test]
    fn a_failure_in_a_stream_is_read_as_it_was_written() {
        for (class, kind, status) in [
            (Class::UpstreamRateLimited, "throttlingException", 429),
            (Class::StreamTruncated, "modelStreamErrorException", 424),
            (Class::Internal, "internalServerException", 500),
            (Class::RouteNotFound, "validationException", 400),
        ] {
            let mut out = Vec::new();
            encode_message(&Failure::new(class, "m"), &mut out);
            let mut read = None;
            let fed = MessageReader::new().feed(&out, |message| read = Some(decode_message(&message)));
            fed.expect("a whole message");
            let read = read.expect("an error");
            assert_eq!((read.kind.as_deref(), read.status, read.message.as_str()), (Some(kind), status, "m"));
        }
    }
}
