//! Requests, written for the provider.

use super::reasoning::Thought;
use super::turns::Turns;
use crate::anthropic_messages::parameters::{self, NO_SUCH_FIELD};
use crate::anthropic_messages::tools;
use crate::canonical::{ChatRequest, Losses, RawJson, ResponseFormat, Temperature};
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Object};

/// The limit where neither the client nor the model's entry gives one; the API requires it, and every model takes it.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Writes a request.
pub(crate) fn encode(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let given = request.sampling.max_tokens.map(|max| max.value);
    let max_tokens = given.or(model.max_output_tokens).unwrap_or(DEFAULT_MAX_TOKENS);
    let thought = Thought::of(request, max_tokens, losses);
    let turns = Turns::of(&request.messages, losses);
    let mut body = Draft::default();
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    body.set("max_tokens", max_tokens);
    body.set_some("system", turns.system());
    body.set("messages", turns.messages());
    set_sampling(&mut body, request, model, thought.thinks(), losses);
    body.set_some("stream", request.stream);
    parameters::set_user(&mut body, request.user.as_ref());
    tools::set(&mut body, request, losses);
    body.set_some("thinking", thought.thinking);
    set_output(&mut body, thought.effort, request.response_format.as_ref(), losses);
    body.set_extras(&request.extras, is_native, NO_SUCH_FIELD, losses);
    body.into_body()
}

/// Fields that are Anthropic's own, so that they may pass when another dialect's client writes them.
fn is_native(name: &str, value: &RawJson) -> bool {
    match name {
        "thinking" => Object::of(value).is_ok_and(|mut wish| matches!(wish.string("type"), Ok(Some(_)))),
        "output_config" | "container" | "mcp_servers" | "context_management" | "cache_control"
        | "inference_geo" => true,
        "metadata" => parameters::is_user_metadata(value),
        "service_tier" => matches!(value.get(), r#""auto""# | r#""standard_only""#),
        _ => false,
    }
}

/// Sampling, which the API restricts where the model thinks: no other temperature than 1 and no `top_k`.
fn set_sampling(
    body: &mut Draft,
    request: &ChatRequest,
    model: &ModelTraits,
    thinks: bool,
    losses: &mut Losses,
) {
    let mut sampling = request.sampling.clone();
    if thinks {
        let fitting = |temperature: &Temperature| temperature.for_max(model.temperature_max) == 1.0;
        if let Some(dropped) = sampling.temperature.take_if(|temperature| !fitting(temperature))
            && dropped.given
        {
            losses.add("temperature", "Anthropic's models think at temperature 1 only");
        }
        if sampling.top_k.take().is_some() {
            losses.add("top_k", "Anthropic's models think without `top_k` only");
        }
    }
    parameters::set_sampling(body, &sampling, model, losses);
}

/// Sets `output_config`: effort, and the form that the answer must have.
fn set_output(
    body: &mut Draft,
    effort: Option<&'static str>,
    format: Option<&ResponseFormat>,
    losses: &mut Losses,
) {
    let mut output = Draft::default();
    output.set_some("effort", effort);
    match format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::JsonSchema { schema: Some(schema), description, .. }) => {
            const DESCRIPTION: &str = "response_format.json_schema.description";
            losses.add_if(description.is_some(), DESCRIPTION, "Anthropic's API takes the schema alone");
            let mut format = Draft::default();
            format.set("type", "json_schema");
            format.set_raw("schema", schema.clone());
            output.set("format", format);
        }
        Some(_) => losses.add("response_format", "Anthropic's API takes a JSON schema only"),
    }
    if !output.is_empty() {
        body.set("output_config", output);
    }
}
