//! How to sample: the fields that OpenAI's chat and completions share.

use super::Body;
use crate::ModelTraits;
use crate::canonical::{Losses, MaxTokens, Sampling, Temperature};
use crate::raw::{Mismatch, Object, Read, each, text};

/// Takes the fields out of a request. `max_tokens` stays among the rest where `max_completion_tokens` is given too.
///
/// # Errors
/// A [`Mismatch`] that names the first wrong field.
pub(crate) fn read(object: &mut Object<'_>) -> Read<Sampling> {
    let temperature = object.number("temperature")?;
    let completion = object.count("max_completion_tokens")?;
    let max_tokens = match completion {
        Some(value) => Some(MaxTokens { value, completion: true }),
        None => object.count("max_tokens")?.map(|value| MaxTokens { value, completion: false }),
    };
    Ok(Sampling {
        temperature: temperature.map(Temperature::given),
        top_p: object.number("top_p")?,
        top_k: None,
        n: object.count("n")?,
        stop: read_stop(object)?,
        max_tokens,
        frequency_penalty: object.number("frequency_penalty")?,
        presence_penalty: object.number("presence_penalty")?,
        seed: object.integer("seed")?,
    })
}

/// `stop` is a string or a list of strings.
fn read_stop(object: &mut Object<'_>) -> Read<Option<Vec<String>>> {
    let Some(value) = object.take("stop") else { return Ok(None) };
    if let Ok(stop) = text(value) {
        return Ok(Some(vec![stop]));
    }
    if !value.get().starts_with('[') {
        return Err(Mismatch::of(value, "a string or a list of strings").within("stop"));
    }
    each(value, text).map(Some).map_err(|wrong| wrong.within("stop"))
}

/// Writes the fields that stand before the messages or the prompt.
pub(crate) fn write_first(
    sampling: &Sampling,
    model: &ModelTraits,
    chat: bool,
    body: &mut Body<'_>,
    losses: &mut Losses,
) {
    body.some("temperature", model.temperature(sampling, losses));
    body.some("n", sampling.n);
    body.some("stop", sampling.stop.as_ref());
    if let Some(limit) = sampling.max_tokens {
        let completion = chat && (model.reasoning || limit.completion);
        body.field(if completion { "max_completion_tokens" } else { "max_tokens" }, &limit.value);
    }
}

/// Writes the fields that stand after them.
pub(crate) fn write_rest(sampling: &Sampling, body: &mut Body<'_>, losses: &mut Losses) {
    body.some("top_p", sampling.top_p);
    body.some("frequency_penalty", sampling.frequency_penalty);
    body.some("presence_penalty", sampling.presence_penalty);
    body.some("seed", sampling.seed);
    losses.add_if(sampling.top_k.is_some(), "top_k", "OpenAI's API has no top_k");
}
