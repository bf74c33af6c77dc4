//! What Cohere's three operations share: sampling, extra fields, reasons and usage.

use crate::canonical::{Extras, FinishReason, Losses, MaxTokens, Sampling, Scale, Temperature, Usage};
use crate::dialect::ModelTraits;
use crate::object::{Fields, Misread, Object};

/// Sets the model and the sampling parameters in Cohere's words, the count of answers apart.
pub(super) fn set_sampling(body: &mut Object, sampling: &Sampling, model: &ModelTraits) {
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    let temperature = sampling.temperature.filter(|temperature| temperature.given || !model.reasoning);
    body.set_some("temperature", temperature.map(|temperature| temperature.for_max(model.temperature_max)));
    body.set_some("p", sampling.top_p);
    body.set_some("k", sampling.top_k);
    body.set_some("stop_sequences", sampling.stop.as_ref());
    body.set_some("max_tokens", sampling.max_tokens.map(|max| max.value));
    body.set_some("frequency_penalty", sampling.frequency_penalty);
    body.set_some("presence_penalty", sampling.presence_penalty);
    body.set_some("seed", sampling.seed);
}

/// Takes the sampling parameters, the count of answers apart.
pub(super) fn take_sampling(fields: &mut Fields<'_>) -> Result<Sampling, Misread> {
    let temperature: Option<f64> = fields.take("temperature")?;
    let max_tokens: Option<u64> = fields.take("max_tokens")?;
    Ok(Sampling {
        temperature: temperature.map(|value| Temperature { value, scale: Scale::Absolute, given: true }),
        top_p: fields.take("p")?,
        top_k: fields.take("k")?,
        n: None,
        stop: fields.take("stop_sequences")?,
        max_tokens: max_tokens.map(|value| MaxTokens { value, completion: false }),
        frequency_penalty: fields.take("frequency_penalty")?,
        presence_penalty: fields.take("presence_penalty")?,
        seed: fields.take("seed")?,
    })
}

/// Adds the client's other fields where they are meant for the provider, else records them.
pub(super) fn set_extras(body: &mut Object, extras: &Extras, losses: &mut Losses) {
    for (name, value) in &extras.fields {
        if extras.for_provider {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), NO_SUCH_FIELD);
        }
    }
}

pub(super) const NO_SUCH_FIELD: &str = "Cohere's first API has no such field";

/// The reason behind Cohere's word.
pub(super) fn finish_reason(word: &str) -> FinishReason {
    match word {
        "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
        "MAX_TOKENS" | "ERROR_LIMIT" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Cohere's word for a reason.
pub(super) fn word_of(reason: &FinishReason) -> &str {
    match reason {
        FinishReason::Stop => "COMPLETE",
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ToolCalls | FinishReason::FunctionCall => "TOOL_CALL",
        FinishReason::ContentFilter => "ERROR_TOXIC",
        FinishReason::Other(word) => word,
    }
}

/// Takes usage: `token_count` of older servers, else `meta.tokens`, else what `meta.billed_units` bills.
pub(super) fn take_usage(fields: &mut Fields<'_>) -> Result<Option<Usage>, Misread> {
    if let Some(mut count) = fields.object("token_count")? {
        return Ok(Some(Usage {
            prompt_tokens: count.take("prompt_tokens")?,
            completion_tokens: count.take("response_tokens")?,
            total_tokens: count.take("total_tokens")?,
            ..Usage::default()
        }));
    }
    let Some(mut meta) = fields.object("meta")? else { return Ok(None) };
    for name in ["tokens", "billed_units"] {
        let Some(mut tokens) = meta.object(name)? else { continue };
        let prompt_tokens = tokens.take::<f64>("input_tokens")?.map(whole);
        let completion_tokens = tokens.take::<f64>("output_tokens")?.map(whole);
        if prompt_tokens.is_some() || completion_tokens.is_some() {
            return Ok(Some(Usage { prompt_tokens, completion_tokens, ..Usage::default() }));
        }
    }
    Ok(None)
}

/// Cohere's SDKs declare counts as floats.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Sets usage in the older and the newer place.
pub(super) fn set_usage(body: &mut Object, usage: Option<&Usage>) {
    let Some(usage) = usage else { return };
    let mut count = Object::default();
    count.set_some("prompt_tokens", usage.prompt_tokens);
    count.set_some("response_tokens", usage.completion_tokens);
    count.set_some("total_tokens", usage.total());
    body.set("token_count", count);
    let mut tokens = Object::default();
    tokens.set_some("input_tokens", usage.prompt_tokens);
    tokens.set_some("output_tokens", usage.completion_tokens);
    body.set("meta", serde_json::json!({ "tokens": tokens }));
}

/// The usage of a whole answer.
pub(super) fn usage_of_body(body: &[u8]) -> Option<Usage> {
    take_usage(&mut Fields::of_body(body).ok()?).ok()?
}
