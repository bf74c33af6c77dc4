//! Messages and their parts, of requests and of answers.

use super::NO_SUCH_FIELD;
use crate::canonical::{
    Content, Losses, Media, MediaKind, MediaSource, Message, Part, RawJson, Role, ToolCall,
};
use crate::openai_chat::{media, tools};
use crate::raw::{Draft, Mismatch, Object, Read, each, text, to_raw};
use serde_json::json;
use serde_json::value::RawValue;

/// Reads a message. The plan that older models make before they call tools is reasoning.
pub(super) fn read(value: &RawValue) -> Read<Message> {
    let mut object = Object::of(value)?;
    let role = Role::of_openai_word(&object.need_string("role")?);
    let plan = object.string("tool_plan")?.filter(|plan| !plan.is_empty());
    let mut parts = plan.map(|text| Part::Thinking { text, signature: None }).into_iter().collect::<Vec<_>>();
    let content = object.take("content").map_or(Ok(Content::None), read_content)?;
    let content = match content {
        content if parts.is_empty() => content,
        Content::None => Content::Parts(parts),
        Content::Text(text) => {
            parts.push(Part::Text { text, extras: Vec::new() });
            Content::Parts(parts)
        }
        Content::Parts(more) => {
            parts.extend(more);
            Content::Parts(parts)
        }
    };
    Ok(Message {
        content,
        tool_calls: object.each("tool_calls", read_call)?.unwrap_or_default(),
        tool_call_id: object.string("tool_call_id")?,
        extras: object.rest_without_nulls(),
        ..Message::text(role, "")
    })
}

fn read_content(value: &RawValue) -> Read<Content> {
    let content = match text(value) {
        Ok(text) => Ok(Content::Text(text)),
        Err(_) => each(value, read_part).map(Content::Parts),
    };
    content.map_err(|wrong| wrong.within("content"))
}

fn read_part(value: &RawValue) -> Read<Part> {
    let mut part = Object::of(value)?;
    let unknown = || Part::Unknown(value.to_owned());
    Ok(match part.need_string("type")?.as_str() {
        "text" => Part::Text { text: part.need_string("text")?, extras: part.rest_without_nulls() },
        "thinking" => {
            let text = part.need_string("thinking")?;
            if part.is_empty() { Part::Thinking { text, signature: None } } else { unknown() }
        }
        "document" => {
            let document = part.get("document").ok_or_else(|| Mismatch::missing("document", "an object"))?;
            Part::Text {
                text: document_text(document).map_err(|wrong| wrong.within("document"))?,
                extras: part.rest_without_nulls(),
            }
        }
        kind => media::read(kind, part).map_or_else(unknown, Part::Media),
    })
}

/// What a document says: its data, as text or as the JSON that it is. The part keeps the document among its extras.
fn document_text(value: &RawValue) -> Read<String> {
    let mut document = Object::of(value)?;
    let data = document.take("data").ok_or_else(|| Mismatch::missing("data", "a string or an object"))?;
    Ok(text(data).unwrap_or_else(|_| data.get().to_owned()))
}

/// Reads a call. One without arguments may have `null`.
fn read_call(value: &RawValue) -> Read<ToolCall> {
    let call = tools::read_call(value, crate::openai_chat::made_here)?;
    let arguments = if call.arguments.is_empty() { "{}".to_owned() } else { call.arguments };
    Ok(ToolCall { arguments, ..call })
}

/// Writes the assistant's message, of a request or an answer. `at` is its path.
pub(super) fn write_answer(message: &Message, at: &str, losses: &mut Losses) -> Draft {
    let mut written = Draft::default();
    written.set("role", "assistant");
    let mut parts = parts_of(message, at, losses);
    parts.extend(message.refusal.as_deref().map(write_text));
    if !parts.is_empty() {
        written.set("content", parts);
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().enumerate();
        let write = |(place, call)| write_call(call, &format!("{at}.tool_calls[{place}]"), losses);
        written.set("tool_calls", calls.map(write).collect::<Vec<_>>());
    }
    losses.add_if(message.name.is_some(), format!("{at}.name"), NO_SUCH_FIELD);
    for (name, value) in &message.extras {
        if name == "citations" && are_citations(value) {
            written.set_raw(name, value.clone());
        } else {
            losses.add(format!("{at}.{name}"), NO_SUCH_FIELD);
        }
    }
    written
}

