//! Requests, written for a provider.

use super::tools;
use super::turns::Turns;
use crate::canonical::{ChatRequest, Losses, RawJson, ResponseFormat, Sampling};
use crate::dialect::ModelTraits;
use crate::openai_chat;
use crate::openai_responses::NO_SUCH_FIELD;
use crate::raw::{Draft, Object};
use serde_json::json;

/// The least that the API takes as a limit of tokens.
const LEAST_TOKENS: u64 = 16;

/// Writes a request. Nothing is to be kept by the provider: the client has the whole conversation.
pub(crate) fn encode(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let turns = Turns::of(&request.messages, model.reasoning, losses);
    let mut body = Draft::default();
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    body.set_some("instructions", turns.instructions.as_ref());
    body.set("input", &turns.input);
    set_sampling(&mut body, &request.sampling, model, losses);
    tools::set(&mut body, request, losses);
    let known = Known::of(request, losses);
    set_text(&mut body, request.response_format.as_ref(), known.text, losses);
    let mut reasoning = known.reasoning;
    let effort = openai_chat::request::effort(request.reasoning.as_ref(), model, losses);
    reasoning.set_some("effort", effort);
    if !reasoning.is_empty() {
        body.set("reasoning", reasoning);
    }
    let mut include = known.include;
    if model.reasoning {
        include.push("reasoning.encrypted_content".to_owned());
    }
    if !include.is_empty() {
        body.set("include", include);
    }
    body.set("store", false);
    body.set_some("stream", request.stream);
    body.set_some("user", request.user.as_ref());
    body.extend(known.rest);
    body.into_body()
}

fn set_sampling(body: &mut Draft, sampling: &Sampling, model: &ModelTraits, losses: &mut Losses) {
    body.set_some("temperature", model.temperature(sampling, losses));
    body.set_some("top_p", sampling.top_p);
    if let Some(limit) = sampling.max_tokens {
        let low = limit.value < LEAST_TOKENS;
        losses.add_if(low, "max_tokens", "lower than OpenAI's Responses API takes; sent its lowest");
        body.set("max_output_tokens", limit.value.max(LEAST_TOKENS));
    }
    let punishes = |penalty: Option<f64>| penalty.is_some_and(|penalty| penalty != 0.0);
    losses.add_if(sampling.top_k.is_some(), "top_k", NO_SUCH_FIELD);
    losses.add_if(sampling.n.is_some_and(|n| n > 1), "n", "OpenAI's Responses API gives one answer");
    losses.add_if(sampling.stop.as_ref().is_some_and(|stop| !stop.is_empty()), "stop", NO_SUCH_FIELD);
    losses.add_if(punishes(sampling.frequency_penalty), "frequency_penalty", NO_SUCH_FIELD);
    losses.add_if(punishes(sampling.presence_penalty), "presence_penalty", NO_SUCH_FIELD);
    losses.add_if(sampling.seed.is_some(), "seed", NO_SUCH_FIELD);
}

/// Sets `text`: the form of the answer, which stands flat here, and what else is known of it.
fn set_text(body: &mut Draft, format: Option<&ResponseFormat>, mut text: Draft, losses: &mut Losses) {
    match format {
        None => {}
        Some(ResponseFormat::Text) => text.set("format", json!({ "type": "text" })),
        Some(ResponseFormat::JsonObject) => text.set("format", json!({ "type": "json_object" })),
        Some(ResponseFormat::Unknown(raw)) if is_flat_schema(raw) => text.set_raw("format", raw.clone()),
        Some(ResponseFormat::Unknown(_)) => {
            losses.add("response_format", "a form that OpenAI's Responses API does not know");
        }
        Some(ResponseFormat::JsonSchema { name, description, schema, strict }) => {
            let mut format = Draft::default();
            format.set("type", "json_schema");
            // The API requires a name.
            format.set("name", name.as_deref().unwrap_or("answer"));
            format.set_some("description", description.as_ref());
            format.set_some("schema", schema.as_ref());
            // What is left out is `true` in this API and `false` in all others.
            format.set("strict", strict.unwrap_or(false));
            text.set("format", format);
        }
    }
    if !text.is_empty() {
        body.set("text", text);
    }
}

/// Whether a form of the answer that the canonical model does not name is one of this API.
fn is_flat_schema(raw: &RawJson) -> bool {
    let Ok(mut format) = Object::of(raw) else { return false };
    matches!(format.string("type"), Ok(Some(kind)) if kind == "json_schema")
        && format.take("schema").is_some()
}

/// The other fields that this API has: by their paths as its own clients write them, or under the names of OpenAI's chat
/// API.
#[derive(Default)]
struct Known {
    text: Draft,
    reasoning: Draft,
    include: Vec<String>,
    rest: Draft,
}

impl Known {
    fn of(request: &ChatRequest, losses: &mut Losses) -> Self {
        let mut known = Self::default();
        for (name, value) in &request.extras.fields {
            if request.extras.for_provider {
                known.rest.set_raw(name, value.clone());
            } else if !known.take(name, value) {
                losses.add(name.as_str(), NO_SUCH_FIELD);
            }
        }
        known
    }

    fn take(&mut self, name: &str, value: &RawJson) -> bool {
        const LOGPROBS: &str = "message.output_text.logprobs";
        match name {
            "verbosity" => self.text.set_raw(name, value.clone()),
            // The chat API's wish for log probabilities is one of two fields.
            "logprobs" if value.get() == "true" => self.include.push(LOGPROBS.to_owned()),
            "logprobs" if value.get() == "false" => {}
            "include" => match serde_json::from_str::<Vec<String>>(value.get()) {
                Ok(include) => self.include.extend(include),
                Err(_) => return false,
            },
            _ if is_native(name, value) => self.rest.set_raw(name, value.clone()),
            _ => match name.split_once('.') {
                Some(("text", inner)) => self.text.set_raw(inner, value.clone()),
                Some(("reasoning", inner)) => self.reasoning.set_raw(inner, value.clone()),
                _ => return false,
            },
        }
        true
    }
}

/// Fields that mean the same wherever a client of OpenAI's APIs writes them.
fn is_native(name: &str, value: &RawJson) -> bool {
    match name {
        "store"
        | "truncation"
        | "safety_identifier"
        | "prompt_cache_key"
        | "prompt_cache_retention"
        | "prompt_cache_options"
        | "top_logprobs"
        | "max_tool_calls"
        | "context_management"
        | "moderation" => true,
        "service_tier" => {
            let tiers = ["auto", "default", "flex", "scale", "priority", "fast"];
            tiers.iter().any(|tier| value.get().trim_matches('"') == *tier)
        }
        "metadata" => is_text_by_name(value),
        _ => false,
    }
}

/// Whether a value is an object of strings, as OpenAI wants metadata.
fn is_text_by_name(value: &RawJson) -> bool {
    let texts = |(_, value): &(String, RawJson)| value.get().starts_with('"');
    Object::of(value).is_ok_and(|object| object.rest().iter().all(texts))
}
