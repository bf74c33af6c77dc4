//! What both contracts share when lockgate is the client of another MLflow gateway.

use crate::canonical::{Extras, Losses, Sampling, Scale, Temperature};
use crate::object::Object;

/// Writes the sampling parameters, the temperature on a scale from 0 to `range`.
pub(crate) fn set_sampling(
    body: &mut Object,
    sampling: &Sampling,
    range: f64,
    count_name: &str,
    losses: &mut Losses,
) {
    body.set_some("temperature", sampling.temperature.map(|temperature| scaled(&temperature, range)));
    body.set_some(count_name, sampling.n);
    body.set_some("stop", sampling.stop.as_ref());
    body.set_some("max_tokens", sampling.max_tokens.map(|max| max.value));
    if sampling.max_tokens.is_some_and(|max| max.completion) {
        losses
            .add("max_completion_tokens", "MLflow's contract has `max_tokens` alone, which takes its place");
    }
    body.set_some("top_p", sampling.top_p);
    body.set_some("top_k", sampling.top_k);
    body.set_some("frequency_penalty", sampling.frequency_penalty);
    body.set_some("presence_penalty", sampling.presence_penalty);
    body.set_some("seed", sampling.seed);
}

/// Writes the extras that are meant for the provider: the contracts forward every field that they do not know.
pub(crate) fn set_extras(body: &mut Object, extras: &Extras, losses: &mut Losses) {
    for (name, value) in &extras.fields {
        if extras.for_provider && !body.has(name) {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), "it belongs to the client's own API");
        }
    }
}

/// A temperature on a unified scale from 0 to `range`.
pub(crate) fn scaled(temperature: &Temperature, range: f64) -> f64 {
    match temperature.scale {
        Scale::OfRange(given) if given > 0.0 => temperature.value * (range / given),
        // The provider behind is unknown: most take 0 to 2, as OpenAI does.
        Scale::OfRange(_) | Scale::Absolute => temperature.value.min(2.0) * (range / 2.0),
    }
}

/// Records a loss if `lost`.
pub(crate) fn lose(lost: bool, path: &str, reason: &'static str, losses: &mut Losses) {
    if lost {
        losses.add(path, reason);
    }
}
