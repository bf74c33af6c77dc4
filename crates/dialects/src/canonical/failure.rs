//! Why a call failed, in one form that every dialect can say.

use super::Operation;
use super::words::told_status;
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind it is; decides status, wording of the type and whether another target may be tried.
    pub class: Class,
    /// For the person who can act. Never holds a secret.
    pub message: String,
    /// The field that is wrong, as a JSON path in the client's body.
    pub param: Option<String>,
    /// When it is worth to try again.
    pub retry_after: Option<Duration>,
    /// Each wrong field of the body, where the client's dialect lists them (MLflow's 422).
    pub fields: Vec<FieldError>,
    /// What the provider answered, where it answered.
    pub upstream: Option<Box<UpstreamError>>,
}

impl Failure {
    /// A failure of this class with nothing else known.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            param: None,
            retry_after: None,
            fields: Vec::new(),
            upstream: None,
        }
    }

    /// A mistake in the client's body, at `param`.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(Class::InvalidRequest, message) }
    }

    /// A provider's error, classified.
    pub fn upstream(class: Class, error: UpstreamError) -> Self {
        Self { upstream: Some(Box::new(error.clone())), ..Self::new(class, error.message) }
    }

    /// The message as a sentence, also where it is only a provider's name (see [`Class::NotImplemented`]).
    pub fn sentence(&self) -> Cow<'_, str> {
        match self.class {
            Class::NotImplemented { operation, streamed: false } => {
                format!("{} has no {}", self.message, operation.mlflow_word()).into()
            }
            Class::NotImplemented { operation, streamed: true } => {
                format!("{} cannot stream {}", self.message, operation.mlflow_word()).into()
            }
            _ => self.message.as_str().into(),
        }
    }
}

/// One wrong field of a body, as MLflow's servers list them (FastAPI's 422).
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// Pydantic's name of the rule, such as `string_type`.
    pub kind: &'static str,
    /// Where: field names and list indices after `body`.
    pub location: Vec<Step>,
    /// For the person who can act.
    pub message: Cow<'static, str>,
    /// The value that was refused.
    pub input: Value,
    /// The rule's own numbers, such as `{"ge": 1}`.
    pub context: Option<Value>,
}

/// One step of a [`FieldError`]'s location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field.
    Field(Cow<'static, str>),
    /// A place in a list, or an offset in bytes of malformed JSON.
    Index(usize),
}

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The client sent something wrong.
    Caller,
    /// A rule of the operator, such as a limit.
    Policy,
    /// The provider or the way to it.
    Upstream,
    /// The gateway.
    Us,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The body or a parameter is wrong.
    InvalidRequest,
    /// MLflow's contract refuses a parameter with this status (400 or 422).
    RefusedParameter(u16),
    /// The body came too slowly.
    RequestTimeout,
    /// The body is larger than allowed.
    TooLarge,
    /// The content type or encoding is not supported.
    UnsupportedMedia,
    /// The prompt is longer than the model's context.
    ContextWindow,
    /// The provider's policy refuses the content.
    ContentPolicy,
    /// The caller's own credentials are missing or wrong.
    Authentication,
    /// The caller may not use this route.
    Permission,
    /// No such path.
    PathNotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// No such route or model.
    RouteNotFound,
    /// The route exists and does something else.
    WrongOperation,
    /// The provider lacks the operation, or cannot stream it. The failure's message is the provider's display name
    /// alone, such as `Anthropic`: MLflow's dialects make their own sentence of it, others take
    /// [`Failure::sentence`].
    NotImplemented {
        /// What was asked.
        operation: Operation,
        /// Whether as a stream.
        streamed: bool,
    },
    /// The provider is known, but calls to it are not built yet, or its service was retired.
    ProviderUnavailable,
    /// A limit of the gateway.
    RateLimited,
    /// The provider's own limit.
    UpstreamRateLimited,
    /// The provider refuses the gateway's key.
    UpstreamCredentials,
    /// The provider says that the request is wrong.
    UpstreamRefused,
    /// The provider has no such model.
    UpstreamModelNotFound,
    /// The provider is overloaded.
    UpstreamOverloaded,
    /// The provider failed, or answered what cannot be read.
    UpstreamError,
    /// The provider could not be reached.
    UpstreamUnreachable,
    /// The provider took too long; the message names the phase.
    UpstreamTimeout,
    /// A stream broke off.
    StreamTruncated,
    /// The gateway is shutting down.
    Draining,
    /// A bug of the gateway.
    Internal,
}

impl Class {
    /// Who must act.
    pub fn blame(self) -> Blame {
        match self {
            Self::InvalidRequest
            | Self::RefusedParameter(_)
            | Self::RequestTimeout
            | Self::TooLarge
            | Self::UnsupportedMedia
            | Self::ContextWindow
            | Self::ContentPolicy
            | Self::Authentication
            | Self::PathNotFound
            | Self::MethodNotAllowed
            | Self::RouteNotFound
            | Self::WrongOperation
            | Self::NotImplemented { .. }
            | Self::UpstreamRefused => Blame::Caller,
            Self::Permission | Self::RateLimited => Blame::Policy,
            Self::UpstreamRateLimited
            | Self::UpstreamCredentials
            | Self::UpstreamModelNotFound
            | Self::UpstreamOverloaded
            | Self::UpstreamError
            | Self::UpstreamUnreachable
            | Self::UpstreamTimeout
            | Self::StreamTruncated => Blame::Upstream,
            Self::ProviderUnavailable | Self::Draining | Self::Internal => Blame::Us,
        }
    }

