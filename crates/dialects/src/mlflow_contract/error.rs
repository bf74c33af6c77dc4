//! Errors as FastAPI and MLflow's servers say them: an object whose `detail` holds a text, a list or an object.

use crate::canonical::{Blame, Class, Failure, FieldError, Operation, Step, UpstreamError};
use crate::dialect::ErrorReply;
use serde_json::{Value, json};

/// Which of the two contracts speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contract {
    /// `routes:` of MLflow 2.5 to 2.8.
    Classic,
    /// `endpoints:` of MLflow 2.9 to 2.22.
    Endpoints,
}

/// Says `failure` with the status and shape of `contract`.
pub(crate) fn reply(failure: &Failure, contract: Contract) -> ErrorReply {
    let (status, detail) = say(failure, contract);
    // The limiter that MLflow uses has its own word for it.
    let name = if failure.class == Class::RateLimited { "error" } else { "detail" };
    ErrorReply { status, body: json!({ name: detail }).to_string().into_bytes() }
}

/// The error event that ends a stream: MLflow 3's form, and `detail` as the answers have it.
pub(crate) fn event(failure: &Failure, contract: Contract) -> String {
    let (_, detail) = say(failure, contract);
    let message = match &detail {
        Value::String(text) => text,
        _ => &failure.message,
    };
    let error = json!({"error": {"message": message, "type": kind(failure)}, "detail": detail});
    format!("data: {error}\n\n")
}

fn say(failure: &Failure, contract: Contract) -> (u16, Value) {
    if !failure.fields.is_empty() {
        return (422, failure.fields.iter().map(field).collect());
    }
    if let Some(error) = &failure.upstream
        && let Some(said) = passed(error)
    {
        return said;
    }
    let text = match failure.class {
        Class::PathNotFound => "Not Found".to_owned(),
        Class::MethodNotAllowed => "Method Not Allowed".to_owned(),
        Class::NotImplemented { operation, streamed } => {
            not_implemented(contract, operation, streamed, &failure.message)
        }
        _ => failure.message.clone(),
    };
    (status(failure, contract), Value::String(text))
}

/// The status of a failure that no provider answered.
fn status(failure: &Failure, contract: Contract) -> u16 {
    match failure.class {
        Class::NotImplemented { .. } if contract == Contract::Classic => 404,
        // FastAPI's own for a body that it cannot check field by field is 400.
        Class::InvalidRequest if failure.param.is_some() => 422,
        class => class.status(),
    }
}

/// What MLflow passes on of a provider's answer: its status and `detail`; its own 502 for a content type that it
/// does not read, whatever the status. `None` where the provider did not answer with an error.
fn passed(error: &UpstreamError) -> Option<(u16, Value)> {
    match &error.detail {
        _ if error.status == 0 => None,
        None => {
            let content_type = error.content_type.as_deref().unwrap_or("None");
            let text =
                "The returned data type from the route service is not supported. Received content type: ";
            Some((502, Value::String(format!("{text}{content_type}"))))
        }
        Some(detail) => (400..600).contains(&error.status).then(|| (error.status, detail.clone())),
    }
}

fn not_implemented(contract: Contract, operation: Operation, streamed: bool, provider: &str) -> String {
    let word = operation.mlflow_word();
    match contract {
        Contract::Classic => format!("The {word} route is not available for {provider} models."),
        Contract::Endpoints => {
            let streaming = if streamed { " streaming" } else { "" };
            format!("The {word}{streaming} route is not implemented for {provider} models.")
        }
    }
}

fn field(error: &FieldError) -> Value {
    let place = error.location.iter().map(|step| match step {
        Step::Field(name) => json!(name),
        Step::Index(index) => json!(index),
    });
    let location: Value = std::iter::once(json!("body")).chain(place).collect();
    let mut said = json!({"type": error.kind, "loc": location, "msg": error.message, "input": error.input});
    if let Some(context) = &error.context {
        said["ctx"] = context.clone();
    }
    said
}

/// A word for the kind of failure inside a stream, in OpenAI's terms.
fn kind(failure: &Failure) -> &'static str {
    match (failure.class, failure.class.blame()) {
        (Class::RateLimited | Class::UpstreamRateLimited, _) => "rate_limit_error",
        (Class::UpstreamTimeout, _) => "timeout_error",
        (_, Blame::Caller) => "invalid_request_error",
        (_, Blame::Policy) => "permission_error",
        (_, Blame::Upstream) => "upstream_error",
        (_, Blame::Us) => "server_error",
    }
}
