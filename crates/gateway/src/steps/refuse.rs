//! Requests that are refused before the provider hears of them: by MLflow's own parameter rules, on MLflow's paths
//! only, and for what would be lost on the way.

use super::translate::Asked;
use crate::snapshot::HttpService;
use lockgate_config::{Facts, refused};
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{Class, Extras, Failure, Loss, Losses, Role, Sampling};

/// Refuses what MLflow's server refuses before it asks the provider.
///
/// # Errors
/// [`Class::RefusedParameter`] with MLflow's status and text.
pub(crate) fn refuse(asked: &Asked, surface: &dyn Dialect, service: &HttpService) -> Result<(), Failure> {
    if asked.model().is_some() && !service.allows_model {
        return Err(Failure::new(Class::RefusedParameter(422), MODEL_GIVEN));
    }
    let (sampling, extras) = (asked.sampling(), asked.extras());
    let extra = |name: &str| known(asked, name).or_else(|| value(extras, name));
    let facts = Facts {
        classic: surface.count_name() == "candidate_count",
        count_name: surface.count_name(),
        count: sampling.and_then(|sampling| sampling.n),
        max_tokens: sampling.and_then(|sampling| Some(sampling.max_tokens?.value)),
        stop: sampling.is_some_and(|sampling| sampling.stop.is_some()),
        messages: asked.messages().len(),
        last_role: asked.messages().last().map(|message| word(&message.role)),
        extra: &extra,
    };
    match refused(&service.refuses, &facts) {
        None => refuse_stream(facts.classic && service.streams, extra("stream").as_ref()),
        Some((status, message)) => Err(Failure::new(Class::RefusedParameter(status), message)),
    }
}

/// The refusal of a request of which a translation would lose something, on routes that want it whole or not at all.
/// It names the first fields.
pub(crate) fn lossy(losses: &Losses) -> Failure {
    const NAMED: usize = 5;
    let named: Vec<_> = losses.iter().take(NAMED).map(Loss::to_string).collect();
    let more = match losses.count().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let message = format!(
        "The route's provider cannot be told all of this request, and the route rejects what would be lost (on_loss): \
         {}{more}",
        named.join(", ")
    );
    let param = losses.iter().next().map(|loss| loss.path.clone());
    Failure { param, ..Failure::new(Class::RefusedParameter(400), message) }
}

/// Routes of MLflow 2.5 to 2.8 have no streams: MLflow forwards the wish and then cannot read the answer. A provider
/// that does not stream either answers as if it had not been asked.
fn refuse_stream(unreadable: bool, wish: Option<&serde_json::Value>) -> Result<(), Failure> {
    if unreadable && wish == Some(&serde_json::Value::Bool(true)) {
        return Err(Failure::new(Class::RefusedParameter(422), NO_STREAMS));
    }
    Ok(())
}

const NO_STREAMS: &str = "Streaming is not part of the API of MLflow 2.5 to 2.8 that this route speaks; use \
    /endpoints/{name}/invocations or /v1/chat/completions.";

const MODEL_GIVEN: &str = "The parameter 'model' is not permitted to be passed. The route being queried already \
    defines a model instance.";

/// A parameter that the rules call an extra, but that has a place of its own in the canonical model.
fn known(asked: &Asked, name: &str) -> Option<serde_json::Value> {
    let Sampling { top_p, .. } = asked.sampling()?;
    match name {
        "top_p" => top_p.map(serde_json::Value::from),
        _ => None,
    }
}

fn value(extras: &Extras, name: &str) -> Option<serde_json::Value> {
    serde_json::from_str(extras.get(name)?.get()).ok()
}

fn word(role: &Role) -> &str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Function => "function",
        Role::Other(word) => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stream_is_refused_with_the_way_to_get_one_where_the_provider_would_send_one() {
        let failure = refuse_stream(true, Some(&json!(true))).expect_err("no streams");
        assert_eq!(failure.class, Class::RefusedParameter(422));
        assert!(failure.message.contains("/endpoints/{name}/invocations"));
        for (unreadable, wish) in [(false, Some(json!(true))), (true, Some(json!("true"))), (true, None)] {
            assert!(refuse_stream(unreadable, wish.as_ref()).is_ok(), "{wish:?}");
        }
    }
}