    /// The HTTP status that says it where the dialect has no other rule.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::ContextWindow | Self::ContentPolicy | Self::WrongOperation => 400,
            Self::RefusedParameter(status) => status,
            Self::Authentication => 401,
            Self::Permission => 403,
            Self::PathNotFound | Self::RouteNotFound | Self::UpstreamModelNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::UpstreamRefused => 400,
            Self::RateLimited | Self::UpstreamRateLimited => 429,
            Self::Internal => 500,
            Self::NotImplemented { .. } | Self::ProviderUnavailable => 501,
            Self::UpstreamCredentials
            | Self::UpstreamError
            | Self::UpstreamUnreachable
            | Self::StreamTruncated => 502,
            Self::UpstreamOverloaded | Self::Draining => 503,
            Self::UpstreamTimeout => 504,
        }
    }
}

/// What a provider answered when it refused or failed.
#[derive(Debug, Clone, Default)]
pub struct UpstreamError {
    /// HTTP status; 0 where the error stood inside a stream and does not say which it would have been.
    pub status: u16,
    /// The provider's message, with anything key-shaped still in it: it is redacted before it leaves the gateway.
    pub message: String,
    /// The provider's word for the kind of error (`error.type`, `status`, `error_code`).
    pub kind: Option<String>,
    /// The provider's code (`error.code`).
    pub code: Option<String>,
    /// The field that the provider blames (`error.param`).
    pub param: Option<String>,
    /// What MLflow's contract passes on as `detail` (contract, section 4.5): the message of an `error` object, else
    /// the whole body, else `{"message": text}`. `None` when the content type was neither JSON nor text.
    pub detail: Option<Value>,
    /// The content type that came, for MLflow's 502.
    pub content_type: Option<String>,
    /// When it is worth to try again, where the body says it.
    pub retry_after: Option<Duration>,
    /// Whether these are the provider's words; else they say what is wrong with what it sent.
    pub told: bool,
}

impl UpstreamError {
    /// Reads a provider's error answer by the rules that most APIs share: the `error` object of OpenAI, Anthropic and
    /// Google, else a flat `message`, else the text itself. Fills every field.
    pub fn read(status: u16, content_type: Option<&str>, body: &[u8]) -> Self {
        let mut error = match serde_json::from_slice::<Value>(body) {
            Ok(value) if !value.is_string() => Self::of_json(&value),
            _ => Self::default(),
        };
        if error.message.is_empty() {
            error.message = plain_message(status, body);
        }
        Self {
            status,
            detail: Self::mlflow_detail(status, content_type, body),
            content_type: content_type.map(str::to_owned),
            ..error
        }
    }

    /// The taxonomy's class of the error. One inside a stream has no status of its own; its words tell it.
    pub fn class(&self) -> Class {
        let status = if self.status == 0 { told_status(self) } else { self.status };
        match (status, self.code.as_deref()) {
            (400 | 413, Some("context_length_exceeded")) => Class::ContextWindow,
            (400 | 413 | 422, _) if self.tells_a_long_prompt() => Class::ContextWindow,
            (400, Some("content_filter" | "content_policy_violation")) => Class::ContentPolicy,
            // Google's APIs say it under 400 (google.rpc.ErrorInfo).
            (401..=403, _) | (400, Some("API_KEY_INVALID")) => Class::UpstreamCredentials,
            (404, _) => Class::UpstreamModelNotFound,
            (408, _) => Class::UpstreamTimeout,
            // Bedrock's way to say that a model failed.
            (424, _) => Class::UpstreamError,
            (429, _) => Class::UpstreamRateLimited,
            (400..=499, _) => Class::UpstreamRefused,
            (503 | 529, _) => Class::UpstreamOverloaded,
            (0, _) if self.kind.as_deref() == Some("stream_truncated") => Class::StreamTruncated,
            _ => Class::UpstreamError,
        }
    }

    /// Whether the message is one of those by which providers without a code for it say that a prompt is too long.
    fn tells_a_long_prompt(&self) -> bool {
        const WORDS: [&str; 7] = [
            // Anthropic.
            "prompt is too long",
            // DeepSeek, OpenRouter, vLLM and OpenAI.
            "maximum context length",
            // Gemini.
            "exceeds the maximum number of tokens allowed",
            // Bedrock.
            "input tokens exceeded",
            "input is too long for requested model",
            // llama.cpp.
            "exceeds the available context size",
            // Cohere.
            "too many tokens: total",
        ];
        let message = self.message.to_ascii_lowercase();
        WORDS.iter().any(|words| message.contains(words))
    }

