//! The parameters that chat and completions share in both contracts: read from a client, and written where lockgate is
//! the client of another MLflow gateway.

use super::json::{Json, Object, get};
use super::report::Report;
use super::rules::field as step;
use crate::canonical::{Extras, Losses, MaxTokens, Sampling, Scale, Temperature};
use crate::raw::Draft;

pub(crate) use super::write::{raw, raw_schema, rest};

/// Where the two contracts differ.
pub(crate) struct Limits {
    /// The highest temperature.
    pub(crate) temperature: f64,
    /// The name of the number of answers.
    pub(crate) count_name: &'static str,
    /// The most answers.
    pub(crate) count: Option<u64>,
}

/// Reads the sampling parameters in the order in which the contract lists their errors. Both defaults are always
/// there: MLflow sends them whether the client did or not.
pub(crate) fn sampling(object: &Object<'_>, limits: &Limits, report: &mut Report) -> Sampling {
    let value = report
        .optional(object, "temperature", |report, value| report.number_up_to(value, limits.temperature));
    let n = report.optional(object, limits.count_name, |report, value| report.count(value, limits.count));
    let stop = report.nullable(object, "stop", |report, value| {
        report.filled_list(value, |report, text| report.text(text).map(str::to_owned))
    });
    let max_tokens = report.nullable(object, "max_tokens", |report, value| report.count(value, None));
    Sampling {
        temperature: Some(Temperature {
            value: value.unwrap_or(0.0),
            scale: Scale::OfRange(limits.temperature),
            given: value.is_some(),
        }),
        n: Some(n.unwrap_or(1)),
        stop,
        max_tokens: max_tokens.map(|value| MaxTokens { value, completion: false }),
        ..Sampling::default()
    }
}

/// The `model` that the body names; anything but a string as its JSON.
pub(crate) fn model(object: &Object<'_>, report: &mut Report) -> Option<String> {
    match get(object, "model")? {
        Json::Null => None,
        Json::Text(name) => Some(name.to_string()),
        other => report.at(step("model"), |report| raw(other, report)).map(|raw| raw.get().to_owned()),
    }
}

/// Writes the sampling parameters, the temperature on a scale from 0 to `range`.
pub(crate) fn set_sampling(
    body: &mut Draft,
    sampling: &Sampling,
    range: f64,
    count_name: &str,
    losses: &mut Losses,
) {
    body.set_some("temperature", sampling.temperature.map(|temperature| scaled(&temperature, range)));
    body.set_some(count_name, sampling.n);
    body.set_some("stop", sampling.stop.as_ref());
    body.set_some("max_tokens", sampling.max_tokens.map(|max| max.value));
    const ONE_LIMIT: &str = "MLflow's contract has `max_tokens` alone, which takes its place";
    let other = sampling.max_tokens.is_some_and(|max| max.completion);
    losses.add_if(other, "max_completion_tokens", ONE_LIMIT);
    body.set_some("top_p", sampling.top_p);
    body.set_some("top_k", sampling.top_k);
    body.set_some("frequency_penalty", sampling.frequency_penalty);
    body.set_some("presence_penalty", sampling.presence_penalty);
    body.set_some("seed", sampling.seed);
}

/// A temperature on a unified scale from 0 to `range`.
pub(crate) fn scaled(temperature: &Temperature, range: f64) -> f64 {
    match temperature.scale {
        Scale::OfRange(given) if given > 0.0 => temperature.value * (range / given),
        // The provider behind is unknown: most take 0 to 2, as OpenAI does.
        Scale::OfRange(_) | Scale::Absolute => temperature.value.min(2.0) * (range / 2.0),
    }
}

/// Writes the extras that are meant for the provider: the contracts forward every field that they do not know. One that
/// bears the name of a field of theirs means something else and is lost.
pub(crate) fn set_extras(body: &mut Draft, extras: &Extras, losses: &mut Losses) {
    for (name, value) in &extras.fields {
        if extras.for_provider && !body.has(name) {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), "it belongs to the client's own API");
        }
    }
}