/// Whether citations have Cohere's form, for other APIs have the word too.
fn are_citations(value: &RawJson) -> bool {
    each(value, |citation| Object::of(citation)?.list("sources"))
        .is_ok_and(|all| all.iter().all(Option::is_some))
}

/// A message's content as parts; empty text, with which nothing is said, is left out where there is more.
pub(super) fn parts_of(message: &Message, at: &str, losses: &mut Losses) -> Vec<RawJson> {
    match &message.content {
        Content::None => Vec::new(),
        Content::Text(text) if text.is_empty() && !message.tool_calls.is_empty() => Vec::new(),
        Content::Text(text) => vec![write_text(text)],
        Content::Parts(parts) => {
            let write =
                |(place, part)| write_part(part, &message.role, &format!("{at}.content[{place}]"), losses);
            parts.iter().enumerate().filter_map(write).collect()
        }
    }
}

fn write_text(text: &str) -> RawJson {
    to_raw(&json!({ "type": "text", "text": text }))
}

fn write_part(part: &Part, role: &Role, at: &str, losses: &mut Losses) -> Option<RawJson> {
    match part {
        Part::Text { text, extras } => Some(write_text_part(text, extras, role, at, losses)),
        Part::Thinking { text, signature } if *role == Role::Assistant => {
            let signed = signature.is_some();
            losses.add_if(signed, format!("{at}.signature"), "Cohere's API has no signatures");
            Some(to_raw(&json!({ "type": "thinking", "thinking": text })))
        }
        Part::Media(media) if *role == Role::User => write_image(media, at, losses),
        _ => {
            losses.add(at, "Cohere's API has no such part here");
            None
        }
    }
}

fn write_text_part(
    text: &str,
    extras: &[(String, RawJson)],
    role: &Role,
    at: &str,
    losses: &mut Losses,
) -> RawJson {
    let mut written = Draft::default();
    for (name, value) in extras {
        if name == "document" && *role == Role::Tool {
            written.set("type", "document");
            written.set_raw(name, value.clone());
        } else {
            losses.add(format!("{at}.{name}"), NO_SUCH_FIELD);
        }
    }
    if written.is_empty() { write_text(text) } else { to_raw(&written) }
}

fn write_image(media: &Media, at: &str, losses: &mut Losses) -> Option<RawJson> {
    let url = match (&media.source, media.kind) {
        (MediaSource::Url(url), MediaKind::Image) => url.clone(),
        (MediaSource::Base64 { media_type, data }, MediaKind::Image) => {
            format!("data:{media_type};base64,{data}")
        }
        _ => {
            losses.add(at, "Cohere's API takes images by URL or data, and no other media");
            return None;
        }
    };
    losses.add_if(media.name.is_some(), format!("{at}.filename"), NO_SUCH_FIELD);
    losses.add_fields(at, &media.extras, NO_SUCH_FIELD);
    let mut image = Draft::default();
    image.set("url", url);
    image.set_some("detail", media.detail.as_ref());
    Some(to_raw(&json!({ "type": "image_url", "image_url": image })))
}

fn write_call(call: &ToolCall, at: &str, losses: &mut Losses) -> RawJson {
    let signed = call.signature.is_some();
    losses.add_if(signed, format!("{at}.signature"), "Cohere's API has no signatures");
    losses.add_fields(at, &call.extras, NO_SUCH_FIELD);
    let function = json!({ "name": call.name, "arguments": call.arguments });
    to_raw(&json!({ "id": call.id, "type": "function", "function": function }))
}
