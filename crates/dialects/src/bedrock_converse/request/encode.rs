//! Requests, written for the provider.

use super::additional::{self, Additional};
use super::turns::Turns;
use crate::bedrock_converse::{NO_SUCH_FIELD, tools};
use crate::canonical::{ChatRequest, Losses, ResponseFormat, Temperature};
use crate::dialect::ModelTraits;
use crate::raw::{Draft, text};
use serde_json::json;

/// Fields that are Bedrock's own, so that they may pass when another dialect's client writes them.
const NATIVE: [&str; 6] = [
    "guardrailConfig",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
];

/// Writes a request. Which model and whether it streams stands in the path.
pub(crate) fn encode(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let mut additional = Additional::of(request, model.model.as_deref(), losses);
    let turns = Turns::of(&request.messages, losses);
    let mut body = Draft::of("messages", &turns.turns);
    if !turns.system.is_empty() {
        body.set("system", &turns.system);
    }
    set_inference(&mut body, &mut additional, request, model, losses);
    tools::set(&mut body, &mut additional, request, &turns.called, losses);
    set_format(&mut body, request.response_format.as_ref(), losses);
    set_extras(&mut body, &mut additional, request, losses);
    if !additional.fields.is_empty() {
        body.set(additional::NAME, additional.fields);
    }
    body.into_body()
}

fn set_inference(
    body: &mut Draft,
    additional: &mut Additional,
    request: &ChatRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) {
    let mut sampling = request.sampling.clone();
    let most = model.temperature_max.or(Some(1.0));
    if additional.thinks {
        let fitting = |temperature: &Temperature| temperature.for_max(model.temperature_max) == 1.0;
        if let Some(dropped) = sampling.temperature.take_if(|temperature| !fitting(temperature))
            && dropped.given
        {
            losses.add("temperature", "Anthropic's models think at temperature 1 only");
        }
    }
    let mut config = Draft::default();
    config.set_some("maxTokens", sampling.max_tokens.map(|max| max.value));
    config.set_some("temperature", model.temperature_up_to(most, &sampling, losses));
    config.set_some("topP", sampling.top_p);
    config.set_some("stopSequences", sampling.stop.as_ref().filter(|stop| !stop.is_empty()));
    if !config.is_empty() {
        body.set("inferenceConfig", config);
    }
    additional.top_k(&sampling, losses);
    const NO_PENALTIES: &str = "Bedrock's API has no penalties";
    let punishes = |penalty: Option<f64>| penalty.is_some_and(|penalty| penalty != 0.0);
    losses.add_if(sampling.n.is_some_and(|n| n > 1), "n", "Bedrock's API gives one answer");
    losses.add_if(punishes(sampling.frequency_penalty), "frequency_penalty", NO_PENALTIES);
    losses.add_if(punishes(sampling.presence_penalty), "presence_penalty", NO_PENALTIES);
    losses.add_if(sampling.seed.is_some(), "seed", "Bedrock's API has no seed");
    losses.add_if(request.user.is_some(), "user", "Bedrock's API does not ask for the end user");
}

/// Sets `outputConfig`: the form that the answer must have, with the schema as text.
fn set_format(body: &mut Draft, format: Option<&ResponseFormat>, losses: &mut Losses) {
    match format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::JsonSchema { name, description, schema: Some(schema), strict }) => {
            const STRICT: &str = "response_format.json_schema.strict";
            losses.add_if(
                *strict == Some(false),
                STRICT,
                "Bedrock's API always holds the model to the schema",
            );
            let mut written = Draft::of("schema", schema.get());
            written.set_some("name", name.as_ref());
            written.set_some("description", description.as_ref());
            let mut format = Draft::of("type", "json_schema");
            format.set("structure", Draft::of("jsonSchema", written));
            body.set("outputConfig", Draft::of("textFormat", format));
        }
        Some(_) => losses.add("response_format", "Bedrock's API takes a JSON schema only"),
    }
}

/// Sets the client's other fields. Parameters that are meant for the model, whatever its API, stand among its own.
fn set_extras(body: &mut Draft, additional: &mut Additional, request: &ChatRequest, losses: &mut Losses) {
    for (name, value) in &request.extras.fields {
        match name.as_str() {
            additional::NAME => additional.add(value, losses),
            "service_tier" if tier(value).is_some() => {
                if let Some(tier) = tier(value).flatten() {
                    body.set("serviceTier", json!({ "type": tier }));
                }
            }
            name if NATIVE.contains(&name) => body.set_raw(name, value.clone()),
            name if request.extras.for_provider => additional.fields.set_raw(name, value.clone()),
            name => losses.add(name, NO_SUCH_FIELD),
        }
    }
}

/// Bedrock's word for OpenAI's service tier; `Some(None)` where it is the one without a word.
fn tier(value: &serde_json::value::RawValue) -> Option<Option<&'static str>> {
    Some(match text(value).ok()?.as_str() {
        "auto" => None,
        "default" => Some("default"),
        "flex" => Some("flex"),
        "priority" => Some("priority"),
        _ => return None,
    })
}
