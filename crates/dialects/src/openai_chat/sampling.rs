//! How to sample: the fields that OpenAI's chat and completions share.

use super::Body;
use crate::ModelTraits;
use crate::canonical::{Losses, MaxTokens, Sampling, Scale, Temperature};
use crate::raw::{Mismatch, Object, Read, element, text};

/// Takes the fields out of a request. `max_tokens` stays among the rest where `max_completion_tokens` is given too.
///
/// # Errors
/// A [`Mismatch`] that names the first wrong field.
pub fn read(object: &mut Object<'_>) -> Read<Sampling> {
    let temperature = object.number("temperature")?;
    let completion = object.count("max_completion_tokens")?;
    let max_tokens = match completion {
        Some(value) => Some(MaxTokens { value, completion: true }),
        None => object.count("max_tokens")?.map(|value| MaxTokens { value, completion: false }),
    };
    Ok(Sampling {
        temperature: temperature.map(|value| Temperature { value, scale: Scale::Absolute, given: true }),
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
    let wrong = || Mismatch::of(value, "a string or a list of strings").within("stop");
    let list: Vec<&serde_json::value::RawValue> = serde_json::from_str(value.get()).map_err(|_| wrong())?;
    let texts = list.into_iter().enumerate();
    texts
        .map(|(at, stop)| text(stop).map_err(|wrong| wrong.within(element("stop", at))))
        .collect::<Read<_>>()
        .map(Some)
}

/// Writes the fields that stand before the messages or the prompt.
pub(crate) fn write_first(sampling: &Sampling, model: &ModelTraits, chat: bool, body: &mut Body<'_>) {
    // A reasoning model refuses any temperature but its own, so a default of the surface must not reach it.
    let temperature = sampling.temperature.filter(|temperature| temperature.given || !model.reasoning);
    body.some("temperature", temperature.map(|temperature| temperature.for_max(model.temperature_max)));
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
    if sampling.top_k.is_some() {
        losses.add("top_k", "OpenAI's API has no top_k");
    }
}
