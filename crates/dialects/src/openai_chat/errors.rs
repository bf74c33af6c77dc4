//! Errors: `{"error": {"message", "type", "param", "code"}}`.

use crate::ErrorReply;
use crate::canonical::{Class, Failure, UpstreamError};
use crate::raw::ObjectWriter;
use serde_json::Value;
use std::borrow::Cow;

/// Reads a provider's error answer: OpenAI's and Azure's object, Mistral's and xAI's flat forms, lists of mistakes, and
/// the list with one object that Google's OpenAI surface sends.
pub(crate) fn decode(status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
    let mut error = UpstreamError::read(status, content_type, body);
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return error };
    if let Some(first) = json.get(0) {
        let UpstreamError { message, kind, code, param, .. } = UpstreamError::of_json(first);
        if !message.is_empty() {
            error = UpstreamError { message, kind, code, param, ..error };
        }
    } else if let Some(mistakes) = mistakes(&json) {
        error.message = mistakes;
    }
    error
}

/// Pydantic's list of mistakes, as Mistral and vLLM send it under `detail` or `message.detail`.
fn mistakes(json: &Value) -> Option<String> {
    let list = json.get("detail").or_else(|| json.get("message")?.get("detail"))?.as_array()?;
    let each = list.iter().filter_map(|mistake| {
        let place = mistake.get("loc")?.as_array()?.iter().map(|step| match step {
            Value::String(name) => name.clone(),
            step => step.to_string(),
        });
        Some(format!("{}: {}", place.collect::<Vec<_>>().join("."), mistake.get("msg")?.as_str()?))
    });
    Some(each.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
}

/// Says a failure as OpenAI's server would.
pub(crate) fn encode(failure: &Failure, request_id: &str) -> ErrorReply {
    let mut body = Vec::new();
    write_body(failure, request_id, &mut body);
    ErrorReply { status: status(failure), body }
}

/// Writes the body of an error, which is also the last event of a broken stream.
pub(crate) fn write_body(failure: &Failure, request_id: &str, out: &mut Vec<u8>) {
    let upstream = failure.upstream.as_deref();
    let (kind, code) = words(failure.class);
    // Where the provider judged the request itself, its own words are the precise ones.
    let judged = upstream.filter(|_| failure.class == Class::UpstreamRefused);
    let code = judged.and_then(|upstream| upstream.code.as_deref()).or(code);
    let param = failure.param.as_ref().or_else(|| upstream?.param.as_ref());
    let mut body = ObjectWriter::new(out);
    let mut error = ObjectWriter::new(body.key("error"));
    error.field("message", &message(failure)).field("type", kind);
    error.field("param", &param).field("code", &code).field("request_id", request_id);
    if let Some(upstream) = upstream {
        let mut object = ObjectWriter::new(error.key("upstream"));
        object.field("status", &(upstream.status != 0).then_some(upstream.status));
        object.field("type", &upstream.kind).field("code", &upstream.code);
        object.end();
    }
    error.end();
    body.end();
}

/// What a provider says about the gateway's key repeats parts of it, and no caller can act on it.
fn message(failure: &Failure) -> Cow<'_, str> {
    match failure.class {
        Class::UpstreamCredentials => "the provider refuses the gateway's credentials".into(),
        _ => failure.sentence(),
    }
}

/// The provider's status is kept where it refused the request itself for a reason that is true of the gateway too.
fn status(failure: &Failure) -> u16 {
    let upstream = failure.upstream.as_ref().map_or(0, |upstream| upstream.status);
    match (failure.class, upstream) {
        (Class::UpstreamRefused, 404 | 408 | 409 | 413 | 415) => upstream,
        _ => failure.class.status(),
    }
}

