//! What Anthropic's two APIs share: errors, and the end user's place.

use crate::canonical::{Class, Extras, Failure, Losses, RawJson, Sampling};
use crate::dialect::ErrorReply;
use crate::object::{Fields, Misread, Object, bytes_of};

/// Says a failure as Anthropic's servers do.
pub(crate) fn encode_error(failure: &Failure, request_id: &str) -> ErrorReply {
    let (status, _) = status_and_type(failure.class);
    ErrorReply { status, body: bytes_of(&error_body(failure, request_id)) }
}

/// The JSON of a failure, as an answer's body and as a stream's last event.
pub(crate) fn error_body(failure: &Failure, request_id: &str) -> serde_json::Value {
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

/// Takes `metadata`: the end user, and the field again when there is more in it.
pub(crate) fn take_user(
    fields: &mut Fields<'_>,
    extras: &mut Vec<(String, RawJson)>,
) -> Result<Option<String>, Misread> {
    let Some(raw) = fields.raw("metadata") else { return Ok(None) };
    let mut metadata = Fields::of(raw, fields.path("metadata"))?;
    let user = metadata.take("user_id")?;
    if user.is_none() || !metadata.rest().is_empty() {
        extras.push(("metadata".to_owned(), raw.to_owned()));
    }
    Ok(user)
}

/// Sets `metadata` to the end user.
pub(crate) fn set_user(body: &mut Object, user: Option<&String>) {
    if let Some(user) = user {
        body.set("metadata", serde_json::json!({ "user_id": user }));
    }
}

/// Whether raw JSON is a `metadata` that Anthropic's APIs know: an object of a `user_id` alone.
pub(crate) fn is_user_metadata(raw: &RawJson) -> bool {
    let Ok(mut metadata) = Fields::of(raw, String::new()) else { return false };
    matches!(metadata.take::<String>("user_id"), Ok(Some(_))) && metadata.rest().is_empty()
}

/// Records the sampling parameters that neither API has.
pub(crate) fn lose_sampling(sampling: &Sampling, losses: &mut Losses) {
    if sampling.n.is_some_and(|n| n > 1) {
        losses.add("n", "Anthropic's API gives one answer");
    }
    if sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0) {
        losses.add("frequency_penalty", "Anthropic's API has no penalties");
    }
    if sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0) {
        losses.add("presence_penalty", "Anthropic's API has no penalties");
    }
    if sampling.seed.is_some() {
        losses.add("seed", "Anthropic's API has no seed");
    }
}

/// Sets the sampling parameters that both APIs name alike. `reasoning` models take no default temperature.
pub(crate) fn set_sampling(
    body: &mut Object,
    sampling: &Sampling,
    temperature_max: Option<f64>,
    reasoning: bool,
    losses: &mut Losses,
) {
    if let Some(temperature) = sampling.temperature
        && (temperature.given || !reasoning)
    {
        let (wanted, most) = (temperature.for_max(temperature_max), temperature_max.unwrap_or(1.0));
        if wanted > most {
            losses.add("temperature", "higher than Anthropic's API takes; sent its highest");
        }
        body.set("temperature", wanted.min(most));
    }
    body.set_some("top_p", sampling.top_p);
    body.set_some("top_k", sampling.top_k);
    if let Some(stop) = sampling.stop.as_ref().filter(|stop| !stop.is_empty()) {
        body.set("stop_sequences", stop);
    }
}

/// Adds the client's other fields: all of them where they are meant for the provider, else those that `native`
/// knows; the rest is recorded.
pub(crate) fn set_extras(
    body: &mut Object,
    extras: &Extras,
    native: impl Fn(&str, &RawJson) -> bool,
    losses: &mut Losses,
) {
    for (name, value) in &extras.fields {
        if extras.for_provider || native(name, value) {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), "Anthropic's API has no such field");
        }
    }
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
            let reply = encode_error(&Failure::new(class, "m"), "req_1");
            assert_eq!(reply.status, status);
            let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
            let wanted = serde_json::json!({"type": "error", "error": {"type": kind, "message": "m"},
                "request_id": "req_1"});
            assert_eq!(body, wanted);
        }
    }
}
