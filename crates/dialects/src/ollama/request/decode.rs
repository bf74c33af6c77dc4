//! Requests, read from a client.

use super::options;
use crate::canonical::{ChatRequest, Extras, Failure, Reasoning, ResponseFormat};
use crate::ollama::{calls, message};
use crate::openai_chat::tools;
use crate::raw::{Mismatch, Object, Read, text};
use serde_json::value::RawValue;

/// Reads a request.
pub(crate) fn decode(body: &[u8]) -> Result<ChatRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<ChatRequest> {
    let messages = object.each("messages", message::read)?.filter(|messages| !messages.is_empty());
    let mut messages = messages.ok_or_else(|| Mismatch::missing("messages", "a list of messages"))?;
    calls::join(&mut messages);
    let (sampling, own_options) = options::take(&mut object)?;
    let format = object.take("format").map(read_format).transpose();
    let reasoning = object.take("think").map(read_think).transpose();
    let request = ChatRequest {
        model: object.string("model")?,
        messages,
        sampling,
        tools: object.each("tools", tools::read)?.unwrap_or_default(),
        response_format: format.map_err(|wrong| wrong.within("format"))?.flatten(),
        reasoning: reasoning.map_err(|wrong| wrong.within("think"))?,
        stream: Some(object.boolean("stream")?.unwrap_or(true)),
        stream_usage: true,
        ..ChatRequest::default()
    };
    let mut fields = object.rest_without_nulls();
    fields.extend(own_options.map(|options| ("options".to_owned(), options)));
    Ok(ChatRequest { extras: Extras { fields, for_provider: false }, ..request })
}

/// Reads `format`: nothing, `json` or a schema.
fn read_format(value: &RawValue) -> Read<Option<ResponseFormat>> {
    if value.get().starts_with('{') {
        let schema = Some(value.to_owned());
        return Ok(Some(ResponseFormat::JsonSchema { name: None, description: None, schema, strict: None }));
    }
    let word = text(value).map_err(|_| Mismatch::of(value, "`json` or a schema"))?;
    Ok(match word.as_str() {
        "" => None,
        "json" => Some(ResponseFormat::JsonObject),
        _ => Some(ResponseFormat::Unknown(value.to_owned())),
    })
}

/// Reads `think`: whether at all, or how much. Ollama takes `true` for `medium`.
fn read_think(value: &RawValue) -> Read<Reasoning> {
    Ok(match value.get() {
        "true" => Reasoning::Effort("medium".to_owned()),
        "false" => Reasoning::Off,
        _ => Reasoning::Effort(text(value).map_err(|_| Mismatch::of(value, "a boolean or a level"))?),
    })
}
