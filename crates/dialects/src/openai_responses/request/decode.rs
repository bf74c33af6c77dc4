//! Requests, read from a client.

use super::{items, tools};
use crate::canonical::{
    ChatRequest, Content, Extras, Failure, MaxTokens, Message, RawJson, Reasoning, ResponseFormat, Role,
    Sampling, Temperature,
};
use crate::raw::{Mismatch, Object, Read, to_raw};
use serde_json::value::RawValue;

/// Reads a request.
pub(crate) fn decode(body: &[u8]) -> Result<ChatRequest, Failure> {
    let mut object = Object::of_request(body)?;
    refuse_state(&mut object)?;
    read(object).map_err(Mismatch::blame_caller)
}

/// Refuses what only a server that keeps responses can do.
fn refuse_state(object: &mut Object<'_>) -> Result<(), Failure> {
    const NEEDS: [(&str, &str); 4] = [
        ("previous_response_id", "send the whole conversation in `input`"),
        ("conversation", "send the whole conversation in `input`"),
        ("prompt", "send the prompt itself in `instructions` and `input`"),
        ("background", "leave it out, or set it to false"),
    ];
    for (name, instead) in NEEDS {
        let Some(value) = object.take(name) else { continue };
        if value.get() != "false" {
            let why =
                "is not supported here: it needs what a server keeps between calls, and nothing is kept";
            return Err(Failure::invalid(name, format!("`{name}` {why}; {instead}")));
        }
    }
    Ok(())
}

fn read(mut object: Object<'_>) -> Read<ChatRequest> {
    let mut messages = Vec::new();
    if let Some(instructions) = object.string("instructions")?.filter(|text| !text.is_empty()) {
        messages.push(Message::text(Role::System, instructions));
    }
    let input =
        object.take("input").ok_or_else(|| Mismatch::missing("input", "a string or a list of items"))?;
    items::read(input, &mut messages).map_err(|wrong| wrong.within("input"))?;
    if messages.is_empty() {
        return Err(Mismatch { found: "an empty one", ..Mismatch::missing("input", "a list of items") });
    }
    let mut extras = Vec::new();
    let response_format = read_text(&mut object, &mut extras)?;
    let reasoning = read_reasoning(&mut object, &mut extras)?;
    let mut tools = object.each("tools", tools::read)?.unwrap_or_default();
    let tool_choice = tools::read_choice(&mut object, &mut tools)?;
    drop_defaults(&mut object, &mut extras)?;
    let request = ChatRequest {
        model: object.string("model")?,
        messages,
        sampling: read_sampling(&mut object)?,
        tools,
        tool_choice,
        parallel_tool_calls: object.boolean("parallel_tool_calls")?,
        response_format,
        reasoning,
        stream: object.boolean("stream")?,
        stream_usage: true,
        user: object.string("user")?,
        extras: Extras::default(),
    };
    extras.extend(object.rest_without_nulls());
    Ok(ChatRequest { extras: Extras { fields: extras, for_provider: false }, ..request })
}

fn read_sampling(object: &mut Object<'_>) -> Read<Sampling> {
    let max_tokens = object.count("max_output_tokens")?;
    Ok(Sampling {
        temperature: object.number("temperature")?.map(Temperature::given),
        top_p: object.number("top_p")?,
        max_tokens: max_tokens.map(|value| MaxTokens { value, completion: true }),
        // Open clones of the API take these, too.
        frequency_penalty: object.number("frequency_penalty")?,
        presence_penalty: object.number("presence_penalty")?,
        ..Sampling::default()
    })
}

/// Reads `text`: the form of the answer. The rest of it stays under its path.
fn read_text(object: &mut Object<'_>, extras: &mut Vec<(String, RawJson)>) -> Read<Option<ResponseFormat>> {
    let Some(mut text) = object.object("text")? else { return Ok(None) };
    let format = text.take("format").map(read_format).transpose();
    let format = format.map_err(|wrong| wrong.within("text.format"))?;
    keep("text", text, extras);
    Ok(format)
}

fn read_format(value: &RawValue) -> Read<ResponseFormat> {
    let mut format = Object::of(value)?;
    let unknown = || ResponseFormat::Unknown(value.to_owned());
    Ok(match format.need_string("type")?.as_str() {
        "text" => ResponseFormat::Text,
        "json_object" => ResponseFormat::JsonObject,
        "json_schema" => {
            let read = ResponseFormat::JsonSchema {
                name: format.string("name")?,
                description: format.string("description")?,
                schema: format.take("schema").map(RawValue::to_owned),
                strict: format.boolean("strict")?,
            };
            if format.rest_without_nulls().is_empty() { read } else { unknown() }
        }
        _ => unknown(),
    })
}

/// Reads `reasoning`: how much. The rest of it stays under its path.
fn read_reasoning(object: &mut Object<'_>, extras: &mut Vec<(String, RawJson)>) -> Read<Option<Reasoning>> {
    let Some(mut reasoning) = object.object("reasoning")? else { return Ok(None) };
    let effort = reasoning.string("effort").map_err(|wrong| wrong.within("reasoning"))?;
    keep("reasoning", reasoning, extras);
    Ok(effort.map(Reasoning::Effort))
}

/// Keeps what is left of the object `name`, each field under its path.
fn keep(name: &str, object: Object<'_>, extras: &mut Vec<(String, RawJson)>) {
    let rest = object.rest_without_nulls().into_iter();
    extras.extend(rest.map(|(field, value)| (format!("{name}.{field}"), value)));
}

/// Takes out what says no more than its absence would here: nothing is stored, reasoning is always given back
/// encrypted where it can be, and defaults are defaults.
fn drop_defaults(object: &mut Object<'_>, extras: &mut Vec<(String, RawJson)>) -> Read<()> {
    if let Some(mut include) = object.strings("include")? {
        include.retain(|what| what != "reasoning.encrypted_content");
        if !include.is_empty() {
            extras.push(("include".to_owned(), to_raw(&include)));
        }
    }
    const DEFAULTS: [(&str, &str); 4] =
        [("store", "false"), ("truncation", "\"disabled\""), ("top_logprobs", "0"), ("metadata", "{}")];
    for (name, default) in DEFAULTS {
        if object.get(name).is_some_and(|value| value.get() == default) {
            object.take(name);
        }
    }
    Ok(())
}

/// Puts `said` after what a message says already.
pub(super) fn say(content: &mut Content, said: Content) {
    let parts = |content| match content {
        Content::None => Vec::new(),
        Content::Text(text) => vec![crate::canonical::Part::Text { text, extras: Vec::new() }],
        Content::Parts(parts) => parts,
    };
    *content = match (std::mem::replace(content, Content::None), said) {
        (Content::None, said) | (said, Content::None) => said,
        (before, said) => Content::Parts(parts(before).into_iter().chain(parts(said)).collect()),
    };
}
