//! What a request says beside its messages or prompt, as far as both of Anthropic's APIs have it.

use crate::canonical::{Losses, MaxTokens, RawJson, Sampling, Temperature};
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Mismatch, Object, Read};

/// Why a field of another API is lost.
pub(crate) const NO_SUCH_FIELD: &str = "Anthropic's API has no such field";

/// Takes `metadata`: the end user, and the field again when there is more in it.
pub(crate) fn take_user(
    object: &mut Object<'_>,
    extras: &mut Vec<(String, RawJson)>,
) -> Read<Option<String>> {
    let Some(raw) = object.take("metadata") else { return Ok(None) };
    let inside = |wrong: Mismatch| wrong.within("metadata");
    let mut metadata = Object::of(raw).map_err(inside)?;
    let user = metadata.string("user_id").map_err(inside)?;
    if user.is_none() || !metadata.rest_without_nulls().is_empty() {
        extras.push(("metadata".to_owned(), raw.to_owned()));
    }
    Ok(user)
}

/// Sets `metadata` to the end user.
pub(crate) fn set_user(body: &mut Draft, user: Option<&String>) {
    if let Some(user) = user {
        body.set("metadata", serde_json::json!({ "user_id": user }));
    }
}

/// Whether raw JSON is a `metadata` that Anthropic's APIs know: an object of a `user_id` alone.
pub(crate) fn is_user_metadata(raw: &RawJson) -> bool {
    let Ok(mut metadata) = Object::of(raw) else { return false };
    matches!(metadata.string("user_id"), Ok(Some(_))) && metadata.rest_without_nulls().is_empty()
}

/// Takes the sampling parameters, the limit of tokens under its name in the API.
pub(crate) fn take_sampling(object: &mut Object<'_>, limit: &str) -> Read<Sampling> {
    let temperature = object.number("temperature")?;
    let max_tokens = object.count(limit)?;
    Ok(Sampling {
        temperature: temperature.map(Temperature::given),
        top_p: object.number("top_p")?,
        top_k: object.count("top_k")?,
        stop: object.strings("stop_sequences")?.filter(|stop| !stop.is_empty()),
        max_tokens: max_tokens.map(|value| MaxTokens { value, completion: false }),
        ..Sampling::default()
    })
}

/// Sets the sampling parameters, the limit of tokens apart, and records those that neither API has.
pub(crate) fn set_sampling(body: &mut Draft, sampling: &Sampling, model: &ModelTraits, losses: &mut Losses) {
    let most = model.temperature_max.or(Some(1.0));
    body.set_some("temperature", model.temperature_up_to(most, sampling, losses));
    body.set_some("top_p", sampling.top_p);
    body.set_some("top_k", sampling.top_k);
    body.set_some("stop_sequences", sampling.stop.as_ref().filter(|stop| !stop.is_empty()));
    const NO_PENALTIES: &str = "Anthropic's API has no penalties";
    let punishes = |penalty: Option<f64>| penalty.is_some_and(|penalty| penalty != 0.0);
    losses.add_if(sampling.n.is_some_and(|n| n > 1), "n", "Anthropic's API gives one answer");
    losses.add_if(punishes(sampling.frequency_penalty), "frequency_penalty", NO_PENALTIES);
    losses.add_if(punishes(sampling.presence_penalty), "presence_penalty", NO_PENALTIES);
    losses.add_if(sampling.seed.is_some(), "seed", "Anthropic's API has no seed");
}
