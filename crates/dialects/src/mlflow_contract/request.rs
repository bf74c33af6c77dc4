//! The parameters that chat and completions share in both contracts.

use super::json::{Json, Object, get};
use super::report::Report;
use super::rules::field as step;
use crate::canonical::{MaxTokens, Sampling, Scale, Temperature};

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