/// OpenAI's `type` and `code`.
fn words(class: Class) -> (&'static str, Option<&'static str>) {
    const INVALID: &str = "invalid_request_error";
    match class {
        Class::InvalidRequest | Class::UpstreamRefused => (INVALID, None),
        Class::RefusedParameter(_) => (INVALID, Some("unsupported_parameter")),
        Class::RequestTimeout => ("timeout_error", Some("request_timeout")),
        Class::TooLarge => (INVALID, Some("request_too_large")),
        Class::UnsupportedMedia => (INVALID, Some("unsupported_media_type")),
        Class::ContextWindow => (INVALID, Some("context_length_exceeded")),
        Class::ContentPolicy => (INVALID, Some("content_policy_violation")),
        Class::Authentication => ("authentication_error", Some("invalid_api_key")),
        Class::Permission => ("permission_error", Some("insufficient_permissions")),
        Class::PathNotFound => (INVALID, Some("unknown_url")),
        Class::MethodNotAllowed => (INVALID, Some("method_not_allowed")),
        Class::RouteNotFound | Class::UpstreamModelNotFound => (INVALID, Some("model_not_found")),
        Class::WrongOperation => (INVALID, Some("wrong_operation")),
        Class::NotImplemented { .. } => ("api_error", Some("not_implemented")),
        Class::ProviderUnavailable => ("api_error", Some("provider_unavailable")),
        Class::RateLimited => ("rate_limit_error", Some("rate_limit_exceeded")),
        Class::UpstreamRateLimited => ("rate_limit_error", Some("upstream_rate_limited")),
        Class::UpstreamCredentials => ("api_error", Some("upstream_credentials")),
        Class::UpstreamOverloaded => ("server_error", Some("overloaded")),
        Class::UpstreamError => ("server_error", Some("upstream_error")),
        Class::UpstreamUnreachable => ("server_error", Some("upstream_unreachable")),
        Class::UpstreamTimeout => ("timeout_error", Some("upstream_timeout")),
        Class::StreamTruncated => ("server_error", Some("stream_truncated")),
        Class::Draining => ("server_error", Some("shutting_down")),
        Class::Internal => ("server_error", Some("internal_error")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn encoded(failure: &Failure) -> (u16, Value) {
        let reply = encode(failure, "req-1");
        (reply.status, serde_json::from_slice(&reply.body).unwrap())
    }

    #[test]
    fn a_failure_has_openais_shape_with_the_requests_id() {
        let (status, body) = encoded(&Failure::invalid("messages[0].role", "no role"));
        assert_eq!(status, 400);
        let error = json!({"message": "no role", "type": "invalid_request_error", "param": "messages[0].role",
            "code": null, "request_id": "req-1"});
        assert_eq!(body, json!({ "error": error }));
    }

    #[test]
    fn a_refused_gateway_key_is_not_shown_as_the_clients_own_401() {
        let upstream = decode(
            401,
            Some("application/json"),
            br#"{"error":{"message":"wrong key: sk-ab***yz",
            "type":"invalid_request_error","code":"invalid_api_key"}}"#,
        );
        let (status, body) = encoded(&Failure::upstream(Class::UpstreamCredentials, upstream));
        assert_eq!((status, &body["error"]["type"]), (502, &json!("api_error")));
        assert_eq!(body["error"]["code"], "upstream_credentials");
        assert_eq!(body["error"]["upstream"]["status"], 401);
        assert!(!body.to_string().contains("sk-ab"));
    }

    #[test]
    fn a_providers_judgement_of_the_request_keeps_its_words() {
        let upstream = decode(
            422,
            Some("application/json"),
            br#"{"error":{"message":"m","type":"invalid_request_error","param":"n","code":"invalid_value"}}"#,
        );
        let (status, body) = encoded(&Failure::upstream(Class::UpstreamRefused, upstream));
        assert_eq!(
            (status, &body["error"]["param"], &body["error"]["code"]),
            (400, &json!("n"), &json!("invalid_value"))
        );
    }

    #[test]
    fn errors_of_every_provider_of_the_family_are_read() {
        let message = |body: &str| decode(400, Some("application/json"), body.as_bytes()).message;
        assert_eq!(message(r#"{"error":{"code":"RateLimitReached","message":"m","details":"d"}}"#), "m");
        assert_eq!(message(r#"{"code":"invalid-argument","error":"m"}"#), "m");
        assert_eq!(message(r#"{"object":"error","message":"m","code":"1500"}"#), "m");
        assert_eq!(message(r#"{"detail":"m"}"#), "m");
        assert_eq!(message(r#"{"detail":[{"type":"x","loc":["body","n",0],"msg":"m"}]}"#), "body.n.0: m");
        assert_eq!(message(r#"{"message":{"detail":[{"loc":["n"],"msg":"m"}]}}"#), "n: m");
        let google =
            decode(404, Some("application/json"), br#"[{"error":{"code":404,"message":"m","status":"S"}}]"#);
        assert_eq!((google.message.as_str(), google.kind.as_deref()), ("m", Some("S")));
    }
}