    /// An error of which there is only a message, inside a stream.
    pub fn of_message(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Reads an error that a stream reports in a frame of JSON. The message is never empty.
    pub fn of_frame(frame: &[u8]) -> Self {
        let mut error = Self::of_json(&serde_json::from_slice(frame).unwrap_or_default());
        if error.message.is_empty() {
            "the provider's stream reports an error without a message".clone_into(&mut error.message);
        }
        error
    }

    /// Reads an error's JSON, as it stands in an answer or inside a stream. The message is empty where there is none.
    pub fn of_json(body: &Value) -> Self {
        // Google's APIs wrap the object in a list where they stream.
        let body = body.get(0).unwrap_or(body);
        let error = match body.get("error") {
            Some(error) if error.is_object() => error,
            _ => body,
        };
        let word = |names: &[&str]| names.iter().find_map(|name| text_of(error.get(name)?));
        Self {
            message: word(&["message", "error", "detail", "Message"]).unwrap_or_default(),
            kind: word(&["type", "status", "error_code", "error_type"]),
            code: word(&["code"]),
            param: word(&["param"]),
            told: true,
            ..Self::default()
        }
    }

    /// What MLflow's gateways pass on as `detail` (contract, section 4.5): the message of an `error` object (or the
    /// status line's words when it has none), else the whole JSON, else `{"message": text}`. `None` when the content
    /// type is neither JSON nor plain text, which MLflow answers with its own 502.
    pub fn mlflow_detail(status: u16, content_type: Option<&str>, body: &[u8]) -> Option<Value> {
        let content_type = content_type?.to_ascii_lowercase();
        let json = content_type.contains("application/json");
        if !json && !content_type.contains("text/plain") {
            return None;
        }
        let parsed = if json { serde_json::from_slice::<Value>(body).ok() } else { None };
        Some(match parsed {
            None => serde_json::json!({ "message": String::from_utf8_lossy(body) }),
            Some(value) => match value.get("error").and_then(Value::as_object) {
                None => value,
                Some(error) => match error.get("message") {
                    None | Some(Value::Null) => Value::from(reason_phrase(status)),
                    Some(message) => message.clone(),
                },
            },
        })
    }
}

/// A word of an error's JSON: some APIs write codes as numbers.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The start of a body that names no message, else the status.
fn plain_message(status: u16, body: &[u8]) -> String {
    const MOST: usize = 2_000;
    let text = String::from_utf8_lossy(&body[..body.len().min(MOST)]);
    match text.trim() {
        "" => format!("the provider answered {status} {} without a message", reason_phrase(status)),
        text => text.to_owned(),
    }
}

/// The usual words of a status line.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        424 => "Failed Dependency",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_key_is_the_gateways_problem_and_a_bad_request_the_callers() {
        let of = |status| UpstreamError { status, ..UpstreamError::default() }.class();
        assert_eq!(of(401), Class::UpstreamCredentials);
        assert_eq!(of(422), Class::UpstreamRefused);
        assert_eq!(of(529), Class::UpstreamOverloaded);
        assert_eq!(of(302), Class::UpstreamError);
    }

    fn detail(content_type: Option<&str>, body: &str) -> Option<Value> {
        UpstreamError::mlflow_detail(429, content_type, body.as_bytes())
    }

    #[test]
    fn an_error_objects_message_is_the_detail_and_other_json_passes_whole() {
        let json = Some("application/json; charset=utf-8");
        assert_eq!(detail(json, r#"{"error":{"message":"slow down"}}"#), Some(json!("slow down")));
        assert_eq!(detail(json, r#"{"error":{"type":"x"}}"#), Some(json!("Too Many Requests")));
        assert_eq!(detail(json, r#"{"message":"slow"}"#), Some(json!({"message": "slow"})));
        assert_eq!(detail(json, r#"{"error":"slow"}"#), Some(json!({"error": "slow"})));
        assert_eq!(detail(json, "<html>"), Some(json!({"message": "<html>"})));
    }

    #[test]
    fn text_becomes_an_object_and_other_types_have_no_detail() {
        assert_eq!(detail(Some("text/plain"), "{}"), Some(json!({"message": "{}"})));
        assert_eq!(detail(Some("text/html"), "{}"), None);
        assert_eq!(detail(None, "{}"), None);
    }

    #[test]
    fn the_message_is_found_wherever_an_api_puts_it() {
        let read = |body: &str| UpstreamError::read(503, None, body.as_bytes());
        let openai = read(r#"{"error":{"message":"m","type":"t","code":7,"param":"p"}}"#);
        assert_eq!((openai.message.as_str(), openai.kind.as_deref()), ("m", Some("t")));
        assert_eq!((openai.code.as_deref(), openai.param.as_deref()), (Some("7"), Some("p")));
        assert_eq!(read(r#"{"error_code":"BAD","message":"m"}"#).kind.as_deref(), Some("BAD"));
        assert_eq!(read(r#"[{"error":{"message":"m"}}]"#).message, "m");
        assert_eq!(read(r#"{"error":"busy"}"#).message, "busy");
        assert_eq!(read(r#"{"detail":"busy"}"#).message, "busy");
        assert_eq!(read("upstream connect error").message, "upstream connect error");
        assert_eq!(read("").message, "the provider answered 503 Service Unavailable without a message");
    }
}
