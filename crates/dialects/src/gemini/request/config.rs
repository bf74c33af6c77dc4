//! `generationConfig`: sampling, the form of the answer and reasoning.

use super::thinking;
use crate::canonical::{ChatRequest, Losses, MaxTokens, RawJson, ResponseFormat, Sampling, Temperature};
use crate::dialect::ModelTraits;
use crate::gemini::fields::{self, count};
use crate::gemini::schema::to_json_schema;
use crate::raw::{Draft, Mismatch, Object, Read};

/// What stands before the names of extra fields that belong into `generationConfig`.
pub(super) const PREFIX: &str = "generationConfig.";

/// The most stop texts that the API takes.
const MOST_STOPS: usize = 5;

/// Takes `generationConfig`. What the canonical model does not name becomes an extra field under its whole path.
pub(super) fn read(
    object: &mut Object<'_>,
    request: &mut ChatRequest,
    extras: &mut Vec<(String, RawJson)>,
) -> Read<()> {
    let Some(mut config) = fields::take_object(object, "generationConfig")? else { return Ok(()) };
    let inside = |wrong: Mismatch| wrong.within("generationConfig");
    request.sampling = sampling(&mut config).map_err(inside)?;
    request.response_format = format(&mut config, extras).map_err(inside)?;
    request.reasoning = thinking::read(&mut config, extras).map_err(inside)?;
    // Text is what every model answers unless told otherwise.
    if config.get("responseModalities").is_some_and(|modalities| is_text_alone(modalities.get())) {
        config.take("responseModalities");
    }
    let rest = config.rest_without_nulls().into_iter();
    extras.extend(rest.map(|(name, value)| (format!("{PREFIX}{name}"), value)));
    Ok(())
}

fn is_text_alone(modalities: &str) -> bool {
    serde_json::from_str::<Vec<String>>(modalities).is_ok_and(|list| list == ["TEXT"])
}

fn sampling(config: &mut Object<'_>) -> Read<Sampling> {
    Ok(Sampling {
        temperature: config.number("temperature")?.map(Temperature::given),
        top_p: config.number("topP")?,
        top_k: count(config, "topK")?,
        n: count(config, "candidateCount")?,
        stop: config.strings("stopSequences")?.filter(|stop| !stop.is_empty()),
        max_tokens: count(config, "maxOutputTokens")?.map(|value| MaxTokens { value, completion: false }),
        frequency_penalty: config.number("frequencyPenalty")?,
        presence_penalty: config.number("presencePenalty")?,
        seed: config.integer("seed")?,
    })
}

/// Reads the form of the answer. A schema of the API's own becomes JSON Schema, which all others have.
fn format(config: &mut Object<'_>, extras: &mut Vec<(String, RawJson)>) -> Read<Option<ResponseFormat>> {
    let mime = config.string("responseMimeType")?;
    let own = config.get("responseSchema").filter(|schema| schema.get() != "null");
    let schema = match (mime.as_deref(), own) {
        (Some("application/json") | None, Some(own)) => {
            config.take("responseSchema");
            Some(to_json_schema(own))
        }
        (Some("application/json") | None, None) => {
            let schema = config.take("responseJsonSchema").or_else(|| config.take("_responseJsonSchema"));
            schema.map(ToOwned::to_owned)
        }
        _ => None,
    };
    Ok(match (mime.as_deref(), schema) {
        (_, Some(schema)) => Some(ResponseFormat::JsonSchema {
            name: None,
            description: None,
            schema: Some(schema),
            strict: None,
        }),
        (Some("application/json"), None) => Some(ResponseFormat::JsonObject),
        (Some("text/plain"), None) => Some(ResponseFormat::Text),
        (Some(other), None) => {
            extras.push((format!("{PREFIX}responseMimeType"), crate::raw::to_raw(other)));
            None
        }
        (None, None) => None,
    })
}

/// Writes `generationConfig`; `None` when nothing is to be said in it.
pub(super) fn write(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Option<Draft> {
    let mut config = Draft::default();
    write_sampling(&mut config, request, model, losses);
    write_format(&mut config, request.response_format.as_ref(), losses);
    let thinking = thinking::write(request, model, losses);
    for (name, value) in &request.extras.fields {
        match name.strip_prefix(PREFIX) {
            Some(name) if !name.starts_with(thinking::PREFIX) => config.set_raw(name, value.clone()),
            Some(_) => {}
            None if request.extras.for_provider && OF_PROVIDERS.contains(&name.as_str()) => {
                config.set_raw(name, value.clone());
            }
            None => {}
        }
    }
    if !thinking.is_empty() {
        config.set("thinkingConfig", thinking);
    }
    (!config.is_empty()).then_some(config)
}

/// Fields of `generationConfig` that callers of MLflow's paths write at the top level.
pub(super) const OF_PROVIDERS: [&str; 10] = [
    "topP",
    "topK",
    "maxOutputTokens",
    "stopSequences",
    "candidateCount",
    "responseMimeType",
    "responseSchema",
    "responseModalities",
    "thinkingConfig",
    "responseLogprobs",
];

fn write_sampling(config: &mut Draft, request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) {
    let sampling = &request.sampling;
    config.set_some("temperature", model.temperature(sampling, losses));
    config.set_some("topP", sampling.top_p);
    config.set_some("topK", sampling.top_k);
    config.set_some("candidateCount", sampling.n);
    config.set_some("maxOutputTokens", sampling.max_tokens.map(|most| most.value));
    if let Some(stop) = sampling.stop.as_ref().filter(|stop| !stop.is_empty()) {
        losses.add_if(
            stop.len() > MOST_STOPS,
            "stop",
            "Gemini's API takes five stop texts; the first were sent",
        );
        config.set("stopSequences", &stop[..stop.len().min(MOST_STOPS)]);
    }
    config.set_some("presencePenalty", sampling.presence_penalty);
    config.set_some("frequencyPenalty", sampling.frequency_penalty);
    let seed = sampling.seed.filter(|seed| i32::try_from(*seed).is_ok());
    losses.add_if(seed != sampling.seed, "seed", "Gemini's API takes seeds of 32 bits");
    config.set_some("seed", seed);
}

fn write_format(config: &mut Draft, format: Option<&ResponseFormat>, losses: &mut Losses) {
    const JSON: &str = "application/json";
    match format {
        None => {}
        Some(ResponseFormat::Text) => config.set("responseMimeType", "text/plain"),
        Some(ResponseFormat::JsonObject) => config.set("responseMimeType", JSON),
        Some(ResponseFormat::JsonSchema { schema, description, .. }) => {
            const DESCRIPTION: &str = "response_format.json_schema.description";
            losses.add_if(description.is_some(), DESCRIPTION, "Gemini's API takes the schema alone");
            config.set("responseMimeType", JSON);
            config.set_some("responseJsonSchema", schema.as_ref());
        }
        Some(ResponseFormat::Unknown(_)) => {
            losses.add("response_format", "a form that Gemini's API does not know");
        }
    }
}
