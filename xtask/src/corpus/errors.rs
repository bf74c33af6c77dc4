//! Error answers: each is of the right class, and told in every dialect.

use super::case::{Answer, Case};
use super::dialects;
use super::report::Report;
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{Class, Failure, UpstreamError};
use serde_json::Value;

/// Checks one error answer.
pub(crate) fn check(case: &Case, own: &'static dyn Dialect, report: &mut Report) {
    let (Answer::Whole(body) | Answer::Stream(body)) = &case.answer else { return };
    let error = own.decode_error(case.status, case.content_type.as_deref(), body);
    let class = error.class();
    let mut faults = Vec::new();
    if !expected(case.status, body).contains(&class) {
        faults.push(format!("{} is read as {class:?}: {}", case.status, error.message));
    }
    if let Some(message) = message(body).filter(|message| !error.message.contains(message.as_str())) {
        faults.push(format!("the message is {message:?}, read as {:?}", error.message));
    }
    report.checked(own.name(), own.name(), "error, read", case, &faults);
    for client in dialects() {
        report.checked(client.name(), own.name(), "error", case, &told(client, class, &error));
    }
}

/// The classes that fit, by status and by the words that every provider uses.
fn expected(status: u16, body: &[u8]) -> Vec<Class> {
    let text = String::from_utf8_lossy(body).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let too_long = says(&[
        "prompt is too long",
        "maximum context length",
        "context_length_exceeded",
        "exceeds the maximum number of tokens allowed",
        "input tokens exceeds maximum length",
        "input tokens exceeded",
        "exceed_context_size",
        "exceeds the available context size",
    ]);
    match status {
        200..=299 => vec![Class::UpstreamError],
        400 | 413 | 422 if too_long => vec![Class::ContextWindow],
        400 if says(&["content_filter", "content_policy_violation", "responsibleaipolicyviolation"]) => {
            vec![Class::ContentPolicy]
        }
        400 if says(&["api key not valid", "incorrect api key"]) => vec![Class::UpstreamCredentials],
        400 if says(&["insufficient_quota"]) => vec![Class::UpstreamRateLimited],
        401..=403 => vec![Class::UpstreamCredentials],
        404 => vec![Class::UpstreamModelNotFound, Class::UpstreamRefused],
        408 => vec![Class::UpstreamTimeout],
        429 => vec![Class::UpstreamRateLimited],
        400..=499 => vec![Class::UpstreamRefused, Class::UpstreamModelNotFound],
        503 | 529 => vec![Class::UpstreamOverloaded],
        _ => vec![Class::UpstreamError],
    }
}

/// The message, where it stands in one of the usual places.
fn message(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let body = body.get(0).unwrap_or(&body);
    let found =
        ["/error/message", "/message", "/error"].iter().find_map(|place| body.pointer(place)?.as_str());
    found.map(str::to_owned)
}

/// What is wrong with the error as `client` hears it. What a provider says about the gateway's key stays here.
fn told(client: &dyn Dialect, class: Class, error: &UpstreamError) -> Vec<String> {
    let failure = Failure::upstream(class, error.clone());
    let reply = client.encode_error(&failure, "req-1");
    let mut faults = Vec::new();
    if !(400..600).contains(&reply.status) {
        faults.push(format!("an error with status {}", reply.status));
    }
    // MLflow's contracts pass a provider's status on, and only the message of text and JSON.
    let mlflow = client.name().starts_with("mlflow");
    if class == Class::UpstreamCredentials && reply.status == 401 && !mlflow {
        faults.push("the gateway's own key is told as the caller's".to_owned());
    }
    let heard = client.decode_error(reply.status, Some("application/json"), &reply.body);
    let wanted = class == Class::UpstreamCredentials
        || mlflow && error.detail.is_none()
        || heard.message.contains(&error.message);
    if !wanted {
        faults.push(format!("{:?} is heard as {:?}", error.message, heard.message));
    }
    if serde_json::from_slice::<Value>(&reply.body).is_err() {
        faults.push("the error is no JSON".to_owned());
    }
    faults
}
