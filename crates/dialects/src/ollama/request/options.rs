//! Sampling: among the `options`, beside what only Ollama has.

use crate::canonical::{Losses, MaxTokens, RawJson, Sampling, Temperature};
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};
use serde_json::value::RawValue;

/// Reads `options`; also gives what is left of them.
pub(super) fn read(value: &RawValue) -> Read<(Sampling, Option<RawJson>)> {
    let mut options = Object::of(value)?;
    let temperature = options.number("temperature")?;
    // Below 0 there is no limit, which other APIs say by silence.
    let limit = options.get("num_predict").is_some_and(|limit| !limit.get().starts_with('-'));
    let max_tokens = if limit { options.count("num_predict")? } else { None };
    let sampling = Sampling {
        temperature: temperature.map(Temperature::given),
        top_p: options.number("top_p")?,
        top_k: options.count("top_k")?,
        stop: options.strings("stop")?,
        max_tokens: max_tokens.map(|value| MaxTokens { value, completion: false }),
        frequency_penalty: options.number("frequency_penalty")?,
        presence_penalty: options.number("presence_penalty")?,
        seed: options.integer("seed")?,
        n: None,
    };
    let rest = options.rest_without_nulls();
    let mut left = Draft::default();
    for (name, value) in &rest {
        left.set_raw(name, value.clone());
    }
    Ok((sampling, (!rest.is_empty()).then(|| to_raw(&left))))
}

/// Writes `options`: the sampling over what the client wrote in Ollama's own words.
pub(super) fn write(
    sampling: &Sampling,
    own: Option<&RawJson>,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Option<Draft> {
    let mut options = own.and_then(|own| serde_json::from_str::<Draft>(own.get()).ok()).unwrap_or_default();
    options.set_some("temperature", model.temperature(sampling, losses));
    options.set_some("top_p", sampling.top_p);
    options.set_some("top_k", sampling.top_k);
    options.set_some("stop", sampling.stop.as_ref());
    options.set_some("num_predict", sampling.max_tokens.map(|max| max.value));
    options.set_some("frequency_penalty", sampling.frequency_penalty);
    options.set_some("presence_penalty", sampling.presence_penalty);
    options.set_some("seed", sampling.seed);
    losses.add_if(sampling.n.is_some_and(|n| n > 1), "n", "Ollama's API gives one answer");
    (!options.is_empty()).then_some(options)
}

/// Takes `options` out of a request.
pub(super) fn take(object: &mut Object<'_>) -> Read<(Sampling, Option<RawJson>)> {
    let Some(value) = object.take("options") else { return Ok((Sampling::default(), None)) };
    read(value).map_err(|wrong: Mismatch| wrong.within("options"))
}
